"""The platform as the portal uses it, in process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection

from channels.embedded import Embedded
from channels.platform.models import ApiKey, Channel, Entry, Latest
from channels.platforms import (
    BadAccountKey,
    CannotDo,
    ChannelLimitReached,
    NoAccess,
    NoSuchChannel,
    platform_named,
)
from tests.losing import lose

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def platform():
    return Embedded()


@pytest.fixture
def homers(platform):
    """Homer's account key."""
    return platform.create_account("The Simpsons")


@pytest.fixture
def kitchen(platform, homers):
    return platform.create_channel(homers, name="Kitchen", marker="kitchen-1", labels={1: "Temperature"})


def stored(channel, entry_id, at, **values):
    """An entry as the write path leaves it."""
    Entry.objects.create(channel_id=channel.number, entry_id=entry_id, created_at=at, **values)
    noted = {f"{name}{end}": value for name in values for end, value in (("_id", entry_id), ("_at", at))}
    Latest.objects.filter(channel=channel.number).update(
        last_entry_id=entry_id, newest_id=entry_id, last_entry_at=at, **values, **noted
    )


def test_the_portal_finds_it_under_its_name():
    assert isinstance(platform_named("embedded"), Embedded)


def test_a_new_account_is_good_and_any_other_key_is_not(platform, homers):
    platform.validate_account(homers)
    with pytest.raises(BadAccountKey):
        platform.validate_account("0123456789ABCDEF")


def test_two_customers_of_one_name_have_two_accounts(platform, homers):
    assert platform.create_account("The Simpsons") != homers


def test_renewing_the_account_key_ends_the_old_one(platform, homers, kitchen):
    new = platform.renew_account_key(homers)
    with pytest.raises(BadAccountKey):
        platform.list_channels(homers)
    assert platform.list_channels(new) == [kitchen]


def test_a_new_channel_has_one_write_and_one_read_key(kitchen):
    assert len({kitchen.write_key, *kitchen.read_keys}) == 2
    for key in (kitchen.write_key, *kitchen.read_keys):
        assert len(key) == 16
        assert key.isalnum()
        assert key.isascii()
        assert key == key.upper()


def test_a_channel_is_found_again_by_its_marker(platform, homers, kitchen):
    assert kitchen.marker == "kitchen-1"
    assert platform.find_channel(homers, "kitchen-1") == kitchen
    assert platform.find_channel(homers, "kitchen") is None
    assert platform.find_channel(homers, "") is None


def test_a_marker_is_looked_up_by_index(kitchen):
    if connection.vendor == "postgresql":  # which otherwise scans a table of one row
        connection.cursor().execute("SET LOCAL enable_seqscan = off")
    assert "channel_by_marker" in Channel.objects.filter(account=1, marker="kitchen-1").explain()


def test_of_two_channels_with_one_marker_the_oldest_is_found(platform, homers, kitchen):
    platform.create_channel(homers, name="Twin", marker="kitchen-1", labels={})
    assert platform.find_channel(homers, "kitchen-1") == kitchen


def test_another_account_neither_finds_nor_touches_it(platform, kitchen):
    carls = platform.create_account("Carl")
    assert platform.find_channel(carls, "kitchen-1") is None
    assert platform.list_channels(carls) == []
    for attempt in (platform.get_channel, platform.delete_channel):
        with pytest.raises(NoSuchChannel):
            attempt(carls, kitchen.number)
    with pytest.raises(NoSuchChannel):
        platform.rotate_write_key(carls, kitchen.number, overlap=timedelta())


def test_listing_channels_takes_the_same_queries_for_many(platform, homers, django_assert_num_queries):
    for n in range(5):
        platform.create_channel(homers, name=f"Room {n}", marker=f"room-{n}", labels={})
    with django_assert_num_queries(3):
        assert [channel.name for channel in platform.list_channels(homers)] == [f"Room {n}" for n in range(5)]


