"""Effects of staged code: draws, prints and raises take place when the graph runs.

What comes in: calls of random generators, of ``print``, and raises in branches, while a function is staged. What goes out:
`effect` equations, in program order. The one idea: the graph holds the very generator that the program named, and asks it anew
at each run, so the draws are NumPy's, bit for bit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import UnstageableError, kind_of
from wengert.frontends.block import is_abstract
from wengert.frontends.draws import note_generator, standard_draw
from wengert.frontends.reach import printed
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.trace import active_trace, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType, type_of
from wengert.primitives.effects import Action, effect

__all__ = ["NOT_A_DRAW", "UNKNOWN_DRAWS", "LateText", "draw", "perform", "print_later", "raise_later", "text"]


def perform(action: Action, operands: Sequence[Tracer], result_types: tuple[ArrayType, ...]) -> list[Tracer]:
    """Record an effect in the innermost trace."""
    trace = active_trace()
    assert trace is not None
    atoms = tuple([trace.atom_of(o) for o in operands])
    return [Tracer(trace, r) for r in trace.emit(effect, atoms, {"action": action, "types": result_types})]


# ---------------------------------------------------------------- text

class LateText:
    """A text with traced values in it; `make` gives it from their run-time values, in order."""

    __slots__ = ("make", "values")
    returned = "a text made of traced values is returned. Return the values, and make the text of them outside"

    def __init__(self, values: list[Tracer], make: Callable[[Sequence[Any]], str]):
        self.values, self.make = values, make

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        raise NeedsValueError(f"a text made of traced values is used at {user_line()} while the program is staged")

    __str__ = __format__ = __len__ = __add__ = __radd__ = __mod__ = __getitem__ = __contains__ = __bool__ = _fail


def _plain(x: Tracer) -> Callable[[Any], Any]:
    """What turns a run-time value into what the plain program would have."""
    return (lambda v: v.item()) if x.kind == "scalar" else (lambda v: np.array(v) if x.shape else v)


_CONVERSIONS: dict[int, Callable[[Any], str]] = {115: str, 114: repr, 97: ascii}


def text(parts: Sequence[Any]) -> Any:
    """The f-string of texts and ``(value, conversion, spec)``."""
    late = [p[0] for p in parts if isinstance(p, tuple) and is_abstract(p[0])]
    if any(isinstance(p, tuple) and (isinstance(p[0], LateText) or isinstance(p[2], LateText)) for p in parts):
        raise UnstageableError(f"an f-string inside an f-string at {user_line()} holds a traced value")

    def make(values: Sequence[Any]) -> str:
        rest, out = iter(values), []
        for p in parts:
            if not isinstance(p, tuple):
                out.append(p)
                continue
            value = next(rest) if is_abstract(p[0]) else printed(p[0])
            convert = _CONVERSIONS.get(p[1])
            value = value if convert is None else convert(value)
            out.append(format(value, p[2]))
        return "".join(out)
    if not late:
        return make(())
    frozen = [x.frozen() for x in late]
    plain = [_plain(x) for x in late]
    return LateText(frozen, lambda values: make([f(v) for f, v in zip(plain, values, strict=True)]))


def _late_arguments(args: Sequence[Any]) -> tuple[list[Tracer], Callable[[Sequence[Any]], list[Any]]]:
    """Traced operands among the arguments, and what gives the arguments from their values."""
    operands: list[Tracer] = []
    makers = [_maker(x, operands) for x in args]
    return operands, lambda values: [m(values) for m in makers]


def _maker(x: Any, operands: list[Tracer]) -> Callable[[Sequence[Any]], Any]:
    """What gives an argument from the values of the operands, to which its traced parts are added; as it is now."""
    start = len(operands)
    if isinstance(x, LateText):
        operands += x.values
        return _part(x.make, slice(start, len(operands)))
    if is_abstract(x):
        operands.append(x.frozen())
        return _part(_plain(x), start)
    if type(x) in (list, tuple, set):
        parts = [_maker(e, operands) for e in x]
        return lambda values: type(x)(p(values) for p in parts)
    if type(x) is dict:
        named = {k: _maker(e, operands) for k, e in x.items()}
        return lambda values: {k: p(values) for k, p in named.items()}
    if _holds_abstract(x):
        raise UnstageableError(f"a {type(x).__name__} of traced values is printed at {user_line()}")
    value = np.array(x.value) if isinstance(x, Tracer) and x.shape else x.value if isinstance(x, Tracer) else x
    return lambda values: value


def _part(make: Callable[[Any], Any], place: Any) -> Callable[[Sequence[Any]], Any]:
    return lambda values: make(values[place])


def _holds_abstract(x: Any) -> bool:
    if isinstance(x, dict):
        return any(map(_holds_abstract, x.values()))
    return is_abstract(x) or (isinstance(x, (list, tuple, set)) and any(map(_holds_abstract, x)))


def print_later(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """``print`` when the graph runs."""
    operands, arguments = _late_arguments(args)

    def run(*values: Any) -> tuple[()]:
        print(*arguments(values), **kwargs)
        return ()
    perform(Action("print", run), operands, ())


def raise_later(error: Any) -> None:
    """Raise when the graph comes here."""
    if isinstance(error, type):
        error = error()
    operands, arguments = _late_arguments(error.args)

    def run(*values: Any) -> tuple[()]:
        raise type(error)(*arguments(values))
    perform(Action("raise", run), operands, ())


# ---------------------------------------------------------------- random numbers

NOT_A_DRAW = object()
_MAKERS = {np.random.default_rng, np.random.RandomState}
UNKNOWN_DRAWS = {"shuffle", "spawn", "bytes", "get_state", "set_state", "bit_generator"}


def draw(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a random generator as an effect; `NOT_A_DRAW` for any other call."""
    try:
        if function in _MAKERS:
            return _make(function, args, kwargs)
    except TypeError:  # it cannot be hashed
        return NOT_A_DRAW
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if not isinstance(owner, (np.random.Generator, np.random.RandomState)):
        return NOT_A_DRAW
    if _holds_abstract([*args, *kwargs.values()]):
        return _scaled(owner, name, args, kwargs)
    return _draw(owner, name, args, kwargs)


