"""Functions handed to an integrator: staged into graphs of their own.

What comes in: functions of a few leading values and of further arguments, such as ``f(t, y, *args)``, which may use
traced values from around them. What goes out: for each a graph of the leading values, one vector p of everything real
that they take or use, and whatever else is traced; and the traced values of p and of the rest. The one idea: an
integrator calls a function at points that it chooses, so the function becomes a graph, and what it depends on becomes
operands, which have derivatives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import UnstageableError, UnsupportedError, WengertError
from wengert.frontends import flow
from wengert.frontends.block import Block, attempt
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.reach import reach
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.trace import active_frame, user_line
from wengert.frontends.tracer import Tracer, as_traced
from wengert.graph import ArrayType, Build, Graph, Var
from wengert.primitives.index import slice_axis
from wengert.primitives.structure import concatenate, convert, reshape
from wengert.primitives.trajectory import canonical

__all__ = ["Inner", "is_traced", "plain"]

_FLOAT = np.dtype(np.float64)


def is_traced(x: Any) -> bool:
    return isinstance(x, Tracer) and x.build is not None


def plain(x: Any, what: str) -> Any:
    """The value of what may be traced."""
    return x.concrete(what) if isinstance(x, Tracer) else x


# ---------------------------------------------------------------- staging


class Inner:
    """Functions of the same leading values and arguments.

    Parameters
    ----------
    name : str
        The caller, for messages.
    lead : sequence of ArrayType
        Types of the leading values.
    args : sequence
        Further arguments, the same for all functions.

    Attributes
    ----------
    parameters, extras
        Values of the vector p, and of further operands; set by `graphs`.
    refused : UnsupportedError or None
        Why one of the functions has no graph.
    """

    def __init__(self, name: str, lead: Sequence[ArrayType], args: Sequence[Any] = ()):
        self.name, self.lead = name, list(lead)
        self.args = [as_traced(a) for a in args]
        self.args = [a.frozen() if isinstance(a, Tracer) else a for a in self.args]
        self.blocks: list[tuple[Block, list[Var], Any]] = []
        self.captured: dict[Any, Any] = {}
        self.refused: UnsupportedError | None = None
        self.places = [k for k, a in enumerate(self.args) if _lifted(a)]
        for k in self.places:
            if is_traced(self.args[k]):
                self._require_real(self.args[k])

    def stage(self, f: Callable[..., Any], call: Callable[..., Any], finish: Callable[[Any], Any]) -> None:
        """Trace one function: ``finish(call(f, lead, args))`` is the array that its graph gives.

        One that has no graph is `refused`, unless nothing traced enters: see `untraced`.
        """
        try:
            self._stage(f, call, finish)
        except UnsupportedError as e:
            self.refused = e

    def untraced(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """A function as SciPy may call it where nothing is traced; if it has no graph, that is seen by what it gives."""
        refused = self.refused
        if refused is None:
            return f
        if active_frame() is not None:
            raise UnstageableError(str(refused))

        @functools.wraps(f)
        def plainly(*xs: Any) -> Any:
            out = f(*xs)
            if any(is_traced(x) for x in (out if isinstance(out, (list, tuple)) else [out])):
                raise refused
            return out
        return plainly

    def _stage(self, f: Callable[..., Any], call: Callable[..., Any], finish: Callable[[Any], Any]) -> None:
        def run_with(how: Callable[..., Any]) -> Callable[[], Any]:
            def run() -> Any:
                block = flow.active_frame()
                assert isinstance(block, Block)
                variables = [Var(t) for t in (*self.lead, *[_type(self.args[k]) for k in self.places])]
                given = [Tracer(block, v, kind="" if v.type.shape else "scalar") for v in variables]
                full = list(self.args)
                for k, x in zip(self.places, given[len(self.lead):], strict=True):
                    full[k] = x
                out = as_array(finish(call(how, given[:len(self.lead)], full)))
                out = out if isinstance(out, Tracer) else np.asarray(out)
                return block, variables, block.atom(out, ArrayType(out.shape, _FLOAT))
            return run
        try:
            found = attempt(run_with(lambda *a: flow.call(f, *a)), _nothing)[1]
        except (UnstageableError, NeedsValueError) as first:
            try:  # without rewriting: plain operators and functions of NumPy
                found = attempt(run_with(lambda *a: reach(f)(*a)), _nothing)[1]
            except (UnstageableError, NeedsValueError):
                if first.__cause__ is not None and not isinstance(first.__cause__, WengertError):
                    raise first.__cause__ from None  # an error of the function's own
                raise UnsupportedError(f"{self.name}: the function it calls cannot become a graph ({first}), so its "
                                       f"derivative is "
                                       f"not known (at {user_line()}); write it with NumPy, in a file") from None
        block = found[0]
        if block.effects:
            raise UnsupportedError(f"{self.name}: the function it calls draws, prints or raises, at points that the integrator "
                                   f"chooses, so it has no derivative (at {user_line()}); take that out of it")
        for key, (_, tracer) in block.captured.items():
            if key[0] is not block:
                self._require_real(tracer)
                self.captured.setdefault(key, tracer)
        self.blocks.append(found)

    def _require_real(self, x: Any) -> None:
        if _type(x).dtype.kind == "c":
            raise UnsupportedError(f"{self.name}: complex parameters are not differentiated (at {user_line()}); pass real and "
                                   f"imaginary parts")

    @property
    def traced(self) -> bool:
        """Whether anything traced enters."""
        return bool(self.captured) or any(is_traced(a) for a in self.args)

    def graphs(self) -> list[Graph]:
        """The graphs, each of (*lead, p, *extras)."""
        if self.refused is not None:
            raise self.refused
        operands: list[tuple[Any, Any]] = [(k, self.args[k]) for k in self.places] + list(self.captured.items())
        real = [(key, x) for key, x in operands if _type(x).dtype.kind == "f"]
        rest = [(key, x) for key, x in operands if _type(x).dtype.kind != "f"]
        flat = [as_array(x).astype(_FLOAT).reshape(-1) for _, x in real]
        flat = [x if isinstance(x, Tracer) else np.asarray(x) for x in flat]
        if any(is_traced(x) for x in flat):
            self.parameters: Any = concatenate(*flat, axis=0) if len(flat) > 1 else flat[0]
        else:
            self.parameters = np.concatenate([x.cell if isinstance(x, Tracer) else x for x in flat]) if flat else np.zeros(0)
        self.extras = [x if isinstance(x, Tracer) else np.asarray(x)[()] for _, x in rest]
        return [canonical(self._packed(*found, real, rest)) for found in self.blocks]

    def _packed(self, block: Block, variables: list[Var], out: Any, real: Any, rest: Any) -> Graph:
        n = len(self.lead)
        own = dict(zip(self.places, variables[n:], strict=True))
        inner = {key: var for key, (var, _) in block.captured.items() if key[0] is not block}
        keys = [key for key, _ in (*real, *rest) if key in own or key in inner]
        graph = block.graph([*variables[:n], *[own[k] if k in own else inner[k] for k in keys]], [out])
        build, where = Build(), {}
        inputs = [build.input(t) for t in self.lead]
        p, start = build.input(ArrayType((sum(_type(x).size for _, x in real),), _FLOAT)), 0
        for key, x in real:
            t = _type(x)
            part = reshape(slice_axis(p, 0, start, start + t.size), shape=t.shape)
            where[key] = part if t.dtype == _FLOAT else convert(part, dtype=t.dtype)
            start += t.size
        for key, x in rest:
            where[key] = build.input(_type(x))
        return build.graph(build.inline(graph, [*inputs, *[where[k] for k in keys]]), build.inputs)


def _nothing() -> None:
    pass


def _lifted(a: Any) -> bool:
    """Whether an argument is an operand: what is traced, and real numbers, of which the graph should not depend."""
    if is_traced(a):
        return True
    return isinstance(a, float) or (isinstance(a, (np.ndarray, np.floating, Tracer)) and a.dtype.kind == "f")


def _type(x: Any) -> ArrayType:
    return x.type if isinstance(x, Tracer) else ArrayType(np.shape(x), np.asarray(x).dtype)
