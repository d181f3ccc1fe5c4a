"""The report as one HTML page: everything is in it, and nothing in it reaches out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ganctl.reports import curves, settings
from ganctl.reports.settings import Setting, show
from ganctl.system.progress import clock
from ganctl.version import __version__

if TYPE_CHECKING:
    from ganctl.reports.summary import Entry, Report

FILLED = 0.75  # of the places of a matrix at least
COLORS = 10  # --c0 … --c9 in report.css; beyond that they come again
LEVELS = {"bad": "problem", "warn": "look", "info": "note", "good": "fine"}
STATES = {
    "finished": "finished", "running": "running", "stopped": "stopped", "diverged": "diverged", "failed": "failed",
    "killed": "broken off", "waiting": "not begun",
}  # fmt: skip


def render(report: Report) -> str:
    """The page."""
    script, style = _asset("report.js"), _asset("report.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    parts = {
        "policy": escape(policy),
        "title": escape(report.title),
        "style": style,
        "lead": lead(report),
        "findings": _findings(report),
        "pictures": _pictures(report),
        "player": _player(report),
        "curves": _curves(report),
        "settings": _settings(report),
        "runs": _runs(report),
        "footer": escape(_footer(report)),
        "data": _json(_data(report)),
        "script": script,
    }
    # One pass, so that what a run is called can never be taken for another part's place.
    pieces = _asset("report.html").split("{{")
    return pieces[0] + "".join(
        parts[name] + rest for name, _, rest in (p.partition("}}") for p in pieces[1:])
    )


def in_a_notebook(report: Report) -> str:
    """The page in a frame of its own, so that neither changes the other's looks."""
    page = escape(render(report), quote=True)
    return f'<iframe srcdoc="{page}" title="{escape(report.title)}" style="width:100%;height:900px;border:0"></iframe>'


def lead(report: Report) -> str:
    """The line under the title: what all runs have in common. HTML."""
    n = len(report.entries)
    facts = [f"{n} runs" if n > 1 else "1 run"]
    common = {s.name: s.values[0] for s in report.settings if len(set(s.classes())) == 1}
    if "model" in common and common["model"] is not None:
        facts.append(f"model {show(common['model'])}")
    if "data" in common and common["data"] is not None:
        shapes = {(e.history.facts.get("images"), e.history.facts.get("shape")) for e in report.entries}
        images, shape = shapes.pop() if len(shapes) == 1 else (None, None)
        facts.append(show(common["data"]) + (f", {images} images {shape}" if images else ""))
    done = sum(e.history.seconds for e in report.entries)
    if done:
        facts.append(f"{clock(done)} of training")
    return " · ".join(map(escape, facts))


def when(entry: Entry, index: int) -> str:
    """Of which epoch and step a picture is, for people. Plain text."""
    frame = entry.film.frames[index]
    epoch = f"epoch {round(frame.epoch, 2):g} · " if frame.epoch or not frame.step else ""
    return f"{epoch}step {frame.step:,}"


