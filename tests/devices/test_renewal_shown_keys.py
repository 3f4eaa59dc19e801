"""Where everybody shares a read key, it is known who knows it, and the managers hear when one of them leaves."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from channels.models import ChannelKey, Finding, KeyState, PlatformAccount, ShownKey
from channels.reading_keys import read_key_for
from devices import renewal_run
from devices.models import Device
from devices.read_rights import end_lost_read_keys
from orgs.models import Membership
from tests.conftest import Cast


@pytest.fixture
def kitchen(simpsons: Cast) -> Device:
    """On ThingSpeak, where a channel's read key is the same for all."""
    PlatformAccount.objects.filter(organization=simpsons.home).update(platform="thingspeak")
    return Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk)


def shared_key(device: Device) -> ChannelKey:
    return ChannelKey.objects.of_the_portal().get(channel=device.channel)


def test_who_is_shown_a_shared_key_is_remembered_once(kitchen: Device, simpsons: Cast) -> None:
    for _again in range(2):
        assert read_key_for(simpsons.marge, kitchen.channel) == shared_key(kitchen).value
    read_key_for(simpsons.homer, kitchen.channel)
    assert {showing.user for showing in ShownKey.objects.filter(key=shared_key(kitchen))} == {
        simpsons.marge,
        simpsons.homer,
    }


def test_own_keys_are_not_counted_as_shown(simpsons: Cast) -> None:
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    assert not ShownKey.objects.exists()


def test_a_key_that_a_former_member_has_seen_is_reported_with_what_to_do(kitchen: Device, simpsons: Cast) -> None:
    read_key_for(simpsons.marge, kitchen.channel)
    end_lost_read_keys(simpsons.home)
    assert not Finding.objects.exists(), "she is still there"
    Membership.objects.filter(user=simpsons.marge).delete()
    end_lost_read_keys(simpsons.home)
    (finding,) = Finding.objects.open()
    assert (finding.kind, finding.key, finding.label) == (
        Finding.Kind.KEY_KNOWN,
        shared_key(kitchen),
        simpsons.marge.email,
    )
    assert "API Keys" in str(finding.remedy)
    end_lost_read_keys(simpsons.home)
    assert Finding.objects.count() == 1
    assert shared_key(kitchen).state == KeyState.CURRENT


def test_somebody_who_never_looked_leaves_no_trace(kitchen: Device, simpsons: Cast) -> None:
    Membership.objects.filter(user=simpsons.marge).delete()
    end_lost_read_keys(simpsons.home)
    assert not Finding.objects.exists()


@pytest.mark.parametrize("way", ["the device moves", "the account is deleted", "the person is locked out"])
def test_every_way_to_lose_sight_counts(kitchen: Device, simpsons: Cast, way: str) -> None:
    read_key_for(simpsons.marge, kitchen.channel)
    if way == "the device moves":
        kitchen.move(simpsons.power_plant)
    elif way == "the account is deleted":
        simpsons.marge.delete()
        renewal_run.run()
    else:
        type(simpsons.marge).objects.filter(pk=simpsons.marge.pk).update(is_active=False)
        renewal_run.run()
    assert Finding.objects.open().get().label == "marge@example.net"


def test_the_report_settles_itself_when_the_key_is_over_or_the_person_is_back(kitchen: Device, simpsons: Cast) -> None:
    read_key_for(simpsons.marge, kitchen.channel)
    place = Membership.objects.get(user=simpsons.marge)
    place.delete()
    end_lost_read_keys(simpsons.home)
    Membership.objects.create(user=simpsons.marge, organization=simpsons.household)
    end_lost_read_keys(simpsons.home)
    assert not Finding.objects.open().exists()
    Membership.objects.filter(user=simpsons.marge).delete()
    end_lost_read_keys(simpsons.home)
    assert Finding.objects.open().exists()
    shared_key(kitchen).move_to(KeyState.ENDED)
    end_lost_read_keys(simpsons.home)
    assert not Finding.objects.open().exists()


def test_one_customers_check_leaves_the_reports_of_others_alone(kitchen: Device, simpsons: Cast) -> None:
    read_key_for(simpsons.marge, kitchen.channel)
    Membership.objects.filter(user=simpsons.marge).delete()
    end_lost_read_keys(simpsons.home)
    end_lost_read_keys(simpsons.carls)
    assert Finding.objects.open().count() == 1


def test_the_check_has_a_fixed_number_of_queries(kitchen: Device, simpsons: Cast, django_assert_num_queries) -> None:
    def shown_to(count: int) -> None:
        for n in range(count):
            user = type(simpsons.marge).objects.create(email=f"guest{n}-{count}@example.net")
            read_key_for(user, kitchen.channel)

    shown_to(1)
    end_lost_read_keys(simpsons.home)
    with CaptureQueriesContext(connection) as few:
        end_lost_read_keys(simpsons.home)
    shown_to(5)
    with django_assert_num_queries(len(few)):
        end_lost_read_keys(simpsons.home)
