"""Mistakes in the compiler.

What comes in: the text of the compiled back end. What goes out: the same with a bound, an identity, a check or a key wrong.
"""

from __future__ import annotations

from tests.faults.fault import Fault

__all__ = ["COMPILER"]


def _in(name: str, file: str, before: str, after: str, *tests: str, match: str = "") -> Fault:
    return Fault(name, "compiler", f"backends/compiled/{file}.py", before, after, tests, match)


COMPILER = [
    _in("nest: offset of a piece lost", "nest", "(name, low + start + u * w)", "(name, start + u * w)",
        "tests/backends/test_compiled_laws.py", match="random_graphs"),
    _in("nest: the least of a maximum is 0", "nest",
        "return -np.inf if name == \"maximum\" else np.inf", "return 0.0 if name == \"maximum\" else np.inf",
        "tests/backends/test_compiled.py", match="any_length"),
    _in("nest: what is left of a sum counts lanes beyond the end", "nest",
        "            value = self.el.choose(Value(np.dtype(bool), (self.el.mask,), self.el.lanes), value, rest)",
        "            pass", "tests/backends/test_compiled.py", match="any_length"),
    _in("nest: fused accumulation assigns", "nest",
        "\"add\" if r.equation.primitive.name == \"index_add\" else \"\"", "\"\"",
        "tests/backends/test_compiled.py", "tests/backends/test_compiled_laws.py", match="index"),
    _in("products: wrong sign of a complex product", "tiles",
        "code.op(f\"fsub {kind} {re}, {bd}\")", "code.op(f\"fadd {kind} {re}, {bd}\")",
        "tests/backends/test_compiled.py", match="any_size"),
    _in("products: last rows of blocks left out", "tiles", "        body(str(whole), size % width)",
        "        body(str(whole), max(size % width - 1, 1))",
        "tests/backends/test_threads.py", "tests/backends/test_compiled.py",
        "tests/backends/test_compiled_laws.py"),
    _in("hoist: a counter that wraps around", "hoist",
        "_adds_one(e, v) and int(start.value) + loop.size <= np.iinfo(v.type.dtype).max):", "_adds_one(e, v)):",
        "tests/backends/test_hoist.py"),
    _in("hoist: -0.0 taken for 0.0", "hoist", " and not np.any(np.signbit(o.value))", "", "tests/backends/test_hoist.py"),
    _in("hoist: wrong sign of a shared solve", "hoist",
        "out.append(Equation(REGISTRY[\"negative\"], (x,), {}, e.results))",
        "out.append(Equation(REGISTRY[\"positive\"], (x,), {}, e.results))", "tests/backends/test_hoist.py"),
    _in("hoist: rows of a counter that begins elsewhere", "hoist",
        "spec=((\"s\", first, first + loop.size, None),))", "spec=((\"s\", 0, loop.size, None),))",
        "tests/backends/test_hoist.py"),
    _in("hoist: rows beyond the end of the array", "hoist",
        "if not whole or first < 0 or first + loop.size > x.type.shape[0]:", "if not whole or first < 0:",
        "tests/backends/test_hoist.py"),
    _in("relax: a primitive that hides NaN", "relax", "\"expm1\", \"flip\",", "\"expm1\", \"flip\", \"fmax\", \"fmin\",",
        "tests/backends/test_relax.py"),
    _in("relax: doubtful results not looked at", "relax",
        "    asked.update(dict.fromkeys(o for o in graph.outputs if o in doubtful))\n", "", "tests/backends/test_relax.py"),
    _in("elementwise: limit of x^y log x at negative exponents", "elementwise",
        "[_one(code, \"logical_and\", [empty, right], lanes), zero, out]", "[empty, zero, out]",
        "tests/backends/test_compiled.py", match="power"),
    _in("entry: byte order not looked at", "entry", "ord('>')}\"), \"slow\")", "ord('!')}\"), \"slow\")",
        "tests/backends/test_entry.py"),
    _in("entry: the last length not looked at", "entry",
        "        for k, n in enumerate(type.shape):\n            b.equal(\"i64\", b.load(",
        "        for k, n in enumerate(type.shape[:-1]):\n            b.equal(\"i64\", b.load(",
        "tests/backends/test_entry.py"),
    _in("entry: a reference not counted", "entry", "        b.incref(descr)\n", "", "tests/backends/test_entry.py"),
    _in("entry: two threads in one workspace", "entry", "cmpxchg ptr @wg_busy, i64 0, i64 1",
        "cmpxchg ptr @wg_busy, i64 0, i64 0",
        "tests/backends/test_entry.py", match="workspace"),
    _in("store: the digest of code is not compared", "store",
        "head != _MAGIC + key + hashlib.sha256(code).digest()", "not head.startswith(_MAGIC + key)",
        "tests/backends/test_machine.py"),
    _in("store: a file that others can write is trusted", "store",
        "and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)", "and not found.st_mode & stat.S_IWGRP",
        "tests/backends/test_machine.py"),
    _in("machine: code of another processor", "machine", "_versions(), *_processor(), f", "_versions(), f",
        "tests/backends/test_machine.py", match="processor"),
    _in("control: a carry that is read elsewhere is overwritten", "control",
        "return any(isinstance(y, Var) and plan.root(y) is plan.root(x) for y, _ in item.leaves)", "return False",
        "tests/backends/test_memory.py", match="other_places"),
    _in("entry: an equal object of another type is taken", "entry",
        "same = b.op(f\"icmp eq ptr {b.load('ptr', x, 8)}, {b.load('ptr', wanted, 8)}\")", "same = \"true\"",
        "tests/backends/test_jit_entry.py", match="equal_setting"),
]
