"""The portal or the platform is away: nothing is lost, and nobody is pestered."""

from __future__ import annotations

import itertools
import logging
import random
from datetime import timedelta
from email.utils import format_datetime

import pytest

from tests.devices.thermometer.conftest import Bench
from tests.devices.thermometer.world import REGISTRATION_PATH, Reply, Request


def test_without_a_portal_it_measures_and_sends_everything_later_in_order(bench: Bench) -> None:
    bench.world.is_down = True
    bench.run_for(300)
    bench.world.is_down = False
    bench.run_for(900)

    assert bench.stored == bench.sensor.taken
    assert [value for _at, value in bench.world.channel.stored] == bench.sensor.taken
    assert len(bench.sensor.taken) == 81


def test_what_was_measured_without_a_platform_keeps_its_time(bench: Bench) -> None:
    bench.run_for(1)
    bench.world.is_down = True
    bench.run_for(120)
    bench.world.is_down = False
    bench.run_for(600)

    moments = list(bench.world.channel.feed)
    assert {later - earlier for earlier, later in itertools.pairwise(moments)} == {timedelta(seconds=15)}


def test_tries_become_rarer_and_are_spread(bench: Bench) -> None:
    bench.world.is_down = True
    bench.run_for(3600)

    tries = len(bench.world.asked(REGISTRATION_PATH))
    assert 8 <= tries <= 40  # seven doublings from 2 s to the ceiling of 600 s, then one in 300 s on average


def test_two_thermometers_that_lose_the_portal_together_do_not_come_back_together(bench: Bench) -> None:
    waits = []
    bench.world.is_down = True
    for seed in range(2):
        bench.power_up(rng=random.Random(seed))
        bench.thermometer.step()
        bench.clock.advance(700)
        bench.thermometer.step()
        waits.append(bench.thermometer.registrar.due_at - bench.clock.monotonic())
        bench.clock.advance(700)

    assert abs(waits[0] - waits[1]) > 0.01


def in_two_minutes(bench: Bench) -> str:
    return format_datetime(bench.clock.true_now + timedelta(seconds=120), usegmt=True)


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize("status", [503, 429, 202])
def test_the_portal_is_left_alone_for_as_long_as_it_asks(bench: Bench, status: int, as_date: bool) -> None:
    retry_after = in_two_minutes(bench) if as_date else "120"
    bench.world.faults.append(lambda request: Reply(status, "error=try_later Later.", {"Retry-After": retry_after}))

    bench.run_for(119)
    assert len(bench.world.asked(REGISTRATION_PATH)) == 1
    bench.run_for(32)
    assert len(bench.world.asked(REGISTRATION_PATH)) == 2
    bench.run_for(60)
    assert bench.stored == bench.sensor.taken


def test_a_retry_after_date_is_read_by_the_servers_own_clock(bench: Bench) -> None:
    bench.clock.wrong_by = timedelta(days=-400)
    headers = {"Retry-After": in_two_minutes(bench), "Date": format_datetime(bench.clock.true_now, usegmt=True)}
    bench.world.faults.append(lambda request: Reply(503, "error=try_later Later.", headers))

    bench.run_for(119)
    assert len(bench.world.asked(REGISTRATION_PATH)) == 1
    bench.run_for(32)
    assert len(bench.world.asked(REGISTRATION_PATH)) == 2


@pytest.mark.parametrize("nonsense", ["soon", "-5", "1.5", "", "٣"])
def test_a_senseless_retry_after_is_as_good_as_none(bench: Bench, nonsense: str) -> None:
    bench.world.faults.append(lambda request: Reply(503, "", {"Retry-After": nonsense.encode().decode("latin-1")}))

    bench.run_for(10)

    assert bench.stored == ["1.00"]


def test_a_retry_after_of_a_year_does_not_silence_the_device_for_ever(bench: Bench) -> None:
    bench.world.faults.append(lambda request: Reply(503, "", {"Retry-After": "31536000"}))
    bench.thermometer.step()
    bench.clock.advance(30 * 3600)
    bench.thermometer.step()

    assert len(bench.world.asked(REGISTRATION_PATH)) == 2


