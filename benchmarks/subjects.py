"""What is measured: ganctl's step, and the textbook's on the same networks and data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from textbook import Textbook, endless

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
from ganctl.training.graph.steps import Steps, graph_factory

MODELS = ("gan-basic", "gan", "dcgan", "dcgan-upsample")


@dataclass(frozen=True)
class Setting:
    """What both loops have in common. ``image_size`` None: the model's own, or the data's."""

    model: str
    batch_size: int = 64
    image_size: int | None = None
    device: str = "auto"
    threads: int = 0  # 0: as many as torch chooses

    def config(self, changes: Mapping[str, Any] | None = None) -> Config:
        table: dict[str, Any] = {"model": self.model, "batch_size": self.batch_size, **data()}
        if self.image_size:
            table["image_size"] = self.image_size
        return resolve(discovery.registry(), table, changes or {}).config


def data() -> dict[str, Any]:
    """MNIST from ``$GANCTL_DATA_ROOT`` where it is there, else glyphs."""
    root = os.environ.get("GANCTL_DATA_ROOT", "")
    if root and (Path(root) / "MNIST").is_dir():
        return {"data": {"name": "mnist", "download": False}, "data_root": root}
    return {"data": {"name": "glyphs", "n": 2000}}


class Ganctl(Loop):
    """One model in training, as ganctl's own loop drives it, without pictures and checkpoints."""

    def __init__(
        self, setting: Setting, changes: Mapping[str, Any] | None = None, graph: bool = True
    ) -> None:
        if setting.threads:
            torch.set_num_threads(setting.threads)
        config, device = setting.config(changes), choose_device(setting.device)
        images = setup.load_data(discovery.registry(), config, NullReporter()).images
        self.conditions = conditions(config, device)
        self.conditions.__enter__()  # for as long as the process lives, or until close()
        super().__init__(
            discovery.registry(), config, images, device, make_graph=graph_factory(device) if graph else None
        )

    def close(self) -> None:
        super().close()
        self.conditions.__exit__(None, None, None)

    def update_discriminator(self) -> tuple[Batch, Batch]:
        """A fresh real batch, fakes and D's update; what the generator's turn goes on from."""
        real = self.batches.next()
        fake = self.engine.generate(real.y, keep_graph=True)
        self.engine.update_discriminator(real, fake)
        return real, fake

    def update_generator(self, real: Batch, fake: Batch) -> None:
        self.engine.update_generator(real, fake)
        self.engine.update_average()

    def part(self, name: str, *, graph: bool) -> Callable[[], None]:
        """What takes one update of D or of G, each with fakes of its own, or a step, from Python or as a graph."""

        def update_d() -> None:
            real = self.draw()
            self.engine.update_discriminator(real, self.engine.generate(real.y, keep_graph=False))

        def update_g() -> None:
            real = self.draw()
            self.update_generator(real, self.engine.generate(real.y, keep_graph=True))

        if name == "step":
            return self.step
        make_graph = graph_factory(self.device) if graph else None
        take = Steps({"D update": update_d, "G update": update_g}[name], self.engine, make_graph, print)

        def run() -> None:
            self.batches.prepare(self.taken * self.config.batch_size, self.config.batch_size)
            take()
            self.taken += 1

        return run


def make_textbook(setting: Setting) -> Textbook:
    """The textbook's loop on networks with the same initial weights, and on the images before resizing."""
    if setting.threads:
        torch.set_num_threads(setting.threads)
    registry, config = discovery.registry(), setting.config()
    resized = setup.load_data(registry, config, NullReporter()).images
    classes = setup.count_classes(resized)
    torch.manual_seed(0)
    G = components.make_generator(registry, config, resized.shape, classes)
    D = components.make_discriminator(registry, config, resized.shape, classes)
    original = original_images(config)
    return Textbook(
        G,
        D,
        endless(original.x, original.y, resized.shape.height, setting.batch_size),
        loss=components.make_loss(registry, config, classes),
        latent=components.make_latent(registry, config.latent),
        g_optimizer=plain_optimizer(config.g_optimizer),
        d_optimizer=plain_optimizer(config.d_optimizer),
        n_critic=config.n_critic,
        device=choose_device(setting.device),
    )


def plain_optimizer(spec: Spec) -> Callable[..., torch.optim.Optimizer]:
    """torch's optimizer of that name and settings, with the kernels that torch chooses."""
    kind = {o.__name__.lower(): o for o in (torch.optim.Adam, torch.optim.RMSprop)}[spec.name]
    return partial(kind, **{name: value for name, value in spec.options.items() if name in ("lr", "betas")})


def original_images(config: Config) -> Images:
    """The dataset of ``config`` in its own size."""
    dataset = components.build(discovery.registry(), "dataset", config.data, root=Path(config.data_root))
    return cache.load_images(config.data.name, dataset, image_size=None).images
