"""Sparse Jacobians and Hessians: a few products in place of a whole matrix.

What comes in: a function, and a pattern or the word that says how to find it. What goes out: `scipy.sparse` matrices, and
prepared structures that give the values of their entries at any point. The one idea: columns that share no row are summed into
one direction, all directions go through the tangent (or adjoint) graph as one batch, and each entry is read from its place in
the result.

Rows are the elements of the output, columns those of the differentiated arguments: the leaves of trees one after the other,
each in C order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import InputError, NonDifferentiableError, SparsityError, kind_of
from wengert.finite import DEBUG, look_behind
from wengert.frontends.trace import active_trace, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import REGISTRY, ArrayType, Var, build_graph
from wengert.progress import Progress
from wengert.run import Run, reached
from wengert.transforms import coloring
from wengert.transforms.pattern import Pattern
from wengert.transforms.sparsity import Nonzero, known_values, propagate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Prepared", "SparseDerivative", "colored_groups", "lagrangian", "pattern_key"]

Function = Callable[..., Any]
_KEPT = 32  # structures of one function
_COLORINGS = {"jacobian": ("column", "row", "two-sided"), "hessian": ("star", "acyclic", "column")}


def lagrangian(objective: Function, constraints: Function) -> Function:
    """The Lagrangian ``L(x, λ, σ) = σ f(x) + λ · c(x)``, whose Hessian in x is what interior-point methods ask for.

    Parameters
    ----------
    objective : callable
        x -> one number.
    constraints : callable
        x -> array.

    Returns
    -------
    callable
        Of the point, one multiplier for each constraint, and the factor of the objective (1 if it is left out).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> f, c = lambda x: np.sum(x ** 4), lambda x: x[1:] * x[:-1]
    >>> hessian = wg.hessian(wg.sparse.lagrangian(f, c), sparsity="detect")
    >>> hessian(np.ones(3), np.array([2.0, 3.0])).toarray()
    array([[12.,  2.,  0.],
           [ 2., 12.,  3.],
           [ 0.,  3., 12.]])
    """
    def value(x: Any, multipliers: Any, factor: Any = 1.0) -> Any:
        parts = [reached(f)(x) if active_trace() is not None else f(x) for f in (objective, constraints)]
        return factor * parts[0] + np.sum(multipliers * parts[1])
    return value


class SparseDerivative:
    """What ``wg.jacobian(f, sparsity=...)`` and ``wg.hessian(f, sparsity=...)`` give: it takes what f takes.

    A call gives a `scipy.sparse.csr_array`.

    Structures are kept: a call at a new point only computes values, unless the program takes another way there.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> hessian = wg.hessian(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2), sparsity="detect")
    >>> hessian(np.zeros(4)).nnz
    10
    >>> structure = hessian.prepare(np.zeros(4))
    >>> structure.products
    3
    >>> values = wg.jit(structure.values)  # the entries alone, in the order of structure.rows and structure.columns
    >>> values(np.ones(4))
    array([ 8., -4., -4., 10., -4., -4., 10., -4., -4.,  2.])
    """

    def __init__(self, name: str, f: Function, derived: Function, argnums: int | Sequence[int], sparsity: Any,
                 holomorphic: bool, method: str | None):
        if not (isinstance(sparsity, str) and sparsity in ("detect", "local")):
            sparsity = _given(name, sparsity)
        if method is not None and method not in _COLORINGS[name]:
            raise InputError(f"{name}: coloring is one of {', '.join(map(repr, _COLORINGS[name]))}, or None for the one that "
                             f"needs fewest products; not {method!r} (at {user_line()})")
        self.name, self.f, self.derived, self.argnums = name, f, derived, argnums
        self.sparsity, self.holomorphic, self.method = sparsity, holomorphic, method
        self.__name__ = self.__qualname__ = f"{name}({getattr(f, '__name__', 'f')})"
        self._found: dict[Any, Prepared] = {}

    def __repr__(self) -> str:
        return f"<sparse {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if DEBUG.get() is None:
            return self._at(*args, **kwargs)
        return look_behind(self.__name__, self._at, args, self._prepared(self._run(args, kwargs))._values, args, **kwargs)

    def _at(self, *args: Any, **kwargs: Any) -> Any:
        run = self._run(args, kwargs)
        found = self._prepared(run)
        if found._doubtful and run.plain:
            found._probe(run)
        return found._matrix(found._compute(run))

    def prepare(self, *args: Any, **kwargs: Any) -> Prepared:
        """The structure at these arguments, for their shapes: pattern, groups, and a function that gives the values."""
        return self._prepared(self._run(args, kwargs))

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        run = Run(self.name, self.derived, args, kwargs, self.argnums)
        run.require_inexact()
        run.require_real_or_holomorphic(self.holomorphic)
        if self.name == "hessian" and any(v.type.dtype.kind == "c" for v in run.inputs):
            raise NonDifferentiableError(f"hessian: a complex input has no one Hessian; differentiate with regard to real and "
                                         f"imaginary parts (at {user_line()})")
        return run

    def _prepared(self, run: Run) -> Prepared:
        key = _key(run)
        found = None if self.sparsity == "local" else self._found.get(key)
        if found is None:
            found = Prepared(self, run, key)
            if len(self._found) >= _KEPT:
                del self._found[next(iter(self._found))]
            self._found[key] = found
        return found


class Prepared:
    """The structure of a sparse derivative: which entries there are, and which products give them.

    Attributes
    ----------
    shape : tuple of int
    nnz : int
        Number of entries, which may be zero at some points.
    rows, columns : arrays of int
        The place of each entry, row by row: what IPOPT and relatives ask for (`lower` leaves out the upper triangle).
    column_groups, row_groups : array of int
        The group of each column and each row; -1: in none.
    products : int
        How many products with the Jacobian (or Hessian) the values take.
    """

    def __init__(self, owner: SparseDerivative, run: Run, key: Any):
        self.owner, self.name = owner, owner.name
        self.shape = (sum(_leaf_size(x) for x in run.out_leaves), sum(v.type.size for v in run.inputs))
        given = not isinstance(owner.sparsity, str)
        self._substitution: _Substitution | None = None
        with Progress() as report:
            report("finding the pattern")
            p = self._matching(owner.sparsity) if given else _detected(run, owner.sparsity == "local")
            self._pattern = self._symmetric(p, given) if self.name == "hessian" else p
            report("coloring")
            self._color(run)
        self._known = {key}
        self._select = np.arange(self._pattern.count)
        self._doubtful = given and self._may_miss(run)
        if self._doubtful and run.plain:
            self._probe(run)

    # ------------------------------------------------------------ what it is

    @property
    def nnz(self) -> int:
        return len(self._select)

    @property
    def rows(self) -> Any:
        return self._pattern.rows()[self._select]

    @property
    def columns(self) -> Any:
        return self._pattern.indices[self._select]

    @property
    def pattern(self) -> Any:
        """The pattern as a boolean `scipy.sparse.csr_array`: what `scipy.optimize.least_squares` takes for `jac_sparsity`."""
        return self._csr(np.ones(self.nnz, bool))

    @property
    def products(self) -> int:
        return sum(int(c.max(initial=-1)) + 1 for c in (self.column_groups, self.row_groups))

    def lower(self) -> Prepared:
        """The same structure with the entries on and below the diagonal only."""
        return self._part(self._pattern.rows()[self._select] >= self._pattern.indices[self._select])

    def _part(self, chosen: Any) -> Prepared:
        out = object.__new__(Prepared)
        out.__dict__.update(self.__dict__)
        for name in ("values", "_layout"):  # kept, of the whole
            out.__dict__.pop(name, None)
        out._select = self._select[chosen]
        return out

    def __repr__(self) -> str:
        groups = ((self.column_groups, "columns"), (self.row_groups, "rows"))
        counts = [(int(c.max(initial=-1)) + 1, side) for c, side in groups]
        sides = [f"{count} {'group' if count == 1 else 'groups'} of {side}" for count, side in counts if count]
        return f"<{self.name} of shape {self.shape}: {self.nnz} entries from {' and '.join(sides) or 'no products'}>"

    def spy(self, ax: Axes | None = None) -> Axes:
        """Draw the entries, each in the color of the group of columns (or, in shades of gray, of rows) that gives it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if it is left out.

        Returns
        -------
        matplotlib Axes
            ``structure.spy().figure.savefig("pattern.png")`` keeps it.
        """
        from wengert.numeric.spy import draw
        by_row, group = np.zeros(self.nnz, bool), self.column_groups[self.columns]
        if self._substitution is None:  # the group from which each entry is read
            places, first = self._places[self._select], (int(self.column_groups.max(initial=-1)) + 1) * self.shape[0]
            by_row = places >= first
            group = np.where(by_row, self.row_groups[self.rows], places // max(self.shape[0], 1))
        return draw(ax, self.shape, (self.rows, self.columns), group, by_row, repr(self)[1:-1])

    # ------------------------------------------------------------ values

    @functools.cached_property
    def values(self) -> Function:
        """The function that gives the values of the entries at a point, in the order of `rows` and `columns`.

        It can be jitted, mapped and differentiated; for a function under `jit` it is under `jit`, too.
        """
        again = getattr(type(self.owner.f), "again", None)
        return self._values if again is None else again(self.owner.f, _values_of, (self, id(self)))  # type: ignore[no-any-return]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The matrix at a point."""
        if self._doubtful and active_trace() is None:  # probed, which compiled values are not
            return self._matrix(self._values(*args, **kwargs))
        return self._matrix(self.values(*args, **kwargs))

    def _matrix(self, values: Any) -> Any:
        if isinstance(values, Tracer) or active_trace() is not None:
            raise InputError(f"{self.name}: a sparse matrix is no value of a traced program; take prepare(x).values, which "
                             f"gives the array of its entries (at {user_line()})")
        return self._csr(values)

    def _csr(self, values: Any) -> Any:
        from scipy.sparse import csr_array
        columns, indptr = self._layout
        return csr_array((values, columns.copy(), indptr.copy()), shape=self.shape)  # the user may drop zeros in place

    @functools.cached_property
    def _layout(self) -> tuple[Any, Any]:
        kind = np.int32 if max(*self.shape, self.nnz) < 2 ** 31 else np.int64
        counts = np.bincount(self.rows, minlength=self.shape[0])
        return self.columns.astype(kind), np.concatenate([[0], np.cumsum(counts)]).astype(kind)

    def _values(self, *args: Any, **kwargs: Any) -> Any:
        return self._compute(self._checked(args, kwargs))

    def _checked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        """A run whose entries are all in the pattern."""
        run = self.owner._run(args, kwargs)
        shape = (sum(_leaf_size(x) for x in run.out_leaves), sum(v.type.size for v in run.inputs))
        if shape != self.shape:
            raise SparsityError(f"{self.name}: the structure was prepared for shape {self.shape}, and the arguments give "
                                f"{shape} (at {user_line()})")
        key = _key(run)
        if (key in self._known and not self._doubtful) or self.owner.sparsity == "local":
            return run
        if isinstance(self.owner.sparsity, str):
            missing = _missing(self._pattern, _detected(run))
            if missing is not None:
                raise SparsityError(
                    f"{self.name}: the program may touch entry {missing} here, which the prepared structure does not have: "
                    f"it took another way, or had other constants, where it was prepared. Prepare it at this point, or from "
                    f"wg.jit(f), which keeps branches (at {user_line()})")
        elif not self._doubtful:
            self._doubtful = self._may_miss(run)
        if self._doubtful:
            if run.plain:
                self._probe(run)
            return run
        self._known.add(key)
        return run

    def _compute(self, run: Run) -> Any:
        parts = []
        if self.column_groups.max(initial=-1) >= 0:
            seeds = _seeds(self.column_groups, [v.type for v in run.inputs])
            out = run.call_lanes(run.forward(), len(seeds[0]), seeds)
            parts.append(_joined(run, out, len(seeds[0])))
        if self.row_groups.max(initial=-1) >= 0:
            parts.append(_pulled(run, self.row_groups, self.owner.holomorphic))
        dtype = np.result_type(*[v.type.dtype for v in run.inputs])
        if not parts:
            return np.zeros(0, dtype)
        whole = np.concatenate([p.astype(dtype) if p.dtype != dtype else p for p in parts]) if len(parts) > 1 else parts[0]
        if self._substitution is not None:
            whole = self._substitution.entries(whole)[self._select]
        else:
            whole = whole[self._places[self._select]]
        return whole.astype(dtype) if whole.dtype != dtype else whole

    # ------------------------------------------------------------ making it

    def _color(self, run: Run) -> None:
        p, method = self._pattern, self.owner.method
        shape = run.inputs[0].type.shape if len(run.inputs) == 1 else ()
        nothing = np.full(self.shape[0], -1), np.full(self.shape[1], -1)
        if self.name == "hessian":
            paint = coloring.acyclic if method == "acyclic" else coloring.star
            groups = coloring.best_columns(p, shape) if method == "column" else coloring.best_symmetric(p, shape, paint)
            self.column_groups, self.row_groups = groups if p.count else nothing[1], nothing[0]
            if method == "acyclic" and p.count:
                self._substitution = _Substitution(p, groups)
            else:
                self._places = coloring.reads(p, groups)
            return
        leaves = [x for x in run.out_leaves if _leaf_size(x)]
        out = leaves[0].type.shape if len(leaves) == 1 and hasattr(leaves[0], "type") else ()
        self.column_groups, self.row_groups = _sides(p, method, shape, out)
        self._places = coloring.reads(p, self.column_groups, self.row_groups)

    def _matching(self, p: Pattern) -> Pattern:
        if (p.size, p.width) != self.shape:
            raise SparsityError(f"{self.name}: the pattern has shape {(p.size, p.width)}, the {self.name} {self.shape}: one "
                                f"row for each element of the output, one column for each of the input (at {user_line()})")
        return p

    def _symmetric(self, p: Pattern, given: bool) -> Pattern:
        other = p.transposed()
        missing = _missing(p, other) if given else None
        if missing is not None:
            raise SparsityError(f"hessian: the pattern has entry {missing[::-1]} and not {missing}, and a Hessian is "
                                f"symmetric; pass pattern + pattern.T (at {user_line()})")
        return p.union(other)

    def _may_miss(self, run: Run) -> bool:
        """Whether the program may touch an entry that the given pattern does not have."""
        try:
            return _missing(self._pattern, _detected(run)) is not None
        except SparsityError:  # too large to find: it is for this that patterns are given
            return True

    def _probe(self, run: Run) -> None:
        """Compare with a product in a random direction; what differs shows an entry that the pattern misses."""
        types = [x.type for x in run.inputs]
        v = np.random.default_rng(0).uniform(0.5, 1.5, self.shape[1])
        parts = np.split(v, np.cumsum([t.size for t in types])[:-1])
        direction = [a.reshape(1, *t.shape).astype(t.dtype) for a, t in zip(parts, types, strict=True)]
        exact = _joined(run, run.call_lanes(run.forward(), 1, direction), 1)
        data, p = np.asarray(self._compute(run)), self._pattern
        with np.errstate(all="ignore"):
            scale = np.bincount(p.rows(), np.abs(data), p.size) + np.abs(exact)
            limit = 100 * np.sqrt(p.width + 1) * np.finfo(data.dtype).eps * scale
            wrong = np.flatnonzero(np.abs(exact - _product(p, data, v)) > limit)  # no NaN is wrong
        for i in wrong[:5].tolist():
            row = np.array(_pulled(run, np.where(np.arange(p.size) == i, 0, -1), self.owner.holomorphic))
            row[p.indices[p.indptr[i]:p.indptr[i + 1]]] = 0.0
            row[~np.isfinite(row)] = 0.0  # of another row: zero times infinity
            j = int(np.argmax(np.abs(row)))
            if np.abs(row[j]) > np.finfo(data.dtype).eps * scale[i]:
                raise SparsityError(f"{self.name}: the pattern misses entry {(i, j)}, which is {row[j]:.6g} at this point")


