"""A function with a loop, and its gradient, as C functions for a program without Python.

What comes in: a folder. What goes out: ``miss.h``, ``miss.o``, ``miss_gradient.h`` and ``miss_gradient.o`` in it, which
`descend.c` is linked with. The one idea: `jit` compiles a function to machine code that needs nothing of Python.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg

STEPS, DT, FRICTION, TARGET = 200, 0.02, 0.1, 2.0


def slope(state: Any) -> Any:
    """Angle and speed -> speed and acceleration."""
    return np.array([state[1], -np.sin(state[0]) - FRICTION * state[1]])


def miss(push: Any) -> Any:
    """How far from the target a pendulum ends that starts at this angle with this speed: half the square."""
    state = push
    for _ in range(STEPS):
        a = slope(state)
        b = slope(state + 0.5 * DT * a)
        c = slope(state + 0.5 * DT * b)
        d = slope(state + DT * c)
        state = state + DT / 6.0 * (a + 2.0 * b + 2.0 * c + d)
    return 0.5 * (state[0] - TARGET) ** 2


def main(folder: str = "build") -> None:
    """Write the functions."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    push = np.array([0.0, 1.0])
    for name, f in (("miss", miss), ("miss_gradient", wg.grad(miss))):
        header, code = wg.jit(f).export(name, push, folder=folder)
        print(f"{header.name} {code.name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
