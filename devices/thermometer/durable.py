"""Files that survive a power cut at any instant, readable by their owner alone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

PRIVATE = 0o600


class AlreadyRunning(Exception):
    """Another process holds the thermometer's files."""


def write_atomically(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`: after a power cut the file holds the old content or the new, never a part.

    The new content is written beside the file and flushed to the disk before it takes the file's name; the folder is
    flushed too, because the name lives there. Raises OSError, and then the old content stands.
    """
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        os.fchmod(descriptor, PRIVATE)  # a file left over from a crash may have had another mode
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(beside, path)
    flush_folder(path.parent)


def append(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Add `data` at the end of `path`, and with `flush` wait until it is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        _write_all(descriptor, data)
        if flush:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Lock:
    """Held by the one process that runs a thermometer; the system releases it however the process ends."""

    def __init__(self, path: Path) -> None:
        """`path` is the lock's own file; it stays behind empty."""
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Lock:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning("Another thermometer is already running with this state file.") from None
        self._descriptor = descriptor
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
