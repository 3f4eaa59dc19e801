"""What has to change in a page of devices that stands before somebody, so that it shows what is so now.

The page says with each look what it shows; what has come, gone or changed its channel is found by comparing. What stays
is left alone but for its values: a key that was shown, a chart, or the focus in it would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.paginator import Page

from devices.appearing import appeared_since
from devices.models import Device, DeviceQuerySet
from devices.readings import Reading
from orgs.models import User

_COUNTED = re.compile(r"(\d{1,18})\.(\d{1,10})", re.ASCII)
_MARK = re.compile(r"(\d{1,18})\.(\d{0,18})", re.ASCII)
_STORED_WITHIN = timedelta(seconds=2)
"""A device has its moment before others can see it; so long that may take."""


def shown(readings: Iterable[Reading], page: Page[Any], now: datetime) -> str:
    """Return what a page shows, as it says with the next look: how many devices there are, when, and with channels."""
    return "-".join([f"{page.paginator.count}.{int(now.timestamp())}", *(_mark(reading) for reading in readings)])


def _mark(reading: Reading) -> str:
    channel = reading.device.channel
    return f"{reading.device.pk}.{channel.number if channel else ''}"


@dataclass(frozen=True)
class _Said:
    """What a page said that it shows: `what`, for comparing, the channel of each device, and when that was so."""

    what: tuple[str, ...]
    channels: dict[int, str]
    at: datetime

    @classmethod
    def read(cls, text: str, now: datetime) -> _Said:
        counted, *marks = text.split("-")
        channels = {int(found[1]): found[2] for mark in marks if (found := _MARK.fullmatch(mark))}
        if begins := _COUNTED.fullmatch(counted):
            return cls((begins[1], *marks), channels, datetime.fromtimestamp(int(begins[2]), UTC))
        return cls((counted, *marks), channels, now)


@dataclass(frozen=True)
class Arrival:
    """A device that has come, and the one that it stands behind; None if it is the first."""

    reading: Reading
    behind: int | None


@dataclass(frozen=True)
class Changes:
    """What is other than the page that stands says."""

    shown: str
    came: list[Arrival]
    gone: list[int]
    redrawn: list[Reading]
    """Those that have another channel now: chart and read key are others."""
    stayed: list[Reading]
    is_other_page: bool
    """Whether anything changed beyond values: how many devices there are, or which are here."""
    was_empty: bool
    since: datetime
    """When the page was as it says."""

    @property
    def came_or_went(self) -> bool:
        return bool(self.came or self.gone)

    def appeared(self, *, to: User) -> list[Device]:
        """Return those that are really new to somebody, and were not just on another page or in another state.

        Costs a query if any came that have not been registered since.
        """
        came = [one.reading.device for one in self.came]
        older = [device.pk for device in came if device.created_at < self.since - _STORED_WITHIN]
        known = set(older) - appeared_since(self.since, among=older, to=to) if older else set()
        return [device for device in came if device.pk not in known]

    def left(self, still_there: DeviceQuerySet) -> int:
        """Return how many are really gone, and not just on another page of a list; costs a query if any are."""
        return len(self.gone) - still_there.filter(pk__in=self.gone).count() if self.gone else 0


def changes(parameters: Mapping[str, str], readings: list[Reading], page: Page[Any], now: datetime) -> Changes:
    """Compare what a page said that it shows with what there is; a page that said nothing gets values alone."""
    there = shown(readings, page, now)
    said = _Said.read(parameters.get("shown", there), now)
    before = said.channels
    came, stayed, redrawn = [], [], []
    behind = None
    for reading in readings:
        pk = reading.device.pk
        if pk not in before:
            came.append(Arrival(reading, behind))
        elif _mark(reading) == f"{pk}.{before[pk]}":
            stayed.append(reading)
        else:
            redrawn.append(reading)
        behind = pk
    here = {reading.device.pk for reading in readings}
    gone = [pk for pk in before if pk not in here]
    is_other_page = said.what != _Said.read(there, now).what
    return Changes(there, came, gone, redrawn, stayed, is_other_page, not before, said.at)
