"""A channel's whole history: every entry in order, and entries added from a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo

from django.db import connection, transaction

from channels.platform import times, values
from channels.platform.bulk import insert_many
from channels.platform.errors import ApiError, Refusal
from channels.platform.models import FIELDS, Channel, Entry, Latest
from channels.platform.reading import Row
from channels.platform.writing import spend

MOST_ENTRIES = 100_000
_BATCH = 2000
_EXTRAS = ("latitude", "longitude", "elevation", "status")
_COLUMNS = (*(f"field{n}" for n in FIELDS), *_EXTRAS)


class CannotRead(Refusal):
    """The file is not what it should be; the text says where and why, for the person who sent it."""


def columns_of(channel: Channel) -> list[str]:
    """Return the columns that an export has: the labelled fields, position and status."""
    return [*(f"field{n}" for n in channel.labels), *_EXTRAS]


def everything(channel: Channel, names: Sequence[str]) -> Iterator[Row]:
    """Yield every entry as (moment, entry id, *names), oldest first, 2000 at a time.

    Read by pages along the index, so that neither memory nor a database cursor is held for millions of rows.
    """
    entries = Entry.objects.filter(channel=channel).order_by("created_at")
    after: datetime | None = None
    while True:
        page = entries if after is None else entries.filter(created_at__gt=after)
        rows = list(page.values_list("created_at", "entry_id", *names)[:_BATCH])
        yield from rows
        if len(rows) < _BATCH:
            return
        after = rows[-1][0]


def add(channel: Channel, file: bytes, *, zone: tzinfo, now: datetime) -> int:
    """Add the entries of a CSV file to `channel` and return how many they were: all of them or none.

    The first line names the columns: `created_at` and any of field1…field8, latitude, longitude, elevation, status;
    others (an export's `entry_id`) are ignored. Entries get the next numbers of the channel. Moments without a zone
    are read in `zone`. Raises CannotRead, MomentTaken, QuotaUsedUp.
    """
    entries = sorted(_read(file, zone), key=lambda entry: entry[0])
    if not entries:
        raise CannotRead("The file has no entries.")
    with transaction.atomic(), connection.cursor() as cursor:
        # The same row that every write locks: the numbers given out here have neither gaps nor doubles.
        latest = Latest.objects.select_for_update().get(channel=channel)
        first_id = latest.last_entry_id + 1
        insert_many(cursor, channel.number, first_id, entries)
        _keep_latest(latest, entries, first_id)
        spend(cursor, channel.number, len(entries), now)
    return len(entries)


def _keep_latest(latest: Latest, entries: Sequence[tuple[datetime, Mapping[str, str]]], first_id: int) -> None:
    """Keep the newest of what came in, where it is newer than what is kept: history is no news."""
    last_at, last = entries[-1]
    latest.last_entry_id = first_id + len(entries) - 1
    if latest.last_entry_at is None or last_at > latest.last_entry_at:
        latest.newest_id, latest.last_entry_at = latest.last_entry_id, last_at
        for name in _EXTRAS:
            setattr(latest, name, last.get(name))
    for entry_id, (moment, columns) in enumerate(entries, first_id):
        for name, value in columns.items():
            known = getattr(latest, f"{name}_at", None)
            if name not in _EXTRAS and (known is None or moment > known):
                setattr(latest, name, value)
                setattr(latest, f"{name}_id", entry_id)
                setattr(latest, f"{name}_at", moment)
    latest.save()


def _read(file: bytes, zone: tzinfo) -> Iterator[tuple[datetime, Mapping[str, str]]]:
    try:
        text = file.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotRead("The file is not UTF-8 text.") from None
    if "\0" in text:
        raise CannotRead("The file has null characters in it.")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        if "created_at" not in header:
            raise CannotRead("The first line must name the columns, created_at among them.")
        for count, cells in enumerate(lines, 1):
            if count > MOST_ENTRIES:
                raise CannotRead(f"There are more than {MOST_ENTRIES} entries. Split the file.")
            if cells:
                yield _entry(dict(zip(header, cells, strict=False)), zone, lines.line_num)
    except csv.Error as problem:
        raise CannotRead(f"Line {lines.line_num}: {problem}.") from None


def _entry(sent: Mapping[str, str], zone: tzinfo, line: int) -> tuple[datetime, Mapping[str, str]]:
    moment = times.parse(sent.get("created_at", ""), zone)
    if moment is None:
        raise CannotRead(f"Line {line}: created_at cannot be read. Nothing was stored.")
    try:
        columns = values.read({name: text for name, text in sent.items() if name in _COLUMNS}).columns
    except ApiError as problem:
        raise CannotRead(f"Line {line}: {problem.details} Nothing was stored.") from None
    return moment, columns
