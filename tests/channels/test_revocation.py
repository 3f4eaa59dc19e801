"""A write key that has leaked is revoked: it ends now, whatever else is going on with it."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone

from channels import renewal, renewal_run
from channels.embedded import Embedded
from channels.models import Channel, KeyState, Renewal
from channels.platforms import OutOfReach
from channels.renewal_models import RenewalState
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, die_after, there, writes
from tests.conftest import Cast


@pytest.fixture
def channel(simpsons: Cast) -> Channel:
    return simpsons.kitchen.channel


def test_a_revoked_key_is_dead_at_once_and_replaced(channel: Channel, simpsons: Cast) -> None:
    old = current(channel)
    urgent = renewal.revoke(channel, by=simpsons.homer, address="192.0.2.7")
    old.refresh_from_db()
    assert not writes(old)
    assert writes(current(channel))
    assert (old.state, urgent.state) == (KeyState.REVOKED, RenewalState.DONE)
    assert_books_are_right(channel)


def test_a_revocation_ends_both_keys_of_a_renewal_under_way(channel: Channel, simpsons: Cast) -> None:
    first = current(channel)
    going = renewal.renew(channel, by=None)
    second = current(channel)
    renewal.revoke(channel, by=simpsons.homer)
    assert not writes(first)
    assert not writes(second)
    going.refresh_from_db()
    assert (going.state, going.outcome) == (RenewalState.DONE, Renewal.Outcome.REVOKED)
    assert_books_are_right(channel)


def test_a_revocation_does_not_wait_for_a_renewal_that_is_at_work(channel: Channel, simpsons: Cast) -> None:
    """The renewal has rotated the key and not stored it: the key that leaked would be good for its overlap."""
    leaked = current(channel)
    with die_after("rotate_write_key"), pytest.raises(ProcessDied):
        renewal.renew(channel, by=None)
    half_made = there(channel)
    renewal.revoke(channel, by=simpsons.homer)
    assert not writes(leaked)
    assert not writes(half_made)
    assert set(Renewal.objects.values_list("urgent", "state")) == {(True, "done"), (False, "failed")}
    assert_books_are_right(channel)


def test_a_revocation_while_the_platform_is_away_is_done_as_soon_as_it_is_back(
    channel: Channel, simpsons: Cast, time_machine
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    leaked = current(channel)
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach):
        urgent = renewal.revoke(channel, by=simpsons.homer)
    assert urgent.state == RenewalState.STARTED
    leaked.refresh_from_db()
    assert leaked.state == KeyState.CURRENT, "what still writes is not called revoked"
    time_machine.shift(timedelta(minutes=1))
    assert renewal_run.carry_on().renewed == 1
    assert not writes(leaked)
    assert_books_are_right(channel)


@pytest.mark.parametrize("method", ["rotate_write_key", "revoke_key"])
def test_a_revocation_survives_the_death_of_its_process(
    channel: Channel, simpsons: Cast, method: str, time_machine
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    leaked = current(channel)
    with die_after(method), pytest.raises(ProcessDied):
        renewal.revoke(channel, by=simpsons.homer)
    time_machine.shift(timedelta(minutes=2))
    renewal_run.carry_on()
    leaked.refresh_from_db()
    assert leaked.state == KeyState.REVOKED
    assert not writes(leaked)
    assert_books_are_right(channel)
