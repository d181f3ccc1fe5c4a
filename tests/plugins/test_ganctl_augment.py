"""Test ganctl_augment: the effect, frequency and gradients of each operation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganctl import USAGE, Batch, GanctlError, ImageShape
from ganctl.latent import Normal
from ganctl.plugin import discovery, options
from ganctl.testing.device import on_device
from ganctl.testing.failures import Broken
from ganctl.training.engine import Engine

NAMES = ["diffaug", "ada"]
#: Options that enable only one group of ada.
BLIT = {"geometry": False, "color": False}
GEOMETRY = {"blit": False, "color": False}
COLOR = {"blit": False, "geometry": False}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def make(name: str, **given: Any) -> nn.Module:
    factory = discovery.registry().get("augmentation", name).load()
    resolved = options.resolve("augmentation", name, factory, given)
    return options.call(factory, resolved, image=ImageShape(3, 8, 8))


def strong(name: str) -> nn.Module:
    """Return the augmentation with every operation applied to every image."""
    return make(name, p=1.0) if name == "ada" else make(name)


def random_images(n: int, channels: int = 3, height: int = 8, width: int = 8, **how: Any) -> Tensor:
    return torch.rand(n, channels, height, width, **how) * 2 - 1


def numbered(n: int, side: int) -> Tensor:
    """Return n copies of an image whose pixels are distinct and nonzero: n×1×side×side."""
    return (1 + torch.arange(side * side)).float().view(1, 1, side, side).expand(n, -1, -1, -1)


def frequency_is(found: Tensor, expected: float) -> bool:
    """Return whether the frequency in independent trials is within four standard deviations of ``expected``."""
    deviation = math.sqrt(expected * (1 - expected) / found.numel())
    return abs(found.double().mean().item() - expected) < 4 * deviation


def std_is(found: Tensor, expected: float) -> bool:
    """Return whether normal values have mean 0 and standard deviation ``expected``, within four standard errors."""
    n = found.numel()
    return abs(found.mean().item()) < 4 * expected / math.sqrt(n) and abs(found.std().item() - expected) < (
        4 * expected / math.sqrt(2 * n)
    )


# ---- every augmentation


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(5, 3, 8, 8), (5, 1, 7, 10), (1, 3, 1, 2), (2, 2, 4, 4)])
def test_shape_and_dtype_are_preserved(name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x = random_images(*shape, dtype=torch.float64).to(dtype)
    before = x.clone()
    y = strong(name)(x)
    assert y.shape == x.shape
    assert y.dtype == dtype
    assert y.isfinite().all()
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_does_not_change_the_result(name: str) -> None:
    x, augment = random_images(6), strong(name)
    results = []
    for enabled in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            results.append(augment(x))
    assert torch.equal(*results)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_first_and_second_derivatives_with_respect_to_x_are_correct(name: str, channels: int) -> None:
    augment = strong(name)

    def fixed(x: Tensor) -> Tensor:
        torch.manual_seed(2)
        return augment(x)

    x = random_images(2, channels, 5, 4, dtype=torch.float64).requires_grad_()
    assert not torch.equal(fixed(x), x)
    assert torch.autograd.gradcheck(fixed, (x,))
    assert torch.autograd.gradgradcheck(fixed, (x,))


@pytest.mark.parametrize("name", NAMES)
def test_gradient_penalty_has_gradients_for_the_weights_of_d(name: str) -> None:
    augment, D = strong(name), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.LazyLinear(1))
    x = random_images(4).requires_grad_()
    (gradient,) = torch.autograd.grad(D(augment(x)).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert all(
        weight.grad is not None and weight.grad.isfinite().all() for weight in list(D.parameters())[:1]
    )
    assert D[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_result_depends_on_the_seed_and_differs_between_images(name: str) -> None:
    x, augment = random_images(1).expand(8, -1, -1, -1), strong(name)
    torch.manual_seed(3)
    first, second = augment(x), augment(x)
    torch.manual_seed(3)
    assert torch.equal(augment(x), first)
    assert not torch.equal(first, second)
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(first, 2))


@pytest.mark.parametrize("name", NAMES)
def test_augmentation_does_not_copy_data_to_the_host(name: str) -> None:
    x, augment = random_images(4).requires_grad_(), strong(name)
    adaptive = make("ada")
    logits = torch.randn(4)
    with pytest.raises(Broken), on_device("here"):
        torch.ones(1).item()
    with pytest.raises(Broken), on_device("here"):
        torch.tensor(1.0)
    with on_device("in a step"):
        augment(x).square().sum().backward()
        adaptive.observe(logits)


@pytest.mark.cuda
@pytest.mark.parametrize("name", NAMES)
def test_augmentation_can_be_captured_as_a_cuda_graph(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("requires CUDA")
    augment = make(name).cuda()
    x, logits = random_images(8).cuda().requires_grad_(), torch.ones(8, device="cuda")

    def step() -> tuple[Tensor, Tensor]:
        if name == "ada":
            augment.observe(logits)
        y = augment(x)
        return y, torch.autograd.grad(y.square().sum(), x)[0]

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(4):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y, gradient = step()
    if name == "ada":
        augment.p.fill_(1)
    graph.replay()
    one = y.clone()
    graph.replay()
    assert not torch.equal(one, y)  # each replay draws new random numbers
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


# ---- diffaug


def test_empty_policy_does_not_change_images() -> None:
    x = random_images(4)
    assert torch.equal(make("diffaug", policy=())(x), x)
    assert torch.equal(make("diffaug", policy="")(x), x)


def test_unknown_operation_is_rejected() -> None:
    with pytest.raises(GanctlError, match="no operation 'sharpen'") as error:
        make("diffaug", policy="translation,sharpen")
    assert error.value.status == USAGE
    assert "color, translation, cutout" in error.value.hint


def test_policy_is_applied_in_order() -> None:
    x = torch.ones(64, 1, 8, 8)
    last = make("diffaug", policy="color,cutout")(x)
    first = make("diffaug", policy="cutout,color")(x)
    assert all((image == 0).any() for image in last)
    assert not any((image == 0).any() for image in first)  # brightness was changed afterwards


def test_translation_shifts_by_at_most_an_eighth() -> None:
    x = numbered(800, 16)
    padded = F.pad(x[:1], (2, 2, 2, 2))
    moved = {
        (dy, dx): padded[0, :, 2 - dy : 18 - dy, 2 - dx : 18 - dx]
        for dy, dx in itertools.product(range(-2, 3), repeat=2)
    }
    count = dict.fromkeys(moved, 0)
    for image in make("diffaug", policy="translation")(x):
        (found,) = (by for by, expected in moved.items() if torch.equal(image, expected))
        count[found] += 1
    assert min(count.values()) > 0
    assert max(count.values()) < 3 * 800 / 25


def test_translation_range_depends_on_each_side() -> None:
    shifted = make("diffaug", policy="translation")(torch.ones(64, 1, 4, 32))
    assert (
        shifted == shifted[:, :, :1]
    ).all()  # an eighth of 4 rows is less than one row, so rows are not shifted
    assert {int((row == 0).sum()) for row in shifted[:, 0, 0]} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("side", [8, 7, 6])
def test_cutout_is_a_rectangle_of_half_the_side(side: int) -> None:
    half = side // 2
    y = make("diffaug", policy="cutout")(torch.ones(500, 2, side, side))
    assert torch.equal(y[:, 0], y[:, 1])
    cut = y[:, 0] == 0
    assert ((y == 0) | (y == 1)).all()
    rows, columns = cut.any(2), cut.any(1)
    assert torch.equal(cut, rows.unsqueeze(2) & columns.unsqueeze(1))
    for covered in (rows, columns):
        lengths = covered.sum(1)
        assert lengths.max() == half
        assert lengths.min() >= half // 2
        inside = ~covered[:, 0] & ~covered[:, -1]
        assert (lengths[inside] == half).all()
        assert covered.any(0).all()  # all pixels can be covered, including corners
        assert (covered.int().diff(dim=1).abs().sum(1) <= 2).all()  # the covered rows are contiguous


def test_diffaug_color_has_the_ranges_of_the_paper() -> None:
    # Light and dark pixels around 0 with a color cast. Brightness, contrast and saturation can be computed from them.
    x = torch.tensor([0.5, -0.5]).view(1, 1, 1, 2) + torch.tensor([0.3, -0.3, 0.0]).view(1, 3, 1, 1)
    y = make("diffaug", policy="color")(x.expand(4000, -1, -1, -1)).double()
    brightness = y.mean((1, 2, 3))
    contrast = y[:, 2, 0, 0] - y[:, 2, 0, 1]
    saturation = (y[:, 0, 0, 0] - y[:, 1, 0, 0]) / 0.6 / contrast
    for found, low, high in ((brightness, -0.5, 0.5), (contrast, 0.5, 1.5), (saturation, 0, 2)):
        assert low - 1e-5 <= found.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < found.max() <= high + 1e-5
        assert abs(found.mean() - (low + high) / 2) < 4 * (high - low) / math.sqrt(12 * 4000)
    assert (
        torch.corrcoef(torch.stack([brightness, contrast, saturation])).sub(torch.eye(3)).abs().max() < 0.07
    )


@pytest.mark.parametrize("name", NAMES)
def test_gray_images_stay_gray(name: str) -> None:
    only_color: dict[str, Any] = {"policy": "color"} if name == "diffaug" else {"p": 1.0, **COLOR}
    augment = make(name, **only_color)
    gray = random_images(32, 1)
    as_rgb = augment(gray.expand(-1, 3, -1, -1))
    assert torch.allclose(as_rgb, as_rgb[:, :1].expand_as(as_rgb), atol=1e-5)
    for image, after in zip(gray, augment(gray), strict=True):  # must be an affine map a·x + b
        slope = (after[0, 0, 1] - after[0, 0, 0]) / (image[0, 0, 1] - image[0, 0, 0])
        assert torch.allclose(after, slope * image + (after - slope * image).mean(), atol=1e-4)


# ---- ada: geometry


def test_p_of_0_does_not_change_images() -> None:
    for shape in ((4, 3, 8, 8), (4, 1, 7, 10), (2, 3, 33, 20)):
        x = random_images(*shape)
        assert torch.equal(make("ada")(x), x)
        assert torch.equal(make("ada", p=1.0, blit=False, geometry=False, color=False)(x), x)


def test_flip_option_flips_half_of_the_augmented_images() -> None:
    x = random_images(1, side := 3, side, side).expand(
        2000, -1, -1, -1
    )  # too small to be shifted by an eighth
    y = make("ada", p=0.6, rotate=False, **BLIT)(x)
    flipped = (y == x.flip(3)).flatten(1).all(1)
    assert ((y == x).flatten(1).all(1) | flipped).all()
    assert frequency_is(flipped, 0.3)  # applied with probability p, and then flips half of the images
    assert torch.equal(make("ada", p=1.0, rotate=False, flip=False, **BLIT)(x), x)


def test_rotations_by_90_degrees_are_exact() -> None:
    x = random_images(1, 3, 3, 3).expand(4000, -1, -1, -1)
    y = make("ada", p=0.8, flip=False, **BLIT)(x)
    rotated = torch.stack([(y == x.rot90(k, (2, 3))).flatten(1).all(1) for k in range(4)])
    assert rotated.any(0).all()
    for k in (1, 2, 3):
        assert frequency_is(rotated[k], 0.2)


def test_flips_and_rotations_produce_all_eight_orientations() -> None:
    x = random_images(1, 1, 3, 3)
    y = make("ada", p=1.0, **BLIT)(x.expand(400, -1, -1, -1))
    orientations = [image.rot90(k, (2, 3)) for image in (x, x.flip(3)) for k in range(4)]
    count = [int((y == orientation).flatten(1).all(1).sum()) for orientation in orientations]
    assert sum(count) == 400
    assert min(count) > 20


def test_images_are_shifted_by_whole_pixels_up_to_an_eighth_with_reflection() -> None:
    x = numbered(600, 16)
    y = make("ada", p=0.5, rotate=False, flip=False, **BLIT)(x)
    padded = F.pad(x[:1], (2, 2, 2, 2), mode="reflect")
    at = {
        (dy, dx): (y == padded[:, :, 2 - dy : 18 - dy, 2 - dx : 18 - dx]).flatten(1).all(1)
        for dy, dx in itertools.product(range(-2, 3), repeat=2)
    }
    assert torch.stack(list(at.values())).any(0).all()
    assert all(found.any() for found in at.values())
    # Shifts in ±2 are rounded, so a quarter of all shifts are 0 along each axis.
    assert frequency_is(at[0, 0], 0.5 + 0.5 / 16)


def sample_affine_maps(n: int, side: int, **given: Any) -> tuple[Tensor, Tensor]:
    """Return n affine maps of ada's geometry for square images, as n×2×2 matrices and n×2 offsets, x before y."""
    row, column = make("ada", **GEOMETRY, **given)._sources(torch.empty(n, 1, side, side))
    source, m = torch.stack([column, row], 1).double(), side // 2
    middle = source[:, :, m, m]
    across, down = source[:, :, m, m + 1] - middle, source[:, :, m + 1, m] - middle
    return torch.stack([across, down], -1), middle - (side - 1) / 2


