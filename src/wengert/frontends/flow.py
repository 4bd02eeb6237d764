"""What rewritten control flow calls.

What comes in: conditions, blocks and values of a staged function. What goes out: plain Python where no traced value decides;
one equation where one does. The one idea: staging is tried, and where it fails a loop that Python can run is run by Python, in
the graph that is being made; if that cannot be, the whole function is run unstaged.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import inspect
import itertools
import operator
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import REFUSALS, UnstageableError, kind_of
from wengert.frontends import effects, watch
from wengert.frontends.block import NOTHING, UNBOUND, Unbound, is_abstract, truth_value
from wengert.frontends.numpy_api.concatenators import Concatenator
from wengert.frontends.numpy_api.taking import Flat
from wengert.frontends.places import attribute_place, change, item_place, refuse_change
from wengert.frontends.python_ast import rewrite
from wengert.frontends.python_flow import FLOW, NotRewrittenError, lower
from wengert.frontends.reach import call as reach_call
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.sequences import Range, sequence
from wengert.frontends.stage import NothingTraced, Settles, branch, loop
from wengert.frontends.staged_calls import STAGED, refuse_effects, with_callbacks
from wengert.frontends.trace import active_frame, active_trace, in_turn, is_library, past_jump, user_line
from wengert.frontends.tracer import Tracer
from wengert.primitives.control import may_raise
from wengert.primitives.elementwise import logical_not

__all__ = ["call", "stageable"]

_TRIED = 4  # iterations that Python runs of a loop on a known condition, before staging is tried


# ---------------------------------------------------------------- variables


def read(name: str, thunk: Callable[[], Any]) -> Any:
    """The value of a variable; a placeholder if it has none."""
    try:
        return thunk()
    except NameError:
        return UNBOUND


def is_unbound(x: Any) -> bool:
    return x is UNBOUND


# ---------------------------------------------------------------- branches


def if_(c: Any, then: Callable[[], Any], orelse: Callable[[], Any], get: Any, put: Any, names: Sequence[str]) -> None:
    if is_abstract(c):
        branch(c, then, orelse, get, put, names)
    elif seen(c):
        then()
    else:
        orelse()


def if_past(c: Any, then: Callable[[], Any], orelse: Callable[[], Any], get: Any, put: Any, names: Sequence[str]) -> None:
    """``if_``, around what follows a jump."""
    past_jump(lambda: if_(c, then, orelse, get, put, names))


def if_else(c: Any, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
    if not is_abstract(c):
        return then() if seen(c) else orelse()
    box: list[Any] = [UNBOUND]

    def run(f: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: box.__setitem__(0, f())

    branch(c, run(then), run(orelse), lambda: list(box), lambda s: box.__setitem__(0, s[0]), ("the expression",))
    if isinstance(box[0], Unbound):
        box[0]._fail()
    return box[0]


def and_(a: Any, rest: Callable[[], Any]) -> Any:
    """``a and rest()``: the rest is evaluated only where a holds."""
    return if_else(a, rest, lambda: a) if is_abstract(a) else seen(a) and rest()


def or_(a: Any, rest: Callable[[], Any]) -> Any:
    return if_else(a, lambda: a, rest) if is_abstract(a) else seen(a) or rest()


def not_(a: Any) -> Any:
    return logical_not(truth_value(a)) if is_abstract(a) else not seen(a)


def seen(x: Any) -> Any:
    """An operand, or what is asked for its truth or items: methods of its class look at what it holds, and are not staged."""
    if type(x) not in (list, tuple, dict, set, frozenset):  # which do not look into their items
        watch.note_state(x)
    return x


def compared(x: Any) -> Any:
    """Likewise where containers compare their items."""
    watch.note_state(x)
    return x


def contains(container: Any, x: Any) -> Any:
    compared(container), compared(x)
    if isinstance(container, Tracer) and is_abstract(container):
        return np.any(container == x)
    if is_abstract(x):
        found: Any = False
        for e in container:
            found = or_(found, functools.partial(operator.eq, x, e))
        return found
    return x in container


def same_object(a: Any, b: Any) -> bool:
    """``a is b``: what a loop carries, or a branch decides, has no identity of its own."""
    for x in (a, b):
        if isinstance(x, Unbound) and x is not UNBOUND:
            x._fail()
    if a is not b and isinstance(a, Tracer) and isinstance(b, Tracer) and active_frame() is not None:
        raise UnstageableError(f"whether two arrays are one object is asked at {user_line()}: a graph does not tell")
    return a is b


def assert_(c: Any, message: Callable[[], Any] | None) -> None:
    def fail() -> None:
        raise_(lambda: AssertionError(*([] if message is None else [message()])), lambda: None)

    if_(c, lambda: None, fail, list, lambda values: None, ())


def text(*parts: Any) -> Any:
    """An f-string."""
    return effects.text(compared(parts))


def raise_(error: Callable[[], Any], cause: Callable[[], Any]) -> None:
    """``raise error from cause``: where a branch decides, the graph raises."""
    frame = active_frame()
    found, reason = error(), cause()
    if frame is None or frame.outer is None:
        raise found from reason
    effects.raise_later(found)


def context(manager: Any) -> Any:
    """What a ``with`` enters: entered while the program is traced, so it must have no effect but on NumPy's warnings."""
    if active_frame() is None or isinstance(manager, (np.errstate, contextlib.nullcontext)):
        return manager
    raise UnstageableError(f"`with` a {type(manager).__name__} at {user_line()}: a graph would not enter and leave it")


