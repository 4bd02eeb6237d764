"""What a jitted function reads from around it, changed in place between two calls: the next call sees it."""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
from collections import OrderedDict, deque

import numpy as np
import pytest
import scipy.sparse

import wengert as wg

X = np.arange(5.0) + 1


def _default(a):
    def f(x, b=a):
        return x * b
    return f


def _keyword(a):
    def f(x, *, b=(a,)):
        return x * b[0]
    return f


def _tuple(a):
    held = (a, 2.0)
    return lambda x: x * held[0] * held[1]


def _nested(a):
    held = ((a,),)
    return lambda x: x + held[0][0]


def _unpacked(a):
    held = (a, 2.0)

    def f(x):
        first, second = held
        return x * first + second
    return f


def _attribute(a):
    held = types.SimpleNamespace(t=(a,))
    return lambda x: x * held.t[0]


def _by_name(a):
    held = types.SimpleNamespace(a=a)
    return lambda x: x * held.a * getattr(held, "b", 2.0)


def _called_default(a):
    def helper(x, b=a):
        return x * b
    return lambda x: helper(x)


def _partial(a):
    return functools.partial(lambda b, x: x * b, a)


def _partial_word(a):
    return functools.partial(lambda x, b: x * b, b=a)


def _partial_read(a):
    g = functools.partial(lambda b, x: x * b, a)
    return lambda x: g(x) + 1


def _deque(a):
    held = deque([a])
    return lambda x: x * held[0]


def _objects(a):
    held = np.empty(1, object)
    held[0] = a
    return lambda x: x * held[0]


def _buffer(a):
    held = memoryview(a)
    return lambda x: x * np.asarray(held)


def _model(a):
    held = wg.nn.Sequential((wg.nn.Linear(np.eye(5), a), wg.nn.Residual(wg.nn.Frozen(np.tanh))))
    return lambda x: held(x)


def _part_of_a_model(a):
    held = wg.nn.BatchNorm(None, None, wg.nn.Frozen(wg.nn.Statistics(a, np.ones(5), 0.0)), axis=-1)
    return lambda x: held(x[None])


MAKERS = [_default, _keyword, _tuple, _nested, _unpacked, _attribute, _by_name, _called_default, _partial, _partial_word,
          _partial_read, _deque, _objects, _buffer, _model, _part_of_a_model]


@pytest.mark.filterwarnings("ignore::wengert.staging.StagingWarning")
@pytest.mark.parametrize("make", MAKERS, ids=lambda m: m.__name__.strip("_"))
def test_an_array_changed_in_place_is_seen(make):
    a = np.ones(5)
    f = make(a)
    jitted = wg.jit(f)
    for k in range(6):  # interpreted at first, then compiled
        np.testing.assert_array_equal(jitted(X), f(X))
        a[k % 5] += 10.0 * (k + 1)
    for _ in range(5):
        np.testing.assert_array_equal(jitted(X), f(X))
    a[3] = -7.0
    np.testing.assert_array_equal(jitted(X), f(X))


def test_an_attribute_that_appears_is_seen():
    held = types.SimpleNamespace()
    jitted = wg.jit(lambda x: x * getattr(held, "b", 2.0))
    assert [jitted(1.0), jitted(1.0)] == [2.0, 2.0]
    held.b = 3.0
    assert jitted(1.0) == 3.0


class _Vector:
    """With methods that Python and NumPy call, and that are not staged."""

    def __init__(self, *parts):
        self.parts = list(parts)

    def __add__(self, other):
        return other + self.parts[0]

    def __neg__(self):
        return -self.parts[0]

    def __lt__(self, other):
        return self.parts[0] < other

    def __bool__(self):
        return self.parts[0] < 5.0

    def __len__(self):
        return int(self.parts[0])

    def __iter__(self):
        return iter(self.parts)

    def __contains__(self, value):
        return value in self.parts

    def __float__(self):
        return self.parts[0]

    def __array__(self, dtype=None, copy=None):
        return np.array(self.parts)

    @property
    def first(self):
        return self.parts[0]


class _Silent:
    pass


def _uses(use):
    def make():
        held = _Vector(2.0, 3.0)

        def change():
            held.parts[0] = 7.0
        return lambda x: use(x, held), change
    make.__name__ = use.__name__
    return make


def _loop(x, held):
    for part in held:
        x = x * part
    return x


USES = [_uses(use) for use in (
    lambda x, held: held + x,
    lambda x, held: x * -held,
    lambda x, held: x * 2 if held < 3.0 else x,
    lambda x, held: x * 2 if held else x,
    lambda x, held: x * 2 if not held else x,
    lambda x, held: x * len(held),
    lambda x, held: x * float(held),
    lambda x, held: x * np.sum(held),
    lambda x, held: x * 2 if 2.0 in held else x,
    lambda x, held: x * sum([2.0 * part for part in held]),
    lambda x, held: x * held.first,
    _loop,
)]


def _module():
    module = types.ModuleType("settings")
    module.factor = 2.0
    return lambda x: x * module.factor, lambda: setattr(module, "factor", 3.0)


def _missing():
    held = _Silent()
    return lambda x: x * 2 if hasattr(held, "more") else x, lambda: setattr(held, "more", 1)


