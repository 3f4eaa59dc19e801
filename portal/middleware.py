"""Middleware of the portal: the short way for devices; for pages, policy, language and time zone."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, get_resolver
from django.utils import timezone, translation
from django.views.defaults import page_not_found

from orgs.readers import spoken, zone_named
from portal.log_ins import note_seen

GetResponse = Callable[[HttpRequest], HttpResponseBase]

TIME_ZONE_COOKIE = "time_zone"
"""Written by static/portal/portal.js: browsers do not send their zone by themselves."""
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
            return _page(get_response, request)
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, HttpResponse) and not getattr(response, "is_rendered", True):
            response = response.render()  # type: ignore[attr-defined]
        if not response.streaming and response.status_code != 304 and "Content-Length" not in response:
            # Without it gunicorn sends chunks, which small HTTP libraries cannot read.
            response["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]
        return response

    return handle


def _page(get_response: GetResponse, request: HttpRequest) -> HttpResponseBase:
    try:
        return get_response(request)
    finally:
        # The thread's next request may be that of a device, which speaks no German.
        translation.deactivate()
        timezone.deactivate()


def as_people_read(get_response: GetResponse) -> GetResponse:
    """Show pages in the language and the time zone that the person chose, else in those of the browser."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        language, zone = "", zone_named(request.COOKIES.get(TIME_ZONE_COOKIE, ""))
        if request.user.is_authenticated:
            request.user.note_browser(language=translation.get_language(), time_zone=zone.key if zone else "")
            language = spoken(request.user.language)
            zone = zone_named(request.user.time_zone) or zone
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = language
        if zone:
            timezone.activate(zone)
        return get_response(request)

    return handle


class NotFoundForPeople:
    """Show the product's own page for what is not there also in development and the demo.

    Django's page with DEBUG on tells developers of addresses, and people who try the demo nothing. It is still shown
    for an address that leads nowhere at all.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        return page_not_found(request, exception) if isinstance(exception, Http404) else None


def note_log_ins(get_response: GetResponse) -> GetResponse:
    """Remember when and from where a log-in was last used."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            note_seen(request)
        return get_response(request)

    return handle


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Let pages load nothing but our own files; a view that embeds others sets its own header."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(frames="'self'", ancestors="'none'")
        return response

    return handle
