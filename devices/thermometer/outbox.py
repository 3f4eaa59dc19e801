"""Measurements that the platform has not confirmed yet, in a journal that survives a power cut.

The journal has one JSON array a line. A measurement is kept from the moment `add` returns until `done`; in between
it may be *in doubt*: it was sent and no answer came, so the platform may have it or not. That is written down before
the sending, because the power may go at that very moment, and decides what "already there" means later on.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from devices.thermometer import durable

log = logging.getLogger(__name__)

_SECOND = timedelta(seconds=1)
_CLOSE = timedelta(seconds=60)
_COMPACT_FROM = 200


@dataclass(eq=False)
class Measurement:
    """A value, and the whole second in UTC by which the platform knows it.

    `doubt` is the channel to which it was sent without an answer. The rest is of this run alone: `refused_by` is the
    write key with which the platform refused it last; `is_suspect` says that the same key was good for another one
    since, and `aside_for` with which key it is not tried any more because of that; `is_fresh` that it was taken in
    this run and never sent, so that its time may still be corrected.
    """

    number: int
    at: datetime
    value: str
    doubt: int | None = None
    refused_by: str | None = None
    is_suspect: bool = False
    aside_for: str | None = None
    is_fresh: bool = False


class Outbox:
    """The unsent measurements of one thermometer, oldest first."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Read the journal at `path`, which need not exist, and repair it unless `read_only`. Raises OSError."""
        self.path = path
        self._read_only = read_only
        self._pending: dict[int, Measurement] = {}
        self._next = 1
        self._last: datetime | None = None
        self._lines = 0
        self._must_rewrite = False
        self._load()

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._pending.values())

    def add(self, value: str, at: datetime) -> Measurement:
        """Keep a new measurement taken `at` a moment in UTC.

        It is stamped with that second, or with the next one when the last measurement has it already. A clock that
        was set back by more than a minute was wrong before, so its stamps are not continued.
        """
        second = at.astimezone(UTC).replace(microsecond=0)
        if self._last is not None and second <= self._last <= second + _CLOSE:
            second = self._last + _SECOND
        measurement = Measurement(self._next, second, value, is_fresh=True)
        self._next += 1
        self._last = second
        self._pending[measurement.number] = measurement
        self._write(["add", measurement.number, _stamp(second), value])
        return measurement

    def doubt(self, measurements: Sequence[Measurement], channel: int) -> None:
        """Note that these are about to be sent to `channel`. Raises OSError: then they must not be sent."""
        for measurement in measurements:
            measurement.is_fresh = False
        new = [(measurement, measurement.doubt) for measurement in measurements if measurement.doubt != channel]
        for measurement, _before in new:
            measurement.doubt = channel
        try:
            if new:
                self._write(["doubt", channel, [measurement.number for measurement, _before in new]], must=True)
        except OSError:
            for measurement, before in new:
                measurement.doubt = before
            raise

    def clear_doubt(self, measurements: Iterable[Measurement]) -> None:
        """Note that these are certainly not on the platform."""
        cleared = [measurement for measurement in measurements if measurement.doubt is not None]
        for measurement in cleared:
            measurement.doubt = None
        if cleared:
            self._write(["clear", [measurement.number for measurement in cleared]])

    def done(self, measurements: Iterable[Measurement]) -> None:
        """Let these go: the platform has them. Not flushed: should it be lost, they are in doubt and sent again."""
        numbers = [measurement.number for measurement in measurements]
        for number in numbers:
            self._pending.pop(number, None)
        self._write(["done", numbers], flush=False)

    def move(self, measurement: Measurement) -> None:
        """Give the measurement the next second that no other one has: its own is taken on the platform."""
        self._to_free_second(measurement, {other.at for other in self._pending.values()})
        self._last = max(self._last or measurement.at, measurement.at)
        self._write(["move", measurement.number, _stamp(measurement.at)])

    def correct(self, seconds: int) -> int:
        """Shift what was taken in this run and never sent: the clock was wrong by that much. Return how many."""
        fresh = [measurement for measurement in self._pending.values() if measurement.is_fresh]
        taken = {measurement.at for measurement in self._pending.values() if not measurement.is_fresh}
        for measurement in fresh:
            measurement.at += timedelta(seconds=seconds)
            self._to_free_second(measurement, taken)
            taken.add(measurement.at)
        if fresh:
            self._last = fresh[-1].at
            self._rewrite()
        return len(fresh)

    @staticmethod
    def _to_free_second(measurement: Measurement, taken: set[datetime]) -> None:
        while measurement.at in taken:
            measurement.at += _SECOND

    def discard(self) -> None:
        """Throw all measurements away. Raises OSError."""
        self._pending.clear()
        self._rewrite(must=True)

    # The journal

    def _write(self, record: list[Any], *, flush: bool = True, must: bool = False) -> None:
        """Append a record. A full disk is survived: what could not be written is in memory and written later.

        With `must` the OSError is raised.
        """
        if self._must_rewrite:
            return self._rewrite(must=must)
        try:
            durable.append(self.path, _line(record), flush=flush)
        except OSError as error:
            self._must_rewrite = True  # the line may be there in part
            if must:
                raise
            log.warning("The measurements cannot be written to the disk (%s); they are kept in memory.", error.strerror)
            return None
        self._lines += 1
        if self._lines > _COMPACT_FROM and self._lines > 4 * len(self._pending):
            self._rewrite()
        return None

    def _rewrite(self, *, must: bool = False) -> None:
        """Replace the journal by one that holds what is pending."""
        records: list[list[Any]] = [["outbox", 1, self._next, _stamp(self._last) if self._last else None]]
        for measurement in self._pending.values():
            records.append(["add", measurement.number, _stamp(measurement.at), measurement.value])
            if measurement.doubt is not None:
                records.append(["doubt", measurement.doubt, [measurement.number]])
        try:
            durable.write_atomically(self.path, b"".join(map(_line, records)))
        except OSError as error:
            self._must_rewrite = True
            if must:
                raise
            log.warning("The measurements cannot be written to the disk (%s); they are kept in memory.", error.strerror)
            return
        self._must_rewrite = False
        self._lines = len(records)

    def _load(self) -> None:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            self._must_rewrite = True  # so that the folder, where the new file's name will live, is flushed too
            return
        whole, _newline, torn = data.rpartition(b"\n")  # what follows the last newline was cut off by a power cut
        damaged = 0
        for line in whole.splitlines():
            try:
                self._replay(json.loads(line))
            except (ValueError, TypeError, KeyError, IndexError, OverflowError):
                damaged += 1
        if self._read_only:
            return
        if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            os.chmod(self.path, durable.PRIVATE)  # copied or restored by somebody
        if damaged:
            copy = self.path.with_name(self.path.name + ".damaged")
            durable.write_atomically(copy, data)
            log.warning("%d lines of %s are damaged and were left out; a copy is in %s.", damaged, self.path, copy)
        if torn or damaged or self._lines > len(self._pending) + 1:
            self._rewrite()

    def _replay(self, record: list[Any]) -> None:
        match record:
            case ["outbox", 1, int(number), last]:
                self._next = max(self._next, number)
                self._last = _moment(last) if last is not None else None
            case ["add", int(number), str(at), str(value)]:
                self._pending[number] = Measurement(number, _moment(at), value)
                self._next = max(self._next, number + 1)
                self._last = _moment(at)
            case ["doubt", int(channel), list(numbers)]:
                for number in numbers:
                    if number in self._pending:
                        self._pending[number].doubt = channel
            case ["clear", list(numbers)]:
                for number in numbers:
                    if number in self._pending:
                        self._pending[number].doubt = None
            case ["done", list(numbers)]:
                for number in numbers:
                    self._pending.pop(number, None)
            case ["move", int(number), str(at)]:
                if number in self._pending:
                    self._pending[number].at = _moment(at)
                self._last = max(self._last or _moment(at), _moment(at))
            case _:
                raise ValueError("unknown record")
        self._lines += 1


def _line(record: list[Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
