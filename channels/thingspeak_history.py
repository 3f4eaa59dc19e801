"""All of a ThingSpeak channel's history, out of an API that gives the newest 8000 entries of a window."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from channels.platforms import Entry, Feed
from channels.thingspeak_reading import MOST_RESULTS

_BEFORE_ALL = "created_at", "entry_id"


def csv_lines(read: Callable[[int, datetime | None], Feed]) -> Iterator[str]:
    """Yield a line that names the columns and one for each entry, newest first.

    `read` returns so many of the newest entries up to a moment. Going back from there is the only way that needs no
    guess at how far apart the entries lie, and holds one answer at a time.
    """
    feed = read(MOST_RESULTS, None)
    fields = sorted(feed.labels)
    yield _line([*_BEFORE_ALL, *(f"field{n}" for n in fields)])
    written: set[int] = set()
    while entries := [entry for entry in feed.entries if entry.entry_id not in written]:
        for entry in reversed(entries):
            yield _line(_cells(entry, fields))
        if len(feed.entries) < MOST_RESULTS:
            return
        written = {entry.entry_id for entry in feed.entries}
        # Times come in whole seconds: others of the same second may not have been among them.
        feed = read(MOST_RESULTS, entries[0].created_at + timedelta(seconds=1))


def _cells(entry: Entry, fields: Sequence[int]) -> list[object]:
    moment = f"{entry.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return [moment, entry.entry_id, *(entry.values.get(n, "") for n in fields)]


def _line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
