"""Small steps that take something away are done by one click, and can be taken back by another for some minutes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from channels.models import RenewalPolicy
from devices.expected import Expected, enter
from devices.models import ExpectedDevice, PendingDevice, RegistrationPolicy
from orgs import invitations, tree
from orgs.audit import AuditEntry
from orgs.models import Invitation, Organization, User
from tests.conftest import MANAGER, Cast
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, RegistrationKeyFactory
from tests.orgs.test_tree_under_load import assert_valid_trees


def click_undo(client: Client, page: Any) -> str:
    """Press the button "Undo" on the page that came after a step, and return what the page then says."""
    found = re.search(r'action="([^"]+)">.*?name="undo" value="([^"]+)"', page.content.decode())
    assert found
    answer: str = client.post(found[1], {"undo": found[2]}, follow=True).content.decode()
    return answer


def manager(simpsons: Cast) -> Client:
    client = Client()
    client.force_login(MembershipFactory(organization=simpsons.home, relation=MANAGER).user)
    return client


# ---- an invitation ----


@pytest.fixture
def lisa(simpsons: Cast) -> Invitation:
    return invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)


def withdraw(client: Client, invited: Invitation, **more: str) -> Any:
    return client.post(f"/invited/{invited.pk}/withdraw/", more, follow=True)


def test_the_link_of_a_withdrawn_invitation_is_good_again_after_undo(lisa: Invitation, as_homer: Client) -> None:
    token = lisa.renew_token()
    lisa.save()
    page = withdraw(as_homer, lisa, next="/people/invited/")
    assert Client().get(f"/invitations/{token}/").status_code == 404
    said = click_undo(as_homer, page)
    assert "The invitation to lisa@example.net stands again, with the link that was mailed." in said
    assert "Invitations</h1>" in said or "<title>Invitations" in said
    assert Client().get(f"/invitations/{token}/").status_code == 200
    assert AuditEntry.objects.filter(action="invitation.restored").count() == 1


def test_undo_takes_back_no_later_withdrawal(simpsons: Cast, lisa: Invitation, as_homer: Client) -> None:
    page = withdraw(as_homer, lisa)
    click_undo(as_homer, page)
    withdraw(manager(simpsons), lisa)
    assert "This can no longer be undone" in click_undo(as_homer, page)
    assert not Invitation.objects.pending().exists()


def test_where_a_new_invitation_was_sent_the_old_one_stays_withdrawn(
    simpsons: Cast, lisa: Invitation, as_homer: Client
) -> None:
    page = withdraw(as_homer, lisa)
    second = invitations.invite(organization=simpsons.household, email="Lisa@example.net", by=simpsons.homer)
    assert "Another invitation to lisa@example.net has been sent since." in click_undo(as_homer, page)
    assert list(Invitation.objects.pending()) == [second]


def test_undoing_sends_no_mail(lisa: Invitation, as_homer: Client) -> None:
    page = withdraw(as_homer, lisa)
    mail.outbox.clear()
    click_undo(as_homer, page)
    assert not mail.outbox


# ---- devices at the door ----


def at_the_door(simpsons: Cast, *serials: str) -> list[PendingDevice]:
    RegistrationPolicy.of(simpsons.home).change("approved")
    key = RegistrationKeyFactory(organization=simpsons.household)
    for serial in serials:
        Client().get(f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}")
    return list(PendingDevice.objects.order_by("serial"))


def refuse(client: Client, devices: list[PendingDevice]) -> Any:
    form = {"step": "refuse", "pending": [one.pk for one in devices]}
    return client.post("/devices/pending/decide/", form, follow=True)


def test_devices_that_were_refused_wait_again_after_undo(simpsons: Cast, as_homer: Client) -> None:
    page = refuse(as_homer, at_the_door(simpsons, "1", "2", "3")[:2])
    assert "“1”, “2” wait at the door again." in click_undo(as_homer, page)
    assert PendingDevice.objects.waiting().count() == 3
    assert AuditEntry.objects.filter(action="device.refusal_undone").count() == 2


def test_what_another_manager_has_refused_since_stays_refused(simpsons: Cast, as_homer: Client) -> None:
    devices = at_the_door(simpsons, "1")
    page = refuse(as_homer, devices)
    click_undo(as_homer, page)
    refuse(manager(simpsons), devices)
    assert "This can no longer be undone" in click_undo(as_homer, page)
    assert not PendingDevice.objects.waiting().exists()


# ---- expected devices ----


def forget(client: Client, simpsons: Cast, *serials: str) -> Any:
    chosen = list(ExpectedDevice.objects.filter(serial__in=serials).values_list("pk", flat=True))
    address = f"/organizations/{simpsons.home.pk}/expected-devices/forget/"
    return client.post(address, {"expected": chosen}, follow=True)


def test_serial_numbers_come_back_with_name_and_place(simpsons: Cast, as_homer: Client) -> None:
    enter([Expected("1", "Kitchen", simpsons.household), Expected("2"), Expected("3")], customer=simpsons.home)
    before = list(ExpectedDevice.objects.values_list("serial", "name", "organization"))
    page = forget(as_homer, simpsons, "1", "2")
    assert ExpectedDevice.objects.count() == 1
    assert "2 devices are expected again." in click_undo(as_homer, page)
    assert list(ExpectedDevice.objects.values_list("serial", "name", "organization")) == before
    assert AuditEntry.objects.get(action="expected_devices.restored").details == {"count": 2}


def test_what_was_entered_anew_or_has_come_in_since_stays_as_it_is(simpsons: Cast, as_homer: Client) -> None:
    enter([Expected("1", "Kitchen"), Expected("2"), Expected("3")], customer=simpsons.home)
    page = forget(as_homer, simpsons, "1", "2", "3")
    enter([Expected("1", "Sauna")], customer=simpsons.home)
    DeviceFactory(organization=simpsons.household, serial="2")
    assert "1 device is expected again." in click_undo(as_homer, page)
    assert set(ExpectedDevice.objects.values_list("serial", "name")) == {("1", "Sauna"), ("3", "")}


def test_what_was_expected_in_a_place_that_is_gone_is_not_expected_everywhere(simpsons: Cast, as_homer: Client) -> None:
    attic = OrganizationFactory(name="Attic", parent=simpsons.home)
    enter([Expected("1", "Attic", attic), Expected("2")], customer=simpsons.home)
    page = forget(as_homer, simpsons, "1", "2")
    tree.delete(attic)
    said = click_undo(as_homer, page)
    assert "1 device is expected again." in said
    assert "1 serial number was not put back" in said
    assert list(ExpectedDevice.objects.values_list("serial", flat=True)) == ["2"]


def test_what_another_manager_has_refused_since_is_not_let_in_by_undo(simpsons: Cast, as_homer: Client) -> None:
    enter([Expected("1")], customer=simpsons.home)
    page = forget(as_homer, simpsons, "1")
    PendingDevice.objects.create(
        customer=simpsons.home, organization=simpsons.household, serial="1", refused_at=timezone.now()
    )
    assert "1 serial number was not put back" in click_undo(as_homer, page)
    assert not ExpectedDevice.objects.exists()
    assert PendingDevice.objects.refused().exists()
    assert not AuditEntry.objects.filter(action="expected_devices.restored").exists()


def test_a_whole_page_of_serial_numbers_can_be_taken_back(simpsons: Cast, as_homer: Client) -> None:
    serials = [f"{n:064}" for n in range(50)]
    enter([Expected(serial, "ö" * 100, simpsons.household) for serial in serials], customer=simpsons.home)
    page = forget(as_homer, simpsons, *serials)
    assert "50 devices are expected again." in click_undo(as_homer, page)


# ---- moved devices ----


def move(client: Client, simpsons: Cast, **more: Any) -> Any:
    form = {"devices": [simpsons.kitchen.pk, simpsons.reactor.pk], "organization": simpsons.home.pk, **more}
    return client.post("/devices/list/move/", form, follow=True)


def places(simpsons: Cast) -> list[Organization]:
    for device in (simpsons.kitchen, simpsons.reactor):
        device.refresh_from_db()
    return [simpsons.kitchen.organization, simpsons.reactor.organization]


def test_devices_go_back_each_to_its_own_place(simpsons: Cast, as_homer: Client) -> None:
    page = move(as_homer, simpsons, next="/devices/list/?q=e")
    assert places(simpsons) == [simpsons.home, simpsons.home]
    said = click_undo(as_homer, page)
    assert "2 devices are where they were before." in said
    assert 'value="e"' in said, "the list is narrowed as it was"
    assert places(simpsons) == [simpsons.household, simpsons.power_plant]
    assert AuditEntry.objects.filter(action="device.moved").count() == 4


def test_one_device_goes_back_and_its_page_says_so(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    form = {"organization": simpsons.power_plant.pk}
    page = as_homer.post(f"{simpsons.kitchen.get_absolute_url()}move/", form, follow=True)
    assert as_marge.get(simpsons.kitchen.get_absolute_url()).status_code == 404
    said = click_undo(as_homer, page)
    assert "1 device is where it was before." in said
    assert f'<h1><span id="name-{simpsons.kitchen.pk}">kitchen</span>' in said
    assert as_marge.get(simpsons.kitchen.get_absolute_url()).status_code == 200


def test_what_was_moved_once_more_since_stays(simpsons: Cast, as_homer: Client) -> None:
    page = move(as_homer, simpsons)
    simpsons.reactor.refresh_from_db()
    simpsons.reactor.move(simpsons.household)
    said = click_undo(as_homer, page)
    assert "1 device is where it was before." in said
    assert "1 device stays where it is: it has been moved once more since" in said
    assert places(simpsons) == [simpsons.household, simpsons.household]


def test_who_does_not_manage_the_old_place_any_more_does_not_put_devices_there(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER)
    also_there = MembershipFactory(user=bart.user, organization=simpsons.power_plant, relation=MANAGER)
    client = Client()
    client.force_login(bart.user)
    page = move(client, simpsons, organization=simpsons.household.pk)
    also_there.delete()
    assert "1 device stays where it is" in click_undo(client, page)
    assert places(simpsons) == [simpsons.household, simpsons.household]


# ---- all of them ----


def test_an_offer_is_good_for_some_minutes_and_its_owner_alone(
    simpsons: Cast, lisa: Invitation, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = withdraw(as_homer, lisa)
    assert "This can no longer be undone" in click_undo(manager(simpsons), page)
    later = timezone.now().timestamp() + 11 * 60
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert "This can no longer be undone" in click_undo(as_homer, page)
    assert not Invitation.objects.pending().exists()


# ---- a place ----


def marge_moves(as_homer: Client, simpsons: Cast, to: Organization) -> Any:
    address = f"/memberships/{simpsons.marge.memberships.get().pk}/move/"
    return as_homer.post(address, {"organization": to.pk}, follow=True)


def test_somebody_who_was_moved_is_back_where_they_were(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    before = simpsons.marge.memberships.values().get()
    page = marge_moves(as_homer, simpsons, simpsons.power_plant)
    assert as_marge.get(f"/devices/{simpsons.kitchen.pk}/").status_code == 404
    html = click_undo(as_homer, page)
    assert f"{simpsons.marge} is in Household again." in html
    assert simpsons.marge.memberships.values().get() == before
    assert as_marge.get(f"/devices/{simpsons.kitchen.pk}/").status_code == 200
    assert AuditEntry.objects.filter(action="membership.moved", actor=simpsons.homer).count() == 2


def test_somebody_who_is_there_already_was_not_moved(simpsons: Cast, as_homer: Client) -> None:
    page = marge_moves(as_homer, simpsons, simpsons.household)
    assert f"{simpsons.marge} is in Household already." in page.content.decode()
    assert not AuditEntry.objects.filter(action="membership.moved").exists()


def test_somebody_who_was_moved_once_more_stays_there(simpsons: Cast, as_homer: Client) -> None:
    page = marge_moves(as_homer, simpsons, simpsons.power_plant)
    marge_moves(manager(simpsons), simpsons, simpsons.home)
    assert "can no longer be undone. Move the person instead." in click_undo(as_homer, page)
    assert simpsons.marge.memberships.get().organization == simpsons.home


def test_nobody_goes_back_to_an_organization_that_is_gone(simpsons: Cast, as_homer: Client) -> None:
    attic = OrganizationFactory(name="Attic", parent=simpsons.home)
    simpsons.marge.memberships.update(organization=attic)
    page = marge_moves(as_homer, simpsons, simpsons.power_plant)
    tree.delete(attic)
    assert "can no longer be undone. Move the person instead." in click_undo(as_homer, page)
    assert simpsons.marge.memberships.get().organization == simpsons.power_plant


def test_who_may_undo_a_move_is_who_has_moved(simpsons: Cast, as_homer: Client) -> None:
    page = marge_moves(as_homer, simpsons, simpsons.power_plant)
    assert "can no longer be undone." in click_undo(manager(simpsons), page)
    assert simpsons.marge.memberships.get().organization == simpsons.power_plant


# ---- organizations that were just made ----


def make(client: Client, parent: Organization, names: str) -> Any:
    return client.post(f"/organizations/{parent.pk}/new-several/", {"names": names}, follow=True)


HOUSES = "Elm Street 12 › Flat 1\nElm Street 12 › Flat 2\nOak Avenue"


def test_a_pasted_list_is_gone_again_and_what_was_there_before_stays(simpsons: Cast, as_homer: Client) -> None:
    attic = tree.create_below(simpsons.power_plant, "Attic")
    page = make(as_homer, simpsons.power_plant, f"Attic › Left\n{HOUSES}")
    assert "5 organizations are now in Power plant." in page.content.decode()
    html = click_undo(as_homer, page)
    assert "5 organizations are deleted again." in html
    left = Organization.objects.filter(tree_id=simpsons.home.tree_id)
    assert set(left) == {simpsons.home, simpsons.household, simpsons.power_plant, attic}
    assert_valid_trees()
    deleted = AuditEntry.objects.filter(action="organization.deleted", actor=simpsons.homer)
    names = ["Elm Street 12", "Flat 1", "Flat 2", "Left", "Oak Avenue"]
    assert sorted(deleted.values_list("object_label", flat=True)) == [f"organization {name}" for name in names]
    assert set(deleted.values_list("organization", flat=True)) == {simpsons.power_plant.pk}


def test_one_that_was_made_by_itself_is_gone_again(simpsons: Cast, as_homer: Client) -> None:
    page = as_homer.post(f"/organizations/{simpsons.household.pk}/new/", {"name": "Attic"}, follow=True)
    assert "1 organization is deleted again." in click_undo(as_homer, page)
    assert not Organization.objects.filter(name="Attic").exists()
    assert_valid_trees()


def invited(flat: Organization) -> None:
    invitations.invite(organization=flat, email="lisa@example.net", by=User.objects.get(email="homer@example.net"))


def with_a_policy(flat: Organization) -> None:
    RenewalPolicy.objects.create(organization=flat, write_every=30)


@pytest.mark.parametrize(
    "put_in",
    [
        lambda flat: DeviceFactory(organization=flat),
        lambda flat: RegistrationKeyFactory(organization=flat),
        lambda flat: MembershipFactory(organization=flat),
        lambda flat: ExpectedDevice.objects.create(customer=flat.customer, organization=flat, serial="7"),
        lambda flat: tree.create_below(flat, "Bath"),
        invited,
        with_a_policy,
    ],
    ids=["a device", "a key", "a person", "an expected device", "a room", "an invitation", "a policy"],
)
def test_all_of_it_stays_when_something_was_put_into_one_of_them(
    simpsons: Cast, as_homer: Client, put_in: Callable[[Organization], Any]
) -> None:
    page = make(as_homer, simpsons.power_plant, HOUSES)
    put_in(Organization.objects.get(name="Flat 2"))
    before = set(Organization.objects.all())
    html = click_undo(as_homer, page)
    assert "There is something in “Elm Street 12 › Flat 2” by now. Nothing was undone" in html
    assert set(Organization.objects.all()) == before
    assert_valid_trees()


def test_what_was_moved_elsewhere_since_is_not_deleted_there(simpsons: Cast, as_homer: Client) -> None:
    page = make(as_homer, simpsons.power_plant, HOUSES)
    tree.move(Organization.objects.get(name="Oak Avenue"), below=simpsons.household)
    assert "Some of them are no longer where they were made. Nothing was undone" in click_undo(as_homer, page)
    assert Organization.objects.filter(name__in=["Oak Avenue", "Flat 1"]).count() == 2


def test_only_who_has_made_them_undoes_it(simpsons: Cast, as_homer: Client) -> None:
    page = make(as_homer, simpsons.power_plant, HOUSES)
    assert "can no longer be undone." in click_undo(manager(simpsons), page)
    assert Organization.objects.filter(name="Oak Avenue").exists()


def test_undo_in_an_organization_that_is_deleted_in_the_same_moment_leads_nowhere(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden = tree.create_below(simpsons.home, "Garden")
    page = make(as_homer, garden, "Shed")
    lock, named = tree.lock_tree_of, Organization.objects.get_queryset().filter
    shed, itself = named(name="Shed"), named(name="Garden")
    monkeypatch.setattr(tree, "lock_tree_of", lambda place: (lock(place), shed.delete(), itself.delete()))
    found = re.search(r'action="([^"]+)">.*?name="undo" value="([^"]+)"', page.content.decode())
    assert found
    assert as_homer.post(found[1], {"undo": found[2]}).status_code == 404


def test_undoing_three_hundred_flats_costs_some_queries_and_not_hundreds(
    simpsons: Cast, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    made = tree.create_paths_below(simpsons.home, [("Elm Street 12", f"Flat {n}") for n in range(300)])
    with django_assert_max_num_queries(80):
        tree.delete_just_made((made[0].pk, made[-1].pk), 301, below=simpsons.home)
    assert_valid_trees()
