"""From layers of settings to a complete config: defaults, then the model's, a TOML file's, the command line's."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganctl.config.settings import (
    COMPONENTS,
    DEFAULT_EPOCHS,
    DEFAULTS,
    HELP,
    LISTS,
    OPTIONAL,
    SHORTHANDS,
    TYPES,
    Config,
    to_spec,
)
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import options, single_file
from ganctl.plugin.registry import Registry
from ganctl.recipe import Model, Spec


def resolve(registry: Registry, *layers: Mapping[str, Any]) -> Config:
    """The config of these layers of settings, the later over the earlier, all over the model's and defaults.

    A layer has the keys of :class:`Config`, or the shorthands ``optimizer`` (both), ``lr``, ``g_lr``,
    ``d_lr``, ``lr_schedule`` and ``z_dim``; a component is its name or a table ``{"name": …, option: …}``.
    Text is converted to the type that is needed, so values may come from a command line as they are.

    Raises:
        GanctlError: an unknown setting or component, or a value that cannot be; the message says where.
    """
    for layer in layers:
        recorded = layer.get("plugins", {})
        if not isinstance(recorded, Mapping):
            raise GanctlError(
                f"plugins is {recorded!r}.", "It is a table of files and digests.", status=USAGE
            )
        single_file.check_recorded(registry, recorded, exact=False)
    expanded = [_expand(registry, layer) for layer in layers]
    names = [layer["model"] for layer in expanded if "model" in layer]
    if not names:
        raise GanctlError(
            "No model was named.",
            "Try: ganctl train --model dcgan --data mnist (see: ganctl list models)",
            status=USAGE,
        )
    if len(set(names)) > 1 and any(COMPONENTS.keys() & layer.keys() - {"data"} for layer in expanded[:-1]):
        raise GanctlError(
            f"The settings have the parts of the model '{names[0]}', and the model '{names[-1]}' was given besides.",
            f"Give --model {names[-1]} without --config, or a config without parts.",
            status=USAGE,
        )
    model = registry.get("model", names[-1])
    recipe: Model = model.load()
    settings: dict[str, Any] = {
        "model": names[-1],
        "image_size": recipe.image_size,
        "batch_size": recipe.batch_size,
        "n_critic": recipe.n_critic,
        "ema": None if recipe.ema is None else float(recipe.ema),  # written down and read back it is that
        "data_root": os.environ.get("GANCTL_DATA_ROOT", DEFAULTS["data_root"]),
        "schedules": _schedules(recipe.schedules),
        "plugins": dict(registry.files),
        **{
            name: own_component(registry, model.distribution, kind, getattr(recipe, name))
            for name, kind in COMPONENTS.items()
            if name != "data"
        },
    }
    for layer in expanded:
        length = {}
        for name, value in layer.items():
            if name in COMPONENTS:
                settings[name] = _merge(name, settings.get(name), value)
                continue
            if name == "plugins":  # what is recorded loads nothing
                continue
            if name in LISTS:
                settings[name] = _list(name, value)
                continue
            if name == "schedules":
                settings[name] = {**settings[name], **_schedules(value)}
                continue
            settings[name] = options.convert(name, value, TYPES[name], DEFAULTS.get(name, options.MISSING))
            if name in ("epochs", "steps") and settings[name] is not None:
                length[name] = settings[name]
        if len(length) > 1:
            raise GanctlError("Both epochs and steps were given.", "Give one of them.", status=USAGE)
        if length:  # of a later layer, it replaces whichever an earlier one gave
            settings.update({"epochs": None, "steps": None, **length})
    if "data" not in settings:
        raise GanctlError(
            "No dataset was named.",
            "Try --data mnist, --data ./my-pictures, or --data glyphs (no download).",
            status=USAGE,
        )
    for name, kind in COMPONENTS.items():
        if settings[name] is not None:
            settings[name] = _with_defaults(registry, kind, settings[name])
    for name, kind in LISTS.items():
        if name not in settings:
            settings[name] = [own_component(registry, "ganctl", kind, spec) for spec in DEFAULTS[name]]
        settings[name] = tuple(_with_defaults(registry, kind, spec) for spec in settings[name])
    config = Config(**settings)
    if config.epochs is None and config.steps is None:
        config = replace(config, epochs=DEFAULT_EPOCHS)
    _check(config)
    return config


def own_component(registry: Registry, distribution: str, kind: str, spec: Spec | None) -> Spec | None:
    """``spec`` as the recipe of ``distribution`` means it: where others claim the name too, its own component."""
    if spec is None or len(registry.find(kind, spec.name)) < 2:
        return spec
    own = f"{distribution}:{spec.name}"
    return Spec(own, **spec.options) if registry.find(kind, own) else spec


def component_options(registry: Registry, kind: str, name: str) -> Callable[..., Any]:
    """The factory that a component's options are read from."""
    factory: Callable[..., Any] = registry.get(kind, name).load()
    return factory


def data_spec(registry: Registry, text: str) -> dict[str, Any]:
    """``--data``: a dataset's name, or the path of a folder or zip of pictures."""
    if not registry.find("dataset", text) and (
        os.sep in text or "/" in text or text == "." or Path(text).exists()
    ):
        return {"name": "folder", "path": text}
    return {"name": text}


