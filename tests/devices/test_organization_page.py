"""The pages of organizations: the tree, one of them, moving it, deleting it."""

from __future__ import annotations

import pytest
from django.test import Client

from devices.models import Device, RegistrationKey
from orgs import invitations, tree
from orgs.audit import AuditEntry
from orgs.models import Invitation, Membership, Organization
from tests.conftest import MANAGER, Cast
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def at(organization: Organization, piece: str = "") -> str:
    return f"/organizations/{organization.pk}/{piece}"


# ---- the tree ----


def test_homer_sees_his_tree_with_counts_of_all_below(simpsons: Cast, as_homer: Client) -> None:
    (branch,) = as_homer.get("/organizations/").context["trees"]
    assert (branch.organization, branch.devices, branch.people) == (simpsons.home, 2, 3)
    assert [(below.organization.name, below.devices, below.people) for below in branch.below] == [
        ("Household", 1, 1),
        ("Power plant", 1, 1),
    ]


def test_somebody_in_two_places_counts_once(simpsons: Cast, as_homer: Client) -> None:
    Membership.objects.create(user=simpsons.marge, organization=simpsons.power_plant)
    (branch,) = as_homer.get("/organizations/").context["trees"]
    assert branch.people == 3


def test_marge_sees_her_part_and_no_numbers_of_people(simpsons: Cast, as_marge: Client) -> None:
    html = page(as_marge, "/organizations/")
    assert "Household" in html
    assert "1 device" in html
    for hidden in ("The Simpsons", "Power plant", "1 person"):
        assert hidden not in html


def test_the_tree_takes_a_fixed_number_of_queries(simpsons: Cast, as_homer: Client, django_assert_num_queries) -> None:
    floors = [tree.create_below(simpsons.household, f"Floor {n}") for n in range(8)]
    for floor in floors:
        tree.create_below(floor, "Room")
        MembershipFactory(organization=floor)
        DeviceFactory(organization=floor)
    with django_assert_num_queries(6):
        as_homer.get("/organizations/")


# ---- one organization ----


def test_a_manager_sees_people_invitations_and_keys(simpsons: Cast, as_homer: Client) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    html = page(as_homer, at(simpsons.household))
    for text in ("marge@example.net", "lisa@example.net", key.lookup, "1 more person sees these devices", "Homer"):
        assert text in html


def test_a_member_sees_devices_and_neither_people_nor_keys(simpsons: Cast, as_marge: Client) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    MembershipFactory(organization=simpsons.household, user__email="bart@example.net")
    html = page(as_marge, at(simpsons.household))
    assert "kitchen" in html
    for hidden in (
        "bart@example.net",
        "lisa@example.net",
        key.lookup,
        "Homer",
        "/invite/",
        "/move/",
        "/edit/",
        "/delete/",
    ):
        assert hidden not in html


