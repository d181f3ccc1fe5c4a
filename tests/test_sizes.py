"""Test the supported image sizes and the errors that list supported sizes."""

from __future__ import annotations

import pytest

from ganctl import GanctlError, ImageShape, sizes
from ganctl.errors import USAGE


@pytest.mark.parametrize(
    ("size", "expected"),
    [(28, (2, 7)), (32, (3, 4)), (48, (3, 6)), (40, (3, 5)), (64, (4, 4)), (128, (5, 4)), (8, (1, 4))],
)
def test_doublings_of_square_images_are_counted(size: int, expected: tuple[int, int]) -> None:
    blocks, start = sizes.doublings("net", ImageShape(3, size, size))
    assert (blocks, start) == (expected[0], (expected[1], expected[1]))


def test_doublings_depend_on_the_shorter_side() -> None:
    assert sizes.doublings("net", ImageShape(3, 64, 96)) == (4, (4, 6))


@pytest.mark.parametrize("size", [1, 7, 9, 22, 30, 50, 100, 200])
def test_every_size_in_the_hint_is_supported(size: int) -> None:
    with pytest.raises(GanctlError, match=f"The net does not support {size}×{size}") as caught:
        sizes.doublings("net", ImageShape(3, size, size))
    assert caught.value.status == USAGE
    named = [int(word) for word in caught.value.hint.split() if word.isdigit()]
    assert named
    for supported in named:
        sizes.doublings("net", ImageShape(3, supported, supported))


def test_sides_must_be_divisible() -> None:
    sizes.divisible("net", ImageShape(1, 32, 48), 16)
    with pytest.raises(GanctlError, match="divisible by 16") as caught:
        sizes.divisible("net", ImageShape(1, 28, 28), 16)
    assert caught.value.hint.endswith("--image-size 16 or --image-size 32")


def test_options_must_be_at_least_the_minimum() -> None:
    sizes.at_least("net", 1, width=1, depth=None)
    with pytest.raises(GanctlError, match="The net's width is 0: it must be at least 1"):
        sizes.at_least("net", 1, depth=2, width=0)
