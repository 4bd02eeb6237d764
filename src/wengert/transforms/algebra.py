"""Simplification by the rules of algebra.

What comes in: a graph of numbers. What goes out: one that means the same mathematically, with fewer nodes. The one idea: a sum
is a map from terms to coefficients and a product a map from bases to exponents, so ``0 x``, ``1 x``, ``x + 0``, ``x x``,
``2 x + 3 x`` and ``x^1`` need no rules of their own; coefficients are fractions while they are short.

Other than `transforms.simplify`, this does not keep every bit: it is for formulas that are read. Values agree to rounding
wherever both are defined and nothing overflows on the way; where an intermediate value was undefined (``x/x`` at 0,
``sqrt(x)^2`` below 0) the result may be defined.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, Atom, Build, Const, Equation, Graph, Handle, Var
from wengert.graph.walk import use_counts

__all__ = ["algebraic", "is_guard", "spelled_out"]

_EXPANDED = 200  # equations of graphs whose products are multiplied out, to see whether that is shorter
_MOST = 16  # terms of a sum, factors of a product, that are kept apart
_SYMBOLS = {math.pi, math.e}  # constants that are better kept
_SMALL = 10**6  # numerators and denominators beyond are written as decimals

Number = Fraction
Terms = dict[Atom | None, Fraction]  # None: the constant term
Factors = tuple[Fraction, dict[Atom, Fraction]]


def algebraic(graph: Graph) -> Graph:
    """The graph, simplified.

    Examples
    --------
    >>> from wengert.graph import ArrayType, build_graph
    >>> print(algebraic(build_graph(lambda x: 1.0 * x + x * 1.0 + 0.0 * x, ArrayType((), float))))
    graph(%0: float64[]) {
      %1: float64[] = multiply(2.0, %0)
      return %1
    }
    """
    plain = _settled(graph, expand=False)
    if len(plain.equations) > _EXPANDED:
        return plain
    wide = _settled(graph, expand=True)
    return wide if tree_size(wide) < tree_size(plain) else plain


def _settled(graph: Graph, expand: bool) -> Graph:
    graph = _Algebra(graph, expand).run()
    for _ in range(4):  # a rule may make way for another
        new = _Algebra(graph, expand).run()
        if len(new.equations) >= len(graph.equations):
            break
        graph = new
    return graph


def tree_size(graph: Graph) -> int:
    """How many nodes the formulas of the outputs have, written out: operations, and variables and numbers each time they occur.

    Counted on the graph; the tree may have more nodes than there are atoms in the universe.

    Examples
    --------
    >>> from wengert.graph import ArrayType, build_graph
    >>> def twice(x):
    ...     for _ in range(300):
    ...         x = x + x
    ...     return x
    >>> tree_size(build_graph(twice, ArrayType((), float))) == 2 ** 301 - 1
    True
    """
    sizes: dict[Atom, int] = dict.fromkeys(graph.inputs, 1)
    for e in graph.equations:
        size = 1 + sum([sizes.get(a, 1) for a in e.operands])
        sizes.update(dict.fromkeys(e.results, size))
    return sum([sizes.get(a, 1) for a in graph.outputs])


class _Algebra:
    """One walk. `expand`: products with sums are multiplied out."""

    def __init__(self, graph: Graph, expand: bool):
        self.old = graph
        self.expand = expand
        self.counts = use_counts(graph)
        self.build = Build()
        self.sums: dict[Atom, Terms] = {}
        self.products: dict[Atom, Factors] = {}
        self.makers: dict[Atom, Equation] = {}
        self.places: dict[Atom, int] = {}
        self.seen = 0

    def run(self) -> Graph:
        env: dict[Var, Atom] = {v: self.build.input(v.type).atom for v in self.old.inputs}  # type: ignore[misc]
        self.places.update(zip(env.values(), range(len(env))))
        for e in self.old.equations:
            operands = [env[a] if isinstance(a, Var) else a for a in e.operands]
            rule = _RULES.get(e.primitive.name)
            made = rule(self, e, operands) if rule is not None and e.results[0].type.dtype.kind in "fb" else None
            if made is not None:
                env[e.results[0]] = made
                continue
            env.update(zip(e.results, self.emit(e.primitive.name, *operands, **e.params), strict=True))
        outputs = [env[a] if isinstance(a, Var) else a for a in self.old.outputs]
        return self.build.graph([Handle(self.build, a) for a in outputs])

    def emit(self, name: str, *operands: Atom, **params: Any) -> tuple[Atom, ...]:
        primitive = REGISTRY[name]
        if operands and all(isinstance(a, Const) for a in operands) and primitive.pure and not primitive.multiple:
            folded = _folded(primitive, operands, params)
            if folded is not None:
                return (folded,)
        results = self.build.emit(primitive, operands, params)
        for e in self.build.equations[self.seen:]:
            self.makers.update(dict.fromkeys(e.results, e))
            self.places.update(dict.fromkeys(e.results, len(self.places)))
        self.seen = len(self.build.equations)
        return results

    def one(self, name: str, *operands: Atom, **params: Any) -> Atom:
        maker = self.makers.get(operands[0]) if name == "negative" else None
        if maker is not None and maker.primitive.name == "negative":
            return maker.operands[0]
        return self.emit(name, *operands, **params)[0]

    def number(self, value: Fraction | float, like: Any) -> Const:
        return Const(np.asarray(float(value), like.dtype))

    # ------------------------------------------------------------ sums

    def terms(self, a: Atom) -> Terms:
        value = _fraction(a)
        if value is not None:
            return {None: value} if value else {}
        if a in self.sums:
            return self.sums[a]
        coefficient, bases = self.factors(a)
        if coefficient != 1:
            return {self.product(Fraction(1), bases, a.type): coefficient}
        return {a: Fraction(1)}

    def sum(self, terms: Terms, type: Any) -> Atom:
        terms = {a: c for a, c in terms.items() if c}
        constant = terms.pop(None, None)
        ordered = sorted(terms.items(), key=lambda t: t[1] < 0) if next(iter(terms.values()), 1) < 0 else list(terms.items())
        total: Atom | None = None
        for a, c in ordered:
            assert a is not None
            coefficient, bases = self.factors(a)
            if total is None:
                total = self.product(c * coefficient, bases, type)
            else:
                total = self.one("add" if c > 0 else "subtract", total, self.product(abs(c) * coefficient, bases, type))
        if total is None:
            return self.number(constant or 0, type)
        if constant:
            if constant > 0 and len(ordered) == 1 and ordered[0][1] < 0:  # 1 - x, rather than -x + 1
                total = self.one("subtract", self.number(constant, type), self.one("negative", total))
            else:
                total = self.one("add" if constant > 0 else "subtract", total, self.number(abs(constant), type))
        if 1 < len(terms) + bool(constant) <= _MOST:
            self.sums[total] = terms if not constant else {**terms, None: constant}
        return total

    # ------------------------------------------------------------ products

    def factors(self, a: Atom) -> Factors:
        value = _fraction(a)
        if value is not None:
            return value, {}
        return self.products.get(a, (Fraction(1), {a: Fraction(1)}))

    def product(self, coefficient: Fraction, bases: dict[Atom, Fraction], type: Any) -> Atom:
        for a, n in list(bases.items()):
            value = _fraction(a)
            if value and n.denominator == 1 and _moderate(value, n):  # (√2)^2
                coefficient *= value ** int(n)
                bases = {b: m for b, m in bases.items() if b != a}
        bases = {a: n for a, n in sorted(bases.items(), key=lambda item: self.rank(item[0])) if n}
        if not bases or not coefficient:
            return self.number(coefficient, type)
        above = [self.power(a, n) for a, n in bases.items() if n > 0]
        below = [self.power(a, -n) for a, n in bases.items() if n < 0]
        size, under = abs(coefficient), Fraction(1)
        if size.denominator != 1 and len(repr(float(size))) > 6 and max(size.numerator, size.denominator) < _SMALL:
            size, under = Fraction(size.numerator), Fraction(size.denominator)
        if below and size != 1 and size.numerator == 1 and above and size.denominator < _SMALL:
            size, under = Fraction(1), Fraction(size.denominator)
        if size != 1 or not above:
            above.insert(0, self.number(size, type))
        if under != 1:
            below.insert(0, self.number(under, type))
        if coefficient < 0:  # the sign stands at the front
            first = above[0]
            above[0] = Const(-first.value) if isinstance(first, Const) else self.one("negative", first)
        total = self.chain(above)
        if below:
            total = self.one("divide", total, self.chain(below))
        if not (coefficient == 1 and bases == {total: 1}) and len(bases) <= _MOST:
            self.products[total] = (coefficient, bases)
        return total

    def rank(self, a: Atom) -> tuple[int, int]:
        """Constants before variables before functions, each in the order in which they came."""
        place = self.places.setdefault(a, len(self.places))
        return 0 if isinstance(a, Const) else 1 if a not in self.makers else 2, place

    def chain(self, atoms: list[Atom]) -> Atom:
        total = atoms[0]
        for a in atoms[1:]:
            total = self.one("multiply", total, a)
        return total

    def power(self, a: Atom, n: Fraction) -> Atom:
        if n == 1:
            return a
        if n == Fraction(1, 2):
            return self.one("sqrt", a)
        return self.one("power", a, self.number(n, a.type))

    def raised(self, a: Atom, n: Fraction, type: Any) -> Atom | None:
        """``a^n``; None where the rules for exponents do not hold."""
        coefficient, bases = self.factors(a)
        if n == 0:
            return self.number(1, type)
        if n.denominator == 1 and (coefficient or n > 0) and abs(n) < 1000 and _moderate(coefficient, n):
            if not all(m.denominator == 1 for m in bases.values()) and n % 2 == 0 and not bases:
                return None
            return self.product(coefficient ** int(n), {b: m * n for b, m in bases.items()}, type)
        if isinstance(a, Const) and coefficient > 0:
            out = self.power(a, n)
            if not isinstance(out, Const):
                self.products[out] = (Fraction(1), {a: n})
            return out
        if coefficient == 1 and len(bases) == 1 and next(iter(bases.values())) == 1:
            return self.product(Fraction(1), {a: n}, type)
        if a in self.products:  # a base of its own: (x^2)^(1/2) is not x
            out = self.power(a, n)
            self.products[out] = (Fraction(1), {a: n})
            return out
        return None

    def apart(self, a: Atom, original: Atom) -> bool:
        """Whether a sum or product may be taken apart: if it is short, or nobody else uses it."""
        count = self.counts.get(original, 0) if isinstance(original, Var) else 0
        return count <= 1 or max(len(self.sums.get(a, ())), len(self.products.get(a, (1, ()))[1])) <= 2


# ---------------------------------------------------------------- numbers

def _fraction(a: Atom) -> Fraction | None:
    """A constant as a fraction; None for variables and for constants that keep their names."""
    if not isinstance(a, Const) or a.type.dtype.kind != "f":
        return None
    value = float(a.value)
    if not math.isfinite(value) or abs(value) in _SYMBOLS or (value and not 1e-30 < abs(value) < 1e30):
        return None
    return Fraction(str(value))


def _moderate(value: Fraction, n: Fraction = Fraction(1)) -> bool:
    """Whether ``value^n`` is far from where floating-point numbers end: ``(1e-10 x)^40`` is not ``1e-400 x^40``."""
    digits = math.log10(abs(value)) if value else 0.0
    return abs(digits * n) <= 30


def _folded(primitive: Any, operands: tuple[Atom, ...], params: Any) -> Const | None:
    """The value of an operation on constants, if it is as short as they are."""
    with np.errstate(all="ignore"):
        value = np.asarray(primitive.evaluate(*[a.value[()] for a in operands if isinstance(a, Const)], **params))
    if value.dtype.kind != "f":
        return Const(value)
    return Const(value) if np.isfinite(value) and len(repr(float(value))) <= 6 else None


# ---------------------------------------------------------------- rules: (walk, equation, operands) -> atom, or None

Rule = Callable[[_Algebra, Equation, list[Atom]], Atom | None]


def _sum_rule(*signs: int) -> Rule:
    def rule(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
        if e.results[0].type.dtype.kind != "f":
            return None
        total: Terms = {}
        for sign, a, original in zip(signs, operands, e.operands):
            for term, c in (walk.terms(a) if walk.apart(a, original) else {a: Fraction(1)}).items():
                total[term] = total.get(term, Fraction(0)) + sign * c
        if not all(map(_moderate, total.values())):
            return None
        return walk.sum(total, e.results[0].type)
    return rule


def _product_rule(*exponents: int) -> Rule:
    def rule(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
        if e.results[0].type.dtype.kind != "f":
            return None
        coefficient, bases = Fraction(1), dict[Atom, Fraction]()
        for n, a, original in zip(exponents, operands, e.operands):
            c, inner = walk.factors(a) if walk.apart(a, original) else (Fraction(1), {a: Fraction(1)})
            if not c and n < 0:
                return None
            coefficient *= c ** n
            for b, m in inner.items():
                for divisor, k in (_divisor(walk, b) if m * n < 0 else {b: Fraction(1)}).items():
                    bases[divisor] = bases.get(divisor, Fraction(0)) + k * m * n
        if not _moderate(coefficient):
            return None
        if walk.expand:
            wide = next((b for b, m in bases.items() if m == 1 and len(walk.sums.get(b, ())) in range(2, 7)), None)
            if wide is not None:
                total: Terms = {}
                rest = {b: m for b, m in bases.items() if b != wide}
                for term, c in walk.sums[wide].items():
                    one, inner = walk.factors(term) if term is not None else (Fraction(1), {})
                    both = dict(rest)
                    for b, m in inner.items():
                        both[b] = both.get(b, Fraction(0)) + m
                    made = walk.product(Fraction(1), both, e.results[0].type)
                    for key, k in walk.terms(made).items():
                        total[key] = total.get(key, Fraction(0)) + k * c * one * coefficient
                if all(map(_moderate, total.values())):
                    return walk.sum(total, e.results[0].type)
        return walk.product(coefficient, bases, e.results[0].type)
    return rule


def _power_rule(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
    base, exponent = operands
    n = _fraction(exponent)
    made = walk.raised(base, n, e.results[0].type) if n is not None else None
    return walk.one("power", base, exponent) if made is None else made


def _exponent(n: Fraction | Callable[[Any], Fraction]) -> Rule:
    def rule(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
        by = n if isinstance(n, Fraction) else n(e.params)
        made = walk.raised(operands[0], by, e.results[0].type)
        return walk.power(operands[0], by) if made is None else made
    return rule


def _same(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
    """What changes nothing about a number."""
    return operands[0] if operands[0].type == e.results[0].type else None


def _select(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
    p, yes, no = operands
    if isinstance(p, Const):
        return yes if p.value else no
    if yes == no:
        return yes
    maker = walk.makers.get(p)
    if maker is None or not isinstance(yes, Const):
        return None
    if is_guard(maker, yes, walk.makers.get):
        return no
    radius = walk.makers.get(maker.operands[0]) if maker.primitive.name == "equal" else None
    if radius is not None and radius.primitive.name in ("hypot", "sqrt") and _fraction(maker.operands[1]) == 0 and (
            yes.value == 0):
        _, divisors = walk.factors(no)
        if any(divisors.get(a, 0) < 0 for a in (maker.operands[0], *radius.operands)):
            return no  # what a derivative is at a kink, where this has no value
    return None


def _divisor(walk: _Algebra, a: Atom) -> dict[Atom, Fraction]:
    """The factors of a divisor: of ``where(equal(r, 0), 1, r)``, which only keeps from dividing by 0, those of r."""
    maker = walk.makers.get(a)
    if maker is not None and maker.primitive.name == "select" and isinstance(maker.operands[1], Const):
        p, r = walk.makers.get(maker.operands[0]), maker.operands[2]
        coefficient, bases = walk.factors(r)
        if p is not None and p.primitive.name == "equal" and p.operands[0] == r and _fraction(p.operands[1]) == 0 and (
                coefficient == 1):
            return bases
    return {a: Fraction(1)}


def is_guard(maker: Equation, value: Atom, makers: Callable[[Atom], Equation | None]) -> bool:
    """Whether a condition only says what ``0 · ∞`` and ``∞ - ∞`` are: 0."""
    if maker.primitive.name != "logical_and" or not isinstance(value, Const) or value.value != 0:
        return False
    same, other = [makers(a) for a in maker.operands]
    finite = makers(other.operands[0]) if other is not None and other.primitive.name == "logical_not" else None
    return same is not None and same.primitive.name == "equal" and finite is not None and finite.primitive.name == "isfinite"


def _logic(decides: bool) -> Rule:
    """Of two conditions, one of which may be known."""
    def rule(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
        for k, a in enumerate(operands):
            if all(x.type.dtype.kind == "b" for x in operands) and isinstance(a, Const):
                return a if bool(a.value) is decides else operands[1 - k]
        return None
    return rule


def _hypot(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
    """In one order of the operands, whichever came first."""
    found = walk.build.seen.get((e.primitive, (operands[1], operands[0]), ()))
    return found[0] if found else None


def _not_equal(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
    maker = walk.makers.get(operands[0])
    if maker is not None and maker.primitive.name == "convert" and _fraction(operands[1]) == 0 and (
            maker.operands[0].type.dtype.kind == "b"):
        return maker.operands[0]
    return None


def _by(formula: Callable[..., Any]) -> Rule:
    """A rule by a formula in handles, itself simplified."""
    def rule(walk: _Algebra, e: Equation, operands: list[Atom]) -> Atom | None:
        build = Build()
        made = formula(*[build.input(a.type) for a in operands], **e.params)
        if made is None:
            return None
        inner = build.graph([made])
        env: dict[Var, Atom] = dict(zip(inner.inputs, operands))
        for x in inner.equations:
            given = [env[a] if isinstance(a, Var) else a for a in x.operands]
            found = _RULES.get(x.primitive.name)
            result = found(walk, x, given) if found is not None else None
            env[x.results[0]] = walk.one(x.primitive.name, *given, **x.params) if result is None else result
        out = inner.outputs[0]
        return env[out] if isinstance(out, Var) else out
    return rule


def _call(name: str, **params: Any) -> Callable[..., Any]:
    return lambda *operands: REGISTRY[name](*operands, **params)


def _repeated(value: Any, step: Callable[[int, Any, Any], Any], first: Any, n: int) -> Any:
    """The n-th of functions that follow by a recurrence of two steps, from the 0th and the first."""
    before, now = value, first
    for k in range(1, n):
        before, now = now, step(k, before, now)
    return now if n else value


def _erfcx(x: Any, *, n: int) -> Any:
    """``E' = 2 x E - 2/√π``, hence ``E^(n+1) = 2 x E^(n) + 2 n E^(n-1)`` (DLMF 7.10)."""
    y = REGISTRY["erfcx"](x)
    return _repeated(y, lambda k, a, b: 2.0 * x * b + 2.0 * k * a, 2.0 * x * y - 2.0 / math.sqrt(math.pi), n)


