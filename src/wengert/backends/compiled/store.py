"""Machine code on disk.

What comes in: a key and the bytes of a relocatable object. What goes out: the bytes again, in this process or a later one. The
one idea: what is read here is run, so a file counts only if nobody but the user can have written it, and only if its digest
is right; anything else is as if it were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "clear", "entries", "folder", "get", "put", "refusal"]

_MAGIC = b"wengert object 1\n"
_SUFFIX = ".wgo"
_TEMPORARY = ".new-"
_HEADER = len(_MAGIC) + 64  # magic, key, digest of the code
_MOST_BYTES = 256 << 20
_LOOK_EVERY = 32  # how many files are written between two looks at the size of the folder
# A link is not followed, and nobody is waited for who would write into a pipe.
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
_STALE = 3600.0  # seconds after which an unfinished file was left behind
_LOCK = threading.Lock()
_WRITTEN = 0


@dataclass(frozen=True)
class Entry:
    """A file of the folder."""

    path: Path
    size: int
    time: float


def folder() -> Path | None:
    """Where machine code is kept: ``WENGERT_CACHE_DIR``, else the user's cache folder; None if there is no home."""
    given = os.environ.get("WENGERT_CACHE_DIR")
    if given:
        return Path(given)
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = str(Path.home() / "Library" / "Caches")
        else:
            base = os.environ.get("XDG_CACHE_HOME") or ""
            base = base if os.path.isabs(base) else str(Path.home() / ".cache")
    except RuntimeError:
        return None
    return Path(base) / "wengert"


def _private(found: os.stat_result) -> bool:
    """Whether nobody but the user can have written a file or folder."""
    if not hasattr(os, "geteuid"):
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _trusted(create: bool = False) -> Path | None:
    """The folder, if it exists (or can be made) and belongs to the user alone."""
    place = folder()
    if place is None:
        return None
    try:
        if create and not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=0o700, exist_ok=True)
        found = place.stat()
    except OSError:
        return None
    return place if stat.S_ISDIR(found.st_mode) and _private(found) else None


def refusal() -> str:
    """Why nothing is kept in the folder nor read from it; "" if it is used, or will be made."""
    place = folder()
    if place is None:
        return "there is no home folder"
    try:
        found = place.stat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or "it cannot be looked at"
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a folder"
    if not _private(found):
        return "others own it or can write to it, and what it holds is run"
    return "" if os.access(place, os.W_OK | os.X_OK) else "it cannot be written to"


def _name(key: bytes) -> str:
    return key.hex() + _SUFFIX


def get(key: bytes) -> bytes | None:
    """The code that was kept under a key of 32 bytes; None if there is none that can be trusted."""
    place = _trusted()
    if place is None:
        return None
    path = place / _name(key)
    try:
        with open(os.open(path, os.O_RDONLY | _FLAGS), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or not _private(found):
                return None
            data = file.read()
    except OSError:
        return None
    head, code = data[:_HEADER], data[_HEADER:]
    if not code or head != _MAGIC + key + hashlib.sha256(code).digest():
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # the oldest is the one that was not used for longest
    return code


def put(key: bytes, code: bytes) -> bool:
    """Keep code under a key, in the place of whatever lies there. Whether it could be done."""
    place = _trusted(create=True)
    if place is None:
        return False
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=place)  # readable and writable by the owner alone
        with open(handle, "wb") as file:
            file.write(_MAGIC + key + hashlib.sha256(code).digest() + code)
        os.replace(temporary, place / _name(key))
    except OSError:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False
    _bound(place)
    return True


def _bound(place: Path, look: bool = False) -> None:
    """Now and then: remove the oldest files of a folder that has grown too large, and what was left unfinished."""
    global _WRITTEN
    with _LOCK:
        _WRITTEN += 1
        if _WRITTEN % _LOOK_EVERY != 1 and not look:
            return
    found = sorted(_files(place), key=lambda e: e.time)
    total = sum(e.size for e in found)
    for entry in found:
        if total <= _MOST_BYTES:
            break
        with contextlib.suppress(OSError):
            entry.path.unlink()
        total -= entry.size
    for entry in _files(place, unfinished=True):
        if time.time() - entry.time > _STALE:
            with contextlib.suppress(OSError):
                entry.path.unlink()


def _files(place: Path, unfinished: bool = False) -> Iterator[Entry]:
    with contextlib.suppress(OSError), os.scandir(place) as listed:
        for item in listed:
            wanted = item.name.startswith(_TEMPORARY) if unfinished else item.name.endswith(_SUFFIX)
            with contextlib.suppress(OSError):
                if wanted and item.is_file(follow_symlinks=False):
                    found = item.stat(follow_symlinks=False)
                    yield Entry(Path(item.path), found.st_size, found.st_mtime)


def entries() -> list[Entry]:
    """The files that the folder holds; none if it is not trusted."""
    place = _trusted()
    return [] if place is None else list(_files(place))


def clear() -> int:
    """Remove every file of machine code; how many there were."""
    place = _trusted()
    if place is None:
        return 0
    removed = 0
    for entry in [*_files(place), *_files(place, unfinished=True)]:
        with contextlib.suppress(OSError):
            entry.path.unlink()
            removed += entry.path.suffix == _SUFFIX
    return removed
