"""The command as people and service managers run it: real processes, real signals, real files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices.thermometer.cli import main
from devices.thermometer.outbox import Outbox
from devices.thermometer.state import State, StateStore
from devices.thermometer.thermometer import outbox_beside
from tests.devices.thermometer.world import KEY, REGISTRATION_PATH, SERIAL, RealClock, Reply, Request, World, derive

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@pytest.fixture
def world() -> Iterator[World]:
    world = World(RealClock())
    world.interval = timedelta(0)
    yield world
    world.close()


@pytest.fixture
def path(tmp_path: Path, world: World) -> Path:
    path = tmp_path / "thermometer.json"
    state = State(SERIAL, world.url, derive(KEY), 1.0, "Springfield", set_by_hand=KEY.lookup)
    StateStore.create(path, state)
    return path


def command(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "devices.thermometer", *map(str, arguments)],
        env={**ENVIRONMENT, **options.pop("env", {})},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def ended(process: subprocess.Popen[str], *, within: float = 60) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=within)
    finally:
        process.kill()
    return process.returncode, out, err


def test_once_registers_measures_stores_and_ends(path: Path, world: World) -> None:
    status, out, err = ended(command("run", "--state", path, "--once"))

    assert (status, out) == (0, "1 of 1 registered; 1 measured, 1 stored, 0 waiting.\n")
    assert f"{SERIAL}: Registered. Measurements go to channel 142770." in err
    assert "stored in channel 142770 as entry 1." in err
    assert len(world.channel.stored) == 1


def test_a_count_is_taken_and_delivered(path: Path, world: World) -> None:
    status, out, _err = ended(command("run", "--state", path, "--count", "2"))

    assert (status, len(world.channel.stored)) == (0, 2)
    assert "2 measured, 2 stored" in out


def test_what_could_not_be_sent_is_told_by_the_exit_status_and_sent_the_next_time(path: Path, world: World) -> None:
    world.is_down = True
    status, out, err = ended(command("run", "--state", path, "--once", "--seconds", "0.5"))
    assert status == 1
    assert "0 of 1 registered; 1 measured, 0 stored, 1 waiting." in out
    assert "cannot be reached" in err

    world.is_down = False
    status, out, _err = ended(command("run", "--state", path, "--once"))
    assert (status, len(world.channel.stored)) == (0, 2)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_ends_it_in_good_order(path: Path, world: World, stop: signal.Signals) -> None:
    process = command("run", "--state", path)
    world.wait_until(lambda: len(world.channel.stored) >= 1)
    process.send_signal(stop)
    status, out, err = ended(process)

    assert status == 0
    assert "1 of 1 registered" in out
    assert "Traceback" not in err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_does_not_wait_for_a_server_that_hangs(path: Path, world: World, stop: signal.Signals) -> None:
    released = False

    def hangs(request: Request) -> Reply | None:
        world._changed.notify_all()
        world._changed.wait_for(lambda: released, timeout=60)
        return None

    world.faults.append(hangs)
    process = command("run", "--state", path)
    world.wait_until(lambda: bool(world.requests))
    process.send_signal(stop)
    status, _out, err = ended(process)
    with world._changed:
        released = True
        world._changed.notify_all()

    assert status == 0
    assert "Traceback" not in err
    assert "in time" not in err  # it was left, not waited for until it timed out
    assert len(Outbox(outbox_beside(path), read_only=True)) >= 1


def test_killed_at_any_time_it_goes_on_where_it_was(path: Path, world: World) -> None:
    for already in range(2):
        process = command("run", "--state", path)
        world.wait_until(lambda already=already: len(world.channel.stored) > already)
        process.kill()
        process.communicate()
    status, _out, _err = ended(command("run", "--state", path, "--once"))

    assert status == 0
    moments = [at for at, _value in world.channel.stored]
    assert len(set(moments)) == len(moments) >= 3
    assert len(Outbox(outbox_beside(path), read_only=True)) == 0


def test_a_second_one_with_the_same_state_file_is_refused(path: Path, world: World) -> None:
    first = command("run", "--state", path)
    world.wait_until(lambda: len(world.channel.stored) >= 1)
    status, _out, err = ended(command("run", "--state", path, "--once"))
    first.terminate()
    ended(first)

    assert (status, err) == (2, "Another thermometer is already running with this state file.\n")


def test_one_that_is_not_configured_says_how_to_do_that(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "thermometer.json"
    status, _out, err = ended(command("run", "--state", missing))

    assert status == 2
    assert f"python -m devices.thermometer configure --state {missing}" in err
    assert not missing.parent.exists()


def test_configure_asks_through_a_pipe_as_through_a_serial_line(tmp_path: Path, world: World) -> None:
    path = tmp_path / "new.json"
    process = command("configure", "--state", path, stdin=subprocess.PIPE)
    _out, err = process.communicate(f"hq481047 - 1jworf43\n{world.url}\n5\nMoe's\n", timeout=60)

    assert (process.returncode, err) == (0, "")
    state = StateStore.load(path).state
    assert (state.portal, state.period, state.place) == (world.url, 5.0, "Moe's")
    assert state.registration == derive(KEY)


def test_show_tells_everything_but_secrets(path: Path, world: World) -> None:
    ended(command("run", "--state", path, "--once"))
    status, out, _err = ended(command("show", "--state", path))

    assert status == 0
    for word in (SERIAL, world.url, "HQ481047-…", "142770, key version 1", "Springfield, 1 s"):
        assert word in out
    state = StateStore.load(path).state
    assert state.credentials is not None
    assert state.credentials.write_key not in out
    assert state.registration.envelope_key.hex() not in out


def test_verbose_shows_requests_without_keys(path: Path) -> None:
    _status, _out, err = ended(command("run", "--state", path, "--once", "--verbose"))

    assert "GET http://127.0.0.1" in err
    assert f"{REGISTRATION_PATH}{SERIAL}: 200" in err
    assert "POST" in err
    assert "WRITEKEY" not in err
    assert "key=" not in err


def test_with_an_openweathermap_key_it_measures_the_real_weather(path: Path, world: World) -> None:
    world.faults.append(lambda request: Reply(200, '{"main":{"temp":-12.34}}', {}, "application/json"))
    status, _out, _err = ended(
        command(
            "run",
            "--state",
            path,
            "--once",
            "--openweathermap-url",
            world.url,
            env={"OPENWEATHERMAP_KEY": "owm-secret"},
        )
    )

    assert status == 0
    assert world.requests[0].query["q"] == "Springfield"
    assert [value for _at, value in world.channel.stored] == ["-12.34"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--count", "0"),
        ("run", "--count", "x"),
        ("run", "--once", "--count", "2"),
        ("fleet", "--count", "2"),
        (),
        ("fly",),
    ],
    ids=" ".join,
)
def test_senseless_arguments_are_refused_with_the_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert end.value.code == 2
    assert "usage: python -m devices.thermometer" in capsys.readouterr().err


# Fleets


def fleet(world: World, folder: Path, *more: object) -> subprocess.Popen[str]:
    flags = ("--registration-key", KEY.text, "--portal", world.url, "--period", "1", "--state-dir", folder)
    return command("fleet", *flags, *more)


def per_serial(world: World) -> set[str]:
    return {request.path.removeprefix(REGISTRATION_PATH) for request in world.asked(REGISTRATION_PATH)}


def test_a_fleet_registers_each_member_under_its_own_serial(world: World, tmp_path: Path) -> None:
    world.one_channel_each = True
    status, out, _err = ended(
        fleet(world, tmp_path / "fleet", "--count", 7, "--serial-prefix", "flat-", "--count-measurements", 2)
    )

    assert status == 0
    assert "7 of 7 registered; 14 measured, 14 stored, 0 waiting." in out
    assert per_serial(world) == {f"flat-{number:03}" for number in range(1, 8)}
    assert sorted(file.name for file in (tmp_path / "fleet").glob("*.json")) == [
        f"flat-{number:03}.json" for number in range(1, 8)
    ]
    assert [len(world.channels[number].stored) for number in range(1, 8)] == [2] * 7


def test_a_fleet_is_found_again_with_its_keys(world: World, tmp_path: Path) -> None:
    world.one_channel_each = True
    for _ in range(2):
        assert ended(fleet(world, tmp_path, "--count", 2, "--count-measurements", 1))[0] == 0

    asked = world.asked(REGISTRATION_PATH)
    assert ["if-none-match" in request.headers for request in asked] == [False, False, True, True]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_ends_a_fleet(world: World, tmp_path: Path, stop: signal.Signals) -> None:
    process = fleet(world, tmp_path, "--count", 10)
    world.wait_until(lambda: len(per_serial(world)) == 10)
    process.send_signal(stop)
    status, out, err = ended(process)

    assert status == 0
    assert "of 10 registered" in out
    assert "Traceback" not in err


def test_a_fleet_ends_after_the_time_given(world: World, tmp_path: Path) -> None:
    world.is_down = True
    status, out, _err = ended(fleet(world, tmp_path, "--count", 2, "--seconds", "0.5"))

    assert status == 1
    assert "0 of 2 registered; 2 measured, 0 stored, 2 waiting." in out


def test_a_fleet_with_a_senseless_flag_is_refused(world: World, tmp_path: Path) -> None:
    status, _out, err = ended(fleet(world, tmp_path / "fleet", "--count", 1, "--registration-key", "HQ481047"))

    assert status == 2
    assert "A registration key is 8" in err
    assert not (tmp_path / "fleet").exists()
