"""The gradient of a sum over parts of the data.

What comes in: ``f(params, *part)``, and the parts: arrays, or Dask's futures of them. What goes out: the sum, and its
gradient. The one idea: a task is a function of bytes and a part; a worker compiles the function once, and one that is lost
has left nothing behind that Dask does not compute again.
"""

from __future__ import annotations

import itertools
import linecache
import os
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import value_and_grad as differentiated
from wengert.errors import DataError, InputError, kind_of, not_a_function
from wengert.flatten import flatten
from wengert.staging import jit

__all__ = ["split", "value_and_grad"]

_COMPILED: dict[bytes, Callable[..., Any]] = {}  # of a worker, by the bytes that the function came as
_LOCK = threading.Lock()
_MOST = 64  # functions that a worker keeps


def value_and_grad(f: Callable[..., Any], client: Any = None, *, reduction: str = "sum") -> Callable[..., Any]:
    """Value and gradient of ``Σ_k f(params, *parts[k])``, each part computed by one of the workers of a Dask cluster.

    The terms are added in the order of the parts: the result is that of one process over the same parts, bit for bit,
    wherever they were computed. A worker that is lost is Dask's affair: its parts are computed again by another.

    Parameters
    ----------
    f : callable
        ``f(params, *part)`` gives one real number. It is shipped by cloudpickle with each call, with what it reads from around
        it, and compiled once by each worker as long as that does not change.
    client : distributed.Client, optional
        None: everything in this process, the same way.
    reduction : {"sum", "mean"}
        "mean": f is a mean over the rows of its part, and so is the result over those of all parts.

    Returns
    -------
    callable
        Of ``(params, parts)``. A part is a tuple of arrays (or one array), or a future of such, made by
        ``client.submit(load, k)``: then the data stay with the workers, and those of a lost one are loaded again.

    Raises
    ------
    DataError
        No part.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def loss(w, x, y):
    ...     return np.sum((x @ w - y) ** 2)
    >>> x, y = np.arange(12.0).reshape(6, 2), np.ones(6)
    >>> parts = wg.distributed.split((x, y), 3)
    >>> value, gradient = wg.distributed.value_and_grad(loss)(np.array([0.5, -0.25]), parts)
    >>> value, gradient
    (np.float64(4.375), array([35., 35.]))

    With a cluster (``pip install 'wengert[distributed]'``): ``wg.distributed.value_and_grad(loss, distributed.Client())``.
    """
    if not callable(f):
        raise InputError(f"value_and_grad: {not_a_function(f)}")
    if reduction not in ("sum", "mean"):
        raise InputError(f"value_and_grad: reduction is 'sum' or 'mean', not {reduction!r}")
    if client is not None and not callable(getattr(client, "submit", None)):
        raise InputError(f"value_and_grad: the client is {kind_of(client)}; make one: distributed.Client()")
    here = jit(differentiated(f), at_once=True) if client is None else None

    def of_parts(params: Any, parts: Sequence[Any]) -> Any:
        given = list(parts)
        if not given:
            raise DataError("value_and_grad: there is no part; a sum of nothing has no gradient")
        if here is not None:
            return _added([_term(here, params, part) for part in given], reduction)
        blob = _shipped(f)  # each time: what it reads from around it may have changed
        packed = pickle.dumps(params, pickle.HIGHEST_PROTOCOL)
        futures = [client.submit(_on_worker, blob, packed, part, pure=False) for part in given]
        return _added(client.gather(futures), reduction)
    return of_parts


def split(data: Any, count: int) -> list[Any]:
    """Data in parts of nearly one size, by rows.

    Parameters
    ----------
    data : tree of arrays
        With one leading length.
    count : int
        How many parts; at most one for each row.

    Returns
    -------
    list of tree

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> [rows.tolist() for rows in wg.distributed.split(np.arange(5), 2)]
    [[0, 1], [2, 3, 4]]
    """
    leaves, spec = flatten(data)
    if not leaves or any(not isinstance(x, np.ndarray) or not x.ndim for x in leaves):
        raise InputError("split: data are arrays with one row for each example, or trees of them")
    if len({len(x) for x in leaves}) > 1 or not 1 <= count <= len(leaves[0]):
        rows = ", ".join(str(len(x)) for x in leaves)
        raise DataError(f"split: {count} parts of arrays with {rows} rows; each array has to have as many, and at "
                        "least one for each part")
    cuts = [len(leaves[0]) * k // count for k in range(count + 1)]
    return [spec.unflatten([x[a:b] for x in leaves]) for a, b in itertools.pairwise(cuts)]


# ---------------------------------------------------------------- one part

def _arguments(part: Any) -> tuple[Any, ...]:
    return tuple(part) if isinstance(part, (tuple, list)) else (part,)


def _term(derivative: Callable[..., Any], params: Any, part: Any) -> tuple[Any, Any, int]:
    """Value, gradient and rows of a part."""
    value, gradient = derivative(params, *_arguments(part))
    first = flatten(part)[0][0]
    return value, gradient, len(first) if np.ndim(first) else 1


def _added(terms: list[tuple[Any, Any, int]], reduction: str) -> tuple[Any, Any]:
    """Terms, added up in their order; means weighted by rows."""
    rows = sum(n for *_, n in terms)
    if not rows and reduction == "mean":
        raise DataError("value_and_grad: the parts have no rows; a mean of nothing has no value")
    weights = [n / rows if reduction == "mean" else 1 for *_, n in terms]
    value, spec = 0.0, None
    total: list[Any] = []
    for (v, gradient, _), weight in zip(terms, weights, strict=True):
        leaves, spec = flatten(gradient)
        parts = [x if x is None or weight == 1 else weight * x for x in leaves]
        value = value + (v if weight == 1 else weight * v)
        total = [a if b is None else a + b for a, b in zip(total, parts, strict=True)] if total else parts
    assert spec is not None
    return value, spec.unflatten(total)


# ---------------------------------------------------------------- the way to a worker

def _shipped(f: Callable[..., Any]) -> bytes:
    """A function as bytes, with the source that its worker may not have: of a notebook's cell, say."""
    try:
        import cloudpickle
    except ImportError as error:
        raise InputError("value_and_grad: Dask is not installed; pip install 'wengert[distributed]'") from error
    name = getattr(getattr(f, "__code__", None), "co_filename", "")
    return bytes(cloudpickle.dumps((f, name, linecache.getlines(name) if name else [])))


def _on_worker(blob: bytes, packed: bytes, part: Any) -> tuple[Any, Any, int]:
    """What a worker does for a part."""
    with _LOCK:
        derivative = _COMPILED.get(blob)
        if derivative is None:
            f, name, lines = pickle.loads(blob)
            if lines and not os.path.exists(name):
                linecache.cache[name] = (sum(map(len, lines)), None, lines, name)
            while len(_COMPILED) >= _MOST:
                del _COMPILED[next(iter(_COMPILED))]
            derivative = _COMPILED[blob] = jit(differentiated(f), at_once=True)
    return _term(derivative, pickle.loads(packed), part)
