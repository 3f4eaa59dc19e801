"""Sending mail in the background: what settings name as Django's way to send, in front of the mail server."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from smtplib import SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage
from django.db import transaction
from django.utils import timezone

from channels.vault import CannotDecrypt
from orgs import audit

log = logging.getLogger(__name__)


class InBackground(BaseEmailBackend):
    """Stores messages for the worker. Whoever sends one waits for the database alone; it goes out if that commits."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        from portal.letters import Letter
        from portal.tasks import send_letter

        with transaction.atomic():
            for message in email_messages:
                letter = Letter.holding(message)
                letter.save()
                send_letter.enqueue(letter.pk)
        return len(email_messages)


def post(pk: int) -> str:
    """Hand a letter to the mail server and delete it; return what became of it.

    The next try is in the queue before this one begins, so that neither a mail server that is away nor a process that
    dies loses it. The last try has none after it: what nobody expected to go wrong does not go wrong for ever.
    """
    from portal.letters import TRIES, Letter
    from portal.tasks import send_letter

    # Without the text: should nobody be able to decrypt it, that is found out where it is remembered.
    letter = Letter.objects.defer("content").filter(pk=pk).first()
    if letter is None:
        return "sent before"
    with transaction.atomic():
        if not letter.take(timezone.now()):
            return "somebody else's turn"
        if letter.tries < TRIES:
            send_letter.using(run_after=letter.next_at).enqueue(pk)
    try:
        get_connection(settings.MAIL_TRANSPORT).send_messages([letter.message])
    except (SMTPException, OSError, CannotDecrypt) as error:
        if letter.tries < TRIES and not _is_final(error):
            letter.note_trouble(error)
            return "not taken"
        # Without its text, as everywhere: whom somebody asks "did it go out?" finds the address.
        audit.record(
            "letter.given_up",
            by=None,
            organization=None,
            about=letter,
            tries=letter.tries,
            trouble=type(error).__name__,
        )
        log.warning("A mail was given up after %s tries (%s).", letter.tries, type(error).__name__)
        letter.delete()
        return "given up"
    letter.delete()
    return "sent"


def _is_final(error: Exception) -> bool:
    """Whether there is nobody of that address, today and tomorrow."""
    return isinstance(error, SMTPRecipientsRefused) and all(code >= 500 for code, _said in error.recipients.values())
