// The picture: nodes and folded groups as boxes, layer by layer, the local partial derivatives on the edges.
// What is visible is decided here; where it goes is asked of the library's own layout; what is drawn on top
// (how far a pass has come) changes classes and texts, and moves nothing.

import { cut, equation, isPhrase, pretty, put, svg, value } from "./text.js";

const CHARACTER = 7.9, LINE = 17, LONGEST = 36, NUMBERS = 17, ARRAYS = 27;

// ---------------------------------------------------------------- what is visible

export class Scene {
  constructor(derivation) {
    this.derivation = derivation;
    this.nodes = new Map(derivation.nodes.map((n) => [n.id, n]));
    this.groups = new Map(derivation.groups.map((g) => [g.id, g]));
    this.users = new Map(derivation.nodes.map((n) => [n.id, []]));
    for (const n of derivation.nodes) for (const o of new Set(n.operands)) this.users.get(o)?.push(n.id);
  }

  chain(group) {
    const found = [];
    for (let g = this.groups.get(group); g; g = this.groups.get(g.parent)) found.push(g);
    return found; // from the innermost to the outermost
  }

  kinds() { return [...new Set([...this.groups.values()].map((g) => g.kind))]; }

  foldingOf(kind) { return new Set([...this.groups.values()].filter((g) => g.kind === kind).map((g) => g.id)); }

  reach(start, next) {
    const seen = new Set(start), stack = [...start];
    while (stack.length) for (const other of next(stack.pop())) if (!seen.has(other)) { seen.add(other); stack.push(other); }
    return seen;
  }

  // What depends on an input.
  after(input) { return this.reach([input], (id) => this.users.get(id) || []); }

  // The nodes on a path from an input to an output.
  way(input) {
    const before = this.reach(this.derivation.outputs, (id) => this.nodes.get(id)?.operands || []);
    return new Set([...this.after(input)].filter((id) => before.has(id)));
  }

  // What a search looks through: the operations of a box, their lines, and the loops and calls around them.
  words(item) {
    const around = new Set(item.nodes.flatMap((n) => this.chain(n.group).map((g) => g.label)));
    return [item.title, ...around, ...item.nodes.map((n) => `${n.name} = ${n.text} ${n.primitive}`)].join("\n").toLowerCase();
  }

  // Boxes, in the order in which they are evaluated; each with the nodes in it.
  items(folded, way) {
    const found = new Map();
    for (const n of this.derivation.nodes) {
      if (way && !way.has(n.id)) continue;
      const outer = this.chain(n.group).filter((g) => folded.has(g.id)).pop();
      const key = outer ? `g${outer.id}` : `n${n.id}`;
      const item = found.get(key) || { key, group: outer || null, nodes: [] };
      item.nodes.push(n);
      found.delete(key); // a box is done when its last node is
      found.set(key, item);
    }
    return [...found.values()];
  }
}

// ---------------------------------------------------------------- boxes

function heading(item, source) {
  if (!item.group) return equation(item.nodes[0]);
  if (item.group.kind === "line") return groupName(item.group, source);
  return `${groupName(item.group, source)}${item.nodes.length > 1 ? ` · ${item.nodes.length} operations` : ""}`;
}

export function groupName(group, source) {
  if (group.kind !== "line" || !group.line) {
    const turns = group.kind === "loop" && group.turns !== null ? `, ${group.turns} turns` : "";
    return group.label.replace(/\S*pasted\.py:(\d+)/, "line $1") + turns;
  }
  const text = (source[group.line] || "").trim();
  return `line ${group.line.split(":").pop()}${text ? `: ${text}` : ""}`;
}

function sized(item, source, longest) {
  item.title = heading(item, source);
  item.shown = cut(item.title, LONGEST);
  const least = item.nodes[item.nodes.length - 1].shape.length ? ARRAYS : NUMBERS;
  const characters = Math.max(item.shown.length, least, item.group ? 0 : Math.min(longest(item.nodes[0]), LONGEST));
  item.room = characters;
  item.width = Math.round(characters * CHARACTER + 22);
  item.height = 16 + 3 * LINE;
  return item;
}

function edgesOf(items) {
  const home = new Map();
  for (const item of items) for (const n of item.nodes) home.set(n.id, item);
  const found = new Map();
  for (const item of items) {
    for (const n of item.nodes) {
      for (const o of new Set(n.operands)) {
        const from = home.get(o);
        if (!from || from === item) continue;
        const key = `${from.key}>${item.key}`;
        const edge = found.get(key) || { key, from, to: item, pairs: [] };
        edge.pairs.push([o, n.id]);
        found.set(key, edge);
      }
    }
  }
  return [...found.values()];
}

// ---------------------------------------------------------------- drawing

export class Picture {
  constructor(box, { arrange, choose, longest }) {
    this.box = box; // the element that scrolls
    this.arrange = arrange; // boxes and edges to places, asynchronously
    this.choose = choose; // what a click on a box does
    this.longest = longest; // how many characters a lane will write into the box of a node
    this.zoom = 0; // 0: as large as fits
    this.drawn = null;
    this.turn = 0;
  }

  async show(scene, items) {
    const turn = ++this.turn;
    this.scene = scene;
    for (const item of items) sized(item, scene.derivation.source, (n) => this.longest(scene, n));
    const edges = edgesOf(items);
    const shape = JSON.stringify([items.map((i) => [i.key, i.width]), edges.map((e) => e.key)]);
    if (this.shape !== shape) {
      const layout = await this.arrange(items, edges);
      if (turn !== this.turn) return;
      this.shape = this.drawn = null;
      if (!layout) return;
      this.layout = layout;
      this.shape = shape;
    }
    this.items = items;
    this.edges = edges;
    this.draw();
  }

