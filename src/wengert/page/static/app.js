// The page: its state, what is asked of the server, and what follows when something changes.
// One request for the explanation is under way at a time; the newest wish waits, older ones are forgotten.

import { $, el, full, isBad, pretty, put, value } from "./text.js";
import { Picture, Scene } from "./graph.js";
import { LANES, edgeText, longest } from "./lanes.js";
import { Point } from "./point.js";
import * as panels from "./panels.js";

const MOST_BOXES = 80, MOST_DRAWN = 2000, PAUSE = 900;
const FRESH = { function: "", wrt: 0, h: -2, open: [] };
const state = { kind: "formula", text: "cos(x) e^{x^2}", point: { x: 0.5 }, lane: "reverse", ...FRESH };
const seen = { reply: null, scene: null, folded: new Set(), items: [], lane: null, steps: [], k: 0, playing: 0, ran: true,
  undo: [], curve: "", symbols: null };

// ---------------------------------------------------------------- the server

async function post(path, body) {
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) return { error: { kind: "server", message: (await answer.text()).trim() } };
    return await answer.json();
  } catch {
    return { error: { kind: "server", message: "The server does not answer: is `wengert page` still running?" } };
  }
}

function program() {
  const { kind, text, point, wrt, open } = state;
  return { kind, text, function: state.function, point, wrt, open };
}

function latest(work) {
  let busy = false, again = false;
  return async function run() {
    if (busy) { again = true; return; }
    busy = true;
    try { do { again = false; await work(); } while (again); } finally { busy = false; }
  };
}

function wait(busy) { $("stage").setAttribute("aria-busy", busy ? "true" : "false"); }

const refresh = latest(async () => {
  if (!seen.ran) return;
  wait(true);
  await explained();
  wait(false);
});

async function explained() {
  const here = structuredClone(state.point); // which moves on in its place
  const asked = { ...program(), point: here, ask: "explain", h: state.lane === "differences" ? state.h : null };
  const slow = setTimeout(() => say("computing …", true), 400);
  const reply = await post("ask", asked);
  clearTimeout(slow);
  if (["kind", "text", "function", "open"].some((name) => asked[name] !== state[name])) return; // of another program by now
  say("");
  if (reply.error) {
    complain(reply.error);
    if (reply.parameters) { // it runs, but not at this point: let another one be given
      point.show(reply.parameters, reply.point);
      functions(reply);
      const unknown = reply.parameters.filter((p) => !p.known && !Array.isArray(reply.point[p.name])).map((p) => p.name);
      if (state.kind === "function" && unknown.length) {
        const here = unknown.map((name) => `${name} = ${value(reply.point[name])}`).join(", ");
        $("error").append(el("p", {}, `Here ${here}. For an array, write [1, 2] in its field.`));
      }
    }
    return;
  }
  complain(null);
  await arrived(reply, JSON.stringify(asked.point) === JSON.stringify(state.point));
  askCurve();
  askSymbols();
}

const askCurve = latest(async () => {
  $("error-curve").hidden = state.lane !== "differences";
  if (state.lane !== "differences" || !seen.reply) return;
  const key = JSON.stringify(program());
  if (seen.curve !== key) {
    if (!seen.curveAnswer) put($("curve"), el("p", { class: "quiet" }, "computing …"));
    seen.curveAnswer = await post("ask", { ...program(), ask: "curve" });
    seen.curve = key;
  }
  panels.curve($("curve"), seen.curveAnswer, state.h, (e) => { $("exponent").value = e; stepSize(); });
});

const askSymbols = latest(async () => {
  $("symbols").hidden = state.lane !== "symbolic";
  if (state.lane !== "symbolic" || !seen.reply) return;
  const { kind, text, wrt } = state;
  const key = JSON.stringify([kind, text, state.function, wrt, kind === "function" ? state.point : null]);
  if (seen.symbolsKey !== key) {
    if (!seen.symbols) put($("symbols-body"), el("p", { class: "quiet" }, "computing …"));
    seen.symbols = await post("ask", { ...program(), ask: "symbolic" });
    seen.symbolsKey = key;
  }
  panels.symbols($("symbols-body"), seen.symbols);
  relane(seen.k);
});

// ---------------------------------------------------------------- what is typed

