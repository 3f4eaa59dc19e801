"""What is done in the background."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.utils import timezone
from django_tasks import task

from channels.platforms import NoSuchChannel, PlatformError
from devices.models import Device
from orgs.readers import one_line

AGAIN = (timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
TRIES = 30
"""After about a week it is given up."""


@task()
def send(to: list[str], subject: str, body: str, attempt: int = 0) -> bool:
    """Send a mail; try again later if the mail server does not take it now, for about a week."""
    try:
        EmailMessage(one_line(subject), body, to=to).send()
    except (SMTPException, OSError):
        if attempt < TRIES:
            wait = AGAIN[min(attempt, len(AGAIN) - 1)]
            send.using(run_after=timezone.now() + wait).enqueue(to, subject, body, attempt + 1)
        return False
    return True


@task()
def rename_channel(device: int, attempt: int = 0) -> bool:
    """Call the device's channel on the platform as the device is called by now; try again later if it is away."""
    found = Device.objects.select_related("channel__account").filter(pk=device).first()
    if found is None or found.channel is None:
        return False
    account = found.channel.account
    try:
        account.on_platform.update_channel(account.key, found.channel.number, name=str(found))
    except NoSuchChannel:
        return False
    except PlatformError:
        if attempt < TRIES:
            wait = AGAIN[min(attempt, len(AGAIN) - 1)]
            rename_channel.using(run_after=timezone.now() + wait).enqueue(device, attempt + 1)
        return False
    return True
