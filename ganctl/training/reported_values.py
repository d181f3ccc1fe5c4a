"""Collect reported values on the device, and copy them to the host once per line of the log."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganctl.errors import GanctlError
from ganctl.training.objectives import Due


class Recorder:
    """The reports since the last line of ``losses.jsonl``: one row per step, on the device.

    In a step in which a regularizer is not due, the report lacks its values. The row then has zeros in their columns,
    and the host remembers which columns of each row are present.

    Args:
        capacity: largest number of rows between two calls of :meth:`take`.
    """

    def __init__(self, capacity: int, device: torch.device) -> None:
        self.capacity, self.device = capacity, device
        self.names: list[str] = []
        self.rows = torch.empty(0)
        self._present: list[list[bool]] = []  # per row and column
        self._columns: dict[Due, list[bool]] = {}
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self._present)

    def add(self, report: dict[str, Tensor], due: Due = ()) -> None:
        self.write(report, due)
        self.advance(due)

    def write(self, report: dict[str, Tensor], due: Due = ()) -> None:
        """Do the part of :meth:`add` that runs on the device and can be captured.

        Raises:
            GanctlError: the first report lacks a value of this report, or reports with the same ``due`` differ.
        """
        if not self.names:
            self.names = list(report)
            self.rows = torch.zeros(self.capacity, len(report), device=self.device)
        present = [name in report for name in self.names]
        if not report.keys() <= set(self.names) or self._columns.setdefault(due, present) != present:
            raise _varying_names(set(self.names) ^ report.keys())
        if not all(present):
            report = {name: torch.zeros((), device=self.device) for name in self.names} | report
        # The row index is a tensor on the device, so that the same operations are correct at every step.
        row = torch.stack([report[name].float() for name in self.names])
        self.rows.index_copy_(0, self._cursor, row.unsqueeze(0))
        self._cursor += 1

    def advance(self, due: Due = ()) -> None:
        """Do the part of :meth:`add` that runs on the host: count the row that :meth:`write` wrote."""
        self._present.append(self._columns[due])

    def take(self) -> Rows:
        """Start to copy the rows to the host, without waiting for the device, and clear the recorder."""
        taken = self._rows()
        self.clear()
        return taken

    def first_bad(self) -> int | None:
        """Return the first row with a value that is not finite, or None. Waits for the device."""
        return self._rows().first_bad()

    def clear(self) -> None:
        self._present = []
        self._cursor.zero_()

    def state_dict(self) -> dict[str, Any]:
        present = torch.tensor(self._present, dtype=torch.bool).reshape(self.count, len(self.names))
        return {"names": self.names, "rows": self.rows[: self.count].cpu(), "present": present}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.clear()
        rows, self.names = state["rows"], list(state["names"])
        if self.names:
            self.rows = torch.zeros(self.capacity, len(self.names), device=self.device)
        self.rows[: len(rows)] = rows
        self._cursor.fill_(len(rows))
        present = state.get("present")  # absent in older checkpoints, when every row had all values
        self._present = [[True] * len(self.names) for _ in rows] if present is None else present.tolist()

    def _rows(self) -> Rows:
        return Rows(self.names, self.rows[: self.count], self._present)


class Rows:
    """Reports that are copied to the host: one row per step."""

    def __init__(self, names: list[str], rows: Tensor, present: list[list[bool]]) -> None:
        self.names = names
        self._present = torch.tensor(present, dtype=torch.bool).reshape(len(rows), len(names))
        self.count = len(rows)
        self._copied: torch.cuda.Event | None = None
        if rows.is_cuda:
            self._rows = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
            self._rows.copy_(rows, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()
        else:
            self._rows = rows.cpu().clone()

    def ready(self) -> bool:
        """Return whether the copy is complete."""
        return self._copied is None or self._copied.query()

    def means(self) -> dict[str, float]:
        """Return the mean of each value over the rows that have it. A value that no row has is left out."""
        rows, columns = self._read().double(), range(len(self.names))
        found = [
            (self.names[i], rows[self._present[:, i], i]) for i in columns if bool(self._present[:, i].any())
        ]
        return {name: float(values.mean()) for name, values in found}

    def first_bad(self) -> int | None:
        """Return the first row with a value that is not finite, or None."""
        bad = ~self._read().isfinite().all(1)
        return int(bad.nonzero()[0]) if bool(bad.any()) else None

    def _read(self) -> Tensor:
        if self._copied is not None:
            self._copied.synchronize()
        return self._rows


def _varying_names(names: set[str]) -> GanctlError:
    return GanctlError(
        f"The reported values change from step to step: {', '.join(sorted(names))}.",
        "A loss or regularizer must report the same names in every step. Report this to its authors.",
    )
