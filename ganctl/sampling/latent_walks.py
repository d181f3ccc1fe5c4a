"""Ways through latent space: one dimension after the other, and from one latent to the next.

Dimensions are counted from 1, as one says "the fifth": dimension 5 is ``z[:, 4]``. An InfoGAN's codes go by their
names, ``c`` and ``u0``, as :meth:`ganctl.Codes.with_code` has them; its numbered dimensions are the noise.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.latent import Codes, Latent, Normal, Uniform
from ganctl.rendering import grid, labeled_grid

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from ganctl.sampling.sampler import Sampler

COLUMNS = 7  # values of a dimension unless given
TELLING = 8  # dimensions that ``auto`` finds unless told how many
TRIALS = 16  # latents on which it looks
STEPS = 8  # pictures from one point to the next unless given
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Dimension:
    """A direction in which a latent can be changed.

    Attributes:
        name: its number, from 1, or a code's name.
        start: its place in z; ``size``: how many places it takes, more than one for a categorical code.
        span: how far from 0 a walk along it goes: 3 where z is normal, 1 where it is drawn from −1 to 1.
    """

    name: str
    start: int
    size: int = 1
    span: float = 3.0

    @property
    def values(self) -> tuple[float, ...]:
        """What a walk along it shows: every category, or ``COLUMNS`` values from end to end."""
        if self.size > 1:
            return tuple(float(i) for i in range(self.size))
        return tuple(torch.linspace(-self.span, self.span, COLUMNS, dtype=torch.float64).tolist())

    def set(self, z: Tensor, value: float) -> Tensor:
        """``z`` (N×dim) with this dimension at ``value``; ``z`` itself is not changed."""
        made = z.clone()
        if self.size == 1:
            made[:, self.start] = value
        else:
            made[:, self.start : self.start + self.size] = 0
            made[:, self.start + int(value)] = 1
        return made


class Row(NamedTuple):
    """Pictures along one line: its name, a caption (or ``""``) and a value for each, and what they are drawn from.

    ``values`` are the dimension's, or places on a path from 0, the first point, over 1, the second, and on. ``z`` is
    float32 N×dim, ``y`` int64 N or none, ``x`` float32 N×C×H×W in [−1, 1].
    """

    name: str
    captions: tuple[str, ...]
    values: tuple[float, ...]
    z: Tensor
    y: Tensor | None
    x: Tensor


@dataclass(frozen=True, eq=False)
class Walk:
    """What :meth:`ganctl.Sampler.traverse` and :meth:`ganctl.Sampler.interpolate` return; a notebook shows it.

    Attributes:
        rows: each with its name, captions, values, ``z``, ``y`` and ``x``.
    """

    rows: tuple[Row, ...]

    @property
    def x(self) -> Tensor:
        """All pictures, row after row, as :meth:`ganctl.Sampler.sample` returns them: float32 N×C×H×W in [−1, 1]."""
        return torch.cat([row.x for row in self.rows])

    @property
    def z(self) -> Tensor:
        """Their latents: float32 N×dim."""
        return torch.cat([row.z for row in self.rows])

    @property
    def y(self) -> Tensor | None:
        """Their classes: int64 N, or none."""
        found = [row.y for row in self.rows if row.y is not None]
        return torch.cat(found) if found else None

    def image(self, *, labels: bool = True, scale: int | None = None) -> Image:
        """A row below the other, with names and values beside them.

        Args:
            labels: ``False``: pictures alone.
            scale: how many pixels wide and high each pixel becomes; by default so many that labels can be read.
        """
        lines = [labeled_grid.Line(row.name, row.captions, grid.to_uint8(row.x)) for row in self.rows]
        return labeled_grid.draw(lines, labels=labels, scale=scale)

    def frames(self, *, scale: int | None = None) -> list[np.ndarray[Any, Any]]:
        """One picture after the other, those of all rows at once: uint8 H×W×3, or H×W×1 for gray."""
        import numpy as np

        height, width = self.rows[0].x.shape[2:]
        alone = len(self.rows) == 1
        scale = scale or labeled_grid.enlargement(height, width, 256 if alone else labeled_grid.LEGIBLE)
        made = []
        for at in zip(*(grid.to_uint8(row.x) for row in self.rows), strict=True):
            x = torch.stack(at)
            picture = labeled_grid.enlarged(grid.to_pil(x[0]) if alone else grid.grid(x), scale)
            array = np.asarray(picture)
            made.append(array[..., None] if array.ndim == 2 else array)
        return made

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.image().save(buffer, format="PNG")
        return buffer.getvalue()


def dimensions(latent: Latent) -> list[Dimension]:
    """All directions of ``latent``: codes first, then the numbered ones."""
    if not isinstance(latent, Codes):
        return [Dimension(str(i + 1), i, 1, _span(latent, i)) for i in range(latent.dim)]
    found = {start: Dimension(name, start, size, 1.0) for name, (start, size) in latent.places().items()}
    return [*found.values(), *(Dimension(str(i + 1), i) for i in range(latent.noise))]


def _span(latent: Latent, i: int) -> float:
    if isinstance(latent, Normal):
        return 3.0
    if isinstance(latent, Uniform):
        return 1.0
    drawn = latent.sample(1024, "cpu", torch.Generator().manual_seed(0))[:, i]  # a plugin's
    return min(3.0, float(drawn.abs().max()))


def chosen(
    sampler: Sampler, dims: str | int | Sequence[int | str], *, seed: int, **telling: Any
) -> list[Dimension]:
    """The dimensions that ``dims`` asks for: ``"5,25,u0"``, a list of such, ``"auto"`` or ``"auto:12"``.

    Raises:
        GanctlError: there is no such dimension.
    """
    if is_auto(dims):
        count = str(dims).partition(":")[2] or str(TELLING)
        if not count.isdecimal() or not int(count):
            raise GanctlError(f"--dims '{dims}' has no number.", "Write auto, or auto:12.", status=USAGE)
        found = rank_dimensions(sampler, seed=seed, **telling)
        return [dimension for dimension, _ in found[: int(count)]]
    names = dims.split(",") if isinstance(dims, str) else [dims] if isinstance(dims, int) else list(dims)
    known = {dimension.name: dimension for dimension in dimensions(sampler.latent)}
    if isinstance(sampler.latent, Codes):  # one code of a kind has two names
        for name, (start, _) in sampler.latent.places().items():
            known[name] = next(d for d in known.values() if d.start == start)
    wanted = [str(name).strip() for name in names]
    for name in wanted:
        if name not in known:
            raise _no_dimension(name, sampler.latent, list(known))
    if not wanted:
        raise GanctlError("No dimension was given.", "Give numbers, as 5,25, or auto.", status=USAGE)
    return [known[name] for name in wanted]


def is_auto(dims: str | int | Sequence[int | str]) -> bool:
    """Whether ``dims`` asks for the most telling ones."""
    return isinstance(dims, str) and dims.strip().partition(":")[0] == "auto"


def _no_dimension(name: str, latent: Latent, known: list[str]) -> GanctlError:
    count = latent.noise if isinstance(latent, Codes) else latent.dim
    codes = [other for other in known if not other.isdecimal()]
    hint = f"There are 1 to {count}" + (
        f", and the codes {', '.join(codes)}." if codes else ", counted from 1."
    )
    if not name.lstrip("-").isdecimal() and not codes:
        hint = f"{did_you_mean(name, ['auto'])} {hint}"
    return GanctlError(f"There is no dimension '{name}'.", hint, status=USAGE)


def rank_dimensions(
    sampler: Sampler,
    *,
    seed: int = 0,
    classes: Sequence[int] | None = None,
    batch_size: int = 64,
    trials: int = TRIALS,
    advance: Progress = lambda n: None,
) -> list[tuple[Dimension, float]]:
    """Every dimension and how much it changes the picture, the most telling first. The same for a seed.

    It is the mean squared difference of the pixels, in [−1, 1], between the dimension at −1 and at +1 (or at ± its
    span, where that is less), over ``trials`` latents of ``seed``. For a categorical code it is that between each
    category and the next.

    Args:
        classes: draw only these; all classes in turn unless given.
        advance: called with the number of dimensions done.
    """
    z = sampler.latents(trials, seed=seed)
    y = None
    if sampler.conditional:
        of = torch.tensor(classes if classes is not None else range(max(sampler.num_classes, 1)))
        y = of[torch.arange(trials) % len(of)]

    def draw(latents: list[Tensor]) -> Tensor:
        return torch.cat(
            list(
                sampler.generate(
                    torch.cat(latents), None if y is None else y.repeat(len(latents)), batch_size=batch_size
                )
            )
        )

    found = []
    for dimension in dimensions(sampler.latent):
        step = min(1.0, dimension.span)
        values = dimension.values if dimension.size > 1 else (-step, step)
        x = draw([dimension.set(z, value) for value in values]).flatten(1).view(len(values), -1)
        # NaN, of a broken network, would make the order depend on luck.
        change = torch.nan_to_num((x[1:] - x[:-1]).square().mean(dtype=torch.float64))
        found.append((dimension, float(change)))
        advance(1)
    return sorted(found, key=lambda pair: -pair[1])


def traverse(
    sampler: Sampler,
    dims: str | int | Sequence[int | str] = "auto",
    values: Sequence[float] | None = None,
    *,
    seed: int = 0,
    z: Tensor | None = None,
    classes: Sequence[int] | None = None,
    code: str | None = None,
    truncation: float | None = None,
    batch_size: int = 64,
    advance: Progress = lambda n: None,
) -> Walk:
    """A row a dimension: one latent with that dimension at each value, and all others as they were.

    See :meth:`ganctl.Sampler.traverse`.
    """
    base = sampler.latents(1, seed=seed, truncation=truncation) if z is None else _of_dim(sampler, z)[:1]
    if values is not None and not (len(values) and all(map(math.isfinite, values))):
        raise GanctlError(
            "The values of a dimension are numbers, and at least one.", "As in --values=-3,0,3.", status=USAGE
        )
    if code is not None:
        base = sampler.with_code(base, code)[0]
    chosen_dims = chosen(sampler, dims, seed=seed, classes=classes, batch_size=batch_size)
    rows = []
    for dimension in chosen_dims:
        places = dimension.values if values is None or dimension.size > 1 else tuple(map(float, values))
        latents = torch.cat([dimension.set(base, value) for value in places])
        for number in _classes(sampler, classes):
            y = None if number is None else torch.full((len(places),), number)
            x = torch.cat(list(sampler.generate(latents, y, batch_size=batch_size)))
            name = dimension.name
            if classes is not None and len(classes) > 1 and number is not None:
                name = f"{name}, {sampler.class_name(number)}"
            rows.append(Row(name, tuple(map(written, places)), places, latents, y, x))
            advance(1)
    return Walk(tuple(rows))


def interpolate(
    sampler: Sampler,
    seeds: Sequence[int] = (0, 1),
    *,
    z: Tensor | None = None,
    y: Tensor | None = None,
    rows: int = 1,
    steps: int = STEPS,
    method: str | None = None,
    loop: bool = False,
    classes: Sequence[int] | None = None,
    truncation: float | None = None,
    batch_size: int = 64,
    advance: Progress = lambda n: None,
) -> Walk:
    """Pictures on a path through latents; see :meth:`ganctl.Sampler.interpolate`."""
    if method not in (None, "slerp", "lerp"):
        raise GanctlError(
            f"There is no way '{method}'.", did_you_mean(str(method), ["slerp", "lerp"]), status=USAGE
        )
    if rows < 1 or steps < 1:
        raise GanctlError("rows and steps must be at least 1.", status=USAGE)
    if z is None:
        points = torch.stack([sampler.latents(rows, seed=s, truncation=truncation) for s in seeds], 1)
        names = [f"seed {s}" for s in seeds]
    else:
        z = _of_dim(sampler, z)
        if len(z) % rows:
            raise GanctlError(
                f"{len(z)} latents make no {rows} rows of the same length.",
                "Give a number of them that can be divided by the number of rows.",
                status=USAGE,
            )
        points = z.reshape(rows, -1, z.shape[1])
        names = [str(i + 1) for i in range(points.shape[1])]
    if points.shape[1] < 2:
        raise GanctlError(
            "A path needs two points or more.", "Give several, as in --seeds 1,2,3.", status=USAGE
        )
    of_points = y.reshape(rows, -1) if y is not None and sampler.conditional else None
    places = _places(points.shape[1], steps, loop)
    captions = tuple(names[round(t) % len(names)] if t == round(t) else "" for t in places)
    made = []
    for number in _classes(sampler, classes, default=of_points is None):
        for row in range(rows):
            latents = along(sampler.latent, points[row], places, method)
            labels = None if number is None else torch.full((len(places),), number)
            if labels is None and of_points is not None:  # of the nearer point
                labels = of_points[row][[math.floor(t + 0.5) % len(names) for t in places]]
            x = torch.cat(list(sampler.generate(latents, labels, batch_size=batch_size)))
            name = ""
            if classes is not None and len(classes) > 1 and number is not None:
                name = sampler.class_name(number)
            made.append(Row(name, captions, places, latents, labels, x))
            advance(1)
    return Walk(tuple(made))


def _places(points: int, steps: int, loop: bool) -> tuple[float, ...]:
    """Where on the path through the points 0, 1, … pictures are drawn. A loop ends before it begins again."""
    if loop:
        return tuple(i / steps for i in range(points * steps))
    return tuple(i / steps for i in range((points - 1) * steps + 1))


def along(latent: Latent, points: Tensor, places: Sequence[float], method: str | None = None) -> Tensor:
    """Latents at ``places`` on the closed path through ``points`` (P×dim): float32 N×dim.

    Args:
        places: from 0, the first point, over P − 1, the last, to P, the first again.
        method: ``"slerp"`` or ``"lerp"``; unless given slerp for what is drawn from a normal distribution, which for
            codes is their noise, and lerp for the rest.
    """
    noise = latent.noise if isinstance(latent, Codes) else latent.dim
    curved = method == "slerp" or (method is None and isinstance(latent, (Normal, Codes)))
    made = []
    for place in places:
        at = int(place)
        a, b, t = points[at % len(points)].double(), points[(at + 1) % len(points)].double(), place - at
        straight = lerp(a, b, t)
        if curved:
            straight = torch.cat([slerp(a[:noise], b[:noise], t), straight[noise:]])
        made.append(straight)
    return torch.stack(made).float()


def lerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at ``t``, from 0 to 1, of the straight line from ``a`` to ``b``."""
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at ``t``, from 0 to 1, of the great circle from ``a`` to ``b`` (White 2016, arXiv:1609.04468).

    Normal latents lie near a sphere; the straight line between two leads through its inside, where none are. Where
    there is no one great circle, because the two point the same or opposite ways, it is :func:`lerp`.
    """
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=0).clamp(-1, 1)
    angle = torch.acos(cosine)
    if torch.sin(angle) < 1e-6:
        return lerp(a, b, t)
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def _of_dim(sampler: Sampler, z: Tensor) -> Tensor:
    z = z.reshape(-1, z.shape[-1]) if z.ndim else z
    if z.ndim != 2 or not len(z) or z.shape[1] != sampler.latent.dim:
        raise GanctlError(
            f"z is {'×'.join(map(str, z.shape)) or 'a number'}, and this model needs N×{sampler.latent.dim}.",
            "sampler.latents(n) draws such.",
            status=USAGE,
        )
    return z.detach().cpu().float()


def _classes(
    sampler: Sampler, classes: Sequence[int] | None, *, default: bool = True
) -> list[int] | list[None]:
    """The classes to draw: those given, else the first; ``[None]`` if G draws none or there is no ``default``."""
    if classes is None:
        return [0] if sampler.conditional and default else [None]
    if not sampler.conditional:
        sampler.class_number("0")  # says so
    for number in classes:
        if not 0 <= number < max(sampler.num_classes, 1):
            raise GanctlError(
                f"There is no class {number}.", f"There are 0 to {sampler.num_classes - 1}.", status=USAGE
            )
    return list(classes)


def written(value: float) -> str:
    """``"-1.5"``, ``"0"``, ``"3"``: as short as can be."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
