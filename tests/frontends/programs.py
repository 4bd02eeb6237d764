"""Random programs of views and writes, for plain NumPy and for tracers.

What comes in: a seed. What goes out: a list of steps, each ``step(env, make)``, that NumPy runs without an
error. The one idea: a program is grown while it runs on ordinary arrays; a step that NumPy refuses is left
out. `make` turns an ordinary array that the program creates into what the program works with (itself, or a
cell of the tracer).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[list[Any], Callable[[Any], Any]], None]
SHAPES = [(4,), (3, 3), (2, 3), (2, 3, 2), (6,), (1, 3)]
IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv]


class Program:
    """A program under construction, and the arrays it has made so far."""

    def __init__(self, seed: int, dtypes: tuple[Any, ...] = (np.float64,), steps: int = 9):
        self.rng = np.random.default_rng(seed)
        self.dtypes = dtypes
        self.steps: list[Step] = []
        self.names: list[str] = []
        self.inputs = [self.rng.normal(size=(3, 3)), self.rng.normal(size=4)]
        self.env: list[Any] = [x.copy() for x in self.inputs]
        for text in ("own", "own", "cell"):
            self.try_step(text)
        for _ in range(60):
            if len(self.steps) >= steps + 3:
                break
            self.try_step(self.rng.choice(KINDS, p=WEIGHTS))

    def try_step(self, kind: str) -> None:
        found = getattr(self, kind)()
        if found is None:
            return
        before = [np.array(v) for v in self.env]
        try:
            with np.errstate(all="ignore"):
                found(self.env, lambda a: a)
        except (ValueError, IndexError, TypeError, np.exceptions.AxisError):
            assert all(np.array_equal(a, v) for a, v in zip(before, self.env, strict=False)), kind
            del self.env[len(before) :]
            return
        if not all(
            np.all(np.isfinite(v)) and np.all(np.abs(v) < 1e12)
            for v in self.env
            if np.asarray(v).dtype.kind == "f"
        ):
            self.env = [np.array(v) for v in before]
            raise Overflow
        self.steps.append(found)
        self.names.append(kind)

    def run(
        self, inputs: Any, make: Callable[[Any], Any], source: Callable[[Any], Any] = lambda a: a
    ) -> list[Any]:
        env = [source(x) for x in inputs]
        for step in self.steps:
            step(env, make)
        return env

    # ------------------------------------------------------------ choices

    def pick(self) -> int:
        return int(self.rng.integers(len(self.env)))

    def own_one(self) -> int:
        """Mostly not an argument."""
        return (
            int(self.rng.integers(2, len(self.env)))
            if len(self.env) > 2 and self.rng.random() < 0.97
            else self.pick()
        )

    def basic(self, shape: tuple[int, ...]) -> Any:
        out: list[Any] = []
        for n in shape:
            choice = self.rng.random()
            if choice < 0.1:
                out.append(None)
            if choice < 0.35 and n:
                out.append(int(self.rng.integers(-n, n)))
            elif choice < 0.8:
                ends = [
                    None if self.rng.random() < 0.5 else int(self.rng.integers(-n, n + 1)) for _ in range(2)
                ]
                out.append(slice(*ends, [None, 1, -1, 2, -2][self.rng.integers(5)]))
            elif choice < 0.9:
                out.append(slice(None))
            else:
                out.append(Ellipsis)
                break
        return tuple(out) if len(out) != 1 or self.rng.random() < 0.3 else out[0]

    def fancy(self, shape: tuple[int, ...]) -> Any:
        if not shape or 0 in shape:
            return ()
        if self.rng.random() < 0.3:
            return self.rng.random(shape) < 0.5
        out: list[Any] = []
        for n in shape:
            kind = self.rng.random()
            if kind < 0.6:
                out.append(self.rng.integers(-n, n, size=2))
            elif kind < 0.8:
                out.append(int(self.rng.integers(-n, n)))
            else:
                out.append(slice(None))
        return tuple(out)

    def key(self, i: int) -> Any:
        shape = np.shape(self.env[i])
        return self.basic(shape) if self.rng.random() < 0.7 else self.fancy(shape)

    def value(self, shape: tuple[int, ...]) -> Callable[[list[Any]], Any]:
        """Something that may be written into a place of this shape."""
        fitting = [
            (j, k)
            for j, v in enumerate(self.env)
            for k in (None, 0, -1, slice(1, None), slice(None, -1), slice(None, None, -1))
            if (k is None or np.ndim(v))
            and _fits(np.shape(v if k is None or np.shape(v)[0] == 0 else v[k]), shape)
        ]
        if not fitting or self.rng.random() < 0.25:
            number = float(np.round(self.rng.uniform(0.5, 2.0), 3))
            return lambda env: number
        j, k = fitting[int(self.rng.integers(len(fitting)))]
        return (lambda env: env[j]) if k is None or np.shape(self.env[j])[0] == 0 else (lambda env: env[j][k])

    # ------------------------------------------------------------ steps that make arrays

    def own(self) -> Step:
        i, factor = self.pick(), float(np.round(self.rng.uniform(0.5, 1.5), 3))
        return lambda env, make: env.append(env[i] * factor)

    def cell(self) -> Step:
        shape, dtype = (
            SHAPES[self.rng.integers(len(SHAPES))],
            self.dtypes[self.rng.integers(len(self.dtypes))],
        )
        order = "F" if self.rng.random() < 0.2 else "C"
        value = self.rng.integers(-3, 4, size=shape)
        return lambda env, make: env.append(make(np.array(value, dtype, order=order)))

    def copy(self) -> Step:
        i, how = self.pick(), self.rng.integers(3)
        return lambda env, make: env.append(
            [lambda a: a.copy(), np.copy, lambda a: a[...].copy("K")][how](env[i])
        )

    def combine(self) -> Step:
        i, j = self.pick(), self.pick()
        op = [operator.add, operator.sub, operator.mul][self.rng.integers(3)]
        return lambda env, make: env.append(op(env[i], env[j]))

    def gathered(self) -> Step:
        i = self.pick()
        key = self.fancy(np.shape(self.env[i]))
        return lambda env, make: env.append(env[i][key])

    def joined(self) -> Step:
        i, j, axis = self.pick(), self.pick(), int(self.rng.integers(-1, 2))
        join = [np.concatenate, np.stack][self.rng.integers(2)]
        return lambda env, make: env.append(join([env[i], env[j]], axis))

    # ------------------------------------------------------------ steps that make views

    def alias(self) -> Step:
        i = self.pick()
        return lambda env, make: env.append(env[i])

    def sliced(self) -> Step:
        i = self.own_one()
        key = self.basic(np.shape(self.env[i]))
        return lambda env, make: env.append(env[i][key])

    def turned(self) -> Step:
        i, k = self.own_one(), int(self.rng.integers(12))
        return lambda env, make: env.append(TURNS[k](env[i]))

    def reshaped(self) -> Step | None:
        i = self.own_one()
        n = np.size(self.env[i])
        shapes = [
            s
            for s in [(-1,), (2, -1), (-1, 2), (3, -1), (1, -1), (n, 1), (2, 3), (3, 2), (2, 2), (3, 1, 2)]
            if -1 not in s or n % abs(int(np.prod(s))) == 0
        ]
        shape, order = shapes[self.rng.integers(len(shapes))], "F" if self.rng.random() < 0.15 else "C"
        how = self.rng.integers(4)
        if how == 0:
            return lambda env, make: env.append(env[i].ravel(order))
        if how == 1:
            return lambda env, make: env.append(np.ravel(env[i]))
        return lambda env, make: env.append(env[i].reshape(shape, order=order))

    # ------------------------------------------------------------ steps that write

    def store(self) -> Step | None:
        i = self.own_one()
        key = self.key(i)
        try:
            shape = np.shape(self.env[i][key])
        except (IndexError, TypeError):
            return None
        value = self.value(shape)

        def step(env: list[Any], make: Any) -> None:
            env[i][key] = value(env)

        return step

    def update(self) -> Step | None:
        i, op = self.own_one(), IN_PLACE[self.rng.integers(3)]
        key = self.key(i)
        try:
            shape = np.shape(self.env[i][key])
        except (IndexError, TypeError):
            return None
        value = self.value(shape)

        def step(env: list[Any], make: Any) -> None:
            env[i][key] = op(env[i][key], value(env))

        return step

    def in_place(self) -> Step:
        i, op = self.own_one(), IN_PLACE[self.rng.integers(3)]
        value = self.value(np.shape(self.env[i]))

        def step(env: list[Any], make: Any) -> None:
            env[i] = op(env[i], value(env))

        return step

    def swap(self) -> Step | None:
        i = self.own_one()
        shape = np.shape(self.env[i])
        if not shape or shape[0] < 2:
            return None
        a, b = [(0, 1), (-1, 0), (slice(None, None, -1), slice(None)), ([0, 1], [1, 0])][self.rng.integers(4)]

        def step(env: list[Any], make: Any) -> None:
            env[i][a], env[i][b] = env[i][b], env[i][a]

        return step

    def masked(self) -> Step:
        i, number = self.own_one(), float(np.round(self.rng.uniform(-1, 1), 2))

        def step(env: list[Any], make: Any) -> None:
            env[i][env[i] > 0.3] = number

        return step

    def at(self) -> Step | None:
        i, ufunc = self.own_one(), [np.add, np.subtract, np.multiply][self.rng.integers(3)]
        key = self.key(i)
        try:
            value = self.value(np.shape(self.env[i][key]))
        except (IndexError, TypeError):
            return None

        def step(env: list[Any], make: Any) -> None:
            ufunc.at(env[i], key, value(env))

        return step

    def output(self) -> Step:
        i, j, k = self.own_one(), self.pick(), self.pick()
        ufunc = [np.add, np.multiply, np.subtract][self.rng.integers(3)]

        def step(env: list[Any], make: Any) -> None:
            ufunc(env[j], env[k], out=env[i])

        return step

    def other_write(self) -> Step:
        i, j, k = self.own_one(), self.pick(), int(self.rng.integers(len(WRITES)))
        return lambda env, make: WRITES[k](env[i], env[j])


class Overflow(Exception):
    """The numbers of a program grew too large; the program is not used."""


def _fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


TURNS: list[Callable[[Any], Any]] = [
    lambda a: a.T,
    lambda a: np.transpose(a),
    lambda a: a.swapaxes(0, -1),
    lambda a: np.moveaxis(a, 0, -1),
    lambda a: np.expand_dims(a, 0),
    lambda a: np.squeeze(a),
    lambda a: np.flip(a, 0),
    lambda a: np.diagonal(a),
    lambda a: np.broadcast_to(a, (2, *np.shape(a))),
    lambda a: np.atleast_2d(a),
    lambda a: np.split(a, [1])[1],
    lambda a: np.rot90(a),
]
WRITES: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a.fill(1.5),
    lambda a, b: np.copyto(a, b),
    lambda a, b: np.put(a, [0, -1, 0], b),
    lambda a, b: np.fill_diagonal(a, b),
    lambda a, b: np.putmask(a, np.ones(a.shape, bool), b),
    lambda a, b: np.put_along_axis(a, np.zeros((1,) * a.ndim, int), 2.5, 0),
    lambda a, b: np.place(a, np.ones(a.shape, bool), b),
]
KINDS = [
    "own",
    "cell",
    "copy",
    "combine",
    "gathered",
    "joined",
    "alias",
    "sliced",
    "turned",
    "reshaped",
    "store",
    "update",
    "in_place",
    "swap",
    "masked",
    "at",
    "output",
    "other_write",
]
_COUNTS = [2, 1, 1, 2, 1, 1, 1, 6, 4, 4, 7, 5, 4, 2, 2, 2, 2, 2]
WEIGHTS = [c / sum(_COUNTS) for c in _COUNTS]
