"""The type of options and arguments that are paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class PathType(click.Path):
    """A path. Empty text, which would mean the current folder, is rejected."""

    def __init__(self, path_type: type[Path] | type[str] = Path, **attributes: Any) -> None:
        super().__init__(path_type=path_type, **attributes)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("The path is empty. Write . for the current folder.", param, ctx)
        return super().convert(value, param, ctx)
