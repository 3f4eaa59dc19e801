"""Real thermometers at the door: what they do while they wait, are refused or blocked, and that nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.platform.models import Entry
from devices import pending
from devices.models import Device as KnownDevice
from devices.models import PendingDevice, RegistrationKey, RegistrationPolicy
from tests.conftest import Cast
from tests.devices.in_process import Device, quick_derivation, quick_disk

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
SERIAL = "74743827342"
HOUR = timedelta(hours=1)
Admits = RegistrationPolicy.Admits


@pytest.fixture(autouse=True)
def in_its_own_time(time_machine: Any) -> Iterator[None]:
    time_machine.move_to(START, tick=False)
    with quick_derivation(), quick_disk():
        yield


@pytest.fixture
def device(simpsons: Cast, tmp_path: Path) -> Device:
    key = RegistrationKey.issue(simpsons.household)
    return Device(tmp_path, serial=SERIAL, registration_key=key.text, period=300.0)


def stored() -> Counter[str]:
    channel = KnownDevice.objects.get(serial=SERIAL).channel
    assert channel is not None
    return Counter(Entry.objects.filter(channel=channel.number).values_list("field1", flat=True))


def test_it_measures_while_it_waits_and_delivers_everything_when_it_is_let_in(
    simpsons: Cast, device: Device, time_machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    RegistrationPolicy.of(simpsons.home).change(Admits.APPROVED)
    device.run(3 * HOUR, time_machine)
    assert "waits for a manager to approve it" in caplog.text
    assert "at “Devices at the door”" in caplog.text
    waiting = PendingDevice.objects.get()
    # A minute apart at first, then a tenth of the time it has waited, a quarter of an hour at most.
    assert 15 <= waiting.times <= 40

    pending.approve(waiting, by=simpsons.homer)
    device.run(HOUR, time_machine)

    assert len(device.sensor.taken) == 4 * 12
    assert stored() == Counter(device.sensor.taken)


def test_it_is_asked_back_within_a_quarter_of_an_hour_after_days(
    simpsons: Cast, device: Device, time_machine: Any
) -> None:
    RegistrationPolicy.of(simpsons.home).change(Admits.APPROVED)
    device.run(timedelta(days=2), time_machine)
    pending.approve(PendingDevice.objects.get(), by=simpsons.homer)
    device.run(timedelta(minutes=20), time_machine)
    assert device.keys


def test_a_refused_one_says_so_on_its_console_and_loses_nothing(
    simpsons: Cast, device: Device, time_machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    RegistrationPolicy.of(simpsons.home).change(Admits.APPROVED)
    device.poll()
    pending.refuse(PendingDevice.objects.get(), by=simpsons.homer)
    device.run(6 * HOUR, time_machine)
    assert "A manager has refused this device." in caplog.text

    pending.approve(PendingDevice.objects.get(), by=simpsons.homer)
    device.run(2 * HOUR, time_machine)
    assert stored() == Counter(device.sensor.taken)


def test_a_closed_door_that_opens_again_has_cost_nothing(simpsons: Cast, device: Device, time_machine: Any) -> None:
    RegistrationPolicy.of(simpsons.home).change(Admits.NONE)
    device.run(6 * HOUR, time_machine)
    RegistrationPolicy.of(simpsons.home).change(Admits.ALL)
    device.run(2 * HOUR, time_machine)
    assert stored() == Counter(device.sensor.taken)