function complain(error) {
  const text = $("text");
  text.setAttribute("aria-invalid", error ? "true" : "false");
  if (!error) { put($("error")); document.body.classList.remove("stale"); return; }
  const parts = [];
  if (error.kind === "formula") parts.push(`Column ${error.column}: ${error.message}`);
  else {
    const python = error.line && /^[A-Z]\w*(Error|Exception)$/.test(error.kind);
    parts.push(error.line ? `Line ${error.line}: ` : "", python ? `${error.kind}: ` : "", error.message || error.kind);
  }
  put($("error"), el("div", {}, parts));
  if (error.kind === "formula" && error.text) {
    const start = Math.max(0, error.column - 31);
    $("error").append(el("pre", {}, `${error.text.slice(start, start + 60)}\n${" ".repeat(error.column - 1 - start)}▲`));
  }
  document.body.classList.add("stale"); // what is shown belongs to what was there before
}

function say(text, stoppable) {
  put($("hint"), text, stoppable && state.kind === "function"
    ? el("button", { type: "button", onclick: () => post("stop", {}) }, "Stop") : null);
  if (!text) $("hint").textContent = seen.ran ? hint() : "Press Run: a pasted function runs only when you say so.";
}

function hint() {
  return state.kind === "formula" ? "sin, exp, log, sqrt, sigmoid …; x², w₁, 2x, |x|, π"
    : "Its last function is shown; np is there. Ctrl+Enter runs it.";
}

function typed() {
  const text = $("text").value;
  if (text === state.text) return;
  state.text = text;
  state.open = [];
  $("examples").value = "";
  $("caption").textContent = "";
  seen.ran = state.kind === "formula";
  if (seen.ran) {
    wait(true);
    clearTimeout(seen.timer);
    seen.timer = setTimeout(refresh, 250);
  } else {
    complain(null);
    say("");
  }
  remember();
}

function run() {
  if (state.text !== $("text").value) state.open = [];
  state.text = $("text").value;
  seen.ran = true;
  refresh();
  remember();
}

function setKind(kind) {
  state.kind = kind;
  const area = $("text");
  area.dataset.kind = kind;
  area.rows = kind === "formula" ? 2 : Math.min(18, Math.max(5, state.text.split("\n").length + 1));
  $("text-label").textContent = kind === "formula" ? "Formula" : "Function";
  $("run-row").hidden = kind === "formula";
  document.querySelector(`#kind input[value=${kind}]`).checked = true;
}

// ---------------------------------------------------------------- the point

function functions(reply) {
  choices($("function"), reply.functions.map((name) => [name, name]), reply.function);
  $("which").hidden = reply.functions.length < 2;
}

const point = new Point($("sliders"), (name, x) => {
  state.point[name] = x;
  moved();
});

function moved() {
  seen.undo = [];
  $("step-back").hidden = true;
  remember();
  refresh();
}

async function descend() {
  const before = structuredClone(point.point);
  const answer = await post("ask", { ...program(), ask: "descend", rate: Number($("rate").value) });
  if (answer.error) return complain(answer.error);
  seen.undo.push(before);
  $("step-back").hidden = false;
  state.point = answer.point;
  remember();
  refresh();
}

function undo() {
  state.point = seen.undo.pop();
  $("step-back").hidden = !seen.undo.length;
  remember();
  refresh();
}

// ---------------------------------------------------------------- an explanation has come

async function arrived(reply, newest) {
  const before = seen.reply;
  seen.reply = reply;
  if (newest) state.point = { ...reply.point };
  const d = reply.derivation;
  seen.scene = new Scene(d);
  const shape = JSON.stringify(d.nodes.map((n) => [n.name, n.text, n.group]));
  const same = seen.shape === shape;
  if (!same) { seen.shape = shape; seen.folded = new Set(reply.folded); foldChoices(); }
  if (newest || !point.shape) point.show(reply.parameters, reply.point); // else the point has moved on
  choices($("wrt"), reply.directions.map((label, k) => [String(k), label]), String(reply.wrt));
  const inputs = d.inputs.map((id) => [String(id), seen.scene.nodes.get(id).name]);
  choices($("path"), [["", "everything"], ...inputs], same ? $("path").value : "");
  functions(reply);
  forget();
  notes(reply);
  results(reply);
  await picture(same && before ? seen.k : Infinity);
}

function choices(select, options, chosen) {
  const key = JSON.stringify(options);
  if (select.dataset.key !== key) put(select, options.map(([v, label]) => el("option", { value: v }, label)));
  select.dataset.key = key;
  select.value = chosen;
}

function notes(reply) {
  const d = reply.derivation, said = reply.printed ? [`It printed: ${reply.printed.trim()}`] : [];
  put($("notes"), d.findings.map((text) => el("p", { class: "finding" }, pretty(text))),
    [...d.notes, ...said].map((text) => el("p", {}, pretty(text))));
}

