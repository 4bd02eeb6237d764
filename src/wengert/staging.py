"""jit: a function as one graph per signature, loops and branches kept.

What comes in: a Python function. What goes out: a function that is traced once for each signature (shapes, dtypes, kinds of
numbers, tree structure, static arguments, and all that it read from around it) and then runs its graph. The one idea: what
cannot be staged exactly is run as it stands, with one warning that names the line and the reason.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.backends.compiled import native
from wengert.backends.tiers import Runner
from wengert.budget import stage_with
from wengert.errors import (
    BudgetError,
    InputError,
    StructureError,
    UnstageableError,
    UnsupportedError,
    WengertError,
    kind_of,
    not_a_function,
)
from wengert.finite import DEBUG, look
from wengert.flatten import Spec, flatten, is_fixed_function
from wengert.forms import MISS, Forms, NotPlainError, Result, leaf_key, signature_of, taken
from wengert.frontends import flow, warned
from wengert.frontends.block import MIXED, Block, Unbound, raised
from wengert.frontends.effects import LateText
from wengert.frontends.reach import call as reach_call
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.selected import Places, Selected
from wengert.frontends.sequences import Derived
from wengert.frontends.trace import OPEN, active_frame, shown
from wengert.frontends.tracer import Tracer
from wengert.frontends.watch import Watched, fingerprint, note_partial, remembered, same_as, watching
from wengert.graph import Const, Graph, Var, type_of
from wengert.primitives.control import call as call_graph
from wengert.run import own
from wengert.settings import config
from wengert.transforms.simplify import simplify

if TYPE_CHECKING:
    from wengert.backends.compiled.memory import Memory

__all__ = ["StagingWarning", "jit", "kept", "remembered", "same_as"]


# Who holds an array that is returned and known to nobody else: the result, its leaves, two variables, and getrefcount.
_FRESH = 5


class StagingWarning(UserWarning):
    """A function under `jit` that runs unstaged."""


class _Staged:
    """The graph of one signature."""

    __slots__ = ("forms", "graph", "kept", "linked", "out_leaves", "out_spec", "program", "raised", "reason", "recorded",
                 "table", "watched")

    def __init__(self) -> None:
        self.watched = Watched()
        self.graph: Graph | None = None
        self.recorded: Graph | None = None  # before it was simplified
        self.program: Runner | None = None
        self.out_leaves: list[Any] = []
        self.out_spec: Spec | None = None
        self.reason = ""
        self.raised: type[BaseException] | None = None  # an error of the program's own that was the reason, perhaps
        self.kept: Any = None  # static arguments are known by identity, so they have to live
        self.linked: native.Linked | None = None  # machine code that Python enters without us
        self.table: native.Table | None = None  # what it looks at first
        self.forms: tuple[Any, ...] = ()  # what is called to enter it: the jitted function, `Form`s of it


_TRACED = object()
_MOST = 1_000  # signatures of one function whose graphs are kept


@native.enable
class _Jitted(native.Native):  # type: ignore[misc]
    """What `jit` returns. Once a signature is compiled, calls that fit it no longer come here: see `_enter`."""

    def __init__(self, f: Callable[..., Any], static_argnums: tuple[int, ...], static_argnames: tuple[str, ...],
                 at_once: bool = False):
        functools.update_wrapper(self, f, updated=())
        self.f, self.static_argnums, self.static_argnames, self.at_once = f, static_argnums, static_argnames, at_once
        self.found: dict[Any, _Staged] = {}
        self.forms = Forms(self)  # of calls that Python takes apart before they enter machine code
        self.derived: dict[Any, Any] = {}  # its derivatives, jitted
        self.recipe: Any = None  # how it is made of another jitted function
        self.warned = [False]  # shared with its derivatives

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def again(self, transform: Callable[..., Any], rest: tuple[Any, ...]) -> Any:
        """``transform(f, *rest)`` of the function that was jitted, jitted with the same static arguments, and kept."""
        key = (transform, repr(rest))
        found = self.derived.get(key)
        if found is None:
            found = self.derived[key] = _Jitted(transform(self.f, *rest), self.static_argnums, self.static_argnames,
                                                      self.at_once)
            found.warned, found.recipe = self.warned, (transform, (self, *rest))
        return found

    def __reduce__(self) -> Any:
        """By name where the name gives this very object; else by the function."""
        name = str(getattr(self, "__qualname__", ""))
        found: Any = sys.modules.get(str(getattr(self, "__module__", "")))
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is self:
            return name
        if self.recipe is not None:
            return self.recipe
        return _jitted_again, (_recipe(self.f), self.static_argnums, self.static_argnames, self.at_once)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if active_frame() is not None:
            return flow.call(self.f, *args, **kwargs)
        if DEBUG.get() is not None:
            return look(getattr(self, "__name__", self._name()), self, *args, **kwargs)
        if self.forms.found:
            out = self.forms.call(args, kwargs)
            if out is not MISS:
                return out
        try:
            leaves, staged = self._find(args, kwargs)
        except NotPlainError as error:  # a mask, or products of matrices: only the program itself keeps them
            self._warn(str(error))
            return self.f(*args, **kwargs)
        traced = any(isinstance(x, Tracer) for x in leaves)
        derived = traced and not shown()
        if staged.graph is None:
            if staged.raised is None:
                self._warn(staged.reason)
            out = reach_call(self.f, *args, **kwargs) if traced else self.f(*args, **kwargs)
            self._warn(staged.reason)  # now that it is known not to be an error of the program
            return out
        if derived and not all(e.pure for e in staged.graph.equations):
            # the draws of a value are those of its gradient: each takes place once, as it is recorded
            return reach_call(self.f, *args, **kwargs)
        if not traced:
            self._compile(staged, args, kwargs, now=self.at_once and config.backend == "compiled")
        return self._run(staged, leaves)

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], _Staged]:
        """Traced leaves, and the graph of their signature, made if there is none that still holds."""
        leaves, key, rebuild = self._signature(args, kwargs)
        staged = self.found.get(key)
        if staged is None or not staged.watched.unchanged():
            made, before = warned.restored(lambda: self._stage(leaves, key, rebuild)), staged
            staged = self.found.get(key)
            if staged is None or staged is before or not staged.watched.unchanged():  # and no other thread was quicker
                self._forget(key)
                for oldest in list(self.found)[:len(self.found) - _MOST + 1]:
                    self._forget(oldest)
                staged = self.found[key] = made
        return leaves, staged

    def holds(self) -> bool:
        """Whether nothing has changed that its graphs were made from; unknown, so False, if it runs unstaged."""
        return all(s.graph is not None and ((s.table is not None and s.table.unchanged()) or s.watched.unchanged())
                   for s in list(self.found.values()))

    def _forget(self, key: Any) -> None:
        staged = self.found.pop(key, None)
        if staged is not None and staged.linked is not None:
            for form in staged.forms:
                native.remove(form, staged.linked)

    # ------------------------------------------------------------ signature

    def _signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Any, Callable[[Any], Any]]:
        """Traced leaves, the key of the trace, and how to put leaves back among the static parts."""
        dynamic = tuple(a for k, a in enumerate(args) if k not in self.static_argnums)
        named = {k: x for k, x in kwargs.items() if k not in self.static_argnames}
        leaves, spec = flatten((dynamic, named), ordered=True)
        leaves = [taken(x) if isinstance(x, np.ndarray) else x for x in leaves]
        keys = [leaf_key(x) for x in leaves]
        static = [x for x, k in zip(leaves, keys, strict=True) if k is None]
        apart = [(k, args[k]) for k in self.static_argnums if k < len(args)] + [
            (k, kwargs[k]) for k in self.static_argnames if k in kwargs
        ]
        key = (spec, tuple(keys), tuple(fingerprint(x) for x in static), tuple((k, fingerprint(x)) for k, x in apart))
        traced = [x for x, k in zip(leaves, keys, strict=True) if k is not None]
        fixed = [x if k is None else _TRACED for x, k in zip(leaves, keys, strict=True)]  # what is kept: no array of this call

        def rebuild(values: Sequence[Any]) -> Any:
            rest = iter(values)
            given, words = spec.unflatten([next(rest) if x is _TRACED else x for x in fixed])
            full = list(given)
            for k, value in sorted((k, v) for k, v in apart if isinstance(k, int)):
                full.insert(k, value)
            return self.f, full, {**words, **{k: v for k, v in apart if isinstance(k, str)}}

        return traced, key, rebuild

    # ------------------------------------------------------------ staging

    def _stage(self, leaves: list[Any], key: Any, rebuild: Callable[[Any], Any], *, keep: bool = False) -> _Staged:
        """The graph of a signature; `keep` holds on to the graph as it was recorded."""
        staged = _Staged()
        for x in leaves:
            if isinstance(x, np.ndarray) and x.dtype.kind not in "fciub":
                raise InputError(f"jit: an argument has dtype {x.dtype}")
        try:
            with watching(staged.watched):
                self._trace(staged, leaves, rebuild)
            staged.kept = rebuild
            staged.recorded = staged.recorded if keep else None
        except (BudgetError, StructureError):  # control flow that cannot mean anything, say: to run it unstaged would hide that
            raise
        except WengertError as error:
            staged.graph, staged.reason = None, str(error)
            found = error.__cause__ if isinstance(error, UnstageableError) else error
            staged.raised = None if found is None or isinstance(found, NeedsValueError) else type(found)
        return staged

    def _trace(self, staged: _Staged, leaves: list[Any], rebuild: Callable[[Any], Any]) -> None:
        block = Block("jit")
        inputs: list[Var] = []

        def body() -> tuple[list[Any], list[Any]]:
            tracers = []
            for x in leaves:
                found, kind, order = leaf_key(x)
                var = Var(found)
                inputs.append(var)
                tracer = Tracer(block, var, kind={"array": "argument", "scalar": "scalar"}.get(kind, ""))
                tracer.order = order if order in ("C", "F") else ""
                tracers.append(tracer)
            f, args, kwargs = rebuild(tracers)
            note_partial(f)
            out = flow.call(f, *args, **kwargs)
            out_leaves, staged.out_spec = flatten(out, ordered=True)
            return out_leaves, [None if is_fixed_function(x, (args, kwargs)) else self._settle(block, x) for x in out_leaves]
        try:
            out_leaves, outputs = block.run(body)
        except RecursionError as error:
            raise UnstageableError(f"{raised(error)}: recursion to no end, or to one that a traced value decides") from error
        except (NeedsValueError, WengertError):
            raise
        except Exception as error:  # the plain run raises it, or does not
            raise UnstageableError(f"{raised(error)} while the function is traced") from error
        if block.mixed and block.single:
            raise UnstageableError(MIXED)
        if block.captured:
            raise UnstageableError("a traced value of an enclosing derivative is used; pass it as an argument")
        if not staged.watched.steady:
            raise UnstageableError("a traced value was found among what the function reads from around it")
        if not staged.watched.unchanged():
            raise UnstageableError("the function changes what it reads from around it")
        staged.recorded = block.graph(inputs, [a for a in outputs if a is not None])
        staged.graph = simplify(staged.recorded)
        staged.out_leaves = [Result(x) if a is not None else x for a, x in zip(outputs, out_leaves, strict=True)]
        staged.program = Runner(staged.graph)

    def _settle(self, block: Block, x: Any) -> Any:
        if isinstance(x, Unbound):
            x.refuse()
        if isinstance(x, Tracer):
            return block.atom(x, x.type)
        if isinstance(x, np.ndarray) and x.dtype.kind in "fciub" and sys.getrefcount(x) <= _FRESH and (
                x.base is None or sys.getrefcount(x.base) <= 2):
            return Const(np.array(x))
        if isinstance(x, np.ndarray):
            raise UnstageableError("an array made outside is returned")
        if x is None or isinstance(x, (bool, int, float, complex, str, np.generic)):
            return None
        if isinstance(x, (Derived, LateText, Places, Selected)):
            raise UnstageableError(x.returned)
        raise UnstageableError(f"{kind_of(x)} is returned; a graph gives arrays, numbers, texts, None, and containers of them")

    def _name(self) -> str:
        return getattr(self.f, "__qualname__", repr(self.f))

    def _warn(self, reason: str) -> None:
        if not self.warned[0]:
            self.warned[0] = True
            warnings.warn(f"jit: {self._name()} runs unstaged: {reason}", StagingWarning, stacklevel=3)

    # ------------------------------------------------------------ running

    def _run(self, staged: _Staged, leaves: list[Any]) -> Any:
        assert staged.graph is not None and staged.program is not None and staged.out_spec is not None
        first = next((x for x in leaves if isinstance(x, Tracer)), None)
        if first is not None:
            name = getattr(self.f, "__name__", "f")
            results = first.apply(call_graph, [x.frozen() if isinstance(x, Tracer) else x for x in leaves],
                                  {"graph": staged.graph, "name": name})
        else:
            entry = staged.program.entry()
            if entry is not None:
                return self._tree(staged, entry(*leaves))
            program = staged.program
            given = [x if isinstance(x, (np.ndarray, np.generic)) else type_of(x).dtype.type(x) for x in leaves]
            values = warned.relayed(lambda: program(*given))
            seen: set[int] = {id(x) for x in leaves}
            return self._tree(staged, [own(v, seen) for v in values])
        return self._tree(staged, results)

    def _tree(self, staged: _Staged, values: Sequence[Any]) -> Any:
        """What the function returns, of the values that its graph gives."""
        assert staged.out_spec is not None
        results = iter(values)
        return staged.out_spec.unflatten([x.of(next(results)) if type(x) is Result else x for x in staged.out_leaves])

    # ------------------------------------------------------------ looking inside, and leaving Python

    def explained(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Staged:
        """What becomes of a call, traced anew, with the graph as it was recorded; it does not run."""
        return self._stage(*self._signature(args, kwargs), keep=True)

    def direct(self, staged: _Staged, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: native.Compiled) -> bool:
        """Whether calls like this one enter machine code without running any Python."""
        found = None if staged.watched.identities() is None else self._takes(staged, args, kwargs, compiled, False)
        return found is not None and found[1]

    def _staged_graph(self, what: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Graph:
        _, staged = self._find(args, kwargs)
        if staged.graph is None:
            raise UnsupportedError(f"{what}: {self._name()} runs unstaged: {staged.reason}")
        return staged.graph

    def program(self, what: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Graph, Callable[[Sequence[Any]], Any]]:
        """The graph of calls with arguments like these, for other systems to run, and what puts its results together."""
        graph = self._staged_graph(what, args, kwargs)
        _, staged = self._find(args, kwargs)

        def together(values: Sequence[Any]) -> Any:
            assert staged.out_spec is not None
            rest = iter(values)
            return staged.out_spec.unflatten([next(rest) if type(x) is Result else x for x in staged.out_leaves])
        return graph, together

    def memory(self, *args: Any, **kwargs: Any) -> Memory:
        """The memory that a call with arguments like these takes once it is compiled, before it runs.

        Returns
        -------
        Memory
            Its `peak` in bytes (without the arguments); where loops of unknown length save something for their derivative,
            `peak_of(iterations)`. Print it.

        Examples
        --------
        >>> import numpy as np
        >>> import wengert as wg
        >>> print(wg.jit(wg.grad(lambda x: np.sum(np.sin(x)))).memory(np.ones(1000)))
        peak 8,000 B (workspace 0 B, results 8,000 B)
        """
        from wengert.backends.compiled.passes import memory
        found = memory(self._staged_graph("memory", args, kwargs))
        if found is None:
            raise UnsupportedError(f"memory: {self._name()} has something that the compiler does not know; it runs interpreted")
        return found

    def low_level_callable(self, arguments: int | None = None) -> Any:
        """The compiled function as a `scipy.LowLevelCallable`, which ``scipy.integrate.quad`` calls without Python.

        Parameters
        ----------
        arguments : int, optional
            How many floats it takes (default: as many as it has parameters without a default); it gives one.

        Examples
        --------
        >>> import numpy as np
        >>> import wengert as wg
        >>> from scipy.integrate import quad
        >>> f = wg.jit(wg.grad(lambda x, a: np.exp(-a * x))).low_level_callable(2)
        >>> print(f"{quad(f, 0.0, 1.0, args=(2.0,))[0]:.6f}")
        -0.864665
        """
        from wengert.backends.compiled import export
        count = export.arity(self.f) if arguments is None else arguments
        return export.callable_of(self._staged_graph("low_level_callable", (0.5,) * count, {}))

    def export(self, name: str, *args: Any, folder: str | Path = ".", **kwargs: Any) -> tuple[Path, Path]:
        """Write ``name.h`` and ``name.o``: the compiled function for C programs, without Python.

        Parameters
        ----------
        name : str
            Of the C function and the files.
        *args, **kwargs
            Arguments like those that it will be given: shapes and dtypes count. Python ints and other static arguments become
            part of the program.
        folder : str or Path

        Returns
        -------
        tuple of Path
            The header, which says how to link, and the object.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import wengert as wg
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     header, _ = wg.jit(wg.grad(lambda x: np.sum(x ** 3))).export("slope", np.ones(4), folder=folder)
        ...     print(next(line for line in header.read_text().splitlines() if "slope(" in line))
        int64_t slope(const double *x /* [4] */, double *y0 /* [4] */);
        """
        from wengert.backends.compiled import export
        graph = self._staged_graph("export", args, kwargs)
        return export.export(graph, name, folder, self._names(args, kwargs))

    def _names(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """A name for each traced leaf: that of its parameter, with a number where this is a tree."""
        try:
            parameters = [*inspect.signature(self.f).parameters]
        except (TypeError, ValueError):
            parameters = []
        given = [(parameters[k] if k < len(parameters) else "x", a) for k, a in enumerate(args) if k not in self.static_argnums]
        given += [(k, x) for k, x in kwargs.items() if k not in self.static_argnames]
        out = []
        for name, tree in given:
            leaves = [x for x in flatten(tree, ordered=True)[0] if leaf_key(x) is not None]
            out += [name] if len(leaves) == 1 else [f"{name}_{k}" for k in range(len(leaves))]
        return out

    # ------------------------------------------------------------ machine code

    def _compile(self, staged: _Staged, args: tuple[Any, ...], kwargs: dict[str, Any], *, now: bool = False) -> None:
        """Have machine code made once it is worth it, or now, and calls enter it."""
        runner = staged.program
        assert runner is not None
        if staged.linked is not None:
            if config.backend == "compiled" and not config.held:
                self._enter(staged)
        elif now or runner.due():
            runner.alone(lambda: self._make(staged, runner, args, kwargs), wait=now)

    def _make(self, staged: _Staged, runner: Runner, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Compile, and have calls enter what was made."""
        compiled = runner.compile() if staged.linked is None else None
        if compiled is not None:
            runner.attempt(lambda: self._link(staged, args, kwargs, compiled, release=runner.large()))
            if staged.linked is not None:
                compiled.library = staged.linked.library

    def _link(self, staged: _Staged, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: native.Compiled, *,
              release: bool = False, optimize: bool = False) -> bool:
        """Have calls like this one enter a kernel that was compiled from the graph of its signature."""
        found = None if staged.watched.identities() is None else self._takes(staged, args, kwargs, compiled, release)
        if found is None:
            return False
        signature, flat = found
        staged.forms = self.forms.of(args, kwargs, flat)
        staged.linked = native.link(compiled, signature, optimize=optimize)
        return staged.linked is not None and self._enter(staged)

    def _enter(self, staged: _Staged) -> bool:
        """From here on calls that fit go to machine code, as long as nothing changes that the graph was made from."""
        if staged.table is None or not staged.table.unchanged():
            reads, state = staged.watched.identities(), warned.settled()
            if reads is None or state is None or not native.watchable(reads):  # NumPy is to raise errors, say
                return False
            variable, now = state
            words = [("zero", where, None, None) for where in (OPEN.buffer_info()[0], config.held_address)]
            staged.table = native.Table([*words, *reads, ("modes", variable, None, now)])
            if not staged.watched.unchanged():  # by another thread, meanwhile
                staged.table = None
                return False
        elif all(native.enters(form, staged.linked) for form in staged.forms):
            return True
        return all(native.install(form, staged.linked, staged.table) for form in staged.forms)

    def _takes(self, staged: _Staged, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: native.Compiled,
               release: bool) -> Any:
        static = {*self.static_argnums, *self.static_argnames}
        assert staged.graph is not None and staged.out_spec is not None
        return signature_of(args, kwargs, static, [a.type for a in staged.graph.outputs], staged.out_leaves, staged.out_spec,
                            compiled, release)

    def _failed(self, status: int, *args: Any) -> Any:
        return self.answer(status, args, {})

    def answer(self, status: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A kernel gave a status: the interpreter raises the error, or has no reason to."""
        leaves, key, _ = self._signature(args, kwargs)
        staged = self.found.get(key)
        if staged is None or staged.graph is None:
            for form in (self, *self.forms.found.values()):
                native.remove(form)
            return self(*args, **kwargs)
        compiled = None if staged.program is None else staged.program.compiled
        if compiled is None or staged.out_spec is None:
            return self._run(staged, leaves)
        return self._tree(staged, compiled.failed(status, leaves))


class _Recipe(NamedTuple):
    """How a derivative is made of a function, in a form that pickles."""

    transform: Callable[..., Any]
    f: Any
    rest: tuple[Any, ...]


def _recipe(f: Any) -> Any:
    found = getattr(f, "recipe", None)
    return f if found is None else _Recipe(found[0], _recipe(found[1][0]), tuple(found[1][1:]))


def _jitted_again(recipe: Any, static_argnums: tuple[int, ...], static_argnames: tuple[str, ...], at_once: bool) -> _Jitted:
    def made(x: Any) -> Any:
        return x.transform(made(x.f), *x.rest) if isinstance(x, _Recipe) else x
    return _Jitted(made(recipe), static_argnums, static_argnames, at_once)


def jit(f: Callable[..., Any], *, static_argnums: int | Sequence[int] = (), static_argnames: str | Sequence[str] = (),
        at_once: bool = False) -> Any:
    """A function that is traced once per signature and then runs as a graph, its loops and branches kept.

    Parameters
    ----------
    f : callable
        Written with NumPy, SciPy, ``math`` and Python's own control flow. What it reads from around it (globals, closure
        variables, attributes) may change between calls: it is then traced again.
    static_argnums : int or sequence of int
        Positions of arguments that the trace may depend on by value. Python ints, strings, functions and None are static
        by themselves.
    static_argnames : str or sequence of str
        Likewise, for keyword arguments.
    at_once : bool
        Compile before the first call of each signature. Otherwise the first calls are interpreted, as long as that is quicker,
        and may differ from later ones in the last bits: a sequence of calls is then not the same, bit for bit, each time.

    Returns
    -------
    callable
        It gives what `f` gives. What cannot be staged runs as it stands, with one `StagingWarning` that says why.

    Examples
    --------
    >>> import wengert as wg
    >>> def newton(a):
    ...     x = a
    ...     while abs(x * x - a) > 1e-12:
    ...         x = 0.5 * (x + a / x)
    ...     return x
    >>> round(wg.jit(newton)(2.0), 6)
    1.414214
    """
    if not callable(f):
        raise InputError(f"jit: {not_a_function(f)}")
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    return _Jitted(f, numbers, names, at_once)


stage_with(jit)


_KEPT = "__wengert_jit__"


def kept(name: str, f: Any) -> Any:
    """The function under `jit`, kept with it; `name` is who asks."""
    if not callable(f):
        raise InputError(f"{name}: {not_a_function(f)}")
    if hasattr(type(f), "again"):
        return f
    found = getattr(f, "__dict__", {}).get(_KEPT)
    if found is None or found.f is not f:  # a copied __dict__ (functools.wraps) is another function's
        found = jit(f)
        if isinstance(f, types.FunctionType):
            f.__dict__[_KEPT] = found
    return found
