"""Functions with a derivative of the user's own.

What comes in: a function, and a rule for its derivative written in NumPy. What goes out: a function that every
transform of wengert differentiates by that rule. The one idea: at each call both are traced at the present values
(Python's control flow in a rule just works), and the graph of the rule stands in the program in place of the
derivative.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError, MissingRuleError, kind_of
from wengert.flatten import Spec, flatten
from wengert.frontends.reach import call
from wengert.frontends.trace import Trace, active_trace, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType, Atom, Const, Graph, Var, type_of
from wengert.primitives import custom as primitives
from wengert.run import reached, run_traced
from wengert.transforms.linearize import Linear
from wengert.transforms.transpose import transpose

__all__ = ["custom_jvp", "custom_vjp", "opaque"]


class _Staged:
    """A function traced at given leaves: its graph, with lifted constants as further inputs."""

    def __init__(self, name: str, f: Callable[..., Any], spec_args: Callable[[list[Any]], tuple[Any, ...]],
                 types: Sequence[ArrayType], values: Sequence[Any]):
        self.trace = Trace(name)
        self.inputs = [self.trace.argument(k, t, v) for k, (t, v) in enumerate(zip(types, values, strict=True))]
        tracers = [Tracer(self.trace, v, kind="argument") for v in self.inputs]
        out = run_traced(self.trace, lambda: reached(f)(*spec_args(list(tracers))))
        if self.trace.captured:
            raise InputError(f"{name}: the function, or its rule, uses a traced value from outside; pass it as an argument")
        self.leaves, self.spec = flatten(out)

    def atoms(self, leaves: Sequence[Any], types: Sequence[ArrayType] | None = None, what: str = "") -> list[Atom]:
        """Atoms of output leaves, checked against the types they must have."""
        out: list[Atom] = []
        for k, x in enumerate(leaves):
            if isinstance(x, Tracer) and x.build is self.trace:
                atom: Atom = x.current()
            elif isinstance(x, Tracer) and x.build is not None:
                raise InputError(f"{self.trace.name}: the function, or its rule, returns a traced value from outside; pass it "
                                 f"as an argument")
            else:
                atom = Const(x.cell if isinstance(x, Tracer) else x)
            if types is not None:
                atom = _fit(atom, types[k], what)
            out.append(atom)
        return out

    def graph(self, outputs: Sequence[Atom]) -> Graph:
        """One object for equal graphs, so that programs with it are found again."""
        key = ("custom", tuple(self.inputs), tuple(self.trace.lifted), tuple(outputs))
        derived = self.trace.build.derived
        found = derived.get(key)
        if found is None:
            found = derived[key] = self.trace.build.extract([*self.inputs, *self.trace.lifted], outputs)
        return found  # type: ignore[no-any-return]

    def lifted(self) -> list[Any]:
        return [self.trace.values[v] for v in self.trace.lifted]


def _fit(atom: Atom, wanted: ArrayType, what: str) -> Atom:
    if atom.type is wanted:
        return atom
    if isinstance(atom, Const) and np.broadcast_shapes(atom.type.shape, wanted.shape) == wanted.shape:
        return Const(np.broadcast_to(atom.value, wanted.shape).astype(wanted.dtype))
    raise InputError(f"{what} has type {atom.type}, it has to be {wanted} (at {user_line()})")


class _Later:
    """A rule staged when it is first asked for; known by its identity."""

    def __init__(self, stage: Callable[[], Graph]):
        self.stage = stage
        self.graph: Graph | None = None

    def staged(self) -> Graph:
        if self.graph is None:
            self.graph = self.stage()
        return self.graph


class _Custom:
    """What `custom_jvp` and `custom_vjp` share: arguments in, static ones kept apart."""

    kind = ""

    def __init__(self, f: Callable[..., Any], nondiff_argnums: Sequence[int] = ()):
        if not callable(f):
            raise InputError(f"{self.kind}: the first argument is a function, not {kind_of(f)}")
        self.f = f
        self.running: frozenset[int] = frozenset()  # threads in which a rule is being staged
        self.static = tuple(nondiff_argnums)
        functools.update_wrapper(self, f, updated=())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            import inspect
            bound = inspect.signature(self.f).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        active = [k for k in range(len(args)) if k not in self.static]
        leaves, spec = flatten(tuple(args[k] for k in active))
        if not any(isinstance(x, Tracer) and x.build is not None for x in leaves):
            return call(self.f, *args)
        return self._traced(list(args), active, [x.frozen() if isinstance(x, Tracer) else x for x in leaves], spec)

    def _within(self, staging: Callable[[], _Staged]) -> _Staged:
        """Stage a rule; calls of this very function that it makes are then recognized."""
        me = threading.get_ident()
        if me in self.running:
            return staging()
        self.running |= {me}
        try:
            return staging()
        finally:
            self.running -= {me}

    def _traced(self, args: list[Any], active: list[int], leaves: list[Any], spec: Spec) -> Any:
        raise NotImplementedError

    def _check_leaves(self, leaves: list[Any]) -> tuple[list[ArrayType], list[Any]]:
        types = [x.type if isinstance(x, Tracer) else type_of(x) for x in leaves]
        values = [x.value if isinstance(x, Tracer) else np.array(x)[()] for x in leaves]
        return types, values


class custom_jvp(_Custom):
    """A function with its own forward rule; reverse mode and all orders follow from it.

    Parameters
    ----------
    f : callable
        A function of arrays, or trees of them.
    nondiff_argnums : tuple of int
        Arguments that are not differentiated; they are passed to the rule first.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> @wg.custom_jvp
    ... def log1pexp(x):
    ...     return np.log1p(np.exp(x))
    >>> @log1pexp.defjvp
    ... def _(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t * (1.0 - 1.0 / (1.0 + np.exp(x)))
    >>> wg.grad(log1pexp)(0.0)
    np.float64(0.5)
    """

    kind = "custom_jvp"
    rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule: ``rule(primals, tangents) -> (value, tangent)``, linear in the tangents."""
        self.rule = rule
        return rule

    def _traced(self, args: list[Any], active: list[int], leaves: list[Any], spec: Spec) -> Any:
        if self.rule is None:
            raise MissingRuleError(f"{getattr(self.f, '__name__', 'f')} has no rule yet: use its defjvp (at {user_line()})")
        types, values = self._check_leaves(leaves)
        rule, static = self.rule, [args[k] for k in self.static]

        def body_args(xs: list[Any]) -> tuple[Any, ...]:
            full = list(args)
            for k, a in zip(active, spec.unflatten(xs), strict=True):
                full[k] = a
            return tuple(full)
        body = _Staged(self.kind, self.f, body_args, types, values)
        outputs = body.atoms(body.leaves)
        n = len(types)

        def rule_args(xs: list[Any]) -> tuple[Any, ...]:
            return (*static, spec.unflatten(xs[:n]), spec.unflatten(xs[n:]))
        def stage(known: list[Any]) -> _Staged:
            return self._within(lambda: _Staged(self.kind, rule, rule_args, [*types, *types], [*known, *[None] * n]))
        if threading.get_ident() in self.running:  # the rule calls its own function: staged when its derivative is asked for
            later = _Later(lambda: self._closed(stage([None] * n), outputs, len(body.trace.lifted)))
            graph = body.graph(outputs)
            out = primitives.custom_jvp(*leaves, *body.lifted(), body=graph, tangent=later, count=n)
            return body.spec.unflatten(list(out))
        staged = stage(values)
        return _emit_jvp(body, staged, outputs, self._tangent(staged, outputs), leaves, n)

    def _closed(self, staged: _Staged, outputs: list[Atom], spare: int) -> Graph:
        """The graph of a rule with its constants in place, and unused inputs for those of the body."""
        from wengert.graph import Build
        tangents = self._tangent(staged, outputs)
        graph = staged.graph(tangents)
        n = len(graph.inputs) - len(staged.trace.lifted)
        build = Build()
        env: dict[Any, Any] = {v: build.input(v.type).atom for v in graph.inputs[:n // 2]}
        for _ in range(spare):
            build.input(ArrayType((), np.float64))
        env.update({v: build.input(v.type).atom for v in graph.inputs[n // 2:n]})
        env.update({v: Const(staged.trace.values[v]) for v in staged.trace.lifted})
        return build.graph(build.inline_env(graph, env)[0])

    def _tangent(self, staged: _Staged, outputs: list[Atom]) -> list[Atom]:
        if len(staged.leaves) != 2 * len(outputs):
            raise InputError(f"custom_jvp: the rule has to return (value, tangent), each like the value of the function; it "
                             f"returned {len(staged.leaves)} arrays for {len(outputs)}")
        return staged.atoms(staged.leaves[len(outputs):], [o.type for o in outputs], "custom_jvp: the tangent")


def _emit_jvp(body: _Staged, staged: _Staged, outputs: list[Atom], tangents: list[Atom], leaves: list[Any], n: int) -> Any:
    """The equation: operands are the arguments, the constants of the body and those of the rule."""
    a, b = body.graph(outputs), staged.graph(tangents)
    types_a, types_b = [v.type for v in a.inputs[n:]], [v.type for v in b.inputs[2 * n:]]
    key = ("custom_jvp", a, b)
    derived = body.trace.build.derived
    found = derived.get(key)
    if found is None:
        spare_a, spare_b = [Var(t) for t in types_a], [Var(t) for t in types_b]
        whole = Graph((*a.inputs, *spare_b), a.equations, a.outputs, a.lines)
        tangent = Graph((*b.inputs[:n], *spare_a, *b.inputs[2 * n:], *b.inputs[n:2 * n]), b.equations, b.outputs, b.lines)
        found = derived[key] = (whole, tangent)
    whole, tangent = found
    results = primitives.custom_jvp(*leaves, *body.lifted(), *staged.lifted(), body=whole, tangent=tangent, count=n)
    return body.spec.unflatten(list(results))


class custom_vjp(_Custom):
    """A function with its own backward rule.

    Parameters
    ----------
    f : callable
    nondiff_argnums : tuple of int
        Arguments that are not differentiated; they are passed to the backward function first.

    Examples
    --------
    Clip a gradient on its way back:

    >>> import numpy as np
    >>> import wengert as wg
    >>> @wg.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    >>> wg.grad(lambda x: 10.0 * clipped(x))(2.0)
    np.float64(1.0)
    """

    kind = "custom_vjp"
    forward: Callable[..., Any] | None = None
    backward: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the rule: ``fwd(*args) -> (value, residuals)`` and ``bwd(residuals, cotangent) -> cotangents``."""
        self.forward, self.backward = fwd, bwd

    def _traced(self, args: list[Any], active: list[int], leaves: list[Any], spec: Spec) -> Any:
        if self.forward is None or self.backward is None:
            raise MissingRuleError(f"{getattr(self.f, '__name__', 'f')} has no rule yet: use its defvjp (at {user_line()})")
        if threading.get_ident() in self.running:  # fwd calls the function itself: that call is the plain function
            return call(self.f, *args)
        types, values = self._check_leaves(leaves)
        backward, static = self.backward, [args[k] for k in self.static]

        def body_args(xs: list[Any]) -> tuple[Any, ...]:
            full = list(args)
            for k, a in zip(active, spec.unflatten(xs), strict=True):
                full[k] = a
            return tuple(full)
        forward = _pair(self.forward)
        body = self._within(lambda: _Staged(self.kind, forward, body_args, types, values))
        out, residual_tree = body.spec.unflatten(body.leaves)
        out_leaves, out_spec = flatten(out)
        residuals, residual_spec = flatten(residual_tree)
        kept = [k for k, r in enumerate(residuals) if isinstance(r, (Tracer, np.ndarray, np.generic, float, complex))]
        outputs = body.atoms([*out_leaves, *[residuals[k] for k in kept]])
        out_types = [o.type for o in outputs[:len(out_leaves)]]
        res_types = [o.type for o in outputs[len(out_leaves):]]
        known = [o.value if isinstance(o, Const) else body.trace.values.get(o) for o in outputs[len(out_leaves):]]

        def backward_args(xs: list[Any]) -> tuple[Any, ...]:
            full = list(residuals)
            for k, x in zip(kept, xs, strict=False):
                full[k] = x
            return (*static, residual_spec.unflatten(full), out_spec.unflatten(xs[len(kept):]))
        staged = self._within(lambda: _Staged(self.kind, backward, backward_args, [*res_types, *out_types],
                                              [*known, *[None] * len(out_types)]))
        given = _cotangents(staged, types, spec)
        results = _emit_vjp(body, staged, outputs, given, leaves, len(out_types))
        return out_spec.unflatten(list(results[:len(out_types)]))


def _pair(forward: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*args: Any) -> Any:
        out = call(forward, *args)
        if not isinstance(out, tuple) or len(out) != 2:
            raise InputError("custom_vjp: fwd has to return a pair (value, residuals)")
        return out
    return checked


def _cotangents(staged: _Staged, types: list[ArrayType], spec: Spec) -> list[Atom]:
    """What bwd returned: one cotangent for each argument, None for zero."""
    leaves = staged.leaves
    if len(leaves) != len(types):
        raise InputError(f"custom_vjp: bwd has to return a tuple with one cotangent for each argument ({spec!r}); it "
                         f"returned {staged.spec!r}")
    filled = [np.zeros(t.shape, t.dtype) if x is None else x for x, t in zip(leaves, types, strict=True)]
    return staged.atoms(filled, types, "custom_vjp: the cotangent that bwd returned")


def _emit_vjp(body: _Staged, staged: _Staged, outputs: list[Atom], cotangents: list[Atom], leaves: list[Any],
              n_out: int) -> Any:
    """The equation; constants of the backward function travel as residuals."""
    n = len(leaves)
    a, b = body.graph(outputs), staged.graph(cotangents)
    n_res = len(outputs) - n_out
    key = ("custom_vjp", a, b, n, n_out)
    derived = body.trace.build.derived
    found = derived.get(key)
    if found is None:
        spare = [Var(v.type) for v in b.inputs[n_res + n_out:]]
        whole = Graph((*a.inputs, *spare), a.equations, (*a.outputs, *spare), a.lines)
        backward = Graph((*b.inputs[:n_res], *b.inputs[n_res + n_out:], *b.inputs[n_res:n_res + n_out]), b.equations,
                         b.outputs, b.lines)
        found = derived[key] = (whole, backward, _forward_of(backward, n_out, n))
    whole, backward, tangent = found
    return primitives.custom_vjp(*leaves, *body.lifted(), *staged.lifted(), body=whole, backward=backward, tangent=tangent,
                                 count=n, outputs=n_out)


def _forward_of(backward: Graph, n_out: int, n_in: int) -> Graph | None:
    """The transpose of the backward graph, if it is linear: what forward mode needs."""
    residuals, cotangents = backward.inputs[:-n_out], backward.inputs[-n_out:]
    whole = Graph((*cotangents, *residuals), backward.equations, backward.outputs)
    linear = Linear(whole, n_out, residuals, (True,) * n_in, whole)
    try:
        adjoint = transpose(linear)
    except Exception as error:
        from wengert.errors import GraphError
        if isinstance(error, GraphError):
            return None
        raise
    if not all(adjoint.nonzero):
        return None
    return adjoint.graph


# ---------------------------------------------------------------- opaque functions

def opaque(f: Callable[..., Any], derivative: Any = None, *, result: Any = None) -> Callable[..., Any]:
    """A Python function that is called as it is, on ordinary arrays, inside a traced program.

    Parameters
    ----------
    f : callable
        Takes arrays, returns an array or a number; what it does inside is not looked at.
    derivative : "finite differences", callable, or None
        The callable gives the Jacobian: ``derivative(*args)`` returns one array of shape ``output.shape +
        input.shape``, or a tuple with one for each argument. "finite differences" asks for central differences with
        Richardson extrapolation (not exact: errors of some 1e-10, and many evaluations). With None, a derivative
        that is asked for is refused.
    result : ArrayType or array, optional
        Type of the result; needed only where no values are known (under `vmap`).

    Examples
    --------
    >>> import math
    >>> import wengert as wg
    >>> black_box = wg.opaque(lambda x: math.erf(float(x)), derivative=lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x))
    >>> round(float(wg.grad(black_box)(0.0)), 12)
    1.128379167096
    """
    name = getattr(f, "__name__", "the function")
    function = primitives.PythonFunction(f, _jacobian_of(f, derivative), name)

    @functools.wraps(f)
    def called(*args: Any) -> Any:
        if not any(isinstance(a, Tracer) and a.build is not None for a in args):
            return f(*args)
        out = None
        if result is not None:
            found = result if isinstance(result, ArrayType) else type_of(result)
        else:
            values = [a.concrete("the result type of an opaque function") if isinstance(a, Tracer) else a for a in args]
            out = function(*values)
            found = type_of(out)
        trace = active_trace()
        nth = trace.calls.get(function, 0) if trace is not None else 0
        if trace is not None:
            trace.calls[function] = nth + 1
        primitives.READY.value = None if out is None else (function, nth, out)
        try:
            return primitives.python_call(*args, function=function, result=found, nth=nth)
        finally:
            primitives.READY.value = None
    return called


def _jacobian_of(f: Callable[..., Any], derivative: Any) -> Callable[..., Any] | None:
    if derivative is None:
        return None
    if callable(derivative):
        def stated(*xs: Any) -> tuple[Any, ...]:
            out = derivative(*xs)
            return out if isinstance(out, tuple) else (out,)
        return stated
    if derivative != "finite differences":
        raise InputError(f"opaque: derivative is a function, 'finite differences' or None, not {derivative!r}")

    def differences(*xs: Any) -> tuple[Any, ...]:
        from wengert.numeric import jacobian
        return tuple(_one(f, xs, i, jacobian) for i in range(len(xs)))
    return differences


def _one(f: Callable[..., Any], xs: tuple[Any, ...], i: int, jacobian: Any) -> Any:
    if np.asarray(xs[i]).dtype.kind not in "fc":
        return np.zeros((*np.shape(f(*xs)), *np.shape(xs[i])))

    def along(x: Any) -> Any:
        return np.asarray(f(*xs[:i], x, *xs[i + 1:]))
    return jacobian(along, np.asarray(xs[i]))
