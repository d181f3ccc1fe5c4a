"""Lines of JSON: ``losses.jsonl``, ``timing.jsonl``, ``metrics.jsonl``. Free of torch, as reports read them too."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganctl.system.files import disk_error, write_atomically


def write_line(path: Path, record: dict[str, Any]) -> None:
    """Append ``record``; values that are not finite become text, which JSON has no number for."""
    plain = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(json.dumps(plain, ensure_ascii=False) + "\n")
    except OSError as error:
        raise disk_error(path, error) from error


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records in ``path``; a last line that a crash cut short is left out."""
    for _, record in _lines(path):
        yield {k: float(v) if v in ("nan", "inf", "-inf") else v for k, v in record.items()}


def keep_lines(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Rewrite ``path`` with only the records that are ``wanted``, byte for byte as they were."""
    if path.exists():
        kept = [line for line, record in _lines(path) if wanted(record)]
        write_atomically(path, "".join(kept).encode())


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for line in file:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if line.endswith("\n") and isinstance(record, dict):
                yield line, record
