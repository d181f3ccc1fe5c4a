"""Test ganctl_losses: compare values and gradients of simple losses with closed forms in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganctl import Batch, GanctlError, Loss
from ganctl.plugin import discovery, options

LOGITS_REAL = [0.3, -1.7, 2.4, 0.0]
LOGITS_FAKE = [-0.6, 1.9, -3.1, 0.8]


def make(name: str, **given: float) -> Loss:
    factory = discovery.registry().get("loss", name).load()
    return options.call(factory, options.resolve("loss", name, factory, given))


def identity(x: Tensor, y: Tensor | None) -> Tensor:
    """Return the input as logits, as a trivial discriminator."""
    return x


def sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def grad_mean(derivative, at: list[float]) -> Tensor:
    return torch.tensor([derivative(v) / len(at) for v in at], dtype=torch.float64)


def bce(s: float = 0.0) -> dict:
    return {
        "real": lambda d: -(1 - s) * math.log(sigmoid(d)) - s * math.log(1 - sigmoid(d)),
        "real'": lambda d: sigmoid(d) - (1 - s),
        "fake": lambda d: -math.log(1 - sigmoid(d)),
        "fake'": lambda d: sigmoid(d),
        "g": lambda d: -math.log(sigmoid(d)),
        "g'": lambda d: sigmoid(d) - 1,
        "report": sigmoid,
    }


def minimax(s: float = 0.0) -> dict:
    return {**bce(s), "g": lambda d: math.log(1 - sigmoid(d)), "g'": lambda d: -sigmoid(d)}


def lsgan(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> dict:
    return {
        "real": lambda d: 0.5 * (d - b) ** 2,
        "real'": lambda d: d - b,
        "fake": lambda d: 0.5 * (d - a) ** 2,
        "fake'": lambda d: d - a,
        "g": lambda d: 0.5 * (d - c) ** 2,
        "g'": lambda d: d - c,
        "report": lambda d: d,
    }


def hinge() -> dict:
    return {
        "real": lambda d: max(0.0, 1 - d),
        "real'": lambda d: -1.0 if d < 1 else 0.0,
        "fake": lambda d: max(0.0, 1 + d),
        "fake'": lambda d: 1.0 if d > -1 else 0.0,
        "g": lambda d: -d,
        "g'": lambda d: -1.0,
        "report": lambda d: d,
    }


CASES = [
    ("bce", {}, bce()),
    ("bce", {"label_smoothing": 0.1}, bce(0.1)),
    ("minimax", {}, minimax()),
    ("minimax", {"label_smoothing": 0.2}, minimax(0.2)),
    ("lsgan", {}, lsgan()),
    ("lsgan", {"a": -1.0, "b": 1.0, "c": 0.0}, lsgan(-1, 1, 0)),
    ("hinge", {}, hinge()),
]


@pytest.mark.parametrize(("name", "given", "form"), CASES)
def test_discriminator_loss_equals_the_closed_form(name: str, given: dict, form: dict) -> None:
    real = torch.tensor(LOGITS_REAL, dtype=torch.float64, requires_grad=True)
    fake = torch.tensor(LOGITS_FAKE, dtype=torch.float64, requires_grad=True)
    loss, reported = make(name, **given).discriminator_loss(identity, Batch(real), Batch(fake))
    loss.backward()
    expected = mean([form["real"](d) for d in LOGITS_REAL]) + mean([form["fake"](d) for d in LOGITS_FAKE])
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(real.grad, grad_mean(form["real'"], LOGITS_REAL), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fake.grad, grad_mean(form["fake'"], LOGITS_FAKE), rtol=1e-12, atol=1e-12)
    assert set(reported) == {"D(x)", "D(G(z))"}
    assert reported["D(x)"].item() == pytest.approx(mean([form["report"](d) for d in LOGITS_REAL]))
    assert reported["D(G(z))"].item() == pytest.approx(mean([form["report"](d) for d in LOGITS_FAKE]))


@pytest.mark.parametrize(("name", "given", "form"), CASES)
def test_generator_loss_equals_the_closed_form(name: str, given: dict, form: dict) -> None:
    real = torch.tensor(LOGITS_REAL, dtype=torch.float64, requires_grad=True)
    fake = torch.tensor(LOGITS_FAKE, dtype=torch.float64, requires_grad=True)
    loss, reported = make(name, **given).generator_loss(identity, Batch(real), Batch(fake))
    loss.backward()
    assert loss.item() == pytest.approx(mean([form["g"](d) for d in LOGITS_FAKE]), rel=1e-12)
    torch.testing.assert_close(fake.grad, grad_mean(form["g'"], LOGITS_FAKE), rtol=1e-12, atol=1e-12)
    assert real.grad is None
    assert reported == {}


@pytest.mark.parametrize("name", ["bce", "minimax", "lsgan", "hinge"])
def test_labels_are_passed_to_the_discriminator(name: str) -> None:
    seen = []

    def discriminator(x: Tensor, y: Tensor | None) -> Tensor:
        seen.append(y)
        return x

    y_real, y_fake = torch.tensor([1, 2]), torch.tensor([3, 4])
    real, fake = Batch(torch.zeros(2), y_real), Batch(torch.ones(2), y_fake)
    loss = make(name)
    loss.discriminator_loss(discriminator, real, fake)
    loss.generator_loss(discriminator, real, fake)
    assert seen[0] is y_real
    assert seen[1] is y_fake
    assert seen[2] is y_fake


@pytest.mark.parametrize("name", ["bce", "minimax"])
def test_losses_of_extreme_logits_are_finite(name: str) -> None:
    """In float32, the probability is exactly 0 or 1, and its logarithm would be infinite."""
    loss = make(name, label_smoothing=0.1)
    for scale in (1e4, -1e4):
        real = torch.full((3,), scale, requires_grad=True)
        fake = torch.full((3,), -scale, requires_grad=True)
        for value, _ in (
            loss.discriminator_loss(identity, Batch(real), Batch(fake)),
            loss.generator_loss(identity, Batch(real), Batch(fake)),
        ):
            assert value.isfinite()
            assert all(g.isfinite().all() for g in torch.autograd.grad(value, [fake]))


@pytest.mark.parametrize("name", ["bce", "minimax", "lsgan", "hinge"])
def test_loss_of_bfloat16_logits_is_float32(name: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(1000).bfloat16()
    batches = Batch(logits), Batch(logits.flip(0) - 1)
    exact = Batch(batches[0].x.double()), Batch(batches[1].x.double())
    loss = make(name)
    for method in (loss.discriminator_loss, loss.generator_loss):
        value, _ = method(identity, *batches)
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(method(identity, *exact)[0].item(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, math.nan])
def test_label_smoothing_out_of_range_is_rejected(smoothing: float) -> None:
    with pytest.raises(GanctlError, match="label_smoothing is"):
        make("bce", label_smoothing=smoothing)


@pytest.mark.parametrize("name", ["bce", "minimax", "lsgan", "hinge"])
def test_simple_losses_have_no_state_and_no_constraint(name: str) -> None:
    loss, D = make(name), nn.Linear(2, 1)
    before = [p.clone() for p in D.parameters()]
    loss.constrain(D)
    assert all(torch.equal(a, b) for a, b in zip(before, D.parameters(), strict=True))
    assert loss.state_dict() == {}
