"""Both platforms keep the same promises: the embedded one in process, and the ThingSpeak client over HTTP.

The client speaks to the embedded platform's HTTP surface on a live server; what it makes of the answers that are
documented for the hosted service is asserted here too, as far as reading goes.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from channels import thingspeak_http, thingspeak_reading
from channels.embedded import Embedded
from channels.platform.models import Account
from channels.platforms import (
    BadAccountKey,
    CannotDo,
    ChannelLimitReached,
    FileRefused,
    NoAccess,
    NoSuchChannel,
    Platform,
    RemoteChannel,
)
from channels.thingspeak import ThingSpeak
from tests.channels.conftest import READ_KEY
from tests.channels.scripted import Scripted, ScriptedThingSpeak, recorded

TEN = datetime(2024, 5, 1, 10, tzinfo=UTC)
UNKNOWN_KEY = "AAAAAAAAAAAAAAAA"
UNKNOWN_NUMBER = 999_999_999


IN_PROCESS = pytest.param("in_process", marks=pytest.mark.django_db)
# The live server has connections of its own, which see only what is committed.
OVER_HTTP = pytest.param("over_http", marks=pytest.mark.django_db(transaction=True))


@pytest.fixture
def in_process() -> Platform:
    return Embedded()


@pytest.fixture
def over_http(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The client, which asks anew each time."""
    monkeypatch.setattr(thingspeak_reading, "FRESH", 0)
    yield ThingSpeak(live_server.url)
    # A kept connection keeps a thread of the live server alive, and that one its connection to the test database.
    thingspeak_http.hang_up()


@pytest.fixture(params=[IN_PROCESS, OVER_HTTP])
def platform(request: pytest.FixtureRequest, settings: Settings) -> Platform:
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    found: Platform = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def account(platform: Platform) -> str:
    """An account key. On ThingSpeak people open accounts by hand; here the server does."""
    return Embedded().create_account("Homer")


@pytest.fixture
def another_account(platform: Platform) -> str:
    return Embedded().create_account("Carl")


def create(platform: Platform, account: str, marker: str = "kitchen-1", name: str = "kitchen") -> RemoteChannel:
    return platform.create_channel(account, name=name, marker=marker, labels={1: "Light", 2: "Temp"})


def write(channel: RemoteChannel, at: datetime, **values: str) -> None:
    """Store an entry as a device does."""
    answer = Client().post(
        "/update", {"api_key": channel.write_key, "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", **values}
    )
    assert answer.content != b"0"


def test_an_account_key_is_good_or_bad(platform: Platform, account: str) -> None:
    platform.validate_account(account)
    for bad in (UNKNOWN_KEY, "", "not a key", account.lower()):
        with pytest.raises(BadAccountKey):
            platform.validate_account(bad)


def test_accounts_are_created_where_the_platform_says_that_it_can(platform: Platform) -> None:
    if platform.can_create_accounts:
        platform.validate_account(platform.create_account("Homer"))
    else:
        with pytest.raises(CannotDo):
            platform.create_account("Homer")


def test_a_new_channel_has_keys_and_is_empty_and_private(platform: Platform, account: str) -> None:
    made = create(platform, account)
    assert (made.name, made.marker) == ("kitchen", "kitchen-1")
    assert made.write_key
    assert made.read_keys
    assert made.write_key not in made.read_keys
    assert list(platform.read_feed(made.number, read_key=made.read_keys[0]).entries) == []
    with pytest.raises(NoAccess):
        platform.read_feed(made.number, read_key="")


def test_a_channel_is_found_again_by_its_marker(platform: Platform, account: str) -> None:
    made = create(platform, account)
    create(platform, account, marker="kitchen-11")
    assert platform.find_channel(account, "kitchen-1") == made
    assert platform.find_channel(account, "kitchen") is None
    assert platform.find_channel(account, "") is None


def test_the_markers_that_devices_have_are_found(platform: Platform, account: str) -> None:
    marker = "keydist:6f1c8c5e-2f43-4f67-9a29-0b9c3a7f5a11"
    made = create(platform, account, marker=marker)
    assert made.marker == marker
    assert platform.find_channel(account, marker) == made


