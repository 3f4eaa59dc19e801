"""Middleware of the portal: the short way for devices; for pages, policy, language and time zone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, get_resolver
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.defaults import bad_request, page_not_found

from orgs.readers import spoken, zone_named
from portal.log_ins import note_seen

GetResponse = Callable[[HttpRequest], HttpResponseBase]

TIME_ZONE_COOKIE = "time_zone"
"""Written by static/portal/portal.js: browsers do not send their zone by themselves."""
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-src {frames}; frame-ancestors {ancestors}"
)
# What a page fetches by the dozen, and nobody opens, needs few words.
POLICY_OF_DATA = "default-src 'none'; frame-ancestors 'none'"


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


class LogInFirst(LoginRequiredMiddleware):
    """Ask for the password before a page is shown. What was sent without one is not done, and that is said."""

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> HttpResponseRedirect:
        if request.method == "POST":
            messages.warning(
                request, _("You were no longer logged in, so that was not done. Log in and please do it once more.")
            )
        return super().handle_no_permission(request, view_func)


class RefusalsForPeople:
    """Answer what is not there or was not understood with pages of the product, in development and the demo, too.

    Django's own with DEBUG on tell developers of addresses and settings, and people who try the demo nothing. What
    breaks (500) still shows developers where. A method that a page does not take gets a page as well, not an empty one.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            page = render(request, "405.html", status=405)
            page["Allow"] = response["Allow"]
            return page
        leads_nowhere = response.status_code == 404 and request.resolver_match is None
        return page_not_found(request, Http404()) if leads_nowhere and settings.DEBUG else response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if isinstance(exception, Http404):
            return page_not_found(request, exception)
        if isinstance(exception, SuspiciousOperation):
            # As Django does where nobody answers in its place; without the path, which can hold the token of a link.
            route = request.resolver_match.route if request.resolver_match else "?"
            logging.getLogger(f"django.security.{type(exception).__name__}").warning("Refused at %s", route)
        return bad_request(request, exception) if isinstance(exception, BadRequest | SuspiciousOperation) else None


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
            is_data = response.get("Content-Type", "").startswith("application/json")
            page = CONTENT_SECURITY_POLICY.format(frames="'self'", ancestors="'none'")
            response["Content-Security-Policy"] = POLICY_OF_DATA if is_data else page
        return response

    return handle
