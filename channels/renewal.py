"""Renewing a write key on a platform that can rotate keys, and ending the old one.

The intent is a row before the platform is asked; the platform is asked outside of any transaction; then old and new
key are stored. A process that dies in between leaves a renewal that is STARTED: the next one asks the platform for
its write key first, and one that is not ours is the one that the dead process had made. It is adopted, for another
rotation would end it, and with it what a device may have been given.

Where the platform's rows are in our own database, what it does and what we store of it is one transaction, so that the
two never differ. Elsewhere the moment from which the old key may be dead is on its row before the platform is asked:
a device that asks later than that has the portal look at the platform first (`channels.overdue`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from channels.errors import CannotRenew, IllegalMove, RenewalUnderWay
from channels.keys_used import note_uses
from channels.models import Channel, ChannelKey, KeyState, PlatformAccount
from channels.platforms import (
    BadAccountKey,
    NoSuchChannel,
    OutOfReach,
    Platform,
    PlatformError,
)
from channels.renewal_models import Renewal, RenewalState
from channels.troubles import trouble_of
from channels.vault import CannotDecrypt
from orgs import audit
from orgs.models import User

DEFAULT_OVERLAP = timedelta(days=7)
"""How long old and new key are both good at most, if nobody said otherwise: a device that asks once a day has time."""
# On top of the platform's slowest answers: the time to store what it said.
LEASE_MARGIN = timedelta(seconds=5)


def renew(
    channel: Channel, *, by: User | None, overlap: timedelta = DEFAULT_OVERLAP, address: str | None = None
) -> Renewal:
    """Renew the channel's write key, at once if the platform answers, else as soon as it does.

    The old key stays good until the device has the new one, for `overlap` at most. `by` nobody means: the policy says
    so. Raises RenewalUnderWay, or CannotRenew with a sentence for the manager.
    """
    renewal = start(channel, by=by, overlap=overlap, address=address)
    carry_out(renewal)
    return renewal


def start(
    channel: Channel, *, by: User | None, overlap: timedelta = DEFAULT_OVERLAP, address: str | None = None
) -> Renewal:
    """Store the intent to renew the channel's write key; `carry_out` is the rest. Raises like `renew`."""
    for over in channel.renewals.to_finish(timezone.now()).select_related("channel__account", "old_key", "new_key"):
        finish(over)  # no worker has come by yet, but nobody needs to wait for one
    if channel.renewals.open().exists():
        raise RenewalUnderWay(_("The key of this channel is being renewed already."))
    return _intend(channel, by=by, overlap=overlap, urgent=False, address=address)


def revoke(channel: Channel, *, by: User, address: str | None = None) -> Renewal:
    """Replace the channel's write key without a transitional period: every key so far ends at once.

    For emergencies. Overrides a renewal that is under way. When the platform is out of reach, the renewal that is
    returned is still STARTED, and is carried out as soon as the platform answers. Raises CannotRenew.
    """
    urgent = start_revocation(channel, by=by, address=address)
    if not carry_out(urgent):
        urgent.refresh_from_db()  # a device that asked in this moment may have done it
    return urgent


def start_revocation(channel: Channel, *, by: User, address: str | None = None) -> Renewal:
    """Store that every write key so far ends at once; `carry_out` is the rest. Raises like `revoke`."""
    urgent = channel.renewals.open().filter(urgent=True).first()
    return urgent or _intend(channel, by=by, overlap=timedelta(0), urgent=True, address=address)


@transaction.atomic
def _intend(channel: Channel, *, by: User | None, overlap: timedelta, urgent: bool, address: str | None) -> Renewal:
    if not channel.account.on_platform.can_rotate_write_keys:
        raise CannotRenew(_("This platform's keys can only be renewed on its own pages."))
    current = ChannelKey.objects.current().writing().filter(channel=channel).defer("value").first()
    if current is None:
        raise CannotRenew(_("This channel has no write key."))
    try:
        with transaction.atomic():
            renewal = Renewal.objects.create(channel=channel, by=by, overlap=overlap, urgent=urgent, old_key=current)
    except IntegrityError:
        raise RenewalUnderWay(_("The key of this channel is being renewed already.")) from None
    if urgent:
        current.doubt_from(timezone.now())
    audit.record(
        "write_key.revocation_started" if urgent else "write_key.renewal_started",
        by=by,
        organization=channel.organization,
        about=channel,
        address=address,
        version=current.version,
    )
    return renewal


