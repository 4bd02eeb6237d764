"""Answers to the questions of the page.

What comes in: a request: what is asked, the text, the point. What goes out: plain dictionaries, made by the library's
own `explain`, `symbolic`, `compare` and `numeric`. The one idea: nothing is computed here, and every mistake becomes an
answer that says what happened, at which column or line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.errors import FormulaError, WengertError
from wengert.page.program import Failed
from wengert.page.worker import failure

__all__ = ["answer"]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, or what is wrong with it."""
    question = _QUESTIONS.get(str(request.get("ask")))
    if question is None:
        return failure("request", "there is no such question")
    try:
        return question(request)
    except FormulaError as error:
        return failure("formula", error.message, column=error.column, text=error.text[:2000])
    except Failed as error:
        return failure(error.kind, error.message, line=error.line)
    except WengertError as error:
        return failure(type(error).__name__, str(error))
    except MemoryError:
        return failure("too large", "it needs more memory than a computation of the page may have")
    except RecursionError:
        return failure("too deep", "it is nested too deeply")
    except Exception as error:  # a mistake of ours, told and not hidden
        return failure("internal", f"{type(error).__name__}: {error}. Please report it with what led to it")


def _explain(request: dict[str, Any]) -> dict[str, Any]:
    from wengert.page.program import program, running
    p = program(request)
    with running():
        values = p.values(request.get("point"))
        return {"value": float(p.function(*values.values()))}


_QUESTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"explain": _explain}
