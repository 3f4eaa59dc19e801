"""What the platform says about the use of keys, taken over into our own rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from channels.models import ALIVE, Channel, ChannelKey, PlatformAccount
from channels.platforms import KeyUse, PlatformError
from channels.vault import CannotDecrypt, keyed_hash


def note_uses(channels: Iterable[Channel]) -> None:
    """Ask the platforms when the write keys of these channels were used, and remember it.

    One call per account. Platforms that cannot tell, or are out of reach, are passed over, as are accounts whose key
    nobody can decrypt. `channels` come with their accounts selected.
    """
    by_account: dict[PlatformAccount, list[Channel]] = defaultdict(list)
    for channel in channels:
        by_account[channel.account].append(channel)
    for account, its_channels in by_account.items():
        platform = account.on_platform
        if not platform.can_tell_key_use:
            continue
        try:
            uses = platform.write_key_uses(account.key, [channel.number for channel in its_channels])
        except (PlatformError, CannotDecrypt):
            continue
        _take_over(uses, its_channels)


def note_all_uses_of(channel: Channel) -> None:
    """Do the same for one channel, its read keys included: for a page that says when each was used."""
    account = channel.account
    platform = account.on_platform
    if not platform.can_tell_key_use:
        return
    try:
        uses = platform.write_key_uses(account.key, [channel.number])
        uses += platform.read_key_uses(account.key, channel.number)
    except PlatformError:
        return
    _take_over(uses, [channel])


def _take_over(uses: Iterable[KeyUse], channels: list[Channel]) -> None:
    used = {keyed_hash(use.key): use for use in uses if use.first_used_at is not None}
    changed = []
    good = ChannelKey.objects.filter(channel__in=channels, value_hash__in=used, state__in=ALIVE)
    for key in good.defer("value"):
        use = used[key.value_hash]
        if key.first_used_at is None or key.last_used_at != use.last_used_at:
            key.first_used_at = key.first_used_at or use.first_used_at
            key.last_used_at = use.last_used_at
            changed.append(key)
    ChannelKey.objects.bulk_update(changed, ["first_used_at", "last_used_at"], batch_size=500)
