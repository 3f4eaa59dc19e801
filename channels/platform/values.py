"""What one write carries, checked before it comes near the database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from channels.platform.errors import BAD_REQUEST, ApiError
from channels.platform.models import FIELDS

MOST_TEXT_BYTES = 255
# A literal backslash-n or -r, or the real thing: firmware that builds its request by hand sends both.
_LINE_END = re.compile(r"(\\n|\\r|\n|\r)+$")
# What a text column is called by those who write: `field1`, or `1` as in the first years.
_TEXTS = {f"field{n}": f"field{n}" for n in FIELDS} | {str(n): f"field{n}" for n in FIELDS} | {"status": "status"}


@dataclass(frozen=True)
class EntryValues:
    """The columns of one entry that were sent: `field1`…`field8`, `latitude`, `longitude`, `elevation`, `status`.

    `created_at` is None where the moment of arrival counts.
    """

    columns: Mapping[str, str]
    created_at: datetime | None = None


def read(sent: Mapping[str, str], *, created_at: datetime | None = None, address: str = "") -> EntryValues:
    """Return what `sent` (parameters by name) says about an entry. Unknown names are ignored.

    `address` stands in for the value IP_ADDRESS. Raises ApiError (400) for a text over 255 bytes, or a position that
    is not on earth.
    """
    columns: dict[str, str] = {}
    for name, value in sent.items():
        column = _TEXTS.get(name)
        if column and value and (name == column or column not in columns) and (text := _text(name, value, address)):
            columns[column] = text
    for column, short, most in (("latitude", "lat", 90), ("longitude", "long", 180), ("elevation", "", None)):
        if text := (sent.get(column) or sent.get(short) or "").strip():
            columns[column] = decimal_text(column, text, most)
    return EntryValues(columns, created_at)


def _text(name: str, value: str, address: str) -> str:
    """The value without line ends. What is left empty counts as not sent."""
    if value[-1] in "nr\n\r":
        value = _LINE_END.sub("", value)
    if len(value) > MOST_TEXT_BYTES // 4 and len(value.encode()) > MOST_TEXT_BYTES:
        raise ApiError(BAD_REQUEST, _("{name} is longer than {most} bytes.").format(name=name, most=MOST_TEXT_BYTES))
    return address if address and value.upper() == "IP_ADDRESS" else value


def decimal_text(name: str, text: str, most: int | None) -> str:
    """Return a number the way the original writes it: plain digits with at least one after the point.

    Raises ApiError (400) if `text` is no number, or one beyond ±`most`.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ApiError(BAD_REQUEST, _("{name} is not a number.").format(name=name)) from None
    # Not abs(): that calculates, and 1e1000000 is more than the module calculates with.
    most = most or 10**9
    if not number.is_finite() or not -most <= number <= most:
        raise ApiError(BAD_REQUEST, _("{name} is out of range.").format(name=name))
    plain = f"{round(number, 10):f}"
    if "." in plain:
        plain = plain.rstrip("0")
    return plain + ("0" if plain.endswith(".") else "" if "." in plain else ".0")
