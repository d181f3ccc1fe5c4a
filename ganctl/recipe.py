"""Torch-free descriptions: what a model is made of. Importing this costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class ImageShape(NamedTuple):
    """Channels, height and width of the images that G draws and D sees."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}×{self.width}×{self.channels}"


@dataclass(frozen=True, init=False)
class Spec:
    """A registered component by name, with the options that differ from its own defaults.

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
    """A recipe: a named combination of components with its published defaults.

    ``n_critic`` is the number of discriminator updates per generator update; ``ema`` the half-life of the
    averaged generator in images (None: no average); ``image_size`` what data is resized to unless told
    otherwise (None: its own size); ``augment`` what D sees x through; ``schedules`` values that change while
    training, as ``{"lr": "linear 0", "loss.gamma": "cosine 0.2 over 10000"}`` (:mod:`ganctl.training.schedules`).
    """

    name: str
    summary: str
    generator: Spec
    discriminator: Spec
    loss: Spec
    g_optimizer: Spec
    d_optimizer: Spec
    latent: Spec = field(default_factory=lambda: Spec("normal", z_dim=100))
    n_critic: int = 1
    ema: float | None = None
    batch_size: int = 128
    image_size: int | None = None
    augment: Spec | None = None
    schedules: Mapping[str, str] = field(default_factory=dict)
    paper: str = ""
