"""The laws that every primitive obeys, tested at its own samples. A new primitive is tested by existing.

Nothing is compared with the formula that it came from: values come from `evaluate`, derivatives from differences
of values, second derivatives from differences of first ones, batches from loops. Tolerances are estimates of the
error of what is compared, never chosen to fit.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from law_cases import (
    EPS,
    Case,
    case_of,
    direction,
    directional,
    each_case,
    environment,
    linearized,
    names_a_type,
    norm,
    plain,
    precision,
    quiet,
    real_dot,
    rng_of,
    samples,
    single,
)

from wengert.backends.interpret import Program
from wengert.errors import GraphError, MissingRuleError
from wengert.graph import REGISTRY, ArrayType, Handle, Missing, Stack, StackType, type_of
from wengert.graph.check import check
from wengert.graph.text import from_text, to_text
from wengert.graph.walk import same_graph
from wengert.transforms.batch import batch
from wengert.transforms.jvp import jvp
from wengert.transforms.linearize import linearize
from wengert.transforms.simplify import simplify
from wengert.transforms.vjp import vjp

LANES = 3
each_differentiable = functools.partial(each_case, wanted=lambda p: p.differentiable and p.pure)
each_of_several_results = functools.partial(each_case, wanted=lambda p: p.differentiable and p.pure and p.multiple)


def same_bits(a, b):
    """Equal to the bit, all NaNs being one."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "c":
        return same_bits(a.real, b.real) and same_bits(a.imag, b.imag)
    if a.dtype.kind == "f":
        return bool(np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a) & ~np.isnan(a),
                                                                             np.signbit(b) & ~np.isnan(b)))
    return np.array_equal(a, b)


def assert_close(got, expected, tol, what):
    got, expected = np.asarray(got), np.asarray(expected)
    if got.dtype == expected.dtype == np.bool_:
        got, expected = got.astype(int), expected.astype(int)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    with quiet():
        wrong = ~((np.abs(got - expected) <= tol) | (got == expected) | (np.isnan(got) & np.isnan(expected)))
    if np.any(wrong):
        i = tuple(np.argwhere(wrong)[0])
        t = np.broadcast_to(tol, got.shape)[i]
        raise AssertionError(f"{what}: {got[i]!r} at {i}, expected {expected[i]!r} within {float(t):.1e} "
                             f"({np.count_nonzero(wrong)} of {wrong.size} elements wrong)")


def skip_unless_differentiable(case):
    if not case.differentiable:
        pytest.skip("no derivative is claimed")


# ---------------------------------------------------------------- samples, types, values

@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_has_samples(name):
    if name == "stack_add":
        pytest.skip("its operands are what loops save; tests/transforms/test_control.py has them")
    assert REGISTRY[name].sample is not None, f"{name} has no sample"
    assert samples(name)


@each_case
def test_type_agrees_with_evaluation(name, k):
    case = case_of(name, k)
    before = [o.tobytes() for o in case.operands]
    values = plain(case.graph, case.operands)
    types = tuple(a.type for a in case.outputs)
    assert len(values) == len(types)
    for value, t in zip(values, types):
        if isinstance(t, StackType):
            assert isinstance(value, Stack) and value.type is t
            continue
        assert hasattr(value, "dtype"), f"{name} evaluates to a {type(value).__name__}, which has no dtype"
        assert (value.shape, value.dtype) == (t.shape, t.dtype), f"{type_of(value)}, announced {t}"
    assert before == [o.tobytes() for o in case.operands], f"{name} writes into an operand"
    scalars = [o[()] if o.ndim == 0 else o for o in case.operands]  # 0-d arrays and NumPy scalars are the same
    for value, other in zip(values, plain(case.graph, scalars)):
        assert same_bits(value, other)


@each_case
def test_interpreter_is_plain_evaluation(name, k):
    """The Program, with slots, ownership and straight-line code, gives the very bits of plain evaluation."""
    for graph, values in case_of(name, k).graphs():
        expected = plain(graph, values)
        program = Program(graph)
        before = [np.array(v) for v in values]
        for _ in range(4):
            for a, b in zip(program(*values), expected, strict=True):
                assert same_bits(a, b)
        assert all(same_bits(a, b) for a, b in zip(before, values)), "an argument was overwritten"


@each_case
def test_types_of_all_equations_agree(name, k):
    """In derivatives too, every equation evaluates to the type that it announces."""
    for graph, values in case_of(name, k).graphs():
        check(graph)
        for v, value in environment(graph, values).items():
            assert type_of(value) is v.type


