"use strict";
/** Fill in the page. ``kept`` is the view to restore, which ``keep`` returned for an earlier page of the same runs. */
function startReport(kept) {
  const controller = new AbortController(), signal = controller.signal;
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const svgns = "http://www.w3.org/2000/svg";
  const number = (v) => {
    const a = Math.abs(v);
    if (a !== 0 && (a < 1e-3 || a >= 1e6)) return v.toExponential(1).replace("-", "−").replace("e+", "e");
    return String(+v.toPrecision(3)).replace("-", "−");
  };

  // ---- Samples: one slider for all grids -- ------------------------------------------------------------------
  data.runs.forEach((run, i) => {
    const last = document.querySelector(`img[data-run="${i}"]`);
    if (last) run.frames.push(last.src);
  });
  const realOf = (i) => {
    const found = document.querySelector(`img[data-real="${i}"]`) || document.querySelector("img[data-real]");
    return found ? found.src : null;
  };
  const newest = data.epochs.length - 1;
  let position = newest, showReals = false, zoomed = -1;
  if (kept && !kept.newest) position = Math.max(0, data.epochs.findLastIndex((epoch) => epoch <= kept.epoch));
  const blank = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==";

  function draw() {
    const epoch = data.epochs[position];
    data.runs.forEach((run, i) => {
      const index = run.positions.length ? run.positions[position] : -1;
      const ended = epoch > run.end + 0.5 && position > 0;
      const real = showReals && realOf(i);
      const caption = index < 0 ? "no samples yet" : run.captions[index] + (ended ? " (last)" : "");
      for (const image of all(`img[data-run="${i}"]`)) {
        const wanted = real || (index < 0 ? blank : run.frames[index]);
        if (image.src !== wanted) image.src = wanted;
        image.alt = real ? "Real images" : `Samples of ${run.label}, ${caption}`;
      }
      for (const text of all(`.caption[data-run="${i}"]`)) text.textContent = real ? "reals" : caption;
      if (zoomed === i) {
        $("zoom-samples").src = index < 0 ? blank : run.frames[index];
        $("zoom-samples").alt = `Samples of ${run.label}, ${caption}`;
        $("zoom-caption").textContent = caption;
      }
    });
    if ($("epoch")) {
      $("epoch").value = position;
      $("now").textContent = "epoch " + +epoch.toFixed(2);
      $("epoch").setAttribute("aria-valuetext", $("now").textContent);
    }
    for (const chart of charts) chart.markEpoch();
  }
  function moveTo(index) {
    position = Math.max(0, Math.min(data.epochs.length - 1, index));
    draw();
  }
  function toggleReals(on) {
    showReals = on;
    if ($("reals")) $("reals").setAttribute("aria-pressed", on);
    draw();
  }

  const icons = { play: "M4 2.5v11l9-5.5z", pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z" };
  let timer = 0;
  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on) {
      if (position === data.epochs.length - 1) moveTo(0);
      timer = setInterval(() => (position < data.epochs.length - 1 ? moveTo(position + 1) : play(false)), 350);
    }
    $("play").setAttribute("aria-label", on ? "Pause" : "Play");
    $("play").querySelector("path").setAttribute("d", on ? icons.pause : icons.play);
  }
  const place = $("player") && $("player").nextElementSibling;  // the player comes before the samples
  function zoom(i) {
    zoomed = i;
    $("zoom-title").textContent = data.runs[i].label;
    const real = realOf(i);
    $("zoom-reals").hidden = !real;
    if (real) $("zoom-real").src = real;
    draw();
    const player = $("player");  // the controls outside a modal dialog are inert
    if (player) $("zoom").querySelector("form").after(player);
    if (!$("zoom").open) $("zoom").showModal();
  }
  for (const button of all(".zoom")) button.addEventListener("click", () => zoom(+button.dataset.run));
  $("zoom").addEventListener("close", () => {
    zoomed = -1;
    if ($("player")) place.before($("player"));
  }, { signal });
  $("zoom").addEventListener("click", (event) => { if (event.target === $("zoom")) $("zoom").close(); }, { signal });

  if ($("player")) {
    $("player").hidden = false;
    for (const hint of all(".keys")) hint.hidden = false;
    $("epoch").addEventListener("input", () => { play(false); moveTo(+$("epoch").value); });
    $("play").addEventListener("click", () => play(!timer));
    $("reals").addEventListener("click", () => toggleReals(!showReals));
    if (!realOf(0)) $("reals").hidden = true;
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target.closest("input, select");
      if (event.key === "ArrowLeft" && !typing) { play(false); moveTo(position - 1); event.preventDefault(); }
      else if (event.key === "ArrowRight" && !typing) { play(false); moveTo(position + 1); event.preventDefault(); }
      else if (event.key === " " && !event.target.closest("button, summary, select, input")) { play(!timer); event.preventDefault(); }
      else if ((event.key === "r" || event.key === "R") && !event.repeat && !event.target.closest("select")) toggleReals(true);
    }, { signal });
    document.addEventListener("keyup", (event) => { if (event.key === "r" || event.key === "R") toggleReals(false); }, { signal });
  }

  // ---- Curves ------------------------------------------------------------------------------------------------
  const charts = [];
  const hidden = new Set(kept ? data.runs.flatMap((run, i) => (kept.hidden.includes(run.label) ? [i] : [])) : []);
  let smoothing = kept ? kept.smoothing : 0.6, axis = kept ? kept.axis : "epoch";

  /** Return the exponential moving average, corrected for its bias toward zero, as in TensorBoard. */
  function smooth(ys, weight) {
    let sum = 0, norm = 0;
    return ys.map((y) => {
      if (y === null) return null;
      sum = sum * weight + y * (1 - weight);
      norm = norm * weight + (1 - weight);
      return sum / norm;
    });
  }
  function ticks(low, high, count) {
    const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    return found;
  }
  const quantile = (sorted, q) => sorted[Math.round((sorted.length - 1) * q)];

  class Chart {
    constructor(spec) {
      this.spec = spec;
      this.log = this.spansDiffer();
      this.root = document.createElement("figure");
      this.root.className = "chart";
      const head = document.createElement("figcaption"), title = document.createElement("h3");
      title.textContent = spec.title;
      head.append(title);
      if (!spec.probability) {
        this.button = document.createElement("button");
        this.button.type = "button";
        this.button.className = "scale";
        this.button.addEventListener("click", () => { this.log = !this.log; this.draw(); });
        head.append(this.button);
      }
      const note = document.createElement("p");
      note.textContent = spec.note;
      this.svg = document.createElementNS(svgns, "svg");
      this.svg.setAttribute("role", "img");
      this.tip = document.createElement("div");
      this.tip.className = "tip";
      this.tip.hidden = true;
      this.root.append(head, note, this.svg, this.tip);
      this.svg.addEventListener("pointermove", (event) => this.hover(event));
      this.svg.addEventListener("pointerdown", (event) => this.hover(event));
      this.svg.addEventListener("pointerleave", () => { this.tip.hidden = true; if (this.hair) this.hair.setAttribute("visibility", "hidden"); });
    }
    shown() { return this.spec.curves.filter((curve) => !hidden.has(curve.run)); }
    /** Return true if some values are so large that a linear scale would hide the values of other runs. */
    spansDiffer() {
      if (this.spec.probability) return false;
      const spans = this.spec.curves.map((curve) => {
        const ys = curve.y.filter((y) => y !== null).map(Math.abs).sort((a, b) => a - b);
        return ys.length ? quantile(ys, 0.9) : 0;
      }).filter((s) => s > 0);
      return spans.length > 1 && Math.max(...spans) > 15 * Math.min(...spans);
    }
    add(name, attributes, parent = this.svg) {
      const node = document.createElementNS(svgns, name);
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      parent.append(node);
      return node;
    }
    draw() {
      const { svg, spec } = this;
      const width = svg.clientWidth || 400, height = svg.clientHeight || 230;
      const box = { left: 46, right: width - 8, top: 8, bottom: height - 22 };
      svg.replaceChildren();
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      if (this.button) this.button.textContent = this.log ? "log" : "linear";
      if (this.button) this.button.setAttribute("aria-label", `Scale of ${spec.title}: ${this.log ? "symmetric logarithmic" : "linear"}`);
      this.lines = this.shown().map((curve) => ({ curve, x: curve.x[axis], y: smooth(curve.y, curve.y.length > 8 ? smoothing : 0) }));
      const values = this.lines.flatMap((line) => line.y.filter((y) => y !== null)).sort((a, b) => a - b);
      const label = this.lines.map((line) => {
        const last = line.y.filter((y) => y !== null).at(-1);
        return last === undefined ? "" : `${data.runs[line.curve.run].label} ${line.curve.name} ends at ${number(last)}`;
      }).filter(Boolean).join("; ");
      svg.setAttribute("aria-label", `${spec.title} by ${axis}. ${label}`);
      if (!values.length) return;
      const unit = this.log ? Math.max(Math.abs(quantile(values, 0.5)) / 10, 1e-6) : 1;
      const f = this.log ? (v) => Math.asinh(v / unit) : (v) => v;
      let low = f(quantile(values, 0.005)), high = f(quantile(values, 0.995));
      if (spec.probability) [low, high] = [0, 1];
      else {
        const pad = (high - low || Math.abs(high) || 1) * 0.08;
        low -= pad;
        high += pad;
      }
      const ends = this.lines.map((line) => line.x.at(-1));
      const right = Math.max(...ends) || 1;
      this.px = (x) => box.left + (x / right) * (box.right - box.left);
      const py = (y) => box.bottom - ((f(y) - low) / (high - low)) * (box.bottom - box.top);
      let marks;
      if (this.log) {
        marks = [0];
        for (const times of [1, 2, 5]) {  // powers of ten first, because later marks are dropped if there is no room
          for (let p = 9; p >= -6; p--) marks.push(times * 10 ** p, -times * 10 ** p);
        }
        marks = marks.filter((v) => f(v) >= low && f(v) <= high);
        const kept = [];
        for (const v of marks) if (kept.every((k) => Math.abs(py(k) - py(v)) > 18)) kept.push(v);
        marks = kept;
      } else marks = ticks(low, high, Math.max(3, Math.floor(height / 48)));
      for (const v of marks) {
        this.add("line", { class: "grid", x1: box.left, x2: box.right, y1: py(v), y2: py(v) });
        this.add("text", { x: box.left - 6, y: py(v) + 4, "text-anchor": "end" }).textContent = number(v);
      }
      for (const v of ticks(0, right, Math.max(2, Math.floor(width / 90)))) {
        this.add("text", { x: this.px(v), y: height - 6, "text-anchor": this.px(v) > width - 26 ? "end" : "middle" }).textContent = v.toLocaleString("en");
      }
      const clip = `clip-${charts.indexOf(this)}`;
      this.add("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }, this.add("clipPath", { id: clip }));
      const area = this.add("g", { "clip-path": `url(#${clip})` });
      for (const { curve, x, y } of this.lines) {
        const path = (ys) => {
          let pen = "M", d = "";
          ys.forEach((v, i) => {
            if (v === null) { pen = "M"; return; }
            d += `${pen}${this.px(x[i]).toFixed(1)} ${py(v).toFixed(1)}`;
            pen = "L";
          });
          return ys.length === 1 && d ? d + "h0.1" : d;
        };
        const style = `--c:var(--c${curve.run % 10})`, kind = (curve.dashed ? " dash" : "") + (curve.run > 9 ? " again" : "");
        if (smoothing > 0 && !curve.dashed && curve.y.length > 8) this.add("path", { class: "raw", style, d: path(curve.y) }, area);
        this.add("path", { class: "line" + kind, style, d: path(y) }, area);
      }
      this.right = right;
      this.box = box;
      this.epochLine = this.add("line", { class: "epoch", y1: box.top, y2: box.bottom });
      this.hair = this.add("line", { class: "hair", y1: box.top, y2: box.bottom, visibility: "hidden" });
      this.markEpoch();
    }
    markEpoch() {
      if (!this.epochLine) return;
      const epoch = data.epochs[position];
      const visible = axis === "epoch" && data.epochs.length > 1 && epoch !== undefined && epoch <= this.right * 1.01;
      this.epochLine.setAttribute("visibility", visible ? "visible" : "hidden");
      if (visible) for (const name of ["x1", "x2"]) this.epochLine.setAttribute(name, this.px(Math.min(epoch, this.right)));
    }
    hover(event) {
      if (!this.lines || !this.lines.length || !this.box) return;
      const place = this.svg.getBoundingClientRect(), x = event.clientX - place.left;
      const at = ((x - this.box.left) / (this.box.right - this.box.left)) * this.right;
      const rows = [];
      let found = null;
      for (const line of this.lines) {
        let best = 0;
        line.x.forEach((v, i) => { if (Math.abs(v - at) < Math.abs(line.x[best] - at)) best = i; });
        if (line.y[best] === null || line.y[best] === undefined || at > line.x.at(-1) + this.right * 0.03) continue;
        rows.push([line.curve, line.y[best]]);
        if (found === null || Math.abs(line.x[best] - at) < Math.abs(found - at)) found = line.x[best];
      }
      this.tip.hidden = !rows.length;
      if (!rows.length) return;
      this.hair.setAttribute("visibility", "visible");
      for (const name of ["x1", "x2"]) this.hair.setAttribute(name, this.px(found));
      rows.sort((a, b) => b[1] - a[1]);
      this.tip.replaceChildren();
      const head = document.createElement("b");
      head.textContent = axis === "minutes" ? `after ${number(found)} minutes` : `${axis} ${(+found.toPrecision(6)).toLocaleString("en")}`;
      this.tip.append(head);
      const several = new Set(this.spec.curves.map((c) => c.name)).size > 1;
      for (const [curve, value] of rows.slice(0, 14)) {
        const row = document.createElement("div"), name = document.createElement("span"), spot = document.createElement("i"), amount = document.createElement("span");
        spot.className = "spot";
        spot.style.setProperty("--c", `var(--c${curve.run % 10})`);
        name.append(spot, (data.runs.length > 1 ? data.runs[curve.run].label + " " : "") + (several || data.runs.length === 1 ? curve.name : ""));
        amount.textContent = number(value);
        row.append(name, amount);
        this.tip.append(row);
      }
      const width = this.root.clientWidth;
      this.tip.style.top = `${place.top - this.root.getBoundingClientRect().top + 8}px`;
      this.tip.style.left = x > width / 2 ? "auto" : `${x + 24}px`;
      this.tip.style.right = x > width / 2 ? `${width - x + 4}px` : "auto";
    }
  }

  if ($("charts")) {
    for (const spec of data.charts) {
      const chart = new Chart(spec);
      if (kept && kept.log.has(spec.title)) chart.log = kept.log.get(spec.title);
      charts.push(chart);
      $("charts").append(chart.root);
    }
    const redraw = () => { for (const chart of charts) chart.draw(); };
    $("smoothing").value = smoothing;
    $("axis").value = axis;
    $("smoothing").addEventListener("input", () => { smoothing = +$("smoothing").value; redraw(); });
    $("axis").addEventListener("change", () => { axis = $("axis").value; redraw(); });
    for (const chip of all(".chip")) {
      if (data.runs.length === 1) { chip.hidden = true; continue; }
      chip.setAttribute("aria-pressed", !hidden.has(+chip.dataset.run));
      chip.addEventListener("click", () => {
        const run = +chip.dataset.run, now = hidden.has(run);
        if (now) hidden.delete(run); else hidden.add(run);
        chip.setAttribute("aria-pressed", now);
        redraw();
      });
    }
    new ResizeObserver(redraw).observe($("charts"));
    redraw();
  }
  draw();
  if (kept) {
    const again = data.runs.findIndex((run) => run.label === kept.zoomed);
    if (again >= 0) zoom(again);
    if (kept.playing && $("player")) play(true);
    if (kept.showReals) toggleReals(true);
  }
  return {
    keep: () => ({
      epoch: data.epochs[position], newest: position === newest, playing: timer !== 0, showReals,
      zoomed: zoomed < 0 ? null : data.runs[zoomed].label, hidden: [...hidden].map((i) => data.runs[i].label),
      smoothing, axis, log: new Map(charts.map((chart) => [chart.spec.title, chart.log])),
    }),
    stop: () => { controller.abort(); clearInterval(timer); },
  };
}
let shownReport = startReport(null);
