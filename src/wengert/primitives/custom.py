"""Functions with a derivative of the user's own, and calls of opaque Python.

What comes in: graphs of the function and of its rule, or a Python callable. What goes out: primitives whose
differential is that rule. The one idea: a rule is a graph like any other, put in place of the derivative of the
body; Python is called at run time only where the user asked for an opaque call.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from wengert.errors import MissingRuleError, MutationError, NonDifferentiableError
from wengert.graph import ArrayType, Build, Const, Graph, Handle, Primitive, Var
from wengert.primitives.structure import broadcast, reshape

__all__ = ["READY", "PythonFunction", "apply", "custom_jvp", "custom_vjp", "custom_vjp_linear", "python_call"]


def apply(graph: Graph, operands: Any) -> tuple[Any, ...]:
    """A graph applied to values or handles."""
    env = apply_env(graph, operands)
    return tuple([env[o] if isinstance(o, Var) else o.value[()] for o in graph.outputs])


def apply_env(graph: Graph, operands: Any) -> dict[Any, Any]:
    """As `apply`; gives the values of all variables."""
    env: dict[Any, Any] = dict(zip(graph.inputs, operands, strict=True))
    builds = [o.build for o in operands if isinstance(o, Handle) and isinstance(o.build, Build)]
    build = builds[0] if builds else None  # what is traced notes the lines itself
    before: frozenset[str] = build.at if build is not None else frozenset()
    for e in graph.equations:
        if build is not None:
            build.at = graph.lines.get(e) or before
        values = [env[o] if isinstance(o, Var) else o for o in e.operands]
        if not any(isinstance(v, Handle) for v in values):
            values = [v.value[()] if isinstance(v, Const) else v for v in values]
        out = e.primitive(*values, **e.params)
        env.update(zip(e.results, out if e.primitive.multiple else (out,), strict=True))
    if build is not None:
        build.at = before
    return env


def _filled(tangents: Any, operands: Any) -> list[Any]:
    """Tangents with zeros for absent ones: a rule of the user's takes them all."""
    from wengert.primitives.structure import zeros_like
    return [zeros_like(o) if t is None else t for t, o in zip(tangents, operands, strict=True)]


# ---------------------------------------------------------------- custom_jvp

def _jvp_rule(results: Any, operands: Any, tangents: Any, *, needed: Any, transform: Any, body: Graph, tangent: Any,
              count: int) -> Any:
    """The user's rule, in place of the derivative; constants of the program (after `count`) have no tangent.

    `tangent` is the graph of the rule, or an object whose ``staged()`` gives it: a function that its own rule calls.
    """
    given = _filled(tangents[:count], operands[:count])
    rule = tangent if isinstance(tangent, Graph) else tangent.staged()
    out = apply(rule, [*operands, *given])
    return tuple(_handle(o, operands[0]) for o in out)


def _handle(x: Any, like: Handle) -> Any:
    if isinstance(x, Handle):
        return x
    return Handle(like.build, Const(np.zeros((), np.asarray(x).dtype))) if not np.ndim(x) \
        else broadcast(Handle(like.build, Const(np.asarray(x))), shape=np.shape(x))


def _square_sample(rng: np.random.Generator) -> Any:
    from wengert.graph import build_graph
    like = ArrayType((3,), np.float64)
    body = build_graph(lambda x: x * x, like)
    tangent = build_graph(lambda x, t: 2.0 * x * t, like, like)
    return [((rng.normal(size=3),), {"body": body, "tangent": tangent, "count": 1})]


custom_jvp = Primitive(
    "custom_jvp", type=lambda *xs, body, tangent, count: tuple(o.type for o in body.outputs), multiple=True,
    evaluate=lambda *xs, body, tangent, count: apply(body, xs), jvp=_jvp_rule, holds_graphs=True, sample=_square_sample)


# ---------------------------------------------------------------- custom_vjp

def _vjp_linear(results: Any, operands: Any, tangents: Any, *, needed: Any, transform: Any, body: Graph, backward: Graph,
                tangent: Any, count: int, outputs: int) -> Any:
    """A linear equation whose transpose is the user's backward function.

    Residuals are differentiated as the forward function computes them: second derivatives need that.
    """
    given = _filled(tangents[:count], operands[:count])
    out = custom_vjp_linear(*given, *results[outputs:], backward=backward, tangent=tangent, count=count,
                            types=tuple(o.type for o in body.outputs[:outputs]))
    wanted = [k >= outputs and n for k, n in enumerate(needed)]
    if not any(wanted):
        return (*out, *(None for _ in results[outputs:]))
    active = [t is not None for t in tangents]
    linear = transform(body, active, wanted)
    env = apply_env(body, operands)
    moved = iter(apply(linear.graph, [*[t for t in tangents if t is not None], *[env[v] for v in linear.residuals]]))
    rest = [_handle(next(moved), operands[0]) if k else None for k in linear.nonzero]
    return (*out, *rest[outputs:])


def _linear_evaluate(*xs: Any, backward: Graph, tangent: Any, count: int, types: Any) -> Any:
    if tangent is None:
        raise NonDifferentiableError(
            "forward mode through a custom_vjp function whose backward function is not linear in the cotangent; give it a "
            "custom_jvp rule")
    return apply(tangent, xs)


