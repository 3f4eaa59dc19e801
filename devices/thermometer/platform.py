"""Writing to the channel platform: ThingSpeak, or what speaks like it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import requests

from devices.thermometer.exchange import Answer, NoAnswer, exchange
from devices.thermometer.outbox import Measurement
from devices.thermometer.state import Credentials

RENEWAL_HINT = "Key-Renewal"
"""Header of an answer to a write. `pending` means: a new key is waiting at the registration address."""


class Verdict(Enum):
    """What became of a write. All but STORED, THERE_ALREADY and UNKNOWN say that nothing was stored."""

    STORED = "stored"
    THERE_ALREADY = "there already"  # this second of this channel is taken
    TOO_EARLY = "too early"
    KEY_REFUSED = "key refused"
    CONTENT_REFUSED = "content refused"
    QUOTA_USED_UP = "quota used up"
    NOT_OFFERED = "not offered"  # the platform has no bulk write
    TOO_MUCH = "too much"  # fewer measurements at once, please
    UNKNOWN = "unknown"  # no answer, or none that says whether it was stored


@dataclass(frozen=True)
class WriteResult:
    """The verdict, what the platform asks for beside it, and where it is not clear by itself, why.

    `entry` is the number that the platform gave to a single measurement. `in_time` is False if the time ran out.
    """

    verdict: Verdict
    retry_after: float | None = None
    renewal_pending: bool = False
    entry: int | None = None
    reason: str = ""
    in_time: bool = True


def write_one(
    session: requests.Session, credentials: Credentials, measurement: Measurement, *, now: datetime
) -> WriteResult:
    """Write one measurement (`POST /update`), stamped with the second at which it was taken."""
    form = {"api_key": credentials.write_key, "field1": measurement.value, "created_at": stamp(measurement.at)}
    try:
        answer = exchange(session, "POST", credentials.update_url, form=form, headers={"Accept": "text/plain"})
    except NoAnswer as error:
        return WriteResult(Verdict.UNKNOWN, reason=str(error), in_time=error.in_time)
    text = answer.text.strip()
    if answer.status == 200 and text.isascii() and text.isdigit() and int(text[:18]) > 0:
        return _result(Verdict.STORED, answer, now, entry=int(text[:18]))
    if answer.status == 200 and text == "0":
        return _result(Verdict.TOO_EARLY, answer, now)
    return _result(_verdict(answer), answer, now)


def write_many(
    session: requests.Session, credentials: Credentials, measurements: Sequence[Measurement], *, now: datetime
) -> WriteResult:
    """Write a backlog at once (`POST /channels/ID/bulk_update.json`): the platform stores all of it or nothing."""
    address = _beside_update(credentials, f"/channels/{credentials.channel}/bulk_update.json")
    if address is None:
        return WriteResult(Verdict.NOT_OFFERED)
    body = {
        "write_api_key": credentials.write_key,
        "updates": [{"created_at": stamp(taken.at), "field1": taken.value} for taken in measurements],
    }
    try:
        answer = exchange(session, "POST", address, json=body, headers={"Accept": "application/json"})
    except NoAnswer as error:
        return WriteResult(Verdict.UNKNOWN, reason=str(error), in_time=error.in_time)
    if answer.status in (200, 202) and _says_success(answer.text):
        return _result(Verdict.STORED, answer, now)
    if answer.status in (404, 405):
        return _result(Verdict.NOT_OFFERED, answer, now)
    if answer.status == 413:
        return _result(Verdict.TOO_MUCH, answer, now)
    return _result(_verdict(answer), answer, now)


def stored_seconds(
    session: requests.Session, credentials: Credentials, *, first: datetime, last: datetime
) -> set[datetime] | None:
    """Return the seconds from `first` to `last` that the channel has entries of, or None if it cannot be read.

    The write key reads its own channel too.
    """
    address = _beside_update(credentials, f"/channels/{credentials.channel}/feeds.json")
    if address is None:
        return None
    params = {
        "api_key": credentials.write_key,
        "start": f"{first.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "end": f"{last.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "results": "8000",
    }
    try:
        answer = exchange(session, "GET", address, params=params, headers={"Accept": "application/json"})
        if answer.status != 200:
            return None
        feeds = json.loads(answer.text)["feeds"]
        return {datetime.fromisoformat(feed["created_at"]).astimezone(UTC) for feed in feeds}
    except (NoAnswer, ValueError, TypeError, KeyError, RecursionError):
        return None


def stamp(moment: datetime) -> str:
    """Return the moment as `created_at` wants it: `2026-11-23T12:00:00Z`."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _verdict(answer: Answer) -> Verdict:
    """What a status means that is neither success nor special to the call."""
    match answer.status:
        case 400 | 401 | 403 | 404:
            return Verdict.KEY_REFUSED
        case 402:
            return Verdict.QUOTA_USED_UP
        case 409:
            return Verdict.THERE_ALREADY
        case 413 | 422:
            return Verdict.CONTENT_REFUSED
        case 429:
            return Verdict.TOO_EARLY
        case _:
            # Also a 503: a proxy may have given up on a platform that stored it a second later.
            return Verdict.UNKNOWN


def _result(verdict: Verdict, answer: Answer, now: datetime, *, entry: int | None = None) -> WriteResult:
    reason = ""
    if verdict is Verdict.UNKNOWN:
        reason = f"The platform answers with {answer.status}" + (
            ", as a web page would." if "html" in answer.content_type else "."
        )
    hint = answer.headers.get(RENEWAL_HINT, "").strip().lower() == "pending"
    return WriteResult(verdict, answer.retry_after(now.timestamp()), hint, entry, reason)


def _says_success(text: str) -> bool:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(members, dict) and members.get("success") is True


def _beside_update(credentials: Credentials, path: str) -> str | None:
    """The address of another call of the same platform, None if the update address is not of the usual form."""
    base, found, rest = credentials.update_url.rpartition("/update")
    return base + path if found and not rest else None
