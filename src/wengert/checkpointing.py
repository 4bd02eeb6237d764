"""Checkpoints: functions whose intermediate values are not kept for their derivative.

What comes in: a function. What goes out: the same function, as one equation of the program around it, which keeps the operands
and computes the rest again on the way back. The one idea: a second computation is an equation like any other, so checkpoints
nest, compile, and have derivatives of every order.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from wengert.errors import EscapedTracerError, InputError, UnsupportedError, not_a_function
from wengert.flatten import flatten
from wengert.frontends import flow
from wengert.frontends.lens import KINDS
from wengert.frontends.reach import call as reach_call
from wengert.frontends.reach import reach
from wengert.frontends.stage import NothingTraced, loop
from wengert.frontends.trace import Trace, active_frame, active_trace, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import Const, Graph, Var
from wengert.primitives.control import KNOWN
from wengert.primitives.control import call as call_graph
from wengert.run import run_traced

__all__ = ["checkpoint"]


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of which reverse mode keeps only what goes in; the backward pass runs it again.

    Parameters
    ----------
    f : callable
        Takes numbers, arrays or trees of them, and returns such. It is called once: what is computed again is its graph, so
        draws of random numbers and other effects are not repeated, their results are kept. Arrays that it makes it may write
        into; its arguments and what it finds around it it may not.

    Returns
    -------
    callable
        It gives what `f` gives, with the same derivatives of every order. For each derivative in reverse mode f costs one more
        evaluation, and between the passes it takes the memory of its arguments alone.

    Raises
    ------
    InputError
        If `f` is no function.
    EscapedTracerError
        If f leaves a traced value behind elsewhere than in its result, and it is used.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> block = wg.checkpoint(lambda x: np.sin(np.exp(np.sin(x))))
    >>> wg.grad(lambda x: np.sum(block(block(x))))(np.zeros(2))
    array([-0.38818489, -0.38818489])
    """
    if not callable(f):
        raise InputError(f"checkpoint: {not_a_function(f)}")
    return _Checkpointed(f)


