"""Programs of wengert in PyTorch and functions of PyTorch in wengert: both systems' derivatives of one function agree."""

import threading

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself

X = np.array([0.3, 0.5, -0.2])
P = {"a": np.array(1.3), "b": np.array(2.0)}


def steps(x, p):
    y = np.zeros(3)
    for i in range(3):
        y[i] = np.sin(x[i] * p["a"]) * y[i - 1] + x[i]
    return np.sum(y**2) * p["b"]


def of_torch(x, p):
    return torch.sum(torch.sin(x * p["a"]) * x) * p["b"]


def of_numpy(x, p):
    return np.sum(np.sin(x * p["a"]) * x) * p["b"]


def tensors(tree, **options):
    return {k: torch.tensor(v, **options) for k, v in tree.items()}


def test_backward_and_gradcheck():
    g = wg.interop.to_torch(steps)
    x, p = torch.tensor(X, requires_grad=True), tensors(P, requires_grad=True)
    g(x, p).backward()
    np.testing.assert_allclose(x.grad.numpy(), wg.grad(steps)(X, P), rtol=1e-14)
    wanted = wg.grad(steps, 1)(X, P)
    assert all(float(p[k].grad) == pytest.approx(wanted[k]) for k in P)
    assert torch.autograd.gradcheck(lambda x: g(x, tensors(P)), (x,))
    assert torch.autograd.gradgradcheck(lambda x: g(x, tensors(P)), (x,))


@pytest.mark.parametrize("order", ["hessian", "jacfwd jacfwd", "jacrev jacrev", "jacrev jacfwd", "grad"])
def test_transforms_of_torch(order):
    g, p = wg.interop.to_torch(steps), tensors(P)
    f = lambda x: g(x, p)
    for name in reversed(order.split()):
        f = getattr(torch.func, name)(f)
    found = f(torch.tensor(X)).numpy()
    np.testing.assert_allclose(found, (wg.grad if order == "grad" else wg.hessian)(steps)(X, P), rtol=1e-13, atol=1e-14)


def test_torch_maps_programs():
    g, p = wg.interop.to_torch(steps), tensors(P)
    rows = np.stack([X, 2 * X])
    found = torch.func.vmap(torch.func.grad(lambda x: g(x, p)))(torch.tensor(rows))
    np.testing.assert_allclose(found.numpy(), [wg.grad(steps)(x, P) for x in rows], rtol=1e-13)


def test_structure_shapes_and_numbers_pass():
    g = wg.interop.to_torch(lambda x, n, scale: {"y": (x * n * scale,), "k": 3, "m": x > 0, "rest": [x] * len(x)})
    for size in (2, 3, 2):
        out = g(torch.ones(size), 2, 0.5)
        assert len(out["rest"]) == size and out["k"] == 3 and out["m"].dtype == torch.bool
        assert out["y"][0].dtype == torch.float32
    with pytest.raises(InputError, match=r"dtype torch.bfloat16; convert it: x.float\(\)"):
        g(torch.ones(2, dtype=torch.bfloat16), 2, 0.5)


def test_arrays_among_tensors():
    first, second = wg.random.split(wg.random.key(0))
    model = wg.nn.Sequential((wg.nn.Linear.init(first, 2, 3), wg.nn.tanh, wg.nn.Linear.init(second, 3, 1)))
    x = torch.ones((4, 2), dtype=torch.float64, requires_grad=True)
    wg.interop.to_torch(lambda model, x: np.sum(model(x)))(model, x).backward()
    np.testing.assert_allclose(x.grad, wg.grad(lambda x: np.sum(model(x)))(np.ones((4, 2))), rtol=1e-14)


def test_complex_derivatives_are_torchs():
    z = np.array([1 + 2j, 0.3 - 0.5j])
    ours, theirs = torch.tensor(z, requires_grad=True), torch.tensor(z, requires_grad=True)
    wg.interop.to_torch(lambda z: np.sum(np.abs(z * np.exp(z))))(ours).backward()
    (theirs * theirs.exp()).abs().sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-14)
    back = wg.interop.from_torch(lambda z: (z * z.exp()).abs().sum())
    np.testing.assert_allclose(wg.grad(back)(z), theirs.grad, rtol=1e-14)


@pytest.mark.parametrize("order", [
    wg.grad, wg.hessian, lambda f: wg.jit(wg.hessian(f)), lambda f: wg.jacfwd(wg.jacfwd(f)), lambda f: wg.jacrev(wg.jacrev(f)),
    lambda f: wg.jit(wg.jacrev(wg.hessian(f)))])
