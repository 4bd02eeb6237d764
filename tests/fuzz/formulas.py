"""Formulas: trees with a value known by other means, the same texts spoiled, hostile texts, and noise.

What comes in: random numbers. What goes out: texts, judged by what `wg.formula` makes of them. The one idea: the value and
the derivative are those of the tree that the text was written from, in fifty digits, with a bound from the same evaluation
with every result perturbed at random; nothing of wengert takes part.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import mpmath
import numpy as np

import wengert as wg
from tests.fuzz.target import Broken, Target, mutated, shorter
from wengert.errors import FormulaError, WengertError
from wengert.frontends.functions import CONSTANTS, FUNCTIONS
from wengert.frontends.tokens import MAX_LENGTH

__all__ = ["TARGETS", "written"]

_mp = mpmath.mp.clone() if hasattr(mpmath.mp, "clone") else mpmath.MPContext()
_mp.dps = 50
_TOO_LARGE = _mp.mpf("1e120")


# ---------------------------------------------------------------- trees

_ONE = {  # function: its reference, and a domain in which it is smooth and real
    "sin": _mp.sin, "cos": _mp.cos, "tan": _mp.tan, "exp": _mp.exp, "log": _mp.log, "ln": _mp.log, "sqrt": _mp.sqrt,
    "tanh": _mp.tanh, "sinh": _mp.sinh, "cosh": _mp.cosh, "arctan": _mp.atan, "asin": _mp.asin, "arccos": _mp.acos,
    "asinh": _mp.asinh, "log1p": _mp.log1p, "expm1": _mp.expm1, "log10": _mp.log10, "erf": _mp.erf, "gamma": _mp.gamma,
    "sec": _mp.sec, "cot": _mp.cot, "square": lambda x: x * x, "sigmoid": lambda x: 1 / (1 + _mp.exp(-x)),
    "exp2": lambda x: _mp.power(2, x), "reciprocal": lambda x: 1 / x,
}
_TWO = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "^": _mp.power,
    "atan2": _mp.atan2, "hypot": _mp.hypot, "pow": _mp.power, "logaddexp": lambda a, b: _mp.log(_mp.exp(a) + _mp.exp(b)),
}
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4}
_GLYPHS = {"+": "+", "-": "-−–", "*": ["*", "·", "×", "⋅"], "/": ["/", "÷"], "^": ["^", "**"]}
_NUMBERS = ["2", "3", "0.5", ".25", "1.", "1e-3", "2.5E+1", "007", "10", "1", "4", "0.1", "3.00"]
_NAMES = ["x", "y", "z", "w₁", "θ", "alpha", "x_2", "été", "_q"]


@dataclass(frozen=True)
class Written:
    """A tree, its text, and the values of its variables."""

    tree: Any
    text: str
    values: tuple[tuple[str, float], ...]


def _tree(rng: Random, depth: int, names: list[str]) -> Any:
    if depth == 0 or rng.random() < 0.15:
        kind = rng.random()
        return ("var", rng.choice(names)) if kind < 0.65 else ("num", rng.choice(_NUMBERS)) if kind < 0.92 else (
            "num", rng.choice(["pi", "π", "e", "tau"]))
    kind = rng.random()
    if kind < 0.35:
        return (rng.choice(list(_ONE)), _tree(rng, depth - 1, names))
    if kind < 0.42:
        return ("neg", _tree(rng, depth - 1, names))
    if kind < 0.5:
        return ("^", _tree(rng, depth - 1, names), ("num", rng.choice(["2", "3", "0", "1", "0.5"])))
    f = rng.choice(["+", "-", "*", "/", "+", "-", "*", "/", *_TWO])
    return (f, _tree(rng, depth - 1, names), _tree(rng, depth - 1, names))


def _text(rng: Random, tree: Any, least: int = 0) -> str:
    """One of the texts of a tree."""
    f = tree[0]
    if f in ("var", "num"):
        return tree[1]
    pad = rng.choice(["", "", " ", "  ", "\t", "\u00a0"])
    if f == "neg":
        out = rng.choice("-−") + _text(rng, tree[1], 3)
    elif f == "^" and tree[2] in (("num", "2"), ("num", "3")) and rng.random() < 0.4:
        out = _text(rng, tree[1], 5) + "²³"[int(tree[2][1]) - 2]
    elif f in _STRENGTH:
        s = _STRENGTH[f]
        left, right = _text(rng, tree[1], 5 if f == "^" else s), _text(rng, tree[2], 3 if f == "^" else s + 1)
        out = left + pad + rng.choice(_GLYPHS[f]) + pad + right
    else:
        out = f"{f}({pad}{(pad + ',').join([_text(rng, t) for t in tree[1:]])})"
    if (f in _STRENGTH and _STRENGTH[f] < least) or rng.random() < 0.1:
        out = f"({pad}{out}{pad})"
    return out


def written(rng: Random) -> Written:
    names = rng.sample(_NAMES, rng.randint(1, 3))
    tree = _tree(rng, rng.randint(1, 5), names)
    text = _text(rng, tree)
    return Written(tree, text, tuple((name, rng.choice([0.5, 1.25, rng.uniform(0.1, 3), -rng.uniform(0.1,
                                                                                                     2)])) for name in names))


class _Far(Exception):
    """A value that is complex, not finite, or too large or small for comparisons."""


def _exact(tree: Any, values: dict[str, Any], stir: Random | None) -> Any:
    """The value of a tree; with `stir`, every result is off by some units of the last place of a double."""
    f = tree[0]
    if f == "var":  # the sum, not the product: y/y has a derivative that is 0 but for rounding
        return values[tree[1]] + (0 if stir is None else _mp.mpf(stir.uniform(-1, 1)) * _mp.mpf("1e-15"))
    if f == "num":
        return _mp.mpf(CONSTANTS[tree[1]][1] if tree[1] in CONSTANTS else float(tree[1]))
    args = [_exact(t, values, stir) for t in tree[1:]]
    if f in ("tanh", "sigmoid") and abs(args[0]) > 5:  # where 1 - tanh^2 keeps few digits of the slope
        raise _Far
    if f == "^" and tree[2][0] == "num" and args[1] == int(args[1]):
        out = args[0] ** int(args[1])
    else:
        out = -args[0] if f == "neg" else (_ONE.get(f) or _TWO[f])(*args)
    if isinstance(out, _mp.mpc) or not 1 / _TOO_LARGE < abs(out) < _TOO_LARGE:  # 0: sqrt(x - x)
        raise _Far
    return out if stir is None else out * (1 + _mp.mpf(stir.uniform(-1, 1)) * _mp.mpf("5e-15"))


def _reference(case: Written, name: str | None) -> tuple[Any, Any]:
    """The value or a partial derivative, and how much rounding may change it."""
    def at(stir: int | None) -> Any:
        def f(x: Any) -> Any:
            known = {n: _mp.mpf(v) for n, v in case.values} | ({} if name is None else {name: x})
            return _exact(case.tree, known, None if stir is None else Random(stir))
        if name is None:
            return f(None)
        return _mp.diff(f, dict(case.values)[name], h=_mp.mpf("1e-18"))
    try:
        exact = at(None)
        return exact, sum(abs(at(k) - exact) for k in range(3))
    except (ZeroDivisionError, ValueError, OverflowError, TypeError, _mp.NoConvergence) as error:
        raise _Far from error


def _close(got: Any, exact: Any, spread: Any) -> bool:
    return bool(abs(_mp.mpf(float(got)) - exact) <= 100 * spread + abs(exact) * _mp.mpf("1e-11") + _mp.mpf("1e-300"))


def _judge_written(case: Written, _: Any) -> str:
    f = wg.formula(case.text)
    _round_trip(f)
    values = {name: x for name, x in case.values if wg.formula(name).variables[0] in f.variables}
    with np.errstate(all="ignore"):
        try:
            exact, spread = _reference(case, None)
            slopes = {name: _reference(case, name) for name in values}
        except _Far:
            f(**values)
            return "no reference"
        if not _close(f(**values), exact, spread):
            raise Broken(f"the value is {f(**values)}, exactly {float(exact)}")
        args = [next(x for name, x in values.items() if wg.formula(name).variables[0] == v) for v in f.variables]
        got = wg.grad(f, argnums=tuple(range(len(args))))(*args) if args else ()
    for v, g in zip(f.variables, got):
        name = next(n for n in values if wg.formula(n).variables[0] == v)
        if not _close(g, *slopes[name]):
            raise Broken(f"the derivative in {name} is {g}, exactly {float(slopes[name][0])}")
    return "value and derivative"


def _smaller_written(case: Written) -> Iterator[Written]:
    for tree in case.tree[1:]:
        if isinstance(tree, tuple):
            yield Written(tree, _text(Random(0), tree), case.values)
    if case.tree[0] not in ("var", "num"):
        for k in range(1, len(case.tree)):
            for y in _smaller_written(Written(case.tree[k], "", case.values)):
                tree = (*case.tree[:k], y.tree, *case.tree[k + 1:])
                yield Written(tree, _text(Random(0), tree), case.values)


# ---------------------------------------------------------------- texts of all kinds

_HOSTILE = [
    "__import__('os').system('true')", "().__class__.__bases__[0].__subclasses__()", "lambda: 0", "[x for x in (1,)]", "f'{x}'",
    "(x := 3)", "x.real", "x if y else z", "9**9**9**9", "9^9^9^9^9^9", "1e308*10", "1e999", "0x1f", "1_000", "10^-400",
    "gamma(400)",
    "gamma(-1)", "besselj(10^9, x)", "yield x", "print(x)", "exec(x)", "eval(x)", "open('a')", "import os", "x\ny", "x;y",
    "x=1",
    "x==1", "not x", "x and y", "None", "True", "\x00", "\ufeffx", "x\u200b", "\u202ex", "\ud800", "١+٢", "x²²", "x⁻¹",
    "x⁺", "|x|",
    "||x||", "|x|y|z|", "√x", "√√x", "∛8", "√x^2", "2x", "x y", "x(y)", "sin x", "sin cos x", "sin²x", "e^2x", "e^{x}",
    "e^{", "{x}",
    "1/2x", "a/b/c", "a^b^c", "-x^2", "--x", "+-+x", "x^-y", "x*-y", "sin", "sin()", "sin(,)", "sin(x,)", "sin(x", "max(x)",
    "max(x,y,z)", "atan2(x)", "where(x)", "σ(x)", "σ x", "Γ(x)", "ﬁ", "ſ", "K", "①", "½", "x̂", "x₁₂", "₁", "π2", "2π", "pix",
    "inf", "-inf", "nan", "inf-inf", "0/0", "log(-1)", "0^0", "(-8)^(1/3)", "i0(x)", "zeta(1)", "x'", "∂x", "x!", "5%",
    "°", "$x$",
    "\\frac{1}{2}", "sum(x)", "dot(x,y)", "jv(x,y)", "polygamma(x,y)", "kv(1.5,x)", "expn(2,x)", "poch(x,10^8)", "self",
    "args", "f",
    "lambda", "class", "def", "x" * 100, "x+" * 500 + "x", "(" * 150 + "x" + ")" * 150, "sin(" * 100 + "x" + ")" * 100,
    "-" * 150 + "x", "x^" * 100 + "x", "√" * 100 + "x", "|" * 100 + "x" + "|" * 100, "9" * 400, "0." + "0" * 400 + "1",
    "1e" + "9" * 99,
]
_PIECES = [*_HOSTILE[:40], *"+-*/^(){}|,.√∛²³₁'\"\\[]=<>!@#$%&;:?~`_ \t\n\x00eExyzπθ0123456789", "**", "//", "<=", "e^",
           "sin(", "1e5",
           "\u0301", "\u2028", "\U0001d465", "𝟚", "ａ", "ß", "İ", "\u1d43"]


def _some_text(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.45:
        return str(mutated(rng, written(rng).text, _PIECES))
    if kind < 0.65:
        return str(mutated(rng, rng.choice(_HOSTILE), _PIECES))
    if kind < 0.75:
        return rng.choice(_HOSTILE)
    if kind < 0.85:
        names = list(FUNCTIONS)
        f = rng.choice(names)
        known = FUNCTIONS[f].least
        count = known if rng.random() < 0.8 else rng.randint(0, 5)
        inner = [rng.choice(["x", "y", "2", "0", "-1", "x+y", "0.5", "inf", "10^9", "-3", "1e-300",
                             "sin(x)"]) for _ in range(count)]
        return f"{f}({', '.join(inner)})"
    if kind < 0.95:
        return "".join(rng.choice(_PIECES) for _ in range(rng.randint(1, 30)))
    return "".join(chr(rng.choice([rng.randrange(128), rng.randrange(0x3000), rng.randrange(0x110000)])) for _ in
                   range(rng.randint(1, 30)))


def _long_text(rng: Random) -> str:
    """Some 10⁵ characters, and deep."""
    kind, n = rng.randrange(7), rng.choice([3000, 20_000, 99_000, 120_000])
    unit = rng.choice(["x+", "x*", "x-", "2 ", "(", "sin(", "-", "√", "x^", "x,", "|", "max(x,", "x/", "y ", "e^{",
                       "((x)+", "9", "w",
                       "x²", " ", "1.", "*", "é", "\u0301", "⁹", "₉"])
    text = unit * (n // len(unit))
    if kind == 0:
        text += "x"
    elif kind == 1:
        text += "x" + ")" * text.count("(")
    elif kind == 2:
        text = "x" + text
    elif kind == 3:
        text = "".join(rng.choice(_PIECES) for _ in range(n // 4))
    elif kind == 4:
        text = str(mutated(rng, text + "x", _PIECES))
    return text[:130_000]


def _round_trip(f: Any) -> None:
    if len(str(f)) > MAX_LENGTH:  # a print may be longer than the text: x² is x^2
        return
    again = wg.formula(str(f), f.variables)
    if again != f:
        raise Broken(f"its print {str(f)[:200]!r} reads as another formula, {str(again)[:200]!r}")


_EVENTS: list[str] = []
_LISTENING = False


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if _LISTENING and (event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect") or (
            event == "compile" and args[0] is not None and isinstance(args[1], (str, bytes)) and str(args[1]) in (
                "<string>", "<stdin>", "<eval>", "<formula>"))):
        _EVENTS.append(f"{event} {args!r}"[:200])


sys.addaudithook(_hear)


@contextlib.contextmanager
def _unexecuted() -> Iterator[None]:
    """What is read must not be run: Python tells of everything that is compiled from text, and of processes and connections."""
    global _LISTENING
    _EVENTS.clear()
    _LISTENING = True
    try:
        yield
    finally:
        _LISTENING = False
    if _EVENTS:
        raise Broken(f"something was executed: {_EVENTS[0]}")


@contextlib.contextmanager
def _warmed() -> Iterator[None]:
    """Modules that formulas load when they first need them are loaded before anybody listens."""
    import scipy.special  # noqa: F401
    with np.errstate(all="ignore"):
        f = wg.formula("gamma(x) + besselj(2, x) + sum(y) + where(x, y, 2) + logsumexp(x)")
        wg.grad(f)(0.5, 0.5)
        wg.formula("x^2").diff().latex()
    yield


def _judge_text(text: str, _: Any) -> str:
    with _unexecuted():
        try:
            f = wg.formula(text)
        except FormulaError as error:
            _place_is_told(text, error)
            return "refused"
        _round_trip(f)
        if len(text) > 2000:
            return "read"
        return _used(f)


def _place_is_told(text: str, error: FormulaError) -> None:
    if not 1 <= error.column <= len(text) + 1:
        raise Broken(f"column {error.column} is not in the text")
    lines = str(error).split("\n")
    if len(lines) < 3 or not lines[-1].strip(" ^~") == "" or "^" not in lines[-1]:
        raise Broken(f"no caret below the text: {lines[-2:]!r}")
    if max(map(len, lines)) > 1000:
        raise Broken(f"a line of {max(map(len, lines))} characters in the message")


def _used(f: Any) -> str:
    """Value, gradient and LaTeX: a result, or an error of ours."""
    args = [0.5 + 0.25 * k for k in range(len(f.variables))]
    word = "value"
    with np.errstate(all="ignore"):
        for made in (lambda: f(*args), lambda: wg.grad(f)(*args) if args else None,
                     lambda: f.diff(f.variables[0]) if args else None,
                     f.latex, f.simplify):
            try:
                made()
            except WengertError as error:
                word = type(error).__name__
    return word


TARGETS = [
    Target("formulas", written, _judge_written, 80, smaller=_smaller_written),
    Target("formula texts", _some_text, _judge_text, 250, _warmed, shorter),
    Target("long formulas", _long_text, _judge_text, 8, _warmed, shorter),
]
