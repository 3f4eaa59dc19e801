"""Who manages a part of a customer does not learn, from what once happened elsewhere, of people above and beside it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from channels import program_keys, renewal
from channels.embedded import Embedded
from channels.models import Channel, Finding, PlatformAccount
from devices.ending import delete
from devices.models import Device, PendingDevice, RegistrationPolicy
from orgs.audit import record
from orgs.models import User
from tests.conftest import MANAGER, Cast
from tests.factories import (
    DeviceFactory,
    MembershipFactory,
    OrganizationFactory,
    RegistrationKeyFactory,
    UserFactory,
)

ABOVE, BESIDE, HERE = "192.0.2.1", "192.0.2.2", "192.0.2.3"


@pytest.fixture
def bart(simpsons: Cast) -> User:
    """Manages Household and nothing else."""
    return MembershipFactory(
        user__given_name="Bart", user__family_name="", organization=simpsons.household, relation=MANAGER
    ).user


@pytest.fixture
def as_bart(bart: User) -> Client:
    client = Client()
    client.force_login(bart)
    return client


@pytest.fixture
def moved(simpsons: Cast) -> Device:
    """The reactor's thermometer, renamed by Lenny and by Homer, and then moved into Household by Homer."""
    reactor, plant = simpsons.reactor, simpsons.power_plant
    record("device.renamed", by=simpsons.lenny, organization=plant, about=reactor, before="a", address=BESIDE)
    record("device.renamed", by=simpsons.homer, organization=plant, about=reactor, before="b", address=ABOVE)
    reactor.move(simpsons.household)
    home = simpsons.household
    record("device.moved", by=simpsons.homer, organization=home, about=reactor, before=plant.name, address=ABOVE)
    return reactor


