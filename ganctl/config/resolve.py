"""Resolve layers of settings (the model's defaults, a TOML file, the command line) into a complete config."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ganctl.config.ranges import check_ranges
from ganctl.config.settings import (
    COMPONENTS,
    DEFAULT_EPOCHS,
    DEFAULTS,
    HELP,
    LISTS,
    SHORTHANDS,
    TYPES,
    Config,
    to_spec,
)
from ganctl.config.shorthands import expand_schedules, expand_shorthands, without_removed
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import options, single_file
from ganctl.plugin.names import same_name, setting_name
from ganctl.plugin.registry import Registry
from ganctl.recipe import Model, Spec


class Resolved(NamedTuple):
    """A complete config and warnings for the user."""

    config: Config
    warnings: list[str]


def resolve(registry: Registry, *layers: Mapping[str, Any]) -> Resolved:
    """Resolve ``layers`` of settings to a config.

    Later layers override earlier layers, and every layer overrides the model's defaults. The keys of a layer are the
    fields of :class:`Config` and the shorthands ``optimizer`` (both optimizers), ``lr``, ``g_lr``, ``d_lr``,
    ``lr_schedule`` and ``z_dim``. A component is a name or a table ``{"name": …, option: …}``. Strings are converted
    to the type of the setting, so values can come directly from a command line.

    Raises:
        GanctlError: a setting or component is unknown, or a value is invalid. The message contains the setting.
    """
    warnings = [warning for layer in layers for warning in _check_plugins(registry, layer)]
    expanded = [expand_shorthands(registry, layer) for layer in layers]
    for layer in expanded:
        _check_names(layer)
    model = _model_name(expanded)
    settings = _model_defaults(registry, model)
    defaults = {**DEFAULTS, **settings}
    for layer in expanded:
        _apply_layer(settings, layer, defaults)
    if "data" not in settings:
        raise GanctlError(
            "No dataset was given.",
            "Try --data mnist, --data ./my-images, or --data glyphs (no download).",
            status=USAGE,
        )
    settings.update(_components(registry, settings, defaults), **_lists(registry, settings))
    config = Config(**settings)
    if config.epochs is None and config.steps is None and config.minutes is None:
        config = replace(config, epochs=DEFAULT_EPOCHS)
    check_ranges(config)
    return Resolved(config, warnings)


def own_component(registry: Registry, distribution: str, kind: str, spec: Spec | None) -> Spec | None:
    """Return ``spec`` with the name qualified by ``distribution`` if several distributions register the name.

    A model always uses components from its own distribution.
    """
    if spec is None or len(registry.find(kind, spec.name)) < 2:
        return spec
    qualified = f"{distribution}:{spec.name}"
    return Spec(qualified, **spec.options) if registry.find(kind, qualified) else spec


def _check_names(layer: Mapping[str, Any]) -> None:
    for name in layer:
        if name not in HELP:
            hint = did_you_mean(name, [*HELP, *SHORTHANDS, "optimizer", "lr_schedule"])
            raise GanctlError(f"There is no setting '{name}'.", hint, status=USAGE)


def _check_plugins(registry: Registry, layer: Mapping[str, Any]) -> list[str]:
    """Check that the plugin files recorded in ``layer`` are loaded, and return warnings about changed files."""
    recorded = layer.get("plugins", {})
    if not isinstance(recorded, Mapping):
        raise GanctlError(f"plugins is {recorded!r}.", "Give a table of files and digests.", status=USAGE)
    return single_file.check_recorded(registry, recorded, exact=False)


def _model_name(layers: Sequence[Mapping[str, Any]]) -> str:
    names: list[str] = [layer["model"] for layer in layers if "model" in layer]
    if not names:
        raise GanctlError(
            "No model was given.",
            "Add --model NAME, such as --model dcgan. See: ganctl list models",
            status=USAGE,
        )
    if len(set(names)) > 1 and any(COMPONENTS.keys() & layer.keys() - {"data"} for layer in layers[:-1]):
        raise GanctlError(
            f"The settings contain the components of the model '{names[0]}', but the model '{names[-1]}' was given.",
            f"Give --model {names[-1]} without --config, or a config without components.",
            status=USAGE,
        )
    return names[-1]


def _model_defaults(registry: Registry, name: str) -> dict[str, Any]:
    component = registry.get("model", name)
    model: Model = component.load()
    return {
        "model": name,
        "image_size": model.image_size,
        "batch_size": model.batch_size,
        "n_critic": model.n_critic,
        "n_generator": model.n_generator,
        "regularizers": tuple(
            own_component(registry, component.distribution, "regularizer", spec)
            for spec in model.regularizers
        ),
        "ema": None
        if model.ema is None
        else float(model.ema),  # equals the value that is read back from TOML
        "ema_rampup": model.ema_rampup,
        "data_root": os.environ.get("GANCTL_DATA_ROOT") or DEFAULTS["data_root"],
        "schedules": expand_schedules(model.schedules),
        "plugins": dict(registry.files),
        **{
            setting: own_component(registry, component.distribution, kind, getattr(model, setting))
            for setting, kind in COMPONENTS.items()
            if setting != "data"
        },
    }


def _apply_layer(settings: dict[str, Any], layer: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    for name, value in layer.items():
        if name in COMPONENTS:
            settings[name] = _component(name, settings.get(name), value)
        elif name in LISTS and isinstance(value, Mapping):
            settings[name] = _with_list_options(name, settings.get(name, DEFAULTS[name]), value)
        elif name in LISTS:
            settings[name] = _list(name, value)
        elif name == "schedules":
            settings[name] = without_removed({**settings[name], **expand_schedules(value)})
        elif name != "plugins":  # only --plugin loads plugin files
            shown = defaults.get(name, options.MISSING)
            settings[name] = options.convert(name, value, TYPES[name], shown_default=shown)
    _apply_length(settings, layer)


def _apply_length(settings: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Replace the run length from earlier layers with the length in ``layer``: epochs or steps, minutes, or both."""
    lengths = ("epochs", "steps", "minutes")
    given = {name: settings[name] for name in lengths if name in layer and settings[name] is not None}
    if "epochs" in given and "steps" in given:
        raise GanctlError("Both epochs and steps were given.", "Give one of them.", status=USAGE)
    if given:
        settings.update({**dict.fromkeys(lengths), **given})


