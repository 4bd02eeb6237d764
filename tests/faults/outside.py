"""Mistakes in the front ends, in numerical differentiation, and in what is built on the core.

What comes in: the text of these packages. What goes out: the same with a factor, a check, a version or a key wrong.
"""

from __future__ import annotations

from tests.faults.fault import Fault

__all__ = ["OUTSIDE"]


def _front(name: str, file: str, before: str, after: str, *tests: str, match: str = "") -> Fault:
    return Fault(name, "front end", f"frontends/{file}.py", before, after, tests, match)


def _numeric(name: str, file: str, before: str, after: str, *tests: str, match: str = "") -> Fault:
    return Fault(name, "numeric", f"numeric/{file}.py", before, after, tests, match)


def _api(name: str, file: str, before: str, after: str, *tests: str, match: str = "") -> Fault:
    return Fault(name, "api", f"{file}.py", before, after, tests, match)


OUTSIDE = [
    _front("views: diagonals below the main one", "lens", "i.index(last, k - min(offset, 0), k + max(offset, 0),",
           "i.index(last, k, k + max(offset, 0),", "tests/frontends/test_writes.py", match="later"),
    _front("views: real and imaginary part swapped by a write", "lens", "e.make_complex(e.real(base), new)",
           "e.make_complex(new, e.real(base))", "tests/frontends/test_writes.py", match="later"),
    _front("views: a write into one of two arrays writes into both", "lens",
           "other.write(s.select(which, other, new))", "other.write(new)", "tests/frontends/test_staged_aliases.py"),
    _front("writes: the version of a constant array stands still", "indexing", "        x.version += 1\n", "",
           "tests/frontends/test_writes.py"),
    _front("writes: a mask and a value that share memory", "indexing", "        if same_root(x, value):", "        if False:",
           "tests/frontends/test_writes.py"),
    _front("watch: 1, 1.0 and True are one", "watch",
           "        return type(x), x\n    if type(x) is float or type(x) is complex:\n        return type(x), repr(x)",
           "        return x\n    if type(x) is float or type(x) is complex:\n        return x",
           "tests/frontends/test_watching.py"),
    _front("watch: dtypes of numbers left out of the key", "watch", "return x.dtype.str, x.tobytes()", "return x.tobytes()",
           "tests/frontends/test_watching.py"),
    _front("watch: length of a container left out", "watch", "return type(x), len(x), each(x)",
           "return type(x), each(list(x)[:1])",
           "tests/frontends/test_watching.py"),
    _api("jit: a captured value that changed", "staging", "if staged is None or not staged.watched.unchanged():",
         "if staged is None:", "tests/frontends/test_watching.py", "tests/frontends/test_staging.py"),
    _api("jit: dtype left out of the key of an array", "forms",
         "return ArrayType(x.shape, x.dtype), \"array\",", "return ArrayType(x.shape, np.dtype(float)), \"array\",",
         "tests/frontends/test_staging.py"),
    _numeric("estimators: error of the average", "estimators", "np.sqrt(spread / (directions - 1) / directions)",
             "np.sqrt(spread / (directions - 1)) / directions", "tests/numeric/test_estimators.py"),
    _numeric("estimators: variance about the old mean", "estimators", "spread = spread + apart * (sample - total)",
             "spread = spread + apart * apart", "tests/numeric/test_estimators.py"),
    _numeric("weights: a stencil of lower accuracy", "weights", "reach = (order + 1) // 2 - 1 + accuracy // 2",
             "reach = max((order + 1) // 2, (order + 1) // 2 - 2 + accuracy // 2)", "tests/numeric/test_weights.py"),
    _numeric("complex step: a function that drops imaginary parts", "complex_step",
             "    if np.any(wrong & np.isfinite(found.error)):", "    if False:", "tests/numeric/test_differences.py",
             match="complex_step"),
    _api("adam: second moment of complex gradients", "optim/optimizers", "g.real ** 2 + g.imag ** 2", "(g * g).real",
         "tests/optim/test_optimizers.py"),
    _api("adam: correction of the second moment", "optim/optimizers", "\"root\": np.sqrt(1.0 - second ** t)",
         "\"root\": 1.0 - second ** t", "tests/optim/test_optimizers.py"),
    _api("lion: moments swapped", "optim/optimizers", "new = {\"mean\": second * slots[\"mean\"] + (1.0 - second) * g}",
         "new = {\"mean\": first * slots[\"mean\"] + (1.0 - first) * g}", "tests/optim/test_optimizers.py"),
    _api("line search: slope without its sign", "optim/line_search",
         "            if slope * (high - low) >= 0:", "            if slope >= 0:", "tests/optim/test_descent.py",
         "tests/optim/test_methods.py"),
    _api("batch norm: the biased variance runs", "nn/normalization", "np.reshape(variance, -1) * (n / (n - 1))",
         "np.reshape(variance, -1)", "tests/nn/test_layers.py", "tests/nn/test_edges.py", "tests/nn/test_against_torch.py"),
    _front("views: a copy that is written later counts from 0", "lens",
           "    t.version = t.stamp() + 1  # so that views of it see that they are out of date\n", "",
           "tests/frontends/test_writes.py", match="view_of_a_copy"),
    _front("writes: a traced float is cut to an integer", "indexing",
           "if value.type.inexact and x.dtype.kind not in \"fc\":", "if False:",
           "tests/frontends/test_writes.py", match="traced_float"),
    _front("watch: a method of an array stands for itself", "watch", "isinstance(owner, (str, *_CHANGING))",
           "isinstance(owner, (list, dict, set, str))", "tests/frontends/test_watching_calls.py"),
    _front("calls: what callbacks read is not seen", "staged_calls",
           "    out = partial(flow.call, x)\n", "    out = partial(x)\n", "tests/frontends/test_watching_calls.py"),
    _api("custom rules: what a rule reads is not seen", "custom", "reached(f)(*spec_args", "f(*spec_args",
         "tests/frontends/test_watching_calls.py"),
    _front("text: an f-string is no printed value", "reach", "        return texts(function(*args, **kwargs)) if made else",
           "        return function(*args, **kwargs) if made else", "tests/frontends/test_mistakes.py"),
    _numeric("complex step: of 1e-6", "complex_step", "STEP = 1e-20", "STEP = 1e-6", "tests/numeric/test_differences.py",
             match="truncation"),
]
