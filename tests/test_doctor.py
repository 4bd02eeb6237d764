"""``wengert doctor``: what it says of a file, held against what happens when the file is run.

Every program below is examined from its text, then run: what is said to differentiate or stage does, what is said not
to does not, and everything that is refused is reported. The tables of library functions are held against real calls
likewise.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.support.catalog import ENTRIES, REFUSED
from tests.test_programs import FOUND, MAIN, PROGRAM
from wengert.cli import main
from wengert.doctor import examine, examine_file
from wengert.frontends import known
from wengert.frontends.names import File
from wengert.staging import StagingWarning

ROOT = Path(__file__).resolve().parent.parent
X = np.array([0.3, -0.5, 0.7, 0.2, 1.4, -1.1])

HEAD = """
import functools, itertools, math, random, statistics, time, os.path, json, fractions, decimal, heapq
import contextlib, dataclasses, logging
from math import factorial, sin as sine
import numpy as np
from numpy import linalg as la
import scipy.special
import scipy.integrate
import scipy.optimize
from scipy.special import expit, bdtr
TOTAL, TABLE, BUFFER, LOG = 0.0, [1.0, 2.0], np.zeros(2), []
"""

# name: (text of a function f, its arguments, whether it differentiates, whether it stages)
PROGRAMS: dict[str, tuple[str, tuple[Any, ...], str, str]] = {
    "plain": ("def f(x):\n return np.sum(np.sin(x) * expit(x))", (X,), "yes", "yes"),
    "math": ("def f(x):\n return math.exp(x) + sine(x)", (0.5,), "yes", "yes"),
    "an order": ("def f(x):\n return scipy.special.jv(x[0], 2.0)", (X,), "no", "yes"),
    "an argument": ("def f(x):\n return scipy.special.jv(2.0, x[0])", (X,), "yes", "yes"),
    "control flow": (
        "def f(x):\n s = 0.0\n for v in x:\n  if v > 0 and s < 3: s += v\n  elif v < -1: continue\n"
        " while s > 1: s *= 0.5\n return s",
        (X,),
        "yes",
        "yes",
    ),
    "an optimizer": (
        "import wengert as wg\nSGD = wg.optim.SGD(0.1)\n"
        "def f(x):\n y, _ = SGD.update(2 * x, SGD.init(x), x)\n return np.sum(y * y)", (X,), "yes", "yes"),
    "writes": (
        "def f(x):\n y = np.zeros(len(x))\n y[0] = x[1]\n y[1:] += x[1:]\n return np.sum(y * y)",
        (X,),
        "yes",
        "yes",
    ),
    "shapes": (
        "def f(x):\n assert x.ndim == 1\n n = x.shape[0]\n return np.sum(x.reshape(2, n // 2))",
        (X,),
        "yes",
        "yes",
    ),
    "options": (
        "def f(x, mode='a'):\n assert mode in ('a', 'b')\n return np.sum(x) if mode == 'a' else x[0]",
        (X,),
        "yes",
        "yes",
    ),
    "print": ("def f(x):\n print(f'{x[0]:.3f}')\n return x[0]", (X,), "yes", "yes"),
    "raise": ("def f(x):\n if x < 0:\n  raise ValueError(f'{x}')\n return x", (0.5,), "yes", "yes"),
    "nested": (
        "def f(x):\n s = 0.0\n def add(v):\n  nonlocal s\n  s = s + v\n add(x[0])\n return s",
        (X,),
        "yes",
        "yes",
    ),
    "helper": ("def g(y, v):\n y[0] = v\ndef f(x):\n y = np.zeros(2)\n g(y, x[0])\n return y[0]", (X,), "yes", "yes"),
    "dataclass": (
        "@dataclasses.dataclass\nclass P:\n a: float\n b: float = 2.0\ndef f(x):\n p = P(x)\n return p.a * p.b",
        (0.5,),
        "yes",
        "yes",
    ),
    "standard library": (
        "def f(x):\n return functools.reduce(lambda a, b: a * b, [x, x]) + list(itertools.accumulate([x, x]))[-1]",
        (0.5,),
        "yes",
        "yes",
    ),
    "draws": (
        "def f(x, rng):\n return x + rng.normal(0.0, 1.0) + np.random.uniform()",
        (0.5, np.random.default_rng(1)),
        "yes",
        "yes",
    ),
    "linear algebra": ("def f(x):\n return la.norm(la.solve(np.eye(6) * 2.0, x))", (X,), "yes", "yes"),
    "errstate": ("def f(x):\n with np.errstate(all='ignore'):\n  return np.sum(x / 2)", (X,), "yes", "yes"),
    # ---------------------------------------------------------------- what the rewriting refuses
    "generator": ("def g(x):\n for v in x:\n  yield v * v\ndef f(x):\n return sum(g(x))", (X,), "yes", "no"),
    "nested generator": ("def f(x):\n def g():\n  yield x[0]\n return next(g())", (X,), "yes", "no"),
    "walrus": ("def f(x):\n return x * 2 if x > 0 and (y := x) > 0.1 else x", (0.5,), "yes", "no"),
    "except": ("def f(x):\n try:\n  y = math.log(x)\n except ValueError:\n  y = 0.0\n return y", (0.5,), "yes", "perhaps"),
    "jump out of try": ("def f(x):\n try:\n  return x * 2\n finally:\n  pass", (0.5,), "yes", "no"),
    "match": (
        "def f(x):\n match x:\n  case 1.0: y = x\n  case _ if x > 0.1: y = 2 * x\n  case _: y = x\n return y",
        (0.5,),
        "yes",
        "no",
    ),
    "del": ("def f(x):\n a = [x, 1.0]\n del a[1]\n return a[0]", (0.5,), "yes", "no"),
    "global": ("def f(x):\n global TOTAL\n TOTAL = TOTAL + 1.0\n return x * 2", (0.5,), "yes", "no"),
    "except in a callee": (
        "def g(x):\n try:\n  return_ = math.log(x)\n except ValueError:\n  return_ = 2 * x\n return return_\n"
        "def f(x):\n return g(x)",
        (0.5,),
        "yes",
        "perhaps",
    ),
    # ---------------------------------------------------------------- calls
    "packbits": ("def f(x):\n return np.sum(np.packbits(x > 0)) + np.sum(np.packbits(x))", (X,), "no", "no"),
    "factorial": ("def f(x):\n return factorial(x) * 1.0", (3.0,), "no", "no"),
    "gcd of integers": ("def f(x):\n return x * math.gcd(4, 6)", (3.0,), "yes", "yes"),
    "statistics": ("def f(x):\n return statistics.fmean(list(x))", (X,), "yes", "yes"),
    "fraction": ("def f(x):\n return float(fractions.Fraction(x))", (0.5,), "no", "no"),
    "decimal": ("def f(x):\n return float(decimal.Decimal(x))", (0.5,), "no", "no"),
    "json": ("def f(x):\n return x * len(json.dumps(x))", (0.5,), "no", "no"),
    "quad": ("def f(x):\n return scipy.integrate.quad(lambda t: t * x, 0.0, 1.0)[0]", (0.5,), "yes", "yes"),
    "minimize": ("def f(x):\n return scipy.optimize.brentq(lambda t: t - x, 0.0, 9.0)", (0.5,), "yes", "yes"),
    "brute": ("def f(x):\n return scipy.optimize.brute(lambda t: (t[0] - x) ** 2, [(0.0, 9.0)])[0]", (0.5,), "no", "no"),
    "scipy of constants": ("def f(x):\n return x * scipy.integrate.quad(np.sin, 0.0, 1.0)[0]", (0.5,), "yes", "yes"),
    "time": ("def f(x):\n return x * min(time.time(), 1.0)", (0.5,), "yes", "no"),
    "random": ("def f(x):\n return x * random.random()", (0.5,), "yes", "no"),
    "logging": ("def f(x):\n logging.debug('here')\n return x * 2", (0.5,), "yes", "no"),
    "open": ("def f(x):\n open('/dev/null').close()\n return x", (0.5,), "yes", "no"),
    "iter": ("def f(x):\n return next(iter([x]))", (0.5,), "yes", "no"),
    "cache": ("@functools.lru_cache\ndef g(x):\n return x * x\ndef f(x):\n return g(x)", (0.5,), "no", "no"),
    "set": ("def f(x):\n return max(set([x, 1.0]))", (0.5,), "no", "no"),
    "sorted": ("def f(x):\n return sorted(x)[0]", (X,), "yes", "no"),
    "nonzero": ("def f(x):\n return np.sum(x[np.nonzero(x)[0][:1]])", (X,), "yes", "perhaps"),
    "where of one": ("def f(x):\n return np.sum(x[np.where(x > 0)[0][:1]])", (X,), "yes", "perhaps"),
    "unique": ("def f(x):\n return np.sum(np.unique(x))", (X,), "yes", "no"),
    "gamma": ("def f(x, rng):\n return rng.gamma(x)", (0.5, np.random.default_rng(1)), "no", "no"),
    "choice": ("def f(x, rng):\n return rng.choice(x)", (X, np.random.default_rng(1)), "yes", "no"),
    "shuffle": (
        "def f(x, rng):\n a = np.arange(3)\n rng.shuffle(a)\n return x * a[0]",
        (0.5, np.random.default_rng(1)),
        "yes",
        "no",
    ),
    "percent": ("def f(x):\n print('%.3f' % x)\n return x", (0.5,), "yes", "no"),
    "format": ("def f(x):\n print('{}'.format(x))\n return x", (0.5,), "yes", "no"),
    "heapq": ("def f(x):\n return heapq.nlargest(1, x)[0]", (X,), "perhaps", "no"),
    # ---------------------------------------------------------------- stores
    "argument": ("def f(x):\n x[0] = 1.0\n return np.sum(x)", (X,), "no", "no"),
    "argument in a callee": ("def g(y):\n y[0] = 1.0\ndef f(x):\n g(x)\n return np.sum(x)", (X,), "no", "no"),
    "argument added to": ("def f(x):\n x += 1.0\n return np.sum(x)", (X,), "perhaps", "perhaps"),
    "view of an argument": ("def f(x):\n y = x[1:]\n y[0] = 2.0\n return np.sum(x)", (X,), "perhaps", "perhaps"),
    "argument filled": ("def f(x):\n x.fill(1.0)\n return np.sum(x)", (X,), "perhaps", "perhaps"),
    "argument of copyto": ("def f(x):\n np.copyto(x, 1.0)\n return np.sum(x)", (X,), "no", "no"),
    "global list": ("def f(x):\n LOG.append(1)\n return x", (0.5,), "yes", "no"),
    "global item": ("def f(x):\n TABLE[0] = 1.0\n return x", (0.5,), "yes", "no"),
    "default list": ("def f(x, log=[]):\n log.append(1)\n return x + len(log)", (0.5,), "yes", "perhaps"),
    "integers": (
        "def f(x):\n y = np.zeros(2, dtype=int)\n y[0] = x[0]\n return np.sum(y) * x[0]",
        (X,),
        "perhaps",
        "perhaps",
    ),
    "attribute": (
        "class M:\n def __init__(self): self.n = 0\n def f(self, x):\n  self.n = self.n + 1\n  return x\nf = M().f",
        (0.5,),
        "yes",
        "no",
    ),
    # ---------------------------------------------------------------- values that a graph lacks
    "assert": ("def f(x):\n assert x > 0\n return x", (0.5,), "yes", "yes"),
    "mask": ("def f(x):\n m = x > 0\n return x[m][0]", (X,), "yes", "perhaps"),
    "mask written through": ("def f(x):\n y = x * 2\n y[x > 0] *= 3\n return np.sum(y)", (X,), "yes", "yes"),
    "filtered comprehension": ("def f(x):\n return sum([v for v in x if v > 0])", (X,), "yes", "no"),
    "one arm": ("def f(x):\n if x > 0:\n  y = x\n return y", (0.5,), "yes", "perhaps"),
    "none": (
        "def f(x):\n best = None\n for v in x:\n  if best is None or v > best: best = v\n return best",
        (X,),
        "yes",
        "perhaps",
    ),
    "kinds": ("def f(x):\n y = 'a' if x > 0 else 'b'\n return x if y == 'a' else -x", (0.5,), "yes", "perhaps"),
    "no return": ("def f(x):\n if x > 0:\n  return x\n x = 2 * x", (0.5,), "yes", "no"),
    "recursion": ("def f(x):\n return x if x > 10 else f(2 * x)", (0.5,), "yes", "perhaps"),
    "two arrays": (
        "def f(x):\n a, b = np.zeros(2), np.ones(2)\n c = a\n if x > 0:\n  c = b\n c[0] = x\n return np.sum(a + b)",
        (0.5,),
        "yes",
        "yes",
    ),
    "picked from a list": ("def f(x):\n t = [1.0, 2.0]\n return t[int(x)] * x", (0.5,), "yes", "perhaps"),
    "a function": ("def f(x):\n def g(y): return x * y\n return g", (0.5,), "yes", "perhaps"),
}


def happens(f: Any, args: tuple[Any, ...]) -> tuple[bool, bool]:
    """Whether a function differentiates, and whether it stages."""

    def fresh() -> list[Any]:
        return [
            np.random.default_rng(1) if isinstance(a, np.random.Generator) else np.copy(a) if np.ndim(a) else a
            for a in args
        ]

    first, *rest = fresh()
    try:
        wg.jacobian(lambda x: f(x, *rest))(first)
        differentiates = True
    except (wg.errors.WengertError, TypeError, ValueError):
        differentiates = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wg.jit(f)(*fresh())
        except (wg.errors.WengertError, TypeError, ValueError):
            return differentiates, False
    return differentiates, not any(issubclass(w.category, StagingWarning) for w in caught)


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PROGRAMS)
def test_says_what_happens(name, tmp_path):
    text, args, differentiates, stages = PROGRAMS[name]
    path = tmp_path / f"doctored_{name.replace(' ', '_')}.py"
    path.write_text(HEAD + text + "\n")
    report = next(r for r in examine_file(path) if r.name in ("f", "M.f"))
    assert (report.verdict("derivative"), report.verdict("jit")) == (differentiates, stages), report.findings
    real = happens(load(path).f, args)
    for said, is_so in zip((differentiates, stages), real, strict=True):
        if name != "a function":
            assert said == "perhaps" or (said == "yes") == is_so
    assert not (stages == "perhaps" and real[1]) or name in ("none",)  # the example shows why it is asked
    if differentiates == "yes" and stages == "yes":
        assert report.findings == []


@pytest.mark.parametrize("name", FOUND)
def test_examples_as_they_are(name):
    reports = {r.name: r for r in examine_file(ROOT / "examples" / "programs" / f"{name}.py")}
    module = PROGRAM[name]
    cases = {MAIN[name]: module.inputs(), "inputs": ()} if hasattr(module, "inputs") else {}
    for function, args in cases.items():
        report = reports[function]
        assert report.verdict("derivative") == "yes"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            wg.jit(getattr(module, function))(*args)
        if report.verdict("jit") == "yes":
            assert not [w for w in caught if issubclass(w.category, StagingWarning)]
        else:
            assert function == "inputs"
    assert reports[MAIN[name]].verdict("jit") == "yes"


def test_the_text_is_not_run(tmp_path):
    path = tmp_path / "dangerous.py"
    path.write_text("raise SystemExit('it was run')\ndef f(x):\n    return x\n")
    assert [r.name for r in examine_file(path)] == ["f"]


def test_every_function_is_listed():
    text = """
