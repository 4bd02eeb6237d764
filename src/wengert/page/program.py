"""What is typed or pasted, as a callable with its arguments.

What comes in: the text of a formula or of functions, and a point whose entries are numbers, lists of them, or the text
of a constant (`pi/4`). What goes out: a `Program`. The one idea: a formula and a field of the page are parsed, never
run; only what was pasted as a function is, and that in a process of its own (`child`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import linecache
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from wengert.errors import InputError, WengertError

__all__ = ["FILE", "Failed", "Program", "line_of", "program", "running"]

FILE = "pasted.py"
LARGEST_POINT = 10_000  # numbers in all arguments together


class Failed(Exception):
    """The user's own code raised: with the line of it, if there is one."""

    def __init__(self, kind: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.line = kind, message, line


@dataclass(frozen=True)
class Parameter:
    """A parameter, and its default: a number, an array, or None where the page has to ask."""

    name: str
    default: Any = None
    whole: bool = False  # an integer stays one, and has no derivative


@dataclass
class Program:
    """A callable, the parameters that the point has values for, and those values in order."""

    function: Any
    name: str
    parameters: list[Parameter]
    source: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)

    def values(self, point: Any) -> dict[str, Any]:
        """The value of every parameter: of the point where it has one, else its default, else 1.5, 1.4 and so on.

        Values that differ, and of which none of the first five is 0 or 1: the derivatives of many a formula are undefined
        there, as that of sqrt(log(x)), or of 1/(x - y) where x = y.
        """
        point = point if isinstance(point, dict) else {}
        starts = [round(1.5 - 0.1 * (k % 10), 1) for k in range(len(self.parameters))]
        found = {p.name: _value(p, point.get(p.name), start) for p, start in zip(self.parameters, starts, strict=True)}
        if sum(np.size(x) for x in found.values()) > LARGEST_POINT:
            raise InputError(f"the point has more than {LARGEST_POINT:,} numbers")
        for name, x in found.items():
            if not isinstance(x, int) and not np.all(np.isfinite(x)):
                raise InputError(f"{name} is not finite; the page takes finite numbers, and wg.explain any")
        return found


def program(request: dict[str, Any]) -> Program:
    """The program that a request names; read once, and kept while only the point changes."""
    text, name = request.get("text"), request.get("function")
    if not isinstance(text, str) or not text.strip():
        raise InputError("there is nothing yet: type a formula, or paste a function")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise InputError("the text has half a character (a surrogate that is alone)")
    if request.get("kind") == "function":
        return _pasted(text, name if isinstance(name, str) else "")
    return _typed(text)


@lru_cache(maxsize=4)
def _typed(text: str) -> Program:
    f = wg.formula(text)
    return Program(f, "f", [Parameter(name) for name in f.variables])


# ---------------------------------------------------------------- a pasted function

@lru_cache(maxsize=4)
def _pasted(text: str, name: str) -> Program:
    if sys.platform == "win32":
        raise InputError("a pasted function needs limits of memory and time that this system does not have: put it into a "
                         "file and use `wengert explain FILE.py:FUNCTION`")
    module = _module(text)
    found = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    if not found:
        raise InputError("there is no function in it: paste `def f(x): ...`")
    name = name if name in found else list(found)[-1]
    return Program(found[name], name, _parameters(found[name]), text.splitlines(), list(found))


def _module(text: str) -> Any:
    path = Path(FILE)
    path.write_text(text, encoding="utf-8")
    linecache.checkcache()  # of another text, which had the same name
    name = "pasted"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    vars(module).update(np=np, wg=wg)  # what everybody forgets to paste
    with running():
        spec.loader.exec_module(module)
    return module


def _parameters(function: Any) -> list[Parameter]:
    found = []
    for p in inspect.signature(function).parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if p.kind == p.KEYWORD_ONLY:
            if p.default is p.empty:
                raise InputError(f"{p.name!r} can be given by keyword only: give it a default, or take it by position")
            continue
        if p.default is p.empty:
            found.append(Parameter(p.name))
        elif isinstance(p.default, (int, np.integer)) and not isinstance(p.default, bool):
            found.append(Parameter(p.name, int(p.default), whole=True))
        elif (default := _numbers(p.default)) is not None:
            found.append(Parameter(p.name, default))
        else:
            break  # what follows is left at its default, too
    return found


def _numbers(x: Any) -> Any:
    """A float or an array of floats, if it is one."""
    if isinstance(x, (float, np.floating)):
        return float(x)
    if isinstance(x, (list, tuple, np.ndarray)):
        with contextlib.suppress(ValueError, TypeError):
            array = np.asarray(x)
            return array.astype(float) if array.dtype.kind in "fiu" else None
    return None


# ---------------------------------------------------------------- the point

def _value(p: Parameter, given: Any, start: float) -> Any:
    if isinstance(given, str):
        given = _constant(p.name, given)
    if given is None:
        return start if p.default is None else np.array(p.default) if isinstance(p.default, np.ndarray) else p.default
    if p.whole:
        if not isinstance(given, int) and not (isinstance(given, float) and given.is_integer()):
            raise InputError(f"{p.name} is a whole number")
        return int(given)
    try:
        array = np.array(given, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{p.name}: write a number, 0.5 or pi/4, or a list, [1, 2] or [[1, 2], [3, 4]]") from None
    return array if array.ndim else float(array)


def _constant(name: str, text: str) -> Any:
    """``0.5``, ``pi/4``, ``[1, 2]``: a formula without variables, or a list of such."""
    text = text.strip()
    if not text.startswith("["):
        return wg.formula(text, variables=())().item()
    if len(text) > 200_000 or text.count("[") > LARGEST_POINT:
        raise InputError(f"{name}: the list is too long")
    items: list[Any] = []
    open_lists = [items]
    for word in text.replace("[", " [ ").replace("]", " ] ").replace(",", " , ").split():
        if word == "[":
            open_lists[-1].append([])
            open_lists.append(open_lists[-1][-1])
        elif word == "]" and len(open_lists) > 1:
            open_lists.pop()
        elif word != ",":
            open_lists[-1].append(_constant(name, word) if word != "]" else None)
    if len(open_lists) != 1 or len(items) != 1:
        raise InputError(f"{name}: write a list as [1, 2] or [[1, 2], [3, 4]]")
    return items[0]


# ---------------------------------------------------------------- running the user's code

@contextlib.contextmanager
def running() -> Iterator[io.StringIO]:
    """Around calls of the user's code: what it prints is kept, and what it raises is located."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), np.errstate(all="ignore"):
            yield said
    except WengertError:  # its message is for the person
        raise
    except SyntaxError as error:
        raise Failed(type(error).__name__, error.msg, error.lineno) from error
    except MemoryError:
        raise Failed("too large", "it needs more memory than a computation of the page may have") from None
    except RecursionError as error:
        raise Failed("RecursionError", "it calls itself without an end", line_of(error)) from None
    except (Exception, SystemExit) as error:
        raise Failed(type(error).__name__, str(error), line_of(error)) from error


def line_of(error: BaseException) -> int | None:
    """The innermost line of the pasted text that the error passed through."""
    line = None
    for frame in traceback.extract_tb(error.__traceback__):
        if os.path.basename(frame.filename) == FILE:
            line = frame.lineno
    return line
