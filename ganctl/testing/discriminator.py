"""Check a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.loss import Batch
from ganctl.plugin.registry import Registry
from ganctl.plugin.signatures import requested
from ganctl.recipe import ImageShape, Spec
from ganctl.testing import loss_inputs, networks
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.failures import Broken, Failure, Findings
from ganctl.testing.networks import CLASSES, SIZES, N
from ganctl.training import components
from ganctl.training.network_calls import DiscriminatorCall, GeneratorCall


def check_discriminator(
    discriminator: Target,
    /,
    *,
    sizes: Sequence[int] = SIZES,
    loss: str | Spec | None = None,
    registry: Registry | None = None,
    **options: Any,
) -> list[Failure]:
    """Check that a discriminator returns one twice-differentiable logit per image, based only on weights and input.

    Args:
        discriminator: Registered name or factory of the discriminator.
        sizes: Heights and widths to check, with 1 and 3 channels. The network may reject sizes with a GanctlError.
        loss: Loss used for the check if the outputs are not logits. By default, the loss of a model with this
            discriminator.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the discriminator.
    """
    return run_check(
        "discriminator",
        discriminator,
        options,
        registry,
        lambda subject, findings, known: _check(subject, known, findings, sizes, loss),
    )


def _check(
    subject: Subject,
    registry: Registry,
    findings: Findings,
    sizes: Sequence[int],
    loss: str | Spec | None,
) -> None:
    latent_spec, generator = Spec("normal", z_dim=8), None
    for model in networks.models_with(registry, subject)[:1]:
        loss, latent_spec, generator = loss or model.loss, model.latent, model.generator
    loss = Spec(loss) if isinstance(loss, str) else loss
    latent = networks.make_latent(registry, latent_spec)

    def inputs(image: ImageShape) -> tuple[Tensor, Tensor | None]:
        return torch.rand(N, *image) * 2 - 1, torch.arange(N) % CLASSES

    def check_output(D: nn.Module, image: ImageShape, output: Any) -> None:
        is_logits = isinstance(output, Tensor) and output.shape == (N,)
        if loss is None and not is_logits:
            raise Broken(
                f"returns {networks.describe(output)} for {N} images instead of {N} logits, a tensor of shape ({N},).",
                "End it with .squeeze(1) or .flatten(). If it needs a specific loss, use "
                "check_discriminator(…, loss='its-name').",
            )

    image = networks.check_sizes(subject, findings, latent, sizes, inputs, check_output)
    if image is None or findings.failures:
        return
    networks.check_module(subject, findings, image, latent, inputs)
    with findings.collect("when a gradient penalty is computed"):
        _check_twice_differentiable(networks.build(subject, image, latent), *inputs(image))
    if loss is not None:
        with findings.collect(f"with the loss '{loss.name}'"):
            D = networks.build(subject, image, latent)
            x, y = inputs(image)
            spec = components.resolve_options(registry, "loss", loss)
            module = components.build(
                registry,
                "loss",
                spec,
                image=image,
                num_classes=CLASSES,
                latent=latent,
                condition=None,
                batch_size=N,
            )
            G = loss_inputs.make_generator(registry, generator, image, latent, CLASSES)
            method = partial(
                module.discriminator_loss, **requested(module.discriminator_loss, G=GeneratorCall(G))
            )
            fake = Batch(x.flip(0), y, latent.sample(N, "cpu"))
            value, _ = method(DiscriminatorCall(D).for_component(0), Batch(x, y), fake)
            if not bool(value.isfinite()):
                raise Broken(
                    f"makes the loss '{loss.name}' {float(value)}.", "Initialize it with smaller weights."
                )


def _check_twice_differentiable(D: nn.Module, x: Tensor, y: Tensor | None) -> None:
    x = x.clone().requires_grad_()
    output = torch.stack([part.float().mean() for part in networks.tensors(D(x, y))]).sum()
    (gradient,) = torch.autograd.grad(output, x, create_graph=True)
    penalty = gradient.square().sum()
    if not penalty.requires_grad:
        raise Broken(
            "cannot be differentiated twice, so gradient penalties (wgan-gp, r1) have no effect.",
            "Use torch's own operations. In an autograd.Function, write a backward that is differentiable.",
        )
    penalty.backward()
