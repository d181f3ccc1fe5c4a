"""Distributions of z, the input of G."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError


class Latent:
    """Base class of distributions of z. ``dim`` is the length of z."""

    def __init__(self, z_dim: int = 100) -> None:
        if z_dim < 1:
            raise GanctlError(f"z_dim is {z_dim}; it must be at least 1.", "Try --z-dim 100.", status=USAGE)
        self.dim = z_dim

    def sample(self, n: int, device: torch.device | str, generator: torch.Generator | None = None) -> Tensor:
        """Return ``n`` latents: float32 n×dim on ``device``.

        Args:
            n: number of latents.
            device: device of the result.
            generator: source of random numbers; None for torch's default generator.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define sample")

    def sample_truncated(self, n: int, bound: float, generator: torch.Generator) -> Tensor:
        """Return ``n`` latents on the CPU, with every coordinate in [−``bound``, ``bound``].

        Raises:
            GanctlError: ``bound`` is not positive, or this distribution does not support truncation.
        """
        raise GanctlError(
            f"--truncation requires the latent 'normal', but this model uses '{type(self).__name__.lower()}'.",
            "Sample without --truncation.",
            status=USAGE,
        )


class Normal(Latent):
    """z ~ N(0, I)."""

    def sample(self, n: int, device: torch.device | str, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, self.dim, device=device, generator=generator)

    def sample_truncated(self, n: int, bound: float, generator: torch.Generator) -> Tensor:
        if not bound > 0:
            raise GanctlError(
                f"--truncation is {bound}; it must be above 0.", "Usual values are 0.5 to 2.", status=USAGE
            )
        z = torch.empty(n, self.dim)
        return torch.nn.init.trunc_normal_(z, a=-bound, b=bound, generator=generator)


class Uniform(Latent):
    """z ~ U(−1, 1), as in Radford et al. 2015."""

    def sample(self, n: int, device: torch.device | str, generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(n, self.dim, device=device, generator=generator) * 2 - 1


class Codes(Latent):
    """Noise and codes, whose meanings G learns without labels (InfoGAN, Chen et al. 2016, arXiv:1606.03657).

    z is the concatenation of noise ~ N(0, I), a one-hot vector per categorical code, and a number ~ U(−1, 1) per
    continuous code. The names of the codes are ``c0``, ``c1``, … and ``u0``, ``u1``, …. If there is only one
    categorical or continuous code, its name may be shortened to ``c`` or ``u``.

    Attributes:
        noise: length of the noise.
        categorical: number of categories of each categorical code.
        continuous: number of continuous codes.

    Args:
        z_dim: Length of the noise, without the codes.
        categorical: Number of categories. Use one number per code, such as 10,10, or 0 for no code.
        continuous: Number of continuous codes.
    """

    def __init__(self, z_dim: int = 62, categorical: int | tuple[int, ...] = 10, continuous: int = 2) -> None:
        super().__init__(z_dim)
        sizes = (categorical,) if isinstance(categorical, int) else tuple(categorical)
        sizes = () if sizes == (0,) else sizes
        if any(size < 2 for size in sizes) or continuous < 0 or not (sizes or continuous):
            raise GanctlError(
                f"categorical is {categorical} and continuous is {continuous}: a categorical code needs at least 2 "
                "categories, and at least one code is needed.",
                "For ten classes, try categorical=10 and continuous=2.",
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
        """Return latents with truncated noise, as for the normal latent. The codes are not truncated."""
        noise = Normal(self.noise).sample_truncated(n, bound, generator)
        return torch.cat([noise, self.sample(n, "cpu", generator)[:, self.noise :]], 1)

    def split(self, z: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """Split ``z`` into noise (N×noise), one-hot tensors (N×size) of categorical codes, and continuous codes."""
        noise, *categorical, continuous = z.split([self.noise, *self.categorical, self.continuous], 1)
        return noise, tuple(categorical), continuous

    def with_code(self, z: Tensor, code: str, steps: int = 10) -> Tensor:
        """Return copies of ``z`` with one code set, one copy per value in ``code``.

        Args:
            z: float N×dim.
            code: ``"c=3"``, ``"c=all"`` (all categories), ``"u0=0.5"`` or ``"u0=-1..1"`` (a range).
            steps: number of values in a range.

        Returns:
            Float V×N×dim for V values.

        Raises:
            GanctlError: the code does not exist, or the value is invalid. The hint lists the valid codes or values.
        """
        name, _, text = (part.strip() for part in code.partition("="))
        slices = self.code_slices()
        if name not in slices:
            raise GanctlError(
                f"This model has no code '{name}'.", f"Choose from: {', '.join(slices)}.", status=USAGE
            )
        start, size = slices[name]
        values = _code_values(name, text, size, steps)
        chosen = z.new_zeros(len(values), size)
        for row, value in zip(chosen, values, strict=True):
            if size == 1:
                row[0] = value
            else:
                row[int(value)] = 1
        copies = z.expand(len(values), *z.shape).clone()
        copies[:, :, start : start + size] = chosen[:, None]
        return copies

    def code_slices(self) -> dict[str, tuple[int, int]]:
        """Return the start and length of each code in z, by name. A single code has two names."""
        slices, start = {}, self.noise
        for letter, sizes in (("c", self.categorical), ("u", (1,) * self.continuous)):
            for number, size in enumerate(sizes):
                slices[f"{letter}{number}"] = (start, size)
                if len(sizes) == 1:
                    slices[letter] = (start, size)
                start += size
        return slices


def _code_values(name: str, text: str, size: int, steps: int) -> list[float]:
    """Parse ``text`` as values of a continuous code (``size`` 1) or of a code with ``size`` categories."""
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
            f"Give a number or a range, for example {name}=0.5 or {name}=-1..1."
            if size == 1
            else f"Give 0 to {size - 1}, or all for all categories, for example {name}=all.",
            status=USAGE,
        ) from None
