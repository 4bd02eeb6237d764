// The panels beside the picture: the trace, the counts, the derivative as symbols, the error curve, the table of ways.
// Each takes its data and fills one element.

import { cut, el, number, pretty, put, svg } from "./text.js";

const MOST_ROWS = 400;

export function trace(table, lane, items, choose) {
  const head = el("thead", {}, el("tr", {}, lane.columns().map((c) => el("th", { scope: "col" }, c))));
  const rows = items.slice(0, MOST_ROWS).map((item) => {
    const n = item.nodes[item.nodes.length - 1];
    const own = lane.row(n), sumless = (cell) => (cell?.wrap === undefined ? cell : "");
    const row = item.group ? [item.title, ...own.slice(1).map(sumless)] : own;
    return el("tr", { "data-node": item.key, onclick: () => choose(item) }, row.map((cell, k) => {
      if (cell && typeof cell === "object") {
        const text = cell.wrap ?? cut(cell.carried, 20);
        return el("td", { class: [cell.wrap !== undefined ? "wrap" : "", cell.carried !== undefined ? "carried" : "",
          cell.bad ? "bad" : ""].join(" ").trim() }, cut(text, 300));
      }
      const most = k ? 20 : 30;
      return el("td", { title: cell && cell.length > most ? cell : null }, cut(cell || "", most));
    }));
  });
  const more = items.length > MOST_ROWS
    ? el("tr", {}, el("td", { colspan: 6 }, `… and ${items.length - MOST_ROWS} more: fold, or keep only a path`)) : null;
  put(table, head, el("tbody", {}, rows, more));
}

export function markTrace(table, now, later) {
  for (const row of table.querySelectorAll("tr[data-node]")) {
    row.classList.toggle("now", row.dataset.node === now);
    row.classList.toggle("later", later(row.dataset.node));
  }
  const row = table.querySelector("tr.now"), box = table.parentElement;
  if (!row) return;
  const head = table.tHead ? table.tHead.offsetHeight : 0;
  if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
  const below = row.offsetTop + row.offsetHeight - box.clientHeight;
  if (below > box.scrollTop) box.scrollTop = below;
}

export function pairs(list, entries) {
  put(list, entries.filter(Boolean).flatMap(([name, text, kind]) => [el("dt", {}, name), el("dd", { class: kind }, text)]));
}

export function symbols(box, answer) {
  if (answer.error) return put(box, el("p", { class: "quiet" }, answer.error.message));
  const written = (left, text) => el("div", { class: "formula-block", tabindex: "0" }, `${left} = `, pretty(text));
  const blocks = (answer.derivatives || []).map((d) => written(`∂f/∂${pretty(d.wrt)}`, d.text));
  if (blocks.length > 1 && answer.differential) blocks.push(written("df", answer.differential));
  const big = (n) => (n < 1e15 ? n.toLocaleString("en") : n.toExponential(1).replace("e+", " × 10^"));
  const heads = ["order", "tree, by the rules", "shared", "tree, simplified", "shared"];
  const rows = answer.rows.map((r) => el("tr", {}, [r.order, r.tree, r.graph, r.simple_tree, r.simple_graph]
    .map((n) => el("td", { class: "number" }, big(n)))));
  put(box, blocks, answer.note ? el("p", { class: "quiet" }, answer.note) : null,
    el("p", { class: "quiet" }, `Nodes of the derivatives with regard to ${pretty(answer.wrt)}; order 0 is f itself.`),
    el("div", { class: "scroll" }, table(heads, rows)));
}

function table(heads, rows) {
  const head = el("thead", {}, el("tr", {}, heads.map((h) => el("th", { scope: "col" }, h))));
  return el("table", {}, head, el("tbody", {}, rows));
}

// ---------------------------------------------------------------- the V

const WIDTH = 420, HEIGHT = 290, LEFT = 48, BOTTOM = 38, TOP = 10, RIGHT = 18;
const SERIES = [["forward", "forward"], ["central", "central"], ["complex_step", "complex step"]];

const power = (e) => `1e${e}`.replace("-", "−");

