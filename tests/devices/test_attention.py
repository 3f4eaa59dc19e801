"""What a manager is told to look at first, and nobody else is."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from channels.models import PlatformAccount
from channels.platform.models import Account, Latest
from devices.attention import matters_for
from devices.models import Device, RegistrationKey
from orgs import invitations
from orgs.models import Invitation, User
from tests.conftest import MANAGER, Cast
from tests.devices.measuring import measure
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory
from tests.landlord import grow

NOW = timezone.now()


def told(user: User, now: datetime | None = None) -> list[str]:
    return [matter.sentence for matter in matters_for(user, now or timezone.now())]


def test_nothing_is_said_when_all_is_well(simpsons: Cast) -> None:
    measure(simpsons.kitchen, "20")
    RegistrationKeyFactory(organization=simpsons.home)
    invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    assert told(simpsons.homer) == []


def test_how_many_invitations_are_open_is_said_quietly(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    for name in ("lisa", "maggie"):
        invitations.invite(organization=simpsons.household, email=f"{name}@example.net", by=simpsons.homer)
    html = as_homer.get("/devices/").content.decode()
    assert '<a href="/people/invited/">2 invitations have not been answered yet</a>' in html
    assert "Needs attention" not in html
    assert "not been answered" not in as_marge.get("/devices/").content.decode()
    Invitation.objects.filter(email="lisa@example.net").update(expires_at=timezone.now())
    html = as_homer.get("/devices/").content.decode()
    assert ">1 invitation has not been answered yet<" in html
    assert "lisa@example.net has not answered the invitation" in html


def test_silent_devices_are_named(simpsons: Cast) -> None:
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    assert told(simpsons.homer) == ["“kitchen” (Household) has not sent anything for more than an hour."]


def test_of_many_only_some_are_named(simpsons: Cast) -> None:
    for name in "abcd":
        device = DeviceFactory(organization=simpsons.household, name=name)
        measure(device, "20", timezone.now() - timedelta(hours=2))
    (matter,) = matters_for(simpsons.homer, timezone.now())
    assert (
        matter.sentence
        == "“a” (Household), “b” (Household), “c” (Household) and 1 more have not sent anything for more than an hour."
    )
    assert matter.url == "/devices/list/?state=silent"


def test_no_silent_device_is_overlooked_however_many_there_are(simpsons: Cast) -> None:
    grow(simpsons, devices=400, flats=4)
    Latest.objects.update(last_entry_at=timezone.now())
    last = Device.objects.order_by("pk").last()
    assert last
    assert last.channel
    Latest.objects.filter(channel=last.channel.number).update(last_entry_at=timezone.now() - timedelta(hours=2))
    path = f"Household › {last.organization}"
    assert told(simpsons.homer) == [f"“{last}” ({path}) has not sent anything for more than an hour."]


def test_what_is_worst_comes_first(simpsons: Cast) -> None:
    invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    RegistrationKeyFactory(organization=simpsons.household, expires_at=NOW + timedelta(days=3))
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    assert [matter.kind for matter in matters_for(simpsons.homer, timezone.now())] == ["bad", "warn", "wait"]


def test_a_device_that_is_blocked_may_be_silent(simpsons: Cast) -> None:
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    Device.objects.filter(pk=simpsons.kitchen.pk).update(blocked_at=timezone.now())
    assert told(simpsons.homer) == []


def test_a_device_that_waits_for_its_channel_for_long_is_named(simpsons: Cast) -> None:
    DeviceFactory(organization=simpsons.household, name="attic", channel=None)
    assert told(simpsons.homer) == []
    assert told(simpsons.homer, timezone.now() + timedelta(minutes=11)) == [
        "“attic” (Household) has registered and has no channel yet."
    ]


@pytest.mark.parametrize(
    ("state", "sentence"), [("refused", "refuses the account key of"), ("unverified", "could not be asked yet")]
)
def test_an_account_that_is_not_good_comes_first(simpsons: Cast, state: str, sentence: str) -> None:
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    PlatformAccount.objects.filter(organization=simpsons.home).update(state=state)
    first, second = told(simpsons.homer)
    assert sentence in first
    assert "kitchen" in second


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"PLATFORM_CHANNELS_PER_ACCOUNT": 4}, "has room for 2 more devices"),
        ({"PLATFORM_CHANNELS_PER_ACCOUNT": 3}, "has room for 1 more device."),
        ({"PLATFORM_CHANNELS_PER_ACCOUNT": 5}, ""),
        ({"PLATFORM_YEARLY_MESSAGES": 100}, "has stored 95 percent"),
        ({"PLATFORM_YEARLY_MESSAGES": 1000}, ""),
    ],
)
def test_limits_of_the_account_are_named_when_they_are_near(
    simpsons: Cast, settings: Settings, limits: dict[str, int], sentence: str
) -> None:
    Account.objects.update(messages=95)
    for name, value in limits.items():
        setattr(settings, name, value)
    said = [sentence for sentence in told(simpsons.homer) if "The account of The Simpsons" in sentence]
    assert bool(said) == bool(sentence)
    assert all(sentence in one for one in said)


def test_messages_of_a_year_ago_no_longer_count(simpsons: Cast, settings: Settings) -> None:
    settings.PLATFORM_YEARLY_MESSAGES = 100
    Account.objects.update(messages=95, messages_since=timezone.now() - timedelta(days=366))
    assert told(simpsons.homer) == []


def test_an_account_without_a_channel_left_is_named_while_a_device_waits_for_one(simpsons: Cast) -> None:
    account = PlatformAccount.objects.get(organization=simpsons.home)
    account.record_check(PlatformAccount.State.FULL)
    account.ask_platform()  # The key is good, which says nothing about channels.
    assert told(simpsons.homer) == []
    waiting = DeviceFactory(organization=simpsons.household, name="attic", channel=None)
    (said,) = told(simpsons.homer)
    assert "has no channel left" in said
    waiting.delete()
    assert told(simpsons.homer) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"expires_at": NOW + timedelta(days=13)}, "lets no device in after"),
        ({"use_limit": 3, "uses": 3}, "has let in as many devices as it may"),
    ],
)
def test_registration_keys_that_end_soon_are_named(simpsons: Cast, fields: dict[str, object], sentence: str) -> None:
    RegistrationKeyFactory(organization=simpsons.household, **fields)
    (said,) = told(simpsons.homer, NOW)
    assert sentence in said


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_at": NOW + timedelta(days=15)},
        {"expires_at": NOW - timedelta(days=1)},
        {"expires_at": NOW + timedelta(days=1), "revoked_at": NOW},
        {"use_limit": 3, "uses": 2},
    ],
)
def test_other_registration_keys_are_not(simpsons: Cast, fields: dict[str, object]) -> None:
    RegistrationKeyFactory(organization=simpsons.household, **fields)
    assert told(simpsons.homer, NOW) == []


def test_an_invitation_that_ran_out_is_named_until_it_is_sent_again_or_withdrawn(simpsons: Cast) -> None:
    lisa = invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert told(simpsons.homer) == ["lisa@example.net has not answered the invitation to Household in time."]
    invitations.withdraw(lisa)
    assert told(simpsons.homer) == []


def test_of_many_invitations_that_ran_out_the_rest_is_counted(simpsons: Cast) -> None:
    for n in range(5):
        invitations.invite(organization=simpsons.household, email=f"tenant{n}@example.net", by=simpsons.homer)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    Invitation.objects.filter(email="tenant4@example.net").update(asked_at=timezone.now())
    first, _second, _third, rest = matters_for(simpsons.homer, timezone.now())
    assert first.sentence.startswith("tenant4@example.net has opened the invitation to Household too late")
    assert rest.sentence == "2 more invitations have expired or are on hold."
    assert rest.url == "/people/invited/"


def test_members_and_strangers_are_told_nothing(simpsons: Cast, as_marge: Client) -> None:
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    PlatformAccount.objects.filter(organization=simpsons.home).update(state="refused")
    for person in (simpsons.marge, simpsons.lenny, simpsons.carl):
        assert told(person) == []
    assert "Needs attention" not in as_marge.get("/devices/").content.decode()


def test_the_manager_of_a_part_is_told_of_that_part(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    measure(simpsons.reactor, "20", timezone.now() - timedelta(hours=2))
    PlatformAccount.objects.filter(organization=simpsons.home).update(state="refused")
    assert told(bart) == ["“kitchen” (Household) has not sent anything for more than an hour."]


def test_it_stands_on_the_first_page_of_my_devices_alone(simpsons: Cast, as_homer: Client) -> None:
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    assert "Needs attention" in as_homer.get("/devices/").content.decode()
    assert "Needs attention" not in as_homer.get("/devices/?q=kitchen").content.decode()


@pytest.mark.parametrize("count", [1, 40])
def test_it_takes_a_fixed_number_of_queries(simpsons: Cast, count: int, django_assert_num_queries) -> None:
    for n in range(count):
        device = DeviceFactory(organization=simpsons.household)
        measure(device, "20", timezone.now() - timedelta(hours=2))
        invitations.invite(organization=simpsons.household, email=f"{n}@example.net", by=simpsons.homer)
    Device.objects.filter(channel__isnull=True).delete()
    RegistrationKey.objects.all().delete()
    Invitation.objects.update(expires_at=timezone.now())
    with django_assert_num_queries(17):
        matters_for(simpsons.homer, timezone.now())
