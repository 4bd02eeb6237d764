"""The command line: what it prints, and the one line that answers each mistake."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.cli import main
from wengert.cli.derive import derive
from wengert.cli.report import print_result
from wengert.cli.target import find

ROOT = Path(__file__).resolve().parent.parent
O_RINGS = ROOT / "examples" / "data" / "o_rings.csv"
LOGISTIC = f"{ROOT / 'examples' / 'logistic_regression.py'}:loss"

PROGRAM = '''
import math
import numpy as np

def cubes(x, n=3, *, scale=1.0):
    return scale * np.sum(x ** n)

def pair(x, y):
    return np.array([x[0] * y, math.sin(x[1])])

def tree(x):
    return {"a": x * x, "b": (np.sum(x), 1.0)}

def boom(x):
    raise ValueError("a bad\\nthing")

def none(x):
    print("said by the program")

def text(x):
    return "abc"

def empty(x):
    return ()

def root(x):
    return np.sqrt(x)

def keyword(*, x):
    return x

def squared(z):
    return z * z

def modulus(z):
    return abs(z) ** 2

def writes(x):
    x[0] = 2.0
    return np.sum(x)

def leaves(x):
    raise SystemExit("away")

def mode(x, how):
    return {"sum": np.sum, "max": np.max}[how](x)

def ring(x):
    return np.sum(x ** 2 * np.roll(x, 1))

class Model:
    @staticmethod
    def energy(x):
        return 0.5 * np.sum(x * x)

number = 3
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a program and data, as working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "syntax.py").write_text("x = 1\ndef f(x:\n")
    (tmp_path / "fails.py").write_text("x = 1\n1 / 0\n")
    for name, text in {
        "ok": "x,y\n1,2\n3,4\n", "bare": "1,2\n3,4\n", "semi": "# note\nx;y\n1;2\n\n3;4\n",
        "gap": "x,y\n1,2\n3,\n", "nan": "x,y\n1,nan\n", "word": "x,y\n1,2\n3,abc\n",
        "ragged": "x,y\n1,2\n3\n", "empty": "", "header": "x,y\n", "twice": "x,x\n1,2\n",
    }.items():
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    np.save("v.npy", np.array([1.0, 2.0]))
    np.save("i.npy", np.arange(3))
    np.save("nan.npy", np.array([[1.0, 2.0], [3.0, np.nan]]))
    np.save("text.npy", np.array(["a"]))
    np.save("none.npy", np.zeros((0, 2)))
    np.savez("two.npz", x=np.ones(2), y=np.arange(2.0))
    Path("cut.npy").write_bytes(b"\x93NUMPY")
    Path("empty.npy").write_bytes(b"")
    Path("folder.csv").mkdir()
    return tmp_path


def run(capsys, *words):
    """Status, stdout and stderr of ``wengert diff``."""
    status = main(["diff", *words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err + out
    return status, out, err


def document(capsys, *words, status=0):
    found, out, err = run(capsys, *words, "--json")
    assert (found, err) == (status, "")
    return json.loads(out)


def of(found, *wrt, output=None):
    """The derivative with regard to these names."""
    return next(d for d in found["derivatives"] if d["wrt"] == list(wrt) and output in (None, d["output"]))


# ---------------------------------------------------------------- formulas


def test_formula(capsys):
    found = document(capsys, "x^2 sin(y)", "x=3", "y=pi/2", "--order", "2")
    assert found["function"] == "x^2*sin(y)" and found["wrt"] == ["x", "y"]
    assert found["at"] == {"x": 3.0, "y": np.pi / 2} and found["value"] == 9.0 and found["ok"]
    assert of(found, "x")["value"] == 6.0 and of(found, "x", "x")["value"] == 2.0
    assert of(found, "y", "y")["value"] == -9.0
    for d in found["derivatives"]:
        assert d["check"]["verdict"] == "agrees" and d["check"]["method"] == "complex step"
        assert abs(d["check"]["value"] - d["value"]) == d["check"]["difference"] < 1e-12
        assert d["check"]["error"] < 1e-11


def test_formula_in_plain_text(capsys):
    status, out, err = run(capsys, "cos(x) e^{x²}", "x=0.5")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "f(x) = cos(x)*e^x^2" and lines[1] == "  x = 0.5"
    f = wg.formula("cos(x) e^{x²}")
    assert f"f = {float(f(0.5))!r}" in lines
    row = next(line for line in lines if line.startswith("∂f/∂x")).split()
    assert row[1] == repr(float(wg.grad(f)(0.5))) and row[-1] == "agrees"
    assert lines[-1] == "checked by: complex step"


def test_a_formula_may_begin_with_a_minus_and_options_stand_anywhere(capsys):
    found = document(capsys, "--order", "3", "-x^3", "--wrt", "x", "x=2")
    assert [d["value"] for d in found["derivatives"]] == [-12.0, -12.0, -6.0]


def test_mixed_derivatives_of_higher_order(capsys):
    found = document(capsys, "x^3 y^2", "x=2", "y=3", "--order", "3")
    assert of(found, "x", "x", "y")["value"] == 72.0 and of(found, "y", "y", "y")["value"] == 0.0
    assert "directions" in of(found, "x", "x", "y")["check"]["method"]


def test_wrt(capsys):
    found = document(capsys, "a exp(-b t)", "a=2", "b=0.5", "t=[0,1]", "--wrt", "b")
    assert found["wrt"] == ["b"]
    assert of(found, "b")["value"] == pytest.approx([0.0, -2 * np.exp(-0.5)])


def test_complex(capsys, folder):
    found = document(capsys, "z^2", "z=1+2j", "--order", "2")
    assert of(found, "z")["value"] == {"re": 2.0, "im": 4.0}
    assert of(found, "z")["check"]["verdict"] == "agrees"
    assert of(found, "z", "z")["value"] == {"re": 2.0, "im": 0.0}
    gradient = of(document(capsys, "program.py:modulus", "z=1+2j"), "z")
    assert gradient["value"] == {"re": pytest.approx(2.0), "im": pytest.approx(4.0)}
    assert gradient["check"]["verdict"] == "agrees"


# ---------------------------------------------------------------- functions in files


def test_function_with_defaults_and_lists(capsys, folder):
    found = document(capsys, "program.py:cubes", "x=[1,2,3]", "scale=2", "--order", "2")
    assert found["value"] == 72.0 and found["wrt"] == ["x"] and found["at"]["n"] == 3
    assert of(found, "x")["value"] == [6.0, 24.0, 54.0]
    assert of(found, "x", "x")["value"] == np.diag([12.0, 24.0, 36.0]).tolist()


def test_arrays_trees_and_methods(capsys, folder):
    found = document(capsys, "program.py:pair", "x=[1,2]", "y=3", "--wrt", "x,y")
    assert of(found, "x")["value"] == [[3.0, 0.0], [0.0, np.cos(2.0)]]
    assert of(found, "y")["value"] == [1.0, 0.0]
    found = document(capsys, "program.py:tree", "x=[1,2]")
    assert found["value"] == {"tree['a']": [1.0, 4.0], "tree['b'][0]": 3.0, "tree['b'][1]": 1.0}
    assert of(found, "x", output="tree['a']")["value"] == [[2.0, 0.0], [0.0, 4.0]]
    assert of(document(capsys, "program.py:Model.energy", "x=[1,2]"), "x")["value"] == [1.0, 2.0]
    assert of(document(capsys, "program.py:mode", "x=[1,5]", "how='max'"), "x")["value"] == [0.0, 1.0]


def test_large_derivatives_are_checked_along_directions(capsys, folder):
    np.save("big.npy", np.random.default_rng(0).normal(size=300))
    status, out, _ = run(capsys, "program.py:ring", "x=big.npy", "--order", "2")
    assert status == 0 and "∂²ring/∂x²  array (300, 300)" in out and "3 directions" in out


def test_what_the_program_prints_stays_out_of_the_json(capsys, folder):
    status, out, err = run(capsys, "program.py:none", "x=1", "--json")
    assert status == 2 and out == "" and "said by the program" in err


def test_undefined_derivatives(capsys, folder):
    status, out, _ = run(capsys, "program.py:root", "x=0")
    assert status == 1 and "undefined: the derivative is not finite" in out
    found = document(capsys, "log(x)", "x=-1", status=1)
    assert found["value"] == "nan" and found["derivatives"][0]["check"]["verdict"] == "undefined"


def test_a_wrong_derivative_is_found_out(capsys, folder):
    Path("wrong.py").write_text("import wengert as wg\n@wg.custom_jvp\ndef f(x):\n    return x ** 3\n"
                                "f.defjvp(lambda p, t: (f(*p), 2.0 * p[0] ** 2 * t[0]))\n")
    found = document(capsys, "wrong.py:f", "x=2", status=1)
    assert not found["ok"] and found["derivatives"][0]["check"]["verdict"] == "DISAGREES"
    assert found["derivatives"][0]["check"]["value"] == pytest.approx(12.0)


# ---------------------------------------------------------------- data


@pytest.mark.parametrize("word, expected", [
    ("x=ok.csv:y", [2.0, 4.0]), ("x=ok.csv:1", [2.0, 4.0]), ("x=ok.csv:-1", [2.0, 4.0]),
    ("x=ok.csv:y,", [[2.0], [4.0]]), ("x=ok.csv:y,x", [[2.0, 1.0], [4.0, 3.0]]),
    ("x=ok.csv", [[1.0, 2.0], [3.0, 4.0]]), ("x=bare.csv:0", [1.0, 3.0]), ("x=semi.csv:y", [2.0, 4.0]),
    ("ok.csv:x", [1.0, 3.0]), ("ok.csv", [1.0, 3.0]), ("x=v.npy", [1.0, 2.0]), ("x=i.npy", [0.0, 1.0, 2.0]),
    ("x=two.npz:y", [0.0, 1.0]), ("two.npz:x", [1.0, 1.0]),
    ("x=[[1,2],[3,pi]]", [[1.0, 2.0], [3.0, np.pi]]), ("x=[5]", [5.0]), ("x=sqrt(4)", 2.0), ("x=1e-3", 0.001),
    ("x=-2", -2.0), ("x=[ -1, .5 ]", [-1.0, 0.5]),
])
def test_values(capsys, folder, word, expected):
    assert document(capsys, "x^2 + x", word)["at"]["x"] == expected


def test_main_job_on_real_data(capsys):
    data = f"X={O_RINGS}:temperature,", f"y={O_RINGS}:distress"
    found = document(capsys, LOGISTIC, "w=[15.04,-0.2322]", *data, "--order", "2")
    assert found["wrt"] == ["w"] and found["ok"]
    table = np.genfromtxt(O_RINGS, delimiter=",", names=True)
    z = 15.04 - 0.2322 * table["temperature"]
    p, columns = 1 / (1 + np.exp(-z)), np.stack([np.ones_like(z), table["temperature"]])
    assert found["value"] == pytest.approx(np.sum(np.logaddexp(0, z) - table["distress"] * z))
    assert of(found, "w")["value"] == pytest.approx(columns @ (p - table["distress"]), rel=1e-10)
    by_hand = columns * (p * (1 - p)) @ columns.T
    assert np.asarray(of(found, "w", "w")["value"]) == pytest.approx(by_hand, rel=1e-12)


def test_allow_nan(capsys, folder):
    found = document(capsys, "x + 1", "x=gap.csv:y", "--allow-nan", status=1)
    assert found["at"]["x"] == [2.0, "nan"]


# ---------------------------------------------------------------- mistakes

MISTAKES = {
    ("sn(x) + 2", "x=1"): "column 1: unknown function 'sn': did you mean sin(...)?",
    ("x +", "x=1"): "column 3: the formula ends after '+'",
    ("x^2 y", "x=1"): "x^2*y needs a value for y: write y=VALUE",
    ("x^2", "x=1", "z=3"): "x^2 has no parameter 'z': it has x",
    ("x^2", "x=1", "--wrt", "z"): "--wrt z: x^2 has no parameter 'z'",
    ("x^2", "x=1", "--wrt", ","): "--wrt needs the names of parameters",
    ("x^2", "x=1", "x=2"): "'x' is given twice",
    ("x^2", "foo"): "'foo' is neither NAME=VALUE nor a .csv",
    ("x^2", "x="): "no value follows 'x='",
    ("x^2", "x=pii/2"): "the value of 'x': unknown variable 'pii': did you mean 'pi'?",
    ("x^2", "x=data.txt"): "'data.txt' of 'x' is no number, and no .npy",
    ("x^2", "x=[1,[2]]"): "have different lengths",
    ("x^2", "x=[1,,2]"): "is not a list of numbers",
    ("x^2", "x=[1,2"): "x=[1,2 is not a list of numbers",
    ("x^2", "x=[]"): "x=[] is not a list of numbers",
    ("x^2", "x=1", "--order", "-1"): "'-1' is not a whole number",
    ("x^2", "x=nan"): "the value of 'x' is not finite: pass --allow-nan",
    ("x^2", "x=[1,2]", "--order", "3"): "--order 3 needs scalar inputs",
    ("x^2", "x=1", "--order", "0"): "'0' is not a whole number from 1 to 8",
    ("x^2", "x=1", "--frobnicate"): "unknown option --frobnicate",
    ("x y", "x=[1,2]", "y=[1,2,3]"): "x*y: ValueError: operands could not be broadcast",
    ("2 + 3",): "has no variables",
    ("x^2", "x=True or"): "error: column",
    (): "the following arguments are required: FORMULA|FILE.py:FUNCTION",
    ("program.py:cubes",): "program.py:cubes needs a value for x: write x=VALUE",
    ("program.py:cubes", "y=1"): "program.py:cubes has no parameter 'y'",
    ("program.py:cube", "x=1"): "program.py has no function 'cube': did you mean 'cubes'?",
    ("program.py", "x=1"): "which function of program.py? Write program.py:FUNCTION",
    ("progam.py:cubes", "x=1"): "there is no file progam.py: did you mean program.py?",
    ("program.py:number", "x=1"): "program.py:number is an int, not a function",
    ("program.py:boom", "x=1"): "program.py:15: ValueError: a bad thing",
    ("program.py:leaves", "x=1"): "program.py:43: SystemExit: away",
    ("syntax.py:f", "x=1"): "syntax.py:2: SyntaxError",
    ("fails.py:f", "x=1"): "fails.py:2: ZeroDivisionError: division by zero",
    ("program.py:none", "x=1"): "program.py:none returned None; is a return missing?",
    ("program.py:text", "x=1"): "program.py:text returned a str, not a number",
    ("program.py:empty", "x=1"): "program.py:empty returned no numbers",
    ("program.py:keyword", "x=1"): "'x' is a keyword-only parameter",
    ("program.py:cubes", "x='a'"): "'x' is a str, not a number or an array",
    ("program.py:writes", "x=[1,2]"): "Copy it first",
    ("program.py:modulus", "z=1j", "--order", "2"): "no second derivative",
    ("x^2", "x=ok.csv:z"): "ok.csv has no column 'z': its columns are x, y",
    ("x^2", "x=missing.csv:x"): "there is no file missing.csv",
    ("x^2", "x=okk.csv:x"): "there is no file okk.csv: did you mean ok.csv?",
    ("x^2", "x=folder.csv:x"): "folder.csv is a folder",
    ("x^2", "x=empty.csv:x"): "empty.csv is empty",
    ("x^2", "x=header.csv:x"): "header.csv has a header and no rows of data",
    ("x^2", "x=word.csv:y"): "word.csv: line 3, column 'y': 'abc' is not a number",
    ("x^2", "x=ragged.csv:x"): "ragged.csv: line 3 has 1 cells, the header has 2",
    ("x^2", "x=twice.csv:x"): "twice.csv has 2 columns 'x'",
    ("x^2", "x=binary.csv:x"): "binary.csv is not UTF-8 text",
    ("x^2", "x=gap.csv:y"): "gap.csv: line 3, column 'y' is empty: correct the data, or pass --allow-nan",
    ("x^2", "x=nan.csv:y"): "nan.csv: line 2, column 'y' is 'nan': correct the data, or pass --allow-nan",
    ("x^2", "x=nan.npy"): "nan.npy: row 1, column 1 (counted from 0) is nan: correct the data, or pass",
    ("x^2", "ok.csv:y"): "'y' is not a parameter (they are x): write NAME=ok.csv:y",
    ("q^2", "ok.csv"): "none of its columns (x, y) is a parameter (q)",
    ("x^2", "v.npy"): "a .npy file has no names: write NAME=v.npy",
    ("x^2", "x=v.npy:1"): "a .npy file holds one array",
    ("x^2", "x=two.npz"): "two.npz holds 2 arrays (x, y): write two.npz:KEY",
    ("x^2", "x=two.npz:z"): "two.npz has no array 'z'",
    ("x^2", "x=text.npy"): "text.npy holds <U1, not numbers",
    ("x^2", "x=none.npy"): "none.npy is an empty array",
    ("x^2", "x=cut.npy"): "cut.npy is no NumPy file, or a damaged one",
    ("x^2", "x=empty.npy"): "empty.npy is empty",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_mistakes_get_one_line(capsys, folder, words):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    lines = [line for line in err.splitlines() if line != "said by the program"]
    assert lines[0].startswith("wengert: error: ") and MISTAKES[words] in lines[0]
    if lines[1:]:  # a formula and its caret
        assert len(lines) == 3 and lines[2].strip() == "^"


def test_a_huge_derivative_is_refused(capsys, folder):
    np.save("huge.npy", np.zeros(10_000))
    status, _, err = run(capsys, "x^2", "x=huge.npy")
    assert status == 2 and "would have 100,000,000 elements; choose fewer inputs by --wrt" in err


# ---------------------------------------------------------------- the program as such


def shell(*words, **environment):
    """`python -m wengert`, as a shell runs it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    command = [sys.executable, "-W", "error", "-m", "wengert", *words]
    return subprocess.run(command, capture_output=True, env=environment, timeout=120)


