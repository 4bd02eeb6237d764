"""Mistakes that would pass in silence, or be said in words that mean nothing: each is refused at the user's line."""

from __future__ import annotations

import ast
import decimal
import fractions
import json
import math
import struct
import zlib

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ConversionError

X = np.array([1.0, 2.0, 3.0])

READ_BACK = [
    lambda x: float(f"{x[0]}"),
    lambda x: float(f"{x[0]:.3f} "),
    lambda x: float(str(x[0]) + "0"),
    lambda x: float("0" + str(x[0])),
    lambda x: float(str(x[0])[:3]),
    lambda x: float(str(x[0]).strip()),
    lambda x: float(str(x[0]).replace("1", "2")),
    lambda x: float(",".join([str(v) for v in x]).split(",")[0]),
    lambda x: float(",".join(map(str, x)).split(",")[0]),
    lambda x: float(f"{x[0]:.3f}"),
    lambda x: np.float64(str(x[0])),
    lambda x: np.sum(np.array([str(v) for v in x]).astype(float)),
    lambda x: np.fromstring(" ".join(map(str, x)), sep=" ").sum(),
    lambda x: float(decimal.Decimal(str(x[0]))),
    lambda x: float(fractions.Fraction(str(x[0]))),
    lambda x: json.loads(str(x[0])),
    lambda x: ast.literal_eval(str(x[0])),
    lambda x: eval(str(x[0])),
    lambda x: eval(f"2.0 * {x[0]}"),
    lambda x: exec(f"y = {x[0]}", {}),
    lambda x: eval(compile(repr(x[0]), "text", "eval")),
    lambda x: complex(str(x[0])).real,
    lambda x: complex(f"{x[0]}").real,
    lambda x: float("".join(list(str(x[0])))),
]


@pytest.mark.parametrize("k", range(len(READ_BACK)))
def test_printed_text_is_not_read_back(k):
    with pytest.raises(ConversionError, match=r"printed text of a traced value is read back .*test_mistakes\.py:\d+"):
        wg.grad(READ_BACK[k])(X)


@pytest.mark.parametrize("f", [
    lambda x: json.loads(json.dumps(x[0])),
    lambda x: json.loads(json.dumps(x.tolist()))[0],
    lambda x: float(decimal.Decimal(x[0])),
    lambda x: float(fractions.Fraction(x[0])),
    lambda x: struct.unpack("d", struct.pack("d", x[0]))[0],
    lambda x: zlib.crc32(x) * x[0],
    lambda x: memoryview(x)[0],
    lambda x: np.frombuffer(x).sum(),
])
def test_libraries_that_know_nothing_of_traced_values(f):
    with pytest.raises(ConversionError, match=r" at .*test_mistakes\.py:\d+ is given a traced value.*wg\.opaque"):
        wg.grad(f)(X)


def test_a_handler_for_type_errors_does_not_take_another_way():
    def f(x):
        try:
            return float(decimal.Decimal(x[0]))
        except TypeError:
            return 0.0
    with pytest.raises(ConversionError, match="Decimal"):
        wg.grad(f)(X)


def test_text_stays_usable():
    def f(x):
        label = f"{x[0]:.1f} of {np.sum(x):.1f}"
        return np.sum(x) if label == "1.0 of 6.0" and label.upper().split()[1] == "OF" else 0.0 * x[0]
    assert wg.grad(f)(X).tolist() == [1.0, 1.0, 1.0]
    assert wg.grad(lambda x: int(str(int(x[1]))) * x[0])(X).tolist() == [2.0, 0.0, 0.0]
    assert wg.grad(lambda x: float("2.5") * x[0])(X).tolist() == [2.5, 0.0, 0.0]


def _truth(x):
    return x if x > 0 else 0.0


@pytest.mark.parametrize(("f", "error", "remedy"), [
    (_truth, ValueError, "np.where"),
    (lambda x: x.item(), ValueError, "np functions"),
    (lambda x: np.sum(np.ones(4) * x), ValueError, r"x\[:, None\]"),
    (lambda x: np.sum(np.ones((4, 5)) @ x), ValueError, r"x\[:, None\]"),
    (lambda x: x.reshape(2, 2).sum(), ValueError, "x.shape"),
    (lambda x: x[x[0]], IndexError, r"int\(i\)"),
    (lambda x: np.linalg.inv(np.ones((3, 3)) * x).sum(), np.linalg.LinAlgError, "np.linalg.pinv"),
    (lambda x: x.summ(), AttributeError, "no attribute 'summ'"),
])
@pytest.mark.parametrize("transform", [wg.grad, wg.hessian])
def test_errors_of_the_program_are_noted_with_their_line(f, error, remedy, transform):
    line = f.__code__.co_firstlineno + (f is _truth)
    with pytest.raises(error) as caught:
        transform(f)(X)
    (note,) = caught.value.__notes__
    assert f"test_mistakes.py:{line}, under " in note
    with pytest.raises(error, match=remedy):
        raise caught.value


