"""The report as one self-contained HTML page."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ganctl.reports import curves
from ganctl.reports.content import LEVEL_TITLES, STATES, Content, RunContent, SettingRow, collect, epoch_title
from ganctl.runs.status import State

if TYPE_CHECKING:
    from ganctl.reports.report import Report

COLORS = 10  # number of colors, --c0 … --c9, in report.css. They repeat if there are more runs.


def render(report: Report, *, live: str = "") -> str:
    """Return the page.

    Args:
        live: HTML with the state of the runs. If it is not empty, the page requests updates from its server.
    """
    content = collect(report)
    script, style = _asset("report.js") + (_asset("live.js") if live else ""), _asset("report.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    policy += "; connect-src 'self'" if live else ""
    parts = {
        "policy": escape(policy),
        "title": escape(content.title),
        "style": style,
        "overview": escape(content.overview),
        "live": live,
        "findings": _findings(content),
        "samples": _samples(content),
        "player": _player(content),
        "curves": _curves(content),
        "settings": _settings(content),
        "runs": _runs(content),
        "footer": escape(content.footer),
        "data": _json(_data(content)),
        "script": script,
    }
    # Replace all placeholders in one pass, so that placeholders in names of runs are not replaced.
    pieces = _asset("report.html").split("{{")
    return pieces[0] + "".join(
        parts[name] + rest for name, _, rest in (p.partition("}}") for p in pieces[1:])
    )


def render_iframe(report: Report) -> str:
    """Return the page in an iframe, so that the styles of the page and the notebook do not affect each other."""
    page = escape(render(report), quote=True)
    return f'<iframe srcdoc="{page}" title="{escape(report.title)}" style="width:100%;height:900px;border:0"></iframe>'


def data_uri(image: bytes) -> str:
    """Return an encoded image as a data URI."""
    kind = "webp" if image[8:12] == b"WEBP" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _asset(name: str) -> str:
    return (files("ganctl.reports") / "assets" / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """Return JSON that cannot close the script element that contains it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _data(content: Content) -> dict[str, Any]:
    runs = [
        {
            "label": run.label,
            "frames": [data_uri(image) for image in run.series.images[:-1]],  # the page contains the last one
            "positions": run.series.positions,
            "captions": run.captions,
            "end": round(run.epoch, 3),
        }
        for run in content.runs
    ]
    charts = [
        {
            "title": chart.title,
            "note": chart.note,
            "probability": chart.probability,
            "curves": [vars(curve) for curve in chart.curves],
        }
        for chart in content.charts
    ]
    return {"epochs": content.epochs, "runs": runs, "charts": charts}


def _spot(i: int) -> str:
    """Return a spot in the color of run ``i``. The label of the run is always next to the spot."""
    return f'<i class="spot" style="--c:var(--c{i % COLORS})"></i>'


def _label(content: Content, i: int) -> str:
    return f"{_spot(i)}{escape(content.runs[i].label)}"


def _badge(state: State) -> str:
    return f'<span class="badge {state}">{STATES[state]}</span>'


def _findings(content: Content) -> str:
    items = []
    for remark in content.remarks:
        names = ", ".join(f"<b>{_label(content, i)}</b>" for i in remark.runs)
        text = f"{names}: {escape(remark.text)}" if len(content.runs) > 1 else escape(remark.text)
        level = f'<span class="level">{LEVEL_TITLES[remark.level]}</span>'
        items.append(f'<li class="{remark.level}">{level}<p>{text}</p></li>')
    return f'<ul class="findings">{"".join(items)}</ul>'


def _image(run: RunContent, i: int) -> str:
    if not run.series.images:
        return '<div class="none">no samples yet</div>'
    return (
        f'<button class="zoom" type="button" data-run="{i}" title="Enlarge">'
        f'<img data-run="{i}" alt="{escape(run.alt_text())}" src="{data_uri(run.series.images[-1])}"></button>'
    )


def _cell(content: Content, i: int, *, with_label: bool = True) -> str:
    run = content.runs[i]
    badge = "" if run.state == "finished" else f" {_badge(run.state)}"
    if run.problem:
        badge += f' <span class="badge bad" title="{escape(run.problem)}">{LEVEL_TITLES["bad"]}</span>'
    label = f"<b>{_label(content, i)}</b>" if with_label else _spot(i)
    return (
        f'<figure class="cell">{_image(run, i)}<figcaption>{label}{badge}'
        f'<span class="caption" data-run="{i}">{escape(run.caption)}</span></figcaption></figure>'
    )


def _reals(content: Content) -> list[str]:
    return [
        f'<figure class="cell real"><img data-real="{reals.run}" alt="{escape(reals.alt_text)}" '
        f'src="{data_uri(reals.image)}"><figcaption><b>Reals</b>'
        f'<span class="caption">{escape(reals.data)}</span></figcaption></figure>'
        for reals in content.reals
    ]


