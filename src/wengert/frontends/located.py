"""Errors of the user's program, with the line that raised them.

What comes in: an exception that NumPy or Python raised while the user's function was traced. What goes out: the same one, with
a note that names the user's line and what to write. The one idea: the traceback leads through wengert and NumPy, whose frames
say nothing to the user; the line that counts is the innermost of the user's own.
"""

from __future__ import annotations

import re
from types import TracebackType

from wengert.frontends.trace import is_library

__all__ = ["locate"]

# What the message of NumPy's error holds, and what to write.
_REMEDIES = {
    "truth value of an array": "choose element by element: np.where(c, a, b); or make one truth value: c.any(), c.all()",
    "could not be broadcast|cannot be broadcast|mismatch in its core dimension|not aligned|must match exactly":
        "print the shapes before that line; x[:, None] adds an axis, x.T exchanges two",
    "cannot reshape": "print x.shape before that line; one length may be -1",
    "only size-1 arrays|only 0-dimensional arrays|only length-1 arrays|convert an array of size 1":
        "use np functions, which take whole arrays (np.sin for math.sin), or pick one element: x[0]",
    "Singular matrix": "the matrix has no inverse at this point; np.linalg.pinv(a), or a + eps * np.eye(n), has one",
    "not positive definite": "the matrix has no Cholesky factor at this point; make it symmetric, or add eps * np.eye(n)",
    "valid indices|must be of integer": "an index is an integer: int(i), or i.astype(int)",
    "out of bounds": "print the shape before that line",
    "Cannot cast ufunc": "make the array with a float dtype: np.zeros(n), x.astype(float)",
    "recursion depth": "the recursion needs an end that it reaches; write it as a loop if it is deep",
}


def locate(error: BaseException, name: str) -> None:
    """Note the user's line on an error that was raised under the transform `name`."""
    found = _place(error.__traceback__)
    if found is None or getattr(error, "__notes__", None):
        return
    text = str(error)
    remedy = next((r for pattern, r in _REMEDIES.items() if re.search(pattern, text)), "")
    here = "" if found in text else f"raised at {found}, under {name}"
    if here or remedy:
        error.add_note("; ".join(filter(None, [here, remedy])))


def _place(traceback: TracebackType | None) -> str | None:
    found = None
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not is_library(name):
            found = f"{name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
