"""Functions and their derivatives as Python source.

What comes in: a function and arguments, `wg.grad(f)` and `x`. What goes out: a `Source`, the text of a module with one function
that computes the same with NumPy and SciPy alone. The one idea: `jit` has the graph, with its loops and branches;
`views.source` writes it down.
"""

from __future__ import annotations

import builtins
import cmath
import keyword
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError, UnsupportedError, kind_of, not_a_function
from wengert.flatten import Spec, flatten
from wengert.forms import Result, leaf_key
from wengert.graph import ArrayType, Graph
from wengert.staging import _Jitted, jit
from wengert.transforms.ownership import inner_ownership, ownership
from wengert.transforms.simplify import simplify
from wengert.views.notation import Term, constant, dtype_text
from wengert.views.source import Writer

__all__ = ["Source", "graph_source", "leaf_paths", "source"]


_CALLED = frozenset("np fft linalg special range reversed complex float".split())  # what source reads beside its variables


class Source(str):
    """Python source; printed as it is, highlighted in a notebook.

    Attributes
    ----------
    name : str
        Of the function that it defines.
    """

    name: str

    def function(self) -> Callable[..., Any]:
        """The function, defined.

        Examples
        --------
        >>> import wengert as wg
        >>> float(wg.source(lambda x: x * x + 1.0, 2.0).function()(3.0))
        10.0
        """
        namespace: dict[str, Any] = {}
        exec(compile(self, f"<source of {self.name}>", "exec"), namespace)
        return namespace[self.name]  # type: ignore[no-any-return]

    def _repr_markdown_(self) -> str:
        return f"```python\n{self}\n```"


