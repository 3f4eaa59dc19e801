"""Which refusal is which HTTP status: here and nowhere else."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from devices.errors import DeviceRefusal, KeyNotGood, Malformed, PolicyRefuses, TooManyTries, TryLater, WaitsForApproval

STATUS: dict[type[DeviceRefusal], int] = {
    WaitsForApproval: 202,
    Malformed: 400,
    KeyNotGood: 403,
    PolicyRefuses: 409,
    TooManyTries: 429,
    TryLater: 503,
}
TITLES = {
    202: "Waits for approval",
    400: "Malformed request",
    403: "Registration key not good",
    405: "Method not allowed",
    409: "Refused by the organization",
    413: "Request too large",
    415: "Media type not understood",
    429: "Too many tries",
    503: "Not now",
}


def answer(error: Exception, context: dict[str, Any]) -> HttpResponse | Response | None:
    """Turn a refusal into problem+json (RFC 9457), or into one line for those who asked for text.

    This is Django REST framework's EXCEPTION_HANDLER. Returns None for what nobody expected: a 500.
    """
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, DeviceRefusal):
        status, code, detail = STATUS[type(error)], error.code, str(error)
        if isinstance(error, TryLater | TooManyTries | WaitsForApproval):
            headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, exceptions.APIException):
        known = exception_handler(error, context)
        if known is not None:
            headers |= {name: value for name, value in known.items() if name in ("Allow", "Retry-After")}
        status, code, detail = error.status_code, error.default_code, str(error.detail)
    else:
        return None
    return problem(status, code, detail, as_text=_wants_text(context), headers=headers)


def problem(status: int, code: str, detail: str, *, as_text: bool, headers: dict[str, str]) -> HttpResponse:
    """Return the answer to a request that was refused; `code` is for machines, `detail` a sentence for people."""
    if as_text:
        return HttpResponse(
            f"error={code} {detail}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers
        )
    body = {
        "type": "about:blank",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "code": code,
        "detail": detail,
    }
    return HttpResponse(
        json.dumps(body, ensure_ascii=False), status=status, content_type="application/problem+json", headers=headers
    )


def _wants_text(context: dict[str, Any]) -> bool:
    request = context.get("request")
    renderer = getattr(request, "accepted_renderer", None)
    return getattr(renderer, "media_type", "") == "text/plain"
