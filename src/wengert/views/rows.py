"""The table behind `views/notation.py`: one row for each primitive that is not written as a plain call.

What comes in: an `Operation`. What goes out: its `Term`. The one idea: rows are short functions, most of them made by `infix`,
`plain` and `axis_call`; whatever stands for a ufunc of NumPy or SciPy needs no row, and the rest is a call by the
primitive's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import Const, Graph, Primitive
from wengert.views.notation import (
    AND,
    ATOM,
    COMPARISON,
    LOOSE,
    OR,
    POWER,
    PRODUCT,
    SHIFT,
    SUM,
    UNARY,
    XOR,
    Operation,
    Term,
    constant,
    dtype_text,
)

__all__ = ["STATEMENTS", "has_numpy", "row_of"]

Row = Callable[[Operation], Term]
STATEMENTS = frozenset(  # what Python writes as statements, or not at all
    "index_add index_set cond while_loop scan call custom_jvp custom_vjp custom_vjp_linear empty_stack stack_add effect "
    "python_call".split())


def row_of(primitive: Primitive) -> Row:
    """The row of a primitive: its own, that of its ufunc, or a call by its name."""
    return _ROWS.get(primitive.name) or (_ufunc if primitive.ufunc is not None else _by_name)


def has_numpy(operation: Operation) -> bool:
    """Whether the operation is an expression of NumPy and SciPy, not a call by the primitive's name."""
    row = row_of(operation.equation.primitive)
    return row is not _by_name and not row(operation).text.startswith(f"{operation.name}(")


# ---------------------------------------------------------------- kinds of rows

def _ufunc(o: Operation) -> Term:
    ufunc = o.equation.primitive.ufunc
    found = f"special.{ufunc}" if isinstance(ufunc, str) else f"np.{ufunc.__name__}"
    if o.style == "text":  # as formulas are written, which read it back
        found = {"expit": "sigmoid"}.get(o.name, found)
    return o.call(found, *[x.text for x in o.operands], latex=_LATEX.get(o.name, ""))


def _by_name(o: Operation) -> Term:
    named = [f"{k}={_param(o.params[k])}" for k in sorted(o.params) if o.style == "numpy" or not _has_graph(o.params[k])]
    return o.call(o.name, *[x.text for x in o.operands], *named, latex=_LATEX.get(o.name, ""))


def _has_graph(value: Any) -> bool:
    return isinstance(value, Graph) or (isinstance(value, tuple) and any(map(_has_graph, value)))


def _param(value: Any) -> str:
    if isinstance(value, np.dtype):
        return dtype_text(value)
    return constant(value, "numpy").text if isinstance(value, np.generic) else repr(value)


def infix(sign: str, strength: int, latex: str = "", numpy: str = "") -> Row:
    """``a sign b``, grouped from the left; comparisons are not grouped, for Python takes ``a < b == c`` as a chain."""
    def row(o: Operation) -> Term:
        left, right = o.at(0, strength + (strength == COMPARISON)), o.at(1, strength + 1)
        if o.style == "numpy" and all(isinstance(a, Const) for a in o.equation.operands):
            left = o.array(0)  # Python's own numbers would raise where NumPy's do not
        if sign == "+" and _minus(o.operands[1]):
            return Term(f"{left} - {right[1:]}", strength)
        return Term(f"{left} {latex or sign if o.latex else sign} {right}", strength)
    return row


def plain(function: str, latex: str = "") -> Row:
    """``function(operands)``."""
    return lambda o: o.call(function, *[x.text for x in o.operands], latex=latex)


def keywords(function: str, latex: str = "", **names: str) -> Row:
    """``function(operands, name=value)``, with the parameters under the function's own names of them; None is left out."""
    def row(o: Operation) -> Term:
        shown = [f"{name}={_param(o.params[key])}" for key, name in names.items() if o.params.get(key) is not None]
        return o.call(function, *[x.text for x in o.operands], *shown, latex=latex)
    return row


