"""What goes wrong in the world during a renewal, with the real thermometer, and how it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from channels import renewal
from channels.models import Channel, Finding, RenewalPolicy
from channels.platform.models import Entry
from devices import renewal_run
from devices.models import RegistrationKey
from tests.channels.renewing import current, writes
from tests.conftest import Cast
from tests.devices.in_process import Device, quick_derivation, quick_disk

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
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKey.issue(simpsons.household)


@pytest.fixture
def device(key: RegistrationKey, tmp_path: Path, time_machine: Any) -> Device:
    device = Device(tmp_path, serial=SERIAL, registration_key=key.text)
    device.run(HOUR, time_machine)
    return device


def channel() -> Channel:
    return Channel.objects.select_related("account").get(device__serial=SERIAL)


def assert_everything_arrived_once(*devices: Device) -> None:
    stored = Entry.objects.filter(channel=channel().number).values_list("field1", flat=True)
    assert Counter(stored) == sum((Counter(device.sensor.taken) for device in devices), Counter())


def test_a_device_learns_of_its_new_key_from_the_answer_to_a_write(device: Device, time_machine) -> None:
    old = current(channel())
    renewal.renew(channel(), by=None, overlap=7 * DAY)
    device.run(HOUR, time_machine)
    assert device.keys[0] == current(channel()).value
    renewal_run.run()
    assert not writes(old)
    device.run(HOUR, time_machine)
    assert device.wire.refused_writes == 0, "it never had to be refused to learn of it"
    assert_everything_arrived_once(device)


def test_a_device_that_was_off_during_the_whole_transitional_period_is_back(device: Device, time_machine) -> None:
    renewal.renew(channel(), by=None, overlap=DAY)
    time_machine.shift(30 * DAY)
    renewal_run.run()
    assert not any(writes(value) for value in device.keys)
    device.switch_on()
    device.run(HOUR, time_machine)
    assert device.keys[0] == current(channel()).value
    assert_everything_arrived_once(device)


def test_a_device_that_only_lost_sight_of_the_portal_keeps_what_it_measures(device: Device, time_machine) -> None:
    """It cannot fetch the new key while the old one ends under it."""
    device.wire.portal_is_away = True
    renewal.renew(channel(), by=None, overlap=DAY)
    device.run(3 * DAY, time_machine)
    renewal_run.run()
    assert not any(writes(value) for value in device.keys)
    device.wire.portal_is_away = False
    device.run(3 * HOUR, time_machine)
    assert_everything_arrived_once(device)


@pytest.mark.parametrize("wrong_by", [timedelta(days=-3000), timedelta(days=3000), timedelta(minutes=-5)])
def test_a_wrong_clock_changes_nothing(device: Device, time_machine, wrong_by: timedelta) -> None:
    device.clock.wrong_by = wrong_by
    device.switch_on()
    device.run(HOUR, time_machine)
    renewal.renew(channel(), by=None, overlap=DAY)
    device.run(2 * HOUR, time_machine)
    renewal_run.run()
    device.run(2 * HOUR, time_machine)
    assert device.keys[0] == current(channel()).value
    assert_everything_arrived_once(device)


def test_of_two_devices_with_one_serial_number_both_go_on_and_the_manager_is_told(
    device: Device, key: RegistrationKey, tmp_path: Path, time_machine
) -> None:
    clone = Device(tmp_path / "clone", serial=SERIAL, registration_key=key.text)
    clone.run(HOUR, time_machine)
    assert not Finding.objects.exists()
    renewal.renew(channel(), by=None, overlap=DAY)
    device.run(HOUR, time_machine)
    device.poll()  # and so says that it has the new one
    assert not Finding.objects.exists()
    clone.poll()
    (finding,) = Finding.objects.open()
    assert (finding.kind, finding.channel) == (Finding.Kind.CLONED, channel())
    assert "serial number" in str(finding.remedy)
    renewal_run.run()
    for one in (device, clone):
        one.run(HOUR, time_machine)
        assert one.keys[0] == current(channel()).value


def test_one_device_through_many_renewals_is_never_taken_for_two(device: Device, time_machine) -> None:
    for _renewal in range(4):
        renewal.renew(channel(), by=None, overlap=DAY)
        device.wire.answers_to_lose = 2
        device.run(HOUR, time_machine)
        device.switch_on()
        device.run(HOUR, time_machine)
        renewal_run.run()
    assert current(channel()).version == 5
    assert not Finding.objects.exists()
    assert_everything_arrived_once(device)


def test_a_change_to_the_policy_in_the_middle_of_a_renewal_harms_no_device(
    device: Device, simpsons: Cast, time_machine
) -> None:
    policy = RenewalPolicy.objects.create(organization=simpsons.household, write_every=30, overlap=7 * DAY)
    device.wire.portal_is_away = True
    time_machine.shift(30 * DAY)
    renewal_run.run()
    old = current(channel()).version - 1
    RenewalPolicy.objects.filter(pk=policy.pk).update(write_every=1, overlap=HOUR, paused=False)
    time_machine.shift(2 * DAY)
    renewal_run.run()
    assert any(writes(value) for value in device.keys), "it was promised seven days, and has them"
    device.wire.portal_is_away = False
    device.switch_on()
    device.run(3 * HOUR, time_machine)
    assert current(channel()).version > old
    assert_everything_arrived_once(device)
