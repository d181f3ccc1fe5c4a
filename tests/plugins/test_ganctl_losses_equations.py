"""Test ganctl_losses: compare values and gradients with a second implementation of the equations in NumPy.

D's logit is quadratic in the image, so the logit's gradient is known in closed form. The other outputs of D are linear,
and G is one layer with tanh. Values must equal the equations. Gradients with respect to the weights of D and G must
equal finite differences of the equations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganctl import DATA, USAGE, Batch, GanctlError, Loss, penalties
from ganctl.latent import Codes, Normal
from ganctl.plugin import discovery, options
from ganctl.testing.device import on_device

N, K = 4, 3  # images, classes
CODES = Codes(2, (3, 2), 2)
SEED = 11
Weights = dict[str, np.ndarray]
#: A function that returns the loss of a case, computed with NumPy.
Formula = Callable[["Case"], float]


def make(name: str, **given: Any) -> Loss:
    factory = discovery.registry().get("loss", name).load()
    return options.call(factory, options.resolve("loss", name, factory, given), num_classes=K, latent=CODES)


# --- the networks, in NumPy ---------------------------------------------------------------------------------------


class Case:
    """Fixed real images, labels, latents and weights of D and G, and the terms in the equations."""

    def __init__(self, channels: int) -> None:
        rng = np.random.default_rng(3)
        self.channels, self.size = channels, channels * 4
        self.real = rng.uniform(-1, 1, (N, self.size))
        self.y = np.array([2, 0, 1, 1])
        self.z = CODES.sample(N, "cpu", torch.Generator().manual_seed(1)).double().numpy()
        self.G: Weights = {"m": rng.normal(0, 0.5, (CODES.dim, self.size))}
        codes = sum(CODES.categorical) + 2 * CODES.continuous
        self.D: Weights = {
            "a": rng.uniform(0.3, 0.9, self.size),
            "w": rng.normal(0, 0.7, self.size),
            "c": rng.normal(0, 0.5, ()),
            "classes": rng.normal(0, 0.7, (self.size, K)),
            "codes": rng.normal(0, 0.5, (self.size, codes)),
        }

    @property
    def fake(self) -> np.ndarray:
        return np.tanh(self.z @ self.G["m"])

    def d(self, x: np.ndarray) -> np.ndarray:
        return (self.D["a"] * x**2 / 2 + self.D["w"] * x).sum(1) + self.D["c"]

    def gradient_norm(self, x: np.ndarray) -> np.ndarray:
        """Return ‖∇d(x)‖ for each image."""
        return np.sqrt(((self.D["a"] * x + self.D["w"]) ** 2).sum(1))

    def reconstruction(self, x: np.ndarray) -> np.ndarray:
        return self.D["a"] * x + 0.1 * self.D["w"]

    def embedding(self, x: np.ndarray) -> np.ndarray:
        return x @ self.D["classes"]

    def between(self) -> np.ndarray:
        torch.manual_seed(SEED)
        epsilon = torch.rand(N, 1, 1, 1, dtype=torch.float64).view(N, 1).numpy()
        return epsilon * self.real + (1 - epsilon) * self.fake

    def around(self, scale: float) -> np.ndarray:
        torch.manual_seed(SEED)
        noise = torch.randn(N, self.channels, 2, 2, dtype=torch.float64).view(N, -1).numpy()
        return self.real + scale * self.real.std(ddof=1) * noise


def log_sigmoid(v: np.ndarray) -> np.ndarray:
    return np.log(1 / (1 + np.exp(-v)))


def bce_d(c: Case) -> float:
    return -log_sigmoid(c.d(c.real)).mean() - np.log(1 - 1 / (1 + np.exp(-c.d(c.fake)))).mean()


def bce_g(c: Case) -> float:
    return -log_sigmoid(c.d(c.fake)).mean()


def wasserstein_d(c: Case) -> float:
    return c.d(c.fake).mean() - c.d(c.real).mean()


def wasserstein_g(c: Case) -> float:
    return -c.d(c.fake).mean()


def rgan_d(c: Case) -> float:
    return -log_sigmoid(c.d(c.real) - c.d(c.fake)).mean()


def rgan_g(c: Case) -> float:
    return -log_sigmoid(c.d(c.fake) - c.d(c.real)).mean()


def ragan(c: Case, higher: np.ndarray, lower: np.ndarray) -> float:
    """Return the loss that makes ``higher`` more realistic than the mean of ``lower``, and vice versa."""
    first = log_sigmoid(c.d(higher) - c.d(lower).mean())
    second = np.log(1 - 1 / (1 + np.exp(-(c.d(lower) - c.d(higher).mean()))))
    return -first.mean() - second.mean()


def softmax_loss(c: Case, target_of_reals: float) -> float:
    """Return the cross-entropy of the softmax over the batch, with ``target_of_reals`` as the reals' probability."""
    energy = np.exp(np.concatenate([c.d(c.real), c.d(c.fake)]))
    p = energy / energy.sum()
    target = np.concatenate([np.full(N, target_of_reals / N), np.full(N, (1 - target_of_reals) / N)])
    return -(target * np.log(p)).sum()


