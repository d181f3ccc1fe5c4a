"""The numbers of a run: losses and timing as JSON lines, the status, trackers, the progress bar, and divergence."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ganctl.errors import DIVERGED, GanctlError
from ganctl.plugin.error_messages import explain
from ganctl.rendering.column_titles import title
from ganctl.runs import status
from ganctl.system.jsonl import write_line
from ganctl.training import what_to_expect
from ganctl.training.reported_values import Rows
from ganctl.training.state import Training

MEASURED_SECONDS = 3.0  # that the estimate of the run's time is based on
SLOW_STEP = 10.0  # seconds: one such step is enough


class _Line(NamedTuple):
    """A line of ``losses.jsonl`` whose rows are being copied from the device."""

    step: int
    epoch: float
    rows: Rows


class RunLog:
    """Writes the values that the recorder collected, one line at each step of the log cadence.

    A line is begun as soon as its steps are queued on the device, and written once its rows have arrived, so that
    the device never waits.
    """

    def __init__(self, t: Training, grid: tuple[int, int]) -> None:
        """``grid``: columns and rows of the sample grids."""
        self._t, self._grid = t, grid
        self._line: _Line | None = None
        self._line_started = time.monotonic()
        self._timed_step = t.step  # last step whose time is known
        self._warned = False
        self._first_line: tuple[int, float] | None = None  # step and seconds
        self._expected = False

    def begin_line(self) -> None:
        """Start copying the rows of the steps since the last line to the host."""
        t = self._t
        self.finish_line()
        self._line = _Line(t.step, t.epoch, t.recorder.take())

    def finish_line(self, *, wait: bool = True) -> None:
        """Write the line that was begun, if any. Without ``wait``, only if its rows have arrived.

        Raises:
            GanctlError: with status ``DIVERGED``, if a value is not finite.
        """
        t, line = self._t, self._line
        if line is None or not (wait or line.rows.ready()):
            return
        self._line = None
        means, bad = line.rows.means(), line.rows.first_bad()
        seconds = self._lap()
        t.seconds += seconds
        # Only steps of this session count: rows from a checkpoint took no time in this session.
        speed = (line.step - self._timed_step) * t.images_per_step / max(seconds, 1e-9)
        self._timed_step = line.step
        timing = {"step": line.step, "seconds": round(t.seconds, 3), "images_per_second": round(speed, 1)}
        write_line(t.run.losses_file, {"step": line.step, "epoch": line.epoch, **means})
        write_line(t.run.timing_file, timing)
        self.write_status("running")
        t.trackers.scalars(line.step, {**means, "images_per_second": speed})
        self._say_expected_time(line.step, seconds)
        shown = {title(name): f"{value:.3f}" for name, value in means.items()}
        t.reporter.show(
            {"step": str(line.step), "epoch": f"{line.epoch:.2f}", **shown, "images/s": f"{speed:,.0f}"}
        )
        if bad is not None:
            self.diverged(f"a loss was not finite at step {line.step - line.rows.count + bad + 1}")

    def _say_expected_time(self, step: int, seconds: float) -> None:
        """Say once how long the run will take, when a few seconds or one slow step have been measured."""
        t = self._t
        if self._expected or t.finished:
            return
        if self._first_line is None:
            self._first_line = step, t.seconds
            rate = seconds if seconds >= SLOW_STEP and step == 1 else None
        else:
            first_step, first_seconds = self._first_line
            measured = t.seconds - first_seconds
            rate = measured / (step - first_step) if measured >= MEASURED_SECONDS else None
        if rate is not None:
            self._expected = True
            for message in what_to_expect.once_measured(t, rate):
                t.reporter.say(message)

    def finish_all(self) -> None:
        """Write all lines. The last line averages the remaining steps."""
        self.finish_line()
        if self._t.recorder.count:
            self.begin_line()
            self.finish_line()

    def diverged(self, reason: str) -> None:
        """Handle values that are not finite as ``on_nan`` specifies: stop, or warn once.

        Raises:
            GanctlError: with status ``DIVERGED``, if ``on_nan`` is ``stop``.
        """
        t = self._t
        if t.config.on_nan == "stop":
            saved = (
                f"The last good checkpoint is {t.last_checkpoint}."
                if t.last_checkpoint
                else "No checkpoint was saved."
            )
            raise GanctlError(
                f"Training diverged: {reason}.", f"{saved} A lower --lr often helps.", status=DIVERGED
            )
        if not self._warned:
            self._warned = True
            t.reporter.say(
                f"warning: {reason}. Training continues (--on-nan ignore). Weights that are not finite are not saved."
            )

    @property
    def seconds(self) -> float:
        """Seconds of training until now, over all sessions."""
        return self._t.seconds + time.monotonic() - self._line_started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time spent in the block as training."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._line_started += time.monotonic() - started

    @contextmanager
    def record_end(self) -> Iterator[None]:
        """Write to ``status.json`` how the block ended: finished, stopped, diverged or failed."""
        self.write_status("running")
        try:
            yield
        except KeyboardInterrupt:
            self.write_status("stopped")
            raise
        except BaseException as error:
            failure = status.Failure(*explain(error))
            with suppress(GanctlError):  # a full disk must not hide the first error
                self.write_status("diverged" if failure.status == DIVERGED else "failed", failure)
            raise
        self.write_status("finished")

    def write_status(self, state: status.State, error: status.Failure | None = None) -> None:
        t = self._t
        networks = {"G": t.engine.G, "D": t.engine.D}
        now = status.Status(
            state,
            step=t.step,
            total=t.total,
            minutes=t.config.minutes,
            ended_by=_limit_reached(t) if state == "finished" else None,
            images=len(t.images.x),
            image=t.images.shape,
            parameters={
                name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()
            },
            device=str(t.engine.device),
            precision=t.config.precision,
            grid=self._grid,
            pid=os.getpid(),
            error=error,
        )
        status.write(t.run.status_file, now, durable=state != "running")

    def _lap(self) -> float:
        """Seconds of training since the last call."""
        now = time.monotonic()
        seconds, self._line_started = now - self._line_started, now
        return seconds


def _limit_reached(t: Training) -> status.Limit:
    return "minutes" if t.time_is_up and not t.all_steps_taken else "steps"
