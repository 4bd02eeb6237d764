"""What the command line prints.

What comes in: a `Result`. What goes out: tables for a terminal, plain text for a pipe, JSON for a program.
The one idea: small derivatives get a row for each number, large ones a row for each array, and the arrays
below.
"""

from __future__ import annotations

import io
import json
import math
import sys
from typing import Any, TextIO

import numpy as np

from wengert.cli.derive import Derivative, Result

__all__ = ["print_json", "print_result"]

MAX_ROWS = 40  # with a row for each number
HEADER = ("derivative", "value", "independent value", "difference", "±", "verdict")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(x: Any) -> str:
    """A number with all its digits."""
    return repr(x.item() if isinstance(x, (np.generic, np.ndarray)) else x).strip("()")


def _symbol(d: Derivative, index: tuple[int, ...] = ()) -> str:
    """``∂²f[2]/∂x[0]∂y``."""
    order, split = len(d.wrt), len(d.output_shape)
    out, inner = index[:split], index[split:]
    top = d.output + (f"[{', '.join(map(str, out))}]" if out else "")
    power = "" if order == 1 else str(order).translate(_SUPERSCRIPTS)
    if not inner:
        powers = {name: str(d.wrt.count(name)).translate(_SUPERSCRIPTS) for name in d.wrt}
        below = "".join(f"∂{name}" + ("" if power == "¹" else power) for name, power in powers.items())
        return f"∂{power}{top}/{below}"
    below, start = "", 0
    for name, count in zip(d.wrt, d.ranks, strict=True):
        part = inner[start:start + count]
        start += count
        below += f"∂{name}" + (f"[{', '.join(map(str, part))}]" if part else "")
    return f"∂{power}{top}/{below}"


def _rows(result: Result) -> tuple[list[tuple[str, ...]], list[Derivative]]:
    """The rows of the table, and the derivatives whose arrays are printed below it."""
    each = sum(d.value.size for d in result.derivatives) <= MAX_ROWS
    rows: list[tuple[str, ...]] = []
    arrays: list[Derivative] = []
    for d in result.derivatives:
        c = d.check
        if d.value.size == 1 or each:
            for index in np.ndindex(d.value.shape):
                value = d.value[index]
                other = "" if c.numbers is None else number(c.numbers[index])
                off = c.difference if c.numbers is None else abs(value - c.numbers[index])
                error = c.error if c.errors is None else c.errors[index]
                sizes = _small(float(off)), _small(float(error))
                verdict = "agrees" if c.verdict == "kink" and c.kinks is not None and not c.kinks[index] else c.verdict
                rows.append((_symbol(d, index), number(value), other, *sizes, verdict))
        else:
            shape = str(d.value.shape)
            rows.append((_symbol(d), f"array {shape}", "" if c.numbers is None else f"array {shape}",
                         _small(c.difference), _small(c.error), c.verdict))
            arrays.append(d)
    return rows, arrays


def _small(x: float) -> str:
    return "" if math.isnan(x) else f"{x:.1e}"


def _heading(result: Result) -> list[str]:
    target = result.target
    lines = [f"{target.source.name}({', '.join(target.source.names)})"
             + (f" = {target.source.text}" if target.source.is_formula else f"   from {target.source.text}")]
    for name, x in [*zip(target.source.names, target.args, strict=False), *target.kwargs.items()]:
        lines.append(f"  {name} = {_summary(x, f'  {name} = ')}")
    return lines


def _summary(x: Any, prefix: str = "") -> str:
    if isinstance(x, np.ndarray) and x.ndim:
        if x.size > 8:
            return f"{x.dtype} array of shape {x.shape}"
        return np.array2string(x, separator=", ", floatmode="unique", max_line_width=10_000, prefix=prefix)
    return number(x) if isinstance(x, (bool, int, float, complex, np.generic, np.ndarray)) else repr(x)[:60]


def _array(label: str, x: np.ndarray) -> str:
    shown = np.array2string(x, separator=", ", max_line_width=100, threshold=200, precision=15)
    return f"{label} =\n" + "\n".join("  " + line for line in shown.splitlines())


def _values(result: Result) -> list[str]:
    return [f"{label} = {number(x)}" if x.ndim == 0 else _array(label, x) for label, x in result.outputs]


