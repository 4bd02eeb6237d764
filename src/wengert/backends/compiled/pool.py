"""The pool: threads that help with large loops.

What comes in: a function of a number, and how many numbers there are. What goes out: the function was called with each, by the
caller and by workers that take numbers in turn. The one idea: workers wait in code of the pool's own, which is never freed,
enter a kernel's only while its caller is inside, and never touch Python; who finds the pool taken does all the work alone.

A call opens a job (`@state` is 1, plus 2 for each worker inside), wakes workers, takes part, and closes it; a worker that wakes
too late finds it closed and is not waited for. Locks are Python's own (semaphores), which need neither a Python thread nor the
lock of the interpreter. `@pending` says of each worker that it was woken and has not noticed yet, so that no lock is released
twice. In a child of `fork` there are no workers, and the pool is as new.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re

from wengert.backends.compiled import machine
from wengert.settings import config

__all__ = ["NAME", "address", "available", "serial"]

NAME = "wg_parallel"
_USED = ("PyThread_allocate_lock", "PyThread_free_lock", "PyThread_acquire_lock", "PyThread_release_lock",
         "PyThread_start_new_thread", "PyGILState_Check")
_MOST = 256    # workers
_LOOKS = 2000  # how often to look whether the others are done (about a microsecond), before waiting

_TEXT = """
@wg_threads = external global i64
declare ptr @wg_PyThread_allocate_lock()
declare void @wg_PyThread_free_lock(ptr)
declare i32 @wg_PyThread_acquire_lock(ptr, i32)
declare void @wg_PyThread_release_lock(ptr)
declare i64 @wg_PyThread_start_new_thread(ptr, ptr)
declare i32 @wg_PyGILState_Check()
declare i64 @llvm.smin.i64(i64, i64)

@busy = internal global i64 0, align 64      ; 1 while somebody's job runs
@state = internal global i64 0, align 64
@next = internal global i64 0, align 64      ; the first number that nobody has taken
@function = internal global ptr null, align 64
@frame = internal global ptr null
@chunks = internal global i64 0
@done = internal global ptr null             ; a lock: the last worker has left a job that was closed
@workers = internal global i64 0
@locks = internal global [MOST x ptr] zeroinitializer
@pending = internal global [MOST x i64] zeroinitializer

define internal void @take_part() noinline {
  %f = load ptr, ptr @function
  %frame = load ptr, ptr @frame
  %n = load i64, ptr @chunks
  br label %head
head:
  %i = atomicrmw add ptr @next, i64 1 monotonic
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %out
body:
  call void %f(ptr %frame, i64 %i)
  br label %head
out:
  ret void
}

define internal void @work(ptr %number) {
  %k = ptrtoint ptr %number to i64
  %lock_p = getelementptr ptr, ptr @locks, i64 %k
  %lock = load ptr, ptr %lock_p
  %done = load ptr, ptr @done
  %pending = getelementptr i64, ptr @pending, i64 %k
  br label %sleep
sleep:
  call i32 @wg_PyThread_acquire_lock(ptr %lock, i32 1)
  store atomic i64 0, ptr %pending seq_cst, align 8
  br label %look
look:
  %s = load atomic i64, ptr @state seq_cst, align 8
  %open = trunc i64 %s to i1
  br i1 %open, label %join, label %sleep
join:
  %one_more = add i64 %s, 2
  %pair = cmpxchg ptr @state, i64 %s, i64 %one_more seq_cst seq_cst
  %joined = extractvalue { i64, i1 } %pair, 1
  br i1 %joined, label %inside, label %look
inside:
  call void @take_part()
  %before = atomicrmw sub ptr @state, i64 2 seq_cst
  %last = icmp eq i64 %before, 2
  br i1 %last, label %tell, label %sleep
tell:
  call void @wg_PyThread_release_lock(ptr %done)
  br label %sleep
}

; have so many workers, if the system gives them: how many there are of those
define internal i64 @hire(i64 %wanted) {
  %have_done = load ptr, ptr @done
  %first_time = icmp eq ptr %have_done, null
  br i1 %first_time, label %begin, label %head
begin:
  %new_done = call ptr @wg_PyThread_allocate_lock()
  %none = icmp eq ptr %new_done, null
  br i1 %none, label %nobody, label %hold
hold:
  call i32 @wg_PyThread_acquire_lock(ptr %new_done, i32 1)
  store ptr %new_done, ptr @done
  br label %head
nobody:
  ret i64 0
head:
  %k = load i64, ptr @workers
  %enough = icmp sge i64 %k, %wanted
  br i1 %enough, label %full, label %more
full:
  ret i64 %wanted
more:
  %lock = call ptr @wg_PyThread_allocate_lock()
  %no_lock = icmp eq ptr %lock, null
  br i1 %no_lock, label %short, label %start
start:
  call i32 @wg_PyThread_acquire_lock(ptr %lock, i32 1)
  %lock_p = getelementptr ptr, ptr @locks, i64 %k
  store ptr %lock, ptr %lock_p
  %pending = getelementptr i64, ptr @pending, i64 %k
  store i64 0, ptr %pending
  %number = inttoptr i64 %k to ptr
  %id = call i64 @wg_PyThread_start_new_thread(ptr @work, ptr %number)
  %low = trunc i64 %id to i32  ; all that there is of an unsigned long on some systems
  %failed = icmp eq i32 %low, -1
  br i1 %failed, label %alone, label %started
started:
  %k1 = add i64 %k, 1
  store i64 %k1, ptr @workers
  br label %head
alone:
  call void @wg_PyThread_free_lock(ptr %lock)
  br label %short
short:
  ret i64 %k
}

