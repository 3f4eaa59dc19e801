"""Deciding about devices that wait at the door."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from devices.models import Device, DeviceContact, PendingDevice, RegistrationKey
from orgs import audit
from orgs.models import Organization, User


class CannotApprove(Exception):
    """The device cannot be let in as things are. The text is a sentence for the manager."""


def approve(
    pending: PendingDevice, *, by: User, into: Organization | None = None, address: str | None = None
) -> Device | None:
    """Let the device in, also one that was refused before; it gets its channel when it asks the next time.

    It lands in `into`, an organization of the same customer, or where its registration key puts it. Returns None if
    somebody else has decided in the meantime. Raises CannotApprove.
    """
    with transaction.atomic():
        waiting = _locked(pending)
        if waiting is None:
            return None
        if waiting.organization_id != pending.organization_id:
            # Maybe of a part that this manager has no say in.
            raise CannotApprove(
                _("{serial} has just asked with the key of another organization. Look again.").format(
                    serial=waiting.serial
                )
            )
        key = _key_for(waiting)
        place = into or waiting.organization
        if place.tree_id != waiting.organization.tree_id:
            raise CannotApprove(_("A device stays with its customer."))
        try:
            with transaction.atomic():
                device = Device.objects.create(
                    customer_id=waiting.customer_id, organization=place, serial=waiting.serial, registered_with=key
                )
        except IntegrityError:
            # It came in another way, while the policy was open for a moment.
            RegistrationKey.objects.give_back_use(key)
            waiting.delete()
            return None
        # With the key that it has: should that have been renewed since, it is one of those that have to move.
        DeviceContact.objects.create(device=device, asked_at=waiting.last_asked_at, asked_with=waiting.asked_with)
        waiting.delete()
        audit.record(
            "device.approved", by=by, organization=place, about=device, address=address, asked_from=waiting.address
        )
    return device


def _locked(pending: PendingDevice) -> PendingDevice | None:
    # The row of the device alone: what it is joined with may be missing, and then cannot be locked.
    found = PendingDevice.objects.select_for_update(of=("self",)).filter(pk=pending.pk)
    return found.select_related("organization", "asked_with__successor").first()


def _key_for(waiting: PendingDevice) -> RegistrationKey:
    """Count the device on the registration key that it asked with, or on the renewal of that, and return the key."""
    asked_with = waiting.asked_with
    key = asked_with.successor or asked_with if asked_with else None
    if asked_with is None or key is None or not (asked_with.is_good and key.is_good):
        raise CannotApprove(
            _("The registration key that {serial} asks with is over. Set a good one into the device first.").format(
                serial=waiting.serial
            )
        )
    if not RegistrationKey.objects.take_use(key):
        raise CannotApprove(
            _("{key} has let in as many devices as it may. Raise its limit, then let {serial} in.").format(
                key=key, serial=waiting.serial
            )
        )
    return key


def refuse(pending: PendingDevice, *, by: User, address: str | None = None) -> bool:
    """Keep the device out until somebody says otherwise. Return False if somebody else has decided already."""
    with transaction.atomic():
        refused = PendingDevice.objects.waiting().filter(pk=pending.pk, organization=pending.organization_id)
        if not refused.update(refused_at=timezone.now(), refused_by=by):
            return False
        audit.record("device.refused", by=by, organization=pending.organization, about=pending, address=address)
    return True


def undo_refusal(pending: PendingDevice, *, by: User, address: str | None = None) -> bool:
    """Let a device wait again that the same person has refused. Return False if it is not so any more."""
    with transaction.atomic():
        refused = PendingDevice.objects.refused().filter(pk=pending.pk, refused_by=by)
        if not refused.update(refused_at=None, refused_by=None):
            return False
        audit.record("device.refusal_undone", by=by, organization=pending.organization, about=pending, address=address)
    return True


def forget(pending: PendingDevice, *, by: User, address: str | None = None) -> bool:
    """Take the device off the list: when it asks again, it is as if it came for the first time."""
    with transaction.atomic():
        if not PendingDevice.objects.filter(pk=pending.pk, organization=pending.organization_id).delete()[0]:
            return False
        audit.record("device.forgotten", by=by, organization=pending.organization, about=pending, address=address)
    return True


def keep_out(device: Device, *, serial: str, by: User) -> None:
    """Refuse the hardware with that serial number, which was blocked as `device`, though it is no device any more."""
    PendingDevice.objects.update_or_create(
        customer_id=device.customer_id,
        serial=serial,
        defaults={
            "organization": device.organization,
            "asked_with": device.registered_with,
            "refused_at": timezone.now(),
            "refused_by": by,
        },
    )
