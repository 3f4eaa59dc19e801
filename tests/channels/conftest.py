from __future__ import annotations

from collections.abc import Iterator

import pytest

from channels import thingspeak_http
from channels.thingspeak import ThingSpeak
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