def test_of_several_channels_with_a_marker_the_oldest_is_found(platform: Platform, account: str) -> None:
    first = create(platform, account)
    create(platform, account)
    assert platform.find_channel(account, "kitchen-1") == first


def test_a_channel_is_got_and_listed_as_it_was_made(platform: Platform, account: str) -> None:
    assert platform.list_channels(account) == []
    kitchen = create(platform, account)
    reactor = create(platform, account, marker="reactor-1", name="Reaktor „7“ & <3>")
    assert platform.get_channel(account, kitchen.number) == kitchen
    assert platform.get_channel(account, reactor.number) == reactor
    assert platform.list_channels(account) == [kitchen, reactor]
    assert reactor.name == "Reaktor „7“ & <3>"


def test_a_new_name_leaves_the_rest(platform: Platform, account: str) -> None:
    made = create(platform, account)
    platform.update_channel(account, made.number, name="Küche")
    changed = platform.get_channel(account, made.number)
    assert (changed.name, changed.marker, changed.write_key) == ("Küche", "kitchen-1", made.write_key)


def test_a_new_marker_leaves_the_rest(platform: Platform, account: str) -> None:
    made = create(platform, account)
    platform.update_channel(account, made.number, marker="pantry-1")
    assert platform.find_channel(account, "kitchen-1") is None
    found = platform.find_channel(account, "pantry-1")
    assert found is not None
    assert (found.number, found.name) == (made.number, "kitchen")


def test_a_change_of_nothing_changes_nothing(platform: Platform, account: str) -> None:
    made = create(platform, account)
    platform.update_channel(account, made.number)
    assert platform.get_channel(account, made.number) == made


def test_a_deleted_channel_is_gone(platform: Platform, account: str) -> None:
    made = create(platform, account)
    write(made, TEN, field1="1")
    platform.delete_channel(account, made.number)
    assert platform.find_channel(account, "kitchen-1") is None
    for call in (
        lambda: platform.get_channel(account, made.number),
        lambda: platform.delete_channel(account, made.number),
        lambda: platform.read_feed(made.number, read_key=made.read_keys[0]),
    ):
        with pytest.raises(NoSuchChannel):
            call()
    assert platform.last_entries({made.number: made.read_keys[0]}) == {}


Call = Callable[[Platform, str, int], object]
ON_A_CHANNEL: dict[str, Call] = {
    "get": lambda platform, account, number: platform.get_channel(account, number),
    "update": lambda platform, account, number: platform.update_channel(account, number, name="mine"),
    "delete": lambda platform, account, number: platform.delete_channel(account, number),
}
ON_AN_ACCOUNT: dict[str, Call] = {
    "create": lambda platform, account, _: create(platform, account),
    "find": lambda platform, account, _: platform.find_channel(account, "kitchen-1"),
    "list": lambda platform, account, _: platform.list_channels(account),
}


@pytest.mark.parametrize("call", ON_A_CHANNEL.values(), ids=ON_A_CHANNEL.keys())
def test_somebody_elses_channel_is_no_channel(
    call: Call, platform: Platform, account: str, another_account: str
) -> None:
    made = create(platform, account)
    for number in (made.number, UNKNOWN_NUMBER):
        with pytest.raises(NoSuchChannel):
            call(platform, another_account, number)
    assert platform.find_channel(another_account, "kitchen-1") is None
    assert platform.list_channels(another_account) == []
    assert platform.list_channels(account) == [made]


@pytest.mark.parametrize(
    "call", [*ON_A_CHANNEL.values(), *ON_AN_ACCOUNT.values()], ids=[*ON_A_CHANNEL.keys(), *ON_AN_ACCOUNT.keys()]
)
def test_nothing_is_done_for_an_unknown_account_key(call: Call, platform: Platform, account: str) -> None:
    made = create(platform, account)
    for key in (UNKNOWN_KEY, made.write_key, made.read_keys[0], ""):
        with pytest.raises(BadAccountKey):
            call(platform, key, made.number)
    assert platform.list_channels(account) == [made]


