"""Where temperatures come from: the weather somewhere, or a believable invention."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime
from typing import Protocol

import requests

from devices.thermometer.clock import Clock
from devices.thermometer.exchange import NoAnswer, exchange

OPENWEATHERMAP = "https://api.openweathermap.org"
_WEATHER_LASTS = 600.0
"""Seconds. OpenWeatherMap itself renews its readings every ten minutes and counts every call."""


class NoReading(Exception):
    """The sensor has no temperature to give now. The message is for people."""


class Sensor(Protocol):
    def measure(self, at: datetime) -> float:
        """Return the temperature in °C. Raises NoReading."""


class RandomWalk:
    """A room: warmest in the afternoon, coolest before dawn, and never quite still.

    The same seed gives the same curve: the level and the swing of the room come from it, and so does the noise.
    """

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a temperature is no secret
        self._level = self._rng.uniform(19.0, 22.0)
        self._swing = self._rng.uniform(1.5, 3.0)
        self._drift = 0.0
        self._last: datetime | None = None

    def measure(self, at: datetime) -> float:
        hour = at.astimezone(UTC).hour + at.minute / 60 + at.second / 3600
        daily = self._swing * math.sin((hour - 9.0) / 24.0 * 2 * math.pi)
        elapsed = min(3600.0, max(1.0, (at - self._last).total_seconds())) if self._last else 3600.0
        self._last = at
        # The drift returns to the curve with a time constant of 20 minutes, whatever the time between two readings.
        kept = math.exp(-elapsed / 1200.0)
        self._drift = self._drift * kept + self._rng.gauss(0.0, 0.4 * math.sqrt(1 - kept * kept))
        return self._level + daily + self._drift + self._rng.gauss(0.0, 0.03)


class OpenWeatherMap:
    """The temperature outdoors at a place, from OpenWeatherMap's current weather (https://openweathermap.org/current)."""

    def __init__(
        self, session: requests.Session, *, key: str, place: str, clock: Clock, base_url: str = OPENWEATHERMAP
    ) -> None:
        """`place` is what OpenWeatherMap calls `q`: a city, or city and country, like `Springfield,US`."""
        self._session = session
        self._key = key
        self._place = place
        self._clock = clock
        self._address = base_url.rstrip("/") + "/data/2.5/weather"
        self._reading: tuple[float, float] | None = None

    def measure(self, at: datetime) -> float:
        now = self._clock.monotonic()
        if self._reading is not None and now - self._reading[0] < _WEATHER_LASTS:
            return self._reading[1]
        temperature = self._ask()
        self._reading = (now, temperature)
        return temperature

    def _ask(self) -> float:
        params = {"q": self._place, "units": "metric", "appid": self._key}
        try:
            answer = exchange(self._session, "GET", self._address, params=params)
        except NoAnswer as error:
            raise NoReading(f"No weather: {error}") from None
        match answer.status:
            case 200:
                pass
            case 401:
                raise NoReading("OpenWeatherMap does not accept the key given with --openweathermap-key.")
            case 404:
                raise NoReading(f"OpenWeatherMap does not know the place {self._place!r}. Try a form like Oslo,NO.")
            case 429:
                raise NoReading("OpenWeatherMap's limit of calls for this key is used up for now.")
            case status:
                raise NoReading(f"OpenWeatherMap cannot answer now ({status}).")
        try:
            temperature = float(json.loads(answer.text)["main"]["temp"])
        except (ValueError, TypeError, KeyError, RecursionError):
            temperature = math.nan
        if not -100.0 < temperature < 100.0:
            raise NoReading("OpenWeatherMap's answer holds no temperature.")
        return temperature