def source(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Source:
    """A function, or a derivative of one, as NumPy source that runs without wengert.

    The text is that of the graph under `jit`: loops and branches are statements, what Python integers and other static
    arguments decided is decided, and shapes are those of the arguments given here; others are refused when it runs, and so
    are floats in the place of integers. Parameters whose names source needs, or Python, get an underscore: ``np_``.

    Parameters
    ----------
    f : callable
        For instance ``wg.grad(f)``, ``wg.hessian(f)``, ``wg.vmap(f)``.
    *args, **kwargs
        Arguments like those that it will be given.

    Returns
    -------
    Source
        A string; ``print`` it, or take the ``function()``.

    Raises
    ------
    UnsupportedError
        What cannot be written exactly is named: opaque calls, draws and prints, constants of more than 1000 elements, functions
        that cannot be staged.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def loss(w, x):
    ...     return np.sum(np.tanh(x * w))
    >>> print(wg.source(wg.grad(loss), 0.5, np.ones(3)))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def grad_loss(w, x):
        w = np.float64(w)
        x = np.asarray(x, np.float64)
        assert x.shape == (3,)
        v1 = np.tanh(x * w)
        return np.sum((1.0 - v1) * (1.0 + v1) * x)
    <BLANKLINE>
    """
    if not callable(f):
        raise InputError(f"source: {not_a_function(f)}")
    jitted = f if isinstance(f, _Jitted) else jit(f)
    leaves, staged = jitted._find(args, kwargs)
    if staged.graph is None:
        raise UnsupportedError(f"source: {_name_of(f)} cannot be staged: {staged.reason}")
    names, reads, fixed = _arguments(jitted, args, kwargs, renamed=True)
    spec = staged.out_spec
    assert spec is not None

    def result(texts: Sequence[str]) -> str:
        rest = iter(texts)
        leaves = [next(rest) if isinstance(x, Result) else _literal(x) for x in staged.out_leaves]
        return _tree_text(spec, leaves)
    return _module(staged.graph, _name_of(f), names, reads, result, fixed)


def graph_source(graph: Graph, name: str, arguments: Sequence[str]) -> Source:
    """A graph as source, its inputs under these names."""
    given = _usable(arguments)
    return _module(graph, _function_name(name), given, given, lambda texts: ", ".join(texts))


def _module(graph: Graph, name: str, parameters: Sequence[str], reads: Sequence[str],
            result: Callable[[Sequence[str]], str], fixed: Sequence[tuple[str, Any]] = ()) -> Source:
    """Imports, helpers and the function.

    `reads` says how each input is reached from the parameters: ``params['w']``; `fixed`, which values decided what it does.
    """
    graph = simplify(graph)
    writer = Writer(_owned, [*parameters, name, *keyword.kwlist])
    for read, value in fixed:
        writer.line(f"assert {read} {'is' if value is None else '=='} {value!r}")
    inputs = _inputs(writer, graph, reads)
    outputs = writer.graph(graph, inputs)
    terms = [writer.term(o).text for o in outputs]
    writer.line(f"return {result(terms)}")
    head = [writer.imports(), *writer.helpers.definitions]
    body = f"def {name}({', '.join(parameters)}):\n{writer.text()}\n"
    made = Source("\n\n\n".join([*head, body]))
    made.name = name
    return made


def _owned(graphs: Sequence[Graph], donated: frozenset[int]) -> Any:
    return ownership(graphs[0], donated) if len(graphs) == 1 and donated == frozenset() else _Both(graphs, donated)


class _Both:
    """What `inner_ownership` decides, and for a single graph what it may overwrite."""

    def __init__(self, graphs: Sequence[Graph], donated: frozenset[int]):
        found = inner_ownership(tuple(graphs), donated)
        self.consumed, self.loose = found.consumed, found.loose
        self.given = ownership(graphs[0], found.consumed).given


def _inputs(writer: Writer, graph: Graph, reads: Sequence[str]) -> list[Any]:
    """The first lines: arguments as arrays of the type that the function was written for."""
    out = []
    for v, read in zip(graph.inputs, reads):
        name = read if read.isidentifier() else writer.unused(re.sub(r"\W+", "_", read).strip("_"))
        type_ = v.type
        assert isinstance(type_, ArrayType)
        if type_.dtype.kind in "iu":  # 2.5 is not to become 2
            writer.line(f"assert np.asarray({read}).dtype.kind in 'biu'")
        if type_.shape:
            writer.line(f"{name} = np.asarray({read}, {dtype_text(type_.dtype)})")
            writer.line(f"assert {name}.shape == {type_.shape}")
        else:
            writer.line(f"{name} = {dtype_text(type_.dtype)}({read})")
        out.append(Term(name))
    return out


def _arguments(jitted: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, renamed: bool = False,
               ) -> tuple[list[str], list[str], list[tuple[str, Any]]]:
    """The parameters, how each traced leaf is reached from them, and the plain values that decided what is traced.

    `renamed`: parameters have names that a function in source can have.
    """
    import inspect
    try:
        known = [p.name for p in inspect.signature(jitted.f).parameters.values() if p.kind in (
            p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        known = []
    names = [known[k] if k < len(known) and known[k].isidentifier() and not keyword.iskeyword(known[k]) else f"x{k}"
             for k in range(len(args))]
    names = [n if n not in names[:k] and n not in kwargs else f"{n}_{k}" for k, n in enumerate(names)]
    if renamed:
        names = _usable(names, kwargs)
    reads, fixed = list[str](), list[tuple[str, Any]]()
    for name, tree in [*zip(names, args), *kwargs.items()]:
        leaves, spec = flatten(tree, ordered=True)
        for k, x in enumerate(leaves):
            read = f"{name}{spec.place(k)}"
            if leaf_key(x) is not None:
                reads.append(read)
            elif type(x) in (bool, int, str, bytes, type(None)):
                fixed.append((read, x))
    return [*names, *kwargs], reads, fixed


def _usable(names: Sequence[str], others: Collection[str] = ()) -> list[str]:
    """Names of parameters, with an underscore where they are Python's, or what source calls by name."""
    bad = [n for n in others if keyword.iskeyword(n) or not n.isidentifier() or n in _CALLED]
    if bad:
        raise UnsupportedError(f"source: {bad[0]!r} cannot be the name of a parameter in source; pass it by position")
    out: list[str] = []
    for n in names:
        free = n
        while keyword.iskeyword(free) or free in _CALLED or free in out or free in others or (free != n and free in names):
            free += "_"
        out.append(free)
    return out


def _literal(x: Any) -> str:
    """A value that the function gives whatever its arguments."""
    if type(x) in (float, complex):
        text = repr(x)
        return text if cmath.isfinite(x) else f"{type(x).__name__}({text.strip('()')!r})"
    if type(x) in (bool, int, str, bytes, type(None)):
        return repr(x)
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fciub":
        return constant(x, "numpy", named=True).text
    raise UnsupportedError(f"source: the function gives {kind_of(x)}, which has no source; return numbers and arrays")


def leaf_paths(jitted: Any, args: tuple[Any, ...]) -> list[str]:
    """How each traced leaf is reached from the parameters: ``params['w'][0]``."""
    return _arguments(jitted, args, {})[1]


def _name_of(f: Any) -> str:
    name = getattr(f, "__name__", "") or type(f).__name__
    name = re.sub(r"\W+", "_", name).strip("_") or "function"
    name = "function" if name == "lambda" else name.replace("_lambda", "_function")
    return _function_name(f"f_{name}" if name[0].isdigit() else name)


def _function_name(name: str) -> str:
    """The name, with an underscore where it is Python's, or what source calls by name."""
    return f"{name}_" if keyword.iskeyword(name) or name in _CALLED or hasattr(builtins, name) else name


def _tree_text(spec: Spec, leaves: Sequence[str]) -> str:
    """The source of a tree: tuples, lists and dicts of leaves."""
    if spec.tree is None:
        return leaves[0]

    class Leaf:
        def __init__(self, text: str):
            self.text = text

    def text(x: Any) -> str:
        if isinstance(x, Leaf):
            return x.text
        if type(x) is dict:
            return "{" + ", ".join([f"{k!r}: {text(v)}" for k, v in x.items()]) + "}"
        if type(x) is list:
            return "[" + ", ".join([text(v) for v in x]) + "]"
        if type(x) is tuple:
            return "(" + ", ".join([text(v) for v in x]) + ("," if len(x) == 1 else "") + ")"
        raise UnsupportedError(f"source: the function gives {kind_of(x)}, which source without its class cannot make; return a "
                               f"tuple, list or dict")
    return text(spec.unflatten([Leaf(t) for t in leaves]))


