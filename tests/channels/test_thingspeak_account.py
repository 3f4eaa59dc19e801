"""The account key: what is a yes, what is a no, and what is neither."""

from __future__ import annotations

import pytest

from channels.platforms import BadAccountKey, CannotDo, NotUnderstood, OutOfReach
from channels.thingspeak import ThingSpeak
from tests.channels.conftest import ACCOUNT_KEY
from tests.channels.scripted import Scripted, ScriptedThingSpeak, recorded

LIST = "GET /channels.json"
HTML = b"<!DOCTYPE html><html><body>Welcome to the hotel</body></html>"


@pytest.mark.parametrize("listing", [recorded("channels_hosted"), recorded("channels_open_source"), b"[]"])
def test_a_key_whose_channels_are_listed_is_good(
    listing: bytes, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, Scripted(listing))
    thingspeak.validate_account(ACCOUNT_KEY)
    assert script.lines == [LIST]


@pytest.mark.parametrize(
    ("status", "shape"),
    [
        (401, "error_auth_required"),
        (401, "open_source_could_not_authenticate"),
        (200, "error_auth_required"),
        (200, "open_source_could_not_authenticate"),
        (400, "error_bad_request"),
        (403, "error_auth_required"),
        (400, "no_minus_one"),
        (400, "no_zero"),
        (200, "no_minus_one"),
        (200, "no_quoted_minus_one"),
        (200, "no_zero"),
    ],
)
def test_every_way_to_refuse_a_key_is_a_bad_account_key(
    status: int, shape: str, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, Scripted(recorded(shape), status))
    with pytest.raises(BadAccountKey):
        thingspeak.validate_account(ACCOUNT_KEY)
    assert script.lines == [LIST]


@pytest.mark.parametrize(
    "answer",
    [
        Scripted(HTML),
        Scripted(HTML, 401),
        Scripted(HTML, 403),
        Scripted(HTML, 404),
        Scripted(b"", 302, {"Location": "/login"}),
        Scripted(b"", 200),
        Scripted({"channels": []}),
        Scripted([1, 2]),
        Scripted([{"name": "a channel without a number"}]),
        Scripted(b'[{"id":4,'),
        Scripted(b"[" * 100_000),
        Scripted(b"\xff\xfe\x00["),
        Scripted(b"not gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=lambda answer: f"{answer.status} {answer.content[:20]!r}",
)
def test_what_thingspeak_would_not_say_condemns_no_key(
    answer: Scripted, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, answer)
    with pytest.raises((NotUnderstood, OutOfReach)):
        thingspeak.validate_account(ACCOUNT_KEY)


@pytest.mark.parametrize(
    ("status", "shape", "seconds"), [(429, "error_too_many_requests", 30), (402, "error_payment_required", 3600)]
)
def test_a_platform_that_asks_for_patience_is_out_of_reach(
    status: int, shape: str, seconds: int, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, Scripted(recorded(shape), status))
    with pytest.raises(OutOfReach) as caught:
        thingspeak.validate_account(ACCOUNT_KEY)
    assert caught.value.retry_after == seconds
    assert script.lines == [LIST]


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "ключ", "K" * 200])
def test_what_cannot_be_a_key_is_not_sent(key: str, script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    with pytest.raises(BadAccountKey):
        thingspeak.validate_account(key)
    assert script.asked == []


def test_no_cookie_travels_from_one_customer_to_the_next(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, Scripted(b"[]", headers={"Set-Cookie": "_session=homers; Path=/"}))
    thingspeak.validate_account(ACCOUNT_KEY)
    thingspeak.validate_account("CARLSKEY00000000")
    assert [asked.headers.get("Cookie") for asked in script.asked] == [None, None]


def test_thingspeak_does_not_pretend_to_do_what_its_api_lacks(thingspeak: ThingSpeak) -> None:
    can = (thingspeak.can_create_accounts, thingspeak.can_rotate_write_keys, thingspeak.can_add_read_keys)
    assert can == (False, False, False)
    with pytest.raises(CannotDo):
        thingspeak.create_account("Homer")
    with pytest.raises(CannotDo):
        thingspeak.rotate_write_key(ACCOUNT_KEY, 4, overlap=thingspeak.answers_within)
    with pytest.raises(CannotDo):
        thingspeak.add_read_key(ACCOUNT_KEY, 4, note="Marge")
    with pytest.raises(CannotDo):
        thingspeak.revoke_key(ACCOUNT_KEY, 4, "C0FPQ9W3ET7A4S2S")
