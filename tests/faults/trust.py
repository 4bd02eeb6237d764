"""Mistakes in what tells whether a derivative can be trusted.

What comes in: the text of certificates, origins of NaN, located errors, watching, the kept machine code, the reader of graphs,
and rules at the edges. What goes out: the same with a side, an arm, a turn, a limit or a check wrong.
"""

from __future__ import annotations

from tests.faults.fault import Fault

__all__ = ["TRUST"]


def _rule(name: str, file: str, before: str, after: str, *tests: str, match: str = "") -> Fault:
    return Fault(name, "rule", f"primitives/{file}.py", before, after, tests, match)


def _api(name: str, file: str, before: str, after: str, *tests: str, match: str = "") -> Fault:
    return Fault(name, "api", f"{file}.py", before, after, tests, match)


def _front(name: str, file: str, before: str, after: str, *tests: str, match: str = "") -> Fault:
    return Fault(name, "front end", f"frontends/{file}.py", before, after, tests, match)


_NONFINITE, _CERTIFY = "tests/nonfinite/test_debug_nonfinite.py", "tests/certify/test_certify.py"

TRUST = [
    _rule("log_ratio: quotients that overflow", "special", " | np.isinf(ratio)\n", "\n",
          "tests/third_order/test_third_order.py", match="bounds"),
    _rule("log_ndtr: the limit of the second derivative", "special", "-1.0 if n == 2 else 0.0", "0.0",
          "tests/third_order/test_third_order.py",
          match="bounds"),
    _rule("gap_ratio: NaN where both are 0", "special", "lambda out, x, y: _ratio(_ratio(x, y), y)))",
          "lambda out, x, y: x / y / y))",
          "tests/primitives/test_special.py"),
    _rule("scaled Bessel: sign of odd derivatives to the left", "bessel", "elif (n + order) % 2:", "elif n % 2:",
          "tests/third_order/test_third_order.py", match="bounds"),
    _rule("logistic: sign of the second derivative", "special", "partials=lambda y, x: -y * tanh(0.5 * x))",
          "partials=lambda y, x: y * tanh(0.5 * x))", "tests/third_order/test_third_order.py", match="bounds"),
    Fault("cosine: limit at infinity, compiled", "compiler", "backends/compiled/floats.py",
          "    return a.choose(alone, a.call(\"copysign\", a.number(1.0), x), out)\n", "    return out\n",
          ("tests/backends/test_elementwise_code.py",)),
    _rule("gauge: weights of repeated values taken for constant", "gauge", "if alone and np.any(", "if False and np.any(",
          "tests/third_order/test_matrices.py"),
    _api("certify: jumps on the left are not seen", "certifying/lines",
         "jumps = _steps(f, z, v, center, 1.0) | _steps(f, z, v, center, -1.0)", "jumps = _steps(f, z, v, center, 1.0)",
         _CERTIFY),
    _api("origins: arms of a selection exchanged", "origins", "taken if i == 1 else ~taken", "~taken if i == 1 else taken",
         _NONFINITE),
    _api("origins: the last bad equation, not the first", "origins", "k < first[0]", "k > first[0]", _NONFINITE),
    _api("origins: sums look at everything", "origins",
         "elif e.primitive.name == \"reduce_sum\" and not isinstance(wanted, list):", "elif False:", _NONFINITE),
    _api("origins: other draws when a turn is looked into", "origins", "    set_generators(around.states)\n", "", _NONFINITE),
    _api("run: what is looked at in a rule has no line", "run", "APPLIED.lines = graph.lines.get(e) or before",
         "APPLIED.lines = before", _NONFINITE),
    _front("located: the outermost line", "located", "if not is_library(name):", "if found is None and not is_library(name):",
           "tests/frontends/test_mistakes.py"),
    _front("located: a note for each transform around", "located",
           "if found is None or getattr(error, \"__notes__\", None):", "if found is None:", "tests/frontends/test_mistakes.py"),
    _front("trace: the frame around is forgotten", "trace", "_LOCAL.stack, _LOCAL.frame = before, frame",
           "_LOCAL.stack, _LOCAL.frame = before, None", "tests/frontends/test_staging.py", "tests/test_structured.py"),
    _front("trace: two values of one array are stopped", "trace",
           "if place is not None and place[1].primitive.name != \"stop_gradient\":", "if place is not None:",
           "tests/frontends/test_mistakes.py", "tests/test_traps.py", "tests/test_api.py"),
    _front("warned: what the user sets is undone", "warned", "relayed is None or _STATE.get() is relayed", "True",
           "tests/test_regressions.py", "tests/test_traps.py", "tests/test_api.py"),
    Fault("store: a link is followed", "compiler", "backends/compiled/store.py", "(\"O_NOFOLLOW\", \"O_NONBLOCK\",",
          "(\"O_NONBLOCK\",", ("tests/backends/test_machine.py", "tests/load/test_load.py"),
          "folder or store or kept or link or trusted"),
    Fault("store: files of others are trusted", "compiler", "backends/compiled/store.py",
          "return found.st_uid == os.geteuid() and not", "return not", ("tests/backends/test_machine.py",
          "tests/load/test_load.py"),
          "folder or store or kept or other or trusted"),
    _api("parse: a parameter given twice", "graph/parse", "                if token.text in params:\n",
         "                if False:\n", "tests/graph/test_text.py", "tests/fuzz/test_fuzz.py"),
    _api("parse: depth counts what is beside", "graph/parse", "        self.depth -= 1\n", "        pass\n",
          "tests/graph/test_text.py",
         "tests/fuzz/test_fuzz.py"),
]