def _linear_transpose(cts: Any, i: int, ops: Any, *, backward: Graph, tangent: Any, count: int, types: Any) -> Any:
    from wengert.primitives.structure import full
    like = next(c for c in cts if c is not None)
    cotangents = [full(np.zeros((), t.dtype), t.shape, like) if c is None else c
                  for c, t in zip(cts, types, strict=True)]
    residuals = [ops[j] for j in range(count, len(ops))]
    return _handle(apply(backward, [*residuals, *cotangents])[i], like)


def _custom_vjp_sample(rng: np.random.Generator) -> Any:
    from wengert.graph import build_graph
    like = ArrayType((3,), np.float64)
    body = build_graph(lambda x: (x * x, x), like)
    backward = build_graph(lambda x, ct: 2.0 * x * ct, like, like)
    tangent = build_graph(lambda t, x: 2.0 * x * t, like, like)
    return [((rng.normal(size=3),), {"body": body, "backward": backward, "tangent": tangent, "count": 1, "outputs": 1})]


def _linear_sample(rng: np.random.Generator) -> Any:
    ((_,), params), = _custom_vjp_sample(rng)
    return [((rng.normal(size=3), rng.normal(size=3)), {
        "backward": params["backward"], "tangent": params["tangent"], "count": 1, "types": (ArrayType((3,), np.float64),)})]


custom_vjp = Primitive(
    "custom_vjp", multiple=True,
    type=lambda *xs, body, backward, tangent, count, outputs: tuple(o.type for o in body.outputs),
    evaluate=lambda *xs, body, backward, tangent, count, outputs: apply(body, xs), jvp=_vjp_linear, holds_graphs=True,
    sample=_custom_vjp_sample)


custom_vjp_linear = Primitive(
    "custom_vjp_linear", multiple=True, type=lambda *xs, backward, tangent, count, types: types,
    evaluate=_linear_evaluate, linear="jointly", leading=lambda params: params["count"], transpose=_linear_transpose,
    sample=_linear_sample)


# ---------------------------------------------------------------- opaque Python

class PythonFunction:
    """A Python function called at run time on ordinary arrays, with what is known of its derivative.

    Parameters
    ----------
    f : callable
    jacobian : callable or None
        ``jacobian(*arrays)`` gives a tuple of arrays of shape ``output.shape + input.shape``.
    """

    __slots__ = ("blocks", "f", "jacobian", "name")

    def __init__(self, f: Any, jacobian: Any, name: str):
        self.f, self.jacobian, self.name = f, jacobian, name
        self.blocks: dict[int, PythonFunction] = {}

    def block(self, i: int) -> PythonFunction:
        """The Jacobian with regard to operand i: one object, so that equal calls are shared."""
        made = PythonFunction(lambda *xs: self.jacobian(*xs)[i], None, f"the Jacobian of {self.name}")
        return self.blocks.setdefault(i, made)

    def __call__(self, *xs: Any) -> Any:
        """The result as an array of its own; the arrays given are the program's values and must stay as they are."""
        given = [np.array(x) if isinstance(x, np.ndarray) else x for x in xs]
        out = np.array(self.f(*given))  # f may hand out a buffer that it uses again
        for x, y in zip(xs, given, strict=True):
            if y is not x and y.tobytes() != x.tobytes():
                raise MutationError(f"{self.name} is opaque and writes into its argument, which the traced program cannot "
                                    f"see; copy it there first: x = x.copy()")
        return out


READY = threading.local()  # `value`: (function, nth, what that call returned), for the equation about to be recorded


def _call_evaluate(*xs: Any, function: PythonFunction, result: ArrayType, nth: int = 0) -> Any:
    ready = getattr(READY, "value", None)
    known = ready is not None and ready[0] is function and ready[1] == nth
    out = np.asarray(ready[2] if known else function(*xs), result.dtype)  # type: ignore[index]
    if out.shape != result.shape:
        raise ValueError(f"{function.name} returned shape {out.shape}, announced {result.shape}")
    return out[()]


def _call_jvp(y: Any, operands: Any, tangents: Any, *, function: PythonFunction, result: ArrayType, nth: int = 0) -> Any:
    """``Σ_i J_i t_i`` with Jacobians computed by a call of their own."""
    from wengert.primitives.contract import matmul
    if function.jacobian is None:
        raise MissingRuleError(
            f"{function.name} is opaque and no (further) derivative of it is known; state the first one by "
            f"wg.opaque(f, derivative=...), further ones by wg.custom_jvp")
    total = None
    for i, (o, t) in enumerate(zip(operands, tangents, strict=True)):
        if t is None:
            continue
        shape = ArrayType((*result.shape, *o.shape), result.dtype)
        matrix = reshape(python_call(*operands, function=function.block(i), result=shape, nth=nth),
                         shape=(result.size, o.type.size))
        term = reshape(matmul(matrix, reshape(t, shape=(o.type.size, 1))), shape=result.shape)
        total = term if total is None else total + term
    return total


def _call_sample(rng: np.random.Generator) -> Any:
    function = PythonFunction(lambda x: np.sin(x), lambda x: (np.diag(np.cos(x)),), "sin")
    return [((rng.normal(size=3),), {"function": function, "result": ArrayType((3,), np.float64)})]


python_call = Primitive("python_call", type=lambda *xs, function, result, nth=0: result, evaluate=_call_evaluate, jvp=_call_jvp,
                        sample=_call_sample)
