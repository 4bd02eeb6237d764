"""Where NaN and infinity come from: `debug_nonfinite`, and the search that it makes.

What comes in: calls of derivatives, batches and jitted functions. What goes out: their results; of one that is not finite a
`NonFiniteError`, which names the operation that made it. The one idea: results alone are looked at; a call whose result is not
finite is recorded once more as one graph, forward and backward pass together, and that graph is searched (`origins.py`).
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import numpy as np

from wengert.api import grad, value_and_grad, vmap
from wengert.errors import InputError, NonFiniteError, WengertError, kind_of
from wengert.finite import DEBUG, VALUES, add_tag, split_tags
from wengert.flatten import flatten, is_inexact
from wengert.frontends.draws import generator_states, noting_generators, set_generators
from wengert.frontends.trace import APPLIED, HERE, Interned, active_trace, fresh_build
from wengert.frontends.tracer import Tracer
from wengert.frontends.visits import Visited
from wengert.graph import Atom, Graph, Primitive, Var
from wengert.lines import short_place, source_line
from wengert.muted import muted
from wengert.origins import Finding, Search, Test
from wengert.run import Run, reached
from wengert.settings import config
from wengert.staging import jit

__all__ = ["Finding", "debug_nonfinite", "find_nonfinite"]

_TESTS: tuple[Test, ...] = (np.isnan, np.isinf)
# Files that stand between a user and a transform; a call by any other of ours is a step of an algorithm.
_TRANSFORMS = frozenset(("api.py", "finite.py", "nonfinite.py", "second_order.py", "series.py", "sparse.py", "staging.py"))
_SHOWN = 8  # lines of a path


def find_nonfinite(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Finding | None:
    """The first operation that makes the value of a function, or its gradient, NaN or infinite.

    The function and its backward pass are evaluated by the interpreter, equation by equation; what is finite is not kept.

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
    divide(0.5, 0) = inf at entry [0] (and 1 more), in the backward pass
        ...
    """
    return _origin(value_and_grad(f), args, kwargs, _TESTS)


def _origin(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], tests: Sequence[Test]) -> Finding | None:
    """The first operation that makes a result of a call bad."""
    with np.errstate(all="ignore"), muted(), _passes(), fresh_build():
        graph, values, known = _graph_at(f, tuple(args), kwargs)
        search = Search(graph, values, known=known)
        bad = search.first_bad(tests)
        found = None if bad is None else search.origin(graph.outputs[bad[0]], bad[1])
    if found is not None and (found.operation or found.place or found.input is not None):
        return found
    return _met(f, args, kwargs, tests) or found


def _met(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], tests: Sequence[Test]) -> Finding | None:
    """Of a derivative that is itself a constant: what makes the value bad, or where a bad constant meets what is traced."""
    primal = _primal(f)
    with np.errstate(all="ignore"), muted(), _passes(), fresh_build():
        graph, values, known = _graph_at(primal, tuple(args), kwargs)
        search = Search(graph, values, known=known)
        bad = search.first_bad(tests)
        if bad is not None:
            found = search.origin(graph.outputs[bad[0]], bad[1])
            if found.operation or found.place:
                return found
        return next((met for test in tests if (met := search.meeting(test)) is not None), None)


def _primal(f: Any) -> Callable[..., Any]:
    """The function whose derivative this is, of the same arguments; of a batch of derivatives the batch of it."""
    f = f.f if hasattr(type(f), "again") else f
    recipe = getattr(f, "recipe", None)
    if recipe is None:
        return f  # type: ignore[no-any-return]
    transform, (g, *rest) = recipe
    return vmap(_primal(g), *rest) if transform is vmap else _primal(g)


@contextlib.contextmanager
def _passes() -> Iterator[None]:
    """Lines of derivatives that are recorded here name their pass."""
    before, APPLIED.passes = getattr(APPLIED, "passes", False), True
    try:
        yield
    finally:
        APPLIED.passes = before


def _graph_at(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Graph, list[Any], Any]:
    """A graph of a call, values of its inputs, and of more: staged, so that loops are loops; if that cannot be, as it runs."""
    begun = generator_states()
    staged = f if hasattr(type(f), "again") else jit(f)
    staged = jit(_on_copies(staged.f), static_argnums=staged.static_argnums, static_argnames=staged.static_argnames)
    leaves, key, rebuild = staged._signature(args, kwargs)
    graph = staged._stage(leaves, key, rebuild, keep=True).recorded
    if graph is not None:
        pairs = zip(graph.inputs, leaves, strict=True)
        return graph, [np.asarray(x) if v.type.shape else v.type.dtype.type(x) for v, x in pairs], None
    set_generators(begun)
    argnums = [k for k, x in enumerate(args) if any(is_inexact(leaf) for leaf in flatten(x)[0])]
    with (build := _Turns()), fresh_build(build):
        run = Run("debug_nonfinite", staged.f, args, kwargs, argnums)
    known = run.trace.values
    return run.graph(), [known[v] for v in (*run.inputs, *run.trace.lifted)], known


class _Turns(Visited):
    """A build whose lines name the turns of the loops around them."""

    def record(self, primitive: Primitive, operands: tuple[Atom, ...], params: Mapping[str, Any]) -> tuple[Var, ...]:
        results = Interned.record(self, primitive, operands, params)
        e = self.equations[-1]
        if not getattr(APPLIED, "lines", None) and e.results == results:
            loops = [(visit.file, loop, turn) for visit in self._path() for loop, turn in visit.loops]
            place = min(self.lines[e])
            for file, loop, turn in loops:
                place = add_tag(place, f"turn {turn} of the loop at {short_place(f'{file}:{loop.line}')}")
            self.lines[e] = frozenset((place,))
        return results


def _on_copies(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which may write into its arguments."""
    @functools.wraps(f, updated=())
    def on_copies(*args: Any, **kwargs: Any) -> Any:
        given, named = _copied((args, kwargs))
        return reached(f)(*given, **named)
    return on_copies


