"""The layering of the package, enforced: who may import whom, and how long a file or a function may grow.

Every import in src/wengert is read from the syntax tree (inside functions too, relative ones resolved, and
`import_module` with a constant name) and held against the table of the design. A violation is reported as
file:line with the rule that it breaks. The checker itself is tested on small synthetic packages, so a checker
that sees nothing cannot pass.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src" / "wengert"
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60

CORE = ("graph", "primitives")
TRANSFORMS_FOR_BACKENDS = ("transforms.simplify", "transforms.ownership")
BELOW_API = (*CORE, "settings", "transforms", "frontends", "views", "numeric", "backends")
# The api layer, from its lowest file to its highest: each imports everything below, and those before it.
API_MODULES = ("progress", "flatten", "tree", "finite", "muted", "systems", "run", "mapping", "solutions",
               "scipy_solvers", "curve_fitting", "linear_systems", "custom", "sparse", "modes", "schedules", "budget",
               "api", "second_order", "series", "check", "forms", "staging", "planning", "compilation", "adjoints",
               "sources", "expressions", "with_sympy", "formulas", "symbolic", "lines", "recording", "explanation",
               "checkpointing", "structured", "random", "doctor", "rounding_model", "rounding", "profiling", "origins",
               "nonfinite", "linting", "comparison", "certifying")
# What users of the api see; "" is `import wengert` itself.
API = ("", "settings", "progress", "flatten", "tree", "api", "second_order", "custom", "check", "staging", "structured",
       "random")
APPLICATIONS = ("linalg", "implicit", "ode", "stochastic", "optim", "scipy", "nn", "interop", "learning",
                "distributed")

# What each package may import of wengert, besides itself and `errors`.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "units": (),
    "settings": (),
    "graph": (),
    "primitives": ("graph",),
    "transforms": CORE,
    "frontends": CORE,
    "views": CORE,
    "numeric": (),
    "backends": (*CORE, "settings", *TRANSFORMS_FOR_BACKENDS),
    **{module: (*BELOW_API, *API_MODULES[:k]) for k, module in enumerate(API_MODULES)},
    **dict.fromkeys(APPLICATIONS, API),
    "scipy": (*API, "sparse"),  # Lagrangians
    "implicit": (*API, "solutions", "scipy_solvers", "linear_systems"),  # what SciPy's own names do lies below the API
    "ode": (*API, "frontends"),  # where SciPy's functions are known by name
    "interop": (*API, *CORE, "frontends", "run"),  # graphs as functions of other systems, and those as equations
    "nn": (*API, "frontends"),  # sums of exponentials, what is only known when the graph runs, and the user's line
    "learning": (*API, "optim", "nonfinite"),  # an optimizer's update is a part of the loop
    "cli": (*API, "doctor", "linting", "comparison", "certifying", "views", "page", "backends.compiled.store"),
    "page": (*API, "formulas", "doctor", "views"),
    "": (*BELOW_API, *API_MODULES, *APPLICATIONS),
    "__main__": ("cli",),
}

# Packages of others that a layer may import; a layer that is not named here may import any.
MAY_IMPORT_OUTSIDE: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "units": frozenset(),
    "graph": frozenset({"numpy"}),
    "numeric": frozenset({"numpy", "matplotlib"}),  # the latter to draw, and loaded then
}

# What `import wengert` must not load: each is imported by the function that first needs it.
LOADED_LATER = ("scipy", "llvmlite", "rich", "matplotlib", "argparse")


@dataclass(frozen=True)
class Import:
    """One imported module, by its full dotted name, and the line that imports it."""

    target: str
    line: int


def module_name(path: Path, root: Path) -> str:
    """The dotted name of a file below `root`, the folder of the package, without the package's own name."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str, root: Path) -> bool:
    path = root.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import of a file. `from wengert.a import b` is `wengert.a.b` where that is a module."""
    package = ["wengert", *module_name(path, root).split(".")]
    package = [part for part in package if part]
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve(node.module or "", node.level, package)
            for alias in node.names:
                name = f"{source}.{alias.name}"
                inside = name.removeprefix("wengert.")
                submodule = name.startswith("wengert.") and is_module(inside, root)
                yield Import(name if submodule else source, node.lineno)
        elif isinstance(node, ast.Call) and node.args:
            yield from dynamic_import(node, package)


def resolve(name: str, level: int, package: list[str]) -> str:
    """The full name of a module that is imported with `level` leading dots within `package`."""
    base = package[: len(package) - level + 1] if level else []
    return ".".join([*base, name] if name else base)


def dynamic_import(call: ast.Call, package: list[str]) -> Iterator[Import]:
    """`import_module("name")`, `import_module(".name", __package__)` and `__import__("name")`."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0]
    if function in ("import_module", "__import__") and isinstance(first, ast.Constant):
        name = str(first.value)
        bare = name.lstrip(".")
        yield Import(resolve(bare, len(name) - len(bare), package), call.lineno)


