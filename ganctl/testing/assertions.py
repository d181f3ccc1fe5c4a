"""Functions ``assert_…``, which run a check and raise an AssertionError if there are failures."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

from ganctl.testing.augmentation import check_augmentation
from ganctl.testing.dataset import check_dataset
from ganctl.testing.discriminator import check_discriminator
from ganctl.testing.failures import Failure
from ganctl.testing.generator import check_generator
from ganctl.testing.latent import check_latent
from ganctl.testing.loss import check_loss
from ganctl.testing.metric import check_metric
from ganctl.testing.model import check_model
from ganctl.testing.optimizer import check_optimizer
from ganctl.testing.plugin import check_plugin
from ganctl.testing.registration import check_registration
from ganctl.testing.regularizer import check_regularizer
from ganctl.testing.tracker import check_tracker

P = ParamSpec("P")


def assertion(check: Callable[P, list[Failure]]) -> Callable[P, None]:
    """Return a function that has the same parameters as ``check`` and raises an AssertionError with all failures."""

    @functools.wraps(check)
    def assert_no_failures(*args: P.args, **kwargs: P.kwargs) -> None:
        failures = check(*args, **kwargs)
        if failures:
            raise AssertionError("\n\n" + "\n\n".join(map(str, failures)))

    name = check.__name__.replace("check_", "assert_")
    assert_no_failures.__name__ = assert_no_failures.__qualname__ = name
    assert_no_failures.__doc__ = f"Raise an AssertionError with all failures of :func:`{check.__name__}`."
    signature = inspect.signature(check).replace(return_annotation="None")
    assert_no_failures.__signature__ = signature  # type: ignore[attr-defined]
    return assert_no_failures


assert_augmentation = assertion(check_augmentation)
assert_dataset = assertion(check_dataset)
assert_discriminator = assertion(check_discriminator)
assert_generator = assertion(check_generator)
assert_loss = assertion(check_loss)
assert_model = assertion(check_model)
assert_optimizer = assertion(check_optimizer)
assert_plugin = assertion(check_plugin)
assert_registration = assertion(check_registration)
assert_regularizer = assertion(check_regularizer)
assert_tracker = assertion(check_tracker)
assert_metric = assertion(check_metric)
assert_latent = assertion(check_latent)
