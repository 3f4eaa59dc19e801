"""What ThingSpeak's JSON means. Fields that nobody promised may be missing, and more may be there.

Every function raises ValueError for what is not in the contract; the text holds nothing of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from channels.markers import marker_in
from channels.platforms import Entry, Feed, RemoteChannel

FIELDS = range(1, 9)


def channels(body: Any) -> list[dict[str, Any]]:
    """Return the channel objects of a listing, oldest first."""
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        raise ValueError("not a list of channels")
    return sorted(body, key=number)


def number(channel: Any) -> int:
    """Return the number of a channel object."""
    if not isinstance(channel, dict):
        raise ValueError("not a channel")
    return _whole(channel.get("id"))


def keys(channel: Mapping[str, Any], *, writing: bool) -> list[str]:
    """Return the write keys or the read keys of a channel object, in the order in which they are listed."""
    listed = channel.get("api_keys") or []
    if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
        raise ValueError("not a list of keys")
    found = [key.get("api_key") for key in listed if bool(key.get("write_flag")) is writing]
    return [key for key in found if isinstance(key, str) and key]


def remote_channel(channel: dict[str, Any]) -> RemoteChannel:
    """Return a channel object as the owner sees it. One without a write key is not a channel of the owner's."""
    writing = keys(channel, writing=True)
    if not writing:
        raise ValueError("a channel without a write key")
    return RemoteChannel(
        number=number(channel),
        name=_text(channel.get("name")),
        marker=marker_in(_text(channel.get("metadata"))),
        write_key=writing[0],
        read_keys=tuple(keys(channel, writing=False)),
    )


def feed(body: Any) -> Feed:
    """Return the answer to a feed request."""
    if not isinstance(body, dict) or not isinstance(body.get("feeds"), list):
        raise ValueError("not a feed")
    channel = body.get("channel")
    if not isinstance(channel, dict):
        raise ValueError("a feed without its channel")
    entries = sorted((entry(item) for item in body["feeds"]), key=lambda e: (e.created_at, e.entry_id))
    labels = {n: label for n in FIELDS if (label := _text(channel.get(f"field{n}")))}
    return Feed(number(channel), _text(channel.get("name")), labels, entries)


def entry(item: Any) -> Entry:
    """Return one entry of a feed."""
    if not isinstance(item, dict):
        raise ValueError("not an entry")
    values = {n: _text(value) for n in FIELDS if (value := item.get(f"field{n}")) is not None}
    return Entry(_whole(item.get("entry_id")), _moment(item.get("created_at")), values)


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    raise ValueError("not a whole number")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise ValueError("not a text")


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("not a moment")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("not a moment") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
