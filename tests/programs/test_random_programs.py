"""Random programs of Python and NumPy: values, first and second derivatives, in every way of running them.

Two hundred programs are run here; ``python -m tests.programs.campaign`` runs any number. A refusal of what NumPy runs
is allowed for few, and counted. That the harness sees mistakes is tested by making some.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from generator import program
from harness import Outcome, Shadow, complex_step, load, points, run
from shrink import shrink

from wengert.graph import REGISTRY

pytestmark = pytest.mark.filterwarnings("ignore")
BLOCK = 20


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(block * BLOCK, block * BLOCK + BLOCK):
        outcome = run(program(seed), seed)
        assert outcome.kind != "WRONG", (seed, outcome.what)
        outcomes[outcome.kind] += 1
    assert outcomes["equal"] >= 0.8 * BLOCK, outcomes
    assert outcomes["refused"] <= 1, outcomes
    assert outcomes["invalid"] <= 1, outcomes


def test_a_seed_is_a_program() -> None:
    assert program(5) == program(5) != program(6)


def test_programs_have_what_they_are_for() -> None:
    text = "\n".join(program(seed) for seed in range(300))
    for part in ("for ", "while ", "if ", "elif ", "else:", "break", "continue", "return ", "nonlocal", "out=", ".T",
                 ".reshape(",
                 ".ravel()", "np.where", "np.maximum", "np.clip", "math.", "np.stack", ".append(", " and ", " or ", "not ",
                 "enumerate(", "zip(", "reversed(", "lambda", "+=", "[::-1]", "a, b = b, a", "while True", "order='F'",
                 "where=", "settled(", "gather(", "np.asfortranarray"):
        assert part in text, part


# ---------------------------------------------------------------- the harness sees mistakes

SIMPLE = "import numpy as np\ndef f(x, y, z):\n    a = x.copy()\n    a[1:] *= x[:-1] * z\n    return np.sum(a * y[0])\n"


def test_the_simple_program_is_equal() -> None:
    assert run(SIMPLE, 0) == Outcome("equal")


def test_a_wrong_transpose_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    multiply = REGISTRY["multiply"]
    right = multiply.transpose
    monkeypatch.setattr(multiply, "transpose", lambda *args, **kwargs: right(*args, **kwargs) * 1.0000001)
    texts = [SIMPLE.replace("a * y", "a * 1.25 * y"), *map(program, range(10**6 + 4, 10**6 + 8))]  # not yet derived
    found = [run(text, k) for k, text in enumerate(texts)]
    assert all(o.kind == "WRONG" for o in found), found


def test_a_wrong_partial_is_seen_in_both_modes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REGISTRY["tanh"], "partials", (lambda y, x: 1.0 - y * y * y,))
    outcome = run("import numpy as np\ndef f(x, y, z):\n    return np.sum(np.tanh(x * 1.01)) * z\n", 0)
    assert outcome.kind == "WRONG"
    assert "complex step" in outcome.what


def test_a_wrong_second_derivative_is_seen() -> None:
    import wengert as wg

    text = "import numpy as np\ndef f(x, y, z):\n    return special(z) * np.sum(x)\n"
    source = "import numpy as np\ndef special(z):\n    return np.sin(z)\n" + text.split("\n", 1)[1]
    special = wg.custom_jvp(lambda z: np.sin(z))
    special.defjvp(lambda primals, tangents: (np.sin(primals[0]), wg.stop_gradient(np.cos(primals[0])) * tangents[0]))

    def prepare(f):
        scope = {"np": np, "special": special}
        exec(text, scope)
        return scope["f"]

    outcome = run(source, 0, ways={"prepared": prepare})
    assert outcome.kind == "WRONG"
    assert "second derivative" in outcome.what


def test_a_wrong_value_and_a_stale_view_are_seen() -> None:
    stale = SIMPLE.replace("a = x.copy()", "b = x.copy()\n    a = b[:]").replace("np.sum(a", "np.sum(b")

    def forgets_the_view(f):
        return load(stale.replace("b[:]", "b[:].copy()"), "<stale>")

    assert run(stale, 0).kind == "equal"
    assert run(stale, 0, ways={"stale": forgets_the_view}).kind == "WRONG"


def test_errors_where_numpy_raises_none_are_wrong() -> None:
    def fails(f):
        def g(x, y, z):
            raise KeyError("x")
        return g

    assert run(SIMPLE, 0, ways={"fails": fails}).kind == "WRONG"


def test_a_fault_of_numpy_is_no_mistake() -> None:
    overlapping = "import numpy as np\ndef f(x, y, z):\n    h = y.ravel() * z\n    h[1:5] = h[::3]\n    return 2 * np.sum(h)\n"
    plain = load(overlapping, "<overlapping>")(np.zeros(4), np.arange(12.0).reshape(3, 4), 1.0)
    expected = ("invalid",) if plain != 2.0 * (0 + 0 + 3 + 6 + 9 + sum(range(5, 12))) else ("equal",)
    assert run(overlapping, 0).kind in expected


def test_kinks_are_told_from_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    head = "import numpy as np\ndef f(x, y, z):\n    "
    at_zero = head + "return np.sum(np.abs(x - x.copy() + 0.0 * z) * y[0]) + np.sum(np.maximum(0.0 * x, x * 0.0 * y[0]))\n"
    assert run(at_zero, 0).kind in ("equal", "kink")
    at_the_edge = head + "c = np.clip(z * 0.0 + x, -0.2, 0.2)\n    return np.sum(np.maximum(c, 0.2) * y[1])\n"
    assert run(at_the_edge, 0).kind in ("equal", "kink")
    no_kink = head + "a = x * z\n    return np.sum(np.maximum(a, a.copy()) * a)\n"
    assert run(no_kink, 0).kind == "equal"
    right = REGISTRY["maximum"].jvp
    monkeypatch.setattr(REGISTRY["maximum"], "jvp", lambda *args, **kwargs: right(*args, **kwargs) * 0.9)
    no_kink = no_kink.replace("* z", "* z * z")  # not yet derived
    assert run(no_kink, 0).kind == "WRONG"  # a tie does not excuse it


def test_the_shadow_program_decides_by_real_parts() -> None:
    source = "def f(x, y, z):\n    return x[0] * 2.0 if -9.0 < z < 9.0 and not x[0] > 1e9 else z\n"
    shadow = Shadow(source)
    value, slope = complex_step(shadow, points(0)[0], (np.ones(4), np.ones((3, 4)), 1.0))
    assert (value, slope) == (points(0)[0][0][0] * 2.0, 2.0)
    assert len(shadow.decisions) == 3


def test_failing_programs_are_made_small() -> None:
    def fails(text: str) -> bool:
        return "np.cumsum" in text and "while" in text

    seed = next(k for k in range(100) if fails(program(k)))
    small = shrink(program(seed), fails, limit=300)
    assert fails(small)
    assert len(small) < 0.3 * len(program(seed))