def text(client: Client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def people_and_addresses(client: Client, address: str) -> list[tuple[str, str, str]]:
    return [(line.who, line.login, line.address) for line in client.get(address).context["lines"]]


# ---- what happened ----


def test_what_happened_to_a_device_elsewhere_names_nobody_from_there(
    simpsons: Cast, as_bart: Client, moved: Device
) -> None:
    address = f"/devices/{moved.pk}/events/"
    assert people_and_addresses(as_bart, address)[:3] == [
        (str(simpsons.homer), "homer@example.net", ""),
        (str(simpsons.homer), "homer@example.net", ""),
        ("somebody of another organization", "", ""),
    ]
    for page in (text(as_bart, address), text(as_bart, address, HX_Request="true")):
        assert "Lenny" not in page
        assert "lenny@" not in page
        assert "Power plant" not in page


def test_from_where_somebody_above_came_is_not_told(simpsons: Cast, as_bart: Client, moved: Device) -> None:
    history = f"/organizations/{simpsons.household.pk}/history/"
    for address in (f"/devices/{moved.pk}/events/", history):
        page = text(as_bart, address)
        assert ABOVE not in page
        assert BESIDE not in page


def test_who_manages_the_customer_is_told_all_of_it(simpsons: Cast, as_homer: Client, moved: Device) -> None:
    assert people_and_addresses(as_homer, f"/devices/{moved.pk}/events/")[:3] == [
        (str(simpsons.homer), "homer@example.net", ABOVE),
        (str(simpsons.homer), "homer@example.net", ABOVE),
        (str(simpsons.lenny), "lenny@example.net", BESIDE),
    ]


def test_also_when_the_organization_in_which_it_happened_is_gone(
    simpsons: Cast, as_homer: Client, as_bart: Client, moved: Device
) -> None:
    simpsons.power_plant.memberships.all().delete()
    assert as_homer.post(f"/organizations/{simpsons.power_plant.pk}/delete/").status_code == 302
    address = f"/devices/{moved.pk}/events/"
    assert people_and_addresses(as_homer, address)[2] == (str(simpsons.lenny), "lenny@example.net", BESIDE)
    assert people_and_addresses(as_bart, address)[2] == ("somebody of another organization", "", "")


def test_a_manager_of_a_part_is_told_from_where_their_own_people_and_they_themselves_came(
    simpsons: Cast, bart: User, as_bart: Client
) -> None:
    for who in (bart, simpsons.marge):
        record("read_key.shown", by=who, organization=simpsons.household, about=simpsons.kitchen, address=HERE)
    page = people_and_addresses(as_bart, f"/organizations/{simpsons.household.pk}/history/")
    assert [address for *_who, address in page] == [HERE, HERE]


def test_not_of_one_who_has_another_place_beside(simpsons: Cast, as_bart: Client) -> None:
    MembershipFactory(user=simpsons.marge, organization=simpsons.power_plant)
    record("read_key.shown", by=simpsons.marge, organization=simpsons.household, about=simpsons.kitchen, address=HERE)
    page = people_and_addresses(as_bart, f"/organizations/{simpsons.household.pk}/history/")
    assert page == [(str(simpsons.marge), "marge@example.net", "")]


def test_one_who_has_left_is_still_named_for_what_they_did_here(
    simpsons: Cast, as_bart: Client, as_homer: Client
) -> None:
    record("read_key.shown", by=simpsons.marge, organization=simpsons.household, about=simpsons.kitchen, address=HERE)
    simpsons.marge.memberships.all().delete()
    history = f"/organizations/{simpsons.household.pk}/history/"
    assert people_and_addresses(as_bart, history) == [(str(simpsons.marge), "marge@example.net", "")]
    assert people_and_addresses(as_homer, history) == [(str(simpsons.marge), "marge@example.net", HERE)]


def test_the_address_of_an_operator_is_nobodys_business(simpsons: Cast, as_homer: Client) -> None:
    operator = UserFactory(is_staff=True)
    record("device.blocked", by=operator, organization=simpsons.household, about=simpsons.kitchen, address=HERE)
    assert people_and_addresses(as_homer, f"/devices/{simpsons.kitchen.pk}/events/")[0] == (
        str(operator),
        operator.email,
        "",
    )


# ---- keys, and what was noticed ----


def test_who_made_a_key_elsewhere_is_not_named(simpsons: Cast, as_bart: Client, as_homer: Client) -> None:
    channel = simpsons.reactor.channel
    assert channel is not None
    simpsons.lenny.memberships.update(relation=MANAGER)
    renewal.renew(channel, by=simpsons.lenny)
    program_keys.add(channel, note="Display", by=simpsons.lenny)
    simpsons.reactor.move(simpsons.household)
    for page in ("keys", "program-keys"):
        address = f"/devices/{simpsons.reactor.pk}/{page}/"
        assert "Lenny" in text(as_homer, address)
        assert "Lenny" not in text(as_bart, address)


def test_who_settled_something_elsewhere_is_not_named(simpsons: Cast, as_bart: Client, as_homer: Client) -> None:
    account = PlatformAccount.objects.get(organization=simpsons.home)
    Finding.objects.create(
        account=account,
        kind=Finding.Kind.CLONED,
        number=simpsons.reactor.channel.number,
        channel=simpsons.reactor.channel,
        settled_at=timezone.now(),
        settled_by=simpsons.lenny,
    )
    simpsons.reactor.move(simpsons.household)
    address = f"/organizations/{simpsons.household.pk}/findings/"
    assert "Lenny" in text(as_homer, address)
    assert "Lenny" not in text(as_bart, address)
    assert "reactor" in text(as_bart, address)


def test_after_looking_a_manager_of_a_part_is_told_of_that_part_alone(
    simpsons: Cast, as_bart: Client, as_homer: Client
) -> None:
    Channel.objects.update(created_at=timezone.now() - timedelta(days=1))
    account = PlatformAccount.objects.get(organization=simpsons.home)
    look = f"/organizations/{simpsons.household.pk}/findings/look/"
    Embedded().delete_channel(account.key, simpsons.reactor.channel.number)
    assert "nothing here needs you" in as_bart.post(look, follow=True).content.decode()
    Embedded().delete_channel(account.key, simpsons.kitchen.channel.number)
    assert "1 thing here to look at" in as_bart.post(look, follow=True).content.decode()
    Embedded().create_channel(account.key, name="Old experiment", marker="", labels={})
    assert "1 thing here to look at" in as_bart.post(look, follow=True).content.decode()


# ---- at the door ----


def test_a_device_that_was_elsewhere_comes_to_the_door_without_its_name(
    simpsons: Cast, as_bart: Client, as_homer: Client
) -> None:
    delete(simpsons.reactor, keep_channel=True, by=simpsons.homer)
    RegistrationPolicy.of(simpsons.home).change(RegistrationPolicy.Admits.APPROVED)
    key = RegistrationKeyFactory(organization=simpsons.household)
    Client().get(f"/midpoint/ws/iot/devices/{simpsons.reactor.serial}?key={key.lookup}")
    door = "/devices/pending/"
    assert "Was here before as “reactor”" in text(as_homer, door)
    assert "reactor" not in text(as_bart, door)
    assert f"Was here before as “{simpsons.reactor.serial}”" in text(as_bart, door)


def test_a_device_of_theirs_comes_to_the_door_with_its_name(simpsons: Cast, as_bart: Client) -> None:
    delete(simpsons.kitchen, keep_channel=True, by=simpsons.homer)
    PendingDevice.objects.create(
        customer=simpsons.home, organization=simpsons.household, serial=simpsons.kitchen.serial
    )
    assert "Was here before as “kitchen”" in text(as_bart, "/devices/pending/")


def test_a_place_of_the_same_name_elsewhere_is_not_theirs(simpsons: Cast, as_bart: Client, as_homer: Client) -> None:
    """Each house of a landlord has a "Flat 3"."""
    here = OrganizationFactory(name="Flat 3", parent=simpsons.household)
    there = OrganizationFactory(name="Flat 3", parent=simpsons.power_plant)
    camera = DeviceFactory(organization=there, name="Nursery camera")
    delete(camera, keep_channel=True, by=simpsons.homer)
    PendingDevice.objects.create(customer=simpsons.home, organization=here, serial=camera.serial)
    assert "Nursery camera" in text(as_homer, "/devices/pending/")
    assert "Nursery camera" not in text(as_bart, "/devices/pending/")

    lamp = DeviceFactory(organization=there, name="Lamp")
    as_homer.post(f"/devices/{lamp.pk}/move/", {"organization": here.pk})
    page = f"/organizations/{here.pk}/history/"
    assert "“Lamp” was moved here from Power plant › Flat 3" in text(as_homer, page)
    assert "“Lamp” was moved here from another organization" in text(as_bart, page)


def test_what_was_refused_elsewhere_names_neither_a_person_nor_a_key_from_there(
    simpsons: Cast, as_bart: Client, as_homer: Client
) -> None:
    above = RegistrationKeyFactory(organization=simpsons.home, label="The master key")
    PendingDevice.objects.create(
        customer=simpsons.home,
        organization=simpsons.household,
        serial="4711",
        asked_with=above,
        refused_at=timezone.now(),
        refused_by=simpsons.lenny,
    )
    assert "Lenny" in text(as_homer, "/devices/pending/")
    assert "The master key" in text(as_homer, "/devices/pending/")
    page = text(as_bart, "/devices/pending/")
    assert "Lenny" not in page
    assert "The master key" not in page
    assert above.lookup not in page


def test_the_choice_of_people_in_a_history_offers_nobody_from_elsewhere(
    simpsons: Cast, as_bart: Client, moved: Device
) -> None:
    history = f"/organizations/{simpsons.household.pk}/history/"
    assert "lenny@" not in text(as_bart, history)
    assert people_and_addresses(as_bart, f"{history}?who={quote('lenny@example.net')}") != [], "no such choice: all"
