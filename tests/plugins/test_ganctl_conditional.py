"""Test ganctl_conditional."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from helpers.networks import images, layer_types, make, parameters
from torch import nn

from ganctl import GanctlError, ImageShape, Model
from ganctl.errors import DATA, USAGE
from ganctl.latent import Codes, Normal
from ganctl.plugin import discovery, options

CONDITIONAL = [
    ("generator", "cgan"),
    ("discriminator", "cgan"),
    ("generator", "acgan"),
    ("discriminator", "acgan"),
]
Y = torch.tensor([0, 9, 4])


def linear(*widths: int) -> int:
    """Return the number of parameters of an MLP."""
    return sum(a * b + b for a, b in pairwise(widths))


def test_cgan_layers_equal_pytorch_gan() -> None:
    """The expected layers come from cgan.py at 32×32×1, with 10 classes, 10-d embeddings and 100-d z."""
    image = ImageShape(1, 32, 32)
    G = make("generator", "cgan", image, latent=Normal(100))
    D = make("discriminator", "cgan", image)
    assert parameters(G) == 100 + linear(110, 128, 256, 512, 1024, 1024) + 2 * (256 + 512 + 1024)
    assert parameters(D) == 100 + linear(1034, 512, 512, 512, 1)
    hidden = ["Linear", "BatchNorm1d", "LeakyReLU"]
    assert layer_types(G) == ["Embedding", "Linear", "LeakyReLU", *hidden * 3, "Linear", "Tanh"]
    hidden = ["Linear", "Dropout", "LeakyReLU"]
    assert layer_types(D) == ["Embedding", "Linear", "LeakyReLU", *hidden * 2, "Linear"]
    assert {m.p for m in D.modules() if isinstance(m, nn.Dropout)} == {0.4}


def test_acgan_and_infogan_layers_equal_pytorch_gan() -> None:
    """The networks equal dcgan-upsample (1,049,985 and 98,113 parameters) plus an embedding or a second head."""
    image = ImageShape(1, 32, 32)
    assert parameters(make("generator", "acgan", image, latent=Normal(100))) == 1_049_985 + 10 * 100
    assert parameters(make("discriminator", "acgan", image)) == 98_113 + 512 * 10 + 10
    Q = make("discriminator", "infogan", image, latent=Codes())
    assert parameters(Q) == 98_113 + 512 * 12 + 12
    block = ["Conv2d", "LeakyReLU", "Dropout2d"]
    assert layer_types(Q) == [*block, *[*block, "BatchNorm2d"] * 3, "Flatten", "Linear", "Linear"]


@pytest.mark.parametrize("image", [ImageShape(1, 28, 28), ImageShape(3, 16, 24), ImageShape(4, 5, 7)])
def test_cgan_supports_any_image_size(image: ImageShape) -> None:
    G, D = make("generator", "cgan", image), make("discriminator", "cgan", image)
    x = G(torch.randn(3, 12), Y)
    assert x.shape == (3, *image)
    assert x.abs().max() <= 1
    assert D(x, Y).shape == (3,)
    D(x, Y).sum().backward()
    assert all(p.grad is not None for p in (*G.parameters(), *D.parameters()))


@pytest.mark.parametrize("size", [16, 32, 48])
@pytest.mark.parametrize("colors", [1, 3])
def test_acgan_outputs_have_the_expected_shapes_and_range(size: int, colors: int) -> None:
    image = ImageShape(colors, size, size)
    G, D = make("generator", "acgan", image), make("discriminator", "acgan", image)
    x = G(torch.randn(3, 12), Y)
    assert x.shape == (3, *image)
    assert x.abs().max() <= 1
    logits, classes = D(x, Y)
    assert (logits.shape, classes.shape) == ((3,), (3, 10))
    (logits.sum() + classes.square().sum()).backward()
    assert all(p.grad is not None for p in (*G.parameters(), *D.parameters()))


def test_acgan_class_head_returns_logits() -> None:
    """PyTorch-GAN applies softmax before the cross-entropy, which applies softmax again."""
    torch.manual_seed(0)
    image = ImageShape(1, 32, 32)
    _, classes = make("discriminator", "acgan", image)(images(16, image) * 9)
    assert classes.min() < 0
    assert not torch.allclose(classes.sum(1), torch.ones(16))


def test_acgan_multiplies_z_by_the_embedding() -> None:
    torch.manual_seed(0)
    G = make("generator", "acgan", ImageShape(1, 16, 16)).eval()
    z, ones = torch.randn(3, 12), torch.ones(3, 12)
    assert torch.equal(G(z * G.embedding(Y), Y), G(z * G.embedding(Y).square(), Y)) is False
    expected = G(z, Y)
    product = z * G.embedding(Y)
    nn.init.ones_(G.embedding.weight)
    assert torch.equal(G(product * ones, Y), expected)


@pytest.mark.parametrize(("categorical", "continuous"), [(10, 2), ((10, 5), 1), (0, 3), (4, 0)])
def test_infogan_code_head_has_the_size_of_the_codes(categorical: Any, continuous: int) -> None:
    latent = Codes(7, categorical, continuous)
    image = ImageShape(1, 16, 16)
    logits, predicted = make("discriminator", "infogan", image, latent=latent, num_classes=0)(
        images(3, image)
    )
    assert (logits.shape, predicted.shape) == ((3,), (3, latent.dim - 7))


def test_infogan_without_codes_is_rejected_with_a_hint() -> None:
    with pytest.raises(GanctlError, match="this latent has none") as caught:
        make("discriminator", "infogan", ImageShape(1, 32, 32))
    assert caught.value.status == USAGE
    assert "--latent codes" in caught.value.hint


@pytest.mark.parametrize(("kind", "name"), CONDITIONAL)
def test_missing_labels_are_rejected(kind: str, name: str) -> None:
    with pytest.raises(GanctlError, match=f"The {name} {kind} needs labels") as caught:
        make(kind, name, ImageShape(1, 32, 32), num_classes=0)
    assert caught.value.status == DATA


@pytest.mark.parametrize(("kind", "name"), CONDITIONAL[:3])
def test_output_depends_on_the_label(kind: str, name: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 16, 16)
    network = make(kind, name, image).eval()
    x = torch.randn(1, 12) if kind == "generator" else images(1, image)
    one, same, other = (network(x, torch.tensor([label])) for label in (3, 3, 5))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("name", ["acgan", "infogan"])
def test_discriminators_with_heads_ignore_the_label(name: str) -> None:
    image = ImageShape(1, 16, 16)
    D = make("discriminator", name, image, latent=Codes()).eval()
    x = images(3, image)
    for a, b in zip(D(x), D(x, Y), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("kind", "name", "factor", "hint"),
    [
        ("generator", "acgan", 4, "--image-size 28 or --image-size 32"),
        ("discriminator", "acgan", 16, "--image-size 16 or --image-size 32"),
        ("discriminator", "infogan", 16, "--image-size 16 or --image-size 32"),
    ],
)
def test_unsupported_size_is_rejected_with_supported_sizes(
    kind: str, name: str, factor: int, hint: str
) -> None:
    with pytest.raises(GanctlError, match=f"divisible by {factor}") as caught:
        make(kind, name, ImageShape(1, 30, 30), latent=Codes())
    assert caught.value.status == USAGE
    assert caught.value.hint.endswith(hint)


@pytest.mark.parametrize(
    ("kind", "name", "given", "message"),
    [
        ("generator", "cgan", {"hidden": "128,0"}, r"hidden is \(128, 0\)"),
        ("discriminator", "cgan", {"hidden": ""}, r"hidden is \(\)"),
        ("generator", "cgan", {"embedding": 0}, "embedding is 0"),
        ("generator", "cgan", {"batch_norm_eps": 0}, "batch_norm_eps is 0"),
        ("discriminator", "cgan", {"dropout": 1}, "dropout is 1"),
        ("generator", "acgan", {"batch_norm_eps": -1}, "batch_norm_eps is -1"),
        ("discriminator", "acgan", {"dropout": -0.1}, "dropout is -0.1"),
        ("discriminator", "infogan", {"norm": "layer"}, "norm is 'layer'"),
    ],
)
def test_invalid_options_are_rejected(kind: str, name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make(kind, name, ImageShape(1, 32, 32), given, latent=Codes())
    assert caught.value.status == USAGE


@pytest.mark.parametrize("name", ["acgan", "infogan"])
def test_norm_none_removes_batch_norm(name: str) -> None:
    D = make("discriminator", name, ImageShape(1, 32, 32), {"norm": "none"}, latent=Codes())
    assert "BatchNorm2d" not in layer_types(D)


@pytest.mark.parametrize(("kind", "name"), [*CONDITIONAL, ("discriminator", "infogan")])
def test_network_is_reproduced_by_seed_state_dict_and_copy(kind: str, name: str) -> None:
    image = ImageShape(1, 16, 16)

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return make(kind, name, image, latent=Codes(12, 3, 1)).eval()

    network, again, other = build(3), build(3), build(4)
    for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    other.load_state_dict(network.state_dict())
    x = torch.randn(3, 16) if kind == "generator" else images(3, image)
    with torch.no_grad():
        expected, *outputs = (net(x, Y) for net in (network, other, copy.deepcopy(network)))
    for output in outputs:
        pairs = zip(expected, output, strict=True) if isinstance(output, tuple) else [(expected, output)]
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("name", "loss"), [("cgan", "lsgan"), ("acgan", "acgan"), ("infogan", "infogan")])
def test_models_use_published_settings(name: str, loss: str) -> None:
    registry = discovery.registry()
    model: Model = registry.get("model", name).load()
    assert (model.loss.name, model.batch_size) == (loss, 64)
    assert dict(model.g_optimizer.options) == {"lr": 2e-4, "betas": (0.5, 0.999)}
    assert model.latent.name == ("codes" if name == "infogan" else "normal")
    for kind, spec in (("generator", model.generator), ("discriminator", model.discriminator)):
        resolved = options.resolve(kind, name, registry.get(kind, spec.name).load(), spec.options)
        assert {key: resolved[key] for key in spec.options} == dict(spec.options)


@pytest.mark.parametrize(
    ("size", "norm", "same_mean"), [(16, "batch", True), (16, "none", False), (32, "batch", False)]
)
def test_batch_norm_at_16_gives_every_batch_the_same_mean_logit(
    size: int, norm: str, same_mean: bool
) -> None:
    """At 16×16, the last layer has one pixel per image, so batch normalization removes the batch mean."""
    torch.manual_seed(0)
    image = ImageShape(1, size, size)
    D = make("discriminator", "acgan", image, {"norm": norm, "dropout": 0}).double()
    for p in D.parameters():
        nn.init.normal_(p, std=0.3)
    dark, bright = (D((images(16, image) * 0.1 + shift).double())[0].mean() for shift in (-0.9, 0.9))
    assert torch.isclose(dark, bright, rtol=1e-6) == same_mean
