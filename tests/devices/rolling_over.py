"""What tests of moves to new channels have in common."""

from __future__ import annotations

from django.utils import timezone

from channels.models import ChannelKey
from devices.models import Device
from tests.channels.renewing import current


def again(device: Device) -> Device:
    return Device.objects.select_related("organization", "channel__account").get(pk=device.pk)


def acknowledge(device: Device) -> None:
    ChannelKey.objects.filter(pk=current(again(device).channel).pk).update(acknowledged_at=timezone.now())
