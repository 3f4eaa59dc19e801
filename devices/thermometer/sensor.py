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


class InventedRoom:
    """A room: warmest in the afternoon, coolest before dawn, and never quite still.

    The same seed gives the same curve, whenever somebody looks and however often: one who switches a thermometer off
    and on again sees it go on where it is by then.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        rng = random.Random(seed)  # noqa: S311 - a temperature is no secret
        self._level = rng.uniform(19.0, 22.0)
        self._swing = rng.uniform(1.5, 3.0)

    def measure(self, at: datetime) -> float:
        hour = at.astimezone(UTC).hour + at.minute / 60 + at.second / 3600
        daily = self._swing * math.sin((hour - 9.0) / 24.0 * 2 * math.pi)
        return self._level + daily + self._drift(at) + 0.03 * self._chance(at.isoformat())

    def _drift(self, at: datetime) -> float:
        """Doors, windows and cooking: somewhere else every ten minutes, and in between on the way there."""
        number, way = divmod(at.timestamp() / 600.0, 1.0)
        eased = (1.0 - math.cos(math.pi * way)) / 2
        return 0.4 * (self._chance(number) * (1.0 - eased) + self._chance(number + 1) * eased)

    def _chance(self, what: object) -> float:
        """Return a number that is always the same for the same thing, around 0 and seldom beyond -2 and 2."""
        return random.Random(f"{self._seed} {what}").gauss()  # noqa: S311


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
