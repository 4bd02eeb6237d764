"""Gradients over parts: in this process against the sum itself, and by a real cluster of processes, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import DataError, InputError

X = np.random.default_rng(0).normal(size=(11, 3))


def cost(w: Any, x: Any) -> Any:
    return np.sum(np.sin(x @ w))


def test_sum_and_weighted_mean_in_one_process() -> None:
    w = np.array([0.3, -0.2, 0.9])
    parts = wg.distributed.split(X, 4)
    assert [len(x) for x in parts] == [2, 3, 3, 3]
    value, gradient = wg.distributed.value_and_grad(cost)(w, parts)
    np.testing.assert_allclose(gradient, wg.grad(cost)(w, X), rtol=1e-13)
    np.testing.assert_allclose(value, cost(w, X), rtol=1e-13)
    mean = wg.distributed.value_and_grad(lambda w, x: np.mean(np.sin(x @ w)), reduction="mean")
    value, gradient = mean(w, parts)
    np.testing.assert_allclose(gradient, wg.grad(cost)(w, X) / 11, rtol=1e-13)
    np.testing.assert_allclose(value, cost(w, X) / 11, rtol=1e-13)


def test_refusals() -> None:
    with pytest.raises(DataError, match="there is no part"):
        wg.distributed.value_and_grad(cost)(np.ones(3), [])
    with pytest.raises(DataError, match="split: 12 parts of arrays with 11 rows"):
        wg.distributed.split(X, 12)
    with pytest.raises(InputError, match="reduction is 'sum' or 'mean'"):
        wg.distributed.value_and_grad(cost, reduction="max")
    with pytest.raises(DataError, match="a mean of nothing"):
        wg.distributed.value_and_grad(cost, reduction="mean")(np.ones(3), [X[:0]])
    with pytest.raises(InputError, match="the client is a str"):
        wg.distributed.value_and_grad(cost, "tcp://127.0.0.1:8786")


def test_a_cluster_gives_the_same_bits_and_survives_the_loss_of_a_worker(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    program = Path(__file__).with_name("cluster.py")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(program), str(tmp_path / "mark")], capture_output=True, text=True, timeout=120,
                          env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["cluster, sum"] == found["one process, sum"]
    assert found["cluster, mean"] == found["one process, mean"] == found["a worker lost"] != found["one process, sum"]
    assert found["died"] == 1 and (tmp_path / "mark").exists()
    assert found["fit"][0] == found["fit"][1] and len(found["fit"][0]) == 3
    assert found["a number around it"][0] == found["a number around it"][1]
    assert "matmul" in found["error"]
    assert "StagingWarning" not in done.stderr
