"""Setting up a thermometer: the dialogue that the real one has on its serial console, or flags for scripts."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import requests

from devices.registration_key_text import NotARegistrationKey, RegistrationKeyText
from devices.serials import check_serial
from devices.thermometer.durable import Lock
from devices.thermometer.outbox import Outbox
from devices.thermometer.portal import Probe, probe
from devices.thermometer.state import (
    NotConfigured,
    Registration,
    State,
    StateStore,
    check_period,
    check_portal,
)
from devices.thermometer.thermometer import lock_beside, outbox_beside

DEFAULT_PORTAL = "http://localhost:8080"
DEFAULT_PERIOD = 15.0
DEFAULT_PLACE = "Springfield"

Value = TypeVar("Value")


class CannotConfigure(Exception):
    """A value is missing or no good; nothing was changed. The message is for people."""


def say(text: str) -> None:
    """Write a line for the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def configured(
    existing: State | None,
    *,
    serial: str,
    portal: str,
    registration: Registration,
    period: float,
    place: str,
) -> State:
    """Return the state after a person set these values; `existing` is what was there.

    Raises CannotConfigure if the serial number is another one. With another registration key the old channel's keys
    are given up, because the thermometer may have another owner now; unsent measurements go to the new channel. The
    key that was set before and has been renewed by the portal since is not set back.
    """
    if existing is None:
        return State(serial, portal, registration, period, place, set_by_hand=registration.lookup)
    if serial != existing.serial:
        raise CannotConfigure(
            f"This thermometer has the serial number {existing.serial} burned in. "
            "For another thermometer give another file with --state."
        )
    changed = replace(existing, portal=portal, period=period, place=place)
    if portal != existing.portal:
        changed = replace(changed, etag=None)  # another portal may use the same tag for another key
    is_as_before = registration.lookup == existing.set_by_hand
    was_renewed = is_as_before and existing.registration.lookup != existing.set_by_hand
    if registration != existing.registration and not was_renewed:
        changed = replace(
            changed,
            registration=registration,
            set_by_hand=registration.lookup,
            previous_registration=None,
            credentials=None,
            previous=None,
            etag=None,
        )
    return changed


def run_dialogue(
    options: argparse.Namespace, *, ask: Callable[[str], str] = input, session: requests.Session | None = None
) -> int:
    """Ask for what the flags do not give, check it, and write the state file. Return the exit status.

    Raises CannotConfigure, StateUnreadable, AlreadyRunning or OSError; then nothing was changed.
    """
    path: Path = options.state
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Lock(lock_beside(path)):
        existing = _existing(path)
        dialogue = _Dialogue(None if options.yes else ask)
        serial = _serial(options.serial, existing)
        key = dialogue.value(
            "--registration-key",
            options.registration_key,
            "Registration key (from the portal)",
            lambda text: RegistrationKeyText.parse(text),
            shown=f"{existing.registration.lookup}-…, as it is" if existing else None,
        )
        portal = _portal(options, dialogue, existing, serial, session or requests.Session())
        period = dialogue.value(
            "--period",
            options.period,
            "Seconds between two measurements",
            _period,
            default=existing.period if existing else DEFAULT_PERIOD,
        )
        place = dialogue.value(
            "--place", options.place, "Place", _place, default=existing.place if existing else DEFAULT_PLACE
        )
        registration = Registration.from_text(key) if key else None
        if registration is None:
            if existing is None:
                raise CannotConfigure("The registration key is missing: give it with --registration-key.")
            registration = existing.registration
        state = configured(
            existing,
            serial=serial,
            portal=portal,
            registration=registration,
            period=period or DEFAULT_PERIOD,
            place=place or DEFAULT_PLACE,
        )
        outbox = Outbox(outbox_beside(path))
        if options.discard_unsent:
            outbox.discard()
        StateStore.create(path, state)
        _sum_up(path, state, existing, len(outbox))
    return 0


def _existing(path: Path) -> State | None:
    try:
        return StateStore.load(path).state
    except NotConfigured:
        return None


