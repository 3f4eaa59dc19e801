"""Read keys for people: made when first asked for, ended when the right to read is gone.

Where the platform can add read keys, each person has an own one per channel, so that ending one touches nobody else.
Elsewhere (ThingSpeak) everybody uses the channel's shared read key, and it is remembered who has seen it.
"""

from __future__ import annotations

from contextlib import suppress

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from channels.keys_shown import note_shown
from channels.models import Channel, ChannelKey, ChannelKeyQuerySet, KeyState
from channels.platforms import NoAccess, PlatformError
from channels.tasks import SAFETY_NET, revoke_read_keys
from orgs.models import User


def read_key_for(user: User, channel: Channel) -> str:
    """Return the key with which `user` reads `channel`; make it if this is the first time.

    Whether the person may have it is for the caller to know. Two calls at once give the same key. The platform is
    asked outside of any transaction; should the process die after that, a key stays there that nobody has seen.
    Raises PlatformError (OutOfReach, NoSuchChannel, NoAccess when the channel has no read key, …).
    """
    if not channel.account.on_platform.can_add_read_keys:
        shared = _shared(channel)
        note_shown(shared.pk, to=user)
        return shared.value
    mine = ChannelKey.objects.current().reading().filter(channel=channel, holder=user)
    known = mine.first()
    return known.value if known else _make(user, channel)


def _make(user: User, channel: Channel) -> str:
    account = channel.account
    value = account.on_platform.add_read_key(account.key, channel.number, note=str(user))
    try:
        with transaction.atomic():
            ChannelKey.holding(
                value, channel=channel, kind=ChannelKey.Kind.READ, holder=user, origin=ChannelKey.Origin.SHOWN
            ).save()
    except IntegrityError:
        # Another click was faster: its key stays, this one was never shown to anybody.
        with suppress(PlatformError):
            account.on_platform.revoke_key(account.key, channel.number, value)
        return ChannelKey.objects.current().reading().get(channel=channel, holder=user).value
    return value


def _shared(channel: Channel) -> ChannelKey:
    known = ChannelKey.objects.of_the_portal().filter(channel=channel).order_by("pk").last()
    if known is not None:
        return known
    account = channel.account
    keys = account.on_platform.get_channel(account.key, channel.number).read_keys
    if not keys:
        raise NoAccess(f"Channel {channel.number} has no read key.")
    found = ChannelKey.holding(keys[0], channel=channel, kind=ChannelKey.Kind.READ)
    found.save()
    return found


def end_read_keys(keys: ChannelKeyQuerySet) -> int:
    """End these people's own read keys and return how many they were.

    The portal forgets them with the running transaction; the platform is told right after it, and in the background
    until it has heard it.
    """
    with transaction.atomic():
        # One that is being renewed is still good for a while, and ends now as well.
        good = keys.reading().filter(Q(state=KeyState.CURRENT) | Q(state=KeyState.RETIRING, valid_until__isnull=False))
        ending = list(good.filter(holder__isnull=False).values_list("pk", flat=True))
        if not ending:
            return 0
        ChannelKey.objects.filter(pk__in=ending).update(state=KeyState.RETIRING, valid_until=None)
        # Written with the transaction, for the case that the process dies before the next line's promise is kept.
        revoke_read_keys.using(run_after=timezone.now() + SAFETY_NET).enqueue(ending)
        transaction.on_commit(lambda: revoke_read_keys.call(ending))
    return len(ending)
