"""Sample grids, real images, curves and metrics in a run folder, for people to look at.

Nothing here changes the training: samples use random numbers of their own. An error costs one warning, unless the disk
is full, or there is not enough memory for the first samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ganctl.data.pixels import PixelFormat, as_uint8, take
from ganctl.errors import RESOURCES, GanctlError, status_of
from ganctl.evaluation.metrics import Metrics
from ganctl.rendering import curves, grid
from ganctl.system.jsonl import write_line
from ganctl.system.memory import Demand, allocating, is_out_of_memory
from ganctl.training.components import is_conditional
from ganctl.training.devices import preserve_rng
from ganctl.training.generate_samples import draw_latents, generate, rows_of_classes
from ganctl.training.network_calls import GeneratorCall
from ganctl.training.sample_conditions import (
    chosen_images,
    conditions_and_labels,
    in_turn,
    takes_conditions,
)
from ganctl.training.setup import count_classes
from ganctl.training.state import Training

SECONDS_BETWEEN_CURVES = 10.0
MOST_CLASSES = 10  # rows of the sample grid of a conditional model


class Artifacts:
    """Draws the samples, curves and metrics of a run."""

    def __init__(self, t: Training) -> None:
        self._t = t
        self._metrics = Metrics(t.registry, t.config.metrics, t.reporter.say)
        self._pixels = PixelFormat.of(t.images)
        z, y, self._c, self._columns = _grid_inputs(t)
        self._z, self._y = z.to(t.engine.device), None if y is None else y.to(t.engine.device)
        self._curves_drawn = time.monotonic()
        self._failed: set[str] = set()

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of the sample grids."""
        return self._columns, math.ceil(len(self._z) / self._columns)

    def draw_due(self) -> None:
        """Draw what is due after the last step and does not exist yet.

        A checkpoint is saved before its samples are drawn. If the process is killed in between, the next session draws
        the samples, so that the run folder is the same as without the kill.
        """
        t = self._t
        if not t.run.real_file.exists():
            self._attempt("real.png", self._draw_reals)
        if t.samples_due and not self._samples_file().exists():
            self._attempt("samples", self._draw_samples)
        if t.metrics_due and self._metrics and all(line.get("step") != t.step for line in t.run.metrics):
            self._attempt("metrics", self._evaluate)
        if time.monotonic() - self._curves_drawn > SECONDS_BETWEEN_CURVES:
            self.draw_curves()

    def draw_curves(self) -> None:
        t = self._t
        self._attempt("curves.png", lambda: curves.draw(t.run.losses, t.run.curves_file, t.run.name))
        self._curves_drawn = time.monotonic()

    def _samples_file(self) -> Path:
        """File of the grid after the last step. Its name contains the epoch that the step belongs to."""
        t = self._t
        epoch = t.epochs_completed(t.step) if t.epoch_ended else t.epochs_begun(t.step)
        return t.run.samples_dir / f"epoch-{epoch:04d}-step-{t.step:08d}.png"

    def _draw_samples(self) -> None:
        t = self._t
        n, pixels = len(self._z), math.prod(t.images.shape)
        batch = min(n, t.config.batch_size)
        with (
            allocating(
                Demand(f"{n:,} samples of {t.images.shape} in one grid", n * pixels * 9, "Reduce --samples."),
                Demand(
                    f"batches of {batch:,} samples of {t.images.shape}",
                    batch * pixels * 8,
                    "Reduce --batch-size.",
                ),
            ),
            _sampling(t) as G,
        ):
            x = torch.cat(list(generate(GeneratorCall(G), self._z, self._y, t.config.batch_size, self._c)))
            image = grid.grid(grid.to_uint8(x), self._columns)
        _ensure_folder(t, t.run.samples_dir)
        grid.save_png(image, self._samples_file())
        t.trackers.image(t.step, "samples", image)

    def _draw_reals(self) -> None:
        t = self._t
        reals = take(t.images.x, chosen_images(t.images, t.config.samples, seed=t.config.seed))
        image = grid.grid(self._pixels.to_uint8(reals))
        grid.save_png(image, t.run.real_file)
        t.trackers.image(0, "reals", image)

    def _evaluate(self) -> None:
        """Compute metrics of samples from the same latents every time."""
        t = self._t
        z = draw_latents(t.engine.latent, t.config.metric_samples, seed=t.config.seed).to(t.engine.device)
        y, c = None, None
        if takes_conditions(t.engine.G, t.images):
            y, c = _labels_and_conditions(t, len(z))
            y = None if y is None else y.to(z.device)
        elif is_conditional(t.registry, t.config):
            y = torch.arange(len(z), device=z.device) % max(count_classes(t.images), 1)
        with _sampling(t) as G:

            def fakes() -> Iterator[Tensor]:
                return (grid.to_uint8(x) for x in generate(GeneratorCall(G), z, y, t.config.batch_size, c))

            values = self._metrics(
                fakes,
                as_uint8(t.images),
                G=GeneratorCall(G),
                y=None if y is None else y.cpu(),
                device=t.engine.device,
            )
        if not values:
            return
        epoch = t.epochs_completed(t.step) if t.epoch_ended else t.epoch
        write_line(t.run.metrics_file, {"step": t.step, "epoch": epoch, **values})
        t.trackers.scalars(t.step, values)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        t.reporter.say(f"step {t.step}: {shown}")

    def _attempt(self, name: str, draw: Callable[[], None]) -> None:
        try:
            draw()
        except Exception as error:
            too_large = is_out_of_memory(error) or getattr(error, "status", None) == RESOURCES
            first_samples = self._t.step == 0 and too_large
            if first_samples or _is_full_disk(error):
                raise
            if name not in self._failed:
                self._failed.add(name)
                reason = " ".join(str(error).split()) or type(error).__name__
                self._t.reporter.say(f"warning: {name} could not be drawn ({reason}); training continues.")


