"use strict";

// The latents for the seed (base), the dimensions that the user has set, and the classes.
const state = {
  seed: 0, n: 1, truncation: null,
  base: new Float32Array(0), classes: null, // null: cycle through all classes
  set: new Map(), // name of a dimension → value
  options: new Map(), // option of the generator → value, if it differs from the default
  between: null, // position between the pins, from 0 (A) to 1 (B)
  pins: { a: null, b: null },
};
let model = null;
const FIRST = 8; // initial number of sliders
const COUNTS = [1, 4, 9, 16, 25];
const $ = (id) => document.getElementById(id);

// Requests.

async function request(path, options) {
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (attempt < 1) continue; // the server may have closed an idle connection
      throw new Error("ganctl explore has ended. Start it again and reload this page.");
    }
    if (response.ok) return response;
    throw new Error(await response.text());
  }
}

function send(path, latents, classes) {
  const query = new URLSearchParams();
  if (classes) query.set("y", classes.join(","));
  if (state.options.size) query.set("options", JSON.stringify(Object.fromEntries(state.options)));
  return request(`${path}?${query}`, { method: "POST", body: latents, headers: { "Content-Type": "application/octet-stream" } });
}

function showError(error) {
  $("error").textContent = error ? error.message : "";
  $("error").hidden = !error;
}

// Latents.

function slerp(a, b, t, length) {
  let dot = 0, aa = 0, bb = 0;
  for (let i = 0; i < length; i++) { dot += a[i] * b[i]; aa += a[i] * a[i]; bb += b[i] * b[i]; }
  const angle = Math.acos(Math.min(1, Math.max(-1, dot / Math.sqrt(aa * bb))));
  const sine = Math.sin(angle);
  const linear = !(sine >= 1e-6);
  const left = linear ? 1 - t : Math.sin((1 - t) * angle) / sine;
  const right = linear ? t : Math.sin(t * angle) / sine;
  const z = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) {
    z[i] = i < length ? left * a[i] + right * b[i] : (1 - t) * a[i] + t * b[i];
  }
  return z;
}

function mapLatents(latents, change) {
  const result = new Float32Array(latents.length);
  for (let start = 0; start < latents.length; start += model.dim) {
    result.set(change(latents.subarray(start, start + model.dim), start), start);
  }
  return result;
}

function currentLatents() {
  if (state.between !== null) {
    const { a, b } = state.pins;
    const length = Math.min(a.latents.length, b.latents.length);
    const other = b.latents;
    return {
      latents: mapLatents(a.latents.subarray(0, length), (z, start) =>
        slerp(z, other.subarray(start, start + model.dim), state.between, model.spherical)),
      classes: (state.between < 0.5 ? a : b).classes?.slice(0, length / model.dim) ?? null,
    };
  }
  const latents = mapLatents(state.base, (z) => {
    const copy = z.slice();
    for (const [name, value] of state.set) {
      const dimension = byName.get(name);
      if (dimension.size === 1) copy[dimension.start] = value;
      else {
        copy.fill(0, dimension.start, dimension.start + dimension.size);
        copy[dimension.start + value] = 1;
      }
    }
    return copy;
  });
  return { latents, classes: classesFor(latents.length / model.dim) };
}

function classesFor(n) {
  if (!model.classes) return null;
  return Array.from({ length: n }, (_, i) => state.classes ? state.classes[i % state.classes.length] : i % model.classes.length);
}

// Use the latents between the pins as the base for further changes.
function rebase() {
  if (state.between === null) return;
  const { latents, classes } = currentLatents();
  setBase(latents, classes);
}

function setBase(latents, classes) {
  state.base = latents;
  state.n = latents.length / model.dim;
  state.classes = classes && (new Set(classes).size > 1 ? classes : [classes[0]]);
  state.set.clear();
  state.between = null;
  state.seed = null;
}

// Send one request at a time. Changes during a request are combined into the next request.

let generating = false, stale = false, changed = 0;

function regenerate() {
  if (!changed) changed = performance.now();
  stale = true;
  if (!generating) run();
}

async function run() {
  generating = true;
  while (stale) {
    stale = false;
    const started = changed;
    changed = 0;
    try {
      const { latents, classes } = currentLatents();
      paint($("image"), await generate(latents, classes));
      const took = performance.now() - started;
      performance.clearMeasures("image");
      performance.measure("image", { start: started, end: started + took });
      $("speed").textContent = `${took.toFixed(took < 10 ? 1 : 0)} ms`;
      showError(null);
    } catch (error) {
      showError(error);
    }
  }
  generating = false;
}