def test_scale_stretch_and_shifts_have_the_standard_deviations_of_the_paper() -> None:
    matrix, offset = sample_affine_maps(4000, 33, p=1.0, rotate=False)
    assert (matrix[:, 0, 1] == 0).all()
    assert (matrix[:, 1, 0] == 0).all()
    across, down = matrix[:, 0, 0], matrix[:, 1, 1]
    assert std_is((across * down).log2() / 2, 0.2)
    assert std_is((across / down).log2() / 2, 0.2)
    assert std_is(offset[:, 0] / across / 33, 0.125)
    assert std_is(offset[:, 1] / down / 33, 0.125)


def test_images_are_rotated_by_any_angle_with_probability_p() -> None:
    matrix, _ = sample_affine_maps(2000, 9, p=1.0)
    angle = torch.atan2(matrix[:, 1, 0] - matrix[:, 0, 1], matrix[:, 0, 0] + matrix[:, 1, 1])
    for quadrant in range(4):
        assert frequency_is(((angle + math.pi) // (math.pi / 2)) == quadrant, 0.25)
    matrix, _ = sample_affine_maps(4000, 9, p=0.4)
    assert frequency_is(matrix[:, 0, 1].abs() > 1e-6, 0.4)


def test_geometry_leaves_images_unchanged_with_the_expected_probability() -> None:
    p, x = 0.3, random_images(1, 1, 6, 6).expand(4000, -1, -1, -1)
    same = (make("ada", p=p, **GEOMETRY)(x) == x).flatten(1).all(1)
    assert frequency_is(
        same, (1 - p) ** 4
    )  # scale, two rotations with a combined probability of p, stretch, and shift


def test_resampling_agrees_with_grid_sample() -> None:
    x = random_images(6, 3, 12, 12, dtype=torch.float64)
    augment = make("ada", p=1.0, **GEOMETRY)
    torch.manual_seed(5)
    row, column = augment._sources(x)
    torch.manual_seed(5)
    found = augment(x)
    grid = torch.stack([column, row], -1).double() / 11 * 2 - 1
    expected = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=True)
    assert torch.allclose(found, expected, atol=1e-5)


# ---- ada: color


def sample_color_maps(n: int, p: float) -> tuple[Tensor, Tensor]:
    """Return n affine color maps, as n×3×3 matrices and n×3 offsets, computed from black and the three primaries."""
    corners = torch.cat([torch.zeros(3, 1), torch.eye(3)], 1).double().view(1, 3, 1, 4)
    y = make("ada", p=p, **COLOR)(corners.expand(n, -1, -1, -1)).squeeze(2)
    return y[:, :, 1:] - y[:, :, :1], y[:, :, 0]


def test_color_has_the_operations_and_standard_deviations_of_the_paper() -> None:
    n = 4000
    matrix, offset = sample_color_maps(n, p=1.0)
    luma = (
        matrix.sum((1, 2)) / 3
    )  # scale along the gray axis, which is the contrast (negative for an inversion)
    assert torch.allclose(matrix.sum(1), luma.view(n, 1).expand(n, 3), atol=1e-5)
    assert torch.allclose(matrix.sum(2), luma.view(n, 1).expand(n, 3), atol=1e-5)
    assert frequency_is(luma < 0, 0.5)
    assert std_is(luma.abs().log2(), 0.5)
    assert torch.allclose(offset, offset[:, :1].expand(n, 3), atol=1e-5)
    assert std_is(offset[:, 0] / luma, 0.2)
    # Orthogonal to the gray axis, the map is a scaled rotation.
    chroma = matrix - luma.view(n, 1, 1) / 3
    size = (chroma.square().sum((1, 2)) / 2).sqrt()
    assert std_is((size / luma.abs()).log2(), 1.0)
    plane = torch.eye(3).double() - 1 / 3
    assert torch.allclose(chroma.mT @ chroma / size.square().view(n, 1, 1), plane.expand(n, 3, 3), atol=1e-4)
    cosine = chroma.diagonal(dim1=1, dim2=2).sum(1) / 2 / size
    sine = (chroma[:, 1, 0] - chroma[:, 0, 1]) / size * math.sqrt(3) / 2
    assert torch.allclose(cosine.square() + sine.square(), torch.ones(n).double(), atol=1e-4)
    for quadrant in range(4):
        assert frequency_is((torch.atan2(sine, cosine) + math.pi) // (math.pi / 2) == quadrant, 0.25)


def test_color_is_applied_per_image_with_probability_p() -> None:
    p = 0.2
    matrix, offset = sample_color_maps(4000, p)
    plain = (matrix == torch.eye(3)).flatten(1).all(1) & (offset == 0).all(1)
    assert frequency_is(plain, (1 - p) ** 4 * (1 - p / 2))  # half of the inversions have no effect
    assert frequency_is(offset[:, 0] != 0, p)
    assert frequency_is(matrix.sum((1, 2)) < 0, p / 2)


def test_brightness_contrast_and_inversion_apply_to_gray_images() -> None:
    n = 4000
    corners = torch.tensor([0.0, 1.0], dtype=torch.float64).view(1, 1, 1, 2)
    y = make("ada", p=1.0, **COLOR)(corners.expand(n, -1, -1, -1)).flatten(1)
    luma = y[:, 1] - y[:, 0]
    assert frequency_is(luma < 0, 0.5)
    assert std_is(luma.abs().log2(), 0.5)
    assert std_is(y[:, 0] / luma, 0.2)


# ---- ada: p


def observe(augment: nn.Module, times: int, logits: Tensor) -> float:
    for _ in range(times):
        augment.observe(logits)
    return float(augment.p)


def test_p_increases_or_decreases_with_the_sign_of_real_logits() -> None:
    confident = torch.full((50,), 2.5)
    uncertain = torch.tensor([1.0, -1.0]).repeat(25)
    augment = make("ada", kimg=2.0)  # each batch of 50 images changes p by 1/40
    assert observe(augment, 3, confident) == 0
    assert observe(augment, 1, confident) == pytest.approx(0.1)
    assert observe(augment, 8, confident) == pytest.approx(0.3)
    assert observe(augment, 4, uncertain) == pytest.approx(0.2)
    assert observe(augment, 36, confident) == 1
    assert observe(augment, 4, uncertain) == pytest.approx(0.9)
    assert observe(augment, 80, -confident) == 0


def test_p_rises_from_0_to_1_within_kimg() -> None:
    augment = make("ada", kimg=0.8, adjust_every=1)
    reached = [observe(augment, 1, torch.ones(8)) for _ in range(100)]
    assert reached[-1] == pytest.approx(1)
    assert reached[49] == pytest.approx(0.5)


def test_target_applies_to_the_mean_over_batches() -> None:
    augment = make("ada", kimg=1.0)
    for logits in ([9.0] * 10, [9.0] * 10, [9.0] * 10, [-9.0] * 10):  # the mean of the signs is 0.5
        augment.observe(torch.tensor(logits))
    assert augment.p == 0
    augment = make("ada", kimg=1.0, target=0.4)
    for logits in ([9.0] * 10, [9.0] * 10, [9.0] * 10, [-0.1] * 10):
        augment.observe(torch.tensor(logits))
    assert augment.p == pytest.approx(0.04)


def test_observe_accepts_any_logits() -> None:
    augment = make("ada", kimg=1.0, adjust_every=1)
    assert observe(augment, 1, torch.ones(10, 1, dtype=torch.bfloat16)) == pytest.approx(0.01)
    assert (
        observe(augment, 1, torch.full((10,), float("nan"))) == 0
    )  # NaN has sign 0 and does not affect later batches
    assert observe(augment, 1, torch.ones(10, requires_grad=True)) == pytest.approx(0.01)


def test_larger_p_augments_more_images() -> None:
    augment, x = make("ada", kimg=1.0, adjust_every=1), random_images(40)
    assert torch.equal(augment(x), x)
    observe(augment, 50, torch.ones(40))
    assert not (augment(x) == x).flatten(1).all(1).any()


def test_fixed_p_does_not_change() -> None:
    augment = make("ada", p="0.25")
    assert observe(augment, 8, torch.ones(1000)) == 0.25


def test_state_dict_restores_the_state() -> None:
    original, restored = make("ada", kimg=1.0), make("ada", kimg=1.0)
    observe(original, 6, torch.ones(10))  # stops between two changes of p
    assert set(original.state_dict()) == {"p", "signs", "images", "batches"}
    restored.load_state_dict(original.state_dict())
    assert observe(restored, 2, torch.ones(10)) == observe(original, 2, torch.ones(10)) == pytest.approx(0.08)
    assert not make("diffaug").state_dict()


@pytest.mark.parametrize(
    "given", [{"p": 1.5}, {"p": -0.1}, {"target": 2.0}, {"kimg": 0.0}, {"adjust_every": 0}, {"p": "often"}]
)
def test_invalid_options_are_rejected(given: dict[str, Any]) -> None:
    with pytest.raises(GanctlError, match=next(iter(given))) as error:
        make("ada", **given)
    assert error.value.status == USAGE


# ---- in training


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_step_uses_the_augmentation(name: str, precision: str) -> None:
    G = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    augment = make(name, kimg=0.06, adjust_every=1, target=-1.0) if name == "ada" else make(name)
    engine = Engine(
        G=WithoutLabels(G),
        D=WithoutLabels(D),
        loss=discovery.registry().get("loss", "bce").load()(),
        latent=Normal(4),
        g_optimizer=torch.optim.Adam(G.parameters()),
        d_optimizer=torch.optim.Adam(D.parameters()),
        batch_size=6,
        n_critic=2,
        augment=augment,
        precision=precision,
        device=torch.device("cpu"),
    )
    real = Batch(torch.ones(6, 1, 8, 8))
    before = [weight.clone() for weight in (*G.parameters(), *D.parameters())]
    for _ in range(4):
        report = engine.step(lambda: real)
    assert all(value.isfinite() for value in report.values())
    for old, new in zip(before, (*G.parameters(), *D.parameters()), strict=True):
        assert not torch.equal(old, new)
    if name == "ada":  # D has seen 48 of the 60 reals
        assert augment.p == pytest.approx(0.8)


class WithoutLabels(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.network(x)
