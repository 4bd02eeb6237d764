"""Machine code: linked, freed, kept on disk, and never run if somebody else can have written it.

What comes in: modules written by hand, and files that were damaged. What goes out: results, and which files count. The one
idea: a test looks at the folder itself, and counts how often LLVM was asked.
"""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from wengert.backends.compiled import machine, store

SRC = Path(machine.__file__).resolve().parents[3]
TEXT = """
@data = external global i64
declare double @cos(double)
declare i64 @outer(i64)
define i64 @kernel(i64 %x) {
  %a = load i64, ptr @data
  %b = call i64 @outer(i64 %a)
  %c = add i64 %b, %x
  ret i64 %c
}
define double @entry(double %x) {
  %a = call double @cos(double %x)
  ret double %a
}
"""
SMALL = "define i64 @entry() {\n  ret i64 NUMBER\n}\n"
DATA = ctypes.c_int64(5)
OUTER = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda v: v * 10)
SYMBOLS = {"data": ctypes.addressof(DATA), "outer": ctypes.cast(OUTER, ctypes.c_void_p).value or 0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(place))
    return place


@pytest.fixture
def compiled(monkeypatch):
    """How often LLVM was asked to compile."""
    count = [0]
    real = machine._compile

    def counting(*args):
        count[0] += 1
        return real(*args)
    monkeypatch.setattr(machine, "_compile", counting)
    return count


def run(library, x=2):
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(library.address("kernel"))(x)


def number(k, **options):
    library = machine.load(SMALL.replace("NUMBER", str(k)), {}, names=("entry",), **options)
    return ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("entry"))()


@pytest.mark.parametrize("optimize", [False, True])
def test_load(folder, optimize):
    library = machine.load(TEXT, SYMBOLS, optimize=optimize)
    assert run(library) == 52
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library.address("entry"))(0.0) == 1.0


def test_two_libraries_may_define_the_same_names(folder):
    first, second = machine.load(TEXT, SYMBOLS), machine.load(TEXT, SYMBOLS)
    other = ctypes.c_int64(7)
    third = machine.load(TEXT, {**SYMBOLS, "data": ctypes.addressof(other)})
    assert [run(x) for x in (first, second, third)] == [52, 52, 72]
    del first
    gc.collect()
    assert run(second) == 52


def test_libraries_are_freed(folder, monkeypatch):
    library = machine.load(TEXT, SYMBOLS)
    ref, tracker = weakref.ref(library), machine._TRACKERS[library._hold.number][0]
    assert not gc.is_tracked(library._hold)
    del library
    assert ref() is None and freed(tracker)
    library = machine.load(TEXT, SYMBOLS)
    tracker = machine._TRACKERS[library._hold.number][0]
    held, free = threading.Event(), threading.Event()

    def holding():
        with machine._LOCK:
            held.set()
            free.wait(10)
    thread = threading.Thread(target=holding)
    thread.start()
    held.wait(10)
    del library  # another thread compiles: the library is freed later
    assert not tracker.closed
    free.set()
    thread.join()
    number(1)
    assert freed(tracker)


def freed(tracker):
    """Whether a library is freed soon, by a thread that no signal interrupts."""
    end = time.time() + 10
    while not tracker.closed and time.time() < end:
        time.sleep(0.001)
    return tracker.closed


def test_errors(folder):
    with pytest.raises(RuntimeError, match="expected"):
        machine.load("define nonsense", {})
    with pytest.raises(RuntimeError):
        machine.load("declare void @wg_nowhere()\ndefine void @entry() {\n  call void @wg_nowhere()\n  ret void\n}\n", {},
                     names=("entry",))
    with pytest.raises(RuntimeError):
        machine.load(SMALL.replace("NUMBER", "1"), {}, names=("other",))
    assert number(3) == 3


def test_vector_bytes():
    assert machine.vector_bytes() in (16, 32, 64)


def test_threads(folder):
    wrong = []

    def work(k):
        for j in range(10):
            if number(10 * k + j) != 10 * k + j:
                wrong.append(k)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_while_another_thread_compiles(folder):
    stop = threading.Event()

    def work():
        k = 0
        while not stop.is_set():
            number(k := k + 1)
    thread = threading.Thread(target=work)
    thread.start()
    library = machine.load(TEXT, SYMBOLS)
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if number(-7) == -7 and run(library) == 52 else 2
                finally:
                    os._exit(status)
            end = time.time() + 20
            while (done := os.waitpid(child, os.WNOHANG))[0] == 0 and time.time() < end:
                time.sleep(0.005)
            if done[0] == 0:
                os.kill(child, 9)
                os.waitpid(child, 0)
            assert done[0] == child and os.waitstatus_to_exitcode(done[1]) == 0
    finally:
        stop.set()
        thread.join()


# ---------------------------------------------------------------- on disk


