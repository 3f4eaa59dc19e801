"""A device's feed as a page's chart reads it: ThingSpeak's "read a field" JSON, authorized by the viewer's session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from channels.platforms import Feed
from devices.latest import FIELD
from devices.models import Device

MOST_RESULTS = 8000
MOST_DAYS = 366


@dataclass(frozen=True)
class FeedQuery:
    """How much of a feed is wanted: the newest `results` entries, those of the last `days` only if that is given."""

    results: int
    days: int | None

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> FeedQuery:
        """Read the address's parameters as ThingSpeak does: what is no number or out of range is as if not there."""
        days = _between(parameters.get("days"), 1, MOST_DAYS)
        results = _between(parameters.get("results"), 1, MOST_RESULTS)
        return cls(results or (MOST_RESULTS if days else 60), days)

    def start(self, now: datetime) -> datetime | None:
        return now - timedelta(days=self.days) if self.days else None


def _between(text: str | None, least: int, most: int) -> int | None:
    if not text or not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    number = int(text)
    return min(number, most) if number >= least else None


def as_json(device: Device, feed: Feed) -> dict[str, Any]:
    """Return the feed of the temperature field in the shape of ThingSpeak's /channels/<id>/fields/1.json."""
    name = f"field{FIELD}"
    return {
        "channel": {
            "id": feed.number,
            "name": str(device),
            name: feed.labels.get(FIELD, ""),
            "last_entry_id": feed.entries[-1].entry_id if feed.entries else None,
        },
        "feeds": [
            {
                "created_at": entry.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "entry_id": entry.entry_id,
                name: entry.values.get(FIELD),
            }
            for entry in feed.entries
        ],
    }
