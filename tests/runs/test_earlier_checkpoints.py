"""Test that a checkpoint from ganctl 0.1.0, before the code was split into packages, can be sampled and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import ganctl
from ganctl import DATA, GanctlError
from ganctl.runs import checkpoint

FIXTURES = Path(__file__).parents[1] / "fixtures"
#: Step 4 of 6: gan-basic, 4 hidden units, 8×8 glyphs.
OLD = FIXTURES / "checkpoint-0.1.0.pt"


def test_old_checkpoint_can_be_sampled() -> None:
    x = ganctl.load(OLD).sample(5)
    assert x.shape == (5, 1, 8, 8)
    assert x.isfinite().all()


def test_old_checkpoint_is_resumed_in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        run = ganctl.train(resume_from=OLD, quiet=True)
    except GanctlError as error:
        if error.status != DATA:
            raise
        pytest.skip("this version of Pillow draws other glyphs")
    assert run.path.name == "00001-gan-basic-glyphs"
    weights = checkpoint.load(run.checkpoint_file(6))["engine"]["G"]
    expected = json.loads((FIXTURES / "checkpoint-0.1.0-step-6.json").read_text())
    for name, values in expected.items():
        # Images and sums depend on the machine, so the values agree to a few digits but are not bit-identical.
        torch.testing.assert_close(weights[name].flatten(), torch.tensor(values), rtol=1e-3, atol=1e-4)


def test_run_folder_created_by_an_earlier_version_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "00001-gan-basic-glyphs"
    (old / "checkpoints").mkdir(parents=True)
    (old / "config.toml").write_text('model = "gan-basic"\n')
    (old / "checkpoints" / "step-00000004.pt").write_bytes(OLD.read_bytes())
    with pytest.raises(GanctlError, match=r"has no status\.json: an earlier version of ganctl created it"):
        ganctl.train(resume_from=old, quiet=True)
    assert ganctl.load(old).step == 4
