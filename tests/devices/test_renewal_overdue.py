"""A process dies in the middle of a renewal, no worker runs, and the device still gets a key that writes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone

from channels import renewal, renewal_run
from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, KeyState, Renewal
from channels.platforms import NoSuchChannel, OutOfReach
from devices.models import RegistrationKey
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, die_after, die_before, there, writes
from tests.conftest import Cast
from tests.devices.test_registration_address import ask, opened
from tests.factories import RegistrationKeyFactory

HOUR = timedelta(hours=1)


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household)


@pytest.fixture
def channel(simpsons: Cast) -> Channel:
    return simpsons.kitchen.channel


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the platform be one that is not in our database: what it did stays, when our process dies."""
    monkeypatch.setattr(Embedded, "is_in_our_database", False)


@pytest.fixture(autouse=True)
def in_its_own_time(time_machine) -> None:
    time_machine.move_to(timezone.now().replace(microsecond=0), tick=False)


def moments() -> dict[str, AbstractContextManager[object]]:
    return {
        "before it is rotated": die_before("rotate_write_key"),
        "after it is rotated": die_after("rotate_write_key"),
        "while it is stored": patch("channels.renewal._successor", side_effect=ProcessDied),
    }


@pytest.mark.parametrize("moment", moments())
@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_a_device_that_asks_after_the_overlap_gets_the_key_that_writes(
    channel: Channel, key: RegistrationKey, simpsons: Cast, moment: str, place: str, time_machine, request
) -> None:
    if place == "elsewhere":
        request.getfixturevalue("elsewhere")
    serial = simpsons.kitchen.serial
    etag = ask(serial, key.lookup)["ETag"]
    old = current(channel)
    with moments()[moment], pytest.raises(ProcessDied):
        renewal.renew(channel, by=None, overlap=HOUR)
    time_machine.shift(30 * HOUR)
    # A device whose key is refused asks without the tag of what it has.
    answer = ask(serial, key.lookup, **({"if-none-match": etag} if writes(old) else {}))
    payload = opened(answer if answer.status_code == 200 else ask(serial, key.lookup), key)
    assert writes(payload.write_key)
    assert payload.write_key == there(channel)
    renewal_run.carry_on()
    assert_books_are_right(channel)


def test_until_the_overlap_is_over_a_device_is_not_kept_waiting_for_the_platform(
    channel: Channel, key: RegistrationKey, simpsons: Cast, elsewhere: None, time_machine
) -> None:
    with die_after("rotate_write_key"), pytest.raises(ProcessDied):
        renewal.renew(channel, by=None, overlap=HOUR)
    time_machine.shift(HOUR - timedelta(seconds=1))
    with patch.object(Embedded, "get_channel", side_effect=AssertionError):
        payload = opened(ask(simpsons.kitchen.serial, key.lookup), key)
    assert writes(payload.write_key)


def test_where_the_platform_is_here_a_death_leaves_no_key_that_the_portal_does_not_know(channel: Channel) -> None:
    old = current(channel)
    with die_after("rotate_write_key"), pytest.raises(ProcessDied):
        renewal.renew(channel, by=None, overlap=HOUR)
    assert there(channel) == old.value


def test_where_the_platform_is_here_a_death_while_the_old_key_ends_leaves_it_good(channel: Channel) -> None:
    going = renewal.renew(channel, by=None, overlap=HOUR)
    with die_after("revoke_key"), pytest.raises(ProcessDied):
        renewal.finish(going)
    going.old_key.refresh_from_db()
    assert (going.old_key.state, writes(going.old_key)) == (KeyState.RETIRING, True)


@pytest.mark.parametrize("method", ["get_channel", "rotate_write_key", "revoke_key"])
def test_a_revocation_whose_process_died_is_done_when_the_device_asks(
    channel: Channel, key: RegistrationKey, simpsons: Cast, method: str, elsewhere: None, time_machine
) -> None:
    leaked = current(channel)
    with die_after(method), pytest.raises(ProcessDied):
        renewal.revoke(channel, by=simpsons.homer)
    time_machine.shift(timedelta(minutes=1))
    payload = opened(ask(simpsons.kitchen.serial, key.lookup), key)
    assert writes(payload.write_key)
    assert not writes(leaked)
    leaked.refresh_from_db()
    assert leaked.state == KeyState.REVOKED
    assert_books_are_right(channel)


