"""A child process that computes, seen from the server.

What comes in: a request, a dictionary. What goes out: the child's answer, or an error that says why there is none: it
took too long, or it died. The one idea: the child speaks JSON lines and nothing else, so whatever a pasted function
does to its own process, the server reads text; and a child that does not answer in time is killed with all that it
started.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from typing import Any

__all__ = ["MEMORY", "SECONDS", "Worker", "Workers", "failure"]

SECONDS = 20.0  # of wall-clock time for one answer
START = 60.0  # for a child to start on a busy machine, before anything of the user is read
MEMORY = 2 << 30  # bytes of address space
LONGEST_ANSWER = 64 << 20  # characters
MOST = 4  # children at a time

_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT")  # of the environment; the rest may hold secrets


def failure(kind: str, message: str, **where: Any) -> dict[str, Any]:
    """An answer that tells what went wrong."""
    return {"error": {"kind": kind, "message": message, **where}}


class Worker:
    """One child process, started when it is made and stopped by `close`."""

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.count = 0
        self.stopped = self.started = False
        self.folder = tempfile.TemporaryDirectory(prefix="wengert-page-", ignore_cleanup_errors=True)
        self.answers: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-m", "wengert.page.child", str(memory), str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder.name,
            env=self._environment(), start_new_session=True, text=True, encoding="utf-8", errors="replace")
        threading.Thread(target=self._read, daemon=True).start()

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        home = self.folder.name
        return kept | {
            "PATH": os.defpath, "HOME": home, "TMPDIR": home, "WENGERT_CACHE_DIR": home, "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
        }

    def _read(self) -> None:
        """Hand on each line of the child; an empty one says that it has ended."""
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError), self.process.stdout as lines:
            while line := lines.readline(LONGEST_ANSWER):
                self.answers.put(line)
        self.answers.put("")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The child's answer; after a failure the child is gone."""
        with self.lock:
            self.count += 1
            try:
                assert self.process.stdin is not None
                self.process.stdin.write(json.dumps({**request, "id": self.count}) + "\n")
                self.process.stdin.flush()
            except (OSError, ValueError):
                return self._ended()
            try:
                if not self.started:
                    self.started = bool(self.answers.get(timeout=START))
                line = self.answers.get(timeout=self.seconds) if self.started else ""
            except queue.Empty:
                self.close()
                return failure("too slow", f"no answer after {self.seconds:g} seconds, so the computation was ended: "
                                           f"take fewer steps or smaller arrays")
            if not line:
                return self._ended()
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict) and answer.get("id") == self.count:
                    return answer
            self.close()
            return failure("ended", "the function wrote over the answer; nothing can be shown")

    def _ended(self) -> dict[str, Any]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        status, stopped = self.process.poll(), self.stopped
        self.close()
        if stopped:
            return failure("stopped", "the computation was stopped")
        how = "" if status is None else f" ({signal.Signals(-status).name})" if status < 0 else f" (exit status {status})"
        return failure("ended", f"the process that computed has ended{how}: it left, or needed more memory than it may have")

    def kill(self) -> None:
        """End the child and what it started."""
        self.stopped = True
        with contextlib.suppress(OSError):
            if sys.platform != "win32":
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()

    def close(self) -> None:
        """End the child, and remove its folder."""
        self.kill()
        self.process.wait()
        with contextlib.suppress(OSError, ValueError):  # the other pipe is closed by its reader, when all who write have ended:
            if self.process.stdin is not None:  # what left the group of the child is not waited for
                self.process.stdin.close()
        self.folder.cleanup()


class Workers:
    """The children of the server: one for formulas, one for each pasted function, and one more each for what is slow.

    A pasted function gets a process that has run no other code, and keeps it while only the point moves.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self.seconds, self.memory = seconds, memory
        self.lock = threading.Lock()
        self.running: OrderedDict[tuple[str, bool], Worker] = OrderedDict()

    def ask(self, request: dict[str, Any], slow: bool) -> dict[str, Any]:
        return self._worker((_program(request), slow)).ask(request)

    def _worker(self, key: tuple[str, bool]) -> Worker:
        with self.lock:
            worker = self.running.pop(key, None)
            if worker is None or not worker.alive:
                if worker is not None:
                    worker.close()
                while len(self.running) >= MOST:
                    self.running.popitem(last=False)[1].close()
                worker = Worker(self.seconds, self.memory)
            self.running[key] = worker
            return worker

    def stop(self) -> None:
        """End all children; the next request starts new ones."""
        with self.lock:
            for worker in self.running.values():
                worker.kill()

    def close(self) -> None:
        with self.lock:
            while self.running:
                self.running.popitem()[1].close()


def _program(request: dict[str, Any]) -> str:
    """Which program a child may have run: none but ours for formulas, else the pasted text."""
    if request.get("kind") != "function":
        return ""
    return hashlib.sha256(str(request.get("text")).encode("utf-8", "replace")).hexdigest()
