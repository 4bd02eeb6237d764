"""Right-hand sides and integrands: a graph, ready to run, with what is derived from it.

What comes in: the graph of ``f(t, y, p, ...)`` (or of an event function, or of an integrand). What goes out: its values, exact
Jacobians (sparse where they are), the augmented and the adjoint right-hand side. The one idea: an integrator calls these some
thousand times, so each is a graph of its own, simplified once, kept with the graph it comes from, and compiled when that pays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.backends.tiers import Runner
from wengert.graph import ArrayType, Build, Const, Graph, Handle
from wengert.primitives.index import slice_axis
from wengert.primitives.jumps import decisions
from wengert.primitives.structure import concatenate, full, reshape, transpose
from wengert.transforms import coloring
from wengert.transforms.batch import batch
from wengert.transforms.linearize import linearize
from wengert.transforms.pattern import Pattern
from wengert.transforms.simplify import simplify
from wengert.transforms.sparsity import known_values, propagate
from wengert.transforms.strong_zeros import masked
from wengert.transforms.vjp import vjp

__all__ = ["System"]

_SPARSE_FROM = 30  # states
_SPARSE_BELOW = 0.2  # of the entries


def _runner(graph: Graph) -> Callable[..., Any]:
    """A graph that is called again and again: interpreted at first, then compiled."""
    runner = Runner(simplify(graph))

    def run(*values: Any) -> Any:
        if runner.due():
            runner.compile()
        entry = runner.entry()
        return runner(*values) if entry is None else entry(*map(np.asarray, values))  # numbers would be converted slowly
    return run


def _zeros(type: ArrayType, like: Handle) -> Any:
    return full(np.zeros((), type.dtype), type.shape, like)


class System:
    """A graph whose inputs are (t, y, p, ...)."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.value = _runner(graph)
        self._augmented: dict[int, Graph] = {}
        self._pulled: dict[int, tuple[Graph, Any]] = {}
        self._decisions: dict[Any, Any] = {}

    def _moving(self, *which: int) -> list[bool]:
        return [k in which for k in range(len(self.graph.inputs))]

    # ------------------------------------------------------------ forward

    def augmented(self, q: int) -> Graph:
        """The right-hand side of ``(y, S)``, with ``S' = f_y S + f_p V``: states and parameters are q + 1 times as many."""
        found = self._augmented.get(q)
        if found is None:
            found = self._augmented[q] = simplify(self._augment(q))
        return found

    def _augment(self, q: int) -> Graph:
        t, y, p, *rest = self.graph.inputs
        (n,), (k,) = y.type.shape, p.type.shape
        build = Build()
        inputs = [build.input(v) for v in (t.type, _wide(y.type, q), _wide(p.type, q), *[v.type for v in rest])]
        state, parameters = inputs[1], inputs[2]
        rows = [reshape(slice_axis(x, 0, m, m * (1 + q)), shape=(q, m)) for x, m in ((state, n), (parameters, k))]
        at = [inputs[0], slice_axis(state, 0, 0, n), slice_axis(parameters, 0, 0, k), *inputs[3:]]
        value, moved = self._pushed(build, at, rows, (1, 2))
        return build.graph([concatenate(value, reshape(moved, shape=(q * n,)), axis=0)])

    def _pushed(self, build: Build, at: list[Handle], rows: list[Handle], which: tuple[int, ...]) -> tuple[Handle, Handle]:
        """The value, and the tangents (q, ...) along q directions of some inputs; the value is computed once."""
        linear = linearize(self.graph, self._moving(*which))
        out, q = self.graph.outputs[0].type, rows[0].shape[0]
        (value,), env = build.inline_env(linear.primal, dict(zip(self.graph.inputs, [h.atom for h in at], strict=True)))
        if not linear.nonzero[0] or not q:
            return value, _zeros(ArrayType((q, *out.shape), out.dtype), rows[0])
        tangent = masked(linear.graph, [j < linear.count for j in range(len(linear.graph.inputs))])
        many, _ = batch(tangent, q, [True] * linear.count + [False] * len(linear.residuals))
        return value, build.inline(many, [*rows, *[env[v] for v in linear.residuals]])[0]

    # ------------------------------------------------------------ backward

    def pulled_graph(self, q: int) -> Graph:
        """``(t, y, p, Λ, ...) -> (Λ f_y, Λ f_p)`` for q rows of Λ."""
        return self._pull(q)[0]

    def pulled(self, q: int) -> Callable[..., Any]:
        return self._pull(q)[1]  # type: ignore[no-any-return]

    def _pull(self, q: int) -> tuple[Graph, Any]:
        found = self._pulled.get(q)
        if found is None:
            graph = simplify(self._adjoint(q))
            found = self._pulled[q] = graph, _runner(graph)
        return found

    def _adjoint(self, q: int) -> Graph:
        graph, takes, gives = vjp(self.graph, self._moving(1, 2))
        t, y, p, *rest = self.graph.inputs
        build = Build()
        inputs = [build.input(v.type) for v in (t, y, p)]
        rows = build.input(ArrayType((q, *y.type.shape), y.type.dtype))
        inputs += [build.input(v.type) for v in rest]
        found: Iterator[Any] = iter(())
        if takes[0]:
            many, flags = batch(graph, q, [False] * len(inputs) + [True])
            assert all(flags[1:])
            found = iter(build.inline(many, [*inputs, rows])[1:])
        wide = [next(found) if g and takes[0] else _zeros(ArrayType((q, *v.type.shape), v.type.dtype), rows)
                for v, g in zip((y, p), gives, strict=True)]
        return build.graph(wide)

    # ------------------------------------------------------------ matrices

    @functools.cached_property
    def jacobian(self) -> Callable[..., Any]:
        """f_y at (t, y, p, ...): an array, or a `scipy.sparse.csc_array` where most entries are known to be zero."""
        n = self.graph.inputs[1].type.size
        pattern = self._pattern() if n >= _SPARSE_FROM else None
        if pattern is not None and pattern.count < _SPARSE_BELOW * n * n:
            return self._sparse(pattern)
        run = _runner(self._products(n))
        directions = np.eye(n)

        def dense(*values: Any) -> Any:
            return run(*values, directions)[0].T
        return dense

    @functools.cached_property
    def parameter_jacobian(self) -> Callable[..., Any]:
        """f_p at (t, y, p, ...), by columns or by rows, whichever are fewer."""
        n, k = (v.type.size for v in self.graph.inputs[1:3])
        if k > n:
            run, rows = self.pulled(n), np.eye(n)
            return lambda t, y, p, *rest: run(t, y, p, rows, *rest)[1]
        run, columns = _runner(self._products(k, 2)), np.eye(k)
        return lambda *values: run(*values, columns)[0].T

    def _products(self, q: int, which: int = 1) -> Graph:
        """``(t, y, p, ..., V) -> (f_y V_i)_i`` for q directions (or, of p, f_p)."""
        build = Build()
        inputs = [build.input(v.type) for v in self.graph.inputs]
        moved = self.graph.inputs[which].type
        rows = build.input(ArrayType((q, *moved.shape), moved.dtype))
        return build.graph([self._pushed(build, inputs, [rows], (which,))[1]])

    def _pattern(self) -> Pattern:
        linear, n = linearize(self.graph, self._moving(1)), self.graph.inputs[1].type.size
        if not linear.nonzero[0]:
            return Pattern.empty(n, n)
        known = known_values(linear.primal, {})
        residuals = [known.get(v) for v in linear.residuals]
        _, out = propagate(linear.graph, [None, *residuals], [Pattern.identity(n), *[None] * len(residuals)], n)
        return out[0] or Pattern.empty(n, n)

    def _sparse(self, p: Pattern) -> Callable[..., Any]:
        from scipy.sparse import csc_array, csr_array
        n = p.size
        colors = coloring.best_columns(p)
        q = int(colors.max(initial=-1)) + 1
        run, places = _runner(self._products(q)), colors[p.indices] * n + p.rows()
        directions = (np.arange(q)[:, None] == colors).astype(float)
        order = csr_array((np.arange(1, p.count + 1), p.indices, p.indptr), shape=(n, n)).tocsc()
        places = places[order.data - 1]

        def sparse(*values: Any) -> Any:
            return csc_array((run(*values, directions)[0].ravel()[places], order.indices, order.indptr), shape=(n, n))
        return sparse

    # ------------------------------------------------------------ integrands

    @functools.cached_property
    def partials(self) -> Graph:
        """``(x, p, ...) -> f_p`` of an integrand, of shape ``f.shape + p.shape``."""
        x, p, *rest = self.graph.inputs
        out = self.graph.outputs[0].type
        build = Build()
        inputs = [build.input(v.type) for v in self.graph.inputs]
        (k,) = p.type.shape
        if out.size >= k:
            columns = Handle(build, Const(np.eye(k)))
            moved = self._pushed(build, inputs, [columns], (1,))[1]
            return simplify(build.graph([transpose(moved, axes=(*range(1, moved.ndim), 0))]))
        graph, takes, gives = vjp(self.graph, self._moving(1))
        if not takes[0] or not gives[0]:
            return build.graph([_zeros(ArrayType((*out.shape, k), out.dtype), inputs[0])])
        rows = np.eye(max(out.size, 1)).reshape(out.size, *out.shape)
        many, _ = batch(graph, out.size, [False] * len(inputs) + [True])
        found = build.inline(many, [*inputs, rows])[1]
        return simplify(build.graph([reshape(found, shape=(*out.shape, k))]))

    def decisions(self, *groups: tuple[int, ...]) -> Callable[..., Any] | None:
        """What the function decides by an input of each group, in one vector; None if it decides nothing."""
        if groups not in self._decisions:
            graph = decisions(self.graph, *groups)
            self._decisions[groups] = None if graph is None else _runner(graph)
        return self._decisions[groups]

    # ------------------------------------------------------------ scalars

    @functools.cached_property
    def gradients(self) -> Graph:
        """``(t, y, p, ...) -> (g, g_t, g_y, g_p)`` of a number g."""
        graph, takes, gives = vjp(self.graph, self._moving(0, 1, 2))
        build = Build()
        inputs = [build.input(v.type) for v in self.graph.inputs]
        ones = [full(np.ones((), np.float64), (), inputs[0])] if takes[0] else []
        out = build.inline(graph, [*inputs, *ones])
        found = iter(out[1:])
        parts = [next(found) if g else _zeros(v.type, inputs[0]) for v, g in zip(self.graph.inputs[:3], gives, strict=True)]
        return build.graph([out[0], *parts])


def _wide(type: ArrayType, q: int) -> ArrayType:
    return ArrayType((type.size * (1 + q),), type.dtype)
