"""LLVM text -> machine code in this process.

What comes in: the text of a module, and addresses for the names that no library of the process exports. What goes out: a
`Library`, whose functions may be called as long as it lives. The one idea: the text becomes a relocatable object, which names
what it calls and holds no address, so that the same object serves this process and, kept on disk, later ones; ORC links it.
"""

from __future__ import annotations

import _thread
import collections
import contextlib
import ctypes
import functools
import gc
import hashlib
import itertools
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wengert.backends.compiled import store
from wengert.backends.compiled.heap import POSSIBLE, heap_type

if TYPE_CHECKING:
    import llvmlite.binding as llvm

__all__ = ["Library", "assembly", "load", "object_code", "processor", "unbroken", "vector_bytes"]

# Held while LLVM is at work, and across a fork, so that a child never finds LLVM's own locks taken by a thread that it
# does not have. Nothing that a destructor runs may wait for it: see `_retire`.
_LOCK = threading.RLock()
_NUMBER = itertools.count()
_TRACKERS: dict[int, tuple[Any, _Engine]] = {}  # what LLVM keeps of each library, and who linked it
_RETIRED: collections.deque[tuple[Any, _Engine]] = collections.deque()  # libraries nobody holds any more, to be freed
_FREEING: list[bool] = []  # whether a thread is about to free them
_ENGINES: list[_Engine] = []  # the last one makes new libraries
_PER_ENGINE = 100  # libraries
_WAITED: list[tuple[int, Callable[[], None], bool]] = []  # the main thread, what it waits for, whether it collects garbage
_STACK = 8 << 20  # bytes of the thread that works for it: `threading.stack_size` may be too little for LLVM


class _Engine:
    """An LLJIT. It keeps some 10 kB of each library that it ever linked, so after a number of them another takes its place."""

    def __init__(self) -> None:
        # JITLink where LLVM's older linker does not know the format well
        self.lljit = _binding().create_lljit_compiler(_target_machine(1), use_jit_link=sys.platform == "darwin",
                                                      suppress_errors=True)
        self.made = self.living = 0

    def close_if_done(self) -> None:
        if self.living == 0 and self is not _ENGINES[-1]:
            _ENGINES.remove(self)
            self.lljit.close()


def _engine() -> _Engine:
    """Who links the next library."""
    if not _ENGINES or _ENGINES[-1].made >= _PER_ENGINE:
        _ENGINES.append(_Engine())
        for engine in _ENGINES[:-1]:
            engine.close_if_done()
    return _ENGINES[-1]


class Library:
    """Machine code that is linked and ready; freed when nobody holds it any more.

    Attributes
    ----------
    symbols : Mapping
        The addresses it was linked with.
    """

    def __init__(self, number: int, addresses: Mapping[str, int], symbols: Mapping[str, int]):
        self._hold = _Hold()
        self._hold.number = number
        self._addresses = addresses
        self.symbols = symbols

    def address(self, name: str) -> int:
        """The address of one of the functions that were asked for."""
        return self._addresses[name]


def _released(hold: Any) -> None:
    found = None if sys.is_finalizing() else _TRACKERS.pop(hold.number, None)
    if found is not None:
        _retire(found)


def _hold_type() -> Any:
    """What holds a library by its number: when the last reference is gone, and no sooner, the library is freed.

    The garbage collector calls ``__del__`` of what it looks after, libraries in cycles among them, while others that are to
    go may still call their code. It looks after the instances of every class that Python makes; not after these.
    """
    made: Any = heap_type(f"{__name__}.Hold", {"number": 16}) if POSSIBLE else type("Hold", (), {})
    made.__del__ = _released
    return made


_Hold = _hold_type()


def _retire(found: tuple[Any, _Engine]) -> None:
    """Free a library soon if nobody is compiling, else when the next is made.

    Not in the main thread, whose signals might interrupt LLVM; nor does that wait for another: it may be anywhere, in LLVM too.
    """
    _RETIRED.append(found)
    if not _in_main_thread():
        _free_if_idle()
    elif not _FREEING:
        _FREEING.append(True)
        try:
            _thread.start_new_thread(_free_if_idle, ())
        except RuntimeError:  # no more threads: with the next library that is made
            _FREEING.clear()