def _is_full_disk(error: Exception) -> bool:
    cause = error.__cause__ if isinstance(error, GanctlError) else error
    return isinstance(cause, OSError) and status_of(cause) == RESOURCES


def _grid_inputs(t: Training) -> tuple[Tensor, Tensor | None, Tensor | None, int]:
    """Return latents, labels, conditions and the number of columns of the sample grid.

    If G takes conditions, each sample has the condition and label of the image at the same position in ``real.png``.
    Otherwise, each row of a conditional model is a class.
    """
    latent, config = t.engine.latent, t.config
    z, columns = draw_latents(latent, config.samples, seed=config.seed), math.ceil(math.sqrt(config.samples))
    if takes_conditions(t.engine.G, t.images):
        y, c = _labels_and_conditions(t, config.samples)
        return z, y, c, columns
    if not is_conditional(t.registry, config):
        return z, None, None, columns
    rows = min(max(count_classes(t.images), 1), MOST_CLASSES, config.samples)
    columns = config.samples // rows
    z, y = rows_of_classes(draw_latents(latent, columns, seed=config.seed), list(range(rows)))
    return z, y, None, columns


def _labels_and_conditions(t: Training, n: int) -> tuple[Tensor | None, Tensor]:
    """Return labels (None if G takes no labels) and conditions of ``n`` images, which begin with ``real.png``."""
    chosen = chosen_images(t.images, n, seed=t.config.seed)
    c, y = conditions_and_labels(t.images, in_turn(chosen, n))
    return y if is_conditional(t.registry, t.config) else None, c


@contextmanager
def _sampling(t: Training) -> Iterator[nn.Module]:
    """G, or its average if there is one, in evaluation mode. Training's random numbers are restored afterwards."""
    G = t.engine.sampler
    training = G.training
    with preserve_rng(t.engine.device), torch.no_grad():
        torch.manual_seed(t.config.seed)
        yield G.eval()
    G.train(training)


def _ensure_folder(t: Training, folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        t.reporter.say(f"warning: {folder} was removed during training; it was recreated.")
