"""The settings of a channel as the API takes them: what is sent is changed, the rest stays."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from channels.platform.errors import BAD_REQUEST, ApiError
from channels.platform.models import FIELDS, Channel, Tag
from channels.platform.values import decimal_text

_TEXTS = ("name", "description", "elevation", "url", *(f"field{n}" for n in FIELDS))
_MOST_CHARACTERS = 255
_MOST_METADATA = 20_000
_MOST_TAGS = 50


def read(sent: Mapping[str, str]) -> dict[str, Any]:
    """Return the model fields that `sent` changes. Raises ApiError (400) that names what is not well formed."""
    changes: dict[str, Any] = {}
    for name in _TEXTS:
        if (text := sent.get(name)) is not None:
            if len(text) > _MOST_CHARACTERS:
                raise ApiError(BAD_REQUEST, f"{name} is longer than {_MOST_CHARACTERS} characters.")
            changes[name] = text.strip()
    if changes.get("elevation"):
        changes["elevation"] = decimal_text("elevation", changes["elevation"], None)
    # A link on the channel's page: nothing that a browser would run.
    if changes.get("url") and not changes["url"].lower().startswith(("http://", "https://")):
        raise ApiError(BAD_REQUEST, "url must begin with http:// or https://.")
    if (metadata := sent.get("metadata")) is not None:
        if len(metadata) > _MOST_METADATA:
            raise ApiError(BAD_REQUEST, f"metadata is longer than {_MOST_METADATA} characters.")
        changes["metadata"] = metadata
    for name, most in (("latitude", 90), ("longitude", 180)):
        if (text := sent.get(name)) is not None:
            changes[name] = Decimal(decimal_text(name, text.strip(), most)) if text.strip() else None
    if (flag := sent.get("public_flag")) is not None:
        changes["public"] = flag.strip().lower() in ("true", "1")
    return changes


def save_tags(channel: Channel, sent: Mapping[str, str]) -> None:
    """Replace the channel's tags if `sent` names any."""
    if "tags" not in sent:
        return
    names = list(dict.fromkeys(name for part in sent["tags"].split(",") if (name := part.strip()[:255])))[:_MOST_TAGS]
    Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
    channel.tags.set(Tag.objects.filter(name__in=names))
