"""Create sweep folders with runs in every state, without training."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ganctl.runs import status as run_status
from ganctl.runs.folder import Run
from ganctl.runs.status import State, Status
from ganctl.sweeps.folder import Entry, Sweep, this_machine, this_pid_namespace


def fake_sweep(path: Path, n: int = 6) -> Sweep:
    """Create ``n`` runs of 100 steps: one finished, one failed, one running, one stopped, and the rest waiting."""
    (path / "queue").mkdir(parents=True)
    entries = []
    for i in range(n):
        name = f"lr={i + 1}e-4"
        entry = Entry(
            name, {"lr": (i + 1) * 1e-4}, {"lr": f"{i + 1}e-4"}, Run(path / name), 100, 20, path / "queue"
        )
        entry.run.samples_dir.mkdir(parents=True)
        run_status.write(entry.run.status_file, Status("waiting"))
        entries.append(entry)
    finished, failed, running, stopped = entries[:4]
    record(finished, "finished", 100, 10.0)
    record(failed, "running", 20, 2.0)
    record(running, "running", 50, 10.0)
    record(stopped, "stopped", 25, 4.0)
    finished.end_file.write_text('{"state": "finished"}')
    failed.end_file.write_text('{"state": "failed", "message": "It diverged."}')
    here = {"machine": this_machine(), "pid_namespace": this_pid_namespace()}
    running.worker_file.write_text(json.dumps({**here, "pid": os.getpid(), "host": "here"}))
    stopped.worker_file.write_text(json.dumps({**here, "pid": 2**22 + 1, "host": "here"}))
    return Sweep(path, {}, {"lr": [entry.texts["lr"] for entry in entries]}, entries, 1)


def record(entry: Entry, state: State, step: int, seconds: float) -> None:
    """Write the logs and the status of a run that reached ``step`` after ``seconds``."""
    run_status.write(entry.run.status_file, Status(state, step))
    values = {
        "step": step,
        "epoch": step / 50,
        "g_loss": 0.5,
        "d_loss": "nan",
        "D(x)": 0.875,
        "D(G(z))": 0.125,
    }
    entry.run.losses_file.write_text(json.dumps({"step": 1}) + "\n" + json.dumps(values) + "\n")
    timing = {"step": step, "seconds": seconds, "images_per_second": 100.0}
    entry.run.timing_file.write_text(json.dumps(timing) + "\n")