def test_the_platform_is_left_alone_for_as_long_as_it_asks(bench: Bench) -> None:
    bench.run_for(1)
    bench.world.faults.append(lambda request: Reply(503, "", {"Retry-After": "60"}))
    bench.run_for(73)
    assert len(bench.world.asked("/update")) == 2

    bench.run_for(60)
    assert bench.stored == bench.sensor.taken


def test_a_long_backlog_goes_out_in_bulk(bench: Bench) -> None:
    bench.run_for(1)
    bench.world.is_down = True
    bench.run_for(2 * 3600)
    bench.world.is_down = False
    bench.world.requests.clear()
    bench.run_for(600)

    assert bench.stored == bench.sensor.taken
    assert len(bench.world.asked("/channels/142770/bulk_update.json")) >= 1
    assert len(bench.world.asked("/update")) < 60


def test_a_platform_without_bulk_writes_gets_them_one_by_one(bench: Bench) -> None:
    bench.world.bulk = False
    bench.run_for(1)
    bench.world.is_down = True
    bench.run_for(1200)
    bench.world.is_down = False
    bench.world.requests.clear()
    bench.run_for(600)

    assert bench.stored == bench.sensor.taken
    assert len(bench.world.asked("/channels/142770/bulk_update.json")) == 1


def test_a_platform_that_takes_fewer_at_once_gets_fewer(bench: Bench) -> None:
    bench.world.bulk_limit = 40
    bench.run_for(1)
    bench.world.is_down = True
    bench.run_for(3600)
    bench.world.is_down = False
    bench.run_for(900)

    assert bench.stored == bench.sensor.taken
    sizes = [len(request.json()["updates"]) for request in bench.world.asked("/channels/142770/bulk_update.json")]
    assert any(0 < size <= 40 for size in sizes)


@pytest.mark.parametrize("interval", [1, 5, 15])
def test_the_platforms_write_interval_is_learned_and_kept(bench: Bench, interval: int) -> None:
    bench.configure(period=1.0)
    bench.power_up()
    bench.world.interval = timedelta(seconds=interval)
    bench.run_for(300)

    bench.world.answered_too_early = 0
    bench.world.bulk = False
    bench.run_for(600)
    assert bench.world.answered_too_early <= 3
    bench.world.bulk = True
    bench.power_up(count=0)
    bench.run_for(900)
    assert bench.stored == bench.sensor.taken


def test_an_account_without_messages_left_is_asked_rarely(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.configure(period=300.0)
    bench.power_up()
    bench.run_for(1)

    def used_up(request: Request) -> Reply | None:
        bench.world.faults.append(used_up)
        return Reply(402, "error_payment_required")

    bench.world.faults.append(used_up)
    bench.run_for(7200)
    assert len(bench.world.asked("/update")) < 20
    assert "messages are used up" in caplog.text

    bench.world.faults.clear()
    bench.run_for(7 * 3600)
    assert bench.stored == bench.sensor.taken


def test_one_that_finds_no_platform_asks_the_portal_whether_it_has_moved(bench: Bench) -> None:
    bench.configure(period=120.0)
    bench.power_up()
    bench.run_for(1)
    number, key, version = bench.world.current
    real_url, bench.world.url = bench.world.url, "http://127.0.0.1:1"
    bench.world.current = (number, key, version + 1)
    bench.world.hint = True
    bench.run_for(125)
    bench.world.hint = False
    assert bench.state.credentials is not None
    assert bench.state.credentials.update_url == "http://127.0.0.1:1/update"

    bench.world.url = real_url  # and the tag stays what it was
    bench.run_for(3600)

    assert bench.state.credentials.update_url == f"{real_url}/update"
    assert bench.stored == bench.sensor.taken


def test_messages_name_the_host_but_no_key_and_no_query(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="devices.thermometer")
    bench.run_for(30)
    bench.world.is_down = True
    bench.run_for(60)
    bench.world.is_down = False
    bench.world.renew_write_key(None)
    bench.run_for(600)

    assert f"{bench.world.url} cannot be reached" in caplog.text
    assert "the key of channel 142770" in caplog.text
    for secret in ("WRITEKEY", "1JWORF43", "nonce", "?key"):
        assert secret not in caplog.text
