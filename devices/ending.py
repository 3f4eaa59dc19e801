"""The end of a device: deleted, or its place taken by other hardware. What happened stays to be read.

The platform is told after the transaction; what it does not hear then, the worker tells it later.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import models, transaction
from django.utils.translation import gettext as _

from channels import removal, renewal
from channels.errors import RenewalUnderWay
from channels.models import Channel, Renewal
from devices import rollover
from devices.blocking import end_write_key
from devices.models import Device, DeviceContact, ExpectedDevice, FormerDevice, PendingDevice, RollOver
from devices.pending import keep_out
from orgs import access, audit
from orgs.models import User

Ended = FormerDevice.Ended


class CannotReplace(Exception):
    """The device with that serial number cannot take the place. The text is a sentence for the manager."""


class WouldEnd(Exception):
    """The hardware has come in already: the device that it is here would be deleted, and nobody has said so yet."""

    def __init__(self, other: Device) -> None:
        super().__init__(other.serial)
        self.other = other


def delete(device: Device, *, keep_channel: bool, by: User, address: str | None = None) -> bool:
    """Delete the device. Return False if somebody else has just done so.

    Its channel is kept on the platform, where no key of the device or of people opens it any more, or is deleted with
    all that was measured. Hardware that was blocked stays out; other hardware comes in as a new device when it asks
    with a good registration key.
    """
    with transaction.atomic():
        doomed = _locked().filter(pk=device.pk).first()
        if doomed is None:
            return False
        _remember(doomed, Ended.DELETED, by=by, channel_kept=keep_channel)
        if doomed.blocked_at is not None:
            keep_out(doomed, serial=doomed.serial, by=by)
        audit.record(
            "device.deleted",
            by=by,
            organization=doomed.organization,
            about=doomed,
            address=address,
            serial=doomed.serial,
            channel=doomed.channel.number if doomed.channel else None,
            channel_kept=keep_channel,
        )
        ending = _drop(doomed, keep_channel=keep_channel, by=by, address=address)
    if ending is not None:
        renewal.carry_out(ending)
    return True


def replace(
    device: Device,
    *,
    serial: str,
    giving_up: int | None = None,
    keep_other_channel: bool = True,
    by: User,
    address: str | None = None,
) -> Device:
    """Let the hardware with that serial number, known or not, take the place of `device`. Return it.

    It takes over name, place, channel, history and everybody's rights. The write key is renewed, so that the old
    hardware cannot write any more; where the platform cannot do that, the device moves to a new channel, whose chart
    goes on from the old one. The old serial number is free again, unless it was blocked. What the new one has
    measured so far, should it have come in by itself, goes or is kept with its own channel. Raises CannotReplace, and
    WouldEnd where that device is not the one that is given up: a mistyped digit must not delete another one.
    """
    with transaction.atomic():
        old = _locked().filter(pk=device.pk).first()
        if old is None:
            raise CannotReplace(_("The device has just been deleted by somebody else."))
        if serial == old.serial:
            raise CannotReplace(_("This is the serial number that the device has already."))
        other = _locked().filter(customer=old.customer_id, serial=serial).first()
        waiting = PendingDevice.objects.filter(customer=old.customer_id, serial=serial).first()
        expected = ExpectedDevice.objects.filter(customer=old.customer_id, serial=serial).first()
        for place in (one.organization for one in (other, waiting, expected) if one is not None):
            if place is not None and not access.may_manage(by, place):
                raise CannotReplace(_("A device with this serial number belongs to a part that you do not manage."))
        if other is not None and other.pk != giving_up:
            raise WouldEnd(other)
        endings = [end_write_key(old.channel, by=by, address=address)] if old.channel else []
        moving = _leave_channel(old, by=by, address=address)
        if old.blocked_at is not None:
            keep_out(old, serial=old.serial, by=by)
        _remember(old, Ended.REPLACED, by=by, successor=old)
        if other is not None:
            _remember(other, Ended.MERGED, by=by, successor=old, channel_kept=keep_other_channel)
            endings.append(_drop(other, keep_channel=keep_other_channel, by=by, address=address))
        came_with = other.registered_with if other else waiting.asked_with if waiting else None
        before, old.serial, old.blocked_at = old.serial, serial, None
        old.registered_with = came_with or old.registered_with
        old.save(update_fields=["serial", "registered_with", "blocked_at"])
        old.rename_channel()  # a device without a name is called by its serial number
        for left in (PendingDevice, ExpectedDevice):
            left.objects.filter(customer=old.customer_id, serial=serial).delete()
        # When it last asked is known of the old hardware alone.
        DeviceContact.objects.filter(device=old).delete()
        audit.record(
            "device.replaced",
            by=by,
            organization=old.organization,
            about=old,
            address=address,
            before=before,
            serial=serial,
        )
    for ending in endings:
        if ending is not None:
            renewal.carry_out(ending)
    if moving is not None:
        rollover.begin(moving)
    return old


def _leave_channel(device: Device, *, by: User, address: str | None) -> RollOver | None:
    """Store that the device leaves a channel whose write key cannot be ended; `rollover.begin` is the rest."""
    if device.channel is None or device.channel.account.on_platform.can_rotate_write_keys:
        return None
    try:
        return rollover.store_intent(
            device, device.channel, by=by, keep_old=True, overlap=timedelta(0), address=address
        )
    except RenewalUnderWay:
        return None  # It is on its way out of that channel already.


def _locked() -> models.QuerySet[Device]:
    # The row of the device alone: what it is joined with may be missing, and then cannot be locked.
    return Device.objects.select_for_update(of=("self",)).select_related(
        "organization", "channel__account", "registered_with"
    )


def _remember(
    device: Device, how: Ended, *, by: User, successor: Device | None = None, channel_kept: bool = True
) -> None:
    FormerDevice.objects.create(
        customer_id=device.customer_id,
        serial=device.serial,
        name=device.name,
        organization_name=device.organization.name,
        organization_number=device.organization_id,
        channel_number=device.channel.number if device.channel else None,
        channel_kept=channel_kept,
        how=how,
        successor=successor,
        ended_by=by,
    )


def _drop(device: Device, *, keep_channel: bool, by: User, address: str | None) -> Renewal | None:
    """Delete the row of the device. Return the end of its write key, if that is to be carried out afterwards."""
    channel: Channel | None = device.channel
    ending = None
    if channel is not None and keep_channel:
        removal.end_read_keys_of(channel)
        ending = end_write_key(channel, by=by, address=address)
    elif channel is not None:
        removal.remove(channel)
    device.delete()
    return ending