def _dawsn(x: Any, *, n: int) -> Any:
    """``D' = 1 - 2 x D``, hence ``D^(n+1) = -2 x D^(n) - 2 n D^(n-1)`` (DLMF 7.10)."""
    y = REGISTRY["dawsn"](x)
    return _repeated(y, lambda k, a, b: -2.0 * x * b - 2.0 * k * a, 1.0 - 2.0 * x * y, n)


def _log_ndtr(x: Any, *, n: int) -> Any:
    """``m = √(2/π) / E(-x/√2)`` and ``m' = -m (x + m)``, by the rule of Leibniz."""
    found = [math.sqrt(2.0 / math.pi) / REGISTRY["erfcx"](x * -math.sqrt(0.5))]
    for k in range(n - 1):
        rest = [x + found[0], *[1.0 + d if j == 1 else d for j, d in enumerate(found[1:], 1)]]
        terms = [float(math.comb(k, j)) * found[j] * rest[k - j] for j in range(k + 1)]
        found.append(-functools.reduce(lambda a, b: a + b, terms))
    return found[n - 1]


def _scaled_bessel(x: Any, *, of: str, n: int) -> Any:
    """Of ``f e^-|x|`` or ``f e^x``: each derivative of a Bessel function by its neighbors, of the exponential by its sign."""
    kind, order, slope = of[0], int(of[1]), (REGISTRY["sign"](x) if of[0] == "i" else -1.0)
    terms: dict[int, Any] = {order: 1.0}
    for _ in range(n):
        found: dict[int, Any] = {}
        for v, c in terms.items():
            for w, part in ((v, -c * slope), (abs(v - 1), 0.5 * c), (v + 1, 0.5 * c)):
                part = part if kind == "i" or w == v else -1.0 * part
                found[w] = found[w] + part if w in found else part
        terms = found
    values = [c * REGISTRY[f"{kind}ve"](Const(np.full((), float(v), x.dtype)), x) for v, c in sorted(terms.items())]
    return functools.reduce(lambda a, b: a + b, values)


