"""`wengert rounding`: the accumulated rounding error by line.

What comes in: a target and values, as for `wengert diff`. What goes out: the table of `wg.rounding_error`, or JSON. The one
idea: everything is the library's; this only finds the function and prints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

import wengert as wg
from wengert.cli.target import find
from wengert.cli.values import bindings

__all__ = ["print_rounding"]


def print_rounding(options: Any, words: Sequence[str], out: TextIO) -> int:
    """Estimate and print; gives the exit status."""
    unbound = find(options.target)
    target = unbound.bind(bindings([word.strip() for word in words], unbound.names, options.allow_nan), options.wrt)
    with target.running():
        found = wg.rounding_error(target.function, *target.args, reference=options.reference, **target.kwargs)
    out.write((json.dumps(found.json(), indent=1) if options.json else str(found)) + "\n")
    return 0
