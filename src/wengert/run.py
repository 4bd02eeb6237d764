"""One run of a user's function: traced, with all values, ready to be derived.

What comes in: a function, its arguments, which of them are differentiated. What goes out: values, pushed-forward
tangents, pulled-back cotangents. The one idea: the derived graph reads residuals by the variables of the traced
graph; at top level their values are already known, inside another trace they are that trace's values; nothing
else differs between the two.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.interpret import Program
from wengert.errors import InputError, MutationError, NonDifferentiableError, WengertError, kind_of
from wengert.finite import BACKWARD, TANGENT, add_tag
from wengert.flatten import Spec, flatten
from wengert.frontends import (  # noqa: F401  (they register themselves)
    callbacks,
    flow,
    indexing,
    numpy_api,
    operators,
    python_calls,
    warned,
)
from wengert.frontends.lens import stand_in
from wengert.frontends.located import locate
from wengert.frontends.reach import reach
from wengert.frontends.trace import APPLIED, Trace, active_frame, active_trace, escaped, require_plain, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType, Build, Const, Equation, Graph, Var, type_of
from wengert.primitives.trajectory import systems_with
from wengert.transforms.batch import batch
from wengert.transforms.linearize import Linear, linearize
from wengert.transforms.strong_zeros import masked
from wengert.transforms.transpose import Transposed, transpose

__all__ = ["Run", "apply_graph", "leaf_type", "matched", "matched_leaf", "own", "reached"]


def _system(graph: Graph) -> Any:
    from wengert.systems import System
    return System(graph)


systems_with(_system)


def apply_graph(graph: Graph, operands: Sequence[Any]) -> dict[Any, Any]:
    """Apply a graph to tracers and arrays; gives the value of each of its variables."""
    env: dict[Any, Any] = dict(zip(graph.inputs, operands, strict=True))
    before = getattr(APPLIED, "lines", None)
    try:
        for e in graph.equations:
            values = [env[o] if isinstance(o, Var) else o for o in e.operands]
            if not any(isinstance(v, Tracer) for v in values):
                values = [v.value if isinstance(v, Const) else v for v in values]
            APPLIED.lines = graph.lines.get(e) or before
            out = e.primitive(*values, **e.params) if e.pure else _effect(e, values)
            if e.primitive.multiple:
                env.update(zip(e.results, out, strict=True))
            else:
                env[e.results[0]] = out
    finally:
        APPLIED.lines = before
    return env


def marked(graph: Graph, passed: str) -> Graph:
    """The graph with the name of a pass added to its lines, where it is asked for."""
    if not getattr(APPLIED, "passes", False):
        return graph
    lines = {e: frozenset(add_tag(place, passed) for place in graph.lines.get(e) or ("",)) for e in graph.equations}
    return Graph(graph.inputs, graph.equations, graph.outputs, lines)


def _effect(e: Equation, values: Sequence[Any]) -> Any:
    """An equation with an effect: recorded, not performed, where a program around it is staged."""
    trace = active_trace()
    if active_frame() is None or trace is None:
        return e.primitive(*values, **e.params)
    atoms = tuple([trace.atom_of(v) for v in values])
    return [Tracer(trace, r) for r in trace.emit(e.primitive, atoms, e.params)]


def leaf_type(x: Any, name: str, where: str, inside: bool = False) -> ArrayType:
    """The type of a leaf to differentiate with regard to, or an error that says what is wrong with it.

    `inside` a container, what has no derivative can also be passed in another argument.
    """
    apart = "; or pass what is not differentiated in another argument (argnums= says which are)" if inside else ""
    if isinstance(x, Tracer):
        found = x.type
    elif isinstance(x, (float, complex, np.ndarray, np.generic)):
        require_plain(x)
        found = type_of(x)
    elif isinstance(x, (bool, int)):
        raise InputError(f"{name}: {where} is {'a bool' if isinstance(x, bool) else 'an int'}; integers have no "
                         f"derivative. Pass a float: {float(x)!r} (at {user_line()})")
    else:
        raise InputError(f"{name}: {where} is {kind_of(x)}, not a number or an array. Differentiate with "
                         f"regard to another argument (argnums=...), or convert it with np.array (at {user_line()})")
    if found.dtype == object:
        raise InputError(f"{name}: {where} is an array of Python objects; convert it: np.array(x, dtype=float){apart} "
                         f"(at {user_line()})")
    if found.dtype.kind not in "fciub":
        fields = "; pass the fields as arrays, in a dict perhaps" if found.dtype.names else apart
        raise InputError(f"{name}: {where} has dtype {found.dtype}, which is not one of numbers{fields} (at {user_line()})")
    if not found.inexact:
        raise InputError(f"{name}: {where} has dtype {found.dtype}; integers and booleans have no derivative. "
                         f"Convert it: x.astype(float){apart} (at {user_line()})")
    if found.dtype.byteorder not in "=|" or found.dtype.itemsize not in (4, 8, 16) or found.dtype.char in "gG":
        raise InputError(f"{name}: {where} has dtype {found.dtype!r}; float32, float64, complex64 and complex128 in "
                         f"native byte order are differentiated. Convert it: x.astype(float){apart} (at {user_line()})")
    return found


def own(value: Any, seen: set[int], box: bool = False) -> Any:
    """A result as the user's own: writable, not shared with anything, a scalar if it has no axes."""
    if isinstance(value, Tracer):
        return value
    if np.ndim(value) == 0:
        return np.array(value) if box else np.asarray(value)[()]
    if not isinstance(value, np.ndarray):
        return np.asarray(value)
    if value.base is not None or not value.flags.writeable or id(value) in seen:
        value = np.array(value)
    seen.add(id(value))
    return value if active_trace() is None else Tracer(None, None, value)  # made by a program that is traced itself


