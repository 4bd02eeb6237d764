"""The cases of the law tests: every primitive's own samples, with their graphs built once.

What comes in: the registry. What goes out: a `Case` for each (primitive, sample), with its graph and derived
graphs, and numeric derivatives with an estimate of their error. The one idea: nothing here knows any rule; all
that is compared comes from `evaluate`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import pkgutil
import warnings
import zlib

import numpy as np
import pytest

import wengert.api
import wengert.primitives
from wengert.errors import MissingRuleError
from wengert.graph import REGISTRY, Build, Graph, Missing, Var, type_of
from wengert.graph.check import check
from wengert.transforms.jvp import jvp
from wengert.transforms.linearize import linearize
from wengert.transforms.vjp import vjp

for _module in pkgutil.walk_packages(wengert.primitives.__path__, "wengert.primitives."):
    importlib.import_module(_module.name)

EPS = float(np.finfo(np.float64).eps)


def rng_of(name, salt=0):
    """A generator that depends on the name only, so that new primitives do not disturb the old ones."""
    return np.random.default_rng([zlib.crc32(name.encode()), salt])


@functools.cache
def samples(name, salt=0):
    p = REGISTRY[name]
    return [(tuple(np.asarray(o) for o in ops), params) for ops, params in p.sample(rng_of(name, salt))]


def all_cases():
    """(primitive, number of the sample); -1 where there is none or it raises."""
    out = []
    for name in sorted(REGISTRY):
        try:
            out.extend((name, k) for k in range(len(samples(name))) or [-1])
        except Exception:
            out.append((name, -1))
    return out


def each_case(test, wanted=lambda primitive: True):
    """A test of (name, k) as one of name, over all its samples: a test item costs more than most cases do."""
    counts = {name: k + 1 for name, k in all_cases() if wanted(REGISTRY[name])}

    def over_samples(name):
        skipped = []
        for k in range(counts[name]):
            try:
                test(name, k)
            except pytest.skip.Exception as reason:
                skipped.append(reason)
            except BaseException as error:
                error.add_note(f"sample {k} of {name}")
                raise
        if len(skipped) == counts[name]:
            raise skipped[0]
    over_samples.__doc__ = test.__doc__
    return pytest.mark.parametrize("name", [n for n, k in counts.items() if k > 0])(over_samples)


def direction(rng, value):
    """A random tangent (or cotangent) for a value."""
    value = np.asarray(value)
    v = rng.normal(size=value.shape)
    if value.dtype.kind == "c":
        v = v + 1j * rng.normal(size=value.shape)
    return np.asarray(v).astype(value.dtype)


def build(primitive, operands, params):
    b = Build()
    handles = [b.input(type_of(o)) for o in operands]
    out = primitive(*(primitive.follows(*handles, **params) if primitive.follows else handles), **params)
    return b.graph(out if primitive.multiple else (out,))


def plain(graph, values):
    """The values of the outputs, straight from `evaluate`: no slots, no ownership."""
    env = environment(graph, values)
    return tuple(env[a] if isinstance(a, Var) else a.value[()] for a in graph.outputs)


def environment(graph, values):
    env = dict(zip(graph.inputs, values, strict=True))
    for e in graph.equations:
        operands = [env[a] if isinstance(a, Var) else a.value[()] for a in e.operands]
        out = e.primitive.evaluate(*operands, **e.params)
        env.update(zip(e.results, out if e.primitive.multiple else (out,), strict=True))
    return env


class Case:
    """One sample of one primitive."""

    def __init__(self, primitive, operands, params):
        self.primitive, self.operands, self.params = primitive, operands, params
        self.graph = build(primitive, operands, params)
        self.outputs = self.graph.outputs

    @functools.cached_property
    def active(self):
        """Operands with a derivative: inexact, and not declared as without a known one."""
        p = self.primitive
        out = []
        for i, o in enumerate(self.operands):
            known = o.dtype.kind in "fc"
            if p.partials is not None and i not in p.linear and isinstance(p.partials[i], Missing):
                known = False
            if p.linear == "jointly" and not p.is_linear_in(i, self.params):
                known = False
            out.append(known)
        return tuple(out)

    @property
    def differentiable(self):
        return self.primitive.differentiable and self.primitive.pure and any(self.active)

    @functools.cached_property
    def jvp(self):
        graph, nonzero = jvp(self.graph, self.active)
        return check(graph), nonzero

    @functools.cached_property
    def vjp(self):
        graph, takes, gives = vjp(self.graph, self.active)
        return check(graph), takes, gives

    @functools.cached_property
    def tangents(self):
        rng = rng_of(self.primitive.name, 1)
        return [direction(rng, o) for o, a in zip(self.operands, self.active) if a]

    @functools.cached_property
    def cotangents(self):
        rng = rng_of(self.primitive.name, 2)
        return [direction(rng, np.empty(a.type.shape, a.type.dtype)) for a, t in zip(self.outputs, self.vjp[1]) if t]

    @functools.cached_property
    def second(self):
        """The vjp graph as a function again: its active inputs and its values, and its own jvp, or the reason why not."""
        graph, takes, gives = self.vjp
        values = [*self.operands, *self.cotangents]
        active = (*self.active, *([True] * len(self.cotangents)))
        graph = Graph(graph.inputs, graph.equations, graph.outputs[len(self.outputs):])
        try:
            derived, nonzero = jvp(graph, active)
        except MissingRuleError as error:
            return graph, values, active, None, str(error)
        return graph, values, active, check(derived), nonzero

    def graphs(self):
        """The graph and its derivatives, with values for their inputs."""
        yield self.graph, list(self.operands)
        if self.differentiable:
            yield self.jvp[0], [*self.operands, *self.tangents]
            yield self.vjp[0], [*self.operands, *self.cotangents]


@functools.cache
def case_of(name, k):
    operands, params = samples(name)[k]
    return Case(REGISTRY[name], operands, params)


def single(operands):
    """Operands in single precision."""
    to = {np.dtype(np.float64): np.float32, np.dtype(np.complex128): np.complex64}
    return tuple(np.asarray(o.astype(to.get(o.dtype, o.dtype))) for o in operands)


def names_a_type(params):
    """Whether a parameter fixes a dtype or holds a graph or Python object, so that operands cannot change theirs."""
    stack = list(params.values())
    while stack:
        v = stack.pop()
        if isinstance(v, tuple):
            stack.extend(v)
        elif not (v is None or isinstance(v, (bool, int, float, str))):
            return True
    return False


# ---------------------------------------------------------------- numeric derivatives

_NODES = np.array([1.0, 2.0, 3.0])
_WEIGHTS = np.array([45.0, -9.0, 1.0]) / 60.0  # central differences of order 6 (Fornberg, Math. Comp. 51, 1988)
_STEPS = tuple(2.0 ** -k for k in range(3, 19))


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def inexact_outputs(values):
    return [np.asarray(v) for v in values if np.asarray(v).dtype.kind in "fc"]


def precision(*groups):
    """The unit of the coarsest dtype among these values."""
    kinds = [np.asarray(v).dtype for group in groups for v in group]
    return max([EPS] + [float(np.finfo(k).eps) for k in kinds if k.kind in "fc"])


def directional(f, operands, active, tangents):
    """Numeric directional derivatives of all inexact outputs, and estimates of their errors, element by element.

    Central differences of order 6 at many steps; for each element the step is taken at which three successive
    estimates agree best. Points outside the domain give NaN and so do not count.
    """
    def at(t):
        moved = iter(tangents)
        x = [(o + np.asarray(t, o.dtype) * next(moved)).astype(o.dtype) if a else o for o, a in zip(operands, active)]
        try:
            return [np.asarray(v, np.result_type(v, np.float64)) for v in inexact_outputs(f(*x))]
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
            return None
    with quiet():
        middle = inexact_outputs(f(*operands))
        eps = precision(operands, middle)
        steps = [h for h in _STEPS if h > 8 * eps ** 0.5]
        rows = []
        for h in steps:
            total = [np.zeros(m.shape, np.result_type(m, np.float64)) for m in middle]
            for node, weight in zip(_NODES, _WEIGHTS):
                hi, lo = at(node * h), at(-node * h)
                if hi is None or lo is None:
                    total = [np.full_like(t, np.nan) for t in total]
                    break
                total = [t + weight * (a - b) / h for t, a, b in zip(total, hi, lo)]
            rows.append(total)
        return [_best(np.array([r[k] for r in rows]), np.array(steps), middle[k], eps) for k in range(len(middle))]


def _best(table, steps, middle, eps):
    """The estimate of least error in a table of (step, element)."""
    moves = np.abs(np.diff(table, axis=0))
    shape = (-1,) + (1,) * middle.ndim
    rounding = eps * np.abs(middle) / steps[2:].reshape(shape)
    error = np.maximum(moves[1:], moves[:-1]) + rounding
    error = np.where(np.isnan(error), np.inf, error)
    best = np.argmin(error, axis=0)[None]
    return np.take_along_axis(table[2:], best, 0)[0], np.take_along_axis(error, best, 0)[0]


def norm(values):
    """The largest modulus among several arrays."""
    return max([float(np.max(np.abs(v))) for v in values if np.size(v)], default=0.0)


def real_dot(a, b):
    """``Re <a, b>`` over lists of arrays, and the sum of the moduli of its terms."""
    total = size = 0.0
    for x, y in zip(a, b, strict=True):
        terms = np.asarray(np.real(np.conj(x) * y), np.float64)
        total += float(np.sum(terms))
        size += float(np.sum(np.abs(x) * np.abs(y)))
    return total, size


def linearized(graph, active, needed):
    """Tangents of the outputs marked in `needed`, as a function of values and tangents."""
    linear = linearize(graph, active, needed)

    def run(operands, tangents):
        env = environment(linear.primal, operands)
        return plain(linear.graph, [*tangents, *[env[v] for v in linear.residuals]])
    return run, linear.nonzero