  draw() {
    const { places, width, height, routes } = this.layout;
    const boxes = new Map(), lines = new Map();
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "list", "aria-label": "operations" });
    root.append(svg("defs", {}, svg("marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8,
      markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: "M0 0 8 4 0 8z", class: "head" }))));
    for (const [k, edge] of this.edges.entries()) lines.set(edge.key, this.edge(edge, routes[k]));
    const drawn = [...lines.values()];
    root.append(...drawn.map((l) => l.path), ...drawn.map((l) => l.label)); // labels above all lines
    for (const item of this.items) {
      const box = this.node(item, places[item.key]);
      boxes.set(item.key, box);
      root.append(box);
    }
    put(this.box, root);
    this.drawn = { root, boxes, lines, width, height };
    this.scale();
  }

  edge(edge, points) {
    const d = points.map(([x, y], k) => {
      if (k === 0) return `M${x} ${y}`;
      const [x0, y0] = points[k - 1], middle = (y0 + y) / 2;
      return `C${x0} ${middle} ${x} ${middle} ${x} ${y}`;
    }).join("");
    const [x, y] = points[points.length - 1], [x0, y0] = points[points.length - 2];
    return {
      path: svg("path", { class: "edge", d, "marker-end": "url(#head)" }),
      label: svg("g", { class: "edge", transform: `translate(${x0 + 0.55 * (x - x0)} ${y0 + 0.55 * (y - y0)})` },
        svg("rect", { y: -8, height: 16, rx: 3 }), svg("text", { y: 4 })),
    };
  }

  node(item, [x, y]) {
    const first = item.nodes[0];
    const group = svg("g", {
      class: `node ${item.group ? "group" : first.kind}${this.outputs(item) ? " output" : ""}`,
      transform: `translate(${x - item.width / 2} ${y - item.height / 2})`, "data-key": item.key, role: "listitem",
      tabindex: "-1", onclick: () => this.choose(item),
    });
    group.append(
      svg("title", {}, item.title + (first.line && !item.group ? `\n${first.line}` : "")),
      svg("rect", { width: item.width, height: item.height, rx: item.group ? 4 : 9 }),
      svg("text", { class: "formula", x: 11, y: 21 }, item.shown),
      svg("text", { class: "value", x: 11, y: 21 + LINE }),
      svg("text", { class: "lane", x: 11, y: 21 + 2 * LINE }));
    return group;
  }

  outputs(item) { return item.nodes.some((n) => this.scene.derivation.outputs.includes(n.id)); }

  // How far the pass has come: `numbers(item)` says what a box shows, `now` is the key of the current one.
  mark({ now, numbers, edgeText, nowEdges, found, dim }) {
    if (!this.drawn) return;
    for (const item of this.items) {
      const box = this.drawn.boxes.get(item.key), shown = numbers(item);
      box.classList.toggle("now", item.key === now);
      box.classList.toggle("done", Boolean(shown.done));
      box.classList.toggle("bad", Boolean(shown.bad));
      box.classList.toggle("found", found(item));
      box.classList.toggle("dim", dim(item));
      box.querySelector(".value").textContent = cut(shown.value || "", item.room);
      const lane = box.querySelector(".lane");
      lane.textContent = cut(shown.lane || "", item.room);
      lane.classList.toggle("bad", Boolean(shown.laneBad));
      box.setAttribute("aria-label", [item.title, shown.value, shown.lane].filter(Boolean).join(", "));
    }
    for (const edge of this.edges) {
      const line = this.drawn.lines.get(edge.key);
      for (const part of [line.path, line.label]) {
        part.classList.toggle("now", nowEdges(edge));
        part.classList.toggle("dim", dim(edge.from) || dim(edge.to));
      }
      const text = edge.from.group || edge.to.group ? "" : cut(edgeText(edge), 16), width = text ? 7 * text.length + 6 : 0;
      line.label.lastChild.textContent = text;
      line.label.firstChild.setAttribute("x", -width / 2);
      line.label.firstChild.setAttribute("width", width);
    }
    this.drawn.boxes.get(now) && this.reveal(this.drawn.boxes.get(now));
  }

  reveal(box) {
    const outer = this.box.getBoundingClientRect(), inner = box.getBoundingClientRect();
    const by = (low, high, from, to) => (low < from ? low - from : high > to ? high - to : 0);
    this.box.scrollLeft += by(inner.left - 20, inner.right + 20, outer.left, outer.right);
    this.box.scrollTop += by(inner.top - 20, inner.bottom + 20, outer.top, outer.bottom);
  }

  // Zoom 0 fits the width, but never so small that nothing can be read.
  scale() {
    if (!this.drawn) return;
    const { root, width, height } = this.drawn;
    const fit = Math.min(1, Math.max(0.78, (this.box.clientWidth - 4) / width));
    const factor = this.zoom ? fit * 1.25 ** this.zoom : fit;
    root.setAttribute("width", width * factor);
    root.setAttribute("height", height * factor);
  }
}

// What an edge says: the local partial derivative, as a number where it is one, else in letters.
export function partial(contribution) {
  if (!contribution) return "";
  const p = contribution.partial;
  const isNumber = p !== null && p !== undefined && (typeof p !== "object" || "re" in p);
  return isNumber ? value(p, 4) : isPhrase(contribution.word) ? "" : pretty(contribution.word);
}
