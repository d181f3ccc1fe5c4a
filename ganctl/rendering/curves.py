"""Draw ``curves.png``, with the losses and outputs of D over the steps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ganctl.rendering.column_titles import D_OUTPUTS, LOSSES, title
from ganctl.rendering.figure_style import COLORS, DASHED, SOLID, encode, figure_style
from ganctl.system.files import write_atomically

SIZE = (10, 4)  # inches
DPI = 110
KINDS = {"D(x)": ", reals", "D(G(z))": ", fakes"}


def draw(records: list[dict[str, Any]], path: Path, heading: str) -> None:
    """Draw the records of ``losses.jsonl`` to ``path``. Do nothing if there are fewer than two records."""
    if len(records) < 2:
        return
    with figure_style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=SIZE, layout="constrained")
        figure.suptitle(heading, parse_math=False)
        left, right = figure.subplots(1, 2)
        for axes, columns in ((left, LOSSES), (right, D_OUTPUTS)):
            for column, color, style in zip(columns, COLORS, (SOLID, DASHED), strict=False):
                points = [(r["step"], r[column]) for r in records if math.isfinite(r.get(column, math.nan))]
                if points:
                    label = title(column) + KINDS.get(column, "")
                    axes.plot(*zip(*points, strict=True), label=label, color=color, linestyle=style)
            axes.set_xlabel("step")
            if axes.lines:
                axes.legend()
        left.set_ylabel("loss")
        right.set_ylabel("mean output of D")
        outputs = [r[column] for r in records for column in D_OUTPUTS if column in r]
        if all(0 <= value <= 1 for value in outputs):
            right.set_ylabel("mean probability of being real")
            right.set_ylim(0, 1)
    write_atomically(path, encode(figure, "png", DPI))
