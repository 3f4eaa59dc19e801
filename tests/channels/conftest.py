from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from channels import thingspeak_http, thingspeak_reading
from channels.embedded import Embedded
from channels.platforms import Platform
from channels.thingspeak import ThingSpeak
from tests.channels.both_platforms import IN_PROCESS, OVER_HTTP
from tests.channels.scripted import ScriptedThingSpeak, scripted_thingspeak

# What must not appear anywhere else than on the wire.
ACCOUNT_KEY = "R9TUHWKR8OOQEHWU"
READ_KEY = "C0FPQ9W3ET7A4S2S"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedThingSpeak]:
    """A ThingSpeak on loopback that answers as the test tells it."""
    monkeypatch.setattr(thingspeak_http, "PAUSE", 0)
    with scripted_thingspeak() as script:
        yield script


@pytest.fixture
def thingspeak(script: ScriptedThingSpeak) -> ThingSpeak:
    return ThingSpeak(script.url)


@pytest.fixture
def in_process() -> Platform:
    return Embedded()


@pytest.fixture
def over_http(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The client, which asks anew each time."""
    monkeypatch.setattr(thingspeak_reading, "FRESH", 0)
    yield ThingSpeak(live_server.url)
    # A kept connection keeps a thread of the live server alive, and that one its connection to the test database.
    thingspeak_http.hang_up()


@pytest.fixture(params=[IN_PROCESS, OVER_HTTP])
def platform(request: pytest.FixtureRequest, settings: Settings) -> Platform:
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    found: Platform = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def account(platform: Platform) -> str:
    """An account key. On ThingSpeak people open accounts by hand; here the server does."""
    return Embedded().create_account("Homer")


@pytest.fixture
def another_account(platform: Platform) -> str:
    return Embedded().create_account("Carl")
