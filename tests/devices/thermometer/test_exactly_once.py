"""Answers get lost: each measurement is in the channel once all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.devices.thermometer.conftest import Bench
from tests.devices.thermometer.world import Reply, Request


@pytest.fixture
def running(bench: Bench) -> Bench:
    bench.run_for(31)
    return bench


def assert_each_is_stored_once(bench: Bench) -> None:
    values = [value for channel in bench.world.channels.values() for _at, value in channel.stored]
    assert sorted(values, key=float) == bench.sensor.taken


@pytest.mark.parametrize("status", [409, 400])
def test_a_write_whose_answer_was_lost_is_not_stored_twice(running: Bench, status: int) -> None:
    running.world.duplicate_status = status
    running.world.lost_answers = 1
    running.run_for(120)

    assert_each_is_stored_once(running)
    assert running.thermometer.delivery.delivered == len(running.sensor.taken)


@pytest.mark.parametrize("status", [409, 400])
def test_nor_when_the_power_went_before_the_answer_came(running: Bench, status: int) -> None:
    running.world.duplicate_status = status
    running.world.lost_answers = 1
    running.run_for(15)
    running.power_up()
    running.run_for(120)

    assert_each_is_stored_once(running)


@pytest.mark.parametrize("status", [409, 400])
def test_a_bulk_write_whose_answer_was_lost_is_not_stored_twice(running: Bench, status: int) -> None:
    running.world.duplicate_status = status
    running.world.is_down = True
    running.run_for(1200)
    running.world.is_down = False
    running.world.lost_answers = 2
    running.run_for(900)

    assert running.world.asked("/channels/142770/bulk_update.json")
    assert_each_is_stored_once(running)
    assert len(running.thermometer.outbox) == 0


def test_a_lost_bulk_answer_is_settled_by_reading_not_by_a_hundred_writes(running: Bench) -> None:
    running.world.is_down = True
    running.run_for(1800)
    running.world.is_down = False
    running.world.requests.clear()

    def done_but_lost(request):
        if not request.path.endswith("/bulk_update.json"):
            running.world.faults.append(done_but_lost)
            return None
        reply = running.world._bulk(request)
        reply.then_drop = True
        return reply

    running.world.faults.append(done_but_lost)
    running.run_for(900)

    assert_each_is_stored_once(running)
    assert len(running.world.asked("/channels/142770/feeds.json")) == 1
    assert len(running.world.asked("/update")) < 70


def test_too_early_after_a_lost_answer_does_not_hide_that_it_is_there(running: Bench) -> None:
    running.world.lost_answers = 1
    running.world.interval = timedelta(seconds=15)
    running.run_for(16)
    for _ in range(3):
        running.world.faults.append(lambda request: Reply(200, "0"))
    running.run_for(200)

    assert_each_is_stored_once(running)


def test_a_second_that_belongs_to_a_clone_is_not_mistaken_for_success(running: Bench) -> None:
    for ahead in range(0, 120, 15):
        running.world.channel.feed[datetime(2026, 11, 23, 12, 0, 45, tzinfo=UTC) + timedelta(seconds=ahead)] = "clone"
    running.run_for(120)

    assert_each_is_stored_once(running)
    assert running.stored.count("clone") == 8


def test_a_refusal_in_between_leaves_no_doubt_that_a_clone_could_profit_from(running: Bench) -> None:
    running.world.faults.append(lambda request: Reply(200, "0"))
    running.run_for(14)
    running.world.channel.feed[datetime(2026, 11, 23, 12, 0, 45, tzinfo=UTC)] = "clone"
    running.run_for(70)

    assert_each_is_stored_once(running)


def test_measurements_within_one_second_get_seconds_of_their_own(bench: Bench) -> None:
    outbox = bench.thermometer.outbox
    moment = datetime(2026, 11, 23, 11, 0, 0, 200_000, tzinfo=UTC)
    stamps = [outbox.add(f"{number}.00", moment).at.second for number in range(4)]

    assert stamps == [0, 1, 2, 3]


def test_after_the_clock_was_set_back_stamps_follow_it(bench: Bench) -> None:
    outbox = bench.thermometer.outbox
    outbox.add("1.00", datetime(2031, 1, 1, tzinfo=UTC))
    right = datetime(2026, 11, 23, 12, tzinfo=UTC)

    assert outbox.add("2.00", right).at == right


@pytest.mark.parametrize("status", [413, 422])
def test_a_measurement_that_the_platform_never_takes_does_not_block_the_others(running: Bench, status: int) -> None:
    running.world.faults.append(lambda request: Reply(status, "error_request_too_large"))
    running.run_for(120)

    assert running.stored == [value for value in running.sensor.taken if value != "4.00"]
    assert [measurement.value for measurement in running.thermometer.outbox] == ["4.00"]

    running.power_up()
    running.run_for(60)
    assert running.stored == running.sensor.taken


def test_nor_does_one_that_is_refused_like_a_bad_key(running: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def poisonous(request):
        running.world.faults.append(poisonous)
        return Reply(400, "0") if request.form.get("field1") == "4.00" else None

    running.world.faults.append(poisonous)
    running.run_for(600)
    tries = len([request for request in running.world.asked("/update") if request.form["field1"] == "4.00"])
    running.run_for(1200)

    assert running.stored == [value for value in running.sensor.taken if value != "4.00"]
    assert "does not take the measurement of 2026-11-23T12:00:45Z" in caplog.text
    assert tries == len([request for request in running.world.asked("/update") if request.form["field1"] == "4.00"])


def test_a_platform_that_refuses_everything_for_a_while_sets_nothing_aside(running: Bench) -> None:
    running.world.faults.extend([lambda request: Reply(400, "0") if request.path == "/update" else None] * 6)
    running.run_for(900)

    assert running.stored == running.sensor.taken


def test_a_finished_thermometer_has_tried_all_it_could(running: Bench) -> None:
    running.world.faults.append(lambda request: None)
    running.world.faults.append(lambda request: Reply(422, "error_invalid_byte_sequence"))
    thermometer = running.power_up(count=2)
    for _ in range(20):
        running.clock.advance(thermometer.step())

    assert thermometer.is_finished
    assert len(thermometer.outbox) == 1


def test_what_only_the_refused_key_could_take_does_not_keep_it_busy(running: Bench) -> None:
    new = running.world.renew_write_key(timedelta(hours=1))
    running.world.hint = True
    running.run_for(15)
    del running.world.channel.keys[new]
    running.power_up(count=1)

    def not_with_the_old_key(request: Request) -> Reply | None:
        running.world.faults.append(not_with_the_old_key)
        return Reply(422, "error_invalid_byte_sequence") if request.form.get("api_key", new) != new else None

    running.world.faults.append(not_with_the_old_key)
    running.waits.clear()
    running.run_for(300)

    assert len(running.thermometer.outbox) == 1
    assert len(running.waits) < 100
