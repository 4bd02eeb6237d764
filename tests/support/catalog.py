"""The functions that the documentation says are supported, each as a small program.

What comes in: nothing. What goes out: `ENTRIES`, name -> (function of one array, a point). The one idea: the test runs
every entry in every way, and the table in the documentation is written from what the test found, so nothing can be
listed that was not run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.optimize as so
import scipy.signal
import scipy.sparse
import scipy.sparse.linalg as sl
import scipy.special as sp
import scipy.stats

from tests.support import scipy_entries

Entry = tuple[Callable[..., Any], Any]
ENTRIES: dict[str, Entry] = {}

_rng = np.random.default_rng(12)
ANY = np.array([-1.7, -0.6, 0.4, 1.3, 2.1])
POSITIVE = np.array([0.3, 0.8, 1.4, 2.2, 3.1])
UNIT = np.array([-0.8, -0.3, 0.15, 0.5, 0.85])
OPEN = np.array([0.1, 0.3, 0.55, 0.7, 0.9])
ABOVE = np.array([1.2, 1.7, 2.5, 3.3, 4.8])
M = _rng.normal(size=(3, 4))
S = _rng.normal(size=(3, 3)) + 3.0 * np.eye(3)
T = _rng.normal(size=(2, 3, 4))
V = _rng.normal(size=6)
B = _rng.normal(size=(3, 3))
R = np.array([0.7, -1.3, 2.2, 0.1, -0.4])


def entry(name: str, f: Callable[..., Any], x: Any) -> None:
    ENTRIES[name] = (f, x)


def symmetric(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a: f(a @ a.T + np.eye(3))


# ---------------------------------------------------------------- ufuncs of NumPy

for name, x in {
    "negative": ANY,
    "positive": ANY,
    "absolute": ANY,
    "fabs": ANY,
    "sign": ANY,
    "conjugate": ANY,
    "exp": ANY,
    "exp2": ANY,
    "expm1": ANY,
    "log": POSITIVE,
    "log2": POSITIVE,
    "log10": POSITIVE,
    "log1p": POSITIVE,
    "sqrt": POSITIVE,
    "square": ANY,
    "cbrt": ANY,
    "reciprocal": POSITIVE,
    "sin": ANY,
    "cos": ANY,
    "tan": UNIT,
    "arcsin": UNIT,
    "arccos": UNIT,
    "arctan": ANY,
    "sinh": ANY,
    "cosh": ANY,
    "tanh": ANY,
    "arcsinh": ANY,
    "arccosh": ABOVE,
    "arctanh": UNIT,
    "degrees": ANY,
    "radians": ANY,
    "deg2rad": ANY,
    "rad2deg": ANY,
    "floor": ANY,
    "ceil": ANY,
    "trunc": ANY,
    "rint": ANY,
}.items():
    entry(f"np.{name}", getattr(np, name), x)
for name in (
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "hypot",
    "arctan2",
    "logaddexp",
    "logaddexp2",
    "copysign",
    "remainder",
    "fmod",
    "floor_divide",
    "heaviside",
):
    entry(f"np.{name}", (lambda u: lambda x: u(x, R))(getattr(np, name)), ANY)
for name in ("power", "float_power"):
    entry(f"np.{name}", (lambda u: lambda x: u(x, x[::-1]))(getattr(np, name)), POSITIVE)
for name in (
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
):
    entry(f"np.{name}", (lambda u: lambda x: u(x, R) * x)(getattr(np, name)), ANY)
for name in ("isnan", "isinf", "isfinite", "signbit", "logical_not"):
    entry(f"np.{name}", (lambda u: lambda x: u(x) * x)(getattr(np, name)), ANY)
entry("np.modf", lambda x: np.modf(x)[0] * np.modf(x)[1], ANY)
entry("np.divmod", lambda x: np.divmod(x, 0.7)[1] + np.divmod(x, 0.7)[0], ANY)
entry("np.ldexp", lambda x: np.ldexp(x, np.array([1, 2, 0, -1, 3])), ANY)
entry("np.frexp", lambda x: np.frexp(x)[0], ANY)
entry("np.nextafter", lambda x: np.nextafter(x, 10.0), ANY)
entry("np.matmul", lambda x: x @ x.T, M)
entry("np.vecdot", lambda x: np.vecdot(x, x[::-1]), M)
entry("np.matvec", lambda x: np.matvec(x, np.arange(4.0)), M)

# ---------------------------------------------------------------- elementwise functions and selection

for name, f, x in [
    ("where", lambda x: np.where(x > 0, np.sin(x), x * x), ANY),
    ("clip", lambda x: np.clip(x, -1.0, 1.5), ANY),
    ("sinc", np.sinc, ANY),
    ("nan_to_num", lambda x: np.nan_to_num(x) * x, ANY),
    ("i0", np.i0, ANY),
    ("round", lambda x: np.round(x, 1) * x, ANY),
    ("fix", lambda x: np.fix(x) * x, ANY),
    ("real", lambda x: np.real(x * (1 + 2j)), ANY),
    ("imag", lambda x: np.imag(x * (1 + 2j)), ANY),
    ("angle", lambda x: np.angle(x + 1j), ANY),
    ("unwrap", lambda x: np.unwrap(4.0 * x), ANY),
    ("select", lambda x: np.select([x > 1, x < -1], [x**2, -x], np.sin(x)), ANY),
    ("piecewise", lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda v: v**2, lambda v: np.sin(v)]), ANY),
    ("nan_to_num", np.nan_to_num, ANY),
    ("diff", lambda x: np.diff(x, 2), V),
    ("ediff1d", np.ediff1d, V),
    ("gradient", lambda x: np.gradient(x, 0.5), V),
    ("trapezoid", lambda x: np.trapezoid(x**2, dx=0.3), V),
    ("interp", lambda x: np.interp(x, np.arange(-3.0, 4.0), np.arange(7.0) ** 2), ANY),
    ("convolve", lambda x: np.convolve(x, [1.0, -2.0, 0.5]), V),
    ("correlate", lambda x: np.correlate(x, x[:3], "full"), V),
    ("polyval", lambda x: np.polyval(x, 0.7), V),
]:
    entry(f"np.{name}", f, x)

# ---------------------------------------------------------------- structure

for name, f, x in [
    ("reshape", lambda x: np.reshape(x, (4, 3)) ** 2, M),
    ("ravel", lambda x: np.ravel(x) ** 2, M),
    ("transpose", lambda x: np.transpose(x) ** 2, M),
    ("swapaxes", lambda x: np.swapaxes(x, 0, 2) ** 2, T),
    ("moveaxis", lambda x: np.moveaxis(x, 0, 2) ** 2, T),
    ("rollaxis", lambda x: np.rollaxis(x, 2) ** 2, T),
    ("expand_dims", lambda x: np.expand_dims(x, 1) ** 2, M),
    ("squeeze", lambda x: np.squeeze(x[:1]) ** 2, M),
    ("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)) * T, M),
    ("broadcast_arrays", lambda x: np.broadcast_arrays(x, T)[0] * T, M),
    ("atleast_1d", lambda x: np.atleast_1d(x) ** 2, V),
    ("atleast_2d", lambda x: np.atleast_2d(x) ** 2, V),
    ("atleast_3d", lambda x: np.atleast_3d(x) ** 2, V),
    ("concatenate", lambda x: np.concatenate([x, x**2], axis=1), M),
    ("stack", lambda x: np.stack([x, x**2], 1), M),
    ("vstack", lambda x: np.vstack([x, x**2]), M),
    ("hstack", lambda x: np.hstack([x, x**2]), M),
    ("dstack", lambda x: np.dstack([x, x**2]), M),
    ("column_stack", lambda x: np.column_stack([x, x**2]), V),
    ("block", lambda x: np.block([[x, x**2], [x * 2, x]]), M),
    ("append", lambda x: np.append(x, x**2), V),
    ("insert", lambda x: np.insert(x, 2, x[0] ** 2), V),
    ("delete", lambda x: np.delete(x, 2) ** 2, V),
    ("split", lambda x: np.split(x, 3)[1] ** 2, V),
    ("array_split", lambda x: np.array_split(x, 4)[1] ** 2, V),
    ("hsplit", lambda x: np.hsplit(x, 2)[1] ** 2, M),
    ("vsplit", lambda x: np.vsplit(x, 3)[1] ** 2, M),
    ("pad", lambda x: np.pad(x, 2, mode="reflect") ** 2, V),
    ("flip", lambda x: np.flip(x, 1) ** 2, M),
    ("fliplr", lambda x: np.fliplr(x) ** 2, M),
    ("flipud", lambda x: np.flipud(x) ** 2, M),
    ("roll", lambda x: np.roll(x, 2, axis=1) ** 2, M),
    ("rot90", lambda x: np.rot90(x) ** 2, M),
    ("tile", lambda x: np.tile(x, (2, 1)) ** 2, M),
    ("repeat", lambda x: np.repeat(x, 2, axis=0) ** 2, M),
    ("diag", lambda x: np.diag(x) ** 2, V),
    ("diagflat", lambda x: np.diagflat(x) ** 2, V),
    ("diagonal", lambda x: np.diagonal(x) ** 2, M),
    ("tril", lambda x: np.tril(x) ** 2, M),
    ("triu", lambda x: np.triu(x, 1) ** 2, M),
    ("meshgrid", lambda x: np.meshgrid(x, x**2)[1] ** 2, V),
    ("vander", lambda x: np.vander(x, 3), V),
    ("resize", lambda x: np.resize(x, (2, 5)) ** 2, V),
]:
    entry(f"np.{name}", f, x)

# ---------------------------------------------------------------- indexing

INDEX = np.array([2, 0, 2])
for name, f, x in [
    ("x[i]", lambda x: x[1] ** 2, M),
    ("x[a:b:c]", lambda x: x[::-2, 1:] ** 2, M),
    ("x[..., None]", lambda x: x[..., None] ** 2, M),
    ("x[index array]", lambda x: x[INDEX] ** 2, M),
    ("x[mask]", lambda x: x[M > 0] ** 2, M),
    ("x[i, index array]", lambda x: x[1, :, INDEX] ** 2, T),
    ("np.take", lambda x: np.take(x, INDEX, axis=1) ** 2, M),
    ("np.take_along_axis", lambda x: np.take_along_axis(x, np.argsort(x, 1), 1) ** 2, M),
    ("np.compress", lambda x: np.compress([True, False, True], x, axis=0) ** 2, M),
    ("np.extract", lambda x: np.extract(M > 0, x) ** 2, M),
    ("np.choose", lambda x: np.choose([1, 0, 1, 0], [x[0], x[1]]), M),
]:
    entry(name, f, x)


def _write(x: Any) -> Any:
    y = x.copy()
    y[1:] = x[:-1] * x[1:]
    return y


def _add_at(x: Any) -> Any:
    y = np.zeros(3)
    np.add.at(y, [0, 1, 1, 2, 0, 1], x**2)
    return y


def _put_along_axis(x: Any) -> Any:
    y = x.copy()
    np.put_along_axis(y, np.array([[1], [0], [2]]), x[:, :1] ** 2, 1)
    return y


entry("x[a:b] = v", _write, V)
entry("np.add.at", _add_at, V)
entry("np.put_along_axis", _put_along_axis, M)

# ---------------------------------------------------------------- reductions, statistics, sorting

for name in (
    "sum",
    "prod",
    "mean",
    "var",
    "std",
    "max",
    "min",
    "ptp",
    "median",
    "cumsum",
    "cumprod",
    "nansum",
    "nanprod",
    "nanmean",
    "nanvar",
    "nanstd",
    "nanmax",
    "nanmin",
    "nanmedian",
    "nancumsum",
    "nancumprod",
):
    entry(f"np.{name}", (lambda f: lambda x: f(x, axis=1) ** 2)(getattr(np, name)), M)
for name in ("argmax", "argmin", "argsort"):
    entry(f"np.{name}", (lambda f: lambda x: np.take(x, f(x)) ** 2)(getattr(np, name)), V)
for name in ("any", "all", "count_nonzero"):
    entry(f"np.{name}", (lambda f: lambda x: f(x > 0) * x)(getattr(np, name)), V)
for name, f, x in [
    ("average", lambda x: np.average(x, weights=x**2), V),
    ("percentile", lambda x: np.percentile(x, [20, 70]), V),
    ("quantile", lambda x: np.quantile(x, 0.3, axis=1), M),
    ("nanpercentile", lambda x: np.nanpercentile(x, 35.0), V),
    ("nanquantile", lambda x: np.nanquantile(x, 0.35), V),
    ("cov", np.cov, M),
    ("corrcoef", np.corrcoef, M),
    ("sort", lambda x: np.sort(x, axis=1) * np.arange(4.0), M),
    ("partition", lambda x: np.partition(x, 2)[2] ** 2, V),
    ("searchsorted", lambda x: np.searchsorted(np.sort(x), 0.3) * x, V),
    ("unique", lambda x: np.unique(x) ** 2, V),
    ("trace", np.trace, S),
    ("bincount", lambda x: np.bincount([0, 1, 1, 2, 0, 1], weights=x) ** 2, V),
    ("histogram", lambda x: np.histogram(np.arange(6.0), bins=2, weights=x)[0] ** 2, V),
]:
    entry(f"np.{name}", f, x)

# ---------------------------------------------------------------- products and linear algebra

for name, f, x in [
    ("np.dot", lambda x: np.dot(x, x.T), M),
    ("np.inner", lambda x: np.inner(x, x), M),
    ("np.outer", lambda x: np.outer(x, x), V),
    ("np.vdot", lambda x: np.vdot(x, x[::-1]), V),
    ("np.tensordot", lambda x: np.tensordot(x, x, axes=([0, 2], [0, 2])), T),
    ("np.einsum", lambda x: np.einsum("ijk,ijl->kl", x, x), T),
    ("np.kron", lambda x: np.kron(x, x), M),
    ("np.cross", lambda x: np.cross(x, x[::-1]), B),
    ("np.linalg.multi_dot", lambda x: np.linalg.multi_dot([x, x.T, x]), M),
    ("np.lib.stride_tricks.sliding_window_view", lambda x: np.lib.stride_tricks.sliding_window_view(x, 3) ** 2, V),
    ("np.linalg.norm", np.linalg.norm, M),
    ("np.linalg.norm (nuc)", lambda x: np.linalg.norm(x, "nuc"), M),
    ("np.linalg.norm (inf)", lambda x: np.linalg.norm(x, np.inf, axis=1), M),
    ("np.linalg.vector_norm", lambda x: np.linalg.vector_norm(x, ord=3), V),
    ("np.linalg.matrix_norm", lambda x: np.linalg.matrix_norm(x, ord=2), M),
    ("np.linalg.solve", lambda x: np.linalg.solve(x, x[:, 0] ** 2), S),
    ("np.linalg.inv", np.linalg.inv, S),
    ("np.linalg.pinv", np.linalg.pinv, M),
    ("np.linalg.lstsq", lambda x: np.linalg.lstsq(x.T, x[0] ** 2)[0], M),
    ("np.linalg.det", np.linalg.det, S),
    ("np.linalg.slogdet", lambda x: np.linalg.slogdet(x)[1], S),
    ("np.linalg.cholesky", symmetric(np.linalg.cholesky), S),
    ("np.linalg.qr", lambda x: np.linalg.qr(x.T)[1], M),
    ("np.linalg.eigh", symmetric(lambda a: (lambda w, v: (v * w**2) @ v.T)(*np.linalg.eigh(a))), S),
    ("np.linalg.eigvalsh", symmetric(np.linalg.eigvalsh), S),
    ("np.linalg.eigvals", lambda x: np.sum(np.linalg.eigvals(x) ** 3).real, S),
    ("np.linalg.eig", lambda x: np.sum(np.linalg.eig(x)[0] ** 3).real, S),
    ("np.linalg.svd", lambda x: np.linalg.svd(x, compute_uv=False), M),
    ("np.linalg.svdvals", np.linalg.svdvals, M),
    ("np.linalg.matrix_power", lambda x: np.linalg.matrix_power(x, 3), S),
    ("np.linalg.cond", np.linalg.cond, S),
    ("np.linalg.tensorsolve", lambda x: np.linalg.tensorsolve(x, x[0]), S),
    ("scipy.linalg.expm", lambda x: scipy.linalg.expm(0.3 * x), S),
    ("scipy.linalg.solve", lambda x: scipy.linalg.solve(x, x[:, 0] ** 2), S),
    ("scipy.linalg.solve_triangular", lambda x: scipy.linalg.solve_triangular(x, x[:, 0] ** 2, lower=True), S),
    ("scipy.linalg.cholesky", symmetric(lambda a: scipy.linalg.cholesky(a, lower=True)), S),
    ("scipy.linalg.lu", lambda x: scipy.linalg.lu(x)[2], S),
    ("scipy.linalg.sqrtm", symmetric(scipy.linalg.sqrtm), S),
    ("scipy.linalg.logm", symmetric(scipy.linalg.logm), S),
    ("scipy.linalg.sinm", scipy.linalg.sinm, S),
    ("scipy.linalg.cho_solve", symmetric(lambda a: scipy.linalg.cho_solve(scipy.linalg.cho_factor(a), a[0])), S),
    ("scipy.linalg.solve_sylvester", lambda x: scipy.linalg.solve_sylvester(x, x.T, x), S),
    ("scipy.linalg.solve_discrete_lyapunov", lambda x: scipy.linalg.solve_discrete_lyapunov(0.2 * x, x), S),
    ("scipy.linalg.block_diag", lambda x: scipy.linalg.block_diag(x, x**2), S),
    ("scipy.linalg.inv", scipy.linalg.inv, S),
    ("scipy.linalg.det", scipy.linalg.det, S),
]:
    entry(name, f, x)

# ---------------------------------------------------------------- Fourier

for name in ("fft", "ifft", "rfft", "ihfft", "fft2", "ifft2", "rfft2", "fftn", "ifftn", "rfftn", "fftshift", "ifftshift"):
    entry(f"np.fft.{name}", (lambda f: lambda x: np.abs(f(x)) ** 2)(getattr(np.fft, name)), M)
for name in ("irfft", "hfft", "irfft2", "irfftn"):
    entry(f"np.fft.{name}", (lambda f: lambda x: f(x * (1.0 + 0.5j)))(getattr(np.fft, name)), M)
entry("scipy.fft.fft", lambda x: np.abs(scipy.fft.fft(x)) ** 2, M)

# ---------------------------------------------------------------- special functions of SciPy

for name, x in {
    "erf": ANY,
    "erfc": ANY,
    "erfcx": ANY,
    "erfinv": UNIT,
    "erfcinv": OPEN + 0.2,
    "gamma": POSITIVE,
    "gammaln": POSITIVE,
    "loggamma": POSITIVE,
    "psi": POSITIVE,
    "digamma": POSITIVE,
    "expit": ANY,
    "logit": OPEN,
    "log_expit": ANY,
    "entr": POSITIVE,
    "j0": ANY,
    "j1": ANY,
    "y0": POSITIVE,
    "y1": POSITIVE,
    "i0": ANY,
    "i1": ANY,
    "i0e": ANY,
    "i1e": ANY,
    "k0": POSITIVE,
    "k1": POSITIVE,
    "k0e": POSITIVE,
    "k1e": POSITIVE,
    "ndtr": ANY,
    "ndtri": OPEN,
    "log_ndtr": ANY,
    "exprel": ANY,
    "dawsn": ANY,
    "softmax": ANY,
    "log_softmax": ANY,
    "logsumexp": ANY,
}.items():
    entry(f"scipy.special.{name}", getattr(sp, name), x)
for name, f, x in [
    ("polygamma", lambda x: sp.polygamma(1, x), POSITIVE),
    ("beta", lambda x: sp.beta(x, x[::-1]), POSITIVE),
    ("betaln", lambda x: sp.betaln(x, x[::-1]), POSITIVE),
    ("gammainc", lambda x: sp.gammainc(x, x[::-1]), POSITIVE),
    ("gammaincc", lambda x: sp.gammaincc(x, x[::-1]), POSITIVE),
    ("betainc", lambda x: sp.betainc(1.5, 2.5, x), OPEN),
    ("xlogy", lambda x: sp.xlogy(x, x[::-1]), POSITIVE),
    ("xlog1py", lambda x: sp.xlog1py(x, x[::-1]), POSITIVE),
    ("rel_entr", lambda x: sp.rel_entr(x, x[::-1]), POSITIVE),
    ("kl_div", lambda x: sp.kl_div(x, x[::-1]), POSITIVE),
    ("jv", lambda x: sp.jv(1.5, x), POSITIVE),
    ("yv", lambda x: sp.yv(1.5, x), POSITIVE),
    ("iv", lambda x: sp.iv(1.5, x), POSITIVE),
    ("kv", lambda x: sp.kv(1.5, x), POSITIVE),
    ("ive", lambda x: sp.ive(1.5, x), POSITIVE),
    ("kve", lambda x: sp.kve(1.5, x), POSITIVE),
    ("huber", lambda x: sp.huber(1.0, x), ANY),
    ("multigammaln", lambda x: sp.multigammaln(x + 2.0, 2), POSITIVE),
    ("boxcox", lambda x: sp.boxcox(x, 0.7), POSITIVE),
]:
    entry(f"scipy.special.{name}", f, x)


# ---------------------------------------------------------------- functions that no protocol reaches

entry("np.r_", lambda x: np.r_[x, 1.0, x[:2]], ANY)
entry("np.c_", lambda x: np.c_[x, x[::-1] * 2.0], ANY)
entry("np.polyfit", lambda y: np.polyfit(POSITIVE, y, 2), ANY)
entry("np.polyfit (points)", lambda x: np.polyfit(x, ANY, 1), POSITIVE)
entry("scipy.integrate.simpson", lambda y: scipy.integrate.simpson(y, POSITIVE), ANY)
entry("scipy.integrate.trapezoid", lambda x: scipy.integrate.trapezoid(ANY, x), POSITIVE)
entry("scipy.integrate.cumulative_trapezoid", lambda x: scipy.integrate.cumulative_trapezoid(ANY, x), POSITIVE)
PRECISE = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13}
entry("scipy.integrate.solve_ivp", lambda x: scipy.integrate.solve_ivp(
    lambda t, y: [x[2] * y[1], -x[3] * np.sin(y[0])], (0.0, 1.0), x[:2], t_eval=[0.4, 1.0], **PRECISE).y, POSITIVE)
entry("scipy.integrate.odeint", lambda x: scipy.integrate.odeint(
    lambda y, t, k: [k * y[1], -k * np.sin(y[0])], x[:2], np.array([0.0, 0.4, 1.0]), (x[2],), rtol=1e-12, atol=1e-12), POSITIVE)
entry("scipy.integrate.quad", lambda x: scipy.integrate.quad(
    lambda t: np.exp(-x[0] * t) * np.sin(x[1] * t), x[2], x[3])[0], POSITIVE)
entry("scipy.integrate.quad_vec", lambda x: scipy.integrate.quad_vec(lambda t: np.exp(-x * t), 0.0, x[0])[0], POSITIVE)
entry("scipy.integrate.fixed_quad", lambda x: scipy.integrate.fixed_quad(lambda t: np.exp(-x[0] * t), 0.0, x[1])[0], POSITIVE)
entry("scipy.integrate.dblquad", lambda x: scipy.integrate.dblquad(
    lambda v, u: x[0] * u * np.exp(-x[1] * v), 0.0, x[2], 0.0, lambda u: u)[0], POSITIVE)
for name, shapes in {"norm": (), "expon": (), "uniform": (), "gamma": (1.7,), "chi2": (3.2,), "beta": (1.3, 2.4), "t": (4.5,),
                     "cauchy": (), "logistic": (), "lognorm": (0.8,)}.items():
    for way in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf"):
        if name != "t" or way not in ("ppf", "isf"):
            entry(f"scipy.stats.{name}.{way}", (lambda n, w, s: lambda x: getattr(getattr(scipy.stats, n), w)(x, *s))(
                name, way, shapes), OPEN * 0.9)


def cubic(x: Any, a: Any) -> Any:
    return x**3 + 2.0 * x - a


def bowl(x: Any, a: Any) -> Any:
    return np.sum(np.cosh(x - a[:2]) + 0.1 * x**2 * a[2])


for name in ("brentq", "bisect", "ridder", "brenth", "toms748"):
    entry(f"scipy.optimize.{name}", (lambda f: lambda a: f(lambda x: cubic(x, a[0]) * a[1], -5.0, 5.0, xtol=1e-14))(
        getattr(so, name)), POSITIVE[:2])
entry("scipy.optimize.newton", lambda a: so.newton(lambda x: cubic(x, a), np.ones(5), tol=1e-14), ANY)
entry("scipy.optimize.root_scalar", lambda a: so.root_scalar(lambda x: cubic(x, a[0]) * a[1], bracket=(-5.0, 5.0)).root,
      POSITIVE[:2])
entry("scipy.optimize.root", lambda a: so.root(lambda x: cubic(x, a), np.ones(5), tol=1e-13).x, ANY)
entry("scipy.optimize.fsolve", lambda a: so.fsolve(cubic, np.ones(5), args=(a,), xtol=1e-13), ANY)
entry("scipy.optimize.fixed_point", lambda a: so.fixed_point(lambda x: np.cos(x) * a, np.ones(5), xtol=1e-13), OPEN)
entry("scipy.optimize.minimize", lambda a: so.minimize(bowl, np.zeros(2), (a,), "BFGS", jac=lambda x, a: np.sinh(
    x - a[:2]) + 0.2 * x * a[2], tol=1e-13).x, POSITIVE[:3])
entry("scipy.optimize.minimize_scalar", lambda a: so.minimize_scalar(lambda x: np.cosh(x - a[0]) + 0.1 * x**2 * a[1]).fun,
      POSITIVE[:2])
entry("scipy.optimize.least_squares", lambda a: so.least_squares(
    lambda p: p[0] * np.exp(-p[1] * UNIT) - a, np.ones(2), xtol=1e-14, ftol=1e-14, gtol=1e-14).x, POSITIVE)
entry("scipy.optimize.curve_fit", lambda a: so.curve_fit(
    lambda t, p, q: p * np.exp(-q * t), UNIT, a, xtol=1e-14, ftol=1e-14)[0], POSITIVE)
_banded = scipy.sparse.diags_array([np.full(4, -1.0), np.full(5, 3.0), np.full(4, 0.7)], offsets=[-1, 0, 1]).tocsc()
entry("scipy.sparse.linalg.spsolve", lambda b: sl.spsolve(_banded, b), ANY)
entry("scipy.sparse.linalg.splu", lambda b: sl.splu(_banded).solve(b), ANY)
entry("scipy.sparse.linalg.factorized", lambda b: sl.factorized(_banded)(b), ANY)
for name in ("gmres", "bicgstab", "cg"):
    entry(f"scipy.sparse.linalg.{name}", (lambda f, m: lambda b: f(m, b, rtol=1e-13)[0])(
        getattr(sl, name), _banded + _banded.T if name == "cg" else _banded), ANY)
for way in ("pmf", "logpmf", "cdf", "sf"):
    entry(f"scipy.stats.poisson.{way}", (lambda w: lambda mu: getattr(scipy.stats.poisson, w)(np.arange(5), mu))(way), POSITIVE)
entry("scipy.stats.bernoulli.logpmf", lambda p: scipy.stats.bernoulli.logpmf(np.arange(5) % 2, p), OPEN)
entry("scipy.stats.multivariate_normal.logpdf", lambda x: scipy.stats.multivariate_normal.logpdf(
    x, np.ones(3), np.eye(3) + 0.2), B)


# ---------------------------------------------------------------- other names and forms of the same mathematics

def _changed(change: Callable[..., Any]) -> Callable[..., Any]:
    """A function of an array that `change` writes into."""
    def f(x: Any) -> Any:
        y = x * x
        change(y, x)
        return y * x
    return f


for name, f, x in [
    ("np.dsplit", lambda x: np.dsplit(x, 2)[1] ** 2, T),
    ("np.unstack", lambda x: np.unstack(x)[1] ** 2, M),
    ("np.matrix_transpose", lambda x: np.matrix_transpose(x) ** 2, T),
    ("np.astype", lambda x: np.astype(x, complex).real ** 2, V),
    ("np.full_like", lambda x: np.full_like(x, x[0] ** 2) * x, V),
    ("np.copyto", _changed(lambda y, x: np.copyto(y, x**3, where=V > 0)), V),
    ("np.putmask", _changed(lambda y, x: np.putmask(y, V > 0, x**3)), V),
    ("np.place", _changed(lambda y, x: np.place(y, V > 0, x[:2])), V),
    ("np.fill_diagonal", _changed(lambda y, x: np.fill_diagonal(y, x[0, 1])), S),
    ("np.nonzero", lambda x: x[np.nonzero(V > 0)] ** 2, V),
    ("np.lexsort", lambda x: x[np.lexsort((x,))] ** 2 * np.arange(6.0), V),
    ("np.argpartition", lambda x: x[np.argpartition(x, 2)[2]] ** 2, V),
    ("np.nanargmax", lambda x: np.take(x, np.nanargmax(x)) ** 2, V),
    ("np.nanargmin", lambda x: np.take(x, np.nanargmin(x)) ** 2, V),
    ("np.digitize", lambda x: np.digitize(x, [-0.5, 0.1, 0.9]) * x, V),
    ("np.isclose", lambda x: np.where(np.isclose(x, 9.0), x, x**2), V),
    ("np.cumulative_sum", lambda x: np.cumulative_sum(x, axis=1) ** 2, M),
    ("np.cumulative_prod", lambda x: np.cumulative_prod(x, axis=1), M),
    ("np.real_if_close", lambda x: np.real_if_close(x * (1.0 + 0j)) ** 2, V),
    ("np.apply_along_axis", lambda x: np.apply_along_axis(lambda r: r * np.sum(r), 1, x), M),
    ("np.apply_over_axes", lambda x: np.apply_over_axes(np.sum, x**2, [0, 2]), T),
    ("np.vectorize", lambda x: np.vectorize(lambda t: t * t if t > 0 else t)(x), V),
    ("np.vecmat", lambda x: np.vecmat(x[0], x.T), M),
    ("np.linalg.vecdot", lambda x: np.linalg.vecdot(x, x**2), M),
    ("np.linalg.tensorinv", lambda x: np.linalg.tensorinv(x, ind=1), S),
    ("np.linalg.diagonal", lambda x: np.linalg.diagonal(x) ** 2, S),
    ("np.linalg.trace", lambda x: np.linalg.trace(x) ** 2, S),
    ("np.linalg.outer", lambda x: np.linalg.outer(x, x**2), V),
    ("np.linalg.cross", lambda x: np.linalg.cross(x, x[::-1]), S),
    ("np.linalg.matmul", lambda x: np.linalg.matmul(x, x), S),
    ("np.linalg.tensordot", lambda x: np.linalg.tensordot(x, x**2), S),
    ("np.linalg.matrix_transpose", lambda x: np.linalg.matrix_transpose(x) ** 2, S),
    ("scipy.linalg.lu_factor", lambda x: scipy.linalg.lu_factor(x)[0], S),
    ("scipy.linalg.lu_solve", lambda x: scipy.linalg.lu_solve(scipy.linalg.lu_factor(x), x[0]), S),
    ("scipy.linalg.cho_factor", symmetric(lambda a: np.triu(scipy.linalg.cho_factor(a)[0])), S),
    ("scipy.linalg.qr", lambda x: scipy.linalg.qr(x)[1], S),
    ("scipy.linalg.svd", lambda x: scipy.linalg.svd(x)[1], S),
    ("scipy.linalg.svdvals", scipy.linalg.svdvals, S),
    ("scipy.linalg.eigh", symmetric(lambda a: scipy.linalg.eigh(a)[0]), S),
    ("scipy.linalg.norm", scipy.linalg.norm, S),
    ("scipy.linalg.lstsq", lambda x: scipy.linalg.lstsq(x, x[0] ** 2)[0], S),
    ("scipy.linalg.toeplitz", scipy.linalg.toeplitz, V),
    ("scipy.special.gammaincinv", lambda x: sp.gammaincinv(1.5, x), OPEN),
    ("scipy.special.gammainccinv", lambda x: sp.gammainccinv(1.5, x), OPEN),
    ("scipy.special.betaincinv", lambda x: sp.betaincinv(1.5, 2.5, x), OPEN),
    ("scipy.special.betaincc", lambda x: sp.betaincc(1.5, 2.5, x), OPEN),
    ("scipy.special.jn", lambda x: sp.jn(2, x), POSITIVE),
    ("scipy.special.yn", lambda x: sp.yn(2, x), POSITIVE),
    ("scipy.special.kn", lambda x: sp.kn(2, x), POSITIVE),
    ("scipy.special.jve", lambda x: sp.jve(1.5, x), POSITIVE),
    ("scipy.special.yve", lambda x: sp.yve(1.5, x), POSITIVE),
    ("scipy.special.expn", lambda x: sp.expn(2, x), POSITIVE),
    ("scipy.special.stdtr", lambda x: sp.stdtr(3.0, x), ANY),
    ("scipy.special.binom", lambda x: sp.binom(x + 3.0, 2.0), POSITIVE),
    ("scipy.special.poch", lambda x: sp.poch(x, 2.0), POSITIVE),
    ("scipy.special.pseudo_huber", lambda x: sp.pseudo_huber(1.0, x), ANY),
    ("scipy.special.inv_boxcox", lambda x: sp.inv_boxcox(x, 0.7), POSITIVE),
    ("scipy.special.powm1", lambda x: sp.powm1(x, 1.7), POSITIVE),
    ("scipy.special.hyp2f1", lambda x: sp.hyp2f1(1.0, 2.0, 3.5, x), OPEN),
    ("scipy.special.zeta", lambda x: sp.zeta(2.5, x), POSITIVE),
    ("scipy.special.lambertw", lambda x: sp.lambertw(x).real, POSITIVE),
    ("scipy.special.fresnel", lambda x: sp.fresnel(x)[0] * sp.fresnel(x)[1], ANY),
    ("scipy.special.sici", lambda x: sp.sici(x)[0] * sp.sici(x)[1], POSITIVE),
    ("scipy.special.shichi", lambda x: sp.shichi(x)[0] * sp.shichi(x)[1], POSITIVE),
    ("scipy.special.airy", lambda x: sp.airy(x)[0] * sp.airy(x)[3], ANY),
]:
    entry(name, f, x)
for name, x in {"erfi": UNIT, "rgamma": POSITIVE, "spence": POSITIVE, "ellipk": OPEN, "ellipe": OPEN, "exp1": POSITIVE,
                "expi": POSITIVE, "cosm1": ANY, "exp10": UNIT, "softplus": ANY}.items():
    if hasattr(sp, name):
        entry(f"scipy.special.{name}", getattr(sp, name), x)

ENTRIES.update(scipy_entries.ENTRIES)

# ---------------------------------------------------------------- what is refused, and why

REFUSED: dict[str, str] = dict(scipy_entries.REFUSED)
for name, f, x, why in [
    ("np.trim_zeros", np.trim_zeros, V, "it cuts by value: take a slice"),
    ("scipy.linalg.schur", lambda x: scipy.linalg.schur(x)[0], S, "the Schur factors have no rule"),
    ("scipy.interpolate.UnivariateSpline", lambda x: scipy.interpolate.UnivariateSpline(ABOVE, x, s=0.1)(ABOVE), POSITIVE,
     "smoothing chooses knots by the data: made outside it takes traced points; InterpolatedUnivariateSpline takes data"),
    ("scipy.interpolate.CloughTocher2DInterpolator", lambda x: scipy.interpolate.CloughTocher2DInterpolator(
        np.reshape(V, (3, 2)), x)(np.zeros((1, 2))), ANY[:3], "use RBFInterpolator, or LinearNDInterpolator"),
    ("scipy.signal.wiener", scipy.signal.wiener, ANY, "it is a formula in means and variances of windows: write it with "
     "scipy.ndimage.uniform_filter"),
    ("scipy.signal.lombscargle", lambda x: scipy.signal.lombscargle(ANY, x, np.array([0.5])), ANY,
     "solve the least squares problem of sines: np.linalg.lstsq"),
    ("scipy.fft.fht", lambda x: scipy.fft.fht(x, 0.1, 0.5), ANY, "its coefficients have no public name in SciPy: write it with "
     "scipy.special.loggamma and scipy.fft.rfft"),
    ("scipy.special.jv (in its order)", lambda x: sp.jv(x, 1.5), POSITIVE, "the derivative in the order is not known"),
    ("scipy.special.zeta (in its exponent)", lambda x: sp.zeta(x + 1.0), POSITIVE, "its derivative is not known"),
]:
    entry(name, f, x)
    REFUSED[name] = why
