"""The table in docs/models.md contains every loss with its models and defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganctl.plugin import discovery, options

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
LOSSES = sorted(item.name for item in discovery.registry().all("loss") if item.distribution == "ganctl")


def table() -> dict[str, list[str]]:
    """Return the cells of each loss's row."""
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
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
    documented = dict(re.findall(r"`(\w+)` ([\w.-]+)", defaults.replace("as `bce`", "")))
    actual = {option.name: option.default for option in options.of("loss", registry.get("loss", name).load())}
    for option, value in documented.items():
        assert option in actual
        default = actual[option]
        assert (str(default).lower() if isinstance(default, (bool, str)) else default) == (
            value if isinstance(default, (bool, str)) else float(value)
        )
    inherited = {"label_smoothing"} if name in ("minimax", "bgan") else set()
    assert set(actual) - inherited == set(documented)
