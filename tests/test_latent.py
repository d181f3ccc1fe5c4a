"""Test latents: shapes, distributions, and InfoGAN's codes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ganctl import GanctlError
from ganctl.errors import USAGE
from ganctl.latent import Codes, Normal, Uniform
from ganctl.plugin import options


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_normal_and_uniform_have_the_expected_moments() -> None:
    z = Normal(50).sample(2000, "cpu", generator())
    assert z.shape == (2000, 50)
    assert (z.mean().item(), z.std().item()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    z = Uniform(50).sample(2000, "cpu", generator())
    assert z.min() >= -1
    assert z.max() < 1
    assert z.var().item() == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("make", [Normal, Uniform, Codes])
def test_z_dim_must_be_at_least_one(make: type) -> None:
    with pytest.raises(GanctlError, match="z_dim is 0"):
        make(0)


def test_codes_concatenate_noise_one_hot_and_uniform() -> None:
    codes = Codes(8, (3, 4), 2)
    assert (codes.noise, codes.categorical, codes.continuous, codes.dim) == (8, (3, 4), 2, 17)
    z = codes.sample(6000, "cpu", generator())
    assert z.shape == (6000, 17)
    assert z.dtype == torch.float32
    noise, (three, four), u = codes.split(z)
    assert torch.equal(torch.cat([noise, three, four, u], 1), z)
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    for one_hot, size in ((three, 3), (four, 4)):
        assert set(one_hot.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(one_hot.sum(1), torch.ones(6000))
        torch.testing.assert_close(one_hot.mean(0), torch.full((size,), 1 / size), atol=0.02, rtol=0)
    assert u.min() >= -1
    assert u.max() < 1
    assert u.var(0).tolist() == [pytest.approx(1 / 3, abs=0.02)] * 2
    # The codes are independent of each other.
    assert (three.T @ four / 6000 - 1 / 12).abs().max() < 0.02


def test_default_codes_equal_infogans_codes_for_digits() -> None:
    codes = Codes()
    assert isinstance(codes, Codes)
    assert (codes.noise, codes.categorical, codes.continuous, codes.dim) == (62, (10,), 2, 74)


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({"categorical": "10,10"}, (10, 10)),
        ({"categorical": "7"}, (7,)),
        ({"categorical": 7}, (7,)),
        ({"categorical": [5, 6]}, (5, 6)),
        ({"categorical": "0", "continuous": "1"}, ()),
    ],
)
def test_categorical_accepts_values_from_the_command_line_and_from_files(
    given: dict[str, Any], sizes: tuple[int, ...]
) -> None:
    assert options.call(Codes, options.resolve("latent", "codes", Codes, given)).categorical == sizes


@pytest.mark.parametrize(
    "given",
    [{"categorical": 1}, {"categorical": (10, 1)}, {"categorical": 0, "continuous": 0}, {"continuous": -1}],
)
def test_invalid_codes_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(GanctlError, match="a categorical code needs at least 2 categories") as caught:
        Codes(**given)
    assert caught.value.status == USAGE


def test_same_generator_state_produces_the_same_codes() -> None:
    codes = Codes(4, 3, 1)
    assert torch.equal(codes.sample(9, "cpu", generator(3)), codes.sample(9, "cpu", generator(3)))
    assert not torch.equal(codes.sample(9, "cpu", generator(3)), codes.sample(9, "cpu", generator(4)))


def test_truncation_applies_to_the_noise_but_not_to_the_codes() -> None:
    codes = Codes(30, 5, 2)
    noise, (one_hot,), u = codes.split(codes.sample_truncated(500, 0.5, generator()))
    assert noise.abs().max() <= 0.5
    assert torch.equal(one_hot.sum(1), torch.ones(500))
    assert u.abs().max() > 0.9
    with pytest.raises(GanctlError, match="--truncation is 0"):
        codes.sample_truncated(5, 0, generator())


def test_with_code_changes_only_one_code() -> None:
    codes = Codes(4, (3, 5), 2)
    z = codes.sample(6, "cpu", generator())
    before = z.clone()
    copies = codes.with_code(z, "c1=2")
    assert copies.shape == (1, 6, 14)
    noise, (three, five), u = codes.split(copies[0])
    assert torch.equal(five, torch.tensor([0.0, 0, 1, 0, 0]).expand(6, 5))
    assert torch.equal(torch.cat([noise, three], 1), z[:, :7])
    assert torch.equal(u, z[:, 12:])
    copies = codes.with_code(z, "u1 = -0.5")
    assert torch.equal(copies[0, :, :13], z[:, :13])
    assert torch.equal(copies[0, :, 13], torch.full((6,), -0.5))
    assert torch.equal(z, before)


def test_with_code_returns_a_copy_per_value() -> None:
    codes = Codes(4, 3, 1)
    z = codes.sample(6, "cpu", generator())
    copies = codes.with_code(z, "c=all")
    assert copies.shape == (3, 6, 8)
    for value, row in enumerate(copies):
        assert row[:, 4:7].argmax(1).tolist() == [value] * 6
        assert torch.equal(row[:, 4:7].sum(1), torch.ones(6))
        assert torch.equal(row[:, :4], z[:, :4])
    copies = codes.with_code(z, "u=-1..1", steps=5)
    assert copies[:, 0, 7].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert codes.with_code(z, "u0=2..0", steps=3)[:, 5, 7].tolist() == [2, 1, 0]
    # Two codes are set one after the other.
    both = codes.with_code(codes.with_code(z, "c=1")[0], "u=0.5")[0]
    assert both[:, 4:].tolist() == [[0, 1, 0, 0.5]] * 6


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("c=3", "cannot be '3'", "Give 0 to 2, or all"),
        ("c=-1", "cannot be '-1'", "Give 0 to 2"),
        ("c0=many", "cannot be 'many'", "Give 0 to 2"),
        ("c", "cannot be ''", "Give 0 to 2"),
        ("u0=all", "cannot be 'all'", "u0=-1..1"),
        ("u1=1..", "cannot be '1..'", "u1=-1..1"),
        ("u1=nan", "cannot be 'nan'", "u1=-1..1"),
        ("u=1", "no code 'u'", "u0"),
        ("k=1", "no code 'k'", "c0, c, u0, u1"),
    ],
)
def test_invalid_code_values_are_refused(code: str, message: str, hint: str) -> None:
    codes = Codes(4, 3, 2)
    with pytest.raises(GanctlError, match=message) as caught:
        codes.with_code(codes.sample(2, "cpu", generator()), code)
    assert hint in caught.value.hint
    assert caught.value.status == USAGE