def test_the_manager_of_a_part_learns_who_else_sees_it_but_not_what_is_above(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    client = Client()
    client.force_login(bart)
    html = page(client, at(simpsons.household))
    assert "Homer" in html
    assert "of an organization above" in html
    assert "The Simpsons" not in html


def test_accepted_and_withdrawn_invitations_are_not_listed(simpsons: Cast, as_homer: Client) -> None:
    invitation = invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    invitations.withdraw(invitation)
    assert "lisa@example.net" not in page(as_homer, at(simpsons.household))


@pytest.mark.parametrize("count", [1, 25, 60])
def test_the_page_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    for n in range(count):
        DeviceFactory(organization=simpsons.household)
        if n < 30:
            MembershipFactory(organization=simpsons.household)
            RegistrationKeyFactory(organization=simpsons.household)
            invitations.invite(organization=simpsons.household, email=f"{n}@example.net", by=simpsons.homer)
    with django_assert_num_queries(21):
        as_homer.get(at(simpsons.household))


def test_devices_come_in_pages_with_those_below(simpsons: Cast, as_homer: Client) -> None:
    for _ in range(30):
        DeviceFactory(organization=simpsons.household)
    answer = as_homer.get(at(simpsons.home))
    assert answer.context["page"].paginator.count == 32
    assert len(answer.context["readings"]) == 25


# ---- moving ----


def test_moving_changes_the_tree_and_says_so(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(simpsons.household, "move/"), {"parent": simpsons.power_plant.pk}, follow=True)
    assert Organization.objects.get(pk=simpsons.household.pk).parent == simpsons.power_plant
    assert "“Household” is now in Power plant" in answer.content.decode()


def test_a_cycle_is_refused_with_a_sentence(simpsons: Cast, as_homer: Client) -> None:
    upstairs = tree.create_below(simpsons.household, "Upstairs")
    for target in (upstairs, simpsons.household):
        answer = as_homer.post(at(simpsons.household, "move/"), {"parent": target.pk})
        assert "cannot be moved into itself or below itself" in answer.content.decode()
    assert Organization.objects.get(pk=simpsons.household.pk).parent == simpsons.home


def test_places_that_make_a_cycle_are_not_offered(simpsons: Cast, as_homer: Client) -> None:
    tree.create_below(simpsons.household, "Upstairs")
    html = page(as_homer, at(simpsons.household, "move/"))
    assert "The Simpsons › Power plant" in html
    assert "The Simpsons › Household" not in html


def test_two_siblings_of_one_name_are_refused_with_a_sentence(simpsons: Cast, as_homer: Client) -> None:
    twin = tree.create_below(simpsons.power_plant, "Household")
    answer = as_homer.post(at(twin, "move/"), {"parent": simpsons.home.pk})
    assert "There is an organization called “Household” in The Simpsons already" in answer.content.decode()
    assert Organization.objects.get(pk=twin.pk).parent == simpsons.power_plant


def test_the_customer_itself_cannot_be_moved_or_deleted(simpsons: Cast, as_homer: Client) -> None:
    moved = as_homer.post(at(simpsons.home, "move/"), {"parent": simpsons.household.pk}, follow=True)
    assert "The customer itself cannot be moved" in moved.content.decode()
    deleted = as_homer.post(at(simpsons.home, "delete/"), {"things_to": simpsons.household.pk}, follow=True)
    assert "not deleted as an organization" in deleted.content.decode()
    assert Organization.objects.filter(pk=simpsons.home.pk).exists()


# ---- deleting ----


@pytest.fixture
def full(simpsons: Cast) -> Cast:
    """Household with a device, a key, a person, an organization below it and an open invitation."""
    RegistrationKeyFactory(organization=simpsons.household)
    tree.create_below(simpsons.household, "Upstairs")
    invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    simpsons.household.refresh_from_db()
    return simpsons


def test_deleting_asks_where_everything_should_go(full: Cast, as_homer: Client) -> None:
    html = page(as_homer, at(full.household, "delete/"))
    assert "1 device, 1 registration key, 1 organization below it, 1 person" in html
    assert "1 invitation that nobody has answered yet ends" in html
    form = as_homer.get(at(full.household, "delete/")).context["form"]
    assert [field.name for field in form.visible_fields()] == ["things_to", "people_to"]


def test_nothing_is_deleted_before_the_question_is_answered(full: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(full.household, "delete/"), {})
    assert list(answer.context["form"].errors) == ["things_to"]
    assert Organization.objects.filter(pk=full.household.pk).exists()


def test_everything_goes_where_it_was_told_to(full: Cast, as_homer: Client) -> None:
    plant = full.power_plant
    as_homer.post(at(full.household, "delete/"), {"things_to": plant.pk, "people_to": plant.pk})
    assert not Organization.objects.filter(pk=full.household.pk).exists()
    assert Device.objects.get(pk=full.kitchen.pk).organization == plant
    assert RegistrationKey.objects.get().organization == plant
    assert Organization.objects.get(name="Upstairs").parent == plant
    assert full.marge.memberships.get().organization == plant
    assert not Invitation.objects.exists()


def test_people_can_go_nowhere(full: Cast, as_homer: Client, as_marge: Client) -> None:
    as_homer.post(at(full.household, "delete/"), {"things_to": full.home.pk, "people_to": ""})
    assert not full.marge.memberships.exists()
    assert as_marge.get(f"/devices/{full.kitchen.pk}/").status_code == 404


def test_whoever_is_there_already_keeps_that_place(full: Cast, as_homer: Client) -> None:
    Membership.objects.create(user=full.homer, organization=full.household)
    as_homer.post(at(full.household, "delete/"), {"things_to": full.home.pk, "people_to": full.home.pk})
    assert full.homer.memberships.get().relation == MANAGER


def test_all_or_nothing(full: Cast, as_homer: Client) -> None:
    """An organization of the same name is in the way: then nothing at all has moved."""
    tree.create_below(full.power_plant, "Upstairs")
    form = {"things_to": full.power_plant.pk, "people_to": full.power_plant.pk}
    answer = as_homer.post(at(full.household, "delete/"), form)
    assert "There is already an organization called Upstairs in Power plant" in answer.content.decode()
    assert Device.objects.get(pk=full.kitchen.pk).organization == full.household
    assert full.marge.memberships.get().organization == full.household
    assert Invitation.objects.exists()


def test_who_comes_in_the_same_moment_is_asked_about_and_not_just_taken_along(
    full: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if an invitation were accepted while we wait for the tree."""
    seen = as_homer.get(at(full.household, "delete/")).context["form"]["seen"].value()
    lock = tree.lock_tree_of

    def accepted_meanwhile(organization: Organization) -> None:
        lock(organization)
        Membership.objects.get_or_create(user=full.lenny, organization=full.household)

    monkeypatch.setattr(tree, "lock_tree_of", accepted_meanwhile)
    form = {"things_to": full.home.pk, "people_to": full.home.pk, "seen": seen}
    answer = as_homer.post(at(full.household, "delete/"), form)
    assert "What is in it has changed in the meantime." in answer.content.decode()
    assert Organization.objects.filter(pk=full.household.pk).exists()
    assert full.lenny.memberships.filter(organization=full.household).exists()


def test_it_cannot_go_into_itself(full: Cast, as_homer: Client) -> None:
    upstairs = Organization.objects.get(name="Upstairs")
    for target in (full.household, upstairs):
        answer = as_homer.post(at(full.household, "delete/"), {"things_to": target.pk})
        assert "cannot go there" in answer.content.decode()
    assert Organization.objects.filter(pk=full.household.pk).exists()


def test_both_ends_must_be_managed(full: Cast) -> None:
    bart = MembershipFactory(organization=full.household, relation=MANAGER).user
    client = Client()
    client.force_login(bart)
    answer = client.post(at(full.household, "delete/"), {"things_to": full.power_plant.pk})
    assert list(answer.context["form"].errors) == ["things_to"]
    assert Organization.objects.filter(pk=full.household.pk).exists()


def test_an_empty_organization_is_deleted_without_questions(simpsons: Cast, as_homer: Client) -> None:
    attic = tree.create_below(simpsons.home, "Attic")
    answer = as_homer.get(at(attic, "delete/"))
    assert "Nothing and nobody is in it" in answer.content.decode()
    assert not answer.context["form"].visible_fields()
    as_homer.post(at(attic, "delete/"))
    assert not Organization.objects.filter(pk=attic.pk).exists()


def test_what_came_in_since_the_question_was_asked_is_not_lost(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    attic = tree.create_below(simpsons.home, "Attic")
    monkeypatch.setattr(
        "devices.views_organizations_moving._what_it_holds",
        lambda _: dict.fromkeys(
            ("devices", "newcomers", "registration_keys", "organizations", "people", "invitations"), ()
        ),
    )
    device = DeviceFactory(organization=attic)
    answer = as_homer.post(at(attic, "delete/"))
    assert "Something has just been put into Attic" in answer.content.decode()
    assert Device.objects.get(pk=device.pk).organization == attic


def test_a_deletion_is_in_the_audit_of_the_customer(full: Cast, as_homer: Client) -> None:
    as_homer.post(at(full.household, "delete/"), {"things_to": full.home.pk})
    entry = AuditEntry.objects.get(action="organization.deleted")
    assert (entry.organization, entry.actor) == (full.home, full.homer)
    assert "Household" in entry.object_label
