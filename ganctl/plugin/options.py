"""Options of components, which are read from a signature, checked and converted before a component is built."""

from __future__ import annotations

import inspect
import os
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from ganctl.errors import USAGE, GanctlError, did_you_mean

#: Maps each component kind to the parameters that ganctl fills in by name. All other parameters are options.
FILLED_IN = {
    "generator": ("image", "latent", "num_classes", "condition"),
    "discriminator": ("image", "latent", "num_classes", "condition"),
    "loss": ("image", "latent", "num_classes", "condition", "batch_size"),
    "regularizer": ("image", "latent", "num_classes", "condition", "batch_size"),
    "dataset": ("root",),
    "optimizer": ("params",),
    "augmentation": ("image",),
    "latent": ("image", "root"),
    "tracker": ("folder", "first_step", "config"),
    "metric": (),
}
MISSING = inspect.Parameter.empty
#: Help text for the option that every regularizer has.
EVERY = "evaluate the term only in every k-th step, and multiply the term by k"


@dataclass(frozen=True)
class Option:
    """A factory parameter that users can set."""

    name: str
    type: Any  # the annotation; Any if there is no annotation
    default: Any  # MISSING if the option is required
    help: str = ""

    @property
    def type_name(self) -> str:
        return _describe(self.type)


def of(kind: str, factory: Callable[..., Any]) -> list[Option]:
    """Return a component's options in signature order, with help texts from the ``Args:`` section.

    Args:
        kind: kind of the component, which determines the parameters that ganctl fills in.
        factory: callable that creates the component.
    """
    hints = _type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    help_texts = _argument_help(factory)
    options = []
    for name, parameter in inspect.signature(factory).parameters.items():
        if name in FILLED_IN[kind] or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        options.append(Option(name, hints.get(name, Any), parameter.default, help_texts.get(name, "")))
    if kind == "regularizer":
        if any(option.name == "every" for option in options):
            raise GanctlError(
                f"{getattr(factory, '__name__', 'The regularizer')} has an option 'every', which ganctl adds to every "
                "regularizer.",
                "Remove the parameter. Set the class attribute 'every' to change its default.",
            )
        options.append(Option("every", int, getattr(factory, "every", 1), EVERY))
    return options


def of_sampling(forward: Callable[..., Any]) -> list[Option]:
    """Return the sampling options that ``G.forward`` declares in addition to z, y and c.

    A sampling option is a parameter with a type annotation whose default is a number, a bool or a string.
    """
    hints, help_texts = _type_hints(forward), _argument_help(forward)
    parameters = [p for p in inspect.signature(forward).parameters.values() if p.name not in ("self", "c")]
    return [
        Option(p.name, hints[p.name], p.default, help_texts.get(p.name, ""))
        for p in parameters[2:]  # skips z and y, regardless of their names
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name in hints
        and isinstance(p.default, (bool, int, float, str))
    ]


