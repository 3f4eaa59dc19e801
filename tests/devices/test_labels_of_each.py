"""A landlord prints a label with a registration key of its own for each flat of a house."""

from __future__ import annotations

import pytest
import segno
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import labels
from devices.models import RegistrationKey
from orgs import tree
from orgs.audit import AuditEntry
from orgs.models import Organization
from tests.conftest import Cast
from tests.devices.flats import flat, keys_of, page_of, print_them


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
    with django_assert_num_queries(9):
        print_them(as_homer, house)
    more_flats(house, 50)  # Of more than some 80 SQLite takes the audit in two statements.
    with django_assert_num_queries(9):
        assert print_them(as_homer, house).content.count(b"<symbol") == 51


def test_labels_of_a_hundred_flats_are_a_light_page(house: Organization, as_homer: Client) -> None:
    more_flats(house, 100)
    as_homer.defaults["HTTP_ACCEPT_ENCODING"] = "gzip"
    answer = print_them(as_homer, house, sheet="letter-30")
    assert sum(len(page) for page in answer.context["pages"]) == 100
    assert answer["Content-Encoding"] == "gzip"
    assert len(answer.content) < 100_000
