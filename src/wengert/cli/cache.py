"""``wengert cache``: the machine code that is kept on disk.

What comes in: nothing, or "clear". What goes out: the folder, how many files it holds and how large they are; or an empty
folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TextIO

from wengert.backends.compiled import store
from wengert.units import bytes_text

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Show where compiled programs are kept between runs, how many there are and how much room they take; or remove them.
The folder is WENGERT_CACHE_DIR, else below the user's cache folder. Nothing is lost with it but time.
"""
EXAMPLES = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="clear", nargs="?", choices=("clear",), help="remove them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, words: list[str]) -> int:
    (print_cleared if options.action == "clear" else print_cache)(sys.stdout, options.json)
    return 0


def _count(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def print_cache(out: TextIO, as_json: bool) -> None:
    """The folder, and what it holds."""
    place, found, refused = store.folder(), store.entries(), store.refusal()
    size = sum(e.size for e in found)
    if as_json:
        said = {"folder": None if place is None else str(place), "files": len(found), "bytes": size, "refused": refused}
        print(json.dumps(said, indent=1), file=out)
    else:
        print(f"{'no folder' if place is None else place}: {_count(len(found))}, {bytes_text(size)}", file=out)
        if refused:
            print(f"nothing is kept there: {refused}", file=out)


def print_cleared(out: TextIO, as_json: bool) -> None:
    """Remove every file; say how many there were."""
    place, removed = store.folder(), store.clear()
    if as_json:
        print(json.dumps({"folder": None if place is None else str(place), "removed": removed}, indent=1), file=out)
    else:
        print(f"{'no folder' if place is None else place}: {_count(removed)} removed", file=out)
