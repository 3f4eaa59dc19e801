"""Many thermometers with one registration key, as a landlord or a load test has them."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from devices.registration_key_text import RegistrationKeyText
from devices.thermometer.configure import configured
from devices.thermometer.durable import Lock
from devices.thermometer.state import NotConfigured, Registration, StateStore, check_portal
from devices.thermometer.thermometer import lock_beside


class SharedDerivation:
    """Derives each registration key once for all: a fleet that gets a new one would be busy for a minute otherwise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._derived: dict[RegistrationKeyText, Registration] = {}

    def __call__(self, text: RegistrationKeyText) -> Registration:
        with self._lock:
            if text not in self._derived:
                self._derived[text] = Registration.from_text(text)
            return self._derived[text]


derivation = SharedDerivation()


class Fleet:
    """Makes the members of a fleet, or finds them again: each has its own files in one folder."""

    def __init__(self, *, folder: Path, registration_key: str, portal: str, period: float, place: str) -> None:
        """Raises ValueError for a registration key or an address that is none."""
        self._folder = folder
        self._registration = derivation(RegistrationKeyText.parse(registration_key))
        self._portal = check_portal(portal)
        self._period = period
        self._place = place

    def member(self, serial: str, locks: ExitStack) -> StateStore:
        """Return the state of the member with this serial; it stays locked until `locks` is closed.

        Raises AlreadyRunning, StateUnreadable or
        OSError.
        """
        path = self._folder / f"{serial}.json"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        locks.enter_context(Lock(lock_beside(path)))
        try:
            existing = StateStore.load(path).state
        except NotConfigured:
            existing = None
        state = configured(
            existing,
            serial=serial,
            portal=self._portal,
            registration=self._registration,
            period=self._period,
            place=self._place,
        )
        return StateStore.create(path, state)
