"""Getting measurements to the platform: each exactly once, in order, at the pace that the platform sets."""

from __future__ import annotations

import contextlib
import logging
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import requests

from devices.thermometer import platform
from devices.thermometer.backoff import Backoff
from devices.thermometer.clock import Clock
from devices.thermometer.outbox import Measurement, Outbox
from devices.thermometer.platform import Verdict, WriteResult
from devices.thermometer.registrar import in_words
from devices.thermometer.state import Credentials, StateStore

BULK_INTERVAL = 15.0
"""Seconds between two bulk writes (ThingSpeak: for every licence)."""
BULK_LIMIT = 960
"""Measurements in a bulk write at most (ThingSpeak, free licence)."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0  # ThingSpeak's interval for a free licence, the longest there is
_FASTER_AFTER = 20
"""Stored writes in a row after which a shorter pause is tried: "too early" may have been a clone's fault."""


_LOST_AFTER = 8
"""Failures in a row after which the portal is asked whether the platform has another address by now."""


@dataclass(frozen=True)
class Outcome:
    """What the thermometer must know of an attempt beside that it was made.

    `ask_portal` says that the device's key or the platform's address does not work.
    """

    ask_portal: bool = False
    renewal_pending: bool = False


class Delivery:
    """Sends what is in the outbox with the best key there is. `delivered` counts what the platform has confirmed."""

    def __init__(
        self,
        *,
        store: StateStore,
        outbox: Outbox,
        session: requests.Session,
        clock: Clock,
        rng: random.Random,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._session = session
        self._clock = clock
        self._log = log
        self._not_before = clock.monotonic()
        self._pause = _FIRST_PAUSE
        self._in_a_row = 0
        self._last_stored: float | None = None
        self._away = Backoff(rng, base=1.0, cap=300.0)
        self._quota = Backoff(rng, base=600.0, cap=6 * 3600.0)
        self._refused = Backoff(rng, base=5.0, cap=900.0)
        self._refusals: dict[str, float] = {}  # write key -> when it may be tried again
        self._bulk_offered = True
        self._bulk_limit = BULK_LIMIT
        self._bulk_from = clock.monotonic()
        self._singly_up_to = 0  # number of the last measurement of a bulk write that was refused
        self.delivered = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing left that the platform would take."""
        keys = self._good_keys()
        return all(bool(keys) and _is_aside(measurement, keys) for measurement in self._outbox)

    def due_at(self) -> float:
        """Return when to make the next attempt (monotonic seconds); infinity while there is nothing to do."""
        keys = self._good_keys()
        if not keys or self.is_idle:
            return math.inf
        return max(self._not_before, min(self._refusals.get(key.write_key, -math.inf) for key in keys))

    def attempt(self) -> Outcome:
        """Send one measurement, or a backlog at once. Whatever happens, nothing leaves the outbox unconfirmed."""
        chosen = self._choose()
        if chosen is None:
            # What is left is set aside for the one key that is not refused at the moment. Look again later.
            self._not_before = self._clock.monotonic() + _LONGEST_PAUSE
            return Outcome()
        credentials, batch = chosen
        already_in_doubt = [taken for taken in batch if taken.doubt == credentials.channel]
        try:
            self._outbox.doubt(batch, credentials.channel)
        except OSError as error:
            self._log.warning("Nothing is sent while the disk cannot be written (%s).", error.strerror)
            self._not_before = self._clock.monotonic() + 30.0
            return Outcome()
        if len(batch) == 1:
            result = platform.write_one(self._session, credentials, batch[0], now=self._clock.now())
        else:
            result = platform.write_many(self._session, credentials, batch, now=self._clock.now())
        if result.verdict not in (Verdict.STORED, Verdict.UNKNOWN):
            # Certainly not stored by this attempt. About an earlier one without an answer this says nothing.
            self._outbox.clear_doubt(taken for taken in batch if taken not in already_in_doubt)
        if len(batch) == 1:
            refused = self._after_one(credentials, batch[0], bool(already_in_doubt), result)
        else:
            refused = False
            self._after_many(credentials, batch, already_in_doubt, result)
        lost = result.verdict is Verdict.UNKNOWN and self._away.failures % _LOST_AFTER == 0
        return Outcome(refused or lost, result.renewal_pending)

    # Which measurement, with which key

    def _good_keys(self) -> list[Credentials]:
        state = self._store.state
        keys = [state.credentials] if state.credentials else []
        if state.previous and state.previous.is_good_at(state.corrected(self._clock.now())):
            keys.append(state.previous)
        return keys

    def _choose(self) -> tuple[Credentials, list[Measurement]] | None:
        """The oldest measurement that can go, its key, and what may go in the same bulk write."""
        now = self._clock.monotonic()
        keys = [key for key in self._good_keys() if self._refusals.get(key.write_key, -math.inf) <= now]
        waiting = [measurement for measurement in self._outbox if keys and not _is_aside(measurement, keys)]
        if not waiting:
            return None
        # A measurement that was just refused lets the others pass: if they get through, it was not the key's fault.
        first = next((taken for taken in waiting if taken.refused_by != _key_for(taken, keys).write_key), waiting[0])
        credentials = _key_for(first, keys)
        if not self._bulk_offered or now < self._bulk_from or first.number <= self._singly_up_to:
            return credentials, [first]
        batch: dict[object, Measurement] = {}
        for taken in waiting[waiting.index(first) :]:
            if len(batch) == self._bulk_limit or taken.at in batch or taken.refused_by == credentials.write_key:
                break
            if _key_for(taken, keys) != credentials:
                break
            batch[taken.at] = taken
        is_worth_it = len(batch) * self._pause > BULK_INTERVAL
        return credentials, list(batch.values()) if is_worth_it else [first]

    # What the answer means

    def _after_one(self, credentials: Credentials, taken: Measurement, was_in_doubt: bool, result: WriteResult) -> bool:
        """Draw the consequences for a single measurement; return whether the device's current key was refused."""
        match result.verdict:
            case Verdict.STORED:
                self._log.info(
                    "%s °C stored in channel %d as entry %s.", taken.value, credentials.channel, result.entry
                )
                self._stored(credentials, [taken])
            case Verdict.THERE_ALREADY if was_in_doubt:
                self._log.info("The platform has the measurement of %s already.", platform.stamp(taken.at))
                self._stored(credentials, [taken])
            case Verdict.THERE_ALREADY:
                # Never sent before, so the second belongs to somebody else: a clone, or our own wrong clock.
                self._outbox.move(taken)
                self._log.warning("Another measurement has that second; sent again as %s.", platform.stamp(taken.at))
                self._not_before = self._clock.monotonic() + self._pause
            case Verdict.CONTENT_REFUSED:
                self._set_aside(taken, credentials)
            case Verdict.KEY_REFUSED:
                return self._key_refused(credentials, taken, was_in_doubt)
            case _:
                self._wait(result)
        return False

    def _after_many(
        self, credentials: Credentials, batch: list[Measurement], in_doubt: list[Measurement], result: WriteResult
    ) -> None:
        now = self._clock.monotonic()
        match result.verdict:
            case Verdict.STORED:
                self._log.info("%d kept measurements stored in channel %d.", len(batch), credentials.channel)
                self._bulk_limit = min(BULK_LIMIT, self._bulk_limit * 2)
                self._bulk_from = now + BULK_INTERVAL
                self._stored(credentials, batch)
            case Verdict.TOO_EARLY:
                self._bulk_from = now + max(BULK_INTERVAL, result.retry_after or 0.0)
            case Verdict.NOT_OFFERED:
                self._bulk_offered = False
            case Verdict.TOO_MUCH:
                self._bulk_limit = len(batch) // 2
                self._bulk_offered = self._bulk_limit >= 2
            case Verdict.UNKNOWN:
                if not result.in_time:
                    self._bulk_limit = max(20, len(batch) // 2)  # it may have been too much for the platform
                self._wait(result)
            case Verdict.QUOTA_USED_UP:
                self._wait(result)
            case _:
                # One of them is why; single writes find out which. What an earlier bulk write stored is asked first.
                self._singly_up_to = batch[-1].number
                self._settle(credentials, in_doubt)

    def _stored(self, credentials: Credentials, batch: Sequence[Measurement]) -> None:
        self._outbox.done(batch)
        self.delivered += len(batch)
        if self._away.failures and len(self._outbox):
            self._log.info("The platform answers again; %d kept measurements follow.", len(self._outbox))
        for backoff in (self._away, self._quota, self._refused):
            backoff.reset()
        self._refusals.pop(credentials.write_key, None)
        self._in_a_row += 1
        if self._in_a_row % _FASTER_AFTER == 0:
            self._pause = max(_FIRST_PAUSE, self._pause * 0.8)
        self._last_stored = self._clock.monotonic()
        self._not_before = self._last_stored + self._pause
        for taken in self._outbox:
            if taken.refused_by == credentials.write_key:
                taken.refused_by = None  # the key works (again): one more try, and its last
                taken.is_suspect = True

    def _set_aside(self, taken: Measurement, credentials: Credentials) -> None:
        taken.aside_for = credentials.write_key
        self._log.warning(
            "The platform does not take the measurement of %s, though it takes others. It is kept, and tried again"
            " with the next key or at the next start.",
            platform.stamp(taken.at),
        )

    def _key_refused(self, credentials: Credentials, taken: Measurement, was_in_doubt: bool) -> bool:
        # What a platform answers to a second write of the same second is not everywhere 409; 400 is possible too.
        if was_in_doubt and self._settle(credentials, [taken]):
            return False
        if taken.is_suspect:
            self._set_aside(taken, credentials)
            return False
        taken.refused_by = credentials.write_key
        wait = self._refused.next()
        self._refusals[credentials.write_key] = self._clock.monotonic() + wait
        state = self._store.state
        if credentials == state.previous:
            self._log.info("The previous key of channel %d has ended.", credentials.channel)
            with contextlib.suppress(OSError):  # then it stays, and costs one more refusal after the next start
                self._store.save(replace(state, previous=None))
            return False
        self._log.warning("The platform refuses the key of channel %d; asking the portal.", credentials.channel)
        return True

    def _settle(self, credentials: Credentials, in_doubt: Sequence[Measurement]) -> bool:
        """Ask the channel itself which of these it has; return whether it has any. Those are done."""
        if not in_doubt:
            return False
        seconds = [taken.at for taken in in_doubt]
        found = platform.stored_seconds(self._session, credentials, first=min(seconds), last=max(seconds))
        there = [taken for taken in in_doubt if found and taken.at in found]
        if there:
            self._stored(credentials, there)
        return bool(there)

    def _wait(self, result: WriteResult) -> None:
        now = self._clock.monotonic()
        match result.verdict:
            case Verdict.TOO_EARLY if result.retry_after is not None:
                wait = self._away.next(retry_after=result.retry_after)
            case Verdict.TOO_EARLY:
                # Learn the platform's interval: it is longer than what has passed since the last stored write.
                self._in_a_row = 0
                passed = now - self._last_stored if self._last_stored is not None else self._pause
                self._pause = min(_LONGEST_PAUSE, max(self._pause, passed * 1.5))
                wait = max(0.5, self._pause - passed) if self._last_stored is not None else self._pause
            case Verdict.QUOTA_USED_UP:
                wait = self._quota.next(retry_after=result.retry_after)
                self._log.warning("The account's messages are used up. Kept; next try in %s.", in_words(wait))
            case _:
                wait = self._away.next(retry_after=result.retry_after)
                waiting = len(self._outbox)
                kept = "1 measurement is" if waiting == 1 else f"{waiting} measurements are"
                self._log.warning("%s %s kept; next try in %s.", result.reason, kept, in_words(wait))
        self._not_before = now + wait


def _key_for(taken: Measurement, keys: Sequence[Credentials]) -> Credentials:
    """The first key, but for a measurement in doubt the key of the channel that may have it already."""
    return next((key for key in keys if key.channel == taken.doubt), keys[0])


def _is_aside(taken: Measurement, keys: Sequence[Credentials]) -> bool:
    return taken.aside_for is not None and taken.aside_for == _key_for(taken, keys).write_key
