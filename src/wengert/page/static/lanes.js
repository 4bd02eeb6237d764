// The four ways through one picture: in which order the boxes come, what each says when its turn has come, and the
// sentence that tells how its number arose. A lane only reads; the numbers are those of `explain`.

import { bar, cut, dot, el, equation, isBad, isPhrase, number, pretty, prime, value } from "./text.js";
import { groupName, partial } from "./graph.js";

const last = (item) => item.nodes[item.nodes.length - 1];
const short = (x) => value(x, 6);
const isNumber = (x) => typeof x === "number" || typeof x === "string";
const lineNumber = (line) => (line ? line.split(":").pop() : "");

// The terms ∂n/∂o · something, one for each operand on which a number travels into `n`.
function incoming(scene, n) {
  const found = [];
  for (const id of new Set(n.operands)) {
    const o = scene.nodes.get(id);
    for (const c of o ? o.contributions : []) if (c.source === n.id) found.push({ o, c });
  }
  return found;
}

export function edgeText(scene, edge) {
  const [from, to] = edge.pairs[0];
  const found = (scene.nodes.get(from)?.contributions || []).filter((c) => c.source === to);
  return found.map(partial).join(" + ");
}

const factor = (word) => (/[+−-]|\/ /.test(word.replace(/^[-−]/, "")) && !/^\(.*\)$/.test(word) ? `(${word})` : word);
function times(word, what) {
  if (word === "1") return what;
  if (word === "-1") return `−${what}`;
  if (word.endsWith("·")) return `${pretty(word)} ${what}`;
  if (word.startsWith("·")) return `${what} ${pretty(word)}`;
  if (word.startsWith("times ")) return `${pretty(word.slice(6))}·${what}`;
  return isPhrase(word) ? `${what} (${word})` : `${factor(pretty(word))}·${what}`;
}
const joined = (terms) => terms.join(" + ").replace(/\+ [−-]/g, "− ");
const signed = (x, digits) => { const t = value(x, digits); return t.startsWith("−") ? `(${t})` : t; };

function inner(item, source) {
  const n = last(item);
  return [el("b", {}, groupName(item.group, source)),
    `: ${item.nodes.length} operations, folded. The last is ${equation(n)}. `,
    el("span", { class: "quiet" }, "Enter, or a click, opens it.")];
}

function opening(n) {
  if (n.kind === "input") return [el("b", {}, pretty(n.name)), ` = ${value(n.value)} is an input. `];
  const note = n.turns ? ` ${n.turns} turns.` : "";
  return [el("b", {}, equation(n)), ` = ${value(n.value)}${n.line ? ` (line ${lineNumber(n.line)})` : ""}.${note} `];
}

// (v₁·v₂)′ = v₂·v₁′ + v₁·v₂′, with the operands that move.
function rule(scene, n, moves) {
  const term = ({ o, c }) => {
    if (c.partial === null) return `${prime(o.name)} carried through`;
    return o.kind === "input" ? pretty(c.word) : times(c.word, prime(o.name)); // x′ is 1
  };
  const terms = incoming(scene, n).filter(({ o }) => moves(o)).map(term);
  return terms.length ? joined(terms) : "…";
}

// How many characters the longest thing is that a lane writes into a node's box.
export function longest(scene, n) { return n.kind === "input" ? 0 : `${n.name}′ = ${rule(scene, n, () => true)}`.length; }

// ---------------------------------------------------------------- each lane

class Lane {
  constructor(view) { Object.assign(this, view); } // scene, items, wrt (which tangent), moving (ids of nodes), shifted, symbols

  moves(n) { return this.moving.has(n.id); }

  steps() { return this.items.map((item) => ({ item, pass: "forward" })); }

  placed() {
    this.at = new Map();
    this.list = this.steps();
    this.list.forEach((step, k) => this.at.set(`${step.pass} ${step.item.key}`, k));
    return this.list;
  }

  reached(item, pass, k) { const at = this.at.get(`${pass} ${item.key}`); return at !== undefined && at <= k; }

  numbers(item, k) {
    const n = last(item);
    if (!this.reached(item, "forward", k)) return {};
    return { done: true, bad: item.nodes.some((m) => isBad(m.value)), value: this.shown(n), ...this.carried(n, item, k) };
  }