@each_case
def test_memory_layout_does_not_matter(name, k):
    """Fortran order, strides, reversed strides: values agree up to the order of summation."""
    case = case_of(name, k)
    expected = plain(case.graph, case.operands)
    for change in (np.asfortranarray, _strided, _reversed):
        operands = [change(o) if o.ndim else o for o in case.operands]
        for got, e in zip(plain(case.graph, operands), expected, strict=True):
            assert type_of(got) is type_of(e)
            assert_close(got, e, _rounding(case, e), change.__name__)


def _strided(x):
    out = np.zeros(tuple(2 * n for n in x.shape), x.dtype)[tuple([slice(None, None, 2)] * x.ndim)]
    out[...] = x
    return out


def _reversed(x):
    return np.ascontiguousarray(x[::-1])[::-1]


def _rounding(case, value):
    """What a different order of operations may change."""
    scale = max(norm([o for o in case.operands if o.dtype.kind in "fc"]), norm([value]))
    return 0.0 if np.asarray(value).dtype.kind in "biu" else 200 * precision([value]) * max(scale, scale ** 2)


@each_case
def test_text_is_exact(name, k):
    for graph, _ in case_of(name, k).graphs():
        text = to_text(graph)
        try:
            back = from_text(text)
        except GraphError as error:
            assert "is a Python object" in str(error)
            continue
        assert same_graph(graph, back) and to_text(back) == text


@each_case
def test_simplify_is_sound_and_idempotent(name, k):
    for graph, values in case_of(name, k).graphs():
        small = check(simplify(graph))
        assert len(small.equations) <= len(graph.equations)
        assert same_graph(simplify(small), small)
        with quiet():
            for a, b in zip(plain(small, values), plain(graph, values), strict=True):
                assert same_bits(a, b)


# ---------------------------------------------------------------- first derivatives

@each_differentiable
def test_forward_agrees_with_differences(name, k):
    case = case_of(name, k)
    skip_unless_differentiable(case)
    graph, nonzero = case.jvp
    out = plain(graph, [*case.operands, *case.tangents])
    n = len(case.outputs)
    for a, b in zip(out[:n], plain(case.graph, case.operands)):
        assert same_bits(a, b)
    _compare(case, lambda *x: plain(case.graph, x), case.operands, case.active, case.tangents,
             _filled(case.outputs, nonzero, out[n:]))


def _filled(outputs, nonzero, tangents):
    """One tangent for each inexact output: zeros for those that are absent."""
    found = iter(tangents)
    out = []
    for a, nz in zip(outputs, nonzero, strict=True):
        t = next(found) if nz else np.zeros(a.type.shape, a.type.dtype)
        if nz:
            assert type_of(t) is a.type, f"a tangent of type {type_of(t)} for {a.type}"
        if a.type.inexact:
            out.append(t)
    return out


def _compare(case, f, operands, active, tangents, got):
    numeric = directional(f, operands, active, tangents)
    values = [v for v, _ in numeric]
    scale = max(norm(values), norm([np.asarray(v) for v in f(*operands) if np.asarray(v).dtype.kind in "fc"]))
    eps = precision(operands, got)
    for number, (g, (value, error)) in enumerate(zip(got, numeric, strict=True)):
        limit = eps ** 0.5 * 1e2 * max(scale, 1e-3)
        assert np.all(error <= limit), (
            f"output {number}: differences do not settle (error {float(np.max(error)):.1e}, scale {scale:.1e}); the sample is "
            f"not generic, or the function is noisy")
        assert_close(g, value, 10 * error + 100 * eps * np.abs(value) + 1e-300, f"derivative of output {number}")


@each_differentiable
def test_reverse_is_the_adjoint_of_forward(name, k):
    case = case_of(name, k)
    skip_unless_differentiable(case)
    _adjoint(case.jvp[0], case.vjp[0], list(case.operands), case.active, case.tangents, case.cotangents,
             len(case.outputs), case.jvp[1], case.vjp[1:])


def _adjoint(forward, reverse, operands, active, tangents, cotangents, n, nonzero, marks):
    takes, gives = marks
    assert takes == nonzero, "forward and reverse disagree about which outputs move"
    moved = plain(forward, [*operands, *tangents])[n:]
    pulled = plain(reverse, [*operands, *cotangents])[n:]
    kept = [t for t, g in zip(tangents, gives, strict=True) if g]
    inputs = [o for o, a in zip(operands, active) if a]
    for g, o in zip(pulled, [o for o, m in zip(inputs, gives) if m], strict=True):
        assert type_of(g) is type_of(o), f"a gradient of type {type_of(g)} for {type_of(o)}"
    left, left_size = real_dot(cotangents, moved)
    right, right_size = real_dot(kept, pulled)
    tol = 200 * precision(moved, pulled) * (left_size + right_size) + 1e-300
    assert abs(left - right) <= tol or (np.isnan(left) and np.isnan(right)), (
        f"<w, J v> = {left!r}, <J^T w, v> = {right!r}, rounding {tol:.1e}")


