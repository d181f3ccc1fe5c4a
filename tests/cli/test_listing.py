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
def test_a_listing_has_names_summaries_and_where_from(ganctl: Run, kind: str) -> None:
    result = ganctl(KINDS[kind])
    header, *rows = result.stdout.splitlines()
    assert header.split()[0] == "NAME"
    assert {row.split()[0] for row in rows} >= EXPECTED[kind]
    assert all(row.endswith(f"ganctl {package.__version__}") for row in rows)

    items = json.loads(ganctl(KINDS[kind], "--json").stdout)
    assert [item["name"] for item in items] == [row.split()[0] for row in rows]
    for item, row in zip(items, rows, strict=True):
        assert item["kind"] == kind
        assert item["summary"] in row
        assert (item["distribution"], item["version"]) == ("ganctl", package.__version__)


def test_models_say_what_they_are_made_of(ganctl: Run) -> None:
    lines = {line.split()[0]: line for line in ganctl("models").stdout.splitlines()}
    assert "mlp, bce" in lines["gan-basic"]
    items = {item["name"]: item for item in json.loads(ganctl("models", "--json").stdout)}
    assert items["dcgan"]["generator"] == "dcgan"
    assert items["dcgan"]["loss"] == "bce"


def test_two_of_one_name_are_shown_as_what_chooses_them(ganctl: Run, tmp_path: Path) -> None:
    install(tmp_path, "acme", LOSS.format(module="acme").replace("my-loss", "bce"))
    result = ganctl("losses", env={"PYTHONPATH": str(tmp_path)})
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert {"acme:bce", "ganctl:bce", "hinge"} <= set(names)
    assert "bce" not in names


def test_a_kind_that_nobody_registers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganctl.cli.listing import LISTINGS
    from ganctl.plugin import discovery

    monkeypatch.setattr(discovery, "registry", lambda: discovery.discover([]).registry)
    LISTINGS[0].main([], standalone_mode=False)
    assert "There are no models" in capsys.readouterr().out
