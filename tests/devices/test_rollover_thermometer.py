"""The real thermometer on a ThingSpeak over HTTP, whose keys cannot be renewed from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.embedded import Embedded
from channels.models import Channel, PlatformAccount
from channels.platform.models import Entry
from channels.sync import sync
from devices import rollover, rollover_run
from devices.latest import feed_of
from devices.models import Device as OurDevice
from devices.models import RegistrationKey
from devices.rollover_models import RollOverState
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.devices.in_process import Device, quick_derivation, quick_disk

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
SERIAL = "74743827342"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def in_its_own_time(time_machine) -> Iterator[None]:
    time_machine.move_to(START, tick=False)
    with quick_derivation(), quick_disk():
        yield


@pytest.fixture
def device(thingspeak_over_http: PlatformAccount, simpsons: Cast, tmp_path: Path, time_machine: Any) -> Device:
    key = RegistrationKey.issue(simpsons.household)
    device = Device(tmp_path, serial=SERIAL, registration_key=key.text)
    device.run(HOUR, time_machine)
    assert device.state.credentials is not None
    return device


def ours() -> OurDevice:
    return OurDevice.objects.select_related("organization", "channel__account").get(serial=SERIAL)


def stored_in(*channels: Channel) -> Counter[str]:
    entries = Entry.objects.filter(channel__in=[channel.number for channel in channels])
    return Counter(entries.values_list("field1", flat=True))


def test_it_follows_to_another_channel_and_every_measurement_is_there_once(
    device: Device, simpsons: Cast, time_machine
) -> None:
    old = ours().channel
    rollover.start(ours(), by=simpsons.homer, keep_old=True)
    new = ours().channel
    device.run(2 * DAY, time_machine)
    assert device.state.credentials is not None
    assert device.state.credentials.channel == new.number
    assert rollover_run.carry_on().left == 1
    device.run(DAY, time_machine)
    assert device.wire.refused_writes == 0
    assert stored_in(old, new) == Counter(device.sensor.taken)
    assert stored_in(new)
    shown = [entry.values[1] for entry in feed_of(new, results=8000).entries]
    assert shown == device.sensor.taken, "one chart, in order"


def test_what_it_could_not_send_goes_to_the_new_channel(device: Device, simpsons: Cast, time_machine) -> None:
    old = ours().channel
    device.wire.platform_is_away = True
    device.run(4 * HOUR, time_machine)
    rollover.start(ours(), by=simpsons.homer, keep_old=True)
    device.poll()
    device.wire.platform_is_away = False
    device.run(2 * HOUR, time_machine)
    assert stored_in(old, ours().channel) == Counter(device.sensor.taken)


def test_an_answer_that_was_lost_during_the_move_doubles_nothing(device: Device, simpsons: Cast, time_machine) -> None:
    """It may have been stored in the old channel; there it is asked again, as long as that is there."""
    old = ours().channel
    device.wire.answers_to_lose = 1
    device.run(timedelta(minutes=31), time_machine)
    device.wire.platform_is_away = True
    device.run(timedelta(minutes=1), time_machine)
    rollover.start(ours(), by=simpsons.homer, keep_old=True)
    device.poll()
    device.wire.platform_is_away = False
    device.run(3 * HOUR, time_machine)
    assert stored_in(old, ours().channel) == Counter(device.sensor.taken)


def test_in_an_emergency_the_old_channel_is_deleted_at_once_and_the_device_learns_of_it_by_the_refusal(
    device: Device, simpsons: Cast, time_machine
) -> None:
    old = ours().channel
    before = stored_in(old)
    going = rollover.start(ours(), by=simpsons.homer, keep_old=False, overlap=timedelta(0))
    assert going.state == RollOverState.DONE
    assert old.number not in {channel.number for channel in Embedded().list_channels(old.account.key)}
    device.run(3 * HOUR, time_machine)
    assert device.wire.refused_writes > 0
    assert stored_in(ours().channel) == Counter(device.sensor.taken) - before


def test_a_key_that_homer_regenerates_there_reaches_the_device_and_nothing_is_lost(
    device: Device, thingspeak_over_http: PlatformAccount, time_machine
) -> None:
    """The whole chain: the old key is refused, the portal notices the new one, the device fetches it."""
    channel = ours().channel
    Embedded().rotate_write_key(thingspeak_over_http.key, channel.number, overlap=timedelta(0))
    device.run(HOUR, time_machine)
    assert device.wire.refused_writes > 0
    assert stored_in(channel) != Counter(device.sensor.taken)

    assert sync(thingspeak_over_http).write_keys == 1
    device.run(2 * HOUR, time_machine)
    assert device.keys[0] == current(channel).value
    assert stored_in(channel) == Counter(device.sensor.taken)


def test_a_device_whose_channel_was_deleted_there_goes_on_with_what_it_has_kept(
    device: Device, thingspeak_over_http: PlatformAccount, simpsons: Cast, time_machine
) -> None:
    old = ours().channel
    before = stored_in(old)
    Embedded().delete_channel(thingspeak_over_http.key, old.number)
    device.run(2 * HOUR, time_machine)
    assert sync(thingspeak_over_http).missing == 1
    rollover.start(ours(), by=simpsons.homer, keep_old=True)
    device.run(2 * HOUR, time_machine)
    assert stored_in(ours().channel) == Counter(device.sensor.taken) - before
