"""Read and write JSON Lines files: ``losses.jsonl``, ``timing.jsonl`` and ``metrics.jsonl``."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganctl.system.files import disk_error, open_regular, write_atomically


def write_line(path: Path, record: dict[str, Any]) -> None:
    """Append ``record`` to ``path``. Non-finite values become text, because JSON cannot represent them."""
    plain = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(json.dumps(plain, ensure_ascii=False) + "\n")
    except OSError as error:
        raise disk_error(path, error) from error


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records in ``path``. Incomplete lines, which a crash may leave behind, are skipped."""
    for _, record in _lines(path):
        yield {k: float(v) if v in ("nan", "inf", "-inf") else v for k, v in record.items()}


def filter_lines(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Remove the records in ``path`` for which ``keep`` returns False. The other lines do not change."""
    if path.exists():
        kept = [line for line, record in _lines(path) if keep(record)]
        write_atomically(path, "".join(kept).encode())


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        file = io.TextIOWrapper(open_regular(path), encoding="utf-8", errors="replace", newline="")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            try:
                record = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                continue
            if line.endswith("\n") and isinstance(record, dict):
                yield line, record