def carry_out(renewal: Renewal) -> bool:
    """Have the platform replace the key of a renewal that is STARTED. Return whether the new key is there.

    False: somebody else is at it, or the platform could not, and the renewal says why and when it is tried again.
    """
    account = renewal.channel.account
    platform = account.on_platform
    # Overriding, asking for the key, rotating it, ending the old one. In our own database that takes no time.
    answers_within = timedelta(0) if platform.is_in_our_database else 4 * platform.answers_within
    if not renewal.take_lease(answers_within + LEASE_MARGIN):
        return False
    if renewal.urgent and platform.is_in_our_database:
        note_uses([renewal.channel])  # What has been ended does not tell when it was used.
    try:
        with _together(platform):
            if renewal.urgent:
                _override_others(renewal, account, platform)
            value = _rotate(renewal, account, platform)
            if renewal.ends_old_key_at_once:
                _end_there(renewal.old_key, account, platform)
            if _store(renewal, value):
                return True
    except (PlatformError, CannotDecrypt) as error:
        _set_back(renewal, account, error)
        return False
    with suppress(PlatformError):
        adopt_change(renewal.channel)  # another process was at it, too: what the platform has now decides
    return False


def _together(platform: Platform) -> AbstractContextManager[object]:
    """Let the platform's work and ours be one transaction, where that is possible: no death comes in between."""
    return transaction.atomic() if platform.is_in_our_database else nullcontext()


def _end_there(key: ChannelKey, account: PlatformAccount, platform: Platform) -> None:
    """Have the platform end a key that is still current here; it is doubted before that."""
    key.doubt_from(timezone.now())
    platform.revoke_key(account.key, key.channel.number, key.value)


def _rotate(renewal: Renewal, account: PlatformAccount, platform: Platform) -> str:
    """Return the channel's new write key: one that is there already, or a fresh one."""
    number = renewal.channel.number
    there = platform.get_channel(account.key, number).write_key
    is_new = there != renewal.old_key.value
    if is_new and (renewal.deadline is not None or not renewal.urgent):
        if not renewal.urgent and not _writes_still(renewal.old_key, platform, account):
            # It was somebody else who rotated it, and without a transitional period.
            Renewal.objects.filter(pk=renewal.pk, lease=renewal.lease).update(deadline=None)
            renewal.deadline = None
        return there
    # Stored before the platform is asked, so that it is known after a crash that the old key is good until then.
    deadline = timezone.now() + renewal.overlap
    Renewal.objects.filter(pk=renewal.pk, lease=renewal.lease).update(deadline=deadline)
    renewal.deadline = deadline
    renewal.old_key.doubt_from(deadline)
    return platform.rotate_write_key(account.key, number, overlap=renewal.overlap)


def _writes_still(key: ChannelKey, platform: Platform, account: PlatformAccount) -> bool:
    """Whether the platform takes the key, as far as it tells."""
    if not platform.can_tell_key_use:
        return True
    return any(use.key == key.value for use in platform.write_key_uses(account.key, [key.channel.number]))


@transaction.atomic
def _store(renewal: Renewal, value: str) -> bool:
    """Make `value` the current key. Return False if somebody else has done something to the key or has the lease."""
    if not Renewal.objects.select_for_update().filter(pk=renewal.pk, lease=renewal.lease).exists():
        return False
    old = ChannelKey.objects.select_for_update().get(pk=renewal.old_key_id)
    if old.state != KeyState.CURRENT:
        # A change on the platform was taken over just before this renewal was stored.
        renewal.move_to(RenewalState.DONE, outcome=Renewal.Outcome.FOUND, trouble="")
        return False
    if renewal.ends_old_key_at_once:
        old.move_to(KeyState.REVOKED if renewal.urgent else KeyState.ENDED)
    else:
        old.move_to(KeyState.RETIRING, until=renewal.deadline)
    new = _successor(old, value, origin=renewal.origin, by=renewal.by)
    if renewal.urgent:
        renewal.move_to(RenewalState.DONE, new_key=new, trouble="", outcome=Renewal.Outcome.REVOKED)
    elif renewal.deadline is None:
        renewal.move_to(RenewalState.DONE, new_key=new, trouble="", outcome=Renewal.Outcome.FOUND)
    else:
        renewal.move_to(RenewalState.OVERLAP, new_key=new, trouble="")
    _record("write_key.revoked" if renewal.urgent else "write_key.renewed", new, by=renewal.by)
    return True


def _successor(old: ChannelKey, value: str, *, origin: str, by: User | None) -> ChannelKey:
    new = ChannelKey.holding(
        value,
        channel=old.channel,
        kind=ChannelKey.Kind.WRITE,
        version=old.version + 1,
        origin=origin,
        created_by=by,
    )
    new.save()
    return new


def _override_others(urgent: Renewal, account: PlatformAccount, platform: Platform) -> None:
    """End what else is open for the channel, whoever is at it: the emergency comes first."""
    for other in urgent.channel.renewals.open().exclude(pk=urgent.pk).select_related("old_key"):
        if other.state == RenewalState.STARTED:
            other.give_up(outcome=Renewal.Outcome.OVERRIDDEN)
        if other.state == RenewalState.OVERLAP:  # perhaps since this moment: somebody was just storing its new key
            platform.revoke_key(account.key, urgent.channel.number, other.old_key.value)
            with transaction.atomic():
                if other.move_to(RenewalState.DONE, outcome=Renewal.Outcome.REVOKED):
                    other.old_key.move_to(KeyState.REVOKED)


