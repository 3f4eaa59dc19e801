"""A channel's whole history: every entry in order, and entries added from a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from channels.platform import answers, times, values
from channels.platform.bulk import insert_many
from channels.platform.errors import ApiError, MomentTaken, Refusal
from channels.platform.models import FIELDS, Channel, Entry, Latest
from channels.platform.reading import Row
from channels.platform.writing import spend

MOST_ENTRIES = 100_000
_BATCH = 2000
_ASKED_AT_ONCE = 500
_SAID = 10
"""So many lines with mistakes are named; the rest is counted."""
_EXTRAS = ("latitude", "longitude", "elevation", "status")
_COLUMNS = (*(f"field{n}" for n in FIELDS), *_EXTRAS)
Line = tuple[datetime, Mapping[str, str], int]
"""The moment, the columns, and the number of the line in the file."""


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


def as_csv(channel: Channel, zone: tzinfo) -> Iterator[str]:
    """Yield the channel as lines of CSV, oldest first, as `add` reads it."""
    names = columns_of(channel)
    rows = ([times.spaced(row[0], zone), *row[1:]] for row in everything(channel, names))
    yield from answers.csv_lines(["created_at", "entry_id", *names], rows)


def add(channel: Channel, file: bytes, *, zone: tzinfo, now: datetime) -> int:
    """Add the entries of a CSV file to `channel` and return how many they were: all of them or none.

    The first line names the columns: `created_at` and any of field1…field8, latitude, longitude, elevation, status;
    others (an export's `entry_id`) are ignored. Entries get the next numbers of the channel. Moments without a zone
    are read in `zone`. Raises CannotRead and MomentTaken, which name the lines, and QuotaUsedUp.
    """
    problems: list[str] = []
    lines = sorted(_read(file, zone, problems), key=lambda line: line[0])
    problems += _doubles(lines)
    if problems:
        raise CannotRead(_all_of(problems))
    if not lines:
        raise CannotRead(_("The file has no entries."))
    entries = [(moment, columns) for moment, columns, _line in lines]
    try:
        return _store(channel, entries, now)
    except MomentTaken:
        raise MomentTaken(_what_is_taken(channel, lines)) from None


def _store(channel: Channel, entries: Sequence[tuple[datetime, Mapping[str, str]]], now: datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        # The same row that every write locks: the numbers given out here have neither gaps nor doubles.
        latest = Latest.objects.select_for_update().get(channel=channel)
        first_id = latest.last_entry_id + 1
        insert_many(cursor, channel.number, first_id, entries)
        _keep_latest(latest, entries, first_id)
        spend(cursor, channel.number, len(entries), now)
    return len(entries)


def _doubles(lines: Sequence[Line]) -> Iterator[str]:
    """Say which lines, sorted by moment, have the same one."""
    for (moment, _columns, line), (next_moment, _next_columns, next_line) in pairwise(lines):
        if moment == next_moment:
            said = _("Lines {first} and {second} are of the same moment, {moment}.")
            first, second = sorted((line, next_line))
            yield said.format(first=first, second=second, moment=times.spaced(moment, UTC))


def _what_is_taken(channel: Channel, lines: Sequence[Line]) -> str:
    """Say which lines are of moments that the channel already has."""
    taken: dict[int, datetime] = {}
    for start in range(0, len(lines), _ASKED_AT_ONCE):
        some = {moment: line for moment, _columns, line in lines[start : start + _ASKED_AT_ONCE]}
        found = Entry.objects.filter(channel=channel, created_at__in=some)
        taken |= {some[moment]: moment for moment in found.values_list("created_at", flat=True)}
    said = _("Line {line}: the channel already has an entry of {moment}.")
    return _all_of([said.format(line=line, moment=times.spaced(taken[line], UTC)) for line in sorted(taken)])


def _all_of(problems: Sequence[str]) -> str:
    """Return so many of the sentences as somebody reads, how many more there are, and that nothing was stored."""
    more = len(problems) - _SAID
    rest = ngettext("{count} more line has a mistake.", "{count} more lines have mistakes.", more).format(count=more)
    return " ".join([*problems[:_SAID], *([rest] if more > 0 else []), _("Nothing was stored.")])


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


def _read(file: bytes, zone: tzinfo, problems: list[str]) -> Iterator[Line]:
    """Yield the lines that can be read; the others become sentences in `problems`. Raises CannotRead of the whole."""
    try:
        text = file.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotRead(_("The file is not UTF-8 text.")) from None
    if "\0" in text:
        raise CannotRead(_("The file has null characters in it."))
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        if "created_at" not in header:
            raise CannotRead(_("The first line must name the columns, created_at among them."))
        for count, cells in enumerate(lines, 1):
            if count > MOST_ENTRIES:
                raise CannotRead(_("There are more than {count} entries. Split the file.").format(count=MOST_ENTRIES))
            if cells:
                try:
                    yield _entry(dict(zip(header, cells, strict=False)), zone, lines.line_num)
                except CannotRead as problem:
                    problems.append(_in_line(lines.line_num, str(problem)))
    except csv.Error as broken:
        # What comes after it cannot be told apart any more.
        problems.append(_in_line(lines.line_num, f"{broken}."))


def _entry(sent: Mapping[str, str], zone: tzinfo, line: int) -> Line:
    moment = times.parse(sent.get("created_at", ""), zone)
    if moment is None:
        raise CannotRead(_("created_at cannot be read."))
    try:
        columns = values.read({name: text for name, text in sent.items() if name in _COLUMNS}).columns
    except ApiError as problem:
        raise CannotRead(problem.details) from None
    return moment, columns, line


def _in_line(line: int, problem: str) -> str:
    return _("Line {line}: {problem}").format(line=line, problem=problem)
