"""A device's whole history: out as CSV for everybody who sees it, in from CSV for its managers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import chain

from channels.models import Channel
from channels.platforms import NoAccess, NoSuchChannel
from devices.latest import LATE, portal_key
from devices.models import Device
from orgs import audit
from orgs.models import User

MOST_BYTES = 16 * 1024 * 1024
"""Of a file; more than 100 000 ordinary lines."""


def csv_of(channel: Channel) -> Iterator[str]:
    """Return the channel's history as lines of CSV; the platform has begun to answer. Raises PlatformError.

    With what its device has measured in channels before, the oldest channel first; a column then says which. What a
    spreadsheet would take for a formula has an apostrophe before it: whoever has a write key chooses the text, and
    somebody else opens the file.
    """
    newest, *older = _open(channel)
    if not older:
        return map(_without_formulas, chain([newest.header], newest.lines))
    return map(_without_formulas, _joined([*reversed(older), newest]))


_MAYBE_FORMULA = re.compile(r"""(?:^|,)"?[=+\-@\t\r]""")
_BEGINS_FORMULA = tuple("=+-@\t\r")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _without_formulas(line: str) -> str:
    if _MAYBE_FORMULA.search(line) is None:
        return line
    buffer = io.StringIO()
    # Both line ends, and one taken off: so that a value with either of them in it is quoted.
    writer = csv.writer(buffer, lineterminator="\r\n")
    for cells in csv.reader(io.StringIO(line, newline="")):
        writer.writerow(
            f"'{cell}" if cell.startswith(_BEGINS_FORMULA) and not _NUMBER.fullmatch(cell) else cell for cell in cells
        )
    return buffer.getvalue()[:-2] + "\n"


@dataclass(frozen=True)
class _Part:
    """What a device has measured in one of its channels."""

    channel: Channel
    header: str
    lines: Iterator[str]

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows by column, without what was written after the device had left the channel for good."""
        left = self.channel.left_at
        until = None if left is None else _spaced(left + LATE)
        for row in csv.DictReader(chain([self.header], self.lines)):
            if until is None or row["created_at"] <= until:
                yield {**row, "channel": str(self.channel.number)}


def _open(channel: Channel) -> list[_Part]:
    parts = [_part(channel)]
    if channel.first_id is not None:
        before = Channel.objects.of_lines([channel.line]).still_there().filter(pk__lt=channel.pk)
        for older in before.select_related("account").order_by("-pk"):
            with suppress(NoAccess, NoSuchChannel):  # It cannot be read any more: what is left is given.
                parts.append(_part(older))
    return parts


def _part(channel: Channel) -> _Part:
    lines = channel.account.on_platform.export_csv(channel.number, read_key=portal_key(channel))
    return _Part(channel, next(lines), lines)


def _joined(parts: Sequence[_Part]) -> Iterator[str]:
    headers = [next(csv.reader([part.header])) for part in parts]
    names = list(dict.fromkeys([*chain.from_iterable(headers), "channel"]))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in chain.from_iterable(part.rows() for part in parts):
        writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    if rest := buffer.getvalue():  # No rows at all: the header alone.
        yield rest


def _spaced(moment: datetime) -> str:
    """The moment as it stands in the file, where later ones come after it as text, too."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def add(device: Device, file: bytes, *, zone: tzinfo, by: User, address: str | None = None) -> int:
    """Add the entries of a CSV file to the device's channel, and return how many they were: all of them, or none.

    Moments without a zone are read in `zone`. Raises PlatformError: FileRefused, whose text is for the sender, …
    """
    channel = device.channel
    if channel is None:
        raise LookupError(f"{device.serial} has no channel.")
    account = channel.account
    stored = account.on_platform.import_csv(account.key, channel.number, file, zone=zone)
    audit.record(
        "history.imported", by=by, organization=device.organization, about=device, address=address, entries=stored
    )
    return stored
