"""What is differentiated: a formula, or a function in a file.

What comes in: `x^2 y` or `file.py:loss`, and values by name. What goes out: a `Target`, a callable with its
arguments in order and the places of those that are differentiated. The one idea: whatever goes wrong in the
user's file is reported in one line, at the user's line.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from wengert.errors import InputError, WengertError, kind_of

__all__ = ["Target", "Unbound", "find"]

_FUNCTION = re.compile(r"(?P<path>.+\.py):(?P<name>[^\W\d][\w.]*)")


@dataclass
class Parameter:
    """A parameter of a function; `kind` is "positional", "by position only", "keyword" or "rest"."""

    name: str
    kind: str = "positional"
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass
class Unbound:
    """A function and its parameters, before it has values."""

    text: str
    name: str
    function: Any
    parameters: list[Parameter]
    is_formula: bool

    @property
    def names(self) -> list[str]:
        return [p.name for p in self.parameters if p.kind != "rest"]

    def bind(self, values: dict[str, Any], wrt: str | None) -> Target:
        """The function with its arguments; what is differentiated becomes floats."""
        open_ended = any(p.kind == "rest" for p in self.parameters)
        for name in values:
            if name not in self.names and not open_ended:
                raise InputError(f"{self.text} has no parameter {name!r}: {_hint(name, self.names)}")
        known = {p.name: p.default for p in self.parameters if not p.required} | values
        missing = [name for name in self.names if name not in known]
        if missing:
            raise InputError(f"{self.text} needs a value for {', '.join(missing)}: write {missing[0]}=VALUE")
        wanted = self._wanted(wrt, list(known))
        places = [self._place(name) for name in wanted]
        args = [known[name] for name in self.names[:max(places) + 1]]
        for place, name in zip(places, wanted, strict=True):
            args[place] = _as_float(args[place], name)
        rest = {name: x for name, x in known.items() if name not in self.names[:len(args)]}
        positional = [p.name for p in self.parameters if p.kind == "by position only" and p.name in rest]
        args += [rest.pop(name) for name in positional]
        return Target(self, wanted, places, args, rest)

    def _wanted(self, wrt: str | None, known: list[str]) -> list[str]:
        if wrt is None:
            if not self.names:
                what = "variables" if self.is_formula else "parameters"
                raise InputError(f"{self.text} has no {what} to differentiate with regard to")
            return self.names if self.is_formula else self.names[:1]
        wanted = list(dict.fromkeys(name.strip() for name in wrt.split(",") if name.strip()))
        if not wanted:
            raise InputError("--wrt needs the names of parameters: --wrt x,y")
        for name in wanted:
            if name not in self.names:
                hint = _hint(name, self.names)
                raise InputError(f"--wrt {name}: {self.text} has no parameter {name!r}: {hint}")
        return wanted

    def _place(self, name: str) -> int:
        place = self.names.index(name)
        if any(p.kind == "keyword" for p in self.parameters if p.name == name):
            raise InputError(f"{name!r} is a keyword-only parameter; what is differentiated has to be passed "
                             f"by position: remove the * before it")
        return place


@dataclass
class Target:
    """A function at a point."""

    source: Unbound
    wrt: list[str]
    places: list[int]
    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def function(self) -> Any:
        return self.source.function

    @property
    def point(self) -> list[Any]:
        """The values of what is differentiated."""
        return [self.args[k] for k in self.places]

    def at(self, point: list[Any]) -> Any:
        """The value of the function at another point; it gets copies, so it may write into them."""
        args = list(self.args)
        for k, x in zip(self.places, point, strict=True):
            args[k] = x
        return self.function(*map(_copied, args), **{name: _copied(x) for name, x in self.kwargs.items()})

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Around calls of the user's code: it prints to stderr, and its errors name its line."""
        with contextlib.redirect_stdout(sys.stderr), np.errstate(all="ignore"), located(self.source):
            yield


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _hint(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names) or 'none'}"


