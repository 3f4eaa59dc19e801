"""The portal says no, or somebody else answers: what the person at the console reads, and what the device keeps."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from devices.registration_key_text import RegistrationKeyText
from devices.thermometer import exchange
from tests.devices.thermometer.conftest import Bench, bare_session
from tests.devices.thermometer.world import KEY, REGISTRATION_PATH, Reply, Request


def always(bench: Bench, answer: Callable[[Request], Reply]) -> None:
    """Let `answer` speak for the registration address from now on."""

    def fault(request: Request) -> Reply | None:
        bench.world.faults.append(fault)
        return answer(request) if request.path.startswith(REGISTRATION_PATH) else None

    bench.world.faults.append(fault)


def test_a_key_that_is_not_good_is_named_with_what_to_do(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.world.registration_keys.clear()
    bench.run_for(30)

    assert "does not accept the registration key: it is mistyped, expired or revoked" in caplog.text
    assert "set it again with `configure`" in caplog.text
    assert "The portal says: This registration key is not good." in caplog.text


def test_with_a_refused_key_it_measures_on_and_asks_ever_more_rarely(bench: Bench) -> None:
    bench.configure(period=120.0)
    bench.power_up()
    bench.world.registration_keys.clear()
    bench.run_for(4 * 3600)
    assert len(bench.sensor.taken) == 4 * 30 + 1
    assert len(bench.world.asked(REGISTRATION_PATH)) < 40

    bench.world.registration_keys[KEY.lookup] = KEY
    bench.run_for(2 * 3600)
    assert bench.stored == bench.sensor.taken


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(409, "error=policy_refuses Only serials entered beforehand."), "Only serials entered beforehand."),
        (Reply(429, "error=too_many_tries Slow down."), "asks for fewer requests. The portal says: Slow down."),
        (Reply(503, "error=try_later The channel platform is out of reach."), "The channel platform is out of reach."),
        (Reply(202, "", {"Retry-After": "60"}), "waits for a manager to approve it"),
        (Reply(400, "error=malformed A nonce is too long."), "A nonce is too long."),
        (
            Reply(409, '{"title":"Conflict","detail":"Ask Homer."}', {}, "application/problem+json"),
            "The portal says: Ask Homer.",
        ),
        (Reply(200, "<html>Welcome to the hotel</html>", {}, "text/html"), "it sent a web page instead of an envelope"),
        (Reply(404, "<html>nothing</html>", {}, "text/html"), "is not the portal (404)"),
        (Reply(301, "", {"Location": "https://elsewhere.example/"}), "leads elsewhere (301), and keys are not sent"),
        (Reply(502, "<html>Bad gateway</html>", {}, "text/html"), "cannot answer now (502)"),
        (Reply(304, ""), "leads elsewhere (304)"),
        (Reply(200, "channel=145736\nwriteKey=XXXXXXXXXXXXXXXX\n"), "This is not an envelope"),
        (Reply(200, ""), "This is not an envelope"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_refusal_is_said_in_words(
    bench: Bench, caplog: pytest.LogCaptureFixture, reply: Reply, words: str
) -> None:
    always(bench, lambda request: reply)
    bench.run_for(16)

    assert words in caplog.text
    assert bench.sensor.taken == ["1.00", "2.00"]
    assert bench.state.credentials is None


def test_a_servers_words_cannot_move_the_cursor_or_fill_the_screen(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    always(bench, lambda request: Reply(409, "error=x \x1b[2JAll is well\n" + "A" * 10_000))
    bench.thermometer.step()

    assert "\x1b" not in caplog.text
    assert len(caplog.records[0].getMessage()) < 500


def swap_a_letter(text: str) -> str:
    place = len(text) - 60
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


@pytest.fixture
def registered(bench: Bench) -> Bench:
    """A thermometer that has its key, and is renewed while somebody meddles with the answers."""
    bench.run_for(20)
    bench.world.renew_write_key(None)
    return bench


def meddled(bench: Bench, change: Callable[[Request, Reply], Reply]) -> None:
    always(bench, lambda request: change(request, bench.world._register(request)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda request, reply: Reply(200, swap_a_letter(reply.body)), "changed on its way"),
        (lambda request, reply: Reply(200, reply.body[:-9]), "part of the envelope"),
    ],
    ids=["changed", "cut off"],
)
def test_a_meddled_envelope_is_refused_and_the_old_key_kept(
    registered: Bench,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Request, Reply], Reply],
    words: str,
) -> None:
    before = registered.state
    meddled(registered, change)
    registered.run_for(60)

    assert words in caplog.text
    assert "somebody stands between" in caplog.text or "cut off" in caplog.text
    assert registered.state == before
    registered.world.faults.clear()
    registered.run_for(1800)
    assert registered.stored == registered.sensor.taken


def test_an_old_envelope_played_again_is_refused(registered: Bench, caplog: pytest.LogCaptureFixture) -> None:
    before = registered.state
    old = registered.world._register(registered.world.asked(REGISTRATION_PATH)[0])
    always(registered, lambda request: old)
    registered.run_for(60)

    assert "its nonce is another" in caplog.text
    assert registered.state == before


def test_an_envelope_for_the_neighbours_device_is_refused(registered: Bench, caplog: pytest.LogCaptureFixture) -> None:
    before = registered.state

    def neighbours(request: Request, reply: Reply) -> Reply:
        request.path += "7"
        return registered.world._register(request)

    meddled(registered, neighbours)
    registered.run_for(60)

    assert "another serial number" in caplog.text
    assert registered.state == before


def test_a_mistyped_second_half_is_found_out_and_said(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.world.registration_keys[KEY.lookup] = RegistrationKeyText(KEY.lookup, "AAAAAAAA")
    bench.run_for(20)

    assert "check the second half of the registration key" in caplog.text
    assert bench.state.credentials is None
    assert bench.stored == []


def test_a_redirect_is_not_followed(bench: Bench) -> None:
    elsewhere = f"{bench.world.url}/elsewhere"
    always(bench, lambda request: Reply(302, "", {"Location": elsewhere}))
    bench.run_for(60)

    assert bench.world.asked("/elsewhere") == []


def test_an_answer_that_does_not_end_is_given_up(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    always(bench, lambda request: Reply(200, "A" * 600_000))
    bench.thermometer.step()

    assert "does not end" in caplog.text


def test_an_answer_that_drips_is_given_up_before_it_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        client: list[socket.socket] = []

        def drip() -> None:
            connection, _address = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndrip")
            client.append(connection)  # and nothing more comes

        thread = threading.Thread(target=drip)
        thread.start()
        moments = iter([0.0, 31.0])
        monkeypatch.setattr(exchange.time, "monotonic", lambda: next(moments, 31.0))
        with pytest.raises(exchange.NoAnswer, match="does not end"):
            exchange.exchange(bare_session(), "GET", address)
        monkeypatch.undo()
        thread.join()
        client[0].close()


def test_a_captive_portal_before_the_platform_swallows_nothing(bench: Bench) -> None:
    bench.run_for(1)
    for _ in range(5):
        bench.world.faults.append(lambda request: Reply(200, "<html>Accept our terms</html>", {}, "text/html"))
    bench.run_for(300)

    assert bench.stored == bench.sensor.taken