function results(reply) {
  const d = reply.derivation, rows = [], f = reply.function;
  for (const id of d.outputs) {
    const n = seen.scene.nodes.get(id);
    rows.push([d.outputs.length > 1 ? pretty(n.name) : f, full(n.value), `value${isBad(n.value) ? " bad" : ""}`]);
  }
  const single = d.outputs.length === 1 && !seen.scene.nodes.get(d.outputs[0]).shape.length;
  for (const id of d.inputs) {
    const n = seen.scene.nodes.get(id);
    rows.push([`∂${single ? f : `(sum of ${f})`}/∂${pretty(n.name)}`, full(n.adjoint), isBad(n.adjoint) ? "bad" : ""]);
  }
  panels.pairs($("results"), rows);
  $("descend").hidden = !single;
}

function foldChoices() {
  const kinds = seen.scene.kinds(), words = { loop: "loops", turn: "turns of loops", call: "calls", line: "lines" };
  $("fold-row").hidden = !kinds.length;
  choices($("fold"), [["auto", "as fits"], ["none", "nothing"], ...kinds.map((k) => [k, words[k] || k])], "auto");
}

function fold(how) {
  seen.folded = how === "auto" ? new Set(seen.reply.folded) : how === "none" ? new Set() : seen.scene.foldingOf(how);
  picture(Infinity);
}

async function picture(k) {
  const chosen = $("path").value;
  seen.items = seen.scene.items(seen.folded, chosen === "" ? null : seen.scene.way(Number(chosen)));
  await view.show(seen.scene, seen.items);
  relane(k);
}

function relane(k) {
  if (!seen.scene) return;
  const { scene, items, reply } = seen;
  seen.lane = new LANES[state.lane]({
    scene, items, wrt: reply.pass, moving: scene.after(reply.moving), label: reply.directions[reply.wrt],
    shifted: reply.shifted, symbols: seen.symbols && !seen.symbols.error ? seen.symbols : null,
  });
  seen.steps = seen.lane.placed();
  panels.trace($("trace-table"), seen.lane, items, jump);
  const size = (id) => scene.nodes.get(id).shape.reduce((a, b) => a * b, 1);
  const inputs = reply.derivation.inputs.reduce((sum, id) => sum + size(id), 0);
  panels.counts($("counts"), reply.derivation, state.lane, { inputs, rows: seen.lane.symbols?.rows });
  go(Math.min(k, seen.steps.length - 1));
}

// ---------------------------------------------------------------- steps

function go(k) {
  const { lane, steps, scene } = seen;
  if (!steps.length) return;
  seen.k = Math.min(Math.max(k, 0), steps.length - 1);
  const step = steps[seen.k], n = step.item.nodes[step.item.nodes.length - 1];
  put($("sentence"), lane.sentence(step), step.item.group ? null : more(step.item.nodes[0]));
  $("progress").max = steps.length;
  $("progress").value = seen.k + 1;
  $("place").textContent = `${seen.k + 1} / ${steps.length}${steps.some((s) => s.pass === "backward") ? ` ${step.pass}` : ""}`;
  const text = $("search").value.trim().toLowerCase();
  const matches = (item) => text !== "" && scene.words(item).includes(text);
  const back = step.pass === "backward";
  view.mark({
    now: step.item.key, numbers: (item) => lane.numbers(item, seen.k), edgeText: (edge) => edgeText(scene, edge),
    nowEdges: (edge) => (back ? edge.from : edge.to) === step.item, found: matches,
    dim: (item) => text !== "" && !matches(item),
  });
  const hits = text === "" ? [] : seen.items.filter(matches);
  $("found").textContent = text === "" ? "" : hits.length ? `${hits.length} found` : "nothing found";
  seen.hits = hits;
  const pass = state.lane === "reverse" ? "backward" : "forward";
  panels.markTrace($("trace-table"), step.item.key, (key) => (lane.at.get(`${pass} ${key}`) ?? -1) > seen.k);
  $("first").disabled = $("back").disabled = seen.k === 0;
  $("last").disabled = $("next").disabled = seen.k === steps.length - 1;
  seen.node = n;
}

