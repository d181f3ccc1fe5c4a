"""Test ``ganctl list``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.plugin_distributions import LOSS, install

import ganctl as package
from ganctl.plugin.registry import KINDS

Run = Callable[..., subprocess.CompletedProcess[str]]
EXPECTED = {
    "model": {"gan-basic", "gan", "dcgan", "dcgan-upsample"},
    "generator": {"mlp", "dcgan", "dcgan-upsample"},
    "discriminator": {"mlp", "dcgan", "dcgan-upsample"},
    "loss": {"bce", "minimax", "lsgan", "hinge"},
    "dataset": {
        *("mnist", "fashion-mnist", "kmnist", "emnist", "cifar10", "cifar100", "svhn", "stl10", "celeba"),
        *("folder", "glyphs"),
    },
    "optimizer": {"adam", "adamw", "rmsprop", "sgd"},
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_list_shows_names_summaries_and_packages(ganctl: Run, kind: str) -> None:
    result = ganctl("list", KINDS[kind])
    header, *rows = result.stdout.splitlines()
    assert header.split()[0] == "NAME"
    assert {row.split()[0] for row in rows} >= EXPECTED[kind]
    assert all(row.endswith(f"ganctl {package.__version__}") for row in rows)

    items = json.loads(ganctl("list", KINDS[kind], "--json").stdout)
    assert [item["name"] for item in items] == [row.split()[0] for row in rows]
    for item, row in zip(items, rows, strict=True):
        assert item["kind"] == kind
        assert item["summary"] in row
        assert (item["distribution"], item["version"]) == ("ganctl", package.__version__)


def test_models_are_listed_with_networks_and_loss(ganctl: Run) -> None:
    lines = {line.split()[0]: line for line in ganctl("list", "models").stdout.splitlines()}
    assert "mlp, bce" in lines["gan-basic"]
    items = {item["name"]: item for item in json.loads(ganctl("list", "models", "--json").stdout)}
    assert items["dcgan"]["generator"] == "dcgan"
    assert items["dcgan"]["loss"] == "bce"


def test_ambiguous_names_are_listed_with_their_distribution(ganctl: Run, tmp_path: Path) -> None:
    install(tmp_path, "acme", LOSS.format(module="acme").replace("my-loss", "bce"))
    result = ganctl("list", "losses", env={"PYTHONPATH": str(tmp_path)})
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert {"acme:bce", "ganctl:bce", "hinge"} <= set(names)
    assert "bce" not in names


def test_list_without_a_kind_shows_all_names(ganctl: Run) -> None:
    header, *rows, empty, _, hint = ganctl("list").stdout.splitlines()
    assert header.split() == ["KIND", "NAMES"]
    assert [row.split()[0] for row in rows] == list(KINDS.values())
    names = {row.split()[0]: set(row.split(maxsplit=1)[1].split(", ")) for row in rows}
    for kind, expected in EXPECTED.items():
        assert names[KINDS[kind]] >= expected
    assert empty == ""
    assert "ganctl info NAME" in hint

    items = json.loads(ganctl("list", "--json").stdout)
    assert {item["kind"] for item in items} == set(KINDS)
    assert [item for item in items if item["kind"] == "loss"] == json.loads(
        ganctl("list", "losses", "--json").stdout
    )


@pytest.mark.parametrize("kind", ["loss", "losses", "Loss"])
def test_kind_can_be_singular_or_plural(ganctl: Run, kind: str) -> None:
    assert "\nhinge " in ganctl("list", kind).stdout


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("lossses", "Did you mean 'losses'? See: ganctl list"),
        ("modle", "Did you mean 'models'? See: ganctl list"),
        ("xyzzy", "Choose from: augmentations, datasets, "),
    ],
)
def test_misspelled_kind_gets_a_suggestion(ganctl: Run, kind: str, hint: str) -> None:
    result = ganctl("list", kind)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: There is no kind of component '{kind}'.\nhint: {hint}")


def test_kind_without_components_prints_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganctl.cli.list_components import list_components
    from ganctl.plugin import discovery

    monkeypatch.setattr(discovery, "registry", lambda: discovery.discover([]).registry)
    list_components.main(["models"], standalone_mode=False)
    assert "There are no models" in capsys.readouterr().out
