"""The soak notices what is lost, what is doubled, who was left behind, and which old key still opens something."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from channels import renewal
from channels.models import ChannelKey
from devices import renewal as registration_keys
from devices.models import Device, RegistrationKey
from devices.thermometer.state import Credentials, Registration, State, StateStore
from soak import books
from soak.fleet import Folder
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.devices.in_process import quick_derivation

HOUR = timedelta(hours=1)


@pytest.fixture
def serial(simpsons: Cast, settings: Settings) -> str:
    settings.PLATFORM_UPDATE_INTERVAL = 0
    return simpsons.kitchen.serial


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    with quick_derivation():
        return RegistrationKey.issue(simpsons.home)


@pytest.fixture
def folder(tmp_path: Path, serial: str, key: RegistrationKey, live_server: LiveServer) -> Folder:
    """The files of the kitchen's thermometer, which has its newest keys and has measured three times."""
    folder = Folder(tmp_path, 0)
    folder.serials = [serial]
    learn(folder, key, live_server.url)
    for value in ("0.01", "0.02", "0.03"):
        assert write(folder, current(Device.objects.get(serial=serial).channel).value, value) == 200
    (tmp_path / f"{serial}.taken").write_text("0.01\n0.02\n0.03\n")
    return folder


def learn(folder: Folder, key: RegistrationKey, url: str) -> None:
    """Let the device know the newest write key and this registration key."""
    (serial,) = folder.serials
    channel = Device.objects.get(serial=serial).channel
    newest = current(channel)
    state = State(
        serial=serial,
        portal=url,
        registration=Registration(key.lookup, bytes(32)),
        period=1.0,
        place="",
        credentials=Credentials(channel.number, newest.value, newest.version, f"{url}/update"),
    )
    StateStore.create(folder.path / f"{serial}.json", state)


def write(folder: Folder, key: str, value: str) -> int:
    data = {"api_key": key, "field1": value}
    return requests.post(folder.update_url(folder.serials[0]), data, timeout=30).status_code


def write_as_the_device(folder: Folder, value: str) -> int:
    credentials = folder.state(folder.serials[0]).credentials
    assert credentials is not None
    return write(folder, credentials.write_key, value)


def test_a_good_end_is_called_good(folder: Folder, key: RegistrationKey) -> None:
    assert [*books.wrong_in_feeds(folder), *books.wrong_in_keys(folder, key)] == []


def test_a_lost_measurement_is_noticed(folder: Folder) -> None:
    (folder.path / f"{folder.serials[0]}.taken").write_text("0.01\n0.02\n0.03\n0.04\n")
    (found,) = books.wrong_in_feeds(folder)
    assert "lost ['0.04']" in found


def test_a_doubled_measurement_is_noticed(folder: Folder) -> None:
    assert write_as_the_device(folder, "0.02") == 200
    (found,) = books.wrong_in_feeds(folder)
    assert "too much ['0.02']" in found


def test_measurements_out_of_their_order_are_noticed(folder: Folder) -> None:
    (folder.path / f"{folder.serials[0]}.taken").write_text("0.02\n0.01\n0.03\n")
    (found,) = books.wrong_in_feeds(folder)
    assert "out of order" in found


def test_a_device_that_was_left_behind_is_noticed(folder: Folder, key: RegistrationKey) -> None:
    renewal.revoke(Device.objects.get(serial=folder.serials[0]).channel, by=None)
    found = list(books.wrong_in_keys(folder, key))
    assert found == [f"{folder.serials[0]} does not use its newest keys"]


def test_a_device_with_the_old_registration_key_is_noticed(folder: Folder, key: RegistrationKey) -> None:
    with quick_derivation():
        newest = registration_keys.renew(key, by=None)
    assert list(books.wrong_in_keys(folder, newest)) == [f"{folder.serials[0]} does not use its newest keys"]


def test_a_renewal_that_is_not_over_and_an_old_key_that_writes_are_noticed(
    folder: Folder, key: RegistrationKey, live_server: LiveServer
) -> None:
    renewal.renew(Device.objects.get(serial=folder.serials[0]).channel, by=None, overlap=HOUR)
    learn(folder, key, live_server.url)
    assert list(books.wrong_in_keys(folder, key)) == [
        "1 renewals are not over",
        f"write key 1 of channel {ChannelKey.objects.get(version=2).channel} is retiring, and answered 200",
    ]


def test_an_old_registration_key_that_is_answered_is_noticed(
    folder: Folder, key: RegistrationKey, live_server: LiveServer
) -> None:
    with quick_derivation():
        newest = registration_keys.renew(key, by=None, until=timezone.now() + HOUR)
    (found,) = books.wrong_in_registration_keys(live_server.url, newest)
    assert found == f"the old registration key {key} is answered with 200"
    registration_keys.end(RegistrationKey.objects.get(pk=key.pk), by=None)
    assert list(books.wrong_in_registration_keys(live_server.url, newest)) == []
