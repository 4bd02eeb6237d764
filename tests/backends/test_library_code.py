"""What the library of compiled code computes, against the interpreter.

What comes in: the samples of every primitive, and shapes and values of our own. What goes out: equality of each result with
`primitive.evaluate`, to rounding where sums may be associated differently. The one idea: a case is data; all of them are
compiled in a few modules, and a case that is refused is not run but counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wengert.graph import REGISTRY

pytest.importorskip("llvmlite")
from library_harness import FAILED, Case, compiled

RNG = np.random.default_rng(3)


def draw(shape: Any, dtype: Any = float) -> Any:
    x = RNG.normal(size=shape)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        return RNG.integers(0, 9, shape).astype(dtype)
    if dtype.kind == "b":
        return x > 0
    return (x + 1j * RNG.normal(size=shape) if dtype.kind == "c" else x).astype(dtype)


def samples(*names: str) -> list[Case]:
    out = []
    for name in names:
        p = REGISTRY[name]
        for operands, params in p.sample(np.random.default_rng(1)):
            operands = p.follows(*operands, **params) if p.follows else operands
            out.append(Case(name, operands, params))
    return out


def agree(case: Case, got: Any, exact: bool = False) -> None:
    assert got is not FAILED, case.id
    for x, y in zip(got, case.expected(), strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype, case.id
        if exact or x.dtype.kind in "iub":
            np.testing.assert_array_equal(x, y, err_msg=case.id)
        else:
            eps = float(np.finfo(x.dtype).eps)
            size = float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y)))
            np.testing.assert_allclose(x, y, rtol=1000 * eps, atol=1000 * eps * max(size, 1.0), err_msg=case.id)


def run_all(cases: list[Case], exact: bool = False) -> None:
    for case in cases:
        assert case.supported, case.id
    for case, run in zip(cases, compiled(cases), strict=True):
        agree(case, run(), exact)


# ---------------------------------------------------------------- products


def contraction(spec: str, a: Any, b: Any, dtype: Any = float) -> Case:
    return Case("contract", (draw(a, dtype), draw(b, dtype)), {"spec": spec})


PRODUCTS = [("ab,bc->ac", (3, 5), (5, 4)), ("ab,bc->ac", (64, 64), (64, 64)), ("ab,bc->ac", (130, 70), (70, 33)),
            ("ab,bc->ac", (1, 1), (1, 1)), ("ab,bc->ac", (0, 3), (3, 2)), ("ab,bc->ac", (2, 0), (0, 3)),
            ("ba,bc->ac", (70, 40), (70, 33)), ("ab,cb->ac", (40, 70), (33, 70)), ("ba,cb->ca", (20, 40), (33, 20)),
            ("ab,b->a", (130, 70), (70,)), ("ba,b->a", (130, 70), (130,)), ("a,ab->b", (9,), (9, 21)),
            ("a,a->", (1000,), (1000,)), ("a,b->ab", (17,), (23,)), ("a,b->ba", (17,), (23,)),
            ("ab,ab->", (17, 9), (17, 9)), ("ab,ba->", (17, 9), (9, 17)), ("ab,ab->a", (17, 9), (17, 9)),
            ("ab,ab->b", (17, 9), (17, 9)), ("abc,acd->abd", (5, 3, 4), (5, 4, 2)), ("abc,acd->abd", (2, 30, 40), (2, 40, 20)),
            ("abc,bd->dac", (20, 30, 20), (30, 20)), ("abcd,dbe->eca", (2, 30, 20, 4), (4, 30, 20)),
            ("abc,bac->cb", (2, 3, 4), (3, 2, 4)), ("ab,ab->ba", (5, 6), (5, 6)), ("abc,b->ac", (3, 40, 9), (40,)),
            ("ab,acb->ca", (3, 40), (3, 11, 40)), ("abc,cd->abd", (4, 30, 40), (40, 20)), (",ab->ba", (), (3, 4)),
            # large enough for BLAS, in parts that loops go over
            ("abc,db->adc", (3, 50, 40), (30, 50)), ("abc,adc->bd", (3, 30, 40), (3, 40, 40)),
            ("abc,bd->adc", (3, 50, 40), (50, 30)), ("abcd,ced->eba", (3, 4, 40, 35), (40, 9, 35)),
            ("abc,dba->cd", (5, 40, 50), (30, 40, 5)), ("abcd,aecd->aeb", (2, 30, 40, 3), (2, 40, 40, 3))]


def test_samples_of_products():
    run_all(samples("contract"))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.complex64, np.int64, np.bool_])
def test_products(dtype):
    run_all([contraction(*p, dtype=dtype) for p in PRODUCTS])


def test_products_of_every_small_size():
    sizes = (1, 2, 3, 4, 7, 8, 9, 13)
    run_all([contraction(spec, (m, k), (k, n) if spec == "ab,bc->ac" else (n, k))
             for spec in ("ab,bc->ac", "ab,cb->ac") for m in sizes[::2] for n in sizes for k in (1, 3, 9)])


def test_products_are_added_to_a_result_and_read_operands_as_they_lie():
    from wengert.backends.compiled.library import Place, emit_contract
    from wengert.backends.compiled.loops import contiguous

    cases = [contraction(*p, dtype=dtype) for p in PRODUCTS for dtype in (float, complex)]
    turned = []
    for case in cases:
        axes = tuple(reversed(range(case.operands[0].ndim)))
        turned.append(contiguous(case.operands[0].shape[::-1])[::-1])
        case.logical = case.operands  # type: ignore[attr-defined]
        case.operands = (np.ascontiguousarray(case.operands[0].transpose(axes)), case.operands[1])

    def emitter(code, equation, operands, results, scratch, fail):
        k = next(k for k, c in enumerate(cases) if c.equation is equation)
        first = Place(operands[0].pointer, equation.operands[0].type, turned[k])
        emit_contract(code, equation, (first, operands[1]), results[0], scratch, fail, accumulate=True)
    for case, run in zip(cases, compiled(cases, emitter), strict=True):
        start = draw(case.result_types[0].shape, case.result_types[0].dtype)
        want = start + case.primitive.evaluate(*case.logical, **case.params)  # type: ignore[attr-defined]
        np.testing.assert_allclose(run([start])[0], want, rtol=1e-12, atol=1e-12, err_msg=case.id)


# ---------------------------------------------------------------- factorizations

SQUARE = ("lu_factor", "inv", "det", "slogdet", "lu", "eigh", "eigvalsh", "eig", "eigvals", "svd", "svdvals", "qr", "cholesky")
PARAMS: dict[str, list[dict[str, Any]]] = {
    "eigh": [{"uplo": "L"}, {"uplo": "U"}], "eigvalsh": [{"uplo": "U"}], "cholesky": [{"above": False}, {"above": True}],
    "svd": [{"full": True}, {"full": False}, {"full": True, "by": "scipy"}], "qr": [{"complete": True}, {"complete": False}],
    "svdvals": [{}, {"by": "scipy"}]}


def definite(n: int, dtype: Any) -> Any:
    a = draw((n, n), dtype)
    return (a @ a.conj().T + n * np.eye(n)).astype(dtype)


def test_samples_of_factorizations():
    run_all(samples(*SQUARE, "solve_factored", "solve_triangular"))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.complex64])
def test_factorizations(dtype):
    cases = [Case(name, (definite(n, dtype) if name == "cholesky" else draw((n, n), dtype) / max(n, 1),), params)
             for name in SQUARE for n in (1, 4, 33) for params in PARAMS.get(name, [{}])]
    cases += [Case(name, (draw(shape, dtype),), params) for name in ("lu", "svd", "svdvals", "qr")
              for shape in ((3, 5), (5, 3), (2, 30, 17), (1, 4)) for params in PARAMS.get(name, [{}])]
    run_all([c for c in cases if c.name != "lu" or c.operands[0].size > 1])  # of a number SciPy gives P another dtype


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_solves(dtype):
    cases = []
    for n, columns in ((1, 1), (5, 1), (40, 17)):
        a = draw((n, n), dtype) + 3 * np.eye(n, dtype=dtype)[::-1]
        b = draw((2, n, columns), dtype)
        factors = REGISTRY["lu_factor"].evaluate(a)
        cases += [Case("solve_factored", (a, *factors, b), {"trans": t}) for t in "NTC"]
        a = np.tril(draw((n, n), dtype)) * 0.1 + 2 * np.eye(n, dtype=dtype)
        cases += [Case("solve_triangular", (a if low else a.T, b), {"lower": low, "trans": t, "unit": u})
                  for t in "NTC" for low in (True, False) for u in (True, False)]
    run_all(cases)


def test_what_has_no_factors_fails():
    singular, nan = np.ones((3, 3)), np.full((3, 3), np.nan)
    cases = [Case("inv", (singular,), {}), Case("lu_factor", (singular,), {}),
             Case("cholesky", (-np.eye(3),), {"above": False}),
             Case("solve_triangular", (np.zeros((2, 2)), np.ones((2, 1))), {"lower": True, "trans": "N", "unit": False}),
             Case("svd", (nan,), {"full": True})]
    assert [run() for run in compiled(cases)] == [FAILED] * len(cases)
    near = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-14]])
    assert compiled([Case("inv", (near,), {"use": "eig"})])[0]() is FAILED
    run_all([Case("inv", (definite(4, t),), {"use": use}) for t in (float, np.complex64) for use in ("nan", "eig", "det")])
    run_all([Case("det", (singular,), {}), Case("slogdet", (singular,), {}), Case("slogdet", (singular + 0j,), {})])


# ---------------------------------------------------------------- reductions, scans

REDUCTIONS = ("reduce_max", "reduce_min", "reduce_prod", "reduce_any", "reduce_all")
SCANS = ("cumsum", "cumprod", "cummax", "cummin")
SHAPES = [((17,), (0,)), ((5, 33), (1,)), ((5, 33), (0,)), ((3, 4, 5), (0, 2)), ((3, 4, 20), (1,)), ((3, 4, 5), (0, 1, 2)),
          ((3, 4, 5), ()), ((1, 1), (0,)), ((), ()), ((2, 0, 3), (0,))]


def with_specials(x: Any) -> Any:
    """Some NaN, infinities, ties and zeros."""
    if x.dtype.kind == "f" and x.size > 6:
        flat = x.reshape(-1)
        flat[[1, 3]], flat[2], flat[5] = np.nan, np.inf, -np.inf
        flat[6] = flat[4]
    return x


def unsupported_complex(c: Case) -> bool:
    extremes = ("reduce_max", "reduce_min", "cummax", "cummin")
    return bool(c.operands) and c.operands[0].dtype.kind == "c" and c.name in extremes


def test_samples_of_reductions_and_scans():
    run_all([c for c in samples(*REDUCTIONS, *SCANS, "argmax", "argmin", "masked_sum") if not unsupported_complex(c)])


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.int64, np.uint8, np.bool_])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_reductions_and_scans(dtype):
    cases = []
    for shape, axes in SHAPES:
        for special in (False, True) if np.dtype(dtype).kind == "f" else (False,):
            x = draw(shape, dtype)
            x = with_specials(x) if special else x
            cases += [Case(name, (x,), {"axes": axes}) for name in REDUCTIONS]
            mask = draw(shape, bool)
            cases += [Case("masked_sum", (x, m, draw((), dtype)), {"axes": axes})
                      for m in (mask, np.array(True), np.array(False))]
            for axis in axes:
                if x.size:
                    cases += [Case(name, (x,), {"axis": axis}) for name in ("argmax", "argmin")]
                cases += [Case(name, (x,), {"axis": axis}) for name in SCANS[1:]]
                cases += [Case("cumsum", (x,), {"axis": axis, "reverse": r}) for r in (True, False)]
    run_all([c for c in cases if not unsupported_complex(c)])


# ---------------------------------------------------------------- orderings, windows


def test_samples_of_orderings_and_windows():
    cases = samples("sort", "argsort", "permute", "searchsorted", "window_sum", "correlate")
    run_all([c for c in cases if not unsupported_complex(c)])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64, np.uint8, np.bool_])
def test_orderings(dtype):
    cases = []
    for shape, axis in (((5,), 0), ((16,), 0), ((17,), 0), ((3, 100), 1), ((67, 3), 0), ((2, 0), 1), ((1, 1), 0), ((777,), 0)):
        x = draw(shape, dtype)
        x = (np.round(x) if x.dtype.kind == "f" else x).astype(dtype)  # ties
        for values in (x, with_specials(x.copy())):
            cases += [Case(name, (values,), {"axis": axis, "kind": kind})
                      for name in ("sort", "argsort") for kind in ("quicksort", "stable")]
            places = np.argsort(values, axis=axis)
            cases += [Case("permute", (values, places), {"axis": axis, "inverse": i}) for i in (True, False)]
    a = np.sort(with_specials(draw(50, dtype)))
    if a.dtype.kind != "c":
        cases += [Case("searchsorted", (a, v), {"side": side})
                  for v in (a, draw((3, 4), dtype), a[:0]) for side in ("left", "right")]
    run_all(cases, exact=True)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64])
def test_correlations(dtype):
    run_all([Case("correlate", (draw((*stack, n), dtype), draw((*stack, m), dtype)), {"mode": mode})
             for n, m in ((1, 1), (100, 7), (100, 90), (33, 33), (9, 1), (3, 20)) for mode in ("valid", "full")
             for stack in ((), (2,)) if n >= m or mode == "full"])


# ---------------------------------------------------------------- transforms


def test_samples_of_transforms():
    run_all(samples("fft", "rfft", "irfft"))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_transforms(dtype):
    full = np.result_type(dtype, np.complex64)
    cases = []
    for n in (1, 2, 3, 8, 30, 101):
        for shape, axis in (((n,), 0), ((3, n), 1), ((n, 4), 0), ((2, n, 3), 1)):
            for norm in ("backward", "ortho", "forward"):
                cases += [Case("fft", (draw(shape, t),), {"axis": axis, "inverse": i, "norm": norm})
                          for t, i in ((full, False), (full, True), (dtype, False))]
                cases.append(Case("rfft", (draw(shape, dtype),), {"axis": axis, "norm": norm}))
                half = tuple([n // 2 + 1 if k == axis else m for k, m in enumerate(shape)])
                cases.append(Case("irfft", (draw(half, full),), {"axis": axis, "n": n, "norm": norm}))
    run_all(cases)


# ---------------------------------------------------------------- the table


def test_every_line_of_the_table_is_a_primitive():
    from wengert.backends.compiled.library import TABLE

    assert set(TABLE) <= set(REGISTRY)
    refused = [c.id for c in samples(*TABLE) if not c.supported]
    assert len(refused) < 12, refused


def test_results_may_take_the_place_of_operands():
    from wengert.backends.compiled import library
    from wengert.backends.compiled.loops import copy

    cases = [c for c in samples(*library._CONSUMES) if c.supported and library.consumes(c.equation)]
    assert {c.name for c in cases} == set(library._CONSUMES)

    def emitter(code, equation, operands, results, scratch, fail):
        (k,) = library.consumes(equation)
        t = results[0].type
        copy(code, t.dtype, t.shape, operands[k].pointer, operands[k].strides, results[0].pointer, results[0].strides)
        operands = [results[0] if j == k else p for j, p in enumerate(operands)]
        library.emit(code, equation, operands, results, scratch, fail)
    for case, run in zip(cases, compiled(cases, emitter), strict=True):
        agree(case, run())


def test_routines_of_scipy_where_those_of_numpy_are_not_found(monkeypatch):
    from wengert.backends.compiled import foreign as outer

    monkeypatch.setattr(outer, "_numpy_library", lambda: None)
    outer.routine.cache_clear()
    outer.query.cache_clear()
    try:
        assert outer.routine("dgemm").integer == 4
        run_all([contraction("ab,bc->ac", (64, 64), (64, 64)), *samples("lu_factor", "inv", "svd", "eigh", "qr", "eig")])
    finally:
        outer.routine.cache_clear()
        outer.query.cache_clear()
