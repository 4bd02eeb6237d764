"""Programs of wengert for other systems to call.

What comes in: a function of trees of arrays, or a graph. What goes out: a `Program`, a compiled function of flat arrays with
the programs that are its tangent, its adjoint and its batch. The one idea: these are what any system's rules are made of, and
each is a program again, so derivatives of every order are there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg
from wengert.errors import InputError
from wengert.flatten import Spec, is_inexact
from wengert.frontends.tracer import Tracer
from wengert.graph import Graph
from wengert.primitives.custom import apply
from wengert.run import reached

__all__ = ["Program", "keyed", "on_arrays"]


class Program:
    """A function of flat arrays that gives a tuple of arrays, compiled, with its derivatives, made once.

    `linear` is set for one that is linear in its last arguments: how many they are, and what makes its transpose, given how
    many results it has.
    """

    def __init__(self, f: Callable[..., Any], linear: tuple[int, Callable[[int], Program]] | None = None):
        self.run, self.linear = wg.jit(f), linear
        self.made: dict[Any, Program] = {}
        self.lock = threading.Lock()

    def _kept(self, key: Any, make: Callable[[], Program]) -> Program:
        with self.lock:
            if key not in self.made:
                self.made[key] = make()
            return self.made[key]

    def tangent(self, active: tuple[bool, ...]) -> Program:
        """``(*x, *dx) -> dy`` for the inexact results, with tangents of the active arguments."""
        def push(*operands: Any) -> Any:
            xs, moving = operands[:len(active)], operands[len(active):]
            f, given = _restricted(self.run, xs, active)
            return tuple(wg.jvp(f, given, moving)[1])
        return self._kept(("tangent", active), lambda: Program(push, (sum(active), lambda results: self.transposed(active))))

    def adjoint(self, active: tuple[bool, ...]) -> Program:
        """``(*x, *dy) -> dx``: the transpose of the tangent under Re<a, b>."""
        def pull(*operands: Any) -> Any:
            xs, cotangents = operands[:len(active)], operands[len(active):]
            f, given = _restricted(self.run, xs, active)
            return tuple(wg.vjp(f, *given)[1](tuple(cotangents)))
        return self._kept(("adjoint", active), lambda: Program(pull))

    def transposed(self, active: tuple[bool, ...]) -> Program:
        """As `adjoint`, without conjugates."""
        adjoint = self.adjoint(active).run

        def pull(*operands: Any) -> Any:
            found = adjoint(*operands[:len(active)], *[np.conj(c) for c in operands[len(active):]])
            return tuple([np.conj(g) for g in found])
        return self._kept(("transposed", active), lambda: Program(pull))

    def batched(self, axes: tuple[int | None, ...]) -> Program:
        """Mapped over these axes; all results have the lanes in front."""
        def mapped(*operands: Any) -> Any:
            return wg.vmap(self.run, axes)(*operands)
        linear = None
        if self.linear is not None:
            count, transpose = self.linear
            linear = count, lambda results: transpose(results).batched((*axes[:-count], *[0] * results))
        return self._kept(("batched", axes), lambda: Program(mapped, linear))


def _restricted(run: Callable[..., Any], xs: Sequence[Any],
                active: Sequence[bool]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The inexact results as a function of the active arguments, and these."""
    def f(*given: Any) -> Any:
        rest = iter(given)
        out = run(*[next(rest) if a else x for x, a in zip(xs, active, strict=True)])
        return tuple([y for y in out if is_inexact(y)])
    return f, tuple([x for x, a in zip(xs, active, strict=True) if a])


def on_arrays(f: Any, spec: Spec, fixed: Sequence[Any], moving: Sequence[bool], weak: Sequence[bool]) -> Callable[..., Any]:
    """A function of (args, kwargs), or a graph, as one of the leaves that move; those that are weak are Python's numbers."""
    def on_leaves(*arrays: Any) -> Any:
        rest = iter([_number(x) if w else x for x, w in zip(arrays, weak, strict=True)])
        args, kwargs = spec.unflatten([next(rest) if m else x for x, m in zip(fixed, moving, strict=True)])
        return apply(f, args) if isinstance(f, Graph) else reached(f)(*args, **kwargs)
    on_leaves.__qualname__ = getattr(f, "__qualname__", type(f).__name__)
    return on_leaves


def keyed(who: str, spec: Spec, fixed: Sequence[Any], *rest: Any) -> Any:
    """What calls of one signature have in common, hashable; `fixed`: leaves that belong to the structure. ``True`` is not 1."""
    key = spec, tuple([(type(x), x) for x in fixed]), *rest
    try:
        hash(key)
    except TypeError:
        raise InputError(f"{who}: an argument is neither an array nor hashable") from None
    return key


def _number(x: Any) -> Any:
    """A number as Python has it: its dtype gives way to that of arrays."""
    if not isinstance(x, Tracer):
        return x.item()
    x.kind = "scalar"
    return x
