"""Making the sweep folder: it appears whole, with a run folder for every run, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganctl.errors import USAGE, GanctlError, status_of
from ganctl.runs import status as run_status
from ganctl.runs.folder import Run
from ganctl.runs.status import Status
from ganctl.sweeps.folder import Sweep, is_sweep, read
from ganctl.sweeps.plan import Planned, title, varying
from ganctl.system import toml
from ganctl.system.numbered_folder import create_numbered_folder


def create(
    planned: Sequence[Planned],
    steps: Sequence[int],
    asked: Mapping[str, Any],
    *,
    command: str,
    threads: int,
    sweeps: Path,
    out: Path | None,
) -> Sweep:
    """A new sweep of the runs ``planned``: ``sweeps/NNNNN-name``, or exactly ``out``.

    If ``out`` is a sweep of the same runs already, it is that one: so the same command, given again or on another
    machine, goes on with it.

    Args:
        steps: how many each run has to take.
        asked: what ``sweep.toml`` says.
        command: the command line that asked for it, for whoever reads that file.
        threads: of the processor, for each run.

    Raises:
        GanctlError: ``out`` is something else, or the folder cannot be made.
    """
    if out is not None and is_sweep(out):
        return _same(out, planned)
    parent = out.absolute().parent if out is not None else sweeps
    try:
        parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            new.chmod(
                0o777 & ~_umask()
            )  # mkdtemp keeps others out, and other machines' workers may be others
            _fill(new, planned, steps, asked, command, threads)
            if out is not None:
                return _moved(new, out, planned)
            return read(create_numbered_folder(parent, title(planned), new.rename, default="sweep"))
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise GanctlError(
            f"Cannot make a sweep folder in {parent}: {error.strerror or error}.",
            "Choose another place with --sweeps DIR.",
            status=status_of(error),
        ) from error


def _fill(
    folder: Path,
    planned: Sequence[Planned],
    steps: Sequence[int],
    asked: Mapping[str, Any],
    command: str,
    threads: int,
) -> None:
    (folder / "queue").mkdir()
    runs = []
    for each, count in zip(planned, steps, strict=True):
        run = Run.create(folder / each.name)
        run.config_file.write_text(each.config.to_toml(), encoding="utf-8")
        run_status.write(run.status_file, Status("waiting", total=count))
        per_step = each.config.batch_size * each.config.n_critic
        runs.append({"name": each.name, "values": each.values, "steps": count, "images_per_step": per_step})
    text = f"# {command}\n\n{toml.write(asked, {})}"
    (folder / "sweep.toml").write_text(text, encoding="utf-8")
    index = {"varying": varying([each.values for each in planned]), "threads": threads, "runs": runs}
    (folder / "runs.json").write_text(
        json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _moved(new: Path, out: Path, planned: Sequence[Planned]) -> Sweep:
    try:
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        os.rename(new, out)  # fails if it is there by now, with something in it
    except OSError:
        if is_sweep(out):  # another start was quicker
            return _same(out, planned)
        if out.exists():
            raise GanctlError(
                f"{out} already exists and is not empty.", "Choose another folder.", status=USAGE
            ) from None
        raise
    return read(out)


def _same(out: Path, planned: Sequence[Planned]) -> Sweep:
    """The sweep at ``out``, if its runs are those ``planned``."""
    sweep = read(out)
    theirs = {entry.name: entry.run.config for entry in sweep}
    ours = {each.name: toml.parse(each.config.to_toml()) for each in planned}
    if theirs.keys() != ours.keys():
        other = sorted(theirs.keys() ^ ours.keys())[0]
        raise GanctlError(
            f"{out} is another sweep: {'it has' if other in theirs else 'it lacks'} the run {other}.",
            f"Go on with it as it is: ganctl sweep --resume {out}  Or choose another folder.",
            status=USAGE,
        )
    for name, config in ours.items():
        # Where a worker runs and finds the data is its own affair.
        differ = [
            key
            for key in config
            if key not in ("device", "data_root") and config[key] != theirs[name].get(key)
        ]
        if differ:
            raise GanctlError(
                f"{out} is another sweep: its run {name} has another {differ[0]}.",
                f"Go on with it as it is: ganctl sweep --resume {out}  Or choose another folder.",
                status=USAGE,
            )
    return sweep


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
