"""Whoever may no longer see a device loses the key to it: at once, and nobody else does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from channels.keys_read import renew_read_key
from channels.models import ChannelKey
from channels.reading_keys import read_key_for
from devices import renewal_run
from devices.delete_organization import delete_organization
from devices.models import Device
from devices.moving import move_organization
from devices.read_rights import end_lost_read_keys
from orgs import tree
from orgs.models import Membership, User
from tests.conftest import Cast
from tests.factories import DeviceFactory


@pytest.fixture
def cast(simpsons: Cast) -> Cast:
    """Everybody has asked for the keys to all that they see."""
    for person in (simpsons.homer, simpsons.marge, simpsons.lenny, simpsons.carl):
        for device in Device.objects.visible_to(person):
            read_key_for(person, device.channel)
    return simpsons


def holders(device: Device) -> set[User | None]:
    keys = ChannelKey.objects.current().reading().filter(channel=device.channel, holder__isnull=False)
    return {key.holder for key in keys.select_related("holder")}


def test_a_device_that_moves_takes_the_keys_of_its_old_place_away(cast: Cast) -> None:
    assert holders(cast.kitchen) == {cast.homer, cast.marge}
    cast.kitchen.move(cast.power_plant)
    assert holders(cast.kitchen) == {cast.homer}


def test_what_moves_up_keeps_the_keys_of_those_above_alone(cast: Cast) -> None:
    cast.kitchen.move(cast.home)
    assert holders(cast.kitchen) == {cast.homer}


def test_an_organization_that_moves_takes_them_away_for_all_below_it(cast: Cast) -> None:
    upstairs = tree.create_below(cast.household, "Upstairs")
    bedroom = DeviceFactory(organization=upstairs)
    read_key_for(cast.marge, bedroom.channel)
    move_organization(upstairs, below=cast.power_plant)
    assert holders(bedroom) == set()
    assert holders(cast.kitchen) == {cast.homer, cast.marge}


def test_deleting_an_organization_ends_the_keys_of_those_who_went_nowhere(cast: Cast) -> None:
    delete_organization(cast.household, things_to=cast.power_plant, people_to=None)
    assert holders(cast.kitchen) == {cast.homer}


def test_a_lost_place_ends_the_keys(cast: Cast) -> None:
    cast.marge.memberships.all().delete()
    assert end_lost_read_keys(cast.home) == 1
    assert holders(cast.kitchen) == {cast.homer}


def test_a_person_who_is_locked_out_loses_the_keys(cast: Cast) -> None:
    User.objects.filter(pk=cast.marge.pk).update(is_active=False)
    end_lost_read_keys(cast.home)
    assert holders(cast.kitchen) == {cast.homer}


def test_a_suspension_ends_no_key(cast: Cast) -> None:
    cast.home.suspend()
    assert end_lost_read_keys(cast.home) == 0
    assert holders(cast.kitchen) == {cast.homer, cast.marge}


def test_other_customers_are_not_touched(cast: Cast) -> None:
    cast.carl.memberships.all().delete()
    assert end_lost_read_keys(cast.home) == 0
    assert holders(cast.garage) == {cast.carl}


def test_a_key_that_is_being_renewed_ends_as_well(cast: Cast) -> None:
    key = ChannelKey.objects.get(holder=cast.marge)
    renew_read_key(key, overlap=timedelta(days=7), now=timezone.now())
    cast.kitchen.move(cast.power_plant)
    key.refresh_from_db()
    assert key.valid_until is None


def test_the_background_ends_the_keys_of_guests_whose_time_is_over(
    cast: Cast, django_capture_on_commit_callbacks
) -> None:
    Membership.objects.filter(user=cast.marge).update(valid_until=timezone.now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert renewal_run.run().read_keys_ended == 1
    assert holders(cast.kitchen) == {cast.homer}
    assert holders(cast.garage) == {cast.carl}
