"""Image sizes that networks of doublings can serve, and an error that names them."""

from __future__ import annotations

from ganctl.errors import USAGE, GanctlError
from ganctl.recipe import ImageShape


def doublings(what: str, image: ImageShape, depth: int | None = None) -> tuple[int, tuple[int, int]]:
    """How many doublings lead to ``image``, and from which height and width.

    Args:
        what: the network, as a user knows it: ``"dcgan generator"``.
        depth: how many there are to be. Unless given, as many as leave a start of 4 to 7 pixels on the short side.

    Raises:
        GanctlError: none do. Names the nearest sizes that work.
    """
    short = min(image.height, image.width)
    blocks = depth or _doublings(short)
    if not blocks or image.height % 2**blocks or image.width % 2**blocks:
        below, above = _neighbors(short, depth)
        sizes = " or ".join(f"--image-size {size}" for size in (below, above) if size)
        rule = f"a multiple of {2**depth} (2^depth)" if depth else "4, 5, 6 or 7 times a power of two"
        raise GanctlError(
            f"The {what} cannot serve {image.height}×{image.width} images: each side must be {rule}.",
            f"The nearest that work: {sizes}",
            status=USAGE,
        )
    return blocks, (image.height >> blocks, image.width >> blocks)


def divisible(what: str, image: ImageShape, factor: int) -> None:
    """Nothing, if both sides of ``image`` can be divided by ``factor``.

    Raises:
        GanctlError: they cannot. Names the nearest sizes that work.
    """
    if image.height % factor or image.width % factor:
        below = min(image.height, image.width) // factor * factor
        sizes = " or ".join(f"--image-size {size}" for size in (below, below + factor) if size)
        raise GanctlError(
            f"The {what} cannot serve {image.height}×{image.width} images: "
            f"each side must be divisible by {factor}.",
            f"The nearest that work: {sizes}",
            status=USAGE,
        )


def at_least(what: str, minimum: int, **options: int | None) -> None:
    """Nothing, if every option of the component ``what`` is None or at least ``minimum``.

    Raises:
        GanctlError: one is below; names it.
    """
    for name, value in options.items():
        if value is not None and value < minimum:
            raise GanctlError(
                f"The {what}'s {name} is {value}: it must be at least {minimum}.",
                f"Leave '{name}' out for its default.",
                status=USAGE,
            )


def _doublings(side: int) -> int | None:
    """How many doublings lead from a start of 4 to 7 pixels to ``side``; None when none do."""
    blocks = 0
    while side > 7 and side % 2 == 0:
        side, blocks = side // 2, blocks + 1
    return blocks if blocks and 4 <= side <= 7 else None


def _neighbors(side: int, depth: int | None) -> tuple[int | None, int]:
    """The nearest square sizes at or below (None: there is none) and above ``side`` that do work."""

    def works(size: int) -> bool:
        return size % 2**depth == 0 if depth else _doublings(size) is not None

    below = next((size for size in range(side, 0, -1) if works(size)), None)
    above = side + 1
    while not works(above):
        above += 1
    return below, above
