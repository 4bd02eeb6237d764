"""What is going on, on the terminal, once it has taken a second.

What comes in: a line of text now and then, and how much is done if that is known. What goes out: a spinner or a bar on
stderr, if that is a terminal; else nothing. The one idea: who reports need not know whether anybody looks.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

__all__ = ["Progress"]

PATIENCE = 1.0  # seconds until it shows


class Progress:
    """A context manager, called with what is going on.

    Parameters
    ----------
    total : int, optional
        How many steps there are: then a bar is shown in the place of a spinner.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self.enabled = sys.stderr.isatty()
        self.text, self.done = "", 0
        self.bar: Any = None
        self.task: Any = None
        self.timer: threading.Timer | None = None
        self.lock = threading.Lock()

    def __enter__(self) -> Progress:
        if self.enabled:
            self.timer = threading.Timer(PATIENCE, self._start)
            self.timer.daemon = True
            self.timer.start()
        return self

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar
        counted = (BarColumn(), TaskProgressColumn()) if self.total else ()
        columns = (SpinnerColumn(), *counted, TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        bar = Bar(*columns, console=Console(stderr=True), transient=True)
        with self.lock:
            self.task = bar.add_task(self.text, total=self.total, completed=self.done)
            bar.start()
            self.bar = bar

    def __call__(self, text: str, done: int = 0) -> None:
        """Say what is going on, and how many steps are done."""
        self.text, self.done = text, done
        if self.bar is not None:
            self.bar.update(self.task, description=text, completed=done)

    def __exit__(self, *_: object) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer.join()
        if self.bar is not None:
            self.bar.stop()
