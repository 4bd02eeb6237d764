"""A page that is served while a test runs.

What comes in: how long a child may take. What goes out: the page, closed behind the test.
"""

from __future__ import annotations

import contextlib
import threading

from wengert.page import Page

__all__ = ["served"]


@contextlib.contextmanager
def served(seconds):
    page = Page(seconds=seconds)
    thread = threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield page
    page.shutdown()
    page.close()
    thread.join()
