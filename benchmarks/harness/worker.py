"""One system of one case in a process of its own.

What comes in: the core, the case and the system as one line of JSON, then lines that ask for measurements. What goes out:
lines of JSON with times, on the standard output that nobody else writes to. The one idea: import, first call and steady
state are three figures; a peer is never imported into wengert's process.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import sys
import time
import timeit
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
SAMPLE = 200_000  # so many numbers of a result are compared, evenly spread


def timer(call: Callable[[], Any]) -> timeit.Timer:
    """A loop of the calls; a `partial` is taken apart, so that its own cost is not counted."""
    if type(call) is functools.partial and not call.keywords:
        names = [f"a{k}" for k in range(len(call.args))]
        scope = {"f": call.func, **dict(zip(names, call.args))}
        local = "; ".join(f"{name}_ = {name}" for name in scope)
        return timeit.Timer(f"f_({', '.join(n + '_' for n in names)})", local, globals=scope)
    return timeit.Timer("f_()", "f_ = f", globals={"f": call})


def save(results: Any, path: str) -> str | None:
    """Writes (a sample of) the results, for the comparison."""
    import numpy
    if results is None:
        return None
    flat = [numpy.ravel(a) for a in results]
    numpy.savez(path, *[a[:: max(1, a.size // SAMPLE)] for a in flat])
    return path


def start(order: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], Any]]:
    """Imports, sets up, calls once; the figures of it, and the call."""
    import numpy  # noqa: F401  (everybody has it; no part of anybody's import time)

    from harness.case import Setup, package
    case = importlib.import_module(f"cases.{order['case']}")
    setup = Setup(order["params"], case.inputs(**order["params"]), order["libraries"], order["threads"])
    make, name = case.SYSTEMS[order["system"]], package(order["system"])
    reply: dict[str, Any] = {"import": None, "version": ""}
    begin = time.perf_counter()
    if name is not None:
        module = importlib.import_module(name)
        reply["import"] = time.perf_counter() - begin
        reply["version"] = f"{name} {getattr(module, '__version__', '')}".strip()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begin = time.perf_counter()
        call, result = make(setup)
        call()
        reply["first"] = time.perf_counter() - begin
    reply["notes"] = sorted({str(w.message).splitlines()[0][:300] for w in caught if w.category.__name__ == "StagingWarning"})
    reply["result"] = save(result(), order["result"]) if order["result"] else None
    if order["steady"]:
        reply["once"] = timer(call).timeit(1)
    return reply, call


def rounds(call: Callable[[], Any], once: float, seconds: float) -> list[float]:
    """Seconds a call, of blocks of calls, for so long."""
    number, loop, out = max(1, int(min(2e-3, seconds / 5) / max(once, 1e-7))), timer(call), []
    end = time.perf_counter() + seconds
    while not out or time.perf_counter() < end:
        out.append(loop.timeit(number) / number)
    return out


def main() -> None:
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints goes to the standard error
    order = json.loads(sys.stdin.readline())
    os.sched_setaffinity(0, order["cores"])
    sys.path.insert(0, str(HERE))
    if (HERE.parent / "src" / "wengert").is_dir():
        sys.path.insert(0, str(HERE.parent / "src"))
    try:
        reply, call = start(order)
        print(json.dumps(reply), file=channel)
        gc.collect()
        for line in sys.stdin:
            print(json.dumps(rounds(call, reply["once"], json.loads(line))), file=channel)
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": str(error.name)}), file=channel)
    except BaseException as error:
        traceback.print_exc()
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}), file=channel)


if __name__ == "__main__":
    main()
