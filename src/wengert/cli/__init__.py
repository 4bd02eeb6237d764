"""The command line.

What comes in: the words of a command. What goes out: what the command prints, and its exit status. The one idea: a command is a
line of the table and a module of the same name, with its texts, its options and what it does; every mistake is answered by
one line that says what to write instead, and exit status 2, never by a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from wengert.cli.command import Parser, failing

__all__ = ["main"]

_COMMANDS = {  # what each is for
    "diff": "value and derivatives at a point, checked",
    "explain": "how a derivative arises, step by step",
    "certify": "a derivative by independent ways, with error bars and a verdict",
    "compare": "every way to a derivative, side by side",
    "symbolic": "derivatives as formulas",
    "page": "formulas and functions, step by step, in the browser",
    "doctor": "what of a file differentiates and stages, and what does not",
    "lint": "kinks, jumps, dead inputs and lost digits, by line",
    "plan": "what a derivative costs in each way, before it runs",
    "profile": "time and memory by line",
    "rounding": "rounding error by line",
    "compilation": "what the compiler makes of a function",
    "cache": "compiled programs kept on disk",
}
_ABOUT = "Derivatives of formulas and of functions in Python files, each checked by an independent method."
_TOP = """examples:
  wengert diff 'cos(x) e^{x^2}' x=0.5
  wengert diff program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote
  wengert explain 'cos(x) e^{x^2}' x=0.5
  wengert compare program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote
  wengert symbolic 'cos(x) e^{x^2}' --order 2
  wengert certify program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote
  wengert doctor program.py

`wengert diff --help`, `wengert doctor --help` and so on say more.
"""


def _top() -> Parser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser("wengert", description=_ABOUT, epilog=_TOP, formatter_class=raw, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, purpose in _COMMANDS.items():
        commands.add_parser(name, help=purpose)
    return parser


def _command(name: str) -> tuple[Any, Parser]:
    """The module of a command, and its parser."""
    module = import_module(f"wengert.cli.{name}")
    parser = Parser(f"wengert {name}", description=module.ABOUT, epilog=module.EXAMPLES, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return module, parser


def _words(argv: Sequence[str]) -> list[str]:
    """A formula may begin with a minus sign: a space before it tells argparse that it is no option."""
    return [f" {word}" if len(word) > 1 and word[0] == "-" and word[1] != "-" and word != "-h" else word
            for word in argv]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Examples
    --------
    >>> main(["diff", "x^2 y", "x=3", "y=2", "--wrt", "x", "--json"])  # doctest: +ELLIPSIS
    {
     "function": "x^2*y",
    ...
    0
    """
    if argv is None:
        _open_streams()
    words = _words(sys.argv[1:] if argv is None else argv)
    try:
        if words and words[0] in _COMMANDS:
            return _run(words[0], words[1:])
        parser = _top()
        if parser.parse_args(words).version:
            print(_version())
        else:
            parser.print_help()
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        print("wengert: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _open_streams() -> None:
    """Where output is closed, nowhere takes it; a letter that the terminal has not is written as its number."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (as long as the process lives)
        elif hasattr(stream, "reconfigure") and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _run(name: str, words: list[str]) -> int:
    module, parser = _command(name)
    options, extra = parser.parse_known_args(words)
    strange = [word for word in extra if word.startswith("--")]
    if strange:
        parser.error(f"unknown option {strange[0]}")
    takes_values = hasattr(options, "values")
    if extra and not takes_values:
        parser.error(f"unknown argument {extra[0].strip()!r}")
    with failing():
        status = module.run(options, [word.strip() for word in [*options.values, *extra]] if takes_values else [])
        sys.stdout.flush()
    return int(status)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version
    try:
        return f"wengert {version('wengert')}"
    except PackageNotFoundError:
        return "wengert (not installed)"