def _product(p: Pattern, data: Any, v: Any) -> Any:
    """The product of a matrix with a vector."""
    terms = data * v[p.indices]
    real = np.bincount(p.rows(), terms.real, p.size)
    return real + 1j * np.bincount(p.rows(), terms.imag, p.size) if terms.dtype.kind == "c" else real


class _Substitution:
    """Entries of a symmetric matrix from the products of an acyclic coloring, one after the other."""

    def __init__(self, p: Pattern, groups: Any):
        self.place, self.leaf, self.rest, self.pair = coloring.substitution(p, groups)

    def entries(self, whole: Any) -> Any:
        sums = whole[self.place]
        count = len(self.leaf)
        trees = sums[:count]
        solved = self._traced(trees) if isinstance(whole, Tracer) else self._plain(trees)
        return np.concatenate([solved, sums[count:]])[self.pair]

    def _plain(self, sums: Any) -> Any:
        """A triangular system: each sum is its entry and those that were added to its leaf before."""
        from scipy.sparse import csr_array
        from scipy.sparse.linalg import spsolve_triangular
        count = len(sums)
        if not count:
            return sums
        given = np.argsort(self.rest, kind="stable")
        counts = np.bincount(self.rest, minlength=int(self.leaf.max()) + 1)
        before = Pattern(np.concatenate([[0], counts.cumsum()]), given, count)
        taken = before.take(self.leaf).union(Pattern.identity(count))
        matrix = csr_array((np.ones(taken.count, sums.dtype), taken.indices, taken.indptr), shape=(count, count))
        return spsolve_triangular(matrix, sums, lower=True, unit_diagonal=True).astype(sums.dtype)

    def _traced(self, sums: Any) -> Any:
        """The same as one loop of the graph."""
        element, number = ArrayType((), sums.dtype), ArrayType((), np.int64)
        size = int(max(self.leaf.max(initial=0), self.rest.max(initial=0))) + 1
        index, add = REGISTRY["index"], REGISTRY["index_add"]

        def step(added: Any, total: Any, leaf: Any, rest: Any) -> Any:
            value = total - index(added, leaf, spec=(("a",),))
            return add(added, value, rest, spec=(("a",),)), value
        body = build_graph(step, ArrayType((size,), sums.dtype), element, number, number)
        return REGISTRY["scan"](np.int64(len(self.leaf)), np.zeros(size, sums.dtype), sums, self.leaf, self.rest, body=body,
                                constants=0, carries=1, reverse=False, size=len(self.leaf))[1]


