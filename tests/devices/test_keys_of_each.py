"""A landlord has a registration key of its own made for each flat of a house."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from devices import keys_below
from devices.keys_below import make_some_missing_keys
from devices.models import Device, RegistrationKey
from devices.registration import register
from devices.tasks import make_registration_keys
from orgs import tree
from orgs.audit import AuditEntry
from orgs.models import Membership, Organization
from tests.background import do_background_work
from tests.conftest import Cast
from tests.devices.flats import flat, keys_of, page_of, print_them
from tests.parallel import all_at_once


def test_each_flat_gets_a_key_of_its_own_in_the_background(
    house: Organization, as_homer: Client, simpsons: Cast
) -> None:
    page = as_homer.get(page_of(house)).content.decode()
    assert "Without a key of their own that lets devices in: 3 of 3 organizations." in page
    answer = as_homer.post(f"{page_of(house)}keys/")
    assert answer["Location"] == page_of(house)
    assert "Keys so far: 0 of 3." in as_homer.get(page_of(house)).content.decode()
    do_background_work()
    made = RegistrationKey.objects.filter(organization__in=Organization.objects.lowest_below(house))
    assert sorted(key.organization.name for key in made) == ["Flat 1", "Flat 2", "Laundry"]
    assert {(key.created_by, key.customer) for key in made} == {(simpsons.homer, simpsons.home)}
    assert AuditEntry.objects.filter(action="registration_key.issued", actor=simpsons.homer).count() == 3
    page = as_homer.get(answer["Location"]).content.decode()
    assert "3 keys can be printed." in page
    assert "every 3s" not in page


def test_who_presses_twice_asks_once(house: Organization, as_homer: Client) -> None:
    for _press in range(2):
        as_homer.post(f"{page_of(house)}keys/")
    assert do_background_work() == 1


def test_the_page_says_that_keys_are_made_as_long_as_that_is_so(
    house: Organization, as_homer: Client, simpsons: Cast
) -> None:
    def says_so(organization: Organization) -> bool:
        return "Keys are being made" in as_homer.get(page_of(organization)).content.decode()

    assert not says_so(house)
    as_homer.post(f"{page_of(house)}keys/")
    assert says_so(house)
    assert not says_so(simpsons.home), "that was asked for the house alone"
    task = DBTaskResult.objects.get()
    task.claim("worker")
    assert says_so(house)
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        as_homer.force_login(simpsons.homer)
        assert not says_so(house), "that worker is gone"
    task.set_failed(OSError())
    assert not says_so(house)
    assert "Make 3 keys" in as_homer.get(page_of(house)).content.decode()


def test_what_is_ready_can_be_printed_while_the_others_are_made(house: Organization, as_homer: Client) -> None:
    keys_of(flat("Flat 1"))
    as_homer.post(f"{page_of(house)}keys/")
    assert (
        '<a href="?ready=1">Print labels of those that are ready</a>' in as_homer.get(page_of(house)).content.decode()
    )
    assert "1 key can be printed." in as_homer.get(f"{page_of(house)}?ready=1").content.decode()
    assert len(print_them(as_homer, house).context["pages"]) == 1


def test_a_device_with_the_key_of_its_flat_lands_in_it(house: Organization, simpsons: Cast) -> None:
    make_some_missing_keys(house, by=simpsons.homer, address=None)
    key = RegistrationKey.objects.get(organization__name="Flat 2")
    register(lookup=key.lookup, serial="4711")
    assert Device.objects.get(serial="4711").organization.name == "Flat 2"


def test_who_has_a_good_key_gets_no_second_one(house: Organization, as_homer: Client) -> None:
    (there,) = keys_of(flat("Flat 1"))
    as_homer.post(f"{page_of(house)}keys/")
    do_background_work()
    assert RegistrationKey.objects.get(organization__name="Flat 1") == there
    assert RegistrationKey.objects.filter(organization__tree_id=house.tree_id).count() == 3


@pytest.mark.parametrize(
    "spoilt",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(days=1)},
        {"use_limit": 1, "uses": 1},
    ],
    ids=["revoked", "expired", "used up"],
)
def test_a_key_that_lets_nobody_in_does_not_count(
    house: Organization, simpsons: Cast, spoilt: dict[str, object]
) -> None:
    (key,) = keys_of(flat("Flat 1"))
    RegistrationKey.objects.filter(pk=key.pk).update(**spoilt)
    assert make_some_missing_keys(house, by=simpsons.homer, address=None) == 0
    assert RegistrationKey.objects.filter(organization__name="Flat 1").count() == 2


def test_many_are_made_some_at_a_time(house: Organization, simpsons: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_below, "KEYS_A_STEP", 2)
    make_registration_keys.enqueue(house.pk, simpsons.homer.pk, None)
    assert do_background_work() == 2
    assert RegistrationKey.objects.filter(organization__tree_id=house.tree_id).count() == 3


def test_those_left_are_counted_where_they_are_by_then(
    house: Organization, simpsons: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = keys_below._issue

    def while_others_build(place: Organization, **by: Any) -> None:
        issue(place, **by)
        tree.create_below(simpsons.household, f"Before {place.name}")  # All that is behind it moves on.

    keys_of(simpsons.power_plant)  # It comes to stand where the house was.
    monkeypatch.setattr(keys_below, "KEYS_A_STEP", 2)
    monkeypatch.setattr(keys_below, "_issue", while_others_build)
    assert make_some_missing_keys(house, by=simpsons.homer, address=None) == 1


def test_of_a_house_that_is_deleted_meanwhile_no_flat_is_left(simpsons: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete_both(place: Organization, **_by: Any) -> None:
        tree.delete(place)
        tree.delete(empty)

    empty = tree.create_below(simpsons.home, "Oak Avenue 4")
    tree.create_paths_below(empty, [["Flat 4"]])
    empty.refresh_from_db()
    monkeypatch.setattr(keys_below, "_issue", delete_both)
    assert make_some_missing_keys(empty, by=simpsons.homer, address=None) == 0


def test_whoever_may_no_longer_manage_gets_no_keys_made(house: Organization, as_homer: Client, simpsons: Cast) -> None:
    as_homer.post(f"{page_of(house)}keys/")
    Membership.objects.filter(user=simpsons.homer).delete()
    do_background_work()
    assert not RegistrationKey.objects.filter(organization__tree_id=house.tree_id).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_key_for_each(house: Organization, simpsons: Cast) -> None:
    all_at_once(lambda _n: make_some_missing_keys(house, by=simpsons.homer, address=None), 2)
    made = RegistrationKey.objects.filter(organization__tree_id=house.tree_id)
    assert sorted(key.organization.name for key in made) == ["Flat 1", "Flat 2", "Laundry"]
