"""The loop around the engine's step: log, draw samples, checkpoint, go on, stop."""

from __future__ import annotations

import io
import math
import os
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganctl.config.settings import Config
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.errors import CHECKPOINT, DATA, DIVERGED, GanctlError
from ganctl.evaluation.metrics import Metrics
from ganctl.kernels import linear
from ganctl.plugin import discovery
from ganctl.plugin.failures import explain
from ganctl.plugin.registry import Registry
from ganctl.rendering import curves, grid
from ganctl.runs import checkpoint, provenance
from ganctl.runs import resume as resuming
from ganctl.runs import status as run_status
from ganctl.runs.folder import Run
from ganctl.runs.resume import Resume
from ganctl.system.files import disk_error, make_durable, write_atomically
from ganctl.system.jsonl import write_line
from ganctl.system.progress import Advance, NullReporter, Reporter, clock
from ganctl.system.signals import StopSignals
from ganctl.training import components, recorder
from ganctl.training.devices import arithmetic, choose_device, rng_state, set_rng_state
from ganctl.training.engine import Engine
from ganctl.training.generate import draw_latents, generate, rows_of_classes
from ganctl.training.graph.cuda import own_stream
from ganctl.training.graph.host_syncs import HostReads
from ganctl.training.graph.steps import Steps, graph_of
from ganctl.training.schedules import Schedules
from ganctl.training.setup import compile_networks, count_classes, load_data, make_engine
from ganctl.training.trackers import Tracker, Trackers
from ganctl.version import __version__

SECONDS_BETWEEN_CHECKPOINTS = 600.0  # a long epoch must not lose an hour to a power cut
SECONDS_BETWEEN_CURVES = 10.0


def train(
    config: Config,
    *,
    registry: Registry | None = None,
    runs: Path = Path("runs"),
    out: Path | None = None,
    resume: Resume | None = None,
    reporter: Reporter | None = None,
    stop: StopSignals | None = None,
) -> Run:
    """Train ``config`` to its end in a new run folder, or go on with ``resume``.

    Args:
        registry: where its components are; the installed plugins' unless given.
        runs: the folder in which a numbered run folder is made.
        out: the run folder itself, in place of a numbered one.
        stop: where a request to stop comes from; after it the state is saved and Interrupted raised.

    Returns:
        The run, with a checkpoint of its last step.

    Raises:
        GanctlError: anything a user can act on, all that can be known beforehand before a folder is made.
        Interrupted: a signal came; everything is saved.
    """
    reporter, stop = reporter or NullReporter(), stop or StopSignals()
    registry = registry or discovery.registry()
    device = choose_device(config.device)
    if device.type == "cpu":
        linear.keep_freed_memory()
    loaded = load_data(registry, config, reporter)
    images = loaded.images
    with (
        own_stream(device),
        _own_random_numbers(device),
        arithmetic(config.precision, deterministic=config.deterministic),
    ):
        torch.manual_seed(config.seed)
        engine = make_engine(registry, config, images, device)
        total = total_steps(config, len(images.x))
        # Before a checkpoint is restored: the values that schedules start from are the config's.
        schedules = Schedules(config.schedules, engine, total_steps=total)
        if resume and resume.state:
            restore_engine(engine, resume.state, config, loaded.fingerprint)
        stop.check()
        stop.deferring = True  # before the folder: there is none, or there is one that can be gone on with
        run = _run_folder(config, runs, out, resume)
        with run.lock(), _log_file(run, reporter) as reporter:
            origins = provenance.origins(registry, config)
            loop = _Loop(
                registry, config, run, engine, schedules, images, loaded.fingerprint, origins, reporter
            )
            if resume and resume.state:
                loop.restore(resume.state)
            elif resume and resume.run:
                resuming.truncate_logs(run, 0, config.log_every)
            write_atomically(run.config_file, config.to_toml().encode())
            with _ending_recorded(loop):
                loop.go(stop)
    return run


def total_steps(config: Config, n: int) -> int:
    """The steps of ``config``, or those in which D sees ``n`` images as often as its epochs say."""
    if config.steps is not None:
        return config.steps
    return math.ceil((config.epochs or 0) * n / (config.batch_size * config.n_critic))


