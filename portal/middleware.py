"""Middleware of the portal: the short way for devices, and the content security policy for pages."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, get_resolver

GetResponse = Callable[[HttpRequest], HttpResponseBase]

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-src {frames}; frame-ancestors {ancestors}"
)


def device_paths(get_response: GetResponse) -> GetResponse:
    """Answer what devices and programs call without the middleware below, which only people's pages need.

    Sessions, messages, CSRF and locale would cost queries and cookies, and would break clients (redirects, 403).
    """
    resolver = get_resolver("portal.device_urls")

    def handle(request: HttpRequest) -> HttpResponseBase:
        try:
            match = resolver.resolve(request.path_info)
        except Resolver404:
            return get_response(request)
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, HttpResponse) and not getattr(response, "is_rendered", True):
            response = response.render()  # type: ignore[attr-defined]
        return response

    return handle


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Let pages load nothing but our own files; a view that embeds others sets its own header."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(frames="'self'", ancestors="'none'")
        return response

    return handle
