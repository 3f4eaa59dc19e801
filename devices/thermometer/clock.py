"""Where a thermometer gets the time from; tests bring a clock of their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two readings: the wall clock, which people and servers can set, and one that only ever runs forward."""

    def now(self) -> datetime:
        """Return the moment in UTC, as this machine believes it to be."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment. Plans are made with this one, stamps with the other."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
