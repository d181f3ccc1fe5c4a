"""``curves.png``: losses and outputs of D over the steps."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

from ganctl.rendering.column_titles import D_OUTPUTS, LOSSES, title
from ganctl.system.files import write_atomically

KINDS = {"D(x)": ", reals", "D(G(z))": ", fakes"}


def draw(records: list[dict[str, Any]], path: Path, heading: str) -> None:
    """Draw the records of ``losses.jsonl``. With fewer than two records nothing is written."""
    if len(records) < 2:
        return
    # The object-oriented interface: pyplot would look for a display and change the notebook's state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(heading, fontsize=10)
    left, right = figure.subplots(1, 2)
    for axes, columns in ((left, LOSSES), (right, D_OUTPUTS)):
        for column in columns:
            points = [(r["step"], r[column]) for r in records if math.isfinite(r.get(column, math.nan))]
            if points:
                label = title(column) + KINDS.get(column, "")
                axes.plot(*zip(*points, strict=True), label=label, linewidth=1)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False)
    left.set_ylabel("loss")
    right.set_ylabel("mean output of D")
    outputs = [r[column] for r in records for column in D_OUTPUTS if column in r]
    if all(0 <= value <= 1 for value in outputs):
        right.set_ylabel("mean probability of being real")
        right.set_ylim(0, 1)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_atomically(path, buffer.getvalue())
