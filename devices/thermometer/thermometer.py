"""The thermometer itself: measures, registers and delivers, one step at a time."""

from __future__ import annotations

import logging
import math
import random
import secrets
from collections.abc import Callable, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from devices.registration_key_text import RegistrationKeyText
from devices.thermometer.clock import Clock, SystemClock
from devices.thermometer.delivery import Delivery
from devices.thermometer.outbox import Outbox
from devices.thermometer.registrar import DAY, Registrar
from devices.thermometer.sensor import InventedRoom, NoReading, Sensor
from devices.thermometer.state import Registration, StateStore

LONGEST_STEP = 3600.0
"""Seconds that `step` asks its caller to wait at most."""


def outbox_beside(state_file: Path) -> Path:
    """Return where the unsent measurements of the thermometer with this state file are kept."""
    return state_file.with_name(state_file.name + ".outbox")


def lock_beside(state_file: Path) -> Path:
    """Return the file whose lock the process that runs the thermometer with this state file holds."""
    return state_file.with_name(state_file.name + ".lock")


class _SaysWho(logging.LoggerAdapter[logging.Logger]):
    """Begins each message with the serial number: a fleet writes into one log."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return f"{self.extra['serial'] if self.extra else ''}: {msg}", kwargs


class Thermometer:
    """A thermometer that is configured. Call `step` again after the seconds that it returns; it never waits itself.

    All that it needs of the world is given to it, so that a program can drive it through years in a moment: the clock,
    the randomness, the HTTP session (whose hooks may watch the requests) and the sensor.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        sensor: Sensor | None = None,
        session: requests.Session | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        count: int | None = None,
        poll_every: float = DAY,
        make_nonce: Callable[[], str] = lambda: secrets.token_hex(16),
        derive: Callable[[RegistrationKeyText], Registration] = Registration.from_text,
    ) -> None:
        """`count` is how many measurements to take (None: without end), `poll_every` the seconds between two polls.

        Raises OSError if the unsent measurements cannot be read.
        """
        self.store = store
        self.outbox = Outbox(outbox_beside(store.path))
        self._clock = clock or SystemClock()
        self._sensor = sensor or InventedRoom(store.state.serial)
        self._count = count
        self._log = _SaysWho(logging.getLogger("devices.thermometer"), {"serial": store.state.serial})
        session = session or requests.Session()
        rng = rng or random.Random()  # noqa: S311 - spreads waiting times, decides nothing secret
        self.registrar = Registrar(
            store=store,
            session=session,
            clock=self._clock,
            rng=rng,
            log=self._log,
            poll_every=poll_every,
            make_nonce=make_nonce,
            derive=derive,
        )
        self.delivery = Delivery(
            store=store, outbox=self.outbox, session=session, clock=self._clock, rng=rng, log=self._log
        )
        self._measure_at = self._clock.monotonic()
        self.measured = 0

    @property
    def now(self) -> datetime:
        """The moment in UTC, after the correction that the portal's clock calls for."""
        return self.store.state.corrected(self._clock.now())

    @property
    def is_finished(self) -> bool:
        """Whether all measurements that were asked for are taken, and delivered as far as the platform takes them."""
        return self._count is not None and self.measured >= self._count and self.delivery.is_idle

    def step(self) -> float:
        """Do what is due, each thing at most once, and return the seconds until something is due again.

        Measuring comes first: whatever the network does, what was measured is on the disk before anything is sent.
        """
        if self._measure_at <= self._clock.monotonic():
            self._measure()
        if self.registrar.due_at <= self._clock.monotonic():
            news = self.registrar.attempt()
            if news.clock_moved:
                self.outbox.correct(news.clock_moved)
        if self.delivery.due_at() <= self._clock.monotonic():
            outcome = self.delivery.attempt()
            if outcome.ask_portal:
                self.registrar.ask_afresh()
            elif outcome.renewal_pending:
                self.registrar.hint()
        due = min(self._measure_at, self.registrar.due_at, self.delivery.due_at())
        return min(LONGEST_STEP, max(0.0, due - self._clock.monotonic()))

    def run(self, wait: Callable[[float], bool]) -> None:
        """Step until `is_finished`, or until `wait(seconds)` returns True, as a stop event's `Event.wait` does."""
        while True:
            delay = self.step()
            if self.is_finished or wait(delay):
                return

    def _measure(self) -> None:
        if self._count is not None and self.measured >= self._count:
            self._measure_at = math.inf
            return
        period, now = self.store.state.period, self._clock.monotonic()
        self._measure_at += period
        if self._measure_at <= now:
            # After a standstill (a laptop that slept) the missed ones are skipped, not made up for.
            self._measure_at = now + period
        try:
            value = self._sensor.measure(self.now)
        except NoReading as problem:
            self._log.warning("%s", problem)
            return
        self.outbox.add(f"{value:.2f}", self.now)
        self.measured += 1