def axis_call(function: str, latex: str = "", wide: bool = False) -> Row:
    """A reduction: ``function(x, axis=0)``; `wide`: NumPy would compute it in a larger dtype."""
    def row(o: Operation) -> Term:
        axes, x = o.params["axes"], o.types[0]
        more = []
        if len(axes) != x.ndim or not axes:
            more.append(f"axis={axes[0] if len(axes) == 1 else axes}")
        if x.ndim == 0:
            more = []
        if wide and x.dtype.kind in "biu" and x.dtype not in (np.int64, np.uint64):
            more.append(f"dtype={dtype_text(x.dtype)}")
        if o.latex and latex:
            below = "_{" + ",".join(map(str, axes)) + "}" if len(axes) != x.ndim else ""
            return Term(rf"{latex}{below}\left({o.at(0)}\right)")
        return o.call(function, o.at(0), *(more if o.style == "numpy" else more[:1]))
    return row


# ---------------------------------------------------------------- arithmetic

def _multiply(o: Operation) -> Term:
    if not o.latex:
        return _TIMES(o)
    left, right = o.at(0, PRODUCT), o.at(1, PRODUCT)
    digits = right[:1].isdigit() or right.startswith("-")
    return Term(rf"{left} \cdot {right}" if digits else rf"{left} \, {right}", PRODUCT)


def _divide(o: Operation) -> Term:
    if o.latex:
        return Term(rf"\frac{{{o.at(0)}}}{{{o.at(1)}}}", UNARY)
    return _OVER(o)


def _power(o: Operation, exponent: Term | None = None) -> Term:
    by = o.operands[1] if exponent is None else exponent
    if o.latex:
        return Term(rf"{{{o.at(0, ATOM)}}}^{{{by.text}}}", POWER)
    last = o.equation.operands[-1]
    if isinstance(last, Const) and o.style == "numpy" and last.type.dtype.kind == "f" and abs(last.value) < 100 and (
            float(last.value).is_integer() and not last.type.shape):
        by = constant(np.int64(last.value))
    base = o.array(0) if all(isinstance(a, Const) for a in o.equation.operands) else o.at(0, ATOM)
    return Term(f"{base}**{by.at(UNARY, o.style)}", POWER)


def _negative(o: Operation) -> Term:
    inner = o.operands[0]
    if inner.strength == PRODUCT and not _whole_quotient(inner.text):  # the sign of a product is that of its first factor
        return Term(f"-{inner.text}" if inner.text[:1] != "-" else f"-({inner.text})", PRODUCT)
    return Term(f"-{o.at(0, UNARY)}", UNARY)


def _whole_quotient(text: str) -> bool:
    return any(sign in text for sign in (" // ", " % ", r"\div", r"\mathrm{mod}"))


def _minus(term: Term) -> bool:
    """Whether adding a term is subtracting what stands behind its sign."""
    return term.strength in (PRODUCT, UNARY) and term.text.startswith("-") and not _whole_quotient(term.text)


def _power_log(o: Operation) -> Term:
    if o.style == "numpy":
        return _by_name(o)
    k = o.params["k"]
    log = rf"\log\left({o.at(0)}\right)" if o.latex else f"log({o.at(0)})"
    log = log if k == 1 else rf"{log}^{{{k}}}" if o.latex else f"{log}**{k}"
    return Term(f"{_power(o).text} {'' if o.latex else '* '}{log}", PRODUCT)


def _formula(text: str, latex: str, numpy: str, strengths: tuple[int, int]) -> Row:
    """A formula in one operand, which stands for X; how tightly it holds as text, and as NumPy."""
    def row(o: Operation) -> Term:
        chosen = {"text": text, "latex": latex, "numpy": numpy}[o.style]
        return Term(chosen.replace("X", o.at(0, ATOM)), strengths[o.style == "numpy"])
    return row


def _select(o: Operation) -> Term:
    return o.call("np.where", *[x.text for x in o.operands], latex=r"\mathrm{where}")


