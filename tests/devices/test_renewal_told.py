"""A device hears of its new write key, and the portal knows that it has."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from channels import renewal
from channels.models import ChannelKey
from devices.models import RegistrationKey
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.devices.test_registration_address import ask, opened
from tests.factories import RegistrationKeyFactory

HOUR = timedelta(hours=1)


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household)


def test_a_device_with_the_old_key_is_told_the_new_one_and_how_long_the_old_is_good(
    key: RegistrationKey, simpsons: Cast, time_machine
) -> None:
    time_machine.move_to(timezone.now().replace(microsecond=0), tick=False)
    serial, channel = simpsons.kitchen.serial, simpsons.kitchen.channel
    etag = ask(serial, key.lookup)["ETag"]
    assert ask(serial, key.lookup, **{"if-none-match": etag}).status_code == 304
    renewal.renew(channel, by=None, overlap=HOUR)
    payload = opened(ask(serial, key.lookup, **{"if-none-match": etag}), key)
    assert (payload.write_key, payload.key_version) == (current(channel).value, 2)
    assert payload.valid_until == timezone.now() + HOUR


def test_outside_of_a_renewal_nothing_is_said_of_an_old_key(key: RegistrationKey, simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    assert opened(ask(simpsons.kitchen.serial, key.lookup), key).valid_until is None
    renewal.renew(simpsons.kitchen.channel, by=None, overlap=HOUR)
    time_machine.shift(HOUR)
    assert opened(ask(simpsons.kitchen.serial, key.lookup), key).valid_until is None


def test_the_portal_notes_when_it_told_the_device_and_when_the_device_confirmed(
    key: RegistrationKey, simpsons: Cast, time_machine
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    serial, channel = simpsons.kitchen.serial, simpsons.kitchen.channel
    old_etag = ask(serial, key.lookup)["ETag"]
    renewal.renew(channel, by=None, overlap=HOUR)
    new = current(channel)
    assert (new.told_at, new.acknowledged_at) == (None, None)

    told_at = timezone.now()
    etag = ask(serial, key.lookup, **{"if-none-match": old_etag})["ETag"]
    new.refresh_from_db()
    assert (new.told_at, new.acknowledged_at) == (told_at, None)

    time_machine.shift(timedelta(seconds=10))
    assert ask(serial, key.lookup, **{"if-none-match": etag}).status_code == 304
    time_machine.shift(timedelta(seconds=10))
    ask(serial, key.lookup, **{"if-none-match": etag})
    new.refresh_from_db()
    assert (new.told_at, new.acknowledged_at) == (told_at, told_at + timedelta(seconds=10))


def test_telling_and_confirming_cost_one_update_each_and_only_once(
    key: RegistrationKey, simpsons: Cast, time_machine, django_assert_num_queries
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    serial, channel = simpsons.kitchen.serial, simpsons.kitchen.channel
    ask(serial, key.lookup)
    renewal.renew(channel, by=None, overlap=HOUR)
    with django_assert_num_queries(2):
        etag = ask(serial, key.lookup)["ETag"]
    with django_assert_num_queries(2):
        ask(serial, key.lookup, **{"if-none-match": etag})
    for _again in range(2):
        with django_assert_num_queries(1):
            ask(serial, key.lookup, **{"if-none-match": etag})
    time_machine.shift(timedelta(minutes=2))
    with django_assert_num_queries(2):
        ask(serial, key.lookup, **{"if-none-match": etag})


def test_the_etag_of_another_device_confirms_nothing(key: RegistrationKey, simpsons: Cast) -> None:
    other = RegistrationKeyFactory(organization=simpsons.home)
    etag = ask(simpsons.reactor.serial, other.lookup)["ETag"]
    ask(simpsons.kitchen.serial, key.lookup, **{"if-none-match": f'{etag}, W/"0-1-1", "x"'})
    assert not ChannelKey.objects.filter(acknowledged_at__isnull=False).exists()
