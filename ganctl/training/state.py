"""A training run in memory: what the loop, the run log, the artifacts and checkpointing share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ganctl.config.settings import Config
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.plugin.registry import Registry
from ganctl.runs.folder import Run
from ganctl.system.progress import Reporter
from ganctl.training import cadence
from ganctl.training.cadence import Cadence
from ganctl.training.engine import Engine
from ganctl.training.reported_values import Recorder
from ganctl.training.schedules import Schedules
from ganctl.training.trackers import Trackers


@dataclass
class Training:
    """The state of a training run.

    Attributes:
        images: the whole dataset; ``fingerprint``: the text that identifies it.
        origins: name, distribution and version of each component.
        total: number of steps of the whole run; None if only its time is limited.
        step: number of steps taken; ``seconds``: time spent in them, over all sessions, as of the last log line.
        time_is_up: whether the run has been trained for ``config.minutes``.
        last_checkpoint: file of the newest checkpoint that this session saved.
        extra_checkpoint: the same if it was saved only because time had passed; the next checkpoint replaces it.
    """

    config: Config
    registry: Registry
    run: Run
    images: Images
    fingerprint: str
    origins: dict[str, dict[str, str]]
    engine: Engine
    schedules: Schedules
    batches: Batches
    recorder: Recorder
    trackers: Trackers
    reporter: Reporter
    total: int | None
    step: int = 0
    seconds: float = 0.0
    time_is_up: bool = False
    last_checkpoint: Path | None = None
    extra_checkpoint: Path | None = None

    @property
    def images_per_step(self) -> int:
        """Number of real images that D sees per step."""
        return self.engine.images_per_step

    @property
    def epoch(self) -> float:
        """Number of times that D has seen the dataset, not necessarily whole."""
        return round(self.step * self.images_per_step / len(self.images.x), 6)

    def epochs_completed(self, step: int) -> int:
        """Number of whole epochs in the first ``step`` steps."""
        return step * self.images_per_step // len(self.images.x)

    def epochs_begun(self, step: int) -> int:
        """Number of epochs that the first ``step`` steps belong to."""
        return math.ceil(step * self.images_per_step / len(self.images.x) - 1e-9)

    @property
    def epoch_ended(self) -> bool:
        """True if an epoch ended in the last step."""
        return self.step > 0 and self.epochs_completed(self.step) > self.epochs_completed(self.step - 1)

    @property
    def all_steps_taken(self) -> bool:
        return self.total is not None and self.step >= self.total

    @property
    def finished(self) -> bool:
        return self.all_steps_taken or self.time_is_up

    @cached_property
    def log_cadence(self) -> Cadence:
        return cadence.log_lines(self.config, self.total)

    @cached_property
    def sample_cadence(self) -> Cadence:
        return cadence.sample_grids(self.config, self.total)

    @cached_property
    def checkpoint_cadence(self) -> Cadence:
        return cadence.checkpoints(self.config, self.total)

    @property
    def log_due(self) -> bool:
        """True if a log line ends with the last step."""
        return self.log_cadence.due(self.step)

    @property
    def samples_due(self) -> bool:
        """True if samples are drawn after the last step, or before the first."""
        return self.step == 0 or self.finished or self.sample_cadence.due(self.step)

    @property
    def metrics_due(self) -> bool:
        """True if metrics are computed after the last step."""
        return self.checkpoint_due

    @property
    def checkpoint_due(self) -> bool:
        """True if a checkpoint is saved after the last step."""
        return self.step > 0 and (self.finished or self.checkpoint_cadence.due(self.step))
