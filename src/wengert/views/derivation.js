// The page of a derivation: steps through both passes, folds groups, searches, shows only what lies on the way of an input.
// The data are in #data; every text from the program is set as text, never as markup.
"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const MOST = 1500;  // rows of a table at a time
const $ = (id) => document.getElementById(id);
const back = new Map(D.backward.map((id, k) => [id, k]));
const steps = [...D.order.map((id) => ["forward", id]), ...D.backward.map((id) => ["backward", id])];
const opened = new Set(D.opened);
const drawn = new Map(Object.entries(D.drawn).map(([key, list]) => [key, new Set(list)]));
let step = steps.length - 1, query = "", input = "", onWay = null;

// ---------------------------------------------------------------- groups

const children = new Map([[null, []]]);
for (const g of D.groups) children.set(g.id, []);
const firstOf = new Map(), sizeOf = new Map();
for (const g of D.groups) sizeOf.set(g.id, 0);
for (const n of D.nodes) {
  let child = {node: n}, at = n.group;
  children.get(at).push(child);
  while (at !== null) {
    const g = D.groups[at];
    if (!firstOf.has(at)) { firstOf.set(at, n.id); children.get(g.parent).push({group: g}); }
    sizeOf.set(at, sizeOf.get(at) + 1);
    at = g.parent;
  }
}

function matches(n) {
  return (onWay === null || onWay.has(n.id)) &&
    (query === "" || (n.name + " = " + n.text + " " + n.line).toLowerCase().includes(query));
}

function joined(g) {  // a group in which there is only a group is one row with it
  let label = g.label + turnsOf(g);
  for (let only = children.get(g.id); only.length === 1 && only[0].group; only = children.get(g.id)) {
    g = only[0].group;
    label += ", " + g.label + turnsOf(g);
  }
  return [g, label];
}

function turnsOf(g) { return g.turns === null ? "" : ", " + g.turns.toLocaleString("en") + " turns"; }

function rowsOf(group, depth, reverse, out) {
  const list = reverse ? [...children.get(group)].reverse() : children.get(group);
  for (const c of list) {
    if (out.length > MOST) return out;
    if (c.node) {
      if ((!reverse || back.has(c.node.id)) && matches(c.node)) out.push({node: c.node, depth});
      continue;
    }
    const [g, label] = joined(c.group);
    if (query !== "" || children.get(g.id).length === 1) { rowsOf(g.id, depth, reverse, out); continue; }
    out.push({group: g, label, depth});
    if (opened.has(g.id)) rowsOf(g.id, depth + 1, reverse, out);
  }
  return out;
}

// ---------------------------------------------------------------- tables

function cell(row, text, kind) {
  const td = document.createElement("td");
  td.textContent = text; if (kind) td.className = kind;
  row.appendChild(td);
  return td;
}

function groupRow(g, label, depth, columns) {
  const tr = document.createElement("tr");
  tr.className = "group"; tr.tabIndex = 0; tr.dataset.group = g.id;
  tr.setAttribute("aria-expanded", opened.has(g.id));
  const n = sizeOf.get(g.id);
  const td = cell(tr, "\u00a0".repeat(2 * depth) + (opened.has(g.id) ? "▾ " : "▸ ") + label + ": " +
                  n.toLocaleString("en") + (n === 1 ? " operation" : " operations") + (g.text ? "   " + g.text : ""));
  td.colSpan = columns;
  return tr;
}

function fill(table, head, reverse, cells) {
  const body = table.tBodies[0];
  body.replaceChildren();
  const rows = rowsOf(null, 0, reverse, []);
  for (const r of rows.slice(0, MOST)) {
    if (r.group) { body.appendChild(groupRow(r.group, r.label, r.depth, head)); continue; }
    const tr = document.createElement("tr");
    tr.dataset.node = r.node.id;
    cell(tr, "\u00a0".repeat(2 * r.depth) + (reverse ? r.node.bar : r.node.name));
    cells(tr, r.node);
    body.appendChild(tr);
  }
  if (rows.length > MOST) {
    const td = cell(body.insertRow(), "… more than " + MOST + " rows: fold groups, or search");
    td.colSpan = head;
  }
}

function draw() {
  fill($("forward"), 5 + D.directions.length, false, (tr, n) => {
    cell(tr, n.text); cell(tr, n.value, "value"); cell(tr, n.moves, "sum");
    for (const t of n.tangents) cell(tr, t, "value");
    cell(tr, n.line, "line");
  });
  fill($("backward"), 5, true, (tr, n) => {
    cell(tr, n.formed, "sum"); cell(tr, n.added, "sum"); cell(tr, n.adjoint, "adjoint"); cell(tr, n.line, "line");
  });
  mark();
}

// ---------------------------------------------------------------- steps