def mark() -> int:
    """Where a ``try`` begins in the graph that is made."""
    return _size()


def tried(start: int) -> None:
    """At the end of the block of a ``try``, or where it is left by an error: what it computes may raise no other one later."""
    error, frame = sys.exc_info()[1], active_frame()
    if isinstance(error, REFUSALS):
        raise error
    if frame is None:
        return
    if active_trace() is not frame:
        raise UnstageableError(f"a try inside a derivative at {user_line()}: which errors it could catch is not known")
    for e in frame.build.equations[start:]:
        if may_raise(e):
            line = ", ".join(sorted(frame.build.lines.get(e, ())))
            raise UnstageableError(f"an error of {e.primitive.name} at {line} could not be caught by the try around it")


def result(value: Any) -> Any:
    """What an early return gives."""
    return NOTHING if value is None else value


def returned(flag: Any, value: Any) -> Any:
    """At the end of a function that returns early on some ways, and perhaps falls off its end on others."""
    if value is None or value is NOTHING:
        return None
    if is_abstract(flag):
        raise UnstageableError(f"a function returns a value on some ways and None on others (at {user_line()})")
    return value if flag else None


# ---------------------------------------------------------------- loops


def while_(
    test: Callable[[], Any], halt: Callable[[], Any] | None, body: Callable[[], Any], get: Any, put: Any, names: Sequence[str]
) -> None:
    def go_on(_: Any = None) -> Any:
        return test() if halt is None else and_(not_(halt()), test)

    n = grew = 0
    while True:
        c = go_on()
        if not is_abstract(c) and not seen(c):
            return
        frame = active_frame()
        if is_abstract(c) or (frame is not None and n >= _TRIED and grew > 0):
            try:
                sure = not is_abstract(c)
                in_turn(n, functools.partial(loop, get, put, names, lambda _: body(), test=go_on, sure=sure, apart=sure), True)
                return
            except Settles:
                grew = 0
            except NothingTraced:
                grew = -1 << 40  # Python runs it, to its end
            except (NeedsValueError, UnstageableError):
                if is_abstract(c):
                    raise
                grew = -1 << 40
        before = _size()
        in_turn(n, body)
        n, grew = n + 1, grew + (_size() > before)


def _size() -> int:
    frame = active_frame()
    return len(frame.build.equations) if frame is not None else 0


def for_(
    iterable: Any, halt: Callable[[], Any] | None, body: Callable[[Any], Any], get: Any, put: Any, names: Sequence[str]
) -> None:
    found = sequence(seen(iterable)) if active_frame() is not None else None
    if found is not None and (is_abstract(found.length) or found.length > 2):
        try:
            return _staged_for(found, halt, body, get, put, names)
        except NothingTraced:
            pass
        except Settles:
            return _first_apart(found, halt, body, get, put, names)
        except (NeedsValueError, UnstageableError):
            if is_abstract(found.length):
                raise
    _python_for(iter(iterable), halt, body, get, put, names)


