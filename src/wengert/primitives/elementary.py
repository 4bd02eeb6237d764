"""Elementary functions: NumPy's ufuncs on floats and complex numbers.

What comes in: ufuncs. What goes out: primitives with their partials. The one idea: each partial is a formula that is
accurate over the whole domain, and right at its edge where a derivative exists there.

Conventions at kinks: ``absolute``, ``fabs`` and ``copysign`` have 0 at 0; ``hypot`` and ``arctan2`` have 0 at the origin;
``fmax`` and ``fmin`` split evenly at a tie; ``clip`` has 1 on its bounds; the roundings, ``spacing`` and, but for its value
at 0, ``heaviside`` are locally constant; ``nextafter`` has 1 in its first operand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, ArrayType, Const, Primitive
from wengert.primitives.elementwise import (
    ANY,
    broadcast_type,
    conj,
    elementwise,
    equal,
    first_wins,
    greater,
    imag,
    less,
    logical_and,
    logical_not,
    logical_or,
    make_complex,
    not_equal,
    predicate,
    real,
)
from wengert.primitives.sampling import complex_too, interval
from wengert.primitives.structure import broadcast, convert, select, sum_to

__all__ = ["absolute", "arctan", "cos", "cosh", "exp", "expm1", "integer_power", "log", "log1p", "root", "sign", "sin",
           "sinh", "sqrt", "square", "stop_gradient", "tan", "tanh"]

POSITIVE = (0.3, 3.0)
INSIDE = (-0.9, 0.9)


def zero_where(p: Any, x: Any) -> Any:
    """0 where p holds, else x."""
    return select(p, Const(np.zeros((), x.dtype)), x)


stop_gradient = Primitive("stop_gradient", type=lambda x: x, evaluate=lambda x: x, differentiable=False, elementwise=True,
                          sample=interval(ANY))

# ---------------------------------------------------------------- exponentials and logarithms

exp = elementwise("exp", np.exp, partials=lambda y, x: y, sample=complex_too(ANY))
exp2 = elementwise("exp2", np.exp2, partials=lambda y, x: y * math.log(2.0), sample=complex_too(ANY))
expm1 = elementwise("expm1", np.expm1, partials=lambda y, x: exp(x), sample=complex_too(ANY))
log = elementwise("log", np.log, partials=lambda y, x: 1.0 / x, sample=complex_too(POSITIVE))
log2 = elementwise("log2", np.log2, partials=lambda y, x: (1.0 / math.log(2.0)) / x, sample=complex_too(POSITIVE))
log10 = elementwise("log10", np.log10, partials=lambda y, x: (1.0 / math.log(10.0)) / x, sample=complex_too(POSITIVE))
log1p = elementwise("log1p", np.log1p, partials=lambda y, x: 1.0 / (1.0 + x), sample=complex_too((-0.5, 2.0)))

# ---------------------------------------------------------------- powers

square = elementwise("square", np.square, partials=lambda y, x: 2.0 * x, sample=complex_too(ANY))
sqrt = elementwise("sqrt", np.sqrt, partials=lambda y, x: 0.5 / y, sample=complex_too(POSITIVE))


def _root_jvp(y: Any, operands: Any, tangents: Any) -> Any:
    """0 at 0, whatever the tangent: selected, so that the infinite derivative of the root appears nowhere."""
    flat = equal(y, 0.0)
    return zero_where(flat, tangents[0] * (0.5 / select(flat, Const(np.ones((), y.dtype)), y)))


root = elementwise("root", lambda x: np.sqrt(x), jvp=_root_jvp, kinks=lambda y, x: sign(y), sample=interval(POSITIVE))
reciprocal = elementwise("reciprocal", np.reciprocal, partials=lambda y, x: -(y * y), sample=complex_too(POSITIVE))


def cbrt_partial(y: Any, x: Any) -> Any:
    """``1 / (3 y²)``; as a square, all terms of its derivatives have one sign, so that none is a difference of infinities."""
    return square(reciprocal(y)) * (1.0 / 3.0)


cbrt = elementwise("cbrt", np.cbrt, partials=cbrt_partial, sample=interval(POSITIVE))


def _integer_partial(y: Any, x: Any, *, n: int) -> Any:
    """``n x^(n-1)``; exactly 0 for n = 0 and 1 for n = 1, whatever x."""
    if n == 0:
        return Const(np.zeros((), x.dtype))
    if n == 1:
        return Const(np.ones((), x.dtype))
    return 2.0 * x if n == 2 else float(n) * integer_power(x, n=n - 1)


def _integer_sample(rng: np.random.Generator) -> Any:
    return [((rng.uniform(0.5, 2.0, 3),), {"n": n}) for n in (-2, -1, 0, 1, 2, 3, 7)] + [
        ((rng.normal(size=2) + 1j * rng.normal(size=2),), {"n": 3})]


# The operator: NumPy's scalars and arrays take different routes to a power, which differ in the last bit.
integer_power = elementwise("integer_power", lambda x, *, n: x ** n, type=lambda x, *, n: x,
                            partials=_integer_partial, sample=_integer_sample)


def _power_log(x: Any, y: Any, *, k: int) -> Any:
    """``x^y log(x)^k``, with its limit 0 at x = 0 for Re y > 0."""
    with np.errstate(all="ignore"):
        out = np.power(x, y) * np.log(x) ** k
        return np.where(np.equal(x, 0) & (np.real(y) > 0), np.zeros((), out.dtype), out)[()]


def _base_partial(y: Any, a: Any, b: Any, *, k: int = 0) -> Any:
    """``b a^(b-1) log(a)^k + k a^(b-1) log(a)^(k-1)``; the first term is 0 where b = 0, even at a = 0."""
    below = power(a, b - 1.0) if k == 0 else power_log(a, b - 1.0, k=k)
    dead = logical_and(equal(b, 0.0), logical_not(isfinite(below)))
    slope = zero_where(dead, b * below)
    if k == 0:
        return slope
    return slope + float(k) * (power(a, b - 1.0) if k == 1 else power_log(a, b - 1.0, k=k - 1))


# The derivatives of a power in its exponent: ``a^b log a`` is 0 in the limit a -> 0, b > 0; at a = b = 0 it is -inf, as 0^b is
# a step there.
power_log: Primitive = elementwise(
    "power_log", _power_log, type=lambda x, y, *, k: broadcast_type(x, y),
    partials=(_base_partial, lambda y, a, b, *, k: power_log(a, b, k=k + 1)),
    sample=lambda rng: [((rng.uniform(0.3, 3.0, 3), rng.uniform(-2.0, 2.0, 3)), {"k": k}) for k in (1, 2)] + [
        ((rng.uniform(0.3, 3.0, 2) + 0.5j, rng.normal(size=2) + 0.3j), {"k": 1})])
_POWER: Any = (_base_partial, lambda y, a, b: power_log(a, b, k=1))
power = elementwise("power", np.power, partials=_POWER, sample=complex_too(POSITIVE, (-2.0, 2.0)))
# NumPy runs it in double precision only, and so does the front end.
float_power = elementwise("float_power", lambda x, y: np.float_power(x, y).astype(x.dtype), ufunc=np.float_power,
                          partials=_POWER, sample=complex_too(POSITIVE, (-2.0, 2.0)))
# ``x ** y`` of two scalars, which NumPy and Python leave to the C library; an array goes through np.power.
scalar_power = elementwise("scalar_power", lambda x, y: np.asarray(x)[()] ** np.asarray(y)[()], partials=_POWER,
                           sample=interval(POSITIVE, (-2.0, 2.0)))

# ---------------------------------------------------------------- trigonometric

sin = elementwise("sin", np.sin, partials=lambda y, x: cos(x), sample=complex_too(ANY))
cos: Primitive = elementwise("cos", np.cos, partials=lambda y, x: -sin(x), sample=complex_too(ANY))
tan = elementwise("tan", np.tan, partials=lambda y, x: 1.0 + y * y, sample=complex_too((-1.0, 1.0)))


def _above(x: Any) -> Any:
    """``x + 1``; the sign of a zero imaginary part, which says on what side of a cut x lies, is kept."""
    return x + complex(1.0, -0.0) if x.dtype.kind == "c" else x + 1.0


# 1 - x², by factors; its derivative is stated, for that of the factors, (1 - x) - (1 + x), loses what is small beside 1.
one_minus_square: Primitive = elementwise("one_minus_square", lambda x: (1.0 - x) * (1.0 + x), partials=lambda y, x: -2.0 * x,
                                          sample=complex_too(INSIDE))
# 1 / (1 + x²); the derivative is taken by factors that do not overflow where x² does.
witch: Primitive = elementwise("witch", lambda x: 1.0 / (1.0 + x * x), partials=lambda y, x: -2.0 * (x * y) * y,
                               sample=interval(ANY))


def _arc(x: Any) -> Any:
    """``√(1 - x²)``, each root on its own side of the branch cuts."""
    return sqrt(-(x - 1.0)) * sqrt(_above(x)) if x.dtype.kind == "c" else sqrt(one_minus_square(x))


arcsin = elementwise("arcsin", np.arcsin, partials=lambda y, x: 1.0 / _arc(x), sample=complex_too(INSIDE))
arccos = elementwise("arccos", np.arccos, partials=lambda y, x: -1.0 / _arc(x), sample=complex_too(INSIDE))
arctan = elementwise("arctan", np.arctan, sample=complex_too(INSIDE), partials=lambda y, x: (
    1.0 / ((x - 1j) * (x + 1j)) if x.dtype.kind == "c" else witch(x)))


def _or_one(r: Any) -> tuple[Any, Any]:
    """Where r is 0, and r with 1 there."""
    origin = equal(r, 0.0)
    return origin, select(origin, Const(np.ones((), r.dtype)), r)


def _cosine(a: Any, b: Any) -> Any:
    with np.errstate(invalid="ignore"):
        r = np.hypot(a, b)
        out = np.where(r == 0.0, a * 0.0, a / np.where(r == 0.0, 1.0, r))
        return np.where(np.isinf(a) & np.isfinite(b), np.copysign(1.0, a), out).astype(out.dtype, copy=False)[()]


def _cosine_partials(i: int) -> Callable[..., Any]:
    """``s² / r`` in a and ``-c s / r`` in b: no difference of nearly equal numbers."""
    def partial(y: Any, a: Any, b: Any) -> Any:
        origin, r = _or_one(hypot(a, b))
        s = cosine(b, a)
        return zero_where(origin, s * s / r if i == 0 else -(y * s) / r)
    return partial


# a / √(a² + b²), the derivative of `hypot`, and the cosine of the angle of (a, b); 0 at the origin.
cosine: Primitive = elementwise("cosine", _cosine, partials=(_cosine_partials(0), _cosine_partials(1)),
                                sample=interval(POSITIVE, ANY))


def _atan2_partials(sign: float, i: int) -> Callable[..., Any]:
    """``∂/∂a = b/(a²+b²)``, ``∂/∂b = -a/(a²+b²)``; divided twice, so that squares do not overflow; 0 at the origin."""
    def partial(y: Any, a: Any, b: Any) -> Any:
        origin, r = _or_one(hypot(a, b))
        part = (cosine(b, a) if i == 0 else cosine(a, b)) / r
        return zero_where(origin, part if sign > 0 else -part)
    return partial


arctan2 = elementwise("arctan2", np.arctan2, partials=(_atan2_partials(1.0, 0), _atan2_partials(-1.0, 1)),
                      jumps=lambda y, a, b: sign(a) + 3.0 * sign(b),
                      sample=interval(POSITIVE, ANY))
hypot = elementwise("hypot", np.hypot, partials=(lambda y, a, b: cosine(a, b), lambda y, a, b: cosine(b, a)),
                    kinks=lambda y, a, b: sign(y),
                    sample=interval(POSITIVE, ANY))

# ---------------------------------------------------------------- hyperbolic

sinh = elementwise("sinh", np.sinh, partials=lambda y, x: cosh(x), sample=complex_too(ANY))
cosh: Primitive = elementwise("cosh", np.cosh, partials=lambda y, x: sinh(x), sample=complex_too(ANY))
tanh = elementwise("tanh", np.tanh, partials=lambda y, x: one_minus_square(y), sample=complex_too((-1.0, 1.0)))
# For real x the length of (x, 1): cosh(y) multiplies the rounding of y by y.
arcsinh = elementwise("arcsinh", np.arcsinh, sample=complex_too(INSIDE), partials=lambda y, x: (
    1.0 / (cosh(y) if x.dtype.kind == "c" else hypot(x, Const(np.ones((), x.dtype))))))
arccosh = elementwise("arccosh", np.arccosh, partials=lambda y, x: 1.0 / (sqrt(x - 1.0) * sqrt(_above(x))),
                      sample=complex_too((1.2, 3.0)))
arctanh = elementwise("arctanh", np.arctanh, partials=lambda y, x: 1.0 / one_minus_square(x), sample=complex_too(INSIDE))

# ---------------------------------------------------------------- angles



def _turn(ufunc: np.ufunc, factor: float) -> Primitive:
    return elementwise(ufunc.__name__, ufunc, linear="jointly", transpose=lambda ct, i, ops: ct * factor, sample=interval(ANY))


degrees, rad2deg = _turn(np.degrees, 180.0 / math.pi), _turn(np.rad2deg, 180.0 / math.pi)
radians, deg2rad = _turn(np.radians, math.pi / 180.0), _turn(np.deg2rad, math.pi / 180.0)

# ---------------------------------------------------------------- signs and absolute values


def _real_type(x: ArrayType) -> ArrayType:
    return ArrayType(x.shape, np.empty(0, x.dtype).real.dtype)


def _side(y: Any, x: Any) -> Any:
    """On what side of 0; a complex number is at 0, or not."""
    return sign(y) if x.dtype.kind == "c" else sign(x)


def _absolute_jvp(y: Any, operands: Any, tangents: Any) -> Any:
    """``sign(x) t``; for complex x ``Re(conj(x) t) / |x|``, and 0 at 0."""
    (x,), (t,) = operands, tangents
    if x.dtype.kind != "c":
        return t * sign(x)
    origin = equal(y, 0.0)
    safe = select(origin, Const(np.ones((), y.dtype)), y)
    return zero_where(origin, real(t * conj(x / convert(safe, dtype=x.dtype))))


absolute = elementwise("absolute", np.absolute, type=_real_type, jvp=_absolute_jvp, kinks=_side, sample=complex_too(ANY))
fabs = elementwise("fabs", np.fabs, partials=lambda y, x: sign(x), kinks=_side, sample=interval(ANY))


def _sign_jvp(y: Any, operands: Any, tangents: Any) -> Any:
    """Locally constant for reals; ``z/|z|`` turns with the phase: ``i y Im(conj(y) t)/|z|``."""
    (x,), (t,) = operands, tangents
    if x.dtype.kind != "c":
        return None
    size = absolute(x)
    safe = select(equal(size, 0.0), Const(np.ones((), size.dtype)), size)
    turn = imag(t * conj(y)) / safe
    return y * make_complex(turn * 0.0, turn)


sign: Primitive = elementwise("sign", np.sign, jvp=_sign_jvp, jumps=lambda y, x: y, sample=complex_too(ANY))


def _copysign_partial(y: Any, a: Any, b: Any) -> Any:
    """``sign(y) sign(a)``; at a = 0 a subgradient, 0."""
    return sign(y) * sign(a)


def _nothing(y: Any, *operands: Any) -> Any:
    return Const(np.zeros((), y.dtype))


copysign = elementwise("copysign", np.copysign, partials=(_copysign_partial, _nothing), kinks=lambda y, a, b: sign(a),
                       jumps=lambda y, a, b: sign(b), sample=interval(ANY, ANY))


def _f_tangent(ufunc_wins: Primitive) -> Callable[..., Any]:
    """As for `maximum`, with the operand that is not NaN winning."""
    def jvp(y: Any, operands: Any, tangents: Any) -> Any:
        a, b = operands
        ta, tb = [broadcast(t, shape=y.shape) if t is not None and t.shape != y.shape else t for t in tangents]
        zero = np.zeros((), y.dtype)
        mean = (ta if tb is None else tb if ta is None else ta + tb) * 0.5
        first, second = zero if ta is None else ta, zero if tb is None else tb
        a_wins = logical_and(logical_not(not_equal(a, a)), ufunc_wins(a, b))
        a_wins = logical_or(a_wins, not_equal(b, b))
        return select(equal(a, b), mean, select(a_wins, first, second))
    return jvp


fmax = elementwise("fmax", np.fmax, jvp=_f_tangent(greater), kinks=first_wins, sample=interval(ANY, ANY))
fmin = elementwise("fmin", np.fmin, jvp=_f_tangent(less), kinks=first_wins, sample=interval(ANY, ANY))

# ---------------------------------------------------------------- sums of exponentials


def _logaddexp_partial(i: int, scale: float) -> Callable[..., Any]:
    """``exp(a - y)``, as the logistic function of the difference: finite where both are -inf or far apart."""
    def partial(y: Any, a: Any, b: Any) -> Any:
        difference = (a - b) if i == 0 else (b - a)
        alike = logical_and(equal(a, b), logical_not(isfinite(a)))  # both infinite: the difference would be NaN
        safe = select(alike, Const(np.zeros((), y.dtype)), difference)
        return REGISTRY["expit"](safe * scale)
    return partial


logaddexp = elementwise("logaddexp", np.logaddexp, sample=interval(ANY, ANY),
                        partials=(_logaddexp_partial(0, 1.0), _logaddexp_partial(1, 1.0)))
logaddexp2 = elementwise("logaddexp2", np.logaddexp2, sample=interval(ANY, ANY),
                         partials=(_logaddexp_partial(0, math.log(2.0)), _logaddexp_partial(1, math.log(2.0))))

# ---------------------------------------------------------------- remainders: piecewise linear

NEAR = (0.2, 0.9)

remainder = elementwise("remainder", np.remainder, sample=interval(ANY, (0.6, 0.9)), partials=(
    lambda y, a, b: Const(np.ones((), y.dtype)), lambda y, a, b: -floor_divide(a, b)),
    jumps=lambda y, a, b: floor_divide(a, b))
fmod = elementwise("fmod", np.fmod, sample=interval(ANY, (0.6, 0.9)), partials=(
    lambda y, a, b: Const(np.ones((), y.dtype)), lambda y, a, b: -rint((a - y) / b)),
    jumps=lambda y, a, b: rint((a - y) / b))

# ---------------------------------------------------------------- locally constant


def constant(name: str, ufunc: np.ufunc, *bounds: tuple[float, float]) -> Primitive:
    """A locally constant function: its derivative is zero."""
    return elementwise(name, ufunc, differentiable=False, sample=interval(*bounds))


floor = constant("floor", np.floor, ANY)
ceil = constant("ceil", np.ceil, ANY)
rint: Primitive = constant("rint", np.rint, ANY)
trunc = constant("trunc", np.trunc, ANY)
floor_divide: Primitive = constant("floor_divide", np.floor_divide, ANY, (0.6, 0.9))
spacing = constant("spacing", np.spacing, ANY)
nextafter = elementwise("nextafter", np.nextafter, sample=interval(ANY, ANY),
                        partials=(lambda y, a, b: Const(np.ones((), y.dtype)), _nothing))
heaviside = elementwise("heaviside", np.heaviside, sample=interval(ANY, ANY), jumps=lambda y, x, at_zero: sign(x),
                        jvp=lambda y, ops, ts: None if ts[1] is None else _at_zero(y, ops[0], ts[1]))


def _at_zero(y: Any, x: Any, t: Any) -> Any:
    """The value at 0 is the second operand."""
    return select(equal(x, 0.0), t, Const(np.zeros((), y.dtype)))


isnan = predicate("isnan", np.isnan, complex_too(ANY))
isinf = predicate("isinf", np.isinf, complex_too(ANY))
isfinite = predicate("isfinite", np.isfinite, complex_too(ANY))
signbit = predicate("signbit", np.signbit, interval(ANY))


def _whole(*shapes: tuple[int, ...]) -> Any:
    return lambda rng: [(tuple(rng.integers(1, 9, s) for s in shapes), {})]


for _name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm"):
    elementwise(_name, getattr(np, _name), differentiable=False, sample=_whole((3,), (3,)))
elementwise("invert", np.invert, differentiable=False, sample=_whole((3,)))
elementwise("bitwise_count", np.bitwise_count, type=lambda x: ArrayType(x.shape, np.uint8), differentiable=False,
            sample=_whole((3,)))


def _ldexp_type(x: ArrayType, n: ArrayType) -> ArrayType:
    return ArrayType(np.broadcast_shapes(x.shape, n.shape), x.dtype)


ldexp: Primitive = elementwise("ldexp", np.ldexp, type=_ldexp_type, linear=(0,),
                    transpose=lambda ct, i, ops: sum_to(ldexp(ct, ops[1]), ops.types[0].shape),
                    sample=lambda rng: [((rng.normal(size=3), np.array([1, -2, 3])), {}),
                                        ((rng.normal(size=()), np.array([1, 2])), {})])


def _modf_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    return tangents[0], None


modf = Primitive("modf", type=lambda x: (x, x), evaluate=np.modf, multiple=True, jvp=_modf_jvp, elementwise=True,
                 ufunc=np.modf, jumps=lambda fraction, whole, x: whole, sample=interval(ANY))


def _frexp_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    return ldexp(tangents[0], -results[1]), None


frexp = Primitive("frexp", type=lambda x: (x, ArrayType(x.shape, np.intc)), evaluate=np.frexp, multiple=True, jvp=_frexp_jvp,
                  elementwise=True, ufunc=np.frexp, jumps=lambda y, exponent, x: exponent, sample=interval(ANY))


def _divmod_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    ta, tb = tangents
    terms = [t for t in (ta, None if tb is None else -(results[0] * tb)) if t is not None]
    total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
    return None, total if total.shape == results[1].shape else broadcast(total, shape=results[1].shape)


divmod_ = Primitive("divmod", type=lambda a, b: (broadcast_type(a, b), broadcast_type(a, b)), evaluate=np.divmod, multiple=True,
                    jvp=_divmod_jvp, elementwise=True, ufunc=np.divmod,
                    jumps=lambda whole, rest, a, b: whole, sample=interval(ANY, (0.6, 0.9)))

# ---------------------------------------------------------------- sinc


def _sinc_evaluate(x: Any, *, order: int) -> Any:
    x = np.asarray(x)
    near = np.abs(x) < 0.35
    small = np.where(near, x, 0.0)
    series = np.zeros_like(small)
    for m in range(24, -1, -1):
        if 2 * m >= order:
            series = series + (-1.0) ** m * math.pi ** (2 * m) / ((2 * m + 1) * math.factorial(2 * m - order)) * \
                small ** (2 * m - order)
    # far: s^(k)(u) by the recurrence s^(k) = (d^k sin u - k s^(k-1)) / u in u = πx; the turns of the wave are left out exactly
    most = np.finfo(x.dtype).max / 4
    away = np.where(near, np.ones_like(x), np.clip(x, -most, most))
    u, turn = away * math.pi, (away - 2.0 * np.rint(0.5 * away)) * math.pi
    value = np.sin(turn) / u
    waves = (np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v), np.sin)
    for k in range(1, order + 1):
        value = (waves[(k - 1) % 4](turn) - k * value) / u
    return np.where(near, series, np.where(np.isinf(x), 0.0, value * math.pi ** order)).astype(x.dtype)[()]


def _sinc_sample(rng: np.random.Generator) -> Any:
    return [((x,), {"order": k}) for x in (rng.uniform(-2, 2, 4), rng.uniform(-0.3, 0.3, 3), np.zeros(2)) for k in (1, 2)]


sinc_derivative: Primitive = elementwise("sinc_derivative", _sinc_evaluate, type=lambda x, *, order: x,
                              partials=lambda y, x, *, order: sinc_derivative(x, order=order + 1), sample=_sinc_sample)
sinc = elementwise("sinc", np.sinc, partials=lambda y, x: sinc_derivative(x, order=1), sample=interval(ANY))


numpy_round = elementwise("numpy_round", lambda x, *, decimals: np.round(x, decimals), type=lambda x, *, decimals: x,
                          differentiable=False, sample=lambda rng: [((rng.normal(size=3),), {"decimals": 1})])

# ---------------------------------------------------------------- clip


def _clip_jvp(y: Any, operands: Any, tangents: Any) -> Any:
    """The tangent of x inside and on the bounds, of a bound beyond it (the upper one if both are crossed)."""
    def spread(t: Any) -> Any:
        return Const(np.zeros((), y.dtype)) if t is None else broadcast(t, shape=y.shape) if t.shape != y.shape else t
    (x, low, high), (t, t_low, t_high) = operands, [spread(t) for t in tangents]
    inner = t
    if low is not None:
        below = less(x, low)
        inner, x = select(below, t_low, t), select(below, low, x)
    return inner if high is None else select(greater(x, high), t_high, inner)


clip = elementwise("clip", np.clip, jvp=_clip_jvp, kinks=lambda y, x, low, high: sign(x - low) + 3.0 * sign(x - high),
                   sample=interval(ANY, (-1.0, -0.5), (0.5, 1.0)))
clip_low = elementwise("clip_low", lambda x, low: np.clip(x, low, None), sample=interval(ANY, ANY),
                       kinks=lambda y, x, low: sign(x - low),
                       jvp=lambda y, ops, ts: _clip_jvp(y, (*ops, None), (*ts, None)))
clip_high = elementwise("clip_high", lambda x, high: np.clip(x, None, high), sample=interval(ANY, ANY),
                        kinks=lambda y, x, high: sign(x - high),
                        jvp=lambda y, ops, ts: _clip_jvp(y, (ops[0], None, ops[1]), (ts[0], None, ts[1])))

# ---------------------------------------------------------------- unwrap

unwrap: Primitive = Primitive(
    "unwrap", jumps=lambda y, x, *, period, **_: rint((y - x) / period),
    type=lambda x, *, axis, period, discont: x, jvp=lambda y, ops, ts, **params: ts[0],
    evaluate=lambda x, *, axis, period, discont: np.unwrap(x, discont, axis, period=period),
    batch=lambda n, ops, batched, *, axis, period, discont: unwrap(ops[0], axis=axis + 1, period=period, discont=discont),
    sample=lambda rng: [((rng.uniform(-9.0, 9.0, (2, 4)),), {"axis": a, "period": 6.0, "discont": None}) for a in (0, 1)])
