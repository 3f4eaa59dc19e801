"""What all calls of the API have in common: formats, methods, keys, CORS, and how a refusal is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from channels.platform import answers, parameters
from channels.platform.errors import (
    AUTH_REQUIRED,
    METHOD_INVALID,
    NOT_FOUND,
    ApiError,
    ReadRefused,
    Refusal,
    TooEarly,
    WriteRefused,
)
from channels.platform.models import Account, Channel
from channels.platform.parameters import Parameters
from channels.platform.reading import may_read

# More than any call but the bulk ones and the import of history needs.
ORDINARY = 64 * 1024


@dataclass
class Call:
    """One request, read: its parameters, the format asked for, and when it came in."""

    request: HttpRequest
    parameters: Parameters
    format: str
    now: datetime

    @property
    def wants_page(self) -> bool:
        """Whether a person asks, with a browser: no format in the address and none but HTML accepted by name."""
        accept = self.request.META.get("HTTP_ACCEPT", "")
        return self.format == "" and "text/html" in accept and not _accepts_json(self.request)

    @property
    def wants_json(self) -> bool:
        """Whether JSON is asked for by name, in the address or in the Accept header."""
        return self.format == "json" or (self.format == "" and _accepts_json(self.request))

    def readable_channel(self, number: int) -> Channel:
        """Return that channel if it is public or a key of it came along. Raises ApiError (404) or ReadRefused."""
        channel = Channel.objects.select_related("latest").filter(number=number).first()
        if channel is None:
            raise ApiError(NOT_FOUND)
        if not may_read(channel, self.parameters.key):
            raise ReadRefused
        return channel

    def account(self) -> Account:
        """Return the account whose key came along. Raises ApiError (401)."""
        account = Account.objects.with_key(self.parameters.key) if self.parameters.key else None
        if account is None:
            raise ApiError(AUTH_REQUIRED)
        return account

    def own_channel(self, number: int) -> Channel:
        """Return that channel of the account whose key came along. Raises ApiError (401, 404)."""
        channel = self.account().channels.with_details().filter(number=number).first()
        if channel is None:
            raise ApiError(NOT_FOUND)
        return channel


View = Callable[..., HttpResponseBase]
Endpoint = Callable[..., HttpResponseBase]


def endpoint(
    *,
    formats: Sequence[str] = ("", "json", "xml"),
    head: bool = True,
    refuses_in: str = "",
    most_bytes: int | Callable[[], int] = ORDINARY,
    **methods: View,
) -> Endpoint:
    """Return the Django view for one address of the API: `GET=…, POST=…` are functions of a Call and the path's parts.

    It needs no session, no CSRF token and no log-in, answers OPTIONS, and turns refusals into answers. HEAD is
    answered like GET unless `head` is false; query and body together may have `most_bytes`. Refusals come in the
    format asked for, or always in `refuses_in`.
    """
    if "GET" in methods and head:
        methods["HEAD"] = methods["GET"]
    allowed = ", ".join(sorted({*methods, "OPTIONS"}))

    @csrf_exempt
    @login_not_required
    def view(request: HttpRequest, suffix: str = "", **path: object) -> HttpResponseBase:
        format = suffix if suffix in formats else ""
        bare = False
        try:
            if request.method == "OPTIONS":
                return answers.finish(answers.answer("", ""), bare=False)
            if suffix not in formats:
                raise ApiError(NOT_FOUND)
            asked = parameters.of(request, most_bytes=most_bytes() if callable(most_bytes) else most_bytes)
            bare = asked.values.get("headers") == "false"
            handle = methods.get(request.method or "")
            if handle is None:
                raise ApiError(METHOD_INVALID, headers={"Allow": allowed})
            response = handle(Call(request, asked, format, timezone.now()), **path)
        except Refusal as refusal:
            response = refused(refusal, refuses_in or format or ("json" if _accepts_json(request) else ""))
        return answers.finish(response, bare=bare)

    return view


def refused(refusal: Refusal, format: str) -> HttpResponseBase:
    """Return the original's answer to `refusal`."""
    match refusal:
        case ApiError():
            return answers.error(refusal, format)
        case ReadRefused():
            return answers.answer("-1", format, status=400)
        case WriteRefused():
            return answers.answer("0", format, status=400)
        case TooEarly():
            return answers.answer("0", format)
    raise refusal


def _accepts_json(request: HttpRequest) -> bool:
    return "application/json" in request.META.get("HTTP_ACCEPT", "")