def _samples(content: Content) -> str:
    if not content.has_samples:
        return '<p class="none">There are no samples yet.</p>'
    matrix, reals = content.matrix, _reals(content)
    if matrix.is_list:
        cells = "".join(_cell(content, i) for i in range(len(content.runs)))
        size = min(len(content.runs) + len(reals), 4)
        return f'<div class="flow" style="--n:{size}">{"".join(reals)}{cells}</div>'
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in matrix.columns)
    body = []
    for number, row in enumerate(matrix.rows):
        cells = "".join(
            "<td>" + "".join(_cell(content, i, with_label=False) for i in matrix.cell(row, column)) + "</td>"
            for column in matrix.columns
        )
        if number == 0 and reals:
            cells += f'<td class="reals" rowspan="{len(matrix.rows)}">{"".join(reals)}</td>'
        body.append(f'<tr><th scope="row">{escape(row)}</th>{cells}</tr>')
    head += '<th scope="col">reals</th>' if reals else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Samples by setting">'
        f'<table class="matrix" style="--n:{len(matrix.columns) + bool(reals)}"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _player(content: Content) -> str:
    if len(content.epochs) < 2:
        return ""
    last, title = len(content.epochs) - 1, epoch_title(content.epochs[-1])
    return (
        '<div class="player" id="player" hidden><button type="button" id="play" aria-label="Play">'
        '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2.5v11l9-5.5z"/></svg></button>'
        f'<input type="range" id="epoch" min="0" max="{last}" value="{last}" step="1" aria-label="Epoch" '
        f'aria-valuetext="{title}"><output id="now" for="epoch">{title}</output>'
        '<button type="button" id="reals" aria-pressed="false">Reals</button></div>'
    )


def _curves(content: Content) -> str:
    if not content.charts:
        return '<p class="none">There are no curves yet.</p>'
    chips = "".join(
        f'<button type="button" class="chip" data-run="{i}" aria-pressed="true">{_label(content, i)}</button>'
        for i in range(len(content.runs))
    )
    axes = "".join(f"<option>{axis}</option>" for axis in curves.AXES)
    return (
        f'<div class="tools"><div class="chips" role="group" aria-label="Runs shown">{chips}</div>'
        '<label>Smoothing <input type="range" id="smoothing" min="0" max="0.98" step="0.02" value="0.6"></label>'
        f'<label>Horizontal axis <select id="axis">{axes}</select></label></div><div id="charts"></div>'
        "<noscript><p>The curves need JavaScript. The table of runs contains the final values.</p></noscript>"
    )


def _settings(content: Content) -> str:
    different, partial, same = content.settings.different, content.settings.partial, content.settings.same
    if not different and not partial and not same:
        return '<p class="none">The settings cannot be read.</p>'
    parts = []
    if different:
        parts.append(_settings_table(content, different, "Settings that differ"))
    elif len(content.runs) > 1 and not partial:
        parts.append("<p>All settings are the same.</p>")
    if partial:
        title = "Settings that only some runs have"
        table = _settings_table(content, partial, title)
        parts.append(f"<details><summary>{title} ({len(partial)})</summary>{table}</details>")
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in same)
    opened = " open" if len(content.runs) == 1 else ""
    title = "Settings that are the same in all runs" if different or partial else "All settings"
    parts.append(f"<details{opened}><summary>{title} ({len(same)})</summary><dl>{rows}</dl></details>")
    return "".join(parts)


def _settings_table(content: Content, rows: Sequence[SettingRow], title: str) -> str:
    """Return a table with one row per setting and one column per run, or the reverse if there are more runs."""
    runs = range(len(content.runs))
    if len(runs) <= max(4, len(rows)):
        head = [_label(content, i) for i in runs]
        body = [
            [f'<th scope="row"{" class=axis" if row.is_axis else ""}>{escape(row.title)}</th>']
            + [_value(row, i) for i in runs]
            for row in rows
        ]
    else:
        head = [escape(row.title) for row in rows]
        body = [
            [f'<th scope="row">{_label(content, i)}</th>', *(_value(row, i) for row in rows)] for i in runs
        ]
    return _table(["", *head], body, title)


def _value(row: SettingRow, i: int) -> str:
    text = escape(row.values[i])
    return f"<td><mark>{text}</mark></td>" if row.unusual[i] else f"<td>{text}</td>"


def _runs(content: Content) -> str:
    table = content.table
    head = ["", "state", "steps", "epochs", "time", "images/s", *table.columns]
    body = []
    for i, row in enumerate(table.rows):
        total = f'<span class="of">/{row.total}</span>' if row.total else ""
        bar = f'<span class="bar" style="--share:{100 * row.relative_speed:.0f}%">{row.speed}</span>'
        cells = [_badge(row.state), row.step + total, row.epoch, row.time, bar, *map(escape, row.values)]
        body.append([f'<th scope="row">{_label(content, i)}</th>', *(f"<td>{cell}</td>" for cell in cells)])
    return f'{_table([escape(h) for h in head], body, "Runs", numbers=True)}<p class="note">{escape(table.note)}</p>'


def _table(head: Sequence[str], body: Sequence[Sequence[str]], title: str, *, numbers: bool = False) -> str:
    """Return a table. ``head`` and ``body`` are HTML."""
    first = "".join(f'<th scope="col">{cell}</th>' if cell else "<td></td>" for cell in head)
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in body)
    kind = " numbers" if numbers else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table class="data{kind}"><thead><tr>{first}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
