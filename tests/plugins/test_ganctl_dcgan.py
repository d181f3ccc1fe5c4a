"""Test ganctl_dcgan."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from helpers import networks
from helpers.networks import layer_types, parameters
from torch import nn
from torch.nn.functional import conv2d, interpolate

from ganctl import GanctlError, ImageShape, Model
from ganctl.errors import USAGE
from ganctl.latent import Normal
from ganctl.plugin import discovery, options
from ganctl_dcgan.upsample import upsampled_conv2d

SMALL = {"width": 4}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def make(
    kind: str, name: str, image: ImageShape, given: dict[str, Any] | None = None, z_dim: int = 100
) -> nn.Module:
    return networks.make(kind, name, image, given, latent=Normal(z_dim), num_classes=0)


def channels(network: nn.Module) -> list[int]:
    return [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


def test_dcgan_has_the_published_number_of_parameters() -> None:
    image = ImageShape(3, 64, 64)
    assert parameters(make("generator", "dcgan", image)) == 3_576_704
    assert parameters(make("discriminator", "dcgan", image)) == 2_765_568


def test_dcgan_upsample_has_the_published_number_of_parameters() -> None:
    image = ImageShape(1, 32, 32)
    assert parameters(make("generator", "dcgan-upsample", image)) == 1_049_985
    assert parameters(make("discriminator", "dcgan-upsample", image)) == 98_113


def test_dcgan_has_the_published_layers_at_64() -> None:
    image = ImageShape(3, 64, 64)
    G, D = make("generator", "dcgan", image), make("discriminator", "dcgan", image)
    assert channels(G) == [512, 256, 128, 64, 3]
    assert channels(D) == [64, 128, 256, 512, 1]
    assert layer_types(G) == ["ConvTranspose2d", "BatchNorm2d", "ReLU"] * 4 + ["ConvTranspose2d", "Tanh"]
    block = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert layer_types(D) == ["Conv2d", "LeakyReLU", *block * 3, "Conv2d"]


def test_dcgan_upsample_has_the_published_layers() -> None:
    image = ImageShape(1, 32, 32)
    G, D = make("generator", "dcgan-upsample", image), make("discriminator", "dcgan-upsample", image)
    block = ["Upsample", "Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert layer_types(G) == ["Linear", "BatchNorm2d", *block * 2, "Conv2d", "Tanh"]
    block = ["Conv2d", "LeakyReLU", "Dropout2d"]
    assert layer_types(D) == [*block, *[*block, "BatchNorm2d"] * 3, "Flatten", "Linear"]


@pytest.mark.parametrize(
    ("size", "start", "blocks"),
    [(28, 7, 2), (32, 4, 3), (48, 6, 3), (64, 4, 4), (80, 5, 4), (96, 6, 4), (128, 4, 5), (8, 4, 1)],
)
def test_image_size_determines_the_number_of_dcgan_blocks(size: int, start: int, blocks: int) -> None:
    G = make("generator", "dcgan", ImageShape(1, size, size), SMALL)
    first, *rest = [m for m in G.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert first.kernel_size == (start, start)
    assert len(rest) == blocks
    assert {m.stride for m in rest} == {(2, 2)}


@pytest.mark.parametrize(
    ("name", "size"),
    [("dcgan", size) for size in (28, 32, 48, 64, 96, 128)]
    + [("dcgan-upsample", size) for size in (16, 32, 48, 64, 96, 128)],
)
@pytest.mark.parametrize("colors", [1, 3])
def test_outputs_have_the_expected_shapes_and_range(name: str, size: int, colors: int) -> None:
    image = ImageShape(colors, size, size)
    given = SMALL if name == "dcgan" else {}
    G, D = make("generator", name, image, given, z_dim=7), make("discriminator", name, image, given)
    x = G(torch.randn(3, 7))
    assert x.shape == (3, *image)
    assert x.abs().max() <= 1
    logits = D(x)
    assert logits.shape == (3,)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in (*G.parameters(), *D.parameters()))
    assert D.eval()(x[:1], torch.zeros(1, dtype=torch.int64)).shape == (1,)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (128, 64), (32, 40), (56, 28)])
def test_dcgan_supports_images_that_are_not_square(height: int, width: int) -> None:
    image = ImageShape(3, height, width)
    x = make("generator", "dcgan", image, SMALL)(torch.randn(2, 100))
    assert x.shape == (2, *image)
    assert make("discriminator", "dcgan", image, SMALL)(x).shape == (2,)


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_depth_option_sets_the_number_of_dcgan_blocks(depth: int) -> None:
    image = ImageShape(1, 64, 64)
    G = make("generator", "dcgan", image, {"width": 2, "depth": depth})
    D = make("discriminator", "dcgan", image, {"width": 2, "depth": depth})
    assert len(channels(G)) == len(channels(D)) == depth + 1
    assert D(G(torch.randn(2, 100))).shape == (2,)


def test_dcgan_width_doubles_up_to_max_width() -> None:
    image, given = ImageShape(3, 128, 128), {"width": "8", "max_width": "20"}
    assert channels(make("generator", "dcgan", image, given)) == [20, 20, 20, 16, 8, 3]
    assert channels(make("discriminator", "dcgan", image, given)) == [8, 16, 20, 20, 20, 1]


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize(
    ("name", "size", "given", "hint"),
    [
        ("dcgan", (30, 30), {}, "--image-size 28 or --image-size 32"),
        ("dcgan", (100, 100), {}, "--image-size 96 or --image-size 112"),
        ("dcgan", (178, 218), {}, "--image-size 160 or --image-size 192"),
        ("dcgan", (64, 50), {}, "--image-size 48 or --image-size 56"),
        ("dcgan", (64, 100), {}, "--image-size 64 or --image-size 80"),
        ("dcgan", (1, 1), {}, "The nearest supported sizes: --image-size 8"),
        ("dcgan", (28, 28), {"depth": 3}, "--image-size 24 or --image-size 32"),
        ("dcgan", (28, 28), {"depth": 5}, "The nearest supported sizes: --image-size 32"),
        ("dcgan-upsample", (30, 30), {}, ""),
    ],
)
def test_unsupported_size_is_rejected_with_supported_sizes(
    kind: str, name: str, size: tuple[int, int], given: dict[str, int], hint: str
) -> None:
    with pytest.raises(
        GanctlError, match=f"The {name} {kind} does not support {size[0]}×{size[1]}"
    ) as caught:
        make(kind, name, ImageShape(1, *size), given)
    assert caught.value.status == USAGE
    assert hint in caught.value.hint
    for word in caught.value.hint.replace("--image-size", "").split():
        if word.isdigit():
            make(kind, name, ImageShape(1, int(word), int(word)), given)


def test_dcgan_upsample_error_contains_the_divisor() -> None:
    with pytest.raises(GanctlError) as caught:
        make("discriminator", "dcgan-upsample", ImageShape(1, 28, 28))
    assert "divisible by 16" in caught.value.message
    assert caught.value.hint.endswith("--image-size 16 or --image-size 32")


@pytest.mark.parametrize(
    ("kind", "name", "given", "message"),
    [
        ("generator", "dcgan", {"width": 0}, "width is 0"),
        ("discriminator", "dcgan", {"width": -64}, "width is -64"),
        ("generator", "dcgan", {"depth": -1}, "depth is -1"),
        ("discriminator", "dcgan", {"depth": 0}, "depth is 0"),
        ("generator", "dcgan", {"max_width": 0}, "max_width is 0"),
        ("generator", "dcgan", {"width": "wide"}, "width is 'wide'; expected int"),
        ("generator", "dcgan-upsample", {"batch_norm_eps": 0}, "batch_norm_eps is 0"),
        ("discriminator", "dcgan-upsample", {"dropout": 1.5}, "dropout is 1.5"),
        ("discriminator", "dcgan-upsample", {"dropout": 1}, "dropout is 1.0"),
        ("discriminator", "dcgan-upsample", {"batch_norm_eps": -1}, "batch_norm_eps is -1"),
    ],
)
def test_invalid_options_are_rejected(kind: str, name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make(kind, name, ImageShape(1, 32, 32), given)
    assert caught.value.status == USAGE
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize("name", ["dcgan", "dcgan-upsample"])
def test_initial_weights_have_the_published_distribution(kind: str, name: str) -> None:
    torch.manual_seed(0)
    network = make(kind, name, ImageShape(3, 64, 64))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # The tolerance allows for the smallest layer and rules out torch's default initialization.
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert abs(module.weight.mean().item()) < 0.003
        elif isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert 0.01 < module.weight.std().item() < 0.03
            assert not module.bias.any()


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize("name", ["dcgan", "dcgan-upsample"])
def test_same_seed_creates_the_same_weights(kind: str, name: str) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(make(kind, name, ImageShape(1, 32, 32)).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True))
    assert not torch.equal(weights(3)[0], weights(4)[0])


@pytest.mark.parametrize(("given", "eps"), [({}, 1e-5), ({"batch_norm_eps": "0.8"}, 0.8)])
def test_eps_option_of_dcgan_upsample_sets_eps_of_batch_norm(given: dict[str, str], eps: float) -> None:
    image = ImageShape(1, 32, 32)
    G, D = (
        make("generator", "dcgan-upsample", image, given),
        make("discriminator", "dcgan-upsample", image, given),
    )
    # The first normalization layer of the published generator has torch's default eps.
    assert [m.eps for m in G.modules() if isinstance(m, nn.BatchNorm2d)] == [1e-5, eps, eps]
    assert [m.eps for m in D.modules() if isinstance(m, nn.BatchNorm2d)] == [eps] * 3


SPECTRAL = {"norm": "none", "spectral_norm": "true"}
NORM_LAYERS = {"batch": nn.BatchNorm2d, "layer": nn.GroupNorm, "instance": nn.InstanceNorm2d}


@pytest.mark.parametrize("name", ["dcgan", "dcgan-upsample"])
@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "none"])
def test_only_batch_norm_mixes_the_images_of_a_batch(name: str, norm: str) -> None:
    torch.manual_seed(0)
    given = {"norm": norm, **({"dropout": 0} if name == "dcgan-upsample" else {})}
    D = make("discriminator", name, ImageShape(3, 32, 32), given)
    layers = [m for m in D.modules() if isinstance(m, tuple(NORM_LAYERS.values()))]
    assert {type(m) for m in layers} == ({NORM_LAYERS[norm]} if norm in NORM_LAYERS else set())
    x = torch.randn(3, 3, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(D(x)[0], x, create_graph=True)
    assert gradient[0].abs().max() > 0
    assert bool((gradient[1:] == 0).all()) == (norm != "batch")
    gradient.square().sum().backward()  # like a gradient penalty


@pytest.mark.parametrize("name", ["dcgan", "dcgan-upsample"])
def test_spectral_norm_option_normalizes_every_weight(name: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(3, 32, 32)
    D = make("discriminator", name, image, SPECTRAL)
    assert parameters(D) >= parameters(make("discriminator", name, image, {"norm": "none"}))
    x = torch.randn(4, *image)
    for _ in range(30):  # one power iteration per call
        D(x)
    weights = [m.weight for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weights) == (4 if name == "dcgan" else 5)
    for weight in weights:
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("name", ["dcgan", "dcgan-upsample"])
def test_spectral_norm_state_is_copied_and_saved(name: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 32, 32)
    D = make("discriminator", name, image, SPECTRAL).train()
    x = torch.randn(4, *image)
    D(x)
    restored = make("discriminator", name, image, SPECTRAL).train()
    restored.load_state_dict(D.state_dict())
    copied = copy.deepcopy(D)
    outputs = []
    for network in (D, restored, copied):
        torch.manual_seed(1)  # for dropout
        outputs.append([network(x) for _ in range(3)])  # each call runs one more power iteration
    for expected, from_state_dict, from_copy in zip(*outputs, strict=True):
        assert torch.equal(expected, from_state_dict)
        assert torch.equal(expected, from_copy)
    D.eval()
    with torch.no_grad():
        assert torch.equal(D(x), D(x))


def test_instance_norm_of_a_single_pixel_is_rejected() -> None:
    with pytest.raises(GanctlError, match="only one pixel"):
        make("discriminator", "dcgan-upsample", ImageShape(1, 16, 16), {"norm": "instance"})


def test_models_use_published_settings() -> None:
    registry = discovery.registry()
    dcgan: Model = registry.get("model", "dcgan").load()
    upsample: Model = registry.get("model", "dcgan-upsample").load()
    assert (dcgan.batch_size, dcgan.image_size) == (128, None)
    assert (upsample.batch_size, upsample.image_size) == (64, 32)
    for model in (dcgan, upsample):
        assert dict(model.g_optimizer.options) == {"lr": 2e-4, "betas": (0.5, 0.999)}
        assert model.d_optimizer == model.g_optimizer
        for kind, spec in {
            "generator": model.generator,
            "discriminator": model.discriminator,
            "loss": model.loss,
            "optimizer": model.g_optimizer,
        }.items():
            resolved = options.resolve(kind, model.name, registry.get(kind, spec.name).load(), spec.options)
            assert {key: resolved[key] for key in spec.options} == dict(spec.options)


def assert_equal_values_and_gradients(
    actual: torch.Tensor, expected: torch.Tensor, inputs: list[torch.Tensor]
) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    output_gradient = torch.randn_like(actual)
    for a, b in zip(
        torch.autograd.grad(actual, inputs, output_gradient),
        torch.autograd.grad(expected, inputs, output_gradient),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("dcgan", ImageShape(1, 28, 28)),
        ("dcgan", ImageShape(3, 32, 64)),
        ("dcgan-upsample", ImageShape(1, 32, 32)),
        ("dcgan-upsample", ImageShape(3, 16, 48)),
    ],
)
def test_fast_forward_of_generators_equals_their_layers(
    name: str, image: ImageShape, layout: torch.memory_format
) -> None:
    """``forward`` computes the same result as the list of layers with cheaper operations."""
    torch.manual_seed(0)
    G = make("generator", name, image, SMALL if name == "dcgan" else {}).double().to(memory_format=layout)
    z = torch.randn(5, 100, dtype=torch.float64, requires_grad=True)
    plain = G.layers(z[:, :, None, None] if name == "dcgan" else G.project(z).view(-1, *G.start))
    assert_equal_values_and_gradients(G(z), plain, [z, *G.parameters()])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("given", [{}, {"norm": "none", "spectral_norm": True}])
@pytest.mark.parametrize("image", [ImageShape(1, 28, 28), ImageShape(3, 32, 64)])
def test_fast_forward_of_dcgan_discriminator_equals_its_layers(
    image: ImageShape, given: dict[str, Any], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    D = make("discriminator", "dcgan", image, {**SMALL, **given}).double().to(memory_format=layout)
    D.train(not given)  # in training mode, power iteration would change the weights between the two calls
    x = torch.randn(5, *image, dtype=torch.float64, requires_grad=True)
    assert_equal_values_and_gradients(D(x), D.layers(x).flatten(), [x, *D.parameters()])


@pytest.mark.parametrize("bias", [True, False])
def test_upsampled_conv2d_equals_upsampling_and_convolution(bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(6, dtype=torch.float64) if bias else None
    plain = conv2d(interpolate(x, scale_factor=2), weight, shift, padding=1)
    assert_equal_values_and_gradients(upsampled_conv2d(x, weight, shift), plain, [x, weight])
    assert torch.autograd.gradgradcheck(upsampled_conv2d, (x[:1, :, :2, :2], weight[:2], None))