def _caught():
    held = _Silent()

    def f(x):
        try:
            k = held.more
        except AttributeError:
            k = 1.0
        return x * k
    return f, lambda: setattr(held, "more", 2.0)


def _other_property():
    class C:
        @property
        def k(self):
            return 2.0

    def other(self):
        return 3.0
    held = C()
    return lambda x: x * held.k, lambda: setattr(C, "k", property(other))


def _other_call():
    class C:
        def __call__(self, x):
            return x
    held = C()
    return lambda x: held(x), lambda: setattr(C, "__call__", lambda self, x: 2.0 * x)


def _deep():
    held = [[[[[[1.0, 2.0]]]]]]
    return lambda x: x * np.sum(np.array(held)), lambda: held[0][0][0][0][0].__setitem__(0, 5.0)


def _cycle():
    held = [1.0, [2.0]]
    held.append(held)
    return lambda x: x * held[1][0], lambda: held[1].__setitem__(0, 5.0)


def _large():
    held = dict.fromkeys(range(2000), 1.0)
    return lambda x: x * sum(held.values()), lambda: held.update({7: 5.0})


def _ordered():
    held = OrderedDict(a=1.0)
    return lambda x: x * sum([v for k, v in held.items()]), lambda: held.update(a=2.0)


def _proxy():
    held = {"a": 1.0}
    shown = types.MappingProxyType(held)
    return lambda x: x * shown["a"], lambda: held.update(a=2.0)


def _getter():
    held, get = types.SimpleNamespace(a=1.0), operator.attrgetter("a")
    return lambda x: x * get(held), lambda: setattr(held, "a", 2.0)


def _matrix():
    held = scipy.sparse.csr_array(np.eye(5))
    return lambda x: held.toarray() @ x, lambda: held.data.__setitem__(0, 3.0)


def _type_alone():
    held = [_Silent()]

    def change():
        held.clear()
        held.append(_Vector())  # where the other one lay, perhaps
    return lambda x: x * 2 if isinstance(held[0], _Silent) else x, change


def _builtin():
    def change():
        globals()["divmod"] = lambda a, b: (9.0, 9.0)
    return lambda x: x * divmod(7.0, 2.0)[0], change


OTHERS = [_module, _missing, _caught, _other_property, _other_call, _deep, _cycle, _large, _ordered, _proxy, _getter, _matrix,
          _type_alone, _builtin]


@pytest.mark.parametrize("calls", [1, 6], ids=["interpreted", "compiled"])
@pytest.mark.parametrize("make", [*USES, *OTHERS], ids=lambda m: m.__name__.strip("_"))
def test_what_is_looked_at_by_code_that_is_not_staged(make, calls, monkeypatch):
    monkeypatch.delitem(globals(), "divmod", raising=False)
    f, change = make()
    jitted = wg.jit(f)
    for _ in range(calls):
        assert np.array_equal(jitted(X), f(X))
    before = f(X)
    change()
    assert np.array_equal(jitted(X), f(X)) and not np.array_equal(before, f(X))
    globals().pop("divmod", None)


def test_static_dataclasses_are_watched():
    @dataclasses.dataclass
    class Settings:
        factor: float

    settings = Settings(2.0)
    jitted = wg.jit(lambda x, s: x * s.factor, static_argnums=1)
    for factor in (2.0, 3.0):
        settings.factor = factor
        assert np.array_equal(jitted(X, settings), factor * X)


def test_dataclasses_with_slots_are_arguments():
    @dataclasses.dataclass
    class Settings:
        __slots__ = ("factor",)
        factor: float

    jitted = wg.jit(lambda x, s: x * s.factor)
    for factor in (2.0, 3.0):
        assert np.array_equal(jitted(X, Settings(factor)), factor * X)


def test_what_items_hold_is_not_read_by_a_loop_over_them():
    held = [_Silent(), _Silent()]
    for item in held:
        item.weight, item.age = 2.0, 0

    def f(x):
        for item in held:
            x = x * item.weight
        return x * len(held) * len([item.weight for item in held])

    jitted = wg.jit(f)
    jitted(X)
    (before,) = jitted.found.values()
    held[0].age = 1
    assert np.array_equal(jitted(X), 16.0 * X) and list(jitted.found.values()) == [before]
    held[0].weight = 3.0
    assert np.array_equal(jitted(X), 24.0 * X)


@pytest.mark.parametrize(("before", "after"), [
    (1, 1.0), (True, 1), (0.0, -0.0), (np.int32(0), np.float32(0)), (np.float64(0), np.int64(0)),
    (frozenset([1, 2]), frozenset([1, 2, 5])), ((1, 2), (1, 3)),
], ids=repr)
def test_captured_values_that_only_look_alike(before, after):
    held = {"c": before}

    def f(x):
        c = held["c"]
        return x * (sum(c) if isinstance(c, (tuple, frozenset)) else c)
    staged, x = wg.jit(f), np.arange(1, 4)
    for c in (before, after, before):
        held["c"] = c
        got, want = staged(x), f(x)
        assert got.dtype == want.dtype and np.array_equal(got, want) and np.array_equal(np.signbit(got), np.signbit(want))
