"""Renewing read keys: a person finds the new one in the portal, and the old one stays good for a while."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from channels.models import ChannelKey, KeyState
from channels.platforms import NoSuchChannel, PlatformError
from channels.reading_keys import end_read_keys
from channels.vault import CannotDecrypt
from orgs import audit
from orgs.models import User

# What the portal has drawn with its own key is drawn anew within minutes.
PORTAL_OVERLAP = timedelta(minutes=15)


def renew_read_key(
    key: ChannelKey, *, overlap: timedelta, now: datetime, by: User | None = None, address: str | None = None
) -> bool:
    """Let a current read key retire; return whether this call did it. `by` nobody means: the policy says so.

    A person's own key gets its successor when they look at it next. The portal's own one is replaced here and now,
    since it reads all the time. Raises PlatformError when the platform could not make the new one.
    """
    account = key.channel.account
    value = None
    if key.holder_id is None:
        value = account.on_platform.add_read_key(account.key, key.channel.number, note="portal")
        overlap = PORTAL_OVERLAP
    with transaction.atomic():
        if not key.move_to(KeyState.RETIRING, at=now, until=now + overlap):
            return False
        if value is not None:
            new = ChannelKey.holding(
                value,
                channel=key.channel,
                kind=ChannelKey.Kind.READ,
                version=key.version + 1,
                origin=ChannelKey.Origin.BY_HAND if by else ChannelKey.Origin.BY_POLICY,
                created_by=by,
            )
            new.save()
        audit.record("read_key.renewed", by=by, organization=key.channel.organization, about=key, address=address)
    return True


@transaction.atomic
def revoke_own_read_key(key: ChannelKey, *, by: User, address: str | None = None) -> bool:
    """End somebody's own read key now; return whether this call did it.

    They get another one when they look, as long as they may see the device.
    """
    ended = end_read_keys(ChannelKey.objects.filter(pk=key.pk))
    if ended:
        audit.record("read_key.revoked", by=by, organization=key.channel.organization, about=key, address=address)
    return bool(ended)


def end_retired_read_keys(now: datetime) -> int:
    """End the read keys whose time is over; return how many. Those of a platform that is away wait for the next run."""
    over = ChannelKey.objects.reading().filter(state=KeyState.RETIRING, valid_until__lte=now)
    return sum(_end(over.select_related("channel__account").defer("value", "channel__account__key")))


def _end(keys: Iterable[ChannelKey]) -> Iterable[bool]:
    away: set[int] = set()
    for key in keys:
        account = key.channel.account
        if account.pk in away:
            continue
        try:
            account.on_platform.revoke_key(account.key, key.channel.number, key.value)
        except NoSuchChannel:
            pass  # it has ended with its channel
        except PlatformError:
            away.add(account.pk)
            continue
        except CannotDecrypt:
            continue  # it waits until the operator has brought the encryption key back; the others do not
        yield key.move_to(KeyState.ENDED)
