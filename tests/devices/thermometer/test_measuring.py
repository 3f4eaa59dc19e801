"""The ordinary day: register, measure, write."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

from devices.thermometer.sensor import NoReading
from tests.devices.thermometer.conftest import Bench
from tests.devices.thermometer.world import REGISTRATION_PATH, SERIAL


def test_after_power_up_it_registers_and_writes_its_first_measurement(bench: Bench) -> None:
    bench.thermometer.step()

    registration, write = bench.world.requests
    assert (registration.method, registration.path) == ("GET", REGISTRATION_PATH + SERIAL)
    assert registration.query["key"] == "HQ481047"
    assert registration.headers["accept"] == "text/plain"
    assert (write.method, write.path) == ("POST", "/update")
    assert write.form == {"api_key": "WRITEKEY00000001", "field1": "1.00", "created_at": "2026-11-23T12:00:00Z"}
    assert bench.stored == ["1.00"]


def test_the_secret_half_is_never_sent(bench: Bench) -> None:
    bench.run_for(60)

    for request in bench.world.requests:
        assert "1JWORF43" not in f"{request.path}{request.query}{request.headers}{request.body!r}".upper()


def test_no_two_requests_have_the_same_nonce(bench: Bench) -> None:
    for _ in range(3):
        bench.power_up().step()

    nonces = [request.query["nonce"] for request in bench.world.asked(REGISTRATION_PATH)]
    assert len(set(nonces)) == 3
    assert all(len(nonce) == 32 for nonce in nonces)


def test_it_measures_every_period_and_stores_each_with_its_time(bench: Bench) -> None:
    bench.run_for(60)

    assert list(bench.world.channel.feed.items()) == [
        (datetime(2026, 11, 23, 12, 0, second, tzinfo=UTC), f"{number:.2f}")
        for number, second in enumerate((0, 15, 30, 45), 1)
    ] + [(datetime(2026, 11, 23, 12, 1, tzinfo=UTC), "5.00")]


def test_channel_and_key_are_kept_in_a_file_that_only_the_owner_reads(bench: Bench) -> None:
    bench.thermometer.step()

    credentials = bench.state.credentials
    assert credentials is not None
    assert (credentials.channel, credentials.write_key) == (142770, "WRITEKEY00000001")
    for file in (bench.path, bench.thermometer.outbox.path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_secret_half_is_not_kept_either(bench: Bench) -> None:
    bench.thermometer.step()

    assert "1JWORF43" not in bench.path.read_text()


def test_at_the_next_power_up_the_portal_only_has_to_confirm(bench: Bench) -> None:
    bench.run_for(20)
    tag = bench.state.etag

    bench.power_up()
    bench.run_for(20)

    assert bench.world.asked(REGISTRATION_PATH)[-1].headers["if-none-match"] == tag == '"142770-1-HQ481047"'
    assert len(bench.stored) == 4


def test_a_device_that_knows_its_key_writes_whatever_the_portal_says(bench: Bench) -> None:
    bench.thermometer.step()

    bench.power_up()
    bench.world.registration_keys.clear()
    bench.run_for(16)

    assert bench.stored == ["1.00", "2.00", "3.00"]


def test_a_period_missed_while_the_machine_slept_is_not_made_up_for(bench: Bench) -> None:
    bench.run_for(1)
    bench.clock.advance(3600)
    bench.run_for(14)

    assert bench.sensor.taken == ["1.00", "2.00"]
    bench.run_for(2)
    assert bench.sensor.taken == ["1.00", "2.00", "3.00"]


def test_a_sensor_without_a_reading_costs_that_one_measurement(bench: Bench) -> None:
    measure = bench.sensor.measure

    def broken(at: datetime) -> float:
        raise NoReading("The sensor is iced over.")

    bench.sensor.measure = broken  # type: ignore[method-assign]
    bench.run_for(10)
    bench.sensor.measure = measure  # type: ignore[method-assign]
    bench.run_for(10)

    assert bench.stored == ["1.00"]


def test_with_a_count_it_is_finished_when_all_of_them_are_stored(bench: Bench) -> None:
    thermometer = bench.power_up(count=3)
    while not thermometer.is_finished:
        bench.clock.advance(thermometer.step())

    assert bench.stored == bench.sensor.taken == ["1.00", "2.00", "3.00"]
    assert thermometer.delivery.delivered == 3


def test_it_keeps_its_connection_for_the_next_measurement(bench: Bench) -> None:
    bench.run_for(120)

    assert len(bench.world.requests) == 10
    assert bench.world.connections == 1
