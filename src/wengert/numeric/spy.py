"""A picture of a sparse matrix: where its entries are, and which group of columns or rows gives each.

What comes in: a shape, the places of entries, and their groups. What goes out: a Matplotlib Axes. The one idea: entries are
squares as long as they can be told apart, and beyond that an image of how full each part of the matrix is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_SIDE = 250  # rows or columns whose entries can be told apart


def draw(ax: Axes | None, shape: tuple[int, int], entries: tuple[Any, Any], group: Any, by_row: Any, title: str) -> Axes:
    """Draw the entries; those that come from groups of rows in grays, the others in colors."""
    if ax is None:
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise InputError("spy: Matplotlib is not installed; pip install 'wengert[plot]'") from error
        ax = Figure(figsize=(5.2, 5.6), layout="constrained").add_subplot()
    m, n = shape
    if max(shape) <= _SIDE:
        ax.imshow(_cells(shape, entries, group, by_row), extent=(-0.5, n - 0.5, m - 0.5, -0.5), interpolation="nearest")
    else:
        cells = [min(k, _SIDE) for k in shape]
        full = np.histogram2d(*entries, bins=cells, range=((0, m), (0, n)))[0] / (m * n / (cells[0] * cells[1]))
        ax.imshow(np.sqrt(full), extent=(-0.5, n - 0.5, m - 0.5, -0.5), cmap="Greys", interpolation="nearest", vmin=0.0)
    ax.set_title(title.replace(": ", "\n"), fontsize="medium")
    ax.set_xlabel("column")
    ax.set_ylabel("row")
    return ax


def _cells(shape: tuple[int, int], entries: tuple[Any, Any], group: Any, by_row: Any) -> Any:
    """An image with one pixel for each place of the matrix."""
    from matplotlib import colormaps
    image = np.ones((*shape, 3))
    palette = np.array(colormaps["tab20"](np.r_[0:20:2, 1:20:2]))[:, :3]
    grays = np.linspace(0.15, 0.7, 5)[:, None] * np.ones(3)
    image[entries] = np.where(by_row[:, None], grays[group % len(grays)], palette[group % len(palette)])
    return image
