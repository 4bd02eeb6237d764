"""Explicit control flow: `cond`, `while_loop`, `fori_loop` and `scan`.

What comes in: functions for the arms or the body, and trees of values. What goes out: what the same loop or branch gives when
it is written in Python. The one idea: each is such a loop, over the leaves of a tree. Where nothing is staged, Python runs it;
where a block is staged, the operators that a rewritten ``if`` or ``for`` calls turn it into one equation.

A loop owns what it carries: arrays are copied when it starts, so a body may write into them. The type of a leaf may not change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError, StructureError, UnstageableError
from wengert.flatten import Spec, flatten, leaf_names
from wengert.frontends import flow
from wengert.frontends.block import UNBOUND, attempt, innermost, is_abstract, same_value
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.stage import NothingTraced, branch, loop
from wengert.frontends.trace import active_frame, active_trace, user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer
from wengert.graph import ArrayType, Var, type_of

__all__ = ["call", "cond", "fori_loop", "is_traced", "is_tracing", "scan", "user_line", "while_loop"]

_UNROLLED = 2  # a scan this short is not worth an equation that holds a graph


# ---------------------------------------------------------------- values


call = flow.call_user


def is_traced(x: Any) -> bool:
    """Whether a value belongs to a program that is being traced."""
    return isinstance(x, Tracer) and x.build is not None


def is_tracing() -> bool:
    """Whether a program is being traced, around the caller."""
    return active_trace() is not None


def _type(x: Any) -> ArrayType | None:
    """The type of a number or an array; None for anything else."""
    if isinstance(x, Tracer):
        return x.type
    if type(x) is int:  # also beyond 64 bits, which only Python can hold
        return ArrayType((), np.int64)
    numeric = isinstance(x, (bool, int, float, complex)) or (
        isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fciub"
    )
    return type_of(x) if numeric else None


def _leaf(x: Any) -> Any:
    """A leaf as a loop carries it: what has no axes is a number; in a staged block an array is one that it may write to."""
    if isinstance(x, Tracer):
        return x[()] if x.kind == "box" else x
    if isinstance(x, np.ndarray) and x.dtype.kind in "fciub":
        if not x.ndim:
            return x[()]
        return x if active_frame() is None else Tracer(None, None, np.array(x))
    return x


def _own(x: Any) -> Any:
    """A leaf whose memory nobody else holds; the order of its elements in memory stays."""
    x = _leaf(x)
    return x.copy(order="K") if isinstance(x, (Tracer, np.ndarray)) and x.shape else x


def _made(tree: Any) -> Any:
    """The containers of a tree that was put together for the user's function, which may change them."""
    if type(tree) in (list, dict) or (dataclasses.is_dataclass(tree) and not isinstance(tree, type)):
        flow.made(tree)
    elif not isinstance(tree, tuple):
        return tree
    parts = tree if isinstance(tree, (list, tuple)) else (tree if isinstance(tree, dict) else vars(tree)).values()
    for part in parts:
        _made(part)
    return tree


def _named(x: Any, t: ArrayType | None) -> str:
    return f"None or a Python object ({x!r})" if t is None else str(t)


class _Carry:
    """The values that go from one iteration to the next: leaves, their names and types, and the structure of their tree."""

    def __init__(self, who: str, name: str, tree: Any):
        leaves, self.spec = flatten(tree)
        self.who, self.name, self.names = who, name, leaf_names(self.spec, name)
        self.leaves = [_own(x) for x in leaves]
        self.types = [_type(x) for x in self.leaves]

    def get(self) -> list[Any]:
        return list(self.leaves)

    def put(self, leaves: list[Any]) -> None:
        self.leaves[:] = leaves

    def tree(self) -> Any:
        return _made(self.spec.unflatten(self.leaves))

    def result(self) -> Any:
        for x in self.leaves:
            if isinstance(x, type(UNBOUND)):
                x._fail()
        return self.spec.unflatten(self.leaves)

    def step(self, tree: Any) -> None:
        """Take what the body gave, if it is of the types that were carried into it."""
        leaves, spec = flatten(tree)
        if spec != self.spec:
            raise StructureError(
                f"{self.who}: {self.name} has the structure {self.spec!r}, and the body gives {spec!r} (at {user_line()}); "
                f"return what was carried in, leaf by leaf"
            )
        leaves = [_leaf(x) for x in leaves]
        for name, old, new, t in zip(self.names, self.leaves, leaves, self.types, strict=True):
            found = _type(new)
            if found is not t or (t is None and not (new is old or same_value(old, new))):
                raise StructureError(
                    f"{self.who}: {name} is {_named(old, t)} before the body and {_named(new, found)} after it (at "
                    f"{user_line()}); start with a value of the type that the body gives, or convert what it gives"
                )
        self.leaves[:] = leaves


