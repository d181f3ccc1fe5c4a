"""Descriptions of models and components, which plugins register. This module does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class ImageShape(NamedTuple):
    """Channels, height and width of the images that G generates and D sees."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}×{self.width}×{self.channels}"


@dataclass(frozen=True, init=False)
class Spec:
    """The name of a registered component, and the options that differ from its defaults.

    >>> Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    Spec('adam', lr=0.0002, betas=(0.5, 0.999))
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __init__(self, name: str, /, **options: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", options)

    def __repr__(self) -> str:
        return f"Spec({', '.join([repr(self.name), *(f'{k}={v!r}' for k, v in self.options.items())])})"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A recipe: a named combination of components with published defaults.

    Attributes:
        name: name of the model.
        summary: one line for listings.
        generator: network G.
        discriminator: network D.
        loss: loss that G and D minimize.
        regularizers: terms added to the loss.
        g_optimizer: optimizer of G.
        d_optimizer: optimizer of D.
        latent: distribution of z.
        n_critic: updates of D per step.
        n_generator: updates of G per step.
        ema: half-life, in images, of the moving average of G's weights; None for no average.
        ema_rampup: maximum half-life of the average, as a fraction of the number of images that G has been trained on,
            which keeps untrained weights out of the average; None for no warm-up.
        batch_size: images per update.
        image_size: default height and width to which images are resized; None for the original size.
        augment: augmentation of every image that D sees; None for no augmentation.
        schedules: values that change during training, for example
            ``{"lr": "linear 0", "loss.gamma": "cosine 0.2 over 10000"}``; see :mod:`ganctl.training.schedules`.
        light: settings with which a step takes about a second on two processor cores, by the names of options, for
            example ``{"batch_size": 32, "generator.width": 16}``; suggested if a step takes long.
        paper: reference.
    """

    name: str
    summary: str
    generator: Spec
    discriminator: Spec
    loss: Spec
    g_optimizer: Spec
    d_optimizer: Spec
    latent: Spec = field(default_factory=lambda: Spec("normal", z_dim=100))
    regularizers: tuple[Spec, ...] = ()
    n_critic: int = 1
    n_generator: int = 1
    ema: float | None = None
    ema_rampup: float | None = 0.05
    batch_size: int = 128
    image_size: int | None = None
    augment: Spec | None = None
    schedules: Mapping[str, str] = field(default_factory=dict)
    light: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""
