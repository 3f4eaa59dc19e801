"""The address that devices call. See `docs/device-protocol.md`."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices import tries
from devices.errors import KeyNotGood, Malformed
from devices.registration import register
from devices.registration_key_text import NotARegistrationKey, parse_lookup
from devices.serials import NotASerial, check_serial
from orgs.audit import address_of

_NONCE = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)


class JoseRenderer(BaseRenderer):
    """The envelope as it is: RFC 7515 registers application/jose for the compact form."""

    media_type = "application/jose"
    format = "jose"
    charset: str | None = None

    def render(self, data: Any, *_: Any, **__: Any) -> bytes:
        return str(data["envelope"]).encode("ascii")


class PlainRenderer(JoseRenderer):
    """The same for simple devices, which ask for text."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"


class EnvelopeJSONRenderer(JSONRenderer):
    """`{"envelope": "…"}` for those who like JSON."""

    compact = True


class WhatDevicesAskFor(DefaultContentNegotiation):
    """Content negotiation that never refuses: firmware sends what its HTTP library happens to send."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        # What nearly all devices send. Weighing media types against each other is a quarter of the whole answer.
        accept = request.META.get("HTTP_ACCEPT", "*/*")
        for renderer in renderers:
            if accept in (renderer.media_type, "*/*"):
                return renderer, renderer.media_type
        try:
            return super().select_renderer(request, renderers, None)
        except NotAcceptable:
            return renderers[0], renderers[0].media_type


@method_decorator(login_not_required, name="dispatch")
class DeviceRegistration(APIView):
    """Register a device, or give a known one its current key: always the same answer to the same device."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    renderer_classes = (JoseRenderer, PlainRenderer, EnvelopeJSONRenderer)
    content_negotiation_class = WhatDevicesAskFor

    @extend_schema(
        parameters=[
            OpenApiParameter("serial", str, OpenApiParameter.PATH, pattern="^[A-Za-z0-9._:-]{1,64}$"),
            OpenApiParameter("key", str, description="First half of the registration key.", required=True),
            OpenApiParameter("nonce", str, description="1–128 of A-Z a-z 0-9 . _ ~ -, echoed inside the envelope."),
        ],
        request=None,
        responses={
            (200, "application/jose"): OpenApiTypes.STR,
            202: OpenApiResponse(
                description="A manager has to approve the device; Retry-After says when to ask again."
            ),
            304: OpenApiResponse(description="The device has the current key (If-None-Match)."),
            400: OpenApiResponse(description="Serial, key or nonce is malformed."),
            403: OpenApiResponse(description="The registration key is not good."),
            409: OpenApiResponse(description="The organization does not let this device in."),
            429: OpenApiResponse(description="Too many bad keys from this address; Retry-After says when to go on."),
            503: OpenApiResponse(description="Not now; Retry-After says when."),
        },
        auth=[],
    )
    def get(self, request: Request, serial: str) -> HttpResponseBase:
        tries.check(request._request)
        lookup = _lookup_in(request)
        nonce = _nonce_in(request)
        try:
            device = register(lookup=lookup, serial=_checked(serial), whence=lambda: address_of(request._request))
        except KeyNotGood:
            tries.note_bad_key(request._request)
            raise
        headers = {"ETag": device.etag, "Cache-Control": "no-store"}
        etags = _etags_in(request)
        is_current = device.etag in etags
        device.note_request(etags, is_answered=not is_current)
        if is_current:
            return HttpResponseNotModified(headers=headers)
        return Response({"envelope": device.envelope(nonce=nonce)}, headers=headers)

    @extend_schema(request=None, responses={(200, "application/jose"): str})
    def post(self, request: Request, serial: str) -> HttpResponseBase:
        return self.get(request, serial)


def _one(request: Request, name: str) -> str | None:
    """The parameter of that name from the address or, with POST, the body; None if it is not there."""
    values = request.query_params.getlist(name)
    if not values and request.method == "POST" and hasattr(request.data, "get"):
        value = request.data.get(name)
        values = [] if value is None else [str(value)]
    if len(values) > 1:
        raise Malformed(f"The parameter {name} is there more than once.")
    return values[0] if values else None


def _lookup_in(request: Request) -> str:
    text = _one(request, "key")
    if not text:
        raise Malformed("The parameter key is missing: send the first half of the registration key.")
    try:
        return parse_lookup(text)
    except NotARegistrationKey as error:
        raise Malformed(str(error)) from None


def _nonce_in(request: Request) -> str | None:
    nonce = _one(request, "nonce")
    if nonce is not None and not _NONCE.fullmatch(nonce):
        raise Malformed("A nonce has 1 to 128 of the characters A-Z a-z 0-9 . _ ~ -.")
    return nonce


def _checked(serial: str) -> str:
    try:
        return check_serial(serial)
    except NotASerial as error:
        raise Malformed(str(error)) from None


def _etags_in(request: Request) -> set[str]:
    header = request.headers.get("If-None-Match", "")
    return {tag.strip().removeprefix("W/") for tag in header.split(",") if tag.strip()}
