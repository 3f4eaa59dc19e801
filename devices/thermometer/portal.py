"""Asking the portal for this device's channel and write key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from urllib.parse import quote

import requests

from devices.envelope import EnvelopeError, EnvelopeNotUnderstood, Payload, open_envelope
from devices.thermometer.exchange import Answer, NoAnswer, exchange, for_people
from devices.thermometer.state import Registration

PATH = "/midpoint/ws/iot/devices/"


class Trouble(Enum):
    """Why there is no envelope, as far as it changes what a device does next."""

    AWAY = "away"  # no answer, or a 5xx: comes back by itself, soon
    WAITING = "waiting"  # 202, 429: come back at the time given
    KEY_NOT_GOOD = "key not good"  # 403: a person must act
    REFUSED = "refused"  # 400, 409 and the like: a person must act
    NOT_A_PORTAL = "not a portal"  # something else answers at this address
    UNTRUSTED = "untrusted"  # the envelope is not genuine


class NotRegistered(Exception):
    """The portal gave no envelope that can be trusted. The message is a sentence for people.

    `retry_after` is what the portal asked for, in seconds, if it did.
    """

    def __init__(self, trouble: Trouble, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.retry_after = retry_after


@dataclass(frozen=True)
class Issued:
    """An envelope came and is genuine."""

    payload: Payload
    etag: str | None


@dataclass(frozen=True)
class Unchanged:
    """304: the device has the current key. `date` is the portal's clock in seconds since 1970, if it said."""

    date: float | None


def registration_address(portal: str, serial: str) -> str:
    """Return the address at which the device with this serial registers, without the query."""
    return f"{portal}{PATH}{quote(serial, safe='')}"


def ask(
    session: requests.Session,
    *,
    portal: str,
    serial: str,
    registration: Registration,
    nonce: str,
    now: datetime,
    etag: str | None = None,
) -> Issued | Unchanged:
    """Ask for the envelope, with `etag` only if it differs from what that tag stands for. Raises NotRegistered."""
    headers = {"Accept": "text/plain"}
    if etag is not None:
        headers["If-None-Match"] = etag
    try:
        answer = exchange(
            session,
            "GET",
            registration_address(portal, serial),
            params={"key": registration.lookup, "nonce": nonce},
            headers=headers,
        )
    except NoAnswer as error:
        raise NotRegistered(Trouble.AWAY, str(error)) from None
    if answer.status == 304 and etag is not None:
        return Unchanged(answer.date)
    if answer.status != 200:
        raise _refusal(answer, now)
    try:
        payload = open_envelope(
            answer.text.strip(),
            key=registration.envelope_key,
            lookup=registration.lookup,
            serial=serial,
            nonce=nonce,
        )
    except EnvelopeNotUnderstood as error:
        if answer.content_type in ("application/jose", "text/plain"):
            raise NotRegistered(Trouble.UNTRUSTED, _untrusted(error)) from None
        raise NotRegistered(
            Trouble.NOT_A_PORTAL,
            "What answers at the portal's address is not the portal: it sent "
            f"{'a web page' if 'html' in answer.content_type else 'something else'} instead of an envelope.",
        ) from None
    except EnvelopeError as error:
        raise NotRegistered(Trouble.UNTRUSTED, _untrusted(error)) from None
    return Issued(payload, answer.headers.get("ETag"))


def _untrusted(error: EnvelopeError) -> str:
    return (
        f"The portal's answer was refused. {error} If this goes on, check the second half of the registration key"
        " and whether somebody stands between this thermometer and the portal."
    )


def _refusal(answer: Answer, now: datetime) -> NotRegistered:
    """Say in words what the portal's status means."""
    words = server_words(answer)
    said = f" The portal says: {words}" if words else ""
    retry_after = answer.retry_after(now.astimezone(UTC).timestamp())
    match answer.status:
        case 403:
            return NotRegistered(
                Trouble.KEY_NOT_GOOD,
                "The portal does not accept the registration key: it is mistyped, expired or revoked."
                " Please look it up in the portal and set it again with `configure`." + said,
                retry_after,
            )
        case 409:
            sentence = "The rules of the organization do not let this thermometer in. Its manager can change that."
            return NotRegistered(Trouble.REFUSED, sentence + said, retry_after)
        case 202:
            sentence = "The portal knows this thermometer now and waits for a manager to approve it."
            return NotRegistered(Trouble.WAITING, sentence + said, retry_after)
        case 429:
            return NotRegistered(Trouble.WAITING, "The portal asks for fewer requests." + said, retry_after)
        case status if status >= 500:
            return NotRegistered(Trouble.AWAY, f"The portal cannot answer now ({status})." + said, retry_after)
        case status if 300 <= status < 400:
            return NotRegistered(
                Trouble.NOT_A_PORTAL,
                f"The portal's address leads elsewhere ({status}), and keys are not sent after it."
                " Please configure the address where the portal really is.",
                retry_after,
            )
        case 400:
            return NotRegistered(Trouble.REFUSED, "The portal calls this request malformed." + said, retry_after)
        case status:
            sentence = f"What answers at the portal's address is not the portal ({status})."
            return NotRegistered(Trouble.NOT_A_PORTAL, sentence + said, retry_after)


def server_words(answer: Answer) -> str:
    """Return what the server said for people: the sentence of an `error=…` line, or of a problem object (RFC 9457)."""
    if answer.content_type == "text/plain" and answer.text.startswith("error="):
        _code, _blank, sentence = answer.text.removeprefix("error=").partition(" ")
        return for_people(sentence or _code)
    if answer.content_type in ("application/problem+json", "application/json"):
        try:
            problem = json.loads(answer.text)
        except (ValueError, RecursionError):
            return ""
        if isinstance(problem, dict):
            return for_people(str(problem.get("detail") or problem.get("title") or ""))
    return ""


class Probe(Enum):
    """What is found at an address that shall be a portal's."""

    PORTAL = "a portal"
    SOMETHING_ELSE = "something else"
    NOTHING = "nothing"


def probe(session: requests.Session, *, portal: str, serial: str) -> tuple[Probe, str]:
    """Find out whether a portal answers at `portal`, without registering anything; with a sentence about it.

    The request lacks the registration key, and a portal answers that with 400 and an `error=` line.
    """
    try:
        answer = exchange(session, "GET", registration_address(portal, serial), headers={"Accept": "text/plain"})
    except NoAnswer as error:
        return Probe.NOTHING, str(error)
    if answer.status == 400 and answer.text.startswith("error="):
        return Probe.PORTAL, f"{portal} answers and speaks the device protocol."
    if answer.status >= 500 or answer.status == 429:
        return Probe.SOMETHING_ELSE, f"{portal} answers, but cannot serve now ({answer.status})."
    return Probe.SOMETHING_ELSE, f"{portal} answers ({answer.status}), but not as a portal would. Is the address right?"
