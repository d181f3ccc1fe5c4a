"""Read settings from TOML files, and write settings as TOML with one comment per line."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganctl.errors import USAGE, GanctlError
from ganctl.system.files import read_regular

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


DEEPEST = 20  # maximum nesting of tables and lists; settings have 3 levels


def read(path: Path) -> dict[str, Any]:
    """Return the table in ``path``.

    Raises:
        GanctlError: the file does not exist or is not valid TOML. The message contains the line number.
    """
    try:
        # utf-8-sig skips the byte order mark that some Windows editors write.
        table = tomllib.loads(read_regular(path).decode("utf-8-sig"))
        _check_depth(table)
        return table
    except OSError as error:
        raise GanctlError(
            f"Cannot read {path}: {error.strerror}.",
            "Give a TOML file, such as a run's config.toml.",
            status=USAGE,
        ) from error
    except UnicodeDecodeError as error:
        raise GanctlError(
            f"{path} is not encoded as UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}.",
            f"Convert the file to UTF-8, for example: iconv -f ISO-8859-1 -t UTF-8 {shlex.quote(str(path))}",
            status=USAGE,
        ) from error
    except RecursionError as error:
        raise GanctlError(
            f"{path} is nested too deeply.", "Give a TOML file, such as a run's config.toml.", status=USAGE
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise GanctlError(
            f"{path} is not TOML: {error}.", "Write settings like this: batch_size = 64", status=USAGE
        ) from error


def _check_depth(table: dict[str, Any]) -> None:
    """Raise a RecursionError if ``table`` is nested too deeply to be settings. Python cannot print deep tables."""
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        level = [
            value
            for container in level
            for value in (container.values() if isinstance(container, dict) else container)
            if isinstance(value, (dict, list))
        ]
        if not level:
            return
    raise RecursionError


def parse(text: str) -> dict[str, Any]:
    """Return the table in ``text``, which must be an output of :func:`write`."""
    return tomllib.loads(text)


def write(table: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """Return ``table`` as TOML: plain values first, then one section per nested table.

    TOML has no null value. None is written as ``"none"``, which every setting that can be None accepts.

    Args:
        table: the settings.
        comments: comments by key. Each comment is written at the end of the key's line.
    """
    plain = {key: _value(value) for key, value in table.items() if not isinstance(value, Mapping)}
    width = max((len(f"{key} = {value}") for key, value in plain.items()), default=0)
    lines = []
    for key, value in plain.items():
        line = f"{_key(key)} = {value}"
        lines.append(f"{line:<{width}}  # {comments[key]}" if key in comments else line)
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(key)}]" + (f"  # {comments[key]}" if key in comments else "")]
            lines += [f"{_key(k)} = {_value(v)}" for k, v in value.items()]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, str):
        if (escaped := value.encode(errors="backslashreplace").decode()) != value:
            raise GanctlError(
                f"'{escaped}' is not UTF-8 and cannot be saved as a setting.",
                "Rename the file or folder. If its name is correct, set the locale, for example: LC_ALL=C.UTF-8",
                status=USAGE,
            )
        # JSON strings are valid TOML strings, except that TOML requires DEL to be escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (int, float)):
        return repr(value)
    raise TypeError(f"cannot write {type(value).__name__} as TOML")