def _owners(arrays: Sequence[Any]) -> set[int]:
    """The arrays whose memory these are, by identity."""
    return {id(a if a.base is None else a.base) for a in arrays if isinstance(a, np.ndarray)}


class Run:
    """A function, traced at a point.

    Parameters
    ----------
    name : str
        What the user called, for messages.
    f : callable
    args, kwargs
        Its arguments.
    argnums : int or tuple of int
        Which positional arguments are differentiated.
    has_aux : bool
        Whether f returns ``(value, extra)``.
    """

    def __init__(self, name: str, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
                 argnums: int | Sequence[int], has_aux: bool = False):
        self.name = name
        self.positions = _positions(name, argnums, len(args))
        self.single = isinstance(argnums, (int, np.integer))
        self.leaves: list[Any] = []
        self.active: list[bool] = []
        self.specs: list[tuple[Spec, int]] = []
        self.inputs: list[Var] = []
        self.trace = self.opened()
        self.containers: list[tuple[int, Any, list[Any]]] = []
        run_traced(self.trace, lambda: self._outputs(reached(f)(*self._arguments(args), **kwargs), has_aux))
        self._require_same_containers()
        plain = not self.trace.captured and not any(isinstance(x, Tracer) and x.build is not None for x in self.leaves)
        self.env: Any = self.trace.values if plain else self._applied()
        self.plain = plain

    def opened(self) -> Trace:
        """What records the run."""
        return Trace(self.name)

    # ------------------------------------------------------------ in

    def _arguments(self, args: tuple[Any, ...]) -> list[Any]:
        full = list(args)
        for p in self.positions:
            leaves, spec = flatten(args[p])
            self.specs.append((spec, len(leaves)))
            before = len(self.inputs)
            given = [self._argument(x, k, p, spec) for k, x in enumerate(leaves)]
            full[p] = spec.unflatten(given)
            if spec.tree is not None:
                self.containers.append((p, full[p], given))
            if len(self.inputs) == before:
                raise InputError(f"{self.name}: argument {p} holds no float to differentiate with regard to; integers "
                                 f"have no derivative. Write them as floats (3.0 for 3) (at {user_line()})")
        return full

    def _argument(self, x: Any, k: int, position: int, spec: Spec) -> Any:
        """The tracer of the k-th leaf. Inside a container, Python ints, strings and the like stay as they are."""
        self.leaves.append(x)
        static = spec.tree is not None and not isinstance(x, (float, complex, np.ndarray, np.generic, Tracer))
        self.active.append(not static)
        if static:
            return x
        model = x if isinstance(x, np.ndarray) else stand_in(x) if isinstance(x, Tracer) else None
        found = leaf_type(x, self.name, f"argument {position}{spec.place(k)}", spec.tree is not None)
        if isinstance(x, Tracer):
            kind = x.kind
            x = self.leaves[-1] = x.frozen()  # the function may write into the array that it was given
            x.kind, value = kind, x.value
            kind = "scalar" if x.kind == "scalar" else "argument"
        else:
            value = np.array(x) if isinstance(x, np.ndarray) and x.ndim else found.dtype.type(x)
            kind = "scalar" if type(x) is float or type(x) is complex else "argument" if isinstance(x, np.ndarray) else ""
        var = self.trace.argument(len(self.inputs), found, value)
        self.inputs.append(var)
        tracer = Tracer(self.trace, var, kind=kind)
        if model is not None and model.ndim > 1:
            tracer.order = "C" if model.flags.c_contiguous else "F" if model.flags.f_contiguous else ""
        return tracer

    def _require_same_containers(self) -> None:
        """Lists and dicts that are arguments are built anew, so what the function changes in them its caller would not see."""
        for position, tree, given in self.containers:
            found = flatten(tree)[0]
            if len(found) != len(given) or any(a is not b for a, b in zip(found, given, strict=True)):
                raise MutationError(
                    f"{self.name}: the function changes argument {position}, {kind_of(tree)}, and its caller would not see "
                    f"the change. Make a new one in the function: list(x), dict(x), x + [v] (at {user_line()})")

    # ------------------------------------------------------------ out

    def _outputs(self, out: Any, has_aux: bool) -> None:
        self.aux_leaves: list[Any] = []
        self.aux_spec: Spec | None = None
        if has_aux:
            if not isinstance(out, tuple) or len(out) != 2:
                raise InputError(f"{self.name}: with has_aux=True the function returns a pair (value, extra)")
            out, extra = out
            self.aux_leaves, self.aux_spec = flatten(extra)
            self.aux_leaves = [self._settle(x) for x in self.aux_leaves]
        leaves, self.out_spec = flatten(out)
        self.out_leaves = [self._settle(x) for x in leaves]
        self.out_vars = [x for x in self.out_leaves if isinstance(x, Var)]

    def _settle(self, x: Any) -> Any:
        """An output leaf: a variable of this trace, a tracer of an enclosing one, or a plain value."""
        if not isinstance(x, Tracer):
            return x
        atom = x.current()
        if x.build is self.trace:
            return atom if isinstance(atom, Var) else atom.value
        if x.build is None:
            return np.array(x.cell) if x.kind == "box" else np.array(x.cell)[()]
        if not x.build.is_open:
            raise escaped(x)
        return x

    def graph(self) -> Graph:
        """The graph of what was run: arguments, captured values and lifted constants as inputs."""
        captured = [var for var, _ in self.trace.captured.values()]
        wanted = [*self.out_vars, *[x for x in self.aux_leaves if isinstance(x, Var)]]
        return self.trace.build.extract([*self.inputs, *captured, *self.trace.lifted], wanted, self.trace.effects)

    def closed_graph(self) -> Graph:
        """The graph with its constants in place: what `make_graph` shows."""
        graph = self.graph()
        captured = [var for var, _ in self.trace.captured.values()]
        build = Build()
        env: dict[Any, Any] = {v: build.input(v.type).atom for v in (*self.inputs, *captured)}
        env.update({v: Const(self.trace.values[v]) for v in self.trace.lifted})
        results, env = build.inline_env(graph, env)
        outputs = []
        for x in self.out_leaves:
            if isinstance(x, Var):
                outputs.append(env[x])
            elif isinstance(x, Tracer):
                raise InputError(f"{self.name}: an output is a value of an enclosing trace")
            elif isinstance(x, (bool, int, float, complex, np.ndarray, np.generic)):
                outputs.append(Const(x))
        return build.graph(outputs)

    def _applied(self) -> dict[Any, Any]:
        """The graph, applied to the values of the enclosing traces."""
        given = [x for x, a in zip(self.leaves, self.active, strict=True) if a]
        leaves = [x if isinstance(x, Tracer) else self.trace.values[v] for x, v in zip(given, self.inputs, strict=True)]
        captured = [tracer for _, tracer in self.trace.captured.values()]
        lifted = [self.trace.values[v] for v in self.trace.lifted]
        return apply_graph(self._recording(self.graph()), [*leaves, *captured, *lifted])

    def _recording(self, graph: Graph) -> Graph:
        """The graph with loops and branches that save what the derivative needs: one forward pass, one round of effects."""
        if all(e.primitive.record is None for e in graph.equations):
            return graph
        recorded = {e.results[0]: e for e in self.linear().primal.equations if e.primitive.record is not None and e.results}
        equations = [recorded.get(e.results[0], e) if e.results else e for e in graph.equations]
        lines = {new: graph.lines[e] for e, new in zip(graph.equations, equations, strict=True) if e in graph.lines}
        return Graph(graph.inputs, tuple(equations), graph.outputs, lines)

    def _value(self, x: Any, seen: set[int]) -> Any:
        return own(self.env[x], seen) if isinstance(x, Var) else x

    def result(self, kept: Sequence[Any] = ()) -> Any:
        """The value of the function; it shares no memory with the arrays `kept` for later."""
        seen = _owners(kept)
        return self.out_spec.unflatten([self._value(x, seen) for x in self.out_leaves])

    @property
    def aux(self) -> Any:
        """The extra result."""
        return self.extra()

    def extra(self, kept: Sequence[Any] = ()) -> Any:
        """The extra result; it shares no memory with the arrays `kept` for later, nor with the result."""
        seen = _owners([*kept, *[self.env[v] for v in self.out_vars]])
        return self.aux_spec.unflatten([self._value(x, seen) for x in self.aux_leaves]) if self.aux_spec else None

    def point(self) -> tuple[Any, ...]:
        """The differentiated arguments, as they were."""
        given = iter([self.trace.values.get(v) for v in self.inputs])
        leaves = [next(given) if a else x for x, a in zip(self.leaves, self.active, strict=True)]
        ends = np.cumsum([n for _, n in self.specs])
        return tuple([spec.unflatten(leaves[end - n:end]) for (spec, n), end in zip(self.specs, ends, strict=True)])

    # ------------------------------------------------------------ derivatives

    def require_scalar(self) -> None:
        """For `grad`: one real number comes out."""
        if len(self.out_leaves) != 1 or self.out_spec.tree is not None:
            raise NonDifferentiableError(
                f"{self.name}: the function returned {len(self.out_leaves)} values in a container; it has to return one "
                f"number. Return the sum, or use has_aux=True for extra results, or wg.jacobian (at {user_line()})")
        x = self.out_leaves[0]
        found = x.type if isinstance(x, (Var, Tracer)) else None
        if found is None:
            if x is None:
                raise NonDifferentiableError(f"{self.name}: the function returned None; is a return missing? "
                                             f"(at {user_line()})")
            try:
                found = type_of(x)
            except (TypeError, ValueError):
                found = ArrayType((), object)
        if found.dtype.kind not in "fiubc":
            raise NonDifferentiableError(f"{self.name}: the function returned {kind_of(x)}, not a number"
                                         f"{_INSTEAD.get(type(x), '')} (at {user_line()})")
        if found.shape != ():
            raise NonDifferentiableError(
                f"{self.name}: the function returned an array of shape {found.shape}; a gradient needs one number. "
                f"Return a sum (or a mean), or use wg.jacobian (at {user_line()})")
        if found.dtype.kind == "c":
            raise NonDifferentiableError(
                f"{self.name}: the function returned a complex number; a gradient needs a real one. Return its real "
                f"part or modulus, or use wg.jacobian(f, holomorphic=True) (at {user_line()})")
        if not found.inexact:
            raise NonDifferentiableError(
                f"{self.name}: the function returned an integer ({found.dtype}), which has no derivative; return a float "
                f"(at {user_line()})")

    def require_inexact(self) -> None:
        """For Jacobians: floats or complex numbers come out; None is an empty tree."""
        for k, x in enumerate(self.out_leaves):
            if x is None and len(self.out_leaves) > 1:
                continue
            where = f"result{self.out_spec.place(k)}"
            kind = type(x).__name__
            try:
                found = x.type if isinstance(x, (Var, Tracer)) else None if x is None else type_of(x)
            except (TypeError, ValueError):
                found = None
            if found is None or found.dtype.kind not in "fiubc":
                raise NonDifferentiableError(
                    f"{self.name}: the {where} is a {kind}, not a number or an array. Return it as an extra "
                    f"result (has_aux=True){'; or is a return missing?' if x is None else ''} (at {user_line()})")
            if not found.inexact:
                raise NonDifferentiableError(
                    f"{self.name}: the {where} has dtype {found.dtype}; integers and booleans have no derivative. Return a "
                    f"float, or return it as an extra result (has_aux=True) (at {user_line()})")

    def require_real_or_holomorphic(self, holomorphic: bool) -> None:
        """For Jacobians: a complex input has one only if the function is holomorphic."""
        name, kinds = self.name, {v.type.dtype.kind for v in self.inputs}
        if holomorphic and kinds - {"c"}:
            raise InputError(f"{name}: holomorphic=True asks for complex inputs; convert them: x.astype(complex)")
        if not holomorphic and "c" in kinds:
            raise NonDifferentiableError(
                f"{name}: a complex input has no one Jacobian unless the function is holomorphic. Say holomorphic=True if "
                f"it is, or differentiate with regard to real and imaginary parts")
        if not holomorphic and any(v.type.dtype.kind == "c" for v in self.out_vars) and name != "jacfwd":
            raise NonDifferentiableError(
                f"{name}: the output is complex and the input real; use wg.jacfwd, or return real and imaginary parts")

    def linear(self) -> Linear:
        """The tangent graph, kept with the interned graph."""
        key = ("linear", tuple(self.inputs), tuple(self.out_vars))
        derived = self.trace.build.derived
        found = derived.get(key)
        if found is None:
            graph = self.trace.build.extract(self.inputs, self.out_vars)
            found = derived[key] = linearize(graph, [True] * len(self.inputs))
        return found  # type: ignore[no-any-return]

    def forward(self) -> Graph:
        """The tangent graph as it is applied, kept likewise: what a selection left out stays zero."""
        key = ("forward", tuple(self.inputs), tuple(self.out_vars))
        derived = self.trace.build.derived
        found = derived.get(key)
        if found is None:
            linear = self.linear()
            found = derived[key] = masked(linear.graph, [k < linear.count for k in range(len(linear.graph.inputs))])
        return found  # type: ignore[no-any-return]

    def adjoint(self) -> Transposed:
        """The adjoint graph, kept likewise."""
        key = ("adjoint", tuple(self.inputs), tuple(self.out_vars))
        derived = self.trace.build.derived
        found = derived.get(key)
        if found is None:
            found = derived[key] = transpose(self.linear())
        return found  # type: ignore[no-any-return]

    def residuals(self) -> list[Any]:
        linear = self.linear()
        if any(v not in self.env for v in linear.residuals):
            self._record(linear.primal)
        return [self.env[v] for v in linear.residuals]

    def _record(self, primal: Graph) -> None:
        """Run the loops and branches again that were run as they were recorded, now saving what the derivative needs."""
        for e in primal.equations:
            if any(r not in self.env for r in e.results):
                values = [self.env[o] if isinstance(o, Var) else o for o in e.operands]
                if not any(isinstance(v, Tracer) for v in values):
                    values = [v.value[()] if isinstance(v, Const) else v for v in values]
                before, APPLIED.lines = getattr(APPLIED, "lines", None), primal.lines.get(e)
                try:
                    out = warned.silent(lambda: e.primitive(*values, **e.params))  # noqa: B023
                finally:
                    APPLIED.lines = before
                self.env.update({r: x for r, x in zip(e.results, out, strict=True) if r not in self.env})

    def call(self, graph: Graph, operands: Sequence[Any], passed: str = BACKWARD) -> Sequence[Any]:
        """Evaluate a derived graph, or apply it inside the enclosing trace; `passed` is the pass that it makes."""
        if not any(isinstance(o, Tracer) for o in operands):
            derived = self.trace.build.derived
            program = derived.get(graph)
            if program is None:
                program = derived[graph] = Program(graph)
            out = warned.silent(lambda: program(*operands))
            given = {id(o) for o in operands}
            return [np.array(r) if id(r) in given and np.ndim(r) else r for r in out]
        env = warned.silent(lambda: apply_graph(marked(graph, passed), operands))
        return [env[o] if isinstance(o, Var) else o.value for o in graph.outputs]

    def call_lanes(self, graph: Graph, lanes: int, given: list[Any]) -> list[Any]:
        """A linear graph applied to many directions at once; results with the lanes first."""
        residuals, derived = self.residuals(), self.trace.build.derived
        key = ("batched", graph, lanes)
        found = derived.get(key)
        if found is None:
            found = derived[key] = batch(graph, lanes, [True] * len(given) + [False] * len(residuals))
        batched, flags = found
        results = self.call(batched, [*given, *residuals], TANGENT if graph is self.forward() else BACKWARD)
        return [r if flag else np.broadcast_to(r, (lanes, *np.shape(r)))
                for r, flag in zip(results, flags, strict=True)]

    def pull_back(self, cotangents: Sequence[Any], residuals: list[Any] | None = None) -> list[Any]:
        """Cotangents of the output variables -> one for each active input leaf."""
        linear, adjoint = self.linear(), self.adjoint()
        given = [c for c, nonzero in zip(cotangents, linear.nonzero, strict=True) if nonzero]
        out = iter(self.call(adjoint.graph, [*given, *(self.residuals() if residuals is None else residuals)]))
        return [next(out) if nonzero else np.zeros(v.type.shape, v.type.dtype)
                for v, nonzero in zip(self.inputs, adjoint.nonzero, strict=True)]

    def push_forward(self, tangents: Sequence[Any], residuals: list[Any] | None = None) -> list[Any]:
        """Tangents of the active input leaves -> one for each output leaf."""
        linear = self.linear()
        out = iter(self.call(self.forward(), [*tangents, *(self.residuals() if residuals is None else residuals)], TANGENT))
        by_var = {v: next(out) for v, nonzero in zip(self.out_vars, linear.nonzero, strict=True) if nonzero}
        return [by_var[x] if isinstance(x, Var) and x in by_var else zero_tangent(x) for x in self.out_leaves]

    def arrange(self, values: Sequence[Any]) -> Any:
        """One value for each active input leaf, in the structure of the differentiated arguments."""
        seen: set[int] = set()
        it = iter(values)
        out = [own(next(it), seen, box=isinstance(x, np.ndarray)) if a else None
               for x, a in zip(self.leaves, self.active, strict=True)]
        trees, k = [], 0
        for spec, n in self.specs:
            trees.append(spec.unflatten(out[k:k + n]))
            k += n
        return trees[0] if self.single else tuple(trees)


