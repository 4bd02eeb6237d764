"""Runs every system of a variant, each in its own process, in turn.

What comes in: a case and a variant. What goes out: one `Row` per system: import, first call, steady median, and how far
its result is from the reference. The one idea: all processes are ready before the clock starts, and only one of them ever
runs, so that what disturbs the machine disturbs all alike.
"""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.case import Variant, package

WORKER = Path(__file__).with_name("worker.py")
TRUST = ("C", "jax", "jax scan", "torch", "casadi", "autograd")  # the first that is there is what the others are held against


@dataclass
class Options:
    python: str = sys.executable
    peers_python: str = sys.executable
    seconds: float = 1.0
    rounds: int = 5
    timeout: float = 120.0
    quick: bool = False
    systems: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    folder: Path = Path(".")


@dataclass
class Row:
    """What was measured of one system; times in seconds."""

    system: str
    version: str = ""
    imported: float | None = None
    first: float | None = None
    again: float | None = None  # the first call of a process that finds the compiled code of another on disk
    steady: float | None = None
    least: float | None = None
    calls: int = 0
    differs: float | None = None
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def environment(threads: int, cache: Path) -> dict[str, str]:
    """One thread for everybody (or two), and an empty folder for whoever keeps compiled code: a first call is a first call."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM"):
        kept[f"{name}_NUM_THREADS"] = str(threads)
    eigen = "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**kept, "XDG_CACHE_HOME": str(cache), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": eigen, "TF_CPP_MIN_LOG_LEVEL": "3"}


class Worker:
    """A process that measures one system."""

    def __init__(self, case: str, variant: Variant, system: str, options: Options, result: str = "", steady: bool = False,
                 cache: Path | None = None) -> None:
        cores = sorted(os.sched_getaffinity(0))[-variant.threads:]
        self.cache = cache = cache or options.folder / f"cache_{time.monotonic_ns()}"
        cache.mkdir(exist_ok=True)
        self.timeout = options.timeout
        self.log = open(options.folder / f"log_{time.monotonic_ns()}", "w+")  # noqa: SIM115  (closed by `close`)
        peer = package(system) not in (None, "wengert")
        self.process = subprocess.Popen([options.peers_python if peer else options.python, str(WORKER)], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env=environment(variant.threads, cache))
        order = {"case": case, "params": variant.params, "system": system, "threads": variant.threads, "cores": cores,
                 "libraries": str(options.folder), "result": result, "steady": steady}
        self.reply = self.ask(order)

    def ask(self, message: Any) -> Any:
        """Sends a line, and waits for the line that answers it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
        except BrokenPipeError:
            return {"error": f"the process ended: {self.last_words()}"}
        if not select.select([self.process.stdout], [], [], self.timeout)[0]:
            self.process.kill()
            return {"error": f"took more than {self.timeout:.0f} s"}
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"the process ended: {self.last_words()}"}

    def last_words(self) -> str:
        self.log.seek(0)
        return " ".join(self.log.read().strip().splitlines()[-2:])[:300]

    def close(self) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.wait()
        self.log.close()


def opened(case: str, variant: Variant, system: str, options: Options) -> tuple[Row, Worker | None]:
    """A worker that is ready, and what is known of its system so far."""
    worker = Worker(case, variant, system, options, str(options.folder / f"{time.monotonic_ns()}.npz"), True)
    reply = worker.reply
    if "missing" in reply or "error" in reply:
        worker.close()
        missing = reply.get("missing")
        return Row(system, problem=f"{missing} is not installed" if missing else reply["error"]), None
    firsts, imports = [reply["first"]], [reply["import"]]
    for _ in range(0 if options.quick else variant.fresh - 1):
        other = Worker(case, variant, system, options)
        firsts.append(other.reply.get("first", float("nan")))
        imports.append(other.reply.get("import"))
        other.close()
    again = None
    if variant.fresh > 1 and system == "wengert":
        other = Worker(case, variant, system, options, cache=worker.cache)
        again = other.reply.get("first")
        other.close()
    imported = None if None in imports else statistics.median(imports)
    return Row(system, reply["version"], imported, statistics.median(firsts), again, notes=reply["notes"]), worker


def interleave(workers: dict[str, Worker], options: Options) -> dict[str, list[float]]:
    """Blocks of calls in turn; a slow system is called less often, at least once."""
    share = options.seconds / options.rounds
    times: dict[str, list[float]] = {system: [] for system in workers}
    for k in range(options.rounds):
        for system, worker in workers.items():
            if k and k * worker.reply["once"] > options.seconds:
                continue
            got = worker.ask(share)
            if isinstance(got, dict):  # it died, or took too long
                worker.reply["error"] = got["error"]
            else:
                times[system] += got
    return times


def difference(a: list[Any], b: list[Any]) -> float:
    """The largest difference of two results, as a part of the largest number of each array."""
    if [x.shape for x in a] != [x.shape for x in b]:
        return float("inf")
    worst = 0.0
    for x, y in zip(a, b):
        scale = float(np.max(np.abs(y), initial=0.0))
        error = float(np.max(np.abs(x - y), initial=0.0)) / (scale or 1.0)
        worst = max(worst, error if error == error else float("inf"))
    return worst


def compare(rows: list[Row], workers: dict[str, Worker]) -> None:
    """Every result against that of the most trusted system that has one."""
    found = {}
    for system, worker in workers.items():
        if worker.reply["result"]:
            with np.load(worker.reply["result"]) as stored:
                found[system] = [stored[k] for k in stored.files]
            os.remove(worker.reply["result"])
    reference = next((s for s in TRUST if s in found), None)
    for row in rows:
        if row.system in found and reference not in (None, row.system):
            row.differs = difference(found[row.system], found[reference])


def measured(case: str, module: Any, variant: Variant, options: Options, report: Callable[[str], None]) -> list[Row]:
    """All systems of one variant."""
    rows, workers = [], {}
    systems = [s for s in module.SYSTEMS if s not in (*variant.without, *options.without)
               and (not options.systems or s in options.systems)]
    try:
        for system in systems:
            report(system)
            row, worker = opened(case, variant, system, options)
            rows.append(row)
            if worker is not None:
                workers[system] = worker
        compare(rows, workers)
        times = interleave(workers, options)
        for row in rows:
            if times.get(row.system):
                row.steady, row.least = statistics.median(times[row.system]), min(times[row.system])
                row.calls = len(times[row.system])
            if row.system in workers:
                row.problem = workers[row.system].reply.get("error", "")
    finally:
        for worker in workers.values():
            worker.close()
    return rows
