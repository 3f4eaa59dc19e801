"""How long something takes, as people say it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import ngettext

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def span(length: timedelta) -> str:
    """Return "7 days", "12 hours" or "30 minutes": in the largest unit that it is a whole number of."""
    if length >= DAY and not length % DAY:
        days = length // DAY
        return ngettext("{count} day", "{count} days", days).format(count=days)
    if length >= HOUR and not length % HOUR:
        hours = length // HOUR
        return ngettext("{count} hour", "{count} hours", hours).format(count=hours)
    minutes = max(1, round(length / timedelta(minutes=1)))
    return ngettext("{count} minute", "{count} minutes", minutes).format(count=minutes)


def day(moment: datetime) -> str:
    """Return the day of a moment, where the reader is."""
    return date_format(timezone.localtime(moment), "DATE_FORMAT")


def day_and_time(moment: datetime) -> str:
    """Return a moment with its time of day, where the reader is."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
