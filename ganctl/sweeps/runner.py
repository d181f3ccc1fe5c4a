"""A sweep from what was asked to its end: plan, check, make the folder, work, and say how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganctl.config.command_line import with_options
from ganctl.errors import FAILED, GanctlError
from ganctl.plugin import single_file
from ganctl.plugin.registry import Registry
from ganctl.sweeps import supervisor
from ganctl.sweeps.claim import forget_failures
from ganctl.sweeps.folder import Sweep
from ganctl.sweeps.plan import KEYS, Planned, Varied, plan, varied
from ganctl.sweeps.status_table import make_board
from ganctl.system import toml
from ganctl.system.progress import make_reporter, print_warnings
from ganctl.system.signals import StopSignals


@dataclass(frozen=True)
class Request:
    """The runs that were asked for, and what ``sweep.toml`` will say."""

    registry: Registry
    planned: list[Planned]
    asked: dict[str, Any]


def asked_for(
    config_file: Path | None,
    vary: Mapping[str, Any],
    given: Mapping[str, Any],
    component_options: Sequence[str] = (),
    *,
    layer: Mapping[str, Any] | None = None,
    plugins: Sequence[Path | str] = (),
) -> Request:
    """Every run, with its settings resolved.

    Args:
        config_file: a TOML file of settings and of what varies.
        vary: what varies besides, and over it; see :func:`ganctl.sweeps.plan.from_text`.
        given: settings of all runs, over the file's.
        component_options: the same, as ``part.option=value``.
        layer: settings of all runs between the file's and those.
        plugins: files, as ``--plugin``.

    Raises:
        GanctlError: something of that cannot be.
    """
    registry = single_file.registry_with(plugins)
    from_file = toml.read(config_file) if config_file else {}
    settings = {key: value for key, value in from_file.items() if key not in KEYS}
    layers = [each for each in (settings, layer) if each]
    wanted: Varied = varied({key: value for key, value in from_file.items() if key in KEYS}, vary)
    planned = plan(registry, wanted, layers, given, component_options)
    print_warnings(dict.fromkeys(warning for each in planned for warning in each.warnings))
    asked: dict[str, Any] = {}
    for each in (*layers, with_options(dict(given), component_options, registry)):
        asked = _merged(asked, each)
    return Request(
        registry, planned, {**{key: _number(value) for key, value in asked.items()}, **wanted.table()}
    )


def checked(request: Request, *, quiet: bool) -> list[int]:
    """The steps that each run has to take, once it is known that each can be trained.

    Raises:
        GanctlError: one cannot; it is named.
    """
    from ganctl.sweeps.preflight import check

    return check(request.registry, request.planned, make_reporter(quiet=quiet))


def begin(
    request: Request,
    *,
    jobs: int | None,
    command: str,
    sweeps: Path,
    out: Path | None,
    quiet: bool,
) -> Sweep:
    """The folder of a new sweep, or that of the same sweep at ``out``.

    Raises:
        GanctlError: a run could not be trained, or the folder not be made.
    """
    from ganctl.sweeps.create import create
    from ganctl.sweeps.preflight import threads_for

    steps = checked(request, quiet=quiet)
    threads = threads_for(jobs)
    return create(
        request.planned, steps, request.asked, command=command, threads=threads, sweeps=sweeps, out=out
    )


def carry_out(
    sweep: Sweep,
    *,
    jobs: int | None,
    stop: StopSignals,
    plugins: Sequence[Path | str] = (),
    given: Mapping[str, Any] | None = None,
    retry_failed: bool = False,
    quiet: bool = False,
) -> None:
    """Work on ``sweep`` until all its runs have ended.

    Raises:
        GanctlError: with status ``FAILED`` if some of them failed.
        Interrupted: a signal came; what was being trained is saved.
    """
    registry = single_file.registry_with(plugins)
    single_file.check_recorded(registry, sweep.entries[0].run.config.get("plugins", {}), exact=True)
    board = make_board(quiet=quiet)
    if retry_failed:
        forget_failures(sweep)
    left = sum(entry.end is None for entry in sweep)
    at_a_time = "as many at a time as there is room for" if jobs is None else f"{jobs} at a time"
    ended = f", {len(sweep) - left} of them ended before" if left < len(sweep) else ""
    board.say(f"{len(sweep)} runs{ended}, {at_a_time}; {sweep.path}")
    files = [str(path) for path in plugins]
    with board.shown(sweep):
        supervisor.run(sweep, jobs=jobs, board=board, stop=stop, plugins=files, given=given)
    if stop.requested:
        board.say(f"Stopped and saved. Go on: ganctl sweep --resume {sweep.path}")
        stop.check(said=True)
    failed = [entry for entry in sweep if entry.state == "failed"]
    if failed:
        raise GanctlError(
            f"{len(failed)} of {len(sweep)} runs failed: "
            + "; ".join(f"{entry.name}: {entry.reason.rstrip('.')}" for entry in failed)
            + ".",
            f"Try them again: ganctl sweep --resume {sweep.path} --retry-failed",
            status=FAILED,
        )
    board.say(f"Done: {len(sweep)} runs. Compare them: ganctl report {sweep.path}")


def _number(value: Any) -> Any:
    """Text that is a number, as that number: so a person writes it in TOML."""
    for kind in (int, float):
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            continue
    return value


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two layers of settings as one, to be read: tables key by key, the rest whole."""
    merged = {str(key).replace("-", "_"): value for key, value in under.items()}
    for key, value in over.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping) and "name" not in value
        merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return merged