@each_differentiable
def test_partial_activity(name, k):
    """One active operand at a time: tangents add up to the whole, gradients are those of the whole."""
    case = case_of(name, k)
    skip_unless_differentiable(case)
    places = [i for i, a in enumerate(case.active) if a]
    n = len(case.outputs)
    whole = _filled(case.outputs, case.jvp[1], plain(case.jvp[0], [*case.operands, *case.tangents])[n:])
    total = [np.zeros_like(w) for w in whole]
    size = [np.zeros(np.shape(w)) for w in whole]
    found = iter(plain(case.vjp[0], [*case.operands, *case.cotangents])[n:])
    gradients = [next(found) if g else None for g in case.vjp[2]]
    for i, t, gradient in zip(places, case.tangents, gradients):
        active = tuple(j == i for j in range(len(case.operands)))
        graph, nonzero = jvp(case.graph, active)
        part = _filled(case.outputs, nonzero, plain(check(graph), [*case.operands, t])[n:])
        total = [a + b for a, b in zip(total, part)]
        size = [a + np.abs(b) for a, b in zip(size, part)]
        back, takes, gives = vjp(case.graph, active)
        given = iter(case.cotangents)
        given = [c for c, m in ((next(given) if w else None, m) for w, m in zip(case.vjp[1], takes)) if m]
        pulled = plain(check(back), [*case.operands, *given])[n:]
        assert gives[0] == (gradient is not None)
        if gradient is not None:
            assert_close(pulled[0], gradient, 200 * precision([gradient]) * norm([gradient]) + 1e-300, f"operand {i}, reverse")
    for t, w, s in zip(total, whole, size):
        assert_close(t, w, 200 * precision([w]) * np.maximum(s, norm([w])) + 1e-300, "sum over operands, forward")


@each_of_several_results
def test_needed_outputs_only(name, k):
    """Asking for one of several results gives its tangent as before."""
    case = case_of(name, k)
    skip_unless_differentiable(case)
    found = iter(plain(case.jvp[0], [*case.operands, *case.tangents])[len(case.outputs):])
    whole = [next(found) if nz else None for nz in case.jvp[1]]
    for j, w in enumerate(whole):
        needed = [i == j for i in range(len(whole))]
        run, nonzero = linearized(case.graph, case.active, needed)
        assert nonzero == tuple(n and w is not None for n in needed)
        out = run(case.operands, case.tangents)
        if w is not None:
            assert_close(out[0], w, 200 * precision([w]) * norm([w]) + 1e-300, f"result {j} alone")


@pytest.mark.parametrize("name", [n for n in sorted(REGISTRY) if not REGISTRY[n].differentiable])
def test_locally_constant_primitives_have_no_tangents(name):
    for k in range(len(samples(name))):
        case = case_of(name, k)
        active = [o.dtype.kind in "fc" for o in case.operands]
        if any(active):
            assert not any(linearize(case.graph, active).nonzero)


@pytest.mark.parametrize("name", [n for n in sorted(REGISTRY) if REGISTRY[n].partials is not None])
def test_partials_match_the_operands(name):
    p = REGISTRY[name]
    for operands, _ in samples(name):
        assert len(p.partials) == len(operands)
    for i, partial in enumerate(p.partials):
        if i in p.linear:
            assert partial is None, f"operand {i} states its derivative twice"
        elif isinstance(partial, Missing):
            case = case_of(name, 0)
            if case.operands[i].dtype.kind in "fc":
                with pytest.raises(MissingRuleError):
                    linearize(case.graph, [j == i for j in range(len(case.operands))])
        else:
            assert callable(partial), f"operand {i} has neither a partial nor a declared linearity"


# ---------------------------------------------------------------- second derivatives

@each_differentiable
def test_second_order_agrees_with_differences(name, k):
    """The forward derivative of the reverse derivative, against differences of the reverse derivative."""
    case = case_of(name, k)
    skip_unless_differentiable(case)
    graph, values, active, derived, nonzero = case.second
    if derived is None:
        pytest.skip(f"no second derivative: {nonzero}")
    rng = rng_of(name, 3)
    tangents = [direction(rng, v) for v, a in zip(values, active) if a]
    out = plain(derived, [*values, *tangents])
    got = _filled(graph.outputs, nonzero, out[len(graph.outputs):])
    _compare(case, lambda *x: plain(graph, x), values, active, tangents, got)