// What else a node has to show: a staged loop its turns, an array its numbers.
function more(n) {
  const found = [];
  if (n.turns !== null || n.primitive === "cond") {
    const most = Math.max((n.turns || 1) - 1, 0);
    const turn = el("input", { type: "number", class: "short", value: 0, min: 0, max: most, "aria-label": "turn" });
    const open = () => reopen([...state.open, [n.id, Number(turn.value) || 0]]);
    found.push(el("button", { type: "button", onclick: open }, "Open"));
    if (n.turns !== null) found.push(el("label", { class: "inline" }, "turn ", turn));
  }
  if (state.open.length) found.push(el("button", { type: "button", onclick: () => reopen([]) }, "Close what was opened"));
  if (n.shape.length) {
    const all = (event) => elements(n, event.target.parentElement);
    found.push(el("button", { type: "button", onclick: all }, "All numbers"));
  }
  return found.length ? el("span", { class: "row more" }, found) : null;
}

function reopen(places) {
  state.open = places;
  remember();
  refresh();
}

async function elements(n, place) {
  const answer = await post("ask", { ...program(), ask: "values", node: n.id });
  const text = answer.error ? answer.error.message : `${n.name} =\n${answer.value}\nadjoint =\n${answer.adjoint}`;
  place.replaceWith(el("pre", { tabindex: "0" }, text));
}

const step = (by) => { pause(); go(seen.k + by); };

function pause() {
  clearInterval(seen.playing);
  seen.playing = 0;
  $("play").textContent = "▶ Play";
  $("play").setAttribute("aria-label", "Play");
}

function play() {
  if (seen.playing) return pause();
  if (seen.k === seen.steps.length - 1) go(0);
  seen.playing = setInterval(() => (seen.k < seen.steps.length - 1 ? go(seen.k + 1) : pause()), PAUSE);
  $("play").textContent = "❚❚ Pause";
  $("play").setAttribute("aria-label", "Pause");
}

function jump(item) {
  pause();
  const places = seen.steps.map((s, k) => (s.item.key === item.key ? k : -1)).filter((k) => k >= 0);
  const here = places.indexOf(seen.k);
  go(places[here >= 0 ? (here + 1) % places.length : places.length - 1]);
}

function open(item) {
  if (!item.group) return jump(item);
  seen.folded.delete(item.group.id);
  if (seen.items.length + item.nodes.length > MOST_BOXES) { // what is inside stays folded, one level down
    for (const g of seen.scene.groups.values()) if (g.parent === item.group.id) seen.folded.add(g.id);
  }
  picture(Infinity).then(() => jump(seen.items.find((i) => i.nodes.includes(item.nodes[item.nodes.length - 1]))));
}

function close(node) {
  const group = seen.scene.chain(node.group).find((g) => !seen.folded.has(g.id));
  if (!group) return;
  seen.folded.add(group.id);
  picture(Infinity).then(() => jump(seen.items.find((i) => i.nodes.includes(node))));
}

// ---------------------------------------------------------------- lanes, keys, the address

function setLane(lane) {
  state.lane = lane;
  document.body.dataset.lane = lane;
  document.querySelector(`#lanes input[value=${lane}]`).checked = true;
  $("step-size").hidden = lane !== "differences";
  $("wrt-row").hidden = lane === "reverse";
  $("exponent").value = state.h;
  $("h").textContent = value(10 ** state.h, 3);
}

function changeLane(lane) {
  pause();
  setLane(lane);
  remember();
  if (lane === "differences" && seen.ran) { relane(Infinity); refresh(); return; }
  $("error-curve").hidden = true;
  relane(Infinity);
  askSymbols();
}

function stepSize() {
  state.h = Number($("exponent").value);
  setLane(state.lane);
  remember();
  refresh();
}

const KEYS = {
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => { pause(); go(0); }, End: () => { pause(); go(Infinity); },
  " ": play, "/": () => $("search").focus(), Enter: () => open(seen.steps[seen.k].item), "-": () => close(seen.node),
  1: () => changeLane("forward"), 2: () => changeLane("reverse"), 3: () => changeLane("symbolic"),
  4: () => changeLane("differences"),
  Escape: () => { pause(); $("search").value = ""; go(seen.k); },
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Enter" && event.target === $("text")) { event.preventDefault(); run(); }
    return;
  }
  const target = event.target, name = target.tagName;
  if (name === "INPUT" && target.type === "search" && event.key === "Enter" && seen.hits?.length) {
    const here = seen.hits.findIndex((i) => i.key === seen.steps[seen.k].item.key);
    return jump(seen.hits[(here + 1) % seen.hits.length]);
  }
  if (event.key === "Escape" && target === $("search")) { target.blur(); return KEYS.Escape(); }
  if (["INPUT", "TEXTAREA", "SELECT"].includes(name)) return;
  if (["BUTTON", "SUMMARY", "A"].includes(name) && ["Enter", " "].includes(event.key)) return;
  const action = KEYS[event.key];
  if (action && seen.lane) { event.preventDefault(); action(); }
}