def within(module: str, package: str) -> bool:
    """Whether `module` is `package` or lies inside it; the root "" holds only itself."""
    return module == package or (package != "" and module.startswith(package + "."))


def rule_broken(module: str, target: str) -> str | None:
    """The rule that the import of `target` (a full dotted name) breaks in `module`, or None."""
    layer = module.split(".")[0]
    outer = target.split(".")[0]
    if outer != "wengert":
        allowed = MAY_IMPORT_OUTSIDE.get(layer)
        if allowed is None or outer in allowed or outer in sys.stdlib_module_names:
            return None
        return f"{layer} may import only {', '.join(['the standard library', *sorted(allowed)])}"
    inside = target.removeprefix("wengert").removeprefix(".")
    mine = (layer,) if layer else ()
    if any(within(inside, package) for package in (*MAY_IMPORT[layer], *mine, "errors", "units")):
        return None
    names = ", ".join(name or "wengert" for name in (*MAY_IMPORT[layer], *mine, "errors", "units"))
    return f"{layer or 'wengert'} may import, of wengert, only {names}"


def violations(root: Path) -> list[str]:
    """One line for each import below `root` that the table forbids."""
    found = []
    for path in sorted(root.rglob("*.py")):
        module = module_name(path, root)
        if (layer := module.split(".")[0]) not in MAY_IMPORT:
            found.append(f"{path}:1: {layer} is in no row of the table of imports; give it one")
            continue
        for imported in imports_of(path, root):
            if rule := rule_broken(module, imported.target):
                what = f"{module or 'wengert'} imports {imported.target}"
                found.append(f"{path}:{imported.line}: {what}: {rule}")
    return list(dict.fromkeys(found))