def _logical(function: str, sign: str, strength: int, latex: str) -> Row:
    operator = infix(sign, strength, latex)

    def row(o: Operation) -> Term:
        if o.latex or all(t.dtype.kind == "b" for t in o.types):
            return operator(o)
        return _ufunc(o)
    return row


def _not(o: Operation) -> Term:
    if o.latex or o.types[0].dtype.kind == "b":
        return Term((r"\neg " if o.latex else "~") + (o.at(0, UNARY) if o.latex else o.array(0)), UNARY)
    return _ufunc(o)


def _around(before: str, after: str, function: str) -> Row:
    """In LaTeX between two signs; else a call."""
    def row(o: Operation) -> Term:
        return Term(f"{before}{o.at(0)}{after}") if o.latex else o.call(function, o.at(0))
    return row


# ---------------------------------------------------------------- structure

def _convert(o: Operation) -> Term:
    dtype, x = o.params["dtype"], o.types[0]
    if o.latex:
        return o.operands[0]
    a = o.equation.operands[0]
    if isinstance(a, Const) and o.style == "numpy":
        from_real = np.real(a.value) if x.dtype.kind == "c" and dtype.kind != "c" else a.value
        return constant(Const(from_real.astype(dtype)), "numpy", named=not x.shape)
    if o.style == "text":
        return o.call(dtype.name, o.at(0))
    real = f"np.real({o.at(0)})" if x.dtype.kind == "c" and dtype.kind != "c" else ""
    if not x.shape and dtype.kind in "fc":
        return o.call(dtype_text(dtype), real or o.at(0))
    if not x.shape:
        return Term(f"np.asarray({real or o.at(0)}).astype({dtype_text(dtype)})")
    return Term(f"{real or o.at(0, ATOM)}.astype({dtype_text(dtype)})")


def _broadcast(o: Operation) -> Term:
    shape, a = o.params["shape"], o.equation.operands[0]
    shown = f"{shape[0]}" if len(shape) == 1 else f"{shape}"
    if o.latex:
        return o.operands[0]
    if isinstance(a, Const) and not a.type.shape:
        like = "" if a.type.dtype == np.float64 else f", {dtype_text(a.type.dtype)}"
        if a.value == 0 and not np.signbit(a.value.real) and a.type.dtype.kind in "fiu":
            return o.call("np.zeros", shown + like * (o.style == "numpy"))
        return o.call("np.full", shown, o.at(0) + like * (o.style == "numpy" and a.type.dtype.kind not in "b"))
    return o.call("np.broadcast_to", o.at(0), shown)


def _reshape(o: Operation) -> Term:
    shape, old = o.params["shape"], o.types[0].shape
    if o.latex:
        return o.operands[0]
    if len(shape) > len(old) > 0 and 1 not in old and tuple(n for n in shape if n != 1) == old:
        return Term(f"{o.array(0)}[{', '.join(['None' if n == 1 else ':' for n in shape])}]")
    if not shape:
        return Term(f"{o.array(0)}[{', '.join(['0'] * len(old))}]") if old else o.operands[0]
    shown = f"{shape[0]}" if len(shape) == 1 else f"{shape}"
    return o.call("np.reshape", o.at(0), shown)


def _transpose(o: Operation) -> Term:
    axes = o.params["axes"]
    if axes == (1, 0):
        return Term(rf"{{{o.at(0, ATOM)}}}^{{\top}}", POWER) if o.latex else Term(f"{o.at(0, ATOM)}.T")
    return o.call("np.transpose", o.at(0), str(axes))


def _concatenate(o: Operation) -> Term:
    axis = o.params["axis"]
    parts = "[" + ", ".join([x.text for x in o.operands]) + "]"
    return o.call("np.concatenate", parts, *([f"axis={axis}"] if axis else []))


def _pad(o: Operation) -> Term:
    return o.call("np.pad", o.at(0), str(o.params["widths"])) if o.params["widths"] else o.operands[0]


