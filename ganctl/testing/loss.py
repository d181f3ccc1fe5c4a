"""Check a loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.loss import Batch, Loss
from ganctl.plugin.registry import Registry
from ganctl.plugin.signatures import requested
from ganctl.recipe import Spec
from ganctl.testing import loss_inputs
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.device import on_device
from ganctl.testing.failures import Broken, Failure, Findings
from ganctl.testing.loss_inputs import Inputs
from ganctl.testing.split_batch import half, run_in_halves
from ganctl.testing.step_results import (
    differs_after_loading,
    finite,
    gradients_of,
    save_and_load,
    unchanged,
    value_and_report,
)
from ganctl.training.network_calls import DiscriminatorCall, GeneratorCall

D_STEP, G_STEP = "in the D step", "in the G step"


def check_loss(
    loss: Target,
    /,
    *,
    discriminator: Target | Spec | None = None,
    latent: Spec | None = None,
    registry: Registry | None = None,
    **options: Any,
) -> list[Failure]:
    """Check that a loss has finite values and gradients, and does not change inputs or read from the device.

    Both steps are checked with 1 and 3 channels, with and without labels, under bf16 autocast, and after its state is
    saved and loaded.

    Args:
        loss: Registered name or factory of the loss.
        discriminator: A discriminator whose outputs the loss accepts. By default, the discriminator of a model with
            this loss, or a small network that returns logits.
        latent: Distribution of z, such as ``Spec("codes")``.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the loss.
    """
    return run_check(
        "loss",
        loss,
        options,
        registry,
        lambda subject, findings, known: _check(subject, known, findings, discriminator, latent),
    )


def _check(
    subject: Subject, registry: Registry, findings: Findings, discriminator: Any, latent_spec: Spec | None
) -> None:
    make_inputs = loss_inputs.maker(subject, registry, discriminator, latent_spec)
    with findings.collect("when it is built"):
        loss = make_inputs(1).loss
        if not isinstance(loss, Loss):
            raise Broken(
                f"is a {type(loss).__name__}, not a ganctl.Loss.", "Derive its class from ganctl.Loss."
            )
    if findings.failures:
        return
    for channels in (1, 3):
        with findings.collect(f"for images of {channels} channel{'s' * (channels > 1)}"):
            inputs = make_inputs(channels)
            _check_d_step(inputs, findings)
            _check_g_step(inputs, findings)
            with torch.no_grad():
                _method(inputs, "constrain")(inputs.D)
            if not finite(inputs.D.parameters()):
                raise Broken("makes D's weights infinite or NaN in constrain(D).", "Keep them finite.")
    if findings.failures:
        return  # the remaining checks require a working loss
    with findings.collect("where it must stay on the device"):
        _check_stays_on_device(make_inputs(1))
    with findings.collect("under bf16 autocast"):
        _check_bf16(make_inputs(1))
    with findings.collect("when its state is saved and loaded"):
        _check_state(make_inputs(1), make_inputs(1))
    with findings.collect("when several devices share a batch"):
        _check_split(make_inputs)
    with findings.collect("for data without labels"):
        try:
            inputs = make_inputs(1, labels=False)
            _method(inputs, "discriminator_loss")(inputs.critic, inputs.real, inputs.fake)
            _method(inputs, "generator_loss")(inputs.critic, inputs.real, _with_graph(inputs.fake))
        except GanctlError:
            pass  # a loss that needs labels may reject data without labels


def _check_split(make_inputs: loss_inputs.MakeInputs) -> None:
    """Check that the mean over two halves of a batch equals the value of the whole batch.

    A loss that draws random numbers is not checked, because the numbers differ between the two computations.
    """
    inputs = make_inputs(1)
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in inputs.D.modules()):
        return  # the loss mixes images on purpose, and the engine synchronizes it
    for step, name in ((D_STEP, "discriminator_loss"), (G_STEP, "generator_loss")):
        values = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            values.append(_value(inputs, name, inputs.real, inputs.fake))
        if values[0] != values[1]:
            continue

        def value_of_half(rank: int, name: str = name) -> Tensor:
            return _value(inputs, name, _rows(inputs.real, rank), _rows(inputs.fake, rank))

        parts = run_in_halves(value_of_half)
        if not torch.allclose(torch.stack(parts).mean(0), values[0], rtol=1e-3, atol=1e-5):
            raise Broken(
                f"depends {step} on the number of devices that share a batch, because it combines "
                "values of different images.",
                "Combine them with ganctl.batchwise: batchwise.mean(x) instead of x.mean() inside another function, "
                "or batchwise.whole(x) for all rows.",
            )


def _value(inputs: Inputs, name: str, real: Batch, fake: Batch) -> Tensor:
    loss, D = copy.deepcopy(inputs.loss), copy.deepcopy(inputs.D)
    value: Tensor = _method(inputs._replace(loss=loss), name)(
        DiscriminatorCall(D).for_component(0), real, fake
    )[0]
    return value.detach()


def _rows(batch: Batch, rank: int) -> Batch:
    return Batch(*(half(part, rank) for part in batch))  # type: ignore[arg-type]


def _check_d_step(inputs: Inputs, findings: Findings) -> None:
    with unchanged([*inputs.real, *inputs.fake], inputs.D, D_STEP):
        value, report = _call(_method(inputs, "discriminator_loss"), D_STEP, inputs, inputs.fake)
    for name in ("D(x)", "D(G(z))"):
        if name not in report:
            findings.add(
                f"does not report '{name}' {D_STEP}.",
                "Return it in the dict: {'D(x)': on_real.mean(), 'D(G(z))': on_fake.mean()}. It is shown as a curve.",
            )
    gradients = gradients_of(value, [*inputs.D.parameters()], D_STEP)
    if not any(bool((g != 0).any()) for g in gradients if g is not None):
        raise Broken(
            f"gives D's weights no gradient {D_STEP}.",
            "Compute it from D(real.x, real.y) and D(fake.x, fake.y), without detach() and torch.no_grad().",
        )


def _check_g_step(inputs: Inputs, findings: Findings) -> None:
    fake = _with_graph(inputs.fake)
    for weight in inputs.D.parameters():
        weight.requires_grad_(False)
    with unchanged([*inputs.real, *inputs.fake], inputs.D, G_STEP):
        value, _ = _call(_method(inputs, "generator_loss"), G_STEP, inputs, fake)
    unfrozen = any(weight.requires_grad for weight in inputs.D.parameters())
    for weight in inputs.D.parameters():
        weight.requires_grad_(True)
    if unfrozen:
        findings.add(
            f"enables the gradients of D's weights {G_STEP}.",
            "Do not set requires_grad of D's weights. The engine freezes D.",
        )
    # A loss may also generate images of its own with G.
    gradients = gradients_of(value, [fake.x, *inputs.G.parameters()], G_STEP)
    if not any(bool((gradient != 0).any()) for gradient in gradients if gradient is not None):
        raise Broken(
            f"gives G no gradient {G_STEP}, because it depends neither on fake.x nor on G.",
            "Compute it from D(fake.x, fake.y), without detach() and torch.no_grad().",
        )


def _check_stays_on_device(inputs: Inputs) -> None:
    with on_device(D_STEP):
        _method(inputs, "discriminator_loss")(inputs.critic, inputs.real, inputs.fake)[0].backward()
    with on_device("in constrain(D)"), torch.no_grad():
        _method(inputs, "constrain")(inputs.D)
    with on_device(G_STEP):
        _method(inputs, "generator_loss")(inputs.critic, inputs.real, _with_graph(inputs.fake))[0].backward()


def _check_bf16(inputs: Inputs) -> None:
    for step, method, fake in (
        (D_STEP, _method(inputs, "discriminator_loss"), inputs.fake),
        (G_STEP, _method(inputs, "generator_loss"), _with_graph(inputs.fake)),
    ):
        with torch.autocast("cpu", torch.bfloat16):
            value, _ = _call(method, f"{step} under bf16 autocast", inputs, fake)
        if value.dtype in (torch.bfloat16, torch.float16):
            raise Broken(
                f"is computed in {str(value.dtype).removeprefix('torch.')} {step} under autocast, "
                "which is too imprecise for a mean.",
                "Call D with ganctl.logits(D, real), which returns float32, or use D(…).float().",
            )
        weights: list[Tensor] = [*inputs.D.parameters()] if step == D_STEP else [fake.x]
        gradients_of(value, weights, f"{step} under bf16 autocast")


def _check_state(inputs: Inputs, fresh: Inputs) -> None:
    for _ in range(3):
        _method(inputs, "discriminator_loss")(inputs.critic, inputs.real, inputs.fake)
    save_and_load(inputs.loss, fresh.loss)
    values = []
    for loss in (inputs.loss, fresh.loss):
        D = copy.deepcopy(fresh.D)  # spectral normalization changes D in every call
        torch.manual_seed(1)
        values.append(
            [
                _method(inputs._replace(loss=loss), name)(
                    DiscriminatorCall(D).for_component(0), inputs.real, inputs.fake
                )[0].item()
                for name in ("discriminator_loss", "generator_loss")
            ]
        )
    if values[0] != values[1]:
        raise differs_after_loading()


def _method(inputs: Inputs, name: str) -> Callable[..., Any]:
    """Return a method of the loss, with G if the method requests G."""
    method = getattr(inputs.loss, name)
    return partial(method, **requested(method, G=GeneratorCall(inputs.G)))


def _with_graph(fake: Batch) -> Batch:
    """Return ``fake`` with an x that is not a leaf, like the output of a generator."""
    return fake._replace(x=fake.x.clone().requires_grad_() * 1)


def _call(
    method: Callable[..., Any], step: str, inputs: Inputs, fake: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    result = method(inputs.critic, inputs.real, fake)
    return value_and_report(result, step, "return loss, {'D(x)': …, 'D(G(z))': …} (or {} in the G step).")
