"""Types of numeric options. They reject values outside the option's range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ganctl.config.ranges import COUNT, OR_NONE, RANGES, SHORTHAND_RANGES, Range


class Number(click.ParamType):
    """A number in a range, or one of ``words``, such as ``none``, which remain text."""

    name = "number"

    def __init__(self, allowed: Range, *words: str) -> None:
        self.allowed, self.words = allowed, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in self.words:
            return value
        try:
            return self.allowed.parse(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not {' or '.join([str(self.allowed), *self.words])}.", param, ctx)


class Numbers(click.ParamType):
    """Comma-separated numbers in a range. The parsed value is a tuple."""

    name = "numbers"

    def __init__(self, allowed: Range) -> None:
        self.allowed = allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        item = Number(self.allowed)
        return tuple(item.convert(part.strip(), param, ctx) for part in str(value).split(","))


#: Seed of latents when sampling.
SEED = Range(0, 2**32 - 1)
#: Number of samples, rows or steps.
SAMPLES = COUNT
#: Frames per second of an animation.
FPS = Range(0.01, 1000, whole=False)
#: Factor by which images are enlarged.
SCALE = Range(1, 64)
#: Port of a server; 0 for any free port.
PORTS = Range(0, 65_535)
#: Duration, in seconds.
SECONDS = Range(0.1, 86_400, whole=False)


def number_option(*names: str, type: Number | Numbers, help: str, **attributes: Any) -> Callable[[Any], Any]:
    """Return a click option whose help ends with the allowed range and the default, if there is one."""
    text, _, default = help.removesuffix("]").partition("  [default: ")
    if attributes.pop("show_default", False):
        default = str(attributes["default"])
    end = f"; default: {default}" if default else ""
    return click.option(*names, type=type, help=f"{text}  [{type.allowed.limits}{end}]", **attributes)


def setting_option(*names: str, metavar: str = "N", help: str, **attributes: Any) -> Callable[[Any], Any]:
    """Return a click option for a setting of ``ganctl train``, with the setting's range and without a default."""
    setting = names[0].removeprefix("--").replace("-", "_")
    words = ("none",) if setting in OR_NONE else ()
    allowed = {**RANGES, **SHORTHAND_RANGES}[setting]
    return number_option(*names, metavar=metavar, type=Number(allowed, *words), help=help, **attributes)
