"""A landlord prints a label with a registration key of its own for each flat of a house."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import segno
import time_machine
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import DjangoAssertNumQueries

from devices import keys_below, labels
from devices.keys_below import make_some_missing_keys
from devices.models import Device, RegistrationKey
from devices.registration import register
from devices.tasks import make_registration_keys
from orgs import tree
from orgs.audit import AuditEntry
from orgs.models import Membership, Organization
from tests.background import do_background_work
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory
from tests.parallel import all_at_once


@pytest.fixture
def house(simpsons: Cast) -> Organization:
    """A house with three flats; its cellar has a part of its own."""
    house = tree.create_below(simpsons.home, "Elm Street 12")
    tree.create_paths_below(house, [["Flat 1"], ["Flat 2"], ["Cellar", "Laundry"]])
    house.refresh_from_db()
    return house


def flat(name: str) -> Organization:
    return Organization.objects.get(name=name)


def page_of(organization: Organization) -> str:
    return f"/organizations/{organization.pk}/labels/"


def print_them(client: Client, organization: Organization, **wanted: object):
    return client.post(page_of(organization), {"sheet": "a4-24", "each": 1, "readable": "on", **wanted})


def keys_of(*organizations: Organization) -> list[RegistrationKey]:
    return [RegistrationKeyFactory(organization=organization) for organization in organizations]


# ---- making the keys ----


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


# ---- printing them ----


def test_a_label_says_flat_and_house_and_has_the_key_of_that_flat(
    house: Organization, as_homer: Client, simpsons: Cast
) -> None:
    keys = keys_of(flat("Flat 1"), flat("Flat 2"), flat("Laundry"))
    answer = print_them(as_homer, house)
    html = answer.content.decode()
    places = ("Flat 1", "Elm Street 12"), ("Flat 2", "Elm Street 12"), ("Laundry", "Cellar, Elm Street 12")
    for key, (name, above) in zip(keys, places, strict=True):
        assert html.count(f'<p class="label-place">{name}</p><p class="label-house">{above}</p>') == 1
        assert html.count(key.text) == 1
        drawn = segno.make(key.text, error="m", micro=False).svg_inline(scale=1, border=1, omitsize=True)
        assert f'<symbol id="qr-{key.pk}" viewBox="0 0 23 23">{drawn}</symbol>' in html
        assert html.count(f'<use href="#qr-{key.pk}"/>') == 1
    assert "no-store" in answer["Cache-Control"]
    shown = AuditEntry.objects.filter(action="registration_key.shown", actor=simpsons.homer, details={"labels": 1})
    assert {entry.object_id for entry in shown} == {str(key.pk) for key in keys}


def test_labels_lie_in_the_order_of_their_paths_on_as_many_sheets_as_they_need(
    house: Organization, as_homer: Client
) -> None:
    tenth = tree.create_below(house, "Flat 10")
    keys = keys_of(tenth, flat("Flat 2"), flat("Flat 1"), flat("Laundry"))
    pages = print_them(as_homer, house, sheet="a4-10", each=4).context["pages"]
    assert [key for page in pages for key in page][::4] == [keys[3], keys[2], keys[1], keys[0]]
    assert [len(page) for page in pages] == [10, 6]


def test_nothing_is_shown_before_it_is_asked_for(house: Organization, as_homer: Client) -> None:
    (key,) = keys_of(flat("Flat 1"))
    html = as_homer.get(page_of(house)).content.decode()
    assert key.secret not in html
    assert "<symbol" not in html
    assert not AuditEntry.objects.exists()


def test_keys_of_other_houses_are_not_on_the_sheet(house: Organization, as_homer: Client, simpsons: Cast) -> None:
    here, elsewhere, above = keys_of(flat("Flat 1"), simpsons.household, house)
    html = print_them(as_homer, house).content.decode()
    assert here.text in html
    assert elsewhere.secret not in html
    assert above.secret not in html


def test_a_hundred_at_a_time_of_a_large_house(
    house: Organization, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "KEYS_A_PART", 2)
    keys = keys_of(flat("Flat 1"), flat("Flat 2"), flat("Laundry"))
    page = as_homer.get(page_of(house))
    assert list(page.context["form"].fields["part"].choices) == [
        (flat("Laundry").pk, "Elm Street 12 › Cellar › Laundry – Elm Street 12 › Flat 1"),
        (flat("Flat 2").pk, "Elm Street 12 › Flat 2 – Elm Street 12 › Flat 2"),
    ]
    html = print_them(as_homer, house, part=flat("Flat 2").pk).content.decode()
    assert keys[1].text in html
    assert keys[0].secret not in html


@pytest.fixture
def chosen(house: Organization, as_homer: Client, monkeypatch: pytest.MonkeyPatch) -> int:
    """What the second choice of the page sends that shows two at a time: Flat 2."""
    monkeypatch.setattr(labels, "KEYS_A_PART", 2)
    keys_of(flat("Flat 1"), flat("Flat 2"), flat("Laundry"))
    choice: int = as_homer.get(page_of(house)).context["form"].fields["part"].choices[1][0]
    return choice


@pytest.mark.parametrize("meanwhile", ["one more before it", "one less before it", "a new one there"])
def test_labels_begin_with_what_was_chosen_whatever_became_of_others_meanwhile(
    chosen: int, house: Organization, as_homer: Client, meanwhile: str
) -> None:
    match meanwhile:
        case "one more before it":
            keys_of(tree.create_below(house, "Attic"))
        case "one less before it":
            RegistrationKey.objects.get(organization=flat("Laundry")).revoke()
        case _:
            RegistrationKey.objects.get(organization=flat("Flat 2")).revoke()
            keys_of(flat("Flat 2"))
    (page,) = print_them(as_homer, house, part=chosen).context["pages"]
    assert [key.organization.name for key in page] == ["Flat 2"]


@pytest.mark.parametrize("sent", ["the chosen", "", "nonsense", "-1", "9" * 40])
def test_where_labels_cannot_begin_that_is_said_and_none_are_shown(
    chosen: int, house: Organization, as_homer: Client, sent: str
) -> None:
    RegistrationKey.objects.get(organization=flat("Flat 2")).revoke()
    answer = print_them(as_homer, house, part=chosen if sent == "the chosen" else sent)
    assert list(answer.context["form"].errors) == ["part"]
    html = answer.content.decode()
    assert "<symbol" not in html
    if sent == "the chosen":
        assert "This is no longer there, or is not yours to choose. Choose another." in html
    assert "Elm Street 12 › Cellar › Laundry – Elm Street 12 › Flat 1" in html
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("wanted", [{"each": 0}, {"each": 11}, {"each": "many"}, {"sheet": "a5-1"}])
def test_what_cannot_be_printed_is_said_and_shows_nothing(
    house: Organization, as_homer: Client, wanted: dict[str, object]
) -> None:
    keys_of(flat("Flat 1"))
    answer = print_them(as_homer, house, **wanted)
    assert list(answer.context["form"].errors) == list(wanted)
    assert "<symbol" not in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_where_nothing_is_below_the_page_says_what_to_do_first(as_homer: Client, simpsons: Cast) -> None:
    html = as_homer.get(page_of(simpsons.household)).content.decode()
    assert "Make an organization for each flat first." in html
    assert f"/organizations/{simpsons.household.pk}/new-several/" in html


def more_flats(house: Organization, count: int) -> None:
    """Put so many more flats into the house, each with a key."""
    tree.create_paths_below(house, [[f"Upper flat {number}"] for number in range(count)])
    RegistrationKey.objects.bulk_create(
        RegistrationKey(
            customer=house.customer,
            organization=one,
            lookup=f"ZY{number:06}",
            secret=f"{number:08}",
            envelope_key_base64="",
        )
        for number, one in enumerate(Organization.objects.filter(name__startswith="Upper flat"))
    )


def test_labels_of_many_flats_take_as_many_queries_as_those_of_one(
    house: Organization, as_homer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    keys_of(flat("Flat 1"))
    with django_assert_num_queries(8):
        print_them(as_homer, house)
    more_flats(house, 50)  # Of more than some 80 SQLite takes the audit in two statements.
    with django_assert_num_queries(8):
        assert print_them(as_homer, house).content.count(b"<symbol") == 51


def test_labels_of_a_hundred_flats_are_a_light_page(house: Organization, as_homer: Client) -> None:
    more_flats(house, 100)
    as_homer.defaults["HTTP_ACCEPT_ENCODING"] = "gzip"
    answer = print_them(as_homer, house, sheet="letter-30")
    assert sum(len(page) for page in answer.context["pages"]) == 100
    assert answer["Content-Encoding"] == "gzip"
    assert len(answer.content) < 100_000
