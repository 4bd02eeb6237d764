"""Random graphs of arrays of all lengths and dtypes, for the compiler.

What comes in: a generator of random numbers. What goes out: a graph and values for its inputs. The one idea: two or three
lengths per graph, drawn from those at which vector loops change (0, 1, 3, 7, 8, 9, 16, 17, 64, 100) and from their neighbors,
so that most values fit together; the outputs are some of all values, some of them twice, so that what is shared is seen.
"""

from __future__ import annotations

import numpy as np

from wengert.graph import REGISTRY as P
from wengert.graph import Build, Const, Handle, type_of

__all__ = ["DTYPES", "wide_graph"]

LENGTHS = [0, 1, 1, 2, 3, 3, 5, 7, 8, 9, 16, 17, 31, 64, 65, 100]
DTYPES = [np.float64, np.float32, np.complex128, np.int64, np.float64, np.bool_, np.int32, np.complex64, np.uint8]
MOST = 6000
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0]


def values_of(rng, shape, dtype, special=False):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.kind in "iu":
        return np.asarray(rng.integers(0 if dtype.kind == "u" else -9, 10, shape)).astype(dtype)
    x = rng.uniform(-1.5, 1.5, shape)
    if special and x.size:
        x = np.where(rng.random(shape) < 0.1, rng.choice(SPECIAL, shape), x)
    x = np.asarray(x)
    return np.asarray(x + 1j * rng.uniform(-1.5, 1.5, shape) if dtype.kind == "c" else x).astype(dtype)


