"""The entries of the main navigation: who is offered what."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orgs.models import Membership, User
from tests.conftest import Cast

pytestmark = pytest.mark.django_db


def entries(client: Client, address: str = "/account/") -> dict[str, str]:
    """Return the navigation's labels with their addresses; the current one begins with a star."""
    bar = re.search(r'<nav class="main-nav".*?</nav>', client.get(address).content.decode(), re.DOTALL)
    assert bar is not None
    found = re.findall(r'<a href="([^"]+)"( aria-current="page")?>.*?</svg>\s*(.*?)</a>', bar[0], re.DOTALL)
    return {("*" if current else "") + label.strip(): address for address, current, label in found}


def test_homer_finds_devices_organizations_and_people(client: Client, simpsons: Cast) -> None:
    client.force_login(simpsons.homer)
    assert entries(client) == {"My devices": "/devices/", "Organizations": "/organizations/", "People": "/people/"}


def test_marge_is_not_offered_people(client: Client, simpsons: Cast) -> None:
    client.force_login(simpsons.marge)
    assert list(entries(client)) == ["My devices", "Organizations"]


def test_who_managed_until_yesterday_is_not_offered_people(client: Client, simpsons: Cast) -> None:
    places = Membership.objects.filter(user=simpsons.homer)
    places.update(valid_until=timezone.now() - timedelta(days=1))
    client.force_login(simpsons.homer)
    assert "People" not in entries(client)


def test_the_page_of_a_person_belongs_to_people(client: Client, simpsons: Cast) -> None:
    client.force_login(simpsons.homer)
    assert "*People" in entries(client, f"/people/{simpsons.marge.pk}/")


def test_who_is_locked_out_is_nobody_at_the_next_click(client: Client, simpsons: Cast) -> None:
    client.force_login(simpsons.marge)
    simpsons.marge.is_active = False
    simpsons.marge.save(update_fields=["is_active"])
    assert client.get("/devices/").status_code == 302


def test_an_operator_is_led_to_the_administration_and_nobody_else_is(client: Client, simpsons: Cast) -> None:
    operator = User.objects.create_superuser("otto@example.net")
    client.force_login(operator)
    assert 'href="/admin/"' in client.get("/devices/").content.decode()
    client.force_login(simpsons.homer)
    assert "/admin/" not in client.get("/devices/").content.decode()
