"""What is read is the same on both platforms, and in the answers that are documented for the hosted service."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from channels.embedded import Embedded
from channels.platforms import (
    CannotDo,
    FileRefused,
    NoAccess,
    NoSuchChannel,
    Platform,
)
from channels.thingspeak import ThingSpeak
from tests.channels.both_platforms import IN_PROCESS, OVER_HTTP, create, write
from tests.channels.conftest import READ_KEY
from tests.channels.scripted import Scripted, ScriptedThingSpeak, recorded

TEN = datetime(2024, 5, 1, 10, tzinfo=UTC)
UNKNOWN_KEY = "AAAAAAAAAAAAAAAA"
UNKNOWN_NUMBER = 999_999_999


def test_the_newest_entries_are_read_oldest_first(platform: Platform, account: str) -> None:
    made = create(platform, account)
    for minute in range(5):
        write(made, TEN + timedelta(minutes=minute), field1=str(minute))
    key = made.read_keys[0]
    assert [e.values[1] for e in platform.read_feed(made.number, read_key=key).entries] == ["0", "1", "2", "3", "4"]
    assert [e.values[1] for e in platform.read_feed(made.number, read_key=key, results=2).entries] == ["3", "4"]
    assert list(platform.read_feed(made.number, read_key=key, results=0).entries) == []
    assert len(platform.read_feed(made.number, read_key=key, results=10**9).entries) == 5


def test_a_window_includes_its_ends(platform: Platform, account: str) -> None:
    made = create(platform, account)
    for second in range(5):
        write(made, TEN + timedelta(seconds=second), field1=str(second))

    def seconds(start: float | None, end: float | None, results: int = 100) -> str:
        feed = platform.read_feed(
            made.number,
            read_key=made.read_keys[0],
            results=results,
            start=None if start is None else TEN + timedelta(seconds=start),
            end=None if end is None else TEN + timedelta(seconds=end),
        )
        return "".join(entry.values[1] for entry in feed.entries)

    assert seconds(1, 3) == "123"
    assert seconds(0.5, 3.5) == "123"
    assert seconds(3, None) == "34"
    assert seconds(None, 1) == "01"
    assert seconds(5, 9) == ""
    assert seconds(1, 3, results=2) == "23"


def test_a_channel_is_read_with_each_of_its_keys_and_no_other(
    platform: Platform, account: str, another_account: str
) -> None:
    made = create(platform, account)
    other = create(platform, another_account)
    write(made, TEN, field1="1")
    for key in (made.write_key, *made.read_keys):
        assert len(platform.read_feed(made.number, read_key=key).entries) == 1
        assert made.number in platform.last_entries({made.number: key})
    for key in ("", UNKNOWN_KEY, account, other.write_key, other.read_keys[0], "not a key"):
        with pytest.raises(NoAccess):
            platform.read_feed(made.number, read_key=key)
        assert platform.last_entries({made.number: key}) == {}


def test_an_unknown_channel_is_no_such_channel_to_a_reader(platform: Platform, account: str) -> None:
    made = create(platform, account)
    with pytest.raises(NoSuchChannel):
        platform.read_feed(UNKNOWN_NUMBER, read_key=made.read_keys[0])


def test_last_entries_leave_out_what_has_none(platform: Platform, account: str) -> None:
    kitchen, garage, empty = (create(platform, account, marker=name) for name in ("kitchen", "garage", "empty"))
    write(kitchen, TEN, field1="20.5")
    write(kitchen, TEN + timedelta(minutes=1), field2="21")
    write(garage, TEN, field1="3")
    keys = {channel.number: channel.read_keys[0] for channel in (kitchen, garage, empty)}
    found = platform.last_entries(keys | {UNKNOWN_NUMBER: kitchen.read_keys[0]})
    assert {number: (entry.entry_id, entry.created_at, entry.values) for number, entry in found.items()} == {
        kitchen.number: (2, TEN + timedelta(minutes=1), {2: "21"}),
        garage.number: (1, TEN, {1: "3"}),
    }


@dataclass
class House:
    """A channel that somebody reads: two fields, two entries."""

    platform: Platform
    number: int
    read_key: str


def _house_on(platform: Platform) -> House:
    made = create(platform, Embedded().create_account("Homer"), name="House")
    write(made, TEN - timedelta(minutes=1), field1="187", field2="21.5")
    write(made, TEN, field1="188")
    return House(platform, made.number, made.read_keys[0])


@pytest.fixture(params=[IN_PROCESS, OVER_HTTP, "recorded"])
def house(request: pytest.FixtureRequest, settings: Settings) -> House:
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    if request.param != "recorded":
        return _house_on(request.getfixturevalue(request.param))
    script: ScriptedThingSpeak = request.getfixturevalue("script")
    script.on("GET /channels/9/feeds.json", Scripted(recorded("feed")))
    script.on("GET /channels/9/feeds/last.json", Scripted(recorded("last")))
    return House(ThingSpeak(script.url), 9, READ_KEY)


def test_a_feed_has_name_labels_and_values_by_field(house: House) -> None:
    feed = house.platform.read_feed(house.number, read_key=house.read_key)
    assert (feed.number, feed.name, feed.labels) == (house.number, "House", {1: "Light", 2: "Temp"})
    assert [(entry.created_at, entry.values) for entry in feed.entries] == [
        (TEN - timedelta(minutes=1), {1: "187", 2: "21.5"}),
        (TEN, {1: "188"}),
    ]
    assert feed.entries[1].entry_id == feed.entries[0].entry_id + 1


def test_the_last_entry_is_the_feeds_last(house: House) -> None:
    feed = house.platform.read_feed(house.number, read_key=house.read_key)
    assert house.platform.last_entries({house.number: house.read_key}) == {house.number: feed.entries[-1]}


def test_all_of_the_history_comes_as_csv(platform: Platform, account: str) -> None:
    made = create(platform, account)
    write(made, TEN, field1="12")
    write(made, TEN + timedelta(hours=1), field1='a "b", c', field2="7")
    rows = csv.DictReader("".join(platform.export_csv(made.number, read_key=made.read_keys[0])).splitlines())
    assert sorted((row["created_at"], row["entry_id"], row["field1"], row["field2"]) for row in rows) == [
        ("2024-05-01 10:00:00 UTC", "1", "12", ""),
        ("2024-05-01 11:00:00 UTC", "2", 'a "b", c', "7"),
    ]
    with pytest.raises(NoAccess):
        next(platform.export_csv(made.number, read_key=UNKNOWN_KEY))


def test_history_is_imported_where_the_platform_says_that_it_can(platform: Platform, account: str) -> None:
    made = create(platform, account)
    file = b"created_at,field1\n2024-05-01 10:00:00,12\n"
    if not platform.can_import:
        with pytest.raises(CannotDo):
            platform.import_csv(account, made.number, file, zone=UTC)
        return
    assert platform.import_csv(account, made.number, file, zone=UTC) == 1
    (entry,) = platform.read_feed(made.number, read_key=made.read_keys[0]).entries
    assert entry.values == {1: "12"}
    with pytest.raises(FileRefused, match="Line 2: the channel already has"):
        platform.import_csv(account, made.number, file, zone=UTC)
