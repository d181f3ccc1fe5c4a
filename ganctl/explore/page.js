"use strict";

// What is shown: latents as they came (base), the dimensions that were set over them, the classes.
const state = {
  seed: 0, n: 1, truncation: null,
  base: new Float32Array(0), classes: null, // null: all in turn
  set: new Map(), // dimension's name → value
  between: null, // 0 to 1 from pin A to pin B
  pins: { a: null, b: null },
};
let model = null;
const FIRST = 8; // sliders that are shown at first
const COUNTS = [1, 4, 9, 16, 25];
const $ = (id) => document.getElementById(id);

// Requests.

async function ask(path, options) {
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (attempt < 1) continue; // an idle connection that the server closed
      throw new Error("ganctl explore has ended. Start it again, then reload this page.");
    }
    if (response.ok) return response;
    throw new Error(await response.text());
  }
}

function send(path, latents, classes) {
  const query = classes ? `?y=${classes.join(",")}` : "";
  return ask(path + query, { method: "POST", body: latents, headers: { "Content-Type": "application/octet-stream" } });
}

function trouble(error) {
  $("trouble").textContent = error ? error.message : "";
  $("trouble").hidden = !error;
}

// Latents.

function slerp(a, b, t, length) {
  let dot = 0, aa = 0, bb = 0;
  for (let i = 0; i < length; i++) { dot += a[i] * b[i]; aa += a[i] * a[i]; bb += b[i] * b[i]; }
  const angle = Math.acos(Math.min(1, Math.max(-1, dot / Math.sqrt(aa * bb))));
  const sine = Math.sin(angle);
  const straight = !(sine >= 1e-6);
  const left = straight ? 1 - t : Math.sin((1 - t) * angle) / sine;
  const right = straight ? t : Math.sin(t * angle) / sine;
  const made = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) {
    made[i] = i < length ? left * a[i] + right * b[i] : (1 - t) * a[i] + t * b[i];
  }
  return made;
}

function each(latents, change) {
  const made = new Float32Array(latents.length);
  for (let start = 0; start < latents.length; start += model.dim) {
    made.set(change(latents.subarray(start, start + model.dim), start), start);
  }
  return made;
}

function shown() {
  if (state.between !== null) {
    const { a, b } = state.pins;
    const length = Math.min(a.latents.length, b.latents.length);
    const other = b.latents;
    return {
      latents: each(a.latents.subarray(0, length), (z, start) =>
        slerp(z, other.subarray(start, start + model.dim), state.between, model.curved)),
      classes: (state.between < 0.5 ? a : b).classes?.slice(0, length / model.dim) ?? null,
    };
  }
  const latents = each(state.base, (z) => {
    const made = z.slice();
    for (const [name, value] of state.set) {
      const dimension = byName.get(name);
      if (dimension.size === 1) made[dimension.start] = value;
      else {
        made.fill(0, dimension.start, dimension.start + dimension.size);
        made[dimension.start + value] = 1;
      }
    }
    return made;
  });
  return { latents, classes: classesFor(latents.length / model.dim) };
}

function classesFor(n) {
  if (!model.classes) return null;
  return Array.from({ length: n }, (_, i) => state.classes ? state.classes[i % state.classes.length] : i % model.classes.length);
}

// From now on the latents that are shown are the ones to start from.
function adopt() {
  if (state.between === null) return;
  const { latents, classes } = shown();
  take(latents, classes);
}

function take(latents, classes) {
  state.base = latents;
  state.n = latents.length / model.dim;
  state.classes = classes && (new Set(classes).size > 1 ? classes : [classes[0]]);
  state.set.clear();
  state.between = null;
  state.seed = null;
}

// Drawing: one request at a time; what has changed meanwhile is drawn next, and only its newest state.

let drawing = false, stale = false, changed = 0;

function draw() {
  if (!changed) changed = performance.now();
  stale = true;
  if (!drawing) run();
}

async function run() {
  drawing = true;
  while (stale) {
    stale = false;
    const started = changed;
    changed = 0;
    try {
      const { latents, classes } = shown();
      paint($("picture"), await drawn(latents, classes));
      const took = performance.now() - started;
      performance.clearMeasures("picture");
      performance.measure("picture", { start: started, end: started + took });
      $("speed").textContent = `${took.toFixed(took < 10 ? 1 : 0)} ms`;
      trouble(null);
    } catch (error) {
      trouble(error);
    }
  }
  drawing = false;
}

async function drawn(latents, classes) {
  const bytes = await (await send("/picture", latents, classes)).arrayBuffer();
  const [width, height] = new Uint32Array(bytes, 0, 2);
  return new ImageData(new Uint8ClampedArray(bytes, 8), width, height);
}

