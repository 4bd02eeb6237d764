"""Differentials of compositions that are smoother than their parts.

What comes in: an equation and the equations before it. What goes out: its tangent, if it is an even power of a modulus,
else None. The one idea: ``|x|²`` is a polynomial although ``|x|`` has a kink, and so is the square of a norm, whose
root has an infinite derivative at 0; the chain rule through the kink gives the first derivative and loses the second.
Values stay what they are, to the bit: only the differential goes around the modulus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wengert.graph import REGISTRY, Atom, Build, Equation, Handle, Var
from wengert.primitives.elementwise import conj, real

__all__ = ["even_power"]

_MOVES = frozenset(("reshape", "broadcast", "transpose", "index", "flip"))  # powers may be taken before or after these


def _of_absolute(y: Any, operands: Sequence[Any], tangents: Sequence[Any], n: int) -> Any:
    """``|z|^n``: ``n |z|^(n-2) Re(conj(z) t)``."""
    (x,), (t,) = operands, tangents
    if x.dtype.kind == "c":
        return _times_power(real(t * conj(x)) * float(n), y, n - 2)
    return t * (x * 2.0 if n == 2 else _power(x, n - 1) * float(n))


def _of_root(y: Any, operands: Sequence[Any], tangents: Sequence[Any], n: int) -> Any:
    """``√v^n = v^(n/2)``."""
    (v,), (t,) = operands, tangents
    return t if n == 2 else t * (_power(v, n // 2 - 1) * (n / 2))


def _of_hypot(y: Any, operands: Sequence[Any], tangents: Sequence[Any], n: int) -> Any:
    """``(a² + b²)^(n/2)``: ``n r^(n-2) (a ta + b tb)``."""
    terms = [t * x for x, t in zip(operands, tangents, strict=True) if t is not None]
    total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
    total = total if total.shape == y.shape else REGISTRY["broadcast"](total, shape=y.shape)
    return _times_power(total * float(n), y, n - 2)


def _power(x: Any, n: int) -> Any:
    return x if n == 1 else REGISTRY["integer_power"](x, n=n)


def _times_power(x: Any, y: Any, n: int) -> Any:
    return x if n == 0 else x * _power(y, n)


_MODULI: dict[str, Callable[..., Any]] = {
    "absolute": _of_absolute, "fabs": _of_absolute, "root": _of_root, "hypot": _of_hypot}


def _exponent(e: Equation) -> int:
    """The even exponent of a power; 0 if the equation is none."""
    name = e.primitive.name
    if name == "square" or (name == "multiply" and e.operands[0] is e.operands[1]):
        return 2
    n = e.params["n"] if name == "integer_power" else 0
    return n if n > 0 and n % 2 == 0 else 0


def even_power(build: Build, e: Equation, makers: Mapping[Any, Equation], tangent: Callable[[Atom], Any]) -> Any:
    """The tangent of an even power of a modulus, or None.

    Parameters
    ----------
    build : Build
    e : Equation
    makers : mapping
        The equation that made each variable.
    tangent : callable
        ``tangent(atom)`` gives the tangent of an atom, or None.
    """
    n = _exponent(e)
    if not n:
        return None
    moves: list[Equation] = []
    inner = makers.get(e.operands[0])
    while inner is not None and inner.primitive.name in _MOVES:
        moves.append(inner)
        inner = makers.get(inner.operands[0])
    rule = _MODULI.get(inner.primitive.name) if inner is not None else None
    if inner is None or rule is None:
        return None
    tangents = [tangent(o) if isinstance(o, Var) else None for o in inner.operands]
    if all(t is None for t in tangents):
        return None
    out = rule(Handle(build, inner.results[0]), [Handle(build, o) for o in inner.operands], tangents, n)
    for move in reversed(moves):
        out = move.primitive(out, *[Handle(build, o) for o in move.operands[1:]], **move.params)
    return out
