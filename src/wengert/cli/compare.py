"""``wengert compare``: every way to a derivative, side by side.

What comes in: the words of the command line. What goes out: a table, JSON, a picture. The one idea: the command is
`wg.compare` with values that were read from words and files.
"""

from __future__ import annotations

import argparse
import functools
from typing import TextIO

import wengert as wg
from wengert.cli.report import _write
from wengert.cli.target import find
from wengert.cli.values import bindings
from wengert.comparison import Comparison
from wengert.errors import InputError

__all__ = ["compared", "print_comparison", "status"]


def compared(options: argparse.Namespace, words: list[str]) -> Comparison:
    """Run what the command line asks for."""
    unbound = find(options.target)
    target = unbound.bind(bindings([word.strip() for word in words], unbound.names, False), options.wrt)
    sizes = None if options.sizes is None else _sizes(options.sizes)
    f = functools.partial(target.function, **target.kwargs) if target.kwargs else target.function
    with target.running():
        found = wg.compare(f, *target.args, argnums=target.places, order=options.order, sizes=sizes, seed=options.seed)
    if options.plot:
        try:
            found.plot(options.plot)
        except ImportError:
            raise InputError("--plot needs Matplotlib: pip install 'wengert[plot]'") from None
        except (OSError, ValueError) as error:
            raise InputError(f"--plot {options.plot}: {error}") from None
    return found


def _sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"--sizes takes whole numbers, --sizes 10,20,40, not {text!r}")
    return [int(part) for part in parts]


def print_comparison(found: Comparison, as_json: bool, file: TextIO) -> None:
    """JSON, a table where `file` is a terminal, or plain text."""
    if as_json:
        file.write(found.json() + "\n")
    elif file.isatty():
        from rich.console import Console
        Console(file=file, highlight=False).print(found.table())
    else:
        _write(str(found) + "\n", file)


def status(found: Comparison) -> int:
    """1 if a way that claims to be exact is wrong, else 0."""
    return int(any(e.verdict == "wrong" and e.kind in ("symbolic", "forward", "reverse", "mixed") for e in found.entries))