def test_renaming_keeps_the_marker_and_marking_keeps_the_name(platform, homers, kitchen):
    platform.update_channel(homers, kitchen.number, name="Pantry")
    assert platform.find_channel(homers, "kitchen-1").name == "Pantry"
    platform.update_channel(homers, kitchen.number, marker="pantry-1")
    assert platform.get_channel(homers, kitchen.number).name == "Pantry"
    assert platform.find_channel(homers, "kitchen-1") is None
    assert platform.find_channel(homers, "pantry-1").number == kitchen.number


def test_a_marker_leaves_the_rest_of_the_metadata(platform, homers, kitchen):
    channel = Channel.objects.get(number=kitchen.number)
    channel.metadata = "on the fridge keydist:kitchen-1 since May"
    channel.save(update_fields=["metadata"])
    platform.update_channel(homers, kitchen.number, marker="kitchen-2")
    channel.refresh_from_db()
    assert channel.metadata == "on the fridge  since May keydist:kitchen-2"


def test_a_plan_limits_the_number_of_channels(platform, homers, kitchen, settings):
    settings.PLATFORM_CHANNELS_PER_ACCOUNT = 2
    platform.create_channel(homers, name="Second", marker="second", labels={})
    with pytest.raises(ChannelLimitReached):
        platform.create_channel(homers, name="Third", marker="third", labels={})


def test_a_deleted_channel_is_gone_with_keys_and_entries(platform, homers, kitchen):
    stored(kitchen, 1, NOON, field1="20")
    platform.delete_channel(homers, kitchen.number)
    with pytest.raises(NoSuchChannel):
        platform.get_channel(homers, kitchen.number)
    with pytest.raises(NoSuchChannel):
        platform.read_feed(kitchen.number, read_key=kitchen.read_keys[0])
    assert not Entry.objects.exists()
    assert not ApiKey.objects.exists()


def test_after_rotation_both_write_keys_are_good_until_the_overlap_ends(platform, homers, kitchen):
    with time_machine.travel(NOON, tick=False) as clock:
        new = platform.rotate_write_key(homers, kitchen.number, overlap=timedelta(hours=1))
        assert platform.get_channel(homers, kitchen.number).write_key == new != kitchen.write_key
        clock.shift(timedelta(minutes=59))
        assert platform.read_feed(kitchen.number, read_key=kitchen.write_key).number == kitchen.number
        clock.shift(timedelta(minutes=1))
        with pytest.raises(NoAccess):
            platform.read_feed(kitchen.number, read_key=kitchen.write_key)
        assert platform.read_feed(kitchen.number, read_key=new).number == kitchen.number


def test_a_retiring_write_key_can_be_ended_early_but_the_current_one_cannot(platform, homers, kitchen):
    new = platform.rotate_write_key(homers, kitchen.number, overlap=timedelta(hours=1))
    platform.revoke_key(homers, kitchen.number, kitchen.write_key)
    with pytest.raises(NoAccess):
        platform.read_feed(kitchen.number, read_key=kitchen.write_key)
    with pytest.raises(CannotDo):
        platform.revoke_key(homers, kitchen.number, new)


def test_an_added_read_key_reads_until_it_is_revoked(platform, homers, kitchen):
    marges = platform.add_read_key(homers, kitchen.number, note="Marge")
    assert platform.get_channel(homers, kitchen.number).read_keys == (*kitchen.read_keys, marges)
    platform.read_feed(kitchen.number, read_key=marges)
    platform.revoke_key(homers, kitchen.number, marges)
    platform.revoke_key(homers, kitchen.number, marges)
    with pytest.raises(NoAccess):
        platform.read_feed(kitchen.number, read_key=marges)
    assert platform.get_channel(homers, kitchen.number).read_keys == kitchen.read_keys


def test_no_key_of_one_channel_reads_another(platform, homers, kitchen):
    reactor = platform.create_channel(homers, name="Reactor", marker="reactor", labels={})
    for key in (*kitchen.read_keys, kitchen.write_key, homers, ""):
        with pytest.raises(NoAccess):
            platform.read_feed(reactor.number, read_key=key)