def _flip(o: Operation) -> Term:
    axes = o.params["axes"]
    if o.types[0].ndim == 1 and axes == (0,):
        return Term(f"{o.at(0, ATOM)}[::-1]")
    return o.call("np.flip", o.at(0), f"axis={axes[0] if len(axes) == 1 else axes}")


def key_text(spec: Any, arrays: list[str]) -> str:
    """The text between the brackets of an index."""
    rest, out = iter(arrays), []
    for entry in spec:
        if entry[0] == "s":
            start, stop, step = ["" if k is None else str(k) for k in entry[1:]]
            out.append(f"{start}:{stop}" + (f":{step}" if step and step != "1" else ""))
        else:
            out.append(str(entry[1]) if entry[0] == "i" else "None" if entry[0] == "n" else next(rest))
    return ", ".join(out) if out else "..."


def _index(o: Operation) -> Term:
    key = key_text(o.params["spec"], [x.text for x in o.operands[1:]])
    spec = o.params["spec"]
    if o.latex and spec and all(entry[0] == "i" for entry in spec):
        return Term(rf"{{{o.at(0, ATOM)}}}_{{{key}}}", POWER)
    return Term(f"{o.array(0)}[{key}]")


def _written(sign: str) -> Row:
    def row(o: Operation) -> Term:
        key = key_text(o.params["spec"], [x.text for x in o.operands[2:]])
        word = r"\ \mathrm{with}\ " if o.latex else " with "
        return Term(f"{o.at(0, UNARY)}{word}[{key}] {sign} {o.at(1, COMPARISON)}", LOOSE)
    return row


def _contract(o: Operation) -> Term:
    (a, _, b), out = o.params["spec"].partition("->")[0].partition(","), o.params["spec"].partition("->")[2]
    turned = r"^{\top}" if o.latex else ".T"
    sign = r" \, " if o.latex else " @ "

    def side(k: int, flipped: bool) -> str:
        strength = PRODUCT + (k == 1)
        if not flipped:
            return o.at(k, strength)
        return (f"{{{o.at(k, ATOM)}}}" if o.latex else o.at(k, ATOM)) + turned
    summed = [c for c in a if c in b and c not in out]
    shared = [c for c in a if c in b and c in out]
    if len(summed) == 1 and not shared and len(a) <= 2 and len(b) <= 2:
        c = summed[0]
        if out == a.replace(c, "") + b.replace(c, ""):
            return Term(f"{side(0, len(a) == 2 and a[0] == c)}{sign}{side(1, len(b) == 2 and b[1] == c)}", PRODUCT)
        left = side(1, b[0] == c)
        swapped = Operation(o.equation, (o.operands[1], o.operands[0]), o.style)
        left = (f"{{{o.at(1, ATOM)}}}" if o.latex else o.at(1, ATOM)) + turned if b[0] == c else o.at(1, PRODUCT)
        right = (f"{{{o.at(0, ATOM)}}}" if o.latex else o.at(0, ATOM)) + turned if a[1] == c else swapped.at(1, UNARY)
        return Term(f"{left}{sign}{right}", PRODUCT)
    if not summed and not shared and len(a) == len(b) == 1 and out == a + b:
        return o.call("np.outer", o.at(0), o.at(1))
    if a == b == out or (not a and b == out) or (not b and a == out):
        return _multiply(o)
    if len(a) == len(b) and len(a) > 2 and a[:-2] == b[:-2] == out[:-2] and summed == [a[-1]] == [b[-2]] and (
            out[-2:] == a[-2] + b[-1]):
        return Term(f"{side(0, False)}{sign}{side(1, False)}", PRODUCT)
    return o.call("np.einsum", repr(o.params["spec"]) if not o.latex else rf"\mathrm{{{a},{b}}}\to\mathrm{{{out}}}",
                  o.at(0), o.at(1))


# ---------------------------------------------------------------- functions with parameters

