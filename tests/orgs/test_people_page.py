"""The list of all people of what somebody manages, and that of all invitations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orgs import invitations, tree
from orgs.models import Invitation, Membership, User
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory


def found(client: Client, **parameters: object) -> list[str]:
    answer = client.get("/people/", parameters)
    return [one.person.given_name for one in answer.context["found"].people]


def test_homer_finds_everybody_of_his_and_nobody_else(simpsons: Cast, as_homer: Client) -> None:
    assert found(as_homer) == ["Homer", "Lenny", "Marge"]


def test_tenants_are_found_by_their_house(simpsons: Cast, as_homer: Client) -> None:
    for house in ("Elm Street 12", "Oak Avenue 4"):
        flat = tree.create_below(tree.create_below(simpsons.home, house), "Flat 3")
        MembershipFactory(user__given_name=f"Tenant of {house}", organization=flat)
    assert found(as_homer, q="elm flat") == ["Tenant of Elm Street 12"]


def test_a_member_finds_nobody_and_is_told_whom_to_ask(simpsons: Cast, as_marge: Client) -> None:
    assert found(as_marge) == []
    assert "Ask whoever manages yours" in as_marge.get("/people/").content.decode()


def test_who_manages_a_part_finds_its_people_without_their_places_elsewhere(simpsons: Cast) -> None:
    bart = MembershipFactory(user__given_name="Bart", organization=simpsons.household, relation=MANAGER).user
    MembershipFactory(user=simpsons.marge, organization=simpsons.power_plant)
    client = Client()
    client.force_login(bart)
    assert found(client) == ["Bart", "Marge"]
    html = client.get("/people/").content.decode()
    for hidden in ("Power plant", "The Simpsons", "homer@example.net"):
        assert hidden not in html


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("mar", ["Marge"]),
        ("MARGE@example", ["Marge"]),
        ("marge bouvier", ["Marge"]),
        ("bouvier lenny", []),
        ("marge bouvier m a r g zebra", ["Marge"]),
        ("carl", []),
        ("%", []),
        ("' OR 1=1 --", []),
    ],
)
def test_people_are_found_by_pieces_of_name_and_address(
    simpsons: Cast, as_homer: Client, typed: str, names: list[str]
) -> None:
    User.objects.update(family_name="Simpson")
    User.objects.filter(pk=simpsons.marge.pk).update(family_name="Bouvier")
    assert found(as_homer, q=typed) == names


def test_an_organization_means_it_and_all_below(simpsons: Cast, as_homer: Client) -> None:
    upstairs = tree.create_below(simpsons.household, "Upstairs")
    MembershipFactory(user__given_name="Maggie", organization=upstairs)
    assert found(as_homer, organization=simpsons.household.pk) == ["Maggie", "Marge"]
    assert found(as_homer, organization=simpsons.carls.pk) == ["Homer", "Lenny", "Maggie", "Marge"]


def test_filters_mean_one_and_the_same_place(simpsons: Cast, as_homer: Client) -> None:
    """Homer manages the whole; in Household he is a member."""
    MembershipFactory(user=simpsons.homer, organization=simpsons.household)
    assert found(as_homer, relation="manager") == ["Homer"]
    assert found(as_homer, relation="manager", organization=simpsons.household.pk) == []


def test_guests_are_found_by_when_their_place_ends(simpsons: Cast, as_homer: Client) -> None:
    now = timezone.now()
    Membership.objects.filter(user=simpsons.marge).update(valid_until=now + timedelta(days=3))
    Membership.objects.filter(user=simpsons.lenny).update(valid_until=now - timedelta(days=3))
    MembershipFactory(user__given_name="Ned", organization=simpsons.household, valid_until=now + timedelta(days=300))
    assert found(as_homer, ends="guests") == ["Lenny", "Marge", "Ned"]
    assert found(as_homer, ends="soon") == ["Marge"]
    assert found(as_homer, ends="over") == ["Lenny"]
    assert found(as_homer, ends="nonsense") == ["Homer", "Lenny", "Marge", "Ned"]


@pytest.mark.parametrize("count", [10, 1000])
def test_ten_or_a_thousand_people_take_the_same_queries_and_one_page(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    people = MembershipFactory._meta.model
    users = [type(simpsons.homer)(email=f"{n}@example.org", given_name=f"Tenant {n:04}") for n in range(count)]
    users = type(simpsons.homer).objects.bulk_create(users)
    people.objects.bulk_create(people(user=user, organization=simpsons.household) for user in users)
    with django_assert_num_queries(8):
        answer = as_homer.get("/people/")
    assert len(answer.context["found"].people) == min(count + 3, 50)
    assert answer.context["found"].page.paginator.count == count + 3
    assert len(answer.content) < 100_000


# ---- invitations ----


def test_all_invitations_into_what_homer_manages_the_most_urgent_first(
    simpsons: Cast, as_homer: Client, as_carl: Client
) -> None:
    for name, place in (("late", simpsons.household), ("new", simpsons.power_plant)):
        invitations.invite(organization=place, email=f"{name}@example.org", by=simpsons.homer)
    Invitation.objects.filter(email="late@example.org").update(expires_at=timezone.now())
    answer = as_homer.get("/people/invited/")
    assert [one.email for one in answer.context["page"]] == ["late@example.org", "new@example.org"]
    assert "Send a new one" in answer.content.decode()
    assert "2 invitations" in as_homer.get("/people/").content.decode()
    assert "example.org" not in as_carl.get("/people/invited/").content.decode()


def test_from_the_list_one_invites_by_choosing_the_place_first(simpsons: Cast, as_homer: Client) -> None:
    assert 'href="/people/invite/"' in as_homer.get("/people/").content.decode()
    answer = as_homer.post("/people/invite/", {"organization": simpsons.household.pk})
    assert answer["Location"] == f"/organizations/{simpsons.household.pk}/invite/"
    answer = as_homer.post("/people/invite/", {"organization": simpsons.carls.pk})
    assert list(answer.context["form"].errors) == ["organization"]


def test_the_buttons_lead_back_to_the_list_that_they_are_on(simpsons: Cast, as_homer: Client) -> None:
    invitation = invitations.invite(organization=simpsons.household, email="lisa@example.org", by=simpsons.homer)
    address = f"/invited/{invitation.pk}/resend/"
    assert as_homer.post(address, {"next": "/people/invited/"})["Location"] == "/people/invited/"
    for other in ("", "https://evil.example/", f"/organizations/{simpsons.household.pk}/"):
        assert as_homer.post(address, {"next": other})["Location"] == simpsons.household.get_absolute_url()


@pytest.mark.parametrize("count", [1, 60])
def test_the_list_of_invitations_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    for n in range(count):
        invitations.invite(organization=simpsons.household, email=f"{n}@example.org", by=simpsons.homer)
    with django_assert_num_queries(6):
        as_homer.get("/people/invited/")


def test_people_are_found_by_where_they_belong(simpsons: Cast, as_homer: Client) -> None:
    page = as_homer.get("/people/?q=household").content.decode()
    assert str(simpsons.marge) in page
    assert str(simpsons.lenny) not in page
