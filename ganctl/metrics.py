"""Reported values: kept on the device while steps run, read once every few hundred of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.files import disk_error, write_atomically


class Recorder:
    """The reports since the last line of ``metrics.jsonl``, one row a step, on the device."""

    def __init__(self, capacity: int, device: torch.device) -> None:
        self.capacity, self.device = capacity, device
        self.names: list[str] = []
        self.rows = torch.empty(0)
        self.count = 0
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)

    def add(self, report: dict[str, Tensor]) -> None:
        if not self.names:
            self.names = list(report)
            self.rows = torch.zeros(self.capacity, len(report), device=self.device)
        # Written by an index that lives on the device: the write reads the same for every step.
        row = torch.stack([report[name].float() for name in self.names])
        self.rows.index_copy_(0, self._cursor, row.unsqueeze(0))
        self._cursor += 1
        self.count += 1

    def means(self) -> dict[str, float]:
        """The mean of each value over the rows; reads from the device."""
        means = self.rows[: self.count].double().mean(0).tolist()
        return dict(zip(self.names, means, strict=True))

    def first_bad(self) -> int | None:
        """The row of the first value that is not finite, or None; reads from the device."""
        bad = ~self.rows[: self.count].isfinite().all(1)
        return int(bad.nonzero()[0]) if bool(bad.any()) else None

    def clear(self) -> None:
        self.count = 0
        self._cursor.zero_()

    def state_dict(self) -> dict[str, Any]:
        return {"names": self.names, "rows": self.rows[: self.count].cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.clear()
        for row in state["rows"].to(self.device):
            self.add(dict(zip(state["names"], row, strict=True)))


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
