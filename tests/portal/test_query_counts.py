"""Every page asks the database as often with 1000 devices in 300 flats as with 10 in 3.

All pages of the url conf that open with a number that is known here are asked; those that people open most have a most
that is written down. To add one, add a line.
"""

from __future__ import annotations

import gzip
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from orgs import invitations
from tests import landlord
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory

MOST_QUERIES = {
    "/devices/": 32,
    "/devices/live/": 8,
    "/devices/list/": 12,
    "/devices/list/?q=room": 12,
    "/devices/list/?state=silent": 12,
    "/devices/list/?order=-value": 12,
    "/devices/list/?organization={household}": 12,
    "/devices/list/?page=2": 12,
    "/devices/{kitchen}/": 20,
    "/devices/{kitchen}/people/": 16,
    "/people/": 9,
    "/people/?q=tenant&ends=soon&organization={household}": 10,
    "/people/invited/": 6,
    "/people/{homer}/": 13,
    "/memberships/{place}/remove/": 12,
    "/organizations/": 8,
    "/organizations/{home}/": 30,
    "/organizations/{household}/": 30,
    "/registration-keys/{key}/": 14,
    "/devices/{kitchen}/keys/": 18,
    "/organizations/{home}/keys/": 12,
    "/organizations/{home}/renewal-policy/": 12,
}
"""How many queries Homer's pages take at most, those of the session and of who he is among them."""
OURS = ("orgs.", "channels.views", "devices.", "portal.views")
MOST_HTML = 30_000
"""Bytes of a page on the wire, which is sent compressed: the rest of 100 KB is for scripts and styles."""


@pytest.fixture
def numbers(simpsons: Cast) -> dict[str, int]:
    key = RegistrationKeyFactory(organization=simpsons.household)
    landlord.grow(simpsons, devices=10, flats=3)
    for n in range(3):
        invitations.invite(organization=simpsons.household, email=f"guest{n}@example.net", by=simpsons.homer)
    return {
        "home": simpsons.home.pk,
        "household": simpsons.household.pk,
        "kitchen": simpsons.kitchen.pk,
        "key": key.pk,
        "homer": simpsons.homer.pk,
        "place": simpsons.marge.memberships.get().pk,
    }


def pages(numbers: dict[str, int]) -> list[str]:
    """Return the addresses of MOST_QUERIES, and those of the url conf that need no other number than these."""
    starts = {
        "devices/<int:pk>/": f"devices/{numbers['kitchen']}/",
        "organizations/<int:pk>/": f"organizations/{numbers['household']}/",
        "registration-keys/<int:pk>/": f"registration-keys/{numbers['key']}/",
    }

    def walk(patterns: list[URLPattern | URLResolver], prefix: str):
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif pattern.callback.__module__.startswith(OURS):
                for start, filled in starts.items():
                    route = route.replace(start, filled)
                if not re.search(r"[<(]", route):
                    yield f"/{route}"

    return [
        *(address.format(**numbers) for address in MOST_QUERIES),
        *sorted(set(walk(get_resolver().url_patterns, ""))),
    ]


def asked(client: Client, address: str) -> tuple[int, int]:
    """Return how many queries a page takes, and how many bytes it has when it is compressed."""
    client.get(address)  # What is kept after the first time, as content types are, does not count.
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(address)
    content = b"" if answer.streaming else answer.content
    return len(queries), len(gzip.compress(content))


def test_no_page_asks_more_for_more_devices(simpsons: Cast, as_homer: Client, numbers: dict[str, int]) -> None:
    addresses = pages(numbers)
    few = {address: asked(as_homer, address)[0] for address in addresses}
    landlord.grow(simpsons, devices=990, flats=297)
    many = {address: asked(as_homer, address) for address in addresses}

    assert {
        address: (few[address], many[address][0]) for address in addresses if few[address] != many[address][0]
    } == {}
    assert {address: size for address, (_count, size) in many.items() if size > MOST_HTML} == {}
    most = {address.format(**numbers): count for address, count in MOST_QUERIES.items()}
    assert {address: few[address] for address in most if few[address] > most[address]} == {}
