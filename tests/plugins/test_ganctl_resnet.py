"""Test ganctl_resnet."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from helpers.networks import images, make, parameters
from torch import nn

from ganctl import GanctlError, ImageShape, Model
from ganctl.errors import DATA, USAGE
from ganctl.latent import Normal
from ganctl.plugin import discovery, options
from ganctl_resnet.attention import SelfAttention
from ganctl_resnet.blocks import DownBlock, UpBlock
from ganctl_resnet.norm import BatchNorm, ConditionalBatchNorm

SMALL = {"width": 4, "max_width": 8}
GENERATORS = ["resnet", "resnet-cbn", "sagan", "sagan-cbn"]
DISCRIMINATORS = ["resnet", "resnet-projection", "sagan", "sagan-projection"]
CONDITIONAL = [("generator", name) for name in GENERATORS[1::2]] + [
    ("discriminator", name) for name in DISCRIMINATORS[1::2]
]


def up_block(inputs: int, outputs: int) -> int:
    convolutions = 9 * inputs * outputs + 9 * outputs * outputs + 2 * outputs
    return convolutions + inputs * outputs + outputs + 2 * inputs + 2 * outputs


def down_block(inputs: int, outputs: int, shortcut: bool = True) -> int:
    convolutions = 9 * inputs * inputs + inputs + 9 * inputs * outputs + outputs
    return convolutions + (inputs * outputs + outputs if shortcut else 0)


def first_block(inputs: int, outputs: int) -> int:
    return 9 * inputs * outputs + 9 * outputs * outputs + 2 * outputs + inputs * outputs + outputs


def test_number_of_parameters_at_32_equals_mimicry() -> None:
    """The expected numbers come from sngan_32.py: G with ngf 256, D with ndf 128."""
    image = ImageShape(3, 32, 32)
    G = make("generator", "resnet", image, latent=Normal(128))
    D = make("discriminator", "resnet", image, {"spectral_norm": True, "pool": "sum"})
    project, last = 128 * 4096 + 4096, 2 * 256 + 27 * 256 + 3
    assert parameters(G) == project + 3 * up_block(256, 256) + last == 4_276_739
    expected = first_block(3, 128) + down_block(128, 128) + 2 * down_block(128, 128, shortcut=False) + 129
    assert parameters(D) == expected == 1_053_825


@pytest.mark.parametrize(
    ("size", "widths", "start"), [(64, [1024, 512, 256, 128, 64], 4), (48, [512, 256, 128, 64], 6)]
)
def test_number_of_parameters_above_32_equals_mimicry(size: int, widths: list[int], start: int) -> None:
    """The expected numbers come from sngan_64.py and sngan_48.py: G with ngf 1024 and 512, D with ndf 1024."""
    image = ImageShape(3, size, size)
    with torch.device("meta"):
        G = make("generator", "resnet", image, latent=Normal(128))
        D = make("discriminator", "resnet", image)
    ups = sum(up_block(a, b) for a, b in pairwise(widths))
    assert parameters(G) == 129 * widths[0] * start**2 + ups + 2 * 64 + 27 * 64 + 3
    downs = sum(down_block(c, 2 * c) for c in (64, 128, 256, 512))
    assert parameters(D) == first_block(3, 64) + downs + 1025


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("size", [8, 28, 32, 40, 48, 64, 96])
@pytest.mark.parametrize("colors", [1, 3])
def test_generator_outputs_have_the_expected_shapes_and_range(name: str, size: int, colors: int) -> None:
    image = ImageShape(colors, size, size)
    G = make("generator", name, image, SMALL)
    x = G(torch.randn(3, 12), torch.tensor([0, 9, 4]))
    assert x.shape == (3, *image)
    assert x.dtype == torch.float32
    assert x.abs().max() <= 1
    x.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in G.parameters())


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize("size", [8, 28, 32, 40, 48, 64, 96])
@pytest.mark.parametrize("colors", [1, 4])
def test_discriminator_outputs_have_the_expected_shapes(name: str, size: int, colors: int) -> None:
    image = ImageShape(colors, size, size)
    D = make("discriminator", name, image, SMALL)
    logits = D(images(3, image), torch.tensor([0, 9, 4]))
    assert logits.shape == (3,)
    assert logits.dtype == torch.float32
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in D.parameters())
    assert D(images(1, image), torch.tensor([2])).shape == (1,)


def test_images_need_not_be_square() -> None:
    image = ImageShape(3, 32, 48)
    x = make("generator", "sagan", image, SMALL)(torch.randn(2, 12))
    assert x.shape == (2, *image)
    assert make("discriminator", "sagan", image, SMALL)(x).shape == (2,)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("generator", n) for n in GENERATORS] + [("discriminator", n) for n in DISCRIMINATORS],
)
@pytest.mark.parametrize("size", [30, 36, 100])
def test_unsupported_size_is_rejected_with_supported_sizes(kind: str, name: str, size: int) -> None:
    with pytest.raises(GanctlError, match=f"The {name} {kind} does not support {size}×{size}") as caught:
        make(kind, name, ImageShape(1, size, size), SMALL)
    assert caught.value.status == USAGE
    supported = [int(word) for word in caught.value.hint.split() if word.isdigit()]
    assert len(supported) == 2
    for size in supported:
        make(kind, name, ImageShape(1, size, size), SMALL)


@pytest.mark.parametrize(
    ("kind", "name", "given", "message"),
    [
        ("generator", "resnet", {"width": 0}, "width is 0"),
        ("discriminator", "resnet", {"max_width": -1}, "max_width is -1"),
        ("generator", "sagan", {"attention": 0}, "attention is 0"),
        ("discriminator", "resnet", {"pool": "max"}, "pool is 'max'"),
        ("discriminator", "sagan", {"pool": "sum"}, "has no option 'pool'"),
    ],
)
def test_invalid_options_are_rejected(kind: str, name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make(kind, name, ImageShape(1, 32, 32), given)
    assert caught.value.status == USAGE


@pytest.mark.parametrize(("kind", "name"), CONDITIONAL)
def test_missing_labels_are_rejected(kind: str, name: str) -> None:
    with pytest.raises(GanctlError, match=f"The {name} {kind} needs labels") as caught:
        make(kind, name, ImageShape(1, 32, 32), SMALL, num_classes=0)
    assert caught.value.status == DATA


def test_only_conditional_networks_need_labels() -> None:
    for kind, names in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        for name in names:
            names_of_options = {
                option.name for option in options.of(kind, discovery.registry().get(kind, name).load())
            }
            assert "num_classes" not in names_of_options  # set by ganctl
            conditional = (kind, name) in CONDITIONAL
            if not conditional:  # works without labels and ignores given labels
                network = make(kind, name, ImageShape(1, 16, 16), SMALL, num_classes=0).eval()
                x = torch.randn(2, 12) if kind == "generator" else images(2, ImageShape(1, 16, 16))
                assert torch.equal(network(x), network(x, torch.tensor([1, 0])))


@pytest.mark.parametrize("name", ["resnet-cbn", "sagan-cbn"])
def test_conditional_generators_depend_on_the_label(name: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 16, 16)
    G = make("generator", name, image, SMALL)
    z, y = torch.randn(1, 12).repeat(3, 1), torch.tensor([0, 0, 1])
    norms = [m for m in G.modules() if isinstance(m, ConditionalBatchNorm)]
    assert len(norms) == 4
    # All classes start with γ = 1 and β = 0. With different values, the classes differ.
    G.eval()
    x = G(z, y)
    assert torch.allclose(x[0], x[2])
    for norm in norms:
        nn.init.normal_(norm.scale)
        nn.init.normal_(norm.shift)
    x = G(z, y)
    assert torch.equal(x[0], x[1])
    assert not torch.allclose(x[0], x[2], atol=1e-3)


@pytest.mark.parametrize("name", ["resnet-projection", "sagan-projection"])
def test_projection_discriminators_depend_on_the_label(name: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 16, 16)
    D = make("discriminator", name, image, SMALL).eval()
    x = images(1, image).repeat(2, 1, 1, 1)
    first, second = D(x, torch.tensor([3, 7]))
    assert not torch.isclose(first, second, rtol=1e-3)


@pytest.mark.parametrize("pool", ["sum", "mean"])
def test_projection_equals_the_equation(pool: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(3, 32, 32)
    given = {**SMALL, "spectral_norm": False, "pool": pool}
    D = make("discriminator", "resnet-projection", image, given, num_classes=5).double()
    x, y = images(6, image).double(), torch.tensor([0, 1, 2, 3, 4, 0])
    h = D.layers(x).clamp(min=0)
    phi = h.sum((2, 3)) if pool == "sum" else h.mean((2, 3))
    expected = [
        (D.to_logit.weight[0] * phi[i]).sum() + D.to_logit.bias[0] + (D.embedding.weight[y[i]] * phi[i]).sum()
        for i in range(6)
    ]
    assert torch.allclose(D(x, y), torch.stack(expected))


def test_conditional_batch_norm_equals_the_equation() -> None:
    torch.manual_seed(0)
    norm = ConditionalBatchNorm(3, 4).double()
    nn.init.normal_(norm.scale)
    nn.init.normal_(norm.shift)
    x, y = torch.randn(6, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 2])
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    normal = (x - mean) / (variance + 1e-5).sqrt()
    expected = torch.stack(
        [normal[i] * norm.scale[y[i], :, None, None] + norm.shift[y[i], :, None, None] for i in range(6)]
    )
    assert torch.allclose(norm(x, y), expected)


def test_conditional_batch_norm_with_one_class_equals_batch_norm() -> None:
    x = torch.randn(6, 3, 4, 4)
    plain, conditional = BatchNorm(3), ConditionalBatchNorm(3, 1)
    assert torch.allclose(conditional(x, torch.zeros(6, dtype=torch.int64)), plain(x))
    assert torch.allclose(
        conditional.eval()(x, torch.zeros(6, dtype=torch.int64)), plain.eval()(x), atol=1e-6
    )


def test_attention_equals_the_equations() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16).double()
    x = torch.randn(2, 16, 3, 5, dtype=torch.float64)
    assert torch.equal(attention(x), x)  # γ is initially 0
    nn.init.constant_(attention.gamma, 0.7)
    weights = {name: getattr(attention, name).weight[:, :, 0, 0] for name in "fghv"}
    assert weights["f"].shape == (2, 16)
    expected = torch.empty(2, 16, 15, dtype=torch.float64)
    for n in range(2):
        at = x[n].flatten(1)  # one column per position
        for j in range(15):
            scores = torch.stack([(weights["f"] @ at[:, i]) @ (weights["g"] @ at[:, j]) for i in range(15)])
            beta = scores.exp() / scores.exp().sum()
            mixed = sum(beta[i] * (weights["h"] @ at[:, i]) for i in range(15))
            expected[n, :, j] = 0.7 * (weights["v"] @ mixed) + at[:, j]
    assert torch.allclose(attention(x).flatten(2), expected)


def test_attention_has_second_derivatives() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(4).double()
    nn.init.constant_(attention.gamma, 0.5)
    x = torch.randn(1, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(attention, x)
    assert torch.autograd.gradgradcheck(attention, x)


@pytest.mark.parametrize(("size", "given", "side"), [(128, {}, 32), (64, {}, 32), (32, {}, 16), (28, {}, 14)])
def test_default_position_of_attention_depends_on_the_image_size(
    size: int, given: dict[str, int], side: int
) -> None:
    image = ImageShape(1, size, size)
    seen = []
    for kind in ("generator", "discriminator"):
        network = make(kind, "sagan", image, {**SMALL, **given}).eval()
        (layer,) = (m for m in network.modules() if isinstance(m, SelfAttention))
        layer.register_forward_hook(lambda _, args, out: seen.append(out.shape[-1]))
        with torch.no_grad():
            network(torch.randn(1, 12) if kind == "generator" else images(1, image))
    assert seen == [side, side]


def test_attention_option_selects_the_feature_map() -> None:
    image = ImageShape(1, 64, 64)
    for attention, side in ((16, 16), (20, 16), (1, 4)):
        G = make("generator", "sagan", image, {**SMALL, "attention": attention}).eval()
        seen = []
        (layer,) = (m for m in G.modules() if isinstance(m, SelfAttention))
        layer.register_forward_hook(lambda _, args, out, seen=seen: seen.append(out.shape[-1]))
        G(torch.randn(1, 12))
        assert seen == [side]


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_spectral_norm_applies_to_every_matrix(name: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(3, 32, 32)
    D = make("discriminator", name, image, {**SMALL, "spectral_norm": True})
    x, y = images(2, image), torch.tensor([0, 1])
    for _ in range(60):  # one power iteration per call
        D(x, y)
    D.eval()
    matrices = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(matrices) >= 11
    for matrix in matrices:
        top = torch.linalg.matrix_norm(matrix.weight.flatten(1), 2)
        assert top.item() == pytest.approx(1, rel=0.02)


def test_sagan_generators_have_spectral_norm_and_resnet_generators_do_not() -> None:
    image = ImageShape(3, 32, 32)
    for name, expected in (("sagan", True), ("sagan-cbn", True), ("resnet", False), ("resnet-cbn", False)):
        G = make("generator", name, image, SMALL)
        layers = [m for m in G.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert all(hasattr(m, "parametrizations") == expected for m in layers)


def test_each_logit_depends_only_on_its_image() -> None:
    """A gradient penalty needs a separate gradient with respect to each image."""
    image = ImageShape(1, 16, 16)
    for name in DISCRIMINATORS:
        D = make("discriminator", name, image, SMALL)
        x = images(3, image).requires_grad_()
        (gradient,) = torch.autograd.grad(D(x, torch.tensor([0, 1, 2]))[0], x, create_graph=True)
        assert gradient[0].abs().max() > 0
        assert not gradient[1:].any()
        gradient.square().sum().backward()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("generator", n) for n in GENERATORS] + [("discriminator", n) for n in DISCRIMINATORS],
)
def test_spectral_norm_state_is_copied_and_saved(kind: str, name: str) -> None:
    """A copy and a restored network return bit-identical outputs, including later power iterations."""
    torch.manual_seed(0)
    image = ImageShape(1, 16, 16)
    network = make(kind, name, image, {**SMALL, "spectral_norm": True})
    x = torch.randn(4, 12) if kind == "generator" else images(4, image)
    y = torch.tensor([0, 1, 2, 3])
    network(x, y)
    restored = make(kind, name, image, {**SMALL, "spectral_norm": True})
    restored.load_state_dict(network.state_dict())
    copied = copy.deepcopy(network)
    for _ in range(3):  # each call runs one more power iteration
        expected = network(x, y)
        assert torch.equal(restored(x, y), expected)
        assert torch.equal(copied(x, y), expected)
    network.eval()
    with torch.no_grad():
        before = {name: value.clone() for name, value in network.state_dict().items()}
        assert torch.equal(network(x, y), network(x, y))
        assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", GENERATORS + DISCRIMINATORS)
def test_same_seed_creates_the_same_weights(name: str) -> None:
    kind = "generator" if name in GENERATORS else "discriminator"

    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(make(kind, name, ImageShape(1, 16, 16), SMALL).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(weights(3), weights(4), strict=True))


def test_branches_are_initially_smaller_than_shortcuts() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 32, 8, 8)
    for block in (UpBlock(32, 32, BatchNorm, 4), DownBlock(32, 32, 4)):
        whole = block(x)
        nn.init.zeros_(block.conv2.weight)
        shortcut = block(x)
        assert 0.05 < ((whole - shortcut).std() / shortcut.std()).item() < 0.7


@pytest.mark.parametrize("name", ["resnet", "resnet-projection", "sagan-projection"])
def test_bfloat16_logits_are_float32_and_close(name: str) -> None:
    """Under autocast, D returns float32 logits that are close to the exact logits."""
    torch.manual_seed(0)
    image = ImageShape(3, 32, 32)
    D = make("discriminator", name, image, {"width": 16}).eval()
    x, y = images(4, image), torch.tensor([0, 1, 2, 3])
    expected = D(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        actual = D(x, y)
    assert actual.dtype == torch.float32
    assert (actual - expected).abs().max() < 0.1 * expected.abs().max() + 0.02
    actual.sum().backward()
    assert all(p.grad.isfinite().all() for p in D.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ["sngan", "cgan-pd", "sagan"])
def test_models_use_published_settings(name: str) -> None:
    registry = discovery.registry()
    model: Model = registry.get("model", name).load()
    assert model.loss.name == "hinge"
    assert dict(model.latent.options) == {"z_dim": 128}
    assert model.g_optimizer.options["betas"] == model.d_optimizer.options["betas"] == (0.0, 0.9)
    rates = (model.g_optimizer.options["lr"], model.d_optimizer.options["lr"])
    assert rates == ((1e-4, 4e-4) if name == "sagan" else (2e-4, 2e-4))
    assert (model.n_critic, model.batch_size) == ((1, 256) if name == "sagan" else (5, 64))
    image = ImageShape(1, 32, 32)
    for kind, spec in (("generator", model.generator), ("discriminator", model.discriminator)):
        network = make(kind, spec.name, image, {**spec.options, **SMALL}, latent=Normal(128))
        assert any(hasattr(m, "parametrizations") for m in network.modules()) == (
            kind == "discriminator" or name == "sagan"
        )
        assert getattr(network, "pool", "sum") == "sum"
