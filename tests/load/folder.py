"""The folder of machine code: damaged, full, not writable, somebody else's, not there; written by many processes, some killed.

In every state of it, functions are compiled and give right results, and nothing from a file that was touched is run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import wengert as wg
from tests.load.processes import in_child
from wengert.backends.compiled import machine, store

X = np.linspace(0.1, 1.0, 6)


@contextlib.contextmanager
def environment(**values: str | None) -> Iterator[None]:
    before = {k: os.environ.get(k) for k in values}

    def put(given: dict[str, str | None]) -> None:
        for k, v in given.items():
            if v is None:
                os.environ.pop(k, None)
            else:
                os.environ[k] = v
    put(values)
    try:
        yield
    finally:
        put(before)


@contextlib.contextmanager
def counting() -> Iterator[list[int]]:
    """How often LLVM makes code."""
    made, real = [0], machine._compile

    def compile_counted(*args: object) -> bytes:
        made[0] += 1
        return real(*args)  # type: ignore[arg-type]
    machine._compile = compile_counted  # type: ignore[assignment]
    try:
        yield made
    finally:
        machine._compile = real


def works(fresh: bool | None = None) -> None:
    """A function is compiled and right; from LLVM if `fresh`, from the folder if not."""
    with counting() as made:
        found = wg.jit(wg.grad(lambda x: np.sum(np.sin(x) * x)), at_once=True)(X)
    np.testing.assert_allclose(found, np.cos(X) * X + np.sin(X), rtol=1e-12)
    if fresh is not None:
        assert (made[0] > 0) == fresh, f"compiled {made[0]} times"


def _entries(place: Path) -> list[Path]:
    return sorted(place.glob("*.wgo"))


def damaged(place: Path, rng: random.Random) -> int:
    """Files that are cut, emptied, overwritten or have one bit changed are made again."""
    works()
    kept = {path: path.read_bytes() for path in _entries(place)}
    works(fresh=False)

    def flipped(data: bytes) -> bytes:
        at = rng.randrange(8 * len(data))
        return data[:at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1:]
    changes: list[Callable[[bytes], bytes]] = [
        lambda data: b"", lambda data: data[:rng.randrange(len(data))], lambda data: rng.randbytes(len(data)),
        lambda data: data + b"\0", flipped, flipped, flipped, flipped]
    for change in changes:
        for path, data in kept.items():
            path.write_bytes(change(data))
        works(fresh=True)
        works(fresh=False)
        assert {path: path.read_bytes() for path in _entries(place)} == kept
    one, *others = kept
    for other in others:  # the whole file of another program
        other.write_bytes(kept[one])
    works(fresh=bool(others))
    return len(changes) * len(kept)


def versions(place: Path) -> int:
    """What another version, or another processor, has made has other names."""
    works()
    before = set(_entries(place))
    real = machine._versions
    machine._versions = lambda: "another"  # type: ignore[assignment]
    try:
        works(fresh=True)
    finally:
        machine._versions = real
    assert before < set(_entries(place))
    return 1


def untrusted(place: Path) -> int:
    """What others can write to, or own, and links to files are not read; nor is anything put beside them."""
    works()
    files = _entries(place)
    for mode in (0o720, 0o702, 0o777):
        place.chmod(mode)
        works(fresh=True)
        assert store.refusal()
        place.chmod(0o700)
    works(fresh=False)
    for path in files:
        path.chmod(0o666)
    works(fresh=True)  # and they are replaced by files of our own
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in _entries(place))
    for path in files:
        path.rename(path.with_suffix(".kept"))
        path.symlink_to(path.with_suffix(".kept"))
    works(fresh=True)
    assert not any(path.is_symlink() for path in files)
    if os.geteuid() == 0:
        for path in files:
            os.chown(path, 12345, -1)
        works(fresh=True)
        os.chown(place, 12345, -1)
        works(fresh=True)
        assert store.refusal()
        os.chown(place, 0, -1)
    return 7


def unusable(place: Path) -> int:
    """No folder can be made, none can be found, or the system takes no more."""
    (place / "file").write_text("")
    for given in (str(place / "file"), os.devnull, str(place / "file" / "below")):
        with environment(WENGERT_CACHE_DIR=given):
            works(fresh=True)
            assert store.refusal() and not store.entries() and store.clear() == 0
    with environment(WENGERT_CACHE_DIR=None, HOME=None, XDG_CACHE_HOME=str(place / "xdg")):
        works(fresh=True)
        works(fresh=False)
    with environment(WENGERT_CACHE_DIR=None, XDG_CACHE_HOME=None, HOME=str(place / "file")):
        works(fresh=True)

    def full() -> None:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with environment(WENGERT_CACHE_DIR=str(place / "full")):
            works(fresh=True)
            assert not list((place / "full").iterdir())
    if hasattr(os, "fork"):
        in_child(full)

        def read_only() -> None:
            os.setuid(12345)
            works(fresh=True)
        if os.geteuid() == 0:
            works()
            place.chmod(0o755)
            in_child(read_only)
            place.chmod(0o700)
    return 7


def killed(place: Path, rng: random.Random) -> int:
    """A process that dies in the middle of writing leaves nothing that is read, and what it leaves is removed one day."""
    def dies() -> None:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,return-value]
        works()
    with contextlib.suppress(AssertionError):
        in_child(dies)
    left = [p for p in place.iterdir() if p.name.startswith(store._TEMPORARY)]
    assert left and not _entries(place)
    works(fresh=True)
    for p in left:
        os.utime(p, (1.0, 1.0))
    store._bound(place, look=True)
    assert not any(p.exists() for p in left)
    return 1


def together(place: Path, rng: random.Random, processes: int = 3, times: int = 60) -> int:
    """Processes that write one entry while it is read: what is read is whole."""
    key, codes = rng.randbytes(32), [bytes([k]) * (5000 + 1000 * k) for k in range(processes)]
    children = []
    for code in codes:
        child = os.fork()
        if child == 0:
            try:
                for _ in range(times):
                    store.put(key, code)
                    assert store.get(key) in codes
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    for _ in range(times):
        assert store.get(key) in (None, *codes)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    return processes * times


def run(seed: int) -> Counter[str]:
    rng, done = random.Random(seed), Counter[str]()
    works()  # what all compiled functions share is made once in a process
    for part, needs in ((damaged, True), (versions, False), (untrusted, False), (unusable, False), (killed, True),
                        (together, True)):
        if os.name != "posix" and part not in (damaged, versions):
            continue
        with tempfile.TemporaryDirectory() as folder, environment(WENGERT_CACHE_DIR=folder + "/cache"):
            place = Path(folder) / "cache"
            place.mkdir(mode=0o700)
            Path(folder).chmod(0o755)
            done[part.__name__] += part(place, rng) if needs else part(place)  # type: ignore[operator]
    return done