def test_python_m_wengert():
    done = shell("diff", "x^2 + x", "x=3", PYTHONIOENCODING="utf-8")
    assert done.returncode == 0 and done.stderr == b""
    assert "∂f/∂x       7.0" in done.stdout.decode()


def test_a_terminal_without_greek():
    done = shell("diff", "x^2", "x=3", "--order", "2", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and b"d^2f/dx^2" in done.stdout and b"+-" in done.stdout


def test_an_error_from_the_shell():
    done = shell("diff", "x^", "x=3")
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.decode().splitlines()[0].startswith("wengert: error: column 2")


def test_help(capsys):
    assert main([]) == 0
    top = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert top == capsys.readouterr().out and "diff" in top and "examples:" in top
    assert main(["diff", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ["--wrt", "--order", "--json", "--allow-nan", "examples:", "exit status"]:
        assert word in text
    assert main(["dif"]) == 2
    assert capsys.readouterr().err.startswith("wengert: error: ")


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("wengert ")


def test_a_terminal_gets_a_table():
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True
    out = Terminal()
    target = find("x^2 y").bind({"x": 3, "y": 2}, None)
    print_result(derive(target, 1, lambda text: None), out)
    assert "∂f/∂x" in out.getvalue() and "12.0" in out.getvalue() and "──" in out.getvalue()


def test_cache(tmp_path, monkeypatch, capsys):
    place = tmp_path / "kept"
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(place))
    from wengert.backends.compiled import store
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{place}: 0 files, 0 B\n"
    assert store.put(b"k" * 32, bytes(5000))
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{place}: 1 file, 5,081 B\n"
    assert main(["cache", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"folder": str(place), "files": 1, "bytes": 5081, "refused": ""}
    place.chmod(0o777)
    assert main(["cache"]) == 0
    assert "nothing is kept there: others own it or can write to it" in capsys.readouterr().out
    place.chmod(0o700)
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"{place}: 1 file removed\n" and list(place.iterdir()) == []
    assert main(["cache", "clear", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 0
    assert main(["cache", "fill"]) == 2 and "wengert: error" in capsys.readouterr().err


@pytest.mark.parametrize("words, message", [
    (["x", "x=" + "9" * 5000], "write a float"),
    (["x", "x=[1, 9223372036854775808]"], "write a float"),
    (["x" * 5000 + ".py:f", "x=1"], "File name too long"),
    (["x" * 5000, "y=1"], " ... "),
])
def test_what_is_too_long_is_told_in_a_short_line(words, message, capsys):
    assert main(["diff", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("wengert: error: ") and message in err and len(err) < 2000


@pytest.mark.skipif(sys.platform == "win32", reason="the shell of POSIX")
@pytest.mark.parametrize("words, status", [
    ("explain 'sin(θ)' θ=1 >&-", 0), ("diff 'sin(x' x=1 2>&- >&-", 2), ("symbolic 'sin(θ)' > /dev/full", 2),
    ("explain 'sin(θ)' θ=1 > /dev/null", 0),
])
def test_output_that_is_closed_full_or_ascii(words, status):
    if "/dev/full" in words and not os.path.exists("/dev/full"):
        pytest.skip("the system has no such file")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(f"{sys.executable} -m wengert {words}", shell=True, env=environment, capture_output=True, timeout=60)
    assert done.returncode == status and b"Traceback" not in done.stderr and b"internal" not in done.stderr
    assert done.stderr.startswith(b"wengert: error: ") or not done.stderr
