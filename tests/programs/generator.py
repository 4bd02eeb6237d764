"""Random programs: a seed becomes the source of a function that a NumPy user might write.

What comes in: a seed. What goes out: the text of ``f(x, y, z)`` (a vector, a matrix, a number) and of the helpers beside
it, always the same for the same seed. The one idea: each name has one shape for the whole program, whatever it
is bound to (an array of its own, an alias, a view of a view), so that any statement may stand anywhere.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

from helpers import HELPERS

__all__ = ["SHAPES", "program"]

VECTOR, SHORT, WIDE, TALL, FLAT = (4,), (3,), (3, 4), (4, 3), (12,)
SHAPES = {"a": VECTOR, "b": VECTOR, "c": VECTOR, "u": SHORT, "w": SHORT, "p": WIDE, "q": WIDE, "r": TALL, "e": TALL,
          "g": FLAT, "h": FLAT}
SCALARS = ("s", "t")
COUNTERS = ("n", "m")

# Views of each shape: braces name an array of a shape, or an index that is in range.
VIEWS = {
    VECTOR: ["{v}[::-1]", "{p}[{i}]", "{r}[:, {i}]", "{g}[{o}:{o}+4]".replace("{o}+4", "{o4}"), "{g}[::3]", "{g}[::-3]",
             "{p}.T[:, {i}]", "{p}[::-1][{i}]", "{p}.ravel()[2:6]", "{p}.reshape(-1)[::3]", "{r}.T[{i}][::-1]",
             "{g}.reshape(3, 4)[{i}]", "{v}[None][0]", "{p}[{i}, ...]", "{g}.reshape(2, 2, 3)[0].T[::-1].T.reshape(-1)[:4]",
             "np.squeeze({p}[{i}:{i}+1])", "{p}.diagonal().repeat(2)[:4]", "np.swapaxes({r}, 0, 1)[{i}]"],
    SHORT: ["{u}[::-1]", "{v}[1:]", "{v}[:-1]", "{v}[::-1][:3]", "{v}[-2::-1]", "{p}[:, {k}]", "{r}[{k}]", "{g}[::4]",
            "{g}[9:]",
            "{p}.T[{k}]", "{r}[::-1, ::-1][{k}]", "{v}[1:][::-1]", "{p}[:, 1:3][:, 0]", "{g}.reshape(4, 3)[{k}]"],
    WIDE: ["{p}[::-1]", "{p}[:, ::-1]", "{r}.T", "{g}.reshape(3, 4)", "{r}.reshape(3, 4)", "np.transpose({r})", "{r}[::-1].T",
           "{p}.T[::-1].T", "{g}[::-1].reshape(3, 4)", "{p}.reshape(2, 6).reshape(3, 4)", "np.reshape({g}, (3, 4))",
           "{g}.reshape((3, 4), order='F')"],
    TALL: ["{r}[::-1]", "{p}.T", "{g}.reshape(4, 3)", "{p}.reshape(4, 3)", "{p}[:, ::-1].T", "np.transpose({p})",
           "{r}[:, ::-1]", "np.moveaxis({p}, 0, 1)"],
    FLAT: ["{g}[::-1]", "{p}.ravel()", "{p}.reshape(-1)", "{r}.ravel()", "{r}.reshape(12)", "np.ravel({p})",
           "{p}.T.reshape(-1)",
           "{p}.T.ravel()", "{p}[::-1].ravel()", "{p}.flatten()", "{r}.ravel(order='F')", "{p}.T.flatten()"],
}
# Arrays of each shape that share no memory.
FRESH = {
    VECTOR: ["{u} @ {p}", "{p}.sum(axis=0) * 0.3", "np.array([{s}, {t}, 0.5, {s}])", "np.concatenate([{u}, {v}[:1]])",
             "{v}[[2, 0, 3, 3]]", "np.roll({v}, 1)", "np.cumsum({v}) * 0.3", "np.sort({v})", "{v}[np.argsort({v})]",
             "np.array([{v}[j] * 0.5 for j in (3, 1, 0, 2)])", "np.zeros(4)", "np.zeros_like({v})", "np.full(4, {s})",
             "{p}[[0, 2, 1, 0], [3, 1, 1, 0]]", "np.append({u}, {s})", "np.max({p}, axis=0)", "np.outer({v}, {v})[1]",
             "np.hstack(({v}[2:], {v}[:2]))", "np.diff({g})[:4]", "np.interp({v}, [-2.0, 0.1, 2.0], [0.3, {s}, {t}])"],
    SHORT: ["{p} @ {v}", "{p}.mean(axis=1)", "np.array([{s}, {t}, {v}[{k}]])", "{v}[[0, 1, 3]]", "np.diff({v})", "np.zeros(3)",
            "np.stack([{s}, {t}, {s}])", "{p}[np.arange(3), [0, 3, 1]]", "np.max({p}, axis=1)", "np.min({r}, axis=0)",
            "np.cross({u}, {u})", "np.ones(3)", "np.prod({r}, axis=0)", "np.einsum('ij,j->i', {p}, {v})", "np.ones_like({u})"],
    WIDE: ["np.outer({u}, {v})", "{u}[:, None] * {v}", "np.stack([{v}, {v}, {v}])", "np.zeros((3, 4))", "{p}[[2, 0, 0]]",
           "{p}[:, [1, 1, 3, 0]]", "np.zeros_like({p})", "np.vstack([{v}, {p}[1:]])", "np.array([{v}, {v}, {v}])",
           "np.tile({v}, (3, 1))", "np.broadcast_to({v}, (3, 4)).copy()", "np.cumsum({p}, axis=1) * 0.2", "np.copy({r}.T)"],
    TALL: ["np.outer({v}, {u})", "np.stack([{u}, {u}, {u}, {u}])", "{p}.T.copy()", "np.column_stack([{v}, {v}, {v}])",
           "np.zeros((4, 3))", "{p}.T * 0.5", "np.stack([{v}, {v}, {v}], axis=1)", "np.flip({r})", "np.full_like({r}, 0.2)"],
    FLAT: ["np.concatenate([{v}, {v}, {v}])", "np.repeat({v}, 3)", "np.zeros(12)", "np.concatenate(({p}[0], {g}[:8]))",
           "np.kron({u}, {v})", "np.tile({u}, 4)"],
}


Writer = Callable[..., str]


def later(method: Writer) -> Writer:
    """A part of a text that is written once the text is chosen: a mark stands for it, and `Generator.written` writes it."""
    @functools.wraps(method)
    def mark(self: Generator, *args: Any) -> str:
        self.marks.append(functools.partial(method, self, *args))
        return f"\0{len(self.marks) - 1}\0"
    return mark


class Generator:
    """Writes one program; every choice is drawn from one stream of random numbers."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.places = [["0", "1", "2", "-1"]]  # indices in range for an axis of length 3, by scope
        self.loops = self.depth = self.fresh = 0
        self.functions: list[str] = []
        self.keeps = self.rng.random() < 0.4  # whether objects, dicts and lists keep values from block to block
        self.marks: list[Callable[[], str]] = []

    def written(self, text: str) -> str:
        """The text without marks."""
        while "\0" in text:
            first, mark, rest = text.split("\0", 2)
            text = first + self.marks[int(mark)]() + rest
        return text

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)

    def number(self, low: float = -0.9, high: float = 0.9) -> str:
        return f"{self.rng.uniform(low, high):.2f}"

    def name(self, shape: tuple[int, ...]) -> str:
        return self.rng.choice([k for k, v in SHAPES.items() if v == shape])

    def shape(self) -> tuple[int, ...]:
        return self.rng.choices([VECTOR, SHORT, WIDE, TALL, FLAT], [6, 3, 4, 2, 2])[0]

    def index(self) -> str:
        return self.rng.choice(self.places[-1])

    def sc(self) -> str:
        return self.rng.choice(SCALARS)

    def fill(self, template: str) -> str:
        for letter, shape in (("v", VECTOR), ("u", SHORT), ("p", WIDE), ("r", TALL), ("g", FLAT)):
            while "{" + letter + "}" in template:
                template = template.replace("{" + letter + "}", self.name(shape), 1)
        start = self.rng.randrange(9)
        template = template.replace("{o}", str(start)).replace("{o4}", str(start + 4))
        if "{i}:" in template:
            k = self.rng.randrange(3)
            template = template.replace("{i}:{i}+1", f"{k}:{k + 1}")
        return template.replace("{i}", self.index()).replace("{k}", self.index()).replace("{s}", self.sc()).replace(
            "{t}", self.sc())

    def seen(self, shape: tuple[int, ...]) -> str:
        return self.fill(self.rng.choice(VIEWS[shape]))

    view = later(seen)

    # ------------------------------------------------------------ expressions

    @later
    def scalar(self, depth: int = 2) -> str:
        if depth == 0:
            return self.pick(self.sc(), self.element(), self.number())
        a, b = self.scalar(depth - 1), self.scalar(depth - 1)
        v = self.name(VECTOR)
        return self.pick(
            self.sc(), self.element(), f"math.sin({a})", f"np.sin({a} + {b})", f"math.tanh({a} - {b})",
            f"0.5 * {a} * {self.sc()}",
            f"np.sum({self.array(self.shape(), 1)}) * 0.1", f"({a} if {self.condition(1)} else {b})", f"max({a}, {b})",
            f"min({a}, {b}, 0.8)", f"abs({a})", f"float({self.element()})", f"np.dot({v}, {self.view(VECTOR)}) * 0.2",
            f"{self.name(SHORT)} @ {self.view(SHORT)} * 0.2", f"first_above({self.view(VECTOR)}, {self.number()})",
            f"nested({a}, {self.rng.randrange(3)})", f"root({a})", f"np.max({self.view(WIDE)})", f"math.hypot({a}, 1.0)",
            f"{v}.mean()", f"math.exp(-abs({a}))", f"np.prod({v})", f"({a}) ** 2 * 0.3", f"{v}[np.argmax({v})]",
            f"np.linalg.norm({v} + 2.0)", f"math.sqrt(1.0 + {self.sc()} ** 2)", f"{a} / (2.0 + abs({b}))", f"-{self.element()}",
            f"sum({self.name(SHORT)}) * 0.2", f"np.mean([{self.sc()}, {self.element()}])",
            f"{self.name(TALL)}[{self.index()}].sum()",
            f"sum([{self.sc()} * e1 for e1 in {v}])", f"{self.sc()} * n * 0.1", f"math.atan2({a}, 2.0)",
            f"np.float64({self.sc()})")

    def element(self) -> str:
        shape = self.shape()
        if len(shape) == 2:
            return f"{self.name(shape)}[{self.index()}, {self.index()}]"
        return self.pick(f"{self.name(shape)}[{self.index()}]", f"{self.name(VECTOR)}[n % 4]",
                         f"{self.view(VECTOR)}[{self.index()}]")

    @later
    def array(self, shape: tuple[int, ...], depth: int = 2) -> str:
        v = self.name(shape)
        if depth == 0:
            return self.pick(v, self.view(shape))
        x, y = self.array(shape, depth - 1), self.array(shape, depth - 1)
        return self.pick(
            f"{v} * {self.number()}", f"np.sin({x})", f"np.tanh({x})", f"0.5 * ({x} + {y})", f"{self.sc()} * {x}",
            f"np.where({x} > {self.scalar(0)}, {y}, {v} * 0.5)", f"np.maximum({x}, {y})", f"np.minimum({x}, {self.scalar(0)})",
            f"np.clip({x}, -0.8, 0.9)", f"np.abs({x})", self.view(shape), f"{self.view(shape)} * {v}",
            self.fill(self.pick(*FRESH[shape])),
            f"0.3 * {self.fill(self.pick(*FRESH[shape]))}", f"blend({v}, {x})", f"{v}.copy()",
            f"({x} if {self.condition(1)} else {y})",
            f"np.where({v} < {self.number()}, 0.0, {x})", f"{x} / (1.5 + {v} ** 2)", f"-{v}", f"np.sqrt(1.0 + {v} ** 2)",
            f"np.exp(-np.abs({v}))", f"np.multiply({v}, {self.scalar(0)})", f"np.array({x})", f"1.0 - {x}")

    @later
    def condition(self, depth: int = 2) -> str:
        simple = [f"{self.sc()} > {self.number()}", f"{self.element()} < {self.element()}",
                  f"{self.number(-1, 0)} < {self.sc()} < 0.7",
                  f"np.sum({self.name(self.shape())}) > {self.sc()}", f"np.any({self.name(self.shape())} > 0.9)", "n % 2 == 0",
                  "n < m",
                  f"np.all({self.name(WIDE)} < 1.2)", f"(n < 3 and {self.name(SHORT)}[n] > 0.1)",
                  f"{self.sc()} <= {self.scalar(0)}",
                  f"({self.name(VECTOR)} > 0).sum() >= 2", f"not {self.sc()} > 0.4", f"int(3 * {self.sc()}) == 0"]
        if depth == 0 or self.rng.random() < 0.6:
            return self.pick(*simple)
        a, b = self.condition(depth - 1), self.condition(depth - 1)
        return self.pick(f"({a} and {b})", f"({a} or {b})", f"not ({a})", f"({a} or not {b})")

    # ------------------------------------------------------------ statements

    def target(self, shape: tuple[int, ...]) -> str:
        """A subscript of this shape that is written through."""
        v = self.seen(shape)
        return v if v.endswith("]") and "[[" not in v and "repeat" not in v and "squeeze" not in v else \
            self.pick(f"{v}[...]", f"{self.name(shape)}[:]", f"{self.name(shape)}[::-1]")

    def simple(self) -> list[str]:
        kind = self.rng.choice([self.binding, self.binding, self.writing, self.writing, self.writing, self.numbers,
                                self.numbers,
                                self.containers, self.calling, self.selecting, self.overlapping, self.python, self.searching,
                                self.layered, *[self.keeping] * (3 * self.keeps)])
        return kind()

    def keeping(self) -> list[str]:
        """Attributes and items that blocks change, and arrays that they share with variables."""
        x, y, s, n, i = self.name(VECTOR), self.name(VECTOR), self.sc(), self.rng.choice(COUNTERS), self.index()
        v = self.pick("memo['v']", "cells[1]", "hold.z", "also.z", "memo['w']", "cells[-1]")
        w = self.pick("memo['v']", "cells[1]", "hold.z", "also.z", "memo['w']", "cells[-1]")
        k = self.pick("memo['s']", "cells[0]", "hold.scale", "also.scale")
        c = self.pick("memo['n']", "hold.count", "also.count")
        return [self.pick(
            f"{v} = {self.array(VECTOR, 1)}", f"{v} = {self.view(VECTOR)}", f"{v} = {x}", f"{x} = {v}", f"{x} = {v}[::-1]",
            f"{v} = {w}", f"{v}, {w} = {w} * 0.9, {v}", f"{v} += 0.2 * {x}", f"{v}[{i}] = {self.scalar(1)}",
            f"{v} = {v} * 0.9 + {x}", f"{k} = {self.scalar(1)}", f"{k} += {self.scalar(0)}", f"{s} = {k}", f"{k} *= 0.7",
            f"{c} += 1", f"{n} = {c} % 3", f"{s}, {k} = {k}, {s}", f"{y} = hold.settle({self.number()})", "also.step()",
            f"{x} = hold.step().z")]

    def binding(self) -> list[str]:
        shape = self.shape()
        x, y = self.name(shape), self.name(shape)
        first, second = self.name(VECTOR), self.name(WIDE)
        return [self.pick(
            f"{x} = {y}", f"{x} = {y}.copy()", f"{x} = {self.view(shape)}", f"{x} = {self.view(shape)}",
            f"{x} = {self.view(shape)}",
            f"{x} = {self.array(shape)}", f"{x} = {self.array(shape)}", f"{x}, {y} = {y}, {x}",
            f"{x} = {y} = {self.array(shape, 1)}",
            f"{first}, {second} = {self.array(VECTOR, 1)}, {self.view(WIDE)}", f"{x} = {self.fill(self.pick(*FRESH[shape]))}",
            f"{self.name(VECTOR)}, {self.name(VECTOR)}, {self.name(VECTOR)} = {self.view(WIDE)}")]

    def writing(self) -> list[str]:
        shape = self.shape()
        x, v, i, j = self.name(shape), self.name(VECTOR), self.index(), self.index()
        element = f"{v}[{i}]" if self.rng.random() < 0.6 else f"{self.name(WIDE)}[{i}, {j}]"
        return [self.pick(
            f"{element} = {self.scalar(1)}", f"{element} = {self.scalar(1)}", f"{element} += {self.scalar(1)}",
            f"{element} *= 0.7",
            f"{v}[1:] += 0.5 * {self.name(VECTOR)}[:-1]", f"{v}[:-1] = {v}[1:]", f"{v}[1:] = {v}[:-1] * {self.sc()}",
            f"{v}[{i}], {v}[{j}] = {v}[{j}], {v}[{i}]", f"{x} += 0.3 * {self.array(shape, 1)}", f"{x} *= {self.scalar(0)}",
            f"{x} -= {self.view(shape)}", f"{self.target(shape)} = {self.array(shape, 1)}",
            f"{self.target(shape)} = {self.array(shape, 1)}",
            f"{self.target(shape)} *= 0.8", f"{self.target(shape)} += 0.4 * {self.array(shape, 1)}",
            f"{self.target(shape)} = {self.scalar(1)}", f"{self.target(VECTOR)}[{i}] = {self.sc()}",
            f"np.multiply({self.array(shape, 1)}, 0.9, out={x})", f"np.add({x}, {self.view(shape)}, out={self.name(shape)})",
            f"np.sin({x}, out={x})", f"np.tanh({self.name(VECTOR)}, out={self.name(WIDE)}[{i}])", f"{x}.fill({self.scalar(0)})",
            f"{self.name(WIDE)}[{i}], {self.name(WIDE)}[{j}] = {self.name(WIDE)}[{j}], {self.name(WIDE)}[{i}].copy()",
            f"{self.name(WIDE)}[:, [0, 2]] = {self.name(WIDE)}[:, [2, 0]]", f"{self.name(WIDE)}[[1, 0]] *= {self.sc()}",
            f"{v}[n % 4] = {self.scalar(1)}", f"{self.name(FLAT)}.flat[{i}] = {self.sc()}", f"{x} /= 1.5 + {self.sc()} ** 2",
            f"np.copyto({x}, {self.array(shape, 0)})", f"{x}[...] = {self.array(shape, 1)}",
            f"np.add.at({v}, [0, 0, 2], {self.sc()})")]

    def numbers(self) -> list[str]:
        s, t, n = self.sc(), self.sc(), self.rng.choice(COUNTERS)
        return [self.pick(
            f"{s} = {self.scalar()}", f"{s} = math.sin({self.scalar()})", f"{s} = np.tanh({self.scalar()})",
            f"{s} += {self.scalar(1)}",
            f"{s}, {t} = {t}, {s} * 0.5", f"{s} *= 0.6", f"{s} -= {self.element()}", f"{n} += 1",
            f"{n} = int(abs({s}) * 2) % 3",
            f"{s} = {self.element()}", "n, m = m, n + 1", f"{s} = {t} = {self.scalar(1)}",
            f"{n} = np.argmax({self.name(SHORT)})")]

    def selecting(self) -> list[str]:
        shape = self.shape()
        x, y = self.name(shape), self.name(shape)
        v = self.name(VECTOR)
        self.fresh += 1
        k = f"k{self.fresh}"
        return self.rng.choice([
            [f"{x}[{x} > {self.number()}] = {self.scalar(0)}"], [f"{x}[{y} < {self.number()}] *= 0.5"],
            [f"{k} = {y} > {self.scalar(0)}", f"{x}[{k}] = {y}[{k}] * 0.5"], [f"{x}[np.abs({x}) > 0.8] -= 0.5"],
            [f"{k} = np.array([2, 0, 3, 1])", f"{v}[{k}] = {self.name(VECTOR)}"], [f"{v}[[0, 0, 3]] += {self.name(SHORT)}"],
            [f"{k} = np.argsort({v})", f"{v} = {self.name(VECTOR)}[{k}]"],
            [f"{x} = np.where({y} > {self.sc()}, {self.array(shape, 1)}, {x})"],
            [f"{v}[[1, 2]], {v}[0] = {self.name(VECTOR)}[[2, 1]], {self.sc()}"], [f"{x}[~({y} > 0.2)] = 0.1"],
            [f"{k} = np.nonzero({v} > 0)[0]", f"{v}[{k}] *= {self.sc()}"], [f"{k} = {self.name(WIDE)} > {self.number()}",
                                                                        f"{self.sc()} = np.sum({self.name(WIDE)}[{k}]) * 0.1"]])

    def overlapping(self) -> list[str]:
        """Reads and writes of the same memory in one statement."""
        shape = self.shape()
        x, v, p, i = self.name(shape), self.name(VECTOR), self.name(WIDE), self.index()
        return [self.pick(
            f"{v}[::2], {v}[1::2] = {v}[1::2], {v}[::2]", f"{v}[::-1] += {v}", f"{v}[1:] = {v}[:-1] + {v}[1:] * 0.5",
            f"{x} += {x}[0] * 0.3",
            f"{x}[...] = {x}[::-1]", f"{x} -= {x}.mean()", f"{p} += {p}[{i}] * 0.2", f"{p} -= {p}[:, :1]", f"{p}[:] = {p}[{i}]",
            f"{p}[0], {p}[1] = {p}[1], {p}[0]", f"{p}[:, 1:] *= {p}[:, :-1]", f"np.multiply({v}[:-1], {v}[1:], out={v}[1:])",
            f"{p}[1:], {p}[:-1] = {p}[:-1], 0.5 * {p}[1:]", f"np.subtract({v}, {v}[::-1], out={v})", f"{x} *= {x}",
            f"{v}[:2] = {v}[2:] = {v}[1:3] * 0.5", f"{p}.T[:3, :3] += 0.3 * {p}[:, :3]", f"np.cumsum({v}, out={v})",
            f"{v}[[0, 1]] = {v}[[1, 0]]", f"{v}[{v} > 0.1] = {v}[0]", f"{p}.reshape(-1)[1:] += 0.2 * {p}.reshape(-1)[:-1]")]

    def python(self) -> list[str]:
        """More of the language."""
        self.fresh += 1
        k, l = f"k{self.fresh}", f"l{self.fresh}"
        x, y, i, s = self.name(VECTOR), self.name(VECTOR), self.index(), self.sc()
        p = self.name(WIDE)
        return self.rng.choice([
            [f"{k} = {x}[{i}, ...]", f"{k} += {s} * 0.5", f"{s} = float({k}) * 0.5"],
            [f"{k} = Holder({self.view(VECTOR)}, {s})", f"{k}.step().step({i})", f"{k}.z *= 0.9",
             f"{s}, {self.name(SHORT)} = {k}.scale, {k}.tail"],
            ["try:", f"    {x}[n % 3 + 3] = {self.scalar(1)}", f"    {y} = {x}[::-1]", "except IndexError:",
             f"    {s} = 0.5 * {s}",
             "finally:", f"    {x}[0] *= 0.9"],
            [f"{k} = np.random.default_rng(3).normal(size=4)", f"{k}[{i}] = {s}", f"{x} = {k}"],
            [f"{k} = np.linspace(0.0, 1.0, 12).reshape(3, 4)", f"{l} = {k}[1]", f"{k}[{i}, 1] = {s}", f"{l} += {x}",
             f"{p} = {k}"],
            [f"{k} = np.arange(4.0)[::-1]", f"{k}[{i}] = {s}", f"{x} = np.sin({k})"],
            [f"for row in rows({self.view(WIDE)}):", f"    row += 0.2 * {x}", f"    {s} = row[1] * 0.5"],
            [f"{s} = halves({self.view(VECTOR)})"],
            [f"if ({k} := {x}[{i}] * 0.5) > {self.number()}:", f"    {s} = {k} + 0.1"],
            [f"{s} = sum(v * 0.1 for v in {self.view(VECTOR)})"],
            [f"assert {x}.shape == (4,) and {p}.ndim == 2 and len({p}) == 3, {x}.shape"],
            [f"{x} = np.array(list(map(lambda v: v * {s}, {y})))"],
            [f"if any(v > 0.5 for v in {x}) and isinstance({x}, np.ndarray):", f"    {x}[1] = max({y}) * 0.5"],
            [f"{self.name(SHORT)} = np.linalg.solve(np.eye(3) * 3.0 + 0.1 * {p} @ {p}.T, {self.name(SHORT)})"],
            [f"{k} = {{j: {x}[j] * 0.5 for j in range(4)}}", f"{x} = np.array([{k}[j] for j in sorted({k}, reverse=True)])"],
            ["with np.errstate(over='ignore'):", f"    {x} = np.exp(-{y} ** 2)", f"    {x}[{i}] = {s}"],
            [f"{k}, {l} = np.meshgrid({x}, {self.name(SHORT)})", f"{k} *= {l}", f"{p} = np.tanh({k})"],
            [f"{k} = [{x}, {y}]", f"for {l} in {k}:", f"    {l} += 0.1 * {s}", f"{k}[1] = {k}[0]",
             f"{x}, {y} = {k}[1][::-1], {k}[0]"],
            [f"{k} = {x}", f"{x} = {x} * 0.5", f"{k} += {x}", f"{y} = {k}"], [f"{k} = ({x} if n else {y})", f"{k}[{i}] += {s}"],
            [f"{k} = np.zeros(4)", f"{l} = {k}", f"{l}[{i}] = {s}", f"{x} = {k} + {y}"], [f"{k} = np.ones((3, 4))",
                                                            f"{k}.T[1] = {self.name(SHORT)}", f"{p} = {k}"],
            [f"{k} = np.empty((2, 4))", f"{k}[:] = {x}, {y}", f"{x} = {k}.sum(axis=0) * 0.5"], [f"{k} = None",
                                                            f"{s} = {s} if {k} is None else 0.0"],
            [f"for {k} in range({i} % 3 + 1):", f"    {x} = np.roll({x}, {k})", f"    {x}[{k}] -= 0.1"],
            [f"{k} = np.float64(0.3)", f"{k} += {s}", f"{x}[{i}] = {k}"],
            [f"{k} = np.array([1, 2, 0])", f"{k}[n % 3] += 1", f"{self.name(SHORT)} = {x}[{k}]", f"{x}[{k}] = 0.3"],
            [f"{k} = np.array(0.3)", f"{k} += {s} * 0.1", f"{k}[...] = {k} * {x}[{i}]", f"{s} = {k} + 0.0"]])

    def searching(self) -> list[str]:
        """Loops that are left from nested branches."""
        self.fresh += 1
        k = f"k{self.fresh}"
        v, p, s, t = self.name(VECTOR), self.name(WIDE), self.sc(), self.sc()
        return self.rng.choice([
            [f"{k} = 0", f"while {k} < 4:", f"    if {v}[{k}] > {self.number()}:", f"        if {s} > {self.number()}:",
             f"            {v}[{k}] *= 0.5", "            break", f"        {s} += 0.2 * {v}[{k}]", f"    {k} += 1"],
            [f"{k} = 0", "while True:", f"    {k} += 1", f"    if {k} > 3 or {self.condition(1)}:", "        break",
             f"    {s} = np.sin({s} + {v}[{k}])", f"    if {s} < 0.0:", "        continue", f"    {v}[{k}] += 0.3 * {s}"],
            [f"for {k} in range(3):", "    for j in range(4):", f"        if {p}[{k}, j] > {self.number()}:",
             f"            {s} += 0.1 * {p}[{k}, j]", "            break", f"        {p}[{k}, j] *= 0.8", "    else:",
             f"        {t} -= 0.1", self.pick("        break", "        continue", "        pass"), f"    {t} += 0.2 * {s}"],
            [f"{k} = 3", f"while {k} > 0 and {v}[{k} - 1] > {v}[{k}]:",
             f"    {v}[{k} - 1], {v}[{k}] = {v}[{k}], {v}[{k} - 1]", f"    {k} -= 1"],
            [f"{k} = ({s}, {v}[0])", "for j in range(1, 4):", f"    if {v}[j] > {k}[1]:",
             f"        {k} = ({k}[0] * 0.5, {v}[j])",
             "    elif j == 3:", f"        {k} = ({k}[1], {k}[0])", f"{s}, {t} = {k}"],
            [f"{k} = {v}[::-1]", "for j in range(4):", f"    {k}[j] -= 0.2 * {v}[j]",
             f"    if {k}[j] < {self.number()}:", f"        {v}[j:] = {s}", "        break", "else:", f"    {v}[0] = {t}"]])

    def layered(self) -> list[str]:
        """Views of views, in either order of memory, and masks, written through."""
        self.fresh += 1
        k, m = f"k{self.fresh}", f"m{self.fresh}"
        x, y, p, r, s, i = self.name(VECTOR), self.name(VECTOR), self.name(WIDE), self.name(TALL), self.sc(), self.index()
        return self.rng.choice([
            [f"{k} = {p}[::-1, ::-2]", f"{k} *= {s}", f"{k}[{i}, 0] += {x}[1]"],
            [f"{k} = np.asfortranarray({p})", f"{k}[:, 1:] += 0.3 * {k}[:, :-1]", f"{p} = {k}"],
            [f"{k} = {p}.copy(order='F')", f"{k}.T[::-1] -= {r}", f"{r} = {k}.T"],
            [f"{k} = {p}[::-1].T", f"{k}[1:] += 0.2 * {k}[:-1]", f"{k}[:, ::-1] *= 0.9", f"{r} = {k}"],
            [f"{m} = {x} > {self.number()}", f"{y}[{m}] += {s}", f"{y} = np.where({m}, {y}, {x}[::-1])"],
            [f"{m} = ({x} > {y}) & ({x} < 0.9)", f"{x}[::-1][{m}] *= 0.5", f"np.sin({y}, out={y}, where={m})"],
            [f"{k} = np.zeros((3, 4), order='F')", f"{k}[1:] = {p}[:-1]", f"{k}[{p} > {s}] = 0.25", f"{p} = {k}"],
            [f"{k}, {m} = {p}[1], {p}[:, 1]", f"{k} += 0.3 * {x}", f"{m} -= {s}", f"{k}[::-1] /= 1.5 + {k} ** 2"],
            [f"({k}, {m}), {x} = ({x}, {y}), {p}[{i}] * 0.5", f"{k}[1:-1] += {m}[2:] * 0.3"],
            [f"{k} = [{x}[:2], {x}[2:]]", f"{k}[0], {k}[1] = {k}[1] * 0.5, {k}[0]", f"{k}[1] += {s}", f"{k}[0][0] = {s}"],
            [f"{k} = Holder({y}, {s})", f"{k}.z += 0.1 * {x}", f"{k}.scale *= 0.5", f"{x} = {k}.settle({self.number()})",
             f"{s} = {k}.scale + {k}.count"],
            [f"{k} = {{}}", "for j in range(3):", f"    {k}[j] = {p}[j]", f"    {k}[j][::2] *= {s}", f"{x} = {k}[{i} % 3]"]])

    def containers(self) -> list[str]:
        self.fresh += 1
        k = f"k{self.fresh}"
        x, y, z = self.name(VECTOR), self.name(VECTOR), self.name(VECTOR)
        i, s = self.index(), self.sc()
        return self.rng.choice([
            [f"{k} = ({x}, {self.view(VECTOR)})", f"{k}[1][{i}] = {self.scalar(1)}", f"{y}, {z} = {k}"],
            [f"{k} = []", "for j in range(3):", f"    {k}.append({x} * (j + 1) * 0.3)", f"    {x} = np.sin({x} + {s})",
             f"{self.name(WIDE)} = np.stack({k})"],
            [f"{k} = []", f"for row in {self.name(WIDE)}:", f"    {k}.append(row)", f"    row[{i}] = {s}",
             f"{self.name(WIDE)} = np.array({k})"],
            [f"{k} = [{x}, {y}, {self.view(VECTOR)}]", f"{k}[{i}] += 0.1", f"{k}[0], {k}[2] = {k}[2], {k}[0]",
             f"{self.name(TALL)} = np.stack({k}, axis=1)"],
            [f"{k} = {{'one': {x}, 'two': {self.scalar(1)}}}", f"{k}['one'][{i}] *= {k}['two']", f"{s} = {k}['two']"],
            [f"{k} = [{s}, {self.scalar(1)}, {self.element()}]", f"{k}.append({k}[0] * 0.5)", f"{x} = np.array({k})"],
            [f"{k} = [value * 0.5 for value in {x}]", f"{y} = np.array({k})", f"{s} = {k}[{i}]"],
            [f"{k} = np.zeros((3, 4))", f"{k}[{i}] = {x}", f"{k}[:, 0] = {self.name(SHORT)}", f"{self.name(WIDE)} = {k}"],
            [f"{k} = np.empty(12)", "for j in range(12):",
             f"    {k}[j] = {self.sc()} * 0.5 if j < 2 else np.sin({k}[j - 1] + {k}[j - 2])",
             f"{self.name(FLAT)} = {k}"],
            [f"{k} = lambda z: z * {s} + {x}[{i}]", f"{s} = 0.4", f"{y} = {k}({z})"],
            [f"{k} = list({x})", f"{k}[1] = {self.scalar(0)}", f"{y} = np.array({k})"],
            [f"{k}, *_ = {self.view(WIDE)}", f"{k} *= 0.5"], [f"{k} = np.split({self.name(FLAT)}, 3)", f"{k}[1] += {s}",
                                                            f"{x} = {k}[{i}]"]])

    def calling(self) -> list[str]:
        x, y, i = self.view(VECTOR), self.name(VECTOR), self.index()
        options = [f"{y} = shake({x}, {i})", f"shake({x}, {i})", f"{y} = turned({x})", f"turned({y})[{i}] = {self.scalar(0)}",
                   f"{y}, {self.name(VECTOR)} = both({self.name(VECTOR)}, {x})",
                   f"both({y}, {self.name(VECTOR)}, s={self.scalar(0)})",
                   f"{self.name(TALL)} = sweep({self.view(WIDE)})", f"sweep({self.name(WIDE)})[{i}] *= 0.5",
                   f"{y} = fill(4, {self.sc()})",
                   f"{self.sc()} = first_above({x}, {self.sc()})",
                   f"{self.name(WIDE)} = blend({self.view(WIDE)}, {self.name(WIDE)})",
                   f"{self.sc()} = nested({self.sc()}, 2)", f"{self.sc()}, n = settled({x}, {self.number(0.1)})",
                   f"{y} = clipped({x}, {self.sc()})", f"clipped({x}, {self.sc()}, out={y})",
                   f"{y} = clipped({self.name(VECTOR)}, {self.number()}, {y}[::-1])"]
        return [self.pick(*options, *self.functions)]

    # ------------------------------------------------------------ blocks

    def block(self, count: int) -> list[str]:
        lines: list[str] = []
        for _ in range(count):
            chance = self.rng.random()
            if self.depth < 3 and chance < 0.13:
                lines += self.branch()
            elif self.depth < 2 and chance < 0.26:
                lines += self.loop()
            elif self.depth < 2 and chance < 0.32:
                lines += self.while_loop()
            elif self.loops and chance < 0.40:
                lines += [f"if {self.condition(1)}:", "    " + self.pick("break", "continue",
                                                            f"return {self.sc()} + np.sum(np.sin({self.name(WIDE)}))")]
            elif not self.loops and chance < 0.335:
                lines += [f"if {self.condition(1)}:", f"    return {self.sc()} * 0.5 + np.sum({self.name(VECTOR)} * x)"]
            else:
                lines += self.simple()
            lines = [self.written(line) for line in lines]
        return lines

    def indented(self, count: int) -> list[str]:
        self.depth += 1
        out = ["    " + line for line in self.block(count)]
        self.depth -= 1
        return out

    def branch(self) -> list[str]:
        lines = [f"if {self.condition()}:", *self.indented(2)]
        if self.rng.random() < 0.3:
            lines += [f"elif {self.condition()}:", *self.indented(1)]
        return lines + (["else:", *self.indented(self.rng.choice([1, 2]))] if self.rng.random() < 0.6 else [])

    def loop(self) -> list[str]:
        i, v, k = f"i{self.depth}", f"v{self.depth}", self.name(VECTOR)
        header, places, first = self.rng.choice([
            (f"for {i} in range({self.rng.choice([2, 3])}):", [i], []), (f"for {i} in range(2, -1, -1):", [i], []),
            (f"for {i}, {v} in enumerate({self.view(VECTOR)}[:3]):", [i], [f"{self.sc()} = np.sin({v})"]),
            (f"for {v} in {self.view(VECTOR)}:", [], [f"{self.sc()} = 0.5 * {v}"]), (f"for {v} in {self.view(WIDE)}:", [],
                                                            [f"{v} *= 0.9", f"{k} = {v}"]),
            (f"for {v}, {i} in zip({self.view(TALL)}, range(3)):", [i], [f"{v}[{i}] += 0.2 * {self.sc()}",
                                                            f"{self.name(SHORT)} = {v}"]),
            (f"for {v}, {k} in zip({self.name(SHORT)}, {self.name(WIDE)}):", [], [f"{k}[1] = {v}"]),
            (f"for {i} in reversed(range(3)):", [i], []),
            (f"for {v} in reversed({self.name(SHORT)}):", [], [f"{self.sc()} = {v} + 0.1"]), (f"for {i} in (2, 0):", [i], []),
            (f"for {v} in ({k}, {self.view(VECTOR)}):", [], [f"{v}[{self.index()}] = 0.5 * {self.sc()}"])])
        self.loops += 1
        self.places.append(self.places[-1] + places * 2)
        body = ["    " + line for line in first] + self.indented(self.rng.choice([1, 2, 3]))
        self.places.pop()
        self.loops -= 1
        last = ["else:", *self.indented(1)] if self.rng.random() < 0.1 else []
        return [header, *body, *last]

    def while_loop(self) -> list[str]:
        w = f"w{self.depth}"
        self.loops += 1
        self.places.append([*self.places[-1], f"{w} % 3"])
        body = self.indented(self.rng.choice([1, 2]))
        self.places.pop()
        self.loops -= 1
        return [f"{w} = 0", f"while {w} < {self.rng.choice([2, 3, 4])} and {self.condition(1)}:", f"    {w} += 1", *body]

    def closures(self) -> list[str]:
        """Functions inside, which rebind and write what they find outside."""
        x, y, s = self.name(VECTOR), self.name(VECTOR), self.sc()
        choices = [
            (["def bump(z, k):", f"    nonlocal {s}, n", "    n += 1", f"    {s} = np.sin({s} + z[k])",
              f"    z[k] = 0.5 * {s}", "    return z"],
             [f"bump({self.name(VECTOR)}, 1)", f"{self.name(SHORT)} = bump({self.view(SHORT)}, 0)"]),
            (["def swap():", f"    nonlocal {x}, {y}" if x != y else f"    nonlocal {x}", f"    {x}, {y} = {y}, {x} * 0.9"],
             ["swap()"]),
            (["def gather(z, limit):", "    for j in range(3):", "        if z[j] > limit:",
              f"            {x}[j] += 0.2 * z[j]",
              f"            return {x}[j:]", f"        {y}[::-1][j] *= limit", f"    return {y}[-2:]"],
             [f"gather({self.view(SHORT)}, {self.number()})[0] *= 0.5", f"{s} = np.sum(gather({self.name(VECTOR)}, {s}))"]),
            (["def poke(value=0.25):", f"    {x}[1] = value * {s}", f"    return {x}[::-1]"], [f"{y} = poke()",
                                                            f"poke({self.sc()})[0] = 0.3"])]
        lines = []
        for text, calls in self.rng.sample(choices, self.rng.choice([0, 1, 2])):
            lines += text
            self.functions += calls
        return lines

    def source(self) -> str:
        lines = ["a, b, c = x.copy(), np.zeros(4), np.sin(x)", "u, w = y[:, 1] * 0.5, np.array([z, x[0], 0.2])",
                 "p, q = y.copy(), np.zeros((3, 4))", "r, e = y.T * 0.7, np.cos(y).T.copy()",
                 "g, h = np.arange(12.0) * 0.05 + z, y.flatten()", "s, t, n, m = z * 0.5, x[1], 0, 1"]
        if self.keeps:
            lines += ["hold, memo = Holder(x * 0.7, 0.5), {'v': x.copy(), 's': z * 0.3, 'n': 0, 'w': a}",
                      "also, cells = hold, [z * 0.6, c, y[0] * 0.5]"]
        lines += [self.written(line) for line in self.closures()]
        lines += self.block(self.rng.choice([6, 8, 10, 12]))
        total = " + ".join(f"np.sum(np.sin({k} + 0.{j + 1}))" for j, k in enumerate(SHAPES))
        lines += [f"total = {total}"]
        if self.keeps:
            lines += ["total += hold.scale * 0.5 + memo['s'] * hold.count - cells[0] * memo['n']",
                      "total += np.sum(np.cos(hold.z)) - np.sum(memo['v'] * memo['w']) + np.sum(np.sin(cells[1] + cells[2]))"]
        lines += ["return s + 0.5 * t + total + np.sum(p * y) + np.sum(b * x)"]
        return HELPERS + "\n\ndef f(x, y, z):\n" + "\n".join("    " + line for line in lines) + "\n"


def program(seed: int) -> str:
    """The source of the program with this seed."""
    return Generator(seed).source()
