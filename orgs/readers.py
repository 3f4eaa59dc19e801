"""The language and the time zone in which somebody reads: as they chose, else as their browser last said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.mail import send_mail
from django.db import models
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _


class Reader(models.Model):
    """Somebody who reads pages and mail. Empty is "like my browser"."""

    language = models.CharField(_("language"), max_length=10, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    # For mail, which is written when no browser is there to ask.
    seen_language = models.CharField(_("language of the browser"), max_length=10, blank=True, editable=False)
    seen_time_zone = models.CharField(_("time zone of the browser"), max_length=64, blank=True, editable=False)

    class Meta:
        abstract = True

    def note_browser(self, *, language: str, time_zone: str) -> None:
        """Remember what the browser says, where it says something else than the last one did."""
        news = {}
        if language != (self.seen_language or settings.LANGUAGE_CODE):
            news["seen_language"] = self.seen_language = language
        if time_zone and time_zone != (self.seen_time_zone or settings.TIME_ZONE):
            news["seen_time_zone"] = self.seen_time_zone = time_zone
        if news:
            type(self)._default_manager.filter(pk=self.pk).update(**news)

    def read_in(self, language: str) -> None:
        """Choose a language; empty is that of the browser."""
        self.language = language
        type(self)._default_manager.filter(pk=self.pk).update(language=language)


def spoken(code: str | None) -> str:
    """Return the language if the portal speaks it, else nothing."""
    return code if code in dict(settings.LANGUAGES) else ""


def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone with that IANA name, or None if there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # also for names with "..", of folders, and endless ones
        return None


def one_line(subject: str) -> str:
    """Return the subject of a mail on one line: names of people, devices and organizations can have line ends."""
    return " ".join(subject.split())


def mail_to(address: str, subject: str, body: str) -> None:
    """Mail somebody, as part of the running transaction: where mail is sent by SMTP, the worker does that later."""
    send_mail(one_line(subject), body, None, [address])


@contextmanager
def as_read_by(person: Reader | None) -> Iterator[None]:
    """Write in the person's language and with times of their zone; for nobody in particular as it is now."""
    if person is None:
        yield
        return
    language = spoken(person.language) or spoken(person.seen_language) or settings.LANGUAGE_CODE
    zone = zone_named(person.time_zone) or zone_named(person.seen_time_zone)
    with translation.override(language), timezone.override(zone or settings.TIME_ZONE):
        yield