# ---------------------------------------------------------------- the context

def debug_nonfinite(enabled: bool = True, *, infinities: bool = True) -> contextlib._GeneratorContextManager[None]:
    """Within this context, a derivative, batch or jitted function whose result holds NaN or infinity raises, and says why.

    What is looked at is what comes out of `grad`, `value_and_grad`, `jacobian`, `hessian`, `hvp`, `jvp`, `vjp`, `linearize`,
    `vmap`, `jit` and their like, where the user's code calls them (of `grad` the value, too, though it is not given): an
    infinity inside that does not reach the result is no fault. The call is then replayed by the interpreter, from copies of its
    arguments, and what is bad is followed back to the operation that made it of finite numbers, or to the line where a constant
    that is not finite meets a traced value. Compiled functions stay compiled.

    Parameters
    ----------
    enabled : bool
        False: for calls within, an outer context does not hold.
    infinities : bool
        Whether an infinity in a result is an error, too; False: NaN alone.

    Raises
    ------
    InputError
        If it decorates without parentheses.
    NonFiniteError
        Its ``finding`` holds what the message says: the operation, its operands and entries, the line, the pass, the turns of
        the loops around it, and the path to the result.

    Notes
    -----
    The context belongs to its thread (or asyncio task), and may be nested. Each call copies its arguments and looks through its
    results; outside, nothing is spent.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def loss(x):
    ...     r = np.sqrt(np.sum(x * x))
    ...     return r - 1.0
    >>> with wg.debug_nonfinite():
    ...     wg.grad(loss)(np.zeros(2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    wengert.errors.NonFiniteError: grad(loss): the result holds NaN at entries [0], [1]; the first operation that made it:
    divide(0.5, 0) = inf, in the backward pass
        ...
    """
    if not isinstance(enabled, (bool, np.bool_)):
        raise InputError("debug_nonfinite: as a decorator it has parentheses: @wg.debug_nonfinite()" if callable(enabled) else
                         f"debug_nonfinite: enabled is True or False, not {kind_of(enabled)}")
    return _context(bool(enabled), infinities)


@contextlib.contextmanager
def _context(enabled: bool, infinities: bool) -> Iterator[None]:
    token = DEBUG.set(_Looking(_TESTS if infinities else _TESTS[:1]) if enabled else None)
    config.hold(1 if enabled else 0)
    try:
        yield
    finally:
        config.hold(-1 if enabled else 0)
        DEBUG.reset(token)