class Model:
    def __init__(self, w):
        self.w = w
    def step(self, x):
        return self.inner(x)
    def inner(self, x):
        del x[0]
        return x * self.w
async def late(x):
    return x
square = lambda x: x * x
def outer(x):
    def inner(y):
        return (lambda z: z)(y)
    return inner(x)
"""
    found = {r.name: r for r in examine(text)}
    assert list(found) == [
        "Model.__init__",
        "Model.step",
        "Model.inner",
        "late",
        "square",
        "outer",
        "outer.inner",
        "outer.inner.<lambda>",
    ]
    assert (
        found["Model.step"].verdict("jit")
        == found["Model.inner"].verdict("jit")
        == found["late"].verdict("jit")
        == "no"
    )
    assert found["outer"].findings == found["square"].findings == found["Model.__init__"].findings == []
    assert "Model.inner" in found["Model.step"].findings[0].what


def test_several_constructs_of_one_function_are_all_said():
    text = "def f(x):\n try:\n  pass\n except ValueError:\n  pass\n a = [x]\n del a[0]\n yield x\n"
    assert [(f.line, f.what) for f in examine(text)[0].findings] == [
        (1, "a generator or coroutine"),
        (4, "an except clause"),
        (7, "del of an item or attribute"),
    ]
    assert all(f.remedy for f in examine(text)[0].findings)


# ---------------------------------------------------------------- the tables

NAMES = [n for n in ENTRIES if n.startswith(("np.", "scipy.")) and n not in REFUSED]


def full(name):
    return name.replace("np.", "numpy.", 1) if name.startswith("np.") else name


def test_supported_functions_are_known():
    found, wrong = 0, []
    for path in map(full, NAMES):
        function = File(ast.parse("")).known(path)
        if function is None or not callable(function):
            continue  # no plain name of a function
        found += 1
        if known.no_derivative(function, path) != ("", True) or known.not_staged(function, path) != "":
            wrong.append(path)
    assert not wrong and found > 0.8 * len(NAMES)


@pytest.mark.parametrize("part", range(8))
def test_functions_that_need_values(part):
    for name in NAMES[part::8]:
        f, x = ENTRIES[name]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            wg.jit(f)(x)
        if any(issubclass(w.category, StagingWarning) for w in caught):
            assert known.needed_values(full(name).partition(" ")[0], 1) is not None, name


# ---------------------------------------------------------------- the command line


def test_command(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "program.py"
    path.write_text("import time\ndef f(x):\n    return x * time.time()\ndef g(x):\n    return x\n")
    assert main(["doctor", str(path)]) == 1
    out = capsys.readouterr().out
    assert "program.py:3: time.time() blocks jit" in out and "2 functions: 2 differentiate, 1 stages" in out
    assert main(["doctor", f"{path}:g"]) == 0
    assert "Nothing stands in the way" in capsys.readouterr().out
    assert main(["doctor", f"{path}:f", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["blocks"] and said["functions"][0]["stages"] == "no"
    assert said["functions"][0]["findings"][0]["line"] == 3 and said["functions"][0]["differentiates"] == "yes"


@pytest.mark.parametrize(
    "words, message",
    [
        (["missing.py"], "there is no file missing.py"),
        (["program.pi"], "write FILE.py or FILE.py:FUNCTION"),
        (["broken.py"], "broken.py:1: SyntaxError"),
        (["program.py:h"], "there is no function 'h': it has f"),
        (["progrm.py"], "did you mean program.py?"),
        (["latin.py"], "no text in UTF-8"),
        (["program.py", "other.py"], "unknown argument"),
        (["program.py", "--xml"], "unknown option --xml (see wengert doctor --help)"),
        ([], "see wengert doctor --help"),
    ],
    ids=lambda w: " ".join(w) if isinstance(w, list) else "",
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text("def f(x):\n    return x\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    assert main(["doctor", *words]) == 2
    found = capsys.readouterr()
    assert found.out == "" and message in found.err and found.err.count("\n") == 1