; f(frame, k) for k below `chunks`, by at most `helpers` workers and the caller; `free`: only where the caller does not hold
; the lock of the interpreter, for which the function may ask
define void @wg_parallel(ptr %f, ptr %frame, i64 %chunks, i64 %helpers, i64 %free) {
  %threads = load atomic i64, ptr @wg_threads monotonic, align 8
  %others = sub i64 %threads, 1
  %others_or_chunks = sub i64 %chunks, 1
  %a = call i64 @llvm.smin.i64(i64 %others, i64 %others_or_chunks)
  %b = call i64 @llvm.smin.i64(i64 %helpers, i64 MOST)
  %wanted = call i64 @llvm.smin.i64(i64 %a, i64 %b)
  %any = icmp sgt i64 %wanted, 0
  br i1 %any, label %ask, label %serial
ask:
  %care = icmp ne i64 %free, 0
  br i1 %care, label %check, label %claim
check:
  %held = call i32 @wg_PyGILState_Check()
  %is_held = icmp ne i32 %held, 0
  br i1 %is_held, label %serial, label %claim
claim:
  %pair = cmpxchg ptr @busy, i64 0, i64 1 seq_cst seq_cst
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %hire, label %serial
hire:
  %n = call i64 @hire(i64 %wanted)
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %open, label %give_up
give_up:
  store atomic i64 0, ptr @busy seq_cst, align 8
  br label %serial
open:
  store ptr %f, ptr @function
  store ptr %frame, ptr @frame
  store i64 %chunks, ptr @chunks
  store atomic i64 0, ptr @next seq_cst, align 8
  store atomic i64 1, ptr @state seq_cst, align 8
  br label %wake
wake:
  %k = phi i64 [ 0, %open ], [ %k1, %woken ]
  %pending = getelementptr i64, ptr @pending, i64 %k
  %asked = atomicrmw xchg ptr %pending, i64 1 seq_cst
  %is_asked = icmp ne i64 %asked, 0
  br i1 %is_asked, label %woken, label %release
release:
  %lock_p = getelementptr ptr, ptr @locks, i64 %k
  %lock = load ptr, ptr %lock_p
  call void @wg_PyThread_release_lock(ptr %lock)
  br label %woken
woken:
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %n
  br i1 %more, label %wake, label %run
run:
  call void @take_part()
  %closed = atomicrmw sub ptr @state, i64 1 seq_cst
  %empty = icmp eq i64 %closed, 1
  br i1 %empty, label %finish, label %look
look:
  %j = phi i64 [ 0, %run ], [ %j1, %again ]
  %s = load atomic i64, ptr @state seq_cst, align 8
  %left = icmp eq i64 %s, 0
  br i1 %left, label %wait, label %again
again:
  %j1 = add i64 %j, 1
  %patient = icmp ult i64 %j1, LOOKS
  br i1 %patient, label %look, label %wait
wait:
  %done = load ptr, ptr @done
  call i32 @wg_PyThread_acquire_lock(ptr %done, i32 1)
  br label %finish
finish:
  store atomic i64 0, ptr @busy seq_cst, align 8
  ret void
serial:
  %i = phi i64 [ 0, %0 ], [ 0, %check ], [ 0, %claim ], [ 0, %give_up ], [ %i1, %serial ]
  call void %f(ptr %frame, i64 %i)
  %i1 = add i64 %i, 1
  %rest = icmp slt i64 %i1, %chunks
  br i1 %rest, label %serial, label %end
end:
  ret void
}

; in a child of fork
define void @wg_as_new() {
  store i64 0, ptr @busy
  store i64 0, ptr @state
  store i64 0, ptr @workers
  store ptr null, ptr @done
  ret void
}
"""

_SERIAL = """define internal void @wg_parallel(ptr %f, ptr %frame, i64 %chunks, i64 %helpers, i64 %free) {
  br label %head
head:
  %i = phi i64 [ 0, %0 ], [ %i1, %head ]
  call void %f(ptr %frame, i64 %i)
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %chunks
  br i1 %more, label %head, label %end
end:
  ret void
}"""


def _outer() -> dict[str, int]:
    """The addresses of Python's functions that the pool calls; empty if this Python has them not."""
    try:
        return {f"wg_{name}": ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _USED}
    except AttributeError:
        return {}


@functools.cache
def available() -> bool:
    """Whether loops can be shared among threads here."""
    return ctypes.sizeof(ctypes.c_void_p) == 8 and bool(_outer())


@machine.once
def _pool() -> machine.Library:
    """The pool's code; it lives as long as the process."""
    text = _TEXT.replace("MOST", str(_MOST)).replace("LOOKS", str(_LOOKS))
    library = machine.load(text, {**_outer(), "wg_threads": config.threads_address}, optimize=True, names=(NAME, "wg_as_new"))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=ctypes.CFUNCTYPE(None)(library.address("wg_as_new")))
    return library


def address() -> int:
    """The address of ``wg_parallel(f, frame, chunks, helpers, free)``, where ``f`` is ``void (*)(void *, int64_t)``."""
    return _pool().address(NAME)


def serial(text: str) -> str:
    """A module's text that needs no pool: one thread calls its functions in turn."""
    return re.sub(rf"^declare void @{NAME}\(.*\)$", lambda _: _SERIAL, text, flags=re.MULTILINE)
