"""Where NaN and infinity come from: the first operation that made them, forward or backward.

What comes in: a function and a point at which its value or its gradient is not finite. What goes out: a `Finding`: the
operation, what it was applied to, the user's line, the turns of the loops around it. The one idea: the graph is evaluated
equation by equation, and what is bad in the end is followed back through what is bad, to an equation that made it of what
was not; infinities that do no harm (a mask of -inf before a softmax, an arm that is not taken) are never on that way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.frontends.trace import fresh_build
from wengert.graph import Const, Equation, Graph, Stack, Var
from wengert.lines import short_place, source_line
from wengert.run import Run
from wengert.staging import jit
from wengert.transforms.linearize import Linear, linearize
from wengert.transforms.transpose import transpose

__all__ = ["Finding", "find_nonfinite"]

Test = Callable[[Any], Any]  # which entries of an array are bad


@dataclass(frozen=True)
class Finding:
    """The first operation that made a value NaN or infinite.

    Attributes
    ----------
    kind : str
        "NaN" or "infinity".
    operation : str
        The primitive: "log", "divide"; "" if the value came in with an argument.
    applied : str
        With its operands at the first bad entry, ``divide(1.0, 0.0) = inf``, or their types.
    place : str
        The user's line, "model.py:12"; of an operation of the backward pass the line that it is the derivative of.
    source : str
        Its text.
    passed : str
        "forward" or "backward".
    turns : tuple of int
        Of the loops around it, counted from 0, the outer ones first.
    input : int or None
        Which leaf of the arguments it was, if it came in with one.
    cause : Finding or None
        Of a NaN that was made of infinities (inf - inf, 0 · inf): where they come from.
    """

    kind: str
    operation: str
    applied: str
    place: str
    source: str
    passed: str
    turns: tuple[int, ...] = ()
    input: int | None = None
    cause: Finding | None = None

    def __str__(self) -> str:
        if not self.operation:
            return f"{self.kind} came in with {'a constant' if self.input is None else f'argument leaf {self.input}'}"
        turns = "".join(f", turn {turn} of a loop" for turn in self.turns)
        where = f"\n    {short_place(self.place)}{turns}: {self.source}".rstrip(": ") if self.place or turns else ""
        text = f"{self.applied}, in the {self.passed} pass{where}"
        return text if self.cause is None else f"{self.cause}\nand of that {text}"


def find_nonfinite(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Finding | None:
    """The first operation that makes the value of a function, or its gradient, NaN or infinite.

    The function is evaluated once by the interpreter, equation by equation, and then, if its value is finite, its backward
    pass. Values of all equations are kept meanwhile.

    Parameters
    ----------
    f : callable
        Gives one real number; the gradient is that of its first argument.
    *args, **kwargs
        Its arguments.

    Returns
    -------
    Finding or None
        None if the interpreter finds nothing: compiled programs may round otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert.nonfinite import find_nonfinite
    >>> def f(x):
    ...     return np.sum(np.log(x - 1.0))
    >>> found = find_nonfinite(f, np.array([3.0, 0.5]))
    >>> found.applied, found.passed, found.source
    ('log(-0.5) = nan at entry [1]', 'forward', 'return np.sum(np.log(x - 1.0))')

    The value of a square root at 0 is finite, its slope is not:

    >>> print(find_nonfinite(lambda x: np.sum(np.sqrt(x)), np.zeros(2)))  # doctest: +ELLIPSIS
    divide(0.5, 0) = inf at entry [0], in the backward pass
        ...
    """
    with np.errstate(all="ignore"):
        graph, values, active = _graph_at(f, args, kwargs)
        linear = linearize(graph, active)
        forward = _Search(linear.primal, values, "forward")
        for out in graph.outputs:
            if (test := _test_of(forward.value(out))) is not None:
                return forward.origin(out, test)
        return _in_backward_pass(linear, forward)


def _in_backward_pass(linear: Linear, forward: _Search) -> Finding | None:
    adjoint = transpose(linear).graph
    count = len(adjoint.inputs) - len(linear.residuals)
    ones = [np.ones(v.type.shape, v.type.dtype)[()] for v in adjoint.inputs[:count]]
    backward = _Search(adjoint, [*ones, *[forward.value(v) for v in linear.residuals]], "backward", forward)
    bad = [(out, test) for out in adjoint.outputs if (test := _test_of(backward.value(out))) is not None]
    return backward.origin(*bad[0]) if bad else None


def _graph_at(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Graph, list[Any], list[bool]]:
    """A graph of the function, values of its inputs, and which of them are differentiated: staged, so that loops are loops."""
    staged = jit(f)
    leaves, key, rebuild = staged._signature(args, kwargs)
    graph = staged._stage(leaves, key, rebuild, keep=True).recorded
    if graph is not None:
        count = len(jit(f)._signature(args[:1], {})[0])
        pairs = zip(graph.inputs, leaves, strict=True)
        values = [np.asarray(x) if v.type.shape else v.type.dtype.type(x) for v, x in pairs]
        return graph, values, [k < count and v.type.inexact for k, v in enumerate(graph.inputs)]
    with fresh_build():
        run = Run("find_nonfinite", f, args, kwargs, 0)
    inputs = (*run.inputs, *run.trace.lifted)
    return run.graph(), [run.trace.values[v] for v in inputs], [k < len(run.inputs) for k in range(len(inputs))]


# ---------------------------------------------------------------- what is bad

def _entries(x: Any, test: Callable[[Any], Any]) -> Any:
    """Which entries are bad; of a stack, whether one of its arrays has any."""
    if isinstance(x, Stack):
        return np.array([np.any(_entries(part, test)) for part in x], bool)
    array = np.asarray(x)
    return test(array) if array.dtype.kind in "fc" else np.zeros(array.shape, bool)


def _test_of(x: Any) -> Test | None:
    """NaN if there is any, else infinity, else nothing."""
    return next((test for test in (np.isnan, np.isinf) if np.any(_entries(x, test))), None)


class _Search:
    """A graph with the values of all its variables."""

    def __init__(self, graph: Graph, values: Sequence[Any], passed: str, before: _Search | None = None):
        self.graph, self.passed, self.before = graph, passed, before
        self.env: dict[Any, Any] = dict(zip(graph.inputs, values, strict=True))
        self.makers: dict[Any, int] = {}
        for k, e in enumerate(graph.equations):
            out = e.primitive.evaluate(*[self.value(o) for o in e.operands], **e.params)
            self.env.update(zip(e.results, out if e.primitive.multiple else (out,), strict=True))
            self.makers.update(dict.fromkeys(e.results, k))

    def value(self, atom: Any) -> Any:
        return atom.value[()] if isinstance(atom, Const) else self.env[atom]

    def outputs(self) -> list[Any]:
        return [self.value(o) for o in self.graph.outputs]

    def origin(self, atom: Any, test: Test) -> Finding:
        """Where the bad entries of a variable come from: an argument, else the first equation, else a constant."""
        seen: set[Any] = set()
        stack = [(atom, _entries(self.value(atom), test))]
        first, given = len(self.graph.equations), []
        while stack:
            a, wanted = stack.pop()
            if a in seen:
                continue
            seen.add(a)
            k = self.makers.get(a)
            if k is None:
                given.append(a)
                continue
            bad = list(self._bad_operands(self.graph.equations[k], wanted, test))
            stack += bad
            first = first if bad else min(first, k)
        arguments = [a for a in given if isinstance(a, Var)]
        if arguments:
            return self._given(arguments[0], test)
        if first < len(self.graph.equations):
            return self._made(self.graph.equations[first], test)
        return _came_in(None, test, self.passed)

    def _bad_operands(self, e: Equation, wanted: Any, test: Test) -> Iterator[tuple[Any, Any]]:
        """Operands with bad entries that the wanted entries of the result may have been computed from."""
        for k, o in enumerate(e.operands):
            entries = _entries(self.value(o), test)
            if e.primitive.elementwise and entries.shape == wanted.shape:
                entries = entries & wanted
                if e.primitive.name == "select" and k:
                    taken = np.asarray(self.value(e.operands[0]))
                    entries = entries & (taken if k == 1 else ~taken)
            if np.any(entries):
                yield o, entries

    def _given(self, v: Var, test: Test) -> Finding:
        if self.before is not None and v in self.before.env:
            return self.before.origin(v, test)
        return _came_in(self.graph.inputs.index(v), test, self.passed)

    def _made(self, e: Equation, test: Test) -> Finding:
        """An equation that made it, looked into if it holds graphs."""
        operands = [self.value(o) for o in e.operands]
        place = min(self.graph.lines.get(e, frozenset()), default="")
        for turns, graph, values, outer in _parts(e, operands):
            inner = _Search(graph, values, self.passed)
            bad = [o for o in graph.outputs if np.any(_entries(inner.value(o), test))]
            if not bad:
                continue
            found = inner.origin(bad[0], test)
            if found.operation:
                found = replace(found, turns=(*turns, *found.turns), place=found.place or place,
                                source=found.source or source_line(place))
                return self._with_cause(found, e, outer)
        cause = next((self.origin(o, np.isinf) for o in e.operands if test is np.isnan
                      and np.any(_entries(self.value(o), np.isinf))), None)
        results = self.env[e.results[0]]
        return Finding(_kind(test), e.primitive.name, _applied(e, operands, results, test), place, source_line(place),
                       self.passed, cause=cause)

    def _with_cause(self, found: Finding, e: Equation, outer: Sequence[int]) -> Finding:
        """A finding inside an equation; if infinities came into it, where from."""
        cause = found.cause
        if cause is None or cause.operation or cause.input is None:
            return found
        operand = e.operands[outer[cause.input]] if cause.input < len(outer) else None
        return replace(found, cause=None if operand is None or not np.any(_entries(self.value(operand), np.isinf))
                       else self.origin(operand, np.isinf))


def _parts(e: Equation, operands: list[Any]) -> Iterator[tuple[tuple[int, ...], Graph, list[Any], Sequence[int]]]:
    """The graphs inside an equation as they run: turns, graph, its values, and which operands its first inputs are."""
    name, params = e.primitive.name, e.params
    every = range(len(operands))
    if name == "call":
        yield (), params["graph"], operands, every
    elif name in ("custom_jvp", "custom_vjp"):
        yield (), params["body"], operands, every
    elif name == "cond":
        yield (), params["branches"][0 if operands[0] else 1], operands[1:], every[1:]
    elif name == "scan":
        yield from _turns_of_scan(e, operands)
    elif name == "while_loop":
        constants, body = params["constants"], params["body"]
        fixed, carry, turn = operands[:constants], operands[constants:], 0
        while _Search(params["test"], [*fixed, *carry], "").outputs()[0]:
            yield (turn,), body, [*fixed, *carry], every[:constants]
            carry = _Search(body, [*fixed, *carry], "").outputs()[:len(carry)]
            turn += 1


def _turns_of_scan(e: Equation, operands: list[Any]) -> Iterator[tuple[tuple[int, ...], Graph, list[Any], Sequence[int]]]:
    n, constants, body = int(operands[0]), e.params["constants"], e.params["body"]
    end = constants + e.params["carries"]
    fixed, carry, slices = operands[1:][:constants], operands[1:][constants:end], operands[1:][end:]
    for i in range(n - 1, -1, -1) if e.params["reverse"] else range(n):
        values = [*fixed, *carry, *[x[i] for x in slices]]
        yield (i,), body, values, range(1, 1 + constants)
        carry = _Search(body, values, "").outputs()[:len(carry)]


# ---------------------------------------------------------------- in words

def _kind(test: Test) -> str:
    return "NaN" if test is np.isnan else "infinity"


def _came_in(k: int | None, test: Test, passed: str) -> Finding:
    return Finding(_kind(test), "", "", "", "", passed, input=k)


def _applied(e: Equation, operands: Sequence[Any], result: Any, test: Test) -> str:
    """``log(-0.5) = nan``: the first bad entry of what is elementwise; of the rest the types."""
    name = e.primitive.name
    if e.primitive.elementwise and not isinstance(result, Stack):
        index = np.unravel_index(int(np.argmax(_entries(result, test))), np.shape(result))
        given = [np.broadcast_to(x, np.shape(result))[index] for x in operands]
        where = f" at entry {[int(i) for i in index]}" if np.size(result) > 1 else ""
        return f"{name}({', '.join(f'{x:.6g}' for x in given)}) = {np.asarray(result)[index]:.6g}{where}"
    return f"{name} of {', '.join(str(o.type) for o in e.operands)}"
