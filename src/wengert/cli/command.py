"""What the commands share.

What comes in: the parser of a command, its words, what goes wrong in it. What goes out: the arguments of a target, the target
with its values, and one line for any error. The one idea: a target is given in the same way to every command.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from wengert.cli.target import Target

__all__ = ["Parser", "add_target", "bound", "draw", "fail", "failing", "order"]


_LONGEST = 1000  # characters of a line of a message; what was typed may be longer


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (see {self.prog.partition(' [')[0]} --help)")


def fail(message: str) -> NoReturn:
    sys.stdout.flush()
    shown = "\n".join([line if len(line) <= _LONGEST else f"{line[:_LONGEST // 2]} ... {line[-_LONGEST // 2:]}"
                       for line in message.split("\n")])
    print(f"wengert: error: {shown}", file=sys.stderr)
    raise SystemExit(2)


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """Errors become one line."""
    from wengert.errors import FormulaError, WengertError
    try:
        yield
    except FormulaError as error:  # its lines show the place
        fail(str(error))
    except WengertError as error:
        fail(" ".join(str(error).split()))
    except BrokenPipeError:
        raise
    except OSError as error:  # a name that is too long, a folder that may not be read, a disk that is full
        fail(" ".join(f"{error.filename or 'the output'}: {error.strerror or error}".split()))
    except Exception as error:  # a mistake of ours; still no traceback
        said = " ".join(f"{type(error).__name__}: {error}".split())
        fail(f"internal error: {said}. Please report it with the command and the files that led to it")


def add_target(parser: argparse.ArgumentParser, target: str, *, wrt: str = "as for `wengert diff`", nan: bool = True) -> None:
    """A formula or a function, its values, and what it is differentiated in."""
    parser.usage = f"{parser.prog} FORMULA|FILE.py:FUNCTION [NAME=VALUE ...] [options]"
    parser.add_argument("target", metavar="FORMULA|FILE.py:FUNCTION", help=target)
    parser.add_argument("values", metavar="NAME=VALUE", nargs="*", default=[], help="where; see `wengert diff --help`")
    parser.add_argument("--wrt", metavar="NAMES", help=wrt)
    if nan:
        parser.add_argument("--allow-nan", action="store_true", help="accept NaN and infinity in the data")


def bound(options: argparse.Namespace, words: Sequence[str], *, allow_nan: bool | None = None) -> Target:
    """The target that the words give values to."""
    from wengert.cli.target import find
    from wengert.cli.values import bindings
    unbound = find(options.target)
    return unbound.bind(bindings(list(words), unbound.names, options.allow_nan if allow_nan is None else allow_nan),
                        options.wrt)


def order(text: str) -> int:
    """The order of a derivative."""
    if not text.isdecimal() or not 1 <= int(text) <= 8:
        raise argparse.ArgumentTypeError(f"{text.strip()!r} is not a whole number from 1 to 8")
    return int(text)


def draw(found: Any, file: str | None) -> None:
    """What --plot asks for: the picture of a result, if a file is named."""
    from wengert.errors import InputError
    if not file:
        return
    try:
        found.plot(file)
    except ImportError:
        raise InputError("--plot needs Matplotlib: pip install 'wengert[plot]'") from None
    except (OSError, ValueError) as error:
        raise InputError(f"--plot {file}: {error}") from None