def restore_engine(engine: Engine, state: dict[str, Any], config: Config, fingerprint: str) -> None:
    """Bring ``engine`` back to where it was when ``state`` was saved.

    Raises:
        GanctlError: the data is not that of ``state``, or its weights do not fit the networks of ``config``.
    """
    if state["data"] != fingerprint:
        raise GanctlError(
            f"The dataset '{config.data.name}' is not the one that this run began with.",
            "Its files changed. Put them back, or begin a new run.",
            status=DATA,
        )
    try:
        engine.load_state_dict(state["engine"])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        made_by = sorted({f"{o['distribution']} {o['version']}" for o in state["components"].values()})
        raise GanctlError(
            "The checkpoint's weights do not fit its own networks, loss or optimizers.",
            f"It was made with {', '.join(made_by)}; see what is installed: ganctl plugins",
            status=CHECKPOINT,
        ) from error


@dataclass
class _Loop:
    registry: Registry
    config: Config
    run: Run
    engine: Engine
    schedules: Schedules
    images: Images
    fingerprint: str
    origins: dict[str, dict[str, str]]
    reporter: Reporter
    step: int = 0
    seconds: float = 0.0  # of training, over all sessions
    timed_step: int = 0  # up to which the time of the steps is known
    warned: bool = False
    line: _Line | None = None  # begun, not yet written

    def __post_init__(self) -> None:
        config, device = self.config, self.engine.device
        self.batches = Batches(
            self.images,
            config.batch_size,
            seed=config.seed,
            device=device,
            per_step=self.engine.images_per_step,
        )
        self.recorder = recorder.Recorder(config.log_every, device)
        self.metrics = Metrics(self.registry, config.metrics, self.reporter.say)
        self.per_step = self.engine.images_per_step
        self.total = total_steps(config, len(self.images.x))
        self.last_good: Path | None = None
        z, y, self.columns = self.sample_inputs()
        self.latents, self.labels = z.to(device), None if y is None else y.to(device)

    def sample_inputs(self) -> tuple[Tensor, Tensor | None, int | None]:
        """z, y and the columns of the sample picture; a row a class, of the same latents, if G is conditional."""
        latent, config = self.engine.latent, self.config
        if not components.is_conditional(self.registry, config):
            return draw_latents(latent, config.samples, seed=config.seed), None, None
        rows = min(count_classes(self.images), 10, config.samples)
        columns = config.samples // rows
        z, y = rows_of_classes(draw_latents(latent, columns, seed=config.seed), list(range(rows)))
        return z, y, columns

    def epoch(self) -> float:
        return round(self.step * self.per_step / len(self.images.x), 6)

    def epochs_done(self, step: int) -> int:
        return step * self.per_step // len(self.images.x)

    def epoch_ended(self) -> bool:
        """Whether an epoch ended in the last step."""
        return self.epochs_done(self.step) > self.epochs_done(self.step - 1)

    def restore(self, state: dict[str, Any]) -> None:
        """Bring everything but the engine back to where it was when ``state`` was saved."""
        self.recorder.load_state_dict(state["recorder"])
        self.step = state["step"]
        self.seconds = state["seconds"]
        self.timed_step = self.step
        resuming.truncate_logs(self.run, self.step, self.config.log_every)
        set_rng_state(state["rng"], self.engine.device)

    def go(self, stop: StopSignals) -> None:
        """Train to the last step, or until a signal comes; either way the state is saved."""
        config, reporter = self.config, self.reporter
        board = Trackers(reporter.say)
        place: dict[str, Any] = {"folder": self.run.path, "first_step": self.step + 1}
        board.open(self.registry, config.trackers, **place, config=config.to_dict())
        if self.step >= self.total:
            if self.recorder.count:
                self.log(board, _Watch())  # the last line: restoring cut it off with all that comes again
            if not self.epoch_ended():
                self.evaluate(board)  # likewise
            self.draw_curves()
            board.close()
            reporter.say(
                f"{self.run.path} is finished at step {self.step}. To go on, give more --epochs or --steps."
            )
            return
        reporter.say(self.description())
        if self.batches.feed is not None or self.engine.device.type == "cuda":
            reporter.say(self.batches.place.why)
        if config.compile:
            compile_networks(self.engine, reporter.say)
        if not self.run.real_file.exists():
            self.draw_reals(board)
        if self.step == 0:
            self.draw_samples(board)
        saved_at = curves_at = time.monotonic()
        watch, first, steps = _Watch(), True, self.steps()
        with reporter.bar(f"{config.model} on {config.data.name}", self.total, self.step) as advance:
            while self.step < self.total and not stop.requested:
                self.schedules.apply(self.step)
                self.batches.prepare(self.step * self.per_step, self.per_step)
                if first and not config.compile:  # what watches would keep the compiler out
                    self.watched_step()
                else:
                    steps()
                first = False
                self.recorder.count += 1
                self.step += 1
                epoch_ended = self.epoch_ended()
                last = self.step == self.total
                if self.recorder.count == config.log_every:
                    self.begin_line(board, watch)
                self.finish_line(board, watch, wait=False)
                advance(1)  # after the line, so that its values are shown with its step
                if epoch_ended or last or _due(config.sample_every, self.step):
                    self.finish_line(board, watch)
                    with watch.paused():
                        self.draw_samples(board)
                        if epoch_ended or last:
                            self.evaluate(board)
                        if time.monotonic() - curves_at > SECONDS_BETWEEN_CURVES:
                            self.draw_curves()
                            curves_at = time.monotonic()
                due = (
                    epoch_ended
                    if config.checkpoint_every is None
                    else _due(config.checkpoint_every, self.step)
                )
                late = time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS
                if due or late or last or stop.requested:
                    self.finish_line(board, watch)
                    with watch.paused():
                        self.save(board, watch)
                        saved_at = time.monotonic()
            if stop.requested and not self.last_saved_is_current():
                self.finish_line(board, watch)
                self.save(board, watch)  # the signal came after the step's own save
        if self.step == self.total and self.recorder.count:
            self.log(board, watch)  # a last line over fewer steps; the checkpoint still has its rows
        self.draw_curves()
        board.close()
        self.batches.close()
        if self.batches.feed is not None:
            reporter.say(
                f"Waited {self.batches.feed.waited:.1f} s for images, of {clock(self.seconds)} of training."
            )
        if stop.requested:
            reporter.say(
                f"Stopped and saved at step {self.step}. Go on: ganctl train --resume {self.run.path}"
            )
            stop.check(said=True)
        reporter.say(f"Done: {self.total} steps in {clock(self.seconds)}. Samples: {self.run.samples_dir}")
        reporter.say(f"Draw more: ganctl sample --ckpt {self.run.path} --n 25")

    def device_step(self) -> None:
        """A step as far as it is the device's; the host only counts it."""
        self.recorder.write(self.engine.step(self.batches.draw))

    def watched_step(self) -> None:
        """A step like every other, in which it is noticed what would make a GPU wait in all of them."""
        with HostReads() as reads:
            self.device_step()
        for place in reads.places:
            self.reporter.say(
                f"warning: {place} reads a value from the device in every step: a GPU waits for it."
            )

    def steps(self) -> Steps:
        """What takes the steps after the first: replays of a graph, if there can be one."""
        config = self.config
        make_graph = graph_of(self.engine.device, compiled=config.compile) if config.graph else None
        on_the_host = self.schedules.on_the_host()
        hindrance = (
            f"{on_the_host[0]} is scheduled, and its optimizer keeps it in Python" if on_the_host else None
        )
        return Steps(
            self.device_step,
            self.engine,
            make_graph,
            self.reporter.say,
            hindrance=hindrance,
            watch=not config.compile,
        )

    def last_saved_is_current(self) -> bool:
        return self.last_good == self.run.checkpoint_file(self.step)

    def description(self) -> str:
        config, images = self.config, self.images
        weights = [f"{sum(p.numel() for p in net.parameters()):,}" for net in (self.engine.G, self.engine.D)]
        begun = f"from step {self.step} " if self.step else ""
        return (
            f"{config.model} on {len(images.x):,} images {images.shape} of {config.data.name}; "
            f"G has {weights[0]} parameters, D {weights[1]}; {self.engine.device}, {config.precision}; "
            f"{begun}to step {self.total}; {self.run.path}"
        )

    def log(self, board: Tracker, watch: _Watch) -> None:
        """Write the line that is due, on disk, to the trackers and on screen; stop at what is not finite."""
        self.begin_line(board, watch)
        self.finish_line(board, watch)

    def record(self, state: run_status.State, error: run_status.Failure | None = None) -> None:
        """Write ``status.json``."""
        parameters = {
            name: sum(p.numel() for p in network.parameters())
            for name, network in (("G", self.engine.G), ("D", self.engine.D))
        }
        columns = self.columns or math.ceil(math.sqrt(len(self.latents)))
        run_status.write(
            self.run.status_file,
            run_status.Status(
                state,
                step=self.step,
                total=self.total,
                images=len(self.images.x),
                image=(self.images.shape.channels, self.images.shape.height, self.images.shape.width),
                parameters=parameters,
                device=str(self.engine.device),
                precision=self.config.precision,
                grid=(columns, math.ceil(len(self.latents) / columns)),
                pid=os.getpid(),
                error=error,
            ),
            durable=state != "running",
        )

    def begin_line(self, board: Tracker, watch: _Watch) -> None:
        """Have the rows of the line that is due copied to the host, which goes on giving the device steps."""
        self.finish_line(board, watch)
        self.line = _Line(self.step, self.epoch(), self.recorder.take())

    def finish_line(self, board: Tracker, watch: _Watch, *, wait: bool = True) -> None:
        """Write the line that was begun, if there is one: when its rows have come, or with ``wait`` at once."""
        line = self.line
        if line is None or not (wait or line.rows.ready()):
            return
        self.line = None
        means, bad = line.rows.means(), line.rows.first_bad()
        seconds = watch.lap()
        self.seconds += seconds
        write_line(self.run.losses_file, {"step": line.step, "epoch": line.epoch, **means})
        # Of this session's steps alone: rows that a checkpoint brought took no time now.
        speed = (line.step - self.timed_step) * self.per_step / max(seconds, 1e-9)
        self.timed_step = line.step
        timing = {"step": line.step, "seconds": round(self.seconds, 3), "images_per_second": round(speed, 1)}
        write_line(self.run.timing_file, timing)
        board.scalars(line.step, {**means, "images_per_second": speed})
        shown = {name.replace("_", " "): f"{value:.3f}" for name, value in means.items()}
        self.reporter.show({"epoch": f"{line.epoch:.2f}", **shown, "images/s": f"{speed:,.0f}"})
        self.record("running")
        if bad is not None:
            self.diverged(f"a loss was not finite at step {line.step - line.rows.count + bad + 1}")

    def diverged(self, what: str) -> None:
        """Raise a GanctlError with status DIVERGED, or say it once if that is to be ignored."""
        if self.config.on_nan == "stop":
            last = (
                f"The last good checkpoint is {self.last_good}."
                if self.last_good
                else "No checkpoint was saved yet."
            )
            raise GanctlError(
                f"The training diverged: {what}.", f"{last} A lower --lr often helps.", status=DIVERGED
            )
        if not self.warned:
            self.warned = True
            self.reporter.say(
                f"warning: {what}; going on, as --on-nan ignore says, without saving such weights."
            )

    def save(self, board: Tracker, watch: _Watch) -> None:
        """Checkpoint this step, if everything in it is finite, then remove the oldest beyond ``keep``."""
        if self.config.on_nan == "stop" and self.recorder.count and self.recorder.first_bad() is not None:
            self.log(board, watch)  # stops, with the line that shows it
        if not self.engine.is_finite():
            self.diverged(f"a weight, or what an optimizer remembers, was not finite at step {self.step}")
            return
        path = self.run.checkpoint_file(self.step)
        for lines in (self.run.losses_file, self.run.timing_file, self.run.metrics_file):
            make_durable(lines)  # the checkpoint takes them for written
        checkpoint.save(
            path,
            {
                "ganctl": __version__,
                "torch": str(torch.__version__),
                "step": self.step,
                "seconds": self.seconds,
                "config": self.config.to_dict(),
                "components": self.origins,
                "image": list(self.images.shape),
                "classes": list(self.images.classes),
                "num_classes": count_classes(self.images),
                "data": self.fingerprint,
                "engine": self.engine.state_dict(),
                "recorder": self.recorder.state_dict(),
                "rng": rng_state(self.engine.device),
            },
        )
        self.last_good = path
        if self.config.keep:
            for old in self.run.checkpoints[: -self.config.keep]:
                old.unlink()

    def draw_samples(self, board: Tracker) -> None:
        """The picture of the same latents as every time, without a trace in the training's random numbers."""
        G = self.engine.sampler
        training = G.training
        with _own_random_numbers(self.engine.device), torch.no_grad():
            torch.manual_seed(self.config.seed)
            x = torch.cat(list(generate(G.eval(), self.latents, self.labels, self.config.batch_size)))
        G.train(training)
        picture = grid.grid(grid.to_uint8(x), self.columns)
        # Of the epoch that the step belongs to: the first picture of an epoch's end counts to that epoch.
        epoch = math.ceil(self.step * self.per_step / len(self.images.x) - 1e-9)
        if self.epoch_ended():
            epoch = self.epochs_done(self.step)
        grid.save_png(picture, self.run.samples_dir / f"epoch-{epoch:04d}-step-{self.step:08d}.png")
        board.image(self.step, "samples", picture)

    def evaluate(self, board: Tracker) -> None:
        """The metrics of pictures of the same latents as every time, on disk, to the trackers and on screen."""
        if not self.metrics:
            return
        config, G = self.config, self.engine.sampler
        z = draw_latents(self.engine.latent, config.metric_samples, seed=config.seed).to(self.engine.device)
        y = None
        if components.is_conditional(self.registry, config):
            y = torch.arange(len(z), device=z.device) % count_classes(self.images)

        def fakes() -> Iterator[Tensor]:
            return (grid.to_uint8(x) for x in generate(G, z, y, config.batch_size))

        training = G.training
        G.eval()
        with _own_random_numbers(self.engine.device):
            torch.manual_seed(config.seed)
            values = self.metrics(fakes, self.images)
        G.train(training)
        if not values:
            return
        epoch = self.epochs_done(self.step) if self.epoch_ended() else self.epoch()
        write_line(self.run.metrics_file, {"step": self.step, "epoch": epoch, **values})
        board.scalars(self.step, values)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.reporter.say(f"step {self.step}: {shown}")

    def draw_reals(self, board: Tracker) -> None:
        generator = torch.Generator().manual_seed(self.config.seed)
        chosen = torch.randperm(len(self.images.x), generator=generator)[: self.config.samples]
        picture = grid.grid(self.images.x[chosen])
        grid.save_png(picture, self.run.real_file)
        board.image(0, "reals", picture)

    def draw_curves(self) -> None:
        curves.draw(self.run.losses, self.run.curves_file, self.run.name)