export function curve(box, answer, exponent, choose) {
  if (answer.error) return put(box, el("p", { class: "quiet" }, answer.error.message));
  const lowest = -17, logs = (x) => Math.log10(Math.max(x, 10 ** lowest));
  const finite = SERIES.flatMap(([key]) => answer.errors[key]).filter((x) => typeof x === "number");
  const highest = Math.max(-2, Math.min(6, Math.ceil(logs(Math.max(...finite, 1e-3)))));
  const x = (e) => LEFT + (e + 16) / 16 * (WIDTH - LEFT - RIGHT);
  const y = (e) => TOP + (highest - Math.min(e, highest)) / (highest - lowest) * (HEIGHT - TOP - BOTTOM);
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": describe(answer) });
  for (let e = -16; e <= 0; e += 4) {
    root.append(svg("line", { class: "grid", x1: x(e), x2: x(e), y1: TOP, y2: HEIGHT - BOTTOM }),
      svg("text", { x: x(e), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, e === 0 ? "h = 1" : power(e)));
  }
  for (let e = Math.floor(highest / 4) * 4; e >= lowest + 1; e -= 4) {
    root.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(e), y2: y(e) }),
      svg("text", { x: LEFT - 6, y: y(e) + 4, "text-anchor": "end" }, e === 0 ? "1" : power(e)));
  }
  SERIES.forEach(([key, name], k) => {
    const points = answer.steps.map((h, i) => [Math.log10(h), answer.errors[key][i]]).filter(([, e]) => typeof e === "number");
    if (!points.length) return;
    const d = points.map(([h, e], i) => `${i ? "L" : "M"}${x(h).toFixed(1)} ${y(logs(e)).toFixed(1)}`).join("");
    root.append(svg("path", { class: `curve-${k}`, d }),
      svg("text", { class: `label curve-${k}`, x: LEFT + 20 + k * 100, y: HEIGHT - 5 }, name));
  });
  root.append(svg("line", { class: "now", x1: x(exponent), x2: x(exponent), y1: TOP, y2: HEIGHT - BOTTOM }));
  root.addEventListener("click", (event) => {
    const frame = root.getBoundingClientRect();
    const e = ((event.clientX - frame.left) / frame.width * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * 16 - 16;
    choose(Math.round(Math.min(0, Math.max(-15, e)) * 4) / 4);
  });
  put(box, root, el("p", { class: "quiet" }, describe(answer)));
}

function describe(answer) {
  const best = (name, h) => (typeof h === "number" && h > 0 ? `${name}: ${number(h, 2)}` : null);
  const steps = [best("forward", answer.best.forward), best("central", answer.best.central)].filter(Boolean);
  return "Large steps truncate, small steps round."
    + (steps.length ? ` The best step by theory, ${steps.join(", ")}.` : "");
}

// ---------------------------------------------------------------- the table of ways

export function ways(box, answer) {
  if (answer.error) return put(box, el("p", { class: "quiet" }, answer.error.message));
  const heads = ["way", "error", "time", "evaluations", "operations", "memory", "verdict"];
  const applies = answer.ways.filter((w) => w.verdict !== "does not apply");
  const rows = applies.map((w) => el("tr", {}, el("th", { scope: "row" }, w.name),
    [short(w.relative_error), time(w.seconds), w.evaluations.toLocaleString("en"), count(w.operations), bytes(w.memory)]
      .map((text) => el("td", { class: "number" }, text)),
    el("td", { class: w.verdict === "wrong" ? "bad wrap" : "wrap" }, w.verdict + (w.reason ? `: ${w.reason}` : ""))));
  const others = answer.ways.filter((w) => w.verdict === "does not apply")
    .map((w) => el("p", { class: "quiet" }, `${w.name} does not apply: ${w.reason}`));
  const below = `Errors are relative to the largest element, against ${answer.reference.method}. `
    + `One evaluation: ${time(answer.seconds)}.`;
  put(box, table(heads, rows), others, el("p", { class: "quiet" }, below));
}

const short = (x) => (x === null ? "" : x === 0 ? "0" : number(x, 2));
const count = (x) => (x === null ? "" : Math.round(x).toLocaleString("en"));

function scaled(x, units) {
  const at = units.findIndex(([size]) => x >= size), [size, name] = units[at < 0 ? units.length - 1 : at];
  return `${Number((x / size).toPrecision(3))} ${name}`;
}
const time = (s) => (s === null ? "" : scaled(s, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]]));
const bytes = (b) => (b === null ? "" : scaled(b, [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]));

export function counts(list, derivation, lane, numbers) {
  const operations = derivation.nodes.filter((n) => n.kind === "operation").length;
  const d = numbers.inputs, s = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
  pairs(list, [
    ["graph", `${s(operations, "operation")}, ${s(derivation.inputs.length, "input")}, ${s(d, "number")}`],
    lane === "forward" ? ["whole gradient", `${s(d, "forward pass").replace(/sses?s$|sss$/, "sses")}, nothing stored`] : null,
    lane === "reverse" ? ["whole gradient", "1 forward and 1 backward pass; "
      + `${s(derivation.nodes.length, "value")} at hand`] : null,
    lane === "differences" ? ["whole gradient", `${s(d + 1, "evaluation")}; ${2 * d} for central differences`] : null,
    lane === "symbolic" && numbers.rows ? ["trees", `f ${s(numbers.rows[0].tree, "node")}; `
      + `f′ ${s(numbers.rows[1].tree, "node")}, simplified ${s(numbers.rows[1].simple_tree, "node")}`] : null,
  ]);
}
