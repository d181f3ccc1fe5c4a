"""The sliced Wasserstein distance: what is known about it by other means."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganctl import GanctlError, Images
from ganctl_metrics.swd import SlicedWasserstein, pyramid


def pictures(n: int, seed: int, size: int = 32, channels: int = 1, low: int = 0, high: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (n, channels, size, size), generator=generator).to(torch.uint8)


def distance(fakes: Tensor, reals: Tensor, **options: int) -> float:
    return SlicedWasserstein(**options)(iter(fakes.split(7)), Images(reals))


def test_a_pyramid_adds_up_to_the_picture_again() -> None:
    x = torch.rand(2, 3, 70, 64)
    levels = pyramid(x)
    assert [tuple(level.shape[2:]) for level in levels] == [(70, 64), (35, 32), (18, 16)]
    sums = levels[-1]
    for level in levels[-2::-1]:
        sums = level + interpolate(sums, size=level.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(sums, x)
    assert len(pyramid(torch.rand(1, 1, 28, 28))) == 1


@pytest.mark.parametrize(("size", "channels"), [(32, 1), (28, 3), (5, 1)])
def test_pictures_of_one_kind_are_nearer_than_those_of_another(size: int, channels: int) -> None:
    reals, alike = pictures(200, 0, size, channels), pictures(200, 1, size, channels)
    smooth = interpolate(pictures(200, 2, max(size // 4, 1), channels).float(), size=size).to(torch.uint8)
    near, far = distance(alike, reals), distance(smooth, reals)
    assert 0 < near < far / 2


def test_more_patches_bring_the_same_pictures_in_another_order_nearer_to_no_distance() -> None:
    reals = pictures(100, 0)
    assert distance(reals.flip(0), reals, patches=64) < distance(reals.flip(0), reals, patches=2) / 3


def test_in_one_dimension_it_is_the_mean_difference_of_sorted_values() -> None:
    """1×1 pictures have one patch of one number: after normalizing, 1-Wasserstein can be written down."""
    a = torch.tensor([0, 0, 0, 255], dtype=torch.uint8).view(4, 1, 1, 1)
    b = torch.tensor([0, 0, 255, 255], dtype=torch.uint8).view(4, 1, 1, 1)
    normalized = [(t.double() - t.double().mean()) / t.double().std(correction=0) for t in (a, b)]
    expected = (
        1000 * (normalized[0].flatten().sort().values - normalized[1].flatten().sort().values).abs().mean()
    )
    assert distance(a, b, patches=1) == pytest.approx(float(expected), rel=1e-5)


def test_the_same_every_time_and_without_torchs_random_numbers() -> None:
    reals, fakes = pictures(50, 0), pictures(60, 1)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert distance(fakes, reals) == distance(fakes, reals)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_options() -> None:
    with pytest.raises(GanctlError, match="at least 1"):
        SlicedWasserstein(patches=0)
