"""Forms: what calls of a jitted function look like to machine code.

What comes in: arguments, and what a graph of their signature gives. What goes out: the `Signature` of an entry, and, for calls
with containers or keywords, a `Form`: a callable of their leaves. The one idea: positional arrays, numbers and static
arguments are looked at by machine code; of everything else Python takes the tree apart and puts that of the results together,
and machine code looks at the leaves.
"""

from __future__ import annotations

import operator
import types
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.compiled import native
from wengert.errors import UnsupportedError
from wengert.flatten import Spec, flatten, tree_flatten
from wengert.frontends.trace import require_plain
from wengert.frontends.tracer import Tracer
from wengert.frontends.watch import may_change
from wengert.graph import ArrayType, type_of

if TYPE_CHECKING:
    from wengert.backends.compiled.entry import Input, Output, Signature

__all__ = ["MISS", "Forms", "NotPlainError", "Result", "leaf_key", "signature_of", "taken"]

MISS = object()


class NotPlainError(Exception):
    """An argument whose arithmetic is not ndarray's own."""


def taken(x: Any) -> Any:
    """An array as the graph takes it: in the machine's byte order, which NumPy's results have."""
    if type(x) is not np.ndarray:
        try:
            require_plain(x)
        except UnsupportedError as error:
            raise NotPlainError(
                f"an argument is a {type(x).__name__}, which does not compute as an ordinary array does"
            ) from error
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def leaf_key(x: Any) -> Any:
    """What of a leaf decides the trace."""
    if isinstance(x, Tracer):
        return x.type, "array" if x.shape or x.kind == "box" else "scalar" if x.kind == "scalar" else "number", x.order
    if isinstance(x, np.ndarray) and x.dtype.kind in "fciub":
        return ArrayType(x.shape, x.dtype), "array", _order(x) or ("C" if x.ndim > 1 else "")
    if isinstance(x, np.generic) and x.dtype.kind in "fciub":
        return ArrayType((), x.dtype), "number", ""
    if type(x) is float or type(x) is complex:
        return type_of(x), "scalar", ""
    return None


@native.enable
class Form(native.Native):  # type: ignore[misc]
    """Calls of a jitted function whose arguments make trees of one structure, as a function of the leaves.

    What fits one of its entries gives the result, or, of trees, a function and the values that it makes the result of; else it
    gives `MISS`.
    """

    def __init__(self, owner: Any, spec: Any, flat: bool):
        self.owner, self.spec, self.flat = owner, spec, flat

    def __call__(self, *leaves: Any) -> Any:
        return MISS

    def _failed(self, status: int, *leaves: Any) -> Any:
        args, kwargs = self.spec.unflatten(leaves)
        found = self.owner.answer(status, args, kwargs)
        return found if self.flat else (operator.itemgetter(0), found)