def _sinc(x: Any, *, order: int) -> Any:
    """``x s = sin(πx)/π``, hence ``x s^(k) = d^k(sin(πx)/π) - k s^(k-1)``; as it stands not at 0."""
    u = x * math.pi
    waves = [REGISTRY["sin"](u), REGISTRY["cos"](u)]
    s = REGISTRY["sinc"](x)
    for k in range(1, order + 1):
        wave = waves[k % 2] * (math.pi ** (k - 1) * (1.0 if k % 4 in (0, 1) else -1.0))
        s = (wave - float(k) * s) / x
    return s


def _gamma_density(a: Any, x: Any) -> Any:
    """``x^(a-1) e^(-x) / Γ(a)``."""
    return REGISTRY["power"](x, a - 1.0) * REGISTRY["exp"](-x) / REGISTRY["gamma"](a)


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """``x^(a-1) (1-x)^(b-1) / B(a, b)``."""
    power = REGISTRY["power"]
    return power(x, a - 1.0) * power(1.0 - x, b - 1.0) / REGISTRY["beta"](a, b)


# What has no name outside of this package, in terms of what has one.
_SPELLED: dict[str, Callable[..., Any]] = {
    "one_minus_square": lambda x: 1.0 - x * x, "witch": lambda x: 1.0 / (1.0 + x * x),
    "power_log": lambda x, y, *, k: REGISTRY["power"](x, y) * REGISTRY["integer_power"](REGISTRY["log"](x), n=k),
    "cosine": lambda a, b: a / REGISTRY["hypot"](a, b), "special_exp2": _call("exp2"), "special_expm1": _call("expm1"),
    "log_ratio": lambda x, y: REGISTRY["log"](x / y), "gap_ratio": lambda x, y: (y - x) / y,
    "logistic_density": lambda x: REGISTRY["expit"](x) * REGISTRY["expit"](-x), "scaled_derivative": _scaled_bessel,
    "special_log1p": _call("log1p"), "special_cbrt": _call("cbrt"), "numpy_i0": _call("i0"), "erfcx_derivative": _erfcx,
    "dawsn_derivative": _dawsn, "log_ndtr_derivative": _log_ndtr, "sinc_derivative": _sinc, "gamma_density": _gamma_density,
    "beta_density": _beta_density,
}

