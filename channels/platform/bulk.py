"""Bulk writes: many entries in one request, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from channels.platform import times, values
from channels.platform.errors import BAD_REQUEST, TOO_LARGE, ApiError, MomentTaken
from channels.platform.models import FIELDS, Channel, Latest
from channels.platform.parameters import as_text
from channels.platform.values import EntryValues
from channels.platform.writing import Step, Written, adapt, advance, note_use, spend
from channels.turns import turn_to_write

MOST_ENTRY_BYTES = 3000
_LAST = ("status", "latitude", "longitude", "elevation")
_COLUMNS = (*(f"field{n}" for n in FIELDS), "latitude", "longitude", "elevation", "status")
_BATCH = 1000

Delta = int | None
Row = tuple[EntryValues, Delta]


def write_many(key: str, channel: Channel, rows: Sequence[Row], *, now: datetime) -> Written:
    """Store all `rows` in `channel`, in the order given, and return the last entry.

    A row has either its moment or the seconds since the row before. Raises UnknownKey, TooEarly, QuotaUsedUp, and
    MomentTaken if two entries would have the same moment; then nothing is stored.
    """
    entries = _dated(rows, channel, now)
    if len({moment for moment, _ in entries}) < len(entries):
        raise MomentTaken
    newest: dict[str, tuple[str, int, datetime]] = {}
    for before, (moment, columns) in enumerate(reversed(entries)):
        for name in columns:
            if name not in _LAST and name not in newest:
                newest[name] = (columns[name], before, moment)
    last_at, last = entries[-1]
    step = Step(
        key,
        count=len(entries),
        last={name: last.get(name) for name in _LAST},
        fields=newest,
        last_at=last_at,
        now=now,
        bulk=True,
        channel_number=channel.number,
    )
    with turn_to_write(), transaction.atomic(), connection.cursor() as cursor:
        number, last_id, noted, key_is_retiring = advance(cursor, step)
        insert_many(cursor, number, last_id - len(entries) + 1, entries)
        spend(cursor, number, len(entries), now)
        if noted:
            note_use(cursor, key, now)
    return Written(number, last_id, last_at, key_is_retiring)


def insert_many(
    cursor: Any, channel_number: int, first_id: int, entries: Sequence[tuple[datetime, Mapping[str, str]]]
) -> None:
    """Insert entries numbered from `first_id` on, a thousand in a statement. Raises MomentTaken."""
    used = sorted({name for _, columns in entries for name in columns})
    place = f"({', '.join(['%s'] * (3 + len(used)))})"
    head = f"INSERT INTO platform_entry ({', '.join(['channel_id', 'entry_id', 'created_at', *used])}) VALUES "  # noqa: S608
    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        parameters: list[Any] = []
        for entry_id, (moment, columns) in enumerate(batch, first_id + start):
            parameters += (channel_number, entry_id, adapt(moment), *(columns.get(name) for name in used))
        try:
            cursor.execute(head + ", ".join([place] * len(batch)), parameters)
        except IntegrityError:
            raise MomentTaken from None


def _dated(rows: Sequence[Row], channel: Channel, now: datetime) -> list[tuple[datetime, Mapping[str, str]]]:
    """Turn seconds since the row before into moments.

    The first row counts from the channel's last entry. Where that says nothing (no entry yet, or a first delta of 0)
    the series is taken to end now: that is when a device sends what it has collected.
    """
    if rows[0][1] is None:
        previous = now
    else:
        latest = Latest.objects.filter(channel=channel).values_list("last_entry_at", flat=True).first()
        if latest is not None and rows[0][1] > 0:
            previous = latest
        else:
            previous = now - timedelta(seconds=sum(delta or 0 for _, delta in rows))
    entries = []
    for row, delta in rows:
        try:
            moment = row.created_at or previous + timedelta(seconds=delta or 0)
        except OverflowError:
            raise _out_of_the_calendar() from None
        if not times.has_every_zone(moment):
            raise _out_of_the_calendar()
        entries.append((moment, row.columns))
        previous = moment
    return entries


def _out_of_the_calendar() -> ApiError:
    return ApiError(BAD_REQUEST, "delta_t leads out of the calendar.")


def read_json(document: Mapping[str, Any], *, most: int) -> list[Row]:
    """Return the rows of a bulk write in JSON. Raises ApiError (400, 413) that names the first bad row."""
    updates = document.get("updates")
    if not isinstance(updates, list) or not all(isinstance(update, dict) for update in updates):
        raise ApiError(BAD_REQUEST, "updates must be an array of objects.")
    _check_count(updates, most)
    rows = []
    for index, update in enumerate(updates, 1):
        sent = {name: text for name, value in update.items() if (text := as_text(value)) is not None}
        rows.append(_row(index, sent, sent.get("created_at"), sent.get("delta_t")))
    return rows


def read_csv(updates: str, time_format: str, *, most: int) -> list[Row]:
    """Return the rows of `TIME,f1,…,f8,lat,long,elevation,status|…`. Raises ApiError like `read_json`."""
    if time_format not in ("absolute", "relative"):
        raise ApiError(BAD_REQUEST, "time_format must be absolute or relative.")
    lines = [line for line in updates.strip().strip("|").split("|") if line.strip()]
    _check_count(lines, most)
    rows = []
    for index, line in enumerate(lines, 1):
        time, *cells = line.split(",", len(_COLUMNS))
        sent = dict(zip(_COLUMNS, cells, strict=False))
        relative = time_format == "relative"
        rows.append(_row(index, sent, None if relative else time, time if relative else None))
    return rows


def _check_count(updates: Sequence[object], most: int) -> None:
    if not updates:
        raise ApiError(BAD_REQUEST, "updates is empty.")
    if len(updates) > most:
        raise ApiError(TOO_LARGE, f"A bulk write has at most {most} entries.")


def _row(index: int, sent: Mapping[str, str], created_at: str | None, delta_t: str | None) -> Row:
    try:
        for text in sent.values():
            if "\0" in text or not text.isascii():
                text.encode()
                if "\0" in text:
                    raise ApiError(BAD_REQUEST, "there is a null character.")
        if sum(map(len, sent.values())) > MOST_ENTRY_BYTES:
            raise ApiError(BAD_REQUEST, f"it is longer than {MOST_ENTRY_BYTES} bytes.")
        if created_at is not None:
            moment = times.parse(created_at, UTC)
            if moment is None:
                raise ApiError(BAD_REQUEST, "its created_at cannot be read.")
            return values.read(sent, created_at=moment), None
        if delta_t is None or not delta_t.strip().isdecimal() or len(delta_t) > 12:
            raise ApiError(BAD_REQUEST, "it has neither a created_at nor a delta_t in whole seconds.")
        if int(delta_t) == 0 and index > 1:
            raise ApiError(BAD_REQUEST, "only the first delta_t may be 0.")
        return values.read(sent), int(delta_t)
    except UnicodeError:
        raise ApiError(BAD_REQUEST, f"Update {index}: it is not valid Unicode. Nothing was stored.") from None
    except ApiError as error:
        raise ApiError(error.kind, f"Update {index}: {error.details} Nothing was stored.") from None
