"""Deleting an organization while something comes into it: what goes is what was confirmed, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete
from django.test import Client
from django.utils import timezone

from devices.delete_organization import delete_organization
from devices.errors import TryLater
from devices.models import Device, RegistrationKey
from devices.registration import register
from orgs.errors import NotEmpty
from orgs.models import Invitation, Organization
from tests.conftest import MANAGER, Cast
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, RegistrationKeyFactory
from tests.orgs.test_invitations_of_former_managers import until_somebody_waits_for_us

T = TypeVar("T")


def page(organization: Organization) -> str:
    return f"/organizations/{organization.pk}/delete/"


def confirmed(client: Client, organization: Organization, **where: int) -> dict[str, object]:
    """Return what the form sends of somebody who has read the page just now."""
    return {"seen": client.get(page(organization)).context["form"]["seen"].value(), **where}


@pytest.mark.django_db(transaction=True)
def test_a_device_that_comes_too_late_tries_again_and_lands_where_its_key_went(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)

    def comes_in() -> str:
        try:
            register(lookup=key.lookup, serial="hall-1")
        except TryLater as error:
            return str(error)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            delete_organization(simpsons.household, things_to=simpsons.home, people_to=None)
            asking = pool.submit(comes_in)
            until_somebody_waits_for_us()
        # With SQLite it may ask when all is over; then it comes in at once.
        assert asking.result() == "" or "try again" in asking.result()
    register(lookup=key.lookup, serial="hall-1")
    assert Device.objects.get(serial="hall-1").organization == simpsons.home
    assert RegistrationKey.objects.get(pk=key.pk).uses == 1


def in_the_meantime(step: Callable[[], T]) -> Callable[[], T]:
    """Return `step` for another thread, with a connection that does not outlive it."""

    def done() -> T:
        try:
            return step()
        finally:
            connection.close()

    return done


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_who_moves_devices_into_what_is_being_deleted_is_told(simpsons: Cast, as_homer: Client, several: bool) -> None:
    kitchen, doomed = simpsons.kitchen, OrganizationFactory(name="Garage", parent=simpsons.home)
    page = "/devices/list/move/" if several else f"/devices/{kitchen.pk}/move/"
    sent = {"organization": doomed.pk, "devices": [kitchen.pk]}
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            delete_organization(doomed, things_to=None, people_to=None)
            moving = pool.submit(in_the_meantime(lambda: as_homer.post(page, sent, follow=True)))
            until_somebody_waits_for_us()
        html = moving.result().content.decode()
    assert "This organization is no longer there" in html
    assert Device.objects.get(pk=kitchen.pk).organization == simpsons.household


@pytest.mark.django_db(transaction=True)
def test_who_invites_into_what_is_being_deleted_is_not_told_that_mail_was_sent(
    simpsons: Cast, as_homer: Client
) -> None:
    doomed = OrganizationFactory(name="Garage", parent=simpsons.home)
    sent = {"email": "moe@example.net", "relation": "member", "good_for": "14", "membership_ends": ""}
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            delete_organization(doomed, things_to=None, people_to=None)
            inviting = pool.submit(in_the_meantime(lambda: as_homer.post(f"/organizations/{doomed.pk}/invite/", sent)))
            until_somebody_waits_for_us()
        assert inviting.result().status_code == 404
    assert not Invitation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_organization_into_which_a_device_has_just_come_is_not_deleted(simpsons: Cast) -> None:
    """It comes after the last look at what is in it."""
    empty = OrganizationFactory(name="Garage", parent=simpsons.home)

    def somebody_comes(**_signal: object) -> None:
        if connection.vendor != "postgresql":  # With SQLite nobody can.
            raise ProtectedError("", set())
        with ThreadPoolExecutor(1) as pool:
            pool.submit(in_the_meantime(lambda: DeviceFactory(organization=empty))).result()

    pre_delete.connect(somebody_comes, sender=Organization)
    try:
        with pytest.raises(NotEmpty, match="Something has just been put into Garage"), transaction.atomic():
            delete_organization(empty, things_to=None, people_to=None)
    finally:
        pre_delete.disconnect(somebody_comes, sender=Organization)
    assert Organization.objects.filter(pk=empty.pk).exists()


def test_one_that_came_for_another_that_left_is_asked_about_too(simpsons: Cast, as_homer: Client) -> None:
    """The numbers are the same then, and what they stand for is not."""
    form = confirmed(as_homer, simpsons.household, things_to=simpsons.home.pk)
    Device.objects.filter(pk=simpsons.kitchen.pk).update(organization=simpsons.home)
    DeviceFactory(organization=simpsons.household)
    html = as_homer.post(page(simpsons.household), form).content.decode()
    assert "What is in it has changed in the meantime." in html
    assert Organization.objects.filter(pk=simpsons.household.pk).exists()


def test_a_guest_does_not_send_people_up_for_longer_by_deleting(simpsons: Cast) -> None:
    until = timezone.now() + timedelta(days=10)
    guest = MembershipFactory(organization=simpsons.home, relation=MANAGER, valid_until=until).user
    client = Client()
    client.force_login(guest)
    where = {"things_to": simpsons.home.pk, "people_to": simpsons.home.pk}
    answer = client.post(page(simpsons.household), confirmed(client, simpsons.household, **where))
    assert "nobody can be put there for longer" in answer.content.decode()
    simpsons.marge.memberships.update(valid_until=until)
    answer = client.post(page(simpsons.household), confirmed(client, simpsons.household, **where))
    assert answer.status_code == 302
    assert simpsons.marge.memberships.get().organization == simpsons.home
