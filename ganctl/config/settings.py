"""All settings of a run: names, types, defaults and help texts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from ganctl.recipe import Spec
from ganctl.system import toml

#: Maps each setting that names a component to the component's kind.
COMPONENTS = {
    "data": "dataset",
    "generator": "generator",
    "discriminator": "discriminator",
    "loss": "loss",
    "g_optimizer": "optimizer",
    "d_optimizer": "optimizer",
    "latent": "latent",
    "augment": "augmentation",
}

#: Maps each setting that lists components to the kind of the components.
LISTS = {"regularizers": "regularizer", "trackers": "tracker", "metrics": "metric"}

#: Maps each shorthand to the (component, option) pairs that it sets.
SHORTHANDS = {
    "lr": [("g_optimizer", "lr"), ("d_optimizer", "lr")],
    "g_lr": [("g_optimizer", "lr")],
    "d_lr": [("d_optimizer", "lr")],
    "z_dim": [("latent", "z_dim")],
}

#: Components that can be none.
OPTIONAL = {"augment"}

DEFAULT_EPOCHS = 20


def _setting(help: str, **default: Any) -> Any:
    return field(metadata={"help": help}, **default)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All resolved settings of a run. No value depends on a default that may change in a later version."""

    # fmt: off
    model: str = _setting("Model, which provides the defaults of the other settings")
    image_size: int | None = _setting("Height and width to resize images to; none: original size", default=None)
    batch_size: int = _setting("Number of images per update", default=128)
    n_critic: int = _setting("Number of D updates per step", default=1)
    n_generator: int = _setting("Number of G updates per step", default=1)
    ema: float | None = _setting(
        "Half-life, in images, of the moving average of G's weights; none: no average", default=None
    )
    ema_rampup: float | None = _setting(
        "Maximum half-life of the average, as a fraction of the number of images that G has been trained on; "
        "none: no warm-up",
        default=None,  # as in checkpoints of versions without this setting; recipes have 0.05
    )
    epochs: int | None = _setting("Length of the run, as the number of times that D sees the dataset", default=None)
    steps: int | None = _setting("Length of the run in steps, as an alternative to epochs", default=None)
    minutes: float | None = _setting(
        "Maximum training time in minutes, instead of or in addition to epochs or steps", default=None
    )
    seed: int = _setting("Random seed for the weights, the latents and the order of the data", default=0)
    device: str = _setting("Device: auto, cpu, cuda, cuda:N or mps", default="auto")
    precision: Literal["fp32", "tf32", "bf16"] = _setting("Precision: fp32, tf32 or bf16", default="fp32")
    deterministic: bool = _setting("Use only deterministic kernels", default=False)
    compile: bool = _setting("Compile G and D with torch.compile", default=False)
    graph: bool = _setting("Replay the step as a graph without Python, if possible", default=True)
    data_root: str = _setting("Folder in which datasets are stored", default="data")
    log_every: int | None = _setting(
        "Number of steps that each line of losses.jsonl averages over; none: 50 to 100 lines per run", default=None
    )
    sample_every: int | None = _setting(
        "Number of steps between sample grids; none: about 50 grids per run", default=None
    )
    samples: int = _setting("Number of samples in each sample grid", default=64)
    checkpoint_every: int | None = _setting(
        "Number of steps between checkpoints; none: about 10 checkpoints per run", default=None
    )
    keep: int = _setting("Number of checkpoints to keep, newest first; 0: all", default=3)
    on_nan: Literal["stop", "ignore"] = _setting(
        "Action to take if a loss is not finite: stop or ignore", default="stop"
    )
    force: bool = _setting("Train even if ganctl advises against the combination of components", default=False)
    metric_samples: int = _setting("Number of samples from which each metric is computed", default=2048)
    trackers: tuple[Spec, ...] = _setting(
        "Trackers to which losses and samples are logged", default=(Spec("tensorboard"),)
    )
    metrics: tuple[Spec, ...] = _setting("Metrics computed from G's samples at each checkpoint", default=())
    data: Spec = _setting("Dataset")
    generator: Spec = _setting("Generator G")
    discriminator: Spec = _setting("Discriminator D")
    loss: Spec = _setting("Loss that G and D minimize")
    regularizers: tuple[Spec, ...] = _setting("Terms to add to the loss of D or G", default=())
    latent: Spec = _setting("Distribution of z")
    g_optimizer: Spec = _setting("Optimizer for G")
    d_optimizer: Spec = _setting("Optimizer for D")
    augment: Spec | None = _setting(
        "Augmentation applied to every image that D sees; none: no augmentation", default=None
    )
    schedules: Mapping[str, str] = _setting("Values that change during training, by name", default_factory=dict)
    plugins: Mapping[str, str] = _setting("Plugin files, each with the start of its SHA-256", default_factory=dict)
    # fmt: on

    def to_dict(self) -> dict[str, Any]:
        """Return plain values. Components become ``{"name": …, option: …}``, and tuples become lists."""
        table: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Spec):
                value = _spec_table(value)
            elif item.name in LISTS:
                value = [_spec_table(spec) if spec.options else spec.name for spec in value]
            elif isinstance(value, Mapping):
                value = dict(value)
            table[item.name] = value
        return table

    def to_toml(self) -> str:
        """Return a commented TOML file from which ``ganctl train --config`` can repeat the run."""
        return toml.write(self.to_dict(), HELP)

    @property
    def data_label(self) -> str:
        """Short name of the dataset, which is the folder or file name for the user's own images."""
        path = self.data.options.get("path")
        if self.data.name != "folder" or not isinstance(path, str):
            return self.data.name.rpartition(":")[2]
        return Path(os.path.abspath(path)).stem or self.data.name

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Config:
        """Return the config from the result of :meth:`to_dict`. Settings unknown to this version are ignored."""
        known: dict[str, Any] = {}
        for item in fields(cls):
            if item.name in table:
                value = table[item.name]
                if item.name in LISTS:
                    value = tuple(to_spec(each) for each in value)
                elif item.name in COMPONENTS and value is not None:
                    value = to_spec(value)
                known[item.name] = value
        return cls(**known)


def _spec_table(spec: Spec) -> dict[str, Any]:
    return {"name": spec.name, **{key: _plain(value) for key, value in spec.options.items()}}


def to_spec(value: str | Mapping[str, Any]) -> Spec:
    """Return the component specified by the name ``value`` or by a table ``{"name": …, option: …}``."""
    table = {"name": value} if isinstance(value, str) else value
    return Spec(table["name"], **{key: item for key, item in table.items() if key != "name"})


HELP = {item.name: item.metadata["help"] for item in fields(Config)}
DEFAULTS = {item.name: item.default for item in fields(Config) if item.default is not MISSING}
TYPES = get_type_hints(Config)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
