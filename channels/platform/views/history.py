"""A channel's whole history: out as CSV, in from CSV."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from channels.platform import answers, history
from channels.platform.api import Call, endpoint
from channels.platform.errors import BAD_REQUEST, CONFLICT, PAYMENT_REQUIRED, ApiError, MomentTaken, QuotaUsedUp

# More than 100 000 ordinary lines.
MOST_IMPORT_BYTES = 16 * 1024 * 1024


def export(call: Call, number: int) -> HttpResponseBase:
    """GET /stream/channels/ID/feeds: every entry as CSV, oldest first, sent while it is read."""
    channel = call.readable_channel(number)
    lines = history.as_csv(channel, call.parameters.zone)
    response = StreamingHttpResponse(lines, content_type=answers.CONTENT_TYPES["csv"])
    response["Content-Disposition"] = f'attachment; filename="channel-{number}.csv"'
    return response


def import_csv(call: Call, number: int) -> HttpResponseBase:
    """POST /channels/ID/feeds.csv: add entries from a CSV file; all of them or none.

    The file is the body (text/csv) or the part `csv` of a form; its first line names the columns, as in an export.
    """
    channel = call.own_channel(number)
    file = call.parameters.files.get("csv")
    text = file.read() if file is not None else call.parameters.body
    try:
        stored = history.add(channel, bytes(text), zone=call.parameters.zone, now=call.now)
    except MomentTaken as taken:
        return answers.error(ApiError(CONFLICT, str(taken)), "json")
    except QuotaUsedUp:
        raise ApiError(PAYMENT_REQUIRED) from None
    except history.CannotRead as problem:
        # As JSON, like success: the bare code would not say which line.
        return answers.error(ApiError(BAD_REQUEST, str(problem)), "json")
    return answers.json_answer({"success": True, "stored": stored}, status=202)


export_channel = endpoint(GET=export, formats=("", "csv"))
