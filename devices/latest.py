"""The last values of devices, and their feeds, read with the portal's own keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from channels.models import Channel, ChannelKey
from channels.platforms import Entry, Feed, NoAccess, PlatformError, platform_named
from devices.models import Device

FIELD = 1
"""The field in which a thermometer stores the temperature in degrees Celsius."""


@dataclass(frozen=True)
class LastValues:
    """The last entries by primary key of the device. `out_of_reach`: some may be missing here and yet exist."""

    entries: Mapping[int, Entry]
    out_of_reach: bool


def last_values(devices: Sequence[Device]) -> LastValues:
    """Return the last entry of each device: one query for the keys, and one call per platform.

    `devices` come with `channel__account` selected. Those that have not sent anything are left out.
    """
    channels = {device.channel.pk: (device.pk, device.channel) for device in devices if device.channel is not None}
    keys: dict[str, dict[int, str]] = defaultdict(dict)
    device_of: dict[tuple[str, int], int] = {}
    for key in ChannelKey.objects.of_the_portal().filter(channel__in=channels).order_by("pk"):
        device, channel = channels[key.channel_id]
        keys[channel.account.platform][channel.number] = key.value
        device_of[channel.account.platform, channel.number] = device
    entries: dict[int, Entry] = {}
    out_of_reach = False
    for platform, read_keys in keys.items():
        try:
            found = platform_named(platform).last_entries(read_keys)
        except PlatformError:
            out_of_reach = True
        else:
            entries |= {device_of[platform, number]: entry for number, entry in found.items()}
    return LastValues(entries, out_of_reach)


def feed_of(channel: Channel, *, results: int, start: datetime | None = None, end: datetime | None = None) -> Feed:
    """Return the newest `results` entries, oldest first. Raises PlatformError, NoAccess if the portal has no key."""
    platform = channel.account.on_platform
    return platform.read_feed(channel.number, read_key=portal_key(channel), results=results, start=start, end=end)


def portal_key(channel: Channel) -> str:
    """Return the key with which the portal itself reads the channel. Raises NoAccess if it has none."""
    key = ChannelKey.objects.of_the_portal().filter(channel=channel).order_by("pk").last()
    if key is None:
        raise NoAccess(f"The portal has no read key for channel {channel.number}.")
    return key.value
