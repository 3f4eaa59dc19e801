"""When a thermometer asks the portal for its key, and what it does with the answer."""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import requests

from devices.registration_key_text import RegistrationKeyText
from devices.thermometer import portal
from devices.thermometer.backoff import Backoff
from devices.thermometer.clock import Clock
from devices.thermometer.portal import Issued, NotRegistered, Trouble, Unchanged
from devices.thermometer.state import Registration, State, StateStore

DAY = 86400.0
HINT_PAUSE = 60.0
"""Seconds between two requests that hints may cause, when the first brought nothing new."""
CLOCK_TOLERANCE = 60.0
"""Seconds by which the device's clock may differ from the portal's before it is corrected."""

_SLOW = (Trouble.KEY_NOT_GOOD, Trouble.REFUSED, Trouble.NOT_A_PORTAL, Trouble.UNTRUSTED)


@dataclass(frozen=True)
class News:
    """What asking has changed. `clock_moved` is by how many seconds the device's idea of the time was corrected."""

    clock_moved: int = 0


class Registrar:
    """Asks at power-up, once a day, after a hint, and after a refusal; with patience when that fails."""

    def __init__(
        self,
        *,
        store: StateStore,
        session: requests.Session,
        clock: Clock,
        rng: random.Random,
        log: logging.LoggerAdapter[logging.Logger],
        poll_every: float = DAY,
        make_nonce: Callable[[], str] = lambda: secrets.token_hex(16),
        derive: Callable[[RegistrationKeyText], Registration] = Registration.from_text,
    ) -> None:
        """`poll_every` is in seconds; `make_nonce` must never return the same text twice."""
        self._store = store
        self._session = session
        self._clock = clock
        self._rng = rng
        self._log = log
        self._poll_every = poll_every
        self._make_nonce = make_nonce
        self._derive = derive
        self._soon = Backoff(rng, base=2.0, cap=600.0)
        self._later = Backoff(rng, base=60.0, cap=3600.0)
        self._afresh = False
        self._hints_from = clock.monotonic()
        self.due_at = clock.monotonic()
        self.trouble: NotRegistered | None = None
        """Why the last request failed, None if it did not."""

    def ask_afresh(self) -> None:
        """Ask at once, and not for "304: unchanged": what the device was told last does not work.

        A request that waits because the portal asked for it, or because a person must act first, keeps its time.
        """
        self._afresh = True
        trouble = self.trouble
        if trouble is None or (trouble.trouble is Trouble.AWAY and trouble.retry_after is None):
            self.due_at = self._clock.monotonic()

    def hint(self) -> None:
        """The platform said that a new key is waiting: ask at once, but no more than once a minute for nothing."""
        now = self._clock.monotonic()
        if self.trouble is None and now >= self._hints_from:
            self._hints_from = now + HINT_PAUSE
            self.due_at = now

    def attempt(self) -> News:
        """Ask once. The state is stored and `due_at` set to the next time."""
        before = self._store.state
        try:
            answer, asked_with = self._ask(before)
            if isinstance(answer, Unchanged):
                return self._stay(before, answer)
            return self._take(before, answer, asked_with)
        except NotRegistered as problem:
            self._try_again(problem)
        except OSError as error:
            # The old state stands and still works, so this is no worse than a portal that is away.
            what = f"The new key cannot be written to {self._store.path} ({error.strerror}); it was not taken."
            self._try_again(NotRegistered(Trouble.AWAY, what))
        return News()

    def _ask(self, state: State) -> tuple[Issued | Unchanged, Registration]:
        """Ask with the registration key, and with its predecessor if that is refused."""
        try:
            return self._ask_with(state, state.registration), state.registration
        except NotRegistered as problem:
            if problem.trouble is not Trouble.KEY_NOT_GOOD or state.previous_registration is None:
                raise
            try:
                return self._ask_with(state, state.previous_registration), state.previous_registration
            except NotRegistered:
                raise problem from None

    def _ask_with(self, state: State, registration: Registration) -> Issued | Unchanged:
        may_stay = state.credentials is not None and registration == state.registration and not self._afresh
        return portal.ask(
            self._session,
            portal=state.portal,
            serial=state.serial,
            registration=registration,
            nonce=self._make_nonce(),
            now=self._clock.now(),
            etag=state.etag if may_stay else None,
        )

    def _stay(self, state: State, answer: Unchanged) -> News:
        believed = state.corrected(self._clock.now()).timestamp()
        if answer.date is not None and abs(answer.date - believed) > CLOCK_TOLERANCE:
            # `Date` is not authenticated; the envelope's `issuedAt` is. So have an envelope.
            self._afresh = True
            self.due_at = self._clock.monotonic()
            return News()
        self._log.info(
            "The portal confirms the key of channel %d.", state.credentials.channel if state.credentials else 0
        )
        self._later.reset()
        self._succeeded(self._until_poll())
        return News()

    def _take(self, before: State, answer: Issued, asked_with: Registration) -> News:
        after = before.after_envelope(answer.payload, asked_with=asked_with, etag=answer.etag, derive=self._derive)
        after = replace(after, clock_offset=self._offset(answer.payload.issued_at, before.clock_offset))
        self._store.save(after)
        self._tell(before, after)
        if after.credentials != before.credentials:
            self._hints_from = self._clock.monotonic()
        if after.registration == asked_with:
            self._later.reset()
            self._succeeded(self._until_poll())
        elif after.registration != before.registration:
            self._log.info("The registration key was renewed; switching to %s-….", after.registration.lookup)
            self._succeeded(0.0)  # use it at once: that tells the portal that the old one can be ended
        else:
            self._succeeded(self._later.next())  # the new one is refused (yet), and the old one had to help out
        return News(clock_moved=after.clock_offset - before.clock_offset)

    def _succeeded(self, wait: float) -> None:
        self.trouble = None
        self._afresh = False
        self._soon.reset()
        self.due_at = self._clock.monotonic() + wait

    def _until_poll(self) -> float:
        return self._poll_every * self._rng.uniform(0.9, 1.0)

    def _offset(self, issued_at: datetime, before: int) -> int:
        """Seconds that the portal is ahead: a genuine envelope that echoes a fresh nonce tells the time reliably."""
        # `issuedAt` is cut off to the second, so it is half a second early on average.
        ahead = (issued_at - self._clock.now()).total_seconds() + 0.5
        if abs(ahead - before) <= CLOCK_TOLERANCE:
            return before
        return round(ahead) if abs(ahead) > CLOCK_TOLERANCE else 0

    def _tell(self, before: State, after: State) -> None:
        new, old = after.credentials, before.credentials
        if new is not None and old is None:
            self._log.info("Registered. Measurements go to channel %d.", new.channel)
        elif new is not None and old is not None and new.channel != old.channel:
            self._log.info("Moved from channel %d to channel %d.", old.channel, new.channel)
        elif new is not None and old is not None and new.write_key != old.write_key:
            self._log.info("A new write key for channel %d (version %d).", new.channel, new.key_version)
        if after.clock_offset != before.clock_offset:
            self._log.warning("This machine's clock is off by %d s; stamps follow the portal's.", after.clock_offset)

    def _try_again(self, problem: NotRegistered) -> None:
        self.trouble = problem
        backoff = self._later if problem.trouble in _SLOW else self._soon
        wait = backoff.next(retry_after=problem.retry_after)
        self.due_at = self._clock.monotonic() + wait
        kept = " The thermometer goes on with the key it has." if self._store.state.credentials else ""
        self._log.warning("%s%s Asking again in %s.", problem, kept, in_words(wait))


def in_words(seconds: float) -> str:
    """Return a waiting time as people say it."""
    if seconds < 90:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