def _component(name: str, base: Spec | None, table: Mapping[str, Any] | None) -> Spec | None:
    """Return the component ``base`` from earlier layers, updated with ``table``."""
    if table is None:
        return None
    given = {key: value for key, value in table.items() if key != "name"}
    component = table.get("name", base.name if base else None)
    if component is None:
        raise GanctlError(
            f"Options of {name} were given, but no {name} was selected.", f"Add: --{name} NAME", status=USAGE
        )
    if not isinstance(component, str):
        raise GanctlError(f"The name of {name} is {component!r}, which is not a string.", status=USAGE)
    inherited: dict[str, Any] = {}
    if base:
        if component == base.name:
            inherited = dict(base.options)
        elif name.endswith("optimizer") and "lr" in base.options:
            # Keep only the learning rate, because other options have different meanings in different optimizers.
            inherited = {"lr": base.options["lr"]}
    return Spec(component, **{**inherited, **given})


def _list(name: str, value: Any) -> tuple[Spec, ...]:
    """Return the components in ``value``, which is a list of names or tables, comma-separated names, or ``none``."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, (list, tuple, type(None))):
        raise GanctlError(f"{name} is {value!r}, which is not a list of names.", status=USAGE)
    specs = [_list_item(name, item) for item in value or () if item not in ("none", "")]
    names = [spec.name for spec in specs]
    repeated = sorted(component for component in names if names.count(component) > 1)
    if repeated:
        raise GanctlError(f"{name} contains '{repeated[0]}' twice.", "Give each name once.", status=USAGE)
    return tuple(specs)


def _with_list_options(name: str, specs: tuple[Spec, ...], tables: Mapping[str, Any]) -> tuple[Spec, ...]:
    """Return ``specs`` with the options in ``tables``, which are keyed by component name."""
    chosen = [spec.name for spec in specs]
    for component, table in tables.items():
        if not any(same_name(component, name_of_spec) for name_of_spec in chosen):
            kind = LISTS[name]
            raise GanctlError(
                f"There are options for the {kind} '{component}', but the run has "
                f"{'only ' + ', '.join(chosen) if chosen else f'no {kind}'}.",
                f"Add: --{kind} {component}",
                status=USAGE,
            )
        if not isinstance(table, Mapping):
            raise GanctlError(f"{name}.{component} is {table!r}.", "Give a table of options.", status=USAGE)
    changed = []
    for spec in specs:
        given = {
            setting_name(option): value
            for component, table in tables.items()
            if same_name(component, spec.name)
            for option, value in table.items()
        }
        changed.append(Spec(spec.name, **{**spec.options, **given}))
    return tuple(changed)


def _list_item(name: str, item: Any) -> Spec:
    if isinstance(item, Spec):
        return item
    if isinstance(item, Mapping):
        item = {setting_name(key): option for key, option in item.items()}
    if not isinstance(item, str) and not (isinstance(item, Mapping) and isinstance(item.get("name"), str)):
        raise GanctlError(
            f"{name} contains {item!r}.",
            'Give a list of names, or of tables such as {name = "swd", patches = 64}.',
            status=USAGE,
        )
    return to_spec(item)


def _components(
    registry: Registry, settings: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Spec | None]:
    def complete(name: str, kind: str, spec: Spec) -> Spec:
        inherited = _component(name, defaults.get(name), {"name": spec.name})
        return _with_defaults(registry, kind, spec, inherited.options if inherited else {})

    return {
        name: None if settings[name] is None else complete(name, kind, settings[name])
        for name, kind in COMPONENTS.items()
    }


def _lists(registry: Registry, settings: Mapping[str, Any]) -> dict[str, tuple[Spec, ...]]:
    lists = {}
    for name, kind in LISTS.items():
        defaults = [own_component(registry, "ganctl", kind, spec) for spec in DEFAULTS[name]]
        lists[name] = tuple(_with_defaults(registry, kind, spec) for spec in settings.get(name, defaults))
    return lists


def _with_defaults(
    registry: Registry, kind: str, spec: Spec, shown_defaults: Mapping[str, Any] | None = None
) -> Spec:
    """Return ``spec`` with explicit values for all options that can be written to TOML."""
    factory = registry.get(kind, spec.name).load()
    resolved = options.resolve(kind, spec.name, factory, spec.options, shown_defaults)
    return Spec(spec.name, **{key: value for key, value in resolved.items() if _is_plain(value)})


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
