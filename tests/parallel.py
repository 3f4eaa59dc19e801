"""Running something many times at once, each in a thread with a database connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def all_at_once(work: Callable[[int], T], times: int) -> list[T]:
    """Return the results of `work(0)` … `work(times - 1)`, which start together."""
    together = Barrier(times)

    def one(n: int) -> T:
        try:
            together.wait()
            return work(n)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))
