"""What belongs to the portal as a whole."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.letters import Letter as Letter  # These, too, are models of this app.
from portal.log_ins import LogIn as LogIn
from portal.take_outs import TakeOut as TakeOut


class OutboxMessage(models.Model):
    """A mail that the demo shows instead of sending it."""

    to = models.CharField(_("to"), max_length=1000)
    subject = models.CharField(_("subject"), max_length=1000)
    body = models.TextField(_("text"))
    created_at = models.DateTimeField(_("written"), default=timezone.now)

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"
