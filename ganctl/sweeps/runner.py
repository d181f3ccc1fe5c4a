"""Run a complete sweep: resolve the settings, check the runs, create the folder, and train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganctl.config.command_line import with_options
from ganctl.errors import FAILED, GanctlError
from ganctl.plugin import single_file
from ganctl.plugin.names import setting_name
from ganctl.plugin.registry import Registry
from ganctl.sweeps.claim_runs import reset_failed_runs
from ganctl.sweeps.folder import FAILURES, Sweep
from ganctl.sweeps.plan import PlannedRun, plan
from ganctl.sweeps.status_display import make_display
from ganctl.sweeps.supervisor import Supervisor
from ganctl.sweeps.variation import KEYS, merge_variations
from ganctl.system import toml
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.system.progress import make_reporter, print_warnings
from ganctl.system.signals import StopSignals


@dataclass(frozen=True)
class SweepRequest:
    """The runs of a new sweep, and the settings for its ``sweep.toml``."""

    registry: Registry
    planned: list[PlannedRun]
    settings: dict[str, Any]


def make_request(
    config_file: Path | None,
    vary: Mapping[str, Any],
    given: Mapping[str, Any],
    component_options: Sequence[str] = (),
    *,
    layer: Mapping[str, Any] | None = None,
    plugins: Sequence[Path | str] = (),
) -> SweepRequest:
    """Resolve the settings of every run.

    Args:
        config_file: TOML file with settings and variations.
        vary: variations that take precedence over the file; see :func:`ganctl.sweeps.variation.parse_options`.
        given: settings of all runs that take precedence over ``layer`` and the file.
        component_options: further settings of this kind, as ``part.option=value``.
        layer: settings of all runs that take precedence over the file.
        plugins: plugin files, as ``--plugin``.

    Raises:
        GanctlError: a setting or a variation is invalid.
    """
    registry = single_file.registry_with(plugins)
    from_file = toml.read(config_file) if config_file else {}
    settings = {key: value for key, value in from_file.items() if key not in KEYS}
    layers = [each for each in (settings, layer) if each]
    variation = merge_variations(
        {key: value for key, value in from_file.items() if key in KEYS},
        vary,
        regularizers=registry.names("regularizer"),
    )
    planned = plan(registry, variation, layers, given, component_options)
    print_warnings(dict.fromkeys(warning for each in planned for warning in each.warnings))
    merged: dict[str, Any] = {}
    for each in (*layers, with_options(dict(given), component_options, registry)):
        merged = _merge(merged, each)
    numbers = {key: _as_number(value) for key, value in merged.items()}
    return SweepRequest(registry, planned, {**numbers, **variation.to_dict()})


def check_runs(request: SweepRequest, *, quiet: bool) -> list[int | None]:
    """Check that every run can be trained. Return the number of steps of each run, or None if it is unknown.

    Raises:
        GanctlError: a run cannot be trained. The message contains the name of the run.
    """
    from ganctl.sweeps import preflight

    return preflight.check_runs(request.registry, request.planned, make_reporter(quiet=quiet))


def create_sweep(
    request: SweepRequest,
    *,
    jobs: int | None,
    command: str,
    sweeps: Path,
    out: Path | None,
    quiet: bool,
) -> Sweep:
    """Check all runs and create the sweep folder, or return the same sweep if it already exists at ``out``.

    Raises:
        GanctlError: a run cannot be trained, or the folder cannot be created.
    """
    from ganctl.sweeps import create
    from ganctl.sweeps.preflight import threads_per_run

    steps = check_runs(request, quiet=quiet)
    return create.create_folder(
        request.planned,
        steps,
        request.settings,
        command=command,
        threads=threads_per_run(jobs),
        sweeps=sweeps,
        out=out,
    )


def run_sweep(
    sweep: Sweep,
    *,
    jobs: int | None,
    stop: StopSignals,
    plugins: Sequence[Path | str] = (),
    given: Mapping[str, Any] | None = None,
    retry_failed: bool = False,
    quiet: bool = False,
) -> None:
    """Train the runs of ``sweep`` until all of them have ended.

    Args:
        jobs: number of simultaneous runs; None for as many as memory and CPUs allow.
        plugins: plugin files, as ``--plugin``.
        given: settings for the processes of this machine, such as ``device``.
        retry_failed: try failed runs again.

    Raises:
        GanctlError: with status ``FAILED`` if runs failed.
        Interrupted: a signal arrived. All runs were saved.
    """
    registry = single_file.registry_with(plugins)
    single_file.check_recorded(registry, sweep.entries[0].run.config.get("plugins", {}), exact=True)
    display = make_display(quiet=quiet)
    if retry_failed:
        reset_failed_runs(sweep)
    ended = sum(entry.end is not None for entry in sweep)
    already = f" ({ended} already ended)" if ended else ""
    at_a_time = "as many at a time as memory and CPUs allow" if jobs is None else f"{jobs} at a time"
    display.say(f"{len(sweep)} runs{already}, {at_a_time}, in {sweep.path}")
    files = [str(path) for path in plugins]
    with display.showing(sweep):
        Supervisor(sweep, jobs=jobs, display=display, stop=stop, plugins=files, given=given).run()
    if stop.requested:
        resume_command = ganctl_command("sweep", "--resume", sweep.path, plugins=plugins)
        display.say(f"Stopped and saved. Resume: {resume_command}")
        stop.check(reported=True)
    failed = [entry for entry in sweep if entry.state in FAILURES]
    if failed:
        raise GanctlError(
            f"{len(failed)} of {len(sweep)} runs failed: "
            + "; ".join(f"{entry.name}: {entry.reason.rstrip('.')}" for entry in failed)
            + ".",
            f"Try them again: {ganctl_command('sweep', '--resume', sweep.path, '--retry-failed', plugins=plugins)}",
            status=FAILED,
        )
    display.say(
        f"All {len(sweep)} runs finished. To compare them, run: {ganctl_command('report', sweep.path)}"
    )


def _as_number(value: Any) -> Any:
    """Convert text to a number if possible, because TOML files contain numbers."""
    for kind in (int, float):
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            continue
    return value


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two layers of settings: tables key by key, other values as a whole."""
    merged = {setting_name(key): value for key, value in under.items()}
    for key, value in over.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping) and "name" not in value
        merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return merged
