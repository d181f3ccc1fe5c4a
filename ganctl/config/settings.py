"""Every setting of a run: its name, type, default and help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_type_hints

from ganctl.recipe import Spec
from ganctl.system import toml

#: Setting → the kind of component that it names.
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


#: Settings that name any number of components, of this kind.
LISTS = {"trackers": "tracker", "metrics": "metric"}


#: Settings that stand for others: (component, its option), one or two of them.
SHORTHANDS = {
    "lr": [("g_optimizer", "lr"), ("d_optimizer", "lr")],
    "g_lr": [("g_optimizer", "lr")],
    "d_lr": [("d_optimizer", "lr")],
    "z_dim": [("latent", "z_dim")],
}


#: Components that a model may do without.
OPTIONAL = {"augment"}


DEFAULT_EPOCHS = 20


def _setting(help: str, **default: Any) -> Any:
    return field(metadata={"help": help}, **default)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting of a run, resolved: nothing is left to a default that a later version might change."""

    # fmt: off
    model: str = _setting("the recipe that the rest defaults to")
    image_size: int | None = _setting("height and width to resize images to; none: their own", default=None)
    batch_size: int = _setting("images in each update", default=128)
    n_critic: int = _setting("discriminator updates per generator update", default=1)
    ema: float | None = _setting("half-life of an averaged generator, in images; none: no average", default=None)
    epochs: int | None = _setting("how long: times that the discriminator sees the dataset", default=None)
    steps: int | None = _setting("how long, in generator updates, instead of epochs", default=None)
    seed: int = _setting("of the weights, the latents and the order of the data", default=0)
    device: str = _setting("auto, cpu, cuda, cuda:N or mps", default="auto")
    precision: Literal["fp32", "tf32", "bf16"] = _setting("fp32, tf32 or bf16", default="fp32")
    deterministic: bool = _setting("only kernels that give the same bits every time", default=False)
    compile: bool = _setting("have torch.compile make kernels for G and D", default=False)
    graph: bool = _setting("replay the step as a graph where that can be, without Python", default=True)
    data_root: str = _setting("where datasets lie or are downloaded to", default="data")
    log_every: int = _setting("steps between lines of losses.jsonl, each a mean over them", default=50)
    sample_every: int | None = _setting("steps between sample pictures, besides one an epoch", default=None)
    samples: int = _setting("pictures in each sample grid", default=64)
    checkpoint_every: int | None = _setting("steps between checkpoints; none: one an epoch", default=None)
    keep: int = _setting("newest checkpoints to keep; 0: all", default=3)
    on_nan: Literal["stop", "ignore"] = _setting("when a loss is not finite: stop or ignore", default="stop")
    force: bool = _setting("train what ganctl advises against", default=False)
    metric_samples: int = _setting("pictures that each metric is computed from", default=2048)
    trackers: tuple[Spec, ...] = _setting("where numbers and pictures are shown", default=(Spec("tensorboard"),))
    metrics: tuple[Spec, ...] = _setting("what is computed of G's pictures after each epoch", default=())
    data: Spec = _setting("the dataset")
    generator: Spec = _setting("G")
    discriminator: Spec = _setting("D")
    loss: Spec = _setting("what G and D minimize")
    latent: Spec = _setting("the distribution of z")
    g_optimizer: Spec = _setting("of G")
    d_optimizer: Spec = _setting("of D")
    augment: Spec | None = _setting("what D sees every x through; none: x itself", default=None)
    schedules: Mapping[str, str] = _setting("values that change while training, by name", default_factory=dict)
    plugins: Mapping[str, str] = _setting("plugin files, and the start of their SHA-256", default_factory=dict)
    # fmt: on

    def to_dict(self) -> dict[str, Any]:
        """As plain values: components become ``{"name": …, option: …}``, tuples become lists."""
        table: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Spec):
                value = _table(value)
            elif item.name in LISTS:
                value = [_table(spec) if spec.options else spec.name for spec in value]
            elif isinstance(value, Mapping):
                value = dict(value)
            table[item.name] = value
        return table

    def to_toml(self) -> str:
        """As a commented TOML file that ``ganctl train --config`` repeats the run from."""
        return toml.write(self.to_dict(), HELP)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Config:
        """The config that :meth:`to_dict` wrote down. Settings that this version lacks are left out."""
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


def _table(spec: Spec) -> dict[str, Any]:
    return {"name": spec.name, **{key: _plain(value) for key, value in spec.options.items()}}


def to_spec(value: str | Mapping[str, Any]) -> Spec:
    table = {"name": value} if isinstance(value, str) else value
    return Spec(table["name"], **{key: item for key, item in table.items() if key != "name"})


HELP = {item.name: item.metadata["help"] for item in fields(Config)}


DEFAULTS = {item.name: item.default for item in fields(Config) if item.default is not MISSING}


TYPES = get_type_hints(Config)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
