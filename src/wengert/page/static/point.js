// The point: for each parameter a slider and a field beside it; for an array a field for all of it, and a slider for
// each number if they are few. A field takes what the server reads: 0.5, pi/4, [1, 2].

import { el, pretty, put, value } from "./text.js";

const FEW = 16;
const dims = (x) => (Array.isArray(x) ? [x.length, ...(x.length ? dims(x[0]) : [])] : []);
const flat = (x) => (Array.isArray(x) ? x.flatMap(flat) : [x]);

function place(k, shape) {
  const index = [];
  for (let rest = k, d = shape.length - 1; d >= 0; rest = Math.floor(rest / shape[d]), d--) index.unshift(rest % shape[d]);
  return index;
}

export class Point {
  // `set(name, value)` is told of each change that a person makes.
  constructor(box, set) {
    this.box = box;
    this.set = set;
    this.shape = "";
  }

  show(parameters, point) {
    this.point = point;
    const shape = JSON.stringify(parameters.map((p) => [p.name, p.whole, dims(point[p.name])]));
    if (this.shape !== shape) {
      this.shape = shape;
      this.shown = []; // what brings a control up to date
      const constant = el("p", { class: "quiet" }, "A constant: there is nothing to move.");
      put(this.box, parameters.length ? parameters.map((p) => this.parameter(p, point[p.name])) : constant);
    }
    for (const bring of this.shown) bring();
  }

  parameter(p, given) {
    if (Array.isArray(given)) return this.array(p.name, dims(given), flat(given).length);
    return this.slider(p.name, p.name, p.whole, () => this.point[p.name], (x) => this.set(p.name, x));
  }

  array(name, shape, size) {
    const whole = el("input", { type: "text", "aria-label": `${name}, all numbers`, spellcheck: "false" });
    whole.addEventListener("change", () => this.set(name, whole.value));
    this.shown.push(() => { if (document.activeElement !== whole) whole.value = JSON.stringify(this.point[name]); });
    const body = [el("div", { class: "slider wide" }, el("span", { class: "name" }, pretty(name)), whole)];
    for (let k = 0; k < size && size <= FEW; k++) body.push(this.element(name, place(k, shape)));
    const count = `${pretty(name)}: ${shape.join("×")} ${size === 1 ? "number" : "numbers"}`;
    return el("details", { class: "array", open: size <= FEW / 2 }, el("summary", {}, count), body);
  }

  element(name, index) {
    const label = `[${index.join(", ")}]`;
    const get = () => index.reduce((a, i) => a[i], this.point[name]);
    const set = (x) => {
      const copy = structuredClone(this.point[name]);
      index.slice(0, -1).reduce((a, i) => a[i], copy)[index[index.length - 1]] = x;
      this.point[name] = copy;
      this.set(name, copy);
    };
    return this.slider(name + label, label, false, get, set);
  }

  slider(name, label, whole, get, set) {
    const range = el("input", { type: "range", "aria-label": name, step: whole ? "1" : "any" });
    const field = el("input", { type: "text", "aria-label": `${name}, as a number`, spellcheck: "false" });
    const center = (x) => { // room to both sides
      const half = Math.max(2, 2 * Math.abs(x));
      [range.min, range.max] = whole ? [0, Math.max(10, 2 * x)] : [x - half, x + half];
      range.value = x;
    };
    center(get());
    range.addEventListener("input", () => {
      field.value = range.value;
      set(Number(Number(range.value).toPrecision(6)));
    });
    range.addEventListener("change", () => center(Number(range.value)));
    field.addEventListener("change", () => set(field.value));
    this.shown.push(() => {
      const x = get();
      if (document.activeElement !== range) {
        if (x < Number(range.min) || x > Number(range.max)) center(x);
        range.value = x;
      }
      range.setAttribute("aria-valuetext", value(x));
      if (document.activeElement !== field) field.value = String(Number(Number(x).toPrecision(8)));
    });
    return el("div", { class: "slider" }, el("span", { class: "name" }, pretty(label)), range, field);
  }
}
