"""A function as SciPy's solvers take it.

What comes in: a function and, if it takes a tree, a starting point. What goes out: `fun`, `jac`, `hess`, `hessp` and
constraints, each compiled. The one idea: SciPy asks for a value and then for the gradient at the same point, or the other way
round; the first of the two computes both, the second takes what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.staging import remembered, same_as
from wengert.structured import is_tracing

from .interior_point import IpoptProblem
from .points import Layout, refuse_traced
from .programs import derived, product_of, program, weighted_hessian

__all__ = ["Adapter", "for_scipy"]

Function = Callable[..., Any]


def for_scipy(f: Function, x0: Any = None, *, argnum: int = 0, sparsity: Any = None) -> Adapter:
    """Value, derivatives and constraints of a function, as SciPy's solvers take them.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``: to a number, for `scipy.optimize.minimize`, or to a vector (an array or a list), for `least_squares`,
        `root` and `solve_ivp`. A function under `wg.jit` is taken as it is.
    x0 : tree, optional
        The starting point, where f takes a tree (a dict, a dataclass, a list of arrays, or an array of two axes and more): the
        functions of the adapter take vectors, and `Adapter.x0` is the one to begin with.
    argnum : int
        The position of x among the arguments: 1 for the ``f(t, y)`` of `solve_ivp`.
    sparsity : "detect", "local", sparse or boolean matrix, optional
        Sparse Hessians (of a number) or Jacobians (of a vector), as `wg.hessian` and `wg.jacobian` have them.

    Returns
    -------
    Adapter

    Raises
    ------
    InputError
        If f is no function, or x0 holds no real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from scipy.optimize import minimize
    >>> s = wg.for_scipy(lambda x, a: np.sum((x - a) ** 4 + x ** 2))
    >>> found = minimize(s.fun, np.zeros(2), args=(3.0,), jac=s.jac, hessp=s.hessp, method="trust-ncg")
    >>> np.round(found.x, 6)
    array([2., 2.])

    With a tree:

    >>> s = wg.for_scipy(lambda p: np.sum((p["a"] - 1.0) ** 2) + (p["b"] - 2.0) ** 2, {"a": np.zeros((2, 2)), "b": 0.0})
    >>> s.result(minimize(s.fun, s.x0, jac=s.jac)).x["a"].round(6)
    array([[1., 1.],
           [1., 1.]])
    """
    return Adapter("for_scipy", f, Layout("for_scipy", x0), "any", argnum, sparsity)


class Adapter:
    """What `for_scipy` gives.

    All of its functions take the point as a vector, and whatever f takes beside it. What `fun` has computed for `jac` is kept
    until `jac` takes it (and the other way round), for the very same point, bit by bit, while neither the other arguments nor
    anything that f captured has changed.

    Attributes
    ----------
    x0 : ndarray or None
        The starting point as a vector.
    """

    def __init__(self, name: str, f: Function, layout: Layout, form: str, argnum: int = 0, sparsity: Any = None):
        if isinstance(argnum, bool) or not isinstance(argnum, (int, np.integer)) or argnum < 0:
            raise InputError(f"{name}: argnum is the position of one argument, not {argnum!r}")
        self.name, self.layout, self.argnum, self.sparsity = name, layout, int(argnum), sparsity
        self.x0 = layout.start
        self.program = program(name, f, layout, form, self.argnum)
        self._scalar = None if form == "any" else form == "number"
        self._pending: Any = None  # of a value and a gradient that were computed together, the one nobody asked for yet
        self._rest: Any = None  # the arguments beside the point, with which it was computed
        self._made: dict[str, Any] = {}
        self._constraints: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{self.name} of {self.program.__name__}>"

    # ------------------------------------------------------------ what SciPy takes

    def fun(self, *args: Any, **kwargs: Any) -> Any:
        """f."""
        args = self._given(args)
        return self._shared(0, args, kwargs) if self._is_scalar(args, kwargs) else self.program(*args, **kwargs)

    def value(self, *args: Any, **kwargs: Any) -> Any:
        """f, for methods that take no derivatives: nothing is computed besides."""
        return self.program(*self._given(args), **kwargs)

    def jac(self, *args: Any, **kwargs: Any) -> Any:
        """The gradient of a number; the Jacobian of a vector, one row for each element."""
        args = self._given(args)
        if self._is_scalar(args, kwargs):
            return self._shared(1, args, kwargs)
        return self._derived("jacobian", self.sparsity)(*args, **kwargs)

    def hess(self, *args: Any, **kwargs: Any) -> Any:
        """The Hessian, dense, or sparse with `sparsity`."""
        args = self._given(args)
        self._require_scalar("hess", args, kwargs)
        return self._derived("hessian", self.sparsity)(*args, **kwargs)

    def hessp(self, x: Any, p: Any, *args: Any, **kwargs: Any) -> Any:
        """The Hessian at x times p."""
        if self.argnum:
            raise InputError(f"{self.name}: hessp is of functions whose first argument is x, not argument {self.argnum}")
        x, *args = self._given((x, *args))  # type: ignore[assignment]
        self._require_scalar("hessp", (x, *args), kwargs)
        if "product" not in self._made:
            self._made["product"] = product_of(self.program)
        return self._made["product"](x, np.asarray(p, x.dtype), *args, **kwargs)

    def jac_sparsity(self, *args: Any, **kwargs: Any) -> Any:
        """Where the Jacobian has entries, for `scipy.optimize.least_squares(jac_sparsity=...)`: a boolean sparse array."""
        sparsity = "detect" if self.sparsity is None else self.sparsity
        return self._derived("jacobian", sparsity).prepared(*self._given(args), **kwargs).pattern  # type: ignore[attr-defined]

    def constraint(self, c: Function, lb: Any, ub: Any, keep_feasible: Any = False, sparsity: Any = None) -> Any:
        """``lb <= c(x) <= ub`` as a `scipy.optimize.NonlinearConstraint` with exact Jacobian and Hessian.

        Parameters
        ----------
        c : callable
            Of what f takes, without its further arguments, to a number or a vector.
        lb, ub, keep_feasible
            As SciPy's; equal bounds are an equation.
        sparsity : optional
            "detect" gives a sparse Jacobian and a sparse Hessian of the Lagrangian; a pattern is the Jacobian's. The default is
            that of the adapter, if it is a word. SciPy wants all constraints sparse or none.

        Examples
        --------
        >>> import numpy as np
        >>> import wengert as wg
        >>> from scipy.optimize import minimize
        >>> s = wg.for_scipy(lambda x: x[0] + x[1])
        >>> circle = s.constraint(lambda x: x[0] ** 2 + x[1] ** 2, 2.0, 2.0)
        >>> found = minimize(s.fun, [-2.0, 0.0], jac=s.jac, hess=s.hess, constraints=circle, method="trust-constr")
        >>> found.x.round(5)
        array([-1., -1.])
        """
        from scipy.optimize import NonlinearConstraint
        if sparsity is None and isinstance(self.sparsity, str):
            sparsity = self.sparsity
        inner = self.constraining(c, (), sparsity)
        return NonlinearConstraint(inner.value, lb, ub, inner.jac, inner.curvature, keep_feasible)

    def constraint_dict(self, kind: str, c: Function, args: tuple[Any, ...] = ()) -> dict[str, Any]:
        """``c(x, *args) = 0`` (`kind` "eq") or ``>= 0`` ("ineq"), as the dict that SLSQP takes."""
        inner = self.constraining(c, (), None)
        return {"type": kind, "fun": inner.value, "jac": inner.jac, "args": args}

    def constraining(self, c: Function, args: tuple[Any, ...], sparsity: Any) -> _Constraint:
        return _Constraint(self.name, c, self.layout, args, sparsity)

    def ipopt(self, constraints: Function | None = None, x0: Any = None) -> IpoptProblem:
        """The problem as `cyipopt.Problem` takes it: structures once, then values.

        Parameters
        ----------
        constraints : callable, optional
            Of what f takes, to a vector.
        x0 : optional
            A point; structures are found there, and hold everywhere. The default is the one that the adapter was made with.

        Examples
        --------
        >>> import numpy as np
        >>> import wengert as wg
        >>> problem = wg.for_scipy(lambda x: np.sum(x ** 4)).ipopt(lambda x: x[1:] * x[:-1], np.ones(3))
        >>> problem.hessianstructure()
        (array([0, 1, 1, 2, 2]), array([0, 0, 1, 1, 2]))
        >>> problem.hessian(np.ones(3), np.array([2.0, 3.0]), 1.0)
        array([12.,  2., 12.,  3., 12.])
        """
        start = self.x0 if x0 is None else self.layout.pack(self.name, x0 if self.layout.tree else np.atleast_1d(x0))
        if start is None:
            raise InputError(f"{self.name}: structures depend on the size of the point: pass x0, ipopt(constraints, x0)")
        inner = None if constraints is None else program(self.name, constraints, self.layout, "vector")
        return IpoptProblem(self, inner, np.asarray(start, float))

    # ------------------------------------------------------------ trees

    def unravel(self, x: Any) -> Any:
        """The vector as what f takes."""
        return self.layout.unpack(np.asarray(x))

    def ravel(self, tree: Any) -> Any:
        """What f takes as the vector."""
        return self.layout.pack(self.name, tree)

    def bounds(self, lower: Any, upper: Any) -> Any:
        """`scipy.optimize.Bounds` of numbers, vectors, or trees like x0."""
        from scipy.optimize import Bounds
        if self.layout.tree is None:
            return Bounds(lower, upper)
        return self.layout.bounds(self.name, (lower, upper))

    def result(self, found: Any) -> Any:
        """SciPy's result, its `x` and its gradient in the structure of x0."""
        return self.layout.result(found)

    # ------------------------------------------------------------ inside

    def started(self, *args: Any, **kwargs: Any) -> Adapter:
        """Itself, if what it would start with is plain."""
        refuse_traced(self.name, args, kwargs)
        if is_tracing():
            refuse_traced(self.name, self.program.f(*self._given(args), **kwargs))
        return self

    def _given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with the point as an array of floats."""
        k = self.argnum
        if k >= len(args):
            raise InputError(f"{self.name}: the function was called with {len(args)} arguments, and x is argument {k}")
        x = args[k]
        if type(x) is not np.ndarray or x.dtype.kind not in "fc":
            x = np.asarray(x)
            x = x if x.dtype.kind in "fc" else self._converted(x)
            args = (*args[:k], x, *args[k + 1:])
        return args

    def _converted(self, x: Any) -> Any:
        if x.dtype.kind not in "iub":
            raise InputError(f"{self.name}: x is {kind_of(x)} of {x.dtype}, not a vector of real numbers"
                             + ("; pass the tree as x0 to for_scipy, and vectors here" if self.layout.tree is None else ""))
        return x.astype(float)

    def _is_scalar(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if self._scalar is None:
            self._scalar = np.ndim(self.program(*args, **kwargs)) == 0
        return self._scalar

    def _require_scalar(self, what: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._is_scalar(args, kwargs):
            raise InputError(f"{self.name}: {what} is of a function that returns one number; of a constraint, "
                             f"constraint(c, lb, ub).hess(x, v) is that of v · c")

    def _shared(self, which: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        x, rest = args[self.argnum], (*args[:self.argnum], *args[self.argnum + 1:], *kwargs.values())
        key = which, x.shape, x.dtype, x.tobytes(), *kwargs
        pending = self._pending
        same = same_as(rest, self._rest) if rest else self._rest is None
        if pending is not None and pending[0] == key and same and self._made["value_and_grad"].holds():
            self._pending = None
            return pending[1]
        if not same:
            self._rest = remembered(rest) if rest else None
        both = self._derived("value_and_grad", None)(*args, **kwargs)
        self._pending = (1 - which, *key[1:]), both[1 - which]
        return both[which]

    def _derived(self, what: str, sparsity: Any) -> Any:
        key = what if sparsity is None else f"sparse {what}"
        if key not in self._made:
            self._made[key] = derived(self.program, what, self.argnum, sparsity)
        return self._made[key]


class _Constraint:
    """Value, Jacobian and weighted Hessian of one constraint, as SciPy asks for them."""

    def __init__(self, name: str, c: Function, layout: Layout, args: tuple[Any, ...], sparsity: Any):
        self.adapter = Adapter(name, c, layout, "any", 0, sparsity)
        self.args = args
        self._curvature: Function | None = None

    def value(self, x: Any, *args: Any) -> Any:
        return self.adapter.value(x, *self.args, *args)

    def jac(self, x: Any, *args: Any) -> Any:
        x, *rest = self.adapter._given((x, *self.args, *args))
        return self.adapter._derived("jacobian", self.adapter.sparsity)(x, *rest)

    def curvature(self, x: Any, v: Any) -> Any:
        if self._curvature is None:
            sparsity = self.adapter.sparsity
            word = sparsity if sparsity is None or isinstance(sparsity, str) else "detect"  # a pattern is the Jacobian's
            self._curvature = weighted_hessian(self.adapter.program, word)
        x, *rest = self.adapter._given((x, *self.args))
        return self._curvature(x, np.asarray(v, x.dtype), *rest)
