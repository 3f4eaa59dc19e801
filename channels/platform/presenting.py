"""Channels and entries as the API shows them: plain dictionaries in the original's order of members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any

from django.utils import timezone

from channels.platform import times
from channels.platform.models import Channel
from channels.platform.parameters import Parameters
from channels.platform.reading import Row, rounded
from channels.platform.values import decimal_text

WriteMoment = Callable[[datetime, tzinfo], str]


def feed_channel(channel: Channel, asked: Parameters) -> dict[str, Any]:
    """The channel as a feed begins with it: what is empty is left out."""
    shown: dict[str, Any] = {"id": channel.number, "name": channel.name}
    if channel.description:
        shown["description"] = channel.description
    shown |= position(channel)
    shown |= {f"field{n}": label for n, label in channel.labels.items()}
    if asked.flag("metadata") and channel.metadata:
        shown["metadata"] = channel.metadata
    shown["created_at"] = times.iso(channel.created_at, asked.zone)
    shown["updated_at"] = times.iso(channel.updated_at, asked.zone)
    if channel.elevation:
        shown["elevation"] = channel.elevation
    shown["last_entry_id"] = channel.latest.last_entry_id or None
    return shown


def position(channel: Channel) -> dict[str, str]:
    """Latitude and longitude as text, if the channel has a position."""
    return {
        name: decimal_text(name, str(value), None)
        for name in ("latitude", "longitude")
        if (value := getattr(channel, name)) is not None
    }


def public_channel(channel: Channel) -> dict[str, Any]:
    """The channel as everybody may see it who may see it at all."""
    where = position(channel)
    return {
        "id": channel.number,
        "name": channel.name,
        "description": channel.description or None,
        "latitude": where.get("latitude"),
        "longitude": where.get("longitude"),
        "created_at": times.iso(channel.created_at),
        "elevation": channel.elevation or None,
        "last_entry_id": channel.latest.last_entry_id or None,
        "public_flag": channel.public,
        "url": channel.url or None,
        "ranking": _ranking(channel),
        "username": channel.account.login,
        "tags": [{"id": tag.pk, "name": tag.name} for tag in channel.tags.all()],
    }


def own_channel(channel: Channel) -> dict[str, Any]:
    """The channel as its owner sees it: with metadata and keys, the write key first.

    A write key that is retiring is left out: clients take the last or the first of each kind.
    """
    now = timezone.now()
    shown = public_channel(channel) | {"metadata": channel.metadata or None}
    shown["api_keys"] = [
        {"api_key": key.value, "write_flag": key.writes}
        for key in channel.api_keys.all()
        if key.is_good_at(now) and not (key.writes and key.expires_at)
    ]
    return shown


def _ranking(channel: Channel) -> int:
    """How completely a channel describes itself, counted as the original counts."""
    return (
        15 * bool(channel.name)
        + 20 * bool(channel.description)
        + 15 * (channel.latitude is not None and channel.longitude is not None)
        + 20 * bool(channel.url)
        + 15 * bool(channel.tags.all())
    )


def entry(row: Row, names: Sequence[str], asked: Parameters, *, write: WriteMoment = times.iso) -> dict[str, Any]:
    """One row of a feed. A step of a sum or an average has no entry id, so the member is left out."""
    places = asked.whole("round")
    shown: dict[str, Any] = {"created_at": write(row[0], asked.zone)}
    if row[1] is not None:
        shown["entry_id"] = row[1]
    for name, value in zip(names, row[2:], strict=True):
        shown[name] = rounded(value, places) if places is not None and name.startswith("field") else value
    return shown