class _Line(NamedTuple):
    """A line of ``losses.jsonl`` whose values are still on their way from the device."""

    step: int
    epoch: float
    rows: recorder.Rows


@contextmanager
def _ending_recorded(loop: _Loop) -> Iterator[None]:
    """Write to ``status.json`` how the run ended, whatever happens within."""
    loop.record("running")
    try:
        yield
    except KeyboardInterrupt:
        loop.record("stopped")
        raise
    except BaseException as error:
        message, hint, status = explain(error)
        state: run_status.State = "diverged" if status == DIVERGED else "failed"
        with suppress(GanctlError):  # a full disk must not hide the error that says so
            loop.record(state, run_status.Failure(message, hint, status))
        raise
    loop.record("finished")


class _Watch:
    """Seconds of training: what passed since the last lap, without the pauses."""

    def __init__(self) -> None:
        self._mark = time.monotonic()

    def lap(self) -> float:
        now = time.monotonic()
        seconds, self._mark = now - self._mark, now
        return seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._mark += time.monotonic() - began


class _Logged(NullReporter):
    """A reporter whose every line goes to ``log.txt`` too."""

    def __init__(self, reporter: Reporter, file: io.FileIO) -> None:
        self._reporter, self._file = reporter, file

    def say(self, text: str) -> None:
        self._reporter.say(text)
        self.write(text)

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        with self._reporter.bar(what, total, done) as advance:
            yield advance

    def show(self, values: Mapping[str, str]) -> None:
        self._reporter.show(values)

    def write(self, text: str) -> None:
        line = f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n"
        try:
            self._file.write(line.encode(errors="replace"))
        except OSError as error:
            raise disk_error(Path(self._file.name), error) from error