def cross_entropy(scores: np.ndarray, y: np.ndarray) -> float:
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).mean()


def class_ce(c: Case, x: np.ndarray) -> float:
    return cross_entropy(x @ c.D["classes"], c.y)


def mutual_information(c: Case, *, variances: bool) -> float:
    predicted = c.fake @ c.D["codes"]
    one, two, u = c.z[:, 2:5].argmax(1), c.z[:, 5:7].argmax(1), c.z[:, 7:9]
    categorical = cross_entropy(predicted[:, :3], one) + cross_entropy(predicted[:, 3:5], two)
    mean, variance = predicted[:, 5:7], np.exp(predicted[:, 7:9]) if variances else np.ones((N, 2))
    density = np.exp(-((u - mean) ** 2) / 2 / variance) / np.sqrt(2 * np.pi * variance)
    constant = 2 * np.log(np.sqrt(2 * np.pi))  # the loss omits this constant for each of the two codes
    return categorical + 0.1 * (-np.log(density).sum(1).mean() - constant)


def began_error(c: Case, x: np.ndarray) -> float:
    return np.abs(x - c.reconstruction(x)).mean()


def energy(c: Case, x: np.ndarray) -> np.ndarray:
    return ((x - c.reconstruction(x)) ** 2).mean(1)


def pull_away(c: Case) -> float:
    s = c.embedding(c.fake)
    cosines = [
        (s[i] @ s[j] / np.linalg.norm(s[i]) / np.linalg.norm(s[j])) ** 2
        for i in range(N)
        for j in range(N)
        if i != j
    ]
    return sum(cosines) / (N * (N - 1))


# --- the same networks in torch -----------------------------------------------------------------------------------


def logit(D: dict[str, Tensor], x: Tensor, y: Tensor | None) -> Tensor:
    flat = x.flatten(1)
    return (D["a"] * flat.square() / 2 + D["w"] * flat).sum(1) + D["c"]