def _set_back(renewal: Renewal, account: PlatformAccount, error: PlatformError | CannotDecrypt) -> None:
    """Remember why it did not work, and whether and when to try again."""
    trouble = trouble_of(error)
    if trouble in (Renewal.Trouble.NO_SUCH_CHANNEL, Renewal.Trouble.CANNOT):
        renewal.move_to(RenewalState.FAILED, trouble=trouble)
        renewal.old_key.doubt_from(None)
        return
    if isinstance(error, BadAccountKey):
        account.record_check(PlatformAccount.State.REFUSED)
    renewal.put_off(trouble, at_least=timedelta(seconds=error.retry_after if isinstance(error, OutOfReach) else 0))


def finish(renewal: Renewal, *, by: User | None = None, address: str | None = None) -> bool:
    """End the old key of a renewal in its transitional period. Return whether this call did it.

    To be called when the device has the new key, when the deadline has passed, or when somebody (`by`) wants it. It is
    over for the portal only when the platform has confirmed it; otherwise the next run tries again. Raises IllegalMove
    for a renewal that has no new key yet.
    """
    channel, account = renewal.channel, renewal.channel.account
    platform, old, new = account.on_platform, renewal.old_key, renewal.new_key
    if new is None:
        raise IllegalMove(renewal.state, RenewalState.DONE)
    try:
        with _together(platform):
            if platform.get_channel(account.key, channel.number).write_key != new.value:
                # Somebody rotated the key once more. To end the old one now could leave the device with none.
                adopt_change(channel)
                return False
            platform.revoke_key(account.key, channel.number, old.value)
            return _close(renewal, new, by=by, address=address)
    except NoSuchChannel:
        return _close(renewal, new, by=by, address=address)  # its keys have ended with it
    except (PlatformError, CannotDecrypt) as error:
        renewal.trouble = trouble_of(error)
        renewal.save(update_fields=["trouble"])
        return False


@transaction.atomic
def _close(renewal: Renewal, new: ChannelKey, *, by: User | None, address: str | None) -> bool:
    if not renewal.move_to(RenewalState.DONE, outcome=_outcome(new, by), trouble=""):
        return False
    renewal.old_key.move_to(KeyState.ENDED)
    _record("write_key.ended", renewal.old_key, by=by, address=address)
    return True


def _outcome(new: ChannelKey, by: User | None) -> Renewal.Outcome:
    if new.acknowledged_at or new.first_used_at:
        return Renewal.Outcome.USED
    return Renewal.Outcome.BY_HAND if by else Renewal.Outcome.DEADLINE


def adopt_change(channel: Channel) -> bool:
    """Take over the platform's write key if somebody has renewed it there. Return whether it was another than ours.

    How long the one before stays good there is not known, so it is ended. A renewal of our own that is at work is left
    alone. Raises PlatformError.
    """
    account = channel.account
    ours = ChannelKey.objects.current().writing().filter(channel=channel).first()
    if ours is None or channel.renewals.filter(state=RenewalState.STARTED).exists():
        return False
    # Asked after ours was read: a key out of an older answer may have been replaced since.
    there = account.on_platform.get_channel(account.key, channel.number).write_key
    return there != ours.value and take_over(ours, there)


def take_over(ours: ChannelKey, there: str) -> bool:
    """Store `there`, the platform's write key, in the place of `ours`; see `adopt_change`.

    The platform was asked after `ours` was read. Return False if a renewal of our own was or is at it.
    """
    channel, account = ours.channel, ours.channel.account
    # In this order: a renewal that began before the first question and is over by the second has replaced `ours`.
    if channel.renewals.filter(state=RenewalState.STARTED).exists():
        return False
    if not ChannelKey.objects.current().filter(pk=ours.pk).exists():
        return False
    platform = account.on_platform
    with _together(platform):
        if platform.can_rotate_write_keys:
            _end_there(ours, account, platform)
        with transaction.atomic():
            at_work = channel.renewals.select_for_update().filter(state=RenewalState.STARTED)
            if at_work.exists() or not ours.move_to(KeyState.ENDED):
                return False
            new = _successor(ours, there, origin=ChannelKey.Origin.PLATFORM, by=None)
            channel.renewals.overlapping().update(new_key=new)
            _record("write_key.found_renewed", new, by=None)
    return True


def _record(action: str, key: ChannelKey, *, by: User | None, address: str | None = None) -> None:
    channel = key.channel
    audit.record(action, by=by, organization=channel.organization, about=channel, address=address, version=key.version)
