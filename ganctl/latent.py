"""Where G's input comes from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError


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


class Codes(Latent):
    """Noise and codes with a meaning that G learns by itself (Chen et al. 2016, arXiv:1606.03657, InfoGAN).

    z is [noise ~ N(0, I), a one-hot vector for each categorical code, a number ~ U(−1, 1) for each continuous one].
    Codes are called ``c0``, ``c1``, … and ``u0``, ``u1``, …; a single one also ``c`` or ``u``.

    Attributes:
        noise: length of the noise; ``categorical``: number of categories of each categorical code, in order;
            ``continuous``: number of continuous codes.

    Args:
        z_dim: length of the noise, besides the codes.
        categorical: number of categories; several for several codes, as in 10,10; 0 for none.
        continuous: number of continuous codes.
    """

    def __init__(self, z_dim: int = 62, categorical: int | tuple[int, ...] = 10, continuous: int = 2) -> None:
        super().__init__(z_dim)
        sizes = (categorical,) if isinstance(categorical, int) else tuple(categorical)
        sizes = () if sizes == (0,) else sizes
        if any(size < 2 for size in sizes) or continuous < 0 or not (sizes or continuous):
            raise GanctlError(
                f"categorical is {categorical} and continuous is {continuous}: a categorical code has at least 2 "
                "categories, and there is at least one code.",
                "Usual for ten classes is categorical=10 and continuous=2.",
                status=USAGE,
            )
        self.noise, self.categorical, self.continuous = z_dim, sizes, continuous
        self.dim = z_dim + sum(sizes) + continuous

    def sample(self, n: int, device: torch.device | str, generator: torch.Generator | None = None) -> Tensor:
        parts = [torch.randn(n, self.noise, device=device, generator=generator)]
        for size in self.categorical:
            drawn = torch.randint(size, (n, 1), device=device, generator=generator)
            parts.append((drawn == torch.arange(size, device=device)).float())
        parts.append(torch.rand(n, self.continuous, device=device, generator=generator) * 2 - 1)
        return torch.cat(parts, 1)

    def sample_truncated(self, n: int, bound: float, generator: torch.Generator) -> Tensor:
        """As for the normal latent; the codes are drawn as always."""
        noise = Normal(self.noise).sample_truncated(n, bound, generator)
        return torch.cat([noise, self.sample(n, "cpu", generator)[:, self.noise :]], 1)

    def split(self, z: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """``z`` as noise N×noise, one-hot codes N×size each, and continuous codes N×continuous."""
        noise, *categorical, continuous = z.split([self.noise, *self.categorical, self.continuous], 1)
        return noise, tuple(categorical), continuous

    def with_code(self, z: Tensor, code: str, steps: int = 10) -> Tensor:
        """``z`` with one of its codes set, once for each value that ``code`` asks for: V×N×dim for N×dim.

        Args:
            z: float N×dim; not changed.
            code: ``"c=3"``, ``"c=all"`` (every category in turn), ``"u0=0.5"`` or ``"u0=-1..1"`` (from the one to
                the other).
            steps: number of values from end to end of such a range.

        Raises:
            GanctlError: no such code, or a value that it cannot have; says which it can.
        """
        name, _, text = (part.strip() for part in code.partition("="))
        starts = self.places()
        if name not in starts:
            raise GanctlError(
                f"This model has no code '{name}'.", f"There are: {', '.join(starts)}.", status=USAGE
            )
        start, size = starts[name]
        values = _code_values(name, text, size, steps)
        chosen = z.new_zeros(len(values), size)
        for row, value in zip(chosen, values, strict=True):
            if size == 1:
                row[0] = value
            else:
                row[int(value)] = 1
        made = z.expand(len(values), *z.shape).clone()
        made[:, :, start : start + size] = chosen[:, None]
        return made

    def places(self) -> dict[str, tuple[int, int]]:
        """Each code's name → where it starts in z, and how long it is there. One that is alone has two names."""
        starts, at = {}, self.noise
        for letter, sizes in (("c", self.categorical), ("u", (1,) * self.continuous)):
            for number, size in enumerate(sizes):
                starts[f"{letter}{number}"] = (at, size)
                if len(sizes) == 1:
                    starts[letter] = (at, size)
                at += size
        return starts


def _code_values(name: str, text: str, size: int, steps: int) -> list[float]:
    """The values that ``text`` asks for, of a continuous code (``size`` 1) or one of ``size`` categories."""
    try:
        if size == 1:
            low, dots, high = text.partition("..")
            ends = [float(low), float(high)] if dots else [float(low)]
            if not all(map(math.isfinite, ends)):
                raise ValueError(text)
            return torch.linspace(ends[0], ends[1], steps, dtype=torch.float64).tolist() if dots else ends
        values = list(range(size)) if text == "all" else [int(text)]
        if not 0 <= values[0] < size:
            raise ValueError(text)
        return [float(value) for value in values]
    except ValueError:
        raise GanctlError(
            f"The code {name} cannot be '{text}'.",
            f"Give a number or a range, as in {name}=0.5 or {name}=-1..1."
            if size == 1
            else f"Give 0 to {size - 1}, or all, as in {name}=all.",
            status=USAGE,
        ) from None
