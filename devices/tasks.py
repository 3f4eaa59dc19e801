"""What is done in the background."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.utils import timezone
from django_tasks import task

AGAIN = (timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))


@task()
def send(to: list[str], subject: str, body: str, attempt: int = 0) -> bool:
    """Send a mail; try again later if the mail server does not take it now, for about a week."""
    try:
        EmailMessage(subject, body, to=to).send()
    except (SMTPException, OSError):
        if attempt < 30:
            wait = AGAIN[min(attempt, len(AGAIN) - 1)]
            send.using(run_after=timezone.now() + wait).enqueue(to, subject, body, attempt + 1)
        return False
    return True
