"""A training run in memory: what the loop, the run log, the artifacts and checkpointing share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ganctl.config.settings import Config
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.plugin.registry import Registry
from ganctl.runs.folder import Run
from ganctl.system.progress import Reporter
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
        total: number of steps of the whole run.
        step: number of steps taken; ``seconds``: time spent in them, over all sessions.
        last_checkpoint: file of the newest checkpoint that this session saved.
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
    total: int
    step: int = 0
    seconds: float = 0.0
    last_checkpoint: Path | None = None

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
    def finished(self) -> bool:
        return self.step >= self.total

    @property
    def samples_due(self) -> bool:
        """True if samples are drawn after the last step, or before the first step."""
        return self.step == 0 or self.metrics_due or _every(self.config.sample_every, self.step)

    @property
    def metrics_due(self) -> bool:
        """True if metrics are computed after the last step."""
        return self.epoch_ended or self.finished

    @property
    def checkpoint_due(self) -> bool:
        """True if a checkpoint is saved after the last step."""
        every = self.config.checkpoint_every
        return self.finished or (self.epoch_ended if every is None else _every(every, self.step))


def _every(interval: int | None, step: int) -> bool:
    return interval is not None and step % interval == 0
