"""Test ganctl_metrics: properties of the sliced Wasserstein distance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganctl import GanctlError, Images
from ganctl_metrics.swd import SlicedWasserstein, pyramid


def random_images(
    n: int, seed: int, size: int = 32, channels: int = 1, low: int = 0, high: int = 256
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (n, channels, size, size), generator=generator).to(torch.uint8)


def distance(fakes: Tensor, reals: Tensor, **options: int) -> float:
    return SlicedWasserstein(**options)(iter(fakes.split(7)), Images(reals))


def test_levels_of_the_pyramid_add_up_to_the_image() -> None:
    x = torch.rand(2, 3, 70, 64)
    levels = pyramid(x)
    assert [tuple(level.shape[2:]) for level in levels] == [(70, 64), (35, 32), (18, 16)]
    sums = levels[-1]
    for level in levels[-2::-1]:
        sums = level + interpolate(sums, size=level.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(sums, x)
    assert len(pyramid(torch.rand(1, 1, 28, 28))) == 1


@pytest.mark.parametrize(("size", "channels"), [(32, 1), (28, 3), (5, 1)])
def test_images_from_the_same_distribution_have_a_lower_distance(size: int, channels: int) -> None:
    reals, same = random_images(200, 0, size, channels), random_images(200, 1, size, channels)
    smooth = interpolate(random_images(200, 2, max(size // 4, 1), channels).float(), size=size).to(
        torch.uint8
    )
    near, far = distance(same, reals), distance(smooth, reals)
    assert 0 < near < far / 2


def test_distance_of_reordered_images_decreases_with_more_patches() -> None:
    reals = random_images(100, 0)
    assert distance(reals.flip(0), reals, patches=64) < distance(reals.flip(0), reals, patches=2) / 3


def test_distance_of_1x1_images_equals_the_closed_form() -> None:
    """A 1×1 image has one patch with one value, so the distance is the mean difference of sorted normalized values."""
    a = torch.tensor([0, 0, 0, 255], dtype=torch.uint8).view(4, 1, 1, 1)
    b = torch.tensor([0, 0, 255, 255], dtype=torch.uint8).view(4, 1, 1, 1)
    normalized = [(t.double() - t.double().mean()) / t.double().std(correction=0) for t in (a, b)]
    expected = (
        1000 * (normalized[0].flatten().sort().values - normalized[1].flatten().sort().values).abs().mean()
    )
    assert distance(a, b, patches=1) == pytest.approx(float(expected), rel=1e-5)


def test_distance_is_deterministic_and_keeps_the_global_rng_state() -> None:
    reals, fakes = random_images(50, 0), random_images(60, 1)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert distance(fakes, reals) == distance(fakes, reals)
    assert torch.equal(torch.get_rng_state(), before)


def test_invalid_options_are_rejected() -> None:
    with pytest.raises(GanctlError, match="at least 1"):
        SlicedWasserstein(patches=0)
