"""The local web page: ``wengert page``.

What comes in: a formula or a pasted function, and a point, from a browser on this machine. What goes out: the graph with
all that `wengert.explain`, `wengert.symbolic` and `wengert.compare` say about it, to be stepped through. The one idea:
the server (`server`) only passes messages; whatever is computed is computed by a child process (`child`) that has
limits and can be killed (`worker`), and whatever is drawn is drawn from the answer (`static`).
"""

from __future__ import annotations

from wengert.page.server import Page

__all__ = ["Page"]