def overlong(root: Path) -> list[str]:
    """One line for each file and each function below `root` that is too long."""
    found = []
    for path in sorted(root.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        lines = len(source.splitlines())
        if lines > MAX_FILE_LINES:
            found.append(f"{path}:1: {lines} lines in a file, over the limit of {MAX_FILE_LINES}")
        for node in ast.walk(ast.parse(source, str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    what = f"{lines} lines in {node.name}, over the limit of {MAX_FUNCTION_LINES}"
                    found.append(f"{path}:{node.lineno}: {what}")
    return found


def test_imports_follow_the_table() -> None:
    assert not (found := violations(SRC)), "\n" + "\n".join(found)


def test_files_and_functions_stay_short() -> None:
    assert not (found := overlong(SRC)), "\n" + "\n".join(found)


def test_import_is_light() -> None:
    """`import wengert` loads NumPy and optree, and nothing dear that a later call may never need."""
    names = ", ".join(repr(name) for name in LOADED_LATER)
    program = f"import sys, wengert; print(*sorted({{{names}}} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(SRC.parent)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# ---------------------------------------------------------------- the checker, checked on synthetic packages


def package_of(folder: Path, files: dict[str, str]) -> Path:
    """Write a synthetic package of the given files below `folder`, and return its root."""
    root = folder / "wengert"
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


FORBIDDEN = {
    "absolute": ("graph/a.py", "import wengert.primitives.reduce"),
    "from package": ("transforms/a.py", "from wengert import frontends"),
    "from module": ("frontends/a.py", "from wengert.transforms.jvp import jvp"),
    "relative": ("views/a.py", "from ..transforms import jvp"),
    "relative, package": ("views/a.py", "from .. import transforms"),
    "relative, deeper": ("backends/compiled/a.py", "from ...views.latex import latex"),
    "from an __init__": ("primitives/__init__.py", "from ..transforms.jvp import jvp"),
    "inside a function": ("primitives/a.py", "def f():\n    from wengert.api import grad\n    return grad"),
    "typing only": ("graph/a.py", "if TYPE_CHECKING:\n    from .. import api"),
    "by string": ("primitives/a.py", "import importlib\nimportlib.import_module('wengert.api')"),
    "by relative string": ("graph/a.py", "import importlib\nimportlib.import_module('..x', __package__)"),
    "the root, from below": ("transforms/a.py", "import wengert as wg"),
    "a transform too many": ("backends/interpret.py", "from wengert.transforms.jvp import jvp"),
    "the transforms package": ("backends/interpret.py", "import wengert.transforms"),
    "views from an application": ("ode/a.py", "from wengert.views import latex"),
    "one application from another": ("nn/a.py", "from wengert.optim import adam"),
    "graph from the command line": ("cli.py", "from wengert.graph import Graph"),
    "scipy in graph": ("graph/a.py", "import scipy.special"),
    "numpy in errors": ("errors.py", "import numpy as np"),
    "graph in numeric": ("numeric/a.py", "from wengert.graph import Graph"),
    "the api's parts from an application": ("ode/a.py", "from wengert.run import Run"),
    "the root, from the api": ("run.py", "import wengert as wg"),
    "upward within the api": ("run.py", "from .api import grad"),
    "an application, from the api": ("formulas.py", "from wengert.nn import Dense"),
    "an unknown package": ("gadgets/a.py", "import os"),
}

ALLOWED = {
    "numpy in graph": ("graph/a.py", "import numpy as np\nfrom . import types\nfrom ..errors import E"),
    "own folder": ("frontends/a.py", "from .trace import Tracer\nfrom ..primitives.reduce import sum_p"),
    "one transform": ("backends/a.py", "from wengert.transforms import simplify"),
    "another": ("backends/a.py", "import wengert.transforms.ownership"),
    "everything, for the api": ("api.py", "from . import numeric\nfrom .transforms.jvp import jvp"),
    "the root, for an application": ("optim/a.py", "import wengert as wg\nfrom wengert import grad"),
    "check": ("check.py", "from .api import jvp\nfrom .numeric import differences\nfrom .run import Run"),
    "one module of the api from another": ("check.py", "from .flatten import flatten\nfrom .api import jvp"),
    "the root": ("__init__.py", "from .api import grad\nfrom .check import f\nfrom . import numeric"),
    "views, for the command line": ("cli.py", "import rich\nfrom wengert.views.text import text"),
    "scipy in primitives": ("primitives/special.py", "from scipy import special"),
}

MODULES = ("transforms/simplify.py", "transforms/jvp.py", "views/latex.py", "numeric/a.py")
TARGETS = dict.fromkeys(MODULES, "")  # so that `from wengert.transforms import simplify` names a module


@pytest.mark.parametrize("case", FORBIDDEN)
def test_checker_finds(case: str, tmp_path: Path) -> None:
    name, source = FORBIDDEN[case]
    root = package_of(tmp_path, {**TARGETS, name: source})
    lines = source.splitlines()
    offending = max(number for number, text in enumerate(lines, 1) if "import" in text)
    found = violations(root)
    assert len(found) == 1
    assert found[0].startswith(f"{root / name}:{offending}: ")


@pytest.mark.parametrize("case", ALLOWED)
def test_checker_accepts(case: str, tmp_path: Path) -> None:
    name, source = ALLOWED[case]
    assert violations(package_of(tmp_path, {**TARGETS, name: source})) == []


def test_checker_finds_long_files_and_functions(tmp_path: Path) -> None:
    body = "\n".join(["    x = 1"] * MAX_FUNCTION_LINES)
    root = package_of(
        tmp_path,
        {
            "function.py": f"class C:\n    pass\n\ndef f():\n{body}\n",
            "fits.py": f"def f():\n{body[10:]}\n" + "\n" * (MAX_FILE_LINES - MAX_FUNCTION_LINES),
            "file.py": "\n" * (MAX_FILE_LINES + 1),
        },
    )
    found = overlong(root)
    assert [line.split(": ")[0] for line in found] == [f"{root / 'file.py'}:1", f"{root / 'function.py'}:4"]