def test_a_revoked_key_is_handed_to_nobody_though_the_platform_is_away(
    channel: Channel, key: RegistrationKey, simpsons: Cast, time_machine
) -> None:
    serial = simpsons.kitchen.serial
    etag = ask(serial, key.lookup)["ETag"]
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach):
        renewal.revoke(channel, by=simpsons.homer)
        for headers in ({}, {"if-none-match": etag}):
            answer = ask(serial, key.lookup, **headers)
            assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    time_machine.shift(timedelta(minutes=1))
    assert writes(opened(ask(serial, key.lookup), key).write_key)


def test_a_device_is_asked_to_come_back_while_another_process_is_at_it(
    channel: Channel, key: RegistrationKey, simpsons: Cast, elsewhere: None, time_machine
) -> None:
    with die_after("rotate_write_key"), pytest.raises(ProcessDied):
        renewal.renew(channel, by=None, overlap=timedelta(seconds=1))
    time_machine.shift(timedelta(seconds=2))
    assert ask(simpsons.kitchen.serial, key.lookup).status_code == 503
    time_machine.shift(timedelta(minutes=1))
    assert writes(opened(ask(simpsons.kitchen.serial, key.lookup), key).write_key)


def test_while_the_platform_is_away_the_old_key_is_better_than_none(
    channel: Channel, key: RegistrationKey, simpsons: Cast, elsewhere: None, time_machine
) -> None:
    old = current(channel)
    with patch.object(Embedded, "rotate_write_key", side_effect=OutOfReach):
        renewal.renew(channel, by=None, overlap=HOUR)
    time_machine.shift(2 * HOUR)
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach) as asked:
        for _ in range(3):
            assert opened(ask(simpsons.kitchen.serial, key.lookup), key).write_key == old.value
    assert asked.call_count == 1, "not with every request"
    time_machine.shift(timedelta(minutes=1))
    assert opened(ask(simpsons.kitchen.serial, key.lookup), key).write_key == there(channel)


def test_a_change_on_the_platform_that_was_half_taken_over_is_taken_over_when_the_device_asks(
    channel: Channel, key: RegistrationKey, simpsons: Cast, elsewhere: None
) -> None:
    theirs = Embedded().rotate_write_key(channel.account.key, channel.number, overlap=HOUR)
    with die_after("revoke_key"), pytest.raises(ProcessDied):
        renewal.adopt_change(channel)
    assert opened(ask(simpsons.kitchen.serial, key.lookup), key).write_key == theirs
    assert_books_are_right(channel)


def test_a_key_that_turns_out_to_be_good_is_trusted_again(
    channel: Channel, key: RegistrationKey, simpsons: Cast
) -> None:
    ours = current(channel)
    ours.doubt_from(timezone.now())
    assert opened(ask(simpsons.kitchen.serial, key.lookup), key).write_key == ours.value
    assert current(channel).valid_until is None


def test_a_renewal_that_is_given_up_leaves_no_doubt(channel: Channel, elsewhere: None, time_machine) -> None:
    with die_before("rotate_write_key"), pytest.raises(ProcessDied):
        renewal.renew(channel, by=None, overlap=HOUR)
    assert current(channel).valid_until is not None
    time_machine.shift(timedelta(minutes=1))
    with patch.object(Embedded, "get_channel", side_effect=NoSuchChannel):
        renewal_run.carry_on()
    assert current(channel).valid_until is None


def test_asking_costs_a_device_one_statement_while_its_key_is_renewed(
    channel: Channel, key: RegistrationKey, simpsons: Cast, django_assert_num_queries
) -> None:
    serial = simpsons.kitchen.serial
    ask(serial, key.lookup)
    renewal.start(channel, by=None, overlap=HOUR)
    with django_assert_num_queries(1):
        assert ask(serial, key.lookup).status_code == 200


def test_a_key_can_be_renewed_again_as_soon_as_the_device_has_confirmed_though_no_worker_came(
    channel: Channel, simpsons: Cast
) -> None:
    first = current(channel)
    renewal.renew(channel, by=simpsons.homer, overlap=HOUR)
    ChannelKey.objects.filter(pk=current(channel).pk).update(acknowledged_at=timezone.now())
    renewal.renew(channel, by=simpsons.homer, overlap=HOUR)
    assert current(channel).version == 3
    assert not writes(first)
    assert Renewal.objects.open().count() == 1
    assert_books_are_right(channel)