def with_classes(D: dict[str, Tensor], x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    return logit(D, x, y), x.flatten(1) @ D["classes"]


def with_variances(D: dict[str, Tensor], x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    return logit(D, x, y), x.flatten(1) @ D["codes"]


def with_codes(D: dict[str, Tensor], x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    return logit(D, x, y), x.flatten(1) @ D["codes"][:, :7]


def reconstruction(D: dict[str, Tensor], x: Tensor, y: Tensor | None) -> Tensor:
    return (D["a"] * x.flatten(1) + 0.1 * D["w"]).view_as(x)


def with_embedding(D: dict[str, Tensor], x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    return reconstruction(D, x, y), x.flatten(1) @ D["classes"]


# --- name, options, D, equation for D, equation for G ---------------------------------------------------------------

CASES: dict[str, tuple[str, dict[str, Any], Callable[..., Any], Formula, Formula]] = {
    "wgan": ("wgan", {}, logit, wasserstein_d, wasserstein_g),
    "wgan-gp": (
        "wgan-gp",
        {},
        logit,
        lambda c: wasserstein_d(c) + 10 * ((c.gradient_norm(c.between()) - 1) ** 2).mean(),
        wasserstein_g,
    ),
    "wgan-gp one-sided": (
        "wgan-gp",
        {"gp_weight": 4, "one_sided": True},
        logit,
        lambda c: wasserstein_d(c) + 4 * (np.maximum(c.gradient_norm(c.between()) - 1, 0) ** 2).mean(),
        wasserstein_g,
    ),
    "wgan-div": (
        "wgan-div",
        {},
        logit,
        lambda c: wasserstein_d(c) + 2 * (c.gradient_norm(c.between()) ** 6).mean(),
        wasserstein_g,
    ),
    "wgan-div at the ends": (
        "wgan-div",
        {"points": "ends", "k": 3, "p": 3},
        logit,
        lambda c: (
            wasserstein_d(c)
            + 3 / 2 * ((c.gradient_norm(c.real) ** 3).mean() + (c.gradient_norm(c.fake) ** 3).mean())
        ),
        wasserstein_g,
    ),
    "dragan": (
        "dragan",
        {},
        logit,
        lambda c: bce_d(c) + 10 * ((c.gradient_norm(c.around(0.5)) - 1) ** 2).mean(),
        bce_g,
    ),
    "bgan": (
        "bgan",
        {},
        logit,
        bce_d,
        lambda c: 0.5 * ((log_sigmoid(c.d(c.fake)) - log_sigmoid(-c.d(c.fake))) ** 2).mean(),
    ),
    "relativistic": ("relativistic", {}, logit, rgan_d, rgan_g),
    "relativistic-average": (
        "relativistic-average",
        {},
        logit,
        lambda c: ragan(c, c.real, c.fake),
        lambda c: ragan(c, c.fake, c.real),
    ),
    "r3gan": (
        "r3gan",
        {"gamma": 0.5},
        logit,
        lambda c: (
            rgan_d(c)
            + 0.5 / 2 * ((c.gradient_norm(c.real) ** 2).mean() + (c.gradient_norm(c.fake) ** 2).mean())
        ),
        rgan_g,
    ),
    "softmax": ("softmax", {}, logit, lambda c: softmax_loss(c, 1.0), lambda c: softmax_loss(c, 0.5)),
    "began": (
        "began",
        {},
        reconstruction,
        lambda c: began_error(c, c.real) - 0.25 * began_error(c, c.fake),
        lambda c: began_error(c, c.fake),
    ),
    "ebgan": (
        "ebgan",
        {"margin": 0.25, "pull_away": 0.5},
        with_embedding,
        lambda c: (energy(c, c.real) + np.maximum(0, 0.25 - energy(c, c.fake))).mean(),
        lambda c: energy(c, c.fake).mean() + 0.5 * pull_away(c),
    ),
    "acgan": (
        "acgan",
        {"class_weight": 2},
        with_classes,
        lambda c: bce_d(c) + 2 * (class_ce(c, c.real) + class_ce(c, c.fake)),
        lambda c: bce_g(c) + 2 * class_ce(c, c.fake),
    ),
    "infogan": (
        "infogan",
        {},
        with_codes,
        lambda c: bce_d(c) + mutual_information(c, variances=False),
        lambda c: bce_g(c) + mutual_information(c, variances=False),
    ),
    "infogan with variances": (
        "infogan",
        {},
        with_variances,
        lambda c: bce_d(c) + mutual_information(c, variances=True),
        lambda c: bce_g(c) + mutual_information(c, variances=True),
    ),
}
PENALIZED = {"wgan-gp", "wgan-div", "dragan", "r3gan"}


def test_every_loss_is_tested() -> None:
    tested_elsewhere = {"bce", "minimax", "lsgan", "hinge"}  # test_ganctl_losses.py
    registered = [item for item in discovery.registry().all("loss") if item.distribution == "ganctl"]
    assert {item.name for item in registered} == tested_elsewhere | {name for name, *_ in CASES.values()}


def finite_difference(f: Callable[[], float], weight: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Return the gradient of ``f`` with respect to ``weight``, which is temporarily modified."""
    gradient = np.zeros_like(weight)
    for index in np.ndindex(weight.shape):
        original = weight[index].copy()
        values = []
        for sign in (1, -1):
            weight[index] = original + sign * step
            values.append(f())
        weight[index] = original
        gradient[index] = (values[0] - values[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network_name", ["discriminator", "generator"])
@pytest.mark.parametrize("key", CASES)
def test_value_and_gradients(key: str, network_name: str, channels: int) -> None:
    name, given, network, formula_d, formula_g = CASES[key]
    case, loss = Case(channels), make(name, **given)
    if name == "began":
        loss.k.fill_(0.25)
    D = {k: torch.tensor(v, requires_grad=True) for k, v in case.D.items()}
    m = torch.tensor(case.G["m"], requires_grad=True)
    y, z = torch.tensor(case.y), torch.tensor(case.z)
    real = Batch(torch.tensor(case.real).view(N, channels, 2, 2), y)
    samples = (z @ m).tanh().view_as(real.x)
    fake = Batch(samples.detach() if network_name == "discriminator" else samples, y, z)
    before = [real.x.clone(), fake.x.detach().clone(), z.clone()]

    torch.manual_seed(SEED)
    method = loss.discriminator_loss if network_name == "discriminator" else loss.generator_loss
    value, reported = method(lambda x, y: network(D, x, y), real, fake)
    formula = formula_d if network_name == "discriminator" else formula_g
    assert value.dtype == torch.float64
    assert value.shape == ()
    assert value.item() == pytest.approx(formula(case), rel=1e-7)  # the coefficients are float32
    assert all(report.shape == () for report in reported.values())

    value.backward()
    for weight, tensor in D.items() if network_name == "discriminator" else [("m", m)]:
        numbers = case.D[weight] if network_name == "discriminator" else case.G[weight]
        expected = finite_difference(lambda: formula(case), numbers)
        found = np.zeros_like(numbers) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    if network_name == "discriminator":
        assert m.grad is None
    assert any(
        np.abs(t.grad.numpy()).max() > 1e-3
        for t in (D.values() if network_name == "discriminator" else [m])
        if t.grad is not None
    )
    for tensor, original in zip((real.x, fake.x, z), before, strict=True):
        assert torch.equal(tensor, original)
    assert not real.x.requires_grad


@pytest.mark.parametrize("key", [key for key, case in CASES.items() if case[0] in PENALIZED])
def test_penalty_has_no_gradient_with_respect_to_fakes(key: str) -> None:
    """In D's loss, only the fakes' logits may have a gradient with respect to G. The penalty must not."""
    name, given, network, *_ = CASES[key]
    case, loss = Case(1), make(name, **given)
    for weight in ("gamma", "gp_weight", "k"):
        if hasattr(loss, weight):
            getattr(loss, weight).fill_(1e6)
    D = {k: torch.tensor(v) for k, v in case.D.items()}
    leaf = torch.tensor(case.fake).view(N, 1, 2, 2).requires_grad_()
    torch.manual_seed(SEED)
    value, _ = loss.discriminator_loss(
        lambda x, y: network(D, x, y), Batch(torch.tensor(case.real).view(N, 1, 2, 2)), Batch(leaf * 1.0)
    )
    assert value > 1e3  # the penalty dominates
    gradient = torch.autograd.grad(value, leaf, allow_unused=True)[0] if value.requires_grad else None
    assert gradient is None or gradient.abs().max() < 10


def test_penalizes_gradient_is_set_correctly() -> None:
    for name, *_ in CASES.values():
        assert make(name).penalizes_gradient == (name in PENALIZED), name


def test_losses_use_the_public_penalties() -> None:
    """With the same seed, the public functions and the loss use the same random points."""
    case, loss = Case(1), make("wgan-gp", gp_weight=1)
    D = {k: torch.tensor(v) for k, v in case.D.items()}
    real, fake = (torch.tensor(x).view(N, 1, 2, 2) for x in (case.real, case.fake))
    torch.manual_seed(SEED)
    _, reported = loss.discriminator_loss(lambda x, y: logit(D, x, y), Batch(real), Batch(fake))
    torch.manual_seed(SEED)
    points = penalties.between(real, fake)
    assert torch.equal(reported["penalty"], penalties.one_centered(lambda x, y: logit(D, x, y), points))


# --- properties of individual losses ------------------------------------------------------------


def test_wgan_clips_every_weight() -> None:
    torch.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 1))
    loss = make("wgan", clip=0.05)
    before = [p.detach().clone() for p in D.parameters()]
    assert max(p.abs().max() for p in before) > 0.05
    with torch.no_grad():
        loss.constrain(D)
    for weight, was in zip(D.parameters(), before, strict=True):
        assert torch.equal(weight, was.clamp(-torch.tensor(0.05), torch.tensor(0.05)))
        assert weight.requires_grad
    loss.clip.fill_(0.01)  # like a schedule
    with torch.no_grad():
        loss.constrain(D)
    assert max(p.abs().max().item() for p in D.parameters()) == pytest.approx(0.01)


@pytest.mark.parametrize("name", sorted({name for name, *_ in CASES.values()} - {"wgan"}))
def test_other_losses_do_not_constrain_weights(name: str) -> None:
    D = nn.Linear(3, 1)
    before = [p.clone() for p in D.parameters()]
    make(name).constrain(D)
    assert all(torch.equal(a, b) for a, b in zip(before, D.parameters(), strict=True))


@pytest.mark.parametrize("name", sorted({name for name, *_ in CASES.values()}))
def test_coefficients_are_buffers_named_like_options(name: str) -> None:
    """Schedules look up buffers by option name, and checkpoints store buffers."""
    loss = make(name)
    factory = discovery.registry().get("loss", name).load()
    plain = {"one_sided", "points", "p", "label_smoothing"}
    expected = {option.name for option in options.of("loss", factory)} - plain
    assert set(loss.state_dict()) == expected | ({"k"} if name == "began" else set())
    for option in options.of("loss", factory):
        if option.name in expected:
            buffer = loss.state_dict()[option.name]
            assert (buffer.dtype, buffer.shape) == (torch.float32, ())
            assert buffer.item() == pytest.approx(option.default)
        assert option.help, f"{name}: {option.name} has no help"


def test_acgan_applies_softmax_once() -> None:
    """If softmax were applied twice, the cross-entropy could not reach 0."""
    loss, y = make("acgan"), torch.tensor([0, 1, 2])
    for scale in (1.0, 30.0):
        scores = scale * torch.eye(3)
        _, reported = loss.discriminator_loss(
            lambda x, y: (x.flatten(), scores),  # noqa: B023
            Batch(torch.zeros(3, 1), y),
            Batch(torch.zeros(3, 1), y),
        )
        expected = np.log(1 + 2 * np.exp(-scale))
        assert reported["class"].item() == pytest.approx(expected, abs=1e-6)
        assert reported["class(G)"].item() == pytest.approx(expected, abs=1e-6)
    _, reported = loss.discriminator_loss(
        lambda x, y: (x.flatten(), 30 * torch.eye(3)),
        Batch(torch.zeros(3, 1), y),
        Batch(torch.zeros(3, 1), y.flip(0)),
    )
    assert reported["class"].item() < 1e-6  # with a second softmax, at least 0.55
    assert reported["class(G)"].item() == pytest.approx(20, abs=1e-5)


def test_acgan_uses_the_labels_of_each_batch() -> None:
    loss = make("acgan")
    seen = []

    def discriminator(x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        seen.append(y)
        return x.flatten(), torch.zeros(2, K)

    y_real, y_fake = torch.tensor([0, 1]), torch.tensor([2, 2])
    real, fake = Batch(torch.zeros(2, 1), y_real), Batch(torch.zeros(2, 1), y_fake)
    loss.discriminator_loss(discriminator, real, fake)
    loss.generator_loss(discriminator, real, fake)
    assert [y is expected for y, expected in zip(seen, (y_real, y_fake, y_fake), strict=True)] == [True] * 3


def test_began_updates_k_according_to_the_equation() -> None:
    loss = make("began", gamma=0.5, k_rate=0.125)
    k = 0.0
    # L(x) and L(G(z)) for each step. D returns zero, so the error is the absolute value of the image.
    for real, fake in [(0.8, 0.1), (1.0, 0.0), (0.2, 0.6), (0.1, 1.0), (0.0, 1.0), (0.0, 1.0), (1.0, 0.0)]:
        batches = Batch(torch.full((2, 1, 2, 2), real)), Batch(torch.full((2, 1, 2, 2), -fake))
        value, reported = loss.discriminator_loss(lambda x, y: torch.zeros_like(x), *batches)
        assert value.item() == pytest.approx(real - k * fake, abs=1e-6)
        assert reported["k"].item() == pytest.approx(k, abs=1e-6)
        assert reported["convergence"].item() == pytest.approx(real + abs(0.5 * real - fake), abs=1e-6)
        loss.generator_loss(lambda x, y: torch.zeros_like(x), *batches)
        k = min(max(k + 0.125 * (0.5 * real - fake), 0.0), 1.0)
        assert loss.k.item() == pytest.approx(k, abs=1e-6)
    assert k > 0
    loss.k.fill_(0.99)
    loss.discriminator_loss(
        lambda x, y: torch.zeros_like(x), Batch(torch.ones(2, 1, 2, 2)), Batch(torch.zeros(2, 1, 2, 2))
    )
    assert loss.k.item() == 1
    again = make("began")
    again.load_state_dict(loss.state_dict())
    assert again.k.item() == 1


def test_ebgan_margin_applies_to_each_fake() -> None:
    """The margin applies to individual images, not to the batch mean."""
    loss = make("ebgan", margin=1.0)
    x = torch.tensor([2.0, 0.5]).view(2, 1, 1, 1).requires_grad_()  # energies 4 and 0.25
    value, reported = loss.discriminator_loss(
        lambda x, y: (torch.zeros_like(x), torch.ones(2, 3)), Batch(torch.zeros(2, 1, 1, 1)), Batch(x)
    )
    value.backward()
    assert value.item() == pytest.approx(0.75 / 2)
    assert x.grad.flatten().tolist() == [0.0, -0.5]
    assert reported["D(G(z))"].item() == pytest.approx(2.125)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1.0, 0], [0, 2]], 0.0),
        ([[1.0, 0], [-3, 0]], 1.0),  # opposite directions are similar, because the cosine is squared
        ([[1.0, 0], [1, 1]], 0.5),
        ([[1.0, 0], [1, 1], [0, 5]], 1 / 3),
        ([[1.0, 2]], 0.0),
        ([[0.0, 0], [1, 1]], 0.0),
    ],
)
def test_pulling_away_term_is_the_mean_squared_cosine(rows: list[list[float]], expected: float) -> None:
    codes = torch.tensor(rows, requires_grad=True)
    loss = make("ebgan", pull_away=2.0)
    x = torch.zeros(len(rows), 1, 1, 1)
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value, reported = loss.generator_loss(lambda x, y: (x, codes), Batch(x), Batch(x))
        assert reported["pull_away"].item() == pytest.approx(expected, abs=1e-6)
        assert value.item() == pytest.approx(2 * expected, abs=1e-6)
    assert torch.autograd.grad(value, codes)[0].isfinite().all()


def test_pulling_away_term_is_exact_under_autocast() -> None:
    """A matrix product in bfloat16 would have only two significant digits."""
    torch.manual_seed(0)
    codes, x = torch.randn(8, 5), torch.zeros(8, 1, 1, 1)
    loss, found = make("ebgan"), []
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found.append(
                loss.generator_loss(lambda x, y: (x, codes), Batch(x), Batch(x))[1]["pull_away"].item()
            )
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@pytest.mark.parametrize("key", ["softmax", "relativistic", "relativistic-average", "bgan"])
def test_gradients_of_extreme_logits_are_finite(key: str) -> None:
    loss = make(key)
    for scale in (1e4, -1e4):
        weight = torch.tensor(scale, requires_grad=True)
        real, fake = Batch(torch.ones(3, 1, 1, 1)), Batch(-torch.ones(3, 1, 1, 1))
        for method in (loss.discriminator_loss, loss.generator_loss):
            value, _ = method(lambda x, y: weight * x.flatten(), real, fake)  # noqa: B023
            assert value.isfinite()
            assert torch.autograd.grad(value, weight)[0].isfinite()


# --- properties of all losses -------------------------------------------------------------------------------------


class ConvD(nn.Module):
    """A convolutional D that can return every output required by a loss."""

    def __init__(self, channels: int, output: str) -> None:
        super().__init__()
        self.output = output
        self.body = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten())
        self.logit, self.second = nn.Linear(128, 1), nn.Linear(128, 7 if "code" in output else K)
        self.back = nn.Linear(128, channels * 64)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        hidden = self.body(x)
        if self.output == "reconstruction":
            return self.back(hidden).view_as(x)
        if self.output == "with_embedding":
            return self.back(hidden).view_as(x), hidden
        on_x = self.logit(hidden).squeeze(1)
        return on_x if self.output == "logit" else (on_x, self.second(hidden))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("key", [key for key in CASES if key != "infogan with variances"])
def test_losses_train_convolutional_networks_without_host_reads(
    key: str, channels: int, precision: str
) -> None:
    name, given, network, *_ = CASES[key]
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(CODES.dim, channels * 64), nn.Tanh(), nn.Unflatten(1, (channels, 8, 8)))
    D, loss = ConvD(channels, network.__name__), make(name, **given)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    real, z = Batch(torch.rand(6, channels, 8, 8) * 2 - 1, y), CODES.sample(6, "cpu")
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    with on_device("in a step"):
        with autocast:
            fake = Batch(G(z).float(), y, z)
            value, reported = loss.discriminator_loss(D, real, fake._replace(x=fake.x.detach()))
        value.backward()
        loss.constrain(D.requires_grad_(False))
        with autocast:
            g_value, g_reported = loss.generator_loss(D, real, fake)
        g_value.backward()
    assert all(p.grad is not None for p in G.parameters())
    gradients = [p.grad for network in (G, D) for p in network.parameters() if p.grad is not None]
    assert all(g.isfinite().all() and g.dtype == torch.float32 for g in gradients)
    assert all(v.isfinite() and v.dtype == torch.float32 for v in (value, g_value))
    assert {"D(x)", "D(G(z))"} <= set(reported)
    assert not set(reported) & set(g_reported)
    assert all(v.isfinite() and v.dtype == torch.float32 for v in (*reported.values(), *g_reported.values()))


@pytest.mark.parametrize("key", CASES)
def test_unsuitable_discriminator_is_rejected(key: str) -> None:
    name, given, network, *_ = CASES[key]
    loss, y = make(name, **given), torch.zeros(N, dtype=torch.int64)
    real, fake = (
        Batch(torch.zeros(N, 1, 2, 2), y),
        Batch(torch.zeros(N, 1, 2, 2), y, torch.zeros(N, CODES.dim)),
    )
    invalid: list[Any] = [torch.zeros(N, 2), (torch.zeros(N), torch.zeros(N, 99)), (torch.zeros(N),)]
    if network is not logit:
        invalid.append(torch.zeros(N))
    for output in invalid:
        for method in (loss.discriminator_loss, loss.generator_loss):
            with pytest.raises(GanctlError, match="discriminator") as caught:
                method(lambda x, y: output, real, fake)  # noqa: B023
            assert caught.value.status == USAGE
            assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("wgan", {"clip": -0.1}, "clip is -0.1"),
        ("wgan-gp", {"gp_weight": float("nan")}, "gp_weight is nan"),
        ("wgan-div", {"k": -1}, "k is -1"),
        ("wgan-div", {"p": 0.5}, "p is 0.5: it must be at least 1"),
        ("wgan-div", {"points": "everywhere"}, "points is 'everywhere'; expected 'between' or 'ends'"),
        ("dragan", {"noise": -1}, "noise is -1"),
        ("r3gan", {"gamma": -0.5}, "gamma is -0.5"),
        ("began", {"gamma": 1.5}, "gamma is 1.5: it must be at most 1"),
        ("began", {"k_rate": -1}, "k_rate is -1"),
        ("ebgan", {"margin": -1}, "margin is -1"),
        ("acgan", {"class_weight": -1}, "class_weight is -1"),
        ("infogan", {"continuous_weight": -1}, "continuous_weight is -1"),
    ],
)
def test_invalid_options_are_rejected(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make(name, **given)
    assert caught.value.status == USAGE


def test_acgan_requires_labels_and_infogan_requires_codes() -> None:
    registry = discovery.registry()
    with pytest.raises(GanctlError, match="needs labels") as caught:
        registry.get("loss", "acgan").load()(num_classes=0)
    assert caught.value.status == DATA
    unlabeled = Batch(torch.zeros(2, 1))
    with pytest.raises(GanctlError, match="needs labels"):
        make("acgan").generator_loss(lambda x, y: (x.flatten(), torch.zeros(2, K)), unlabeled, unlabeled)
    with pytest.raises(GanctlError, match="latent with codes") as caught:
        registry.get("loss", "infogan").load()(latent=Normal(10))
    assert "--latent codes" in caught.value.hint
