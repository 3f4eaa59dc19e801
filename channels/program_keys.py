"""Read keys for programs: a manager makes one with a note of its use, and ends it without touching the others."""

from __future__ import annotations

from django.utils import timezone

from channels.models import Channel, ChannelKey, KeyState
from channels.platforms import NoSuchChannel, PlatformError
from channels.tasks import SAFETY_NET, revoke_read_keys
from orgs import audit
from orgs.models import User


def add(channel: Channel, *, note: str, by: User, address: str | None = None) -> ChannelKey:
    """Return a new read key of the channel. Raises PlatformError: CannotDo, OutOfReach, …"""
    account = channel.account
    value = account.on_platform.add_read_key(account.key, channel.number, note=note)
    key = ChannelKey.holding(
        value,
        channel=channel,
        kind=ChannelKey.Kind.READ,
        origin=ChannelKey.Origin.FOR_PROGRAM,
        note=note,
        created_by=by,
    )
    key.save()
    audit.record("read_key.added", by=by, organization=channel.organization, about=key, address=address, note=note)
    return key


def revoke(key: ChannelKey, *, by: User, address: str | None = None) -> None:
    """End the key: on the next request if the platform can be reached, else as soon as it can be."""
    audit.record(
        "read_key.revoked", by=by, organization=key.channel.organization, about=key, address=address, note=key.note
    )
    if not key.move_to(KeyState.RETIRING):
        return
    account = key.channel.account
    try:
        account.on_platform.revoke_key(account.key, key.channel.number, key.value)
    except NoSuchChannel:
        pass  # The key has ended with its channel.
    except PlatformError:
        revoke_read_keys.using(run_after=timezone.now() + SAFETY_NET).enqueue([key.pk])
        return
    key.move_to(KeyState.REVOKED)