def test_the_feed_is_oldest_first_with_labels_and_only_the_values_sent(platform, kitchen):
    stored(kitchen, 1, NOON, field1="20")
    stored(kitchen, 2, NOON + timedelta(minutes=1), field2="wet")
    stored(kitchen, 3, NOON + timedelta(minutes=2), field1="22")
    feed = platform.read_feed(kitchen.number, read_key=kitchen.read_keys[0], results=2)
    assert (feed.name, feed.labels) == ("Kitchen", {1: "Temperature"})
    assert [(entry.entry_id, entry.values) for entry in feed.entries] == [(2, {2: "wet"}), (3, {1: "22"})]
    assert feed.entries[0].created_at == NOON + timedelta(minutes=1)
    early = platform.read_feed(kitchen.number, read_key=kitchen.read_keys[0], end=NOON)
    assert [entry.entry_id for entry in early.entries] == [1]
    late = platform.read_feed(kitchen.number, read_key=kitchen.read_keys[0], start=NOON + timedelta(minutes=2))
    assert [entry.entry_id for entry in late.entries] == [3]


def test_when_channels_last_measured_is_told_without_a_key_in_one_query(
    platform, homers, kitchen, django_assert_num_queries
):
    empty = platform.create_channel(homers, name="Empty", marker="empty", labels={})
    stored(kitchen, 1, NOON, field1="20")
    with django_assert_num_queries(1):
        assert platform.last_measured([kitchen.number, empty.number]) == {kitchen.number: NOON}


def test_last_entries_come_in_two_queries_without_the_feed_table(platform, homers, kitchen, django_assert_num_queries):
    reactor = platform.create_channel(homers, name="Reactor", marker="reactor", labels={})
    empty = platform.create_channel(homers, name="Empty", marker="empty", labels={})
    stored(kitchen, 1, NOON, field1="20")
    stored(reactor, 1, NOON, field1="900")
    keys = {channel.number: channel.read_keys[0] for channel in (kitchen, empty)}
    keys[reactor.number] = kitchen.read_keys[0]
    with django_assert_num_queries(2) as queries:
        found = platform.last_entries(keys)
    assert "platform_entry" not in "".join(query["sql"] for query in queries.captured_queries)
    assert set(found) == {kitchen.number}
    keys[reactor.number] = reactor.read_keys[0]
    found = platform.last_entries(keys)
    assert {number: (entry.entry_id, entry.values) for number, entry in found.items()} == {
        kitchen.number: (1, {1: "20"}),
        reactor.number: (1, {1: "900"}),
    }


def test_no_key_is_stored_or_shown_in_clear(homers, kitchen, django_user_model):
    dump = ""
    with connection.cursor() as cursor:
        for table in ("platform_account", "platform_apikey", "platform_channel"):
            cursor.execute(f"SELECT * FROM {table}")
            dump += repr(cursor.fetchall())
    for key in (homers, kitchen.write_key, *kitchen.read_keys):
        assert key not in dump
        assert key not in repr(kitchen)


def test_addresses_for_devices_and_people(platform, settings):
    settings.PUBLIC_URL = "https://keys.example"
    assert platform.update_url == "https://keys.example/update"
    assert platform.chart_url(7, 1) == "https://keys.example/channels/7/charts/1"
    address = platform.chart_url(7, 1, api_key="K", bgcolor="#ffffff")
    assert address == "https://keys.example/channels/7/charts/1?api_key=K&bgcolor=%23ffffff"


def test_a_list_does_not_decrypt_keys_that_have_ended(platform, homers, kitchen):
    """There are more of them with every renewal, and they stay."""
    ended = ApiKey.objects.get(channel=kitchen.number, writes=True)
    new = platform.rotate_write_key(homers, kitchen.number, overlap=timedelta())
    lose(ended, "value")
    assert [channel.write_key for channel in platform.list_channels(homers)] == [new]
    assert platform.get_channel(homers, kitchen.number).write_key == new
