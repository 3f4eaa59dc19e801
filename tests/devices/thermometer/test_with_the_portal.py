"""The thermometer and the real portal with its embedded platform, over HTTP."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from channels.platform.models import Entry
from devices.models import Device, RegistrationKey
from devices.thermometer.state import Registration, State, StateStore
from devices.thermometer.thermometer import Thermometer
from tests.devices.thermometer.conftest import CountingSensor, bare_session
from tests.devices.thermometer.world import FakeClock
from tests.factories import PlatformAccountFactory, RegistrationKeyFactory

SERIAL = "74743827342"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(live_server: LiveServer, settings: Settings) -> RegistrationKey:
    settings.PUBLIC_URL = live_server.url
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    settings.PLATFORM_BULK_INTERVAL = 0.0
    account = PlatformAccountFactory()
    return RegistrationKeyFactory(organization=account.organization)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
def store(key: RegistrationKey, live_server: LiveServer, tmp_path: Path) -> StateStore:
    registration = Registration(key.lookup, key.envelope_key)
    return StateStore.create(
        tmp_path / "thermometer.json", State(SERIAL, live_server.url, registration, 1.0, "Springfield")
    )


def run(store: StateStore, clock: FakeClock, sensor: CountingSensor, session: requests.Session, count: int) -> None:
    thermometer = Thermometer(store, sensor=sensor, session=session, clock=clock, rng=random.Random(1), count=count)
    for _ in range(500):
        clock.advance(max(thermometer.step(), 0.001))
        if thermometer.is_finished:
            break
    assert len(thermometer.outbox) == 0


def stored() -> list[str]:
    """All values of the device's channel by their times; read feeds leave out what seems to be in the future."""
    channel = Device.objects.get(serial=SERIAL).channel
    entries = Entry.objects.filter(channel_id=channel.number).order_by("created_at")
    return list(entries.values_list("field1", flat=True))


def one_shot_session() -> requests.Session:
    """A session whose connections end with the answer, and with them the server's thread and its database's use."""
    session = bare_session()
    session.headers["Connection"] = "close"
    return session


class LosesAnswers(requests.adapters.HTTPAdapter):
    """The request arrives and is done; every third answer is lost."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.sent = 0

    def send(self, request: requests.PreparedRequest, *args: object, **options: object) -> requests.Response:
        response = super().send(request, *args, **options)  # type: ignore[arg-type]
        if self._path in str(request.url):
            self.sent += 1
            if self.sent % 3 == 1:
                response.close()
                raise requests.ConnectionError("lost")
        return response


def losing(path: str) -> requests.Session:
    session = one_shot_session()
    session.mount("http://", LosesAnswers(path))
    return session


def test_it_registers_and_what_it_measures_is_in_the_feed(store: StateStore, clock: FakeClock) -> None:
    sensor = CountingSensor()
    run(store, clock, sensor, one_shot_session(), 3)

    device = Device.objects.get(serial=SERIAL)
    assert store.state.credentials is not None
    assert store.state.credentials.channel == device.channel.number
    assert stored() == sensor.taken == ["1.00", "2.00", "3.00"]


def test_at_the_next_power_up_the_portal_confirms_its_key(store: StateStore, clock: FakeClock) -> None:
    sensor = CountingSensor()
    run(store, clock, sensor, one_shot_session(), 1)
    seen: list[int] = []
    session = one_shot_session()
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    run(StateStore.load(store.path), clock, sensor, session, 1)

    assert seen[0] == 304
    assert stored() == sensor.taken


def test_lost_answers_of_single_writes_double_nothing(store: StateStore, clock: FakeClock) -> None:
    sensor = CountingSensor()
    run(store, clock, sensor, losing("/update"), 10)

    assert stored() == sensor.taken


def test_lost_answers_of_bulk_writes_double_nothing(store: StateStore, clock: FakeClock) -> None:
    sensor = CountingSensor()
    offline = Thermometer(store, sensor=sensor, session=losing(""), clock=clock, rng=random.Random(1), count=40)
    offline.registrar.due_at = float("inf")
    while offline.measured < 40:
        clock.advance(offline.step())
    assert len(offline.outbox) == 40

    session = losing("bulk_update")
    run(StateStore.load(store.path), clock, sensor, session, 1)

    adapter = session.get_adapter(store.state.portal)
    assert isinstance(adapter, LosesAnswers)
    assert adapter.sent >= 1
    assert stored() == sensor.taken


def test_a_revoked_registration_key_is_said_and_the_channel_goes_on(
    store: StateStore, clock: FakeClock, key: RegistrationKey, caplog: pytest.LogCaptureFixture
) -> None:
    sensor = CountingSensor()
    run(store, clock, sensor, one_shot_session(), 1)
    RegistrationKey.objects.filter(pk=key.pk).update(revoked_at=datetime.now(UTC) - timedelta(minutes=1))
    run(StateStore.load(store.path), clock, sensor, one_shot_session(), 2)

    assert "does not accept the registration key" in caplog.text
    assert stored() == sensor.taken
