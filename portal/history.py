"""What the demo's thermometers have measured before the demo was started."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import requests
from django.utils import timezone

from channels.models import Channel, ChannelKey
from devices.thermometer.sensor import InventedRoom
from portal.demo import Hung, Thermometer
from portal.processes import CannotRun

HOURS = 24
_EVERY = timedelta(seconds=90)  # As many as one bulk write takes.
_TIMEOUT = (3, 30)


class Room:
    """A sensor: what the thermometer invents by itself, warmer or colder by what the room is."""

    def __init__(self, thermometer: Thermometer) -> None:
        self._invented = InventedRoom(thermometer.serial)
        self._shift = thermometer.celsius - 20.5  # the middle of the levels that it chooses from

    def measure(self, at: datetime) -> float:
        return self._invented.measure(at) + self._shift


def fill(hung: Iterable[Hung], portal: str) -> list[str]:
    """Write some hours of measurements into every channel that has none; return the names of those devices.

    `portal` is its address. Writes as the devices themselves would, with their write keys and over HTTP. Raises
    CannotRun.
    """
    filled = []
    for one in hung:
        key = _write_key(one)
        if key is None or not _is_empty(key.channel, key.value):
            continue
        _write(key.channel.number, key.value, one.thermometer, portal)
        filled.append(one.thermometer.name)
    return filled


def all_measure(hung: Iterable[Hung], *, since: datetime) -> bool:
    """Tell whether each of these has written something that was measured after that moment."""
    for one in hung:
        key = _write_key(one)
        if key is None:
            return False
        last = key.channel.account.on_platform.last_entries({key.channel.number: key.value}).get(key.channel.number)
        if last is None or last.created_at < since:
            return False
    return True


def _write_key(hung: Hung) -> ChannelKey | None:
    lookup = hung.customer.registration_key.lookup if hung.customer.registration_key else ""
    mine = ChannelKey.objects.writing().current().filter(channel__device__serial=hung.thermometer.serial)
    ours = mine.filter(channel__device__customer__all_registration_keys__lookup=lookup)
    return ours.select_related("channel__account").first()


def _is_empty(channel: Channel, key: str) -> bool:
    return not channel.account.on_platform.read_feed(channel.number, read_key=key, results=1).entries


def _write(channel: int, write_key: str, thermometer: Thermometer, portal: str) -> None:
    room = Room(thermometer)
    now = timezone.now().replace(microsecond=0)
    moments = [now - _EVERY * back for back in range(timedelta(hours=HOURS) // _EVERY, 0, -1)]
    updates = [{"created_at": moment.isoformat(), "field1": f"{room.measure(moment):.2f}"} for moment in moments]
    address = f"{portal}/channels/{channel}/bulk_update.json"
    with requests.Session() as session:
        session.trust_env = False  # A proxy that the environment names has no way to this machine.
        try:
            answer = session.post(address, json={"write_api_key": write_key, "updates": updates}, timeout=_TIMEOUT)
        except requests.RequestException:
            raise CannotRun(f"The portal does not take the measurements of {thermometer.name}.") from None
    if answer.status_code not in (200, 202):
        raise CannotRun(f"The portal does not take the measurements of {thermometer.name}: it answers {answer.text}")
