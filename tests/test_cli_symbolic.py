"""``wengert symbolic``: what it prints, and what it refuses, in one line."""

import json

import pytest

from wengert.cli import main


@pytest.fixture
def run(capsys):
    def run(*words):
        status = main(["symbolic", *words])
        out, err = capsys.readouterr()
        return status, out.rstrip("\n"), err.rstrip("\n")
    return run


def test_derivatives_of_a_formula(run):
    assert run("sin(x)/x", "--order", "2") == (0, "f       = sin(x)/x\ndf/dx   = cos(x)/x - sin(x)/x^2\n"
                                               "d²f/dx² = 2*sin(x)/x^3 - sin(x)/x - 2*cos(x)/x^2", "")


def test_several_variables(run):
    status, out, _ = run("x y + sin(x)", "--order", "2")
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == [
        "f", "∂f/∂x", "∂f/∂y", "∂²f/∂x²", "∂²f/∂x∂y", "∂²f/∂y²"]
    assert run("x y + sin(x)", "--wrt", "y")[1].splitlines()[1] == "∂f/∂y = x"


def test_other_forms(run):
    assert run("x^2", "--latex")[1].splitlines()[1] == r"\frac{\mathrm{d}f}{\mathrm{d}x} = 2 \, x"
    namespace = {}
    exec(run("x^3", "--source")[1], namespace)
    assert namespace["d_x"](2.0) == 12.0
    assert run("x^2", "--tree")[1].splitlines()[-3:] == ["*", "├── 2", "└── x"]
    assert run("x*x", "--unsimplified")[1].splitlines()[1] == "df/dx = 1*x + x*1"
    assert run("x y", "--differential")[1] == "dF = y*dx + x*dy"
    assert json.loads(run("x y", "--json")[1])["derivatives"] == {"x": "y", "y": "x"}


def test_swell(run, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "swell.png"
    status, out, _ = run("(x+1)*(x+1)*(x+1)", "--order", "3", "--swell", "--plot", str(path))
    assert status == 0 and out.splitlines()[2].split() == ["0", "11", "5", "5", "5"]
    assert path.stat().st_size > 1000


def test_functions_in_files(run, tmp_path):
    file = tmp_path / "program.py"
    file.write_text("import numpy as np\ndef f(x, n):\n    return np.sum(x ** n)\n")
    assert run(f"{file}:f", "x=[1,2]", "n=3", "--wrt", "x1")[1].splitlines()[1] == "∂f/∂x1 = 3*x1^2"


@pytest.mark.parametrize("words, message", [
    (["x^2", "x=3"], "needs no values"), (["x", "--wrt", "z"], "no variable 'z'"), (["sum(x)"], "function of arrays"),
    (["x", "--plot", "a.png"], "give both"), (["sin x y"], "write sin(...)"), (["x", "--latex", "--source"], "not allowed"),
    (["x", "--order", "0"], "from 1 to 8")])
def test_mistakes(run, words, message):
    status, out, err = run(*words)
    assert status == 2 and out == "" and message in err and "Traceback" not in err


def test_what_a_function_raises_or_leaves_by_is_told_at_its_line(tmp_path, run):
    (tmp_path / "program.py").write_text("def leaves(x):\n    raise SystemExit(3)\n")
    status, out, err = run(f"{tmp_path}/program.py:leaves", "x=1")
    assert status == 2 and not out and err.endswith("program.py:2: SystemExit: 3")
