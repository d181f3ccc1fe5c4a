"""The dimensions of a latent: their names, their ranges, and how much each changes the samples.

Dimensions are numbered from 1: dimension 5 is ``z[:, 4]``. The codes of an InfoGAN have names, such as ``c`` and
``u0``, as in :meth:`ganctl.Codes.with_code`. The numbered dimensions of an InfoGAN are its noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.latent import Codes, Latent, Normal, Uniform
from ganctl.sampling.sampler_protocol import LatentSampler

DEFAULT_VALUES = 7  # number of values of a dimension
DEFAULT_AUTO = 8  # number of dimensions that "auto" selects
DEFAULT_TRIALS = 16  # number of latents with which dimensions are ranked
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Dimension:
    """A dimension of z that a walk can vary.

    Attributes:
        name: the number of the dimension, from 1, or the name of a code.
        start: index in z.
        size: number of elements of z; more than one for a categorical code.
        span: a walk varies the dimension from −span to span. 3 for a normal latent, 1 for a uniform latent.
    """

    name: str
    start: int
    size: int = 1
    span: float = 3.0

    @property
    def values(self) -> tuple[float, ...]:
        """The default values of a walk: all categories, or :data:`DEFAULT_VALUES` values from −span to span."""
        if self.size > 1:
            return tuple(float(i) for i in range(self.size))
        return tuple(torch.linspace(-self.span, self.span, DEFAULT_VALUES, dtype=torch.float64).tolist())

    def set(self, z: Tensor, value: float) -> Tensor:
        """Return a copy of ``z`` (N×dim) in which this dimension is ``value``."""
        copy = z.clone()
        if self.size == 1:
            copy[:, self.start] = value
        else:
            copy[:, self.start : self.start + self.size] = 0
            copy[:, self.start + int(value)] = 1
        return copy


def dimensions(latent: Latent) -> list[Dimension]:
    """Return all dimensions of ``latent``: codes first, then the numbered dimensions."""
    if not isinstance(latent, Codes):
        return [Dimension(str(i + 1), i, 1, _span(latent, i)) for i in range(latent.dim)]
    found = {start: Dimension(name, start, size, 1.0) for name, (start, size) in latent.code_slices().items()}
    return [*found.values(), *(Dimension(str(i + 1), i) for i in range(latent.noise))]


def _span(latent: Latent, i: int) -> float:
    if isinstance(latent, Normal):
        return 3.0
    if isinstance(latent, Uniform):
        return 1.0
    z = latent.sample(1024, "cpu", torch.Generator().manual_seed(0))[:, i]  # the latent of a plugin
    return min(3.0, float(z.abs().max()))


def select_dimensions(
    sampler: LatentSampler, dims: str | int | Sequence[int | str], *, seed: int, **ranking: Any
) -> list[Dimension]:
    """Return the dimensions that ``dims`` names: ``"5,25,u0"``, a list of names, ``"auto"`` or ``"auto:12"``.

    Args:
        seed: seed of the latents with which ``"auto"`` ranks the dimensions.
        **ranking: more arguments of :func:`rank_dimensions`.

    Raises:
        GanctlError: a dimension does not exist.
    """
    if is_auto(dims):
        count = str(dims).partition(":")[2] or str(DEFAULT_AUTO)
        if not count.isdecimal() or not int(count):
            raise GanctlError(
                f"--dims '{dims}' has no valid number of dimensions.", "Write auto or auto:12.", status=USAGE
            )
        ranked = rank_dimensions(sampler, seed=seed, **ranking)
        return [dimension for dimension, _ in ranked[: int(count)]]
    names = dims.split(",") if isinstance(dims, str) else [dims] if isinstance(dims, int) else list(dims)
    known = {dimension.name: dimension for dimension in dimensions(sampler.latent)}
    if isinstance(sampler.latent, Codes):  # the only code of its kind has two names: c and c0
        for name, (start, _) in sampler.latent.code_slices().items():
            known[name] = next(d for d in known.values() if d.start == start)
    requested = [str(name).strip() for name in names]
    for name in requested:
        if name not in known:
            raise _no_dimension(name, sampler.latent, list(known))
    if not requested:
        raise GanctlError("No dimension was given.", "Give numbers, such as 5,25, or auto.", status=USAGE)
    return [known[name] for name in requested]


def is_auto(dims: str | int | Sequence[int | str]) -> bool:
    """Return whether ``dims`` is ``"auto"`` or ``"auto:N"``."""
    return isinstance(dims, str) and dims.strip().partition(":")[0] == "auto"


def _no_dimension(name: str, latent: Latent, known: list[str]) -> GanctlError:
    count = latent.noise if isinstance(latent, Codes) else latent.dim
    codes = [other for other in known if not other.isdecimal()]
    hint = f"Use a number from 1 to {count}" + (f", or a code: {', '.join(codes)}." if codes else ".")
    if not name.lstrip("-").isdecimal() and not codes:
        hint = f"{did_you_mean(name, ['auto'])} {hint}"
    return GanctlError(f"There is no dimension '{name}'.", hint, status=USAGE)


def rank_dimensions(
    sampler: LatentSampler,
    *,
    seed: int = 0,
    classes: Sequence[int] | None = None,
    c: Tensor | None = None,
    batch_size: int = 64,
    trials: int = DEFAULT_TRIALS,
    advance: Progress = lambda n: None,
) -> list[tuple[Dimension, float]]:
    """Rank the dimensions by how much they change the samples, the largest change first.

    The change is the mean squared difference of the pixels, in [−1, 1], between the samples with the dimension at −1
    and at +1 (or at ±span if the span is less), over ``trials`` latents. For a categorical code it is the difference
    between each category and the next. The result depends only on the arguments.

    Args:
        seed: seed of the latents.
        classes: classes of the samples; by default all classes in turn.
        c: conditions of the latents, in turn; by default those of the sampler.
        trials: number of latents.
        advance: called with the number of dimensions just finished.
    """
    z = sampler.latents(trials, seed=seed)
    y = None
    if sampler.conditional:
        numbers = torch.tensor(classes if classes is not None else range(max(sampler.num_classes, 1)))
        y = numbers[torch.arange(trials) % len(numbers)]

    given = sampler.conditions_in_turn(trials, c)

    def generate(latents: list[Tensor]) -> Tensor:
        labels = None if y is None else y.repeat(len(latents))
        conditions = None if given is None else torch.cat([given] * len(latents))
        samples = sampler.generate(torch.cat(latents), labels, c=conditions, batch_size=batch_size)
        return torch.cat(list(samples))

    ranked = []
    for dimension in dimensions(sampler.latent):
        step = min(1.0, dimension.span)
        values = dimension.values if dimension.size > 1 else (-step, step)
        x = generate([dimension.set(z, value) for value in values]).flatten(1).view(len(values), -1)
        # With NaN, from a broken network, the order would be undefined.
        change = torch.nan_to_num((x[1:] - x[:-1]).square().mean(dtype=torch.float64))
        ranked.append((dimension, float(change)))
        advance(1)
    return sorted(ranked, key=lambda pair: -pair[1])