@each_differentiable
def test_second_order_transposes(name, k):
    case = case_of(name, k)
    skip_unless_differentiable(case)
    graph, values, active, derived, nonzero = case.second
    if derived is None:
        pytest.skip(f"no second derivative: {nonzero}")
    rng = rng_of(name, 4)
    reverse, takes, gives = vjp(graph, active)
    tangents = [direction(rng, v) for v, a in zip(values, active) if a]
    cotangents = [direction(rng, np.empty(a.type.shape, a.type.dtype)) for a, t in zip(graph.outputs, takes) if t]
    _adjoint(derived, check(reverse), values, active, tangents, cotangents, len(graph.outputs), nonzero, (takes, gives))


# ---------------------------------------------------------------- batches

@each_case
def test_batch_is_a_loop_over_lanes(name, k):
    case = case_of(name, k)
    lanes = [_lane(case, name, k, salt) for salt in range(LANES)]
    for marks in _patterns(len(case.operands)):
        operands = [np.stack([lane[i] for lane in lanes]) if b else lanes[0][i] for i, b in enumerate(marks)]
        graph, out_marks = batch(case.graph, LANES, marks)
        got = plain(check(graph), operands)
        for number, a in enumerate(graph.outputs):
            assert type_of(got[number]) is a.type
        loop = [plain(case.graph, [lane[i] if b else lanes[0][i] for i, b in enumerate(marks)]) for lane in lanes]
        for number, (g, mark) in enumerate(zip(got, out_marks, strict=True)):
            expected = np.stack([row[number] for row in loop]) if mark else loop[0][number]
            assert_close(g, expected, _rounding(case, expected), f"result {number} with batched operands {marks}")


def _lane(case, name, k, salt):
    """Operands of the same types from another draw."""
    drawn = samples(name, salt)
    operands = drawn[k][0] if k < len(drawn) else case.operands
    same = len(operands) == len(case.operands) and all(
        type_of(a) is type_of(b) for a, b in zip(operands, case.operands)) and (
        names_a_type(case.params) or drawn[k][1] == case.params)
    return operands if same else case.operands


def _patterns(n):
    if n <= 3:
        return [m for m in itertools.product([False, True], repeat=n) if any(m)]
    one = [tuple(i == j for i in range(n)) for j in range(n)]
    return [*one, *[tuple(not x for x in m) for m in one], (True,) * n]


# ---------------------------------------------------------------- single precision, no elements

@each_case
def test_single_precision_stays_single(name, k):
    """No equation of the function or of its derivatives goes through double precision, and values are near."""
    case = case_of(name, k)
    if names_a_type(case.params) or not any(o.dtype in (np.float64, np.complex128) for o in case.operands):
        pytest.skip("the sample fixes the dtype")
    low = Case(case.primitive, single(case.operands), case.params)
    expected = plain(case.graph, case.operands)
    for graph, values in low.graphs():
        with quiet():
            env = environment(graph, values)
        for v, value in env.items():
            assert type_of(value) is v.type
            assert v.type.dtype not in (np.float64, np.complex128), f"a {v.type} in\n{to_text(graph)}"
    for a, b in zip(plain(low.graph, low.operands), expected):
        if np.asarray(b).dtype.kind in "fc":
            assert np.asarray(a).dtype.itemsize * 2 == np.asarray(b).dtype.itemsize


@pytest.mark.parametrize("name", [n for n in sorted(REGISTRY) if REGISTRY[n].elementwise])
def test_elementwise_primitives_take_no_elements_and_scalars(name):
    for operands, params in samples(name):
        for shape in ((0,), (2, 0), (), (1, 1)):
            size = int(np.prod(shape))
            small = tuple(o.reshape(-1)[:size].reshape(shape) if o.size >= size else None for o in operands)
            if any(o is None for o in small):
                continue
            case = Case(REGISTRY[name], small, params)
            for graph, values in case.graphs():
                for v, value in environment(graph, values).items():
                    assert type_of(value) is v.type, f"{type_of(value)}, announced {v.type} (operands of shape {shape})"


def test_handles_carry_types():
    assert Handle(None, case_of("sin", 0).graph.outputs[0]).type is ArrayType((3,), float)
    assert EPS < 1e-15