def _values_of(f: Function, prepared: Prepared, key: int) -> Function:
    return prepared._values


# ---------------------------------------------------------------- patterns

def _given(name: str, sparsity: Any) -> Pattern:
    """A pattern of the user's: a sparse matrix or an array, whose nonzeros (for a sparse one: stored entries) count."""
    from scipy.sparse import coo_array, issparse
    if not issparse(sparsity):
        array = np.asarray(sparsity)
        if array.ndim != 2 or array.dtype.kind not in "biufc":
            raise InputError(f"{name}: sparsity is 'detect', 'local', a scipy.sparse matrix or a matrix of booleans, not "
                             f"{repr(sparsity) if isinstance(sparsity, str) else kind_of(sparsity)} (at {user_line()})")
        rows, columns = np.nonzero(array)
        return Pattern.of_entries(rows, columns, *array.shape)
    entries = coo_array(sparsity)
    return Pattern.of_entries(entries.row.astype(np.int64), entries.col.astype(np.int64), *entries.shape)


def _leaf_size(x: Any) -> int:
    return 0 if x is None else int(x.type.size) if hasattr(x, "type") else int(np.size(x))


def _constants(run: Run) -> dict[Var, Any]:
    """What the pattern may rely on beside the graph: integers as they are, other constants by where they are zero."""
    found: dict[Var, Any] = {}
    for v in run.trace.lifted:
        value = np.asarray(run.trace.values[v])
        if not v.type.inexact:
            found[v] = value[()]
        elif not value.all():
            found[v] = Nonzero(value != 0)
    return found


