"""What has to change in a page of devices that stands before somebody, so that it shows what is so now.

The page says with each look what it shows; what has come, gone or changed its channel is found by comparing. What stays
is left alone but for its values: a key that was shown, a chart, or the focus in it would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page

from devices.models import DeviceQuerySet
from devices.readings import Reading

_SHOWN = re.compile(r"(\d{1,18})\.(\d{0,18})", re.ASCII)


def shown(readings: Iterable[Reading], page: Page[Any]) -> str:
    """Return what a page shows, as it says with the next look: how many devices there are, and these with channels."""
    return "-".join([str(page.paginator.count), *(_mark(reading) for reading in readings)])


def _mark(reading: Reading) -> str:
    channel = reading.device.channel
    return f"{reading.device.pk}.{channel.number if channel else ''}"


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

    @property
    def came_or_went(self) -> bool:
        return bool(self.came or self.gone)

    def left(self, still_there: DeviceQuerySet) -> int:
        """Return how many are really gone, and not just on another page of a list; costs a query if any are."""
        return len(self.gone) - still_there.filter(pk__in=self.gone).count() if self.gone else 0


def changes(parameters: Mapping[str, str], readings: list[Reading], page: Page[Any]) -> Changes:
    """Compare what a page said that it shows with what there is; a page that said nothing gets values alone."""
    now = shown(readings, page)
    said = parameters.get("shown", now)
    before = {int(found[1]): found[2] for mark in said.split("-")[1:] if (found := _SHOWN.fullmatch(mark))}
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
    return Changes(now, came, [pk for pk in before if pk not in here], redrawn, stayed, said != now, not before)