_INSTEAD = {
    types.GeneratorType: "; its body has not run. Differentiate a function that sums what it yields",
    types.CoroutineType: "; its body has not run. Differentiate a function that runs it: asyncio.run(f(x))",
}


def reached(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its calls reaching the graph; its loops and branches too, where a program around it is staged."""
    return reach(f) if active_frame() is None else functools.partial(flow.call, f)


def run_traced(trace: Trace, body: Callable[[], Any]) -> Any:
    """Run a function under a trace. NumPy hides our refusals behind its own error: bring them back."""
    try:
        return trace.run(body)
    except (TypeError, ValueError, SystemError) as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, WengertError):
            cause = cause.__cause__
        if cause is not None and not isinstance(error, WengertError):
            raise cause.with_traceback(error.__traceback__) from None
        if not isinstance(error, WengertError):
            locate(error, trace.name)
        raise
    except Exception as error:
        if not isinstance(error, WengertError):
            locate(error, trace.name)
        raise


def zero_tangent(x: Any) -> Any:
    """The tangent of an output leaf that does not depend on the inputs."""
    if isinstance(x, (Var, Tracer)):
        return np.zeros(x.type.shape, x.type.dtype if x.type.inexact else np.float64)
    try:
        found = type_of(x)
    except (TypeError, ValueError):
        return None
    if found.dtype.kind not in "fciub":  # None, or a function of a model
        return None
    return np.zeros(found.shape, found.dtype if found.inexact else np.float64)


def _positions(name: str, argnums: int | Sequence[int], count: int) -> tuple[int, ...]:
    try:
        wanted = (argnums,) if isinstance(argnums, (int, np.integer)) else tuple(argnums)
    except TypeError:
        raise InputError(f"{name}: argnums is an int or a tuple of ints, counted from 0, not {argnums!r} (at "
                         f"{user_line()})") from None
    out = []
    for a in wanted:
        if isinstance(a, bool) or not isinstance(a, (int, np.integer)):
            raise InputError(f"{name}: argnums is an int or a tuple of ints, counted from 0, not {argnums!r} (at "
                         f"{user_line()})")
        if not -count <= a < count:
            raise InputError(f"{name}: argnums={argnums} but the function was called with {count} positional "
                             f"argument{'s' * (count != 1)}. Differentiated arguments are passed by position "
                             f"(at {user_line()})")
        out.append(int(a) % count)
    if len(set(out)) != len(out):
        raise InputError(f"{name}: argnums={argnums} names an argument twice (at {user_line()})")
    return tuple(out)


# ---------------------------------------------------------------- what users give for a value

def matched(name: str, what: str, given: Any, like_leaves: list[Any], like_spec: Any) -> list[Any]:
    """Leaves of a tangent or cotangent, checked against those of the primal; zeros where it is None."""
    leaves, spec = flatten(given)
    if len(leaves) != len(like_leaves) or (spec != like_spec and spec.tree is not None):
        raise InputError(f"{name}: the {what} has structure {spec!r}, the value it belongs to {like_spec!r} "
                         f"(* is a number or an array); give one of the same structure (at {user_line()})")
    return [matched_leaf(name, what, x, like) for x, like in zip(leaves, like_leaves, strict=True)]


def matched_leaf(name: str, what: str, x: Any, like: Any) -> Any:
    """Likewise one leaf."""
    if like is None:
        return None
    if x is None:
        return np.zeros(like.shape, like.dtype)
    require_plain(x)
    shape = x.shape if isinstance(x, Tracer) else np.shape(x)
    if shape != like.shape:
        raise InputError(f"{name}: the {what} has shape {shape}, the value it belongs to {like.shape}; give one of the same "
                         f"shape (at {user_line()})")
    dtype = x.dtype if isinstance(x, Tracer) else np.asarray(x).dtype
    if dtype == like.dtype:
        return x if isinstance(x, (Tracer, np.ndarray, np.generic)) else like.dtype.type(x)
    if dtype.kind == "c" and like.dtype.kind != "c":
        raise InputError(f"{name}: the {what} is complex, the value it belongs to is {like.dtype}; give its real part (at "
                         f"{user_line()})")
    if dtype.kind not in "fciub":
        raise InputError(f"{name}: the {what} has dtype {dtype}; give numbers (at {user_line()})")
    return x.astype(like.dtype) if isinstance(x, (Tracer, np.ndarray)) else like.dtype.type(x)
