"""A write key is replaced, and at every moment there is one that the device has or can get."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from channels import renewal, renewal_run
from channels.embedded import Embedded
from channels.errors import CannotRenew, IllegalMove, RenewalUnderWay
from channels.models import Channel, ChannelKey, KeyState, PlatformAccount, Renewal
from channels.platforms import BadAccountKey, NotUnderstood, OutOfReach
from channels.renewal_models import OPEN, RENEWAL_MOVES, RenewalState
from orgs.audit import AuditEntry
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, die_after, die_before, there, writes
from tests.conftest import Cast
from tests.parallel import all_at_once

HOUR = timedelta(hours=1)


@pytest.fixture
def channel(simpsons: Cast) -> Channel:
    return simpsons.kitchen.channel


def test_during_the_transitional_period_both_keys_write(channel: Channel, simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    old = current(channel)
    going = renewal.renew(channel, by=simpsons.homer, overlap=HOUR)

    old.refresh_from_db()
    new = current(channel)
    assert writes(old)
    assert writes(new)
    assert (old.state, old.valid_until) == (KeyState.RETIRING, timezone.now() + HOUR)
    assert (new.version, new.origin, new.created_by) == (2, ChannelKey.Origin.BY_HAND, simpsons.homer)
    assert (going.state, going.old_key, going.new_key) == (RenewalState.OVERLAP, old, new)
    assert_books_are_right(channel)


def test_the_old_key_does_not_end_before_anybody_has_the_new_one(channel: Channel) -> None:
    old = current(channel)
    renewal.renew(channel, by=None, overlap=HOUR)
    assert renewal_run.carry_on().ended == 0
    assert writes(old)


def test_the_old_key_ends_when_the_device_says_that_it_has_the_new_one(channel: Channel) -> None:
    old = current(channel)
    going = renewal.renew(channel, by=None, overlap=HOUR)
    ChannelKey.objects.filter(pk=current(channel).pk).update(acknowledged_at=timezone.now())
    assert renewal_run.carry_on().ended == 1
    going.refresh_from_db()
    old.refresh_from_db()
    assert (going.state, going.outcome) == (RenewalState.DONE, Renewal.Outcome.USED)
    assert old.state == KeyState.ENDED
    assert_books_are_right(channel)


def test_the_old_key_ends_when_the_platform_has_seen_the_new_one(channel: Channel, client) -> None:
    old = current(channel)
    renewal.renew(channel, by=None, overlap=HOUR)
    assert client.post("/update", {"api_key": current(channel).value, "field1": "21.5"}).content == b"1"
    assert renewal_run.carry_on().ended == 1
    new = current(channel)
    assert timezone.now() - new.first_used_at < timedelta(minutes=1)
    assert client.post("/update", {"api_key": old.value, "field1": "21.5"}).status_code == 400
    assert_books_are_right(channel)


def test_the_old_key_ends_at_the_deadline_whatever_the_device_does(channel: Channel, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    old = current(channel)
    going = renewal.renew(channel, by=None, overlap=HOUR)
    time_machine.shift(HOUR)
    assert not writes(old)
    assert renewal_run.carry_on().ended == 1
    going.refresh_from_db()
    assert going.outcome == Renewal.Outcome.DEADLINE
    assert_books_are_right(channel)


def test_the_hint_comes_with_a_write_of_the_old_key_alone(channel: Channel, client, settings) -> None:
    settings.PLATFORM_UPDATE_INTERVAL = 0
    old = current(channel)
    assert "Key-Renewal" not in client.post("/update", {"api_key": old.value, "field1": "21.5"})
    renewal.renew(channel, by=None, overlap=HOUR)
    for address in ("/update", "/update.json", "/update.xml"):
        assert client.post(address, {"api_key": old.value, "field1": "21.5"})["Key-Renewal"] == "pending"
    bulk = {"write_api_key": old.value, "updates": [{"created_at": "2026-01-01T00:00:00Z", "field1": "1"}]}
    address = f"/channels/{channel.number}/bulk_update.json"
    assert client.post(address, bulk, content_type="application/json")["Key-Renewal"] == "pending"
    assert "Key-Renewal" not in client.post("/update", {"api_key": current(channel).value, "field1": "21.5"})


def test_a_channel_has_one_renewal_at_a_time(channel: Channel) -> None:
    renewal.renew(channel, by=None)
    with pytest.raises(RenewalUnderWay):
        renewal.renew(channel, by=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Renewal.objects.create(channel=channel, overlap=HOUR, old_key=current(channel))


def test_a_channel_has_one_retiring_write_key(channel: Channel) -> None:
    renewal.renew(channel, by=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        ChannelKey.holding("X" * 16, channel=channel, kind=ChannelKey.Kind.WRITE, state=KeyState.RETIRING).save()


def test_a_platform_that_cannot_rotate_is_said_in_words(channel: Channel) -> None:
    PlatformAccount.objects.filter(pk=channel.account_id).update(platform="thingspeak")
    with pytest.raises(CannotRenew, match="its own pages"):
        renewal.renew(Channel.objects.get(pk=channel.pk), by=None)
    assert not Renewal.objects.exists()


@pytest.mark.parametrize(
    "moment", ["before the key is looked at", "before it is rotated", "after it is rotated", "while it is stored"]
)
def test_a_process_that_dies_is_carried_on_by_the_next_one(channel: Channel, moment: str, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    old = current(channel)
    dying = {
        "before the key is looked at": die_before("get_channel"),
        "before it is rotated": die_before("rotate_write_key"),
        "after it is rotated": die_after("rotate_write_key"),
        "while it is stored": patch("channels.renewal._successor", side_effect=ProcessDied),
    }[moment]
    with dying, pytest.raises(ProcessDied):
        renewal.renew(channel, by=None, overlap=HOUR)
    assert current(channel) == old
    assert writes(old)
    made_already = there(channel)

    assert renewal_run.carry_on().renewed == 0  # the dead process's lease is respected
    time_machine.shift(timedelta(minutes=2))
    assert renewal_run.carry_on().renewed == 1
    old.refresh_from_db()
    assert old.state == KeyState.RETIRING
    assert writes(old)
    if made_already != old.value:
        assert current(channel).value == made_already, "adopted, not rotated once more"
    until = old.valid_until
    time_machine.move_to(until - timedelta(seconds=1), tick=False)
    assert writes(old), "the platform keeps the old key for at least as long as the portal promises"
    assert_books_are_right(channel)


def test_two_processes_at_once_make_one_new_key(channel: Channel) -> None:
    going = renewal.start(channel, by=None)
    same = Renewal.objects.get(pk=going.pk)
    assert renewal.carry_out(going)
    assert not renewal.carry_out(same)
    assert ChannelKey.objects.writing().filter(channel=channel).count() == 2


@pytest.mark.django_db(transaction=True)
def test_eight_runs_at_once_make_one_new_key(simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    renewal.start(channel, by=None)
    assert sum(all_at_once(lambda _n: renewal_run.carry_on().renewed, 8)) == 1
    assert ChannelKey.objects.writing().filter(channel=channel).count() == 2
    assert_books_are_right(channel)


def test_a_process_that_slept_over_its_lease_leaves_no_key_that_nobody_knows(channel: Channel, time_machine) -> None:
    """It wakes up in the middle of its call, rotates once more, and what it made is what the platform has."""
    time_machine.move_to(timezone.now(), tick=False)
    rotate = Embedded.rotate_write_key
    slept = []

    def sleep_then_rotate(self: Embedded, *args: object, **kwargs: object) -> str:
        if not slept:
            slept.append(True)
            time_machine.shift(timedelta(minutes=5))
            assert renewal_run.carry_on().renewed == 1  # the other process, awake
        return rotate(self, *args, **kwargs)

    with patch.object(Embedded, "rotate_write_key", sleep_then_rotate):
        going = renewal.renew(channel, by=None, overlap=HOUR)
    assert_books_are_right(channel)
    going.refresh_from_db()
    assert going.new_key == current(channel)
    assert current(channel).version == 3


def test_a_renewal_that_is_overridden_while_somebody_takes_it_up_is_left_alone(
    simpsons: Cast, channel: Channel
) -> None:
    going = renewal.start(channel, by=None, overlap=HOUR)
    look_again = Renewal.refresh_from_db
    revoked = []

    def revoke_then_look(self: Renewal, *args: object, **kwargs: object) -> None:
        if not revoked:
            revoked.append(True)
            renewal.revoke(channel, by=simpsons.homer)
        look_again(self, *args, **kwargs)

    with patch.object(Renewal, "refresh_from_db", revoke_then_look):
        assert not renewal.carry_out(going)
    assert current(channel).version == 2
    assert_books_are_right(channel)


def test_while_the_platform_is_away_nothing_changes_and_it_is_tried_again(channel: Channel, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    old = current(channel)
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach(retry_after=120)):
        going = renewal.renew(channel, by=None)
    assert (going.state, going.trouble) == (RenewalState.STARTED, Renewal.Trouble.OUT_OF_REACH)
    assert going.next_try_at == timezone.now() + timedelta(seconds=120)
    assert current(channel) == old
    assert renewal_run.carry_on().renewed == 0
    time_machine.shift(timedelta(seconds=120))
    assert renewal_run.carry_on().renewed == 1
    going.refresh_from_db()
    assert going.trouble == ""


def test_an_old_key_is_not_called_ended_before_the_platform_says_so(channel: Channel) -> None:
    old = current(channel)
    renewal.renew(channel, by=None, overlap=HOUR)
    ChannelKey.objects.filter(pk=current(channel).pk).update(acknowledged_at=timezone.now())
    with patch.object(Embedded, "revoke_key", side_effect=OutOfReach):
        assert renewal_run.carry_on().ended == 0
    old.refresh_from_db()
    assert old.state == KeyState.RETIRING
    assert renewal_run.carry_on().ended == 1
    assert_books_are_right(channel)


def test_a_platform_that_is_away_is_asked_once_a_run(simpsons: Cast, time_machine) -> None:
    other = simpsons.reactor.channel
    assert other.account == simpsons.kitchen.channel.account
    for channel in (simpsons.kitchen.channel, other):
        renewal.start(channel, by=None)
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach) as asked:
        renewal_run.carry_on()
    assert asked.call_count == 1


@pytest.mark.parametrize(
    ("error", "trouble"),
    [(BadAccountKey(), Renewal.Trouble.BAD_ACCOUNT_KEY), (NotUnderstood(), Renewal.Trouble.UNCLEAR)],
)
def test_other_troubles_are_named_and_tried_again(channel: Channel, error: Exception, trouble: str) -> None:
    with patch.object(Embedded, "get_channel", side_effect=error):
        going = renewal.renew(channel, by=None)
    assert (going.state, going.trouble) == (RenewalState.STARTED, trouble)
    account = PlatformAccount.objects.get(pk=channel.account_id)
    assert (account.state == PlatformAccount.State.REFUSED) == (trouble == Renewal.Trouble.BAD_ACCOUNT_KEY)


def test_a_channel_that_is_gone_is_given_up(channel: Channel) -> None:
    going = renewal.start(channel, by=None)
    Embedded().delete_channel(channel.account.key, channel.number)
    assert not renewal.carry_out(going)
    going.refresh_from_db()
    assert (going.state, going.trouble) == (RenewalState.FAILED, Renewal.Trouble.NO_SUCH_CHANNEL)


def test_a_key_that_was_rotated_on_the_platform_is_taken_over(channel: Channel) -> None:
    ours = current(channel)
    theirs = Embedded().rotate_write_key(channel.account.key, channel.number, overlap=HOUR)
    assert renewal.adopt_change(channel)
    new = current(channel)
    assert (new.value, new.version, new.origin) == (theirs, 2, ChannelKey.Origin.PLATFORM)
    assert not writes(ours)
    assert not renewal.adopt_change(channel)
    assert_books_are_right(channel)


def test_a_key_that_was_rotated_on_the_platform_is_not_rotated_again_by_a_renewal(channel: Channel) -> None:
    theirs = Embedded().rotate_write_key(channel.account.key, channel.number, overlap=HOUR)
    going = renewal.renew(channel, by=None)
    assert current(channel).value == theirs
    assert (going.state, going.outcome) == (RenewalState.DONE, Renewal.Outcome.FOUND)
    assert_books_are_right(channel)


def test_a_rotation_by_somebody_else_is_not_taken_for_that_of_the_process_that_died(
    channel: Channel, time_machine
) -> None:
    """The dead process had promised the old key an hour and not asked the platform yet."""
    time_machine.move_to(timezone.now(), tick=False)
    old = current(channel)
    with die_before("rotate_write_key"), pytest.raises(ProcessDied):
        renewal.renew(channel, by=None, overlap=HOUR)
    Embedded().rotate_write_key(channel.account.key, channel.number, overlap=timedelta(0))
    time_machine.shift(timedelta(minutes=2))
    renewal_run.carry_on()
    old.refresh_from_db()
    assert old.state == KeyState.ENDED
    assert Renewal.objects.get().outcome == Renewal.Outcome.FOUND
    assert_books_are_right(channel)


def test_the_old_key_is_not_ended_while_the_platform_has_another_one_than_the_portal(channel: Channel) -> None:
    old = current(channel)
    going = renewal.renew(channel, by=None)
    ChannelKey.objects.filter(pk=current(channel).pk).update(acknowledged_at=timezone.now())
    theirs = Embedded().rotate_write_key(channel.account.key, channel.number, overlap=HOUR)
    renewal_run.carry_on()
    assert current(channel).value == theirs
    assert writes(old), "the device has not heard of the third key yet"
    going.refresh_from_db()
    assert (going.state, going.new_key) == (RenewalState.OVERLAP, current(channel))
    assert_books_are_right(channel)


@pytest.mark.parametrize("old", RenewalState)
@pytest.mark.parametrize("new", RenewalState)
def test_only_the_moves_of_the_table_are_possible(channel: Channel, old: RenewalState, new: RenewalState) -> None:
    going = Renewal.objects.create(
        channel=channel,
        overlap=HOUR,
        old_key=current(channel),
        new_key=current(channel),
        deadline=timezone.now(),
        state=old,
        finished_at=None if old in OPEN else timezone.now(),
    )
    if new in RENEWAL_MOVES[old]:
        assert going.move_to(new)
        assert (going.finished_at is None) == (new in OPEN)
    else:
        with pytest.raises(IllegalMove):
            going.move_to(new)


def test_the_database_keeps_the_rules_of_a_renewal(channel: Channel) -> None:
    going = renewal.start(channel, by=None)
    for wrong in ({"state": "overlap"}, {"state": "done"}, {"finished_at": timezone.now()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Renewal.objects.filter(pk=going.pk).update(**wrong)


def test_everything_is_audited_without_the_key(channel: Channel, simpsons: Cast) -> None:
    values = [current(channel).value]
    renewal.renew(channel, by=simpsons.homer, address="192.0.2.7")
    values.append(current(channel).value)
    renewal.finish(Renewal.objects.get(), by=simpsons.homer)
    renewal.revoke(channel, by=simpsons.homer)
    values.append(current(channel).value)
    entries = AuditEntry.objects.filter(action__startswith="write_key.").order_by("pk")
    assert [entry.action for entry in entries] == [
        "write_key.renewal_started",
        "write_key.renewed",
        "write_key.ended",
        "write_key.revocation_started",
        "write_key.revoked",
    ]
    assert {entry.actor for entry in entries} == {simpsons.homer}
    assert {entry.organization for entry in entries} == {simpsons.household}
    assert entries[0].address == "192.0.2.7"
    told = repr(list(entries.values()))
    assert not [value for value in values if value in told]


def test_a_run_asks_for_the_use_of_keys_once_an_account(simpsons: Cast, django_assert_num_queries) -> None:
    def steps() -> int:
        with patch.object(Embedded, "write_key_uses", autospec=True, side_effect=Embedded.write_key_uses) as asked:
            renewal_run.carry_on()
        return asked.call_count

    renewal.renew(simpsons.kitchen.channel, by=None)
    assert steps() == 1
    renewal.renew(simpsons.reactor.channel, by=None)
    assert steps() == 1
