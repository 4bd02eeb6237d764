"""The primitive record and the registry.

What comes in: the mathematics of one operation, stated once. What goes out: a `Primitive` that every
transform and back end reads. The one idea: the derivative with regard to each operand is stated exactly
once, as a partial (elementwise), as linearity with a transpose, or as a jvp; everything else is derived.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Missing", "Primitive", "REGISTRY"]

REGISTRY: dict[str, Primitive] = {}


class Missing:
    """Stands in ``partials`` for a derivative that is not known; `reason` goes into the error."""

    __slots__ = ("reason",)

    def __init__(self, reason: str):
        self.reason = reason


class Primitive:
    """One operation: its types, its meaning, its differential, its batching.

    Parameters
    ----------
    name : str
        Unique; NumPy's name where there is one.
    type : callable
        ``type(*operand_types, **params)`` gives the `ArrayType` of the result, or a tuple of them when
        ``multiple``. Raises what NumPy would raise on bad shapes.
    evaluate : callable
        ``evaluate(*values, **params)`` with NumPy: this is the meaning of the primitive.
    partials : tuple, optional
        For an elementwise primitive: per operand, ``partial(y, *operands, **params)`` in handles; None for an
        operand in which it is linear; `Missing` where no derivative is known.
    linear : "jointly" or tuple of int, optional
        Linear in all operands together (add, concatenate), or in each of these operands apart (multiply).
        "Linear" means over the reals: ``real`` and ``conjugate`` are linear.
    transpose : callable, optional
        ``transpose(ct, i, operands, **params)``: the cotangent of operand i, under Re<a, b>. `operands[j]`
        is the handle of a residual operand and `operands.types[j]` the type of any. With ``into=True`` a
        further keyword ``into`` is the cotangent that is already there, or None, and the result is the sum.
    leading : callable, optional
        For "jointly": ``leading(params)`` says in how many leading operands; the others are residual. The default
        is all operands of an inexact dtype.
    absent : callable, optional
        For "jointly": ``absent(tangents, type, **params)`` when some tangents are None; the default fills
        them with zeros.
    jvp : callable, optional
        ``jvp(results, operands, tangents, **params)`` in handles; absent tangents are None, and so may be
        the result. Operands listed in `linear` are already dealt with and come as None here. With several
        results it returns a tuple. A keyword ``needed`` (tuple of bool) is passed if ``multiple``.
    batch : callable, optional
        ``batch(size, operands, batched, **params)`` in handles, batched ones along axis 0; returns the
        result(s), all batched along axis 0. Elementwise primitives need none.
    differentiable : bool
        False for what is locally constant (comparisons, floor, argmax): its tangent is absent.
    elementwise : bool
        Broadcasting, one result element per element.
    structural : bool
        Linear with coefficients 0 and 1 (reshape, sum, gather): its transpose also carries masks.
    pure : bool
        False if it has an effect: never shared, dropped, duplicated or moved.
    record : callable, optional
        For control flow: ``record(build, equation, tangents, linearize)`` gives the equation that also saves what the linear
        part needs, and the tangents of the results.
    adjoint : callable, optional
        For control flow: ``adjoint(walk, equation)`` adds to the cotangents of a linear equation's operands.
    forward : callable, optional
        For control flow: ``forward(equation, operands, tangents, jvp)`` gives results and tangents, saving nothing.
    holds_graphs : bool
        Its parameters hold graphs; its jvp then gets a keyword ``transform``, the linearization that is running.
    follows : callable, optional
        For operands that follow from others (the factors of a matrix): ``follows(*free, **params)`` gives all. Samples
        then hold the free ones, and the law tests vary those.
    sample : callable, optional
        ``sample(rng)`` gives a list of cases ``(operands, params)`` inside the domain, for the law tests.
    kinks, jumps : callable, optional
        For what is differentiable but where smooth pieces meet: ``kinks(*results, *operands, **params)`` in handles tells the
        pieces apart, by numbers or truth values that change where the slope (`jumps`: the value) does. What is locally
        constant needs neither: it jumps where its value changes.
    ufunc : numpy.ufunc or str, optional
        The ufunc that this primitive stands for (a string: its name in ``scipy.special``).
    """

    __slots__ = (
        "absent", "adjoint", "batch", "differentiable", "elementwise", "evaluate", "follows", "forward", "holds_graphs", "into",
        "jumps", "jvp", "kinks", "leading", "linear", "multiple", "name", "partials", "pure", "record", "sample", "structural",
        "transpose", "type", "ufunc")

    def __init__(self, name: str, *, type: Callable[..., Any], evaluate: Callable[..., Any],
                 partials: tuple[Any, ...] | None = None, linear: str | Sequence[int] = (),
                 transpose: Callable[..., Any] | None = None, absent: Callable[..., Any] | None = None,
                 leading: Callable[[Any], int] | None = None, holds_graphs: bool = False,
                 follows: Callable[..., Any] | None = None,
                 jvp: Callable[..., Any] | None = None, batch: Callable[..., Any] | None = None,
                 differentiable: bool = True, elementwise: bool = False, structural: bool = False,
                 record: Callable[..., Any] | None = None, adjoint: Callable[..., Any] | None = None,
                 forward: Callable[..., Any] | None = None, multiple: bool = False, pure: bool = True, into: bool = False,
                 sample: Callable[..., Any] | None = None, ufunc: Any = None,
                 kinks: Callable[..., Any] | None = None, jumps: Callable[..., Any] | None = None):
        self.name, self.type, self.evaluate = name, type, evaluate
        self.partials, self.transpose = partials, transpose
        self.linear: str | tuple[int, ...] = linear if isinstance(linear, str) else tuple(linear)
        self.absent, self.jvp, self.batch, self.differentiable = absent, jvp, batch, differentiable
        self.elementwise, self.structural, self.multiple = elementwise, structural, multiple
        self.leading, self.holds_graphs, self.follows = leading, holds_graphs, follows
        self.record, self.adjoint, self.forward = record, adjoint, forward
        self.pure, self.into, self.sample, self.ufunc = pure, into, sample, ufunc
        self.kinks, self.jumps = kinks, jumps
        self._check()
        REGISTRY[name] = self

    def _check(self) -> None:
        stated = [self.partials is not None, self.jvp is not None, self.record is not None]
        if self.name in REGISTRY:
            raise ValueError(f"primitive {self.name!r} is defined twice")
        if bool(self.linear) != (self.transpose is not None):
            raise ValueError(f"primitive {self.name!r}: linear and transpose go together")
        if sum(stated) > 1 or (self.linear == "jointly" and any(stated)):
            raise ValueError(f"primitive {self.name!r} states its derivative more than once")
        if self.differentiable != (any(stated) or bool(self.linear)):
            raise ValueError(f"primitive {self.name!r} states no derivative; say differentiable=False if it has none")

    def is_linear_in(self, i: int, params: Any) -> bool:
        """Whether an equation with these parameters is linear in operand i (of an inexact dtype)."""
        if self.linear == "jointly":
            return self.leading is None or i < self.leading(params)
        return i in self.linear

    def __call__(self, *operands: Any, **params: Any) -> Any:
        """Apply to handles or tracers (an equation is emitted), or to plain values (evaluated)."""
        from wengert.graph.build import Handle
        top: Any = None
        for o in operands:
            if isinstance(o, Handle) and (top is None or o.level > top.level):
                top = o
        if top is None:
            return self.evaluate(*operands, **params)
        return top.apply(self, operands, params)

    def __repr__(self) -> str:
        return f"Primitive({self.name})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _lookup, (self.name,)


def _lookup(name: str) -> Primitive:
    return REGISTRY[name]
