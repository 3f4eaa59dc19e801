"""Our mark in a channel's metadata: by it a channel is found again whose number was lost on the way.

Both platforms keep it in the metadata text, because that is all that ThingSpeak's API lets us store.
"""

from __future__ import annotations

import re
import uuid

_PREFIX = "keydist:"
_MARK = re.compile(rf"(?<!\S){_PREFIX}(\S+)")
MAX_LENGTH = 200


def marker_in(metadata: str | None) -> str:
    """Return the marker that `metadata` carries, or "" if there is none."""
    found = _MARK.search(metadata or "")
    return found[1][:MAX_LENGTH] if found else ""


def with_marker(metadata: str | None, marker: str) -> str:
    """Return `metadata` carrying `marker` instead of the one it had; the rest of the text is kept.

    An empty `marker` takes the mark away. Raises ValueError for a marker with blanks in it or over 200 characters.
    """
    if len(marker) > MAX_LENGTH or re.search(r"\s", marker):
        raise ValueError("A marker has at most 200 characters and no blanks.")
    rest = _MARK.sub("", metadata or "").strip()
    return f"{rest} {_PREFIX}{marker}".strip() if marker else rest


def marker_of(uid: uuid.UUID) -> str:
    """Return the marker of the channel that is made for a device, or for its move to another channel."""
    return f"keydist:{uid}"
