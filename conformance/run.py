"""Runs a library over the cases in a process of its own, and judges what it answers.

What comes in: the name of an adapter and an interpreter. What goes out: a record `{"library", "versions", "cases"}`, each case
with its verdict. The one idea: the worker may crash or hang; then the case it was at is a crash, and the rest goes on in a
fresh process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance.case import Case, load
from conformance.judge import judge
from conformance.references import read

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 120.0  # for one case: a library that takes longer hangs


def run(
    library: str,
    python: str = sys.executable,
    wanted: list[str] | None = None,
    report: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """The record of one library."""
    cases, stored = load(), read()
    left = list(wanted or cases)
    record: dict[str, Any] = {"library": library, "versions": {}, "cases": {}}
    while left:
        began, crashed = work(library, python, left, record, cases, stored, report)
        if not began:
            raise RuntimeError(f"the worker of {library} did not start: {crashed}")
        if crashed:
            record["cases"][began] = {"verdict": "crash", "found": [{"verdict": "crash", "why": crashed}]}
        left = [name for name in left if name not in record["cases"]]
    record["cases"] = {name: record["cases"][name] for name in cases if name in record["cases"]}
    return record


def work(
    library: str,
    python: str,
    names: list[str],
    record: dict[str, Any],
    cases: dict[str, Case],
    stored: dict[str, Any],
    report: Callable[[str], None],
) -> tuple[str, str]:
    """One worker until it ends: the case that it began last, and how it died, empty if it did not."""
    paths = [str(ROOT), *[p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    began, errors = "", []
    command = [python, "-m", "conformance.worker", library, *names]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout and child.stderr
        listener = threading.Thread(target=lambda stream: errors.append(stream.read()), args=(child.stderr,))
        listener.start()
        clock = threading.Timer(SECONDS, child.kill)
        clock.start()
        for line in child.stdout:
            clock.cancel()
            if line.startswith("{"):
                began = take(json.loads(line), began, record, cases, stored, report)
            clock = threading.Timer(SECONDS, child.kill)
            clock.start()
        code = child.wait()
        clock.cancel()
        listener.join()
    last = " ".join(errors[0].strip().splitlines()[-1:])
    return began, "" if code == 0 else f"the process ended with status {code}: {last}"[:200]


def take(
    message: dict[str, Any],
    began: str,
    record: dict[str, Any],
    cases: dict[str, Case],
    stored: dict[str, Any],
    report: Callable[[str], None],
) -> str:
    """One line of the worker, taken into the record; the case that runs now."""
    if "versions" in message:
        record["versions"] = message["versions"]
    elif "begins" in message:
        report(message["begins"])
        return str(message["begins"])
    elif "case" in message:
        record["cases"][message["case"]] = verdict(cases[message["case"]], stored[message["case"]], message)
    return began


def verdict(case: Case, stored: list[dict[str, Any]], message: dict[str, Any]) -> dict[str, Any]:
    """The verdict of the program as it stands, and of the library's own way to write it."""
    judged = judge(case, stored, message["plain"])
    warned = {name for parts in message["plain"] for answered in parts.values() for name in answered.get("warned", [])}
    if warned:
        judged["warned"] = sorted(warned)
    if "idiom" in message:
        judged["idiom"] = judge(case, stored, message["idiom"])
    return judged
