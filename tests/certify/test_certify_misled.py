"""Functions that mislead a certificate: fine steps, other values, caches, what is infinite in one element, rough codes.

What comes in: functions whose true slope is known from paper. What goes out: a failure for a certificate of what is wrong, or
for a number that is not the user's.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy

import wengert as wg
from wengert.certifying import subject
from wengert.certifying.point import _disagreement
from wengert.certifying.subject import Subject

POINT = np.array([0.3331234567891, 0.7213213451])


@pytest.mark.parametrize("digits", [5, 7, 8, 10])
def test_fine_steps_are_not_certified(digits):
    """Differences see slopes 2 and 3, where AD says 1 and 1; an imaginary part does not survive rounding."""
    found = wg.certify(lambda x: np.sum(np.round(x, digits) * np.array([1.0, 2.0]) + x), POINT)
    assert not found.ok, found
    found = wg.certify(lambda x: round(x, digits) * 2 + x, float(POINT[0]))
    assert not found.ok, found


def test_another_value_than_that_of_the_call():
    h = wg.custom_vjp(lambda x: np.sum(x * x))
    h.defvjp(lambda x: (1.5 * np.sum(x * x), x), lambda r, c: (2 * r * c,))
    assert wg.certify(h, np.array([1.0, 2.0])).verdict == (
        "not certified: wrong: output is 7.5 when differentiated in reverse mode, and 5 when called")


def test_a_cache_is_not_reproducible():
    cache = {}

    def f(x):
        if "A" not in cache:
            cache["A"] = np.sum(x**2)
        return np.sum(x) * cache["A"]
    found = wg.certify(f, np.array([1.0, 2.0]))
    assert found.verdict.startswith("not certified: not reproducible: it keeps values between calls: a traced value made ")
    assert "test_certify_misled.py:" in found.verdict


@pytest.mark.parametrize(("f", "x", "slopes"), [
    (lambda x: np.sum(x**0.5), [0.0, 1.0], [None, 0.5]),
    (lambda x: np.sum(np.sqrt(x**4)), [0.0, 1.0], [None, 2.0]),
    (lambda p: -np.sum(xlogy(p, p)), [0.0, 0.25], [None, np.log(4.0) - 1.0]),
], ids=["power", "root", "entropy"])
def test_what_is_infinite_spoils_its_own_element_only(f, x, slopes):
    found = wg.certify(f, np.array(x))
    assert [e.verdict for e in found.elements] == ["not finite", "agrees"]
    assert found.elements[1].value == pytest.approx(slopes[1], rel=1e-14)
    assert found.elements[1].digits > 12


@pytest.mark.parametrize(("f", "rule"), [
    (lambda x: float(f"{np.sin(x):.6g}"), lambda x: -np.cos(x)),
    (lambda x: float(np.float32(np.sin(np.float32(x)))), lambda x: 1.05 * np.cos(x)),
], ids=["six digits", "single precision"])
def test_wrong_rules_of_rough_codes(f, rule):
    wrong, right = wg.opaque(f, derivative=rule), wg.opaque(f, derivative=np.cos)
    assert wg.certify(lambda x: wrong(x) * 2, 0.3).verdict.startswith("not certified: wrong: x: by ")
    assert wg.certify(lambda x: right(x) * 2, 0.3).verdict == "certified to 4 digits"


def test_numbers_are_those_of_the_user():
    """x = 5 is counted in units of 4; modes that disagree are quoted in units of 1."""
    f = wg.custom_vjp(lambda x: np.sum(x * x))
    f.defvjp(lambda x: (np.sum(x * x), x), lambda x, ct: (1.6 * x * ct,))
    g = wg.custom_jvp(lambda x: np.sum(x * x))
    g.defjvp(lambda primals, tangents: (g(*primals), 1.8 * np.sum(primals[0] * tangents[0])))
    for rule, value in ((f, 8.0), (g, 9.0)):
        element = wg.certify(rule, 5.0).elements[0]
        assert (element.value, element.reference) == pytest.approx((value, 10.0))
        assert "it is 10 " in element.why
    assert _disagreement(Subject(np.sin, (5.0,), {}, None, 0), np.array([1.0]), 0, 36.0, 32.0) == (
        "forward mode gives 9 and reverse mode 8")


def test_the_second_order_is_remarked_on():
    def sinc(x):
        return np.sum(np.where(np.abs(x) < 1e-8, 1.0, np.sin(x) / np.where(x == 0, 1.0, x)))
    found = wg.certify(sinc, np.array([0.0, 0.4]))
    assert found.ok
    assert any(note.startswith("second derivatives are not certified") for note in found.notes)


def test_an_arm_of_one_point():
    why = wg.certify(lambda x: 0.0 if x == 0 else x * np.exp(x), 0.0).elements[0].why
    assert why.startswith("the derivative is that of the arm taken at this one point, which is constant")


def test_a_count_is_cut_off():
    z = np.array([0.1, 0.5, 0.9])
    found = wg.certify(lambda s: np.mean(z < s) * 1.0, 0.3)
    assert found.verdict.startswith("not certified: cut off: s: no slope past a comparison")


def test_long_programs_are_staged_and_judged_alike(monkeypatch):
    """Each derivative is traced once for all its points; what is wrong is wrong all the same."""
    monkeypatch.setattr(subject, "LONG", 0)
    calls = []

    def f(x):
        calls.append(isinstance(x, np.ndarray))
        return np.sum(np.sin(x) * x)
    found = wg.certify(f, np.array([1.0, 2.0]))
    assert found.ok
    assert found.elements[0].digits > 9
    assert calls.count(False) < 20
    cube = wg.custom_jvp(lambda x: x**3)
    cube.defjvp(lambda primals, tangents: (cube(*primals), 2.0 * primals[0] ** 2 * tangents[0]))
    assert wg.certify(lambda x: np.sum(cube(x)), np.array([1.0, 2.0])).elements[0].verdict == "wrong"