def _numbered(function: str, param: str, behind: bool = False, latex: str = "") -> Row:
    """``function(n, x)``, with a parameter as the first (or last) argument."""
    def row(o: Operation) -> Term:
        terms = [x.text for x in o.operands]
        n = str(o.params[param])
        return o.call(function, *([*terms, n] if behind else [n, *terms]), latex=latex)
    return row


def _derivative(of: str) -> Row:
    """The n-th derivative of a function, which NumPy does not have."""
    def row(o: Operation) -> Term:
        n = o.params.get("n", o.params.get("order"))
        if o.latex:
            return o.call(o.name, *[x.text for x in o.operands], latex=rf"\mathrm{{{of}}}^{{({n})}}")
        return _by_name(o)
    return row


def _bessel(letter: str) -> Row:
    """``J_ν(x)``."""
    def row(o: Operation) -> Term:
        return Term(rf"\mathrm{{{letter}}}_{{{o.at(0)}}}\left({o.at(1)}\right)") if o.latex else _ufunc(o)
    return row


def _hypot(o: Operation) -> Term:
    squares = [rf"{{{o.at(k, ATOM)}}}^{{2}}" for k in (0, 1)]
    return Term(rf"\sqrt{{{' + '.join(squares)}}}") if o.latex else _ufunc(o)


def _lambertw(o: Operation) -> Term:
    made = o.call("special.lambertw", o.at(0), *([str(o.params["k"])] if o.params["k"] else []), latex="W")
    return made if o.style != "numpy" or o.types[0].dtype.kind == "c" else o.call("np.real", made.text)


def _polygamma(o: Operation) -> Term:
    if o.style == "numpy" and o.types[0].dtype.kind == "c":
        return _by_name(o)
    if o.params["n"] == 0:
        return o.call("special.psi", o.at(0), latex=r"\psi")
    return o.call("special.polygamma", str(o.params["n"]), o.at(0), latex=rf"\psi^{{({o.params['n']})}}")


def _cumsum(o: Operation) -> Term:
    x, axis = o.types[0], o.params["axis"]
    if o.style == "numpy" and x.dtype.kind in "biu" and x.dtype not in (np.int64, np.uint64):
        return _by_name(o)
    along = [f"axis={axis}"] if x.ndim > 1 else []
    if not o.params.get("reverse"):
        return o.call("np." + o.name, o.at(0), *along)
    if x.ndim == 1:
        return Term(f"{o.call('np.' + o.name, f'{o.at(0, ATOM)}[::-1]').text}[::-1]")
    return o.call("np.flip", o.call("np." + o.name, o.call("np.flip", o.at(0), *along).text, *along).text, *along)


def _accumulate(function: str) -> Row:
    return lambda o: o.call(f"np.{function}.accumulate", o.at(0), f"axis={o.params['axis']}")


def _permute(o: Operation) -> Term:
    if o.params["inverse"]:
        return _by_name(o)
    return o.call("np.take_along_axis", o.at(0), o.at(1), f"axis={o.params['axis']}")


def _fft(o: Operation) -> Term:
    name = ("i" if o.params.get("inverse") else "") + o.name
    more = [f"n={o.params['n']}"] if "n" in o.params else []
    if o.types[0].ndim > 1:
        more.append(f"axis={o.params['axis']}")
    if o.params["norm"] != "backward":
        more.append(f"norm={o.params['norm']!r}")
    return o.call(f"{'fft' if o.params.get('by') == 'scipy' else 'np.fft'}.{name}", o.at(0), *more)


def _correlate(o: Operation) -> Term:
    if o.types[0].ndim != 1:
        return _by_name(o)
    second = o.at(1) if o.types[1].dtype.kind != "c" else o.call("np.conj", o.at(1)).text
    return o.call("np.correlate", o.at(0), second, repr(o.params["mode"]))


def _clip(low: bool, high: bool) -> Row:
    def row(o: Operation) -> Term:
        rest = [x.text for x in o.operands[1:]]
        return o.call("np.clip", o.at(0), rest[0] if low else "None", rest[-1] if high else "None")
    return row


