"""Feeds and last values for people's pages: right, remembered for seconds, and never in the way of the page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.core.cache import cache

from channels import thingspeak_reading
from channels.platforms import NoAccess, NoSuchChannel, NotUnderstood, OutOfReach
from channels.thingspeak import ThingSpeak
from tests.channels.conftest import READ_KEY
from tests.channels.scripted import Scripted, ScriptedThingSpeak, recorded
from tests.channels.test_thingspeak_calls import closed_port

FEED = "GET /channels/9/feeds.json"
TEN = datetime(2024, 5, 1, 10, tzinfo=UTC)


def last(number: int) -> str:
    return f"GET /channels/{number}/feeds/last.json"


def test_a_feed_is_read_with_its_labels_oldest_entry_first(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(FEED, Scripted(recorded("feed")))
    feed = thingspeak.read_feed(9, read_key=READ_KEY)
    assert (feed.number, feed.name, feed.labels) == (9, "House", {1: "Light", 2: "Temp"})
    assert [(e.entry_id, e.created_at, e.values) for e in feed.entries] == [
        (17, TEN - timedelta(minutes=1), {1: "187", 2: "21.5"}),
        (18, TEN, {1: "188"}),
    ]


def test_the_read_key_travels_in_the_header_of_the_official_libraries(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(FEED, Scripted(recorded("feed")))
    thingspeak.read_feed(9, read_key=READ_KEY, results=20_000)
    assert script.asked[0].query == {"results": ["8000"]}
    assert script.asked[0].headers["X-THINGSPEAKAPIKEY"] == READ_KEY


def test_a_public_channel_is_read_without_a_key(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(FEED, Scripted(recorded("feed")))
    assert len(thingspeak.read_feed(9, read_key="").entries) == 2
    assert "X-THINGSPEAKAPIKEY" not in script.asked[0].headers


def test_times_of_another_zone_are_the_same_moments(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(FEED, Scripted(recorded("feed_of_another_zone")))
    assert thingspeak.read_feed(9, read_key=READ_KEY).entries[0].created_at == TEN


def test_a_channel_without_entries_has_an_empty_feed(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(FEED, Scripted(recorded("feed_empty")))
    assert list(thingspeak.read_feed(9, read_key=READ_KEY, results=0).entries) == []


def test_a_window_is_asked_for_in_utc_and_kept_to_the_moment(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(FEED, Scripted(recorded("feed")))
    start = datetime.fromisoformat("2024-05-01T11:59:08.5+02:00")
    feed = thingspeak.read_feed(9, read_key=READ_KEY, start=start, end=TEN + timedelta(microseconds=1))
    assert script.asked[0].query == {
        "results": ["100"],
        "start": ["2024-05-01 09:59:00"],
        "end": ["2024-05-01 10:00:01"],
    }
    assert [e.entry_id for e in feed.entries] == [18]


@pytest.mark.parametrize(
    ("status", "shape"),
    [
        (400, "no_minus_one"),
        (200, "no_minus_one"),
        (200, "no_quoted_minus_one"),
        (401, "error_auth_required"),
        (403, "error_auth_required"),
        (400, "error_bad_request"),
        (200, "error_auth_required"),
    ],
)
def test_every_way_to_refuse_a_reader_is_no_access(
    status: int, shape: str, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(FEED, Scripted(recorded(shape), status))
    with pytest.raises(NoAccess):
        thingspeak.read_feed(9, read_key=READ_KEY)


@pytest.mark.parametrize(("body", "status"), [(recorded("error_resource_not_found"), 404), (b"<h1>Not Found", 404)])
def test_an_unknown_channel_is_no_such_channel(
    body: bytes, status: int, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(FEED, Scripted(body, status))
    with pytest.raises(NoSuchChannel):
        thingspeak.read_feed(9, read_key=READ_KEY)


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"",
        [],
        {"feeds": []},
        {"channel": {"id": 9}, "feeds": [{"entry_id": 1, "created_at": "yesterday"}]},
        {"channel": {"id": 9}, "feeds": [{"entry_id": None, "created_at": "2024-05-01T10:00:00Z"}]},
        {"channel": {"id": 9}, "feeds": [{"entry_id": 1, "created_at": "2024-05-01T10:00:00Z", "field1": {}}]},
        {"channel": {"id": 9}, "feeds": [7]},
    ],
)
def test_a_feed_that_makes_no_sense_is_called_so(
    body: object, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(FEED, Scripted(body))
    with pytest.raises(NotUnderstood):
        thingspeak.read_feed(9, read_key=READ_KEY)


def test_a_feed_is_asked_for_once_in_some_seconds(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(FEED, Scripted(recorded("feed")))
    with time_machine.travel(TEN, tick=False) as clock:
        first = thingspeak.read_feed(9, read_key=READ_KEY, start=TEN - timedelta(days=1))
        clock.shift(thingspeak_reading.FRESH - 1)
        again = thingspeak.read_feed(9, read_key=READ_KEY, start=datetime.now(UTC) - timedelta(days=1))
        assert again == first
        assert script.lines == [FEED]
        clock.shift(2)
        thingspeak.read_feed(9, read_key=READ_KEY, start=datetime.now(UTC) - timedelta(days=1))
        assert script.lines == [FEED, FEED]


def test_what_one_key_has_read_is_not_shown_to_another(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(FEED, Scripted(recorded("feed")), Scripted(recorded("no_minus_one"), 400))
    thingspeak.read_feed(9, read_key=READ_KEY)
    with pytest.raises(NoAccess):
        thingspeak.read_feed(9, read_key="ANOTHERKEY000000")


def test_no_key_is_in_the_name_of_what_is_remembered(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    keep, keep_many = cache.set, cache.set_many
    monkeypatch.setattr(cache, "set", lambda name, *rest, **more: (names.append(name), keep(name, *rest, **more)))
    monkeypatch.setattr(cache, "set_many", lambda values, *rest: (names.extend(values), keep_many(values, *rest)))
    script.on(FEED, Scripted(recorded("feed")))
    script.on(last(9), Scripted(recorded("last")))
    thingspeak.read_feed(9, read_key=READ_KEY)
    thingspeak.last_entries({9: READ_KEY})
    assert len(set(names)) == 2
    assert READ_KEY not in "".join(names)


def test_a_feed_that_did_not_come_is_not_waited_for_again_at_once(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(FEED, Scripted(b"", 500), Scripted(b"", 500), Scripted(recorded("feed")))
    with time_machine.travel(TEN, tick=False) as clock:
        for _ in range(3):
            with pytest.raises(OutOfReach):
                thingspeak.read_feed(9, read_key=READ_KEY)
        assert script.lines == [FEED, FEED]
        clock.shift(thingspeak_reading.LEFT_ALONE + 1)
        assert len(thingspeak.read_feed(9, read_key=READ_KEY).entries) == 2


def test_last_entries_of_several_channels(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    for number in (9, 10, 11):
        script.on(last(number), Scripted({"created_at": "2024-05-01T10:00:00Z", "entry_id": number, "field2": 7.5}))
    found = thingspeak.last_entries({9: "KEY9", 10: "KEY10", 11: "KEY11"})
    assert {number: (e.entry_id, e.created_at, e.values) for number, e in found.items()} == {
        number: (number, TEN, {2: "7.5"}) for number in (9, 10, 11)
    }
    assert {asked.path: asked.headers["X-THINGSPEAKAPIKEY"] for asked in script.asked} == {
        f"/channels/{number}/feeds/last.json": f"KEY{number}" for number in (9, 10, 11)
    }


def test_nothing_asked_for_is_nothing_found(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    assert thingspeak.last_entries({}) == {}
    assert script.asked == []


def test_without_keys_it_is_not_asked_when_channels_last_measured(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    assert thingspeak.last_measured([9]) is None
    assert script.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        Scripted(recorded("no_quoted_minus_one")),
        Scripted(recorded("no_minus_one"), 400),
        Scripted(recorded("error_resource_not_found"), 404),
        Scripted(recorded("error_auth_required"), 401),
        Scripted(b"<html></html>"),
        Scripted({"created_at": None, "entry_id": None}),
        Scripted(b"", 503),
        Scripted(instead="drop"),
    ],
    ids=lambda answer: f"{answer.status} {answer.content[:20]!r} {answer.instead}",
)
def test_a_channel_without_a_last_entry_does_not_hide_the_others(
    answer: Scripted, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(last(9), Scripted(recorded("last")))
    script.on(last(10), answer)
    assert list(thingspeak.last_entries({9: READ_KEY, 10: READ_KEY, 11: "not a key"})) == [9]
    assert sorted(script.lines) == [last(10), last(9)]


def test_a_page_does_not_wait_for_a_channel_that_hangs(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thingspeak_reading, "LAST_ENTRIES_TIMEOUT", (1.0, 1.5))
    script.on(last(9), Scripted(recorded("last")))
    script.on(last(10), Scripted(instead="hang"))
    assert list(thingspeak.last_entries({9: READ_KEY, 10: READ_KEY})) == [9]
    cache_was_used = thingspeak.last_entries({9: READ_KEY, 10: READ_KEY})
    assert list(cache_was_used) == [9]
    assert script.lines.count(last(10)) == 1


def test_a_page_goes_on_when_the_time_for_all_of_them_is_over(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thingspeak_reading, "LAST_ENTRIES_WITHIN", 0.05)
    script.on(last(10), Scripted(instead="hang"))
    assert thingspeak.last_entries({10: READ_KEY}) == {}
    script.on(last(10), Scripted(recorded("last")))
    assert thingspeak.last_entries({10: READ_KEY}) == {}, "it is left alone for a while"


def test_a_last_entry_is_shown_until_there_is_a_newer_one(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    newer = json.loads(recorded("last")) | {"entry_id": 19}
    script.on(last(9), Scripted(recorded("last")), Scripted(b"", 503), Scripted(newer))
    with time_machine.travel(TEN, tick=False) as clock:
        assert thingspeak.last_entries({9: READ_KEY})[9].entry_id == 18
        clock.shift(thingspeak_reading.FRESH + 1)
        assert thingspeak.last_entries({9: READ_KEY})[9].entry_id == 18
        clock.shift(thingspeak_reading.LEFT_ALONE + 1)
        assert thingspeak.last_entries({9: READ_KEY})[9].entry_id == 19
    assert len(script.asked) == 3


def test_a_last_entry_is_hidden_as_soon_as_the_key_is_known_to_be_dead(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(last(9), Scripted(recorded("last")), Scripted(recorded("no_minus_one"), 400))
    with time_machine.travel(TEN, tick=False) as clock:
        assert list(thingspeak.last_entries({9: READ_KEY})) == [9]
        clock.shift(thingspeak_reading.FRESH + 1)
        assert thingspeak.last_entries({9: READ_KEY}) == {}


def test_with_more_channels_than_time_each_gets_its_turn(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thingspeak_reading, "AT_ONCE", 1)
    monkeypatch.setattr(thingspeak_reading, "LAST_ENTRIES_WITHIN", 1.0)
    script.on(last(1), Scripted(instead="hang"))
    script.on(last(2), Scripted(recorded("last")))
    with time_machine.travel(TEN, tick=False):
        assert thingspeak.last_entries({1: READ_KEY, 2: READ_KEY}) == {}
        assert list(thingspeak.last_entries({1: READ_KEY, 2: READ_KEY})) == [2]
    assert script.lines == [last(1), last(2)]


def test_a_thingspeak_that_cannot_be_reached_is_tried_once_by_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    thingspeak = ThingSpeak(f"http://127.0.0.1:{closed_port()}")
    assert thingspeak.last_entries({9: READ_KEY}) == {}
    monkeypatch.setattr(thingspeak._reader, "_read", None)
    assert thingspeak.last_entries({10: READ_KEY}) == {}
    with pytest.raises(OutOfReach):
        thingspeak.read_feed(9, read_key=READ_KEY)


def test_the_address_for_devices_is_the_platforms(thingspeak: ThingSpeak, script: ScriptedThingSpeak) -> None:
    assert thingspeak.update_url == f"{script.url}/update"


@pytest.mark.parametrize(
    ("api", "site"),
    [
        ("https://api.thingspeak.com", "https://thingspeak.com"),
        ("https://api.thingspeak.com/", "https://thingspeak.com"),
        ("http://things.example:8080", "http://things.example:8080"),
    ],
)
def test_charts_are_on_the_site_that_people_see(api: str, site: str) -> None:
    parameters = {"api_key": READ_KEY, "bgcolor": "#ffffff", "dynamic": "true"}
    assert (
        ThingSpeak(api).chart_url(142770, 1, **parameters) == f"{site}/channels/142770/charts/1?{urlencode(parameters)}"
    )
    assert ThingSpeak(api).chart_url(142770, 1) == f"{site}/channels/142770/charts/1"