  line(n) { return n.line ? `${lineNumber(n.line)}: ${(this.scene.derivation.source[n.line] || "").trim()}` : ""; }

  shown(n) { return n.kind === "input" || n.text !== n.name ? `= ${value(n.value)}` : ""; }

  sentence(step) {
    if (step.item.group) return inner(step.item, this.scene.derivation.source);
    return [...opening(step.item.nodes[0]), this.explained(step.item.nodes[0], step)];
  }
}

class Forward extends Lane {
  tangent(n) { return n.tangents[this.wrt] ?? null; }

  carried(n) { return { lane: `${dot(n.name)} = ${value(this.tangent(n))}`, laneBad: isBad(this.tangent(n)) }; }

  explained(n) {
    const t = this.tangent(n), name = dot(n.name), wrt = this.label;
    if (n.kind === "input") {
      return el("span", { class: "sum" }, !this.moves(n) ? `${name} = 0: the derivative with regard to ${wrt} is asked for.`
        : `${name} = ${value(t)}: this is the direction, ${wrt}.`);
    }
    const terms = incoming(this.scene, n).filter(({ o }) => this.tangent(o) !== null);
    if (!this.moves(n)) return el("span", { class: "sum" }, `${name} = 0: nothing here depends on ${wrt}.`);
    const words = terms.map(({ o, c }) => (c.partial === null ? `${dot(o.name)} carried through` : times(c.word, dot(o.name))));
    const sums = terms.every(({ o, c }) => isNumber(c.partial) && isNumber(this.tangent(o)))
      ? ` = ${joined(terms.map(({ o, c }) => `${value(c.partial, 4)} × ${signed(this.tangent(o), 4)}`))}` : "";
    return el("span", { class: "sum" }, terms.length ? `${name} = ${joined(words)}${sums} = ${value(t)}`
      : `${name} = ${value(t)}`);
  }

  columns() { return ["node", "value", `tangent, ${this.label}`, "line"]; }

  row(n) {
    const t = this.tangent(n);
    return [equation(n), short(n.value), { carried: short(t), bad: isBad(t) }, this.line(n)];
  }
}

class Reverse extends Lane {
  steps() {
    const place = new Map(this.scene.derivation.backward.map((id, k) => [id, k]));
    const complete = (item) => Math.max(...item.nodes.map((n) => place.get(n.id) ?? -1));
    const back = this.items.filter((item) => complete(item) >= 0).sort((a, b) => complete(a) - complete(b));
    return [...super.steps(), ...back.map((item) => ({ item, pass: "backward" }))];
  }

  carried(n, item, k) {
    if (!this.reached(item, "backward", k)) return {};
    return { lane: `${bar(n.name)} = ${value(n.adjoint)}`, laneBad: item.nodes.some((m) => isBad(m.adjoint)) };
  }

  sentence(step) {
    if (step.item.group || step.pass === "forward") return super.sentence(step);
    const n = step.item.nodes[0];
    return [el("b", {}, pretty(n.name)), `, on the way back. `, this.formed(n)];
  }

  explained(n) {
    const users = this.scene.users.get(n.id).length;
    return el("span", { class: "quiet" }, users > 1 ? `It is used ${users} times: its adjoint will be a sum.`
      : "Kept for the way back.");
  }

  formed(n) { return el("span", { class: "sum" }, this.sum(n)); }

  terms(n) { return n.contributions.map((c) => ({ c, source: this.scene.nodes.get(c.source) })).filter((t) => t.source); }

  words(n) {
    const seed = n.seed === null ? [] : [value(n.seed)];
    return joined([...seed, ...this.terms(n).map(({ c, source }) => times(c.word, bar(source.name)))]) || "0";
  }

  sum(n) {
    const name = bar(n.name), terms = this.terms(n);
    const seed = n.seed === null ? [] : [value(n.seed)];
    if (!terms.length && n.seed === null) return `${name} = 0`;
    if (!terms.length) return `${name} = ${value(n.seed)}: the derivative of the output with regard to itself`;
    const plain = terms.every(({ c, source }) => isNumber(c.partial) && isNumber(source.adjoint));
    const product = ({ c, source }) => `${value(c.partial, 4)} × ${signed(source.adjoint, 4)}`;
    const numbers = plain ? [...seed, ...terms.map(product)] : [];
    return `${name} = ${this.words(n)}${plain ? ` = ${joined(numbers)}` : ""} = ${value(n.adjoint)}`;
  }