def test_wengert_differentiates_functions_of_torch(order):
    np.testing.assert_allclose(order(wg.interop.from_torch(of_torch))(X, P), order(of_numpy)(X, P), rtol=1e-13, atol=1e-14)


def test_wengert_maps_functions_of_torch():
    rows = np.stack([X, 2 * X])
    found = wg.vmap(wg.grad(wg.interop.from_torch(of_torch)), (0, None))(rows, P)
    np.testing.assert_allclose(found, [wg.grad(of_numpy)(x, P) for x in rows], rtol=1e-14)


def test_modules():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    g, parameters = wg.interop.from_torch(module), wg.interop.parameters_of(module)
    found = wg.jit(wg.grad(lambda p, x: np.sum(g(p, x) ** 2)))(parameters, X)
    (module(torch.tensor(X)) ** 2).sum().backward()
    for name, p in module.named_parameters():
        np.testing.assert_allclose(found[name], p.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("stage", [lambda f: f, wg.jit])
def test_random_functions_and_writes_are_refused(stage):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5)).double()
    g, p = wg.interop.from_torch(module), wg.interop.parameters_of(module)
    with pytest.raises(InputError, match=r"draws random numbers, .* module.eval\(\)"):
        stage(wg.grad(lambda p, x: np.sum(g(p, x))))(p, X)
    module.eval()
    assert stage(wg.grad(lambda p, x: np.sum(g(p, x))))(p, X)["0.bias"].tolist() == [1, 1, 1, 1]
    with pytest.raises(InputError, match=r"writes into its arguments"):
        stage(wg.interop.from_torch(lambda x: x.mul_(2)))(X)


def test_draws_of_another_thread_do_no_harm():
    def f(x):
        other = threading.Thread(target=torch.rand, args=(1,))
        other.start()
        other.join()
        return x * 2
    assert wg.interop.from_torch(f)(X).tolist() == (2 * X).tolist()


def test_buffers_are_frozen():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).double().eval()
    module[0].bias.requires_grad_(False)
    g, p = wg.interop.from_torch(module), wg.interop.parameters_of(module)
    assert [k for k, x in p.items() if isinstance(x, wg.nn.Frozen)] == ["0.bias", "1.running_mean", "1.running_var"]
    assert "1.num_batches_tracked" not in p
    found = wg.grad(lambda p, x: np.sum(g(p, x) ** 2))(p, X[None])
    (module(torch.tensor(X[None])) ** 2).sum().backward()
    np.testing.assert_allclose(found["1.weight"], module[1].weight.grad, rtol=1e-13)
    with pytest.raises(InputError, match=r"module.eval\(\) lets running statistics be"):
        wg.interop.from_torch(module.train())(p, np.ones((2, 3)))


@pytest.mark.parametrize("stage", [lambda f: f, wg.jit])
def test_captured_traced_values_are_refused(stage):
    def f(a):
        return np.sum(wg.interop.from_torch(lambda x: torch.sin(x) * a)(X))
    with pytest.raises(InputError, match="from_torch: <lambda> reads a, which is being differentiated or traced"):
        stage(wg.grad(f))(2.0)


def test_arguments_of_functions_of_torch():
    triple = lambda x, how: x * 3 if how is True else x
    for f, one in ((wg.interop.from_torch(triple), np.ones(1)), (wg.interop.to_torch(triple), torch.ones(1))):
        assert [float(f(one, how)[0]) for how in (1, True, 1)] == [1, 3, 1]
        with pytest.raises(InputError, match="neither an array nor hashable"):
            f(one, {1, 2})
    assert wg.interop.from_torch(lambda n: n.double().sum())(np.arange(3)) == 3  # no floats come in
    assert wg.interop.from_torch(lambda x: ())(X) == ()                         # or go out
    with pytest.raises(InputError, match=r"torch.Tensor; the function takes NumPy arrays.*as_arrays"):
        wg.interop.from_torch(torch.sin)(torch.ones(2))


def test_tensors_as_arrays():
    x = torch.ones(3, requires_grad=True)
    y = wg.interop.as_arrays({"x": x, "z": torch.tensor([1 + 2j]).conj()})
    assert np.shares_memory(y["x"], x.detach().numpy()) and y["z"][0] == 1 - 2j
    np.testing.assert_array_equal(torch.from_dlpack(wg.grad(lambda x: np.sum(x**2))(y["x"])).numpy(), 2 * np.ones(3))
    with pytest.raises(InputError, match=r"as_arrays: \['h'\]: a torch.Tensor cannot be read as a NumPy array"):
        wg.interop.as_arrays({"h": torch.ones(2, dtype=torch.bfloat16)})
