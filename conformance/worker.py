"""Runs cases with one library and writes down what it answers: numbers or errors, no verdicts.

What comes in: the name of an adapter, and names of cases (`python -m conformance.worker ADAPTER CASE...`). What goes out: one
line of JSON for each case. The one idea: it runs in the interpreter where the library lives, as a process of its own that may
crash; whoever started it judges.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import warnings
from typing import Any

import numpy as np

from conformance.case import Case, bind, load
from conformance.trees import direction, flat, leaves

Adapter = Any
ABSENT = ("has no attribute", "cannot import name", "No module named", "no implementation found for 'numpy")


def adapter_of(name: str) -> Adapter:
    """One of this package, or a module of yours by its full name."""
    return importlib.import_module(name if "." in name else f"conformance.adapters.{name}")


def names_of(adapter: Adapter) -> dict[str, Any]:
    return {"np": adapter.np, "sp": adapter.sp, "ad": adapter, "lib": getattr(adapter, "lib", None), "math": math}


def answer(adapter: Adapter, part: str, f: Any, point: Any) -> dict[str, Any]:
    """One part at one point: its numbers and dtypes, or the error."""
    try:
        if part == "jvp":
            given = adapter.jvp(f, point, direction(point))
        else:
            given = getattr(adapter, part)(f, point)
        arrays = [np.asarray(leaf) for leaf in leaves(given)]
        numbers = flat(given)
        if numbers.dtype == object:
            raise TypeError(f"the result is an array of objects: {given!r:.80}")
    except Exception as error:  # whatever a library raises is its answer
        text = " ".join(str(error).split())
        missing = isinstance(error, (AttributeError, ImportError, TypeError)) and any(words in text for words in ABSENT)
        return {"error": type(error).__name__, "text": text[:300], "missing": missing}
    if np.iscomplexobj(numbers):
        numbers = np.stack([numbers.real, numbers.imag], axis=1).ravel()
    return {"numbers": [float(v) for v in numbers], "dtypes": sorted({str(a.dtype) for a in arrays})}


def heard(adapter: Adapter, part: str, f: Any, point: Any) -> dict[str, Any]:
    """The answer, and what the library said beside it: its warnings, but for those of arithmetic and of old names."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        given = answer(adapter, part, f, point)
    quiet = (RuntimeWarning, DeprecationWarning, FutureWarning, ResourceWarning)
    said = sorted({w.category.__name__ for w in caught if not issubclass(w.category, quiet)})
    return given | ({"warned": said} if said else {})


def run_case(adapter: Adapter, case: Case, name: str) -> dict[str, Any]:
    """All parts at all points, of the program and, where there is one for this library, of its idiom."""
    programs = {"plain": case.function}
    if name in case.idioms:
        programs["idiom"] = case.idioms[name]
    given: dict[str, Any] = {"case": case.name}
    for kind, program in programs.items():
        f = bind(program, names_of(adapter), getattr(adapter, "constant", None))
        given[kind] = [{part: heard(adapter, part, f, point) for part in case.parts} for point in case.points]
    return given


def main() -> None:
    name, *wanted = sys.argv[1:]
    adapter = adapter_of(name)
    cases, _ = load(), names_of(adapter)  # an adapter without `np` or `sp` fails here
    print(json.dumps({"versions": adapter.versions()}), flush=True)
    for case in wanted or cases:
        print(json.dumps({"begins": case}), flush=True)
        print(json.dumps(run_case(adapter, cases[case], name.rpartition(".")[2].replace("_jit", ""))), flush=True)


if __name__ == "__main__":
    main()
