"""Keys change while the thermometer measures: it learns of it, switches, and loses nothing."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from devices.thermometer.registrar import DAY
from tests.devices.thermometer.conftest import Bench
from tests.devices.thermometer.world import KEY, NEXT_KEY, REGISTRATION_PATH, Reply, Request


@pytest.fixture
def running(bench: Bench) -> Bench:
    """A thermometer that is registered and writes."""
    bench.run_for(31)
    bench.world.requests.clear()
    return bench


def keys_used(bench: Bench) -> list[str]:
    """The write keys in the order of their first use."""
    return list(dict.fromkeys(request.form["api_key"] for request in bench.world.asked("/update")))


def test_a_hint_makes_it_fetch_the_new_key_at_once(running: Bench) -> None:
    new = running.world.renew_write_key(timedelta(days=1))
    running.world.hint = True
    running.run_for(30)

    assert keys_used(running) == ["WRITEKEY00000001", new]
    assert running.stored == running.sensor.taken


def test_without_a_hint_it_finds_the_new_key_within_a_day(running: Bench) -> None:
    running.configure(period=3600.0)
    running.power_up()
    new = running.world.renew_write_key(timedelta(days=2))
    running.run_for(1.1 * DAY)

    assert keys_used(running) == ["WRITEKEY00000001", new] or keys_used(running) == [new]
    assert running.stored == running.sensor.taken


def test_it_polls_once_a_day_and_not_on_the_minute(bench: Bench) -> None:
    bench.configure(period=7200.0)
    bench.power_up()
    bench.run_for(10 * DAY)

    assert 10 <= len(bench.world.asked(REGISTRATION_PATH)) <= 13


def test_a_refused_key_makes_it_ask_at_once_and_not_for_a_mere_confirmation(running: Bench) -> None:
    new = running.world.renew_write_key(None)
    running.run_for(15)

    asked = running.world.asked(REGISTRATION_PATH)
    assert len(asked) == 1
    assert "if-none-match" not in asked[0].headers
    assert keys_used(running) == ["WRITEKEY00000001", new]
    assert running.stored == running.sensor.taken


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_of_the_key_has_many_statuses(running: Bench, status: int) -> None:
    new = running.world.renew_write_key(None)
    running.world.faults.append(lambda request: Reply(status, "error_auth_required"))
    running.run_for(30)

    assert keys_used(running)[-1] == new
    assert running.stored == running.sensor.taken


def test_a_hint_that_leads_to_nothing_is_not_followed_more_than_once_a_minute(running: Bench) -> None:
    running.world.hint = True
    running.run_for(300)

    assert len(running.world.asked(REGISTRATION_PATH)) <= 6


def test_two_renewals_on_two_hints_in_one_minute_are_both_taken(running: Bench) -> None:
    running.world.hint = True
    running.world.renew_write_key(timedelta(hours=1))
    running.run_for(16)
    newest = running.world.renew_write_key(timedelta(hours=1))
    running.run_for(31)

    assert keys_used(running)[-1] == newest


def test_the_old_key_is_kept_with_its_end(running: Bench) -> None:
    running.world.renew_write_key(timedelta(hours=6))
    until = running.world.previous_until
    running.world.hint = True
    running.run_for(16)

    previous = running.state.previous
    assert previous is not None
    assert (previous.write_key, previous.valid_until) == ("WRITEKEY00000001", until)


def test_while_the_new_key_does_not_work_yet_the_old_one_does(running: Bench) -> None:
    new = running.world.renew_write_key(timedelta(hours=6))
    del running.world.channel.keys[new]  # handed out, but not yet known to the platform's last server
    running.world.hint = True
    running.run_for(300)
    assert running.stored == running.sensor.taken

    running.world.channel.keys[new] = None
    running.run_for(900)
    assert keys_used(running)[-1] == new
    assert running.world.asked("/update")[-1].form["api_key"] == new
    assert running.stored == running.sensor.taken


def test_an_old_key_that_has_ended_is_not_tried_again(running: Bench) -> None:
    new = running.world.renew_write_key(timedelta(minutes=1))
    running.world.hint = True
    running.run_for(120)
    running.world.requests.clear()
    del running.world.channel.keys[new]
    running.run_for(600)

    assert keys_used(running) == [new]


def test_an_old_key_that_the_platform_refuses_is_forgotten(running: Bench) -> None:
    new = running.world.renew_write_key(timedelta(hours=6))
    running.world.hint = True
    running.run_for(16)
    running.world.channel.keys.clear()  # an emergency: both revoked
    running.run_for(300)

    assert running.state.previous is None
    running.world.channel.keys[new] = None
    running.run_for(1800)
    assert running.stored == running.sensor.taken


def test_a_key_that_never_works_is_tried_ever_more_rarely(running: Bench) -> None:
    running.world.channel.keys.clear()
    running.run_for(4 * 3600)

    assert len(running.world.asked("/update")) < 60
    assert len(running.world.asked(REGISTRATION_PATH)) < 60


def test_off_through_the_whole_transition_it_is_back_after_power_up(running: Bench) -> None:
    for _ in range(3):
        running.world.renew_write_key(timedelta(hours=1))
    running.clock.advance(30 * DAY)
    running.power_up()
    running.run_for(60)

    assert running.stored == running.sensor.taken


def test_a_move_to_another_channel_takes_the_unsent_along(running: Bench) -> None:
    running.world.is_down = True
    running.run_for(120)
    new = running.world.move_to_new_channel(timedelta(hours=1))
    running.world.is_down = False
    running.run_for(1200)

    assert running.stored == running.sensor.taken
    assert running.state.credentials is not None
    assert running.state.credentials.channel == new.number
    assert len(new.feed) > 60


def test_a_measurement_whose_answer_was_lost_before_a_move_is_asked_for_where_it_was_sent(running: Bench) -> None:
    old = running.world.channel
    running.world.lost_answers = 1
    running.run_for(15)  # stored in the old channel, but the thermometer does not know
    running.world.move_to_new_channel(timedelta(hours=1))
    running.power_up()
    running.run_for(120)

    assert running.stored == running.sensor.taken
    assert running.world.channel is not old
    assert not set(old.feed) & set(running.world.channel.feed)


# The registration key


def test_a_new_registration_key_in_the_envelope_is_used_at_once_and_by_itself(running: Bench) -> None:
    running.world.registration_keys[NEXT_KEY.lookup] = NEXT_KEY
    running.world.offered = NEXT_KEY
    running.power_up()
    running.run_for(1)

    assert [request.query["key"] for request in running.world.asked(REGISTRATION_PATH)] == ["HQ481047", "AB12CD34"]
    assert "if-none-match" not in running.world.requests[-1].headers
    assert running.state.registration.lookup == "AB12CD34"
    assert running.state.previous_registration is None


def test_after_the_switch_the_old_registration_key_may_end(running: Bench) -> None:
    running.world.registration_keys[NEXT_KEY.lookup] = NEXT_KEY
    running.world.offered = NEXT_KEY
    running.power_up()
    running.run_for(1)
    del running.world.registration_keys[KEY.lookup]
    running.world.offered = None
    running.world.renew_write_key(None)
    running.power_up()
    running.run_for(60)

    assert running.stored == running.sensor.taken


def test_while_the_new_registration_key_is_refused_the_old_one_helps_out(running: Bench) -> None:
    running.world.offered = NEXT_KEY  # but not yet good
    running.power_up()
    running.run_for(60)
    assert running.state.registration.lookup == "AB12CD34"
    assert running.state.previous_registration is not None

    new = running.world.renew_write_key(None)
    running.run_for(300)
    assert running.state.credentials is not None
    assert running.state.credentials.write_key == new
    assert len(running.world.asked(REGISTRATION_PATH)) < 40

    running.world.registration_keys[NEXT_KEY.lookup] = NEXT_KEY
    running.run_for(2 * 3600)
    assert running.state.previous_registration is None
    assert running.stored == running.sensor.taken


def test_a_withdrawn_registration_key_leads_back_to_the_old_one(running: Bench) -> None:
    running.world.offered = NEXT_KEY
    running.power_up()
    running.run_for(1)
    running.world.offered = None
    running.power_up()
    running.run_for(1)

    assert running.state.registration.lookup == "HQ481047"
    assert running.state.previous_registration is None


# Wrong clocks


def test_a_wrong_clock_is_put_right_by_the_envelope(bench: Bench) -> None:
    bench.clock.wrong_by = timedelta(days=-20_000)
    bench.run_for(60)

    assert [at for at, _value in bench.world.channel.stored] == [
        bench.clock.true_now - timedelta(seconds=15 * back) for back in (4, 3, 2, 1, 0)
    ]


def test_what_was_measured_before_the_portal_was_reached_is_put_right_too(bench: Bench) -> None:
    began = bench.clock.true_now
    bench.clock.wrong_by = timedelta(hours=5)
    bench.world.is_down = True
    bench.run_for(46)
    bench.world.is_down = False
    bench.run_for(300)

    assert list(bench.world.channel.feed)[:4] == [began + timedelta(seconds=15 * number) for number in range(4)]


def test_a_clock_that_goes_wrong_later_is_noticed_at_the_next_poll(running: Bench) -> None:
    running.clock.wrong_by = timedelta(hours=-3)
    running.power_up()
    running.run_for(1)

    assert running.state.clock_offset == 3 * 3600


def test_a_clock_that_was_set_right_needs_no_correction_any_more(running: Bench) -> None:
    running.clock.wrong_by = timedelta(hours=-3)
    running.power_up()
    running.run_for(1)
    running.clock.wrong_by = timedelta(0)
    running.power_up()
    running.run_for(1)

    assert running.state.clock_offset == 0


def test_a_date_header_alone_moves_no_clock(running: Bench) -> None:
    def lies(request: Request) -> Reply | None:
        if not request.path.startswith(REGISTRATION_PATH):
            return None
        reply = running.world._register(request)
        reply.headers["Date"] = "Mon, 01 Jan 2035 00:00:00 GMT"
        running.world.faults.append(lies)
        return reply

    running.world.faults.append(lies)
    running.power_up()
    running.run_for(60)

    assert running.state.clock_offset == 0
    assert len(running.world.asked(REGISTRATION_PATH)) == 2


def test_the_state_after_an_envelope_is_one_file_write(running: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    store = running.thermometer.store
    save = store.save
    monkeypatch.setattr(store, "save", lambda state: (saved.append(state), save(state)))
    running.world.renew_write_key(timedelta(hours=1))
    running.world.registration_keys[NEXT_KEY.lookup] = NEXT_KEY
    running.world.offered = NEXT_KEY
    running.world.hint = True
    running.run_for(15)

    assert saved[0].credentials.key_version == 2
    assert saved[0].previous.key_version == 1
    assert saved[0].registration.lookup == "AB12CD34"
    assert saved[0].previous_registration.lookup == "HQ481047"
    assert dataclasses.asdict(saved[-1]) == dataclasses.asdict(running.state)
