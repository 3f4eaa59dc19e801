"""Answers in the original's forms: compact JSON, dashed XML, CSV, bare text, and its CORS headers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from channels.platform.errors import BAD_REQUEST, ApiError

CONTENT_TYPES = {
    "json": "application/json; charset=utf-8",
    "xml": "application/xml; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    # The original says text/html here. Values come from devices, and a browser must not take them for a page.
    "": "text/plain; charset=utf-8",
}
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, OPTIONS, DELETE, PATCH",
    "Access-Control-Allow-Headers": "origin, content-type, X-Requested-With",
    "Access-Control-Max-Age": "1800",
}
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*|\[\d{1,6}\]){0,8}", re.ASCII)
# XML 1.0 has no way to write these.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_TYPES = {
    "id": "integer",
    "entry_id": "integer",
    "last_entry_id": "integer",
    "created_at": "dateTime",
    "updated_at": "dateTime",
    "latitude": "decimal",
    "longitude": "decimal",
}


def answer(body: str, format: str = "", *, status: int = 200) -> HttpResponse:
    """Return `body` as the answer in `format` ("json", "xml", "csv", "txt" or "").

    Content-Length is set here because gunicorn otherwise sends chunks, which the official Arduino library cannot read.
    """
    content = body.encode()
    response = HttpResponse(content, content_type=CONTENT_TYPES[format], status=status)
    response["Content-Length"] = str(len(content))
    return response


def finish(response: HttpResponseBase, *, bare: bool) -> HttpResponseBase:
    """Add what every answer carries; `bare` (the parameter `headers=false`) leaves out what is optional."""
    response["X-Content-Type-Options"] = "nosniff"
    # Django would log each refusal as a warning with its path, which may hold a key. For an API it is daily business.
    response._has_been_logged = True  # type: ignore[attr-defined]
    if not bare:
        for name, value in CORS.items():
            response[name] = value
    return response


def compact(value: object) -> str:
    """Write JSON as the original does: no blanks. The Arduino library looks for `"key":"` to the letter."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def json_answer(value: object, *, callback: str | None = None, status: int = 200) -> HttpResponse:
    """Answer with JSON, or with a call of the function `callback` (JSONP). Raises ApiError if that is no name."""
    body = compact(value)
    if not callback:
        return answer(body, "json", status=status)
    if not _CALLBACK.fullmatch(callback) or len(callback) > 100:
        raise ApiError(BAD_REQUEST, "callback must be the name of a function.")
    # These two end a line in JavaScript but not in JSON.
    body = body.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    response = answer(f"{callback}({body})", status=status)
    response["Content-Type"] = "text/javascript; charset=utf-8"
    return response


def xml(root: str, value: Mapping[str, Any] | Sequence[Any], *, inner: str = "") -> str:
    """Write a document. `inner` is XML that goes before the end of the root element."""
    if isinstance(value, Mapping):
        body = "".join(_element(name, item) for name, item in value.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{body}{inner}</{root}>\n'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(root, value)}\n'


def xml_array(name: str, item_name: str, items: Iterable[Mapping[str, Any]]) -> str:
    """Write a list of objects: `<feeds type="array"><feed>…</feed></feeds>`."""
    parts = [f'<{name} type="array">']
    for item in items:
        parts += (f"<{item_name}>", *(_element(key, value) for key, value in item.items()), f"</{item_name}>")
    parts.append(f"</{name}>")
    return "".join(parts)


def _element(name: str, value: Any) -> str:
    tag = name.replace("_", "-")
    type_ = _XML_TYPES.get(name)
    if isinstance(value, bool):
        type_, value = "boolean", "true" if value else "false"
    elif isinstance(value, int):
        type_ = "integer"
    elif isinstance(value, list):
        item_name = tag[:-1] if tag.endswith("s") else "item"
        return xml_array(tag, item_name, value)
    elif isinstance(value, Mapping):
        return f"<{tag}>{''.join(_element(key, item) for key, item in value.items())}</{tag}>"
    attribute = f' type="{type_}"' if type_ else ""
    if value is None:
        return f'<{tag}{attribute} nil="true"/>'
    return f"<{tag}{attribute}>{escape(_NOT_IN_XML.sub(chr(0xFFFD), str(value)))}</{tag}>"


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterable[str]:
    """Write a header line and a line for each row, one at a time."""
    buffer = io.StringIO()
    # Python quotes a value with a line end in it only if that end is the writer's own: hence both, and one taken off.
    writer = csv.writer(buffer, lineterminator="\r\n")

    def line(cells: Sequence[Any]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(cells)
        return buffer.getvalue()[:-2] + "\n"

    yield line(header)
    for row in rows:
        yield line(row)


def error(refused: ApiError, format: str) -> HttpResponse:
    """Answer with the original's error object: the bare code as text, an object in JSON and XML."""
    kind = refused.kind
    words = {"error_code": kind.code, "message": kind.message, "details": refused.details}
    if format == "json":
        body = compact({"status": str(kind.status), "error": words})
    elif format == "xml":
        body = xml("hash", {"status": str(kind.status), "error": words})
    else:
        body = kind.code
    response = answer(body, format, status=kind.status)
    for name, value in refused.headers.items():
        response[name] = value
    return response
