"""A device's feed as a page's chart reads it: ThingSpeak's "read a field" JSON, authorized by the viewer's session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from channels.models import Channel
from channels.platforms import Feed
from devices.latest import FIELD, feed_of
from devices.models import Device

MOST_RESULTS = 8000
MOST_DAYS = 366
LONGEST_NUMBER = 15
MOST_ENTRIES = 10**LONGEST_NUMBER - 1  # JavaScript counts exactly up to nine times as many.
USUAL_RESULTS = 60
A_FEW = 100


@dataclass(frozen=True)
class FeedQuery:
    """How much of a feed is wanted.

    The newest `results` entries; those of the last `days` only, and those from the entry number `since` on only, where
    that is given.
    """

    results: int
    days: int | None = None
    since: int | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> FeedQuery:
        """Read the address's parameters as ThingSpeak does: what is no number or out of range is as if not there."""
        days = _between(parameters.get("days"), 1, MOST_DAYS)
        results = _between(parameters.get("results"), 1, MOST_RESULTS)
        since = _between(parameters.get("start_entry_id"), 1, MOST_ENTRIES)
        return cls(results or (MOST_RESULTS if days else USUAL_RESULTS), days, since)

    def ask(self, channel: Channel, now: datetime) -> Feed:
        """Return the feed as the platform has it. Raises PlatformError."""
        start = now - timedelta(days=self.days) if self.days else None
        if self.since is not None and self.results > A_FEW:
            # A chart that is kept up to date lacks a few entries as a rule, not all of its days.
            feed = feed_of(channel, results=A_FEW, start=start)
            if not feed.entries or feed.entries[0].entry_id <= self.since or len(feed.entries) < A_FEW:
                return feed
        return feed_of(channel, results=self.results, start=start)


def _between(text: str | None, least: int, most: int) -> int | None:
    if not text or not text.isascii() or not text.isdigit() or len(text) > LONGEST_NUMBER:
        return None
    number = int(text)
    return min(number, most) if number >= least else None


def as_json(device: Device, feed: Feed, query: FeedQuery) -> dict[str, Any]:
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
            if entry.entry_id >= (query.since or 0)
        ],
    }
