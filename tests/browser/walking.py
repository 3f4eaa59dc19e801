"""Every page that there is: found by walking the url conf, with examples of their addresses out of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver
from playwright.sync_api import APIRequestContext, APIResponse

NOT_PAGES = ("portal.device_urls",)
"""What devices and programs call; the platform's pages have browser tests of their own."""
NO_EXAMPLE = re.compile(
    r"^admin/|"  # see test_admin
    r"^accounts/confirm-email/|^accounts/password/reset/key/|^invitation|"  # links in mail, see the story
    r"^devices/<int:pk>/old-channels/|"  # need a ThingSpeak with a past
    r"^findings/<int:pk>/renew-key/|"  # a button without a page, and only where a device was cloned
    r"^accounts/2fa/(webauthn/keys|recovery-codes|totp/deactivate)/"  # need a second factor
)
"""Routes that no page links to, or that are walked elsewhere."""
_LINK = re.compile(r"""\b(?:href|action|hx-get|hx-post)="([^"]+)\"""")
_MOST_PAGES = 400
Route = str


def routes() -> list[Route]:
    """Return the route of every page of the portal, as the url conf has it."""
    return sorted({route for route in _walk(get_resolver().url_patterns, "") if not NO_EXAMPLE.match(route)})


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if not isinstance(pattern, URLResolver):
            yield route
        elif getattr(pattern.urlconf_name, "__name__", pattern.urlconf_name) not in NOT_PAGES:
            yield from _walk(pattern.url_patterns, route)


def route_of(address: str) -> Route | None:
    """Return the route that an address has, None if it is none of ours."""
    try:
        return get_resolver().resolve(urlsplit(address).path).route.removeprefix("^")
    except Resolver404:
        return None


@dataclass(frozen=True)
class Example:
    """An address, and whether it is a page for people; None if nobody has looked yet."""

    address: str
    is_page: bool | None = None


def examples(request: APIRequestContext, base: str, starts: list[str]) -> dict[Route, Example]:
    """Return an address for every route: one that pages lead to, by links or as the address of a form, or a guess.

    `request` is logged in as somebody. Nothing is sent but GET.
    """
    known = set(routes())
    found: dict[Route, Example] = {}
    waiting = list(starts)
    looked_at = 0
    while waiting and looked_at < _MOST_PAGES:
        address = waiting.pop(0)
        route = route_of(address)
        if route not in known or route in found or "logout" in route:
            continue
        looked_at += 1
        answer = request.get(urljoin(base, address), max_redirects=0)
        assert answer.status < 500, address
        if answer.status == 404:
            continue  # A pattern that a script fills in, perhaps.
        found[route] = Example(address, is_page(answer))
        if not found[route].is_page:
            continue
        for link in _LINK.findall(answer.text()):
            path = urlsplit(urljoin(urljoin(base, address), unescape(link)))
            if path.netloc == urlsplit(base).netloc:
                waiting.append(path.path)
    for route in known - found.keys():
        found[route] = Example(_fill(route, found))
    return found


def _fill(route: Route, found: dict[Route, Example]) -> str:
    """Return an address for a route that nothing leads to: with the number of one that begins alike, else a guess."""
    filled = "/" + route.removesuffix("$")
    if start := re.match(r"[^<]*<int:pk>/", route):
        alike = next((found[other].address for other in sorted(found) if other.startswith(start[0])), "")
        if number := re.match("/" + start[0].replace("<int:pk>", r"\d+"), alike):
            filled = number[0] + filled.removeprefix("/" + start[0])
    return re.sub(r"<[^>]+>", "1", filled)


def is_page(answer: APIResponse) -> bool:
    """Tell whether an answer is a page for people, and not data, a part of a page, a redirect, or a refusal of GET."""
    return answer.status == 200 and answer.text().lstrip()[:15].lower() == "<!doctype html>"