def _free_if_idle() -> None:
    if _LOCK.acquire(blocking=False):
        try:
            _free_retired()
        finally:
            _LOCK.release()
    _FREEING.clear()


def _free_retired() -> None:
    while _RETIRED:
        with contextlib.suppress(IndexError, RuntimeError):
            tracker, engine = _RETIRED.popleft()
            engine.living -= 1
            tracker.close()
            engine.close_if_done()


# ---------------------------------------------------------------- signals, fork


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def unbroken(f: Callable[[], Any]) -> Any:
    """What a function gives, in whose middle no signal's handler runs: the main thread runs those, so another calls it.

    LLVM, and llvmlite's own locks, do not survive an exception in the middle. An interrupt is raised when the work is done.
    Nor is garbage collected meanwhile: what the user's objects do when they go may need the main thread (windows do), or a lock
    that it holds while it waits for us.
    """
    if not _in_main_thread():
        return f()
    found: list[Any] = []
    error: list[BaseException] = []
    interrupt: list[BaseException] = []
    ended: list[bool] = []
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        with _LOCK:  # a fork finds it either done or not begun
            if ended:
                return
            try:
                found.append(f())
            except BaseException as raised:
                error.append(raised)
            ended.append(True)
            done.release()
    waited = threading.get_ident(), work, gc.isenabled()
    try:
        _WAITED.append(waited)
        gc.disable()
        try:
            _begin(work)
        except RuntimeError:  # no more threads, or Python ends
            return f()
        while not ended:
            try:
                done.acquire()
            except BaseException as raised:
                interrupt[:] = [raised]
    finally:
        if waited[2]:
            gc.enable()
        _WAITED.remove(waited)
    if interrupt or error:
        raise (interrupt or error).pop()
    return found.pop()  # and nothing here holds it


def _begin(work: Callable[[], None]) -> None:
    before = _thread.stack_size(_STACK)
    try:
        _thread.start_new_thread(work, ())
    finally:
        _thread.stack_size(before)


def _after_fork_in_child() -> None:
    """What the parent linked stays, for good: its memory is ours too. New libraries come from an LLJIT of our own.

    Who waits for a thread that is not there, and has forked in a signal's handler meanwhile, gets another.
    """
    for tracker, _ in [*_TRACKERS.values(), *_RETIRED]:
        tracker.detach()
    _TRACKERS.clear()
    _RETIRED.clear()
    for engine in _ENGINES:
        engine.lljit.detach()
    _ENGINES.clear()
    _FREEING.clear()
    for waited in _WAITED.copy():
        thread, work, collects = waited
        if thread == threading.get_ident():
            _begin(work)
        else:
            _WAITED.remove(waited)
            if collects:
                gc.enable()
    _LOCK.release()


if hasattr(os, "register_at_fork"):  # functions of C, at whose entry no signal's handler runs
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_after_fork_in_child)


# ---------------------------------------------------------------- the processor


def once(f: Callable[[], Any]) -> Any:
    """The result of a function without arguments, computed by one thread only, and kept.

    What others have been linked with must be the one that is kept: `functools.cache` lets two threads make two.
    """
    made: list[Any] = []

    def make() -> None:
        with _LOCK:
            if not made:
                made.append(f())

    @functools.wraps(f)
    def get() -> Any:
        if not made:
            unbroken(make)
        return made[0]
    return get


@once
def _binding() -> Any:
    """llvmlite, ready to make code for this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    with contextlib.suppress(OSError):
        ctypes.CDLL("libmvec.so.1", mode=ctypes.RTLD_GLOBAL)
    return llvm


@once
def _processor() -> tuple[str, str]:
    """The name and the features of this machine's processor."""
    llvm = _binding()
    try:
        return llvm.get_host_cpu_name() or "generic", llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # a machine that LLVM does not know
        return "generic", ""


def processor() -> str:
    """The name of this machine's processor, as LLVM has it."""
    return _processor()[0]


def vector_bytes() -> int:
    """The width of a vector register that code for this machine should use."""
    features = _processor()[1].split(",")
    return 64 if "+avx512f" in features else 32 if "+avx2" in features else 16


