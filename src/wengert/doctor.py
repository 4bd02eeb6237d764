"""What of a file differentiates, what stages, and what stands in the way; the file is read, never run.

What comes in: the text of a Python file. What goes out: a report for each of its functions. The one idea: a function is
as good as the functions that it calls, so findings travel from callee to caller until nothing changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wengert.errors import InputError
from wengert.frontends.diagnose import diagnose
from wengert.frontends.findings import DERIVATIVE, JIT, Finding, called, nested, passed, told
from wengert.frontends.names import File, Scope

__all__ = ["Report", "examine", "examine_file", "told"]


@dataclass
class Report:
    """What is known of one function.

    Parameters
    ----------
    name : str
        ``function``, ``Class.method``, ``outer.inner``, ``outer.<lambda>``.
    line : int
    findings : list of Finding
        In the order of their lines.

    Examples
    --------
    >>> (report,) = examine("def f(x):\\n    return x * x\\n")
    >>> report.name, report.verdict("derivative"), report.verdict("jit")
    ('f', 'yes', 'yes')
    """

    name: str
    line: int
    findings: list[Finding] = field(default_factory=list)

    def verdict(self, what: str) -> str:
        """ "yes", "perhaps" or "no", for "derivative" or "jit"."""
        about = [f for f in self.findings if what in f.blocks]
        return "no" if any(f.sure for f in about) else "perhaps" if about else "yes"


@dataclass
class _Known:
    """A function while the file is examined."""

    report: Report
    scope: Scope
    owner: str | None


def examine(source: str, name: str | None = None, neighbors: frozenset[str] = frozenset()) -> list[Report]:
    """Reports on the functions of a file, in the order of their lines.

    Parameters
    ----------
    source : str
        The text of the file.
    name : str, optional
        Only this function and those inside it, "f" or "Class.method".
    neighbors : frozenset of str
        Names of modules that lie beside the file; they are the user's own.

    Returns
    -------
    list of Report

    Examples
    --------
    >>> text = "import time\\ndef f(x):\\n    return x * time.time()\\n"
    >>> [(f.line, f.what, f.blocks) for f in examine(text)[0].findings]
    [(3, 'time.time()', ('jit',))]
    """
    tree = ast.parse(source)
    file = File(tree, neighbors)
    found = list(_functions(tree.body, file, None, "", None))
    for k in found:
        k.report.findings = diagnose(k.scope, k.owner)
    _travel(found)
    reports = sorted((k.report for k in found), key=lambda r: r.line)
    if name is not None:
        reports = [r for r in reports if r.name == name or r.name.startswith(f"{name}.")]
        if not reports:
            raise InputError(
                f"there is no function {name!r}: it has "
                f"{', '.join(k.report.name for k in found if '<' not in k.report.name) or 'none'}"
            )
    return reports


def examine_file(path: Path, name: str | None = None) -> list[Report]:
    """Reports on the functions of a file on disk; see `examine`.

    Examples
    --------
    >>> examine_file(Path("missing.py"))
    Traceback (most recent call last):
        ...
    wengert.errors.InputError: there is no file missing.py
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    beside = [p for p in path.resolve().parent.iterdir() if p.suffix == ".py" or p.is_dir()]
    try:
        return examine(path.read_text(encoding="utf-8"), name, frozenset(p.stem for p in beside))
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno or 1}: {type(error).__name__}: {error.msg}") from None
    except (UnicodeDecodeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: it is no text in UTF-8 ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


# ---------------------------------------------------------------- the functions of a file


def _functions(nodes: Any, file: File, outer: Scope | None, prefix: str, owner: str | None) -> Iterator[_Known]:
    """Every function below these nodes, with its qualified name and the class around it."""
    for n in nodes:
        if isinstance(n, ast.ClassDef):
            yield from _functions(n.body, file, outer, f"{prefix}{n.name}.", n.name)
        elif isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            name = f"{prefix}{file.lambdas.get(n) or getattr(n, 'name', '<lambda>')}"
            static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in getattr(n, "decorator_list", []))
            method = owner is not None and not isinstance(n, ast.Lambda) and prefix.endswith(f"{owner}.") and not static
            scope = Scope(n, file, outer, method)
            yield _Known(Report(name, n.lineno), scope, owner)
            yield from _functions(nested(scope), file, scope, f"{name}.", owner)
        else:
            yield from _functions(ast.iter_child_nodes(n), file, outer, prefix, owner)


# ---------------------------------------------------------------- from callee to caller


def _callee(caller: _Known, name: str, functions: dict[str, _Known]) -> _Known | None:
    """The function of the file that a call by this name reaches."""
    if name.startswith("self."):
        prefix = caller.report.name.rpartition(".")[0]
        return functions.get(f"{prefix}.{name[5:]}")
    parts = caller.report.name.split(".")
    for k in range(len(parts), -1, -1):
        found = functions.get(".".join([*parts[:k], name]))
        if found is not None:
            return found
    return functions.get(f"{name}.__init__")


def _concerning(caller: _Known, n: ast.Call, callee: _Known, given: bool) -> list[tuple[Finding, str]]:
    """The findings of a callee that concern its caller, each with the caller's own argument that it is about, or ""."""
    arguments = passed(n, callee.scope, caller.scope)
    inside = callee.report.name.startswith(f"{caller.report.name}.")
    out = []
    for f in callee.report.findings:
        about = arguments.get(f.argument, "") if f.argument else ""
        if f.own or (f.argument and not about) or not (f.always or given):
            continue
        if f.outside and inside:  # the function around it is staged with it, and so are its variables
            continue
        out.append((f, about))
    return out


def _travel(found: list[_Known]) -> None:
    """Findings go from callee to caller: what blocks a function blocks those that call it."""
    functions = {k.report.name: k for k in found}
    calls = [
        (k, n, c, given)
        for k in found
        for n, name, given in called(k.scope)
        if (c := _callee(k, name, functions)) is not None and c is not k
    ]
    changed = True
    while changed:
        changed = False
        for caller, n, callee, given in calls:
            for sure in (True, False):
                concerning = [(f, a) for f, a in _concerning(caller, n, callee, given) if f.sure is sure]
                if concerning:
                    changed |= _noted(caller.report, n, callee.report.name, concerning)


def _noted(report: Report, n: ast.Call, name: str, concerning: list[tuple[Finding, str]]) -> bool:
    """Add to a caller what blocks its callee; False if it is known already."""
    first, argument = concerning[0]
    known = {
        b
        for f in report.findings
        if (f.line, f.column, f.what) == (n.lineno, n.col_offset, f"{name}()") and f.sure >= first.sure
        for b in f.blocks
    }
    blocks = tuple(b for b in (DERIVATIVE, JIT) if any(b in f.blocks for f, _ in concerning) and b not in known)
    if not blocks:
        return False
    note = Finding(
        n.lineno,
        n.col_offset,
        f"{name}()",
        f"it is blocked at line {first.line}: {first.what}",
        f"see line {first.line}",
        blocks,
        first.sure,
        any(f.always for f, _ in concerning),
        argument if all(a for _, a in concerning) else "",
        outside=all(f.outside for f, _ in concerning),
    )
    report.findings = sorted([*report.findings, note], key=lambda f: (f.line, f.column))
    return True
