"""Walks through latent space: along one dimension at a time, and from one latent to the next.

:func:`traverse` and :func:`interpolate` are methods of :class:`ganctl.Sampler`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.latent import Codes, Latent, Normal
from ganctl.sampling.latent_dimensions import Progress, select_dimensions
from ganctl.sampling.sampler_protocol import LatentSampler
from ganctl.sampling.walk_result import Row, Walk


def traverse(
    sampler: LatentSampler,
    dims: str | int | Sequence[int | str] = "auto",
    values: Sequence[float] | None = None,
    *,
    seed: int = 0,
    z: Tensor | None = None,
    classes: Sequence[int] | None = None,
    c: Tensor | None = None,
    code: str | None = None,
    truncation: float | None = None,
    batch_size: int = 64,
    advance: Progress | None = None,
) -> Walk:
    """Vary one dimension of a latent at a time. Each dimension is a row of samples.

    ::

        sampler.traverse([5, 25, 45], [-3, 0, 3], seed=1)

    Args:
        dims: numbers of dimensions, from 1 (dimension 5 is ``z[:, 4]``), and names of codes, such as ``"u0"``.
            Several are given as a list, or as in ``"5,25,u0"``. ``"auto"`` selects the 8 dimensions that change the
            samples most, and ``"auto:12"`` the first 12; see :meth:`rank_dimensions`.
        values: values of the dimension. Default: seven values from −3 to 3, or from −1 to 1 for a uniform latent. For
            a categorical code, the values are always all categories.
        seed: the latent is the first latent of this seed.
        z: the latent to vary, used instead of that of ``seed``: the first row of N×dim.
        classes: classes of a conditional model, one row for each class. Default: the first class.
        c: condition of all samples, in the form of one condition of the dataset, or K×…, of which the first is used.
            Default: the first of :attr:`conditions`.
        code: code that is set first, such as ``"c=3"``.
        truncation: truncation of the latent of ``seed``, as for :meth:`latents`.
        batch_size: number of samples that are generated at a time.
        advance: called with the number of rows just finished, for a progress bar.

    Returns:
        A walk. Its ``x`` contains the samples, row by row, as from :meth:`sample`. ``image()`` returns an image of all
        samples with their labels.

    Raises:
        GanctlError: a dimension, class or code does not exist.
    """
    base = (
        sampler.latents(1, seed=seed, truncation=truncation) if z is None else _check_latents(sampler, z)[:1]
    )
    if values is not None and not (len(values) and all(map(math.isfinite, values))):
        raise GanctlError(
            "The values of a dimension must be one or more finite numbers.",
            "Write, for example: --values=-3,0,3",
            status=USAGE,
        )
    c = sampler.conditions_in_turn(1, c)
    if code is not None:
        base = sampler.with_code(base, code)[0]
    rows = []
    ranking: dict[str, Any] = {"classes": classes, "c": c, "batch_size": batch_size}
    for dimension in select_dimensions(sampler, dims, seed=seed, **ranking):
        row_values = dimension.values if values is None or dimension.size > 1 else tuple(map(float, values))
        latents = torch.cat([dimension.set(base, value) for value in row_values])
        for number in _class_numbers(sampler, classes):
            y = None if number is None else torch.full((len(row_values),), number)
            x = torch.cat(list(sampler.generate(latents, y, c=c, batch_size=batch_size)))
            name = dimension.name
            if classes is not None and len(classes) > 1 and number is not None:
                name = f"{name}, {sampler.class_name(number)}"
            rows.append(Row(name, tuple(map(format_value, row_values)), row_values, latents, y, x))
            if advance is not None:
                advance(1)
    return Walk(tuple(rows), sampler.pixels)


def interpolate(
    sampler: LatentSampler,
    seeds: Sequence[int] = (0, 1),
    *,
    z: Tensor | None = None,
    y: Tensor | None = None,
    rows: int = 1,
    steps: int = 8,
    method: str | None = None,
    loop: bool = False,
    classes: Sequence[int] | None = None,
    c: Tensor | None = None,
    truncation: float | None = None,
    batch_size: int = 64,
    advance: Progress | None = None,
) -> Walk:
    """Generate samples on a path from one latent to the next.

    ::

        sampler.interpolate([1, 2, 3], rows=4, loop=True)

    Args:
        seeds: the points of the path are the first latents of these seeds.
        z: the points of the path, N×dim, used instead of ``seeds``.
        y: classes of ``z``, int64 N. Samples between two points have the class of the nearer point.
        rows: number of paths. The second path uses the second latents of the seeds, and so on. ``z`` is divided into
            as many parts.
        steps: number of samples per segment of the path, including its last point.
        method: ``"slerp"`` (a great circle) or ``"lerp"`` (a straight line). Default: slerp for normal latents and
            lerp for other latents.
        loop: continue from the last point to the first point, without repeating the first sample.
        classes: classes of a conditional model; ``rows`` paths for each class.
        c: conditions, K×…, one for each path in turn. Default: :attr:`conditions`.
        truncation: truncation of the latents of ``seeds``, as for :meth:`latents`.
        batch_size: number of samples that are generated at a time.
        advance: called with the number of rows just finished, for a progress bar.

    Returns:
        A walk, as from :meth:`traverse`. ``frames()`` returns the frames of an animation.

    Raises:
        GanctlError: there are fewer than two points, or a class does not exist.
    """
    if method not in (None, "slerp", "lerp"):
        raise GanctlError(
            f"There is no interpolation method '{method}'.",
            did_you_mean(str(method), ["slerp", "lerp"]),
            status=USAGE,
        )
    if rows < 1 or steps < 1:
        raise GanctlError("rows and steps must be at least 1.", status=USAGE)
    points, names = _path_points(sampler, seeds, z, rows, truncation)
    point_classes = y.reshape(rows, -1) if y is not None and sampler.conditional else None
    path_conditions = sampler.conditions_in_turn(rows, c)
    positions = _path_positions(len(names), steps, loop)
    captions = tuple(names[round(t) % len(names)] if t == round(t) else "" for t in positions)
    made = []
    for number in _class_numbers(sampler, classes, default=point_classes is None):
        for row in range(rows):
            latents = interpolate_points(sampler.latent, points[row], positions, method)
            labels = None if number is None else torch.full((len(positions),), number)
            if labels is None and point_classes is not None:
                labels = point_classes[row][[math.floor(t + 0.5) % len(names) for t in positions]]
            own = None if path_conditions is None else path_conditions[row : row + 1]
            x = torch.cat(list(sampler.generate(latents, labels, c=own, batch_size=batch_size)))
            name = ""
            if classes is not None and len(classes) > 1 and number is not None:
                name = sampler.class_name(number)
            made.append(Row(name, captions, positions, latents, labels, x))
            if advance is not None:
                advance(1)
    return Walk(tuple(made), sampler.pixels)


def _path_points(
    sampler: LatentSampler, seeds: Sequence[int], z: Tensor | None, rows: int, truncation: float | None
) -> tuple[Tensor, list[str]]:
    """Return the points of each path, rows×P×dim, and their P names."""
    if z is None:
        latents = [sampler.latents(rows, seed=seed, truncation=truncation) for seed in seeds]
        points = torch.stack(latents, 1) if latents else torch.empty(rows, 0, sampler.latent.dim)
        names = [f"seed {seed}" for seed in seeds]
    else:
        z = _check_latents(sampler, z)
        if len(z) % rows:
            raise GanctlError(
                f"{len(z)} latents cannot be divided into {rows} rows of the same length.",
                "Give a number of latents that is a multiple of the number of rows.",
                status=USAGE,
            )
        points = z.reshape(rows, -1, z.shape[1])
        names = [str(i + 1) for i in range(points.shape[1])]
    if len(names) < 2:
        raise GanctlError(
            "A path needs two or more points.", "Give several, for example --seeds 1,2,3.", status=USAGE
        )
    return points, names


def _path_positions(points: int, steps: int, loop: bool) -> tuple[float, ...]:
    """Return the positions of the samples on the path through the points 0, 1, …"""
    if loop:
        return tuple(i / steps for i in range(points * steps))
    return tuple(i / steps for i in range((points - 1) * steps + 1))


def interpolate_points(
    latent: Latent, points: Tensor, positions: Sequence[float], method: str | None = None
) -> Tensor:
    """Return the latents at ``positions`` on the closed path through ``points`` (P×dim): float32 N×dim.

    Args:
        positions: from 0, the first point, to P − 1, the last point, and on to P, the first point again.
        method: ``"slerp"`` or ``"lerp"``. Default: slerp for normal latents and for the noise of an InfoGAN, and lerp
            for other latents.
    """
    noise = latent.noise if isinstance(latent, Codes) else latent.dim
    spherical = method == "slerp" or (method is None and isinstance(latent, (Normal, Codes)))
    interpolated = []
    for position in positions:
        i = int(position)
        a, b, t = points[i % len(points)].double(), points[(i + 1) % len(points)].double(), position - i
        z = lerp(a, b, t)
        if spherical:
            z = torch.cat([slerp(a[:noise], b[:noise], t), z[noise:]])
        interpolated.append(z)
    return torch.stack(interpolated).float()


def lerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Return the point at ``t``, from 0 to 1, on the straight line from ``a`` to ``b``."""
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Return the point at ``t``, from 0 to 1, on the great circle from ``a`` to ``b`` (White 2016, arXiv:1609.04468).

    Normal latents are close to a sphere. The straight line between two of them leads through the inside of the sphere,
    where G was never trained. If ``a`` and ``b`` have the same or opposite directions, the great circle is not unique,
    and the result is that of :func:`lerp`.
    """
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=0).clamp(-1, 1)
    angle = torch.acos(cosine)
    if torch.sin(angle) < 1e-6:
        return lerp(a, b, t)
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def format_value(value: float) -> str:
    """Format ``value`` with at most two decimals: ``"-1.5"``, ``"0"``, ``"3"``."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _check_latents(sampler: LatentSampler, z: Tensor) -> Tensor:
    """Return ``z`` as float32 N×dim on the CPU, or raise a GanctlError if its shape does not fit the model."""
    z = z.reshape(-1, z.shape[-1]) if z.ndim else z
    if z.ndim != 2 or not len(z) or z.shape[1] != sampler.latent.dim:
        shape = "×".join(map(str, z.shape)) or "a number"
        raise GanctlError(
            f"z is {shape}, but this model needs N×{sampler.latent.dim}.",
            "Use sampler.latents(n) to draw latents.",
            status=USAGE,
        )
    return z.detach().cpu().float()


def _class_numbers(
    sampler: LatentSampler, classes: Sequence[int] | None, *, default: bool = True
) -> list[int] | list[None]:
    """Return ``classes``, or the first class by default.

    Return ``[None]`` if G is not conditional or if there is no ``default``.
    """
    if classes is None:
        return [0] if sampler.conditional and default else [None]
    if not sampler.conditional:
        sampler.class_number("0")  # raises the error
    for number in classes:
        if not 0 <= number < max(sampler.num_classes, 1):
            raise GanctlError(
                f"There is no class {number}.",
                f"Use a number from 0 to {sampler.num_classes - 1}.",
                status=USAGE,
            )
    return list(classes)
