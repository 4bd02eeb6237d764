// Text and elements: numbers as people read them, and DOM nodes made without a line of HTML.
// Everything that comes from a program or a person goes in as text; nothing here can make markup of it.

const SVG = "http://www.w3.org/2000/svg";

export function $(id) { return document.getElementById(id); }

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
  return node;
}

export function el(name, attributes, ...children) { return fill(document.createElement(name), attributes, children); }

export function svg(name, attributes, ...children) { return fill(document.createElementNS(SVG, name), attributes, children); }

export function put(node, ...children) { node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null)); }

const WORDS = { nan: "NaN", inf: "∞", "-inf": "−∞" };

export function number(x, digits = 6) {
  if (typeof x === "string") return WORDS[x] ?? x;
  if (typeof x === "boolean") return String(x);
  if (!Number.isFinite(x)) return String(x);
  if (x === 0) return "0";
  const size = Math.abs(x);
  const shown = size >= 1e6 || size < 1e-4 ? x.toExponential(Math.max(digits - 3, 0)) : x.toPrecision(digits);
  return shown.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "").replace("e+", "e").replace(/-/g, "−");
}

// A value as `explain` writes it: null where nothing depends, a number, a complex number or an array.
export function value(x, digits = 6) {
  if (x === null || x === undefined) return "0";
  if (typeof x !== "object") return number(x, digits);
  if ("re" in x) {
    const im = number(x.im, digits);
    return `${number(x.re, digits)} ${im.startsWith("−") ? "−" : "+"} ${im.replace("−", "")}i`;
  }
  const shape = x.shape.join("×");
  if (x.values && x.values.length <= 4) return nested(x.values, x.shape, 4);
  if (x.nonfinite) return `${shape}, ${x.nonfinite} not finite`;
  return x.min === null ? shape : `${shape} in ${number(x.min, 3)}…${number(x.max, 3)}`;
}

export function nested(values, shape, digits = 6) {
  if (shape.length === 0) return value(values[0], digits);
  if (shape.length === 1) return `[${values.map((v) => value(v, digits)).join(", ")}]`;
  const size = values.length / shape[0];
  const rows = [];
  for (let k = 0; k < shape[0]; k++) rows.push(nested(values.slice(k * size, (k + 1) * size), shape.slice(1), digits));
  return `[${rows.join(", ")}]`;
}

// All the elements there are, for a title or a table.
export function full(x) {
  return x && typeof x === "object" && x.values ? nested(x.values, x.shape, 6) : value(x, 10);
}

export function isBad(x) {
  if (typeof x === "string") return x in WORDS;
  if (x && typeof x === "object") return "re" in x ? isBad(x.re) || isBad(x.im) : x.nonfinite > 0;
  return false;
}

export function cut(text, length) { return text.length > length ? `${text.slice(0, length - 1)}…` : text; }

// Program notation as it is written on a board: v₂·v₁, x².
const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹", SUB = "₀₁₂₃₄₅₆₇₈₉";
const digits = (text, set) => text.replace(/\d/g, (d) => set[d]).replace("-", "⁻");
export function pretty(text) {
  return text.replace(/\bexpit\(/g, "σ(").replace(/(?:\*\*|\^)(-?\d+)(?![\d.])/g, (_, n) => digits(n, SUPER))
    .replace(/ ?(?<!\*)\*(?!\*) ?/g, "·")
    .replace(/\b(d?[A-Za-z])(\d{1,2})\b/g, (_, letter, n) => letter + digits(n, SUB));
}

// v̇₁, v̄₁: a mark on the first letter of a name.
const mark = (name, sign) => name.slice(0, 1) + sign + pretty(name).slice(1);
export const dot = (name) => mark(name, "\u0307");
export const bar = (name) => mark(name, "\u0304");
export const prime = (name) => `${pretty(name)}′`;

// Whether a local derivative is told in words ("spread over axis 0"), not as a formula.
export const isPhrase = (word) => /^[a-z]{2,} [a-z]{2,}/i.test(word) && !word.endsWith("·");

// `v₃ = v₂·v₁`, or an input's name.
export const equation = (n) => pretty(n.kind === "input" || n.text === n.name ? n.name : `${n.name} = ${n.text}`);
