"""The commands as Python functions: ``train(...)``, ``sweep(...)``, ``load("x.pt").sample(25)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganctl.config.resolve import resolve
from ganctl.errors import USAGE, GanctlError
from ganctl.plugin import single_file
from ganctl.runs import resume
from ganctl.runs.folder import Run, check_run_name
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
    name: str | None = None,
    resume_from: Path | str | None = None,
    quiet: bool = False,
    plugins: Sequence[Path | str] = (),
    **settings: Any,
) -> Run:
    """Train a GAN and return the finished run.

    ::

        run = ganctl.train("dcgan", "mnist", epochs=5, lr=1e-4, generator={"width": 32})
        ganctl.load(run.path).grid(25)

    Args:
        model: name of a model (``ganctl list models``).
        data: name of a dataset (``ganctl list datasets``), or path of a folder or zip file of images.
        config: TOML file with settings. Arguments take precedence over the file.
        runs: parent directory for the new numbered run folder.
        out: the run folder, used instead of a numbered folder.
        name: name of the run folder, after its number. By default, the model and the data.
        resume_from: run folder or checkpoint to resume. Only a few settings, such as ``epochs``, may be changed.
        quiet: if True, do not show progress.
        plugins: Python files with hooks to load in addition to the installed plugins, as with ``--plugin``.
        **settings: any setting of ``config.toml``, and the short forms ``optimizer``, ``lr``, ``g_lr``, ``d_lr``,
            ``lr_schedule`` and ``z_dim``. A component is given as its name or as ``{"name": …, option: …}``.

    Raises:
        GanctlError: the settings or the data are invalid, or training failed.
        KeyboardInterrupt: Ctrl-C was pressed. The run was saved and can be resumed with ``resume_from``.
    """
    check_run_name(name)
    given = _with_names(settings, model, data)
    reporter = make_reporter(quiet=quiet)
    registry = single_file.registry_with(plugins)
    with StopSignals() as stop:
        if resume_from is not None:
            found = resume.find(Path(resume_from), registry, given, reporter.say)
            return run_training(
                found.config,
                registry=registry,
                resume=found,
                runs=Path(runs),
                reporter=reporter,
                stop=stop,
            )
        layers = [toml.read(Path(config)), given] if config is not None else [given]
        resolved, warnings = resolve(registry, *layers)
        print_warnings(warnings)
        return run_training(
            resolved,
            registry=registry,
            runs=Path(runs),
            out=Path(out) if out else None,
            name=name,
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
        model: name of a model, as for :func:`train`.
        data: name or path of a dataset, as for :func:`train`.
        grid: values of each setting. Every combination is a run. Write options of parts like ``"generator.width"``.
        zip: values of each setting, which are paired: the first values, then the second values, and so on.
        ranges: range for random draws of each setting, for example ``"1e-5..1e-3"``.
        random: number of random draws.
        seeds: number of seeds. Every combination is trained with each seed.
        config: TOML file with settings and variations. Arguments take precedence over the file.
        sweeps: parent directory for the new numbered sweep folder.
        out: the sweep folder, used instead of a numbered folder. If it contains the same sweep, the sweep is resumed.
        resume_from: sweep folder to resume, or to work on together with other processes. Only ``jobs``, ``plugins``
            and the settings ``device`` and ``data_root`` may be given in addition.
        jobs: number of simultaneous runs; None for as many as memory and CPUs allow.
        quiet: if True, do not show progress.
        plugins: Python files with hooks, as with ``--plugin``.
        **settings: settings of all runs, as for :func:`train`.

    Raises:
        GanctlError: the settings or the data are invalid (raised before training starts), or runs failed.
        KeyboardInterrupt: Ctrl-C was pressed. The runs were saved and can be resumed with ``resume_from``.
    """
    given = _with_names(settings, model, data)
    vary: dict[str, Any] = {"grid": grid, "zip": zip, "range": ranges, "random": random}
    vary = {name: value for name, value in vary.items() if value} | ({"seeds": seeds} if seeds != 1 else {})
    with StopSignals() as stop:
        if resume_from is not None:
            if contradicting := [*(given.keys() - {"device", "data_root"}), *vary]:
                raise GanctlError(
                    f"A sweep keeps its settings when it is resumed, but {contradicting[0]} was given.",
                    "Give only jobs, plugins, device and data_root in addition to resume_from.",
                    status=USAGE,
                )
            found, changed = read(resume_from), given
        else:
            request = runner.make_request(
                Path(config) if config is not None else None, vary, {}, layer=given, plugins=plugins
            )
            found, changed = (
                runner.create_sweep(
                    request,
                    jobs=jobs,
                    command="ganctl.sweep(…)",
                    sweeps=Path(sweeps),
                    out=Path(out) if out is not None else None,
                    quiet=quiet,
                ),
                {},
            )
        runner.run_sweep(found, jobs=jobs, stop=stop, plugins=plugins, given=changed, quiet=quiet)
    return found


def _with_names(settings: Mapping[str, Any], model: str | None, data: str | None) -> dict[str, Any]:
    names = {"model": model, "data": data}
    return {**settings, **{key: value for key, value in names.items() if value is not None}}


__all__ = ["Interrupted", "load", "sweep", "train"]
