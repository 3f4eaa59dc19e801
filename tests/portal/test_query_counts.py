"""Every page asks the database as often with 1000 devices in 300 flats as with 10 in 3.

All pages of the url conf that open with a number that is known here are asked, as Homer, as Marge and as a visitor; how
many queries each may take is written down in `query_figures`.
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
from tests.portal.query_figures import HOMER, MARGE, VISITOR

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
    """Return the addresses of the url conf that need no other number than these."""
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

    return sorted(set(walk(get_resolver().url_patterns, "")))


def asked(client: Client, address: str) -> tuple[int, int]:
    """Return how many queries a page takes, and how many bytes it has when it is compressed."""
    client.get(address)  # What is kept after the first time, as content types are, does not count.
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(address)
    content = b"" if answer.streaming else answer.content
    return len(queries), len(gzip.compress(content))


def test_no_page_asks_more_for_more_devices_and_none_more_than_its_figure(
    simpsons: Cast, as_homer: Client, as_marge: Client, numbers: dict[str, int]
) -> None:
    figures = {
        (who, address.format(**numbers)): (client, most)
        for who, client, table in (
            ("Homer", as_homer, HOMER),
            ("Marge", as_marge, MARGE),
            ("nobody", Client(), VISITOR),
        )
        for address, most in table.items()
    }
    for (_who, address), (client, _most) in figures.items():
        client.get(address)  # Some leave something behind: the key with which the portal itself reads, say.
    few = {page: asked(client, page[1])[0] for page, (client, _most) in figures.items()}
    landlord.grow(simpsons, devices=990, flats=297)
    many = {page: asked(client, page[1]) for page, (client, _most) in figures.items()}

    assert {page: (few[page], many[page][0]) for page in figures if few[page] != many[page][0]} == {}
    assert {page: size for page, (_count, size) in many.items() if size > MOST_HTML} == {}
    assert {page: few[page] for page, (_client, most) in figures.items() if few[page] > most} == {}


def test_every_page_has_a_figure(numbers: dict[str, int]) -> None:
    written = {address.format(**numbers) for address in HOMER}
    assert [address for address in pages(numbers) if address not in written] == []


def test_every_page_that_opens_for_marge_has_a_figure(as_marge: Client, numbers: dict[str, int]) -> None:
    written = {address.format(**numbers) for address in MARGE}
    opened = [address for address in pages(numbers) if as_marge.get(address).status_code == 200]
    assert [address for address in opened if address not in written] == []
