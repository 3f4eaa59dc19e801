"""Who may read a channel, and the rows of its feed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from channels.platform.models import FIELDS, ApiKey, Channel, Entry

DEFAULT_RESULTS = 100
MOST_RESULTS = 8000


def may_read(channel: Channel, key: str) -> bool:
    """Tell whether the channel is public or `key` is a good read or write key of it."""
    if channel.public:
        return True
    return bool(key) and ApiKey.objects.good_at(timezone.now()).filter(channel=channel).find(key) is not None


def newest(
    channel: Channel, *, results: int, start: datetime | None = None, end: datetime | None = None
) -> Sequence[Sequence[Any]]:
    """Return the newest entries as rows of entry id, moment and the eight values, oldest first."""
    entries = Entry.objects.filter(channel=channel)
    if start is not None:
        entries = entries.filter(created_at__gte=start)
    if end is not None:
        entries = entries.filter(created_at__lte=end)
    columns = ("entry_id", "created_at", *(f"field{n}" for n in FIELDS))
    rows = list(entries.order_by("-created_at").values_list(*columns)[: max(results, 0)])
    rows.reverse()
    return rows