class Wide:
    """One graph in the making."""

    def __init__(self, rng, dtype, special):
        self.rng, self.dtype, self.special = rng, np.dtype(dtype), special
        n, m = (int(k) for k in rng.choice(LENGTHS, 2))
        self.lengths = [n, n, m, max(n + int(rng.integers(-2, 4)), 0), int(rng.choice([1, 2, 3, 4]))]
        self.build, self.values, self.pool, self.places = Build(), [], [], []

    def of(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p):
        return self.rng.random() < p

    def shape(self):
        rank = int(self.rng.choice([0, 1, 1, 2, 2, 2, 3]))
        shape = tuple([int(self.of(self.lengths)) for _ in range(rank)])
        return shape if np.prod(shape) <= MOST else shape[:1]

    def input(self, shape=None, dtype=None):
        value = values_of(self.rng, self.shape() if shape is None else shape, dtype or self.dtype, self.special)
        self.values.append(value)
        h = self.build.input(type_of(value))
        self.pool.append(h)
        return h

    def const(self, shape, dtype):
        return Handle(self.build, Const(values_of(self.rng, shape, dtype)))

    def any(self, kinds="fciub", same=None):
        """A value of these kinds (of the dtype of `same`)."""
        found = [h for h in self.pool if h.dtype.kind in kinds and (same is None or h.dtype == same.dtype)]
        return self.of(found[-8:]) if found else self.input(dtype=np.dtype(np.float64) if same is None else same.dtype)

    def fitting(self, a):
        """A value of the dtype of `a` that broadcasts with it."""
        for _ in range(6):
            b = self.any(same=a)
            try:
                if np.prod(np.broadcast_shapes(a.shape, b.shape)) <= MOST:
                    return b
            except ValueError:
                continue
        shape = tuple([n if self.chance(0.8) else 1 for n in a.shape])
        return self.const(shape, a.dtype) if self.chance(0.5) else self.input(shape, a.dtype)

    # ------------------------------------------------------------ steps

    def unary(self):
        a = self.any()
        kind = a.dtype.kind
        if kind == "f":
            name = self.of(["sin", "cos", "tanh", "negative", "absolute", "square", "floor", "sign", "exp", "sqrt", "isnan"])
            return P["exp"](P["tanh"](a)) if name == "exp" else P["sqrt"](P["absolute"](a)) if name == "sqrt" else P[name](a)
        if kind == "c":
            return P[self.of(["sin", "conjugate", "negative", "real", "imag", "absolute", "square"])](a)
        if kind == "b":
            return P["logical_not"](a)
        return P[self.of(["absolute", "square"])](a) if kind == "i" else P["bitwise_and"](a, self.const((), a.dtype))

    def binary(self):
        a = self.any()
        b = self.fitting(a)
        if self.chance(0.5):
            a, b = b, a
        names = {"f": ["add", "subtract", "multiply", "maximum", "minimum", "less", "equal", "divide"],
                 "b": ["logical_and", "logical_or", "not_equal"], "c": ["add", "subtract", "multiply", "equal"]}
        name = self.of(names.get(a.dtype.kind, ["add", "subtract", "multiply", "maximum", "less", "greater_equal"]))
        if name != "divide":
            return P[name](a, b)
        return P["divide"](a, P["square"](b) + (self.const((), b.dtype) if self.special else Const(np.asarray(1.5, b.dtype))))

    def select(self):
        a = self.any("fciu")
        found = [h for h in self.pool if h.dtype.kind == "b"]
        p = self.of(found) if found else P["equal"](a, self.fitting(a))
        try:
            shape = np.broadcast_shapes(p.shape, a.shape)
        except ValueError:
            p, shape = a > self.const((), a.dtype) if a.dtype.kind in "fiu" else P["equal"](a, a), a.shape
        if np.prod(shape) > MOST:
            return None
        p, a = (P["broadcast"](h, shape=shape) if h.shape != shape else h for h in (p, a))
        return P["select"](p, a, P["multiply"](a, a))

    def reduction(self):
        a = self.any()
        axes = tuple([k for k in range(a.ndim) if self.chance(0.5)])
        if a.dtype.kind == "b":
            return P[self.of(["reduce_any", "reduce_all"])](a, axes=axes)
        names = ["reduce_sum", "reduce_sum", "reduce_sum"]
        if 0 not in a.shape and a.dtype.kind != "c":
            names += ["reduce_max", "reduce_min"]
        name = self.of(names)
        if self.chance(0.15) and a.dtype.kind in "fc":
            return P["reduce_prod"](P["multiply"](a, Const(np.asarray(0.9, a.dtype))), axes=axes)
        return P[name](a, axes=axes)

    def running(self):
        a = self.any("fi")
        if not a.ndim or 0 in a.shape:
            return None
        axis = int(self.rng.integers(a.ndim))
        name = self.of(["cumsum", "cumsum", "sort", "cummax", "argsort", "argmax"])
        if name == "argsort":
            self.places.append((P["argsort"](a, axis=axis, kind="stable"), a.shape[axis]))
            return self.places[-1][0]
        return P["cumsum"](a, axis=axis, reverse=self.chance(0.5)) if name == "cumsum" else \
            P[name](a, axis=axis, kind="stable") if name == "sort" else \
            P[name](a, axis=axis)

    def structure(self):
        a = self.any()
        kind = int(self.rng.integers(8))
        if kind == 0:
            return P["reshape"](a, shape=self.reshaped(a.shape))
        if kind == 1:
            return P["transpose"](a, axes=tuple(int(k) for k in self.rng.permutation(a.ndim)))
        if kind == 2:
            shape = (self.of([2, 3, 9]), *a.shape)
            return P["broadcast"](a, shape=shape) if np.prod(shape) <= MOST else None
        if kind == 3:
            return P["flip"](a, axes=tuple([k for k in range(a.ndim) if self.chance(0.5)]))
        if kind <= 5 and a.ndim:
            axis = int(self.rng.integers(a.ndim))
            pieces = [a]
            for _ in range(int(self.rng.integers(1, 6))):
                found = [h for h in self.pool if h.dtype == a.dtype and h.ndim == a.ndim and
                         h.shape[:axis] + h.shape[axis + 1:] == a.shape[:axis] + a.shape[axis + 1:]]
                pieces.append(self.of(found) if found else a)
            return P["concatenate"](*pieces, axis=axis) if sum(p.type.size for p in pieces) <= MOST else None
        if kind == 6 and a.dtype.kind in "fiu" and a.dtype.kind != "b":
            to = self.of([np.float64, np.float32, np.complex128] + ([np.int64] if a.dtype.kind != "f" else []))
            return P["convert"](a, dtype=np.dtype(to))
        return P["pad"](a, widths=tuple([(int(self.rng.integers(4)), int(self.of([0, 1, 3, 10]))) for _ in a.shape]))

    def reshaped(self, shape):
        """Some axes merged, some split, some of length 1 more."""
        out = list(shape)
        if len(out) >= 2 and self.chance(0.6):
            k = int(self.rng.integers(len(out) - 1))
            out[k:k + 2] = [out[k] * out[k + 1]]
        if out and self.chance(0.6):
            k = int(self.rng.integers(len(out)))
            parts = [d for d in (2, 3, 4, 5, 8) if out[k] and out[k] % d == 0]
            if parts:
                d = self.of(parts)
                out[k:k + 1] = self.of([[d, out[k] // d], [out[k] // d, d]])
        if self.chance(0.3):
            out.insert(int(self.rng.integers(len(out) + 1)), 1)
        return tuple(out)

    def spec(self, shape):
        """An index, and its index arrays."""
        spec, arrays, wide = [], [], None
        for n in shape:
            kind = int(self.rng.integers(8))
            if kind == 0 and n:
                spec.append(("i", int(self.rng.integers(-n, n))))
            elif kind == 1 and n and len(arrays) < 2:
                wide = wide or self.of([(), (4,), (n,), (2, 3)])
                at = self.rng.integers(-n, n, wide)
                spec.append(("a",))
                arrays.append(self.index_array(np.asarray(at)))
            elif kind == 2 and self.chance(0.3):
                spec += [("n",), ("s", None, None, None)]
            else:
                limits = [None, None, 1, 2, -1, -2, max(n // 2, 1)]
                spec.append(("s", self.of(limits), self.of(limits), self.of([None, None, 1, 2, -1, 3, -2])))
        if self.chance(0.2) and spec and spec[-1] == ("s", None, None, None):
            spec.pop()
        return tuple(spec), arrays

    def index_array(self, at):
        at = at.astype(self.of([np.int64, np.int64, np.int32]))
        if self.chance(0.5):
            return Handle(self.build, Const(at))
        self.values.append(at)
        return self.build.input(type_of(at))

    def indexed(self):
        a = self.any()
        if self.places and self.chance(0.5):  # at places that are computed
            at, n = self.of(self.places)
            return P["index"](self.const((n, 3), a.dtype) if self.chance(0.5) else self.input((n,)), at, spec=(("a",),))
        spec, arrays = self.spec(a.shape)
        return P["index"](a, *arrays, spec=spec)

    def written(self):
        a = self.any()
        spec, arrays = self.spec(a.shape)
        if any(s == ("n",) for s in spec):
            return None
        read = P["index"](a, *arrays, spec=spec)
        if read.type.size > MOST:
            return None
        kind, v = int(self.rng.integers(4)), read
        if kind == 0:
            v = self.const(tuple([n if self.chance(0.7) else 1 for n in read.shape]), a.dtype)
        elif kind == 1:
            v = self.const((), a.dtype)
        elif kind == 2 and read.ndim:
            v = P["flip"](read, axes=(0,))
        return P[self.of(["index_add", "index_set"])](a, v, *arrays, spec=spec)

    def contracted(self):
        a = self.any("fc")
        if not 1 <= a.ndim <= 3 or (self.special and a.dtype.kind == "c"):  # BLAS multiplies by 1 + 0i, which makes NaN of inf
            return None
        left = "abc"[:a.ndim]
        shared = self.of(left)
        n = a.shape[left.index(shared)]
        found = [h for h in self.pool if h.dtype == a.dtype and n in h.shape and h.ndim <= 3]
        b = self.of(found) if found else self.input((n,), a.dtype)
        right = list("xyz"[:b.ndim])
        right[self.of([k for k, m in enumerate(b.shape) if m == n])] = shared
        keep = self.chance(0.25)
        out = [k for k in [*left, *right] if k != shared] + ([shared] if keep else [])
        sizes = dict(zip([*left, *right], [*a.shape, *b.shape]))
        if np.prod([sizes[k] for k in out]) > MOST:
            return None
        if self.chance(0.5):
            out = [out[k] for k in self.rng.permutation(len(out))]
        return P["contract"](a, b, spec=f"{left},{''.join(right)}->{''.join(out)}")

    def graph(self, steps):
        for _ in range(int(self.rng.integers(1, 4))):
            self.input()
        if self.chance(0.3):
            self.input(dtype=self.of(DTYPES))
        menu = [self.unary, self.binary, self.binary, self.binary, self.select, self.reduction, self.running, self.running,
                self.structure, self.structure, self.structure, self.indexed, self.indexed, self.written, self.written,
                self.contracted]
        for _ in range(steps):
            made = self.of(menu)()
            if made is not None and made.type.size <= MOST and made.ndim <= 5:
                self.pool.append(made)
        count = int(self.rng.integers(1, 6))
        outputs = [self.pool[-1]] + [self.of(self.pool[-6:]) for _ in range(count)]
        return self.build.graph(outputs), self.values


def wide_graph(seed, steps=None, dtype=None, special=None):
    """The graph with this seed, and values for its inputs."""
    rng = np.random.default_rng(seed)
    dtype = DTYPES[int(rng.integers(len(DTYPES)))] if dtype is None else dtype
    special = bool(rng.random() < 0.3) if special is None else special
    return Wide(rng, dtype, special).graph(int(rng.integers(4, 18)) if steps is None else steps)
