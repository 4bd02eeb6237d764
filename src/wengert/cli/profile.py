"""`wengert profile`: time and memory by line.

What comes in: a target and values, as for `wengert diff`. What goes out: the table of `wg.profile`, JSON, or a picture. The one
idea: everything is the library's; this only finds the function and prints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

import wengert as wg
from wengert.cli.target import find
from wengert.cli.values import bindings
from wengert.errors import InputError

__all__ = ["print_profile"]


def print_profile(options: Any, words: Sequence[str], out: TextIO) -> int:
    """Measure and print; gives the exit status."""
    unbound = find(options.target)
    target = unbound.bind(bindings([word.strip() for word in words], unbound.names, options.allow_nan), options.wrt)
    with target.running():
        found = wg.profile(target.function, *target.args, argnums=tuple(target.places), **target.kwargs)
    if options.sort == "line":
        found = found.by_line()
    if options.plot:
        try:
            found.plot().savefig(options.plot)
        except (OSError, ValueError) as error:  # no such folder, no such format
            raise InputError(f"--plot {options.plot}: {error}") from error
    out.write((json.dumps(found.json(), indent=1) if options.json else str(found)) + "\n")
    return 0
