"""Build the inputs for checking a loss: a discriminator, a batch of reals and a batch of fakes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.latent import Latent
from ganctl.loss import Batch, Loss
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape, Spec
from ganctl.testing import networks
from ganctl.testing.component_under_test import Subject
from ganctl.training import components
from ganctl.training.network_calls import DiscriminatorCall, DiscriminatorForComponent

BATCH = 6
CLASSES = 3
SIZES = (12, 28, 32, 64)  # the first size that the discriminator supports is used


class Inputs(NamedTuple):
    """A loss and the arguments for its methods."""

    loss: Loss
    D: nn.Module
    G: nn.Module
    real: Batch
    fake: Batch

    @property
    def critic(self) -> DiscriminatorForComponent:
        """D as a loss calls it in training."""
        return DiscriminatorCall(self.D).for_component(0)


class MakeInputs(Protocol):
    """A function that builds new inputs for images with a given number of channels."""

    def __call__(self, channels: int, *, labels: bool = True) -> Inputs: ...


def maker(subject: Subject, registry: Registry, discriminator: Any, latent_spec: Spec | None) -> MakeInputs:
    """Return a function that builds the loss and its inputs.

    Args:
        discriminator: A name, a Spec or a factory. By default, the discriminator of a model with this loss, or a
            small network that returns logits.
        latent_spec: Distribution of z. By default, the latent of the same model, or a normal distribution.
    """
    generator: Spec | None = None
    if discriminator is None:
        discriminator, model_latent = _from_model(registry, subject)
        latent_spec = latent_spec or model_latent
        generator = _generator_of_model(registry, subject)
    elif isinstance(discriminator, str):
        discriminator = Spec(discriminator)
    spec = latent_spec or Spec("normal", z_dim=4)

    def make(channels: int, *, labels: bool = True) -> Inputs:
        torch.manual_seed(0)
        classes = CLASSES if labels else 0
        latent = networks.make_latent(registry, spec)
        D, image = _discriminator(registry, discriminator, channels, classes, latent)
        loss = subject.make(image=image, num_classes=classes, condition=None, latent=latent, batch_size=BATCH)
        y = torch.arange(BATCH) % CLASSES if labels else None
        real = Batch(torch.rand(BATCH, *image) * 2 - 1, y)
        fake = Batch(torch.rand(BATCH, *image) * 2 - 1, y, latent.sample(BATCH, "cpu"))
        return Inputs(loss, D, make_generator(registry, generator, image, latent, classes), real, fake)

    return make


def _from_model(registry: Registry, subject: Subject) -> tuple[Spec | None, Spec | None]:
    """Return the discriminator and the latent of the first model with this loss."""
    for model in networks.models_with(registry, subject):
        return model.discriminator, model.latent
    return None, None


def _generator_of_model(registry: Registry, subject: Subject) -> Spec | None:
    """Return the generator of the first model with this loss, whose methods the loss may call."""
    models = networks.models_with(registry, subject)
    return models[0].generator if models else None


def make_generator(
    registry: Registry, chosen: Spec | None, image: ImageShape, latent: Latent, classes: int
) -> nn.Module:
    """Build the generator ``chosen``, or a small one if none is chosen or it does not support ``image``."""
    if chosen is not None:
        filled_in = {"image": image, "num_classes": classes, "latent": latent, "condition": None}
        with suppress(GanctlError):
            spec = components.resolve_options(registry, "generator", chosen)
            network: nn.Module = components.build(registry, "generator", spec, **filled_in)
            return network
    return SmallGenerator(image, latent)


def _discriminator(
    registry: Registry, chosen: Any, channels: int, classes: int, latent: Latent
) -> tuple[nn.Module, ImageShape]:
    if chosen is None:
        image = ImageShape(channels, SIZES[0], SIZES[0])
        return SmallDiscriminator(image), image
    for size in SIZES:
        image = ImageShape(channels, size, size)
        filled_in = {"image": image, "num_classes": classes, "latent": latent}
        try:
            if isinstance(chosen, Spec):
                spec = components.resolve_options(registry, "discriminator", chosen)
                return components.build(registry, "discriminator", spec, **filled_in), image
            return Subject("discriminator", "given", chosen, {}).make(**filled_in), image
        except GanctlError:
            if size == SIZES[-1]:
                raise
    raise AssertionError("SIZES is not empty")


class SmallDiscriminator(nn.Module):
    """A small smooth discriminator whose logit also depends on the label."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.hidden = nn.Linear(image.channels * image.height * image.width, 8)
        self.label = nn.Embedding(CLASSES, 8)
        self.out = nn.Linear(8, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        hidden = self.hidden(x.flatten(1))
        if y is not None:
            hidden = hidden + 0.1 * self.label(y)
        return self.out(torch.tanh(hidden)).squeeze(1)


class SmallGenerator(nn.Module):
    """A small generator that ignores the label."""

    def __init__(self, image: ImageShape, latent: Latent) -> None:
        super().__init__()
        self.image = image
        self.linear = nn.Linear(latent.dim, image.channels * image.height * image.width)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tanh(self.linear(z)).reshape(len(z), *self.image)
