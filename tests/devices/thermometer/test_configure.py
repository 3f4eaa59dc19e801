"""Setting a thermometer up, by dialogue and by flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devices.registration_key_text import RegistrationKeyText
from devices.thermometer import configure
from devices.thermometer.cli import main
from devices.thermometer.outbox import Outbox
from devices.thermometer.portal import Probe
from devices.thermometer.state import Credentials, StateStore
from devices.thermometer.thermometer import outbox_beside
from tests.devices.thermometer.world import KEY, NEXT_KEY, SERIAL, Reply, World, derive

WRONG_HALF = RegistrationKeyText.parse("HQ481047-AAAAAAAA")


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive each key once for all tests."""
    for key in (KEY, NEXT_KEY, WRONG_HALF):
        derive(key)
    monkeypatch.setattr(configure.Registration, "from_text", derive)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thermometer.json"


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Let a person answer so; returns the list of what was asked. Fails if an answer is left over."""
    left: list[str] = []

    def prepare(*answers: str) -> list[str]:
        left.extend(answers)
        asked: list[str] = []

        def answer(prompt: str) -> str:
            asked.append(prompt)
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr("builtins.input", answer)
        monkeypatch.setattr(configure.run_dialogue, "__kwdefaults__", {"ask": answer, "session": None})
        return asked

    yield prepare
    assert left == []


def flags(path: Path, world: World, **changes: str | None) -> list[str]:
    values = {"--registration-key": KEY.text, "--portal": world.url, "--period": "20", "--place": "Moe's", **changes}
    given = [part for flag, value in values.items() if value is not None for part in (flag, value)]
    return ["configure", "--state", str(path), *given]


def test_with_flags_nothing_is_asked(path: Path, world: World, answering: Callable[..., list[str]]) -> None:
    asked = answering()

    assert main([*flags(path, world), "--serial", SERIAL]) == 0
    assert asked == []
    state = StateStore.load(path).state
    assert (state.serial, state.portal, state.period, state.place) == (SERIAL, world.url, 20.0, "Moe's")
    assert state.registration == derive(KEY)


def test_a_person_is_asked_for_everything_and_can_take_what_is_proposed(
    path: Path, world: World, answering: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering("hq481047 - 1jworf43", world.url, "", "")

    assert main(["configure", "--state", str(path)]) == 0
    assert asked == [
        "Registration key (from the portal): ",
        "Address of the portal [http://localhost:8080]: ",
        "Seconds between two measurements [15]: ",
        "Place [Springfield]: ",
    ]
    state = StateStore.load(path).state
    assert (state.registration.lookup, state.period, state.place) == ("HQ481047", 15.0, "Springfield")
    said = capsys.readouterr().out
    assert f"python -m devices.thermometer run --state {path}" in said
    assert "1JWORF43" not in said


def test_a_mistake_is_explained_and_asked_again(
    path: Path, world: World, answering: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    answering("HQ481047", KEY.text, "localhost:8080", world.url, "often", "0.5", "30", "Moe's")

    assert main(["configure", "--state", str(path)]) == 0
    said = capsys.readouterr().out
    assert "8 letters or digits, a dash, and 8 more" in said
    assert "must start with http:// or https://" in said
    assert "number of seconds, like 15" in said
    assert "from 1 second" in said


def test_a_portal_is_tried_without_registering_anything(
    path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    main(flags(path, world))

    assert [request.query for request in world.requests] == [{}]
    assert "answers and speaks the device protocol" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (None, "cannot be reached"),
        (Reply(200, "<html>", {}, "text/html"), "answers (200), but not as a portal would. Is the address right?"),
        (Reply(404, ""), "answers (404), but not as a portal would"),
        (Reply(503, ""), "cannot serve now (503)"),
    ],
    ids=["nothing", "a web page", "not found", "ill"],
)
def test_an_address_without_a_portal_can_be_corrected_or_kept(
    path: Path,
    world: World,
    answering: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    reply: Reply | None,
    words: str,
) -> None:
    for _ in range(2):
        world.faults.append(lambda request: reply or Reply(then_drop=True))
    asked = answering("", world.url, "yes")

    assert main(flags(path, world)) == 0
    assert asked == [
        "Keep this address all the same? [y/N]: ",
        "Address of the portal [http://localhost:8080]: ",
        "Keep this address all the same? [y/N]: ",
    ]
    assert words in capsys.readouterr().out
    assert StateStore.load(path).state.portal == world.url


def test_it_can_be_configured_without_a_network(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["configure", "--state", str(path), "--registration-key", KEY.text, "--yes"]

    assert main([*arguments, "--portal", "http://127.0.0.1:1"]) == 0
    assert "http://127.0.0.1:1 cannot be reached" in capsys.readouterr().out
    assert StateStore.load(path).state.portal == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--registration-key", "HQ481047", "--registration-key: A registration key is 8"),
        ("--portal", "localhost", "--portal: The address must start with"),
        ("--period", "0", "--period: The period must be"),
        ("--place", " ", "--place: The place has 1 to 100"),
        ("--serial", "a/b", "--serial: A serial number has"),
    ],
)
def test_a_bad_flag_is_named_and_nothing_is_written(
    path: Path, world: World, capsys: pytest.CaptureFixture[str], flag: str, value: str, words: str
) -> None:
    assert main([*flags(path, world, **{flag: value}), "--yes"]) == 2
    assert words in capsys.readouterr().err
    assert not path.exists()


def test_without_a_terminal_the_missing_flag_is_named(
    path: Path, answering: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    answering()

    assert main(["configure", "--state", str(path)]) == 2
    assert "give --registration-key" in capsys.readouterr().err
    assert main(["configure", "--state", str(path), "--yes"]) == 2
    assert "--registration-key is missing" in capsys.readouterr().err


def test_a_serial_is_burned_in_once(path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    main(flags(path, world))
    serial = StateStore.load(path).state.serial
    assert len(serial) == 11
    assert serial.isdigit()

    assert main([*flags(path, world), "--serial", "other"]) == 2
    assert f"has the serial number {serial} burned in" in capsys.readouterr().err
    assert main(flags(path, world)) == 0
    assert StateStore.load(path).state.serial == serial


@pytest.fixture
def registered(path: Path, world: World) -> StateStore:
    """One that has its channel, and an unsent measurement."""
    main(flags(path, world))
    store = StateStore.load(path)
    key = Credentials(7, "WRITEKEY00000001", 1, "http://127.0.0.1/update")
    store.save(replace(store.state, credentials=key, previous=key, etag='"1"'))
    Outbox(outbox_beside(path)).add("1.00", world.clock.now())
    return store


def test_another_period_leaves_channel_and_keys(registered: StateStore, world: World) -> None:
    assert main(flags(registered.path, world, **{"--period": "60"})) == 0

    assert StateStore.load(registered.path).state == replace(registered.state, period=60.0)


def test_what_is_set_already_is_kept_on_enter(
    registered: StateStore, world: World, answering: Callable[..., list[str]]
) -> None:
    asked = answering("", "", "", "")

    assert main(["configure", "--state", str(registered.path)]) == 0
    assert asked[0] == "Registration key (from the portal) [HQ481047-…, as it is]: "
    assert StateStore.load(registered.path).state == registered.state


def test_another_registration_key_gives_up_the_channel_but_no_measurement(
    registered: StateStore, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(registered.path, world, **{"--registration-key": NEXT_KEY.text})) == 0

    state = StateStore.load(registered.path).state
    assert (state.credentials, state.previous, state.etag) == (None, None, None)
    assert len(Outbox(outbox_beside(registered.path))) == 1
    assert "1 unsent measurements will go to the channel" in capsys.readouterr().out


def test_unsent_measurements_can_be_thrown_away(registered: StateStore, world: World) -> None:
    assert main([*flags(registered.path, world), "--discard-unsent"]) == 0
    assert len(Outbox(outbox_beside(registered.path))) == 0


def test_a_corrected_second_half_is_taken(registered: StateStore, world: World) -> None:
    assert main(flags(registered.path, world, **{"--registration-key": WRONG_HALF.text})) == 0
    state = StateStore.load(registered.path).state

    assert state.registration != derive(KEY)
    assert state.credentials is None


def test_the_paper_with_the_old_key_does_not_undo_a_renewal(registered: StateStore, world: World) -> None:
    renewed = replace(registered.state, registration=replace(derive(KEY), lookup="AB12CD34"))
    StateStore.create(registered.path, renewed)

    assert main(flags(registered.path, world)) == 0
    assert StateStore.load(registered.path).state == renewed


def test_another_portal_is_not_asked_with_the_old_ones_tag(registered: StateStore, world: World) -> None:
    assert main([*flags(registered.path, world, **{"--portal": "http://127.0.0.1:1"}), "--yes"]) == 0

    state = StateStore.load(registered.path).state
    assert state.etag is None
    assert state.credentials == registered.state.credentials


def test_a_damaged_state_file_is_not_overwritten(path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("{")

    assert main([*flags(path, world), "--yes"]) == 2
    assert "Move it away" in capsys.readouterr().err
    assert path.read_text() == "{"


@pytest.mark.parametrize(
    ("portal", "is_warned"),
    [
        ("http://portal.example.com", True),
        ("http://192.168.1.7:8080", True),
        ("https://portal.example.com", False),
        ("http://localhost:8080", False),
        ("http://127.0.0.1:1", False),
        ("http://[::1]:8080", False),
    ],
)
def test_plain_http_to_another_machine_is_pointed_out(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    portal: str,
    is_warned: bool,
) -> None:
    monkeypatch.setattr(configure, "probe", lambda *_args, **_options: (Probe.PORTAL, "It answers."))
    main(["configure", "--state", str(path), "--registration-key", KEY.text, "--portal", portal, "--yes"])

    assert ("Prefer https://" in capsys.readouterr().out) is is_warned
