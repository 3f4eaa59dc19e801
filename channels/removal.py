"""What becomes of the channels of a device that is gone: deleted on the platform, or kept for their history.

A device that was moved from channel to channel has several of them: a line.
"""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django_tasks import task

from channels.models import Channel, ChannelKey, KeyState, OwnChannelQuerySet
from channels.platforms import NoSuchChannel, PlatformError
from channels.tasks import AGAIN, SAFETY_NET, revoke_read_keys
from channels.vault import CannotDecrypt


def remove(channel: Channel) -> None:
    """Delete the channel, and those of its line, on the platform with all entries, and then here.

    To be called in a transaction: the platform is told right after it, and in the background until it has heard it.
    """
    for pk in _line_of(channel).values_list("pk", flat=True):
        remove_channel.using(run_after=timezone.now() + SAFETY_NET).enqueue(pk)
        transaction.on_commit(partial(remove_channel.call, pk))


def _line_of(channel: Channel) -> OwnChannelQuerySet:
    """Return the channels of the line, the latest first: the others know the first and must go before it."""
    return Channel.objects.of_lines([channel.line]).order_by("-pk")


@task()
def remove_channel(channel: int, attempt: int = 0) -> bool:
    """Delete a channel that has no device any more; come back later if the platform is out of reach.

    Returns whether it is gone. One that has a device (again) stays.
    """
    without_device = Channel.objects.filter(pk=channel, device__isnull=True)
    found = without_device.select_related("account").defer("account__key").first()
    if found is None:
        return not Channel.objects.filter(pk=channel).exists()
    try:
        found.account.on_platform.delete_channel(found.account.key, found.number)
    except NoSuchChannel:
        pass  # Somebody has deleted it there, or an earlier try has, and died before the next line.
    except (PlatformError, CannotDecrypt):
        wait = AGAIN[min(attempt, len(AGAIN) - 1)]
        remove_channel.using(run_after=timezone.now() + wait).enqueue(channel, attempt + 1)
        return False
    found.note_gone()
    for gone in _line_of(found).filter(gone_at__isnull=False, device__isnull=True):
        try:
            gone.delete()
        except ProtectedError:
            break  # The first of its line: it goes when the others have gone.
    return True


def end_read_keys_of(channel: Channel) -> None:
    """End every read key of the channels of a line that is kept: people's own, and those of programs.

    The portal's own ones stay. To be called in a transaction, like `remove`. Where keys are shared (ThingSpeak) there
    is nothing that could be ended.
    """
    keys = ChannelKey.objects.current().reading().filter(channel__in=_line_of(channel))
    ending = list(keys.exclude(pk__in=ChannelKey.objects.of_the_portal()).values_list("pk", flat=True))
    if not ending:
        return
    ChannelKey.objects.filter(pk__in=ending).update(state=KeyState.RETIRING, valid_until=None)
    revoke_read_keys.using(run_after=timezone.now() + SAFETY_NET).enqueue(ending)
    transaction.on_commit(lambda: revoke_read_keys.call(ending))
