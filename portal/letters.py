"""Mail on its way: stored until the mail server has taken it, so that no page waits for that server or fails with it.

A letter may hold a link that opens an account. It is encrypted as all secrets are, and deleted as soon as it is sent.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Self

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.message import make_msgid
from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.vault import EncryptedTextField

AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
TRIES = 30
"""After about a week it is given up: by then the links in it have ended."""


class LetterQuerySet(models.QuerySet["Letter"]):
    """Letters, narrowed."""

    def held_up(self) -> Self:
        """Return those that could not be sent when it was tried."""
        return self.exclude(trouble="")


class Letter(models.Model):
    """A mail that is not sent yet."""

    to = models.CharField(_("to"), max_length=1000)
    content = EncryptedTextField(_("text"))
    created_at = models.DateTimeField(_("written"), default=timezone.now)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_at = models.DateTimeField(_("next try"), default=timezone.now)
    trouble = models.CharField(_("what went wrong"), max_length=200, blank=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        verbose_name = _("mail on its way")
        verbose_name_plural = _("mails on their way")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.to

    @classmethod
    def holding(cls, message: EmailMessage) -> Self:
        """Return a letter, not stored yet, that says what `message` says. Raises ValueError if files hang on it."""
        if message.attachments:
            raise ValueError("Mail with attachments is not sent in the background.")
        # One for all tries, so that a letter that was taken twice can be told to be one.
        headers = {"Message-ID": make_msgid(), **message.extra_headers}
        content = {
            "subject": message.subject,
            "body": message.body,
            "from_email": message.from_email,
            "to": message.to,
            "cc": message.cc,
            "bcc": message.bcc,
            "reply_to": message.reply_to,
            "headers": headers,
        }
        alternatives = [list(one) for one in getattr(message, "alternatives", [])]
        # Subjects and texts may be lazy, and are said now, in the language that was chosen for the reader.
        text = json.dumps(content | {"alternatives": alternatives}, default=str)
        return cls(to=", ".join(message.recipients())[:1000], content=text)

    @property
    def message(self) -> EmailMessage:
        """The mail."""
        content: dict[str, Any] = json.loads(self.content)
        alternatives = [tuple(one) for one in content.pop("alternatives")]
        if not alternatives:
            return EmailMessage(**content)
        return EmailMultiAlternatives(**content, alternatives=alternatives)

    def take(self, now: datetime) -> bool:
        """Whether it is to be sent now, by whoever asks: nobody else tries before `next_at`."""
        until = now + AGAIN[min(self.tries, len(AGAIN) - 1)]
        due = Letter.objects.filter(pk=self.pk, tries=self.tries, next_at__lte=now)
        if not due.update(next_at=until, tries=F("tries") + 1):
            return False
        self.next_at, self.tries = until, self.tries + 1
        return True

    def note_trouble(self, error: Exception) -> None:
        """Remember why it was not sent, for operators; not what the mail server said, which may repeat the mail."""
        self.trouble = type(error).__name__
        self.save(update_fields=["trouble"])
