"""Who works on what."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers.in_process_workers import run_workers_in_process

from ganctl.errors import GanctlError
from ganctl.sweeps import claim, folder
from ganctl.sweeps.folder import Entry, Sweep, read
from ganctl.sweeps.plan import from_text
from ganctl.sweeps.runner import asked_for, begin
from ganctl.sweeps.supervisor import _wanted


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Three runs, none begun."""
    run_workers_in_process(monkeypatch)
    given = {"model": "gan", "data": {"name": "glyphs", "n": 20}, "batch_size": 10, "steps": 2}
    request = asked_for(None, from_text(grid=["lr=1e-4,2e-4,3e-4"]), {}, layer=given)
    return begin(request, jobs=1, command="", sweeps=tmp_path, out=None, quiet=True)


def test_each_is_taken_once(sweep: Sweep) -> None:
    taken = [claim.take(sweep) for _ in range(4)]
    assert taken[3] is None
    assert [each.entry.name for each in taken if each] == ["lr=1e-4", "lr=2e-4", "lr=3e-4"]
    assert {entry.state for entry in sweep} == {"running"}
    for each in taken[:3]:
        assert each
        each.released()
    assert {entry.state for entry in sweep} == {"waiting"}
    first = claim.take(sweep, skip={"lr=1e-4"})
    assert first
    assert first.entry.name == "lr=2e-4"
    first.done()
    second = claim.take(sweep, skip={"lr=1e-4"})
    assert second
    second.failed("It broke.", "Mend it.", 5)
    assert [entry.state for entry in sweep] == ["waiting", "done", "failed"]
    assert [entry.reason for entry in sweep] == ["", "", "It broke."]
    assert claim.take(sweep, skip={"lr=1e-4"}) is None
    claim.forget_failures(sweep)
    assert [entry.state for entry in sweep] == ["waiting", "done", "waiting"]


def test_threads_of_one_process_share_nothing(sweep: Sweep) -> None:
    names = []

    def work() -> None:
        for _ in range(20):
            if (mine := claim.take(sweep)) is not None:
                names.append(mine.entry.name)
                mine.done()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == ["lr=1e-4", "lr=2e-4", "lr=3e-4"]


def test_a_worker_tells_about_itself(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "SECONDS_BETWEEN_BEATS", 0.01)
    mine = claim.take(sweep)
    assert mine
    mine.add(memory=5)
    until = time.monotonic() + 10
    while (mine.entry.worker or {}).get("beat", 0) < 3:
        assert time.monotonic() < until
        time.sleep(0.005)
    about = mine.entry.worker
    assert about
    assert about["memory"] == 5
    assert about["machine"] == folder.this_machine()
    mine.released()
    assert mine.entry.worker is None
    assert not list(mine.entry.queue.glob(".*"))


def left_by(entry: Entry, machine: str, beat: int = 0) -> None:
    about = {"machine": machine, "host": "elsewhere", "pid": 1, "beat": beat}
    entry.worker_file.write_text(json.dumps(about))


def test_what_a_dead_machine_left_is_taken_up(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "SECONDS_UNTIL_GONE", 1.0)
    left_by(sweep.entries[0], "another boot")
    assert sweep.entries[0].state == "running"  # for all that can be seen
    looked = 0

    def check() -> None:
        nonlocal looked
        looked += 1

    mine = claim.take(sweep, check=check)
    assert mine
    assert mine.entry.name == "lr=1e-4"
    assert looked >= 2
    mine.released()


def test_a_file_system_that_keeps_locks_to_itself_is_noticed(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine is at work, as its beats show, and yet its lock can be had here."""
    left_by(sweep.entries[0], "another boot")
    beats = 0

    def check() -> None:
        nonlocal beats
        beats += 1
        left_by(sweep.entries[0], "another boot", beats)

    with pytest.raises(GanctlError, match=r"elsewhere is at work on .*lr=1e-4.* does not pass locks on"):
        claim.take(sweep, check=check)
    assert claim.locked(sweep.entries[0]) is not None  # given back


def test_a_run_whose_process_dies_again_and_again_has_failed(sweep: Sweep) -> None:
    entry = sweep.entries[0]
    for _ in range(2):
        claim.count_death(entry, "was ended by SIGKILL (out of memory?)")
    assert entry.state == "waiting"
    entry.run.checkpoint_file(1).touch()  # it got on: that counts from the beginning
    for _ in range(2):
        claim.count_death(entry, "was ended by SIGKILL (out of memory?)")
    assert entry.end is None
    claim.count_death(entry, "was ended by SIGKILL (out of memory?)")
    assert entry.state == "failed"
    assert entry.reason == (
        "Its process was ended by SIGKILL (out of memory?), 3 times after step-00000001.pt."
    )
    claim.forget_failures(sweep)
    claim.count_death(entry, "…")
    assert entry.end is None


@pytest.mark.parametrize(
    ("crew", "reports", "wanted"),
    [
        ([], [], 1),
        ([7], [], 1),  # not measured yet
        ([7], [(7, 100, 125)], 2),
        ([7], [(7, 100, 124)], 1),  # no room
        ([7, 8], [(7, 100, 1000)], 2),  # the second is not measured yet
        ([7], [(7, 100, 1000), (8, 100, 50)], 2),  # 8 is another terminal's
    ],
)
def test_as_many_as_there_is_room_for(
    crew: list[int],
    reports: list[tuple[int, int, int]],
    wanted: int,
    sweep: Sweep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ganctl.sweeps.supervisor.usable_processors", lambda: 16)
    for entry, (pid, memory, free) in zip(sweep, reports, strict=False):
        about = {"machine": folder.this_machine(), "pid": pid, "memory": memory, "free": free}
        entry.worker_file.write_text(json.dumps(about))
    assert _wanted(sweep.entries, None, crew) == wanted
    assert _wanted(sweep.entries, 5, crew) == 5
    monkeypatch.setattr("ganctl.sweeps.supervisor.usable_processors", lambda: 1)
    assert _wanted(sweep.entries, None, crew) == max(1, len(crew))


def test_processors_and_memory_are_known() -> None:
    from ganctl.sweeps.worker import measured
    from ganctl.system.memory import free_memory
    from ganctl.system.processors import usable_processors

    assert usable_processors() >= 1
    assert measured(torch.device("cpu"))["memory"] > 50e6
    if Path("/proc/meminfo").exists():
        assert (free_memory() or 0) > 1e6


def test_what_is_damaged_is_said(sweep: Sweep) -> None:
    sweep.entries[0].end_file.write_text("{")  # half written: as if it was not there
    assert sweep.entries[0].state == "waiting"
    (sweep.path / "runs.json").write_text('{"runs": 3}')
    with pytest.raises(GanctlError, match=r"runs\.json cannot be read"):
        read(sweep.path)
