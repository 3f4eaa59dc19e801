"""Measuring as a thermometer does: by the platform's public address, with the device's write key."""

from __future__ import annotations

from datetime import datetime

from django.test import Client

from channels.models import ChannelKey
from devices.models import Device


def measure(device: Device, value: str, at: datetime | None = None) -> None:
    """Store a temperature in the device's channel, now or at that moment."""
    key = ChannelKey.objects.current().writing().get(channel=device.channel).value
    fields = {"api_key": key, "field1": value}
    if at is not None:
        fields["created_at"] = at.isoformat()
    answer = Client().post("/update", fields)
    assert answer.content != b"0"
