"""Command lines: every subcommand, with words that fit, words that do not, and files of all kinds.

What comes in: random numbers. What goes out: argument lists, run in this process in a folder of odd files. The one idea: the
exit status is 0, 1 or 2 by its documented meaning, status 2 comes with one message, and no traceback is ever shown.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np

from tests.fuzz.target import Broken, Target, mutated, shorter
from wengert.cli import main

__all__ = ["TARGETS"]

_GOOD = '''import numpy as np


class Model:
    def step(self, x):
        return x


def f(x, y=2.0, *, scale=1.0):
    return np.sum(np.sin(x) * y) * scale


def matrix(A, b):
    return A @ b


def raises(x):
    raise ValueError("<script>alert(1)</script>\\nsecond line")


def leaves(x):
    raise SystemExit(3)


def deep(x):
    return deep(x)


def nan(x):
    return np.log(-np.abs(x))


def text(x):
    return "text"


def nothing(x):
    pass


def whole(x):
    return int(x) + x


def tree(x):
    return {"a": x, "<b>": [x * 2.0, (x,)]}


def prints(x):
    print("hello {}[]", x)
    return x ** 2


def branches(x):
    return x if x > 0 else -x


def kink(x):
    return np.sum(np.abs(x)) + np.max(x)


def named(x, lambda_=1, **more):
    return x * len(more)


def huge(x):
    return np.zeros((10 ** 9, 10 ** 6)) @ x


number = 3
'''

_FILES: dict[str, bytes] = {
    "good.py": _GOOD.encode(), "empty.py": b"", "binary.py": bytes(range(256)), "latin.py": "é = 1\n".encode("latin-1"),
    "syntax.py": b"def f(x:\n    return x\n", "raises.py": b"1 / 0\n", "exits.py": b"import sys\nsys.exit(5)\n",
    "missing.py": b"import no_such_module_anywhere\n", "null.py": b"def f(x):\n    return x\x00\n",
    "tabs.py": b"if 1:\n\tx=1\n        y=2\n",
    "deep.py": b"x = " + b"(" * 5000 + b"1" + b")" * 5000 + b"\n", "bom.py": b"\xef\xbb\xbfdef f(x):\n    return x * x\n",
    "coding.py": b"# -*- coding: nothing -*-\ndef f(x): return x\n", "<b>.py": b"def f(x):\n    return x * 2.0  # <script>\n",
    "crlf.py": b"def f(x):\r\n    return x * x\r\n", "good.csv": b"x,y,t\n1,2,3\n4,5,6\n", "ragged.csv": b"x,y\n1\n2,3,4\n",
    "empty.csv": b"", "header.csv": b"x,y\n", "words.csv": b"x\na\nb\n", "latin.csv": b"x\n\xff\n", "nul.csv": b"x\n1\x002\n",
    "quote.csv": b'x,y\n"1,2\n3,4\n', "twice.csv": b"x,x\n1,2\n", "nan.csv": b"x\nnan\ninf\n",
    "long.csv": b"x" * 200_000 + b"\n1\n",
    "huge.csv": b"x\n" + b"1\n" * 20_000, "numbers.csv": b"1;2\n3;4\n", "bad.npy": b"\x93NUMPY\x01\x00garbage",
    "bad.npz": b"PK\x03\x04nothing",
    "empty.npy": b"", "text.npz": b"hello",
}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder of files to trip over, as the working directory."""
    before, path, modules = Path.cwd(), list(sys.path), set(sys.modules)
    cache = os.environ.get("WENGERT_CACHE_DIR")
    with tempfile.TemporaryDirectory(prefix="wengert-fuzz-") as name:
        place = Path(name)
        os.environ["WENGERT_CACHE_DIR"] = str(place / "cache")
        try:
            _fill(place)
            os.chdir(place)
            yield place
        finally:
            os.chdir(before)
            sys.path[:] = path
            for module in set(sys.modules) - modules:
                if str(getattr(sys.modules[module], "__file__", "")).startswith(name):
                    del sys.modules[module]
            os.environ.pop("WENGERT_CACHE_DIR")
            if cache is not None:
                os.environ["WENGERT_CACHE_DIR"] = cache


def _fill(place: Path) -> None:
    for name, content in _FILES.items():
        (place / name).write_bytes(content)
    np.save(place / "good.npy", np.arange(3.0))
    np.save(place / "object.npy", np.array([{}], object), allow_pickle=True)
    np.save(place / "strings.npy", np.array(["a"]))
    np.save(place / "none.npy", np.zeros((0, 3)))
    np.save(place / "nan.npy", np.array([1.0, np.nan]))
    np.savez(place / "good.npz", x=np.arange(3.0), y=np.float32(2))
    for suffix in ("py", "csv", "npy", "npz"):
        (place / f"folder.{suffix}").mkdir()
    if hasattr(os, "symlink"):
        (place / "loop.py").symlink_to(place / "loop.py")
        (place / "loop.csv").symlink_to(place / "loop.csv")
        (place / "null.csv").symlink_to("/dev/null")
    if hasattr(os, "mkfifo"):
        os.mkfifo(place / "pipe.py")


