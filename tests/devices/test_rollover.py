"""Where a platform cannot renew write keys, the device is moved to a new channel, and nothing is lost on the way.

Played on a ThingSpeak that is spoken to over HTTP.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.utils import timezone

from channels.embedded import Embedded
from channels.errors import CannotRenew, IllegalMove, RenewalUnderWay
from channels.models import Channel, ChannelKey, Finding, KeyState, PlatformAccount, RenewalPolicy
from channels.platform.models import Account
from channels.platforms import OutOfReach
from channels.sync import Synced, sync
from channels.thingspeak import ThingSpeak
from devices import renewal_run, rollover, rollover_run
from devices.latest import feed_of
from devices.models import Device, RollOver
from devices.rollover_models import OPEN, ROLLOVER_MOVES, RollOverState
from orgs.audit import AuditEntry
from tests.background import do_background_work
from tests.channels.renewing import ProcessDied, current, writes
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.devices.rolling_over import acknowledge, again
from tests.devices.test_registration_address import ask
from tests.factories import RegistrationKeyFactory
from tests.parallel import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)
WEEK = timedelta(days=7)


@pytest.fixture
def account(thingspeak_over_http: PlatformAccount) -> PlatformAccount:
    Channel.objects.update(created_at=timezone.now() - timedelta(days=100))
    return thingspeak_over_http


@pytest.fixture
def kitchen(account: PlatformAccount, simpsons: Cast) -> Device:
    return again(simpsons.kitchen)


def ends_of(method: str) -> Any:
    """Let the platform do it, and the process die before it hears of that."""
    original = getattr(ThingSpeak, method)

    def do_and_die(self: ThingSpeak, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        raise ProcessDied

    return patch.object(ThingSpeak, method, do_and_die)


def numbers_there(account: PlatformAccount) -> set[int]:
    return {channel.number for channel in Embedded().list_channels(account.key)}


def test_the_device_gets_another_channel_and_its_keys_go_on_counting(kitchen: Device, simpsons: Cast) -> None:
    old = kitchen.channel
    old_key = current(old)
    going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    new = again(kitchen).channel
    new_key = current(new)
    assert (going.state, going.old_channel, going.new_channel) == (RollOverState.MOVED, old, new)
    assert new.number != old.number
    assert (new_key.version, new_key.created_by) == (old_key.version + 1, simpsons.homer)
    old_key.refresh_from_db()
    assert old_key.state == KeyState.RETIRING
    assert writes(old_key)
    assert writes(new_key)
    assert Embedded().get_channel(new.account.key, new.number).name == "kitchen"


def test_the_envelope_and_its_tag_change(kitchen: Device, simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home)
    before = ask(kitchen.serial, key.lookup)
    assert ask(kitchen.serial, key.lookup, **{"If-None-Match": before["ETag"]}).status_code == 304
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    after = ask(kitchen.serial, key.lookup, **{"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert after["ETag"] != before["ETag"]
    assert ask(kitchen.serial, key.lookup, **{"If-None-Match": after["ETag"]}).status_code == 304


def test_the_old_channel_is_left_when_the_device_has_the_new_one(kitchen: Device, simpsons: Cast) -> None:
    old = kitchen.channel
    going = rollover.start(kitchen, by=simpsons.homer, keep_old=False)
    assert rollover_run.carry_on() == rollover_run.CarriedOn()
    assert old.number in numbers_there(old.account)
    acknowledge(kitchen)
    assert rollover_run.carry_on() == rollover_run.CarriedOn(left=1)
    assert old.number not in numbers_there(old.account)
    going.refresh_from_db()
    old.refresh_from_db()
    assert going.state == RollOverState.DONE
    assert old.gone_at is not None
    assert not ChannelKey.objects.filter(channel=old).exclude(state=KeyState.ENDED).exists()
    assert rollover_run.carry_on() == rollover_run.CarriedOn()


def test_a_measurement_in_the_new_channel_is_as_good_as_the_devices_word(kitchen: Device, simpsons: Cast) -> None:
    going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    ChannelKey.objects.filter(pk=current(again(kitchen).channel).pk).update(told_at=timezone.now())
    assert rollover_run.carry_on() == rollover_run.CarriedOn()
    measure(again(kitchen), "21")
    assert rollover_run.carry_on() == rollover_run.CarriedOn(left=1)
    going.refresh_from_db()
    assert going.state == RollOverState.DONE
    assert current(again(kitchen).channel).first_used_at is not None


def test_a_device_that_stays_away_does_not_hold_it_up_for_ever(kitchen: Device, simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    old = kitchen.channel
    rollover.start(kitchen, by=simpsons.homer, keep_old=False, overlap=WEEK)
    time_machine.shift(WEEK - timedelta(seconds=1))
    assert rollover_run.carry_on().left == 0
    time_machine.shift(timedelta(seconds=1))
    assert rollover_run.carry_on().left == 1
    assert old.number not in numbers_there(old.account)


def test_a_lost_answer_is_adopted_and_never_doubled(kitchen: Device, simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    before = numbers_there(kitchen.channel.account)
    with ends_of("create_channel"), pytest.raises(ProcessDied):
        rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    (made,) = numbers_there(kitchen.channel.account) - before
    assert again(kitchen).channel == kitchen.channel
    assert sync(kitchen.channel.account).is_nothing, "a channel that is being made is not foreign"
    assert rollover_run.carry_on().moved == 0, "its process may be alive"
    time_machine.shift(timedelta(minutes=5))
    assert rollover_run.carry_on().moved == 1
    assert again(kitchen).channel.number == made
    assert len(numbers_there(kitchen.channel.account)) == len(before) + 1


def test_several_at_once_make_one_channel(kitchen: Device, simpsons: Cast) -> None:
    before = len(numbers_there(kitchen.channel.account))

    def one(_n: int) -> str:
        try:
            return str(rollover.start(again(kitchen), by=None, keep_old=True).state)
        except RenewalUnderWay:
            return "under way"

    assert sorted(all_at_once(one, 4)) == ["moved", *["under way"] * 3]
    assert len(numbers_there(kitchen.channel.account)) == before + 1


def test_while_the_platform_is_away_nothing_changes_and_it_is_done_later(
    kitchen: Device, simpsons: Cast, time_machine
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    with patch.object(ThingSpeak, "find_channel", side_effect=OutOfReach):
        going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    assert (going.state, going.trouble) == (RollOverState.STARTED, RollOver.Trouble.OUT_OF_REACH)
    assert again(kitchen).channel == kitchen.channel
    time_machine.shift(timedelta(minutes=1))
    assert rollover_run.carry_on().moved == 1


def test_a_full_account_refuses_and_nothing_is_lost(kitchen: Device, simpsons: Cast, settings, time_machine) -> None:
    """ThingSpeak does not tell how many channels an account may have, so it is found out by trying."""
    time_machine.move_to(timezone.now(), tick=False)
    settings.PLATFORM_PLANS = {"full": {"channels": 2}}
    Account.objects.update(plan_name="full")
    going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    assert (going.state, going.trouble) == (RollOverState.STARTED, RollOver.Trouble.CHANNEL_LIMIT)
    assert again(kitchen).channel == kitchen.channel
    assert writes(current(kitchen.channel))

    Account.objects.update(plan_name="")
    time_machine.shift(timedelta(minutes=1))
    assert rollover_run.carry_on().moved == 1
    assert again(kitchen).channel != kitchen.channel


def test_a_move_that_waits_can_be_called_off(kitchen: Device, simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    with patch.object(ThingSpeak, "find_channel", side_effect=OutOfReach):
        going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    assert rollover.cancel(going, by=simpsons.homer)
    time_machine.shift(timedelta(hours=1))
    assert rollover_run.carry_on().moved == 0
    going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    assert not rollover.cancel(going, by=simpsons.homer), "the device has moved already"


def test_a_device_that_was_given_another_channel_meanwhile_is_left_alone(
    kitchen: Device, simpsons: Cast, time_machine
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    with patch.object(ThingSpeak, "find_channel", side_effect=OutOfReach):
        going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    Device.objects.filter(pk=kitchen.pk).update(channel=None)
    time_machine.shift(timedelta(minutes=1))
    assert rollover_run.carry_on().moved == 0
    going.refresh_from_db()
    assert going.state == RollOverState.FAILED
    assert sync(kitchen.channel.account) == Synced(foreign=1), "what was made in vain is reported"


def test_a_device_whose_channel_is_gone_goes_on_in_a_new_one(kitchen: Device, simpsons: Cast) -> None:
    old = kitchen.channel
    Embedded().delete_channel(old.account.key, old.number)
    assert sync(old.account).missing == 1
    going = rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    assert going.state == RollOverState.DONE
    assert not Finding.objects.open().exists()
    moved = again(kitchen)
    assert current(moved.channel).version == 2
    measure(moved, "21")
    assert [entry.values[1] for entry in feed_of(moved.channel, results=60).entries] == ["21"]
    assert sync(old.account).is_nothing


def test_a_platform_that_renews_keys_itself_needs_no_move_unless_the_channel_is_gone(simpsons: Cast) -> None:
    kitchen = again(simpsons.kitchen)
    with pytest.raises(CannotRenew, match="no need"):
        rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    Channel.objects.update(created_at=timezone.now() - timedelta(days=1))
    Embedded().delete_channel(kitchen.channel.account.key, kitchen.channel.number)
    sync(kitchen.channel.account)
    assert rollover.start(kitchen, by=simpsons.homer, keep_old=True).state == RollOverState.DONE
    assert writes(current(again(kitchen).channel))


def test_where_the_platform_tells_its_limit_nothing_is_begun(simpsons: Cast, settings) -> None:
    kitchen = again(simpsons.kitchen)
    settings.PLATFORM_PLANS = {"full": {"channels": 1}}
    Account.objects.update(plan_name="full")
    Finding.objects.create(
        account=kitchen.channel.account,
        kind=Finding.Kind.CHANNEL_MISSING,
        number=kitchen.channel.number,
        channel=kitchen.channel,
    )
    with pytest.raises(CannotRenew, match="no channel left"):
        rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    assert not RollOver.objects.exists()


def test_a_policy_moves_devices_where_keys_cannot_be_renewed(kitchen: Device, simpsons: Cast) -> None:
    policy = RenewalPolicy.objects.create(
        organization=simpsons.home, write_every=30, instead=RenewalPolicy.Instead.REPLACE, keep_replaced=False
    )
    ChannelKey.objects.writing().filter(channel=kitchen.channel).update(valid_from=timezone.now() - timedelta(days=40))
    done = renewal_run.run()
    assert (done.started, done.devices_moved) == (1, 1)
    going = RollOver.objects.get()
    assert (going.by, going.keep_old, going.overlap) == (None, False, policy.overlap)
    assert current(again(kitchen).channel).origin == ChannelKey.Origin.BY_POLICY
    assert renewal_run.run().started == 0


def test_managers_are_told_what_became_of_it(kitchen: Device, simpsons: Cast, mailoutbox: list[EmailMessage]) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, created_at=timezone.now() - timedelta(days=1))
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    assert renewal_run.run().mails == 0, "it is not over yet"
    acknowledge(kitchen)
    assert renewal_run.run().mails == 1
    assert renewal_run.run().mails == 0
    do_background_work()
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["homer@example.net"], "Devices of The Simpsons write to new channels")
    assert "The old one is kept" in mail.body
    assert "kitchen" in mail.body


def test_by_a_policy_that_reminds_nothing_is_moved(kitchen: Device, simpsons: Cast) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    ChannelKey.objects.writing().update(valid_from=timezone.now() - timedelta(days=40))
    assert renewal_run.run().started == 0


def test_everything_is_audited_without_a_key(kitchen: Device, simpsons: Cast) -> None:
    rollover.start(kitchen, by=simpsons.homer, keep_old=False, address="192.0.2.1")
    acknowledge(kitchen)
    rollover_run.carry_on()
    entries = list(AuditEntry.objects.about(kitchen).order_by("pk"))
    assert [entry.action for entry in entries] == [
        "device.new_channel_started",
        "device.moved_to_new_channel",
        "device.old_channel_deleted",
    ]
    assert (entries[0].actor, entries[0].address) == (simpsons.homer, "192.0.2.1")
    said = repr([entry.__dict__ for entry in entries])
    assert not [key for key in ChannelKey.objects.all() if key.value in said]


@pytest.mark.parametrize("old", RollOverState)
@pytest.mark.parametrize("new", RollOverState)
def test_only_the_moves_of_the_table_are_possible(
    kitchen: Device, simpsons: Cast, old: RollOverState, new: RollOverState
) -> None:
    over = {"finished_at": timezone.now()} if old not in OPEN else {}
    going = RollOver.objects.create(
        device=kitchen,
        old_channel=kitchen.channel,
        new_channel=simpsons.reactor.channel,
        deadline=timezone.now(),
        overlap=WEEK,
        state=old,
        **over,
    )
    if new in ROLLOVER_MOVES[old]:
        assert going.move_to(new)
        assert going.state == new
    else:
        with pytest.raises(IllegalMove):
            going.move_to(new)


def test_the_database_keeps_one_move_at_a_time(kitchen: Device) -> None:
    RollOver.objects.create(device=kitchen, old_channel=kitchen.channel, overlap=WEEK)
    with pytest.raises(IntegrityError), transaction.atomic():
        RollOver.objects.create(device=kitchen, old_channel=kitchen.channel, overlap=WEEK)
