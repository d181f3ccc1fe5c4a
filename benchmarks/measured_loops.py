"""Loops to measure: ganctl and the textbook loop, with the same networks and data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from textbook import Textbook, endless_batches

from ganctl.config.resolve import resolve
from ganctl.config.settings import Config
from ganctl.data import cache
from ganctl.dataset import Images
from ganctl.diagnostics.bench import Loop, conditions
from ganctl.diagnostics.bench import synchronize as synchronize
from ganctl.loss import Batch
from ganctl.plugin import discovery
from ganctl.recipe import Spec
from ganctl.system.progress import NullReporter
from ganctl.training import components, setup
from ganctl.training.devices import choose_device
from ganctl.training.graph.warmup_and_replay import WarmUpAndReplay, graph_factory

MODELS = ("gan-basic", "gan", "dcgan", "dcgan-upsample")


@dataclass(frozen=True)
class Setting:
    """Settings of both loops. If ``image_size`` is None, the image size comes from the model or the data."""

    model: str
    batch_size: int = 64
    image_size: int | None = None
    device: str = "auto"
    threads: int = 0  # 0: chosen by torch

    def config(self, changes: Mapping[str, Any] | None = None) -> Config:
        table: dict[str, Any] = {"model": self.model, "batch_size": self.batch_size, **data()}
        if self.image_size:
            table["image_size"] = self.image_size
        return resolve(discovery.registry(), table, changes or {}).config


def data() -> dict[str, Any]:
    """Return the dataset's settings: MNIST if it is in ``$GANCTL_DATA_ROOT``, otherwise glyphs."""
    root = os.environ.get("GANCTL_DATA_ROOT", "")
    if root and (Path(root) / "MNIST").is_dir():
        return {"data": {"name": "mnist", "download": False}, "data_root": root}
    return {"data": {"name": "glyphs", "n": 2000}}


class Ganctl(Loop):
    """ganctl's training loop without samples and checkpoints."""

    def __init__(
        self, setting: Setting, changes: Mapping[str, Any] | None = None, graph: bool = True
    ) -> None:
        if setting.threads:
            torch.set_num_threads(setting.threads)
        config, device = setting.config(changes), choose_device(setting.device)
        images = setup.load_data(discovery.registry(), config, NullReporter()).images
        self.conditions = conditions(config, device)
        self.conditions.__enter__()  # exited by close() or at the end of the process
        super().__init__(
            discovery.registry(), config, images, device, make_graph=graph_factory(device) if graph else None
        )

    def close(self) -> None:
        super().close()
        self.conditions.__exit__(None, None, None)

    def update_discriminator(self) -> tuple[Batch, Batch]:
        """Update D with a new real batch and new fakes, and return both for the G step."""
        real = self.batches.next()
        fake = self.engine.generate(real, keep_graph=True)
        self.engine.update_discriminator(real, fake)
        return real, fake

    def update_generator(self, real: Batch, fake: Batch) -> None:
        """Update G and the EMA."""
        self.engine.update_generator(real, fake)
        self.engine.update_average()

    def part(self, name: str, *, graph: bool) -> Callable[[], None]:
        """Return a function that runs a D update, a G update or a step, eagerly or as a graph.

        Both updates generate their own fakes.
        """

        def update_d() -> None:
            real = self.draw()
            self.engine.update_discriminator(real, self.engine.generate(real, keep_graph=False))

        def update_g() -> None:
            real = self.draw()
            self.update_generator(real, self.engine.generate(real, keep_graph=True))

        if name == "step":
            return self.step
        make_graph = graph_factory(self.device) if graph else None
        steps = WarmUpAndReplay(
            {"D update": update_d, "G update": update_g}[name], self.engine, make_graph, print
        )

        def run() -> None:
            self.batches.prepare(self.taken * self.config.batch_size, self.config.batch_size)
            steps()
            self.taken += 1

        return run


def make_textbook(setting: Setting) -> Textbook:
    """Return the textbook loop with the same initial weights. The loop reads the images in their original size."""
    if setting.threads:
        torch.set_num_threads(setting.threads)
    registry, config = discovery.registry(), setting.config()
    resized = setup.load_data(registry, config, NullReporter()).images
    classes = setup.count_classes(resized)
    torch.manual_seed(0)
    shape_and_classes = components.Data(resized.shape, classes)
    G = components.make_generator(registry, config, shape_and_classes)
    D = components.make_discriminator(registry, config, shape_and_classes)
    original = original_images(config)
    return Textbook(
        G,
        D,
        endless_batches(original.x, original.y, resized.shape.height, setting.batch_size),
        loss=components.make_loss(registry, config, shape_and_classes),
        latent=components.make_latent(registry, config.latent, resized.shape),
        g_optimizer=plain_optimizer(config.g_optimizer),
        d_optimizer=plain_optimizer(config.d_optimizer),
        n_critic=config.n_critic,
        device=choose_device(setting.device),
    )


def plain_optimizer(spec: Spec) -> Callable[..., torch.optim.Optimizer]:
    """Return torch's optimizer with the same name and settings, using torch's default kernels."""
    kind = {o.__name__.lower(): o for o in (torch.optim.Adam, torch.optim.RMSprop)}[spec.name]
    return partial(kind, **{name: value for name, value in spec.options.items() if name in ("lr", "betas")})


def original_images(config: Config) -> Images:
    """Return the images of the dataset in ``config`` in their original size."""
    dataset = components.build(discovery.registry(), "dataset", config.data, root=Path(config.data_root))
    return cache.load_images(config.data.name, dataset, image_size=None).images
