"""Create a sweep folder with a run folder for every run. If an error occurs, no folder is left behind."""

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
from ganctl.sweeps.naming import sweep_name
from ganctl.sweeps.plan import PlannedRun, distinct_values
from ganctl.system import toml
from ganctl.system.numbered_folder import create_numbered_folder
from ganctl.system.pasteable_commands import ganctl_command


def create_folder(
    planned: Sequence[PlannedRun],
    steps: Sequence[int | None],
    settings: Mapping[str, Any],
    *,
    command: str,
    threads: int,
    sweeps: Path,
    out: Path | None,
) -> Sweep:
    """Create the sweep folder ``sweeps/NNNNN-name``, or ``out``.

    If ``out`` already contains a sweep with the same runs, return that sweep. Running the same command again,
    even on another machine, therefore resumes the sweep.

    Args:
        steps: total number of steps of each run; None if only the run's time is limited.
        settings: contents of ``sweep.toml``.
        command: command line that requested the sweep. It is written to ``sweep.toml`` as a comment.
        threads: number of CPU threads of each run.

    Raises:
        GanctlError: ``out`` contains something else, or the folder cannot be created.
    """
    if out is not None and is_sweep(out):
        return _read_same(out, planned)
    parent = out.absolute().parent if out is not None else sweeps
    try:
        parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            # mkdtemp denies access to other users, but workers on other machines may run as other users.
            new.chmod(0o777 & ~_umask())
            _write_files(new, planned, steps, settings, command, threads)
            if out is not None:
                return _move(new, out, planned)
            return read(create_numbered_folder(parent, sweep_name(planned), new.rename, default="sweep"))
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise GanctlError(
            f"Cannot create a sweep folder in {parent}: {error.strerror or error}.",
            "Choose another folder with --sweeps DIR.",
            status=status_of(error),
        ) from error


def _write_files(
    folder: Path,
    planned: Sequence[PlannedRun],
    steps: Sequence[int | None],
    settings: Mapping[str, Any],
    command: str,
    threads: int,
) -> None:
    (folder / "queue").mkdir()
    runs = []
    for each, count in zip(planned, steps, strict=True):
        run = Run.create(folder / each.name)
        run.config_file.write_text(each.config.to_toml(), encoding="utf-8")
        run_status.write(run.status_file, Status("waiting", total=count, minutes=each.config.minutes))
        per_step = each.config.batch_size * each.config.n_critic
        runs.append(
            {
                "name": each.name,
                "values": each.values,
                "texts": each.texts,
                "steps": count,
                "minutes": each.config.minutes,
                "images_per_step": per_step,
            }
        )
    text = f"# {command}\n\n{toml.write(settings, {})}"
    (folder / "sweep.toml").write_text(text, encoding="utf-8")
    index = {"varying": distinct_values([each.texts for each in planned]), "threads": threads, "runs": runs}
    (folder / "runs.json").write_text(
        json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _move(new: Path, out: Path, planned: Sequence[PlannedRun]) -> Sweep:
    try:
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        os.rename(new, out)  # fails if ``out`` is not empty
    except OSError:
        if is_sweep(out):  # another process has created it in the meantime
            return _read_same(out, planned)
        if out.exists():
            raise GanctlError(
                f"{out} already exists and is not empty.", "Choose another folder.", status=USAGE
            ) from None
        raise
    return read(out)


def _read_same(out: Path, planned: Sequence[PlannedRun]) -> Sweep:
    """Return the sweep at ``out`` if it has the planned runs, otherwise raise a GanctlError."""
    sweep = read(out)
    existing = {entry.name: entry.run.config for entry in sweep}
    requested = {each.name: toml.parse(each.config.to_toml()) for each in planned}
    if existing.keys() != requested.keys():
        name = sorted(existing.keys() ^ requested.keys())[0]
        raise _different(sweep, f"it {'has' if name in existing else 'lacks'} the run {name}")
    for name, config in requested.items():
        for key, value in config.items():
            # Each worker may have its own device and its own dataset folder.
            if key not in ("device", "data_root") and value != existing[name].get(key):
                raise _different(sweep, f"its run {name} has a different {key}")
    return sweep


def _different(sweep: Sweep, difference: str) -> GanctlError:
    plugins = sweep.entries[0].run.config.get("plugins", {})
    command = ganctl_command("sweep", "--resume", sweep.path, plugins=plugins)
    return GanctlError(
        f"{sweep.path} contains a different sweep: {difference}.",
        f"Choose another folder, or resume that sweep: {command}",
        status=USAGE,
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