function mark() {
  const [pass, id] = steps[step] || ["forward", -1];
  const done = step === steps.length - 1;
  const at = pass === "backward" ? back.get(id) : -1;
  const forwardDone = (n) => pass === "backward" || n <= id, backDone = (n) => back.has(n) && back.get(n) <= at;
  for (const tr of document.querySelectorAll("tr[data-node]")) {
    const n = Number(tr.dataset.node), own = tr.closest("table").id === "forward";
    tr.classList.toggle("now", !done && n === id && own === (pass === "forward"));
    tr.classList.toggle("later", !(own ? forwardDone(n) : backDone(n)));
  }
  for (const [key, nodes] of drawn) {
    const g = $(key), last = D.drawn[key][D.drawn[key].length - 1];
    g.classList.toggle("now", !done && nodes.has(id));
    g.classList.toggle("later", !forwardDone(last));
    g.classList.toggle("later-back", !backDone(last));
    g.classList.toggle("off", onWay !== null && ![...nodes].some((n) => onWay.has(n)));
  }
  const n = D.nodes[id];
  $("step").value = step;
  $("count").textContent = (step + 1) + " / " + steps.length;
  if (done || !n) { $("now").textContent = D.closing; return; }
  $("now").textContent = pass === "forward" ?
    "forward:  " + n.name + (n.text ? " = " + n.text : "") + " = " + n.value + (n.moves ? "\n          " + n.dot + " = " + n.moves +
      " = " + n.tangents.join(", ") : "") :
    "backward: " + n.bar + " = " + n.formed + (n.added ? "\n          = " + n.added : "") + " = " + n.adjoint;
  for (const found of document.querySelectorAll("tr.now, g.now")) reveal(found.closest(".wide"), found);
}

function reveal(box, found) {  // scrolls the box, and not the page
  const outer = box.getBoundingClientRect(), inner = found.getBoundingClientRect(), room = 40;
  if (inner.top < outer.top + room) box.scrollTop += inner.top - outer.top - room;
  if (inner.bottom > outer.bottom - room) box.scrollTop += inner.bottom - outer.bottom + room;
  if (found.tagName === "TR") return;
  if (inner.left < outer.left + room) box.scrollLeft += inner.left - outer.left - room;
  if (inner.right > outer.right - room) box.scrollLeft += inner.right - outer.right + room;
}

function go(k) { step = Math.max(0, Math.min(steps.length - 1, k)); mark(); }

function toggle(row) {
  const g = Number(row.dataset.group), table = row.closest("table").id;
  if (opened.has(g)) opened.delete(g); else opened.add(g);
  draw();
  const again = document.querySelector(`#${table} tr[data-group="${g}"]`);
  if (again) again.focus();
}

function wayOf(name) {
  const start = D.nodes.filter((n) => n.kind === "input" && n.name === name).map((n) => n.id);
  const after = new Set(start), before = new Set(D.outputs);
  for (const n of D.nodes) if (n.operands.some((o) => after.has(o))) after.add(n.id);
  for (const n of [...D.nodes].reverse()) if (before.has(n.id)) n.operands.forEach((o) => before.add(o));
  return new Set([...after].filter((n) => before.has(n)));
}

// ---------------------------------------------------------------- the page

$("step").max = steps.length - 1;
$("step").addEventListener("input", (e) => go(Number(e.target.value)));
$("first").addEventListener("click", () => go(0));
$("previous").addEventListener("click", () => go(step - 1));
$("next").addEventListener("click", () => go(step + 1));
$("last").addEventListener("click", () => go(steps.length - 1));
$("search").addEventListener("input", (e) => { query = e.target.value.trim().toLowerCase(); draw(); });
for (const k of D.inputs) $("way").add(new Option("on the way of " + D.nodes[k].name, D.nodes[k].name));
$("way").addEventListener("change", (e) => { input = e.target.value; onWay = input === "" ? null : wayOf(input); draw(); });
$("fold").addEventListener("click", () => { opened.clear(); draw(); });
for (const id of ["forward", "backward"]) $(id).addEventListener("click", (e) => {
  const row = e.target.closest("tr.group");
  if (row) toggle(row);
});
$("picture").addEventListener("click", (e) => {  // a folded group of the picture opens in the tables
  const g = e.target.closest("g.folded");
  if (!g) return;
  for (let at = Number(g.id.slice(1)); at !== null; at = D.groups[at].parent) opened.add(at);
  draw();
  for (const table of ["forward", "backward"]) {
    const row = document.querySelector(`#${table} tr[data-node="${D.drawn[g.id][0]}"]`);
    if (row) reveal(row.closest(".wide"), row);
  }
});
document.addEventListener("keydown", (e) => {
  if (!(e.target instanceof Element)) return;
  const typing = e.target.matches("input[type=search], select");
  if (e.key === "/" && !typing) { e.preventDefault(); $("search").focus(); return; }
  if (e.key === "Escape") { e.target.blur(); return; }
  if (typing || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.target.matches("tr.group") && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); toggle(e.target); return; }
  const to = {ArrowRight: step + 1, ArrowLeft: step - 1, Home: 0, End: steps.length - 1}[e.key];
  if (to !== undefined) { e.preventDefault(); go(to); }
});
draw();
