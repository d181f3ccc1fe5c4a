"""The same as the command line, from Python: ``ganctl.train(...)`` and ``ganctl.load("x.pt").sample(25)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganctl.config.resolve import resolve
from ganctl.errors import USAGE, GanctlError
from ganctl.plugin import single_file
from ganctl.runs import resume
from ganctl.runs.folder import Run
from ganctl.sampling.sampler import load as load
from ganctl.sweeps import runner
from ganctl.sweeps.folder import Sweep, read
from ganctl.system import toml
from ganctl.system.progress import make_reporter, print_warnings
from ganctl.system.signals import Interrupted, StopSignals
from ganctl.training.loop import train as run_training


def train(
    model: str | None = None,
    data: str | None = None,
    *,
    config: Path | str | None = None,
    runs: Path | str = "runs",
    out: Path | str | None = None,
    resume_from: Path | str | None = None,
    quiet: bool = False,
    plugins: Sequence[Path | str] = (),
    **settings: Any,
) -> Run:
    """Train and return the finished run.

    ::

        run = ganctl.train("dcgan", "mnist", epochs=5, lr=1e-4, generator={"width": 32})
        ganctl.load(run.path).grid(25)

    Args:
        model: a model's name (``ganctl list models``).
        data: a dataset's name (``ganctl list datasets``), or the path of a folder or zip of pictures.
        config: a TOML file of settings, under those given here.
        runs: the folder in which a numbered run folder is made.
        out: the run folder itself, in place of a numbered one.
        resume_from: a run folder or checkpoint to go on from; only settings such as ``epochs`` may be given.
        quiet: show no progress.
        plugins: Python files with hooks, to be loaded besides the installed plugins, as ``--plugin``.
        **settings: any setting of ``config.toml``, and the short forms ``optimizer``, ``lr``, ``g_lr``, ``d_lr``,
            ``lr_schedule``, ``z_dim``. A component is its name or a dict ``{"name": …, option: …}``.

    Raises:
        GanctlError: anything wrong with the settings, the data or the machine, in words.
        KeyboardInterrupt: stopped by Ctrl-C; the state is saved, and ``resume_from`` goes on.
    """
    given = {**settings, **{k: v for k, v in {"model": model, "data": data}.items() if v is not None}}
    reporter = make_reporter(quiet=quiet)
    registry = single_file.registry_with(plugins)
    with StopSignals() as stop:
        if resume_from is not None:
            going_on = resume.find(Path(resume_from), registry, given, reporter.say)
            return run_training(
                going_on.config,
                registry=registry,
                resume=going_on,
                runs=Path(runs),
                reporter=reporter,
                stop=stop,
            )
        layers = [toml.read(Path(config)), given] if config is not None else [given]
        settings_of_run, warnings = resolve(registry, *layers)
        print_warnings(warnings)
        return run_training(
            settings_of_run,
            registry=registry,
            runs=Path(runs),
            out=Path(out) if out else None,
            reporter=reporter,
            stop=stop,
        )


def sweep(
    model: str | None = None,
    data: str | None = None,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    zip: Mapping[str, Sequence[Any]] | None = None,
    ranges: Mapping[str, str] | None = None,
    random: int = 0,
    seeds: int = 1,
    config: Path | str | None = None,
    sweeps: Path | str = "sweeps",
    out: Path | str | None = None,
    resume_from: Path | str | None = None,
    jobs: int | None = 1,
    quiet: bool = False,
    plugins: Sequence[Path | str] = (),
    **settings: Any,
) -> Sweep:
    """Train many GANs that differ in a few settings, and return the finished sweep.

    ::

        sweep = ganctl.sweep("dcgan", "mnist", grid={"lr": [1e-4, 2e-4], "generator.width": [32, 64]}, epochs=5)
        for entry in sweep:
            print(entry.values, entry.run.losses[-1])

    Args:
        model: a model's name, as for :func:`train`.
        data: a dataset's name or a path.
        grid: values by setting, of which every combination is a run; a setting of a part as ``"generator.width"``.
        zip: values by setting that go side by side.
        ranges: what random draws come from, by setting, as ``"1e-5..1e-3"``.
        random: how many draws.
        seeds: how often each of all that, with a seed of its own.
        config: a TOML file of settings and of what varies, under those given here.
        sweeps: the folder in which a numbered sweep folder is made.
        out: the sweep folder itself, in place of a numbered one; the same sweep there goes on.
        resume_from: a sweep folder to go on with, or to help with; nothing else but ``jobs``, ``plugins`` and the
            settings ``device`` and ``data_root`` may be given.
        jobs: processes at a time; None for as many as there is room for.
        quiet: show no progress.
        plugins: Python files with hooks, as ``--plugin``.
        **settings: settings of every run, as for :func:`train`.

    Raises:
        GanctlError: anything wrong with the settings or the data, before anything is trained; or runs failed.
        KeyboardInterrupt: stopped by Ctrl-C; the runs are saved, and ``resume_from`` goes on.
    """
    given = {**settings, **{k: v for k, v in {"model": model, "data": data}.items() if v is not None}}
    vary: dict[str, Any] = {"grid": grid, "zip": zip, "range": ranges, "random": random}
    vary = {name: value for name, value in vary.items() if value} | ({"seeds": seeds} if seeds != 1 else {})
    with StopSignals() as stop:
        if resume_from is not None:
            if contradicting := [*(given.keys() - {"device", "data_root"}), *vary]:
                raise GanctlError(
                    f"A sweep goes on as it is; {contradicting[0]} contradicts that.",
                    "Besides resume_from, only jobs, plugins, device and data_root may be given.",
                    status=USAGE,
                )
            found, changed = read(resume_from), given
        else:
            request = runner.asked_for(
                Path(config) if config is not None else None, vary, {}, layer=given, plugins=plugins
            )
            found, changed = (
                runner.begin(
                    request,
                    jobs=jobs,
                    command="ganctl.sweep(…)",
                    sweeps=Path(sweeps),
                    out=Path(out) if out is not None else None,
                    quiet=quiet,
                ),
                {},
            )
        runner.carry_out(found, jobs=jobs, stop=stop, plugins=plugins, given=changed, quiet=quiet)
    return found


__all__ = ["Interrupted", "load", "sweep", "train"]
