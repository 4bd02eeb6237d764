"""Random programs that write into long arrays in loops and branches, for the compiler.

What comes in: a seed. What goes out: the text of ``f(x, y, z, k)`` (a vector, a matrix, a number, a count), and values for its
arguments. The one idea: statements that are dangerous where memory is shared (shifts, swaps, rotations, writes in one arm,
rows of a matrix that is written to) on a few names that keep their shapes, nested at random.
"""

from __future__ import annotations

import random

import numpy as np

__all__ = ["arguments", "loop_program"]

LENGTHS = [5, 9, 16, 17, 18, 33, 64, 65, 70, 100, 120]
PAIRS = [(3, 17), (4, 20), (9, 9), (7, 33), (20, 5), (17, 16), (3, 100), (40, 4)]


class Writer:
    """One program in the making."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.n = self.rng.choice(LENGTHS)
        self.m, self.w = self.rng.choice(PAIRS)
        self.depth = self.count = 0
        self.inside: list[str] = []  # counters of the loops around

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)

    def vector(self) -> str:
        return self.pick("a", "b", "c")

    def matrix(self) -> str:
        return self.pick("p", "q")

    def scalar(self) -> str:
        return self.pick("s", "t", f"{self.vector()}[{self.place(self.n)}]",
            f"{self.matrix()}[{self.place(self.m)}, {self.place(self.w)}]")

    def place(self, n: int) -> str:
        options = ["0", "-1", "2", str(n - 2), str(n // 2)]
        return self.pick(*options, *[f"({i} + {self.rng.randrange(3)}) % {n}" for i in self.inside * 2])

    def piece(self) -> tuple[str, str]:
        """Two slices of a vector of one length."""
        d = self.rng.choice([1, 1, 2, 3, 8])
        d = min(d, self.n - 1)
        return self.rng.choice([("1:", ":-1"), (":-1", "1:"), (f"{d}:", f":-{d}"), (f":-{d}", f"{d}:"), ("::-1", ":"), (":",
            "::-1"),
                                (f":{d}", f"-{d}:"), (f"{d}:{d + 2}", "0:2"), ("::2", "::2"), ("1:-1", "2:")])

    def vector_value(self) -> str:
        a, b = self.vector(), self.vector()
        return self.pick(f"np.sin({a})", f"0.5 * ({a} + {b})", f"{a}[::-1] * 0.9", f"{self.scalar()} * {a}", f"{a} - 0.1 * {b}",
                         f"np.where({a} > {self.scalar()}, {b}, 0.3 * {a})", f"np.maximum({a}, {self.scalar()})", f"{a}.copy()",
                         f"np.concatenate([{a}[3:], {b}[:3]])", f"{a}[idx]", f"np.cumsum({a}) * 0.1", f"np.sort({a})",
                         f"np.roll({a}, 2)",
                         f"np.tanh({a} * {b})", f"0.4 * {a}[::-1] + {b}", f"np.zeros({self.n})")

    def matrix_value(self) -> str:
        p, q = self.matrix(), self.matrix()
        return self.pick(f"np.cos({p})", f"0.5 * ({p} - {q})", f"{p}[::-1] * 0.9", f"{p}[:, ::-1] * {self.scalar()}",
            f"{p}.copy()",
                         f"np.where({p} > {q}, {p}, 0.2)", f"{p} * {q}[0]", f"{p} + {q}[:, :1]",
                         f"{p}.reshape({self.w}, {self.m}).T * 0.7",
                         f"{p}.T.reshape({self.m}, {self.w})", f"np.cumsum({p}, axis=1) * 0.1", f"np.tanh({p})")

    def statement(self) -> list[str]:
        a, b, c = self.rng.sample(["a", "b", "c"], 3)
        p, q, s = self.matrix(), self.matrix(), self.pick("s", "t")
        to, of = self.piece()
        i, r, col = self.place(self.n), self.place(self.m), self.place(self.w)
        return [self.pick(
            f"{a}, {b} = {b}, {a}", f"{a}, {b}, {c} = {b}, {c}, {a}", f"{a}, {b} = {b}, 0.5 * {a}", f"{a} = {b}",
            f"{a} = {self.vector_value()}",
            f"{a} = {self.vector_value()}", f"{a}[{to}] = {a}[{of}]", f"{a}[{to}] += 0.3 * {a}[{of}]",
            f"{a}[{to}] = 0.5 * {b}[{of}]",
            f"{a}[{to}] *= {self.scalar()}", f"{a}[{i}] = {self.scalar()}", f"{a}[{i}] += 0.5 * {self.scalar()}",
            f"{a}[{i}], {a}[{self.place(self.n)}] = {a}[{self.place(self.n)}], {a}[{i}]", f"{a}[idx] = {b}[rev]",
            f"np.add.at({a}, idx, 0.1 * {b})",
            f"{a} += 0.2 * {self.vector_value()}", f"{a} *= 0.9", f"{s} = 0.5 * np.sin({self.scalar()} + {self.scalar()})",
            f"{s} += 0.01 * np.sum({self.vector_value()})", f"{s} = np.max({a}) * 0.5", f"{s} = np.mean({self.matrix_value()})",
            f"{s} = 0.1 * np.dot({a}, {b})", f"{p} = {self.matrix_value()}", f"{p}[{r}] = {q}[{self.place(self.m)}]",
            f"{p}[1:] = {p}[:-1]", f"{p}[:-1] += 0.2 * {p}[1:]", f"{p}[{r}, {col}] = {self.scalar()}",
            f"{p}[:, {col}] = {q}[:, {self.place(self.w)}] * 0.8",
            f"{p}, {q} = {q}, {p}", f"{p}[{r}] += 0.3 * {q}[0]", f"{p}[:, 1:] = {p}[:, :-1] * {s}", f"{p}[::-1] = {q}",
            f"{p} = {q}",
            f"{s} = np.sum({p} * {q}) * 0.01", f"{p} = {p} + np.sum({q}, axis=0) * 0.05", f"{a}[{to}] = np.sin({a})[{of}]",
            f"{p}[mask] = {self.scalar()}", f"{a}[{a} > 0.5] *= 0.5", f"{p}[{r}] = np.cumsum({p}[{self.place(self.m)}]) * 0.1")]

    def condition(self) -> str:
        return self.pick(f"{self.scalar()} > 0.1", f"{self.scalar()} < {self.scalar()}",
            f"np.sum({self.vector()}) > {self.pick('s', 't')}",
                         *[f"{i} % 2 == 0" for i in self.inside])

    def block(self, count: int) -> list[str]:
        lines: list[str] = []
        for _ in range(count):
            kind = self.rng.random()
            if self.depth < 3 and kind < 0.15:
                lines += [f"if {self.condition()}:", *self.indented(2)]
                lines += ["else:", *self.indented(self.rng.choice([1, 2]))] if self.rng.random() < 0.6 else []
            elif self.depth < 2 and kind < 0.33:
                lines += self.loop()
            elif self.inside and kind < 0.36:
                lines += [f"if {self.condition()}:", "    " + self.pick("break", "continue")]
            else:
                lines += self.statement()
        return lines

    def indented(self, count: int) -> list[str]:
        self.depth += 1
        out = ["    " + line for line in self.block(count)]
        self.depth -= 1
        return out

    def loop(self) -> list[str]:
        self.count += 1
        i = f"i{self.count}"
        if self.rng.random() < 0.3:
            head = [f"{i} = 0", f"while {i} < {self.pick('3', 'k', 'k - 3')} and {self.condition()}:", f"    {i} += 1"]
        else:
            times = self.pick("range(3)", "range(k)", "range(k)", "range(0)", "range(k - 3)", "range(4, 0, -1)",
                              f"range(1, {self.m})")
            head = [f"for {i} in {times}:"]
        self.inside.append(i)
        body = self.indented(self.rng.choice([1, 2, 3]))
        self.inside.pop()
        return [*head, *body]

    def source(self) -> str:
        n, m, w = self.n, self.m, self.w
        lines = ["a, b, c, s, t = x.copy(), np.sin(x), x[::-1] * 0.5, z, 0.3 * z", "p, q = y.copy(), np.cos(y)",
                 f"idx, rev = np.arange({n}) * 3 % {n}, np.arange({n})[::-1] - {n // 2}",
                 f"mask = np.arange({m * w}).reshape({m}, {w}) % 3 == 0"]
        lines += self.block(self.rng.choice([4, 5, 6, 8]))
        lines += [self.pick("return a, b, p, s", "return a, a, q, c, t", "return p, p, a, s, x",
            "return s + np.sum(a * b) + np.sum(p * y), c, q")]
        return "import numpy as np\n\n\ndef f(x, y, z, k):\n" + "\n".join("    " + line for line in lines) + "\n"


def loop_program(seed: int) -> str:
    """The source of the program with this seed."""
    return Writer(seed).source()


def arguments(seed: int) -> tuple[np.ndarray, np.ndarray, float, int | np.int64]:
    w, rng = Writer(seed), np.random.default_rng(seed)
    k = np.int64(4) if seed % 3 == 0 else 4  # a number of NumPy's is not known when the program is staged
    return rng.normal(size=w.n) * 0.7, rng.normal(size=(w.m, w.w)) * 0.7, float(rng.normal()) * 0.6, k
