"""Who may read a channel, and the rows of its feed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from channels.platform.models import FIELDS, ApiKey, Channel, Entry
from channels.platform.parameters import Parameters
from channels.vault import keyed_hash

DEFAULT_RESULTS = 100
MOST_RESULTS = 8000
# Often enough to tell a key in use from a forgotten one, and seldom enough that reading stays reading.
NOTE_READING_EVERY = timedelta(hours=1)
LOCATION = ("latitude", "longitude", "elevation")

# What a value must look like to be calculated with, here and in the database: bounded, so that no cast overflows.
NUMBER = r"^\s*[-+]?([0-9]{1,40}([.,][0-9]{0,200})?|[.,][0-9]{1,200})([eE][-+]?[0-9]{1,2})?\s*$"
_NUMBER = re.compile(NUMBER)

Row = tuple[Any, ...]


def may_read(channel: Channel, key: str) -> bool:
    """Tell whether the channel is public or `key` is a good read or write key of it. Notes the use of a read key."""
    if channel.public:
        return True
    if not key:
        return False
    now = timezone.now()
    good = ApiKey.objects.good_at(now).filter(channel=channel, hash=keyed_hash(key))
    # Not the whole row: it would be decrypted.
    found = good.values_list("pk", "writes", "last_used_at").first()
    if found is None:
        return False
    pk, writes, last_used_at = found
    if not writes and (last_used_at is None or last_used_at <= now - NOTE_READING_EVERY):
        ApiKey.objects.filter(pk=pk).update(last_used_at=now, first_used_at=Coalesce("first_used_at", Value(now)))
    return True


@dataclass(frozen=True)
class Window:
    """Which part of a feed: the newest `results` entries between the bounds, each bound inclusive."""

    results: int = DEFAULT_RESULTS
    start: datetime | None = None
    end: datetime | None = None
    first_id: int | None = None
    last_id: int | None = None


def window(asked: Parameters, now: datetime) -> Window:
    """Return the part of a feed that the parameters ask for.

    Without a range 100 entries; with one (`results`, `days`, `start`, `end`, entry ids) up to 8000. `minutes` and
    `hours` alone leave it at 100, as the original does.
    """
    start = asked.moment("start") or asked.since(now, days="days", hours="hours", minutes="minutes")
    ids = asked.whole("start_entry_id"), asked.whole("end_entry_id")
    ranged = any(asked.text(name) for name in ("days", "start", "end", "start_entry_id", "end_entry_id"))
    results = asked.whole("results")
    if results is None:
        results = MOST_RESULTS if ranged else DEFAULT_RESULTS
    # Up to now, as in the original: an entry dated into the future must not hide all that come after it.
    return Window(max(0, min(results, MOST_RESULTS)), start, asked.moment("end") or now, *ids)


def last_day(asked: Parameters, now: datetime) -> Window:
    """Return the window of the status feed: one day back unless `days` is given, up to 8000 entries."""
    found = window(asked, now)
    if asked.text("results") is None:
        found = replace(found, results=MOST_RESULTS)
    return replace(found, start=asked.since(now, days="days") or now - timedelta(days=1))


def columns(channel: Channel, asked: Parameters, field: int | None = None) -> list[str]:
    """Return the value columns that the answer holds: the labelled fields (or the one), and what is asked for."""
    found = [f"field{n}" for n in FIELDS if n in channel.labels and field in (None, n)]
    if asked.flag("location"):
        found += LOCATION
    if asked.flag("status"):
        found.append("status")
    return found


def newest(channel: Channel, part: Window) -> QuerySet[Entry]:
    """Return the entries of `part`, newest first, along the index of moments."""
    entries = Entry.objects.filter(channel=channel)
    for lookup, bound in (
        ("created_at__gte", part.start),
        ("created_at__lte", part.end),
        ("entry_id__gte", part.first_id),
        ("entry_id__lte", part.last_id),
    ):
        if bound is not None:
            entries = entries.filter(**{lookup: bound})
    return entries.order_by("-created_at")[: part.results]


def rows(channel: Channel, part: Window, names: Sequence[str]) -> list[Row]:
    """Return the entries of `part` as rows of moment, entry id and the columns `names`, oldest first."""
    if part.results <= 0:
        return []
    found = list(newest(channel, part).values_list("created_at", "entry_id", *names))
    found.reverse()
    return found


def one(channel: Channel, entry_id: int, names: Sequence[str]) -> Row | None:
    """Return the row of one entry, or None."""
    return (
        Entry.objects.filter(channel=channel, entry_id=entry_id).values_list("created_at", "entry_id", *names).first()
    )


def number_in(text: str | None) -> float | None:
    """Return the number that a value is, or None. A decimal comma is understood; infinity and NaN are no numbers."""
    return float(text.replace(",", ".")) if text and _NUMBER.match(text) else None


def within(found: list[Row], asked: Parameters) -> list[Row]:
    """Drop rows in which a numeric field is below `min` or above `max`. Other columns than fields come after them."""
    low, high = asked.real("min"), asked.real("max")
    if low is None and high is None:
        return found

    def fits(row: Row) -> bool:
        numbers = [number for value in row[2:] if (number := number_in(value)) is not None]
        return all((low is None or low <= n) and (high is None or n <= high) for n in numbers)

    return [row for row in found if fits(row)]


def rounded(text: str | None, places: int | None) -> str | None:
    """Write a numeric value with that many decimal places; leave everything else as it is."""
    number = None if places is None else number_in(text)
    if number is None or text is None:
        return text
    written = f"{number:.{max(0, min(places or 0, 15))}f}"
    return written.replace(".", ",") if "," in text else written
