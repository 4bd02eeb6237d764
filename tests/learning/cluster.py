"""A program of a user's: a cluster of two processes, a gradient over parts, a worker that dies; prints what it found."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6))
Y = np.sin(X @ np.ones(6))
MODEL = {"w": 0.3 * RNG.normal(size=(6, 5)), "v": 0.3 * RNG.normal(size=5), "label": "a text"}


def loss(model: Any, x: Any, y: Any) -> Any:
    h = x @ model["w"]
    for _ in range(3):  # a loop, which asks for the source
        h = np.tanh(h) + 0.1 * h
    return np.mean((h @ model["v"] - y) ** 2)


def load(k: int, mark: str) -> Any:
    """Part k; the first who asks for part 3 dies."""
    if k == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return wg.distributed.split((X, Y), 7)[k]


def hexed(value: Any, gradient: Any) -> Any:
    return [float(value).hex(), *[x.hex() for k in ("w", "v") for x in gradient[k].ravel().tolist()], gradient["label"]]


def main(mark: str) -> None:
    from distributed import Client, LocalCluster
    parts = wg.distributed.split((X, Y), 7)
    found: dict[str, Any] = {"rows": [len(x) for x, _ in parts]}
    for reduction in ("sum", "mean"):
        found[f"one process, {reduction}"] = hexed(*wg.distributed.value_and_grad(loss, reduction=reduction)(MODEL, parts))
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster, \
            Client(cluster) as client:
        before = set(client.run(os.getpid).values())
        for reduction in ("sum", "mean"):
            both = wg.distributed.value_and_grad(loss, client, reduction=reduction)
            found[f"cluster, {reduction}"] = hexed(*both(MODEL, parts))
        mean = wg.distributed.value_and_grad(loss, client, reduction="mean")
        futures = [client.submit(load, k, mark) for k in range(7)]
        found["a worker lost"] = hexed(*mean(MODEL, futures))
        found["died"] = len(before - set(client.run(os.getpid).values()))
        fitted = wg.fit(MODEL, loss, np.arange(7), optimizer=wg.optim.SGD(0.1), epochs=1, batch_size=3,
                        gradient=lambda model, numbers: mean(model, [futures[k] for k in numbers]))
        here = wg.distributed.value_and_grad(loss, reduction="mean")
        alone = wg.fit(MODEL, loss, np.arange(7), optimizer=wg.optim.SGD(0.1), epochs=1, batch_size=3,
                       gradient=lambda model, numbers: here(model, [parts[k] for k in numbers]))
        found["fit"] = [fitted.history.update_loss.tolist(), alone.history.update_loss.tolist()]
        scale = [1.0]
        scaled = wg.distributed.value_and_grad(lambda model, x, y: scale[0] * loss(model, x, y), client)
        once = scaled(MODEL, parts)[0]
        scale[0] = 2.0
        found["a number around it"] = [2.0 * once, scaled(MODEL, parts)[0]]
        try:
            both(MODEL, [(X[:, :2], Y)])
        except ValueError as error:
            found["error"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