_COMMANDS = ["diff", "explain", "compare", "symbolic", "doctor", "lint", "plan", "profile", "rounding", "compilation",
             "cache", "certify"]
_FUNCTIONS = ["f", "matrix", "raises", "leaves", "deep", "nan", "text", "nothing", "whole", "tree", "prints", "branches",
              "kink", "named",
              "huge", "number", "Model", "Model.step", "Model.no", "no", "np.sin", "__doc__", "f.__code__", "", "é", "1",
              "..", "f.f"]
_OPTIONS = ["--json", "--order", "--wrt", "--allow-nan", "--format", "--output", "--direction", "--jit", "--open",
            "--turn", "--lines",
            "--only", "--sizes", "--seed", "--plot", "--latex", "--source", "--tree", "--differential", "--swell",
            "--unsimplified",
            "--hessian", "--sort", "--reference", "--grad", "--show", "--help", "-h", "--version", "--", "-", "--no",
            "---", "--json=1"]
_WORDS = ["1", "2", "0", "-1", "9", "1e9", "x", "y", "x,y", "x,x", ",", "", " ", "nan", "1,2", "text", "latex", "dot",
          "svg", "html", "json",
          "out.svg", "out.html", "out.json", "out.txt", "out.unknown", "nowhere/out.svg", "folder.py", "/dev/full",
          "/dev/null", "line",
          "cost", "good.py:16", "clear", "simplify", "99999999999999999999", "x\x00y", "\ud800", "é", "<script>", "${x}",
          "%s", "{}", "*",
          "out.png", "3,4,5", "1" * 5000]
_VALUES = ["1", "0.5", "-2", "[1,2,3]", "[[1,2],[3,4]]", "[[1,2],[3]]", "[", "]", "[]", "[[]]", "[1,", "()", "(1,2)",
           "nan", "inf", "pi/4",
           "1+2j", "1e400", "True", "None", "'a'", "'", '"', "x", "9" * 5000, "[" * 3000, "[1" + ",1" * 3000 + "]",
           "__import__('os')",
           "1_000", "0x10", "1e", "--", "good.csv:x", "good.csv", "good.csv:x,y", "good.csv:x,", "good.csv:no",
           "good.csv:", "good.csv:9",
           "good.npy", "good.npz", "good.npz:x", "good.npz:no", "nan.csv:x", "nan.npy", "", "é", "१", "1\x00", "[1 2]",
           "[1;2]", "{}",
           "[True,False]", "['a']", "[[[1]]]", "1e-320", "[nan,1]", "9223372036854775808", "[9223372036854775808]",
           "[1+2j, 3]", "0"]


