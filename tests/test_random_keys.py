"""Random numbers from keys: published words, equal numbers in every way of running, distributions, derivatives."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats

import wengert as wg
from wengert import random
from wengert.primitives.random import threefry
from wengert.staging import StagingWarning

KEY = random.key(20)
N = 20_000
P = np.array([0.1, 0.0, 0.4, 0.3, 0.2])


def pair(low, high):
    return np.uint64(low | high << 32)


@pytest.mark.parametrize(
    "counter, key, words",
    [  # the known answers that Random123 is distributed with
        ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers(counter, key, words):
    assert threefry(pair(*key), pair(*counter)) == pair(*words)


def test_the_numbers_stay_what_they_are():
    """A seed in a paper has to give the same numbers next year."""
    assert random.key(0) == 117161403172435342
    assert random.split(random.key(0)).tolist() == [6393512950001586371, 17593298211522602622]
    assert random.fold_in(random.key(0), 3) == 13057524336360486402
    assert random.bits(random.key(0), (2,)).tolist() == [1223658855, 3917912750]
    assert random.uniform(random.key(0), (2,)).tolist() == [0.28490527886045114, 0.9122101475226073]
    assert random.randint(random.key(0), (5,), -3, 4).tolist() == [-2, -2, -1, -3, -3]
    assert random.permutation(random.key(0), 5).tolist() == [2, 0, 4, 1, 3]


# ---------------------------------------------------------------- the same in every way of running

DRAWS = {
    "split": lambda k: random.split(k, 3),
    "fold_in": lambda k: random.fold_in(k, 7),
    "bits": lambda k: random.bits(k, (3,)),
    "bits of 64": lambda k: random.bits(k, (2, 2), np.uint64),
    "uniform": lambda k: random.uniform(k, (4,)),
    "uniform of floats": lambda k: random.uniform(k, (4,), np.float32, -1.0, 3.0),
    "uniform of one": lambda k: random.uniform(k),
    "uniform of bounds": lambda k: random.uniform(k, (2,), minval=np.zeros(2), maxval=np.array([1.0, 5.0])),
    "normal": lambda k: random.normal(k, (4,)),
    "normal of floats": lambda k: random.normal(k, (4,), np.float32),
    "normal of one": lambda k: random.normal(k),
    "exponential": lambda k: random.exponential(k, (4,)),
    "bernoulli": lambda k: random.bernoulli(k, 0.3, (4,)),
    "categorical": lambda k: random.categorical(k, np.log([[0.2, 0.8, 1.0], [3.0, 0.5, 0.5]])),
    "categorical, more": lambda k: random.categorical(k, np.log([[0.2, 0.8], [3.0, 0.5]]), axis=0, shape=(3, 2)),
    "bernoulli of an array": lambda k: random.bernoulli(k, P),
    "randint": lambda k: random.randint(k, (6,), -5, 5),
    "randint of bytes": lambda k: random.randint(k, (6,), 0, 256, np.uint8),
    "randint of all": lambda k: random.randint(k, (6,), -(2**63), 2**63),
    "permutation": lambda k: random.permutation(k, 6),
    "permutation of rows": lambda k: random.permutation(k, np.arange(6.0).reshape(3, 2)),
    "permutation of columns": lambda k: random.permutation(k, np.arange(6.0).reshape(2, 3), axis=1),
    "choice": lambda k: random.choice(k, 5, (4,)),
    "choice of one": lambda k: random.choice(k, np.arange(5.0)),
    "choice of probabilities": lambda k: random.choice(k, np.arange(5.0), (4,), p=P),
    "choice without replacement": lambda k: random.choice(k, 5, (2, 2), replace=False),
    "choice without replacement of probabilities": lambda k: random.choice(k, 5, (3,), replace=False, p=P),
    "choice without replacement of one": lambda k: random.choice(k, 5, replace=False),
}


def equal(a, b):
    assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
    assert np.array_equal(a, b)


@pytest.mark.parametrize("name", DRAWS)
def test_every_way_gives_the_same_numbers(name):
    draw = DRAWS[name]
    keys = random.split(KEY, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        warnings.simplefilter("error", RuntimeWarning)
        rows = [draw(k) for k in keys]
        equal(wg.jit(draw)(keys[1]), rows[1])
        equal(wg.vmap(draw)(keys), np.stack(rows))
        equal(wg.jit(wg.vmap(draw))(keys), np.stack(rows))

        def looped(keys):
            out = np.zeros((len(keys), *rows[0].shape), rows[0].dtype)
            for i in range(len(keys)):
                out[i] = draw(keys[i])
            return out

        equal(wg.jit(looped)(keys), np.stack(rows))
        value, slope = wg.jvp(lambda x: np.sum(draw(keys[2]).astype(float)) * x, (1.0,), (1.0,))
        assert value == slope == np.sum(rows[2].astype(float))


def test_a_seed_may_be_traced():
    seeds = np.arange(-2, 3)
    equal(wg.vmap(random.key)(seeds), np.array([random.key(int(s)) for s in seeds]))
    equal(wg.jit(random.key)(np.int64(-2)), random.key(-2))
    equal(random.key(True), random.key(1))


def test_a_loop_may_fold_in_its_count():
    def walk(key, n):
        x = 0.0
        for i in range(n):
            x = x + random.normal(random.fold_in(key, i))
        return x

    assert wg.jit(walk)(KEY, 50) == walk(KEY, 50)


def test_keys_and_draws_do_not_meet():
    first = [
        random.bits(KEY, (1000,), np.uint64),
        random.split(KEY, 1000),
        np.array([random.fold_in(KEY, i) for i in range(1000)]),
    ]
    more = [random.bits(k, (100,), np.uint64) for k in random.split(KEY, 5)]
    everything = np.concatenate([*first, *more])
    assert len(np.unique(everything)) == len(everything)
    assert len({int(random.key(s)) for s in range(1000)}) == 1000
    equal(random.uniform(KEY, (10,))[:4], random.uniform(KEY, (4,)))
    assert np.allclose(random.uniform(KEY, (5,), np.float32), random.uniform(KEY, (5,)), atol=2.0**-23)


# ---------------------------------------------------------------- distributions


@pytest.mark.parametrize(
    "name, x, cdf",
    [
        ("uniform", lambda k: random.uniform(k, (N,)), "uniform"),
        ("uniform of floats", lambda k: random.uniform(k, (N,), np.float32), "uniform"),
        ("normal", lambda k: random.normal(k, (N,)), "norm"),
        ("normal of floats", lambda k: random.normal(k, (N,), np.float32), "norm"),
        ("exponential", lambda k: random.exponential(k, (N,)), "expon"),
        ("first of many keys", lambda k: wg.vmap(random.uniform)(random.split(k, N)), "uniform"),
        ("folded", lambda k: wg.vmap(lambda i: random.normal(random.fold_in(k, i)))(np.arange(N)), "norm"),
        ("of seeds", lambda k: wg.vmap(lambda s: random.uniform(random.key(s)))(np.arange(N)), "uniform"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_distribution(name, x, cdf):
    for seed in range(3):
        draws = np.asarray(x(random.key(seed)), float)
        law = getattr(scipy.stats, cdf)
        assert scipy.stats.kstest(draws, law.cdf).pvalue > 1e-3
        for power in (1, 2, 3, 4):
            spread = np.sqrt(max(law.moment(2 * power) - law.moment(power) ** 2, 1e-12) / N)
            assert abs(np.mean(draws**power) - law.moment(power)) < 4.5 * spread
        assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 4.5 / np.sqrt(N)


def chi_square(counts, p):
    p = np.asarray(p, float) / np.sum(p)
    assert not np.any(counts[p == 0])
    return scipy.stats.chisquare(counts[p > 0], np.sum(counts) * p[p > 0]).pvalue


def test_distributions_of_integers():
    dice = random.randint(KEY, (N,), 1, 7)
    assert chi_square(np.bincount(dice, minlength=7)[1:], np.ones(6)) > 1e-3
    assert chi_square(np.bincount(random.choice(KEY, 5, (N,), p=P), minlength=5), P) > 1e-3
    assert chi_square(np.bincount(random.bernoulli(KEY, 0.3, (N,)).astype(int)), [0.7, 0.3]) > 1e-3
    keys = random.split(KEY, N)
    orders = wg.vmap(lambda k: random.permutation(k, 3))(keys)
    assert (
        chi_square(np.bincount(orders @ np.array([9, 3, 1]), minlength=27)[[5, 7, 11, 15, 19, 21]], np.ones(6)) > 1e-3
    )
    picked = wg.vmap(lambda k: random.choice(k, 5, (2,), replace=False, p=P))(keys)
    assert np.all(picked[:, 0] != picked[:, 1]) and chi_square(np.bincount(picked[:, 0], minlength=5), P) > 1e-3
    ones = np.unpackbits(random.bits(KEY, (N,), np.uint64).view(np.uint8)).reshape(N, 64).mean(axis=0)
    assert np.all(abs(ones - 0.5) < 5 * 0.5 / np.sqrt(N))


def test_extremes():
    assert np.min(random.uniform(KEY, (N,))) >= 0.0 and np.max(random.uniform(KEY, (10 * N,), np.float32)) < 1.0
    assert np.all(np.isfinite(random.exponential(KEY, (N,)))) and np.all(np.isfinite(random.normal(KEY, (N,))))
    assert set(random.randint(KEY, (1000,), 250, 256, np.uint8)) == set(range(250, 256))
    assert random.uniform(KEY, 3).shape == (3,) and random.uniform(KEY, (0,)).shape == (0,)
    assert random.randint(KEY, (2,), np.array([0, -(2**63)]), np.array([1, 2**63 - 1]))[0] == 0


# ---------------------------------------------------------------- derivatives


def test_derivatives_of_every_order():
    def f(a):
        u = random.uniform(KEY, (3,), minval=-a, maxval=a * a)
        z = np.exp(a) * random.normal(KEY, (3,)) + a
        return np.sum(u * u) + np.sum(np.sin(z)) + random.exponential(KEY) / a

    wg.check_grads(f, (0.7,))
    wg.check_grads(wg.grad(f), (0.7,))
    third = wg.grad(wg.grad(wg.grad(f)))
    assert wg.jit(third)(0.7) == pytest.approx(third(0.7), rel=1e-12)


def test_derivatives_of_selections():
    x = np.arange(5.0)
    order = random.permutation(KEY, 5)
    assert np.array_equal(wg.jacobian(lambda x: random.permutation(KEY, x))(x), np.eye(5)[order])
    chosen = random.choice(KEY, 5, (3,), p=P)
    assert np.array_equal(wg.jacobian(lambda x: random.choice(KEY, x, (3,), p=P))(x), np.eye(5)[chosen])
    assert not np.any(wg.jacobian(lambda p: random.choice(KEY, x, (3,), p=p))(P))
    assert wg.grad(lambda p: np.where(random.bernoulli(KEY, p), 1.0, 0.0))(0.5) == 0.0


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "f, message",
    [
        (lambda: random.uniform(0), "not a key; make one"),
        (lambda: random.uniform(np.arange(2)), "int64 numbers, not a key"),
        (lambda: random.uniform(random.split(KEY)), "wg.vmap"),
        (lambda: random.uniform(KEY, maxval=np.ones(3)), "pass shape=(3,)"),
        (lambda: random.bernoulli(KEY, P, ()), "pass shape=(5,)"),
        (lambda: random.uniform(KEY, dtype=int), "float64 or float32"),
        (lambda: random.bits(KEY, dtype=np.int32), "unsigned"),
        (lambda: random.key(0.5), "one integer"),
        (lambda: random.key(1 << 64), "64 bits"),
        (lambda: random.fold_in(KEY, np.ones(2)), "one integer"),
        (lambda: random.randint(KEY, (), 2, 2), "less than maxval"),
        (lambda: random.randint(KEY, (), 0, 257, np.uint8), "do not fit"),
        (lambda: random.randint(KEY, (), 0.0, 2.0), "bounds are integers"),
        (lambda: random.choice(KEY, 3, (4,), replace=False), "4 of 3 elements"),
        (lambda: random.choice(KEY, 3, p=P), "3 elements need 3 probabilities"),
        (lambda: random.choice(KEY, 2, p=[-1.0, 2.0]), "at least 0"),
        (lambda: random.choice(KEY, 2, (2,), replace=False, p=[0.0, 2.0]), "2 or more are positive"),
    ],
    ids=lambda m: m if isinstance(m, str) else "",
)
def test_refusals(f, message):
    with pytest.raises(wg.errors.InputError) as caught:
        f()
    assert message in str(caught.value)


def test_classes_come_with_the_probabilities_of_their_logits():
    with np.errstate(divide="ignore"):
        logits = np.log(P) + 700.0
    draws = random.categorical(KEY, logits, shape=(N,))
    counts = np.bincount(draws, minlength=5)
    assert counts[1] == 0 and draws.dtype == np.int64
    assert scipy.stats.chisquare(counts[P > 0], N * P[P > 0]).pvalue > 1e-3
    both = random.categorical(KEY, np.stack([logits, logits[::-1]], axis=0), shape=(N, 2))
    assert scipy.stats.chisquare(np.bincount(both[:, 1], minlength=5)[[0, 1, 2, 4]], N * P[[4, 3, 2, 0]]).pvalue > 1e-3
    assert abs(np.corrcoef(both[:, 0], both[:, 1])[0, 1]) < 0.03  # draws of their own
    assert wg.grad(lambda x: 1.0 * random.categorical(KEY, x))(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_categorical_refuses_what_has_no_class():
    for make, text in [(lambda: random.categorical(KEY, np.full(3, -np.inf)), "no class"),
                       (lambda: random.categorical(KEY, np.array([0.0, np.nan])), "NaN"),
                       (lambda: random.categorical(KEY, np.zeros((2, 0))), "one or more classes"),
                       (lambda: random.categorical(KEY, 1.0), "along axis -1"),
                       (lambda: random.categorical(KEY, np.zeros((2, 3)), shape=(3,)), "do not broadcast to")]:
        with pytest.raises(wg.errors.InputError, match=text):
            make()
    with pytest.raises(ValueError, match="no class"):
        wg.jit(lambda x: random.categorical(KEY, x), at_once=True)(np.full(3, -np.inf))