def _softmax(o: Operation) -> Term:
    axes, ndim = o.params["axes"], o.types[0].ndim
    if (not axes and ndim) or o.params.get("signed"):
        return _by_name(o)
    more = [] if len(axes) == ndim else [f"axis={axes[0] if len(axes) == 1 else axes}"]
    weights = [f"b={o.at(1)}"] if len(o.operands) > 1 else []
    return o.call(f"special.{o.name}", o.at(0), *more, *weights)


def _inv(o: Operation) -> Term:
    if o.latex:
        return Term(rf"{{{o.at(0, ATOM)}}}^{{-1}}", POWER)
    return o.call("np.linalg.inv", o.at(0)) if not o.params.get("use") or o.style == "text" else _by_name(o)


def _solve(o: Operation) -> Term:
    """The factors are left to NumPy, which computes them again."""
    trans, a, b = o.params["trans"], o.at(0, ATOM), o.at(3)
    trans = "T" if trans == "C" and o.types[0].dtype.kind != "c" else trans
    if o.latex:
        return Term(rf"{{{a}}}^{{{_INVERSE[trans]}}} {o.at(3, PRODUCT)}", PRODUCT)
    if o.style == "numpy" and len({t.shape[:-2] for t in (o.types[0], o.types[3])}) > 1:
        return _by_name(o)
    if trans != "N" and o.types[0].ndim != 2:
        a = f"np.swapaxes({o.at(0)}, -1, -2)" if o.style == "numpy" else f"{a}.mT"
    elif trans != "N":
        a = f"{a}.T"
    return o.call("np.linalg.solve", f"{a}.conj()" if trans == "C" else a if trans != "N" else o.at(0), b)


def _triangular(o: Operation) -> Term:
    p = o.params
    if o.latex:
        return Term(rf"{{{o.at(0, ATOM)}}}^{{{_INVERSE[p['trans']]}}} {o.at(1, PRODUCT)}", PRODUCT)
    if o.types[0].ndim != 2 or o.types[1].ndim != 2:
        return _by_name(o)
    more = [f"trans={p['trans']!r}"] * (p["trans"] != "N") + ["lower=True"] * p["lower"] + ["unit_diagonal=True"] * p["unit"]
    return o.call("linalg.solve_triangular", o.at(0), o.at(1), *more)


def _factors(function: str, **modes: str) -> Row:
    """A decomposition of NumPy; one that SciPy was asked for is called by the primitive's name."""
    def row(o: Operation) -> Term:
        if o.params.get("by") == "scipy" and o.style == "numpy":
            return _by_name(o)
        more = [m.format(**o.params) for m in modes.values()]
        return o.call(function, o.at(0), *more)
    return row


def _qr(o: Operation) -> Term:
    if o.params.get("by") == "scipy" and o.style == "numpy":
        return _by_name(o)
    return o.call("np.linalg.qr", o.at(0), *(["mode='complete'"] if o.params["complete"] else []))


def _cholesky(o: Operation) -> Term:
    return o.call("np.linalg.cholesky", o.at(0), *(["upper=True"] if o.params["above"] else []))


def _lu(o: Operation) -> Term:
    return o.call("linalg.lu", o.at(0)) if o.types[0].size else _by_name(o)


def _lstsq(o: Operation) -> Term:
    if not (o.types[0].ndim == o.types[1].ndim == 2):
        return _by_name(o)
    made = o.call("np.linalg.lstsq", o.at(0), o.at(1), *([f"rcond={o.params['cut']!r}"] if o.params["cut"] else []))
    return Term(f"{made.text}[0]") if o.style == "numpy" else made


def _pinv(o: Operation) -> Term:
    return o.call("np.linalg.pinv", o.at(0), *([f"rcond={o.params['cut']!r}"] if o.params["cut"] else []))


