"""Train: set up a run, take its steps, and log, checkpoint, sample and stop in between."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import closing, suppress
from pathlib import Path

import torch

from ganctl.config.settings import Config
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.errors import GanctlError
from ganctl.kernels import linear
from ganctl.plugin import discovery
from ganctl.plugin.registry import Registry
from ganctl.runs import provenance
from ganctl.runs import resume as resuming
from ganctl.runs.checkpoint_schema import checkpoint_errors
from ganctl.runs.folder import Run
from ganctl.runs.resume import Resume
from ganctl.runs.resume_command import resume_command
from ganctl.system.files import write_atomically
from ganctl.system.memory import Demand, allocating
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.system.progress import NullReporter, Reporter, clock
from ganctl.system.signals import StopSignals
from ganctl.training import cadence, what_to_expect
from ganctl.training.artifacts import Artifacts
from ganctl.training.cadence import log_lines
from ganctl.training.checkpointing import restore, restore_engine, save
from ganctl.training.devices import arithmetic, choose_device, preserve_rng
from ganctl.training.engine import Engine
from ganctl.training.graph.cuda_graph import own_stream
from ganctl.training.log_txt import log_file
from ganctl.training.long_steps import StoppedWithinStep, is_long
from ganctl.training.loss_log import RunLog
from ganctl.training.progress_bar import progress_bar
from ganctl.training.reported_values import Recorder
from ganctl.training.schedules import Schedules
from ganctl.training.setup import compile_networks, load_data, make_engine
from ganctl.training.state import Training
from ganctl.training.step_function import make_step_function
from ganctl.training.trackers import Trackers

SECONDS_BETWEEN_CHECKPOINTS = 600.0  # limits what a power cut loses


def train(
    config: Config,
    *,
    registry: Registry | None = None,
    runs: Path = Path("runs"),
    out: Path | None = None,
    name: str | None = None,
    resume: Resume | None = None,
    reporter: Reporter | None = None,
    stop: StopSignals | None = None,
) -> Run:
    """Train ``config`` to its last step in a new run folder, or resume.

    Args:
        registry: components by name. Default: those of the installed plugins.
        runs: parent directory for a numbered run folder.
        out: run folder, instead of a numbered one.
        name: what to write after the number of a numbered run folder. Default: the model and the dataset.
        resume: checkpoint and run to resume.
        stop: source of a request to stop. The state is then saved, and Interrupted is raised.

    Returns:
        The run, with a checkpoint of its last step.

    Raises:
        GanctlError: an error that a user can fix. Most errors are detected before a folder is created.
        Interrupted: a signal arrived; the state is saved.
    """
    reporter, stop = reporter or NullReporter(), stop or StopSignals()
    registry = registry or discovery.registry()
    device = choose_device(config.device)
    if device.type == "cpu":
        linear.keep_freed_memory()
    with checkpoint_errors(resume.file if resume and resume.has_data_of(config) else None):
        images, fingerprint, *_ = load_data(registry, config, reporter)
    with (
        own_stream(device),
        preserve_rng(device),
        arithmetic(config.precision, deterministic=config.deterministic),
    ):
        torch.manual_seed(config.seed)
        with checkpoint_errors(resume.file if resume else None):
            engine = make_engine(registry, config, images, device)
        # Before a checkpoint is restored, since schedules start from the values in the config.
        total = total_steps(config, len(images.x))
        # Without a length, a schedule may be refused because of what the user gave in addition to the checkpoint.
        with checkpoint_errors(resume.file if resume and total is not None else None):
            schedules = Schedules(config.schedules, engine, total_steps=total, ema_rampup=config.ema_rampup)
        if resume and resume.state:
            restore_engine(engine, resume, registry, images, fingerprint)
        stop.check()
        stop.deferring = True  # from here on, a signal finds a folder that can be resumed
        settings = config.to_toml().encode()
        run = _run_folder(config, runs, out, name or f"{config.model}-{config.data_label}", resume)
        with run.lock(), log_file(run.log_file, reporter) as reporter:
            if resume:
                resuming.set_aside_damaged(resume)
            t = _training(config, registry, run, images, fingerprint, engine, schedules, resume, reporter)
            write_atomically(run.config_file, settings)
            artifacts = Artifacts(t)
            log = RunLog(t, artifacts.grid)
            with (
                closing(t.trackers),
                log.record_end(),
                allocating(*_demands(config, engine, images), check=False),
            ):  # trackers are closed when status.json has the final state
                _take_steps(t, log, artifacts, stop)
    return run


def _demands(config: Config, engine: Engine, images: Images) -> tuple[Demand, Demand]:
    """Return the parts of a step that need the most memory: its batches, and the weights with their optimizers."""
    parameters = sum(p.numel() for network in (engine.G, engine.D) for p in network.parameters())
    return (
        Demand(
            f"batches of {config.batch_size:,} images of {images.shape}",
            config.batch_size * math.prod(images.shape) * 4,
            "Reduce --batch-size or --image-size.",
        ),
        Demand(
            f"{parameters:,} parameters of G and D, their gradients and their optimizers",
            parameters * 16,
            "Reduce the options of the networks, such as -o generator.width=32, or --z-dim.",
        ),
    )


def total_steps(config: Config, n: int) -> int | None:
    """Return the number of steps of ``config``, or that in which D sees ``n`` images ``epochs`` times.

    None if only the time of the run is limited.
    """
    if config.steps is not None:
        return config.steps
    if config.epochs is None:
        return None
    return math.ceil(config.epochs * n / (config.batch_size * config.n_critic))


def _training(
    config: Config,
    registry: Registry,
    run: Run,
    images: Images,
    fingerprint: str,
    engine: Engine,
    schedules: Schedules,
    resume: Resume | None,
    reporter: Reporter,
) -> Training:
    """Return the run in memory: new, or as it was when the checkpoint of ``resume`` was saved."""
    total = total_steps(config, len(images.x))
    rows = len(resume.state["recorder"]["rows"]) if resume and resume.state else 0
    t = Training(
        config=config,
        registry=registry,
        run=run,
        images=images,
        fingerprint=fingerprint,
        origins=provenance.origins(registry, config),
        engine=engine,
        schedules=schedules,
        batches=Batches(
            images,
            config.batch_size,
            seed=config.seed,
            device=engine.device,
            per_step=None if is_long(config.n_critic) else engine.images_per_step,
        ),
        recorder=Recorder(log_lines(config, total).longest + rows, engine.device),
        trackers=Trackers(reporter.say),
        reporter=reporter,
        total=total,
    )
    if resume and resume.state:
        restore(t, resume.state)
    elif resume and resume.run:
        resuming.truncate_logs(run, 0, last_line=0, with_metrics=False)
    return t


def _take_steps(t: Training, log: RunLog, artifacts: Artifacts, stop: StopSignals) -> None:
    """Take the remaining steps, until the last step or a signal. In both cases, the last step taken is saved."""
    config, say = t.config, t.reporter.say
    t.trackers.open(
        t.registry, config.trackers, folder=t.run.path, first_step=t.step + 1, config=config.to_dict()
    )
    if t.finished:
        _finish_again(t, log, artifacts)
        return
    say(_description(t))
    say(f"{cadence.describe(config, t.total)} and every {SECONDS_BETWEEN_CHECKPOINTS / 60:.0f} minutes.")
    for line in what_to_expect.at_start(t):
        say(line)
    if t.batches.prefetcher is not None or t.engine.device.type == "cuda":
        say(t.batches.placement.reason)
    if config.compile:
        compile_networks(t.engine, say)
    artifacts.draw_due()
    take_step = make_step_function(t, stop)
    saved_at = time.monotonic()
    with suppress(StoppedWithinStep), progress_bar(t) as show_progress:
        while not t.finished and not stop.requested:
            # -- One step: n_critic D steps and a G step. Schedules and data are the host's part of it.
            t.schedules.apply(t.step)
            due = t.engine.due(t.step)
            take_step(due)
            t.recorder.advance(due)
            t.step += 1
            t.time_is_up = config.minutes is not None and log.seconds >= 60 * config.minutes
            # -- Log. The rows of a line are copied from the device while the next steps run there.
            if t.log_due:
                log.begin_line()
            log.finish_line(wait=False)
            show_progress(t.step, log.seconds)  # after the line, so that values are shown with their step
            # -- Save, then draw: nothing that people look at may delay or prevent a checkpoint.
            overdue = time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS
            if t.checkpoint_due or overdue or stop.requested:
                log.finish_line()
                with log.paused():
                    save(t, log, extra=not (t.checkpoint_due or stop.requested))
                saved_at = time.monotonic()
            if t.samples_due:
                log.finish_line()
                with log.paused():
                    artifacts.draw_due()
        if stop.requested and t.last_checkpoint != t.run.checkpoint_file(t.step):
            log.finish_line()
            save(t, log)  # the signal arrived after the step's own checkpoint
    if t.finished:
        log.finish_all()  # the last line may have fewer steps; the checkpoint has its rows, too
    log.finish_line()
    artifacts.draw_curves()
    t.batches.close()
    _say_how_it_ended(t, stop)


def _finish_again(t: Training, log: RunLog, artifacts: Artifacts) -> None:
    """Restore what follows the last checkpoint of a finished run: its last line, samples, metrics and curves."""
    log.finish_all()
    artifacts.draw_due()
    artifacts.draw_curves()
    t.reporter.say(
        f"{t.run.path} is finished at step {t.step}. To train longer, give a larger --epochs, --steps or --minutes."
    )


def _description(t: Training) -> str:
    config, images = t.config, t.images
    parameters = [f"{sum(p.numel() for p in network.parameters()):,}" for network in (t.engine.G, t.engine.D)]
    start = f"from step {t.step} " if t.step else ""
    return (
        f"{config.model} on {len(images.x):,} images {images.shape} of {config.data_label}; "
        f"G has {parameters[0]} parameters, D {parameters[1]}; {t.engine.device}, {config.precision}; "
        f"{start}{_length(t)}; {t.run.path}"
    )


def _length(t: Training) -> str:
    minutes = f"{t.config.minutes:g} minutes" if t.config.minutes is not None else ""
    if t.total is None:
        return f"for {minutes}"
    return f"to step {t.total}" + (f", for at most {minutes}" if minutes else "")


def _say_how_it_ended(t: Training, stop: StopSignals) -> None:
    say = t.reporter.say
    if t.batches.prefetcher is not None:
        say(
            f"Waited {t.batches.prefetcher.seconds_waited:.1f} s for images during {clock(t.seconds)} of training."
        )
    if stop.requested and not t.finished:
        say(f"{_what_was_saved(t)} Resume: {resume_command(t.run.path)}")
        stop.check(reported=True)
    why = "" if t.all_steps_taken else f" (--minutes {t.config.minutes:g})"
    say(f"Finished: {t.step} steps in {clock(t.seconds)}{why}. Samples: {t.run.samples_dir}")
    sample_command = ganctl_command("sample", "--ckpt", t.run.path, "--n", "25", plugins=t.registry.files)
    say(f"More samples: {sample_command}")


def _what_was_saved(t: Training) -> str:
    saved = t.run.checkpoints
    last = f"The last checkpoint is {saved[-1]}." if saved else "There is no checkpoint yet."
    if is_long(t.config.n_critic) and t.batches.position > t.step * t.images_per_step:
        return f"Stopped within step {t.step + 1}, which cannot be saved before its end. {last}"
    if t.last_checkpoint == t.run.checkpoint_file(t.step):
        return f"Stopped and saved at step {t.step}."
    return f"Stopped at step {t.step}, which was not saved because its weights are not finite. {last}"


def _run_folder(config: Config, runs: Path, out: Path | None, name: str, resume: Resume | None) -> Run:
    """Return the run folder: that of ``resume``, or a new one."""
    if resume and resume.run:
        return resume.run
    run = Run.create(out) if out else Run.create_numbered(runs, name)
    # Written immediately, because a run that is stopped before its first checkpoint starts again from this file.
    try:
        write_atomically(run.config_file, config.to_toml().encode())
        if resume and resume.history:
            resuming.copy_history(resume.history, run)
    except (GanctlError, OSError):
        shutil.rmtree(run.path, ignore_errors=True)  # a folder without its settings is not a run
        raise
    return run
