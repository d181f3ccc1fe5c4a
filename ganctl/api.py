"""The same as the command line, from Python: ``ganctl.train(...)`` and ``ganctl.load("x.pt").sample(25)``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganctl import plugin_files, resume, toml
from ganctl.config import resolve
from ganctl.progress import make_reporter
from ganctl.run import Run
from ganctl.sampling import load as load
from ganctl.signals import Interrupted, StopSignals
from ganctl.training import train as run_training


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
        model: a model's name (``ganctl models``).
        data: a dataset's name (``ganctl datasets``), or the path of a folder or zip of pictures.
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
    registry = plugin_files.registry_with(plugins)
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
        return run_training(
            resolve(registry, *layers),
            registry=registry,
            runs=Path(runs),
            out=Path(out) if out else None,
            reporter=reporter,
            stop=stop,
        )


__all__ = ["Interrupted", "load", "train"]
