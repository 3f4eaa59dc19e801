"""A device's whole history: out as CSV for everybody who sees it, in from CSV for its managers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from itertools import chain

from channels.models import Channel
from devices.latest import line_of, portal_key
from devices.models import Device
from orgs import audit
from orgs.models import User

MOST_BYTES = 16 * 1024 * 1024
"""Of a file; more than 100 000 ordinary lines."""


def csv_of(channel: Channel) -> Iterator[str]:
    """Return the channel's history as lines of CSV; the platform has begun to answer. Raises PlatformError.

    What the device has measured in channels before this one comes first. Each channel has counted from 1.
    """
    older = [one for one in line_of(channel) if one.pk < channel.pk and one.gone_at is None]
    parts = [_begun(one) for one in (*older, channel)]
    for part in parts[1:]:
        next(part)  # the heading
    return chain.from_iterable(parts)


def _begun(channel: Channel) -> Iterator[str]:
    lines = channel.account.on_platform.export_csv(channel.number, read_key=portal_key(channel))
    return chain([next(lines)], lines)


def add(device: Device, file: bytes, *, zone: tzinfo, by: User, address: str | None = None) -> int:
    """Add the entries of a CSV file to the device's channel, and return how many they were: all of them, or none.

    Moments without a zone are read in `zone`. Raises PlatformError: FileRefused, whose text is for the sender, …
    """
    channel = device.channel
    if channel is None:
        raise LookupError(f"{device.serial} has no channel.")
    account = channel.account
    stored = account.on_platform.import_csv(account.key, channel.number, file, zone=zone)
    audit.record(
        "history.imported", by=by, organization=device.organization, about=device, address=address, entries=stored
    )
    return stored