def _key(run: Run) -> Any:
    """The program as it was run, and all else that its pattern depends on."""
    constants = tuple((k, x.mask.tobytes() if isinstance(x, Nonzero) else np.asarray(x).tobytes())
                      for k, x in enumerate(_constants(run).values()))
    return run.linear().graph, constants, tuple(run.trace.lifted) if constants else ()


def _detected(run: Run, local: bool = False) -> Pattern:
    """The pattern of the Jacobian: global, or of the values that this run met."""
    width = sum(v.type.size for v in run.inputs)
    found = iter(_rows(run, local))
    by_var = {v: next(found) for v, nonzero in zip(run.out_vars, run.linear().nonzero, strict=True) if nonzero}
    parts = [by_var.get(x) if isinstance(x, Var) else None for x in run.out_leaves]
    return Pattern.stacked([Pattern.empty(_leaf_size(x), width) if p is None else p
                            for x, p in zip(run.out_leaves, parts, strict=True)])


def _rows(run: Run, local: bool = False) -> list[Pattern | None]:
    """The pattern of each output of the tangent graph."""
    linear, width = run.linear(), sum(v.type.size for v in run.inputs)
    if local and run.plain:
        run.residuals()
        known = {v: run.env[v] for v in linear.residuals}
    else:
        known = known_values(linear.primal, _constants(run))
    patterns: list[Pattern | None] = []
    start = 0
    for v in run.inputs:
        patterns.append(Pattern.identity(v.type.size, start, width))
        start += v.type.size
    residuals = [known.get(v) for v in linear.residuals]
    return propagate(linear.graph, [*[None] * len(patterns), *residuals], [*patterns, *[None] * len(residuals)], width)[1]


