"""Blocking a device: it gets no key, and the one that it has ends where the platform can end it."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from channels import emergency, renewal
from channels.errors import CannotRenew
from channels.models import Channel, Renewal
from devices.models import Device
from orgs import audit
from orgs.models import User


def block(device: Device, *, by: User, address: str | None = None) -> bool:
    """Shut the device out from now on. Return False if it is blocked already.

    Where the platform can rotate keys its write key is replaced by one that it is not given, at once or as soon as the
    platform can be reached. Elsewhere it can go on writing until somebody regenerates the key there.
    """
    return bool(block_all([device], by=by, address=address))


def block_all(devices: Collection[Device], *, by: User, address: str | None = None) -> int:
    """Shut each of these devices out from now on, as `block` does. Return how many were not blocked before.

    Their write keys end together, before the first of them is replaced.
    """
    blocked, endings = 0, []
    for device in devices:
        with transaction.atomic():
            if not Device.objects.filter(pk=device.pk, blocked_at=None).update(blocked_at=timezone.now()):
                continue
            ending = end_write_key(device.channel, by=by, address=address) if device.channel else None
            audit.record("device.blocked", by=by, organization=device.organization, about=device, address=address)
        blocked += 1
        if ending is not None:
            endings.append(ending)
    if len(endings) > 1:
        emergency.end_at_once(Renewal.objects.filter(pk__in=[ending.pk for ending in endings]))
    for ending in endings:
        renewal.carry_out(ending)
    return blocked


def end_write_key(channel: Channel, *, by: User, address: str | None = None) -> Renewal | None:
    """Store that the channel's write key ends without a transitional period; `renewal.carry_out` is the rest.

    None where the platform cannot do that. To be called in the transaction of what it belongs to, so that the worker
    carries it out if this process cannot.
    """
    if not channel.account.on_platform.can_rotate_write_keys:
        return None
    try:
        return renewal.start_revocation(channel, by=by, address=address)
    except CannotRenew:
        return None  # It has no write key.


def unblock(device: Device, *, by: User, address: str | None = None) -> bool:
    """Let the device have its key again, when it asks next. Return False if it is not blocked."""
    with transaction.atomic():
        if not Device.objects.filter(pk=device.pk, blocked_at__isnull=False).update(blocked_at=None):
            return False
        audit.record("device.unblocked", by=by, organization=device.organization, about=device, address=address)
    return True
