"""How pages say when something was or ends: what it is from here, and exactly on hover. Templates need not load it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

register = template.Library()


@register.filter
def exactly(moment: datetime) -> str:
    """Return a moment to the second, where the reader is: "31 December 2026, 23:00:00 UTC"."""
    local = timezone.localtime(moment)
    return f"{date_format(local, 'DATE_FORMAT')}, {date_format(local, 'H:i:s T')}"


@register.filter
def on_day(moment: datetime | None) -> SafeString | str:
    """Return the day of a moment and how far it is from now, with the exact moment on hover; see `_ago.html`, too.

    A day can be told to others, and "in 3 days" saves counting: ends of places and keys are said with both.
    """
    return _said(moment, "DATE_FORMAT")


@register.filter
def at_time(moment: datetime | None) -> SafeString | str:
    """Return the same with the time of day, for what ends at an hour."""
    return _said(moment, "DATETIME_FORMAT")


def _said(moment: datetime | None, form: str) -> SafeString | str:
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return format_html(
        '<time class="day" datetime="{}" title="{}">{} <span class="from-now">({})</span></time>',
        local.isoformat(timespec="seconds"),
        exactly(moment),
        date_format(local, form),
        ago(moment),
    )


@register.filter
def ago(moment: datetime) -> str:
    """Return how long ago that was, or in how long it will be, in the largest unit of which there are two.

    Django's own is exact to the hour where nobody wants to know ("1 day, 6 hours ago"), and its German knows no cases.
    """
    apart = timezone.now() - moment
    return _since(moment, apart) if apart >= timedelta(0) else _until(moment, -apart)


DAY, WEEK, MONTH, YEAR = (timedelta(days=days) for days in (1, 7, 30, 365))


def _since(moment: datetime, apart: timedelta) -> str:
    if apart < DAY:
        return str(naturaltime(moment))
    if apart < 2 * WEEK:
        count = apart // DAY
        return ngettext("{count} day ago", "{count} days ago", count).format(count=count)
    if apart < 2 * MONTH:
        count = apart // WEEK
        return ngettext("{count} week ago", "{count} weeks ago", count).format(count=count)
    if apart < 2 * YEAR:
        count = apart // MONTH
        return ngettext("{count} month ago", "{count} months ago", count).format(count=count)
    count = apart // YEAR
    return ngettext("{count} year ago", "{count} years ago", count).format(count=count)


def _until(moment: datetime, left: timedelta) -> str:
    """What ends is planned for: in days for two months, as the reader counts them in a calendar."""
    if left >= 2 * DAY:
        days = (timezone.localtime(moment).date() - timezone.localdate()).days
        if (months := days // MONTH.days) >= 2:
            return ngettext("in {count} month", "in {count} months", months).format(count=months)
        return ngettext("in {count} day", "in {count} days", days).format(count=days)
    hours, minutes = left // timedelta(hours=1), left // timedelta(minutes=1)
    if hours >= 2:
        return ngettext("in {count} hour", "in {count} hours", hours).format(count=hours)
    return ngettext("in {count} minute", "in {count} minutes", max(minutes, 1)).format(count=max(minutes, 1))