def _sum_up(path: Path, state: State, existing: State | None, unsent: int) -> None:
    say(f"Thermometer {state.serial} is configured: registration key {state.registration.lookup}-…, portal")
    say(f"{state.portal}, a measurement every {state.period:g} s, place {state.place}. Kept in {path}.")
    if existing and existing.credentials and state.credentials is None and unsent:
        say(
            f"{unsent} unsent measurements will go to the channel that the new registration key leads to."
            " To throw them away instead, configure again with --discard-unsent."
        )
    if state.portal.startswith("http:") and not _is_this_machine(state.portal):
        say("Note: over http:// others on the way can read what it writes and with which key. Prefer https://.")
    say(f"Start it with: python -m devices.thermometer run --state {path}")


def _is_this_machine(portal: str) -> bool:
    host = portal.split("://", 1)[1].rsplit("@")[-1]
    return host.startswith(("localhost", "127.", "[::1]"))


class _Dialogue:
    """Asks a person until the answer is good; without a person to ask, takes what was given or raises."""

    def __init__(self, ask: Callable[[str], str] | None) -> None:
        self._ask = ask

    def value(
        self,
        flag: str,
        given: str | None,
        question: str,
        check: Callable[[str], Value],
        *,
        default: Value | None = None,
        shown: str | None = None,
    ) -> Value | None:
        """Return the value of a flag, or ask. None means that the person left it `as it is` (see `shown`)."""
        if given is not None:
            try:
                return check(given)
            except ValueError as error:
                raise CannotConfigure(f"{flag}: {error}") from None
        if self._ask is None:
            if default is None and shown is None:
                raise CannotConfigure(f"{flag} is missing.")
            return default
        hint = shown or (None if default is None else f"{default:g}" if isinstance(default, float) else str(default))
        while True:
            answer = self.line(f"{question}{f' [{hint}]' if hint else ''}: ", flag)
            if not answer and hint:
                return default
            try:
                return check(answer)
            except (ValueError, NotARegistrationKey) as error:
                say(f"  {error}")

    def line(self, prompt: str, flag: str) -> str:
        if self._ask is None:
            return ""
        try:
            return self._ask(prompt).strip()
        except EOFError:
            raise CannotConfigure(f"No answer. Without a terminal, give {flag} (and --yes).") from None

    def says_yes(self, question: str) -> bool:
        """Return whether the person agrees; without one the answer is yes."""
        return self._ask is None or self.line(f"{question} [y/N]: ", "--yes").lower() in ("y", "yes")


def _serial(given: str | None, existing: State | None) -> str:
    if given is not None:
        try:
            return check_serial(given)
        except ValueError as error:
            raise CannotConfigure(f"--serial: {error}") from None
    if existing is not None:
        return existing.serial
    # "Burned in": eleven digits, as on the label of a real one.
    return str(secrets.choice("123456789")) + "".join(secrets.choice("0123456789") for _ in range(10))


def _portal(
    options: argparse.Namespace,
    dialogue: _Dialogue,
    existing: State | None,
    serial: str,
    session: requests.Session,
) -> str:
    """The portal's address, tried out. One that nothing answers at can be kept: the network may come later."""
    given: str | None = options.portal
    while True:
        portal = dialogue.value(
            "--portal",
            given,
            "Address of the portal",
            check_portal,
            default=existing.portal if existing else DEFAULT_PORTAL,
        )
        portal = portal or DEFAULT_PORTAL
        found, sentence = probe(session, portal=portal, serial=serial)
        say(f"  {sentence}")
        if found is Probe.PORTAL:
            return portal
        if dialogue.says_yes("Keep this address all the same?"):
            say("  Kept. The thermometer measures, keeps its measurements, and goes on trying this address.")
            return portal
        given = None


def _period(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("The period is a number of seconds, like 15.") from None
    return check_period(seconds)


def _place(text: str) -> str:
    place = " ".join(text.split())
    if not 1 <= len(place) <= 100 or not place.isprintable():
        raise ValueError("The place has 1 to 100 letters, like Springfield,US.")
    return place