def files(folder):
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_the_second_time_comes_from_disk(folder, compiled):
    assert [number(1), number(1)] == [1, 1] and compiled == [1]
    assert number(2) == 2 and compiled == [2]
    assert number(2, optimize=True) == 2 and compiled == [3]
    assert len(files(folder)) == 3
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(f.stat().st_mode & 0o777 == 0o600 for f in files(folder))
    assert len(store.entries()) == 3 and sum(e.size for e in store.entries()) == sum(f.stat().st_size for f in files(folder))
    assert store.clear() == 3 and files(folder) == []


PROGRAM = """
import ctypes, sys
from wengert.backends.compiled import machine
if len(sys.argv) > 1:
    def refuse(*args): raise SystemExit("compiled again")
    machine._compile = refuse
for k in range(5):
    library = machine.load("define i64 @entry() {\\n  ret i64 %d\\n}\\n" % k, {}, names=("entry",))
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("entry"))() == k
print("good")
"""


def start(*args):
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *args], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_processes_share_the_folder(folder):
    for args in ([], []), (["again"],):  # two at once; then a later one
        for process in [start(*a) for a in args]:
            out, error = process.communicate(timeout=60)
            assert out == "good\n", error
    assert len(files(folder)) == 5


def damage(path, what):
    data = path.read_bytes()
    path.write_bytes({
        "last byte": data[:-1] + bytes([data[-1] ^ 1]), "first byte": bytes([data[0] ^ 1]) + data[1:],
        "truncated": data[:-10], "header": data[:40], "empty": b"", "longer": data + b"\0",
        "key": data[:17] + bytes([data[17] ^ 1]) + data[18:], "digest": data[:60] + bytes([data[60] ^ 1]) + data[61:],
        "text": b"hello"}[what])


@pytest.mark.parametrize("what", ["last byte", "first byte", "truncated", "header", "empty", "longer", "key", "digest", "text"])
def test_a_damaged_file_is_replaced(folder, compiled, what):
    number(1)
    (path,) = files(folder)
    good = path.read_bytes()
    damage(path, what)
    assert number(1) == 1 and compiled == [2]
    assert files(folder) == [path] and path.read_bytes() == good
    assert number(1) == 1 and compiled == [2]


def test_the_file_of_another_key_is_not_run(folder, compiled):
    number(1)
    (first,) = files(folder)
    number(2)
    (second,) = [f for f in files(folder) if f != first]
    second.write_bytes(first.read_bytes())
    assert number(2) == 2 and compiled == [3]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of another kind")
@pytest.mark.parametrize("who", ["folder, group", "folder, others", "file, group", "file, others", "link", "folder"])
def test_what_others_can_write_is_not_run(folder, compiled, who):
    number(1)
    (path,) = files(folder)
    if who.startswith("folder,"):
        folder.chmod(0o770 if who.endswith("group") else 0o702)
    elif who.startswith("file,"):
        path.chmod(0o660 if who.endswith("group") else 0o602)
    elif who == "link":
        path.rename(folder.parent / "elsewhere")
        path.symlink_to(folder.parent / "elsewhere")
    else:
        path.unlink()
        path.mkdir()
    before = path.read_bytes() if path.is_file() else b""
    assert number(1) == 1 and compiled == [2]
    if who.startswith("folder,"):
        assert store.entries() == [] and store.clear() == 0 and path.read_bytes() == before
        assert not store.put(b"k" * 32, b"code")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners of another kind")
def test_what_others_own_is_not_run(folder, compiled, monkeypatch):
    number(1)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert number(1) == 1 and compiled == [2]


def test_without_a_folder(tmp_path, compiled, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere/at/all")):
        monkeypatch.setenv("WENGERT_CACHE_DIR", str(place))
        assert number(1) == 1 and store.entries() == [] and store.clear() == 0
    assert compiled == [3]
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "full"))
    number(1)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", full)
    assert number(2) == 2 and len(files(tmp_path / "full")) == 1


def test_where_the_folder_is(monkeypatch, tmp_path):
    monkeypatch.delenv("WENGERT_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert store.folder() == tmp_path / "x" / "wengert"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert store.folder() == tmp_path / ".cache" / "wengert"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert store.folder() == tmp_path / ".cache" / "wengert"


def test_the_folder_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(store, "_MOST_BYTES", 10_000)
    monkeypatch.setattr(store, "_LOOK_EVERY", 2)
    for k in range(1, 31):
        key = bytes([k]) * 32
        assert store.put(key, bytes(1000))
        os.utime(folder / store._name(key), (k, k))
    stale = folder / f"{store._TEMPORARY}x"
    stale.write_bytes(b"")
    os.utime(stale, (1, 1))
    store.put(b"y" * 32, bytes(1000))
    store.put(b"z" * 32, bytes(1000))
    left = {e.path.name[:2] for e in store.entries()}
    assert 8 <= len(left) <= 11 and "1e" in left and "01" not in left and not stale.exists()
    assert store.get(bytes([30]) * 32) == bytes(1000)


def test_the_key_of_kept_code_names_the_processor(monkeypatch):
    before = machine._key(SMALL, False, False)
    monkeypatch.setattr(machine, "_processor", lambda: ("x86-64-v1", ""))
    assert machine._key(SMALL, False, False) != before
