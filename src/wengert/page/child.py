"""The process that computes for the page.

What comes in: requests, one JSON object a line, on standard input. What goes out: a line that it is ready, then answers,
one a line, on what was standard output. The one idea: limits are set before anything of the user is read, and the end of
the input, which is the end of the server, ends the process whatever it is doing.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
from typing import Any, TextIO

__all__ = ["main"]

_LARGEST_FILE = 16 << 20


def _limit(memory: int) -> None:
    """Bound memory and files; where the system has no such limits, pasted functions are refused (`answers`)."""
    try:
        import resource
    except ImportError:
        return
    for which, bound in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, _LARGEST_FILE), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(which, (bound, bound))


def _limit_time(seconds: float) -> None:
    """Bound the processor time of the next answer, should the server not be there to watch the clock."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + 2 * seconds) + 1, hard))


def _channel() -> TextIO:
    """Where answers go; what the program prints goes nowhere near it."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return channel


def _read(source: TextIO, requests: queue.Queue[dict[str, Any]]) -> None:
    for line in source:
        requests.put(json.loads(line))
    os._exit(0)


def main() -> None:
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    _limit(memory)
    channel = _channel()
    source = os.fdopen(os.dup(0), encoding="utf-8")
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  (for as long as the process lives)
    os.dup2(sys.stdin.fileno(), 0)
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(source, requests), daemon=True).start()
    from wengert.page.answers import answer
    channel.write("ready\n")
    channel.flush()
    while True:
        request = requests.get()
        _limit_time(seconds)
        reply = {**answer(request), "id": request["id"]}
        channel.write(json.dumps(reply, allow_nan=False) + "\n")
        channel.flush()


if __name__ == "__main__":
    main()