def _asset(name: str) -> str:
    return (files("ganctl.reports") / "assets" / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that may stand in a script element: nothing in it ends that."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _uri(image: bytes) -> str:
    kind = "webp" if image[8:12] == b"WEBP" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _data(report: Report) -> dict[str, Any]:
    runs = []
    for entry in report.entries:
        film = entry.film
        runs.append(
            {
                "label": entry.label,
                # The last one stands in the page already.
                "frames": [_uri(image) for image in film.images[:-1]],
                "at": film.at,
                "when": [when(entry, i) for i in range(len(film.images))],
                "end": round(entry.history.epoch, 3),
            }
        )
    charts = [
        {
            "title": chart.title,
            "note": chart.note,
            "unit": chart.unit,
            "curves": [vars(curve) for curve in chart.curves],
        }
        for chart in curves.charts([entry.history for entry in report.entries])
    ]
    return {"stops": report.stops, "runs": runs, "charts": charts, "x": curves.X}


def _tag(i: int) -> str:
    """The color of run ``i`` as a spot; color alone never tells, its name stands beside it."""
    return f'<i class="spot" style="--c:var(--c{i % COLORS})"></i>'


def _findings(report: Report) -> str:
    rows, fine = [], []
    for i, entry in enumerate(report.entries):
        for finding in entry.findings:
            if finding.level == "good" and len(report.entries) > 1:
                fine.append(i)
                continue
            name = f"<b>{_tag(i)}{escape(entry.label)}</b> " if len(report.entries) > 1 else ""
            rows.append((finding.level, f"{name}{escape(finding.text)}"))
    if fine:
        names = ", ".join(f"<b>{_tag(i)}{escape(report.entries[i].label)}</b>" for i in fine)
        rows.append(("good", f"{names}: nothing unusual in the curves and pictures."))
    order = list(LEVELS)
    rows.sort(key=lambda row: order.index(row[0]))
    items = "".join(
        f'<li class="{level}"><span class="level">{LEVELS[level]}</span><p>{text}</p></li>'
        for level, text in rows
    )
    return f'<ul class="findings">{items}</ul>'


def _image(entry: Entry, i: int) -> str:
    film = entry.film
    if not film.images:
        return '<div class="none">no pictures yet</div>'
    alt = escape(f"Pictures drawn by {entry.label} at {when(entry, -1)}")
    return (
        f'<button class="zoom" type="button" data-run="{i}" title="Enlarge">'
        f'<img data-run="{i}" alt="{alt}" src="{_uri(film.images[-1])}"></button>'
    )


def _cell(report: Report, i: int, *, name: bool = True) -> str:
    entry = report.entries[i]
    state = entry.history.state
    badge = "" if state == "finished" else f' <span class="badge {state}">{STATES[state]}</span>'
    worst = entry.findings[0]
    flag = (
        f' <span class="badge {worst.level}" title="{escape(worst.text)}">{LEVELS[worst.level]}</span>'
        if worst.level == "bad" and not badge
        else ""
    )
    title = f"<b>{_tag(i)}{escape(entry.label)}</b>" if name else _tag(i)
    at = escape(when(entry, -1)) if entry.film.frames else ""
    return (
        f'<figure class="cell">{_image(entry, i)}<figcaption>{title}{badge}{flag}'
        f'<span class="when" data-run="{i}">{at}</span></figcaption></figure>'
    )


def _reals(report: Report) -> list[str]:
    """A figure for each dataset."""
    found: dict[bytes, int] = {}
    for i, entry in enumerate(report.entries):
        if entry.film.real is not None:
            found.setdefault(entry.film.real, i)
    figures = []
    for real, i in found.items():
        name = show(settings.flatten(report.entries[i].history.config).get("data"))
        figures.append(
            f'<figure class="cell real"><img data-real="{i}" alt="Real pictures of {escape(name)}" src="{_uri(real)}">'
            f'<figcaption><b>Reals</b><span class="when">{escape(name)}</span></figcaption></figure>'
        )
    return figures


def matrix(report: Report) -> tuple[list[str], list[str], dict[tuple[str, str], list[int]]]:
    """Names of rows and columns, and the runs in each place. Without two axes, or with too many gaps: one row."""
    rows_of, columns_of = report.axes[:1], report.axes[1:]
    labels = [entry.label for entry in report.entries]
    flow = [""], labels, {("", label): [i] for i, label in enumerate(labels)}
    if not columns_of:
        return flow
    if len(report.axes) == 2 and len(set(rows_of[0].classes())) < len(set(columns_of[0].classes())):
        rows_of, columns_of = columns_of, rows_of  # a page is longer than wide

    rows = list(dict.fromkeys(settings.named(rows_of, i) for i in range(len(report.entries))))
    columns = list(dict.fromkeys(settings.named(columns_of, i) for i in range(len(report.entries))))
    places: dict[tuple[str, str], list[int]] = {}
    for i in range(len(report.entries)):
        places.setdefault((settings.named(rows_of, i), settings.named(columns_of, i)), []).append(i)
    if len(places) < FILLED * len(rows) * len(columns):
        return flow
    return rows, columns, places


def _pictures(report: Report) -> str:
    if not any(entry.film.images for entry in report.entries):
        return '<p class="none">There are no pictures yet.</p>'
    rows, columns, places = matrix(report)
    reals = _reals(report)
    if len(rows) == 1 or len(columns) == 1:
        cells = "".join(_cell(report, i) for i in range(len(report.entries)))
        size = min(len(report.entries) + len(reals), 4)
        return f'<div class="flow" style="--n:{size}">{"".join(reals)}{cells}</div>'
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = []
    for number, row in enumerate(rows):
        cells = "".join(
            "<td>" + "".join(_cell(report, i, name=False) for i in places.get((row, column), [])) + "</td>"
            for column in columns
        )
        real = (
            f'<td class="reals" rowspan="{len(rows)}">{"".join(reals)}</td>' if number == 0 and reals else ""
        )
        body.append(f'<tr><th scope="row">{escape(row)}</th>{cells}{real}</tr>')
    last = '<th scope="col">reals</th>' if reals else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Pictures by setting">'
        f'<table class="matrix" style="--n:{len(columns) + bool(reals)}"><thead><tr><td></td>{head}{last}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _player(report: Report) -> str:
    if len(report.stops) < 2:
        return ""
    last = len(report.stops) - 1
    return (
        '<div class="player" id="player" hidden><button type="button" id="play" aria-label="Play">'
        '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2.5v11l9-5.5z"/></svg></button>'
        f'<input type="range" id="epoch" min="0" max="{last}" value="{last}" step="1" aria-label="Epoch" '
        f'aria-valuetext="epoch {round(report.stops[-1], 2):g}">'
        f'<output id="now" for="epoch">epoch {round(report.stops[-1], 2):g}</output>'
        '<button type="button" id="reals" aria-pressed="false">Reals</button></div>'
    )


def _curves(report: Report) -> str:
    if not any(entry.history.losses for entry in report.entries):
        return '<p class="none">There are no curves yet.</p>'
    chips = "".join(
        f'<button type="button" class="chip" data-run="{i}" aria-pressed="true">{_tag(i)}{escape(entry.label)}</button>'
        for i, entry in enumerate(report.entries)
    )
    return (
        f'<div class="tools"><div class="chips" role="group" aria-label="Runs shown">{chips}</div>'
        '<label>Smoothing <input type="range" id="smoothing" min="0" max="0.98" step="0.02" value="0.6"></label>'
        '<label>Over <select id="over">'
        + "".join(f"<option>{x}</option>" for x in curves.X)
        + "</select></label>"
        '</div><div id="charts"></div>'
        "<noscript><p>The curves need JavaScript. Their ends stand in the table of the runs.</p></noscript>"
    )


def _settings(report: Report) -> str:
    different = settings.differing(report.settings)
    same = [s for s in report.settings if s not in different]
    if not report.settings:
        return '<p class="none">The settings cannot be read.</p>'
    parts = []
    # An option of a loss that the others do not use differs only because the loss does.
    parts_of = [s for s in different if None in s.values]
    chief = [s for s in different if s not in parts_of]
    if chief:
        parts.append(_settings_table(report, chief, "Settings that differ"))
    elif len(report.entries) > 1 and not parts_of:
        parts.append("<p>All settings are the same.</p>")
    if parts_of:
        table = _settings_table(report, parts_of, "Options that only some have")
        parts.append(
            f"<details><summary>Options that only some have ({len(parts_of)})</summary>{table}</details>"
        )
    rows = "".join(f"<div><dt>{escape(s.title)}</dt><dd>{escape(show(s.values[0]))}</dd></div>" for s in same)
    opened = " open" if len(report.entries) == 1 else ""
    what = "All settings" if not different else "The same in all runs"
    parts.append(f"<details{opened}><summary>{what} ({len(same)})</summary><dl>{rows}</dl></details>")
    return "".join(parts)


def _settings_table(report: Report, different: Sequence[Setting], title: str) -> str:
    """Settings as rows and runs as columns, or the other way round where there are more runs."""
    labels = [f"{_tag(i)}{escape(e.label)}" for i, e in enumerate(report.entries)]
    axes = {axis.name for axis in report.axes}
    names = [
        f'<th scope="row"{" class=axis" if s.name in axes else ""}>{escape(s.title)}</th>' for s in different
    ]
    if len(labels) <= max(4, len(different)):
        body = [
            [n, *(_value(s, i) for i in range(len(labels)))] for n, s in zip(names, different, strict=True)
        ]
        return _table(["", *labels], body, title)
    body = [
        [f'<th scope="row">{label}</th>', *(_value(s, i) for s in different)]
        for i, label in enumerate(labels)
    ]
    return _table(["", *(escape(s.title) for s in different)], body, title)


def _value(setting: Setting, i: int) -> str:
    """A cell; what is not the commonest value is marked, and everything where no value is commoner."""
    counts = Counter(setting.classes())
    (commonest, most), *others = counts.most_common()
    usual = setting.classes()[i] == commonest and not (others and others[0][1] == most)
    usual = usual or setting.values[i] is None
    text = escape(show(setting.values[i]))
    return f"<td>{text}</td>" if usual else f"<td><mark>{text}</mark></td>"


def _runs(report: Report) -> str:
    histories = [entry.history for entry in report.entries]
    metrics = curves.metric_names(histories)
    known = [name for name in ("g_loss", "d_loss", "D(x)", "D(G(z))") if any(h.losses for h in histories)]
    facts, shared = [], []
    for name in ("G parameters", "D parameters", "device", "precision"):
        values = {h.facts[name] for h in histories if name in h.facts}
        if len(values) == 1:
            shared.append(f"{name} {values.pop()}")
        elif values:
            facts.append(name)
    fastest = max((h.images_per_second or 0.0 for h in histories), default=0.0)
    titles = [curves.NAMES.get(name, name) for name in known]
    head = ["", "state", "steps", "epochs", "time", "images/s", *titles, *metrics, *facts]
    body = []
    for i, (entry, h) in enumerate(zip(report.entries, histories, strict=True)):
        rate = h.images_per_second
        share = 100 * (rate or 0.0) / fastest if fastest else 0
        total = f'<span class="of">/{h.total:,}</span>' if h.total and h.total != h.step else ""
        cells = [
            f'<th scope="row">{_tag(i)}{escape(entry.label)}</th>',
            f'<td><span class="badge {h.state}">{STATES[h.state]}</span></td>',
            f"<td>{h.step:,}{total}</td>",
            f"<td>{h.epoch:.4g}</td>",
            f"<td>{clock(h.seconds) if h.seconds else '–'}</td>",
            f'<td><span class="bar" style="--share:{share:.0f}%">{f"{rate:,.0f}" if rate else "–"}</span></td>',
            *(f"<td>{ending(h.column(name))}</td>" for name in known),
            *(f"<td>{last(h.metrics, name)}</td>" for name in metrics),
            *(f"<td>{escape(h.facts.get(name, '–'))}</td>" for name in facts),
        ]
        body.append(cells)
    note = "Losses and D's answers are means over the last tenth of the run."
    if metrics:
        note += " Of metrics: the last value, and the least in brackets."
    if shared:
        note += f" {'All' if len(histories) > 1 else 'It'} had {', '.join(shared)}."
    return (
        f'{_table([escape(h) for h in head], body, "Runs", numbers=True)}<p class="note">{escape(note)}</p>'
    )


def ending(values: Sequence[float]) -> str:
    """The mean over the last tenth. Plain text."""
    tail = [v for v in values[-max(1, len(values) // 10) :] if v == v]
    return f"{sum(tail) / len(tail):.3g}".replace("-", "−") if tail else "–"


def last(evaluations: Sequence[dict[str, Any]], name: str) -> str:
    """A metric's last value, and its least in brackets. Plain text."""
    values = [curves.number(e[name]) for e in evaluations if name in e]
    finite = [v for v in values if v == v]
    return f"{finite[-1]:.4g} ({min(finite):.4g})" if finite else "–"


def _table(head: Sequence[str], body: Sequence[Sequence[str]], title: str, *, numbers: bool = False) -> str:
    """``head`` and ``body`` are HTML."""
    first = "".join(f'<th scope="col">{cell}</th>' if cell else "<td></td>" for cell in head)
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in body)
    kind = " numbers" if numbers else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table class="data{kind}"><thead><tr>{first}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _footer(report: Report) -> str:
    left_out = f"Left out to keep this file small: {'; '.join(report.left_out)}. " if report.left_out else ""
    return f"{left_out}Made by ganctl {__version__}. This file needs no network."
