"""The examples of sequences: derivatives by hand are those of `grad`, and the forecasts see nothing of what they forecast."""

from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples" / "learning"


@pytest.fixture
def example(request, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return __import__(request.param)


def named(name):
    return pytest.mark.parametrize("example", [name], indirect=True)


@named("attention")
def test_from_one_neuron_to_attention(example, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    file = tmp_path / "attention.png"
    example.main(["--plot", str(file)])
    assert "Greatest difference" in capsys.readouterr().out
    assert file.read_bytes().startswith(b"\x89PNG\r\n")


@named("attention")
def test_every_matrix_is_compared(example):
    rng = np.random.default_rng(1)
    X, T, parameters = rng.normal(size=(3, 4)), rng.normal(size=(3, 2)), tuple(rng.normal(size=(3, 4, 2)))
    _, adjoints = example.head_by_hand(parameters, X, T)
    gradient = example.head_by_grad(parameters, X, T)
    assert set(gradient) == set(adjoints) == {"X", "Wq", "Wk", "Wv", "Q", "K", "V", "S", "A", "Y"}


@named("forecast")
def test_parts_do_not_overlap(example):
    series = np.arange(732.0)
    train, validation, test = [example.windows(series, 24, *part) for part in
                               ((0, example.VALIDATION), (example.VALIDATION, example.TEST), (example.TEST, 732))]
    for x, y in (train, validation, test):
        np.testing.assert_array_equal(x[:, -1] + 1, y[:, 0])
    assert train[1].max() < validation[1].min() and validation[1].max() < test[1].min()
    assert [len(part[1]) for part in (train, validation, test)] == [456 - 24 - 11, 120 - 11, 156 - 11]


@named("forecast")
def test_the_test_part_is_not_looked_at(example, monkeypatch):
    """Its months are unknown here, and the first forecast comes all the same: no choice and no network has seen them."""
    pytest.importorskip("statsmodels")
    for name, value in {"EPOCHS": 1, "SIZES": (4,), "SEEDS": 1}.items():
        monkeypatch.setattr(example, name, value)
    series = example.read()
    assert series.shape == (732,) and series[0] == 23.11
    methods, _ = example.forecasts(np.where(np.arange(732) < example.TEST, series, np.nan))
    assert len(methods) == 7 and all(np.all(np.isfinite(forecast[0])) for forecast, _ in methods.values())