def _as_float(x: Any, name: str) -> Any:
    if isinstance(x, (bool, int)):
        return float(x)
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "iub":
        return x.astype(float)
    if isinstance(x, (list, tuple)) and np.asarray(x).dtype.kind in "iufc":
        return np.asarray(x) * 1.0
    if not isinstance(x, (float, complex, np.ndarray, np.generic)) or np.asarray(x).dtype.kind not in "fc":
        raise InputError(f"{name!r} is {kind_of(x)}, not a number or an array: choose what to "
                         f"differentiate with regard to by --wrt")
    return x


# ---------------------------------------------------------------- finding it

def find(text: str) -> Unbound:
    """A formula, or the function that ``FILE.py:FUNCTION`` names."""
    found = _FUNCTION.fullmatch(text.strip())
    if found:
        return _function(text.strip(), Path(found["path"]), found["name"])
    if re.fullmatch(r".*\.py:?", text.strip()):
        raise InputError(f"which function of {text.strip().rstrip(':')}? Write {text.strip().rstrip(':')}:FUNCTION")
    formula = wg.formula(text)
    return Unbound(str(formula), "f", formula, [Parameter(name) for name in formula.variables], True)


def _function(text: str, path: Path, name: str) -> Unbound:
    if not path.is_file():
        near = path.parent.glob("*.py") if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, [p.name for p in near], n=1)
        hint = f": did you mean {path.with_name(close[0])}?" if close else ""
        raise InputError(f"there is no file {path}{hint}")
    module = _module(text, path)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            own = (v for v in vars(module).values() if inspect.isfunction(v))
            functions = [v.__name__ for v in own if v.__module__ == module.__name__]
            raise InputError(f"{path} has no function {name!r}: {_hint(name, functions)}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{text} is {kind_of(found)}, not a function")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        raise InputError(f"{text}: its parameters cannot be found out; wrap it in a def") from None
    kinds: dict[Any, str] = {
        inspect.Parameter.POSITIONAL_ONLY: "by position only", inspect.Parameter.KEYWORD_ONLY: "keyword",
        inspect.Parameter.VAR_KEYWORD: "rest",
    }
    parameters = [Parameter(p.name, kinds.get(p.kind, "positional"), p.default)
                  for p in signature.parameters.values() if p.kind != p.VAR_POSITIONAL]
    return Unbound(text, name.split(".")[-1], found, parameters, False)


def _module(text: str, path: Path) -> Any:
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_the_user"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    with contextlib.redirect_stdout(sys.stderr), located(Unbound(text, "", None, [], False)):
        spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------- errors of the user's code

_LIBRARIES = tuple({os.path.realpath(p) + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")
                    if (p := sysconfig.get_paths().get(key))}
                   | {str(Path(__file__).resolve().parent.parent) + os.sep})


@contextlib.contextmanager
def located(source: Unbound) -> Iterator[None]:
    """Turn an exception of the user's code into one line that names its place."""
    try:
        yield
    except WengertError as error:
        line = _user_line(error)
        message = str(error)
        if source.is_formula:  # it has no line
            raise type(error)(re.sub(r" \(at [^)]*\)", "", message)) from error
        if line is None or line in message or ".py:" in message:
            raise
        raise InputError(f"{line}: {message}") from error
    except SyntaxError as error:
        name = _shown(error.filename) if error.filename else source.text
        raise InputError(f"{name}:{error.lineno}: {type(error).__name__}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        place = _user_line(error) or (str(source.text))
        said = " ".join(str(error).split())
        raise InputError(f"{place}: {type(error).__name__}" + (f": {said}" if said else "")) from error


def _user_line(error: BaseException) -> str | None:
    """``file.py:12``, the innermost line of the traceback that is not of a library."""
    place = None
    for frame in traceback.extract_tb(error.__traceback__):
        real = os.path.realpath(frame.filename)
        if not frame.filename.startswith("<") and not real.startswith(_LIBRARIES):
            place = f"{_shown(frame.filename)}:{frame.lineno}"
    return place


def _shown(filename: str) -> str:
    """A path as short as it can be written."""
    relative = os.path.relpath(filename)
    return relative if len(relative) < len(filename) and not relative.startswith("..") else filename