def _targets(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.35:
        return f"good.py:{rng.choice(_FUNCTIONS)}"
    if kind < 0.5:
        name = rng.choice([*[n for n in _FILES if n.endswith(".py")], "folder.py", "loop.py", "pipe.py", "none.py",
                           "nowhere/x.py", ".py",
                           "/dev/null", "a\x00b.py", "\ud800.py", "x" * 5000 + ".py", "../good.py", "-.py"])
        return name + rng.choice([":f", ":f", "", ":", ":f.g", "::f", ":f:f"])
    if kind < 0.9:
        return rng.choice(["x^2", "sin(x) y", "x", "2", "|x|", "log(x - 1)", "x/y", "1/x", "sum(x y)", "max(x, y)", "-x",
                           "sqrt(x)", "gamma(x)",
                           "where(x, y, 2)", "round(x)", "e^{x^2}", "9^9^9^9", "-x^2 + y", "besselj(2, x)", "x^y",
                           "mathieu_a(1, x)", "λ x"])
    return rng.choice(["", " ", "x +", "x.y", "\x00", "\ud800", "(" * 300, "x" * 3000, "__import__('os')", "-", "--",
                       "-h", "x=1", "x\ny"])


_FITTING = [  # targets with values, most of which fit
    ["x^2", "x=3"], ["sin(x) y", "x=1", "y=2"], ["|x|", "x=0"], ["log(x - 1)", "x=0.5"], ["1/x", "x=0"], ["max(x, y)",
                                                                                                          "x=1", "y=1"],
    ["sum(x y)", "x=[1,2,3]", "y=[4,5,6]"], ["sqrt(x)", "x=0"], ["round(x)", "x=0.5"], ["x^y", "x=-2", "y=0.5"],
    ["gamma(x)", "x=-1"],
    ["x/y", "good.csv"], ["exp(x)", "x=1000"], ["x y", "good.npz"], ["x", "x=nan.npy", "--allow-nan"], ["mathieu_a(1, x)",
                                                                                                        "x=1"],
    ["e^{x^2}", "x=1+2j"], ["x^2", "x=[[1,2],[3,4]]"], ["9^9^9^9 x", "x=1"], ["2", ""], ["dot(a, b)", "a=[1,2]", "b=[1]"],
    *[[f"good.py:{f}", f"x={x}"] for f in ("f", "raises", "leaves", "deep", "nan", "text", "nothing", "whole", "tree",
                                           "prints", "branches",
                                          "kink", "named", "huge") for x in ("0.5", "[1,2,3]")],
    ["good.py:f", "x=good.npy", "y=3", "scale=2"], ["good.py:matrix", "A=[[1,2],[3,4]]", "b=[1,2]"], ["good.py:matrix",
                                                                                                      "A=1", "b=2"],
    ["good.py:Model.step", "self=1", "x=2"], ["<b>.py:f", "x=1"], ["bom.py:f", "x=1"], ["crlf.py:f", "x=1"],
    ["good.py:named", "x=1", "q=2"],
    ["good.py"], ["syntax.py"], ["binary.py"], ["null.py"], ["deep.py"], ["coding.py"], ["latin.py"], ["tabs.py"], ["empty.py"],
]
_OWN = {  # options of each command that fit
    "diff": ["--order 1", "--order 2", "--order 3", "--json", "--wrt x", "--allow-nan", "--wrt y"],
    "explain": ["--format text", "--format latex", "--format dot", "--format svg", "--format html", "--format json",
                "--output out.html",
                "--jit", "--turn 1", "--direction 1", "--only x", "--lines good.py:9", "--open good.py:9", "--output out.svg"],
    "compare": ["--order 2", "--json", "--seed 3", "--sizes 2,3"], "lint": ["--json", "--wrt x", "--allow-nan"],
    "symbolic": ["--order 3", "--latex", "--source", "--tree", "--json", "--differential", "--swell", "--unsimplified",
                 "--wrt x"],
    "doctor": ["--json"], "plan": ["--json", "--hessian", "--jit"], "profile": ["--json", "--sort line"],
    "rounding": ["--json", "--reference"], "compilation": ["--grad", "--show simplify"], "cache": ["--json", "clear"],
    "certify": ["--json"],
}


def _words(rng: Random) -> list[str]:
    name = rng.choice(list(_OWN))
    words = [name, *rng.choice(_FITTING)] if rng.random() < 0.97 else [name]
    if name == "cache":
        words = [name]
    for _ in range(rng.choice([0, 1, 1, 2])):
        words += rng.choice(_OWN[name]).split(" ")
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        _spoil(rng, words)
    return words


def _spoil(rng: Random, words: list[str]) -> None:
    kind = rng.randrange(8)
    if kind == 0 and len(words) > 1:
        words[1] = _targets(rng)
    elif kind == 1:
        words.append(f"{rng.choice(['x', 'y', 'A', 'b', 'scale', '', 'é'])}={rng.choice(_VALUES)}")
    elif kind == 2:
        words[:] = [f"{w.partition('=')[0]}={rng.choice(_VALUES)}" if "=" in w else w for w in words]
    elif kind == 3:
        words += [rng.choice(_OPTIONS), *rng.choice([[], [rng.choice(_WORDS)]])]
    elif kind == 4:
        words[:] = [rng.choice(_WORDS) if before.startswith("--") else w for before, w in zip(["", *words], words)]
    elif kind == 5:
        names = [*[n for n in _FILES if not n.endswith(".py")], "object.npy", "strings.npy", "none.npy", "folder.csv",
                 "folder.npy",
                 "folder.npz", "loop.csv", "null.csv", "no.csv", "nowhere/no.npz", "nan.npy"]
        words.append(rng.choice(["", "x=", "y="]) + rng.choice(names) + rng.choice(["", ":x", ":0", ":x,y", ":"]))
    elif kind == 6:
        k = rng.randrange(len(words))
        words[k] = str(mutated(rng, words[k], [*_VALUES[:20], *_WORDS[:20]]))
    else:
        words[0] = rng.choice([*_COMMANDS, "", "no", "-x", "--json", "Diff", "--version", "--help"])


def _judge(words: list[str], place: Path) -> str:
    if words and words[0].strip() == "page" and not {"extra"} & set(words[1:]):
        return "not served"
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    said, told = _text(out), _text(err)
    _clean(place)
    if status not in (0, 1, 2):
        raise Broken(f"exit status {status}")
    if "Traceback" in told or "internal error" in told:
        raise Broken(f"{told[-300:]!r}")
    if status == 2:
        if not told.startswith("wengert: error: ") and "\nwengert: error: " not in told:
            raise Broken(f"exit status 2, and the message {told[-300:]!r}")
        message = told[told.rindex("wengert: error: "):].strip().split("\n")
        if (len(message) > 1 and "^" not in message[-1]) or len(message) > 4:
            raise Broken(f"a message of {len(message)} lines: {message[:3]!r}")
        if max(map(len, message)) > 2000:
            raise Broken(f"a message of {max(map(len, message))} characters")
    elif "--json" in words and not {"--help", "-h", "--version", "--"} & set(words):
        json.loads(said, parse_constant=_no_json)
    return f"exit status {status}"


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


def _no_json(word: str) -> None:
    raise Broken(f"{word} is no JSON")


def _clean(place: Path) -> None:
    """Remove what the command wrote."""
    for path in place.glob("*out*"):
        path.unlink() if path.is_file() else shutil.rmtree(path)


TARGETS = [Target("command lines", _words, _judge, 45, _folder, shorter)]
