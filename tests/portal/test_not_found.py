"""Stale links and foreign ids: a page that says what may have happened and where to go."""

from __future__ import annotations

import re
from unittest.mock import patch

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from orgs.models import Organization
from tests.conftest import Cast
from tests.portal.test_who_may import _our_routes

AN_ID = re.compile(r"<int:\w+>")


@pytest.mark.parametrize("name", sorted(name for name, route in _our_routes().items() if AN_ID.search(route)))
@pytest.mark.parametrize("number", ["999999", str(10**30)])
def test_every_page_about_one_thing_says_so_when_there_is_none(
    simpsons: Cast, as_homer: Client, name: str, number: str
) -> None:
    address = "/" + AN_ID.sub(number, _our_routes()[name])
    # What belongs to a button leads to the page that would have it; what is only looked at takes no POST.
    for answer in (as_homer.get(address, follow=True), as_homer.post(address)):
        html = answer.content.decode()
        if answer.status_code == 405:
            assert answer.request["REQUEST_METHOD"] == "POST", address
            assert "This address is not a page to open" in html
            continue
        assert answer.status_code == 404, address
        assert "There is nothing here" in html
        assert 'href="/devices/"' in html
        assert simpsons.homer.email in html


@pytest.mark.parametrize("debug", [True, False])
def test_what_is_not_there_gets_a_page_in_the_demo_too(
    simpsons: Cast, as_carl: Client, settings: Settings, debug: bool
) -> None:
    settings.DEBUG = debug
    for address in (f"/devices/{simpsons.kitchen.pk}/", "/nothing/", "/nothing", "/devices/no-number/"):
        answer = as_carl.get(address, follow=True)
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()


@pytest.mark.parametrize("debug", [True, False])
def test_what_was_not_understood_gets_a_page_in_the_demo_too(
    as_carl: Client, settings: Settings, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = debug
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    answer = as_carl.post("/account/", {"given_name": "Carl", "language": "de", "time_zone": "browser"})
    assert answer.status_code == 400
    assert "We did not understand that" in answer.content.decode()
    # Whoever watches the log of what was suspicious sees it there.
    assert ("django.security.TooManyFieldsSent", "Refused at account/") in [
        (entry.name, entry.getMessage()) for entry in caplog.records
    ]


def test_a_page_that_takes_no_post_says_so_with_a_page(as_carl: Client) -> None:
    answer = as_carl.post("/devices/")
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert "This address is not a page to open" in answer.content.decode()


def test_an_address_that_belongs_to_a_button_leads_to_the_page_with_the_button(
    simpsons: Cast, as_homer: Client
) -> None:
    """So does a log-in that came in between."""
    kitchen, home = f"/devices/{simpsons.kitchen.pk}/", f"/organizations/{simpsons.home.pk}/"
    expected = {
        f"{kitchen}unblock/": kitchen,
        f"{home}expected-devices/forget/": f"{home}expected-devices/",
        f"{home}renewal-policy/pause/": f"{home}renewal-policy/",
        f"{home}move-back/": home,
        f"{home}unmake/": home,
        "/memberships/restore/": "/people/",
        "/people/invited/resend/": "/people/invited/",
        "/invitations/some-token/ask/": "/invitations/some-token/",
    }
    for address, page in expected.items():
        answer = as_homer.get(address, follow=True)
        assert answer.redirect_chain == [(page, 302)]
        assert "Nothing was done." in answer.content.decode(), address


def test_no_address_of_ours_refuses_to_be_opened(simpsons: Cast, as_homer: Client) -> None:
    refused = [
        route
        for route in _our_routes().values()
        if as_homer.get("/" + re.sub(r"<\w+:\w+>", "1", route)).status_code == 405
    ]
    assert refused == []


def test_what_is_foreign_and_what_never_was_are_told_alike(simpsons: Cast, as_carl: Client) -> None:
    pages = set()
    for number in (simpsons.kitchen.pk, 999999):
        html = as_carl.get(f"/devices/{number}/").content.decode()
        pages.add(re.sub(r"csrf.*?>|hx-headers.*?>|/devices/\d+/", "", html))
    assert len(pages) == 1


PLACE_HAS_ENDED = "Perhaps your place in the organization has ended"


def test_people_of_a_suspended_customer_are_told_that_it_is_paused_wherever_they_look(
    simpsons: Cast, as_carl: Client, as_homer: Client
) -> None:
    Organization.objects.filter(pk=simpsons.carls.pk).update(suspended_at=timezone.now())
    own, foreign = (f"/organizations/{one.pk}/" for one in (simpsons.carls, simpsons.home))
    for address in (own, foreign, "/organizations/999999/", "/nothing/"):
        answer = as_carl.get(address)
        assert answer.status_code == 404
        html = answer.content.decode()
        assert "The service for Carl&#x27;s is paused." in html
        assert PLACE_HAS_ENDED not in html
    html = as_homer.get(own).content.decode()
    assert "is paused" not in html
    assert PLACE_HAS_ENDED in html


def test_the_page_comes_also_when_the_database_does_not_answer_any_more(as_carl: Client) -> None:
    with patch("orgs.access.suspended_customers_of", side_effect=OperationalError):
        answer = as_carl.get("/nothing/")
    assert answer.status_code == 404
    assert PLACE_HAS_ENDED in answer.content.decode()


def test_for_a_visitor_the_page_needs_no_database() -> None:
    assert "There is nothing here" in render_to_string("404.html", {"user": AnonymousUser()})
