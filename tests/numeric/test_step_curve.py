"""The V of difference quotients: its values, its slopes, its least, and its picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wengert.numeric import step_curve


def test_the_quotient_of_a_square():
    """(2.01² − 2²) / 0.01 is 4.01."""
    curve = step_curve(lambda x: x * x, 2.0, steps=[0.01])
    assert curve.forward[0] == pytest.approx(4.01, abs=1e-12)
    assert curve.central[0] == pytest.approx(4.0, abs=1e-12)
    assert curve.derivative == 4.0
    assert (curve.second, curve.third) == (pytest.approx(2.0), 0.0)
    assert curve.best_central == math.inf  # no truncation: the larger the step the better


def test_slopes_on_both_sides_of_the_least():
    curve = step_curve(np.exp, 1.0)
    large = (curve.steps < 1e-1) & (curve.steps > 1e-4)
    small = curve.steps < 1e-10
    for method, power in (("forward", 1), ("central", 2), ("complex_step", 2)):
        slope = np.polyfit(np.log(curve.steps[large]), np.log(curve.errors(method)[large]), 1)[0]
        assert slope == pytest.approx(power, abs=0.03)
    for method in ("forward", "central"):
        slope = np.polyfit(np.log(curve.steps[small]), np.log(np.maximum(curve.errors(method)[small], 1e-16)), 1)[0]
        assert -1.2 < slope < -0.8
        # rounding is bounded by theory's term up to the factor of the error of exp itself
        assert np.all(curve.errors(method)[small] <= 4 * curve.predicted(method)[small])
    assert np.max(curve.errors("complex_step")[small]) <= 2 * np.finfo(float).eps * math.e


def test_the_predicted_steps_are_the_closed_forms():
    curve = step_curve(np.exp, 1.0)
    rho = np.finfo(float).eps / 2 * math.e
    assert curve.best_forward == pytest.approx(2 * math.sqrt(rho / math.e), rel=1e-6)
    assert curve.best_central == pytest.approx(np.cbrt(3 * rho / math.e), rel=1e-6)
    for method, best in (("forward", curve.best_forward), ("central", curve.best_central)):
        near = np.argmin(np.abs(np.log(curve.steps / best)))
        assert curve.errors(method)[near] < 100 * np.min(curve.errors(method)[curve.errors(method) > 0]) + 1e-9


def test_a_direction():
    x, v = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    curve = step_curve(lambda x: x[0] ** 2 * x[1], x, v)
    assert curve.derivative == pytest.approx(4.0 * 3.0 - 1.0, rel=1e-14)
    assert step_curve(np.sum, np.ones(4)).derivative == pytest.approx(2.0)


def test_functions_that_refuse_complex_numbers_have_two_curves():
    curve = step_curve(math.exp, 1.0)
    assert np.all(np.isnan(curve.complex_step)) and np.all(np.isfinite(curve.forward))
    assert curve.derivative == pytest.approx(math.e, abs=curve.uncertainty)
    assert np.all(np.isnan(step_curve(abs, 1.0).complex_step))


@pytest.mark.parametrize(("arguments", "message"), [
    (((np.sin, np.ones(2))), "must return a number, not an array"), ((np.sin, 1), "integer inputs have no derivative"),
    ((np.abs, 1j), "x is complex"),
])
def test_refusals(arguments, message):
    with pytest.raises(TypeError, match=message):
        step_curve(*arguments)


def test_bad_steps():
    with pytest.raises(ValueError, match="steps must be positive"):
        step_curve(np.sin, 1.0, steps=[0.1, -1.0])


def test_the_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    step_curve(np.exp, 1.0).plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_nothing_to_move_and_complex_results_are_refused():
    with pytest.raises(ValueError, match="f is nan at x"), np.errstate(all="ignore"):
        step_curve(np.log, -1.0)
    with pytest.raises(ValueError, match="empty array"):
        step_curve(np.sum, np.zeros(0))
    with pytest.raises(TypeError, match="must return a real number"):
        step_curve(lambda x: np.exp(1j * x), 0.5)
