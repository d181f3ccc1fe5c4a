"""Test the number of worker processes."""

from __future__ import annotations

import json

import pytest

from ganctl.sweeps import folder
from ganctl.sweeps.folder import Sweep
from ganctl.sweeps.supervisor import target_workers

HERE = {"machine": folder.this_machine(), "pid_namespace": folder.this_pid_namespace()}


@pytest.mark.parametrize(
    ("pids", "reports", "expected"),
    [
        ([], [], 1),
        ([7], [], 1),  # the memory of process 7 is not measured yet
        ([7], [(7, 100, 125)], 2),
        ([7], [(7, 100, 124)], 1),  # too little memory is free
        ([7, 8], [(7, 100, 1000)], 2),  # process 8 is not measured yet
        ([7], [(7, 100, 1000), (8, 100, 50)], 2),  # process 8 belongs to another supervisor
    ],
)
def test_target_depends_on_free_memory_and_cpus(
    pids: list[int],
    reports: list[tuple[int, int, int]],
    expected: int,
    sweep: Sweep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ganctl.sweeps.supervisor.usable_processors", lambda: 16)
    for entry, (pid, memory, free) in zip(sweep, reports, strict=False):
        worker = {**HERE, "pid": pid, "memory": memory, "free": free}
        entry.worker_file.write_text(json.dumps(worker))
    assert target_workers(sweep.entries, None, pids) == expected
    assert target_workers(sweep.entries, 5, pids) == 5
    monkeypatch.setattr("ganctl.sweeps.supervisor.usable_processors", lambda: 1)
    assert target_workers(sweep.entries, None, pids) == max(1, len(pids))
