"""NumPy's floating-point warnings, at the user's line.

What comes in: "divide by zero encountered in log", raised while a value is computed for the user. What goes out: the
same warning, with the file and line of the user's program, where NumPy alone would have put it. The one idea: NumPy
attributes a warning to the innermost Python frame, which is wengert's; in its mode "log" it hands the text to an object
instead, which warns on behalf of the frame that it finds outside of wengert. What the user ignores, raises or calls
stays as it is.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["modes", "relayed", "restored", "set_modes", "settled", "silent"]

# The state that np.errstate sets, for this thread and context; without it warnings keep the line that NumPy gives them.
_STATE: Any = getattr(getattr(getattr(np, "_core", None), "umath", None), "_extobj_contextvar", None)
_SET: Any = None if _STATE is None else _STATE.set
_HERE = (os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep, "<wengert", "<__array_function__")


class _Relay:
    """Takes what NumPy writes in its mode "log"."""

    def write(self, message: str) -> None:
        """Warn, on behalf of the innermost frame that is not wengert's."""
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
            frame = frame.f_back
        space = frame.f_globals
        warnings.warn_explicit(
            message.removeprefix("Warning: ").rstrip("\n"), RuntimeWarning, frame.f_code.co_filename, frame.f_lineno,
            space.get("__name__", "<string>"), space.setdefault("__warningregistry__", {}))


_RELAY = _Relay()
_KEPT: dict[int, tuple[Any, Any]] = {}  # by the id of a state: the state, and the same with its warnings relayed


def _relayed(state: Any) -> Any:
    """The present state, with the relay in the place of warnings; as it is if the user's own call is in the way."""
    found = np.geterr()
    if "warn" not in found.values() or np.geterrcall() is not None:
        return state
    relayed: Any = {k: "log" for k, mode in found.items() if mode == "warn"}
    with np.errstate(call=_RELAY, **relayed):
        return _STATE.get()


def relayed(f: Callable[[], Any]) -> Any:
    """What a function gives; its warnings are relayed. What the user sets in it stays, as it would without."""
    if _STATE is None:
        return f()
    state, relayed = _STATE.get(), None
    try:
        found = _KEPT.get(id(state))
        if found is None:
            if len(_KEPT) >= 100:
                _KEPT.clear()
            found = _KEPT[id(state)] = state, _relayed(state)
        relayed = found[1]
        _STATE.set(relayed)
        return f()
    finally:
        try:
            _settle(state, relayed)
        except BaseException:  # an interrupt, as this was entered; what comes first now is done before there can be another
            _SET(state)
            raise


def _settle(state: Any, relayed: Any) -> None:
    """Back to the state before, but for what the user has set since."""
    if relayed is None or _STATE.get() is relayed:
        _STATE.set(state)
        return
    wanted, call = modes(), np.geterrcall()
    _STATE.set(state)
    np.seterr(**wanted)
    if call is not _RELAY:
        np.seterrcall(call)


def silent(f: Callable[[], Any]) -> Any:
    """What a function gives without floating-point warnings and errors: ``np.errstate``, but no interrupt leaves it on."""
    if _STATE is None:
        with np.errstate(all="ignore"):
            return f()
    state = _STATE.get()
    try:
        np.seterr(all="ignore")
        return f()
    finally:
        _SET(state)


def restored(f: Callable[[], Any]) -> Any:
    """What a function gives; where it raises, an interrupt say, what NumPy does about floating-point errors is as before."""
    state = None if _STATE is None else _STATE.get()
    try:
        return f()
    except BaseException:
        if state is not None:
            _SET(state)
        raise


def modes() -> Any:
    """``np.geterr`` as the user knows it."""
    found = np.geterr()
    return {k: "warn" if mode == "log" else mode for k, mode in found.items()} if np.geterrcall() is _RELAY else found


def set_modes(**kwargs: Any) -> Any:
    """``np.seterr``: gives the modes before it."""
    before = modes()
    np.seterr(**kwargs)
    return before


def settled() -> tuple[Any, Any] | None:
    """NumPy's context variable and its present state, if that asks for warnings at most; None if it asks for more."""
    if _STATE is None or not {"ignore", "warn"}.issuperset(np.geterr().values()):
        return None
    return _STATE, _STATE.get()
