"""Writes docs/explain.md and its pictures: prose, and blocks that are run here.

    python docs/write_explain.py

A test runs the same and compares, so that the page shows what the program does.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from pathlib import Path
from typing import Any

import wengert as wg
from wengert.cli import main

HERE = Path(__file__).resolve().parent

PAGE = """\
# How a derivative arises, step by step

`wg.explain(f, *point)` shows both passes through a formula or a function at a point, node by node: the evaluation tree, the forward
pass with values and tangents, the backward pass with each adjoint and the sum that formed it. The numbers are those of `grad` and
`jvp`: the adjoints are the terms of the library's own transposed linearization. This page is written by `docs/write_explain.py`.

## Forward for each input, backward once

```python
@>>> import numpy as np
@>>> import wengert as wg
@>>> print(wg.explain("w2 log(w1) + sqrt(w2 log(w1))", w1=2.0, w2=3.0))

```

A node `v̇` is the derivative of `v` along a direction, `v̄` the derivative of the result with regard to `v`. Forward mode needs
a column for each input; backward mode has them all after one pass, the two terms of `v̄2` because two nodes use `v2`.

![the graph, with local partial derivatives on its edges](pictures/explain_log.svg)

## An input that is used twice

```python
@>>> print(wg.explain("(x + sigmoid(y)) tanh(x)", x=2.0, y=1.0))

```

```python
@>>> print(wg.explain("x y + sin(x)", x=0.0, y=3.0))

```

## A tree

```python
@>>> print(wg.explain("cos(x) e^{x^2}", x=0.5))

```

## A network with one input, two hidden units, one output

The squared error of `v · σ(w x + b) + c`, with regard to the parameters; input `x` and target `t` are data:

```python
@>>> error = "(p1 sigmoid(w1 x + b1) + p2 sigmoid(w2 x + b2) + c - t)^2 / 2"
@>>> point = dict(w1=0.5, w2=-1.0, b1=0.1, b2=0.2, p1=1.5, p2=-0.7, c=0.3, x=0.8, t=1.0)
@>>> network = wg.explain(error, **point).wrt("w1", "w2", "b1", "b2", "p1", "p2", "c")
@>>> print(network)

```

Each adjoint is there as a number, too:

```python
@>>> {network.nodes[k].name: round(float(network.nodes[k].adjoint), 6) for k in network.inputs}

```

## Programs, loops and branches

The lines of a program stand beside its operations; arrays are shown by shape, range and mean:

```console
@$ wengert explain examples/logistic_regression.py:loss 'w=[15.04,-0.2322]' X=examples/data/o_rings.csv:temperature, y=examples/data/o_rings.csv:distress

```

What is long is folded: a loop, a call, a turn, a line is one row, until it is opened (`e.text(opened=["program.py:12"])`, `--lines`).
Loops of the staged function (`wg.jit(f)`, `--jit`) are one operation each, with the number of turns:

```console
@$ wengert explain examples/programs/newton.py:friction reynolds=100000 roughness=0.001 --jit

```

`e.open(where, turn)` (`--open`, `--turn`) writes one turn out, between the turns before it and those after it, with its values and
adjoints; `where` is a line of the loop, or the name of its node.

## Where a NaN came from

```python
@>>> wg.explain("log(x - 2) y", x=1.0, y=2.0).findings
@>>> wg.explain("sqrt(x) y", x=0.0, y=2.0).findings

```

What a choice left out contributes exactly nothing, even where its derivative is infinite:

```python
@>>> print(wg.explain("where(greater(x, 0), sqrt(x), 0)", x=0.0))

```

A function that raises is explained up to there; one without source has no lines; one with effects is run once, as a call runs it. Each
is said in `e.notes` or `e.failure`. More than 100,000 operations are refused, with the advice to explain `wg.jit(f)`.

## Views

| | |
| --- | --- |
| `print(e)`, `e.text()` | as above |
| `e` in a notebook, `e.html()` | a page that needs nothing else: step through both passes (← →), fold, search, the way of one input |
| `e.svg()`, `e.dot()` | the graph: a picture for light and dark screens; for Graphviz |
| `e.latex()` | values, tangents and adjoints as aligned displays (`amsmath`) |
| `e.nodes`, `e.backward`, `e.groups`, `e.to_json()` | the data; `help(wengert.views.derivation)` is the schema |
| `e.wrt("w")`, `e.along(...)`, `e.seeded(...)` | some inputs alone; another direction of the forward pass; another cotangent |
| `e.text(only=["x"])` | only what lies between an input and the result |

`wengert explain TARGET ... --format text|latex|dot|svg|html|json --output FILE` writes them.
"""


def page() -> str:
    """The page, with what its blocks print."""
    space: dict[str, Any] = {}
    lines = []
    for line in PAGE.splitlines():
        if line.startswith("@>>> "):
            lines += [line[1:], *_printed(line[5:], space)]
        elif line.startswith("@$ wengert "):
            lines += [line[1:], *_command(shlex.split(line[10:]))]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _printed(code: str, space: dict[str, Any]) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<page>", "single"), space)
    return [line or "<BLANKLINE>" for line in out.getvalue().rstrip("\n").split("\n")] if out.getvalue() else []


def _command(words: list[str]) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(HERE.parent):
        main(words)
    return out.getvalue().rstrip("\n").split("\n")


def pictures() -> dict[str, str]:
    """The pictures of the page."""
    return {"explain_log.svg": wg.explain("w2 log(w1) + sqrt(w2 log(w1))", w1=2.0, w2=3.0).svg()}


if __name__ == "__main__":
    (HERE / "explain.md").write_text(page(), encoding="utf-8")
    (HERE / "pictures").mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (HERE / "pictures" / name).write_text(picture, encoding="utf-8")
    print(f"wrote explain.md and {', '.join(pictures())} in {os.path.relpath(HERE)}")
