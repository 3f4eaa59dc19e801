"""All accounts that are due, compared with their platforms one after the other: what the background worker does."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.utils import timezone

from channels.models import PlatformAccount
from channels.platforms import OutOfReach, PlatformError
from channels.sync import Synced, sync
from channels.vault import CannotDecrypt

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
"""How often an account is compared with its platform."""
AWAY_FOR = timedelta(minutes=1)
"""How long a platform that did not answer for one account is not asked for others."""
AT_A_STRETCH = timedelta(seconds=20)
"""After that the worker's other tasks have their turn; the rest is still due in the next run."""


def sync_due(now: datetime | None = None, *, at_a_stretch: timedelta = AT_A_STRETCH) -> Synced:
    """Compare the accounts that are due and return what was new. Each is taken by one of all workers."""
    now = now or timezone.now()
    stop_at = time.monotonic() + at_a_stretch.total_seconds()
    done = Synced()
    away: set[str] = set()
    for pk, platform in PlatformAccount.objects.to_sync(now).values_list("pk", "platform"):
        if time.monotonic() > stop_at:
            break
        if platform in away or not _take(pk, now):
            continue
        # Without its key, which `sync` asks for: one that nobody can decrypt must not hold up the other accounts.
        account = PlatformAccount.objects.select_related("organization").defer("key").get(pk=pk)
        try:
            done += sync(account)
        except OutOfReach as error:
            away.add(platform)
            _put_off(account, now, error)
        except (PlatformError, CannotDecrypt) as error:
            log.warning("%s was not compared with its platform: %s", account, error)
    return done


def _take(account: int, now: datetime) -> bool:
    # Not all at the same moment, even if they were the first time.
    every = EVERY + timedelta(seconds=account % 30)
    return bool(PlatformAccount.objects.to_sync(now).filter(pk=account).order_by().update(next_sync_at=now + every))


def _put_off(account: PlatformAccount, now: datetime, error: OutOfReach) -> None:
    """Leave the account alone for as long as the platform wants, and the others of the platform for a while."""
    log.info("%s was not compared with its platform: %s", account, error)
    PlatformAccount.objects.to_sync(now).filter(platform=account.platform).order_by().update(
        next_sync_at=now + AWAY_FOR
    )
    if (wait := timedelta(seconds=error.retry_after)) > EVERY:
        PlatformAccount.objects.filter(pk=account.pk).update(next_sync_at=now + wait)
