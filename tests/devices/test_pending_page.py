"""The pages about new devices: the policy, and those that wait at the door."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from devices.attention import matters_for
from devices.models import Device, FormerDevice, PendingDevice, RegistrationKey, RegistrationPolicy
from orgs.audit import AuditEntry
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory, RegistrationKeyFactory

Admits = RegistrationPolicy.Admits
LIST = "/devices/pending/"


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    RegistrationPolicy.of(simpsons.home).change(Admits.APPROVED)
    return RegistrationKeyFactory(organization=simpsons.household, label="Spring")


def come(key: RegistrationKey, *serials: str) -> list[PendingDevice]:
    for serial in serials:
        assert Client().get(f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}").status_code == 202
    return [PendingDevice.objects.get(serial=serial) for serial in serials]


def decide(client: Client, step: str, devices: list[PendingDevice], **more: object) -> str:
    form = {"step": step, "pending": [device.pk for device in devices], **more}
    return client.post(f"{LIST}decide/", form, follow=True).content.decode()


# ---- the policy ----


def policy_page(cast: Cast) -> str:
    return f"/organizations/{cast.home.pk}/registration-policy/"


def test_a_customer_is_open_until_a_manager_says_otherwise(simpsons: Cast, as_homer: Client) -> None:
    assert RegistrationPolicy.of(simpsons.home).admits == Admits.ALL
    as_homer.post(policy_page(simpsons), {"admits": "expected"})
    assert RegistrationPolicy.of(simpsons.home).admits == Admits.EXPECTED
    entry = AuditEntry.objects.get(action="registration_policy.changed")
    assert entry.details == {"before": "all", "to": "expected"}


def test_two_managers_do_not_overwrite_each_other_silently(simpsons: Cast, as_homer: Client) -> None:
    seen = as_homer.get(policy_page(simpsons)).context["form"]["seen"].value()
    RegistrationPolicy.of(simpsons.home).change(Admits.NONE)
    html = as_homer.post(policy_page(simpsons), {"admits": "all", "seen": seen}).content.decode()
    said = "Somebody else has changed this in the meantime: Which new devices come in?: None: the door is closed."
    assert said in html
    assert RegistrationPolicy.of(simpsons.home).admits == Admits.NONE


def test_the_policy_page_says_who_waits(simpsons: Cast, as_homer: Client, key: RegistrationKey) -> None:
    come(key, "1", "2")
    assert "2 devices wait at the door." in as_homer.get(policy_page(simpsons)).content.decode()


def test_a_part_of_a_customer_has_no_policy(simpsons: Cast, as_homer: Client) -> None:
    assert as_homer.get(f"/organizations/{simpsons.household.pk}/registration-policy/").status_code == 404


# ---- the door ----


def test_the_list_names_what_a_manager_has_to_know(simpsons: Cast, as_homer: Client, key: RegistrationKey) -> None:
    come(key, "74743827342", "74743827342")
    html = as_homer.get(LIST).content.decode()
    for word in ("74743827342", "Household", "Spring", "127.0.0.1", "(2 times)"):
        assert word in html
    assert key.secret not in html


def test_a_device_that_was_here_before_is_named_as_such(simpsons: Cast, as_homer: Client, key: RegistrationKey) -> None:
    FormerDevice.objects.create(
        customer=simpsons.home, serial="1", name="Sauna", organization_name="Household", how="deleted"
    )
    come(key, "1")
    assert "Was here before as “Sauna”: deleted" in as_homer.get(LIST).content.decode()


def test_homer_lets_several_in_and_refuses_others(simpsons: Cast, as_homer: Client, key: RegistrationKey) -> None:
    one, two, three = come(key, "1", "2", "3")
    assert "“1”, “2” may come in" in decide(as_homer, "approve", [one, two], organization=simpsons.power_plant.pk)
    assert "“3” is refused" in decide(as_homer, "refuse", [three])
    assert set(Device.objects.filter(organization=simpsons.power_plant, channel=None)) == set(
        Device.objects.filter(serial__in=["1", "2"])
    )
    html = as_homer.get(LIST).content.decode()
    assert "Refused by Homer" in html
    assert "“3” is off the list" in decide(as_homer, "forget", [three])
    assert not PendingDevice.objects.exists()


def test_what_cannot_be_let_in_is_said_and_the_others_come_in(
    simpsons: Cast, as_homer: Client, key: RegistrationKey
) -> None:
    devices = come(key, "1", "2")
    RegistrationKey.objects.filter(pk=key.pk).update(use_limit=1)
    html = decide(as_homer, "approve", devices)
    assert "has let in as many devices as it may. Raise its limit, then let 2 in." in html
    assert "“1” may come in" in html
    assert list(PendingDevice.objects.values_list("serial", flat=True)) == ["2"]


def test_a_manager_of_a_part_decides_about_that_part(simpsons: Cast, as_homer: Client, key: RegistrationKey) -> None:
    bart = Client()
    bart.force_login(MembershipFactory(organization=simpsons.power_plant, relation=MANAGER).user)
    (one,) = come(key, "1")
    assert "Nobody is waiting" in bart.get(LIST).content.decode()
    assert "may come in" not in decide(bart, "approve", [one])
    assert "is refused" not in decide(bart, "refuse", [one])
    assert PendingDevice.objects.waiting().count() == 1


@pytest.mark.parametrize("who", ["marge", "carl"])
def test_members_and_strangers_see_nobody_at_the_door(simpsons: Cast, key: RegistrationKey, who: str) -> None:
    come(key, "74743827342")
    client = Client()
    client.force_login(getattr(simpsons, who))
    assert "74743827342" not in client.get(LIST).content.decode()
    assert "74743827342" not in client.get("/devices/").content.decode()
    assert "74743827342" not in client.get("/devices/list/").content.decode()


def test_the_filter_by_state_leads_managers_there(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    assert "At the door" in as_homer.get("/devices/list/").content.decode()
    assert as_homer.get("/devices/list/?state=pending")["Location"] == LIST
    assert "At the door" not in as_marge.get("/devices/list/").content.decode()


def test_nothing_chosen_is_said(simpsons: Cast, as_homer: Client, key: RegistrationKey) -> None:
    come(key, "1")
    assert "Choose at least one device" in decide(as_homer, "approve", [])


def test_who_waits_needs_attention(simpsons: Cast, key: RegistrationKey) -> None:
    come(key, "1", "2")
    (matter,) = matters_for(simpsons.homer, timezone.now())
    assert (matter.sentence, matter.url) == ("“1”, “2” wait for you to let them in.", LIST)
    assert matters_for(simpsons.marge, timezone.now()) == []


def test_who_is_back_needs_attention_for_a_week(simpsons: Cast) -> None:
    now = timezone.now()
    FormerDevice.objects.create(
        customer=simpsons.home, serial=simpsons.kitchen.serial, ended_at=simpsons.kitchen.created_at - timedelta(days=9)
    )
    FormerDevice.objects.create(customer=simpsons.carls, serial=simpsons.reactor.serial, ended_at=now)
    (matter,) = matters_for(simpsons.homer, now)
    assert matter.sentence.startswith("“kitchen” (Household) was here before")
    assert matter.url == simpsons.kitchen.get_absolute_url()
    assert matters_for(simpsons.homer, now + timedelta(days=8)) == []


@pytest.mark.parametrize("count", [2, 60])
def test_the_door_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, key: RegistrationKey, count: int, django_assert_num_queries
) -> None:
    for n in range(2 * count):
        PendingDevice.objects.create(
            customer=simpsons.home,
            organization=simpsons.household,
            serial=str(n),
            asked_with=key,
            refused_at=timezone.now() if n % 2 else None,
            refused_by=simpsons.homer if n % 2 else None,
        )
    with django_assert_num_queries(12):
        as_homer.get(LIST)


def test_an_organization_takes_its_door_along_when_it_is_deleted(
    simpsons: Cast, as_homer: Client, key: RegistrationKey
) -> None:
    come(key, "1")
    address = f"/organizations/{simpsons.household.pk}/delete/"
    assert "1 device that is expected or at the door" in as_homer.get(address).content.decode()
    as_homer.post(address, {"things_to": simpsons.power_plant.pk})
    assert PendingDevice.objects.get().organization == simpsons.power_plant
