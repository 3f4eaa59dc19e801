"""A thermometer on a loopback world, driven step by step on a clock that tests set."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
import requests

from devices.thermometer.state import State, StateStore
from devices.thermometer.thermometer import Thermometer
from tests.devices.thermometer.world import KEY, SERIAL, FakeClock, World, derive


class CountingSensor:
    """Gives 1.00, 2.00, 3.00, …: each measurement can be recognized, and none be mistaken for another."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def measure(self, at: datetime) -> float:
        self.taken.append(f"{len(self.taken) + 1:.2f}")
        return float(len(self.taken))


def bare_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy of the machine stands between the tests and the loopback
    return session


@dataclass
class Bench:
    """A thermometer on the test bench."""

    world: World
    clock: FakeClock
    path: Path
    sensor: CountingSensor = field(default_factory=CountingSensor)
    thermometer: Thermometer = field(init=False)
    waits: list[float] = field(default_factory=list)

    def configure(self, *, period: float = 15.0, url: str | None = None) -> None:
        state = State(SERIAL, url or self.world.url, derive(KEY), period, "Springfield", set_by_hand=KEY.lookup)
        StateStore.create(self.path, state)

    def power_up(self, **options: object) -> Thermometer:
        """Start, or start again after a power cut: what is not on the disk is gone."""
        options.setdefault("rng", random.Random(1))
        self.thermometer = Thermometer(
            StateStore.load(self.path),
            sensor=self.sensor,
            session=bare_session(),
            clock=self.clock,
            derive=derive,
            **options,
        )
        return self.thermometer

    def run_for(self, seconds: float) -> None:
        """Let that much time pass, doing what is due, up to the last moment itself."""
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) >= 0:
            wait = self.thermometer.step()
            self.waits.append(wait)
            if wait > left:
                self.clock.advance(left)
                return
            # What takes no time in a test would take some in the world.
            self.clock.advance(max(wait, 0.001))

    @property
    def state(self) -> State:
        """What is on the disk."""
        return StateStore.load(self.path).state

    @property
    def stored(self) -> list[str]:
        return self.world.feed


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> Iterator[World]:
    world = World(clock)
    yield world
    world.close()


@pytest.fixture
def bench(world: World, clock: FakeClock, tmp_path: Path) -> Bench:
    bench = Bench(world, clock, tmp_path / "thermometer.json")
    bench.configure()
    bench.power_up()
    return bench
