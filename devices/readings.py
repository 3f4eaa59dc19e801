"""What a page says about a device: its last value, and whether it is sending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from channels.platforms import Entry
from devices.latest import FIELD, last_values
from devices.models import Device

SILENT_AFTER = timedelta(hours=1)
UNIT = "°C"
AT_A_GLANCE = 1
"""Decimals of a last value: always as many, so that a number does not jump when it goes from 20.9 to 21."""
AT_MOST = 2
"""Decimals in a table; a thermometer is not that exact."""
LARGEST = Decimal("1e12")
"""From here on a number is shown as it was sent."""


class DeviceState(Enum):
    """How a device is doing; `kind` and `text` are what `_state.html` shows."""

    NO_CHANNEL = "wait", _("Not ready yet"), _("Its channel is made when it asks for its key the next time.")
    AWAITED = "wait", _("Waits for new hardware"), _("It has not asked for its key yet: switch it on, or off and on.")
    WAITING = "wait", _("Nothing sent yet"), _("It has its key and has not sent a value so far.")
    SENDING = "good", _("Sending"), ""
    SILENT = "bad", _("Silent"), _("It has not sent anything for more than an hour.")
    BLOCKED = "off", _("Blocked"), _("A manager has blocked it: it gets no key.")
    UNKNOWN = "off", _("Not known now"), _("The channel platform is out of reach.")

    def __init__(self, kind: str, text: Promise, explanation: Promise | str) -> None:
        self.kind, self.text, self.explanation = kind, text, explanation


@dataclass(frozen=True)
class Reading:
    """A device as cards and tables show it."""

    device: Device
    state: DeviceState
    entry: Entry | None

    @property
    def measured_at(self) -> datetime | None:
        return self.entry.created_at if self.entry else None

    @property
    def value(self) -> str:
        """The last value as people read it, or "" if the last entry has none."""
        return as_people_read_it(self.entry.values.get(FIELD, "")) if self.entry else ""

    @property
    def unit(self) -> str:
        return UNIT

    @property
    def is_old(self) -> bool:
        return self.state in (DeviceState.SILENT, DeviceState.BLOCKED, DeviceState.AWAITED)


@dataclass(frozen=True)
class Readings:
    """The readings of the devices on a page, in their order."""

    all: Sequence[Reading]
    out_of_reach: bool


def readings_of(devices: Sequence[Device], now: datetime) -> Readings:
    """Return one reading per device, as `last_values` does; `devices` come with `channel__account` and `contact`."""
    last = last_values(devices)
    return Readings(
        [
            Reading(
                device, _state(device, last.entries.get(device.pk), now, last.out_of_reach), last.entries.get(device.pk)
            )
            for device in devices
        ],
        last.out_of_reach,
    )


def _state(device: Device, entry: Entry | None, now: datetime, out_of_reach: bool) -> DeviceState:
    if device.blocked_at is not None:
        return DeviceState.BLOCKED
    if device.channel_id is None:
        return DeviceState.NO_CHANNEL
    if not device.has_asked:
        return DeviceState.AWAITED
    if entry is None:
        return DeviceState.UNKNOWN if out_of_reach else DeviceState.WAITING
    return DeviceState.SILENT if entry.created_at < now - SILENT_AFTER else DeviceState.SENDING


def as_people_read_them(texts: Sequence[str]) -> list[str]:
    """Return measured values as they stand below each other: all with as many decimals, two at most."""
    most = max((_decimals(number) for text in texts if (number := _number(text)) is not None), default=0)
    return [as_people_read_it(text, decimals=most) for text in texts]


def as_people_read_it(text: str, *, decimals: int = AT_A_GLANCE) -> str:
    """Return a measured value with so many decimals and a real minus sign; what is no number stays as it is."""
    number = _number(text)
    if number is None:
        return text
    rounded = _rounded(number, decimals)
    return number_format(rounded if rounded else abs(rounded), decimals, use_l10n=True).replace("-", "−")


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # Not abs(): that calculates, and 1e1000000 is more than the module calculates with.
    return number if number.is_finite() and -LARGEST < number < LARGEST else None


def _rounded(number: Decimal, decimals: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _decimals(number: Decimal) -> int:
    exponent = _rounded(number, AT_MOST).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