def _truth(c: Any, who: str) -> Any:
    """A condition: a traced value of one element, or a bool."""
    if is_abstract(c) and active_frame() is not None:
        return c
    if not isinstance(c, Tracer) and _type(c) is None:
        raise InputError(f"{who}: the condition is a {type(c).__name__}, not a number (at {user_line()})")
    return bool(c)


# ---------------------------------------------------------------- branches


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands) if pred else false_fun(*operands)``.

    Parameters
    ----------
    pred : bool or number
    true_fun, false_fun : callable
        Under `jit`, where a traced value decides, both are traced, and have to give trees of one structure with leaves of the
        same shapes and dtypes; else a `StructureError` (a TypeError) names the leaf.
    *operands : trees

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(lambda x: wg.cond(x > 1.0, lambda v: v * v, lambda v: -v, x))(3.0)
    np.float64(6.0)
    """
    pred = _truth(pred, "cond")
    if not is_abstract(pred):
        return call(true_fun if pred else false_fun, *operands)
    names: list[str] = []
    box: list[Any] = []
    found: list[tuple[Spec, list[Any]]] = []

    def arm(f: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            leaves, spec = flatten(call(f, *operands))
            box[:] = [_leaf(x) for x in leaves]
            names[:] = leaf_names(spec, "the result")
            found.append((spec, list(box)))
            _same_arms(found, names)

        return run

    branch(pred, arm(true_fun), arm(false_fun), lambda: list(box), lambda values: box.__setitem__(slice(None), values), names)
    for x in box:
        if isinstance(x, type(UNBOUND)):
            x._fail()
    return found[0][0].unflatten(box)


def _same_arms(found: list[tuple[Spec, list[Any]]], names: Sequence[str]) -> None:
    """Refuse arms that give different things."""
    (spec, yes), (other, no) = found[0], found[-1]
    if spec != other:
        raise StructureError(
            f"cond: true_fun gives the structure {spec!r} and false_fun {other!r} (at {user_line()}); give one structure"
        )
    for name, a, b in zip(names, yes, no, strict=True):
        t, u = _type(a), _type(b)
        if t is not u or (t is None and not (a is b or same_value(a, b))):
            raise StructureError(
                f"cond: {name} is {_named(a, t)} from true_fun and {_named(b, u)} from false_fun (at {user_line()}); "
                f"convert one of them"
            )


# ---------------------------------------------------------------- loops


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any, *, checkpoints: int | None = None
) -> Any:
    """``while cond_fun(val): val = body_fun(val)``, beginning with `init_val`.

    Parameters
    ----------
    cond_fun : callable
    body_fun : callable
        Gives a tree of the structure of its argument, with the same shapes and dtypes; else a `StructureError` (a TypeError)
        names the leaf.
    init_val : tree
    checkpoints : int, optional
        How many values of the carry reverse mode keeps at once; those in between it computes again, by a schedule for
        loops of unknown length (Wang, Moin and Iaccarino 2009).
        The default keeps all.

    Examples
    --------
    >>> import wengert as wg
    >>> def root(a):
    ...     return wg.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a)
    >>> round(wg.jit(wg.grad(root))(2.0), 6)
    np.float64(0.353553)
    """
    asked = _asked("while_loop", checkpoints)
    carry = _Carry("while_loop", "init_val", init_val)

    def test() -> Any:
        return _truth(call(cond_fun, carry.tree()), "while_loop")

    def body() -> None:
        carry.step(call(body_fun, carry.tree()))

    if asked and active_trace() is not None:
        with _refused("while_loop"):
            loop(carry.get, carry.put, carry.names, _repeatable(lambda _: body()), test=lambda _: test(), **asked)
    elif active_frame() is None:
        while test():
            body()
    else:
        flow.while_(test, None, body, carry.get, carry.put, carry.names)
    return carry.result()


def fori_loop(
    lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any, *, checkpoints: int | None = None
) -> Any:
    """``for i in range(lower, upper): val = body_fun(i, val)``, beginning with `init_val`.

    Parameters
    ----------
    lower, upper : int
        Under `jit` they may be traced.
    body_fun : callable
        Gives a tree of the structure of its second argument, with the same shapes and dtypes; else a `StructureError` (a
        TypeError) names the leaf.
    init_val : tree
    checkpoints : int, optional
        As for `scan`.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.fori_loop(1, 5, lambda i, v: v * i, 1)
    24
    """
    asked = _asked("fori_loop", checkpoints)
    carry = _Carry("fori_loop", "init_val", init_val)

    def body(i: Any) -> None:
        carry.step(call(body_fun, i, carry.tree()))

    if asked and active_trace() is not None:
        with _refused("fori_loop"):
            length, sure = _length(lower, upper)
            loop(carry.get, carry.put, carry.names, _repeatable(body), length=length, step=(lower, 1), sure=sure, **asked)
    elif active_frame() is None:
        for i in range(operator.index(lower), operator.index(upper)):
            body(i)
    else:
        flow.for_(flow.call(range, lower, upper), None, body, carry.get, carry.put, carry.names)
    return carry.result()


def scan(
    f: Callable[[Any, Any], Any], init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, *,
    checkpoints: int | None = None
) -> Any:
    """Carry a value along an axis, and stack what each step gives: ``carry, ys[i] = f(carry, xs[i])``.

    Parameters
    ----------
    f : callable
        ``f(carry, x)`` gives a pair (carry, y). The new carry has the structure, shapes and dtypes of the old; else a
        `StructureError` (a TypeError) names the leaf.
    init : tree
    xs : tree of arrays, or None
        The first axis of each leaf is walked along.
    length : int, optional
        The number of steps, if `xs` is None.
    reverse : bool
        Walk from the last entry to the first; ``ys[i]`` still belongs to ``xs[i]``.
    checkpoints : int, optional
        How many values of the carry reverse mode keeps at once; those in between it computes again, in the fewest steps that
        are possible (Griewank and Walther's revolve: see `checkpoint_schedule`). The default keeps all.

    Returns
    -------
    tuple
        The last carry, and the tree of stacked y.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.scan(lambda c, x: (c + x, c * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    asked = _asked("scan", checkpoints)
    rows = _Rows(xs, length)
    if not (n := rows.length):
        return _no_steps(f, init, rows)
    carry, ys = _Carry("scan", "init", init), _Stacked(n, reverse)

    def body(i: Any) -> list[Any]:
        out = _pair(call(f, carry.tree(), rows.at(i)))
        carry.step(out[0])
        return ys.take(out[1])

    step = (n - 1, -1) if reverse else (0, 1)
    if asked and active_trace() is not None:
        with _refused("scan"):
            run = _repeatable(body)
            found = loop(carry.get, carry.put, carry.names, run, length=n, step=step, reverse=reverse, sure=True, **asked)
            return carry.result(), ys.tree(found)
    if active_frame() is not None and n > _UNROLLED:
        try:
            found = loop(carry.get, carry.put, carry.names, body, length=n, step=step, reverse=reverse, sure=True)
            return carry.result(), ys.tree(found)
        except (NothingTraced, NeedsValueError, UnstageableError):
            pass  # Python runs it, in the graph that is being made
    for i in range(n - 1, -1, -1) if reverse else range(n):
        ys.append(body(i))
    return carry.result(), ys.stacked()


def _asked(who: str, checkpoints: Any) -> dict[str, Any]:
    """The parameter of the loop's equation."""
    if checkpoints is None:
        return {}
    if isinstance(checkpoints, bool) or not isinstance(checkpoints, (int, np.integer)) or checkpoints < 1:
        raise InputError(f"{who}: checkpoints is the number of states to keep, 1 (the start alone) or more, not "
                         f"{checkpoints!r} (at {user_line()})")
    return {"checkpoints": int(checkpoints)}


@contextlib.contextmanager
def _refused(who: str) -> Iterator[None]:
    """A loop with checkpoints is one equation, or an error: Python cannot go back to where it was."""
    try:
        yield
    except NothingTraced:
        raise InputError(f"{who}: nothing that the loop carries is differentiated or traced; leave checkpoints away "
                         f"(at {user_line()})") from None
    except (NeedsValueError, UnstageableError) as error:
        raise InputError(f"{who}: a loop with checkpoints runs as one equation, and this one cannot: {error}. Leave "
                         f"checkpoints away, or write what a traced value decides with wg.cond") from error


def _repeatable(body: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The body of a loop with checkpoints: it runs again on the way back, so it must have no effect."""
    def run(index: Any) -> Any:
        out = body(index)
        if innermost().effects:
            raise UnstageableError("its body draws or prints, and would do so again; draw before the loop, and walk along what "
                                   "was drawn")
        return out
    return run


def _length(lower: Any, upper: Any) -> tuple[Any, bool]:
    """The number of iterations, and whether it is known to be one at least."""
    if isinstance(lower, Tracer) or isinstance(upper, Tracer):
        return np.maximum(upper - lower, 0), False
    n = max(operator.index(upper) - operator.index(lower), 0)
    return n, n > 0


def _pair(out: Any) -> Any:
    if type(out) in (tuple, list) and len(out) == 2:
        return out
    raise StructureError(f"scan: f gives a pair (carry, y), not a {type(out).__name__} (at {user_line()})")


class _Rows:
    """What a scan walks along."""

    def __init__(self, xs: Any, length: Any):
        leaves, self.spec = flatten(xs)
        self.leaves = [_leaf(x) for x in leaves]
        wanted = None if length is None else operator.index(length)
        self.length = wanted
        for name, x in zip(leaf_names(self.spec, "xs"), self.leaves, strict=True):
            if x is None:
                continue
            t = _type(x)
            if t is None or not t.shape:
                raise InputError(
                    f"scan: {name} is {_named(x, t)}; each leaf of xs is an array, and its first axis is walked along "
                    f"(np.array of a list)"
                )
            if self.length is not None and self.length != t.shape[0]:
                what = "length" if self.length == wanted else "another leaf"
                raise InputError(f"scan: {name} has {t.shape[0]} entries, and {what} says {self.length}")
            self.length = t.shape[0]
        if self.length is None:
            raise InputError("scan: without xs, give the number of steps: scan(f, init, None, length=10)")
        if self.length < 0:
            raise InputError(f"scan: length is {self.length}")

    def at(self, i: Any) -> Any:
        """The i-th entries; a body that writes into them does not write into xs."""
        return _made(self.spec.unflatten([x if x is None else _own(x[i]) for x in self.leaves]))

    def unknown(self, block: Any) -> Any:
        """An entry of which only the types are known."""
        types = [_type(x) for x in self.leaves]
        return _made(
            self.spec.unflatten([t and Tracer(block, Var(ArrayType(t.shape[1:], t.dtype))) for t in types])
        )


class _Stacked:
    """What the steps of a scan give besides the carry, stacked."""

    def __init__(self, length: int, reverse: bool):
        self.length, self.reverse = length, reverse
        self.spec: Spec | None = None
        self.types: list[Any] = []
        self.rows: list[list[Any]] = []

    def take(self, y: Any) -> list[Any]:
        """The leaves of what a step gave; None stays None and is not stacked."""
        leaves, spec = flatten(y)
        leaves = [_leaf(x) for x in leaves]
        types = [_type(x) for x in leaves]
        for name, x, t in zip(leaf_names(spec, "y"), leaves, types, strict=True):
            if t is None and x is not None:
                raise StructureError(f"scan: {name} is a {type(x).__name__}, not a number or an array (at {user_line()})")
        if self.spec is None:
            self.spec, self.types = spec, types
        elif spec != self.spec:
            raise StructureError(
                f"scan: y has the structure {self.spec!r} in one step and {spec!r} in another (at {user_line()})"
            )
        for name, t, u in zip(leaf_names(spec, "y"), self.types, types, strict=True):
            if t is not u:
                raise StructureError(f"scan: {name} is {t} in one step and {u} in another (at {user_line()})")
        return [x for x in leaves if x is not None]

    def append(self, leaves: list[Any]) -> None:
        self.rows.append([_own(x) for x in leaves])

    def tree(self, columns: Sequence[Any]) -> Any:
        assert self.spec is not None
        rest = iter(columns)
        return self.spec.unflatten([None if t is None else next(rest) for t in self.types])

    def stacked(self) -> Any:
        rows = self.rows[::-1] if self.reverse else self.rows
        columns = list(zip(*rows, strict=True))
        traced = [any(isinstance(x, Tracer) for x in column) for column in columns]
        return self.tree([FUNCTIONS[np.stack](c) if t else _leaf(np.stack(c)) for c, t in zip(columns, traced, strict=True)])


def _no_steps(f: Callable[[Any, Any], Any], init: Any, rows: _Rows) -> Any:
    """A scan over nothing: f is traced, never run, to know what it would give."""
    ys = _Stacked(0, False)

    def trace() -> list[Any]:
        carry = _Carry("scan", "init", init)
        out = _pair(call(f, carry.tree(), rows.unknown(innermost())))
        carry.step(out[0])
        return ys.take(out[1])

    try:
        attempt(trace, lambda: None)
    except (NeedsValueError, UnstageableError) as error:
        raise InputError(
            f"scan: over no entries, what f gives has to follow from types alone, and does not: {error}"
        ) from error
    empty = [_leaf(np.zeros((0, *t.shape), t.dtype)) for t in ys.types if t is not None]
    return _Carry("scan", "init", init).result(), ys.tree(empty)
