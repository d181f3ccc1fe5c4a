"""Find the settings in which runs differ, and choose the settings that become rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

#: Settings that do not affect the computation and therefore never distinguish runs.
WITHOUT_EFFECT = {
    "device", "data_root", "log_every", "sample_every", "samples", "checkpoint_every", "keep", "on_nan", "force",
    "trackers", "metrics", "metric_samples", "plugins", "data.download",
}  # fmt: skip
#: Settings whose values are clear without the names of the settings.
SELF_EXPLANATORY = {"model", "data", "loss", "generator", "discriminator", "optimizer"}
#: Settings that are preferred for distinguishing runs, in order. Settings in LAST come after all others.
FIRST = (
    "model", "data", "image_size", "loss", "generator", "discriminator", "optimizer", "g_optimizer",
    "d_optimizer", "lr", "g_lr", "d_lr", "batch_size", "n_critic", "latent", "z_dim", "ema", "augment", "precision",
)  # fmt: skip
LAST = ("epochs", "steps", "seed")
#: Options of torch's optimizers that only select an implementation or are rarely changed.
HIDDEN_OPTIMIZER_OPTIONS = {"foreach", "maximize", "capturable", "differentiable", "fused"}


@dataclass(frozen=True)
class Setting:
    """A setting with its value in each run, or None in a run without this setting."""

    name: str
    values: tuple[Any, ...]

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    def value_ids(self) -> list[int]:
        """Return a number for each run. Runs with equal values have equal numbers."""
        texts = [format_value(value) for value in self.values]
        return [texts.index(text) for text in texts]


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten ``config.toml`` to one value per name: ``loss.gp_weight``, ``lr`` if both optimizers share it, …"""
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
        if option in HIDDEN_OPTIMIZER_OPTIONS:
            continue
        is_lr = option == "lr"
        if option in g and option in d and format_value(g[option]) == format_value(d[option]):
            flat["lr" if is_lr else f"optimizer.{option}" if option else "optimizer"] = g[option]
            continue
        for side, options in (("g", g), ("d", d)):
            if option in options:
                name = f"{side}_lr" if is_lr else f"{side}_optimizer{'.' if option else ''}{option}"
                flat[name] = options[option]
    if flat.get("data") == "folder" and isinstance(flat.get("data.path"), str):
        flat["data"] = PurePath(flat["data.path"]).name or "folder"  # more informative than "folder"
    if "latent.z_dim" in flat:
        flat["z_dim"] = flat.pop("latent.z_dim")
    return {name: value for name, value in flat.items() if name not in WITHOUT_EFFECT}


def collect(configs: Sequence[Mapping[str, Any]]) -> list[Setting]:
    """Return all settings that appear in ``configs``, sorted by ``FIRST`` and ``LAST``."""
    flat = [flatten(config) for config in configs]
    # If G and D have separate values in one run, list separate values for all runs.
    for option in ("lr", "optimizer"):
        if any(f"g_{option}" in f for f in flat):
            for f in flat:
                if option in f:
                    f[f"g_{option}"] = f[f"d_{option}"] = f.pop(option)
    names = list(dict.fromkeys(name for f in flat for name in f))
    order = {name: i for i, name in enumerate(FIRST)} | {name: 1000 + i for i, name in enumerate(LAST)}
    names.sort(key=lambda name: order.get(name, 100 + name.count(".")))
    return [Setting(name, tuple(f.get(name) for f in flat)) for name in names]


def differing(settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings whose values are not the same in all runs."""
    return [setting for setting in settings if len(set(setting.value_ids())) > 1]


def choose_axes(settings: Sequence[Setting], first: Sequence[str] = ()) -> list[Setting]:
    """Choose a small number of settings whose values together distinguish as many runs as possible.

    Args:
        settings: settings that differ, in order of preference.
        first: names to prefer over all others, such as the settings that a sweep varies.
    """
    chosen: list[Setting] = []
    together: list[tuple[int, ...]] = [()] * (len(settings[0].values) if settings else 0)
    for setting in sorted(settings, key=lambda s: first.index(s.name) if s.name in first else len(first)):
        finer = [(*a, b) for a, b in zip(together, setting.value_ids(), strict=True)]
        if len(set(finer)) > len(set(together)):
            chosen.append(setting)
            together = finer
    return chosen


def labels(axes: Sequence[Setting], names: Sequence[str]) -> list[str]:
    """Return a label for each run: its values of ``axes``, and also its name if these values are not unique."""
    found = [label(axes, i) or name for i, name in enumerate(names)]
    return [
        f"{text} ({name})" if found.count(text) > 1 else text for text, name in zip(found, names, strict=True)
    ]


def label(axes: Sequence[Setting], run: int) -> str:
    """Return the values of ``axes`` in a run, for example ``"wgan · lr 1e-4"``."""
    values = [(axis, format_value(axis.values[run])) for axis in axes]
    return " · ".join(
        value if axis.name in SELF_EXPLANATORY else f"{axis.title} {value}" for axis, value in values
    )


def format_value(value: Any) -> str:
    """Format a value, for example as ``2e-4``, ``yes`` or ``512, 256``. None becomes ``–``."""
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
        return ", ".join(format_value(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {format_value(item)}" for key, item in value.items())
    return str(value)
