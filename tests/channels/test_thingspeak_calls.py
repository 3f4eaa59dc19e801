"""When ThingSpeak is slow, away or broken: what is repeated, for how long, and that no key gets into a text."""

from __future__ import annotations

import logging
import socket
import traceback
from datetime import timedelta

import pytest
import time_machine

from channels import thingspeak_http
from channels.platforms import OutOfReach, PlatformError
from channels.thingspeak import ThingSpeak
from channels.thingspeak_http import Line
from tests.channels.conftest import ACCOUNT_KEY, READ_KEY
from tests.channels.scripted import Scripted, ScriptedThingSpeak, recorded

LIST, CREATE, DELETE = "GET /channels.json", "POST /channels.json", "DELETE /channels/4.json"
TINY = (1.0, 0.05)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def create(thingspeak: ThingSpeak) -> None:
    thingspeak.create_channel(ACCOUNT_KEY, name="kitchen", marker="m", labels={})


@pytest.mark.parametrize("failure", [Scripted(instead="drop"), Scripted(b"[", instead="break off"), Scripted(b"", 503)])
def test_a_call_that_changes_nothing_is_repeated_once(
    failure: Scripted, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, failure, Scripted(recorded("channels_hosted")))
    assert len(thingspeak.list_channels(ACCOUNT_KEY)) == 2
    assert script.lines == [LIST, LIST]


@pytest.mark.parametrize("failure", [Scripted(instead="drop"), Scripted(b"", 500), Scripted(b"<h1>Bad gateway", 502)])
def test_no_call_is_repeated_twice(failure: Scripted, script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, failure)
    with pytest.raises(OutOfReach):
        thingspeak.list_channels(ACCOUNT_KEY)
    assert script.lines == [LIST, LIST]


@pytest.mark.parametrize("failure", [Scripted(instead="drop"), Scripted(b"", 503), Scripted(b"", 500)])
def test_creating_a_channel_is_never_repeated(
    failure: Scripted, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(CREATE, failure, Scripted(recorded("created_hosted")))
    with pytest.raises(OutOfReach):
        create(thingspeak)
    assert script.lines == [CREATE]


def test_deleting_a_channel_is_repeated(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(DELETE, Scripted(b"", 502), Scripted(recorded("deleted")))
    thingspeak.delete_channel(ACCOUNT_KEY, 4)
    assert script.lines == [DELETE, DELETE]


def test_changing_a_channel_is_repeated(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    put = "PUT /channels/9.json"
    script.on(LIST, Scripted(recorded("channels_hosted")))
    script.on(put, Scripted(instead="drop"), Scripted(b""))
    thingspeak.update_channel(ACCOUNT_KEY, 9, name="house")
    assert script.lines == [LIST, put, put]


def test_a_first_try_that_took_long_is_not_repeated(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thingspeak_http, "REPEAT_WITHIN", 0)
    script.on(LIST, Scripted(instead="drop"))
    with pytest.raises(OutOfReach):
        thingspeak.list_channels(ACCOUNT_KEY)
    assert script.lines == [LIST]


def test_a_server_that_never_answers_is_given_up_and_not_asked_again(script: ScriptedThingSpeak) -> None:
    script.on(LIST, Scripted(instead="hang"))
    with pytest.raises(OutOfReach):
        ThingSpeak(script.url, Line(script.url, TINY)).list_channels(ACCOUNT_KEY)
    script.wait_until_asked()
    assert script.lines == [LIST]


def test_a_server_that_drips_is_given_up(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thingspeak_http, "ALL_RECEIVED_WITHIN", 0.05)
    script.on(LIST, Scripted(b"[", instead="drip"))
    with pytest.raises(OutOfReach):
        thingspeak.list_channels(ACCOUNT_KEY)
    assert script.lines == [LIST]


def test_an_endless_answer_is_given_up(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thingspeak_http, "MOST_BYTES", 100)
    script.on(LIST, Scripted(b" " * 101 + b"[]"))
    with pytest.raises(OutOfReach):
        thingspeak.list_channels(ACCOUNT_KEY)


def test_nobody_at_the_address_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thingspeak_http, "PAUSE", 0)
    with pytest.raises(OutOfReach):
        ThingSpeak(f"http://127.0.0.1:{closed_port()}").list_channels(ACCOUNT_KEY)


@pytest.mark.parametrize("url", ["http://", "nonsense", "ftp://127.0.0.1", "http://[::1"])
def test_an_address_that_is_none_is_out_of_reach_too(url: str) -> None:
    with pytest.raises(OutOfReach):
        ThingSpeak(url).list_channels(ACCOUNT_KEY)


def test_the_time_that_a_call_may_take_covers_its_longest_way() -> None:
    connect, read = thingspeak_http.CONNECT_SECONDS, thingspeak_http.READ_SECONDS
    headers_at_the_latest = thingspeak_http.REPEAT_WITHIN + thingspeak_http.PAUSE + connect + read
    assert headers_at_the_latest <= thingspeak_http.ALL_RECEIVED_WITHIN
    one_call = timedelta(seconds=thingspeak_http.ALL_RECEIVED_WITHIN + read)
    assert ThingSpeak.answers_within >= 2 * one_call


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 1),
        ("99999999", 24 * 3600),
        ("Mon, 01 Jun 2026 12:00:45 GMT", 45),
        ("Mon, 01 Jun 2026 11:00:00 GMT", 1),
        ("soon", 30),
        ("", 30),
    ],
)
def test_retry_after_is_passed_on(
    header: str, seconds: int, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, Scripted(b"", 503, {"Retry-After": header}))
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False), pytest.raises(OutOfReach) as caught:
        thingspeak.list_channels(ACCOUNT_KEY)
    assert caught.value.retry_after == seconds


