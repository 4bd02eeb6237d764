"""Optimizers and schedules, step by step against PyTorch's, and what holds of every one: trees, dtypes, compiled steps."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError
from wengert.flatten import flatten

optim = wg.optim
ALL = [optim.SGD(0.1), optim.SGD(0.1, 0.9, nesterov=True, weight_decay=0.01), optim.AdaGrad(weight_decay=0.1),
       optim.RMSProp(momentum=0.5, centered=True), optim.Adam(optim.CosineDecay(0.1, 100), amsgrad=True), optim.AdamW(0.1),
       optim.Lion(0.1, weight_decay=0.1)]
NAMES = [f"{type(o).__name__}{k}" for k, o in enumerate(ALL)]


def every(test):
    return pytest.mark.parametrize("optimizer", ALL, ids=NAMES)(test)


def tree(rng, dtype=np.float64):
    def draw(*shape):
        x = rng.normal(size=shape)
        return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)
    return {"w": draw(3, 4), "b": [draw(4), draw()[()]], "n": 3, "fixed": wg.nn.Frozen(draw(2))}


# ---------------------------------------------------------------- against PyTorch

SAME = {
    "SGD": ({}, {}),
    "SGD momentum": (dict(momentum=0.9, weight_decay=0.1), {}),
    "SGD nesterov": (dict(momentum=0.9, nesterov=True), {}),
    "Adagrad": ({"weight_decay": 0.1}, {}),
    "RMSprop": ({}, {}),
    "RMSprop all": (dict(momentum=0.9, centered=True, weight_decay=0.1, alpha=0.9), dict(decay=0.9)),
    "Adam": ({"weight_decay": 0.1, "betas": (0.8, 0.99)}, {}),
    "Adam amsgrad": ({"amsgrad": True}, {}),
    "AdamW": ({}, {}),
    "AdamW amsgrad": ({"amsgrad": True, "weight_decay": 0.3}, {}),
}
OURS = {"Adagrad": optim.AdaGrad, "RMSprop": optim.RMSProp}


@pytest.mark.parametrize("case", SAME)
def test_each_step_is_that_of_torch(case):
    torch = pytest.importorskip("torch")
    options, renamed = SAME[case]
    name = case.split()[0]
    ours = {**{k: v for k, v in options.items() if k != "alpha"}, **renamed}
    optimizer = OURS.get(name, getattr(optim, name, None))(0.05, **ours)
    rng = np.random.default_rng(1)
    params = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    theirs = {k: torch.tensor(p.copy(), requires_grad=True) for k, p in params.items()}
    peer = getattr(torch.optim, name)(list(theirs.values()), lr=0.05, **options)
    state = optimizer.init(params)
    for _ in range(20):
        gradient = {k: rng.normal(size=p.shape) for k, p in params.items()}
        params, state = optimizer.update(gradient, state, params)
        for k, p in theirs.items():
            p.grad = torch.tensor(gradient[k])
        peer.step()
        for k, p in theirs.items():
            np.testing.assert_allclose(params[k], p.detach().numpy(), rtol=1e-12, atol=1e-12)


def schedules(torch):
    s = torch.optim.lr_scheduler
    restarts = (s.CosineAnnealingWarmRestarts, dict(T_0=3, T_mult=2, eta_min=0.1))
    return [
        (optim.ExponentialDecay(0.5, 0.9), s.ExponentialLR, dict(gamma=0.9)),
        (optim.ExponentialDecay(0.5, 0.3, every=4, staircase=True), s.StepLR, dict(step_size=4, gamma=0.3)),
        (optim.PolynomialDecay(0.5, 0.0, 9, power=2.0), s.PolynomialLR, dict(total_iters=9, power=2.0)),
        (optim.LinearDecay(0.25, 0.5, 7), s.LinearLR, dict(start_factor=0.5, end_factor=1.0, total_iters=7)),
        (optim.CosineRestarts(0.5, 3, factor=2, end=0.1), *restarts),
        (optim.CosineRestarts(0.5, 3), s.CosineAnnealingWarmRestarts, dict(T_0=3)),
        (optim.PiecewiseConstant((4, 9), (0.5, 0.05, 0.005)), s.MultiStepLR, dict(milestones=[4, 9], gamma=0.1)),
        (optim.OneCycle(0.5, 30, rise=0.4), s.OneCycleLR, dict(max_lr=0.5, total_steps=30, pct_start=0.4)),
        (optim.CosineDecay(0.5, 29, end=0.1), s.CosineAnnealingLR, dict(T_max=29, eta_min=0.1)),
        (optim.WarmUp(5, 0.5, first=0.2), s.LinearLR, dict(start_factor=0.2, end_factor=1.0, total_iters=5)),
    ]


def test_schedules_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for ours, theirs, options in schedules(torch):
        peer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        schedule = theirs(peer, **options)
        compiled = wg.jit(ours)
        for k in range(29):
            assert float(ours(k)) == pytest.approx(peer.param_groups[0]["lr"], rel=1e-10, abs=1e-14), (ours, k)
            assert float(compiled(np.int64(k))) == pytest.approx(float(ours(k)), rel=1e-14, abs=1e-16), (ours, k)
            peer.step()
            schedule.step()


def test_restarts_begin_where_they_should():
    """At the first update of each cycle the rate is the start, whatever the logarithm rounds to."""
    for factor in (2, 3, 10):
        rate = optim.CosineRestarts(1.0, 7, factor=factor)
        begins = [7 * (factor**i - 1) // (factor - 1) for i in range(12)]
        assert [float(rate(k)) for k in begins] == [1.0] * 12
        assert max(float(rate(k - 1)) for k in begins[1:]) < 0.06


# ---------------------------------------------------------------- by hand

def test_lion_by_hand():
    """Chen et al. 2023, algorithm 2, in scalars."""
    rng, x, m = np.random.default_rng(2), 0.3, 0.0
    optimizer = optim.Lion(0.01, betas=(0.8, 0.95), weight_decay=0.1)
    params = np.array([x])
    state = optimizer.init(params)
    for _ in range(20):
        g = rng.normal()
        x, m = x - 0.01 * (np.sign(0.8 * m + 0.2 * g) + 0.1 * x), 0.95 * m + 0.05 * g
        params, state = optimizer.update(np.array([g]), state, params)
        assert params[0] == pytest.approx(x, rel=1e-13)


@every
def test_a_turn_of_the_complex_plane_turns_the_path(optimizer):
    """|g|² of a complex gradient does not know the direction of g, so neither does the path."""
    rng, turn = np.random.default_rng(3), np.exp(0.7j)
    here = there = tree(rng, np.complex128)
    there = {**here, "w": turn * here["w"]}
    states = [optimizer.init(here), optimizer.init(there)]
    for _ in range(5):
        g = tree(rng, np.complex128)
        here, states[0] = optimizer.update(g, states[0], here)
        there, states[1] = optimizer.update({**g, "w": turn * g["w"]}, states[1], there)
    np.testing.assert_allclose(there["w"], turn * here["w"], rtol=1e-12)
    assert all(leaf.dtype.kind == "f" for leaf in flatten(states[0].slots.get("square"))[0] if isinstance(leaf, np.ndarray))


# ---------------------------------------------------------------- of every optimizer

@every
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64])
def test_compiled_once_and_equal(optimizer, dtype):
    rng = np.random.default_rng(4)
    params = tree(rng, dtype)
    step = wg.jit(lambda g, state, params: optimizer.update(g, state, params))
    mine, plain = (params, optimizer.init(params)), (params, optimizer.init(params))
    for _ in range(6):
        g = {**tree(rng, dtype), "n": None}
        plain, mine = optimizer.update(g, plain[1], plain[0]), step(g, mine[1], mine[0])
    assert len(step.found) == 1  # one signature: what comes out is what goes in
    assert all(staged.graph is not None for staged in step.found.values())
    for a, b in zip(flatten(plain)[0], flatten(mine)[0]):
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
        if a is not None:
            np.testing.assert_allclose(b, a, rtol=1e-12 if dtype == np.float64 else 1e-4, atol=1e-7)
    assert mine[0]["w"].dtype == dtype and mine[0]["b"][1].dtype == dtype and mine[1].count == 6


@every
def test_one_nest_for_each_array(optimizer):
    params = [np.ones((50, 40)), np.ones((40, 30)), np.ones(2000)]
    counts = wg.explain_compilation(optimizer.update, params, optimizer.init(params), params).counts
    assert counts["nests"] == 3
    assert {k: counts.get(k, 0) for k in ("copies", "python_calls", "library_calls")} == dict.fromkeys(
        ("copies", "python_calls", "library_calls"), 0)


@every
def test_what_is_not_trained_is_handed_on(optimizer):
    params = tree(np.random.default_rng(5))
    g = {**params, "w": None, "n": 1}
    new, state = optimizer.update(g, optimizer.init(params), params)
    assert new["w"] is params["w"] and new["fixed"].value is params["fixed"].value and new["n"] == 3
    assert not np.array_equal(new["b"][0], params["b"][0])
    assert all(slot["n"] is None and slot["fixed"].value is None and not slot["w"].any() for slot in state.slots.values())


@every
def test_a_state_that_was_pickled_goes_on_bit_for_bit(optimizer):
    rng = np.random.default_rng(6)
    params, gradients = tree(rng), [tree(rng) for _ in range(4)]
    state = optimizer.init(params)
    for g in gradients[:2]:
        params, state = optimizer.update(g, state, params)
    again, kept, resumed = pickle.loads(pickle.dumps((optimizer, state, params)))
    assert again == optimizer
    for g in gradients[2:]:
        params, state = optimizer.update(g, state, params)
        resumed, kept = again.update(g, kept, resumed)
    for a, b in zip(flatten((params, state))[0], flatten((resumed, kept))[0]):
        np.testing.assert_array_equal(a, b)


@every
def test_a_bowl_is_descended(optimizer):
    def loss(p):
        return np.sum((p["a"] - 1.0) ** 2) + np.sum(np.abs(p["z"] - 1j) ** 2)
    params = {"a": np.zeros(3), "z": np.zeros(2, complex)}
    before, state = loss(params), optimizer.init(params)
    for _ in range(60):
        params, state = optimizer.update(wg.grad(loss)(params), state, params)
    assert loss(params) < 0.8 * before


def test_the_learning_rate_has_a_derivative():
    """The optimizer is a tree too: the loss after two steps of f = x², x₂ = x (1 − 2η)²."""
    def after(rate):
        optimizer = optim.SGD(rate)
        x, state = 3.0, optimizer.init(3.0)
        for _ in range(2):
            x, state = optimizer.update(2.0 * x, state, x)
        return x
    assert wg.grad(after)(0.1) == pytest.approx(3.0 * 2 * (1 - 0.2) * -2)


def test_a_schedule_of_the_user_with_a_branch_compiles():
    optimizer = optim.SGD(lambda k: 0.5 if k < 2 else 0.25)
    step = wg.jit(lambda g, state, x: optimizer.update(g, state, x))
    x, state = np.ones(2), optimizer.init(np.ones(2))
    for _ in range(4):
        x, state = step(np.ones(2), state, x)
    np.testing.assert_array_equal(x, -0.5 * np.ones(2))
    assert all(staged.graph is not None for staged in step.found.values())


def test_an_optimizer_is_an_argument_like_any():
    """Under jit its numbers are traced, so another learning rate is no other program; vmap trains several at once."""
    step = wg.jit(lambda optimizer, g, state, x: optimizer.update(g, state, x))
    x = np.ones(3)
    for rate in (0.1, 0.2):
        optimizer = optim.Adam(rate)
        found = step(optimizer, x, optimizer.init(x), x)[0]
        np.testing.assert_allclose(found, optimizer.update(x, optimizer.init(x), x)[0], rtol=1e-14)
    assert len(step.found) == 1
    several = np.arange(6.0).reshape(2, 3)
    trained = wg.vmap(lambda g, p: optimizer.update(g, optimizer.init(x), p)[0])(several, several)
    np.testing.assert_allclose(trained, [optimizer.update(row, optimizer.init(x), row)[0] for row in several], rtol=1e-14)


def test_a_training_step_of_a_model_is_one_graph():
    """A model holds functions beside arrays; the step takes it and gives it back."""
    first, second = wg.random.split(wg.random.key(0))
    fresh = model = wg.nn.Sequential((wg.nn.Linear.init(first, 3, 8), wg.nn.relu, wg.nn.Linear.init(second, 8, 1), np.tanh))
    x, optimizer = np.linspace(-1.0, 1.0, 15).reshape(5, 3), optim.AdamW(0.01)

    def step(model, state):
        value, gradient = wg.value_and_grad(lambda model: np.mean(model(x) ** 2))(model)
        return value, *optimizer.update(optim.clip_by_global_norm(gradient, 1.0), state, model)
    compiled, state = wg.jit(step), optimizer.init(model)
    plain = step(model, state)
    for _ in range(3):
        value, model, state = compiled(model, state)
    assert [staged.graph is not None for staged in compiled.found.values()] == [True]
    assert model.layers[1] is wg.nn.relu and model.layers[3] is np.tanh
    assert wg.explain_compilation(step, model, state).counts["python_calls"] == 0
    again = compiled(fresh, optimizer.init(fresh))
    np.testing.assert_allclose(again[1].layers[0].weight, plain[1].layers[0].weight, rtol=1e-10)


# ---------------------------------------------------------------- clipping

def test_clipping():
    g = {"a": np.array([3.0, 0.0], np.float32), "n": None, "k": 7, "z": np.array([4j]), "f": wg.nn.Frozen(np.full(2, 1e9))}
    assert optim.global_norm(g) == 5.0
    for f in (optim.clip_by_global_norm, wg.jit(optim.clip_by_global_norm)):
        out = f(g, 2.5)
        np.testing.assert_allclose(out["a"], [1.5, 0.0])
        np.testing.assert_allclose(out["z"], [2j])
        assert out["a"].dtype == np.float32 and out["k"] == 7 and out["n"] is None and out["f"].value[0] == 1e9
    np.testing.assert_array_equal(optim.clip_by_global_norm(g, 5.0)["a"], g["a"])
    assert optim.clip_by_global_norm({"a": np.zeros(2)}, 1.0)["a"].tolist() == [0.0, 0.0]
    assert np.isnan(optim.clip_by_global_norm([np.array([np.nan, 1.0])], 1.0)[0]).all()
    assert np.isnan(optim.clip_by_global_norm([np.array([np.inf, 1.0])], 1.0)[0]).all()
    assert optim.clip_by_global_norm(np.array([3.0, 0.0]), np.inf).tolist() == [3.0, 0.0]
    for f in (optim.clip_by_global_norm, wg.jit(optim.clip_by_global_norm, static_argnums=(1,))):  # squares beyond float64
        np.testing.assert_allclose(f({"a": np.array([3e200, 0.0]), "b": 4e200j}, 5.0)["b"], 4j, rtol=1e-15)
    np.testing.assert_allclose(optim.global_norm(np.array([3e200, 4e200])), 5e200, rtol=1e-15)
    huge = optim.clip_by_global_norm(np.array([3e30, 4e30], np.float32), 1.0)  # whose squares overflow float32
    np.testing.assert_allclose(huge, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(optim.clip_by_value(g, 2.0)["z"], [2j])
    assert optim.clip_by_value(0.5, 2.0) == 0.5


# ---------------------------------------------------------------- refusals

@pytest.mark.parametrize(("gradient", "message"), [
    ({"w": np.ones(3), "b": 1.0}, r"SGD: the gradient is float64\[3\] where params\['w'\] is float64\[2\]"),
    ({"w": np.ones(2)}, r"SGD: params\['b'\] has no counterpart in the gradient"),
    ({"w": np.ones(2), "b": 1.0, "c": 1.0}, r"SGD: the gradient has a leaf \['c'\] that params have not"),
    ({"w": np.ones(2) + 0j, "b": 1.0}, r"the gradient is complex where params\['w'\] is real"),
    ({"w": np.array(["a", "b"]), "b": 1.0}, r"the gradient is <U1\[2\]"),
    ([np.ones(2), 1.0], "has no counterpart in the gradient"),
])
def test_gradients_that_do_not_fit(gradient, message):
    params = {"w": np.ones(2), "b": 1.0}
    optimizer = optim.SGD(0.1)
    with pytest.raises(InputError, match=message):
        optimizer.update(gradient, optimizer.init(params), params)


def test_states_that_do_not_fit():
    optimizer = optim.Adam()
    with pytest.raises(InputError, match=r"Adam: params\['b'\] has no counterpart in the state's mean"):
        optimizer.update({"b": 1.0}, optimizer.init({"a": 1.0}), {"b": 1.0})
    with pytest.raises(InputError, match=r"Adam: the state's mean is float64\[3\] where params is float64\[2\]"):
        optimizer.update(np.ones(2), optimizer.init(np.ones(3)), np.ones(2))
    with pytest.raises(InputError, match=r"Adam: the state holds \[\], and this optimizer remembers \['mean', 'square'\]"):
        optimizer.update(1.0, optim.SGD(0.1).init(1.0), 1.0)
    with pytest.raises(InputError, match="Adam: the state is a float"):
        optimizer.update(1.0, 1.0, optimizer.init(1.0))
    with pytest.raises(InputError, match="the learning rate is one number"):
        optim.SGD(lambda k: np.ones(2)).update(1.0, optim.SGD(0.1).init(1.0), 1.0)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: optim.SGD(-0.1), "learning_rate is -0.1"), (lambda: optim.SGD("fast"), "the learning rate is a str"),
    (lambda: optim.SGD(None), "is None"), (lambda: optim.SGD(0.1, nesterov=True), "nesterov needs a momentum"),
    (lambda: optim.Adam(betas=(0.9, 1.0)), "it has to lie below 1"), (lambda: optim.Adam(eps=np.nan), "eps is nan"),
    (lambda: optim.Adam(betas=(0.9,)), "it is a pair of numbers"), (lambda: optim.Lion(betas=[0.9, 2.0]), "it is a pair"),
    (lambda: optim.Adam(eps="1e-8"), "eps is a str; it is a number"),
    (lambda: optim.SGD(0.1j), "the learning rate is a complex"),
    (lambda: optim.Adam().init({"w": np.ones(2, np.float16)}), r"eps=1e-08 is 0 in float16, the dtype of params\['w'\]"),
    (lambda: optim.SGD(lambda k: None).update(1.0, optim.SGD(0.1).init(1.0), 1.0), "gives None"),
    (lambda: optim.Adam().init({"n": 3}), "hold nothing to train"),
    (lambda: optim.LinearDecay(1.0, 0.0, steps=0), "steps is a whole number"),
    (lambda: optim.PiecewiseConstant((5,), (1.0,)), "1 boundaries make 2 pieces"),
    (lambda: optim.PiecewiseConstant((5, 5), (1.0, 2.0, 3.0)), "boundaries rise"),
    (lambda: optim.OneCycle(1.0, steps=3, rise=0.1), "not within the cycle"),
    (lambda: optim.clip_by_value(1.0, 0.0), "the limit is 0.0"),
])
def test_bad_choices_of_optimizers(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_schedule_that_is_negative_is_refused():
    params = {"a": np.ones(2)}
    with pytest.raises(wg.errors.InputError, match="the learning rate is not negative, and .* gives -0.1 after 0 updates"):
        wg.optim.SGD(lambda k: -0.1).init(params)
    optimizer = wg.optim.SGD(lambda k: 0.1 - 0.2 * k)
    params, state = optimizer.update(params, optimizer.init(params), params)
    with pytest.raises(wg.errors.InputError, match="gives -0.1 after 1 updates"):
        optimizer.update(params, state, params)


@pytest.mark.parametrize("clip", [wg.optim.clip_by_global_norm, wg.optim.clip_by_value])
def test_swapped_arguments_of_clipping_are_told(clip):
    for gradient in ({"a": np.ones(2)}, np.ones(2), wg.nn.Linear(np.ones((2, 1)))):
        with pytest.raises(wg.errors.InputError, match=rf"{clip.__name__}\(gradient, limit\)"):
            clip(1.0, gradient)


def test_adam_by_hand():
    """Two updates, with the sums of the paper written out."""
    optimizer = wg.optim.Adam(0.5, betas=(0.9, 0.99), eps=0.0)
    x, state = 3.0, optimizer.init(3.0)
    for g, root, mean in ((4.0, 4.0, 4.0), (-2.0, ((0.99 * 16.0 + 4.0) / 1.99) ** 0.5, (0.9 * 4.0 - 2.0) / 1.9)):
        wanted = x - 0.5 * mean / root
        x, state = optimizer.update(g, state, x)
        assert float(x) == pytest.approx(wanted, rel=1e-12)
