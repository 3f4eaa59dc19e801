"""The last values of devices, and their feeds, read with the portal's own keys.

A device that was moved to another channel has measured in both: whoever reads them here sees one feed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from channels.models import Channel, ChannelKey
from channels.platforms import Entry, Feed, NoAccess, NoSuchChannel, PlatformError, platform_named
from devices.models import Device

FIELD = 1
"""The field in which a thermometer stores the temperature in degrees Celsius."""
APART = 10**9
"""By how much the entries of a device's next channel are numbered higher: every channel counts from 1."""
LATE = timedelta(days=1)
"""How long after it has left a channel a device may still deliver what it had sent there without an answer."""


@dataclass(frozen=True)
class LastValues:
    """The last entries by primary key of the device. `out_of_reach`: some may be missing here and yet exist."""

    entries: Mapping[int, Entry]
    out_of_reach: bool


def last_values(devices: Sequence[Device]) -> LastValues:
    """Return the last entry of each device: one query for the keys, and one call per platform.

    `devices` come with `channel__account` selected. Those that have not sent anything are left out.
    """
    channels = [device.channel for device in devices if device.channel is not None]
    platforms = {channel.line: channel.account.platform for channel in channels}
    moved = [channel.line for channel in channels if channel.first_id is not None]
    before = Channel.objects.of_lines(moved).still_there()
    keys = ChannelKey.objects.of_the_portal().filter(Q(channel__in=channels) | Q(channel__in=before))
    # Whole rows would cost more than all else where there are hundreds.
    rows = keys.order_by("pk").values_list("channel", "channel__number", "channel__first", "value")
    read_keys: dict[str, dict[int, str]] = defaultdict(dict)
    numbers: dict[int, dict[int, int]] = defaultdict(dict)
    for channel, number, first, value in rows:
        line = first or channel
        read_keys[platforms[line]][number] = value
        numbers[line][channel] = number
    entries: dict[tuple[str, int], Entry] = {}
    out_of_reach = False
    for platform, keys_there in read_keys.items():
        try:
            found = platform_named(platform).last_entries(keys_there)
        except PlatformError:
            out_of_reach = True
        else:
            entries |= {(platform, number): entry for number, entry in found.items()}
    newest = {}
    for device in devices:
        if device.channel is not None:
            line = device.channel.line
            # The newest channel that has any: the device may not have learned of the last one yet.
            of_line = [(platforms[line], number) for _pk, number in sorted(numbers[line].items(), reverse=True)]
            found_at = next((place for place in of_line if place in entries), None)
            if found_at is not None:
                newest[device.pk] = entries[found_at]
    return LastValues(newest, out_of_reach)


def last_measured(devices: Sequence[Device]) -> dict[int, datetime | None]:
    """Return when each device last measured, by primary key, and None if it never has. No key is needed for it.

    Two queries, whatever the number; `devices` come with `channel__account` selected. Those are left out whose
    platform tells it only to those who have a key.
    """
    channels = {device.channel.line: device.channel for device in devices if device.channel is not None}
    there = Channel.objects.of_lines(channels).still_there().order_by("pk").values_list("pk", "number", "first")
    lines: dict[str, dict[int, int]] = defaultdict(dict)
    for pk, number, first in there:
        line = first or pk
        lines[channels[line].account.platform][number] = line
    moments: dict[int, datetime | None] = dict.fromkeys(channels)
    for platform, line_of in lines.items():
        found = platform_named(platform).last_measured(line_of)
        for number, line in line_of.items():
            if found is None:
                moments.pop(line, None)
            elif number in found:
                moments[line] = found[number]  # The newest channel that has any comes last.
    measured: dict[int, datetime | None] = {}
    for device in devices:
        if device.channel is None:
            measured[device.pk] = None
        elif device.channel.line in moments:
            measured[device.pk] = moments[device.channel.line]
    return measured


def feed_of(
    channel: Channel,
    *,
    results: int,
    start: datetime | None = None,
    end: datetime | None = None,
    with_history: bool = True,
) -> Feed:
    """Return the newest `results` entries, oldest first. Raises PlatformError, NoAccess if the portal has no key.

    With what the channel's device has measured in channels before this one; entries are numbered through all of them.
    """
    feed = _read(channel, results=results, start=start, end=end)
    if channel.first_id is None or not with_history:
        return feed
    line = line_of(channel)
    place = {one.pk: number for number, one in enumerate(line)}
    entries = _numbered(feed.entries, place[channel.pk])
    for older in reversed(line[: place[channel.pk]]):
        wanted = results - len(entries)
        until = older.left_at + LATE if older.left_at is not None else None
        if wanted <= 0 or (start is not None and until is not None and until < start):
            break
        if older.gone_at is None:
            last = min((moment for moment in (end, until) if moment is not None), default=None)
            entries = [*_numbered(_history(older, wanted, start, last), place[older.pk]), *entries]
    # What a device has delivered late stands among what it measured then.
    return replace(feed, entries=sorted(entries, key=lambda entry: entry.created_at))


def line_of(channel: Channel) -> list[Channel]:
    """Return all channels that the device of this one has had, those that are gone included, the oldest first."""
    return list(Channel.objects.of_lines([channel.line]).select_related("account").order_by("pk"))


def _numbered(entries: Sequence[Entry], place: int) -> list[Entry]:
    return [replace(entry, entry_id=entry.entry_id + place * APART) for entry in entries]


def _history(channel: Channel, results: int, start: datetime | None, end: datetime | None) -> Sequence[Entry]:
    """Return what a device has measured in a channel before; nothing if that cannot be read any more."""
    try:
        return _read(channel, results=results, start=start, end=end).entries
    except (NoAccess, NoSuchChannel):
        return []


def _read(channel: Channel, *, results: int, start: datetime | None, end: datetime | None) -> Feed:
    platform = channel.account.on_platform
    return platform.read_feed(channel.number, read_key=portal_key(channel), results=results, start=start, end=end)


def portal_key(channel: Channel) -> str:
    """Return the key with which the portal itself reads the channel. Raises NoAccess if it has none."""
    key = ChannelKey.objects.of_the_portal().filter(channel=channel).order_by("pk").last()
    if key is None:
        raise NoAccess(f"The portal has no read key for channel {channel.number}.")
    return key.value
