"""Checks of image sizes for plugins. Their error messages contain the nearest supported sizes."""

from __future__ import annotations

from ganctl.errors import USAGE, GanctlError
from ganctl.recipe import ImageShape


def doublings(what: str, image: ImageShape, depth: int | None = None) -> tuple[int, tuple[int, int]]:
    """Return the number of doublings that lead to the size of ``image``, and the initial height and width.

    Args:
        what: name of the network in messages, such as ``"dcgan generator"``.
        image: shape of the images.
        depth: number of doublings; None to choose it so that the shorter side starts with 4 to 7 pixels.

    Raises:
        GanctlError: the size is not supported. The hint contains the nearest supported sizes.
    """
    short = min(image.height, image.width)
    blocks = depth or _doublings(short)
    if not blocks or image.height % 2**blocks or image.width % 2**blocks:
        below, above = _neighbors(short, depth)
        sizes = " or ".join(f"--image-size {size}" for size in (below, above) if size)
        rule = f"a multiple of {2**depth} (2^depth)" if depth else "4, 5, 6 or 7 times a power of two"
        raise GanctlError(
            f"The {what} does not support {image.height}×{image.width} images: each side must be {rule}.",
            f"The nearest supported sizes: {sizes}",
            status=USAGE,
        )
    return blocks, (image.height >> blocks, image.width >> blocks)


def divisible(what: str, image: ImageShape, factor: int) -> None:
    """Check that both sides of ``image`` are divisible by ``factor``.

    Args:
        what: name of the network in messages.
        image: shape of the images.
        factor: required divisor.

    Raises:
        GanctlError: a side is not divisible. The hint contains the nearest supported sizes.
    """
    if image.height % factor or image.width % factor:
        below = min(image.height, image.width) // factor * factor
        sizes = " or ".join(f"--image-size {size}" for size in (below, below + factor) if size)
        raise GanctlError(
            f"The {what} does not support {image.height}×{image.width} images: "
            f"each side must be divisible by {factor}.",
            f"The nearest supported sizes: {sizes}",
            status=USAGE,
        )


def at_least(what: str, minimum: int, **options: int | None) -> None:
    """Check that each of ``options`` is None or at least ``minimum``.

    Args:
        what: name of the component in messages.
        minimum: smallest allowed value.
        **options: values by name.

    Raises:
        GanctlError: an option is too small. The message contains the name of the option.
    """
    for name, value in options.items():
        if value is not None and value < minimum:
            raise GanctlError(
                f"The {what}'s {name} is {value}: it must be at least {minimum}.",
                f"Omit '{name}' to use the default.",
                status=USAGE,
            )


def _doublings(side: int) -> int | None:
    """Return the number of doublings that lead from 4 to 7 pixels to ``side``, or None if this is impossible."""
    blocks = 0
    while side > 7 and side % 2 == 0:
        side, blocks = side // 2, blocks + 1
    return blocks if blocks and 4 <= side <= 7 else None


def _neighbors(side: int, depth: int | None) -> tuple[int | None, int]:
    """Return the nearest supported sizes: the largest up to ``side``, or None, and the smallest above ``side``."""

    def is_supported(size: int) -> bool:
        return size % 2**depth == 0 if depth else _doublings(size) is not None

    below = next((size for size in range(side, 0, -1) if is_supported(size)), None)
    above = side + 1
    while not is_supported(above):
        above += 1
    return below, above