class _Looking:
    """Looks at the results of calls of the user's."""

    def __init__(self, tests: Sequence[Test]):
        self.tests = tests

    def look(self, name: str, call: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any],
             replay: Callable[..., Any], again: Sequence[Any]) -> Any:
        """The result of a call."""
        asked = active_trace() is None and _is_users(sys._getframe(2))
        token = DEBUG.set(None)
        try:
            if not asked:
                return call(*args, **kwargs)
            kept, named = _copied((tuple(again), kwargs))
            with noting_generators() as states:
                out, value = _with_value(call, args, kwargs)
                if said := _said(out, self.tests):
                    set_generators(states)
                    raise self._error(f"{name}: the result holds {said}", replay, kept, named)
                if said := _said(value, self.tests):
                    set_generators(states)
                    raise self._error(f"{name}: the result is finite, and the value of the function is {said}",
                                      _primal(replay), kept, named)
            return out
        finally:
            DEBUG.reset(token)

    def _error(self, head: str, replay: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> NonFiniteError:
        """What is said of a call whose result is not finite."""
        try:
            finding = _origin(replay, args, kwargs, self.tests)
        except WengertError as error:
            return NonFiniteError(f"{head}; its origin is not known, for the call could not be replayed: {error}")
        if finding is None:
            return NonFiniteError(f"{head}; replayed by the interpreter, all is finite: the values are at the limits of their "
                                  f"dtype, or the call does not do the same each time")
        if not finding.operation:
            return NonFiniteError(f"{head}; {finding}", finding)
        return NonFiniteError(f"{head}; the first operation that made it:\n{finding}{_path_text(finding)}", finding)


def _with_value(call: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The result of a call, and of a gradient also the value of the function."""
    is_staged = hasattr(type(call), "again")
    recipe = getattr(call.f if is_staged else call, "recipe", None)
    if recipe is None or recipe[0] is not grad:
        return call(*args, **kwargs), None
    dropped: list[Any] = []
    token = VALUES.set(dropped)
    try:
        copies, named = _copied((tuple(args), kwargs)) if is_staged else (args, kwargs)
        out = call(*args, **kwargs)
    finally:
        VALUES.reset(token)
    values = [x for x in dropped if not isinstance(x, Tracer)]
    return out, _dropped(call, recipe[1], copies, named) if is_staged and not values else values


def _dropped(call: Any, given: Sequence[Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The value that a staged gradient does not compute; None if to compute it would have an effect."""
    primal = call.derived.get("primal")
    with muted():
        try:
            if primal is None:
                primal = call.derived["primal"] = jit(_on_copies(_primal(call)), static_argnums=call.static_argnums,
                                                      static_argnames=call.static_argnames, at_once=call.at_once)
            graph = primal.program("debug_nonfinite", tuple(args), kwargs)[0]
            value = primal(*args, **kwargs) if all(e.pure for e in graph.equations) else None
        except WengertError:
            return None
    return value[0] if value is not None and given[2:3] == (True,) else value


def _is_users(frame: FrameType | None) -> bool:
    """Whether the user's code made the call, and not an algorithm of ours that knows what to do with infinities."""
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        if frame.f_code.co_filename[len(HERE):] not in _TRANSFORMS:
            return False
        frame = frame.f_back
    return True


def _copied(tree: Any) -> Any:
    """The arguments as they are now."""
    leaves, spec = flatten(tree, ordered=True)
    return spec.unflatten([x.copy() if isinstance(x, (np.ndarray, Tracer)) and np.ndim(x) else x for x in leaves])


def _said(out: Any, tests: Sequence[Test]) -> str:
    """What of a result is bad; "" if nothing is."""
    for x in flatten(out)[0]:
        x = x.data if hasattr(x, "indptr") else x
        if isinstance(x, (float, complex, np.ndarray, np.generic)) and (array := np.asarray(x)).dtype.kind in "fc":
            for test in tests:
                bad = test(array)
                if np.any(bad):
                    places = [list(map(int, place)) for place in np.argwhere(bad)[:3]] if array.ndim else []
                    count = int(np.sum(bad))
                    more = f" and {count - 3:,} more" if count > 3 else ""
                    where = f" at entr{'y' if count == 1 else 'ies'} {', '.join(map(str, places))}{more}" if places else ""
                    return f"{'NaN' if test is np.isnan else 'infinity'}{where}"
    return ""


def _path_text(finding: Finding) -> str:
    lines = list(dict.fromkeys(split_tags(place)[0] for place in finding.path))
    lines = [place for place in lines if place and place != finding.place]
    if not lines:
        return ""
    shown = lines if len(lines) <= _SHOWN else [*lines[:_SHOWN // 2], "", *lines[-_SHOWN // 2:]]
    return "\nit reached the result by" + "".join(
        f"\n    {short_place(place)}: {source_line(place)}".rstrip(": ") if place else "\n    ..." for place in shown)
