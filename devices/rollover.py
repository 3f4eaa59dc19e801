"""Moving a device to a new channel, where the platform cannot renew the write key of the one that it has.

As with a renewal the intent is a row before the platform is asked, the platform is asked outside of any transaction,
and a process that dies in between leaves a channel that the next one finds by its marker and adopts. Only then the
device is moved: its envelope carries the new number and key, with the next key version, so that its ETag changes. The
old channel stays as it is until the device has the new one, or a deadline passes; then it is kept for its history, or
deleted. The chart shows what is in both.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from channels import findings
from channels.errors import CannotRenew, RenewalUnderWay
from channels.models import Channel, ChannelKey, Finding, KeyState, PlatformAccount
from channels.platforms import (
    BadAccountKey,
    ChannelLimitReached,
    OutOfReach,
    PlatformError,
    RemoteChannel,
)
from channels.renewal import DEFAULT_OVERLAP, LEASE_MARGIN
from channels.renewal_models import RenewalState
from channels.troubles import trouble_of
from channels.vault import CannotDecrypt
from devices import leaving
from devices.models import Device, RollOver
from devices.registration import LABELS
from devices.rollover_models import RollOverState
from orgs import audit
from orgs.models import User

GIVES_UP_AFTER = timedelta(days=30)
"""A move whose new channel could not be made for so long is given up: nobody remembers it."""


def start(
    device: Device,
    *,
    by: User | None,
    keep_old: bool,
    overlap: timedelta = DEFAULT_OVERLAP,
    address: str | None = None,
) -> RollOver:
    """Move the device to a new channel: at once if the platform answers, else as soon as it does.

    The old channel is left when the device has the new one, after `overlap` at the latest, and then kept or deleted.
    `by` nobody means: the policy says so. Raises RenewalUnderWay, or CannotRenew with a sentence for the manager: the
    platform can renew the key itself, or the account has no channel left.
    """
    rollover = intend(device, by=by, keep_old=keep_old, overlap=overlap, address=address)
    begin(rollover)
    return rollover


def begin(rollover: RollOver) -> None:
    """Carry out the move for the first time; without a transitional period also leave the old channel."""
    if carry_out(rollover) and rollover.state == RollOverState.MOVED and not rollover.overlap:
        leaving.finish(rollover)


def intend(
    device: Device, *, by: User | None, keep_old: bool, overlap: timedelta, address: str | None = None
) -> RollOver:
    """Store the intent to move the device; `carry_out` is the rest. Raises like `start`."""
    channel = device.channel
    if channel is None:
        raise CannotRenew(_("The device has no channel yet. It gets one when it asks for its key."))
    if not may_move(channel):
        raise CannotRenew(_("This platform can renew the write key in the channel: there is no need to leave it."))
    if _is_missing(channel):
        # The one that it was moved to last is gone, maybe before the device has heard of it.
        for last in device.rollovers.moved().select_related("device__organization", "old_channel__account"):
            leaving.finish(last)
    if device.rollovers.open().exists():
        raise RenewalUnderWay(_("The device is being moved to a new channel already."))
    _check_limit(channel.account)
    return store_intent(device, channel, by=by, keep_old=keep_old, overlap=overlap, address=address)


@transaction.atomic
def store_intent(
    device: Device,
    channel: Channel,
    *,
    by: User | None,
    keep_old: bool,
    overlap: timedelta,
    address: str | None = None,
) -> RollOver:
    """Store the intent to move the device out of `channel`, its own, without asking anybody whether that will work.

    May be called in the transaction of what it belongs to. Raises RenewalUnderWay.
    """
    try:
        with transaction.atomic():
            rollover = RollOver.objects.create(
                device=device, old_channel=channel, by=by, keep_old=keep_old, overlap=overlap
            )
    except IntegrityError:
        raise RenewalUnderWay(_("The device is being moved to a new channel already.")) from None
    audit.record(
        "device.new_channel_started",
        by=by,
        organization=device.organization,
        about=device,
        address=address,
        channel=channel.number,
        old_channel_is_kept=keep_old,
    )
    return rollover


def may_move(channel: Channel) -> bool:
    """Whether a device can be moved from this channel: where keys cannot be renewed, or the channel is missing."""
    return not channel.account.on_platform.can_rotate_write_keys or _is_missing(channel)


def _is_missing(channel: Channel) -> bool:
    return channel.findings.open().filter(kind=Finding.Kind.CHANNEL_MISSING).exists()


def _check_limit(account: PlatformAccount) -> None:
    """Refuse before anything has begun, where the platform tells that the account is full. Otherwise trying tells."""
    try:
        allowance = account.on_platform.allowances([account.key]).get(account.key)
    except (PlatformError, CannotDecrypt):
        return  # what is the matter is remembered with the try
    if allowance is not None and allowance.channels_left == 0:
        raise CannotRenew(
            _(
                "The account on the channel platform has no channel left for the move. Delete one there that nobody "
                "needs, or get a larger account."
            )
        )


def carry_out(rollover: RollOver) -> bool:
    """Have the new channel made and move the device. Return whether it has moved.

    False: somebody else is at it, or the platform could not, and the roll-over says why and when it is tried again.
    """
    account = rollover.old_channel.account
    platform = account.on_platform
    # Looking for the channel and creating it.
    if not rollover.take_lease(2 * platform.answers_within + LEASE_MARGIN):
        return False
    try:
        remote = platform.find_channel(account.key, rollover.marker)
        if remote is None:
            remote = platform.create_channel(
                account.key, name=str(rollover.device), marker=rollover.marker, labels=LABELS
            )
    except (PlatformError, CannotDecrypt) as error:
        _set_back(rollover, account, error)
        return False
    return _move(rollover, account, remote)


def _set_back(rollover: RollOver, account: PlatformAccount, error: PlatformError | CannotDecrypt) -> None:
    trouble = trouble_of(error)
    if isinstance(error, BadAccountKey):
        account.record_check(PlatformAccount.State.REFUSED)
    if isinstance(error, ChannelLimitReached):
        account.record_check(PlatformAccount.State.FULL)
    if rollover.started_at <= timezone.now() - GIVES_UP_AFTER:
        rollover.move_to(RollOverState.FAILED, trouble=trouble)
        return
    rollover.put_off(trouble, at_least=timedelta(seconds=error.retry_after if isinstance(error, OutOfReach) else 0))


@transaction.atomic
def _move(rollover: RollOver, account: PlatformAccount, remote: RemoteChannel) -> bool:
    """Give the device the new channel. Return False if somebody else has the lease, or the device another channel."""
    # The device first: whoever deletes it has its row, too, before those that hang on it.
    device = Device.objects.select_for_update().filter(pk=rollover.device_id).first()
    if not RollOver.objects.select_for_update().filter(pk=rollover.pk, lease=rollover.lease).exists():
        return False
    old = rollover.old_channel
    if device is None or device.channel_id != old.pk:
        # The device was deleted, or its place was given to another. The next comparison reports the new channel.
        rollover.move_to(RollOverState.FAILED)
        return False
    is_missing = _is_missing(old)
    new = Channel.objects.create(account=account, number=remote.number, first_id=old.line)
    write_key = _move_keys(rollover, new, remote)
    device.channel = new
    device.save(update_fields=["channel"])
    now = timezone.now()
    rollover.move_to(RollOverState.MOVED, new_channel=new, trouble="", deadline=now + rollover.overlap)
    # Of two devices with one serial number, the one that asks next has the only key of the new channel.
    findings.settle(Finding.objects.filter(channel=old, kind=Finding.Kind.CLONED), by=rollover.by)
    if is_missing:
        _after_missing(old)
        Channel.objects.filter(pk=old.pk).update(left_at=now)
        rollover.move_to(RollOverState.DONE)
    audit.record(
        "device.moved_to_new_channel",
        by=rollover.by,
        organization=device.organization,
        about=device,
        before=old.number,
        channel=new.number,
        version=write_key.version,
    )
    return True


def _move_keys(rollover: RollOver, new: Channel, remote: RemoteChannel) -> ChannelKey:
    """Store the new channel's keys; the old write key retires. Return the new one, the next of the same count."""
    written = ChannelKey.objects.writing().filter(channel=rollover.old_channel)
    # Another process may be taking over a key that was regenerated there: after it, or before it, but not at once.
    list(written.select_for_update().order_by("pk"))
    versions = list(written.values_list("version", flat=True))
    if (current := written.current().first()) is not None:
        # While it is being retired elsewhere there is a retiring key already; a channel has one.
        written.filter(state=KeyState.RETIRING).update(state=KeyState.ENDED, ended_at=timezone.now())
        current.move_to(KeyState.RETIRING)
    origin = ChannelKey.Origin.BY_HAND if rollover.by_id else ChannelKey.Origin.BY_POLICY
    write_key = ChannelKey.holding(
        remote.write_key,
        channel=new,
        kind=ChannelKey.Kind.WRITE,
        version=max(versions, default=0) + 1,
        origin=origin,
        created_by=rollover.by,
    )
    write_key.save()
    for value in remote.read_keys:
        ChannelKey.holding(value, channel=new, kind=ChannelKey.Kind.READ).save()
    return write_key


def _after_missing(old: Channel) -> None:
    """Settle what is open about a channel that is gone."""
    for renewal in old.renewals.filter(state=RenewalState.STARTED):
        renewal.give_up(trouble=renewal.Trouble.NO_SUCH_CHANNEL)
    for renewal in old.renewals.overlapping():
        renewal.move_to(RenewalState.DONE, trouble=renewal.Trouble.NO_SUCH_CHANNEL)
    old.note_gone()
    findings.settle(Finding.objects.filter(channel=old))


def cancel(rollover: RollOver, *, by: User, address: str | None = None) -> bool:
    """Give up a move whose new channel is not there yet. Return False if it is, or somebody is making it right now.

    Should the platform have made the channel without our hearing of it, the next comparison reports it.
    """
    idle = Q(leased_until__isnull=True) | Q(leased_until__lte=timezone.now())
    with transaction.atomic():
        waiting = RollOver.objects.select_for_update().filter(idle, pk=rollover.pk, state=RollOverState.STARTED)
        if waiting.first() is None:
            return False
        rollover.give_up()
        audit.record(
            "device.new_channel_cancelled",
            by=by,
            organization=rollover.device.organization,
            about=rollover.device,
            address=address,
        )
    return True
