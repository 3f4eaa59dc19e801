"""What is done in the background."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from channels.models import PlatformAccount
from channels.platforms import PlatformError

AGAIN = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))


@task()
def check_account(account: int, attempt: int = 0) -> str:
    """Ask the platform about an account key that could not be checked; come back later if it is still out of reach.

    Returns the account's state afterwards, or "gone".
    """
    found = PlatformAccount.objects.filter(pk=account).first()
    if found is None:
        return "gone"
    try:
        found.ask_platform()
    except PlatformError:
        wait = AGAIN[min(attempt, len(AGAIN) - 1)]
        check_account.using(run_after=timezone.now() + wait).enqueue(account, attempt + 1)
    return str(found.state)