def test_who_says_when_to_come_back_is_not_asked_before(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, Scripted(b"", 503, {"Retry-After": "1"}))
    with pytest.raises(OutOfReach):
        thingspeak.list_channels(ACCOUNT_KEY)
    assert script.lines == [LIST]


FAILURES = {
    "dropped": Scripted(instead="drop"),
    "broken off": Scripted(b"[", instead="break off"),
    "hanging": Scripted(instead="hang"),
    "500": Scripted(b"", 500),
    "html": Scripted(b"<html></html>"),
    "not gzip": Scripted(b"not gzip", headers={"Content-Encoding": "gzip"}),
    "redirect": Scripted(b"", 302, {"Location": f"/login?api_key={ACCOUNT_KEY}"}),
    "echo": Scripted({"error": f"{ACCOUNT_KEY} and {READ_KEY} are bad"}, 418),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_no_key_gets_into_a_log_or_an_error(
    failure: Scripted, script: ScriptedThingSpeak, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # Only for who never answers: on a busy machine an answer takes its time, and then nothing of it would be tested.
    patience = (1.0, 0.5) if failure.instead == "hang" else (5.0, 5.0)
    thingspeak = ThingSpeak(script.url, Line(script.url, patience))
    for line in (LIST, CREATE, DELETE, "GET /channels/4/feeds.json"):
        script.on(line, failure)
    told = []
    for call in (
        lambda: thingspeak.list_channels(ACCOUNT_KEY),
        lambda: create(thingspeak),
        lambda: thingspeak.delete_channel(ACCOUNT_KEY, 4),
        lambda: thingspeak.read_feed(4, read_key=READ_KEY),
    ):
        with pytest.raises(PlatformError) as caught:
            call()
        told.append("".join(traceback.format_exception(caught.value)))
    assert {asked.line for asked in script.asked} == {LIST, CREATE, DELETE, "GET /channels/4/feeds.json"}
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "/channels.json" in logged
    for text in (*told, logged):
        assert ACCOUNT_KEY not in text
        assert READ_KEY not in text


def test_keys_that_libraries_would_quote_are_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "S3CRET"
    thingspeak = ThingSpeak(f"http://127.0.0.1:{closed_port()}")
    for call in (
        lambda: thingspeak.list_channels(f"{secret}\n"),
        lambda: thingspeak.read_feed(4, read_key=f"{secret}\r\nX: y"),
        lambda: thingspeak.read_feed(4, read_key=f"{secret}ж"),
    ):
        with pytest.raises(PlatformError) as caught:
            call()
        assert secret not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_an_operator_is_told_what_failed(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, caplog: pytest.LogCaptureFixture
) -> None:
    script.on(LIST, Scripted(b"", 500))
    with pytest.raises(OutOfReach):
        thingspeak.list_channels(ACCOUNT_KEY)
    assert "GET /channels.json: ThingSpeak answers 500." in caplog.text
