from __future__ import annotations

import pytest
import torch

from ganctl import Images
from ganctl.data.pixels import UINT8, PixelFormat, as_uint8, extremes, take, wrong_pixels
from ganctl.rendering import grid

UINT16 = PixelFormat(torch.uint16, 0.0, 65535.0)


def every_uint16() -> torch.Tensor:
    return torch.arange(65536).to(torch.uint16).view(-1, 1, 1, 1)


def test_all_uint16_values_remain_distinct_and_can_be_restored() -> None:
    x = UINT16.scaled(every_uint16())
    assert x.dtype == torch.float32
    assert x.diff(dim=0).gt(0).all()
    assert (x.min(), x.max()) == (-1, 1)
    assert torch.equal(UINT16.unscaled(x).int(), every_uint16().int())


def test_memory_as_signed_integers_is_scaled_like_uint16() -> None:
    assert torch.equal(UINT16.scaled(every_uint16().view(torch.int16)), UINT16.scaled(every_uint16()))


def test_mapping_of_uint8_is_bit_identical_to_the_plain_formula() -> None:
    x = torch.arange(256).to(torch.uint8)
    assert torch.equal(UINT8.scaled(x), x.float().div(127.5).sub(1))
    assert torch.equal(UINT8.unscaled(UINT8.scaled(x)), x)


def test_float32_is_mapped_from_its_range_and_is_not_changed() -> None:
    x = torch.tensor([200.0, 265.0, 330.0]).view(3, 1, 1, 1)
    kelvin = PixelFormat.of(Images(x, range=(200, 330)))
    assert kelvin.scaled(x).flatten().tolist() == [-1, 0, 1]
    assert kelvin.unscaled(torch.tensor([-1.0, 0.0, 1.0, 9.0])).tolist() == [200, 265, 330, 330]
    assert x.flatten().tolist() == [200, 265, 330]


def test_format_is_restored_from_a_checkpoint_and_is_uint8_in_older_checkpoints() -> None:
    assert PixelFormat.from_state(UINT16.to_state()) == UINT16
    assert PixelFormat.from_state(None) == UINT8


def test_conversion_to_8_bits_uses_the_same_mapping_as_samples() -> None:
    images = Images(every_uint16(), range=(0, 65535))
    converted = as_uint8(images)
    assert torch.equal(converted.x, grid.to_uint8(UINT16.scaled(images.x)))
    assert converted.x.dtype == torch.uint8
    assert converted.range is None
    eight = Images(torch.zeros(2, 1, 1, 1, dtype=torch.uint8))
    assert as_uint8(eight).x is eight.x


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.bool, torch.float64])
def test_rows_of_every_dtype_can_be_gathered(dtype: torch.dtype) -> None:
    x = torch.tensor([[0], [1], [1]]).to(dtype)
    assert take(x, torch.tensor([2, 0])).dtype == dtype
    assert take(x, torch.tensor([2, 0])).int().tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("x", "limits", "reason"),
    [
        (torch.zeros(1), (0, 1), ""),
        (torch.zeros(1), None, "x is float32 and has no range"),
        (torch.zeros(1), (1, 0), "range is (1, 0), not (low, high) with low < high"),
        (torch.zeros(1), (0, float("inf")), "range is (0, inf), not (low, high) with low < high"),
        (torch.tensor([0.0, 1.5]), (0, 1), "x has values from 0 to 1.5, but range is (0, 1)"),
        (torch.tensor([0.0, torch.nan]), (0, 1), "x has values from nan to nan, but range is (0, 1)"),
        (torch.tensor([5000]).to(torch.uint16), (0, 4095), "x has values from 5000 to 5000, but range is (0, 4095)"),
        (torch.zeros(1, dtype=torch.int64), None, "x is int64, not uint8, uint16 or float32"),
    ],
)  # fmt: skip
def test_invalid_pixels_are_refused_with_a_reason(
    x: torch.Tensor, limits: tuple[float, float] | None, reason: str
) -> None:
    assert wrong_pixels(x, limits) == reason


def test_extremes_are_computed_over_all_blocks() -> None:
    x = torch.ones(3000)
    x[2500], x[1] = 7, -7
    assert extremes(x) == (-7, 7)
