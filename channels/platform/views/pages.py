"""Pages for people: a chart for an iframe, and a channel.

They are drawn without session, in the language that the browser asks for, and may be framed by anyone who has an
address that shows something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from channels.platform import aggregation, presenting, reading, times
from channels.platform.api import Call, endpoint
from channels.platform.models import FIELDS, Channel

P = ParamSpec("P")
_COLOUR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_TYPES = ("line", "bar", "column", "spline", "step")
_MOST_TEXT = 255
# What the chart page hands on to the feed that it draws.
_FEED_PARAMETERS = (
    "api_key", "results", "days", "hours", "minutes", "start", "end", "timezone", "offset", "min", "max", "round",
    *aggregation.KINDS,
)  # fmt: skip
_TABLE_ROWS = 25
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors *"
)


def _in_the_viewers_language(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponseBase]:
    """Without the middleware, which the addresses of devices and programs go without."""

    @wraps(view)
    def translated(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        call = args[0]
        assert isinstance(call, Call)  # noqa: S101  For the type checker: it comes first.
        with translation.override(translation.get_language_from_request(call.request)):
            response = view(*args, **kwargs)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response

    return translated


@_in_the_viewers_language
def chart(call: Call, number: int, field: int) -> HttpResponseBase:
    """GET /channels/ID/charts/N: the chart of one field as a page of its own, with the original's parameters."""
    channel = Channel.objects.select_related("latest").filter(number=number).first()
    if channel is None or field not in FIELDS:
        return _page("platform/chart.html", {"refused": _("There is no such channel or field.")}, status=404)
    asked = call.parameters
    if not reading.may_read(channel, asked.key):
        refused = _("This channel is not public. To embed its charts, a read key must be given: api_key=…")
        return _page("platform/chart.html", {"refused": refused}, status=403)
    rows = reading.rows(channel, reading.Window(_TABLE_ROWS, end=call.now), [f"field{field}"])
    context: dict[str, Any] = {
        "title": (asked.text("title") or channel.name)[:_MOST_TEXT],
        "field": field,
        "feed_url": _address("platform-field", channel, _handed_on(call), "json", field=field),
        "attributes": _attributes(call, channel, field),
        "rows": [(times.spaced(row[0], asked.zone), row[2]) for row in reversed(rows) if row[2] is not None],
    }
    return _page("platform/chart.html", context)


def _attributes(call: Call, channel: Channel, field: int) -> dict[str, str]:
    """The chart's parameters as the script takes them. What is not well formed is as good as absent."""
    asked = call.parameters
    kind = (asked.text("type") or "").strip().lower()
    found = {
        "xaxis": (asked.text("xaxis") or _("Date"))[:_MOST_TEXT],
        "yaxis": (asked.text("yaxis") or channel.labels.get(field, ""))[:_MOST_TEXT],
        "type": kind if kind in _TYPES else "line",
    }
    for name in ("color", "bgcolor"):
        if matched := _COLOUR.fullmatch((asked.text(name) or "").strip()):
            found[name] = f"#{matched[1]}"
    for name in ("yaxismin", "yaxismax", "width", "height", "update"):
        if (number := asked.real(name)) is not None:
            found[name] = f"{number:.15g}"
    for name in ("dynamic", "step"):
        if asked.flag(name):
            found[name] = "true"
    if zone := (asked.text("timezone") or "").strip():
        found["timezone"] = zone[:_MOST_TEXT]
    return found


def _handed_on(call: Call) -> dict[str, str]:
    asked = call.parameters
    handed = {name: text for name in _FEED_PARAMETERS if (text := asked.text(name))}
    if asked.key:
        handed["api_key"] = asked.key
    return handed


@_in_the_viewers_language
def channel(call: Call, found: Channel | None, number: int) -> HttpResponseBase:
    """GET /channels/ID with a browser: the channel's page, or a form for the read key of a private one."""
    key = call.parameters.key
    if found is None or not reading.may_read(found, key):
        refusal = {"number": number, "exists": found is not None, "key_given": bool(key)}
        return _page("platform/channel.html", refusal, status=404 if found is None else 403)
    query = {"api_key": key} if key and not found.public else {}
    shown = [_field(found, n, label, query) for n, label in found.labels.items()]
    context: dict[str, Any] = {
        "channel": found,
        "position": presenting.position(found),
        "tags": found.tags.all(),
        "fields": shown,
        "export_url": _address("platform-export", found, query),
        "embed_url": f"{settings.PUBLIC_URL}{shown[0]['chart_url']}" if shown else "",
    }
    return _page("platform/channel.html", context)


def _field(channel: Channel, n: int, label: str, query: Mapping[str, str]) -> dict[str, Any]:
    moment = getattr(channel.latest, f"field{n}_at")
    return {
        "number": n,
        "label": label,
        "value": getattr(channel.latest, f"field{n}"),
        "when": times.spaced(moment) if moment else "",
        "feed_url": _address("platform-field", channel, {"results": "100", **query}, "json", field=n),
        "csv_url": _address("platform-field", channel, {"results": str(reading.MOST_RESULTS), **query}, "csv", field=n),
        "chart_url": _address("platform-chart", channel, {"dynamic": "true", **query}, field=n),
    }


def _address(name: str, channel: Channel, query: Mapping[str, str], suffix: str = "", **path: int) -> str:
    address = reverse(name, kwargs={"number": channel.number, "suffix": suffix, **path})
    return f"{address}?{urlencode(query)}" if query else address


def _page(template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    response = HttpResponse(render_to_string(template, dict(context)), status=status)
    response["Content-Security-Policy"] = _POLICY
    # The address may hold a read key: it goes to nobody, and no shared cache keeps what it shows.
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-cache"
    response["Content-Length"] = str(len(response.content))
    return response


chart_page = endpoint(GET=chart, formats=("",))
