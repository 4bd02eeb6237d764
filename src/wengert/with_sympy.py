"""Formulas to SymPy, and from it.

What comes in: an evaluation tree, or an expression of SymPy. What goes out: the other. The one idea: two tables of names;
numbers that are short fractions become exact ones. SymPy is imported here only, and need not be installed for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from wengert.errors import InputError, UnsupportedError, kind_of
from wengert.frontends.tokens import normalized_name
from wengert.frontends.trees import Call, Name, Node, Number

__all__ = ["expression_of", "tree_of_sympy"]

_DENOMINATOR = 1024  # of fractions that a float is taken for, if it is exactly that


def _sympy() -> Any:
    try:
        import sympy
    except ImportError as error:
        raise UnsupportedError("SymPy is not installed; install it with: pip install sympy") from error
    return sympy


# ---------------------------------------------------------------- to SymPy

_SAME = """sin cos tan sinh cosh tanh exp log sqrt sign floor gamma loggamma erf erfc erfi erfinv zeta polygamma beta"""
_OTHER = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "absolute": "Abs", "fabs": "Abs", "ceil": "ceiling", "conjugate": "conjugate", "real": "re", "imag": "im", "psi": "digamma",
    "gammaln": "loggamma", "arctan2": "atan2", "maximum": "Max", "minimum": "Min", "fmax": "Max", "fmin": "Min",
    "remainder": "Mod", "heaviside": "Heaviside", "binom": "binomial", "jv": "besselj", "yv": "bessely", "iv": "besseli",
    "kv": "besselk", "kn": "besselk", "yn": "bessely", "ellipk": "elliptic_k", "ellipe": "elliptic_e", "expi": "Ei",
    "erfcinv": "erfcinv", "expn": "expint", "poch": "rf", "hankel1": "hankel1", "hankel2": "hankel2"}
_RELATIONS = {"less": "Lt", "less_equal": "Le", "greater": "Gt", "greater_equal": "Ge", "equal": "Eq", "not_equal": "Ne"}


def _formulas(s: Any) -> dict[str, Callable[..., Any]]:
    """What SymPy has no function for, in terms of what it has."""
    half, third = s.Rational(1, 2), s.Rational(1, 3)
    return {
        "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b, "divide": lambda a, b: a / b,
        "power": lambda a, b: a ** b, "negative": lambda a: -a, "positive": lambda a: a, "square": lambda a: a ** 2,
        "reciprocal": lambda a: 1 / a, "exp2": lambda a: 2 ** a, "exp10": lambda a: 10 ** a, "expm1": lambda a: s.exp(a) - 1,
        "log2": lambda a: s.log(a) / s.log(2), "log10": lambda a: s.log(a) / s.log(10), "log1p": lambda a: s.log(1 + a),
        "cbrt": lambda a: s.Piecewise((a ** third, a >= 0), (-(-a) ** third, True)), "expit": lambda a: 1 / (1 + s.exp(-a)),
        "logit": lambda a: s.log(a / (1 - a)), "log_expit": lambda a: -s.log(1 + s.exp(-a)),
        "hypot": lambda a, b: s.sqrt(a ** 2 + b ** 2), "ndtr": lambda a: half * (1 + s.erf(a / s.sqrt(2))),
        "logaddexp": lambda a, b: s.log(s.exp(a) + s.exp(b)), "xlogy": lambda a, b: a * s.log(b),
        "xlog1py": lambda a, b: a * s.log(1 + b), "entr": lambda a: -a * s.log(a), "rel_entr": lambda a, b: a * s.log(a / b),
        "deg2rad": lambda a: a * s.pi / 180, "radians": lambda a: a * s.pi / 180, "rad2deg": lambda a: a * 180 / s.pi,
        "trunc": lambda a: s.sign(a) * s.floor(s.Abs(a)), "rgamma": lambda a: 1 / s.gamma(a),
        "dawsn": lambda a: s.sqrt(s.pi) / 2 * s.exp(-a ** 2) * s.erfi(a), "erfcx": lambda a: s.exp(a ** 2) * s.erfc(a),
        "exprel": lambda a: (s.exp(a) - 1) / a, "cosm1": lambda a: s.cos(a) - 1, "sinc": lambda a: s.sinc(s.pi * a),
        "betaln": lambda a, b: s.log(s.beta(a, b)), "gammainc": lambda a, x: s.lowergamma(a, x) / s.gamma(a),
        "gammaincc": lambda a, x: s.uppergamma(a, x) / s.gamma(a), "exp1": lambda a: s.expint(1, a),
        "relu": lambda a: s.Piecewise((0, a <= 0), (a, True)), "ellipkm1": lambda a: s.elliptic_k(1 - a),
        **{f"{k}{n}": (lambda a, k=k, n=n: getattr(s, f"bessel{k}")(n, a)) for k in "jyik" for n in (0, 1)},
        "where": lambda c, a, b: s.Piecewise((a, _condition(s, c)), (b, True)),
    }


def _condition(s: Any, c: Any) -> Any:
    """A number that says 1 or 0, as a condition."""
    if isinstance(c, s.Piecewise) and len(c.args) == 2 and c.args[0].expr == 1 and c.args[1].expr == 0:
        return c.args[0].cond
    return s.Ne(c, 0)


def _number(s: Any, node: Number) -> Any:
    if node.symbol is not None:
        return {"pi": s.pi, "e": s.E, "tau": 2 * s.pi, "inf": s.oo}[node.symbol]
    if isinstance(node.value, int):
        return s.Integer(node.value)
    exact = Fraction(node.value)
    return s.Rational(exact.numerator, exact.denominator) if exact.denominator <= _DENOMINATOR else s.Float(node.value)


def expression_of(tree: Node, symbols: Mapping[str, Any] | None = None) -> Any:
    """The SymPy expression of a tree; variables are the symbols given, or plain ones of the same name."""
    s = _sympy()
    given = dict(symbols or {})
    formulas = _formulas(s)

    def combine(node: Node, below: list[Any]) -> Any:
        if isinstance(node, Number):
            return _number(s, node)
        if not isinstance(node, Call):
            return given.setdefault(node.label, s.Symbol(node.label))
        name = node.function
        if name in formulas:
            return formulas[name](*below)
        if name in _RELATIONS:
            return s.Piecewise((1, getattr(s, _RELATIONS[name])(*below)), (0, True))
        if name in _SAME.split() or name in _OTHER:
            return getattr(s, _OTHER.get(name, name))(*below)
        raise UnsupportedError(f"to_sympy: SymPy has no {node.label!r}")
    return tree.fold(combine)


# ---------------------------------------------------------------- from SymPy

_FROM = {
    **{name: name for name in _SAME.split()},
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "Abs": "absolute", "ceiling": "ceil", "digamma": "psi", "atan2": "arctan2", "Heaviside": "heaviside", "Mod": "remainder",
    "binomial": "binom", "besselj": "jv", "bessely": "yv", "besseli": "iv", "besselk": "kv", "elliptic_k": "ellipk",
    "elliptic_e": "ellipe", "Ei": "expi", "erfcinv": "erfcinv", "conjugate": "conjugate", "re": "real", "im": "imag",
    "rf": "poch", "expint": "expn"}
_WRITTEN = {"absolute": "abs", "maximum": "max", "minimum": "min", "remainder": "mod"}
_INVERSE = {"StrictLessThan": "less", "LessThan": "less_equal", "StrictGreaterThan": "greater", "GreaterThan": "greater_equal",
            "Equality": "equal", "Unequality": "not_equal"}


def tree_of_sympy(expression: Any, variables: Iterable[str] | None) -> tuple[Node, tuple[str, ...]]:
    """The tree of a SymPy expression, and its variables (sorted by name if none are given)."""
    s = _sympy()
    if not isinstance(expression, s.Basic):
        raise InputError(f"from_sympy: an expression of SymPy is expected, not {kind_of(expression)}")
    names = sorted(str(x) for x in expression.free_symbols) if variables is None else list(variables)
    for name in names:
        if normalized_name(name) != name:
            raise InputError(f"from_sympy: {name!r} cannot be the name of a variable in a formula; substitute another symbol")
    unknown = {str(x) for x in expression.free_symbols} - set(names)
    if unknown:
        raise InputError(f"from_sympy: {', '.join(sorted(unknown))} is not among the variables {', '.join(names)}")
    return _tree(s, expression), tuple(names)


def _chain(function: str, nodes: list[Node]) -> Node:
    total = nodes[0]
    for n in nodes[1:]:
        total = Call(function, (total, n), written=_WRITTEN.get(function, ""))
    return total


def _tree(s: Any, x: Any) -> Node:
    if x.is_Symbol:
        return Name(str(x))
    if x.is_Number or x in (s.pi, s.E, s.oo, -s.oo):
        return _constant(s, x)
    if x.is_Add:
        return _sum(s, x)
    if x.is_Mul:
        return _product(s, x)
    if x.is_Pow:
        return _power(s, x)
    kind = type(x).__name__
    if kind == "exp":
        return Call("exp", (_tree(s, x.args[0]),))
    if kind in ("Max", "Min"):
        return _chain("maximum" if kind == "Max" else "minimum", [_tree(s, a) for a in s.ordered(x.args)])
    if kind == "Piecewise":
        return _piecewise(s, x)
    if kind in _INVERSE:
        return Call(_INVERSE[kind], tuple([_tree(s, a) for a in x.args]))
    if x in (s.true, s.false):
        return Number(int(x == s.true))
    if kind == "ITE":
        return Call("where", tuple([_tree(s, a) for a in x.args]))
    if kind in ("And", "Or"):
        return _chain("multiply" if kind == "And" else "maximum", [_tree(s, a) for a in s.ordered(x.args)])
    if kind == "Not":
        return Call("subtract", (Number(1), _tree(s, x.args[0])))
    if kind == "sinc":
        return Call("sinc", (_tree(s, x.args[0] / s.pi),))
    if kind in _FROM:
        name = _FROM[kind]
        return Call(name, tuple([_tree(s, a) for a in x.args]), written=_WRITTEN.get(name, ""))
    raise UnsupportedError(f"from_sympy: formulas have no {kind}; evaluate or rewrite it in SymPy first (doit, rewrite)")


def _constant(s: Any, x: Any) -> Node:
    import math
    if x in (s.pi, s.E, s.oo):
        return Number({s.pi: math.pi, s.E: math.e, s.oo: math.inf}[x], {s.pi: "pi", s.E: "e", s.oo: "inf"}[x])
    if x == -s.oo or (x.is_Rational and x < 0 and not x.is_Integer):
        return Call("negative", (_constant(s, -x),))
    if x.is_Integer:
        return Number(int(x))
    if x.is_Rational:
        return Call("divide", (Number(int(x.p)), Number(int(x.q))))
    if not x.is_Float:
        raise UnsupportedError(f"from_sympy: formulas have no {x}")
    return Number(float(x))


def _sum(s: Any, x: Any) -> Node:
    terms = x.as_ordered_terms()
    total = _tree(s, terms[0])
    for t in terms[1:]:
        negative = t.could_extract_minus_sign() and (t.is_Mul or t.is_Number)
        total = Call("subtract" if negative else "add", (total, _tree(s, -t if negative else t)))
    return total


def _product(s: Any, x: Any) -> Node:
    if x.args[0].is_Number and x.args[0] < 0:
        return Call("negative", (_tree(s, -x),))
    above: list[Node] = []
    below: list[Node] = []
    for f in x.as_ordered_factors():
        if f.is_Rational and not f.is_Integer:
            below.append(Number(int(f.q)))
            if f.p != 1:
                above.append(Number(int(f.p)))
        elif f.is_Pow and f.exp.is_Number and f.exp < 0 and f.base != s.E:
            below.append(_tree(s, 1 / f))
        else:
            above.append(_tree(s, f))
    top = _chain("multiply", above) if above else Number(1)
    return Call("divide", (top, _chain("multiply", below))) if below else top


def _power(s: Any, x: Any) -> Node:
    if x.base == s.E:
        return Call("exp", (_tree(s, x.exp),))
    if x.exp == s.Rational(1, 2):
        return Call("sqrt", (_tree(s, x.base),))
    if x.exp.is_Number and x.exp < 0:
        return Call("divide", (Number(1), _tree(s, 1 / x)))
    return Call("power", (_tree(s, x.base), _tree(s, x.exp)))


def _piecewise(s: Any, x: Any) -> Node:
    *cases, last = x.args
    if last.cond != s.true:
        raise UnsupportedError("from_sympy: a Piecewise needs a value everywhere; end it with (value, True)")
    total = _tree(s, last.expr)
    for case in reversed(cases):
        total = Call("where", (_tree(s, case.cond), _tree(s, case.expr), total))
    return total
