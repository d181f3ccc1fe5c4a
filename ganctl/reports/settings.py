"""In what the runs of a report differ, and which of it makes rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

#: Settings that change nothing of what is computed: they never tell runs apart.
WITHOUT_EFFECT = {
    "device", "data_root", "log_every", "sample_every", "samples", "checkpoint_every", "keep", "on_nan", "force",
    "trackers", "metrics", "metric_samples", "plugins", "data.download",
}  # fmt: skip
#: Settings whose value says what it is of.
NAMES = {"model", "data", "loss", "generator", "discriminator", "optimizer"}
#: What tells runs apart first if several settings could. Then all others; at the end, how long and by which chance.
TELLING = (
    "model", "data", "image_size", "loss", "generator", "discriminator", "optimizer", "g_optimizer",
    "d_optimizer", "lr", "g_lr", "d_lr", "batch_size", "n_critic", "latent", "z_dim", "ema", "augment", "precision",
)  # fmt: skip
LAST = ("epochs", "steps", "seed")
#: Options of torch's optimizers that tell nothing about the mathematics.
DULL = {"foreach", "maximize", "capturable", "differentiable", "fused"}


@dataclass(frozen=True)
class Setting:
    """A setting that differs, with its value in every run; None where a run has no such setting."""

    name: str
    values: tuple[Any, ...]

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    def classes(self) -> list[int]:
        """For every run the number of its value."""
        texts = [show(value) for value in self.values]
        return [texts.index(text) for text in texts]


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config.toml`` with one name a value: ``lr`` where both optimizers share it, ``loss.gp_weight``, …"""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            for option, item in value.items():
                flat[str(key) if option == "name" else f"{key}.{option}"] = item
        else:
            flat[str(key)] = value
    g = {k.partition(".")[2]: flat.pop(k) for k in list(flat) if k.split(".")[0] == "g_optimizer"}
    d = {k.partition(".")[2]: flat.pop(k) for k in list(flat) if k.split(".")[0] == "d_optimizer"}
    for option in [*g, *(o for o in d if o not in g)]:
        if option in DULL:
            continue
        own = option == "lr"
        if option in g and option in d and show(g[option]) == show(d[option]):
            flat["lr" if own else f"optimizer.{option}" if option else "optimizer"] = g[option]
            continue
        for side, table in (("g", g), ("d", d)):
            if option in table:
                name = f"{side}_lr" if own else f"{side}_optimizer{'.' if option else ''}{option}"
                flat[name] = table[option]
    if flat.get("data") == "folder" and isinstance(flat.get("data.path"), str):
        flat["data"] = (
            PurePath(flat["data.path"]).name or "folder"
        )  # whose pictures, not that they are in a folder
    if "latent.z_dim" in flat:
        flat["z_dim"] = flat.pop("latent.z_dim")
    return {name: value for name, value in flat.items() if name not in WITHOUT_EFFECT}


def table(configs: Sequence[Mapping[str, Any]]) -> list[Setting]:
    """Every setting that any of ``configs`` has, the telling ones first."""
    flat = [flatten(config) for config in configs]
    # What one run has in common for both networks and another has apart is told apart for both.
    for option in ("lr", "optimizer"):
        if any(f"g_{option}" in f for f in flat):
            for f in flat:
                if option in f:
                    f[f"g_{option}"] = f[f"d_{option}"] = f.pop(option)
    names = list(dict.fromkeys(name for f in flat for name in f))
    order = {name: i for i, name in enumerate(TELLING)} | {name: 1000 + i for i, name in enumerate(LAST)}
    names.sort(key=lambda name: order.get(name, 100 + name.count(".")))
    return [Setting(name, tuple(f.get(name) for f in flat)) for name in names]


def differing(settings: Sequence[Setting]) -> list[Setting]:
    return [setting for setting in settings if len(set(setting.classes())) > 1]


def axes(settings: Sequence[Setting], first: Sequence[str] = ()) -> list[Setting]:
    """The fewest settings, by the order of telling, whose values together tell the runs apart as far as they can.

    Args:
        settings: those that differ.
        first: names that come before all others, such as a sweep's own.
    """
    chosen: list[Setting] = []
    together: list[tuple[int, ...]] = [()] * (len(settings[0].values) if settings else 0)
    for setting in sorted(settings, key=lambda s: first.index(s.name) if s.name in first else len(first)):
        finer = [(*a, b) for a, b in zip(together, setting.classes(), strict=True)]
        if len(set(finer)) > len(set(together)):
            chosen.append(setting)
            together = finer
    return chosen


def labels(chosen: Sequence[Setting], names: Sequence[str]) -> list[str]:
    """What each run is called: the values that tell it apart, or its ``name`` where those do not."""
    found = [named(chosen, i) or name for i, name in enumerate(names)]
    return [
        f"{text} ({name})" if found.count(text) > 1 else text for text, name in zip(found, names, strict=True)
    ]


def named(chosen: Sequence[Setting], run: int) -> str:
    """The values of ``chosen`` in a run: ``"wgan · lr 1e-4"``."""
    values = [(s, show(s.values[run])) for s in chosen]
    return " · ".join(value if s.name in NAMES else f"{s.title} {value}" for s, value in values)


def show(value: Any) -> str:
    """``2e-4``, ``yes``, ``512, 256``, ``–`` for what a run has not."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value and abs(value) < 1e-3:
            mantissa, _, exponent = f"{value:.6e}".partition("e")
            return f"{float(mantissa):g}e{int(exponent)}"
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(show(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {show(item)}" for key, item in value.items())
    return str(value)
