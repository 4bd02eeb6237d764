"""Python's operators on tracers.

What comes in: ``x + y``, ``-x``, ``x += y``. What goes out: the ufunc's equation. The one idea: the ordinary case (floats
of one dtype in one trace) goes straight to the primitive; everything else takes the ufunc's way with NumPy's dtype rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.scipy_sparse import from_left, from_right, is_product
from wengert.frontends.trace import is_home
from wengert.frontends.tracer import FUNCTIONS, Tracer, constant, elementwise_result, ufunc_call
from wengert.graph import REGISTRY, Primitive

__all__: list[str] = []


def _operator(ufunc: np.ufunc) -> tuple[Any, Any, Any]:
    def forward(self: Tracer, other: Any) -> Any:
        out = _directly(ufunc, self, other, False)
        if out is not None:
            return out
        if is_product(ufunc, other):
            return from_right(self, other)
        return NotImplemented if _yields_to(other) else ufunc_call(ufunc, self, other)

    def backward(self: Tracer, other: Any) -> Any:
        out = _directly(ufunc, self, other, True)
        if out is None and is_product(ufunc, other):
            return from_left(other, self)
        return out if out is not None else ufunc_call(ufunc, other, self)

    def in_place(self: Tracer, other: Any) -> Any:
        return self.in_place(ufunc, other)
    return forward, backward, in_place


def _yields_to(other: Any) -> bool:
    """Whether NumPy's arrays leave an operator to the other operand: text, dicts, and classes that ask for it."""
    kind = type(other)
    if kind is Tracer or kind is np.ndarray or kind in _NUMBERS:
        return False
    if other is None or isinstance(other, (str, bytes, dict, set)):
        return True
    protocol = getattr(kind, "__array_ufunc__", _ABSENT)
    if protocol is not _ABSENT:
        return protocol is None
    priority = getattr(kind, "__array_priority__", 0.0)
    return isinstance(priority, (int, float)) and priority > 0.0


_NUMBERS = frozenset((bool, int, float, complex, list, tuple))
_ABSENT = object()


def _directly(ufunc: np.ufunc, x: Tracer, other: Any, swapped: bool) -> Any:
    """The ordinary case of an operator, without the dtype rules: floats of one dtype in one trace; else None."""
    build = x.build
    primitive = _DIRECT.get(ufunc)
    if build is None or primitive is None or x.kind == "scalar" or not is_home(build):
        return None
    a = x.atom
    dtype = a.type.dtype
    kind = type(other)
    if kind is Tracer:
        if other.build is not build or other.kind == "scalar":
            return None
        b = other.atom
        if b.type.dtype is not dtype or dtype.kind not in "fc":
            return None
    elif kind is float and dtype.char == "d":
        b = build.lift(other)
    elif kind is int and dtype.kind in "fc":
        b = constant(other, dtype)
    else:
        return None
    return elementwise_result(build, build.emit(primitive, (b, a) if swapped else (a, b), _NONE)[0], x, other)


_NONE: dict[str, Any] = {}
# Ufuncs whose result dtype rule is the primitive's own for operands of one inexact dtype.
_DIRECT: dict[Any, Primitive] = {u: REGISTRY[u.__name__] for u in (
    np.add, np.subtract, np.multiply, np.divide, np.less, np.less_equal, np.greater, np.greater_equal)}


for _name, _ufunc in dict(add=np.add, sub=np.subtract, mul=np.multiply, truediv=np.divide,
                          floordiv=np.floor_divide, mod=np.remainder, matmul=np.matmul, and_=np.bitwise_and,
                          or_=np.bitwise_or, xor=np.bitwise_xor, lshift=np.left_shift,
                          rshift=np.right_shift, pow=np.power).items():
    _f, _b, _i = _operator(_ufunc)
    _n = _name.rstrip("_")
    setattr(Tracer, f"__r{_n}__", _b)
    setattr(Tracer, f"__i{_n}__", _i)
    if _n != "pow":
        setattr(Tracer, f"__{_n}__", _f)
for _name, _ufunc in dict(lt=np.less, le=np.less_equal, gt=np.greater, ge=np.greater_equal,
                          eq=np.equal, ne=np.not_equal, divmod=np.divmod).items():
    setattr(Tracer, f"__{_name}__", _operator(_ufunc)[0])
Tracer.__rdivmod__ = _operator(np.divmod)[1]  # type: ignore[attr-defined]


def _unary(ufunc: np.ufunc) -> Any:
    def function(self: Tracer) -> Any:
        """Of a Python number: a Python number, which takes the other operand's dtype."""
        out = ufunc_call(ufunc, self)
        if self.kind == "scalar" and isinstance(out, Tracer):
            out.kind = "scalar"
        return out
    return function


for _name, _ufunc in dict(neg=np.negative, pos=np.positive, abs=np.absolute, invert=np.invert).items():
    setattr(Tracer, f"__{_name}__", _unary(_ufunc))


def _power(self: Tracer, other: Any, mod: Any = None) -> Any:
    return FUNCTIONS["pow"](self, other) if mod is None and not _yields_to(other) else NotImplemented


def _right_power(self: Tracer, other: Any, mod: Any = None) -> Any:
    return FUNCTIONS["pow"](other, self) if mod is None else NotImplemented


for _name, _method in dict(pow=_power, rpow=_right_power).items():
    setattr(Tracer, f"__{_name}__", _method)