def _integer(o: Operation) -> Term:
    signs = {"add": ("+", SUM), "subtract": ("-", SUM), "multiply": ("*", PRODUCT), "floor_divide": ("//", PRODUCT),
             "remainder": ("%", PRODUCT)}
    if o.params["operation"] == "power":
        return _power(o)
    sign, strength = signs[o.params["operation"]]
    return infix(sign, strength, {"//": r"\div", "%": r"\ \mathrm{mod}\ ", "*": r"\cdot"}.get(sign, ""))(o)


_TIMES = infix("*", PRODUCT)
_OVER = infix("/", PRODUCT)
_INVERSE = {"N": "-1", "T": r"-\top", "C": "-H"}
_SAME = "sin cos tan sinh cosh tanh exp log arcsin arccos arctan det min max"
_LATEX = {
    **{name: rf"\{name}" for name in _SAME.split()},
    "log2": r"\log_{2}", "log10": r"\log_{10}", "maximum": r"\max", "minimum": r"\min", "gamma": r"\Gamma", "expit": r"\sigma",
    "psi": r"\psi", "beta": r"\mathrm{B}", "j0": r"\mathrm{J}_{0}", "j1": r"\mathrm{J}_{1}",
    "sign": r"\mathrm{sgn}", "arcsinh": r"\mathrm{arsinh}", "arccosh": r"\mathrm{arcosh}", "arctanh": r"\mathrm{artanh}",
    "riemann_zeta": r"\zeta", "zeta_of_two": r"\zeta", "ndtr": r"\Phi", "gammaln": r"\log\Gamma"}

