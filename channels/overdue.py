"""A current write key that may be over on the platform, because nobody came to store what had been done there.

A process renews or ends a key on the platform and dies before it can store that, and no worker runs. The key's row says
since when it is in doubt. Then the first who needs the key, the device that asks for it, has the portal look; while all
is well this costs the device's request nothing.
"""

from __future__ import annotations

from django.utils import timezone

from channels import renewal
from channels.models import ChannelKey
from channels.platforms import PlatformError
from channels.renewal_models import RenewalState


def see_to(key: int) -> bool:
    """Carry on what was begun with the write key of that primary key, or take over what the platform has.

    Return whether the channel's current key may be handed out afterwards. Not while somebody is replacing it in this
    moment, nor one that was revoked, though the platform is out of reach and takes it still. An old key of which
    nobody knows whether the platform has replaced it is better than none.
    """
    doubted = ChannelKey.objects.select_related("channel__account").filter(pk=key).first()
    if doubted is None:
        return True  # deleted in this moment, with its channel
    channel, now = doubted.channel, timezone.now()
    begun = channel.renewals.filter(state=RenewalState.STARTED).order_by("-urgent")
    waiting = begun.to_carry_out(now).select_related("channel__account", "old_key", "by").first()
    if waiting is not None:
        renewal.carry_out(waiting)
    elif not begun.exists():
        _compare(doubted)
    if ChannelKey.objects.current().writing().filter(channel=channel).exclude(pk=key).exists():
        return True
    return not begun.filter(urgent=True).exists() and not begun.filter(leased_until__gt=now).exists()


def _compare(doubted: ChannelKey) -> None:
    """Take over the platform's key, or trust ours again."""
    try:
        if not renewal.adopt_change(doubted.channel):
            doubted.doubt_from(None)
    except PlatformError:
        return  # away: the next one who asks looks again