function remember() {
  clearTimeout(seen.saving);
  seen.saving = setTimeout(() => history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(state))}`), 200);
}

// A view that was kept; a function in it waits for the person to press Run.
function recall() {
  try {
    const kept = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    for (const name of Object.keys(state)) if (typeof kept[name] === typeof state[name]) state[name] = kept[name];
    if (!Array.isArray(state.open)) state.open = [];
    if (!(state.lane in LANES)) state.lane = "reverse";
    if (state.kind !== "function") state.kind = "formula";
    seen.ran = state.kind === "formula";
  } catch { /* nothing was kept */ }
}

function load(example) {
  pause();
  Object.assign(state, FRESH, { kind: example.kind, text: example.text, point: structuredClone(example.point) });
  seen.ran = true;
  seen.undo = [];
  $("step-back").hidden = true;
  $("caption").textContent = example.shows;
  start();
}

function start() {
  setKind(state.kind);
  $("text").value = state.text;
  setLane(state.lane);
  say("");
  complain(null);
  remember();
  return refresh();
}

async function arrange(boxes, lines) {
  const count = boxes.length.toLocaleString("en");
  const message = `${count} boxes are too many to look at: fold loops, turns or lines, or keep only a path.`;
  const items = boxes.map((i) => [i.key, i.width, i.height]), edges = lines.map((e) => [e.from.key, e.to.key]);
  const answer = items.length > MOST_DRAWN ? { error: { message } } : await post("ask", { ask: "layout", items, edges });
  if (answer.error) put($("graph"), el("p", { class: "wait" }, answer.error.message));
  return answer.error ? null : answer;
}

const view = new Picture($("graph"), {
  arrange,
  choose: open,
  longest,
});

function begin() {
  $("text").addEventListener("input", typed);
  $("run").addEventListener("click", run);
  $("function").addEventListener("change", (event) => {
    Object.assign(state, { function: event.target.value, point: {}, open: [] });
    run();
  });
  for (const radio of document.querySelectorAll("#kind input")) {
    radio.addEventListener("change", () => {
      seen.ran = radio.value === "formula";
      setKind(radio.value);
      say("");
      remember();
      if (seen.ran) refresh();
    });
  }
  for (const radio of document.querySelectorAll("#lanes input")) {
    radio.addEventListener("change", () => changeLane(radio.value));
    radio.addEventListener("pointerup", () => setTimeout(() => $("graph").focus({ preventScroll: true }))); // arrows step again
  }
  const buttons = {
    first: () => step(-Infinity), back: () => step(-1), next: () => step(1), last: () => step(Infinity), play, compare,
    "step-down": descend, "step-back": undo, out: () => zoom(-1), in: () => zoom(1), fit: () => zoom(0),
  };
  for (const [id, action] of Object.entries(buttons)) $(id).addEventListener("click", action);
  $("wrt").addEventListener("change", (event) => { state.wrt = Number(event.target.value); remember(); refresh(); });
  $("fold").addEventListener("change", (event) => fold(event.target.value));
  $("path").addEventListener("change", () => picture(Infinity));
  $("search").addEventListener("input", () => go(seen.k));
  $("exponent").addEventListener("input", stepSize);
  document.addEventListener("keydown", key);
  window.addEventListener("resize", () => view.scale());
  window.addEventListener("hashchange", () => { recall(); start(); });
  recall();
  start();
  menu();
}

async function menu() {
  const examples = await (await fetch("examples")).json();
  examples.forEach((e, k) => $("examples").append(el("option", { value: k }, e.title)));
  $("examples").addEventListener("change", (event) => {
    const example = examples[Number(event.target.value)];
    if (event.target.value === "" || !example) return;
    state.lane = example.lane;
    load(example);
  });
}

function zoom(by) {
  view.zoom = by === 0 ? 0 : view.zoom + by;
  view.scale();
}

async function compare() {
  const asked = program();
  put($("ways"), el("p", { class: "quiet" }, "measuring …"));
  const answer = await post("ask", { ...asked, ask: "ways" });
  seen.compared = JSON.stringify(asked);
  panels.ways($("ways"), answer);
  forget();
}

// A table of another program, or of another point, is not left standing.
function forget() {
  if (seen.compared !== JSON.stringify(program())) put($("ways"));
}

begin();