class _Checkpointed:
    """What `checkpoint` returns."""

    def __init__(self, f: Callable[..., Any]):
        self.f = f
        functools.update_wrapper(self, f, updated=())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __reduce__(self) -> Any:
        return checkpoint, (self.f,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if active_frame() is not None:
            return _staged(self.f, args, kwargs)
        leaves, spec = flatten((args, kwargs))
        if not any(isinstance(x, Tracer) and x.build is not None for x in leaves):
            return self.f(*args, **kwargs) if active_trace() is None else reach_call(self.f, *args, **kwargs)
        return _traced(self.f, leaves, spec)


# ---------------------------------------------------------------- results that share memory

class _Shared:
    """What a function returns: `roots`, the arrays that it made, and how its results look at them and at its arguments.

    `known` gives the array around the function that an array in it is, or None.
    """

    def __init__(self, leaves: list[Any], known: Callable[[Any], Any]):
        self.known, self.plans, self.roots = known, list[Any](), list[Any]()
        chains = [self.chain(x) if isinstance(x, Tracer) else [] for x in leaves]
        count = Counter(id(r) for x in leaves if isinstance(x, Tracer) for r in x.roots())
        places: dict[int, int] = {}
        for x, chain in zip(leaves, chains, strict=True):
            if not chain:
                self.plans.append((x, None, ()))
                continue
            top, path = chain[-1], [t.lens for t in reversed(chain[:-1])]
            whose = known(top)
            if whose is None and (top.lens is None and count[id(top)] == 1):
                top, path = x, []  # nothing else looks at this memory: a value of its own
            elif top.lens is not None and any(known(r) is not None or count[id(r)] > 1 for r in top.roots()):
                raise UnsupportedError(f"checkpoint: a result shares memory with an argument or another result, and a traced "
                                       f"value says how; return a copy: x.copy() (at {user_line()})")
            elif top.lens is not None:
                top, path = x, []
            if whose is None and id(top) not in places:
                places[id(top)] = len(self.roots)
                self.roots.append(top)
            self.plans.append((whose, places.get(id(top)), path))

    def chain(self, x: Any) -> list[Any]:
        """From a view to what it looks at, as far as its payload is known, or up to an array around the function."""
        out = [x]
        while self.known(out[-1]) is None and out[-1].lens is not None and _is_plain(out[-1].lens):
            out.append(out[-1].lens.base)
        return out

    def leaves(self, results: Sequence[Any]) -> list[Any]:
        """The results, from those of the roots."""
        out = []
        for whose, place, path in self.plans:
            x = whose if place is None else results[place]
            for lens in path:
                x = x.view_through(lens.kind, lens.payload, KINDS[lens.kind].read(x, lens.payload))
            out.append(x)
        return out


def _is_plain(lens: Any) -> bool:
    return lens.kind != "choice" and not any(isinstance(x, Tracer) for x in flatten(lens.payload)[0])


# ---------------------------------------------------------------- in a program that is staged

def _staged(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The function as a block that runs once, one equation of what is staged around it."""
    found: list[Any] = []

    def body(_: Any) -> list[Any]:
        leaves, spec = flatten(flow.call(f, *args, **kwargs))
        frame: Any = active_frame()
        shared = _Shared(leaves, lambda t: t if t.born < frame.epoch else None)
        found[:] = shared, spec
        return [x[()] if x.kind == "box" else x for x in shared.roots]
    try:
        results = loop(list, lambda values: None, (), body, length=1, sure=True, name=getattr(f, "__name__", "f"),
                       checkpoint=True)
    except NothingTraced:
        return flow.call(f, *args, **kwargs)
    shared, spec = found
    return spec.unflatten(shared.leaves(results))


# ---------------------------------------------------------------- in a trace with values

def _traced(f: Callable[..., Any], leaves: list[Any], spec: Any) -> Any:
    """The function traced on its own, at the present values, and its graph as one equation."""
    trace = Trace("checkpoint")
    given = [x.frozen() if isinstance(x, Tracer) else x for x in leaves]
    inputs: list[Var] = []
    tracers: list[Any] = []
    for x, frozen in zip(leaves, given, strict=True):
        if isinstance(x, Tracer) and x.build is not None:
            inputs.append(trace.argument(len(inputs), frozen.type, frozen.value))
            kind = "scalar" if x.kind == "scalar" else "argument"
            tracers.append(Tracer(trace, inputs[-1], kind=kind))
        else:
            tracers.append(x)
    args, kwargs = spec.unflatten(tracers)
    out, out_spec = flatten(run_traced(trace, lambda: reach(f)(*args, **kwargs)))
    theirs = {id(t): x for x, t in zip(leaves, tracers, strict=True) if isinstance(t, Tracer)}
    shared = _Shared(out, lambda t: theirs.get(id(t)))
    atoms = [x.current() if x.build is trace else None for x in shared.roots]
    wanted = [a for a in atoms if isinstance(a, Var)]
    graph, drawn = _without_effects(trace, inputs, wanted)
    operands = [*[g for x, g in zip(leaves, given, strict=True) if isinstance(x, Tracer) and x.build is not None],
                *[t for _, t in trace.captured.values()], *[trace.values[v] for v in (*trace.lifted, *drawn)]]
    values = [trace.values.get(v) for v in wanted]
    results = iter(_emitted(graph, operands, getattr(f, "__name__", "f"), values) if wanted else ())
    return out_spec.unflatten(shared.leaves([_result(x, a, results) for x, a in zip(shared.roots, atoms, strict=True)]))


def _emitted(graph: Graph, operands: list[Any], name: str, values: list[Any]) -> Any:
    """The equation, whose results are known already."""
    first = next(x for x in operands if isinstance(x, Tracer))
    KNOWN.value = (graph, values) if all(v is not None for v in values) else None
    try:
        return first.apply(call_graph, operands, {"graph": graph, "name": name, "checkpoint": True})
    finally:
        KNOWN.value = None


def _result(x: Any, atom: Any, results: Any) -> Any:
    if isinstance(atom, Var):
        new = next(results)
        new.kind = x.kind if x.kind in ("scalar", "box") else ""
        return new
    if isinstance(atom, Const):
        return atom.value[()]
    if isinstance(x, Tracer) and x.build is not None and not x.build.is_open:
        raise EscapedTracerError(f"checkpoint: the function returns a traced value of another call of it (at {user_line()})")
    return x


def _without_effects(trace: Trace, inputs: list[Var], wanted: list[Var]) -> tuple[Graph, list[Var]]:
    """The graph of what was run, one object for equal programs; what effects gave goes in, so they are not repeated."""
    captured = [v for v, _ in trace.captured.values()]
    key = ("checkpoint", tuple(inputs), tuple(captured), tuple(trace.lifted), tuple(wanted))
    found = trace.build.derived.get(key)
    if found is not None:
        return found  # type: ignore[no-any-return]
    whole = trace.build.extract([*inputs, *captured, *trace.lifted], wanted)
    drawn = [r for e in whole.equations if not e.pure for r in e.results]
    pure = tuple([e for e in whole.equations if e.pure])
    graph = Graph((*whole.inputs, *drawn), pure, whole.outputs, {e: whole.lines[e] for e in pure if e in whole.lines})
    if not drawn:
        trace.build.derived[key] = (graph, drawn)
    return graph, drawn


