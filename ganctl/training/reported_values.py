"""Collect reported values on the device, and copy them to the host once per line of the log."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganctl.errors import GanctlError


class Recorder:
    """The reports since the last line of ``losses.jsonl``: one row per step, on the device.

    Args:
        capacity: largest number of rows between two calls of :meth:`take`.
    """

    def __init__(self, capacity: int, device: torch.device) -> None:
        self.capacity, self.device = capacity, device
        self.names: list[str] = []
        self.rows = torch.empty(0)
        self.count = 0
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)

    def add(self, report: dict[str, Tensor]) -> None:
        self.write(report)
        self.count += 1

    def write(self, report: dict[str, Tensor]) -> None:
        """Do the part of :meth:`add` that runs on the device and can be captured. The caller increments ``count``."""
        if not self.names:
            self.names = list(report)
            self.rows = torch.zeros(self.capacity, len(report), device=self.device)
        if report.keys() != set(self.names):
            raise GanctlError(
                f"The loss reported {', '.join(report)}, but {', '.join(self.names)} before.",
                "It must report the same values in every step. If it has changed since the checkpoint, install the "
                "version that the checkpoint was made with: ganctl plugins",
            )
        # The row index is a tensor on the device, so that the same operations are correct at every step.
        row = torch.stack([report[name].float() for name in self.names])
        self.rows.index_copy_(0, self._cursor, row.unsqueeze(0))
        self._cursor += 1

    def take(self) -> Rows:
        """Start to copy the rows to the host, without waiting for the device, and clear the recorder."""
        taken = Rows(self.names, self.rows[: self.count])
        self.clear()
        return taken

    def first_bad(self) -> int | None:
        """Return the first row with a value that is not finite, or None. Waits for the device."""
        return Rows(self.names, self.rows[: self.count]).first_bad()

    def clear(self) -> None:
        self.count = 0
        self._cursor.zero_()

    def state_dict(self) -> dict[str, Any]:
        return {"names": self.names, "rows": self.rows[: self.count].cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.clear()
        for row in state["rows"].to(self.device):
            self.add(dict(zip(state["names"], row, strict=True)))


class Rows:
    """Reports that are copied to the host: one row per step."""

    def __init__(self, names: list[str], rows: Tensor) -> None:
        self.names = names
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
        """Return the mean of each value over the rows."""
        return dict(zip(self.names, self._read().double().mean(0).tolist(), strict=True))

    def first_bad(self) -> int | None:
        """Return the first row with a value that is not finite, or None."""
        bad = ~self._read().isfinite().all(1)
        return int(bad.nonzero()[0]) if bool(bad.any()) else None

    def _read(self) -> Tensor:
        if self._copied is not None:
            self._copied.synchronize()
        return self._rows
