"""What is done in the background."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from channels.models import ChannelKey, KeyState, PlatformAccount
from channels.platforms import NoSuchChannel, PlatformError
from channels.sync_run import sync_due
from channels.vault import CannotDecrypt

AGAIN = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
SAFETY_NET = timedelta(minutes=1)


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


@task()
def sync_accounts() -> dict[str, int]:
    """Compare the accounts that are due with their platforms, and return what was new."""
    return vars(sync_due())


@task()
def revoke_read_keys(keys: list[int], attempt: int = 0) -> int:
    """End on the platform the read keys that the portal has retired; come back later for those it did not hear of.

    Returns how many are still good there.
    """
    retiring = ChannelKey.objects.reading().filter(pk__in=keys, state=KeyState.RETIRING)
    retiring = retiring.select_related("channel__account").defer("value", "channel__account__key")
    left = [key.pk for key in retiring if not _revoke(key)]
    if left:
        wait = AGAIN[min(attempt, len(AGAIN) - 1)]
        revoke_read_keys.using(run_after=timezone.now() + wait).enqueue(left, attempt + 1)
    return len(left)


def _revoke(key: ChannelKey) -> bool:
    account = key.channel.account
    try:
        account.on_platform.revoke_key(account.key, key.channel.number, key.value)
    except NoSuchChannel:
        pass  # The key has ended with its channel.
    except (PlatformError, CannotDecrypt):
        return False
    key.move_to(KeyState.REVOKED)
    return True
