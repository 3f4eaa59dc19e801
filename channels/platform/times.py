"""Moments as the API reads and writes them."""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = re.compile(r"\d{9,11}(\.\d+)?")
_EPOCH_MILLISECONDS = re.compile(r"\d{12,14}")
# "2024-05-01 10:00:00 +0000", "… UTC", "… GMT": all but the blank is ISO 8601 as Python reads it.
_BLANK_BEFORE_ZONE = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")
_NAMED_UTC = re.compile(r"\s*(UTC|GMT)$", re.IGNORECASE)


def zone_named(name: str) -> tzinfo:
    """Return the zone with that IANA name, UTC for an unknown one, as the original does."""
    try:
        return ZoneInfo(name) if name != "UTC" else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):  # also names with "..", folders, and endless ones
        return UTC


def zone_at_offset(hours: str) -> tzinfo:
    """Return the zone that many whole hours from UTC; UTC if that is no zone on earth."""
    try:
        offset = int(hours)
    except ValueError:
        return UTC
    return timezone(timedelta(hours=offset)) if offset and -12 <= offset <= 14 else UTC


def parse(text: str, zone: tzinfo = UTC) -> datetime | None:
    """Return the moment that `text` names, or None if it cannot be read.

    Read are ISO 8601 and MySQL's "2024-05-01 10:00:00" (in `zone` unless they carry their own), seconds or
    milliseconds since 1970, and the form of RFC 5322. The calendar's first and last year cannot be read.
    """
    text = text.strip()
    if len(text) > 64:
        return None
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if _EPOCH_MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        moment = _parse_iso(text) or parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return moment if has_every_zone(moment) else None


def has_every_zone(moment: datetime) -> bool:
    """Whether `moment` can be said in every time zone: at both ends of the calendar some zones are beyond it."""
    return MINYEAR < moment.year < MAXYEAR


def _parse_iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(_NAMED_UTC.sub("+00:00", _BLANK_BEFORE_ZONE.sub("", text)))
    except ValueError:
        return None


def iso(moment: datetime, zone: tzinfo = UTC) -> str:
    """Write a moment as in JSON and XML: `2019-02-20T22:07:28Z`, `…-05:00` in another zone, never a fraction."""
    if zone is UTC:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    return moment.astimezone(zone).isoformat(timespec="seconds")


def spaced(moment: datetime, zone: tzinfo = UTC) -> str:
    """Write a moment as in CSV: `2014-02-26 21:27:21 UTC`, or with `-0500` for the zone."""
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {'UTC' if zone is UTC else format(local, '%z')}"
