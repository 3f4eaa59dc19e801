"""Whose turn it is to write to SQLite.

SQLite lets one connection write at a time. Another one that finds it taken sleeps for 1, 2, 5, 10 … ms and looks
again, while a device's write is over in 0.2 ms. So those that write most queue at a file lock first, where the kernel
wakes the next one at once. It only saves waiting: who does not queue, or on another database, is as safe as before.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_mine = threading.local()


@contextmanager
def turn_to_write() -> Iterator[None]:
    """Wait until nobody else who queues is writing. To be taken before a transaction begins, and held as short."""
    # Whoever is in a transaction already must not wait here: the one whose turn it is may be waiting for it.
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    queue = _queue(str(connection.settings_dict["NAME"]))
    if queue is None:
        yield
        return
    fcntl.flock(queue, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(queue, fcntl.LOCK_UN)


def _queue(database: str) -> int | None:
    """Return this thread's handle of the lock beside the database's file; None for a database in memory."""
    # A handle that was open when the process forked is shared with the child, and with it the lock.
    if getattr(_mine, "belongs_to", None) != (database, os.getpid()):
        _mine.belongs_to = database, os.getpid()
        in_memory = ":memory:" in database or "mode=memory" in database
        _mine.handle = None if in_memory else os.open(f"{database}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    handle: int | None = _mine.handle
    return handle
