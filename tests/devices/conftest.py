"""A clock that stands still, for what is due on some day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def at_noon(time_machine: Any) -> Any:
    """Let it be noon until the test moves the clock."""
    time_machine.move_to(NOON, tick=False)
    return time_machine