def test_an_account_without_a_channel_left_gets_no_other(platform: Platform, account: str, settings: Settings) -> None:
    settings.PLATFORM_CHANNELS_PER_ACCOUNT = 4
    made = [create(platform, account, marker=f"device-{n}") for n in range(4)]
    with pytest.raises(ChannelLimitReached):
        create(platform, account, marker="device-4")
    assert platform.list_channels(account) == made
    platform.delete_channel(account, made[0].number)
    assert create(platform, account, marker="device-4").marker == "device-4"


def test_the_places_that_are_left_are_told_or_not_known(platform: Platform, account: str, settings: Settings) -> None:
    assert platform.channels_left(account) is None, "without a limit there is nothing to tell"
    settings.PLATFORM_PLANS = {"free": {"channels": 4}}
    Account.objects.update(plan_name="free")
    create(platform, account)
    assert platform.channels_left(account) == (3 if platform.is_in_our_database else None)


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


def test_a_write_key_is_rotated_where_the_platform_says_that_it_can(platform: Platform, account: str) -> None:
    made = create(platform, account)
    if platform.can_rotate_write_keys:
        new = platform.rotate_write_key(account, made.number, overlap=timedelta(days=1))
        assert new != made.write_key
        assert platform.get_channel(account, made.number).write_key == new
        write(made, TEN, field1="the old key writes meanwhile")
    else:
        with pytest.raises(CannotDo):
            platform.rotate_write_key(account, made.number, overlap=timedelta(days=1))
        assert platform.get_channel(account, made.number) == made


def test_the_write_keys_of_many_channels_end_at_once_where_the_platform_says_that_it_can(
    platform: Platform, account: str, another_account: str
) -> None:
    kitchen, reactor, attic = (create(platform, account, marker=name) for name in ("kitchen", "reactor", "attic"))
    garage = create(platform, another_account, marker="garage")
    numbers = [kitchen.number, reactor.number, garage.number, UNKNOWN_NUMBER]
    if platform.can_rotate_write_keys:
        retiring = platform.rotate_write_key(account, reactor.number, overlap=timedelta(days=1))
        new = platform.replace_write_keys(account, numbers)
        assert set(new) == {kitchen.number, reactor.number}
        for old in (kitchen.write_key, reactor.write_key, retiring):
            assert Client().post("/update", {"api_key": old, "field1": "1"}).content == b"0"
        for made in (kitchen, reactor):
            there = platform.get_channel(account, made.number)
            assert (there.write_key, there.read_keys) == (new[made.number], made.read_keys)
            assert Client().post("/update", {"api_key": new[made.number], "field1": "2"}).content == b"1"
        with pytest.raises(BadAccountKey):
            platform.replace_write_keys(UNKNOWN_KEY, numbers)
        assert platform.replace_write_keys(account, []) == {}
    else:
        with pytest.raises(CannotDo):
            platform.replace_write_keys(account, numbers)
        assert platform.list_channels(account) == [kitchen, reactor, attic]
    assert platform.get_channel(account, attic.number) == attic
    assert platform.get_channel(another_account, garage.number) == garage


def test_read_keys_are_added_and_revoked_where_the_platform_says_that_it_can(platform: Platform, account: str) -> None:
    made = create(platform, account)
    if platform.can_add_read_keys:
        key = platform.add_read_key(account, made.number, note="Marge")
        assert list(platform.read_feed(made.number, read_key=key).entries) == []
        platform.revoke_key(account, made.number, key)
        platform.revoke_key(account, made.number, key)
        with pytest.raises(NoAccess):
            platform.read_feed(made.number, read_key=key)
    else:
        with pytest.raises(CannotDo):
            platform.add_read_key(account, made.number, note="Marge")
        with pytest.raises(CannotDo):
            platform.revoke_key(account, made.number, made.read_keys[0])
    assert platform.get_channel(account, made.number) == made


def test_it_says_how_long_a_call_takes_at_most_and_where_devices_write(platform: Platform) -> None:
    assert timedelta() < platform.answers_within <= timedelta(minutes=1)
    assert platform.update_url.endswith("/update")
    assert platform.chart_url(4, 1, color="#d62020").endswith("/channels/4/charts/1?color=%23d62020")


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
