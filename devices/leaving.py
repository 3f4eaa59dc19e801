"""Leaving the channel that a device was moved out of: kept for its history, or deleted, now or later."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from channels import findings
from channels.errors import CannotRenew
from channels.models import Channel, ChannelKey, Finding, PlatformAccount
from channels.platforms import BadAccountKey, NoSuchChannel, PlatformError
from channels.troubles import trouble_of
from channels.vault import CannotDecrypt
from devices.latest import feed_of
from devices.models import Device, RollOver
from devices.rollover_models import RollOverState
from orgs import audit
from orgs.models import User


def can_be_left(rollover: RollOver) -> bool:
    """Whether the device has the new channel, or the deadline has passed."""
    if rollover.deadline is not None and rollover.deadline <= timezone.now():
        return True
    key = ChannelKey.objects.writing().current().filter(channel=rollover.new_channel).defer("value").first()
    if key is None or key.acknowledged_at is not None or key.first_used_at is not None:
        return key is not None
    return key.told_at is not None and _has_written(rollover, key)


def _has_written(rollover: RollOver, key: ChannelKey) -> bool:
    """Whether there is a measurement in the new channel: the device says so itself only when it asks the next time."""
    if rollover.new_channel is None:
        return False
    try:
        entries = feed_of(rollover.new_channel, results=1, with_history=False).entries
    except (PlatformError, CannotDecrypt):
        return False
    if entries:
        ChannelKey.objects.filter(pk=key.pk, first_used_at__isnull=True).update(first_used_at=entries[-1].created_at)
    return bool(entries)


def finish(rollover: RollOver, *, by: User | None = None, address: str | None = None) -> bool:
    """Leave the old channel of a device that has moved. Return whether this call did it.

    To be called when the device has the new one, the deadline has passed, or somebody (`by`) wants it. Where it is to
    be deleted, that is over only when the platform has confirmed it; otherwise the next run tries again.
    """
    old, account = rollover.old_channel, rollover.old_channel.account
    now = timezone.now()
    if not rollover.keep_old:
        try:
            account.on_platform.delete_channel(account.key, old.number)
        except NoSuchChannel:
            pass  # somebody has deleted it there
        except (PlatformError, CannotDecrypt) as error:
            RollOver.objects.filter(pk=rollover.pk).update(trouble=trouble_of(error))
            rollover.refresh_from_db()
            return False
    with transaction.atomic():
        if not rollover.move_to(RollOverState.DONE, at=now, trouble=""):
            return False
        Channel.objects.filter(pk=old.pk).update(left_at=now)
        if not rollover.keep_old:
            old.note_gone()
            findings.settle(Finding.objects.filter(channel=old))
        audit.record(
            "device.old_channel_kept" if rollover.keep_old else "device.old_channel_deleted",
            by=by,
            organization=rollover.device.organization,
            about=rollover.device,
            address=address,
            channel=old.number,
        )
    return True


def delete_old(channel: Channel, *, device: Device, by: User, address: str | None = None) -> None:
    """Delete a channel that the device has left and that was kept, with all that was measured in it.

    Raises PlatformError, and then nothing has changed, and CannotRenew while the device may still write there.
    """
    if device.rollovers.open().filter(old_channel=channel).exists() or channel.left_at is None:
        raise CannotRenew(_("The device may still write to this channel."))
    account = channel.account
    try:
        account.on_platform.delete_channel(account.key, channel.number)
    except NoSuchChannel:
        pass  # somebody has deleted it there
    except BadAccountKey:
        account.record_check(PlatformAccount.State.REFUSED)
        raise
    with transaction.atomic():
        channel.note_gone()
        findings.settle(Finding.objects.filter(channel=channel))
        audit.record(
            "device.old_channel_deleted",
            by=by,
            organization=device.organization,
            about=device,
            address=address,
            channel=channel.number,
        )