def _expand(registry: Registry, layer: Mapping[str, Any]) -> dict[str, Any]:
    """``layer`` with the keys of Config alone: shorthands spelt out, components as tables."""
    given = {str(key).replace("-", "_"): value for key, value in layer.items()}
    if "lr_schedule" in given:
        given["schedules"] = {"lr": given.pop("lr_schedule"), **given.get("schedules", {})}
    expanded: dict[str, Any] = {}
    # From the general to the special, so that d_lr beats lr whatever their order.
    for name in ("optimizer", "lr", *COMPONENTS, "g_lr", "d_lr", "z_dim"):
        if name not in given:
            continue
        value = given.pop(name)
        if name in SHORTHANDS:
            for component, option in SHORTHANDS[name]:
                expanded.setdefault(component, {})[option] = value
            continue
        if name in OPTIONAL and value in (None, "none"):
            expanded[name] = None
            continue
        if isinstance(value, str):
            value = data_spec(registry, value) if name == "data" else {"name": value}
        elif isinstance(value, Spec):
            value = {"name": value.name, **value.options}
        if not isinstance(value, Mapping):
            raise GanctlError(
                f"{name} is {value!r}.", "Give a component's name or a table of options.", status=USAGE
            )
        table = {str(key).replace("-", "_"): item for key, item in value.items()}
        for component in ("g_optimizer", "d_optimizer") if name == "optimizer" else (name,):
            expanded.setdefault(component, {}).update(table)
    for name, value in given.items():
        if name not in HELP:
            hint = did_you_mean(name, [*HELP, *SHORTHANDS, "optimizer", "lr_schedule"])
            raise GanctlError(f"There is no setting '{name}'.", hint, status=USAGE)
        expanded[name] = value
    return expanded


def _schedules(table: Any) -> dict[str, str]:
    """``table`` with ``lr`` spelt out, and without those that are ``none``."""
    if not isinstance(table, Mapping) or not all(isinstance(text, str) for text in table.values()):
        raise GanctlError(
            f"schedules is {table!r}.", 'It is a table, as {"g_optimizer.lr" = "linear 0"}.', status=USAGE
        )
    spelt_out = {f"{part}.{option}": table["lr"] for part, option in SHORTHANDS["lr"] if "lr" in table}
    return {**spelt_out, **{name: text for name, text in table.items() if name != "lr"}}


def _list(name: str, value: Any) -> tuple[Spec, ...]:
    """Components given as a list of names or tables, as their names with commas between, or as ``none``."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, (list, tuple, type(None))):
        raise GanctlError(f"{name} is {value!r}, which is not a list of names.", status=USAGE)
    given = [item for item in value or () if item not in ("none", "")]
    specs = []
    for item in given:
        if isinstance(item, Mapping):
            item = {str(key).replace("-", "_"): option for key, option in item.items()}
        if not isinstance(item, (str, Spec)) and not (
            isinstance(item, Mapping) and isinstance(item.get("name"), str)
        ):
            raise GanctlError(
                f"{name} has {item!r} in it.",
                'It is a list of names, or of tables such as {name = "swd", patches = 64}.',
                status=USAGE,
            )
        specs.append(item if isinstance(item, Spec) else to_spec(item))
    twice = {spec.name for spec in specs if [other.name for other in specs].count(spec.name) > 1}
    if twice:
        raise GanctlError(f"{name} has '{min(twice)}' twice.", "Name each once.", status=USAGE)
    return tuple(specs)


def _merge(name: str, base: Spec | None, table: Mapping[str, Any] | None) -> Spec | None:
    if table is None:
        return None
    given = {key: value for key, value in table.items() if key != "name"}
    wanted = table.get("name", base.name if base else None)
    if wanted is None:
        raise GanctlError(
            f"The options of {name} were given, but not its name.", f"Add: --{name} NAME", status=USAGE
        )
    if not isinstance(wanted, str):
        raise GanctlError(f"The name of {name} is {wanted!r}, which is not text.", status=USAGE)
    inherited: dict[str, Any] = {}
    if base:
        if wanted == base.name:
            inherited = dict(base.options)
        elif name.endswith("optimizer") and "lr" in base.options:
            # Adam against RMSprop is asked at one learning rate; no other option means the same to both.
            inherited = {"lr": base.options["lr"]}
    return Spec(wanted, **{**inherited, **given})


def _with_defaults(registry: Registry, kind: str, spec: Spec) -> Spec:
    factory = component_options(registry, kind, spec.name)
    resolved = options.resolve(f"{kind} '{spec.name}'", factory, spec.options)
    return Spec(spec.name, **{key: value for key, value in resolved.items() if _is_plain(value)})


def _check(config: Config) -> None:
    at_least = {
        "batch_size": 1, "n_critic": 1, "log_every": 1, "samples": 1, "image_size": 1, "epochs": 0, "steps": 0,
        "sample_every": 1, "metric_samples": 1, "checkpoint_every": 1, "keep": 0, "seed": 0,
    }  # fmt: skip
    for name, least in at_least.items():
        value = getattr(config, name)
        if value is not None and value < least:
            raise GanctlError(
                f"{name} is {value}; it must be at least {least}.", HELP[name] + ".", status=USAGE
            )
    if config.seed >= 2**31:
        raise GanctlError(f"seed is {config.seed}; it must be below 2³¹.", status=USAGE)
    if config.ema is not None and not config.ema > 0:
        raise GanctlError(f"ema is {config.ema}; a half-life is above 0.", HELP["ema"] + ".", status=USAGE)
    for name in ("g_optimizer", "d_optimizer"):
        lr = getattr(config, name).options.get("lr")
        if isinstance(lr, float) and not (lr > 0 and math.isfinite(lr)):
            raise GanctlError(
                f"The learning rate of {name} is {lr}; it must be above 0.",
                "Usual are 1e-5 to 1e-3.",
                status=USAGE,
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
