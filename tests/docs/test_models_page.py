"""Test that the tables in docs/models.md contain every loss with its models and defaults, and every regularizer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganctl.plugin import discovery, options

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
LOSSES = sorted(item.name for item in discovery.registry().all("loss") if item.distribution == "ganctl")


REGULARIZERS = sorted(
    item.name for item in discovery.registry().all("regularizer") if item.distribution == "ganctl"
)


def table(first_column: str = "Loss, models") -> dict[str, list[str]]:
    """Return the cells of each table row, keyed by the first name in the row."""
    rows = {}
    text = PAGE.read_text(encoding="utf-8").partition(f"| {first_column} |")[2].partition("\n\n")[0]
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows[re.findall(r"`([^`]+)`", cells[0])[0]] = cells
    return rows


def test_every_loss_has_a_row_of_seven_cells() -> None:
    assert sorted(table()) == LOSSES
    assert {len(cells) for cells in table().values()} == {7}
    assert all(all(cells) for cells in table().values())


@pytest.mark.parametrize("name", LOSSES)
def test_models_and_defaults_are_correct(name: str) -> None:
    registry = discovery.registry()
    recipes = [item.load() for item in registry.all("model") if item.distribution == "ganctl"]
    names, _, _, _, defaults, *_ = table()[name]
    models = set(re.findall(r"`([^`]+)`", names.partition(":")[2]))
    assert models == {recipe.name for recipe in recipes if recipe.loss.name == name}
    inherited = {"label_smoothing"} if name in ("minimax", "bgan") else set()
    check_defaults("loss", name, defaults.replace("as `bce`", ""), inherited)


def check_defaults(kind: str, name: str, text: str, inherited: set[str]) -> None:
    """Check that ``text`` contains the default of every option that is not in ``inherited``."""
    documented = dict(re.findall(r"`(\w+)` ([\w.-]+)", text))
    factory = discovery.registry().get(kind, name).load()
    actual = {option.name: option.default for option in options.of(kind, factory)}
    for option, value in documented.items():
        assert option in actual
        default = actual[option]
        assert (str(default).lower() if isinstance(default, (bool, str)) else default) == (
            value if isinstance(default, (bool, str)) else float(value)
        )
    assert set(actual) - inherited == set(documented)


def test_every_regularizer_has_a_row_of_six_cells() -> None:
    rows = table("Regularizer")
    assert sorted(rows) == REGULARIZERS
    assert all(len(cells) == 6 and all(cells) for cells in rows.values())


@pytest.mark.parametrize("name", REGULARIZERS)
def test_defaults_of_regularizers_are_correct(name: str) -> None:
    regularizer = discovery.registry().get("regularizer", name).load()
    inherited = {"every"} if regularizer.every == 1 else set()
    cells = table("Regularizer")[name]
    check_defaults("regularizer", name, cells[4], inherited)
    terms = {
        network[0].upper()
        for network in ("discriminator", "generator")
        if hasattr(regularizer, f"{network}_term")
    }
    assert set(cells[3].split(", ")) == terms
