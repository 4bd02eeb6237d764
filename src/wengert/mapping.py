"""vmap: trace one lane without a value, batch the graph.

What comes in: a function of one example and batched arguments. What goes out: results for the batch. The one idea:
a lane is traced abstractly, by types alone, and the graph is batched; inside another trace the batched graph is
applied to that trace's values. A function that asks for a value (a branch, a loop on a condition) is run lane by
lane instead, each with its own control flow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.backends.interpret import Program
from wengert.errors import InputError
from wengert.flatten import flatten
from wengert.frontends.trace import Trace, active_frame, escaped, require_plain, user_line
from wengert.frontends.tracer import FUNCTIONS, NeedsValueError, Tracer
from wengert.graph import ArrayType, Var, type_of
from wengert.run import apply_graph, own, reached, run_traced
from wengert.transforms.batch import batch

__all__ = ["run_mapped"]


class _Lane:
    """Arguments of one lane: what is mapped becomes an abstract tracer."""

    def __init__(self, trace: Trace):
        self.trace = trace
        self.size: int | None = None
        self.inputs: list[Var] = []
        self.values: list[Any] = []

    def argument(self, x: Any, axis: Any, position: int) -> Any:
        leaves, spec = flatten(x)
        return x if axis is None else spec.unflatten([self._leaf(leaf, axis, position) for leaf in leaves])

    def _leaf(self, x: Any, axis: int, position: int) -> Any:
        if _shared(x):
            return x
        if isinstance(x, Tracer):
            x = x.frozen()  # the function may write into the array that it was given
        else:
            require_plain(x)
            x = np.asarray(x)
            if x.dtype.kind not in "fciub":
                raise InputError(f"vmap: argument {position} has a leaf that is no array of numbers; in_axes=None keeps it")
        found = x.type if isinstance(x, Tracer) else type_of(x)
        if not -found.ndim <= axis < found.ndim:
            raise InputError(f"vmap: in_axes={axis} for argument {position}, which has shape {found.shape}; in_axes=None "
                             f"keeps an argument whole (at {user_line()})")
        x = np.moveaxis(x, axis, 0)
        n = found.shape[axis]
        if self.size not in (None, n):
            raise InputError(f"vmap: mapped axes of different lengths, {self.size} and {n} (argument {position}); "
                             f"in_axes=None keeps an argument whole (at {user_line()})")
        self.size = n
        lane = ArrayType(x.shape[1:], found.dtype)
        var = self.trace.argument(len(self.inputs), lane, None)
        self.inputs.append(var)
        self.values.append(x)
        return Tracer(self.trace, var, kind="argument")


def run_mapped(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], in_axes: Any, out_axes: int) -> Any:
    """``vmap(f, in_axes, out_axes)(*args, **kwargs)``; keyword arguments are mapped along axis 0."""
    axes = tuple(in_axes) if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
    if len(axes) != len(args):
        raise InputError(f"vmap: in_axes has {len(axes)} entries for {len(args)} positional arguments")
    if any(a is not None and (isinstance(a, bool) or not isinstance(a, (int, np.integer))) for a in axes):
        raise InputError(f"vmap: in_axes is an int, None, or a tuple of these, not {in_axes!r}")
    trace = Trace("vmap")
    lane = _Lane(trace)

    def body() -> Any:
        given = [lane.argument(x, a, k) for k, (x, a) in enumerate(zip(args, axes, strict=True))]
        named = {name: lane.argument(x, 0, k) for k, (name, x) in enumerate(kwargs.items())}
        if lane.size is None:
            raise InputError("vmap: no argument is mapped; in_axes is None everywhere")
        return reached(f)(*given, **named)

    try:
        out = run_traced(trace, body)
    except NeedsValueError:
        return _lane_by_lane(f, args, axes, kwargs, lane, out_axes)
    if trace.effects and active_frame() is not None:  # a draw, a print, an assert: each lane has its own
        return _lane_by_lane(f, args, axes, kwargs, lane, out_axes)
    leaves, spec = flatten(out)
    return spec.unflatten(_batched_leaves(trace, lane, leaves, out_axes))


def _shared(x: Any) -> bool:
    """Whether a leaf has no lanes: None, text, a function of a model."""
    return x is None or isinstance(x, str) or (callable(x) and not isinstance(x, (Tracer, np.ndarray)))


def _front(x: Any, axis: int) -> Any:
    """The mapped axis, moved to the front."""
    array: Any = x if isinstance(x, Tracer) else np.asarray(x)
    return np.moveaxis(array, axis, 0)


def _lane_by_lane(
    f: Callable[..., Any], args: tuple[Any, ...], axes: tuple[Any, ...], kwargs: dict[str, Any], lane: _Lane, out_axis: int
) -> Any:
    """Each lane with its own control flow; the results are stacked."""
    assert lane.size is not None

    def pick(x: Any, axis: Any, k: int) -> Any:
        if axis is None:
            return x
        leaves, spec = flatten(x)
        return spec.unflatten([v if _shared(v) else _front(v, axis)[k] for v in leaves])

    rows = []
    spec = None
    for k in range(lane.size):
        given = [pick(x, a, k) for x, a in zip(args, axes, strict=True)]
        out = reached(f)(*given, **{name: pick(x, 0, k) for name, x in kwargs.items()})
        leaves, found = flatten(out)
        if spec is not None and found != spec:
            raise InputError(f"vmap: lane {k} returned the structure {found!r}, the lanes before it {spec!r}")
        spec = found
        rows.append(leaves)
    if spec is None:
        raise InputError("vmap: a function that branches on values cannot be mapped over an axis of length 0")
    columns = []
    for column in zip(*rows, strict=True):
        if all(_shared(x) and x is column[0] for x in column):
            columns.append(column[0])
            continue
        shapes = {np.shape(x) for x in column}
        if len(shapes) > 1:
            raise InputError(f"vmap: lanes give different shapes, {', '.join(map(str, sorted(shapes)))}")
        columns.append(
            np.moveaxis(
                FUNCTIONS[np.stack](column) if any(isinstance(x, Tracer) for x in column) else np.stack(column), 0, out_axis
            )
        )
    return spec.unflatten(columns)


def _batched_leaves(trace: Trace, lane: _Lane, leaves: list[Any], out_axis: int) -> list[Any]:
    assert lane.size is not None
    variables: list[Var] = []
    for x in leaves:
        if isinstance(x, Tracer) and x.build is trace:
            atom = x.current()
            variables.append(atom)  # type: ignore[arg-type]
    captured = [var for var, _ in trace.captured.values()]
    graph = trace.build.extract([*lane.inputs, *captured, *trace.lifted], variables)
    plain = len(captured) + len(trace.lifted)
    key = ("vmap", lane.size, tuple(graph.inputs), tuple(graph.outputs), plain)
    derived = trace.build.derived
    found = derived.get(key)
    if found is None:
        found = derived[key] = batch(graph, lane.size, [True] * len(lane.inputs) + [False] * plain)
    batched, flags = found
    operands = [*lane.values, *[t for _, t in trace.captured.values()], *[trace.values[v] for v in trace.lifted]]
    if any(isinstance(o, Tracer) for o in operands):
        env = apply_graph(batched, operands)
        results = [env[o] if isinstance(o, Var) else o.value for o in batched.outputs]
    else:
        program = derived.get(batched)
        if program is None:
            program = derived[batched] = Program(batched)
        results = list(program(*operands))
    it = iter(zip(results, flags, strict=True))
    seen: set[int] = set()
    return [
        _place(*next(it), lane.size, out_axis, seen)
        if isinstance(x, Tracer) and x.build is trace
        else _place(_constant(x), False, lane.size, out_axis, seen)
        for x in leaves
    ]


def _constant(x: Any) -> Any:
    if isinstance(x, Tracer):
        if x.build is not None and not x.build.is_open:
            raise escaped(x)
        return x.cell if x.build is None else x
    return x


def _place(x: Any, flag: bool, size: int, axis: int, seen: set[int]) -> Any:
    """A result with its lanes along `axis`; one that all lanes share is repeated."""
    if _shared(x):
        return x
    if not flag:
        x = np.broadcast_to(x, (size, *np.shape(x)))
    return own(np.moveaxis(x, 0, axis) if axis else x, seen)