def _target_machine(level: int, shared: bool = False) -> llvm.TargetMachine:
    """For code that runs here; `shared` for an object that another program links."""
    llvm = _binding()
    target = llvm.Target.from_default_triple()
    options: Any = {"reloc": "pic", "codemodel": "default"} if shared else {"jit": True}
    for cpu, features in (_processor(), ("generic", "")):
        with contextlib.suppress(RuntimeError):
            return target.create_target_machine(cpu=cpu, features=features, opt=level, **options)
    raise RuntimeError("LLVM cannot make code for this machine")


# ---------------------------------------------------------------- text, object, library


@functools.cache
def _versions() -> str:
    import llvmlite

    try:
        from importlib.metadata import version
        ours = version("wengert")
    except ImportError:
        ours = "?"
    return f"{ours} {llvmlite.__version__} {_binding().llvm_version_info} {sys.platform}"


def _key(text: str, optimize: bool, shared: bool) -> bytes:
    parts = (text, _versions(), *_processor(), f"{optimize} {shared}")
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def _compile(text: str, optimize: bool, shared: bool) -> bytes:
    machine, module = _parsed(text, optimize, shared)
    return bytes(machine.emit_object(module))


def _parsed(text: str, optimize: bool, shared: bool) -> tuple[Any, Any]:
    """Who makes code, and the module that it is to make it for."""
    llvm = _binding()
    machine = _target_machine(2 if optimize else 1, shared)
    module = llvm.parse_assembly(text, context=llvm.create_context())
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    if optimize:
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization, options.slp_vectorization = False, True
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
    return machine, module


def assembly(text: str, *, optimize: bool = False) -> tuple[int, str]:
    """The bytes of machine code of a module, and the code as assembly; made anew, and not kept.

    Parameters
    ----------
    text : str
    optimize : bool
        As for `object_code`.
    """
    def make() -> tuple[int, str]:
        with _LOCK:
            machine, module = _parsed(text, optimize, False)
            made = _binding().ObjectFileRef.from_data(bytes(machine.emit_object(module)))
            size = sum(section.size() for section in made.sections() if section.is_text())
            return size, str(machine.emit_assembly(module))
    found: tuple[int, str] = unbroken(make)
    return found


def object_code(text: str, *, optimize: bool = False, shared: bool = False) -> bytes:
    """The relocatable object of a module's text, from disk if it was made before.

    Parameters
    ----------
    text : str
        It must hold no addresses.
    optimize : bool
        Run LLVM's passes (with its vectorizer of straight-line code).
    shared : bool
        Position-independent, for another linker.
    """
    def make() -> bytes:
        key = _key(text, optimize, shared)
        code = store.get(key)
        if code is None:
            with _LOCK:
                code = _compile(text, optimize, shared)
            store.put(key, code)
        return code
    code: bytes = unbroken(make)
    return code


def load(text: str, symbols: Mapping[str, int], *, optimize: bool = False,
         names: Sequence[str] = ("kernel", "entry")) -> Library:
    """Compile a module, or find it on disk, and link it into this process.

    Parameters
    ----------
    text : str
        LLVM's language. It must hold no addresses: what is outside has a name.
    symbols : Mapping of str to int
        Addresses of outer names; those that are missing are looked for in the libraries of the process.
    optimize : bool
        Run LLVM's passes.
    names : sequence of str
        The functions whose addresses are wanted.

    Returns
    -------
    Library
        Its functions may be called while it lives.
    """
    def make() -> Library:
        code = object_code(text, optimize=optimize)
        with _LOCK:
            _free_retired()
            builder = _binding().JITLibraryBuilder().add_object_img(code).add_current_process()
            for name in names:
                builder.export_symbol(name)
            for name, address in symbols.items():
                builder.import_symbol(name, address)
            number = next(_NUMBER)
            engine = _engine()
            tracker = builder.link(engine.lljit, f"wengert{number}")
            _TRACKERS[number] = tracker, engine
            engine.made, engine.living = engine.made + 1, engine.living + 1
            return Library(number, {name: int(tracker[name]) for name in names}, dict(symbols))
    library: Library = unbroken(make)
    return library
