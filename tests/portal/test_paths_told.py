"""Messages and mail say which of two "Flat 3" they mean, as far as their reader may know that."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from channels.models import ChannelKey, RenewalPolicy
from devices import door, renewal_mail
from devices.models import Device
from orgs import invitations
from orgs.models import Invitation, Membership, Organization
from portal.shown import shown_to
from tests.background import do_background_work
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory
from tests.portal.conftest import ELM, OAK, Houses, logged_in

pytestmark = pytest.mark.django_db


def told(client: Client, address: str, **fields: object) -> str:
    """Return what somebody is told after sending a form."""
    answer = client.post(address, fields)
    assert answer.status_code == 302, answer.content.decode()
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def bathroom(place: Organization) -> Device:
    return Device.objects.get(organization=place)


def test_a_device_that_was_moved_is_said_to_be_in_its_house(houses: Houses, as_homer: Client) -> None:
    device = bathroom(houses.elm_flat)
    move = f"/devices/{device.pk}/move/"
    assert f"“Bathroom” is now in {OAK}." in told(as_homer, move, organization=houses.oak_flat.pk)
    assert f"“Bathroom” is in {OAK} already." in told(as_homer, move, organization=houses.oak_flat.pk)
    chosen = {"devices": [device.pk], "organization": houses.elm_flat.pk}
    assert f"1 device is now in {ELM}." in told(as_homer, "/devices/list/move/", **chosen)
    assert f"What you chose is in {ELM} already." in told(as_homer, "/devices/list/move/", **chosen)


def test_a_person_who_was_moved_is_said_to_be_in_the_house(houses: Houses, as_homer: Client) -> None:
    at_oak = Membership.objects.get(user=houses.otto, organization=houses.oak_flat)
    Membership.objects.filter(user=houses.otto, organization=houses.elm_flat).delete()
    moved = told(as_homer, f"/memberships/{at_oak.pk}/move/", organization=houses.elm_flat.pk)
    assert f"is now in {ELM}, and sees" in moved
    assert f"is no longer in {ELM}." in told(as_homer, f"/memberships/{at_oak.pk}/remove/")


def test_an_organization_that_is_new_or_moved_is_said_to_be_in_its_house(houses: Houses, as_homer: Client) -> None:
    new = told(as_homer, f"/organizations/{houses.elm_flat.pk}/new/", name="Balcony")
    assert f"“Balcony” is now in {ELM}." in new
    balcony = Organization.objects.get(name="Balcony")
    moved = told(as_homer, f"/organizations/{balcony.pk}/move/", parent=houses.oak_flat.pk)
    assert f"“Balcony” is now in {OAK}." in moved


def test_who_leaves_a_flat_is_told_no_more_than_its_name(houses: Houses) -> None:
    otto = logged_in(houses.otto)
    place = Membership.objects.get(user=houses.otto, organization=houses.elm_flat)
    assert told(otto, f"/memberships/{place.pk}/leave/") == "You have left Flat 3."


def test_a_key_that_was_shown_says_for_which_flat(houses: Houses, simpsons: Cast, as_homer: Client) -> None:
    key = RegistrationKeyFactory(organization=houses.oak_flat)
    as_homer.post(f"/registration-keys/{key.pk}/show/")
    (showing,) = shown_to(simpsons.homer)
    assert (showing.what, showing.where) == (str(key), OAK)
    Membership.objects.filter(user=simpsons.homer).delete()
    (showing,) = shown_to(simpsons.homer)
    assert showing.where == "Flat 3", "as it was called then"


def letters_to(*addresses: str) -> dict[str, mail.EmailMessage]:
    do_background_work()
    letters = {letter.to[0]: letter for letter in mail.outbox}
    assert sorted(letters) == sorted(addresses)
    return letters


def test_mail_about_keys_says_in_which_flat_as_far_as_the_manager_knows_it(houses: Houses, simpsons: Cast) -> None:
    flats = [houses.elm_flat, houses.oak_flat]
    RegistrationKeyFactory(organization=houses.elm_flat)
    RenewalPolicy.objects.create(organization=houses.elm, write_every=30, registration_every=30, time_zone="UTC")
    Device.objects.exclude(organization__in=flats).delete()
    renewal_mail.announce(timezone.now() + timedelta(days=29))
    letters = letters_to(simpsons.homer.email, houses.selma.email)
    for letter in letters.values():
        assert f"  - Bathroom – {ELM}\n" in letter.body
        assert f"-… – {ELM}\n" in letter.body
        assert "Keys of Elm Street 12 will be renewed" in letter.subject
        assert "Simpsons" not in letter.body


def test_mail_to_a_tenant_says_the_name_of_the_flat_alone(houses: Houses) -> None:
    keys = ChannelKey.objects.filter(channel=bathroom(houses.elm_flat).channel)
    until = timezone.now() + timedelta(days=7)
    keys.filter(kind=ChannelKey.Kind.READ).update(holder=houses.otto, valid_until=until)
    assert renewal_mail.tell_holders(list(keys.filter(holder=houses.otto).select_related("holder"))) == 1
    (letter,) = letters_to(houses.otto.email).values()
    assert "  - Bathroom – Flat 3\n" in letter.body
    assert "Elm" not in letter.body


def test_mail_about_the_door_says_for_which_flat(houses: Houses, simpsons: Cast) -> None:
    mail.outbox.clear()
    door.tell_managers.call()
    letters = letters_to(simpsons.homer.email, houses.selma.email)
    assert f"55{houses.oak_flat.pk:04}, for {OAK}" in letters[simpsons.homer.email].body
    assert f"55{houses.elm_flat.pk:04}, for {ELM}" in letters[houses.selma.email].body
    assert "Oak" not in letters[houses.selma.email].body


def test_who_asks_for_a_new_invitation_is_said_to_want_into_which_flat(
    houses: Houses, simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite(organization=houses.elm_flat, email="moe@example.net", by=simpsons.homer)
    (token,) = re.findall(r"/invitations/([^/]+)/", mail.outbox[0].body)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    mail.outbox.clear()
    invitations.ask_for_new(token)
    (letter,) = letters_to(simpsons.homer.email).values()
    assert letter.subject.endswith(f"asks for a new invitation to {ELM}")
    assert f"has opened the invitation to “{ELM}”" in letter.body
