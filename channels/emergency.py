"""Ending the write keys of many channels with effect on the next request, however many they are.

Key by key, some old keys would go on writing while the platform is busy with the others. So it is first told to end all
of them, in one call an account, and gives each channel a key that nobody has; `renewal.carry_out` then hands that one
on, channel by channel. The urgent renewals are stored before and leased meanwhile: nobody else replaces a key that is
being ended here, and after a crash they are carried out as if this had not been.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from channels.attempts import AGAIN
from channels.keys_used import note_uses
from channels.models import Channel, ChannelKey, PlatformAccount, Renewal
from channels.platforms import BadAccountKey, OutOfReach, PlatformError
from channels.renewal import LEASE_MARGIN
from channels.renewal_models import RenewalQuerySet, RenewalState
from channels.troubles import trouble_of


def end_at_once(urgent: RenewalQuerySet) -> int:
    """Have the platforms end every write key of the channels of these urgent renewals. Return for how many they did.

    To be called outside of a transaction. Whoever says so a second time does not wait for the next try of the first.
    What a platform cannot do now is put off, as `carry_out` does it. A renewal that somebody else is at in this moment
    is left to them: they are ending the very same keys.
    """
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lte=timezone.now())
    waiting = urgent.waiting().filter(is_free, urgent=True)
    accounts = PlatformAccount.objects.filter(pk__in=waiting.values("channel__account")).order_by("pk")
    return sum(_end_those_of(account, waiting.filter(channel__in=account.channels.all())) for account in accounts)


def _end_those_of(account: PlatformAccount, waiting: RenewalQuerySet) -> int:
    platform, lease, now = account.on_platform, uuid.uuid4(), timezone.now()
    takes = (timedelta(0) if platform.is_in_our_database else platform.answers_within) + LEASE_MARGIN
    waiting.update(lease=lease, leased_until=now + takes, tries=F("tries") + 1)
    leased = Renewal.objects.waiting().filter(lease=lease)
    of_number = dict(leased.values_list("channel__number", "pk"))
    if platform.is_in_our_database:
        note_uses(Channel.objects.filter(pk__in=leased.values("channel")).select_related("account"))
    _stand_aside(Channel.objects.filter(pk__in=leased.values("channel")))
    try:
        ended = platform.replace_write_keys(account.key, of_number)
    except PlatformError as error:
        _put_off(leased, account, error)
        return 0
    free = {"lease": None, "leased_until": None}
    if missing := [pk for number, pk in of_number.items() if number not in ended]:
        leased.filter(pk__in=missing).update(**free)
    now = timezone.now()
    # With the deadline, the key that the platform has by now is known to be the renewal's own.
    return leased.update(deadline=now, ended_there_at=now, trouble="", next_try_at=None, **free)


def _stand_aside(channels: QuerySet[Channel]) -> None:
    """Give up the renewals that are at work there, and doubt what they have stored so far: it ends with the rest."""
    now = timezone.now()
    Renewal.objects.waiting().filter(channel__in=channels, urgent=False).update(
        state=RenewalState.FAILED,
        outcome=Renewal.Outcome.OVERRIDDEN,
        finished_at=now,
        lease=None,
        leased_until=None,
        next_try_at=None,
    )
    ChannelKey.objects.current().writing().filter(channel__in=channels).update(valid_until=now)


def _put_off(leased: RenewalQuerySet, account: PlatformAccount, error: PlatformError) -> None:
    if isinstance(error, BadAccountKey):
        account.record_check(PlatformAccount.State.REFUSED)
    wait = max(AGAIN[0], timedelta(seconds=error.retry_after if isinstance(error, OutOfReach) else 0))
    leased.update(lease=None, leased_until=None, next_try_at=timezone.now() + wait, trouble=trouble_of(error))