def _python_for(
    items: Any, halt: Callable[[], Any] | None, body: Callable[[Any], Any], get: Any, put: Any, names: Sequence[str],
    first: int = 0
) -> None:
    """The loop, unrolled; after a jump that a traced value decides, the rest is the arm of a branch."""
    for turn, item in enumerate(items, first):
        in_turn(turn, functools.partial(body, item))
        stop = False if halt is None else halt()
        if is_abstract(stop):
            if_(not_(stop), _rest_of(items, halt, body, get, put, names, turn + 1), lambda: None, get, put, names)
            return
        if stop:
            return


def _rest_of(items: Any, *loop_: Any) -> Callable[[], None]:
    """The rest of a loop as an arm, which may be traced several times."""
    (rest,) = itertools.tee(items, 1)
    return lambda: _python_for(copy.copy(rest), *loop_)


def _first_apart(found: Any, halt: Any, body: Any, *variables: Any) -> None:
    """The loop with its first iteration before it."""
    in_turn(0, lambda: body(found.item(found.start)))
    stop = False if halt is None else halt()
    if is_abstract(stop):
        if_(not_(stop), lambda: in_turn(1, lambda: for_(found.rest(), halt, body, *variables), True), lambda: None, *variables)
    elif not stop:
        in_turn(1, lambda: for_(found.rest(), halt, body, *variables), True)


def _staged_for(found: Any, halt: Any, body: Any, get: Any, put: Any, names: Sequence[str]) -> None:
    step = (found.start, found.step)

    def run(index: Any) -> None:
        body(found.item(index))

    runs = not is_abstract(found.length)  # then it is more than two
    if halt is None:
        loop(get, put, names, run, length=found.length, step=step, sure=runs, apart=runs)
        return
    stopped = halt()
    sure = runs and not is_abstract(stopped) and not stopped
    loop(get, put, names, run, test=lambda i: and_(found.inside(i), lambda: not_(halt())), step=step, sure=sure, apart=sure)


# ---------------------------------------------------------------- stores

_INPLACE: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}


def made(container: Any) -> Any:
    """A container or instance made in this block: this block may change it."""
    frame = active_frame()
    if frame is not None:
        frame.made[id(container)] = container
    return container


def changeable(holder: Any, what: str) -> None:
    """Refuse to change what was not made in this very block: the block runs again, or not at all, or at other times."""
    frame = active_frame()
    if frame is None or isinstance(holder, (Tracer, Flat)) or frame.made.get(id(holder)) is holder:
        return
    refuse_change(holder, what)


def store(value: Any, holder: Any, key: Any) -> None:
    method = getattr(type(holder), "__setitem__", None)
    if isinstance(method, types.FunctionType) and not isinstance(holder, Tracer):
        call(method, holder, key, value)
        return
    _may_change(holder, item_place(holder, key), "a store")
    holder[key] = value


def _may_change(holder: Any, place: Any, what: str) -> None:
    if place is None:
        changeable(holder, what)
    elif active_frame() is not None:
        change(place, what)


def store_attribute(value: Any, holder: Any, name: str) -> None:
    found = inspect.getattr_static(type(holder), name, None)
    if isinstance(found, property) and isinstance(found.fset, types.FunctionType):
        call(found.fset, holder, value)
        return
    _may_change(holder, attribute_place(holder, name), "an attribute store")
    setattr(holder, name, value)


def update(holder: Any, key: Any, kind: str, value: Callable[[], Any]) -> None:
    store(augmented(kind, item(holder, key), value()), holder, key)


def update_attribute(holder: Any, name: str, kind: str, value: Callable[[], Any]) -> None:
    part = attribute(holder, name)
    new = augmented(kind, part, value())
    if new is not part or not isinstance(part, Tracer) or attribute_place(holder, name) is None:  # it is the class that stores
        store_attribute(new, holder, name)


