"""A real software thermometer against the real portal and platform, in one process and in a time of their own."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import requests
from django.test import Client
from django.utils import timezone
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from devices.registration_key_text import RegistrationKeyText
from devices.thermometer.state import Registration, State, StateStore
from devices.thermometer.thermometer import Thermometer
from tests.channels.renewing import ProcessDied

PORTAL = "http://localhost:8080"
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@cache
def _client() -> Client:
    """One for all: each new one loads the middleware anew, and with it the list of all static files."""
    return Client()


class TestClock:
    """The test's time; the device's idea of it may be `wrong_by`."""

    __test__ = False

    def __init__(self) -> None:
        self.wrong_by = timedelta(0)

    def now(self) -> datetime:
        return timezone.now() + self.wrong_by

    def monotonic(self) -> float:
        return (timezone.now() - _EPOCH).total_seconds()


class Wire(BaseAdapter):
    """Carries requests to Django without a socket. Parts of the world can be away, and answers can be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.portal_is_away = False
        self.platform_is_away = False
        self.answers_to_lose = 0
        self.refused_writes = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        is_for_the_portal = "/devices/" in parts.path
        if self.portal_is_away if is_for_the_portal else self.platform_is_away:
            raise requests.exceptions.ConnectionError
        headers = {k: str(v) for k, v in request.headers.items() if k.lower() not in ("content-type", "content-length")}
        try:
            answer = _client().generic(
                request.method or "GET",
                parts.path,
                request.body or b"",
                content_type=request.headers.get("Content-Type", ""),
                headers=headers,
                QUERY_STRING=parts.query,
            )
        except ProcessDied:
            raise requests.exceptions.ConnectionError from None
        if not is_for_the_portal and answer.status_code == 400:
            self.refused_writes += 1
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise requests.exceptions.ConnectionError
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers = CaseInsensitiveDict(answer.items())
        response.raw = HTTPResponse(body=io.BytesIO(answer.content), preload_content=False)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        pass


class Counting:
    """A sensor whose values are all different, so that each can be found again."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def measure(self, at: datetime) -> float:
        value = len(self.taken) / 100
        self.taken.append(f"{value:.2f}")
        return value


class Device:
    """A thermometer with a power switch. What it knows after a power cut is what its files hold."""

    def __init__(self, folder: Path, *, serial: str, registration_key: str, period: float = 1800.0) -> None:
        self.path = folder / f"{serial}.json"
        self.clock = TestClock()
        self.wire = Wire()
        self.sensor = Counting()
        registration = Registration.from_text(RegistrationKeyText.parse(registration_key))
        state = State(serial=serial, portal=PORTAL, registration=registration, period=period, place="", set_by_hand="")
        StateStore.create(self.path, state)
        self.switch_on()

    def switch_on(self) -> None:
        """Start, with nothing but what the files hold."""
        session = requests.Session()
        session.mount("http://", self.wire)
        self.thermometer = Thermometer(
            StateStore.load(self.path),
            sensor=self.sensor,
            session=session,
            clock=self.clock,
            rng=random.Random(7),
            derive=Registration.from_text,
        )

    @property
    def state(self) -> State:
        return self.thermometer.store.state

    @property
    def keys(self) -> list[str]:
        """The write keys that it would try, the best first."""
        return [known.write_key for known in (self.state.credentials, self.state.previous) if known]

    def run(self, duration: timedelta, traveller: Any) -> None:
        """Let it run for that time, which passes meanwhile."""
        until = timezone.now() + duration
        while True:
            wait = max(0.01, self.thermometer.step())
            left = (until - timezone.now()).total_seconds()
            traveller.shift(timedelta(seconds=min(wait, left)))
            if wait >= left:
                return

    def poll(self) -> None:
        """Ask the portal now, as after switching on."""
        self.thermometer.registrar.due_at = self.clock.monotonic()
        self.thermometer.step()


def quick_derivation() -> Any:
    """Derive envelope keys in no time: how long it takes protects against guessing, and nobody guesses here."""
    return patch("devices.registration_key_text.ITERATIONS", 1)


def quick_disk() -> Any:
    """Do not wait for the disk: no power fails here."""
    return patch("devices.thermometer.durable.os.fsync")
