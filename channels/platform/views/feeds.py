"""Reading over HTTP: feeds and fields, single entries, the last one, its age, and statuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http.response import HttpResponseBase

from channels.platform import aggregation, answers, presenting, reading, times
from channels.platform.api import Call, Endpoint, endpoint
from channels.platform.errors import NOT_FOUND, ApiError, ReadRefused
from channels.platform.models import FIELDS, Channel, Latest
from channels.platform.reading import LOCATION, Row
from channels.platform.views.channels import clear
from channels.platform.views.history import MOST_IMPORT_BYTES, import_csv

# How many entries the last sum, average or median is taken from, as in the original.
_LAST_GROUP, _MOST_LAST_GROUP = 30, 100


def feed(call: Call, number: int, field: int | None = None) -> HttpResponseBase:
    """GET /channels/ID/feeds and /channels/ID/fields/N."""
    channel = call.readable_channel(number)
    _check(field)
    asked = call.parameters
    names = reading.columns(channel, asked, field)
    part = reading.window(asked, call.now)
    by = aggregation.steps(asked)
    if by:
        names = [name for name in names if name.startswith("field")]
        rows = aggregation.summed_up(channel, part, names, by)
    else:
        rows = reading.rows(channel, part, names)
    rows = reading.within(rows, asked)
    return _feed_answer(call, presenting.feed_channel(channel, asked), rows, names, with_ids=by is None)


def statuses(call: Call, number: int) -> HttpResponseBase:
    """GET /channels/ID/status: the statuses of the last day, or of `days`."""
    channel = call.readable_channel(number)
    rows = reading.rows(channel, reading.last_day(call.parameters, call.now), ["status"])
    shown = {"name": channel.name} | presenting.position(channel)
    return _feed_answer(call, shown, rows, ["status"])


def _feed_answer(
    call: Call, channel: dict[str, Any], rows: Sequence[Row], names: Sequence[str], *, with_ids: bool = True
) -> HttpResponseBase:
    asked = call.parameters
    if call.format == "csv":
        header = ["created_at", *(["entry_id"] if with_ids else []), *names]
        lines = (list(presenting.entry(row, names, asked, write=times.spaced).values()) for row in rows)
        response = answers.answer("".join(answers.csv_lines(header, lines)), "csv")
        response["Content-Disposition"] = 'attachment; filename="feeds.csv"'
        return response
    entries = [presenting.entry(row, names, asked) for row in rows]
    if call.format == "xml":
        listed = answers.xml_array("feeds", "feed", ({**entry, "id": None} for entry in entries))
        return answers.answer(answers.xml("channel", channel, inner=listed), "xml")
    whole = {"channel": channel, "feeds": entries}
    if call.wants_json or asked.text("callback"):
        return answers.json_answer(whole, callback=asked.text("callback"))
    return answers.answer(answers.compact(whole))


def one_entry(call: Call, number: int, entry: int, field: int | None = None) -> HttpResponseBase:
    """GET /channels/ID/feeds/ENTRY and /channels/ID/fields/N/ENTRY."""
    channel = call.readable_channel(number)
    _check(field)
    names = reading.columns(channel, call.parameters, field)
    return _entry_answer(call, reading.one(channel, entry, names), names, field)


def last(call: Call, number: int, field: int | None = None) -> HttpResponseBase:
    """GET /channels/ID/feeds/last, and /channels/ID/fields/N/last: the newest entry in which the field has a value."""
    channel = call.readable_channel(number)
    _check(field)
    names = reading.columns(channel, call.parameters, field)
    return _entry_answer(call, _last_row(channel, names, field), names, field)


def _last_row(channel: Channel, names: Sequence[str], field: int | None) -> Row | None:
    """The row of the last entry (or the field's last value), out of `Latest` as far as that knows it."""
    latest = channel.latest
    if not latest.newest_id:
        return None
    if field is None or getattr(latest, f"field{field}_id") == latest.newest_id:
        values = latest.values()
        known = {f"field{n}": value for n, value in values.items()}
        known |= {name: getattr(latest, name) for name in (*LOCATION, "status")}
        return (latest.last_entry_at, latest.newest_id, *(known.get(name) for name in names))
    entry_id = getattr(latest, f"field{field}_id")
    if entry_id is None:
        return None
    if names == [f"field{field}"]:
        return (getattr(latest, f"field{field}_at"), entry_id, getattr(latest, f"field{field}"))
    return reading.one(channel, entry_id, names)


def _entry_answer(call: Call, row: Row | None, names: Sequence[str], field: int | None) -> HttpResponseBase:
    """One entry; as text the whole object (which the Arduino library reads), or the bare value of one field."""
    asked = call.parameters
    if row is None or (field is not None and f"field{field}" not in names):
        raise ReadRefused
    if call.format == "csv":
        shown = presenting.entry(row, names, asked, write=times.spaced)
        return answers.answer("".join(answers.csv_lines(list(shown), [list(shown.values())])), "csv")
    shown = presenting.entry(row, names, asked)
    if call.format == "xml":
        return answers.answer(answers.xml("feed", {**shown, "id": None}), "xml")
    if call.wants_json or (asked.text("callback") and field is None):
        return answers.json_answer(shown, callback=asked.text("callback"))
    if field is None:
        return answers.answer(answers.compact(shown), call.format)
    return answers.answer(_between(call, shown[f"field{field}"]), call.format)


def age(call: Call, number: int, field: int | None = None) -> HttpResponseBase:
    """GET …/last_data_age: how many seconds ago the last entry, or the field's last value, was made."""
    channel = call.readable_channel(number)
    _check(field)
    latest: Latest = channel.latest
    moment = latest.last_entry_at if field is None else getattr(latest, f"field{field}_at")
    if moment is None:
        raise ReadRefused
    seconds = str(max(0, int((call.now - moment).total_seconds())))
    shown = {"last_data_age": seconds, "last_data_age_units": "s"}
    match call.format:
        case "xml":
            return answers.answer(answers.xml("feed", shown), "xml")
        case "csv":
            return answers.answer("".join(answers.csv_lines(list(shown), [list(shown.values())])), "csv")
        case "json":
            return answers.json_answer(shown, callback=call.parameters.text("callback"))
    return answers.answer(seconds, call.format)


def last_group(call: Call, number: int, kind: str, field: int | None = None) -> HttpResponseBase:
    """GET …/last_sum, last_average, last_median: of the last step of as many minutes as the parameter says."""
    channel = call.readable_channel(number)
    _check(field)
    by = aggregation.steps(call.parameters)
    if by is None or by.kind != kind:
        raise ReadRefused
    names = [name for name in reading.columns(channel, call.parameters, field) if name.startswith("field")]
    part = reading.Window(min(by.minutes or _LAST_GROUP, _MOST_LAST_GROUP))
    rows = aggregation.summed_up(channel, part, names, by)
    return _entry_answer(call, rows[-1] if rows else None, names, field)


def last_status(call: Call, number: int) -> HttpResponseBase:
    """GET /channels/ID/status/last: the status of the last entry."""
    channel = call.readable_channel(number)
    row = _last_row(channel, ["status"], None)
    if row is not None and call.format in ("", "txt") and not call.wants_json:
        return answers.answer(_between(call, row[2]), call.format)
    return _entry_answer(call, row, ["status"], None)


def _between(call: Call, value: str | None) -> str:
    asked = call.parameters
    return f"{asked.text('prepend') or ''}{'' if value is None else value}{asked.text('append') or ''}"


def _check(field: int | None) -> None:
    if field is not None and field not in FIELDS:
        raise ApiError(NOT_FOUND)


ALL = ("", "json", "xml", "csv", "txt")
TEXTS = ("", "json", "xml", "txt")
FEEDS = ("", "json", "xml", "csv")


def _last_group_endpoint(kind: str) -> Endpoint:
    def view(call: Call, number: int, field: int | None = None) -> HttpResponseBase:
        return last_group(call, number, kind, field)

    return endpoint(GET=view, formats=TEXTS)


last_sum = _last_group_endpoint("sum")
last_average = _last_group_endpoint("average")
last_median = _last_group_endpoint("median")
field_feed = endpoint(GET=feed, formats=FEEDS)
status_feed = endpoint(GET=statuses, formats=FEEDS)
status_last = endpoint(GET=last_status, formats=ALL)
entry_by_id = endpoint(GET=one_entry, formats=ALL)
last_entry = endpoint(GET=last, formats=ALL)
last_data_age = endpoint(GET=age, formats=ALL)
whole_feed = endpoint(GET=feed, POST=import_csv, DELETE=clear, formats=FEEDS, most_bytes=MOST_IMPORT_BYTES)
