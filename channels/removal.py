"""What becomes of a channel whose device is gone: it is deleted on the platform, or kept for its history."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django_tasks import task

from channels.models import Channel, ChannelKey, KeyState
from channels.platforms import NoSuchChannel, PlatformError
from channels.tasks import AGAIN, SAFETY_NET, revoke_read_keys


def remove(channel: Channel) -> None:
    """Delete the channel on the platform with all its entries, and then here.

    To be called in a transaction: the platform is told right after it, and in the background until it has heard it.
    """
    remove_channel.using(run_after=timezone.now() + SAFETY_NET).enqueue(channel.pk)
    transaction.on_commit(lambda: remove_channel.call(channel.pk))


@task()
def remove_channel(channel: int, attempt: int = 0) -> bool:
    """Delete a channel that has no device any more; come back later if the platform is out of reach.

    Returns whether it is gone. One that has a device (again) stays.
    """
    found = Channel.objects.filter(pk=channel, device__isnull=True).select_related("account").first()
    if found is None:
        return not Channel.objects.filter(pk=channel).exists()
    try:
        found.account.on_platform.delete_channel(found.account.key, found.number)
    except NoSuchChannel:
        pass  # Somebody has deleted it there, or an earlier try has, and died before the next line.
    except PlatformError:
        wait = AGAIN[min(attempt, len(AGAIN) - 1)]
        remove_channel.using(run_after=timezone.now() + wait).enqueue(channel, attempt + 1)
        return False
    found.delete()
    return True


def end_read_keys_of(channel: Channel) -> None:
    """End every read key of a channel that is kept: people's own, and those of programs. The portal's own one stays.

    To be called in a transaction, like `remove`. Where keys are shared (ThingSpeak) there is nothing to be ended.
    """
    keys = ChannelKey.objects.current().reading().filter(channel=channel)
    ending = list(keys.exclude(pk__in=ChannelKey.objects.of_the_portal()).values_list("pk", flat=True))
    if not ending:
        return
    ChannelKey.objects.filter(pk__in=ending).update(state=KeyState.RETIRING, valid_until=None)
    revoke_read_keys.using(run_after=timezone.now() + SAFETY_NET).enqueue(ending)
    transaction.on_commit(lambda: revoke_read_keys.call(ending))
