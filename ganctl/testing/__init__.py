"""Checks for plugin authors, which test that a component meets the contract on which ganctl relies.

Call the checks in a test with a registered name or a factory, and with any options of the component::

    import ganctl.testing

    def test_my_loss():
        ganctl.testing.assert_loss("my-loss", scale=2.0)

``check_…`` returns a list of :class:`Failure`, each with a problem and a remedy. ``assert_…`` raises an AssertionError
that contains all failures. ``ganctl plugins check NAME`` runs the same checks from a shell. With pytest, the fixtures
``ganctl_kit`` and ``ganctl_train`` (:mod:`ganctl.pytest_plugin`) are available.

Components are checked on the CPU with a few small images. To save time, use options to make wide networks small. The
checks do not depend on the width.
"""

from ganctl.testing.assertions import (
    assert_augmentation,
    assert_dataset,
    assert_discriminator,
    assert_generator,
    assert_latent,
    assert_loss,
    assert_metric,
    assert_model,
    assert_optimizer,
    assert_plugin,
    assert_registration,
    assert_regularizer,
    assert_tracker,
)
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
from ganctl.testing.plugin import CheckResult, check_plugin, run_checks
from ganctl.testing.registration import check_registration
from ganctl.testing.regularizer import check_regularizer
from ganctl.testing.tracker import check_tracker

__all__ = [
    "CheckResult",
    "Failure",
    "assert_augmentation",
    "assert_dataset",
    "assert_discriminator",
    "assert_generator",
    "assert_latent",
    "assert_loss",
    "assert_metric",
    "assert_model",
    "assert_optimizer",
    "assert_plugin",
    "assert_registration",
    "assert_regularizer",
    "assert_tracker",
    "check_augmentation",
    "check_dataset",
    "check_discriminator",
    "check_generator",
    "check_latent",
    "check_loss",
    "check_metric",
    "check_model",
    "check_optimizer",
    "check_plugin",
    "check_registration",
    "check_regularizer",
    "check_tracker",
    "run_checks",
]