function paint(canvas, pixels) {
  if (canvas.width !== pixels.width || canvas.height !== pixels.height) {
    canvas.width = pixels.width;
    canvas.height = pixels.height;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

let asked = 0;

async function start() { // from the seed
  const mine = ++asked;
  const truncation = state.truncation === null ? "" : `&truncation=${state.truncation}`;
  try {
    const response = await ask(`/latents?seed=${state.seed}&n=${state.n}${truncation}`);
    const latents = new Float32Array(await response.arrayBuffer());
    if (mine !== asked) return; // asked for another meanwhile
    state.base = latents;
    state.between = null;
    update();
  } catch (error) {
    trouble(error);
  }
}

// What the controls say.

const rows = new Map(); // dimension's name → what its row does on update
let byName = new Map();

function update() {
  $("seed").value = state.seed ?? "";
  $("seed").placeholder = state.seed === null ? "none" : "";
  refresh();
  $("reset").disabled = state.between !== null || !state.set.size;
  for (const input of $("count").querySelectorAll("input")) input.checked = Number(input.value) === state.n;
  const alone = state.classes && state.classes.length === 1 ? String(state.classes[0]) : state.classes ? "none" : "turn";
  for (const input of $("class-chips").querySelectorAll("input")) input.checked = input.value === alone;
  const both = state.pins.a && state.pins.b;
  $("between").disabled = !both;
  $("between-value").textContent = state.between === null ? "" : state.between.toFixed(2);
  for (const id of ["a", "b"]) {
    const pin = $(`pin-${id}`);
    pin.querySelector(".show").disabled = !state.pins[id];
    pin.querySelector(".take").textContent = state.pins[id] ? `Pin ${id.toUpperCase()} anew` : `Pin as ${id.toUpperCase()}`;
  }
  $("caption").textContent = caption();
  $("picture").setAttribute("aria-label", `What G draws: ${caption()}`);
  draw();
}

function refresh() {
  const own = state.between === null;
  const latents = own ? state.base : shown().latents; // where sliders stand that were not set
  for (const [name, row] of rows) row(own && state.set.has(name), latents);
}

function caption() {
  if (state.between !== null) return `between A and B, ${state.between.toFixed(2)}`;
  const parts = [state.seed === null ? "pinned" : `seed ${state.seed}`];
  if (state.truncation !== null && state.seed !== null) parts.push(`truncation ${state.truncation}`);
  if (model.classes && state.classes?.length === 1) parts.push(`class ${model.classes[state.classes[0]]}`);
  for (const [name, value] of state.set) parts.push(`${name} = ${short(value)}`);
  return parts.join(", ");
}

const short = (value) => String(Number(value.toFixed(2))).replace("-", "−");

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function chips(parent, name, choices, chosen) {
  parent.replaceChildren(...choices.map(([value, text]) => {
    const input = make("input", { type: "radio", name, value });
    input.addEventListener("change", () => chosen(value));
    return make("label", {}, input, make("span", { textContent: text }));
  }));
}

function setDimension(name, value) {
  adopt();
  state.set.set(name, value);
  update();
}

function putBack(name) {
  adopt();
  state.set.delete(name);
  update();
}

function slider(dimension, most) {
  const id = `dimension-${dimension.name}`;
  const input = make("input", { id, type: "range", min: -dimension.span, max: dimension.span, step: dimension.span / 60 });
  const output = make("output", {});
  output.setAttribute("for", id);
  const share = make("progress", { max: most, value: Math.min(most, dimension.change) });
  share.setAttribute("aria-hidden", "true");
  const label = make("label", { htmlFor: id, title: `changes the picture by ${dimension.change.toPrecision(2)}` },
    dimension.name, share);
  const row = make("div", { className: "dimension" }, label, input, output, backButton(dimension));
  input.addEventListener("input", () => setDimension(dimension.name, input.valueAsNumber));
  input.addEventListener("dblclick", () => putBack(dimension.name));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") putBack(dimension.name);
  });
  rows.set(dimension.name, (set, latents) => {
    const value = set ? state.set.get(dimension.name) : latents[dimension.start];
    if (document.activeElement !== input || !set) input.value = value;
    output.textContent = set || latents.length === model.dim ? short(value) : "each";
    row.classList.toggle("set", set);
  });
  return row;
}

function backButton(dimension) {
  const button = make("button", { type: "button", className: "back", textContent: "↺", title: "Put back" });
  button.setAttribute("aria-label", `Put ${dimension.name} back`);
  button.addEventListener("click", () => putBack(dimension.name));
  return button;
}

