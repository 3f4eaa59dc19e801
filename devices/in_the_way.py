"""Why a device gets no key, in words for operators: a stranger is told less, on purpose (`devices.errors`)."""

from __future__ import annotations

from django.utils.translation import gettext as _

from channels.models import PlatformAccount
from devices.models import Device, DeviceContact


def in_the_way_of(device: Device) -> str:
    """Return what is in the way of a device that asks for its key; "" if nothing is.

    `device` comes with its customer, contact, channel, account and registration keys selected.
    """
    if device.customer.suspended_at:
        return _("customer suspended")
    if device.blocked_at:
        return _("blocked")
    contact: DeviceContact | None = getattr(device, "contact", None)
    key = (contact and contact.asked_with) or device.registered_with
    if key and key.revoked_at:
        return _("its registration key is revoked")
    if key and not key.is_good:
        return _("its registration key has expired")
    if device.channel is None:
        return _("has no channel yet")
    if device.channel.account.state == PlatformAccount.State.REFUSED:
        return _("the platform refuses the account key")
    return ""