@contextmanager
def _log_file(run: Run, reporter: Reporter) -> Iterator[_Logged]:
    # Unbuffered: what a full disk did not take must not come up again when the file is closed.
    with _opened(run.log_file) as file:
        logged = _Logged(reporter, file)
        logged.write(f"ganctl {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads")
        try:
            yield logged
        except BaseException as error:
            with suppress(GanctlError):  # a full disk must not hide the error that says so
                logged.write("".join(traceback.format_exception(error)))
            raise


def _opened(path: Path) -> io.FileIO:
    try:
        return path.open("ab", buffering=0)
    except OSError as error:
        raise disk_error(path, error) from error


def _run_folder(config: Config, runs: Path, out: Path | None, resume: Resume | None) -> Run:
    if resume and resume.run:
        return resume.run
    run = Run.create(out) if out else Run.create_numbered(runs, f"{config.model}-{config.data.name}")
    # At once: what was stopped before its first checkpoint begins again from this file.
    try:
        write_atomically(run.config_file, config.to_toml().encode())
        if resume and resume.history:
            resuming.copy_history(resume.history, run)
    except (GanctlError, OSError):
        shutil.rmtree(run.path, ignore_errors=True)  # a folder without its settings is no run
        raise
    return run


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave torch's random numbers as they were: a notebook's and, around a picture, the training's."""
    state = rng_state(device)
    try:
        yield
    finally:
        set_rng_state(state, device)


def _due(every: int | None, step: int) -> bool:
    return every is not None and step % every == 0
