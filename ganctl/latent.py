"""Where G's input comes from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError, did_you_mean


class Latent:
    """A distribution over z. ``dim`` is z's length."""

    def __init__(self, z_dim: int = 100) -> None:
        if z_dim < 1:
            raise GanctlError(
                f"z_dim is {z_dim}: G needs at least one input.", "Try --z-dim 100.", status=USAGE
            )
        self.dim = z_dim

    def sample(self, n: int, device: torch.device | str, generator: torch.Generator | None = None) -> Tensor:
        """``n`` latents: float32 n×dim on ``device``, from ``generator`` or torch's own."""
        raise NotImplementedError(f"{type(self).__name__} has no sample")

    def sample_truncated(self, n: int, bound: float, generator: torch.Generator) -> Tensor:
        """``n`` latents with every coordinate within ±``bound``, on the CPU.

        Raises:
            GanctlError: the bound is not positive, or this distribution is not cut off.
        """
        raise GanctlError(
            f"--truncation is for the normal latent; this model draws from '{type(self).__name__.lower()}'.",
            "Sample without it.",
            status=USAGE,
        )


class Normal(Latent):
    """z ~ N(0, I)."""

    def sample(self, n: int, device: torch.device | str, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, self.dim, device=device, generator=generator)

    def sample_truncated(self, n: int, bound: float, generator: torch.Generator) -> Tensor:
        if not bound > 0:
            raise GanctlError(
                f"--truncation is {bound}; it must be above 0.", "Usual are 0.5 to 2.", status=USAGE
            )
        z = torch.empty(n, self.dim)
        return torch.nn.init.trunc_normal_(z, a=-bound, b=bound, generator=generator)


class Uniform(Latent):
    """z ~ U(−1, 1), as Radford et al. 2015 draw it."""

    def sample(self, n: int, device: torch.device | str, generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(n, self.dim, device=device, generator=generator) * 2 - 1


LATENTS: dict[str, Callable[..., Latent]] = {"normal": Normal, "uniform": Uniform}


def factory(name: str) -> Callable[..., Latent]:
    """The latent called ``name``."""
    if name not in LATENTS:
        raise GanctlError(f"There is no latent '{name}'.", did_you_mean(name, LATENTS), status=USAGE)
    return LATENTS[name]
