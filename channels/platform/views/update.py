"""Writing over HTTP: one entry, or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from django.http.response import HttpResponseBase

from channels.platform import answers, bulk, times, values
from channels.platform.api import ORDINARY, Call, endpoint
from channels.platform.errors import (
    AUTH_REQUIRED,
    BAD_REQUEST,
    CONFLICT,
    NOT_FOUND,
    PAYMENT_REQUIRED,
    TOO_MANY,
    ApiError,
    MomentTaken,
    QuotaUsedUp,
    TooEarly,
    UnknownKey,
    WriteRefused,
)
from channels.platform.models import FIELDS, Channel
from channels.platform.plans import plans
from channels.platform.writing import Written, write_entry

# ThingSpeak's limit for a whole message.
MOST_MESSAGE_BYTES = 3000


def write_one(call: Call) -> HttpResponseBase:
    """GET or POST /update: store one entry in the channel that the key writes to, whatever channel is named."""
    asked = call.parameters
    created_at = asked.moment("created_at")  # unreadable is as good as absent, in the original too
    sent = values.read(asked.values, created_at=created_at, address=call.request.META.get("REMOTE_ADDR", ""))
    try:
        if not asked.key:
            raise UnknownKey
        written = write_entry(asked.key, sent, now=call.now)
    except UnknownKey:
        raise WriteRefused from None
    except QuotaUsedUp:
        raise ApiError(PAYMENT_REQUIRED) from None
    except MomentTaken:
        raise ApiError(CONFLICT) from None
    if call.format == "json":
        response: HttpResponseBase = answers.json_answer(_shown(written, sent, call), callback=asked.text("callback"))
    elif call.format == "xml":
        response = answers.answer(answers.xml("feed", _shown(written, sent, call)), "xml")
    else:
        response = answers.answer(str(written.entry_id))
    return _with_hint(response, written)


def _with_hint(response: HttpResponseBase, written: Written) -> HttpResponseBase:
    """Tell a device that its key is about to end. The header is not in the original, whose clients pass it over."""
    if written.key_is_retiring:
        response["Key-Renewal"] = "pending"
    return response


def _shown(written: Written, sent: values.EntryValues, call: Call) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "channel_id": written.channel_number,
        "created_at": times.iso(written.created_at, call.parameters.zone),
        "entry_id": written.entry_id,
    }
    columns = (*(f"field{n}" for n in FIELDS), "latitude", "longitude", "elevation", "status")
    return shown | {name: sent.columns.get(name) for name in columns}


def write_many(call: Call, number: int) -> HttpResponseBase:
    """POST /channels/ID/bulk_update.json or .csv: store all the entries, or none of them."""
    channel = Channel.objects.select_related("account").filter(number=number).first()
    if channel is None:
        raise ApiError(NOT_FOUND)
    asked = call.parameters
    most = channel.account.plan.bulk_limit
    rows = _rows(call, most)
    try:
        written = bulk.write_many((asked.text("write_api_key") or asked.key).strip(), channel, rows, now=call.now)
    except UnknownKey:
        raise ApiError(AUTH_REQUIRED) from None
    except TooEarly:
        interval = channel.account.plan.bulk_interval
        details = f"Bulk writes to a channel must be {interval:g} seconds apart."
        raise ApiError(TOO_MANY, details, {"Retry-After": str(ceil(interval))}) from None
    except QuotaUsedUp:
        raise ApiError(PAYMENT_REQUIRED) from None
    except MomentTaken:
        raise ApiError(CONFLICT) from None
    return _with_hint(answers.json_answer({"success": True}, status=202), written)


def _rows(call: Call, most: int) -> Sequence[bulk.Row]:
    asked = call.parameters
    if call.format == "json":
        if not asked.document:
            raise ApiError(BAD_REQUEST, "The body must be a JSON object, sent as application/json.")
        return bulk.read_json(asked.document, most=most)
    return bulk.read_csv(asked.text("updates") or "", asked.text("time_format") or "", most=most)


def _most_bulk_bytes() -> int:
    return max(plan.bulk_limit for plan in plans().values()) * bulk.MOST_ENTRY_BYTES + ORDINARY


# Not HEAD: it must not store anything.
update = endpoint(GET=write_one, POST=write_one, head=False, most_bytes=MOST_MESSAGE_BYTES)
# In JSON also for CSV, as success is: the bare code would not say which entry is wrong.
bulk_update = endpoint(POST=write_many, formats=("json", "csv"), refuses_in="json", most_bytes=_most_bulk_bytes)
