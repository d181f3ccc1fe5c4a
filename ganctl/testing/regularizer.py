"""Check a regularizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.loss import Batch
from ganctl.plugin.registry import Registry
from ganctl.plugin.signatures import requested
from ganctl.recipe import ImageShape, Spec
from ganctl.regularizer import Regularizer
from ganctl.testing import networks
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.device import on_device
from ganctl.testing.failures import Broken, Failure, Findings
from ganctl.testing.loss_inputs import BATCH, CLASSES, SIZES, SmallDiscriminator, make_generator
from ganctl.testing.split_batch import half, run_in_halves
from ganctl.testing.step_results import (
    differs_after_loading,
    gradients_of,
    save_and_load,
    unchanged,
    value_and_report,
)
from ganctl.training.network_calls import DiscriminatorCall, GeneratorCall

STEPS = {"discriminator_term": "in the D step", "generator_term": "in the G step"}


def check_regularizer(
    regularizer: Target, /, *, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """Check that the terms have finite values and gradients, and do not change inputs or read from the device.

    The terms are checked with 1 and 3 channels, with and without labels, under bf16 autocast, and after the state is
    saved and loaded. D is a small network that returns logits. G is the generator of
    a model with the regularizer, or a small network.

    Args:
        regularizer: Registered name or factory of the regularizer.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the regularizer.
    """
    return run_check("regularizer", regularizer, options, registry, _check)


class Inputs(NamedTuple):
    """A regularizer, and the networks and batches with which its terms are called."""

    regularizer: Regularizer
    D: nn.Module
    G: nn.Module
    real: Batch
    fake: Batch

    def terms(self) -> list[str]:
        """Return the names of the methods that the regularizer defines."""
        return [name for name in STEPS if callable(getattr(self.regularizer, name, None))]

    def call(self, name: str, real: Batch | None = None, fake: Batch | None = None) -> Any:
        """Call a term in the same way as the engine."""
        method = getattr(self.regularizer, name)
        G, D = GeneratorCall(self.G), DiscriminatorCall(self.D).for_component(0)
        fake = fake or self.fake
        with torch.set_grad_enabled(name == "generator_term"):
            fake = fake._replace(x=G(fake.z, fake.y, fake.c))  # type: ignore[arg-type]
        return method(D, real or self.real, fake, **requested(method, G=G))

    def trained(self, name: str) -> nn.Module:
        return self.D if name == "discriminator_term" else self.G


def _make(subject: Subject, registry: Registry, channels: int, *, labels: bool = True) -> Inputs:
    torch.manual_seed(0)
    image = ImageShape(channels, SIZES[0], SIZES[0])
    models = networks.models_with(registry, subject)  # their generators have the methods that the terms call
    latent = networks.make_latent(registry, models[0].latent if models else Spec("normal", z_dim=4))
    classes = CLASSES if labels else 0
    generator = models[0].generator if models else None
    regularizer = subject.make(
        image=image, num_classes=classes, condition=None, latent=latent, batch_size=BATCH
    )
    D, G = SmallDiscriminator(image), make_generator(registry, generator, image, latent, classes)
    y = torch.arange(BATCH) % CLASSES if labels else None
    real = Batch(torch.rand(BATCH, *image) * 2 - 1, y)
    z = latent.sample(BATCH, "cpu")
    return Inputs(regularizer, D, G, real, Batch(G(z, y).detach(), y, z))


def _check(subject: Subject, findings: Findings, registry: Registry) -> None:
    def make(channels: int = 1, *, labels: bool = True) -> Inputs:
        return _make(subject, registry, channels, labels=labels)

    with findings.collect("when it is built"):
        inputs = make()
        if not isinstance(inputs.regularizer, Regularizer):
            raise Broken(
                f"is a {type(inputs.regularizer).__name__}, not a ganctl.Regularizer.",
                "Derive its class from ganctl.Regularizer.",
            )
        if not inputs.terms():
            raise Broken(
                "defines neither discriminator_term nor generator_term.",
                "Define one of them, or both: def discriminator_term(self, D, real, fake): …",
            )
    if findings.failures:
        return
    names = inputs.terms()
    for channels in (1, 3):
        for name in names:
            with findings.collect(f"for images of {channels} channel{'s' * (channels > 1)}"):
                _check_term(make(channels), name)
    if findings.failures:
        return  # the remaining checks require working terms
    for name in names:
        with findings.collect("where it must stay on the device"):
            inputs = make()
            with on_device(STEPS[name]):
                inputs.call(name)[0].backward()
        with findings.collect("under bf16 autocast"):
            _check_bf16(make(), name)
        with findings.collect("when several devices share a batch"):
            _check_split(make, name)
        with findings.collect("for data without labels"), suppress(GanctlError):
            make(labels=False).call(name)  # a regularizer that needs labels may reject data without labels
    with findings.collect("when its state is saved and loaded"):
        _check_state(make(), make(), names)


def _check_term(inputs: Inputs, name: str) -> None:
    step, frozen = STEPS[name], inputs.D.parameters() if name == "generator_term" else ()
    for weight in frozen:
        weight.requires_grad_(False)
    with (
        unchanged([*inputs.real, *inputs.fake, *inputs.G.parameters()], inputs.D, step),
        _watch(inputs, name),
    ):
        value, _ = value_and_report(
            inputs.call(name), step, "return value, {'my-term': value.mean()} (or {})."
        )
    network = "D" if name == "discriminator_term" else "G"
    gradients = gradients_of(value, [*inputs.trained(name).parameters()], step)
    if not any(bool((g != 0).any()) for g in gradients if g is not None):
        raise Broken(
            f"gives {network}'s weights no gradient {step}.",
            f"Compute it from the output or the weights of {network}, without detach() and torch.no_grad().",
        )


@contextmanager
def _watch(inputs: Inputs, name: str) -> Iterator[None]:
    """Raise :class:`Broken` if the body computes gradients of gradients and the class does not declare this."""
    attribute = "penalizes_gradient" if name == "discriminator_term" else "penalizes_generator"
    what = "D with respect to images" if name == "discriminator_term" else "G"
    with mock.patch.object(torch.autograd, "grad", wraps=torch.autograd.grad) as grad:
        yield
    twice = any(call.kwargs.get("create_graph") for call in grad.call_args_list)
    if twice and not getattr(inputs.regularizer, attribute):
        raise Broken(
            f"takes the gradient of a gradient of {what} {STEPS[name]}, but does not declare it.",
            f"Add a line to the class: {attribute} = True",
        )


def _check_bf16(inputs: Inputs, name: str) -> None:
    step = f"{STEPS[name]} under bf16 autocast"
    with torch.autocast("cpu", torch.bfloat16):
        value, _ = value_and_report(inputs.call(name), step, "return value, {}")
    if value.dtype in (torch.bfloat16, torch.float16):
        raise Broken(
            f"is computed in {str(value.dtype).removeprefix('torch.')} {step}, which is too imprecise for a mean.",
            "Call D with ganctl.logits(D, real), which returns float32, or use D(…).float().",
        )
    gradients_of(value, [*inputs.trained(name).parameters()], step)


def _check_split(make: Callable[[], Inputs], name: str) -> None:
    """Check that the mean over two halves of a batch equals the value of the whole batch.

    A term that draws random numbers is not checked, because the numbers differ between the two computations.
    """
    values = []
    for seed in (1, 2):
        inputs = make()
        torch.manual_seed(seed)
        values.append(inputs.call(name)[0].detach())
    if values[0] != values[1]:
        return
    whole = make()

    def value_of_half(rank: int) -> Tensor:
        inputs = whole._replace(regularizer=copy.deepcopy(whole.regularizer))
        real, fake = (Batch(*(half(part, rank) for part in batch)) for batch in (inputs.real, inputs.fake))  # type: ignore[arg-type]
        value: Tensor = inputs.call(name, real, fake)[0].detach()
        return value

    if not torch.allclose(torch.stack(run_in_halves(value_of_half)).mean(0), values[0], rtol=1e-3, atol=1e-5):
        raise Broken(
            f"depends {STEPS[name]} on the number of devices that share a batch, because it combines "
            "values of different images.",
            "Combine them with ganctl.batchwise: batchwise.mean(x) instead of x.mean() inside another function, "
            "or batchwise.whole(x) for all rows.",
        )


def _check_state(inputs: Inputs, fresh: Inputs, names: list[str]) -> None:
    for _ in range(3):
        for name in names:
            inputs.call(name)
    save_and_load(inputs.regularizer, fresh.regularizer)
    values = []
    for regularizer in (inputs.regularizer, fresh.regularizer):
        same = inputs._replace(regularizer=regularizer)
        torch.manual_seed(1)
        values.append([float(same.call(name)[0].detach()) for name in names])
    if values[0] != values[1]:
        raise differs_after_loading()
