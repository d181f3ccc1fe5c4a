"""Test sweep requests from a TOML file and from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganctl.errors import GanctlError
from ganctl.sweeps.runner import make_request
from ganctl.sweeps.variation import parse_options
from ganctl.system import toml


def test_command_line_takes_precedence_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        'model = "gan"\ndata = "glyphs"\nepochs = 3\nseeds = 2\n[generator]\nhidden = [8]\n'
        '[grid]\nlr = [1e-4, 2e-4]\n"discriminator.hidden" = [[8, 4], [4]]\n'
    )
    request = make_request(file, {}, {})
    assert len(request.planned) == 8
    assert request.planned[0].values == {"lr": 1e-4, "discriminator.hidden": [8, 4], "seed": 0}
    assert request.planned[0].texts == {"lr": "1e-4", "discriminator.hidden": "8,4", "seed": "0"}
    assert request.planned[0].config.discriminator.options["hidden"] == (8, 4)
    over = make_request(
        file, parse_options(zip=["lr=1e-3"], seeds=1), {"epochs": "5"}, ["generator.hidden=4"]
    )
    assert [each.texts for each in over.planned] == [
        {"discriminator.hidden": "8,4", "lr": "1e-3"},
        {"discriminator.hidden": "4", "lr": "1e-3"},
    ]
    assert {(each.config.epochs, each.config.generator.options["hidden"]) for each in over.planned} == {
        (5, (4,))
    }

    again = tmp_path / "again.toml"  # settings written by a sweep request the same runs
    again.write_text(toml.write(over.settings, {}))
    assert [each.config for each in make_request(again, {}, {}).planned] == [
        each.config for each in over.planned
    ]
    assert over.settings["epochs"] == 5


def test_file_can_be_a_plain_training_config(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('model = "gan"\ndata = "glyphs"\nlr = 1e-3\n')
    assert len(make_request(file, parse_options(grid=["lr=1e-4,2e-4"]), {}).planned) == 2
    file.write_text('model = "gan"\ngrid = "lr"\n')
    with pytest.raises(GanctlError, match="grid is 'lr'"):
        make_request(file, {}, {})
