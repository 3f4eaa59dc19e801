"""Temperatures: from OpenWeatherMap, or invented and believable."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from devices.thermometer.sensor import InventedRoom, NoReading, OpenWeatherMap
from tests.devices.thermometer.conftest import bare_session
from tests.devices.thermometer.world import FakeClock, Reply, World

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def day(seed: str, every: int = 60) -> list[float]:
    room = InventedRoom(seed)
    return [room.measure(MIDNIGHT + timedelta(seconds=second)) for second in range(0, 86400, every)]


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    assert day("kitchen") == day("kitchen")
    assert day("kitchen") != day("bedroom")


def test_a_thermometer_that_was_off_goes_on_where_it_would_be_by_then() -> None:
    noon = MIDNIGHT + timedelta(hours=12)
    assert InventedRoom("kitchen").measure(noon) == day("kitchen")[12 * 60]


@pytest.mark.parametrize("seed", [f"room {number}" for number in range(20)])
def test_a_room_stays_a_room_and_changes_slowly(seed: str) -> None:
    temperatures = day(seed)

    assert all(12 < temperature < 30 for temperature in temperatures)
    assert max(abs(a - b) for a, b in itertools.pairwise(temperatures)) < 1.0
    assert len(set(temperatures)) > 1000


@pytest.mark.parametrize("seed", ["kitchen", "bedroom", "garage"])
def test_afternoons_are_warmer_than_nights(seed: str) -> None:
    temperatures = day(seed)

    assert sum(temperatures[13 * 60 : 17 * 60]) > sum(temperatures[1 * 60 : 5 * 60])


@pytest.fixture
def weather(world: World, clock: FakeClock) -> OpenWeatherMap:
    return OpenWeatherMap(
        bare_session(), key="owm-secret", place="Springfield,US", clock=clock, base_url=world.url + "/"
    )


def answers(world: World, status: int, body: object) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    world.faults.append(lambda request: Reply(status, text, {}, "application/json"))


def test_the_temperature_of_the_place_is_asked_for_in_celsius(world: World, weather: OpenWeatherMap) -> None:
    answers(world, 200, {"main": {"temp": -3.5}})

    assert weather.measure(MIDNIGHT) == -3.5
    assert world.requests[0].path == "/data/2.5/weather"
    assert world.requests[0].query == {"q": "Springfield,US", "units": "metric", "appid": "owm-secret"}


def test_it_is_asked_every_ten_minutes_however_often_is_measured(
    world: World, weather: OpenWeatherMap, clock: FakeClock
) -> None:
    answers(world, 200, {"main": {"temp": 10}})
    answers(world, 200, {"main": {"temp": 11}})
    readings = []
    for _ in range(11):
        readings.append(weather.measure(MIDNIGHT))
        clock.advance(60)

    assert readings == [10.0] * 10 + [11.0]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"message": "Invalid API key"}, "does not accept the key"),
        (404, {"message": "city not found"}, "does not know the place 'Springfield,US'"),
        (429, {}, "used up"),
        (500, "", "cannot answer now"),
        (200, "<html>", "holds no temperature"),
        (200, {"main": {}}, "holds no temperature"),
        (200, {"main": {"temp": None}}, "holds no temperature"),
        (200, [], "holds no temperature"),
        (200, {"main": {"temp": 290.15}}, "holds no temperature"),
        (200, '{"main":{"temp":NaN}}', "holds no temperature"),
    ],
)
def test_without_a_temperature_it_says_why(
    world: World, weather: OpenWeatherMap, status: int, body: object, words: str
) -> None:
    answers(world, status, body)

    with pytest.raises(NoReading, match=words):
        weather.measure(MIDNIGHT)


def test_an_absent_weather_service_is_said_without_the_key(world: World, weather: OpenWeatherMap) -> None:
    world.is_down = True

    with pytest.raises(NoReading, match="cannot be reached") as problem:
        weather.measure(MIDNIGHT)
    assert "owm-secret" not in str(problem.value)
    assert problem.value.__cause__ is None
