"""Files: tables, NumPy's files, checkpoints and safetensors, spoiled byte by byte and part by part.

What comes in: random numbers. What goes out: files, judged by what reads them. The one idea: what is read is complete and
fits, or is refused by the error that the documentation names; and nothing in a file is ever run.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import wengert as wg
from tests.fuzz.target import Broken, Target, mutated
from wengert.cli.data import load, load_named
from wengert.errors import DataError, InputError

__all__ = ["TARGETS"]

_RUN: list[str] = []


class _Payload:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return _RUN.append, ("run",)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wengert-fuzz-") as name:
        yield Path(name)
    if _RUN:
        raise Broken("something in a file was executed")


def _npy(x: Any, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.save(out, x, allow_pickle=pickled)
    return out.getvalue()


def _smaller(case: tuple[str, bytes]) -> Iterator[tuple[str, bytes]]:
    size = len(case[1]) // 2
    while size >= 1:
        for start in range(0, len(case[1]), size):
            yield case[0], case[1][:start] + case[1][start + size:]
        size //= 2


# ---------------------------------------------------------------- tables and arrays

_CELLS = ["1", "-2.5", "1e3", "1e400", "nan", "inf", "NA", "", " ", "x", "1_0", "0x1", "١", '"1"', '"', '"1\n2"', "1,5",
          "#", "é", "\x00", "1" * 500,
          "'", "\ufeff", "True", "1+2j", "\u2028", "\t", ";"]


def _table(rng: Random) -> tuple[str, bytes]:
    kind = rng.choice(["csv", "tsv", "npy", "npz"])
    if kind in ("csv", "tsv"):
        columns, mark = rng.randint(1, 3), rng.choice([",", ",", ";", "\t"])
        rows = [[rng.choice(_CELLS[:3] if rng.random() < 0.95 else _CELLS) for _ in range(columns)]
                for _ in range(rng.randint(0, 5))]
        head = [["x", "y", "z"][:columns]] if rng.random() < 0.8 else []
        data = rng.choice(["\n", "\r\n", "\r"]).join([mark.join(row) for row in [*head, *rows]]).encode("utf-8", "replace")
        data = data.decode().encode("utf-16") if rng.random() < 0.03 else data
        pieces = [c.encode("utf-8", "replace") for c in _CELLS] + [b"\n", b",", b"\xff", b"\xef\xbb\xbf"]
    else:
        shape = rng.choice([(), (3,), (2, 2), (0,), (1, 1, 1)])
        x = np.ones(shape, rng.choice(["f8", "f4", "i4", "c16", "?", ">f8", "U3", "S2", "M8[s]", "V4", "f2", "g"]))
        data = _npy(x)
        if rng.random() < 0.1:
            data = _npy(np.array([_Payload()], object), True)
        if kind == "npz":
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as archive:
                for name in rng.choice([["x"], ["x", "y"], [], ["x", "../x"], ["a b"]]):
                    archive.writestr(f"{name}.npy", rng.choice([data, data, b"", b"junk", pickle.dumps(_Payload())]))
            data = out.getvalue()
        pieces = [b"\x00", b"\xff" * 4, b"NUMPY", b"PK", b"'descr'", b"(1000000000000,)", b"|O", b"True", b"(", b"{", b"\n"]
    return kind, bytes(mutated(rng, data, pieces)) if rng.random() < 0.6 else data


def _judge_table(case: tuple[str, bytes], place: Path) -> str:
    kind, data = case
    path = place / f"data.{kind}"
    path.write_bytes(data)
    word = "refused"
    for part in ("", ":x", ":x,y", ":0,"):
        with contextlib.suppress(DataError):
            x = load(f"{path}{part}", False)
            if not isinstance(x, np.ndarray) or x.size == 0 or x.dtype.kind not in "fciub" or not np.all(np.isfinite(x)):
                raise Broken(f"read as {x!r}"[:200])
            word = "read"
        with contextlib.suppress(DataError):
            load_named(f"{path}{part}", ["x", "y"], True)
    return word


# ---------------------------------------------------------------- checkpoints

_MODEL = {"w": np.array([0.5, -0.25]), "b": 0.0}
_X = np.arange(8.0).reshape(4, 2)


def _loss(model: Any, x: Any) -> Any:
    return np.mean((x @ model["w"] + model["b"] - 1.0) ** 2)


def _fit(path: Path, epochs: int, resume: bool) -> Any:
    return wg.fit(_MODEL, _loss, (_X,), optimizer=wg.optim.SGD(0.01), epochs=epochs, batch_size=2, seed=1, checkpoint=path,
                  resume=resume)


@functools.cache
def _checkpoint() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        _fit(path, 2, False)
        return path.read_bytes()


def _spoiled_checkpoint(rng: Random) -> bytes:
    data = _checkpoint()
    if rng.random() < 0.4:
        return bytes(mutated(rng, data, [b"\x00", b"\xff\xff", b"PK", b"{", b"1", b"NUMPY"]))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(parts))
    kind = rng.randrange(6)
    if kind == 0:
        del parts[name]
    elif kind == 1:
        parts[name] = _npy(rng.choice([np.zeros(3), np.zeros((2, 2)), np.array(1j), np.array("a"), np.zeros(0),
                                       np.array([np.nan, 1.0]),
                                       np.array(7), np.float32(1), np.zeros(2, ">f8")]))
    elif kind == 2:
        parts[name] = rng.choice([b"", b"junk", _npy(np.array([_Payload()], object), True), pickle.dumps(_Payload())])
    else:
        _spoil_header(rng, parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for key, content in parts.items():
            archive.writestr(key, content)
    return out.getvalue()


def _spoil_header(rng: Random, parts: dict[str, bytes]) -> None:
    """Another value at some place of the JSON in a checkpoint."""
    header = json.loads(np.load(io.BytesIO(parts["header.npy"])).tobytes())
    at = header
    while True:
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        if not isinstance(at[key], (dict, list)) or not at[key] or rng.random() < 0.25:
            break
        at = at[key]
    if rng.random() < 0.4:
        del at[key]
    else:
        at[key] = rng.choice([None, -1, 10 ** 30, 1.5, "x", [], {}, [1], {"a": 1}, True, "array", "complex", "float", 3])
    parts["header.npy"] = _npy(np.frombuffer(json.dumps(header).encode(), np.uint8))


def _judge_checkpoint(data: bytes, place: Path) -> str:
    path = place / "run.npz"
    path.write_bytes(data)
    try:
        done = _fit(path, 2, True)
    except DataError:
        return "refused"
    if done.model["w"].shape != (2,) or not isinstance(done.model["b"], float):
        raise Broken(f"the model came back as {done.model}")
    return "resumed"


# ---------------------------------------------------------------- safetensors

def _tensors(rng: Random) -> bytes:
    header = {"w": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}, "b": {"dtype": "F64", "shape": [],
                                                                                  "data_offsets": [16, 24]}}
    if rng.random() < 0.5:
        at: Any = rng.choice([header, header["w"], header["b"]])
        at[rng.choice(list(at))] = rng.choice([None, -1, "F32", "I64", "BF16", "F8_E4M3", "X", [], [3], [10 ** 12,
                                                                                                         10 ** 12], [0,
                                                                                                                     8], [8, 0],
                                              [-1, 7], {}, [2.5]])
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + np.arange(3.0).tobytes()
    if rng.random() < 0.5:
        data = bytes(mutated(rng, data, [b"\x00", b"\xff" * 8, b"{", b'"', b"F32", b"9" * 30, b"__metadata__"], 2))
    return data


def _judge_tensors(data: bytes, place: Path) -> str:
    path = place / "model.safetensors"
    path.write_bytes(data)
    try:
        found = wg.interop.load_safetensors(path, like=_MODEL)
    except (InputError, DataError):
        return "refused"
    if found["w"].shape != (2,) or found["w"].dtype != np.float64 or type(found["b"]) is not float:
        raise Broken(f"it came back as {found}")
    return "read"


TARGETS = [
    Target("tables", _table, _judge_table, 120, _folder, _smaller),
    Target("checkpoints", _spoiled_checkpoint, _judge_checkpoint, 20, _folder),
    Target("safetensors", _tensors, _judge_tensors, 60, _folder),
]