  columns() { return ["node", "value", "adjoint", "the sum that formed it"]; }

  row(n) {
    return [equation(n), short(n.value),
      { carried: short(n.adjoint), bad: isBad(n.adjoint), pass: "backward" }, { wrap: this.words(n) }];
  }
}

class Symbolic extends Lane {
  rule(n) {
    if (!this.moves(n)) return "0";
    return n.kind === "input" ? "1" : rule(this.scene, n, (o) => this.moves(o));
  }

  carried(n) { return { lane: `${prime(n.name)} = ${this.rule(n)}` }; }

  shown(n) { return `here ${value(n.tangents[this.wrt] ?? null, 5)}`; }

  sentence(step) {
    if (step.item.group) return inner(step.item, this.scene.derivation.source);
    const n = step.item.nodes[0], wrt = this.label;
    const isResult = this.scene.derivation.outputs.includes(n.id);
    const done = isResult && this.symbols?.derivatives?.find((d) => d.wrt === this.symbols.wrt);
    return [el("b", {}, equation(n)), `, differentiated with regard to ${wrt}, by ${NAMES[n.primitive] || "its own rule"}. `,
      el("span", { class: "sum" }, `${prime(n.name)} = ${this.rule(n)}`),
      done ? el("span", { class: "sum" }, `written out: ∂f/∂${pretty(done.wrt)} = ${cut(pretty(done.text), 160)}`) : null];
  }

  columns() { return ["node", "derivative"]; }

  row(n) { return [equation(n), { wrap: `${prime(n.name)} = ${this.rule(n)}`, carried: true }]; }
}

const NAMES = {
  multiply: "the rule of the product, (uv)′ = v u′ + u v′", add: "the rule of the sum, (u + v)′ = u′ + v′",
  subtract: "the rule of the difference, (u − v)′ = u′ − v′",
  divide: "the rule of the quotient, (u/v)′ = u′/v − (u/v²) v′",
  power: "the rule of the power, (uⁿ)′ = n uⁿ⁻¹ u′", square: "the rule of the power, (u²)′ = 2u u′",
  sin: "the chain rule, (sin u)′ = cos u · u′", cos: "the chain rule, (cos u)′ = −sin u · u′",
  exp: "the chain rule, (eᵘ)′ = eᵘ u′", log: "the chain rule, (log u)′ = u′/u",
  tanh: "the chain rule, (tanh u)′ = (1 − tanh² u) u′", expit: "the chain rule, σ(u)′ = σ(u) (1 − σ(u)) u′",
  sqrt: "the chain rule, (√u)′ = u′ / 2√u", negative: "the rule (−u)′ = −u′",
};

class Differences extends Lane {
  of(n) { return this.shifted?.nodes?.[n.id] || null; }

  shown(n) {
    const d = this.of(n);
    return d ? `${value(n.value, 4)} → ${value(d.moved, 6)}` : `= ${value(n.value)}`;
  }

  carried(n) { const d = this.of(n); return d ? { lane: `Δ/h = ${value(d.quotient, 5)}`, laneBad: isBad(d.quotient) } : {}; }

  explained(n) {
    const d = this.of(n), exact = n.tangents[this.wrt] ?? null;
    if (!d) return null;
    const h = number(this.shifted.h, 3), name = pretty(n.name);
    if (!isNumber(d.moved)) {
      return el("span", { class: "sum" }, `(${name}(x + h) − ${name}(x)) / h = ${value(d.quotient)}, with h = ${h}`);
    }
    return el("span", { class: "sum" }, `(${value(d.moved, 8)} − ${signed(n.value, 8)}) / ${h} = ${value(d.quotient, 8)}`
      + `; exact: ${value(exact, 8)}; error: ${value(d.error, 2)}`);
  }

  columns() { return ["node", "at x", "at x + h", "quotient", "exact", "error"]; }

  row(n) {
    const d = this.of(n) || {}, exact = n.tangents[this.wrt] ?? null;
    return [equation(n), short(n.value), short(d.moved),
      { carried: short(d.quotient), bad: isBad(d.quotient) }, short(exact), value(d.error, 2)];
  }
}

export const LANES = { forward: Forward, reverse: Reverse, symbolic: Symbolic, differences: Differences };
