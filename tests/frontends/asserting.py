"""Functions with asserts, for `test_staging.py`: here, because pytest rewrites the asserts of a test file."""

from __future__ import annotations


def positive(x):
    assert x > 0, f"x is {x:.2f}"
    return x * x


def bounded(x, y):
    total = x
    for k in range(len(y)):
        total = total + y[k]
        assert total < 10.0, ("too much", k, total)
    return total


def silent(x, limit):
    while x < limit:
        x = 2 * x
        assert x != 8.0
    return x


def expensive(x, seen):
    """The message is made only where it is needed."""
    assert x > 0, seen()
    return x


def constant(x):
    assert len(x.shape) == 1, "one axis"
    return x[0]