def pattern_key(run: Run) -> Any:
    """What the pattern depends on beside the graph."""
    return _key(run)[1:]


def colored_groups(run: Run) -> tuple[Pattern, Any, Any]:
    """The pattern of the outputs that depend on the inputs, and the groups of its columns and of its rows."""
    width, outputs = sum(v.type.size for v in run.inputs), run.linear().graph.outputs
    if not outputs:
        return Pattern.empty(0, width), np.full(width, -1), np.full(0, -1)
    p = Pattern.stacked([Pattern.empty(o.type.size, width) if q is None else q
                         for o, q in zip(outputs, _rows(run), strict=True)])
    shape = run.inputs[0].type.shape if len(run.inputs) == 1 else ()
    out = outputs[0].type.shape if len(outputs) == 1 else ()
    return p, coloring.best_columns(p, shape), coloring.best_columns(p.transposed(), out)


def _missing(p: Pattern, other: Pattern) -> tuple[int, int] | None:
    """The first entry of the other pattern that this one does not have."""
    keys, wanted = (q.rows() * np.int64(max(q.width, 1)) + q.indices for q in (p, other))
    apart = np.setdiff1d(wanted, keys, assume_unique=True)
    return None if not len(apart) else (int(apart[0] // p.width), int(apart[0] % p.width))


def _sides(p: Pattern, method: str | None, shape: tuple[int, ...], out: tuple[int, ...]) -> tuple[Any, Any]:
    """Groups of columns and of rows, by the method or the one that needs fewest products; with as many, forward mode."""
    none = np.full(p.width, -1), np.full(p.size, -1)
    if not p.count:
        return none
    by_column = coloring.best_columns(p, shape) if method in (None, "column") else None
    if method == "column":
        return by_column, none[1]
    by_row = coloring.best_columns(p.transposed(), out) if method in (None, "row") else None
    if method == "row":
        return none[0], by_row
    tried = [] if method else [(by_column, none[1]), (none[0], by_row)]
    if method or min(_groups(pair) for pair in tried) > 2 * -(-p.count // min(p.size, p.width)):
        tried.append(coloring.best_two_sided(p, shape))  # it pays where few rows or columns are much fuller than the others
    return min(tried, key=_groups)


def _groups(pair: tuple[Any, Any]) -> int:
    return sum(int(c.max(initial=-1)) + 1 for c in pair)


# ---------------------------------------------------------------- directions

def _seeds(groups: Any, types: Sequence[Any], lanes: int | None = None) -> list[Any]:
    """For each leaf its part of the directions: the sums of the unit vectors of each group."""
    lanes = int(groups.max()) + 1 if lanes is None else lanes
    out, start = [], 0
    for t in types:
        part = groups[start:start + t.size]
        out.append((part == np.arange(lanes)[:, None]).astype(t.dtype).reshape(lanes, *t.shape))
        start += t.size
    return out


def _flat(blocks: Sequence[Any], lanes: int) -> Any:
    """Blocks (lanes, ...) side by side, (lanes, total), made one line."""
    parts = [np.reshape(b, (lanes, -1)) for b in blocks]
    return np.reshape(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), -1)


def _joined(run: Run, out: Sequence[Any], lanes: int) -> Any:
    """The products, for all elements of the output; zeros where it does not depend on the input."""
    found = iter(out)
    by_var = {v: next(found) for v, nonzero in zip(run.out_vars, run.linear().nonzero, strict=True) if nonzero}
    dtype = next(iter(by_var.values())).dtype if by_var else np.dtype(float)
    return _flat([by_var[x] if isinstance(x, Var) and x in by_var else np.zeros((lanes, _leaf_size(x)), dtype)
                  for x in run.out_leaves if x is not None], lanes)


def _pulled(run: Run, groups: Any, holomorphic: bool) -> Any:
    """Products of the transposed Jacobian with the sums of the unit vectors of each group of rows, as one line."""
    adjoint, lanes, start, seeds = run.adjoint(), int(groups.max()) + 1, 0, []
    nonzero = iter(run.linear().nonzero)
    for x in run.out_leaves:
        stop = start + _leaf_size(x)
        if isinstance(x, Var) and next(nonzero):
            seeds.extend(_seeds(groups[start:stop], [x.type], lanes))
        start = stop
    found = iter(run.call_lanes(adjoint.graph, lanes, seeds))
    back = _flat([next(found) if alive else np.zeros((lanes, *v.type.shape), v.type.dtype)
                  for v, alive in zip(run.inputs, adjoint.nonzero, strict=True)], lanes)
    return np.conjugate(back) if holomorphic else back  # the adjoint multiplies by the conjugate
