"""Making and renaming organizations."""

from __future__ import annotations

import pytest
from django.test import Client

from orgs.models import Organization
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory
from tests.parallel import all_at_once


def at(organization: Organization, piece: str) -> str:
    return f"/organizations/{organization.pk}/{piece}"


def test_a_new_organization_is_below_its_parent(simpsons: Cast, as_homer: Client) -> None:
    form = {"name": "Attic", "description": "Boxes"}
    answer = as_homer.post(at(simpsons.household, "new/"), form, follow=True)
    made = Organization.objects.get(name="Attic")
    assert (made.parent, made.description) == (simpsons.household, "Boxes")
    assert "“Attic” is now in Household" in answer.content.decode()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter a name for the organization."),
        ("x" * 101, "at most 100 characters"),
        ("Household", "There is already an organization of that name in the same place"),
    ],
)
def test_a_name_that_does_not_do_is_said_on_its_field(
    simpsons: Cast, as_homer: Client, typed: str, sentence: str
) -> None:
    answer = as_homer.post(at(simpsons.home, "new/"), {"name": typed, "description": "kept"})
    html = answer.content.decode()
    assert sentence in html
    assert 'value="kept"' in html
    assert 'aria-invalid="true"' in html
    assert Organization.objects.filter(parent=simpsons.home).count() == 2


@pytest.mark.django_db(transaction=True)
def test_clicks_at_once_make_one_organization_and_a_sentence(simpsons: Cast) -> None:
    def click(_: int) -> int:
        client = Client()
        client.force_login(simpsons.homer)
        return client.post(at(simpsons.home, "new/"), {"name": "Attic"}).status_code

    assert sorted(all_at_once(click, 4)) == [200, 200, 200, 302]
    assert Organization.objects.filter(name="Attic").count() == 1


def test_renaming_keeps_everything_else(simpsons: Cast, as_homer: Client) -> None:
    as_homer.post(at(simpsons.household, "edit/"), {"name": "Home", "description": "742"})
    renamed = Organization.objects.get(pk=simpsons.household.pk)
    assert (renamed.name, renamed.description, renamed.parent) == ("Home", "742", simpsons.home)
    assert (renamed.lft, renamed.rght) == (simpsons.household.lft, simpsons.household.rght)


def test_renaming_to_the_name_of_a_sibling_is_said(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(simpsons.household, "edit/"), {"name": "Power plant"})
    assert "There is already an organization of that name in the same place" in answer.content.decode()
    assert Organization.objects.get(pk=simpsons.household.pk).name == "Household"


def test_the_own_name_can_stay(simpsons: Cast, as_homer: Client) -> None:
    assert as_homer.post(at(simpsons.household, "edit/"), {"name": "Household", "description": "x"}).status_code == 302


def test_two_customers_may_have_one_name(simpsons: Cast, as_carl: Client) -> None:
    assert as_carl.post(at(simpsons.carls, "edit/"), {"name": "The Simpsons"}).status_code == 302


def test_a_manager_who_edits_an_old_copy_is_told(simpsons: Cast, as_homer: Client) -> None:
    seen = as_homer.get(at(simpsons.household, "edit/")).context["form"]["seen"].value()
    simpsons.household.describe(name="House", description="")
    answer = as_homer.post(at(simpsons.household, "edit/"), {"name": "Home", "seen": seen})
    assert "Somebody else has changed this in the meantime: Name: House" in answer.content.decode()
    assert Organization.objects.get(pk=simpsons.household.pk).name == "House"


def test_the_manager_of_a_part_does_not_learn_what_is_above_from_a_refusal(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    client = Client()
    client.force_login(bart)
    answer = client.post(at(simpsons.household, "edit/"), {"name": "Power plant"})
    assert "organization of that name in the same place" in answer.content.decode()
    assert "The Simpsons" not in answer.content.decode()