def convert_sampling(generator: str, forward: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sampling options ``given``, converted to their types.

    Raises:
        GanctlError: The generator has no such option, or the value has the wrong type.
    """
    known = {option.name: option for option in of_sampling(forward)}
    what = f"generator '{generator}'"
    for name in given:
        if name not in known:
            raise GanctlError(
                f"{what} has no sampling option '{name}'.", _available(name, known), status=USAGE
            )
    return {
        name: convert(
            f"{what}: {name}", value, known[name].type, known[name].default, shown_default=known[name].default
        )
        for name, value in given.items()
    }


def _available(name: str, known: Mapping[str, Option]) -> str:
    """Return a hint for an unknown option, with a similar name if there is one and all options with types."""
    available = ", ".join(f"{o.name} ({o.type_name})" for o in known.values()) or "none"
    near = did_you_mean(name, known)
    return (
        f"{near} Available options: {available}."
        if near.startswith("Did you")
        else f"Available options: {available}."
    )


def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations by parameter, without annotations that only a type checker can resolve."""
    try:
        return typing.get_type_hints(function)
    except Exception:
        hints = {}
        for name, annotation in getattr(function, "__annotations__", {}).items():
            single = types.SimpleNamespace(__annotations__={name: annotation})
            try:
                hints.update(typing.get_type_hints(single, globalns=getattr(function, "__globals__", {})))
            except Exception:
                continue
        return hints


def resolve(
    kind: str,
    component: str,
    factory: Callable[..., Any],
    given: Mapping[str, Any],
    shown_defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all options of a component: ``given`` values converted to their types, and defaults for the rest.

    Args:
        shown_defaults: defaults that error messages show instead of the defaults of ``factory``, such as a model's
            defaults.

    Raises:
        GanctlError: An option is unknown, has the wrong type, or is required and missing. The message names the
            component.
    """
    known = {option.name: option for option in of(kind, factory)}
    what = f"{kind} '{component}'"
    for name in given:
        if name not in known:
            raise GanctlError(f"{what} has no option '{name}'.", _available(name, known), status=USAGE)
    resolved = {}
    for name, option in known.items():
        if name in given:
            shown = (shown_defaults or {}).get(name, option.default)
            resolved[name] = convert(
                f"{what}: {name}", given[name], option.type, option.default, shown_default=shown
            )
        elif option.default is MISSING:
            raise GanctlError(
                f"{what} needs the option '{name}' ({option.type_name}).",
                option.help
                or f"Set it with -o PART.{name}=VALUE. ganctl fills in {', '.join(FILLED_IN[kind]) or 'nothing'}.",
                status=USAGE,
            )
        else:
            try:  # also convert defaults: torch's weight_decay: float = 0 is 0.0 when read from a config
                resolved[name] = _convert(option.default, option.type)
            except (ValueError, TypeError):
                resolved[name] = option.default
    return resolved


def call(factory: Callable[..., Any], options: Mapping[str, Any], **filled_in: Any) -> Any:
    """Call ``factory`` with ``options`` and with the values in ``filled_in`` for which it has a parameter."""
    parameters = inspect.signature(factory).parameters
    return factory(**{name: value for name, value in filled_in.items() if name in parameters}, **options)


def convert(
    what: str, value: Any, annotation: Any, default: Any = MISSING, *, shown_default: Any = MISSING
) -> Any:
    """Convert ``value`` to the type ``annotation``. A string, such as a command-line value, is parsed as this type.

    Args:
        default: its type is used if there is no annotation.
        shown_default: default shown in the error message.

    Raises:
        GanctlError: The value has a different type. The message names the expected type.
    """
    if annotation is Any and default is not MISSING and default is not None:
        annotation = type(default)
    try:
        return _convert(value, annotation)
    except (ValueError, TypeError, OverflowError):
        raise GanctlError(
            f"{what} is {value!r}; expected {_describe(annotation)}.",
            f"The default is {as_text(shown_default)}." if shown_default is not MISSING else "",
            status=USAGE,
        ) from None


def as_text(value: Any) -> str:
    """Return ``value`` as written on the command line."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(as_text, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _convert(value: Any, annotation: Any) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        if type(None) in args and (value is None or value in ("none", "None")):
            return None
        # Try bool, int, float and str in this order. Otherwise, "1" would become a string and True would become 1.
        for kind in sorted((a for a in args if a is not type(None)), key=_precedence):
            try:
                return _convert(value, kind)
            except (ValueError, TypeError):
                continue
        raise ValueError(value)
    if origin is Literal:
        for choice in args:
            if value == choice or str(value) == str(choice):
                return choice
        raise ValueError(value)
    if origin in (tuple, list, Sequence) or annotation in (tuple, list):
        items = _split(value) if isinstance(value, str) else list(value)
        if origin is tuple and args and args[-1] is not Ellipsis:
            if len(items) != len(args):
                raise ValueError(value)
            return tuple(_convert(item, kind) for item, kind in zip(items, args, strict=True))
        kind = args[0] if args else Any
        return (list if list in (origin, annotation) else tuple)(_convert(item, kind) for item in items)
    if annotation is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _BOOLEANS:
            return _BOOLEANS[value.lower()]
        raise ValueError(value)
    if annotation is int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError(value)
        return int(value)
    if annotation is float:
        if isinstance(value, bool):
            raise ValueError(value)
        return float(value)
    if annotation is str:
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if not isinstance(value, str):
            raise ValueError(value)
        return value
    if annotation is Any:
        return value
    if isinstance(annotation, type):  # a type such as torch.Tensor, which cannot be written as text
        if isinstance(value, annotation):
            return value
        raise ValueError(value)
    return value


_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def _precedence(kind: Any) -> int:
    order = [bool, int, float]
    return order.index(kind) if kind in order else len(order) + (kind is str)


def _split(text: str) -> list[str]:
    inner = text.strip().removeprefix("[").removesuffix("]").removeprefix("(").removesuffix(")")
    return [item.strip().strip("'\"") for item in inner.split(",") if item.strip()]


def _describe(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any or annotation is MISSING:
        return "any"
    if origin in (Union, types.UnionType):
        names = [_describe(a) for a in args if _describe(a) != "Tensor"]
        return " or ".join(dict.fromkeys(names))
    if origin is Literal:
        return " or ".join(repr(choice) for choice in args)
    if origin is tuple and args:
        if args[-1] is Ellipsis:
            return f"{_describe(args[0])},{_describe(args[0])},…"
        return ",".join(_describe(a) for a in args)
    if origin in (list, Sequence) and args:
        return f"{_describe(args[0])},{_describe(args[0])},…"
    if annotation is type(None):
        return "none"
    return {int: "int", float: "float", bool: "true/false", str: "text"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


def _argument_help(factory: Callable[..., Any]) -> dict[str, str]:
    """Return the help texts in the ``Args:`` section in the docstring of ``factory`` or its ``__init__``."""
    found: dict[str, str] = {}
    sources = [factory.__doc__, factory.__init__.__doc__ if inspect.isclass(factory) else None]
    for docstring in sources:
        if not docstring:
            continue
        section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", inspect.cleandoc(docstring), re.MULTILINE)
        if not section:
            continue
        name = ""
        for line in inspect.cleandoc("\n" + section[1]).splitlines():
            match = re.match(r"(\w+)\s*(?:\(.*?\))?\s*:(?:\s+(.*))?$", line)
            if match:
                name = match[1]
                found.setdefault(name, (match[2] or "").strip())
            elif name and line.startswith(" "):
                found[name] = f"{found[name]} {line.strip()}".strip()
    return {name: _plain(text) for name, text in found.items()}


def _plain(text: str) -> str:
    """Return ``text`` without reStructuredText markup and without the default, which listings show separately."""
    text = re.sub(r"\s*\(default: ((?:\([^)]*\)|[^()])*)\)", "", text)
    text = re.sub(r":\w+:`~?([^`<]*?)\s*(?:<[^`]*>)?`", r"\1", text)
    return re.sub(r"(`+)([^`]+)\1_{0,2}", r"\2", text)
