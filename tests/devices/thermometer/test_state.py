"""The state file: what is read back, what is refused."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.envelope import Payload
from devices.thermometer.durable import AlreadyRunning, Lock
from devices.thermometer.state import (
    Credentials,
    NotAnAddress,
    NotConfigured,
    Registration,
    State,
    StateStore,
    StateUnreadable,
    check_period,
    check_portal,
)
from tests.devices.thermometer.world import KEY, NEXT_KEY, derive

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STATE = State("74743827342", "http://localhost:8080", Registration("HQ481047", bytes(32)), 15.0, "Springfield")

keys = st.builds(
    Credentials,
    channel=st.integers(1, 10**9),
    write_key=st.text(min_size=1, max_size=16),
    key_version=st.integers(1, 1000),
    update_url=st.just("http://localhost/update"),
    valid_until=st.none() | st.datetimes(timezones=st.just(UTC)),
)
registrations = st.builds(Registration, st.text("ABC123", min_size=8, max_size=8), st.binary(min_size=32, max_size=32))
states = st.builds(
    State,
    serial=st.text("abc123._:-", min_size=3, max_size=64),
    portal=st.just("https://portal.example.com/iot"),
    registration=registrations,
    period=st.floats(1, 86400),
    place=st.text(max_size=20),
    credentials=st.none() | keys,
    previous=st.none() | keys,
    previous_registration=st.none() | registrations,
    etag=st.none() | st.text(max_size=20),
    clock_offset=st.integers(-(10**9), 10**9),
    set_by_hand=st.text(max_size=8),
)


@given(state=states)
def test_what_is_saved_is_loaded(state: State, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "state.json"
    StateStore.create(path, state)

    assert StateStore.load(path).state == state


def test_without_a_file_it_is_not_configured(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="not configured yet"):
        StateStore.load(tmp_path / "state.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 1}',
        '{"version": 2}',
        '{"version": null}',
        "\x00\x00\x00",
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)

    with pytest.raises(StateUnreadable, match=r"state\.json"):
        StateStore.load(path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serial", "a/b"),
        ("portal", "localhost"),
        ("period", 0),
        ("period", "x"),
        ("registration", None),
        ("registration", {"lookup": "HQ481047", "envelopeKey": "00"}),
        ("credentials", {"channel": 1}),
        ("credentials", "secret"),
        ("clockOffset", None),
    ],
)
def test_a_file_with_a_senseless_value_is_refused(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "state.json"
    StateStore.create(path, STATE)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))

    with pytest.raises(StateUnreadable):
        StateStore.load(path)


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    StateStore.create(path, STATE)
    path.chmod(0o644)
    StateStore.load(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_left_over_of_a_crash_does_not_open_the_file_to_others(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    left_over = tmp_path / "state.json.new"
    left_over.write_text("half")
    left_over.chmod(0o666)
    StateStore.create(path, STATE)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert StateStore.load(path).state == STATE


def test_a_link_laid_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "state.json.new").symlink_to(victim)

    with pytest.raises(OSError, match=r"state\.json\.new"):
        StateStore.create(tmp_path / "state.json", STATE)
    assert victim.read_text() == "mine"


def test_the_folder_of_the_state_is_the_owners_alone(tmp_path: Path) -> None:
    StateStore.create(tmp_path / "new" / "state.json", STATE)

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_what_cannot_be_saved_is_not_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StateStore.create(tmp_path / "state.json", STATE)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(OSError, match="No space"):
        store.save(replace(STATE, place="Shelbyville"))
    assert store.state.place == "Springfield"


def test_two_processes_cannot_run_the_same_thermometer(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(AlreadyRunning, match="already running"), Lock(tmp_path / "lock"):
        pass
    with Lock(tmp_path / "lock"):
        pass


def test_no_secret_is_in_the_text_that_ends_up_in_logs() -> None:
    key = Credentials(1, "WRITEKEY00000001", 1, "http://localhost/update")
    state = replace(STATE, credentials=key, previous=key, registration=derive(KEY))

    assert "WRITEKEY" not in repr(state)
    assert repr(derive(KEY).envelope_key) not in repr(state)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        (" https://portal.example.com/ ", "https://portal.example.com"),
        ("https://example.com/iot/", "https://example.com/iot"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_is_kept_without_its_last_slash(typed: str, address: str) -> None:
    assert check_portal(typed) == address


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("localhost:8080", "https://localhost:8080"),
        ("portal.example.com", "https://portal.example.com"),
        ("ftp://example.com", "http:// or https://"),
        ("http://", "names no host"),
        ("http://exa mple.com", "names no host"),
        ("http://homer:doh@example.com", "plain"),
        ("http://example.com/?key=1", "plain"),
        ("http://example.com/#x", "plain"),
        ("http://example.com:port", "not an address"),
        ("http://[::1", "not an address"),
        ("", "http:// or https://"),
    ],
)
def test_what_is_not_an_address_is_refused_with_a_hint(typed: str, hint: str) -> None:
    with pytest.raises(NotAnAddress, match=hint):
        check_portal(typed)


@pytest.mark.parametrize("seconds", [0.0, 0.99, -1.0, 86401.0, float("nan"), float("inf")])
def test_a_period_is_from_a_second_to_a_day(seconds: float) -> None:
    with pytest.raises(ValueError, match="from 1 second"):
        check_period(seconds)


# What an envelope does to the state


def envelope(key: str, version: int, **more: object) -> Payload:
    return Payload("74743827342", 7, key, version, "http://localhost/update", NOON, **more)  # type: ignore[arg-type]


def after(state: State, payload: Payload, *, etag: str | None = None, asked_with: Registration | None = None) -> State:
    return state.after_envelope(payload, asked_with=asked_with or state.registration, etag=etag, derive=derive)


def test_the_first_envelope_leaves_no_previous_key() -> None:
    state = after(STATE, envelope("A", 1), etag='"1"')

    assert state.credentials is not None
    assert (state.credentials.write_key, state.previous, state.etag) == ("A", None, '"1"')


def test_the_same_key_again_keeps_the_previous_one() -> None:
    state = after(after(STATE, envelope("A", 1)), envelope("B", 2, valid_until=NOON))
    again = after(state, envelope("B", 2))

    assert again.previous == state.previous
    assert again.previous is not None
    assert (again.previous.write_key, again.previous.valid_until) == ("A", NOON)


def test_a_roll_back_makes_the_new_key_the_previous_one() -> None:
    state = after(after(after(STATE, envelope("A", 1)), envelope("B", 2)), envelope("A", 3))

    assert state.credentials
    assert state.previous
    assert (state.credentials.write_key, state.previous.write_key) == ("A", "B")


def test_with_a_new_registration_key_the_tag_is_dropped_and_the_old_key_kept() -> None:
    state = after(STATE, envelope("A", 1, registration_key=NEXT_KEY), etag='"1"')

    assert (state.registration, state.previous_registration, state.etag) == (derive(NEXT_KEY), STATE.registration, None)


def test_an_envelope_opened_with_the_new_registration_key_ends_the_old_one() -> None:
    state = after(after(STATE, envelope("A", 1, registration_key=NEXT_KEY)), envelope("A", 1), etag='"2"')

    assert (state.registration, state.previous_registration, state.etag) == (derive(NEXT_KEY), None, '"2"')