def _known(x: Any) -> Any:
    return x.value if isinstance(x, Tracer) else x


def _draw(owner: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Draw at each run; the type of the result is that of a draw from a copy of the generator."""
    if name in UNKNOWN_DRAWS or kwargs.get("out") is not None:
        raise UnstageableError(f"{type(owner).__name__}.{name} at {user_line()} changes more than the generator")
    args, kwargs = tuple(map(_known, args)), {k: _known(v) for k, v in kwargs.items()}
    trial = getattr(copy.deepcopy(owner), name)(*args, **kwargs)

    def run() -> tuple[Any, ...]:
        note_generator(owner)
        out = getattr(owner, name)(*args, **kwargs)
        return () if out is None else (out,)
    if trial is None:
        perform(Action(name, run), (), ())
        return None
    if not isinstance(trial, (bool, int, float, np.ndarray, np.generic)):
        raise UnstageableError(f"{type(owner).__name__}.{name} at {user_line()} gives {kind_of(trial)}")
    (out,) = perform(Action(name, run), (), (type_of(trial),))
    out.kind = "scalar" if isinstance(trial, (bool, int, float)) and not isinstance(trial, np.generic) else ""
    return out


def _scaled(owner: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A draw with traced parameters: a standard draw, scaled."""
    found = standard_draw(owner, name, args, kwargs)
    if found is None:
        raise UnstageableError(f"{type(owner).__name__}.{name} at {user_line()} is given traced parameters; draw standard "
                               f"numbers and transform them")
    operands, arguments = _late_arguments([found.width])

    def check(*values: Any) -> tuple[()]:
        found.refuse_negative(arguments(values)[0])
        return ()
    perform(Action("check", check), operands, ())
    return found.scale(_draw(owner, found.method, found.size, {}), **found.given)


def _make(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A generator made in the program: each run starts it anew."""
    if _holds_abstract([*args, *kwargs.values()]):
        raise NeedsValueError(f"a random generator gets a traced seed at {user_line()}")
    args = tuple(map(_known, args))
    if args and isinstance(args[0], (np.random.Generator, np.random.BitGenerator)):
        return function(*args, **kwargs)
    made = function(*args, **kwargs)
    seeded = bool(args and args[0] is not None) or bool(kwargs)

    def run() -> tuple[()]:
        fresh = function(*args, **kwargs) if seeded else function()
        if isinstance(made, np.random.RandomState):
            made.set_state(fresh.get_state())
        else:
            made.bit_generator.state = fresh.bit_generator.state
        return ()
    perform(Action("seed", run), (), ())
    return made


