"""Compare values of ganctl_regularizers with a second implementation of the equations in NumPy, in float64.

D's logit is quadratic in the image, so the logit's gradient is known in closed form. G is one layer with tanh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganctl import Batch, GanctlError, Regularizer
from ganctl.latent import Normal
from ganctl.plugin import discovery, options
from ganctl.training.network_calls import GeneratorCall
from ganctl_regularizers.consistency import mirror_and_shift

N, Z, CHANNELS, SIDE = 4, 5, 3, 4
PIXELS = CHANNELS * SIDE * SIDE
SEED = 11
LATENT = Normal(Z)
NAMES = discovery.registry().names("regularizer")

RNG = np.random.default_rng(3)
A, W, C = RNG.uniform(0.3, 0.9, PIXELS), RNG.normal(0, 0.7, PIXELS), RNG.normal()
LABELS = RNG.normal(size=3)  # added to the logit
M = RNG.normal(0, 0.5, (Z, PIXELS))
REAL, FAKE_Z, Y = RNG.uniform(-1, 1, (N, PIXELS)), RNG.normal(size=(N, Z)), np.array([2, 0, 1, 1])


class D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.w = nn.Parameter(torch.tensor(A)), nn.Parameter(torch.tensor(W))
        self.labels = torch.tensor(LABELS)
        self.calls = 0

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        self.calls += 1
        x = x.flatten(1)
        return (self.a * x.square() / 2 + self.w * x).sum(1) + C + self.labels[y]


class G(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.tensor(M))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tanh(z.double() @ self.m).reshape(-1, CHANNELS, SIDE, SIDE)


class KeepsFloat64(GeneratorCall):
    def __call__(self, z: Tensor, y: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        return self.module(z, y)


def make(name: str, **given: Any) -> Any:
    factory = discovery.registry().get("regularizer", name).load()
    resolved = options.resolve("regularizer", name, factory, given)
    resolved.pop("every")
    return options.call(factory, resolved, latent=LATENT)


def terms(regularizer: Regularizer, module: nn.Module | None = None) -> dict[str, Any]:
    """Return the value, the report and the gradients of each term of ``regularizer``."""
    results = {}
    for method in ("discriminator_term", "generator_term"):
        if not hasattr(regularizer, method):
            continue
        d, g = D(), module or G()
        call = KeepsFloat64(g)
        y = torch.tensor(Y)
        real = Batch(torch.tensor(REAL).reshape(N, CHANNELS, SIDE, SIDE), y)
        z = torch.tensor(FAKE_Z)
        x = call(z, y)
        fake = Batch(x if method == "generator_term" else x.detach(), y, z)
        function = getattr(regularizer, method)
        torch.manual_seed(SEED)
        value, report = function(d, real, fake, *([call] if "G" in function.__code__.co_varnames else []))
        trained = d if method == "discriminator_term" else g
        value.backward()
        results[method] = (value, report, [p.grad for p in trained.parameters() if p.grad is not None])
        results[method[0]] = float(value.detach())
    return results


def d(x: np.ndarray) -> np.ndarray:
    return (A * x**2 / 2 + W * x).sum(1) + C + LABELS[Y]


def norms(x: np.ndarray) -> np.ndarray:
    return np.sqrt(((A * x + W) ** 2).sum(1))


def g(z: np.ndarray) -> np.ndarray:
    return np.tanh(z @ M)


FAKE = g(FAKE_Z)


def between() -> np.ndarray:
    torch.manual_seed(SEED)
    epsilon = torch.rand((N, 1, 1, 1), dtype=torch.float64).reshape(N, 1).numpy()
    return epsilon * REAL + (1 - epsilon) * FAKE


def around(scale: float) -> np.ndarray:
    torch.manual_seed(SEED)
    noise = torch.randn(N, CHANNELS, SIDE, SIDE, dtype=torch.float64).reshape(N, PIXELS).numpy()
    return REAL + scale * REAL.std(ddof=1) * noise


def near_z(sigma: float) -> np.ndarray:
    torch.manual_seed(SEED)
    return FAKE_Z + sigma * torch.randn(N, Z, dtype=torch.float64).numpy()


def transformed(*batches: np.ndarray, share: float = 0.25) -> list[np.ndarray]:
    """Mirror and shift each image with loops over the pixels."""
    torch.manual_seed(SEED)
    results = []
    for batch in batches:
        images, largest = batch.reshape(N, CHANNELS, SIDE, SIDE), int(SIDE * share)
        mirrored, *positions = (torch.rand(N, dtype=torch.float64) for _ in range(3))
        down, right = ((share * (2 * largest + 1)).floor() - largest for share in positions)
        result = np.empty_like(images)
        for i in range(N):
            image = images[i][:, :, ::-1] if mirrored[i] < 0.5 else images[i]
            for row in range(SIDE):
                for column in range(SIDE):
                    source = np.clip([row + int(down[i]), column + int(right[i])], 0, SIDE - 1)
                    result[i, :, row, column] = image[:, source[0], source[1]]
        results.append(result.reshape(N, PIXELS))
    return results


def path_lengths(n: int) -> np.ndarray:
    """Return ‖J(z)ᵀ·y‖. The derivative of tanh(z·M) is (1 − tanh²)·Mᵀ."""
    torch.manual_seed(SEED)
    noise = torch.randn(n, CHANNELS, SIDE, SIDE, dtype=torch.float64).reshape(n, PIXELS).numpy() / SIDE
    return np.sqrt((((noise * (1 - FAKE[:n] ** 2)) @ M.T) ** 2).sum(1))


def path_length_penalty(lengths: np.ndarray, decay: float) -> float:
    return ((lengths - decay * lengths.mean()) ** 2).mean()


def other_z() -> np.ndarray:
    torch.manual_seed(SEED)
    return torch.randn(N, Z).double().numpy()


def consistency(*batches: np.ndarray) -> float:
    return sum(((d(x) - d(t)) ** 2).mean() for x, t in zip(batches, transformed(*batches), strict=True))


def off_diagonal(rows: np.ndarray) -> float:
    products = rows @ rows.T
    return ((products - np.diag(np.diag(products))) ** 2).sum()


#: Name, options, formula of D's term, and formula of G's term.
EQUATIONS: list[tuple[str, dict[str, Any], Callable[[], float] | None, Callable[[], float] | None]] = [
    ("r1", {"gamma": 3.0}, lambda: 3 / 2 * (norms(REAL) ** 2).mean(), None),
    ("r2", {}, lambda: 10 / 2 * (norms(FAKE) ** 2).mean(), None),
    ("gradient-penalty", {}, lambda: 10 * ((norms(between()) - 1) ** 2).mean(), None),
    ("gradient-penalty", {"center": 0, "weight": 2}, lambda: 2 * (norms(between()) ** 2).mean(), None),
    (
        "gradient-penalty",
        {"one_sided": True},
        lambda: 10 * (np.maximum(norms(between()) - 1, 0) ** 2).mean(),
        None,
    ),
    ("dragan", {"noise": 0.25}, lambda: 10 * ((norms(around(0.25)) - 1) ** 2).mean(), None),
    (
        "path-length",
        {"shrink": 1},
        None,
        lambda: 2 * path_length_penalty(path_lengths(N), 0.01),
    ),
    (
        "path-length",
        {"shrink": 2, "decay": 0.5, "weight": 1},
        None,
        lambda: path_length_penalty(path_lengths(N // 2), 0.5),
    ),
    (
        "lecam",
        {},
        lambda: 0.3
        * (((d(REAL) - d(FAKE).mean()) ** 2).mean() + ((d(FAKE) - d(REAL).mean()) ** 2).mean()),
        None,
    ),
    ("consistency", {"shift": 0.25}, lambda: 10 * consistency(REAL), None),
    ("balanced-consistency", {"shift": 0.25, "weight": 1}, lambda: consistency(REAL, FAKE), None),
    (
        "zcr",
        {"noise": 0.5, "g_weight": 2},
        lambda: 5 * ((d(FAKE) - d(g(near_z(0.5)))) ** 2).mean(),
        lambda: -2 * ((FAKE - g(near_z(0.5))) ** 2).mean(),
    ),
    (
        "diversity",
        {"weight": 3},
        None,
        lambda: 3
        / (np.abs(g(other_z()) - FAKE).mean() / np.abs(other_z() - FAKE_Z).mean() + 1e-5),
    ),
    ("orthogonal", {"weight": 0.5}, None, lambda: 0.5 * off_diagonal(M)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "of_d", "of_g"), EQUATIONS, ids=[e[0] for e in EQUATIONS])
def test_value_equals_the_equation(
    name: str, given: dict[str, Any], of_d: Callable[[], float] | None, of_g: Callable[[], float] | None
) -> None:
    found = terms(make(name, **given))
    expected = {key: formula() for key, formula in (("d", of_d), ("g", of_g)) if formula}
    assert {key: found[key] for key in ("d", "g") if key in found} == pytest.approx(expected, rel=1e-5)
    for method in found.keys() & {"discriminator_term", "generator_term"}:
        _, report, gradients = found[method]
        assert all(bool(value.isfinite()) and value.ndim == 0 for value in report.values())
        assert any(bool((gradient != 0).any()) for gradient in gradients)
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_every_regularizer_has_an_equation() -> None:
    assert {equation[0] for equation in EQUATIONS} == set(NAMES)


def test_lecam_tracks_the_means_of_the_logits() -> None:
    lecam = make("lecam", decay=0.75)
    y, means = torch.tensor(Y), None
    for step in range(3):
        x = torch.tensor(REAL).reshape(N, CHANNELS, SIDE, SIDE) * (1 - step / 4)
        lecam.discriminator_term(D(), Batch(x, y), Batch(x + 1, y))
        newest = np.array([d(x.reshape(N, -1).numpy()).mean(), d(x.reshape(N, -1).numpy() + 1).mean()])
        means = newest if means is None else 0.75 * means + 0.25 * newest
    np.testing.assert_allclose(lecam.means.numpy(), means, rtol=1e-5)


class Mapped(G):
    """A generator with a mapping and two layers, each of which uses a separate w, as in StyleGAN2."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.tensor(RNG.normal(size=(Z, Z))))

    def mapping(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        w = torch.tanh(z @ self.map)
        return torch.stack([w, w], 1)

    def synthesis(self, w: Tensor) -> Tensor:
        return torch.tanh(w[:, 0] @ self.m + 2 * w[:, 1] @ self.m).reshape(-1, CHANNELS, SIDE, SIDE)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.synthesis(self.mapping(z, y))


def test_path_length_is_measured_in_w_if_g_has_a_mapping() -> None:
    module = Mapped()
    found = terms(make("path-length", shrink=1), module)
    w = np.tanh(FAKE_Z @ module.map.detach().numpy())
    torch.manual_seed(SEED)
    noise = torch.randn(N, CHANNELS, SIDE, SIDE).reshape(N, PIXELS).numpy() / SIDE  # synthesis is float32
    gradient = (
        noise * (1 - np.tanh(3 * w @ M) ** 2)
    ) @ M.T  # gradient for layer 0, and half of the gradient for layer 1
    lengths = np.sqrt(((gradient**2).sum(1) + (2 * gradient) ** 2 @ np.ones(Z)) / 2)
    assert found["g"] == pytest.approx(2 * path_length_penalty(lengths, 0.01), rel=1e-4)
    gradients = found["generator_term"][2]
    assert len(gradients) == 2  # the mapping also has a gradient


def test_orthogonal_has_one_row_per_output_of_each_layer() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(3, 4), nn.ConvTranspose2d(3, 5, 2), spectral_norm(nn.Conv2d(2, 6, 3)), nn.BatchNorm2d(6),
        nn.Embedding(7, 8), spectral_norm(nn.ConvTranspose2d(2, 3, 2)),
    )  # fmt: skip
    regularizer = make("orthogonal", weight=1)
    one = torch.zeros(1)
    value = regularizer.generator_term(None, Batch(one), Batch(one), GeneratorCall(module))[0]
    rows = [
        module[0].weight, module[1].weight.transpose(0, 1).flatten(1),
        module[2].parametrizations.weight.original.flatten(1),
        module[5].parametrizations.weight.original.transpose(0, 1).flatten(1),
    ]  # fmt: skip
    assert float(value.detach()) == pytest.approx(
        sum(off_diagonal(matrix.detach().double().numpy()) for matrix in rows), rel=1e-5
    )


def test_images_are_shifted_and_mirrored_with_repeated_borders() -> None:
    x = torch.tensor(REAL).reshape(N, CHANNELS, SIDE, SIDE)
    (expected,) = transformed(REAL)
    torch.manual_seed(SEED)
    assert np.array_equal(mirror_and_shift(x, 0.25).reshape(N, -1).numpy(), expected)
    assert torch.equal(mirror_and_shift(x, 0.0).sort(3)[0], x.sort(3)[0])


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("r1", {"gamma": -1}, "gamma is -1"),
        ("lecam", {"decay": 1.5}, r"decay is 1.5: it must be in \[0, 1\]"),
        ("path-length", {"shrink": 0}, "shrink is 0: it must be at least 1"),
        ("consistency", {"shift": 1}, "shift is 1"),
        ("balanced-consistency", {"shift": -0.5}, "shift is -0.5"),
        ("gradient-penalty", {"center": 0, "one_sided": True}, "no effect with center=0"),
        ("zcr", {"noise": float("nan")}, "noise is nan"),
    ],
)
def test_invalid_option_is_an_error(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make(name, **given)
    assert caught.value.hint