def augmented(kind: str, x: Any, value: Any) -> Any:
    """``x op= value``: what changes in place must be this block's own."""
    if isinstance(x, (np.ndarray, list, dict, set, bytearray)):
        changeable(x, "an augmented assignment")
    method = getattr(type(x), f"__{_INPLACE[kind].__name__.strip('_')}__", None)
    if isinstance(method, types.FunctionType) and not isinstance(x, Tracer):
        new = call(method, x, value)
        if new is not NotImplemented:
            return new
    return _INPLACE[kind](x, value)


# ---------------------------------------------------------------- attributes, items, calls


def attribute(holder: Any, name: str) -> Any:
    """``holder.name``; what was read is watched, so that a change makes a new trace."""
    if isinstance(holder, Tracer):
        return getattr(holder, name)
    if active_frame() is None:
        return getattr(holder, name)
    if type(holder) is types.ModuleType:
        value = getattr(holder, name)
        watch.note_module(holder, name, value)
        return value
    for c in type(holder).__mro__:
        found = c.__dict__.get(name)
        if isinstance(found, property) and isinstance(found.fget, types.FunctionType):
            watch.note_class(holder, c, name)
            return call(found.fget, holder)
        if found is not None:
            break
    try:
        value = getattr(holder, name)
    except AttributeError:
        watch.note(watch.Attribute(holder, name), watch.MISSING)
        raise
    if not watch.made_here(holder):
        watch.note(watch.Attribute(holder, name), value)
    return value


def item(holder: Any, key: Any) -> Any:
    if type(key) is not int and type(key) is not str:
        _seen_key(key)
    if isinstance(holder, Tracer) or active_frame() is None:
        return holder[key]
    if holder is np.r_ or holder is np.c_:
        return Concatenator(holder)[key]
    if isinstance(holder, np.ndarray):
        return Tracer(None, None, np.array(holder))[key] if _has_abstract(key) else holder[key]
    if is_abstract(key) and isinstance(holder, (list, tuple, dict, str)):
        raise NeedsValueError(f"an item of {kind_of(holder)} is picked by a traced value at {user_line()}")
    get = getattr(type(holder), "__getitem__", None)
    if isinstance(get, types.FunctionType) and not is_library(get.__code__.co_filename):
        watch.note_class(holder, type(holder), "__getitem__")
        return call(get, holder, key)
    if not isinstance(holder, (list, dict)):
        seen(holder)
    value = holder[key]
    if isinstance(holder, (list, dict)) and not watch.made_here(holder):
        watch.note(watch.Item(holder, key), value)
    return value


def _seen_key(key: Any) -> None:
    """An index may be an object of the user's that has an ``__index__``."""
    for k in key if type(key) is tuple else (key,):
        for part in (k.start, k.stop, k.step) if type(k) is slice else (k,):
            compared(part)


def _has_abstract(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(k, Tracer) for k in parts)


def _lowered(node: Any, function: types.FunctionType, owner: str | None) -> None:
    lower(node, owner, function.__code__.co_freevars)


def stageable(f: types.FunctionType) -> types.FunctionType:
    """The function with its control flow rewritten."""
    from wengert.frontends import flow

    if FLOW in f.__code__.co_freevars:
        return f
    try:
        new = rewrite(f, {FLOW: flow}, _lowered)
    except NotRewrittenError as error:
        first = error.refusals[0]
        line = f"{f.__code__.co_filename}:{first.line}"
        raise UnstageableError(f"{f.__qualname__} holds {first.what} at {line}, which cannot be staged: "
                               f"{first.remedy}") from None
    if new is None:
        raise UnstageableError(
            f"the source of {f.__qualname__} is not to be had (a function typed at a prompt, or compiled); put it in a file"
        )
    watch.note_function(f)
    return new


