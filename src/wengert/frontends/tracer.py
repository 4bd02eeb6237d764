"""Tracers: what stands in for an array while a function is traced.

What comes in: the user's operators, methods, indexing and NumPy calls. What goes out: equations in a `Trace`.
The one idea: a tracer answers NumPy's own protocols, so ``np`` stays ``np``; it behaves as the array would,
writes and views included, and refuses every conversion that would lose the derivative.

Writes. A tracer is a cell: ``x[i] = v`` gives the cell a new value. A basic index or a transpose of a cell is a
view (`Lens`), read and written through the cell it looks at. A tracer without a trace is an ordinary array that
the function made itself (``np.zeros(3)``); it joins a trace when a traced value is written into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.errors import ConversionError, MutationError, UnsupportedError
from wengert.frontends.dtypes import operand_dtypes
from wengert.frontends.lens import Lens, is_c_ordered, order_of_elementwise, settle, stand_in
from wengert.frontends.registry import (
    FUNCTIONS,
    INDEXING,
    METHODS,
    PROPERTIES,
    NeedsValueError,
    TracedText,
    implements,
    leaves_trace,
)
from wengert.frontends.trace import (
    CLOCK,
    Frame,
    Trace,
    active_frame,
    escaped,
    is_asked_for_a_product,
    is_home,
    note_write,
    require_plain,
    user_line,
)
from wengert.graph import ArrayType, Atom, Const, Handle, Primitive, type_of
from wengert.primitives.control import python_integer
from wengert.primitives.structure import convert, reshape

__all__ = ["FUNCTIONS", "INDEXING", "METHODS", "PROPERTIES", "NeedsValueError", "Tracer", "constant", "function_of",
           "implements", "ufunc_call", "value_of"]




_REMEDIES = {"a branch": "Use np.where, or np.clip, in place of the branch",
             "text": "Return the values, and make the text of them outside",
             "a choice of steps": "Give the output times (t_eval), and no events"}


class Tracer(Handle):
    """A traced array.

    Attributes
    ----------
    build : Trace or None
        None for an array that the function made and no traced value has entered.
    atom : Var, Const or None
    cell : ndarray or None
        The array itself, while `build` is None.
    lens : Lens or None
        For a view.
    version : int
        Counts the writes.
    kind : str
        "" an ordinary array; "argument" (may not be written to); "scalar" a Python number (takes the other
        operand's dtype); "box" a 0-d array, which ``+=`` changes in place.
    born : int
        The clock of staged blocks when it was made.
    guard : str or None
        Why it may not be written to.
    order : str
        "C" or "F" if it is known that NumPy's array would lie in memory in this order, else "".
    """

    __slots__ = ("_build", "born", "cell", "guard", "kind", "lens", "order", "version")
    atom: Any

    def __init__(self, build: Trace | None, atom: Any, cell: Any = None, kind: str = ""):
        self._build, self.atom, self.cell, self.kind = build, atom, cell, kind
        self.lens: Lens | None = None
        self.version = 0
        self.born = CLOCK[0]
        self.guard: str | None = None
        self.order = "" if cell is None else "C" if cell.flags.c_contiguous else "F" if cell.flags.f_contiguous else ""

    # ------------------------------------------------------------ state

    @property
    def build(self) -> Any:
        """The trace of the present value: a view joins a trace when its base does."""
        if self.lens is not None:
            self.refresh()
        return self._build

    @property
    def level(self) -> int:  # type: ignore[override]
        return self.build.level if self.build is not None else 0

    def roots(self) -> tuple[Tracer, ...]:
        """The array whose memory this is; of a view that is one of several, all of them."""
        t = self
        while t.lens is not None:
            if t.lens.kind == "choice":
                return tuple([r for base in t.lens.bases() for r in base.roots()])
            t = t.lens.base
        return (t,)

    def stamp(self) -> int:
        """A number that grows with every write into its memory."""
        t = self
        while t.lens is not None:
            if t.lens.kind == "choice":
                return t.lens.stamp()
            t = t.lens.base
        return t.version

    def current(self) -> Atom:
        """The atom of the present value, views brought up to date."""
        if self.lens is not None:
            self.refresh()
        return self.atom  # type: ignore[no-any-return]

    def refresh(self) -> None:
        lens = self.lens
        assert lens is not None
        base = lens.base
        stamp = base.version if base.lens is None and lens.kind != "choice" else lens.stamp()
        if (lens.version != stamp or self.is_of_closed_block()) and settle(self):
            base.current()
            self.become(lens.read())
            lens.version = stamp

    def is_of_closed_block(self) -> bool:
        """Whether a view was last read in a block whose staging has ended: it has to be read anew."""
        build = self._build
        return build is not None and not build.is_open and isinstance(build, Frame) and active_frame() is not None

    def become(self, other: Any) -> None:
        """Take the value of another tracer (or plain array)."""
        if isinstance(other, Tracer):
            self._build, self.atom, self.cell = other.build, other.current(), other.cell
        else:
            self._build, self.atom, self.cell = None, None, other

    def state(self) -> tuple[Any, Any, Any, str]:
        """What a write changes; the array of a cell is kept, and the cell goes on with a copy."""
        out = self._build, self.atom, self.cell, self.order
        if self._build is None and isinstance(self.cell, np.ndarray):
            self.cell = np.array(self.cell)
        return out

    def restore(self, state: tuple[Any, Any, Any, str]) -> None:
        """Back to a state; views see that they are out of date."""
        self._build, self.atom, self.cell, self.order = state
        self.version += 1

    def frozen(self) -> Tracer:
        """The present value as a tracer of its own, untouched by later writes."""
        return Tracer(self.build, self.current(), None if self.cell is None else np.array(self.cell))

    @property
    def value(self) -> Any:
        """The concrete value, or None if abstract."""
        atom = self.current()
        if self.build is None:
            return self.cell
        return atom.value if type(atom) is Const else self.build.values.get(atom)

    @property
    def type(self) -> ArrayType:
        if self.lens is not None:
            self.refresh()
        return type_of(self.cell) if self.build is None else self.atom.type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @shape.setter
    def shape(self, new: Any) -> None:
        raise UnsupportedError(f"x.shape = ... at {user_line()} changes an array in place; write x = x.reshape(...)")

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    def concrete(self, what: str) -> Any:
        """The value, for a conversion that is locally constant."""
        value = self.value
        if value is None:
            remedy = _REMEDIES.get(what, "Take it out of the function, and pass what it gives as an argument")
            raise NeedsValueError(
                f"{what} at {user_line()} needs the value of an array that has none under {self.build.name}. {remedy}")
        return value

    # ------------------------------------------------------------ application

    def apply(self, primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]) -> Any:
        trace: Any = None
        for o in operands:
            build = o.build if isinstance(o, Tracer) else None
            if build is not None and (trace is None or build.level > trace.level):
                trace = build
        if trace is None:
            values = [o.cell if isinstance(o, Tracer) else o.value if isinstance(o, Const) else o for o in operands]
            out = primitive.evaluate(*values, **params)
            if primitive.multiple:
                return tuple([Tracer(None, None, _own_memory(v, values)) for v in out])
            result = Tracer(None, None, _own_memory(out, values))
            if primitive.elementwise or primitive is convert:  # the arrays that stand for views may lie otherwise
                result.order = order_of_elementwise(result.shape, operands)
            return result
        if not is_home(trace):
            trace = active_frame()
        if not trace.is_open:
            raise escaped(next(o for o in operands if isinstance(o, Tracer) and o.build is trace))
        atoms = tuple([self._atom_in(trace, o) for o in operands])
        results = trace.emit(primitive, atoms, params)
        if primitive.multiple:
            return tuple([Tracer(trace, r) for r in results])
        if primitive.elementwise or primitive is convert:
            return elementwise_result(trace, results[0], *operands)
        return Tracer(trace, results[0])

    def _atom_in(self, trace: Trace, o: Any) -> Atom:
        if isinstance(o, Tracer):
            if o.build is trace:
                return o.atom  # type: ignore[no-any-return]
            return trace.lift(o.cell) if o.build is None else trace.capture(o)
        if isinstance(o, Const):
            return o
        if type(o) in (bool, int, float, complex):
            return Const(np.asarray(o, self.dtype))
        return trace.lift(o)

    # ------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            return ufunc_call(ufunc, *inputs, **kwargs)
        implementation = FUNCTIONS.get((ufunc, method)) or FUNCTIONS.get(method)
        if implementation is None:
            raise UnsupportedError(f"np.{ufunc.__name__}.{method} has no derivative here (at {user_line()})")
        if (ufunc, method) in FUNCTIONS:
            return implementation(*inputs, **kwargs)
        return implementation(ufunc, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        for kind in types:
            require_plain(None, kind)
        implementation = function_of(function)
        if implementation is None:
            name = f"{(function.__module__ or 'numpy').replace('numpy', 'np', 1)}.{function.__name__}"
            raise UnsupportedError(
                f"{name} cannot be traced (at {user_line()}). Write it with functions that can (see the table of "
                f"supported functions in the documentation), or wrap it: wg.opaque(f, derivative=...)")
        return implementation(*args, **kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        if self.build is None or not self.type.inexact:
            return np.array(self.concrete("a conversion to an ordinary array"), *args)
        if is_asked_for_a_product():
            return np.array(None)
        raise leaves_trace("")

    def __float__(self) -> float:
        return float(self._lossless("float(x)"))

    def __complex__(self) -> complex:
        return complex(self._lossless("complex(x)"))

    def as_integer_ratio(self) -> tuple[int, int]:
        """As of a float; what ``fractions`` and ``statistics`` call."""
        return self._lossless("the exact ratio").as_integer_ratio()  # type: ignore[no-any-return]

    def _lossless(self, what: str) -> Any:
        if self.build is not None and not self.build.is_open:
            raise escaped(self)
        if self.build is None or not self.type.inexact or self.build.is_stopped(self.current()):
            return self.concrete(what)
        raise leaves_trace(what)

    def item(self, *args: Any) -> Any:
        """As ``ndarray.item``, but the result stays traced."""
        if args:
            place = args if len(args) > 1 else args[0] if isinstance(args[0], tuple) else \
                tuple(int(k) for k in np.unravel_index(args[0], self.shape))
            return self[place].tolist()
        if self.type.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return reshape(self, shape=()).tolist()

    def tolist(self) -> Any:
        """As ``ndarray.tolist``, with traced elements: Python numbers, in double precision."""
        if self.ndim:
            return [row.tolist() for row in self]
        if not self.type.inexact:
            return self.concrete("a conversion to a Python number").item()
        double = np.result_type(self.dtype, np.float64)
        out = (self if self.dtype == double else convert(self, dtype=double)).frozen()
        out.kind = "scalar"
        return out

    def __bool__(self) -> bool:
        return bool(self.concrete("a branch"))

    def __int__(self) -> int:
        return int(self.concrete("int(x)"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self.concrete("an index"))

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.concrete("round(x)").item()) if digits is None else FUNCTIONS[np.round](self, digits)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(self.shape[0]))

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    def __hash__(self) -> int:
        raise ConversionError(f"a traced value cannot be a key (of a dict, a set, a cache) at {user_line()}: it would be "
                              f"found again where its derivative is another. Use its position or a name as the key")

    def __reduce__(self) -> Any:
        raise ConversionError(f"a traced value at {user_line()} cannot be pickled (saved, or sent to another process): it has "
                              f"a meaning in this run only. Use a thread, or take wg.stop_gradient(x) if a constant is meant")

    def __str__(self) -> str:
        return TracedText(self.concrete("text"))

    def __repr__(self) -> str:
        value = self.value
        return f"Traced({value!r})" if value is not None else f"Traced({self.type})"

    def __format__(self, spec: str) -> str:
        return TracedText(format(self.concrete("text"), spec))

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def copy(self, order: str = "C") -> Tracer:
        """A cell of its own with the same value; the copy of a scalar is a scalar."""
        kind = self.kind if self.kind in ("box", "scalar") else ""
        if self.build is None:
            return Tracer(None, None, np.array(self.value, order=order), kind)  # type: ignore[call-overload]
        out = Tracer(self.build, self.current(), kind=kind)
        if order in "CF":
            out.order = order
        elif self.ndim > 1:
            model = stand_in(self)  # "K" and "A": as the array lies in memory
            out.order = "C" if is_c_ordered(self) else \
                "F" if model is not None and model.flags.f_contiguous else ""
        return out

    def __getattr__(self, name: str) -> Any:
        method = METHODS.get(name)
        if method is None:
            if hasattr(np.ndarray, name) and not name.startswith("__"):
                raise UnsupportedError(f"ndarray.{name} cannot be traced (at {user_line()})")
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if name in PROPERTIES:
            return method(self)
        return lambda *args, **kwargs: method(self, *args, **kwargs)

    # ------------------------------------------------------------ views and writes

    def view_through(self, kind: str, payload: Any, result: Any) -> Any:
        """`result`, known to look at this tracer's memory; a number has none."""
        if isinstance(result, Tracer) and (self.shape or self.kind == "box"):
            result.lens = Lens(self, kind, payload)
            result.kind = "" if result.shape else "box"
        return result

    def write(self, new: Any) -> None:
        """Give this cell a new value of the same type, through the views that lead to it."""
        if not self.shape and self.kind != "box":
            raise TypeError(f"a write into a NumPy number at {user_line()}: it is no array; bind it anew")
        if self.lens is not None:
            settle(self, must=all(root.kind != "argument" for root in self.roots()))
        if self.lens is not None:
            self.refresh()
            self.lens.write(new)
            self.lens.version = self.lens.stamp()
        else:
            self.admit_write()
            self.version += 1
        self.become(new)

    def admit_write(self) -> None:
        """Refuse a write that somebody would not see as NumPy shows it; staged blocks remember what was there."""
        if self.guard is not None:
            raise MutationError(f"a write at {user_line()} into an array that {self.guard}; copy it first")
        note_write(self)
        if self.kind == "argument":
            which = "differentiated" if active_frame() is None else "staged"
            raise MutationError(
                f"a write into an argument of the {which} function at {user_line()}: its caller would see "
                f"the change. Copy it first: x = x.copy()")

    def __getitem__(self, key: Any) -> Any:
        return INDEXING["get"](self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        INDEXING["set"](self, key, value)

    def in_place(self, ufunc: np.ufunc, other: Any) -> Any:
        """``self op= other``: arrays change in place and keep their dtype, scalars are bound anew."""
        if not self.shape and self.kind not in ("box", "argument"):
            return ufunc_call(ufunc, self, other)
        new = ufunc_call(ufunc, self, other)
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind"):
                raise TypeError(f"Cannot cast ufunc '{ufunc.__name__}' output from {new.dtype!r} to {self.dtype!r} "
                                f"with casting rule 'same_kind'")
            new = convert(new, dtype=self.dtype)
        if new.shape != self.shape:
            raise ValueError(f"non-broadcastable output operand with shape {self.shape} doesn't match the "
                             f"broadcast shape {new.shape}")
        self.write(new)
        return self


def _own_memory(out: Any, operands: Sequence[Any]) -> np.ndarray[Any, Any]:
    """A result of ordinary arrays as an array that no operand can change."""
    out = np.asarray(out)
    return np.array(out) if out.base is not None or any(out is v for v in operands) else out


def elementwise_result(trace: Trace, atom: Atom, *operands: Any) -> Tracer:
    """The result of an elementwise operation: it lies in memory as its operands do."""
    out = Tracer(trace, atom)
    out.order = order_of_elementwise(atom.type.shape, operands)
    return out


def _assignable(name: str) -> property:
    """``x.real = v``: a write through the view."""
    return property(lambda self: METHODS[name](self), lambda self, v: METHODS[name](self).__setitem__(Ellipsis, v))


Tracer.real, Tracer.imag = _assignable("real"), _assignable("imag")  # type: ignore[attr-defined]


# ---------------------------------------------------------------- ufuncs

_PRIMITIVES: dict[Any, Primitive] = {}
_LOOPS: dict[Any, str] = {}  # the dtypes that a ufunc of one operand takes as they are: wofz no real ones
_WHOLE: dict[tuple[int, np.dtype[Any]], Const] = {}  # True and 1 are equal keys, and become equal constants


def primitive_of(ufunc: Any) -> Primitive | None:
    """The primitive that stands for a ufunc of NumPy or SciPy."""
    found = _PRIMITIVES.get(ufunc)
    if found is None and ufunc not in _PRIMITIVES:
        from wengert.frontends.ufuncs import find_primitive
        found = find_primitive(ufunc)
        if found is not None:
            _LOOPS[ufunc] = "".join(loop.partition("->")[0] for loop in ufunc.types) if ufunc.nin == 1 else ""
            _PRIMITIVES[ufunc] = found
    return found


_PYTHON_KINDS: dict[str, Any] = {"f": float, "c": complex, "i": int, "u": int, "b": np.dtype(bool)}


def _kind_of(x: Any) -> Any:
    """What decides the dtype: a dtype, or int, float, complex for Python numbers (they take the other's)."""
    if isinstance(x, Tracer):
        return x.dtype if x.kind != "scalar" else _PYTHON_KINDS[x.dtype.kind]
    kind = type(x)
    if kind is float or kind is int or kind is complex:
        return kind
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype
    if kind is bool:
        return np.dtype(bool)
    return np.asarray(x).dtype


def constant(x: Any, dtype: np.dtype[Any]) -> Any:
    """An operand that is not traced, in the dtype asked for; Python integers become part of the graph."""
    if isinstance(x, (bool, int)):
        found = _WHOLE.get((x, dtype))
        if found is None:
            if len(_WHOLE) > 10_000:
                _WHOLE.clear()
            found = _WHOLE[(x, dtype)] = Const(np.asarray(x, dtype))
        return found
    if type(x) is float or type(x) is complex:
        return dtype.type(x)
    array = x if isinstance(x, (np.ndarray, np.generic)) else np.asarray(x)
    if array.dtype == object:
        raise UnsupportedError(f"an array of Python objects meets a traced value at {user_line()}; "
                               f"stack traced values with np.array([...]) inside the function, or np.stack")
    return array if array.dtype == dtype else array.astype(dtype)


def ufunc_call(ufunc: Any, *inputs: Any, out: Any = None, where: Any = True, dtype: Any = None,
               casting: str = "same_kind", subok: bool = True, order: str = "K", **unknown: Any) -> Any:
    """A ufunc on tracers: NumPy's dtype rules, then the primitive."""
    if out is not None or where is not True or dtype is not None or unknown:
        return FUNCTIONS["ufunc with keywords"](ufunc, inputs, out, where, dtype, casting, unknown)
    if len(inputs) == 1 and type(inputs[0]) is Tracer and inputs[0].kind != "scalar":
        x, primitive = inputs[0], _PRIMITIVES.get(ufunc)
        if primitive is not None and not primitive.multiple and x.build is not None and x.dtype.kind in "fc" \
                and x.dtype.char in _LOOPS[ufunc] and ufunc not in FUNCTIONS and is_home(x.build):
            return elementwise_result(x.build, x.build.emit(primitive, (x.current(),), {})[0], x)
    inputs = tuple([x if type(x) is Tracer or type(x) is np.ndarray else _admitted(x) for x in inputs])
    special = FUNCTIONS.get(ufunc)
    if special is not None:
        return special(*inputs)
    primitive = primitive_of(ufunc)
    if primitive is None:
        special = function_of(ufunc)
        if special is None:
            raise UnsupportedError(f"the ufunc {ufunc.__name__} cannot be traced (at {user_line()}). Write it with np "
                                   f"functions, np.vectorize for np.frompyfunc, or wrap it: wg.opaque(f, derivative=...)")
        return special(*inputs)
    kinds = tuple([_kind_of(x) for x in inputs])
    if len(kinds) == 2 and kinds[0] is int and kinds[1] is int and ufunc in _PYTHON_INTEGERS:
        out = python_integer(*[x if isinstance(x, Tracer) else np.int64(x) for x in inputs], operation=ufunc.__name__)
        out.kind = "scalar"
        return out
    dtypes = operand_dtypes(ufunc, kinds)
    try:
        operands = [constant(x, d) if not isinstance(x, Tracer) else x if x.dtype == d else convert(x, dtype=d)
                    for x, d in zip(inputs, dtypes, strict=True)]
    except OverflowError:
        return FUNCTIONS["integer beyond the dtype"](ufunc, inputs)
    out = primitive(*operands)
    if len(inputs) == 2 and type(out) is Tracer and all(isinstance(k, type) for k in kinds) \
            and out.dtype.kind in "fc" and ufunc in _PYTHON_ARITHMETIC:
        out.kind = "scalar"
    return out


def _admitted(x: Any) -> Any:
    """An operand that is neither a tracer nor a plain array."""
    if isinstance(x, np.ndarray):
        require_plain(x)
    elif getattr(type(x), "__array_ufunc__", x) is None and not isinstance(x, Tracer):
        raise TypeError(f"operand '{type(x).__name__}' does not support ufuncs (__array_ufunc__=None)")
    return as_traced(x)


_PYTHON_INTEGERS = {np.add, np.subtract, np.multiply, np.floor_divide, np.remainder, np.power}
_PYTHON_ARITHMETIC = {np.add, np.subtract, np.multiply, np.divide, np.power, np.negative, np.positive, np.remainder,
                      np.floor_divide}


def as_traced(x: Any) -> Any:
    """A (nested) list or tuple that holds tracers, as one traced array; anything else as it is."""
    if isinstance(x, (list, tuple)) and _holds_tracer(x):
        return FUNCTIONS[np.array](x)
    return x


def _holds_tracer(x: Any) -> bool:
    return any(isinstance(e, Tracer) or (isinstance(e, (list, tuple)) and _holds_tracer(e)) for e in x)


def value_of(x: Any) -> Any:
    """The concrete value of a tracer, or the thing itself."""
    return x.concrete("this argument") if isinstance(x, Tracer) else x


def function_of(function: Any) -> Callable[..., Any] | None:
    """The implementation of a NumPy or SciPy function on tracers, if there is one."""
    found = FUNCTIONS.get(function)
    if found is None and (getattr(function, "__module__", None) or "").startswith("scipy"):
        from wengert.frontends.scipy_api import find
        found = find(function)
    return found
