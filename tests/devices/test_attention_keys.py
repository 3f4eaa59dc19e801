"""A manager is told of keys that need somebody: in trouble, not fetched in time, overdue. Of the others nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest.mock import patch

import pytest

from channels import renewal
from channels.embedded import Embedded
from channels.models import Channel, PlatformAccount, RenewalPolicy
from channels.platforms import OutOfReach
from channels.reading_keys import read_key_for
from devices import renewal_run
from devices.attention import matters_for
from devices.attention_keys import key_matters
from orgs.models import User
from tests.conftest import MANAGER, Cast
from tests.devices.conftest import DAY, NOON
from tests.devices.measuring import measure
from tests.devices.test_registration_address import ask
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def channel(simpsons: Cast) -> Channel:
    assert simpsons.kitchen.channel
    return simpsons.kitchen.channel


def told(user: User, now: datetime) -> list[str]:
    return [matter.sentence for matter in key_matters(user, now)]


def test_nothing_is_said_while_all_goes_by_itself(simpsons: Cast, channel: Channel, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    renewal.renew(channel, by=None, overlap=7 * DAY)
    assert told(simpsons.homer, NOON) == []
    at_noon.shift(30 * DAY)
    renewal_run.run()
    measure(simpsons.kitchen, "20")
    renewal_run.run()
    assert not [sentence for sentence in told(simpsons.homer, NOON + 30 * DAY) if "kitchen" in sentence]


def test_a_device_that_has_not_moved_is_named_before_its_old_key_ends(simpsons: Cast, channel: Channel) -> None:
    renewal.renew(channel, by=None, overlap=7 * DAY)
    assert told(simpsons.homer, NOON + 4 * DAY) == []
    assert told(simpsons.homer, NOON + 6 * DAY) == [
        "“kitchen” (Household) has not fetched its new key; its old one ends tomorrow."
    ]
    assert told(simpsons.homer, NOON + 7 * DAY - timedelta(hours=1)) == [
        "“kitchen” (Household) has not fetched its new key; its old one ends today."
    ]


def test_a_device_that_has_moved_is_not(simpsons: Cast, channel: Channel) -> None:
    renewal.renew(channel, by=None, overlap=7 * DAY)
    measure(simpsons.kitchen, "20")
    renewal_run.run()
    assert told(simpsons.homer, NOON + 6 * DAY) == []


def test_a_device_that_missed_it_is_named_until_it_is_back(simpsons: Cast, channel: Channel, at_noon) -> None:
    renewal.renew(channel, by=None, overlap=DAY)
    at_noon.shift(DAY)
    for _before_and_after in range(2):
        (said,) = told(simpsons.homer, NOON + DAY)
        assert (
            said == "“kitchen” (Household) has not fetched its new key, and its old one has ended. Is it switched on?"
        )
        renewal_run.run()
    renewal.finish(renewal.renew(channel, by=None), by=simpsons.homer)
    assert len(told(simpsons.homer, NOON + DAY)) == 1, "once, however many keys it has missed"


def test_after_an_emergency_a_device_that_fetches_its_key_and_uses_it_is_named_no_more(
    simpsons: Cast, channel: Channel, at_noon
) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home)
    renewal.revoke(channel, by=simpsons.homer)
    assert len(told(simpsons.homer, NOON)) == 1
    ask(simpsons.kitchen.serial, key.lookup)
    assert told(simpsons.homer, NOON) == [], "it was told just now, and has time to use it"
    assert len(told(simpsons.homer, NOON + timedelta(minutes=16))) == 1, "it may never have got the answer"
    measure(simpsons.kitchen, "20")
    renewal_run.run()
    assert told(simpsons.homer, NOON + timedelta(minutes=16)) == []


def test_trouble_is_said_in_words(simpsons: Cast, channel: Channel) -> None:
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach):
        renewal.renew(channel, by=None)
        assert told(simpsons.homer, NOON) == [
            "The write keys of “kitchen” (Household) are to be renewed, but: The channel platform is out of reach. "
            "It is tried again."
        ]
        renewal.revoke(channel, by=simpsons.homer)
    matters = list(key_matters(simpsons.homer, NOON))
    assert matters[0].kind == "bad"
    assert "are to be revoked and are still good" in matters[0].sentence


def test_keys_that_only_a_person_can_renew_are_named_before_they_are_due(simpsons: Cast) -> None:
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=30)
    PlatformAccount.objects.update(platform="thingspeak")
    assert told(simpsons.homer, NOON + 15 * DAY) == []
    assert told(simpsons.homer, NOON + 24 * DAY) == [
        "The write key of “kitchen” (Household) is due: renew it on ThingSpeak."
    ]


def test_keys_that_nobody_renewed_in_time_are_overdue(simpsons: Cast) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, paused=True)
    assert told(simpsons.homer, NOON + 26 * DAY) == []
    (said,) = told(simpsons.homer, NOON + 32 * DAY)
    assert said.endswith("are overdue. Are renewals paused?")


def test_a_registration_key_that_its_policy_did_not_renew_in_time_is_overdue(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household, label="Attic")
    policy = RenewalPolicy.objects.create(organization=simpsons.home, registration_every=30, paused=True)
    assert told(simpsons.homer, NOON + 26 * DAY) == []
    (matter,) = key_matters(simpsons.homer, NOON + 32 * DAY)
    assert matter.sentence == f"The registration key “{key}” is overdue. Are renewals paused?"
    assert matter.url == key.get_absolute_url()
    assert told(MembershipFactory(organization=simpsons.power_plant, relation=MANAGER).user, NOON + 32 * DAY) == []
    policy.registration_every = None
    policy.save()
    assert told(simpsons.homer, NOON + 32 * DAY) == []


def test_a_read_key_that_its_policy_did_not_renew_in_time_is_overdue(simpsons: Cast, channel: Channel) -> None:
    read_key_for(simpsons.marge, channel)
    read_key_for(simpsons.homer, channel)
    RenewalPolicy.objects.create(organization=simpsons.home, read_every=30, paused=True)
    assert told(simpsons.homer, NOON + 26 * DAY) == []
    (matter,) = key_matters(simpsons.homer, NOON + 32 * DAY)
    assert "overdue. Are renewals paused?" in matter.sentence
    assert "“kitchen”" in matter.sentence


def test_what_the_policy_renews_in_time_is_not_overdue(simpsons: Cast, channel: Channel, at_noon) -> None:
    RegistrationKeyFactory(organization=simpsons.household)
    read_key_for(simpsons.marge, channel)
    RenewalPolicy.objects.create(organization=simpsons.home, read_every=30, registration_every=30)
    at_noon.shift(32 * DAY)
    renewal_run.run()
    assert not [sentence for sentence in told(simpsons.homer, NOON + 32 * DAY) if "overdue" in sentence]


def test_several_lead_to_all_keys_and_one_to_its_own(simpsons: Cast, channel: Channel) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, paused=True)
    (matter,) = key_matters(simpsons.homer, NOON + 32 * DAY)
    assert matter.url == f"/organizations/{simpsons.home.pk}/keys/"
    renewal.renew(channel, by=None, overlap=DAY)
    ends = next(key_matters(simpsons.homer, NOON))
    assert ends.url == f"/devices/{simpsons.kitchen.pk}/keys/"


def test_only_managers_are_told_and_only_of_what_they_manage(simpsons: Cast, channel: Channel) -> None:
    bart = MembershipFactory(organization=simpsons.power_plant, relation=MANAGER).user
    renewal.renew(channel, by=None, overlap=DAY)
    for person in (simpsons.marge, simpsons.carl, bart):
        assert told(person, NOON) == []
    assert told(simpsons.homer, NOON) == [
        "“kitchen” (Household) has not fetched its new key; its old one ends tomorrow."
    ]


@pytest.mark.parametrize("count", [1, 40])
def test_it_takes_a_fixed_number_of_queries(simpsons: Cast, count: int, django_assert_num_queries) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    for _n in range(count):
        device = DeviceFactory(organization=simpsons.household)
        renewal.renew(device.channel, by=None, overlap=DAY)
    with django_assert_num_queries(6):
        assert list(key_matters(simpsons.homer, NOON + 40 * DAY))


def test_it_is_part_of_what_a_manager_sees_first(simpsons: Cast, channel: Channel) -> None:
    renewal.renew(channel, by=None, overlap=DAY)
    assert any("has not fetched its new key" in matter.sentence for matter in matters_for(simpsons.homer, NOON))