function category(dimension) {
  const group = make("div", { className: "chips" });
  group.setAttribute("role", "radiogroup");
  group.setAttribute("aria-label", `Code ${dimension.name}`);
  chips(group, `code-${dimension.name}`, Array.from({ length: dimension.size }, (_, i) => [i, String(i)]),
    (value) => setDimension(dimension.name, value));
  const row = make("div", { className: "dimension category" }, make("span", { textContent: dimension.name }), group, backButton(dimension));
  rows.set(dimension.name, (set, latents) => {
    const own = latents.subarray(dimension.start, dimension.start + dimension.size).indexOf(1);
    const value = set ? state.set.get(dimension.name) : latents.length === model.dim ? own : -1;
    group.querySelectorAll("input").forEach((input, i) => { input.checked = i === value; });
    row.classList.toggle("set", set);
  });
  return row;
}

function showDimensions(count) {
  const numbered = model.dimensions.filter((d) => /^\d+$/.test(d.name));
  const most = numbered[0]?.change || 1;
  const list = $("dimension-list");
  for (const dimension of numbered.slice(list.children.length, count)) {
    list.append(slider(dimension, most));
  }
  refresh();
  $("more").hidden = list.children.length >= numbered.length;
  $("more").textContent = `Show ${Math.min(2 * list.children.length, numbered.length) - list.children.length} more`;
}

async function pin(id) {
  const { latents, classes } = shown();
  state.pins[id] = { latents: latents.slice(), classes };
  update();
  try { // a picture of its own: the large one may still be that of a moment ago
    paint($(`pin-${id}`).querySelector("canvas"), await drawn(latents, classes));
  } catch (error) {
    trouble(error);
  }
}

async function save(path, name, type) {
  try {
    const { latents, classes } = shown();
    const blob = new Blob([await (await send(path, latents, classes)).blob()], { type });
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    trouble(null);
  } catch (error) {
    trouble(error);
  }
}

function random() {
  state.seed = Math.floor(Math.random() * 1e6);
  start();
}

async function begin() {
  try {
    model = await (await ask("/model")).json();
  } catch (error) {
    trouble(error);
    return;
  }
  state.base = new Float32Array(model.dim); // until the seed's come
  byName = new Map(model.dimensions.map((dimension) => [dimension.name, dimension]));
  const [channels, height, width] = model.image;
  $("title").textContent = `${model.model} on ${model.data}`;
  $("about").textContent = `step ${model.step.toLocaleString("en")} · ${height}×${width}${channels > 1 ? `×${channels}` : ""} · z of ${model.dim}`;
  document.title = `${model.model} on ${model.data} – ganctl explore`;

  chips($("count"), "count", COUNTS.map((n) => [n, String(n)]), (n) => {
    state.n = n;
    if (state.seed === null) state.seed = 0;
    start();
  });
  $("truncation-row").hidden = !model.truncation;
  if (model.classes) {
    $("classes").hidden = false;
    state.classes = [0];
    chips($("class-chips"), "class", [["turn", "all in turn"], ...model.classes.map((name, i) => [String(i), name])], (value) => {
      adopt();
      state.classes = value === "turn" ? null : [Number(value)];
      update();
    });
  }
  const codes = model.dimensions.filter((d) => !/^\d+$/.test(d.name));
  codes.sort((a, b) => a.start - b.start);
  $("codes").hidden = !codes.length;
  $("code-list").append(...codes.map((d) => (d.size > 1 ? category(d) : slider(d, Math.max(...codes.map((c) => c.change))))));
  showDimensions(FIRST);

  $("seed").addEventListener("input", () => {
    const input = $("seed");
    if (input.value === "" || !input.checkValidity()) return;
    state.seed = input.valueAsNumber;
    start();
  });
  $("random").addEventListener("click", random);
  const truncate = () => {
    const on = $("truncate").checked;
    $("truncation").disabled = !on;
    state.truncation = on ? $("truncation").valueAsNumber : null;
    $("truncation-value").textContent = on ? short(state.truncation) : "off";
    if (state.seed === null) state.seed = 0;
    start();
  };
  $("truncate").addEventListener("change", truncate);
  $("truncation").addEventListener("input", truncate);
  $("more").addEventListener("click", () => showDimensions(2 * $("dimension-list").children.length));
  $("reset").addEventListener("click", () => { adopt(); state.set.clear(); update(); });
  for (const id of ["a", "b"]) {
    $(`pin-${id}`).querySelector(".take").addEventListener("click", () => pin(id));
    $(`pin-${id}`).querySelector(".show").addEventListener("click", () => {
      take(state.pins[id].latents.slice(), state.pins[id].classes);
      update();
    });
  }
  $("between").addEventListener("input", () => { state.between = $("between").valueAsNumber; update(); });
  $("save-png").addEventListener("click", () => save("/picture.png", `${model.name}-explore.png`, "image/png"));
  $("save-latents").addEventListener("click", () => save("/latents.npz", `${model.name}-latents.npz`, "application/octet-stream"));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input[type="number"]')) return;
    const key = event.key.toLowerCase();
    if (key === "r") random();
    if (key === "a" || key === "b") pin(key);
  });
  start();
}

begin();
