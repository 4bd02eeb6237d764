"""Every benchmark, side by side with whatever of jax, torch, casadi, autograd and a C compiler is there.

What comes in: names of cases (all, if none is given) and the options below. What goes out: a table on the terminal, and
in `benchmarks/results/` the same as `latest.json`, `latest.md` and `latest.png`. The one idea: ratios within one run;
each system runs in a process of its own, pinned to one core with one thread, in turns, so that noise hits all alike, and
nothing is asserted by a clock.

    python benchmarks/run.py [case ...] [--peers-python PATH] [--seconds S] [--quick] [--systems wengert,C]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from cases import NAMES  # noqa: E402  (after the path)
from harness import native, report  # noqa: E402
from harness.measure import Options, measured  # noqa: E402


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of: {', '.join(NAMES)}; all, if none is given")
    parser.add_argument("--peers-python", default=sys.executable, metavar="PATH", help="an interpreter that has the peers")
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring, for each system of each variant")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds until a system that does not answer is given up")
    parser.add_argument("--quick", action="store_true", help="small variants, for a moment: does everything run and agree?")
    parser.add_argument("--systems", default="", metavar="A,B", help="only these")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="the folder for the table and the plot")
    parser.add_argument("--list", action="store_true", help="say what there is")
    chosen = parser.parse_args(given)
    unknown = [c for c in chosen.cases if c not in NAMES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)} (there are {', '.join(NAMES)})")
    return chosen


def run_cases(chosen: argparse.Namespace, options: Options) -> list[report.Group]:
    """Measures and prints, case by case."""
    groups: list[report.Group] = []
    names = chosen.cases or NAMES
    modules = {name: importlib.import_module(f"cases.{name}") for name in names}
    todo = [(name, v) for name in names for v in modules[name].VARIANTS if v.quick or not chosen.quick]
    print(report.plain(report.HEADER))
    for k, (name, variant) in enumerate(todo, 1):
        def progress(system: str) -> None:
            if sys.stderr.isatty():
                print(f"\r\x1b[2K[{k}/{len(todo)}] {name}, {variant.name}: {system}", end="", file=sys.stderr, flush=True)
        group = report.Group(name, variant, measured(name, modules[name], variant, options, progress))
        report.judge(group)
        groups.append(group)
        if sys.stderr.isatty():
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
        print("\n".join(report.lines(group)), flush=True)
    return groups


def main(given: list[str] | None = None) -> int:
    """0 if every result agrees; times decide nothing."""
    chosen = arguments(given)
    if chosen.list:
        for name in NAMES:
            module = importlib.import_module(f"cases.{name}")
            print(f"{name:12s} {(module.__doc__ or '').splitlines()[0]}")
            print(f"{'':12s} {', '.join(module.SYSTEMS)}; {'; '.join(v.name for v in module.VARIANTS)}")
        return 0
    quick: dict[str, Any] = {"seconds": min(chosen.seconds, 0.05), "rounds": 1} if chosen.quick else {"seconds": chosen.seconds}
    with tempfile.TemporaryDirectory() as folder:
        options = Options(peers_python=chosen.peers_python, timeout=chosen.timeout, quick=chosen.quick, folder=Path(folder),
                          systems=tuple(s for s in chosen.systems.split(",") if s), **quick)
        sources = sorted({importlib.import_module(f"cases.{n}").C for n in chosen.cases or NAMES} - {""})
        failed = native.build(options.folder, sources)
        if failed:
            print(f"C is left out: {failed}", file=sys.stderr)
            options.without = ("C", "products")
        groups = run_cases(chosen, options)
    about = report.machine({"seconds": options.seconds, "rounds": options.rounds, "quick": options.quick}, groups)
    print(f"wrote {', '.join(report.write(chosen.out, groups, about))}")
    wrong = [g.name for g in groups if any("DIFFERS" in remark for remark in report.remarks(g))]
    if wrong:
        print(f"results differ: {'; '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
