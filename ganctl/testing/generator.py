"""Check a generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape, Spec
from ganctl.testing import networks
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.failures import Broken, Failure, Findings
from ganctl.testing.networks import CLASSES, SIZES, N


def check_generator(
    generator: Target,
    /,
    *,
    sizes: Sequence[int] = SIZES,
    latent: Spec | None = None,
    registry: Registry | None = None,
    **options: Any,
) -> list[Failure]:
    """Check that a generator's images have the requested shape, are in [−1, 1], and depend only on weights and input.

    Args:
        generator: Registered name or factory of the generator.
        sizes: Heights and widths to check, with 1 and 3 channels. The generator may reject sizes with a GanctlError.
        latent: Distribution of z. By default, the latent of a model with this generator, or a normal distribution.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the generator.
    """
    return run_check(
        "generator",
        generator,
        options,
        registry,
        lambda subject, findings, known: _check(subject, known, findings, sizes, latent),
    )


def _check(
    subject: Subject, registry: Registry, findings: Findings, sizes: Sequence[int], latent_spec: Spec | None
) -> None:
    if latent_spec is None:
        models = networks.models_with(registry, subject)
        latent_spec = models[0].latent if models else Spec("normal", z_dim=8)
    latent = networks.make_latent(registry, latent_spec)

    def inputs(image: ImageShape) -> tuple[Tensor, Tensor | None]:
        return latent.sample(N, "cpu"), torch.arange(N) % CLASSES

    image = networks.check_sizes(subject, findings, latent, sizes, inputs, _check_output)
    if image is None or findings.failures:
        return
    networks.check_module(subject, findings, image, latent, inputs)
    with findings.collect("in eval mode"):
        G = networks.build(subject, image, latent).eval()
        z, y = inputs(image)
        with torch.inference_mode():
            batch = G(z, y)
            single = G(z[:1], None if y is None else y[:1])
        if not torch.allclose(batch[:1], single, atol=1e-4, rtol=1e-3):
            raise Broken(
                "generates, in eval mode, an image that depends on the other z in the batch.",
                "In eval mode, use running statistics, like torch.nn.BatchNorm2d, instead of batch statistics.",
            )


def _check_output(G: nn.Module, image: ImageShape, x: Any) -> None:
    if not isinstance(x, Tensor) or x.shape != (N, *image) or not x.is_floating_point():
        raise Broken(
            f"returns {networks.describe(x)} instead of float {(N, *image)} for {N} latents and images of {image}.",
            "Build its last layer from the argument 'image': image.channels, image.height, image.width.",
        )
    largest = float(x.detach().abs().max())
    if largest > 1 + 1e-6 and not getattr(G, "unbounded", False):
        raise Broken(
            f"generates x with absolute values up to {largest:.3g}, outside [−1, 1].",
            "End it with tanh. If the paper's generator is unbounded, give the module the attribute unbounded = True.",
        )
