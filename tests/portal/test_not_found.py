"""Stale links and foreign ids: a page that says what may have happened and where to go."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import Settings

from tests.conftest import Cast
from tests.portal.test_who_may import _our_routes

# Asks for the password before it says anything.
ASKS_FIRST = {"take_out"}
AN_ID = re.compile(r"<int:\w+>")


@pytest.mark.parametrize(
    "name", sorted(name for name, route in _our_routes().items() if AN_ID.search(route) and name not in ASKS_FIRST)
)
@pytest.mark.parametrize("number", ["999999", str(10**30)])
def test_every_page_about_one_thing_says_so_when_there_is_none(
    simpsons: Cast, as_homer: Client, name: str, number: str
) -> None:
    address = "/" + AN_ID.sub(number, _our_routes()[name])
    for answer in (as_homer.get(address), as_homer.post(address)):
        assert answer.status_code in (404, 405), address
        if answer.status_code == 404:
            html = answer.content.decode()
            assert "There is nothing here" in html
            assert 'href="/devices/"' in html
            assert simpsons.homer.email in html


@pytest.mark.parametrize("debug", [True, False])
def test_the_page_is_the_same_in_the_demo(simpsons: Cast, as_carl: Client, settings: Settings, debug: bool) -> None:
    settings.DEBUG = debug
    answer = as_carl.get(f"/devices/{simpsons.kitchen.pk}/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_what_is_foreign_and_what_never_was_are_told_alike(simpsons: Cast, as_carl: Client) -> None:
    pages = set()
    for number in (simpsons.kitchen.pk, 999999):
        html = as_carl.get(f"/devices/{number}/").content.decode()
        pages.add(re.sub(r"csrf.*?>|hx-headers.*?>|/devices/\d+/", "", html))
    assert len(pages) == 1
