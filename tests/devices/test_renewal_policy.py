"""Keys are renewed by themselves: when the policy says so, once, and with words to the managers."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from channels.models import ChannelKey, Chore, Renewal, RenewalPolicy
from channels.renewal import adopt_change
from devices import renewal_run
from devices.management.commands.worker import enqueue_due
from devices.models import Device, RegistrationKey
from devices.renewal_policies import Policies
from tests.background import do_background_work
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, die_after, writes
from tests.conftest import Cast
from tests.devices.conftest import DAY, NOON
from tests.factories import DeviceFactory, RegistrationKeyFactory, give_channel
from tests.parallel import all_at_once

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def policy(simpsons: Cast, at_noon) -> RenewalPolicy:
    """All keys of the Simpsons every 30 days; those that the cast has are from this noon."""
    return RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, time_zone="UTC")


def started() -> set[str]:
    return {str(renewal.channel.device) for renewal in Renewal.objects.select_related("channel__device")}


def test_without_a_policy_nothing_is_renewed(simpsons: Cast, at_noon) -> None:
    at_noon.shift(4000 * DAY)
    assert renewal_run.run().is_nothing


def test_keys_are_renewed_within_the_last_tenth_of_their_time_and_no_earlier(
    policy: RenewalPolicy, simpsons: Cast, at_noon
) -> None:
    at_noon.shift(27 * DAY - timedelta(seconds=1))
    assert renewal_run.run().started == 0
    at_noon.move_to(NOON + 30 * DAY, tick=False)
    done = renewal_run.run()
    assert (done.started, done.renewed) == (2, 2)
    assert started() == {"kitchen", "reactor"}
    assert current(simpsons.kitchen.channel).origin == ChannelKey.Origin.BY_POLICY
    assert Renewal.objects.filter(deadline=NOON + 37 * DAY).count() == 2
    assert_books_are_right(simpsons.kitchen.channel)


def test_each_key_has_its_own_moment_and_keeps_it(policy: RenewalPolicy) -> None:
    moments = [policy.due_at(NOON, 30, f"write {n} 1") for n in range(200)]
    assert moments == [policy.due_at(NOON, 30, f"write {n} 1") for n in range(200)]
    assert min(moments) >= NOON + 27 * DAY
    assert max(moments) <= NOON + 30 * DAY
    by_day = [sum(1 for moment in moments if moment.date() == (NOON + n * DAY).date()) for n in range(27, 31)]
    assert max(by_day) < 100, "spread over the days, not all at once"


def test_the_nearest_policy_decides(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=90)
    at_noon.shift(30 * DAY)
    renewal_run.run()
    assert started() == {"reactor"}


def test_a_policy_that_says_by_hand_stops_the_one_above(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.household)
    at_noon.shift(300 * DAY)
    renewal_run.run()
    assert started() == {"reactor"}


def test_a_pause_holds_for_everything_below(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=10)
    RenewalPolicy.objects.filter(pk=policy.pk).update(paused=True)
    at_noon.shift(30 * DAY)
    assert renewal_run.run().started == 0
    RenewalPolicy.objects.filter(pk=policy.pk).update(paused=False)
    assert renewal_run.run().started == 2


def test_a_pause_further_down_leaves_the_rest_alone(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=30, paused=True)
    at_noon.shift(30 * DAY)
    renewal_run.run()
    assert started() == {"reactor"}


def test_other_customers_are_not_touched(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    at_noon.shift(30 * DAY)
    renewal_run.run()
    assert "garage" not in started()


def test_a_suspended_customer_gets_no_new_keys(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    simpsons.home.suspend()
    at_noon.shift(30 * DAY)
    assert renewal_run.run().started == 0


@pytest.mark.parametrize(
    ("hour", "is_quiet"), [(18, False), (19, False), (20, True), (23, True), (3, True), (4, False), (12, False)]
)
def test_no_renewal_begins_in_the_quiet_hours_of_the_customers_time_zone(
    policy: RenewalPolicy, at_noon, hour: int, is_quiet: bool
) -> None:
    """22 to 6 o'clock in Bratislava are 20 to 4 o'clock UTC in summer."""
    RenewalPolicy.objects.update(quiet_from=time(22), quiet_until=time(6), time_zone="Europe/Bratislava")
    at_noon.move_to((NOON + 31 * DAY).replace(hour=hour), tick=False)
    assert (renewal_run.run().started == 0) == is_quiet


def test_a_change_of_policy_leaves_a_renewal_that_is_under_way_its_terms(policy: RenewalPolicy, at_noon) -> None:
    at_noon.shift(30 * DAY)
    renewal_run.run()
    before = list(Renewal.objects.order_by("pk").values())
    RenewalPolicy.objects.update(overlap=timedelta(hours=1), write_every=1, paused=True)
    at_noon.shift(3 * DAY)
    renewal_run.run()
    assert list(Renewal.objects.order_by("pk").values()) == before
    at_noon.shift(4 * DAY)
    assert renewal_run.run().ended == 2, "a pause does not keep old keys alive"


def test_two_runs_one_after_the_other_do_the_work_once(policy: RenewalPolicy, at_noon) -> None:
    at_noon.shift(30 * DAY)
    assert renewal_run.run().renewed == 2
    assert renewal_run.run().is_nothing
    assert Renewal.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_four_runs_at_once_do_the_work_once(simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, registration_every=30)
    RegistrationKeyFactory(organization=simpsons.home)
    at_noon.shift(40 * DAY)
    done = all_at_once(lambda _n: renewal_run.run(), 4)
    assert sum(one.renewed for one in done) == 2
    assert sum(one.registration_keys_renewed for one in done) == 1
    assert ChannelKey.objects.writing().current().count() == 3
    assert RegistrationKey.objects.count() == 2
    assert_books_are_right(simpsons.kitchen.channel)
    assert_books_are_right(simpsons.reactor.channel)


def test_a_run_that_dies_is_carried_on_by_the_next(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    at_noon.shift(30 * DAY)
    with die_after("rotate_write_key"), pytest.raises(ProcessDied):
        renewal_run.run()
    at_noon.shift(timedelta(minutes=2))
    renewal_run.run()
    for device in (simpsons.kitchen, simpsons.reactor):
        assert current(device.channel).version == 2
        assert_books_are_right(device.channel)


def test_a_channel_that_is_gone_is_not_tried_every_minute(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    channel = simpsons.kitchen.channel
    channel.account.on_platform.delete_channel(channel.account.key, channel.number)
    at_noon.shift(30 * DAY)
    renewal_run.run()
    renewal_run.run()
    assert Renewal.objects.filter(channel=channel).count() == 1
    at_noon.shift(DAY)
    renewal_run.run()
    assert Renewal.objects.filter(channel=channel).count() == 2


def test_a_run_has_a_fixed_number_of_queries_for_keys_that_are_not_due(
    policy: RenewalPolicy, simpsons: Cast, at_noon, django_assert_num_queries
) -> None:
    at_noon.shift(5 * DAY)
    renewal_run.run()
    with CaptureQueriesContext(
        connection,
    ) as few:
        renewal_run.run()

    for _n in range(8):
        DeviceFactory(organization=simpsons.power_plant)
    with django_assert_num_queries(len(few)):
        renewal_run.run()


# Registration keys


def test_registration_keys_are_renewed_and_end_when_all_devices_have_moved(simpsons: Cast, at_noon, client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, registration_every=90)
    key = RegistrationKeyFactory(organization=simpsons.household)
    client.get(f"/midpoint/ws/iot/devices/one?key={key.lookup}")
    at_noon.shift(90 * DAY)
    done = renewal_run.run()
    assert (done.registration_keys_renewed, done.registration_keys_ended) == (1, 0)
    key.refresh_from_db()
    at_noon.shift(300 * DAY)
    RenewalPolicy.objects.update(paused=True)
    assert renewal_run.run().registration_keys_ended == 0, "a device that was not seen is not locked out"
    client.get(f"/midpoint/ws/iot/devices/one?key={key.successor.lookup}")
    assert renewal_run.run().registration_keys_ended == 1
    assert client.get(f"/midpoint/ws/iot/devices/one?key={key.lookup}").status_code == 403


# Rules, commands, chores


@pytest.mark.parametrize(
    "wrong",
    [
        {"quiet_from": time(22)},
        {"overlap": timedelta(0)},
        {"write_every": 0},
        {"registration_every": 0},
        {"read_every": 0},
    ],
)
def test_the_database_keeps_the_rules_of_a_policy(policy: RenewalPolicy, wrong: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        RenewalPolicy.objects.update(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"time_zone": "Springfield"}, {"write_every": 7, "overlap": 7 * DAY}, {"write_every": 4000}]
)
def test_a_policy_that_makes_no_sense_is_refused_in_words(simpsons: Cast, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RenewalPolicy(organization=simpsons.home, **wrong).full_clean()


def test_the_policy_in_force_is_found_from_below(policy: RenewalPolicy, simpsons: Cast) -> None:
    own = RenewalPolicy.objects.create(organization=simpsons.household)
    held = Policies.of_customer(simpsons.household)
    assert held.at(simpsons.household) == own
    assert held.at(simpsons.power_plant) == policy
    assert Policies.of_customer(simpsons.carls).at(simpsons.carls) is None


def test_the_command_says_what_it_did(policy: RenewalPolicy, at_noon, capsys) -> None:
    call_command("renew")
    assert capsys.readouterr().out == "Nothing was due.\n"
    at_noon.shift(30 * DAY)
    call_command("renew")
    assert "renewed: 2" in capsys.readouterr().out


def test_a_chore_is_taken_once_each_time(db: None, at_noon) -> None:
    minute = timedelta(minutes=1)
    assert [Chore.take("renew", every=minute, now=NOON) for _worker in range(3)] == [True, False, False]
    assert Chore.take("renew", every=minute, now=NOON + minute)


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_one_takes_the_chore() -> None:
    takes = all_at_once(lambda _n: Chore.take("renew", every=timedelta(minutes=1), now=NOON), 8)
    assert sum(takes) == 1


def test_the_worker_renews_what_is_due(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    at_noon.shift(30 * DAY)
    assert enqueue_due({"renew": timedelta(minutes=1), "prune": DAY}) == ["renew", "prune"]
    assert enqueue_due({"renew": timedelta(minutes=1), "prune": DAY}) == []
    assert do_background_work() == 1
    assert current(simpsons.kitchen.channel).version == 2


def test_a_new_device_is_governed_from_its_first_day(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    at_noon.shift(20 * DAY)
    device = Device.objects.create(customer=simpsons.home, organization=simpsons.household, serial="new")
    give_channel(device)
    at_noon.shift(10 * DAY)
    renewal_run.run()
    assert "new" not in started()
    at_noon.shift(20 * DAY)
    renewal_run.run()
    assert "new" in started()


def test_a_key_that_was_found_renewed_counts_from_then(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    channel = simpsons.kitchen.channel
    at_noon.shift(20 * DAY)
    channel.account.on_platform.rotate_write_key(channel.account.key, channel.number, overlap=DAY)
    adopt_change(channel)
    at_noon.shift(10 * DAY)
    renewal_run.run()
    assert started() == {"reactor"}
    assert writes(current(channel))
