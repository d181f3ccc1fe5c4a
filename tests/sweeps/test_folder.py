"""Test reading a sweep folder: run states, last records, and damaged files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.fake_sweeps import fake_sweep, record

from ganctl.errors import GanctlError
from ganctl.runs import status as run_status
from ganctl.runs.status import Failure, Status
from ganctl.sweeps.folder import Sweep, last_record, read


def test_runs_have_the_expected_states_and_reasons(tmp_path: Path) -> None:
    sweep = fake_sweep(tmp_path)
    assert [entry.state for entry in sweep] == [
        "finished",
        "failed",
        "running",
        "stopped",
        "waiting",
        "waiting",
    ]
    assert sweep.entries[1].reason == "It diverged."
    assert sweep.entries[2].last["seconds"] == 10.0
    assert sweep.entries[4].last == {}


def test_state_of_an_entry_equals_the_state_of_its_run(tmp_path: Path) -> None:
    entry = fake_sweep(tmp_path).entries[4]
    record(
        entry, "finished", 100, 1.0
    )  # as if the run had been resumed outside the sweep with ganctl train --resume
    assert entry.state == "finished"
    record(entry, "running", 50, 1.0)
    assert entry.state == "killed"  # no process holds the run
    with entry.run.lock():
        assert entry.state == "running"
    error = Failure("The loss is nan.", "Lower the learning rate.", 5)
    run_status.write(entry.run.status_file, Status("diverged", 60, error=error))
    assert entry.state == "stopped"  # a worker will try the run again
    entry.end_file.write_text('{"state": "failed", "message": "It broke."}')
    assert entry.state == "diverged"
    assert entry.reason == "The loss is nan."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('{"a": 1}\n', {"a": 1}),
        ('{"a": 1}\n{"a": 2', {"a": 1}),  # incomplete
        ('{"a": 1}\n{"a": 2}', {"a": 1}),
        ('{"a": 1}\n{"a": \n', {"a": 1}),
        ('{"a": 1}\n' * 5000 + '{"a": 2}\n', {"a": 2}),
    ],
)
def test_last_complete_record_is_returned(text: str, expected: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert last_record(path) == {}
    path.write_text(text)
    assert last_record(path) == expected


def test_damaged_files_are_ignored_or_reported(sweep: Sweep) -> None:
    sweep.entries[0].end_file.write_text("{")  # an incomplete file is ignored
    assert sweep.entries[0].state == "waiting"
    (sweep.path / "runs.json").write_text('{"runs": 3}')
    with pytest.raises(GanctlError, match=r"runs\.json cannot be read"):
        read(sweep.path)


def test_supervisor_does_not_import_torch() -> None:
    code = "import sys, ganctl.sweeps.supervisor; print({'torch', 'numpy', 'rich'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "set()\n", result.stderr