def _methods(result: Result) -> str:
    orders: dict[int, str] = {}
    for d in result.derivatives:
        orders.setdefault(len(d.wrt), d.check.method)
    if len(set(orders.values())) == 1:
        return f"checked by: {next(iter(orders.values()))}"
    return "checked by: " + "; ".join(f"order {k}: {method}" for k, method in orders.items())


def _notes(result: Result) -> list[str]:
    notes = {f"{d.check.verdict}: {d.check.note}": None for d in result.derivatives if d.check.note}
    return list(notes)


def print_result(result: Result, file: TextIO) -> None:
    """Tables where `file` is a terminal, plain text elsewhere."""
    rows, arrays = _rows(result)
    before = [*_heading(result), "", *_values(result), ""]
    after = [_methods(result), *_notes(result)]
    for d in arrays:
        after += ["", _array(_symbol(d), d.value)]
    if file.isatty():
        _print_rich(before, rows, after, file)
        return
    widths = [max(len(row[k]) for row in [HEADER, *rows]) for k in range(len(HEADER))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in [HEADER, *rows]]
    _write("\n".join([*before, *table, "", *after]) + "\n", file)


def _print_rich(before: list[str], rows: list[tuple[str, ...]], after: list[str], file: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    console = Console(file=file, highlight=False)
    table = Table(box=box.SIMPLE_HEAD)
    for k, name in enumerate(HEADER):
        table.add_column(name, justify="right" if k in (3, 4) else "left", no_wrap=k == 0, overflow="fold")
    colors = {"agrees": "green", "DISAGREES": "bold red", "kink": "yellow", "undefined": "yellow", "no check": "yellow"}
    from rich.text import Text
    for row in rows:
        table.add_row(*[Text(cell) for cell in row[:-1]], Text(row[-1], style=colors[row[-1]]))
    console.print("\n".join(before), markup=False, end="")
    console.print(table)
    console.print("\n".join(after), markup=False)


def _write(text: str, file: TextIO) -> None:
    """Write text, in ASCII if the file takes no more."""
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        plain = {"∂": "d", "±": "+-", **{s: f"^{k}" for k, s in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}}
        text = "".join(plain.get(c, c) for c in text).encode("ascii", "backslashreplace").decode("ascii")
    file.write(text)


# ---------------------------------------------------------------- JSON

def _plain(x: Any) -> Any:
    """Numbers and arrays as JSON has them; complex ones as {"re", "im"}, NaN and infinities as strings."""
    if isinstance(x, np.ndarray):
        return _plain(x.tolist())
    if isinstance(x, np.generic):
        return _plain(x.item())
    if isinstance(x, dict):
        return {str(key): _plain(e) for key, e in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(e) for e in x]
    if isinstance(x, complex):
        return {"re": _plain(x.real), "im": _plain(x.imag)}
    if isinstance(x, float) and not math.isfinite(x):
        return {math.inf: "inf", -math.inf: "-inf"}.get(x, "nan")
    return x if isinstance(x, (bool, int, float, str)) or x is None else repr(x)


def print_json(result: Result, file: TextIO = sys.stdout) -> None:
    """One JSON object: what was derived, where, the value, the derivatives and their checks."""
    target = result.target
    at = dict(zip(target.source.names, target.args, strict=False)) | target.kwargs
    single = len(result.outputs) == 1 and result.outputs[0][0] == target.source.name
    value = result.outputs[0][1] if single else dict(result.outputs)
    document = {
        "function": target.source.text,
        "wrt": target.wrt,
        "at": {name: _plain(x) for name, x in at.items()},
        "value": _plain(value),
        "derivatives": [{
            "output": d.output, "wrt": list(d.wrt), "order": len(d.wrt), "shape": list(d.value.shape),
            "value": _plain(d.value),
            "check": {
                "method": d.check.method, "verdict": d.check.verdict, "note": d.check.note,
                "difference": _plain(d.check.difference), "error": _plain(d.check.error),
                "value": _plain(d.check.numbers),
            },
        } for d in result.derivatives],
        "ok": result.ok,
    }
    out = io.StringIO()
    json.dump(document, out, ensure_ascii=True, indent=1)
    file.write(out.getvalue() + "\n")
