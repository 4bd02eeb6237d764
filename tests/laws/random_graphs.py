"""Random graphs: elementwise operations, broadcasting, reductions, indexing, writes and selections.

What comes in: a stream of choices (hypothesis's, or a generator's). What goes out: a graph and values for its
inputs. The one idea: values of all kinds of shapes, 0 and 1 among the lengths, lie in a pool; each step applies
an operation that fits to values of the pool.
"""

from __future__ import annotations

import numpy as np

from wengert.graph import REGISTRY, Build, Const, Handle, type_of
from wengert.primitives.structure import sum_to

P = REGISTRY
SMOOTH = ["sin", "cos", "tanh", "exp", "negative", "positive"]  # finite everywhere
BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]
SHAPES = [(), (1,), (3,), (2, 3), (2, 1), (1, 3), (0,), (0, 3), (2, 0)]


class Choices:
    """Choices from hypothesis (``draw``) or from a random generator."""

    def __init__(self, integer):
        self.integer = integer

    def of(self, options):
        return options[self.integer(len(options))]


def from_hypothesis(draw):
    from hypothesis import strategies as st
    return Choices(lambda n: draw(st.integers(0, n - 1)))


def from_rng(rng):
    return Choices(lambda n: int(rng.integers(n)))


def random_graph(choose, steps=12, dtype=np.float64, dead_arms=True):
    """A graph of one real result (a weighted sum of all that lives), and values for its inputs."""
    rng = np.random.default_rng(choose.integer(10_000))
    build = Build()
    values = []
    for _ in range(1 + choose.integer(3)):
        values.append(np.asarray(rng.uniform(-1.5, 1.5, choose.of(SHAPES)), dtype))
    pool = [build.input(type_of(v)) for v in values]
    for _ in range(steps):
        made = _step(choose, build, pool, dead_arms)
        if made is not None and made.type.size <= 64:
            pool.append(made)
    total = None
    for h in pool[-4:]:
        weight = Const(np.asarray(rng.uniform(0.5, 1.5, h.shape), dtype))
        term = P["reduce_sum"](h * Handle(build, weight), axes=tuple(range(h.ndim)))
        total = term if total is None else total + term
    return build.graph([total]), values


def _pair(choose, pool):
    """Two values whose shapes broadcast together."""
    a = choose.of(pool)
    fitting = [h for h in pool if _fits(a.shape, h.shape)]
    return a, choose.of(fitting)


def _fits(a, b):
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def _step(choose, build, pool, dead_arms):
    kind = choose.integer(11)
    if kind == 0:
        return P[choose.of(SMOOTH)](P["tanh"](choose.of(pool)))
    if kind <= 2:
        a, b = _pair(choose, pool)
        return P[choose.of(BINARY)](a, b)
    if kind == 3:
        return _select(choose, pool, dead_arms)
    if kind == 4:
        return _reduction(choose, choose.of(pool))
    if kind == 5:
        return _structure(choose, choose.of(pool))
    if kind == 6:
        return _indexed(choose, build, choose.of(pool))
    if kind == 7:
        return _write(choose, build, choose.of(pool), pool)
    if kind == 8:
        a = choose.of(pool)
        wide = P["convert"](a, dtype=np.dtype(np.complex128 if a.dtype == np.float64 else np.complex64))
        return P[choose.of(["real", "imag"])](wide * wide)
    if kind == 9:
        number = choose.of([0.0, -0.0, 1.0, -1.0, 2.0, 0.5])
        a = choose.of(pool)
        op = choose.of(["add", "subtract", "multiply"])
        return P[op](a, Const(np.asarray(number, a.dtype))) if choose.integer(2) else \
            P[op](Const(np.asarray(number, a.dtype)), a)
    a, b = _pair(choose, pool)
    return a / (b * b + 1.0)


def _select(choose, pool, dead_arms):
    """Often with an arm that is infinite or NaN, with such partials too, where it is not taken."""
    a, b = _pair(choose, pool)
    if not dead_arms or choose.integer(2):
        return P["select"](a < b, a, b) if choose.integer(2) else P["select"](a * a > 0.25, a, a * 0.5)
    safe = a > 0.0
    arm = choose.integer(3)
    if arm == 0:
        risky = P["sqrt"](a)
    elif arm == 1:
        risky = P["log"](a) * (a + 1.0)
    else:
        zeroed = P["select"](safe, a, Const(np.zeros((), a.dtype)))
        risky = 0.1 / (zeroed + 0.0)
        risky = P["minimum"](risky, Const(np.asarray(10.0, a.dtype)))
    return P["select"](safe, risky, P["select"](a < -10.0, b, b * b) if _fits(a.shape, b.shape) else a)


def _reduction(choose, a):
    axes = tuple(k for k in range(a.ndim) if choose.integer(2))
    out = P["reduce_sum"](a, axes=axes)
    return P["tanh"](out) if choose.integer(2) else out


def _structure(choose, a):
    kind = choose.integer(6)
    if kind == 0:
        return P["reshape"](a, shape=choose.of([(a.type.size,), (1, *a.shape), (*a.shape, 1)]))
    if kind == 1:
        return P["transpose"](a, axes=tuple(reversed(range(a.ndim))))
    if kind == 2:
        return P["broadcast"](a, shape=(2, *a.shape))
    if kind == 3:
        return P["flip"](a, axes=tuple(k for k in range(a.ndim) if choose.integer(2)))
    if kind == 4 and a.ndim:
        return P["concatenate"](a, a * 2.0, axis=choose.integer(a.ndim))
    return P["pad"](a, widths=tuple((choose.integer(2), choose.integer(2)) for _ in a.shape))


def _places(choose, build, n):
    count = choose.integer(4)
    return Handle(build, Const(np.array([choose.integer(n) for _ in range(count)], np.intp)))


def _spec(choose, build, a):
    """An index that is within bounds, and its index arrays."""
    if not a.ndim or not a.shape[0]:
        return (("s", None, None, None),) * a.ndim, []
    kind = choose.integer(4)
    if kind == 0:
        return (("i", choose.integer(a.shape[0])),), []
    if kind == 1:
        return (("s", None, None, choose.of([-1, 2, None])),), []
    if kind == 2:
        return (("n",), ("s", 1, None, None)), []
    return (("a",),), [_places(choose, build, a.shape[0])]


def _indexed(choose, build, a):
    spec, arrays = _spec(choose, build, a)
    return P["index"](a, *arrays, spec=spec)


def _write(choose, build, a, pool):
    spec, arrays = _spec(choose, build, a)
    read = P["index"](a, *arrays, spec=spec)
    v = sum_to(read * 0.5, read.shape) if choose.integer(2) else choose.of([h for h in pool if h.shape == ()] or [read])
    out = P[choose.of(["index_add", "index_set"])](a, v, *arrays, spec=spec)
    return out * a if choose.integer(2) else out
