"""``wengert page``: the page in the browser of this machine.

What comes in: a port, or none. What goes out: the address, printed and opened. The one idea: the server lives as long as
the command, and its children no longer than it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any, NoReturn

from wengert.errors import InputError

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Open a page in the browser: type a formula or paste a function, move the point, and step through the graph forward,
backward, as symbols and by finite differences. It is served on this machine only, to whoever has the address that is
printed: it holds a token. What is computed is computed by a child process with a limit of time and memory.
"""
EXAMPLES = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", metavar="N", type=_port, default=0, help="the port to listen on (default: any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text.strip()!r} is not a port: a whole number up to 65535")
    return int(text)


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Serve until Ctrl-C."""
    from wengert.page import Page
    try:
        page = Page(options.port)
    except OSError as error:
        raise InputError(f"port {options.port} cannot be had ({error.strerror}): choose another one, or none") from None
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        print(f"wengert page: {page.address}\nCtrl-C ends it", flush=True)
        if not options.no_browser:
            import webbrowser
            webbrowser.open(page.address)
        page.serve_forever()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        page.close()
        signal.signal(signal.SIGTERM, before)
    return 0


def _terminated(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