class Forms:
    """The forms of calls that have been seen, by structure, memory orders, and whether machine code makes the whole result.

    An array in another memory order is traced apart, and copied for its entry, which takes no other than C's.
    """

    def __init__(self, owner: Any):
        self.owner = owner
        self.found: dict[Any, Form] = {}

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any], flat: bool) -> tuple[Any, ...]:
        """What has to be installed in for calls like this one."""
        leaves, spec = tree_flatten((args, kwargs))
        orders = _straight(leaves)[1]
        key = spec, orders, flat
        if key not in self.found and len(self.found) < _MOST:
            self.found[key] = Form(self.owner, spec, flat)
        form = (self.found[key],) if key in self.found else ()
        return (self.owner, *form) if flat and not orders else form

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a call, or `MISS`."""
        leaves, spec = tree_flatten((args, kwargs))
        out = self._enter(spec, (), leaves)
        if out is MISS:
            straight, orders = _straight(leaves)
            if straight is not leaves:
                return self._enter(spec, orders, straight)
        return out

    def _enter(self, spec: Any, orders: tuple[str, ...], leaves: list[Any]) -> Any:
        for flat in (False, True):
            form = self.found.get((spec, orders, flat))
            if form is not None:
                out = form(*leaves)
                if out is not MISS:
                    return out if flat else out[0](out[1:])
        return MISS


_MOST = 1_000  # forms of one function


def _straight(leaves: list[Any]) -> tuple[list[Any], tuple[str, ...]]:
    """The leaves, with arrays as entries take them, and the memory orders of those that were in another."""
    bent = [type(x) is np.ndarray and not (x.flags.c_contiguous and x.flags.aligned) for x in leaves]
    if not any(bent):
        return leaves, ()
    orders = tuple([_order(x) if b else "" for x, b in zip(leaves, bent, strict=True)])
    return [x.copy() if b else x for x, b in zip(leaves, bent, strict=True)], orders if any(orders) else ()


def _order(x: np.ndarray[Any, Any]) -> str:
    return "" if x.ndim < 2 or x.flags.c_contiguous else "F" if x.flags.f_contiguous else "?"


def signature_of(args: tuple[Any, ...], kwargs: dict[str, Any], static: Container[Any], computed: Iterable[ArrayType],
                 out_leaves: Sequence[Any], out_spec: Spec, compiled: native.Compiled,
                 release: bool) -> tuple[Signature, bool] | None:
    """What an entry has to take and give, and whether Python need take no arguments apart and put no results together.

    None where no entry can know whether a call is like this one.

    Parameters
    ----------
    args, kwargs
        Of a call.
    static : container
        The positions and names of arguments that are static whatever they are.
    computed, out_leaves, out_spec
        The types of what the graph computes; the leaves of what the function returns, a `Result` where the graph computes it.
    compiled, release
        As for `Signature`.
    """
    from wengert.backends.compiled.entry import Output, Signature

    inputs: list[Input] = []
    for key, x in (*enumerate(args), *kwargs.items()):
        found = _inputs_of(x, key in static)
        if found is None:
            return None
        inputs += found
    rest = iter(computed)
    outputs = [x.output(next(rest)) if type(x) is Result else Output(kind="same", given=x) for x in out_leaves]
    container = _container(out_spec)
    flat = container is not None and not kwargs and all(flatten(x)[1].tree is None for x in args)
    if container is None or not flat:
        container = "tuple"
        outputs = [Output(kind="same", given=out_spec.unflatten), *outputs]
    return Signature(tuple(inputs), tuple(outputs), container, compiled.workspace, bool(compiled.hosts), release,
                     bool(compiled.constants)), flat


_BY_VALUE = (int, bool, str, bytes, type(None))


def _inputs_of(tree: Any, static: bool) -> list[Input] | None:
    """What an entry has to find at the leaves of an argument; None if it cannot know whether they are those of the trace."""
    from wengert.backends.compiled.entry import Input

    leaves, spec = tree_flatten(tree)
    if static and not spec.is_leaf() and not _all_by_value(tree):
        return None  # the trace knows such a tree by its parts, or by itself
    found = []
    for x in leaves:
        key = None if static else leaf_key(x)
        if isinstance(x, Tracer):
            return None
        if key is not None:
            if not (type(x) in (np.ndarray, float, complex) or isinstance(x, np.generic)):
                return None
            found.append(Input(key[0], "python" if key[1] == "scalar" else key[1]))
        elif type(x) in _BY_VALUE or (type(x) is types.MethodType and type(x.__func__) is types.FunctionType):
            found.append(Input(kind="equal", given=x))
        elif may_change(x) or (type(x) is types.BuiltinMethodType and not isinstance(x.__self__, types.ModuleType)):
            return None
        else:
            found.append(Input(kind="same", given=x))
    return found


def _all_by_value(tree: Any) -> bool:
    if type(tree) in (tuple, list):
        return all(map(_all_by_value, tree))
    return all(map(_all_by_value, tree.values())) if type(tree) is dict else type(tree) in _BY_VALUE


def _container(spec: Spec) -> str | None:
    """What holds the results, if it is no more than a tuple or list; "" for the one result."""
    if spec.tree is None:
        return ""
    flat = spec.tree.type in (tuple, list) and all(child.is_leaf() for child in spec.tree.children())
    return spec.tree.type.__name__ if flat else None


class Result:
    """A leaf that the graph computes, as the kind of number or array that the function gives."""

    __slots__ = ("kind",)

    def __init__(self, x: Any):
        self.kind = x.kind if isinstance(x, Tracer) and x.kind in ("scalar", "box") else ""

    def of(self, value: Any) -> Any:
        if isinstance(value, Tracer):
            value.kind = self.kind
            return value
        return value.item() if self.kind == "scalar" else np.asarray(value) if self.kind == "box" else value

    def output(self, type: Any) -> Output:
        """The `Output` of an entry."""
        from wengert.backends.compiled.entry import Output
        return Output(type, "array" if type.shape or self.kind == "box" else "python" if self.kind == "scalar" else "number")