def _initialize(new: Any, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """``__init__``, staged. What `dataclass` wrote has no source: it stores its arguments, and calls ``__post_init__``."""
    init: Any = cls.__init__
    then: Any = getattr(cls, "__post_init__", None)
    own = type(then) is types.FunctionType and not is_library(then.__code__.co_filename)
    told = type(cls.__init_subclass__) is types.MethodType  # the user's own, which would hear of the class below
    if not hasattr(cls, "__dataclass_fields__") or init.__code__.co_filename != "<string>" or (own and told):
        stageable(init)(new, *args, **kwargs)
        return
    if not own:
        init(new, *args, **kwargs)
        _own_fields(new, args, kwargs)
        return
    left: list[Any] = []  # what is not stored but handed on: the fields that are `InitVar`s
    stores = type(cls.__name__, (cls,), {"__post_init__": lambda self, *given: left.extend(given), "__slots__": ()})
    object.__setattr__(new, "__class__", stores)
    try:
        init(new, *args, **kwargs)
    finally:
        object.__setattr__(new, "__class__", cls)
    _own_fields(new, args, kwargs)
    stageable(then)(new, *left)


def _own_fields(new: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Lists, dicts and sets that a new instance of a dataclass begins with, empty, are as new as it is."""
    for f in dataclasses.fields(new):
        if f.default_factory in (list, dict, set):
            x = getattr(new, f.name)
            if not any(x is given for given in (*args, *kwargs.values())):
                made(x)


def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """What ``function(*args, **kwargs)`` becomes in staged code."""
    if active_frame() is None:
        return function(*args, **kwargs)
    kind = type(function)
    if kind is types.FunctionType:
        special = STAGED.get(function)
        if special is not None:
            return special(*args, **kwargs)
        if not is_library(function.__code__.co_filename):
            return stageable(function)(*args, **kwargs)
    elif kind is types.MethodType:
        inner = function.__func__
        if (
            type(inner) is types.FunctionType
            and not is_library(inner.__code__.co_filename)
            and not isinstance(function.__self__, Tracer)
        ):
            return stageable(inner)(function.__self__, *args, **kwargs)
    elif kind is functools.partial:
        if not any(isinstance(x, Tracer) for x in (*function.args, *function.keywords.values())):
            watch.note_partial(function)
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    method = next((c.__dict__["__call__"] for c in kind.__mro__ if "__call__" in c.__dict__), None)
    if type(method) is types.FunctionType and not is_library(method.__code__.co_filename):
        watch.note_class(function, kind, "__call__")
        return stageable(method)(function, *args, **kwargs)
    if kind is type and _has_own_init(function):
        new = made(object.__new__(function))
        _initialize(new, function, args, kwargs)
        return new
    return _call_foreign(function, args, kwargs)


def call_user(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the user's function from a library's: staged in a staged block, reaching the graph in a trace, else as it is."""
    if active_frame() is not None:
        return call(f, *args, **kwargs)
    return f(*args, **kwargs) if active_trace() is None else reach_call(f, *args, **kwargs)


def _is_bare(cls: Any) -> bool:
    """Whether it is a class of the user's whose instances are made without any code."""
    return type(cls) is type and cls is not object and (
        cls.__new__ is object.__new__ and cls.__init__ is object.__init__)  # type: ignore[misc]


def _has_own_init(cls: type) -> bool:
    init = cls.__init__  # type: ignore[misc]
    return cls.__new__ is object.__new__ and isinstance(init, types.FunctionType) and not is_library(init.__code__.co_filename)


_KINDS = (isinstance, issubclass, type, callable, hasattr, getattr, super)  # builtins that do not look at what an object holds

_SHALLOW = (len, list, tuple, dict, set, bool, enumerate, zip, reversed, map, filter)  # nor do these at what items hold


def _call_foreign(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of what is not the user's own code: a builtin, NumPy, a library."""
    for x in args:
        if isinstance(x, Unbound):
            x.refuse()
    if not any(function is f for f in _KINDS):
        look = seen if any(function is f for f in _SHALLOW) else compared
        for x in (*args, *kwargs.values(), getattr(function, "__self__", None), function):
            look(x)
    try:
        special = STAGED.get(function)
    except TypeError:
        special = None
    if special is not None:
        return special(*args, **kwargs)
    function, args, kwargs = with_callbacks(function, args, kwargs)
    drawn = effects.draw(function, args, kwargs)
    if drawn is not effects.NOT_A_DRAW:
        return drawn
    refuse_effects(function, args, kwargs, changeable)
    out = reach_call(function, *args, **kwargs)
    return made(out) if type(out) in (list, dict, set, types.SimpleNamespace) or _is_bare(function) else out


__all__ += ["Range", "call_user"]