_ROWS: dict[str, Row] = {
    # arithmetic
    "add": infix("+", SUM), "subtract": infix("-", SUM), "multiply": _multiply, "divide": _divide, "negative": _negative,
    "positive": lambda o: Term(f"+{o.at(0, UNARY)}", UNARY) if o.style == "numpy" else o.operands[0],
    "power": _power, "scalar_power": _power, "integer_power": lambda o: _power(o, constant(np.int64(o.params["n"]), o.style)),
    "square": lambda o: _power(o, Term("2")), "power_log": _power_log, "remainder": infix("%", PRODUCT, r"\ \mathrm{mod}\ "),
    "floor_divide": infix("//", PRODUCT, r"\div"), "reciprocal": lambda o: (
        Term(rf"\frac{{1}}{{{o.at(0)}}}", UNARY) if o.latex else Term(f"1 / {o.at(0, UNARY)}", PRODUCT) if o.style == "text"
        else o.call("np.reciprocal", o.at(0))),
    "sqrt": _around(r"\sqrt{", "}", "np.sqrt"), "root": _around(r"\sqrt{", "}", "np.sqrt"),
    "cbrt": _around(r"\sqrt[3]{", "}", "np.cbrt"), "absolute": _around(r"\left|", r"\right|", "np.abs"),
    "fabs": _around(r"\left|", r"\right|", "np.fabs"), "floor": _around(r"\left\lfloor ", r"\right\rfloor ", "np.floor"),
    "ceil": _around(r"\left\lceil ", r"\right\rceil ", "np.ceil"), "conjugate": _around(r"\overline{", "}", "np.conj"),
    "exp": lambda o: Term(rf"e^{{{o.at(0)}}}", POWER) if o.latex else o.call("np.exp", o.at(0)),
    "one_minus_square": _formula("1 - X**2", "1 - {X}^{2}", "(1.0 - X) * (1.0 + X)", (SUM, PRODUCT)),
    "witch": _formula("1 / (1 + X**2)", r"\frac{1}{1 + {X}^{2}}", "1.0 / (1.0 + X * X)", (PRODUCT, PRODUCT)),
    "real": plain("np.real", r"\mathrm{Re}"), "imag": plain("np.imag", r"\mathrm{Im}"),
    "stop_gradient": lambda o: o.operands[0] if o.style == "numpy" else _by_name(o),
    # comparisons, logic, selection
    "less": infix("<", COMPARISON), "less_equal": infix("<=", COMPARISON, r"\leq"), "greater": infix(">", COMPARISON),
    "greater_equal": infix(">=", COMPARISON, r"\geq"), "equal": infix("==", COMPARISON, "="),
    "not_equal": infix("!=", COMPARISON, r"\neq"), "logical_and": _logical("logical_and", "&", AND, r"\wedge"),
    "logical_or": _logical("logical_or", "|", OR, r"\vee"), "logical_xor": _logical("logical_xor", "^", XOR, r"\oplus"),
    "logical_not": _not, "select": _select, "clip": _clip(True, True), "clip_low": _clip(True, False),
    "clip_high": _clip(False, True), "left_shift": infix("<<", SHIFT, r"\ll"), "right_shift": infix(">>", SHIFT, r"\gg"),
    # structure
    "convert": _convert, "broadcast": _broadcast, "reshape": _reshape, "transpose": _transpose, "concatenate": _concatenate,
    "pad": _pad, "flip": _flip, "index": _index, "index_set": _written("="), "index_add": _written("+="), "contract": _contract,
    # reductions
    "reduce_sum": axis_call("np.sum", r"\sum", wide=True), "reduce_prod": axis_call("np.prod", r"\prod", wide=True),
    "reduce_max": axis_call("np.max", r"\max"), "reduce_min": axis_call("np.min", r"\min"),
    "reduce_any": axis_call("np.any"), "reduce_all": axis_call("np.all"), "cumsum": _cumsum, "cumprod": _cumsum,
    "cummax": _accumulate("maximum"), "cummin": _accumulate("minimum"), "logsumexp": _softmax, "softmax": _softmax,
    "log_softmax": _softmax,
    **{name: keywords(f"np.{name}", axis="axis", kind="kind") for name in ("sort", "argsort", "argmax", "argmin")},
    **{name: keywords(f"np.{name}", kth="kth", axis="axis") for name in ("partition", "argpartition")},
    "searchsorted": keywords("np.searchsorted", side="side"), "permute": _permute,
    # functions of NumPy and SciPy that are no ufuncs, or have parameters
    "log_ratio": lambda o: o.call("np.log", _divide(o).text, latex=r"\log"),
    "sinc": plain("np.sinc"), "numpy_i0": plain("np.i0", r"\mathrm{I}_{0}"), "riemann_zeta": plain("special.zeta", r"\zeta"),
    "numpy_round": keywords("np.round", decimals="decimals"), "polygamma": _polygamma, "lambertw": _lambertw,
    "unwrap": keywords("np.unwrap", discont="discont", axis="axis", period="period"),
    **{f"{f}_derivative": _derivative(f) for f in ("sinc", "erfcx", "dawsn", "log_ndtr", "exprel", "gammainc")},
    "fft": _fft, "rfft": _fft, "irfft": _fft, "dct": keywords("fft.dct", type="type", axis="axis", norm="norm"),
    "dst": keywords("fft.dst", type="type", axis="axis", norm="norm"), "correlate": _correlate,
    "hypot": _hypot, **{f"{k}v": _bessel(k.upper()) for k in "jyik"}, **{f"{k}n": _bessel(k.upper()) for k in "yk"},
    # matrices
    "inv": _inv, "det": plain("np.linalg.det", r"\det"), "slogdet": plain("np.linalg.slogdet"), "pinv": _pinv, "lstsq": _lstsq,
    "eigh": _factors("np.linalg.eigh", uplo="UPLO={uplo!r}"), "eigvalsh": _factors("np.linalg.eigvalsh", uplo="UPLO={uplo!r}"),
    "qr": _qr, "lu": _lu, "svd": _factors("np.linalg.svd", full="full_matrices={full}"), "cholesky": _cholesky,
    "svdvals": _factors("np.linalg.svd", uv="compute_uv=False"), "solve_factored": _solve, "solve_triangular": _triangular,
    # Python's integers
    "python_integer": _integer, "truncate": lambda o: o.call("np.int64" if o.style == "numpy" else "int", o.at(0)),
}
