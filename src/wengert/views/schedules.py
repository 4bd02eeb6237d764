"""Pictures of checkpointing schedules: one to print, one that plays.

What comes in: the actions of a schedule. What goes out: Matplotlib axes, or an HTML page that needs nothing else. The one
idea: the chain lies from left to right and time runs downward, so a stored state is a vertical line, a forward sweep a slanted
one, and each step is reversed once, on the way back to the left.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

__all__ = ["page", "plot"]

_FORWARD, _BACK, _STORED = "#2a6fbb", "#c8452e", "#8a8a8a"
_MOST = 3000  # actions that a page plays


def plot(steps: int, actions: Sequence[Any], title: str, ax: Any = None) -> Any:
    """Draw the actions, time downward; gives the axes."""
    import matplotlib.pyplot as plt
    from matplotlib.collections import LineCollection

    if ax is None:
        ax = plt.figure(figsize=(7.0, 4.6), layout="constrained").add_subplot()
    forward, back, stored = [], [], []
    held: dict[int, tuple[int, float]] = {}
    now = 0.0
    for a in actions:
        if a.kind == "store":
            if a.slot in held:
                stored.append([(held[a.slot][0], held[a.slot][1]), (held[a.slot][0], now)])
            held[a.slot] = (a.step, now)
        elif a.kind == "advance":
            forward.append([(a.step, now), (a.to, now + a.to - a.step)])
            now += a.to - a.step
        elif a.kind == "back":
            back.append([(a.step + 1, now), (a.step, now + 1)])
            now += 1
            for slot in [s for s, (step, _) in held.items() if step >= a.step]:
                stored.append([(held[slot][0], held[slot][1]), (held[slot][0], now)])
                del held[slot]
    for lines, color, width, label in ((stored, _STORED, 0.8, "stored"), (forward, _FORWARD, 1.2, "forward"),
                                       (back, _BACK, 1.6, "back")):
        ax.add_collection(LineCollection(lines, colors=color, linewidths=width, label=label))
    ax.set_xlim(-0.02 * steps, 1.02 * steps)
    ax.set_ylim(now * 1.02 + 1, -0.02 * now - 1)
    ax.set_xlabel("step of the chain")
    ax.set_ylabel("time, in steps")
    ax.set_title(title.replace("; ", "\n"), fontsize="medium")
    ax.legend(loc="lower right", frameon=False)
    return ax


def page(steps: int, slots: int, actions: Sequence[Any], title: str) -> str:
    """An HTML page that plays the actions on the chain."""
    rows = [[{"store": 0, "restore": 1, "advance": 2, "back": 3}[a.kind], a.step, a.to, a.slot] for a in actions]
    if len(rows) > _MOST:
        cut = f" (the first {_MOST:,} of {len(rows):,} actions)"
        rows, title = rows[:_MOST], title + cut
    data = json.dumps({"steps": steps, "slots": slots, "actions": rows}, separators=(",", ":"))
    return _PAGE.replace("@TITLE@", html.escape(title)).replace("@DATA@", data)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --soft: #8a8a8a; --line: #ddd; --go: #2a6fbb; --back: #c8452e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #17181a; --soft: #9a9a9a; --line: #3a3c40; --go: #6aa9ec; --back: #ef7d68; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.05rem; font-weight: 600; }
svg { width: 100%; height: auto; display: block; }
button, input { font: inherit; } #at { flex: 1; min-width: 8rem; }
.row { display: flex; gap: .8rem; align-items: center; flex-wrap: wrap; margin: .6rem 0; }
p { margin: .3rem 0; min-height: 1.5em; font-variant-numeric: tabular-nums; }
.key { color: var(--soft); }
</style></head><body>
<h1>@TITLE@</h1>
<svg id="chain" viewBox="0 0 1000 190" role="img" aria-label="the chain, its stored states and the step at work"></svg>
<div class="row"><button id="play">Play</button><button id="one">Step</button>
<input id="at" type="range" min="0" value="0" aria-label="action">
<label>speed <input id="speed" type="range" min="1" max="60" value="12"></label></div>
<p id="what"></p><p id="count" class="key"></p>
<svg id="plane" viewBox="0 0 1000 420" role="img" aria-label="all actions, time downward"></svg>
<p class="key">Blue: forward steps. Red: a step reversed. Gray: a stored state. Below, time runs downward.</p>
<script>
"use strict";
const D = @DATA@, N = D.steps, A = D.actions, W = 960, X = s => 20 + W * s / Math.max(N, 1);
const $ = id => document.getElementById(id);
const css = name => `var(--${name})`;
const line = (x1, y1, x2, y2, c, w) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${c}" stroke-width="${w}"/>`;
const states = [{held: {}, done: N, forward: 0, time: 0}];
for (const [kind, step, to, slot] of A) {
  const b = states[states.length - 1], s = {held: {...b.held}, done: b.done, forward: b.forward, time: b.time};
  if (kind === 0) s.held[slot] = step;
  if (kind === 2) { s.forward += to - step; s.time += to - step; }
  if (kind === 3) { s.done = step; s.time += 1;
    for (const k in s.held) if (s.held[k] >= step) delete s.held[k]; }
  states.push(s);
}
const total = states[states.length - 1].time || 1, Y = t => 12 + 396 * t / total;
function plane(k) {
  let out = "", open = {};
  for (let i = 0; i < k; i++) {
    const [kind, step, to, slot] = A[i], a = states[i], b = states[i + 1];
    if (kind === 2) out += line(X(step), Y(a.time), X(to), Y(b.time), css("go"), 2);
    if (kind === 3) out += line(X(step + 1), Y(a.time), X(step), Y(b.time), css("back"), 2.5);
    for (const s in a.held) if (b.held[s] !== a.held[s] && s in open) {
      out += line(X(a.held[s]), Y(open[s]), X(a.held[s]), Y(b.time), css("soft"), 1); delete open[s]; }
    for (const s in b.held) if (!(s in open)) open[s] = b.time;
  }
  for (const s in open) out += line(X(states[k].held[s]), Y(open[s]), X(states[k].held[s]), Y(states[k].time), css("soft"), 1);
  $("plane").innerHTML = out;
}
function show(k) {
  const s = states[k], now = k ? A[k - 1] : null;
  let out = line(X(0), 110, X(N), 110, css("line"), 3) + line(X(s.done), 110, X(N), 110, css("back"), 3);
  if (N <= 100) for (let i = 0; i <= N; i++) out += line(X(i), 104, X(i), 116, css("line"), 1.5);
  for (const slot in s.held) { const x = X(s.held[slot]);
    out += line(x, 110, x, 66, css("soft"), 1.5)
      + `<rect x="${x - 9}" y="48" width="18" height="18" rx="3" fill="${css("paper")}"`
      + ` stroke="${css("ink")}"/><text x="${x}" y="61" font-size="11" text-anchor="middle" fill="${css("ink")}">${slot}</text>`
      + `<text x="${x}" y="40" font-size="11" text-anchor="middle" fill="${css("soft")}">${s.held[slot]}</text>`; }
  let what = "The state at step 0 is given.";
  if (now) { const [kind, step, to, slot] = now;
    what = [`The state at step ${step} is stored in slot ${slot}.`, `The state at step ${step} is restored from slot ${slot}.`,
      `Forward from step ${step} to ${to}.`, `Step ${step} is run once more, recorded, and reversed.`][kind];
    if (kind === 2) out += line(X(step), 128, X(to), 128, css("go"), 5);
    if (kind === 3) out += line(X(step), 128, X(step + 1), 128, css("back"), 5);
    if (kind < 2) out += `<circle cx="${X(step)}" cy="110" r="7" fill="${css(kind ? "go" : "ink")}"/>`; }
  out += `<text x="${X(0)}" y="165" font-size="13" fill="${css("soft")}">0</text><text x="${X(N)}" y="165" font-size="13"`
    + ` text-anchor="end" fill="${css("soft")}">${N}</text>`;
  $("chain").innerHTML = out; $("what").textContent = what; $("at").value = k;
  $("count").textContent = `action ${k} of ${A.length}; ${s.forward} forward steps, ${N - s.done} of ${N} reversed, `
    + `${Object.keys(s.held).length} of ${D.slots} slots used`;
  plane(k);
}
let k = 0, timer = 0;
$("at").max = A.length;
const stop = () => { clearTimeout(timer); timer = 0; $("play").textContent = "Play"; };
function tick() { if (k >= A.length) return stop(); show(++k); timer = setTimeout(tick, 1000 / +$("speed").value); }
$("play").onclick = () => { if (timer) return stop(); if (k >= A.length) k = 0; $("play").textContent = "Pause"; tick(); };
$("one").onclick = () => { stop(); if (k < A.length) show(++k); };
$("at").oninput = e => { stop(); show(k = +e.target.value); };
const start = new URLSearchParams(location.search).get("action") ?? location.hash.slice(1);
show(k = Math.min(+start || 0, A.length));
</script></body></html>
"""
