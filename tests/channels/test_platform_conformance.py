"""Both platforms keep the same promises: the embedded one in process, and the ThingSpeak client over HTTP.

The client speaks to the embedded platform's HTTP surface on a live server. Reading is in `test_platform_reading`, where
it also meets the answers that are documented for the hosted service.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import Settings

from channels.platform.models import Account
from channels.platforms import (
    BadAccountKey,
    CannotDo,
    ChannelLimitReached,
    NoAccess,
    NoSuchChannel,
    Platform,
)
from tests.channels.both_platforms import create, write

TEN = datetime(2024, 5, 1, 10, tzinfo=UTC)
UNKNOWN_KEY = "AAAAAAAAAAAAAAAA"
UNKNOWN_NUMBER = 999_999_999


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
    assert platform.allowances([account]) == {}, "without a limit there is nothing to tell"
    settings.PLATFORM_PLANS = {"free": {"channels": 4}}
    Account.objects.update(plan_name="free")
    create(platform, account)
    told = {key: allowance.channels_left for key, allowance in platform.allowances([account]).items()}
    assert told == ({account: 3} if platform.is_in_our_database else {})


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
