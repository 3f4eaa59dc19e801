"""Every page that there is: found by walking the url conf, with examples of their addresses out of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from html import unescape
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver
from playwright.sync_api import APIRequestContext, APIResponse

Route = str

OF_MACHINES = ("portal.device_urls",)
"""What devices and programs call."""
PAGES_OF_MACHINES = (
    "channels/<number:number><suffix:suffix>",
    "channels/<number:number>/charts/<field:field><suffix:suffix>",
)
"""The pages for people among them."""
WALKED_ELSEWHERE = ("admin/",)  # see test_admin_pages
_LINK = re.compile(r"""\b(?:href|action|src|hx-get|hx-post)="([^"]+)\"""")
_AS_BROWSERS = {"Accept": "text/html,*/*;q=0.8"}
_MOST_PAGES = 400
_TRIES = 4
"""Addresses that are tried for a route until one is a page: the first may be of something that has ended."""


class Kind(Enum):
    """What somebody who opens an address gets."""

    PAGE = "a page for people"
    DATA = "data, or a part of a page"
    REFUSAL = "only what is sent is taken there"
    ELSEWHERE = "the way to another page"
    NOTHING = "404"


@dataclass(frozen=True)
class Example:
    """An address of a route, and what is there for whoever walked."""

    address: str
    kind: Kind
    leads_to: Route | None = None


def routes() -> list[Route]:
    """Return the route of every page of the portal, as the url conf has it; the admin's are walked elsewhere."""
    return sorted({route for route in _walk(get_resolver().url_patterns, "") if not route.startswith(WALKED_ELSEWHERE)})


def _walk(patterns: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if not isinstance(pattern, URLResolver):
            yield route
        elif getattr(pattern.urlconf_name, "__name__", pattern.urlconf_name) in OF_MACHINES:
            yield from PAGES_OF_MACHINES
        else:
            yield from _walk(pattern.url_patterns, route)


def route_of(address: str) -> Route | None:
    """Return the route that an address has, None if it is none of ours."""
    try:
        return get_resolver().resolve(urlsplit(address).path).route.removeprefix("^")
    except Resolver404:
        return None


def walk(request: APIRequestContext, base: str, starts: Iterable[str]) -> dict[Route, Example]:
    """Return an address for every route: one that pages lead to, by links or as the address of a form, or a guess.

    `request` is logged in as somebody. Nothing is sent but GET. Where a route is a page under some of its addresses
    alone, one of these is returned. All of `starts` (paths) are opened, the rest one for each route.
    """
    known = set(routes())
    found: dict[Route, Example] = {}
    tries = dict.fromkeys(known, 0)
    first = list(dict.fromkeys(starts))
    waiting = list(first)
    while waiting and sum(tries.values()) < _MOST_PAGES:
        address = waiting.pop(0)
        route = route_of(address)
        is_shown = route in found and found[route].kind is Kind.PAGE
        if route not in known or (address not in first and (is_shown or tries[route] == _TRIES)):
            continue
        tries[route] += 1
        example, text = _open(request, base, address)
        if example.kind is not Kind.NOTHING and not is_shown:  # Else a pattern that a script fills in, perhaps.
            found[route] = example
        waiting += _links(text, urljoin(base, example.address))
    for route in sorted(known - found.keys()):
        found[route], _ = _open(request, base, _fill(route, found))
    return found


def _open(request: APIRequestContext, base: str, address: str) -> tuple[Example, str]:
    """Return what is at an address, and the page's text."""
    route = route_of(address)
    answer = request.get(urljoin(base, address), headers=_AS_BROWSERS, max_redirects=0)
    if answer.status in (301, 302, 303, 307):
        there = urljoin(urljoin(base, address), answer.headers["location"])
        # A link out of a mail leads to its own route, without the secret in the address.
        if route_of(there) != route or there == urljoin(base, address):
            return Example(address, Kind.ELSEWHERE, route_of(there)), ""
        answer = request.get(there, headers=_AS_BROWSERS, max_redirects=0)
        address = there
    kind = kind_of(answer)
    return Example(address, kind), answer.text() if kind is Kind.PAGE else ""


def _links(page: str, at: str) -> Iterator[str]:
    for link in _LINK.findall(page):
        path = urlsplit(urljoin(at, unescape(link)))
        if path.netloc == urlsplit(at).netloc:
            keeps_query = route_of(path.path) in PAGES_OF_MACHINES  # which has the key
            yield f"{path.path}?{path.query}" if keeps_query and path.query else path.path


def _fill(route: Route, found: dict[Route, Example]) -> str:
    """Return an address for a route that nothing leads to: with the number of one that begins alike, else a guess."""
    filled = "/" + route.removesuffix("$")
    if start := re.match(r"[^<]*<int:pk>/", route):
        alike = next((found[other].address for other in sorted(found) if other.startswith(start[0])), "")
        if number := re.match("/" + start[0].replace("<int:pk>", r"\d+"), alike):
            filled = number[0] + filled.removeprefix("/" + start[0])
    return re.sub(r"<suffix:suffix>|\(\?P?[^)]*\)", "", re.sub(r"<(?!suffix)[^>]+>", "1", filled))


def kind_of(answer: APIResponse) -> Kind:
    """Tell what an answer is. Raises AssertionError for what nobody may ever get."""
    assert answer.status < 500, answer.url
    if answer.status == 405:
        return Kind.REFUSAL
    if 300 <= answer.status < 400:
        return Kind.ELSEWHERE
    if answer.status in (400, 403, 404):
        return Kind.NOTHING
    assert answer.status == 200, answer.url
    is_page = answer.text().lstrip()[:15].lower() == "<!doctype html>"
    return Kind.PAGE if is_page else Kind.DATA
