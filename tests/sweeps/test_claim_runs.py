"""Test claiming runs: locks, heartbeats and crashes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest

from ganctl.errors import GanctlError
from ganctl.sweeps import claim_runs, folder
from ganctl.sweeps.folder import Entry, Sweep


def test_each_run_is_claimed_once(sweep: Sweep) -> None:
    claims = [claim_runs.claim_next(sweep) for _ in range(4)]
    assert claims[3] is None
    assert [each.entry.name for each in claims if each] == ["lr=1e-4", "lr=2e-4", "lr=3e-4"]
    assert {entry.state for entry in sweep} == {"running"}
    for each in claims[:3]:
        assert each
        each.release()
    assert {entry.state for entry in sweep} == {"waiting"}
    first = claim_runs.claim_next(sweep, skip={"lr=1e-4"})
    assert first
    assert first.entry.name == "lr=2e-4"
    first.finish()
    second = claim_runs.claim_next(sweep, skip={"lr=1e-4"})
    assert second
    second.fail("It broke.", "Fix it.", 5)
    assert [entry.state for entry in sweep] == ["waiting", "finished", "failed"]
    assert [entry.reason for entry in sweep] == ["", "", "It broke."]
    assert claim_runs.claim_next(sweep, skip={"lr=1e-4"}) is None
    claim_runs.reset_failed_runs(sweep)
    assert [entry.state for entry in sweep] == ["waiting", "finished", "waiting"]


def test_threads_of_one_process_claim_different_runs(sweep: Sweep) -> None:
    names = []

    def work() -> None:
        for _ in range(20):
            if (claimed := claim_runs.claim_next(sweep)) is not None:
                names.append(claimed.entry.name)
                claimed.finish()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == ["lr=1e-4", "lr=2e-4", "lr=3e-4"]


def test_worker_file_has_heartbeats_and_updates(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_runs, "HEARTBEAT_INTERVAL", 0.01)
    claimed = claim_runs.claim_next(sweep)
    assert claimed
    claimed.update(memory=5)
    until = time.monotonic() + 10
    while (claimed.entry.worker or {}).get("heartbeat", 0) < 3:
        assert time.monotonic() < until
        time.sleep(0.005)
    worker = claimed.entry.worker
    assert worker
    assert worker["memory"] == 5
    assert worker["machine"] == folder.this_machine()
    claimed.release()
    assert claimed.entry.worker is None
    assert not list(claimed.entry.queue.glob(".*"))


def test_worker_in_another_container_is_alive_as_long_as_it_holds_its_lock(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = sweep.entries[0]
    claimed = claim_runs.claim_next(sweep)
    assert claimed
    worker = {
        **(entry.worker or {}),
        "pid_namespace": "pid:[1]",
        "pid": 2**22 + 1,
    }  # this PID does not exist here
    entry.worker_file.write_text(json.dumps(worker))
    assert entry.state == "running"
    claimed.release()
    entry.worker_file.write_text(json.dumps({**worker, "pid": 1}))  # a dead worker whose PID exists here
    assert entry.state == "waiting"


CLAIM = """
import sys, time
from pathlib import Path
from ganctl.sweeps import claim_runs, folder
claim = claim_runs.claim_next(folder.read(Path(sys.argv[1])))
print("claimed", flush=True)
time.sleep(60)
"""


def test_worker_in_another_pid_namespace_is_alive_until_it_is_killed(sweep: Sweep) -> None:
    unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this user cannot create PID namespaces")
    entry = sweep.entries[0]
    # Start the worker from a shell, so that the worker is not process 1 of its namespace.
    command = [*unshare, "sh", "-c", 'true; "$@"; true', "sh", sys.executable, "-c", CLAIM, str(sweep.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "claimed\n"
        worker = entry.worker
        assert worker
        assert entry.state == "running"
        process.kill()
    worker["pid"] = 1  # a process with this PID exists here
    entry.worker_file.write_text(json.dumps(worker))
    until = time.monotonic() + 10
    while entry.state != "waiting":
        assert time.monotonic() < until
        time.sleep(0.01)


def write_remote_worker(entry: Entry, heartbeat: int = 0) -> None:
    """Write the worker file of a worker on another machine."""
    worker = {"machine": "another boot", "host": "elsewhere", "pid": 1, "heartbeat": heartbeat}
    entry.worker_file.write_text(json.dumps(worker))


def test_run_of_dead_machine_is_claimed_after_timeout(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_runs, "HEARTBEAT_TIMEOUT", 1.0)
    write_remote_worker(sweep.entries[0])
    assert sweep.entries[0].state == "running"  # the heartbeat is recent
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1

    claimed = claim_runs.claim_next(sweep, check=check)
    assert claimed
    assert claimed.entry.name == "lr=1e-4"
    assert checks >= 2
    claimed.release()


def test_file_system_without_shared_locks_is_an_error(sweep: Sweep) -> None:
    """Another machine sends heartbeats, but this machine can acquire the run's lock."""
    write_remote_worker(sweep.entries[0])
    heartbeats = 0

    def check() -> None:
        nonlocal heartbeats
        heartbeats += 1
        write_remote_worker(sweep.entries[0], heartbeats)

    with pytest.raises(GanctlError, match=r"elsewhere is training .*lr=1e-4.* does not share locks"):
        claim_runs.claim_next(sweep, check=check)
    assert claim_runs.acquire_lock(sweep.entries[0]) is not None  # released by claim_next


def test_run_fails_after_repeated_crashes_at_one_checkpoint(sweep: Sweep) -> None:
    entry = sweep.entries[0]
    for _ in range(2):
        claim_runs.count_crash(entry, "was ended by SIGKILL (out of memory?)")
    assert entry.state == "waiting"
    entry.run.checkpoint_file(1).touch()  # a new checkpoint resets the count
    for _ in range(2):
        claim_runs.count_crash(entry, "was ended by SIGKILL (out of memory?)")
    assert entry.end is None
    claim_runs.count_crash(entry, "was ended by SIGKILL (out of memory?)")
    assert entry.state == "failed"
    assert entry.reason == (
        "Its process was ended by SIGKILL (out of memory?) 3 times after step-00000001.pt."
    )
    claim_runs.reset_failed_runs(sweep)
    claim_runs.count_crash(entry, "…")
    assert entry.end is None