async function generate(latents, classes) {
  const bytes = await (await send("/image", latents, classes)).arrayBuffer();
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

let requested = 0;

// Request the latents for the seed.
async function start() {
  const number = ++requested;
  const truncation = state.truncation === null ? "" : `&truncation=${state.truncation}`;
  try {
    const response = await request(`/latents?seed=${state.seed}&n=${state.n}${truncation}`);
    const latents = new Float32Array(await response.arrayBuffer());
    if (number !== requested) return; // a newer request has been sent
    state.base = latents;
    state.between = null;
    update();
  } catch (error) {
    showError(error);
  }
}

// Controls.

const rows = new Map(); // name of a dimension → function that updates its row
let byName = new Map();

function update() {
  $("seed").value = state.seed ?? "";
  $("seed").placeholder = state.seed === null ? "none" : "";
  refresh();
  $("reset").disabled = state.between !== null || !state.set.size;
  for (const input of $("count").querySelectorAll("input")) input.checked = Number(input.value) === state.n;
  const selected = state.classes && state.classes.length === 1 ? String(state.classes[0]) : state.classes ? "none" : "turn";
  for (const input of $("class-chips").querySelectorAll("input")) input.checked = input.value === selected;
  const both = state.pins.a && state.pins.b;
  $("between").disabled = !both;
  $("between-value").textContent = state.between === null ? "" : state.between.toFixed(2);
  for (const id of ["a", "b"]) {
    const pin = $(`pin-${id}`);
    pin.querySelector(".show").disabled = !state.pins[id];
    pin.querySelector(".take").textContent = state.pins[id] ? `Replace ${id.toUpperCase()}` : `Pin as ${id.toUpperCase()}`;
  }
  $("caption").textContent = caption();
  $("image").setAttribute("aria-label", `Samples of G: ${caption()}`);
  regenerate();
}

function refresh() {
  const own = state.between === null;
  const latents = own ? state.base : currentLatents().latents; // positions of the sliders that the user has not set
  for (const [name, row] of rows) row(own && state.set.has(name), latents);
}

function caption() {
  if (state.between !== null) return `between A and B, ${state.between.toFixed(2)}`;
  const parts = [state.seed === null ? "pinned" : `seed ${state.seed}`];
  if (state.truncation !== null && state.seed !== null) parts.push(`truncation ${state.truncation}`);
  if (model.classes && state.classes?.length === 1) parts.push(`class ${model.classes[state.classes[0]]}`);
  for (const [name, value] of state.set) parts.push(`${name} = ${format(value)}`);
  for (const [name, value] of state.options) parts.push(`${name} = ${typeof value === "number" ? format(value) : value}`);
  return parts.join(", ");
}

const format = (value) => String(Number(value.toFixed(2))).replace("-", "−");

function element(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

function chips(parent, name, choices, onChange) {
  parent.replaceChildren(...choices.map(([value, text]) => {
    const input = element("input", { type: "radio", name, value });
    input.addEventListener("change", () => onChange(value));
    return element("label", {}, input, element("span", { textContent: text }));
  }));
}

function setDimension(name, value) {
  rebase();
  state.set.set(name, value);
  update();
}

function resetDimension(name) {
  rebase();
  state.set.delete(name);
  update();
}

function slider(dimension, largest) {
  const id = `dimension-${dimension.name}`;
  const input = element("input", { id, type: "range", min: -dimension.span, max: dimension.span, step: dimension.span / 60 });
  const output = element("output", {});
  output.setAttribute("for", id);
  const share = element("progress", { max: largest, value: Math.min(largest, dimension.change) });
  share.setAttribute("aria-hidden", "true");
  const label = element("label", { htmlFor: id, title: `changes the samples by ${dimension.change.toPrecision(2)}` },
    dimension.name, share);
  const row = element("div", { className: "dimension" }, label, input, output, resetButton(dimension));
  input.addEventListener("input", () => setDimension(dimension.name, input.valueAsNumber));
  input.addEventListener("dblclick", () => resetDimension(dimension.name));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") resetDimension(dimension.name);
  });
  rows.set(dimension.name, (set, latents) => {
    const value = set ? state.set.get(dimension.name) : latents[dimension.start];
    if (document.activeElement !== input || !set) input.value = value;
    output.textContent = set || latents.length === model.dim ? format(value) : "each";
    row.classList.toggle("set", set);
  });
  return row;
}

