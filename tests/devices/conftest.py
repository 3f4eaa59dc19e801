"""A clock that stands still, for what is due on some day; a house with flats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orgs import tree
from orgs.models import Organization
from tests.conftest import Cast

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def at_noon(time_machine: Any) -> Any:
    """Let it be noon until the test moves the clock."""
    time_machine.move_to(NOON, tick=False)
    return time_machine


@pytest.fixture
def house(simpsons: Cast) -> Organization:
    """A house with three flats; its cellar has a part of its own."""
    house = tree.create_below(simpsons.home, "Elm Street 12")
    tree.create_paths_below(house, [["Flat 1"], ["Flat 2"], ["Cellar", "Laundry"]])
    house.refresh_from_db()
    return house
