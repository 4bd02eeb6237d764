"""Texts of graphs: printed ones, spoiled ones, and hostile ones.

What comes in: random numbers. What goes out: texts, judged by what `from_text` makes of them. The one idea: either a graph that
passes `check` and whose print reads back as the same graph, or a `GraphError` that names a line or an equation.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import wengert as wg
from tests.fuzz.target import Broken, Target, mutated, shorter
from wengert.errors import GraphError
from wengert.graph import REGISTRY
from wengert.graph.check import check
from wengert.graph.text import from_text, to_text
from wengert.graph.walk import same_graph
from wengert.transforms.jvp import jvp
from wengert.transforms.vjp import vjp

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from random_graphs import Choices, random_graph

__all__ = ["TARGETS"]


def _programs() -> list[str]:
    """Graphs with loops, branches, calls, draws, complex numbers and long constants."""
    def loop(x: Any) -> Any:
        return wg.fori_loop(0, 5, lambda i, v: np.sin(v) * 0.5 + i, x)

    def branch(x: Any) -> Any:
        return wg.cond(np.sum(x) > 0, lambda v: v * 2.0, lambda v: v - 1.0, x)

    def scan(x: Any) -> Any:
        return wg.scan(lambda c, v: (c + v, c * v), np.float64(0.0), x)[1]

    def matrices(x: Any) -> Any:
        a = np.outer(x, x) + np.eye(3) + np.arange(27.0).reshape(3, 9)[:, :3]
        return np.linalg.solve(a, x)[::-1] @ np.sort(x) + np.fft.fft(x)[0].real + np.where(x > 0, x, 1j).imag.sum()
    x = np.array([0.5, -1.0, 2.0])
    graphs = [wg.make_graph(f, x) for f in (loop, branch, scan, matrices)]
    made = [to_text(g) for g in graphs]
    for g in graphs[:2]:
        made += [to_text(jvp(g, [True])[0]), to_text(vjp(g, [True])[0])]
    return made


_KNOWN: list[str] = []


def _text(rng: Random) -> str:
    if not _KNOWN:
        _KNOWN.extend(_programs())
    if rng.random() < 0.3:
        return rng.choice(_KNOWN)
    graph, values = random_graph(Choices(rng.randrange), steps=rng.randint(1, 10), dtype=rng.choice([np.float64, np.float32]))
    kind = rng.randrange(3)
    active = [True] * len(values)
    return to_text(graph if kind == 0 else jvp(graph, active)[0] if kind == 1 else vjp(graph, active)[0])


_TYPES = ["float64[]", "float32[3]", "int64[2,2]", "bool[]", "complex128[]", "float64[1000000000000]", "float64[-1]",
          "float64[1.5]",
          "float64[99999999999999999999999]", "object[]", "object[2]", "stack[float64[]]", "stack[stack[float64[3]]]", "str[]",
          "void[]", "datetime64[]", "dtype('>f8')[]", "dtype('O')[]", "dtype('f8,f8')[]", "dtype('')[]", "float128[]",
          "longdouble[]",
          "float16[0,1000000000]", "uint8[inf]", "float64[nan]", "float64[1e3]", "float64[" + "1," * 70 + "1]", "stack[" * 2000]
_VALUES = ["1", "-0.0", "inf", "nan", "1e400", "99999999999999999999999999", "True", "float32(0.1)", "float32(x)", "float64()",
           "complex128(1.0, -0.0)", "complex128(1)", "int8(300)", "uint8(-1)", "bool(2)", "int64(1.5)", "int64(inf)",
           "object(1)",
           "float64[2]{1.0}", "float64[1000000000000]{fill 1.0}", "float64[100000,100000]{fill 0.0}",
           "float64[2]{base64 \"AAAA\"}",
           "float64[1]{base64 \"!!!!\"}", "float64[1]{base64 \"é\"}", "object[1]{base64 \"AAAAAAAAAAA=\"}", "float64[0]{}",
           "float64[-1]{}", "float64[2]{fill}", "bool[2]{1, 0}", "complex64[1]{complex(1)}", "complex64[1]{1.0}", "%99",
           "?0", "...",
           "None", "'a'", "b'a'", "'\\x'", "'\\N{x}'", "b'\\xzz'", "b'é'", "slice()", "slice(1)", "slice(1, 2, 3, 4)",
           "slice('a')",
           "complex()", "complex(1)", "complex(True, 1)", "const 1", "const %0", "const x", "(1, 2)", "((), (1,))",
           "<function f>",
           "<", "graph() {\n return\n}", "float64", "dtype('O')", "dtype('f8,f8')", "dtype('M8[s]')", "-9223372036854775808",
           "9" * 5000, "-1", "()", "(-1,)", "(0, 0)", "(99,)", "1000000000000", "(1000000000000,)", "(" * 3000,
           "graph(){return %0}", "graph(%7: float64[]) {\n return %7\n}"]
_NAMES = ["axes", "axis", "shape", "dtype", "index", "body", "length", "count", "value", "k", "self", "params",
          "__class__", "cond"]


def _spoiled(rng: Random) -> str:
    pieces = [*_TYPES, *_VALUES, *_NAMES, *list(REGISTRY), "%0", "%1", "%2", "=", ",", "(", ")", "{", "}", ":", "#", "\n",
              "return ",
              "graph(", "\x00", "é", "0", "-", ".", "e", "'", '"', "\\"]
    text = _text(rng)
    if rng.random() < 0.5:
        return str(mutated(rng, text, pieces, 3))
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        k, kind = rng.randrange(len(lines)), rng.randrange(6)
        if kind == 0:
            lines.insert(rng.randrange(len(lines)), lines[k])
        elif kind == 1:
            del lines[k]
        elif kind == 2:
            lines[k] = re.sub(r"[a-z]+\d*\[[^]]*\]", lambda _: rng.choice(_TYPES), lines[k], count=1)
        elif kind == 3:
            lines[k] = re.sub(r"=\S+?([,)])", lambda m: f"={rng.choice(_VALUES)}{m[1]}", lines[k])
        elif kind == 4:
            lines[k] = re.sub(r" = \w+\(", lambda _: f" = {rng.choice(list(REGISTRY))}(", lines[k])
        else:
            lines[k] = re.sub(r"%\d+", lambda m: rng.choice([m[0], "%0", "%1", "%2", rng.choice(_VALUES)]), lines[k])
        if not lines:
            break
    return "\n".join(lines)


def _made(rng: Random) -> str:
    """One equation out of parts that need not fit."""
    inputs = [f"%{k}: {rng.choice(_TYPES[:6]) if rng.random() < 0.9 else rng.choice(_TYPES)}" for k in range(rng.randint(0, 3))]
    operands = [rng.choice(["%0", "%1", "%2", "1.0", "2", rng.choice(_VALUES)]) for _ in range(rng.randint(0, 3))]
    name = rng.choice(list(REGISTRY))
    params = [f"{rng.choice(_NAMES)}={rng.choice(_VALUES)}" for _ in range(rng.randint(0, 3))]
    known = _parameters(name)
    params = [f"{p}={rng.choice(_VALUES)}" for p in known] if known and rng.random() < 0.8 else params
    equation = f"  %9: {rng.choice(_TYPES[:6])} = {name}({', '.join([*operands, *params])})"
    return f"graph({', '.join(inputs)}) {{\n{equation}\n  return {rng.choice(['%9', '%0', '%9, %9', '1.0', ''])}\n}}"


def _parameters(name: str) -> list[str]:
    """The names of the parameters of a primitive: those of its rule of types that are given by keyword."""
    import inspect
    try:
        found = inspect.signature(REGISTRY[name].type).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in found if p.kind == p.KEYWORD_ONLY]


def _judge_print(text: str, _: Any) -> str:
    graph = from_text(text)
    if to_text(graph, full_paths=True).split() != text.split():
        raise Broken("it prints otherwise than it was written")
    return "same"


def _judge_text(text: str, _: Any) -> str:
    try:
        graph = from_text(text)
    except GraphError as error:
        if not re.search(r"\bline \d+|equation \d+|input|output|variable", str(error)):
            raise Broken(f"the message names no place: {error}") from None
        if len(str(error)) > 5000:
            raise Broken(f"a message of {len(str(error))} characters") from None
        return "refused"
    check(graph)
    again = from_text(to_text(graph))
    if not same_graph(again, graph):
        raise Broken("its print reads as another graph")
    return "graph"


TARGETS = [
    Target("graphs", _text, _judge_print, 25, smaller=shorter),
    Target("graph texts", lambda rng: _made(rng) if rng.random() < 0.4 else _spoiled(rng), _judge_text, 250, smaller=shorter),
]