function resetButton(dimension) {
  const button = element("button", { type: "button", className: "reset", textContent: "↺", title: "Reset" });
  button.setAttribute("aria-label", `Reset ${dimension.name}`);
  button.addEventListener("click", () => resetDimension(dimension.name));
  return button;
}

function category(dimension) {
  const group = element("div", { className: "chips" });
  group.setAttribute("role", "radiogroup");
  group.setAttribute("aria-label", `Code ${dimension.name}`);
  chips(group, `code-${dimension.name}`, Array.from({ length: dimension.size }, (_, i) => [i, String(i)]),
    (value) => setDimension(dimension.name, value));
  const row = element("div", { className: "dimension category" }, element("span", { textContent: dimension.name }), group, resetButton(dimension));
  rows.set(dimension.name, (set, latents) => {
    const own = latents.subarray(dimension.start, dimension.start + dimension.size).indexOf(1);
    const value = set ? state.set.get(dimension.name) : latents.length === model.dim ? own : -1;
    group.querySelectorAll("input").forEach((input, i) => { input.checked = i === value; });
    row.classList.toggle("set", set);
  });
  return row;
}

// A checkbox or a number field for an option of the generator.
function optionRow(option) {
  const id = `option-${option.name}`;
  const isBool = typeof option.value === "boolean";
  const input = isBool
    ? element("input", { id, type: "checkbox", checked: option.value })
    : element("input", { id, type: "number", step: option.type === "int" ? 1 : "any", value: option.value });
  input.addEventListener("input", () => {
    if (!isBool && (input.value === "" || !input.checkValidity())) return;
    const value = isBool ? input.checked : input.valueAsNumber;
    if (value === option.value) state.options.delete(option.name);
    else state.options.set(option.name, value);
    update();
  });
  return element("div", { className: "row", title: option.help }, element("label", { htmlFor: id, textContent: option.name }), input);
}

function showDimensions(count) {
  const numbered = model.dimensions.filter((d) => /^\d+$/.test(d.name));
  const largest = numbered[0]?.change || 1;
  const list = $("dimension-list");
  for (const dimension of numbered.slice(list.children.length, count)) {
    list.append(slider(dimension, largest));
  }
  refresh();
  $("more").hidden = list.children.length >= numbered.length;
  $("more").textContent = `Show ${Math.min(2 * list.children.length, numbered.length) - list.children.length} more`;
}

async function pin(id) {
  const { latents, classes } = currentLatents();
  state.pins[id] = { latents: latents.slice(), classes };
  update();
  try { // Generate a new thumbnail, because the large image may be out of date.
    paint($(`pin-${id}`).querySelector("canvas"), await generate(latents, classes));
  } catch (error) {
    showError(error);
  }
}

async function save(path, name, type) {
  try {
    const { latents, classes } = currentLatents();
    const blob = new Blob([await (await send(path, latents, classes)).blob()], { type });
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    showError(null);
  } catch (error) {
    showError(error);
  }
}

function random() {
  state.seed = Math.floor(Math.random() * 1e6);
  start();
}

async function begin() {
  try {
    model = await (await request("/model")).json();
  } catch (error) {
    showError(error);
    return;
  }
  state.base = new Float32Array(model.dim); // until the latents for the seed arrive
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
      rebase();
      state.classes = value === "turn" ? null : [Number(value)];
      update();
    });
  }
  $("options").hidden = !model.options.length;
  $("option-list").append(...model.options.map(optionRow));
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
    $("truncation-value").textContent = on ? format(state.truncation) : "off";
    if (state.seed === null) state.seed = 0;
    start();
  };
  $("truncate").addEventListener("change", truncate);
  $("truncation").addEventListener("input", truncate);
  $("more").addEventListener("click", () => showDimensions(2 * $("dimension-list").children.length));
  $("reset").addEventListener("click", () => { rebase(); state.set.clear(); update(); });
  for (const id of ["a", "b"]) {
    $(`pin-${id}`).querySelector(".take").addEventListener("click", () => pin(id));
    $(`pin-${id}`).querySelector(".show").addEventListener("click", () => {
      setBase(state.pins[id].latents.slice(), state.pins[id].classes);
      update();
    });
  }
  $("between").addEventListener("input", () => { state.between = $("between").valueAsNumber; update(); });
  $("save-png").addEventListener("click", () => save("/image.png", `${model.name}-explore.png`, "image/png"));
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