_RULES: dict[str, Rule] = {
    "add": _sum_rule(1, 1), "subtract": _sum_rule(1, -1), "negative": _sum_rule(-1), "multiply": _product_rule(1, 1),
    "divide": _product_rule(1, -1), "power": _power_rule, "float_power": _power_rule, "scalar_power": _power_rule,
    "square": _exponent(Fraction(2)), "sqrt": _exponent(Fraction(1, 2)), "root": _exponent(Fraction(1, 2)),
    "reciprocal": _exponent(Fraction(-1)), "integer_power": _exponent(lambda params: Fraction(params["n"])),
    "positive": _same, "convert": _same, "broadcast": _same, "reshape": _same, "reduce_sum": _same, "conjugate": _same,
    "real": _same, "select": _select, "not_equal": _not_equal, "hypot": _hypot, "logical_and": _logic(False),
    "logical_or": _logic(True), **{name: _by(formula) for name, formula in _SPELLED.items()},
}


def spelled_out(graph: Graph) -> Graph:
    """The graph with functions that have no name elsewhere in terms of those that have one; nothing is simplified."""
    build = Build()
    env: dict[Var, Atom] = {v: build.input(v.type).atom for v in graph.inputs}  # type: ignore[misc]
    for e in graph.equations:
        operands = tuple([env[a] if isinstance(a, Var) else a for a in e.operands])
        formula = _SPELLED.get(e.primitive.name)
        if formula is not None:
            env[e.results[0]] = build.atom(formula(*[Handle(build, a) for a in operands], **e.params))
        else:
            env.update(zip(e.results, build.emit(e.primitive, operands, e.params), strict=True))
    return build.graph([Handle(build, env[a] if isinstance(a, Var) else a) for a in graph.outputs])
