"""Parameters in safetensors files: names as PyTorch writes them, and nothing loaded into the wrong place."""

from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError

numpy = pytest.importorskip("safetensors.numpy")


@dataclass(frozen=True)
class Layer:
    weight: np.ndarray
    bias: object
    activation: object = np.tanh


MODEL = {"layers": [Layer(np.arange(6.0).reshape(2, 3), None), Layer(np.ones((3, 1), np.float32), 0.5)], "n": 3}


def test_there_and_back(tmp_path):
    path = tmp_path / "model.safetensors"
    wg.interop.save_safetensors(MODEL, path, {"made": "here"})
    assert sorted(numpy.load_file(path)) == ["layers.0.weight", "layers.1.bias", "layers.1.weight"]
    like = {"layers": [Layer(np.zeros((2, 3)), None), Layer(np.zeros((3, 1), np.float32), 0.0)], "n": 4}
    back = wg.interop.load_safetensors(path, like)
    np.testing.assert_array_equal(back["layers"][0].weight, MODEL["layers"][0].weight)
    assert back["layers"][1].bias == 0.5 and back["n"] == 4 and back["layers"][1].weight.dtype == np.float32
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_names_of_networks_are_those_of_pytorch(tmp_path):
    first, second = wg.random.split(wg.random.key(0))
    model = wg.nn.Sequential((wg.nn.Linear.init(first, 2, 3), wg.nn.gelu, wg.nn.Linear.init(second, 3, 1)))
    wg.interop.save_safetensors(model, tmp_path / "model")
    assert sorted(numpy.load_file(tmp_path / "model")) == [
        "layers.0.bias", "layers.0.weight", "layers.2.bias", "layers.2.weight"]
    back = wg.interop.load_safetensors(tmp_path / "model", model)
    assert back.layers[1] is wg.nn.gelu
    np.testing.assert_array_equal(back(np.ones((2, 2))), model(np.ones((2, 2))))


def test_views_are_written_as_they_read(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    wg.interop.save_safetensors([x.T, x[::2]], tmp_path / "views")
    back = wg.interop.load_safetensors(tmp_path / "views")
    np.testing.assert_array_equal(back["0"], x.T)
    np.testing.assert_array_equal(back["1"], x[::2])


@pytest.mark.parametrize(("like", "said"), [
    ({"b": np.zeros(2)}, r"not in the file: b; only in the file: a"),
    ({"a": np.zeros(3)}, r"a is float64\[2\] in .* and float64\[3\] in the tree"),
    ({"a": np.zeros(2, np.float32)}, r"a is float64\[2\] in .* and float32\[2\] in the tree"),
])
def test_what_does_not_fit_is_refused(tmp_path, like, said):
    wg.interop.save_safetensors({"a": np.ones(2)}, tmp_path / "x")
    with pytest.raises(InputError, match=said):
        wg.interop.load_safetensors(tmp_path / "x", like)


def test_names_are_paths(tmp_path):
    path = tmp_path / "x"
    model = wg.nn.Sequential((wg.nn.Linear(np.ones((2, 1)), np.ones(1)), np.tanh))
    wg.interop.save_safetensors({"net": [model], "a b": 1.0, "-": 2.0, (1, 2): 3.0}, path)
    assert sorted(wg.interop.load_safetensors(path)) == ["(1, 2)", "-", "a b", "net.0.layers.0.bias", "net.0.layers.0.weight"]
    for tree, said in (({"a.b": 1.0, "a": {"b": 2.0}}, "two leaves are called 'a.b'"),
                       ({"__metadata__": 1.0}, "keeps for itself"),
                       ({"z": [1j]}, r"z.0 is complex128"), ({"s": np.array(["a"])}, "s is <U1")):
        with pytest.raises(InputError, match=said):
            wg.interop.save_safetensors(tree, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_nothing_is_left_out(tmp_path):
    jnp = pytest.importorskip("jax.numpy")
    path, tree = tmp_path / "x", {"other": jnp.ones(2), "turned": np.arange(2, dtype=">f8")}
    wg.interop.save_safetensors(tree, path)
    back = wg.interop.load_safetensors(path, tree)
    assert back["other"].tolist() == [1, 1] and back["turned"].tolist() == [0, 1]
    with pytest.raises(InputError, match="x is traced"):
        wg.grad(lambda x: (wg.interop.save_safetensors({"x": x}, path), x)[1])(1.0)
