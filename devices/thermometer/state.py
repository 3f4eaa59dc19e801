"""What a thermometer must know after a power cut, and the file that it is kept in."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from devices.envelope import Payload
from devices.registration_key_text import RegistrationKeyText
from devices.serials import NotASerial, check_serial
from devices.thermometer import durable

VERSION = 1
SHORTEST_PERIOD = 1.0
"""Seconds between measurements at least: a measurement is known by its second (`created_at`)."""


class NotConfigured(Exception):
    """There is no state file yet."""


class StateUnreadable(Exception):
    """The state file is there but is not one of ours, or of a later version."""


class NotAnAddress(ValueError):
    """The text is not the address of a portal; the message says what one looks like."""


def check_portal(text: str) -> str:
    """Return a portal's address without its trailing slash: http or https, no query. Raises NotAnAddress."""
    typed = text.strip()
    try:
        parts = urlsplit(typed)
        _ = parts.port
    except ValueError:
        raise NotAnAddress("This is not an address. One looks like https://portal.example.com.") from None
    if parts.scheme not in ("http", "https"):
        bare = typed.split("://")[-1]
        raise NotAnAddress(f"The address must start with http:// or https://, for example https://{bare}.")
    if not parts.hostname or any(letter.isspace() for letter in typed):
        raise NotAnAddress("The address names no host. One looks like https://portal.example.com.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise NotAnAddress("The address must be plain: no user name, no ? and no #.")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def check_period(seconds: float) -> float:
    """Return the time between two measurements. Raises ValueError unless it is from 1 second to 1 day."""
    if not SHORTEST_PERIOD <= seconds <= 86400:
        raise ValueError("The period must be from 1 second to 86400 seconds (a day).")
    return seconds


@dataclass(frozen=True)
class Registration:
    """What a device keeps of a registration key: the half that it sends, and the key that opens its envelopes."""

    lookup: str
    envelope_key: bytes = field(repr=False)

    @classmethod
    def from_text(cls, text: RegistrationKeyText) -> Self:
        """Derive it from the key that a person set or an envelope brought. Takes some tenths of a second."""
        return cls(text.lookup, text.derive())


@dataclass(frozen=True)
class Credentials:
    """A channel and the key that writes to it. `valid_until`, where known, is when the portal said that it ends."""

    channel: int
    write_key: str = field(repr=False)
    key_version: int
    update_url: str
    valid_until: datetime | None = None

    def is_same_key(self, other: Credentials) -> bool:
        """Whether both write to the same channel at the same address with the same key."""
        mine, theirs = (
            (self.channel, self.write_key, self.update_url),
            (other.channel, other.write_key, other.update_url),
        )
        return mine == theirs

    def is_good_at(self, moment: datetime) -> bool:
        return self.valid_until is None or moment < self.valid_until


@dataclass(frozen=True)
class State:
    """All that a thermometer keeps, but for its unsent measurements (see `outbox`).

    `previous` and `previous_registration` are kept through a renewal, until their successors are known to work.
    `clock_offset` is how many seconds the portal's clock is ahead of this machine's, 0 when they agree.
    `set_by_hand` is the lookup half of the registration key that a person set, which may have been renewed since.
    """

    serial: str
    portal: str
    registration: Registration
    period: float
    place: str
    credentials: Credentials | None = None
    previous: Credentials | None = None
    previous_registration: Registration | None = None
    etag: str | None = None
    clock_offset: int = 0
    set_by_hand: str = ""

    def corrected(self, moment: datetime) -> datetime:
        """Return what the portal's clock shows when this machine's shows `moment`."""
        return moment + timedelta(seconds=self.clock_offset)

    def after_envelope(
        self,
        payload: Payload,
        *,
        asked_with: Registration,
        etag: str | None,
        derive: Callable[[RegistrationKeyText], Registration] = Registration.from_text,
    ) -> State:
        """Return the state after `payload` was received in answer to a request made `asked_with` a registration.

        It is stored in one piece, so that a power cut leaves either all of the old keys or all of the new ones beside
        the old ones.
        """
        registration, previous_registration = self._registrations_after(payload, asked_with, derive)
        credentials, previous = self._credentials_after(payload)
        return replace(
            self,
            credentials=credentials,
            previous=previous,
            registration=registration,
            previous_registration=previous_registration,
            # A tag is worth something only with the key that it was given for; after a switch the device asks
            # without one, and the envelope that comes back proves that the new registration key works.
            etag=etag if registration == asked_with else None,
        )

    def _credentials_after(self, payload: Payload) -> tuple[Credentials, Credentials | None]:
        new = Credentials(payload.channel, payload.write_key, payload.key_version, payload.update_url)
        if self.credentials is None:
            return new, None
        previous = self.previous if new.is_same_key(self.credentials) else self.credentials
        if previous is not None:
            previous = replace(previous, valid_until=payload.valid_until or previous.valid_until)
        return new, previous

    def _registrations_after(
        self, payload: Payload, asked_with: Registration, derive: Callable[[RegistrationKeyText], Registration]
    ) -> tuple[Registration, Registration | None]:
        offered = payload.registration_key
        if offered is not None and offered.lookup == self.registration.lookup:
            # Already switched, but the new key was refused just now and the old one had to help out.
            return self.registration, self.previous_registration
        if offered is not None:
            return derive(offered), asked_with
        return asked_with, None


class StateStore:
    """The state file: JSON, mode 0600, replaced as a whole."""

    def __init__(self, path: Path, state: State) -> None:
        self.path = path
        self._state = state

    @property
    def state(self) -> State:
        return self._state

    @classmethod
    def create(cls, path: Path, state: State) -> Self:
        """Write the first state, or another one over what there is. Raises OSError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = cls(path, state)
        store._write()
        return store

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. Raises NotConfigured, StateUnreadable or OSError."""
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise NotConfigured(f"{path} does not exist: this thermometer is not configured yet.") from None
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            os.chmod(path, durable.PRIVATE)  # copied or restored by somebody; it holds keys
        try:
            members = json.loads(text)
            version = members["version"]
            if version != VERSION:
                raise StateUnreadable(f"{path} was written by another version of the thermometer ({version!r}).")
            return cls(path, _from_members(members))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StateUnreadable(
                f"{path} is damaged or not a thermometer's state file. Move it away and configure again."
            ) from None

    def save(self, state: State) -> None:
        """Make `state` the current one, on disk first. Raises OSError, and then the old state stands."""
        if state != self._state:
            before, self._state = self._state, state
            try:
                self._write()
            except OSError:
                self._state = before
                raise

    def _write(self) -> None:
        text = json.dumps(_as_members(self._state), indent=2, ensure_ascii=False) + "\n"
        durable.write_atomically(self.path, text.encode())


def _as_members(state: State) -> dict[str, Any]:
    return {
        "version": VERSION,
        "serial": state.serial,
        "portal": state.portal,
        "period": state.period,
        "place": state.place,
        "registration": _registration_members(state.registration),
        "previousRegistration": _registration_members(state.previous_registration),
        "credentials": _credentials_members(state.credentials),
        "previousCredentials": _credentials_members(state.previous),
        "etag": state.etag,
        "clockOffset": state.clock_offset,
        "setByHand": state.set_by_hand,
    }


def _registration_members(registration: Registration | None) -> dict[str, Any] | None:
    if registration is None:
        return None
    return {"lookup": registration.lookup, "envelopeKey": registration.envelope_key.hex()}


def _credentials_members(credentials: Credentials | None) -> dict[str, Any] | None:
    if credentials is None:
        return None
    return {
        "channel": credentials.channel,
        "writeKey": credentials.write_key,
        "keyVersion": credentials.key_version,
        "updateUrl": credentials.update_url,
        "validUntil": credentials.valid_until.isoformat() if credentials.valid_until else None,
    }


def _from_members(members: dict[str, Any]) -> State:
    try:
        serial = check_serial(members["serial"])
    except NotASerial as error:
        raise ValueError(str(error)) from None
    registration = _registration(members["registration"])
    if registration is None:
        raise ValueError("no registration")
    return State(
        serial=serial,
        portal=check_portal(members["portal"]),
        registration=registration,
        period=check_period(float(members["period"])),
        place=str(members["place"]),
        credentials=_credentials(members["credentials"]),
        previous=_credentials(members["previousCredentials"]),
        previous_registration=_registration(members["previousRegistration"]),
        etag=None if members["etag"] is None else str(members["etag"]),
        clock_offset=int(members["clockOffset"]),
        set_by_hand=str(members["setByHand"]),
    )


def _registration(members: dict[str, Any] | None) -> Registration | None:
    if members is None:
        return None
    key = bytes.fromhex(members["envelopeKey"])
    if len(key) != 32:
        raise ValueError("envelope key of the wrong length")
    return Registration(str(members["lookup"]), key)


def _credentials(members: dict[str, Any] | None) -> Credentials | None:
    if members is None:
        return None
    until = members["validUntil"]
    return Credentials(
        channel=int(members["channel"]),
        write_key=str(members["writeKey"]),
        key_version=int(members["keyVersion"]),
        update_url=str(members["updateUrl"]),
        valid_until=None if until is None else datetime.fromisoformat(until),
    )
