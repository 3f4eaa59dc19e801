"""Who can see this device, and why; what can this person see, and why."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from django.test import Client
from django.utils import timezone

from channels.keys_shown import note_shown
from channels.models import ChannelKey
from channels.reading_keys import read_key_for
from devices.models import Device
from orgs import tree
from orgs.models import Membership, User
from tests.conftest import MANAGER, Cast
from tests.factories import DeviceFactory, MembershipFactory


@pytest.fixture
def simpsons(simpsons: Cast) -> Cast:
    """The cast by their given names alone, as the pages then say them."""
    User.objects.update(family_name="")
    return simpsons


@pytest.fixture
def as_bart(simpsons: Cast) -> Client:
    """Bart manages Household, and nothing above it."""
    client = Client()
    client.force_login(
        MembershipFactory(
            user__given_name="Bart", user__family_name="", organization=simpsons.household, relation=MANAGER
        ).user
    )
    return client


def seers(client: Client, device: Device) -> dict[str, list[str]]:
    answer = client.get(f"/devices/{device.pk}/people/")
    return {str(seer.person): [str(reason) for reason in seer.reasons] for seer in answer.context["seers"]}


def seen(client: Client, person: User) -> dict[str, list[str]]:
    answer = client.get(f"/people/{person.pk}/")
    return {str(one.device): [str(reason) for reason in one.reasons] for one in answer.context["seen"]}


# ---- who sees a device ----


def test_everybody_who_sees_the_kitchen_and_by_which_place(simpsons: Cast, as_homer: Client) -> None:
    assert seers(as_homer, simpsons.kitchen) == {
        "Homer": ["manager of The Simpsons, above it"],
        "Marge": ["member of Household"],
    }


def test_whoever_sees_it_by_two_places_is_there_once_with_both(simpsons: Cast, as_homer: Client) -> None:
    MembershipFactory(user=simpsons.homer, organization=simpsons.household)
    assert seers(as_homer, simpsons.kitchen)["Homer"] == ["member of Household", "manager of The Simpsons, above it"]


def test_a_guest_whose_time_is_over_sees_it_no_more(simpsons: Cast, as_homer: Client) -> None:
    simpsons.marge.memberships.update(valid_until=timezone.now() - timedelta(seconds=1))
    assert list(seers(as_homer, simpsons.kitchen)) == ["Homer"]


def test_the_page_agrees_with_who_may_open_the_device(simpsons: Cast, as_homer: Client) -> None:
    for device in (simpsons.kitchen, simpsons.reactor):
        for person in (simpsons.homer, simpsons.marge, simpsons.lenny, simpsons.carl):
            may = Device.objects.visible_to(person).filter(pk=device.pk).exists()
            assert (person.given_name in seers(as_homer, device)) == may


def test_who_manages_a_part_sees_that_somebody_above_sees_it_but_not_what_is_above(
    simpsons: Cast, as_bart: Client
) -> None:
    answer = as_bart.get(f"/devices/{simpsons.kitchen.pk}/people/")
    assert seers(as_bart, simpsons.kitchen)["Homer"] == ["manager of an organization above it"]
    assert "The Simpsons" not in answer.content.decode()
    assert f"/people/{simpsons.homer.pk}/" not in answer.content.decode()
    assert f"/people/{simpsons.marge.pk}/" in answer.content.decode()


def test_own_read_keys_are_shown_with_when_they_were_last_shown(
    simpsons: Cast, as_homer: Client, as_marge: Client
) -> None:
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    value = ChannelKey.objects.get(holder=simpsons.marge).value
    answer = as_homer.get(f"/devices/{simpsons.kitchen.pk}/people/")
    held = {str(seer.person): seer.key for seer in answer.context["seers"]}
    assert held["Homer"] is None
    assert held["Marge"].is_own
    assert held["Marge"].last_shown_at is not None
    assert held["Marge"].last_used_at is None
    assert value not in answer.content.decode()


def test_a_key_that_was_taken_away_is_not_held(simpsons: Cast, as_homer: Client) -> None:
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    ChannelKey.objects.filter(holder=simpsons.marge).update(state="retiring", valid_until=None)
    answer = as_homer.get(f"/devices/{simpsons.kitchen.pk}/people/")
    assert {seer.key for seer in answer.context["seers"]} == {None}


def test_whoever_knows_the_shared_key_and_sees_the_device_no_more_is_named(simpsons: Cast, as_homer: Client) -> None:
    shared = ChannelKey.objects.of_the_portal().get(channel=simpsons.kitchen.channel)
    note_shown(shared.pk, to=simpsons.marge)
    note_shown(shared.pk, to=simpsons.lenny)
    answer = as_homer.get(f"/devices/{simpsons.kitchen.pk}/people/")
    assert answer.context["outsiders"] == ["lenny@example.net"]
    assert not next(seer for seer in answer.context["seers"] if seer.person == simpsons.marge).key.is_own


@pytest.mark.parametrize("count", [1, 60])
def test_the_people_of_a_device_take_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    for _ in range(count):
        place = MembershipFactory(organization=simpsons.household)
        read_key_for(place.user, simpsons.kitchen.channel)
    with django_assert_num_queries(15):
        answer = as_homer.get(f"/devices/{simpsons.kitchen.pk}/people/")
    assert len(answer.context["seers"]) == min(count + 2, 50)


# ---- what somebody sees ----


def test_all_devices_that_marge_sees_and_by_which_place(simpsons: Cast, as_homer: Client) -> None:
    upstairs = tree.create_below(simpsons.household, "Upstairs")
    DeviceFactory(organization=upstairs, name="bedroom")
    assert seen(as_homer, simpsons.marge) == {
        "kitchen": ["member of Household"],
        "bedroom": ["member of Household, above it"],
    }


def test_nothing_about_another_customer_is_told(simpsons: Cast, as_homer: Client, as_carl: Client) -> None:
    MembershipFactory(user=simpsons.carl, organization=simpsons.household)
    html = as_homer.get(f"/people/{simpsons.carl.pk}/").content.decode()
    assert "kitchen" in html
    for hidden in ("Carl&#x27;s", "garage"):
        assert hidden not in html
    html = as_carl.get(f"/people/{simpsons.carl.pk}/").content.decode()
    assert "garage" in html
    for hidden in ("Household", "kitchen"):
        assert hidden not in html


def test_places_above_what_one_manages_are_a_reason_without_a_name(simpsons: Cast, as_bart: Client) -> None:
    place = MembershipFactory(user=simpsons.marge, organization=simpsons.home)
    assert seen(as_bart, simpsons.marge) == {"kitchen": ["member of Household", "member of an organization above it"]}
    html = as_bart.get(f"/people/{simpsons.marge.pk}/").content.decode()
    assert "The Simpsons" not in html
    assert f"/memberships/{place.pk}/" not in html


def test_a_place_that_has_run_out_is_shown_and_can_be_given_back(simpsons: Cast, as_homer: Client) -> None:
    simpsons.marge.memberships.update(valid_until=timezone.now() - timedelta(days=1))
    html = as_homer.get(f"/people/{simpsons.marge.pk}/").content.decode()
    assert "Ended" in html
    assert f"/memberships/{simpsons.marge.memberships.get().pk}/edit/" in html
    assert seen(as_homer, simpsons.marge) == {}


def test_somebody_who_is_locked_out_sees_nothing_and_the_page_says_so(simpsons: Cast, as_homer: Client) -> None:
    User.objects.filter(pk=simpsons.marge.pk).update(is_active=False)
    assert seen(as_homer, simpsons.marge) == {}
    assert "This account is locked" in as_homer.get(f"/people/{simpsons.marge.pk}/").content.decode()


@pytest.mark.parametrize("count", [1, 40])
def test_the_page_of_a_person_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    for n in range(count):
        room = tree.create_below(simpsons.household, f"Room {n}")
        MembershipFactory(user=simpsons.marge, organization=room)
        read_key_for(simpsons.marge, DeviceFactory(organization=room).channel)
    with django_assert_num_queries(12):
        answer = as_homer.get(f"/people/{simpsons.marge.pk}/")
    assert len(answer.context["seen"]) == min(count + 1, 25)


def test_links_lead_from_the_organization_to_the_person_and_on_to_the_device(simpsons: Cast, as_homer: Client) -> None:
    addresses = [f"/organizations/{simpsons.household.pk}/", f"/people/{simpsons.marge.pk}/"]
    addresses.append(f"/devices/{simpsons.kitchen.pk}/people/")
    for here, there in pairwise(addresses):
        assert re.search(rf'href="{there}"', as_homer.get(here).content.decode())


def test_the_last_end_of_a_place_is_said_on_both_pages(simpsons: Cast, as_homer: Client) -> None:
    Membership.objects.filter(user=simpsons.marge).update(valid_until=timezone.now() + timedelta(days=3))
    for address in (f"/people/{simpsons.marge.pk}/", f"/devices/{simpsons.kitchen.pk}/people/"):
        assert "Ends soon" in as_homer.get(address).content.decode()
