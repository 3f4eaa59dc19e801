"""Of two houses that each have a "Flat 3" every list says which one, as far as its reader may know that."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.attention import matters_for
from orgs.models import Organization
from orgs.paths import Paths
from tests.conftest import Cast
from tests.factories import MembershipFactory, OrganizationFactory, RegistrationKeyFactory
from tests.portal.conftest import ELM, OAK, Houses, logged_in

pytestmark = pytest.mark.django_db


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    # Options of selects have always had paths, and other texts are in attributes.
    page = re.sub(r"<select.*?</select>|<script.*?</script>", "", answer.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_homer_can_tell_the_flats_apart_in_every_list(houses: Houses, simpsons: Cast, as_homer: Client) -> None:
    lists = {
        "device list": "/devices/list/",
        "search": "/devices/list/?q=bathroom",
        "My devices": "/devices/",
        "the customer's devices": f"/organizations/{simpsons.home.pk}/",
        "people": "/people/",
        "person": f"/people/{houses.otto.pk}/",
        "invitations": "/people/invited/",
        "door": "/devices/pending/",
        "expected devices": f"/organizations/{simpsons.home.pk}/expected-devices/",
        "history": f"/organizations/{simpsons.home.pk}/history/",
    }
    pages = {name: text(as_homer, address) for name, address in lists.items()}
    assert {name for name, page in pages.items() if ELM not in page} == set()
    assert {name for name, page in pages.items() if OAK not in page} == set()
    assert {name for name, page in pages.items() if f"The Simpsons › {ELM}" in page} == set()


def test_a_registration_key_says_where_its_devices_land(houses: Houses, simpsons: Cast, as_homer: Client) -> None:
    keys = [RegistrationKeyFactory(organization=flat) for flat in (houses.elm_flat, houses.oak_flat)]
    for key, path in zip(keys, (ELM, OAK), strict=True):
        assert f"Devices land in {path}" in text(as_homer, f"/registration-keys/{key.pk}/")


def test_what_needs_attention_says_in_which_flat(houses: Houses, simpsons: Cast) -> None:
    for flat in (houses.elm_flat, houses.oak_flat):
        RegistrationKeyFactory(organization=flat, use_limit=1, uses=1)
    flat_invitations = simpsons.home.invitations.model.objects.filter(email="lodger@example.net")
    flat_invitations.update(expires_at=timezone.now())
    said = [matter.sentence for matter in matters_for(simpsons.homer, timezone.now())]
    for path in (ELM, OAK):
        assert [one for one in said if f"of {path} has let in" in one]
        assert f"lodger@example.net has not answered the invitation to {path} in time." in said


def test_whoever_knows_the_flats_alone_is_told_no_more(houses: Houses) -> None:
    as_otto = logged_in(houses.otto)
    for address in ("/devices/list/", "/devices/", "/account/"):
        page = text(as_otto, address)
        assert "Flat 3" in page
        assert "Street" not in page
        assert "Simpsons" not in page


def test_the_manager_of_a_house_sees_the_path_from_her_house_down(houses: Houses, simpsons: Cast) -> None:
    as_selma = logged_in(houses.selma)
    addresses = [
        "/devices/list/",
        "/devices/",
        "/people/",
        f"/people/{houses.otto.pk}/",
        "/people/invited/",
        "/devices/pending/",
        f"/organizations/{houses.elm.pk}/",
        f"/organizations/{houses.elm.pk}/history/",
    ]
    for address in addresses:
        page = text(as_selma, address)
        assert ELM in page, address
        assert "Simpsons" not in page, address
        assert "Oak Street" not in page, address


def test_why_somebody_sees_a_device_is_told_with_the_path(houses: Houses, as_homer: Client) -> None:
    device = houses.elm_flat.devices.get()
    assert f"member of {ELM}" in text(as_homer, f"/devices/{device.pk}/people/")


def test_a_reader_of_two_customers_is_told_the_customer_too(houses: Houses, simpsons: Cast) -> None:
    MembershipFactory(user=simpsons.homer, organization=simpsons.carls)
    assert Paths(simpsons.homer).to(houses.elm_flat) == f"The Simpsons › {ELM}"
    assert Paths(simpsons.homer).to(simpsons.carls) == "Carl's"


def test_who_sees_one_house_and_another_customer_as_a_whole_is_told_that_customer(
    houses: Houses, simpsons: Cast
) -> None:
    flat = OrganizationFactory(name="Flat 3", parent=Organization.objects.get(pk=simpsons.carls.pk))
    MembershipFactory(user=houses.selma, organization=Organization.objects.get(pk=simpsons.carls.pk))
    assert Paths(houses.selma).to(flat) == "Carl's › Flat 3"
    assert Paths(houses.selma).to(houses.elm_flat) == ELM


def test_while_a_customer_is_suspended_its_names_are_not_told(houses: Houses, simpsons: Cast) -> None:
    simpsons.home.suspend()
    assert Paths(houses.otto).to(houses.elm_flat) == "Flat 3"
    assert Paths(simpsons.homer).to(houses.elm_flat) == "Flat 3"


def test_all_paths_of_a_page_take_one_query(houses: Houses, simpsons: Cast) -> None:
    paths = Paths(simpsons.homer)
    with CaptureQueriesContext(connection) as queries:
        assert [paths.to(flat) for flat in (houses.elm_flat, houses.oak_flat)] == [ELM, OAK]
    assert len(queries) == 1


def test_a_page_that_keeps_itself_up_to_date_says_the_path_too(houses: Houses, as_homer: Client) -> None:
    assert ELM in text(as_homer, "/devices/live/")