def test_shapes_that_do_not_fit_are_named_as_numpy_names_them():
    with pytest.raises(ValueError, match=r"operands could not be broadcast together with shapes \(4,\) \(3,\)"):
        wg.grad(lambda x: np.sum(np.ones(4) * x))(X)


def test_a_kept_value_names_the_line_that_made_it():
    kept = []
    wg.grad(lambda x: kept.append(np.sum(x * x * 0.1234)) or np.sum(x))(X)
    wg.grad(lambda x: kept.append(np.sum(x * x * 0.1234)) or np.sum(x))(X)  # the same equations, found again
    line = test_a_kept_value_names_the_line_that_made_it.__code__.co_firstlineno + 2
    with pytest.raises(wg.errors.EscapedTracerError, match=rf"made at .*test_mistakes\.py:{line} under grad.*has_aux"):
        kept[0] + 1.0
    with pytest.raises(wg.errors.EscapedTracerError, match=rf"made by reduce_sum \(first recorded at .*:{line}\) under grad"):
        kept[1] + 1.0


STORE = np.zeros(3)
HELD = {"a": np.zeros(3), "rows": [np.zeros(3)]}


def _adds(x):
    STORE[0] += x[0]
    return STORE[0]


def _stores_a_row(x):
    STORE[:] = x * x
    return np.sum(STORE)


def _stores_in_a_list(x):
    HELD["rows"][0][1] = x[1]
    return np.sum(HELD["rows"][0])


def _stores_by_float(x):
    HELD["a"][2] = float(x[2])
    return np.sum(HELD["a"])


@pytest.mark.filterwarnings("ignore::wengert.StagingWarning")
@pytest.mark.parametrize("f", [_adds, _stores_a_row, _stores_in_a_list, _stores_by_float])
@pytest.mark.parametrize("way", [wg.grad, lambda f: wg.jit(wg.grad(f))], ids=["grad", "jit(grad)"])
def test_a_store_into_an_array_from_outside_is_called_a_store(way, f):
    line = f.__code__.co_firstlineno + 1
    with pytest.raises(wg.errors.MutationError, match=rf"written into an ordinary array at .*test_mistakes\.py:{line}, which"):
        way(f)(X)
    assert not np.any(STORE)


def test_named_fields_are_refused_as_such():
    kind = [("w", float), ("n", int)]

    def f(x):
        rows = np.zeros(3, dtype=kind)
        rows["w"] = x
        return np.sum(rows["w"])

    with pytest.raises(wg.errors.UnsupportedError, match=r"fields \('w', 'n'\) at .*test_mistakes\.py:\d+ .*for each field"):
        wg.grad(f)(X)
    with pytest.raises(wg.errors.InputError, match="pass the fields as arrays"):
        wg.grad(lambda rows: np.sum(rows["w"]))(np.zeros(3, dtype=kind))
    rows = np.ones(3, dtype=kind)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(rows["w"] * x))(X), np.ones(3))


def test_a_stopped_value_may_become_a_number():
    assert wg.grad(lambda x: sum(map(math.sin, wg.stop_gradient(x))) * x[0])(X)[0] == pytest.approx(np.sin(X).sum(), rel=1e-15)
    with pytest.raises(ConversionError, match="stop_gradient"):
        wg.grad(lambda x: sum(map(math.sin, x + wg.stop_gradient(x))))(X)


def test_the_innermost_line_of_the_user_is_named():
    def helper(x):
        return np.reshape(x, (7, 7))

    def f(x):
        return np.sum(helper(x))
    with pytest.raises(ValueError, match="reshape") as caught:
        wg.grad(f)(np.ones(3))
    line = helper.__code__.co_firstlineno + 1
    assert f"test_mistakes.py:{line}" in "".join(caught.value.__notes__)
