"""What a request asks for, wherever it says so: query string, form body, JSON body, headers.

Django's own `request.POST` will not do: it is empty for PUT and DELETE and for a missing Content-Type, and replaces
invalid bytes instead of refusing them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError

from channels.platform import times
from channels.platform.errors import BAD_REQUEST, INVALID_BYTES, TOO_LARGE, ApiError

_KEY_HEADERS = ("HTTP_X_THINGSPEAKAPIKEY", "HTTP_THINGSPEAKAPIKEY")
_KEY_NAMES = ("key", "api_key", "apikey")
# More than any call has; a request with a million of them is no honest one.
_MOST_PARAMETERS = 200


class Parameters:
    """The parameters of one request as text by name, query string first, then body."""

    def __init__(self, values: Mapping[str, str], *, header_key: str = "", document: Mapping[str, Any] | None = None):
        self.values = values
        self.document = document or {}
        self._header_key = header_key
        self.files: Mapping[str, UploadedFile[Any]] = {}
        self.body = b""

    @property
    def key(self) -> str:
        """The API key that came along, or "". The header wins, as in the original."""
        if self._header_key:
            return self._header_key
        for name in _KEY_NAMES:
            if key := self.values.get(name, "").strip():
                return key
        return ""

    def text(self, *names: str) -> str | None:
        """Return the first of `names` that was sent, or None."""
        for name in names:
            if (value := self.values.get(name)) is not None:
                return value
        return None

    def flag(self, name: str) -> bool:
        return self.values.get(name, "").strip().lower() in ("true", "1")

    def whole(self, name: str) -> int | None:
        """Return the whole number under `name`, or None if there is none that can be read."""
        value = self.real(name)
        return None if value is None else int(value)

    def real(self, name: str) -> float | None:
        """Return the number under `name`, within ±1e15, or None."""
        try:
            value = float(self.values.get(name, ""))
        except ValueError:
            return None
        return max(-1e15, min(value, 1e15)) if value == value else None  # NaN is no number

    def moment(self, name: str) -> datetime | None:
        """Return the moment under `name`, read in the request's zone, or None if it cannot be read."""
        return times.parse(self.values.get(name, ""), self.zone)

    @cached_property
    def zone(self) -> tzinfo:
        """The zone to read and write times in: `timezone` wins over `offset`."""
        if name := self.values.get("timezone", "").strip():
            return times.zone_named(name)
        if offset := self.values.get("offset", "").strip():
            return times.zone_at_offset(offset)
        return UTC

    def since(self, now: datetime, **units: str) -> datetime | None:
        """Return `now` less the numbers under the given names, e.g. `days="days"`; None if none of them was sent."""
        found = None
        for unit, name in units.items():
            if (number := self.real(name)) is not None:
                try:
                    found = now - timedelta(**{unit: number})
                except OverflowError:
                    found = datetime.min.replace(tzinfo=UTC) if number > 0 else now
        return found


def of(request: HttpRequest, *, most_bytes: int) -> Parameters:
    """Return the parameters of `request`.

    Raises ApiError: 413 if query and body exceed `most_bytes`, 422 for bytes that are not UTF-8, 400 for a JSON
    body that is no object.
    """
    meta = request.META
    query = meta.get("QUERY_STRING", "")
    values: dict[str, str] = {}
    document: dict[str, Any] | None = None
    files: Mapping[str, UploadedFile[Any]] = {}
    raw = b""
    try:
        if request.method not in ("GET", "HEAD") or meta.get("CONTENT_LENGTH"):
            body = _body(request, most_bytes - len(query))
            kind = meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
            if kind == "multipart/form-data":
                values, files = _multipart(request, body)
            elif kind == "text/csv":
                raw = body
            elif kind.endswith("json") or (body[:1] == b"{" and kind != "application/x-www-form-urlencoded"):
                document = _document(body)
                values = {name: text for name, value in document.items() if (text := as_text(value)) is not None}
            elif body:
                values = _form(body.decode())
        if query:
            if len(query) > most_bytes:
                raise ApiError(TOO_LARGE)
            # WSGI hands bytes over as latin-1 text (PEP 3333).
            values.update(_form(query.encode("latin-1").decode()))
        for text in (*values, *values.values()):
            text.encode()  # JSON can say half a surrogate pair
            if "\0" in text:
                raise ApiError(INVALID_BYTES)
    except UnicodeError:
        raise ApiError(INVALID_BYTES) from None
    header_key = next((meta[name].strip() for name in _KEY_HEADERS if meta.get(name)), "")
    found = Parameters(values, header_key=header_key, document=document)
    found.files, found.body = files, raw
    return found


def _body(request: HttpRequest, most: int) -> bytes:
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isdigit() or int(declared) > max(most, 0):
        raise ApiError(TOO_LARGE)
    try:
        return request.read(int(declared))
    except OSError:  # the sender went away in the middle
        raise ApiError(BAD_REQUEST) from None


def _form(text: str) -> dict[str, str]:
    """Read form data. Unescaped blanks and raw UTF-8 are taken as they are: much firmware does not escape."""
    try:
        return dict(
            parse_qsl(text.strip("\r\n"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
        )
    except UnicodeError:
        raise
    except ValueError:
        raise ApiError(BAD_REQUEST, "There are too many parameters.") from None


def _multipart(request: HttpRequest, body: bytes) -> tuple[dict[str, str], Mapping[str, UploadedFile[Any]]]:
    try:
        query, files = request.parse_file_upload(request.META, BytesIO(body))
    except (MultiPartParserError, SuspiciousOperation):
        raise ApiError(BAD_REQUEST, "The form cannot be read.") from None
    return {name: str(query[name]) for name in query}, {
        name: file for name, file in files.items() if isinstance(file, UploadedFile)
    }


def _document(body: bytes) -> dict[str, Any]:
    # Numbers stay the text that was sent: 1.50 is not 1.5 to whoever wrote it.
    try:
        found = json.loads(body, parse_int=str, parse_float=str, parse_constant=str)
    except UnicodeError:
        raise
    except (ValueError, RecursionError):
        raise ApiError(BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise ApiError(BAD_REQUEST, "The body must be a JSON object.")
    return found


def as_text(value: object) -> str | None:
    """Return what a JSON value says as text: None for null and for what has no text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)  # tags
    return None
