"""What a device has measured in the channel that it left stays its own, and stays where people look for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from channels.embedded import Embedded
from channels.errors import CannotRenew
from channels.models import Channel, Finding, PlatformAccount
from channels.reading_keys import read_key_for
from channels.sync import sync
from devices import leaving, rollover, rollover_run
from devices.feeds import FeedQuery
from devices.history import csv_of
from devices.latest import APART, feed_of, last_values
from devices.models import Device
from devices.read_rights import note_known_keys
from orgs.models import Membership
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.devices.rolling_over import acknowledge, again

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kitchen(thingspeak_over_http: PlatformAccount, simpsons: Cast) -> Device:
    return again(simpsons.kitchen)


def numbers_there(account: PlatformAccount) -> set[int]:
    return {channel.number for channel in Embedded().list_channels(account.key)}


def test_the_history_stays_on_the_same_chart(kitchen: Device, simpsons: Cast) -> None:
    start = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    for minute, value in enumerate(["1", "2", "3"]):
        measure(kitchen, value, start + timedelta(minutes=minute))
    before = [entry.entry_id for entry in feed_of(kitchen.channel, results=60).entries]
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    moved = again(kitchen)
    assert last_values([moved]).entries[moved.pk].values[1] == "3", "the old channel's, until there is a newer one"
    for minute, value in enumerate(["4", "5"], start=3):
        measure(moved, value, start + timedelta(minutes=minute))
    feed = feed_of(moved.channel, results=60)
    assert [entry.values[1] for entry in feed.entries] == ["1", "2", "3", "4", "5"]
    assert [entry.values[1] for entry in feed_of(moved.channel, results=3).entries] == ["3", "4", "5"]
    ids = [entry.entry_id for entry in feed.entries]
    assert ids == sorted(set(ids)), "a chart asks for what comes after the last one that it has"
    assert ids[:3] == before
    assert last_values([moved]).entries[moved.pk].values[1] == "5"
    since = FeedQuery.read({"results": "60", "start_entry_id": str(before[-1] + 1)})
    assert since.since == before[-1] + 1
    assert FeedQuery.read({"start_entry_id": str(APART + 2)}).since == APART + 2


def test_marge_sees_one_chart(kitchen: Device, simpsons: Cast, as_marge: Client) -> None:
    now = timezone.now().replace(microsecond=0)
    measure(kitchen, "20", now - timedelta(minutes=2))
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    measure(again(kitchen), "21", now - timedelta(minutes=1))
    shown = as_marge.get(f"/devices/{kitchen.pk}/feed.json").json()
    assert [entry["field1"] for entry in shown["feeds"]] == ["20", "21"]
    assert "20" in as_marge.get(f"/devices/{kitchen.pk}/values/").content.decode()


def test_a_kept_channel_is_deleted_later_by_choice(kitchen: Device, simpsons: Cast) -> None:
    old = kitchen.channel
    now = timezone.now().replace(microsecond=0)
    measure(kitchen, "20", now - timedelta(minutes=2))
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    measure(again(kitchen), "21", now - timedelta(minutes=1))
    old.refresh_from_db()
    with pytest.raises(CannotRenew):
        leaving.delete_old(old, device=kitchen, by=simpsons.homer)
    acknowledge(kitchen)
    rollover_run.carry_on()
    old = Channel.objects.select_related("account").get(pk=old.pk)
    assert old.number in numbers_there(old.account)
    leaving.delete_old(old, device=kitchen, by=simpsons.homer)
    assert old.number not in numbers_there(old.account)
    assert [entry.values[1] for entry in feed_of(again(kitchen).channel, results=60).entries] == ["21"]
    assert sync(old.account).is_nothing


def test_what_somebody_writes_into_a_channel_that_was_left_is_not_shown(
    kitchen: Device, simpsons: Cast, time_machine
) -> None:
    """A key that others know cannot be ended in a channel that is kept."""
    time_machine.move_to(timezone.now(), tick=False)
    leaked = current(kitchen.channel).value
    measure(kitchen, "20")
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    acknowledge(kitchen)
    rollover_run.carry_on()
    time_machine.shift(timedelta(days=2))
    measure(again(kitchen), "21")
    assert Client().post("/update", {"api_key": leaked, "field1": "99"}).content != b"0"
    assert [entry.values[1] for entry in feed_of(again(kitchen).channel, results=60).entries] == ["20", "21"]
    assert last_values([again(kitchen)]).entries[kitchen.pk].values[1] == "21"


def test_who_left_and_knows_the_key_of_the_old_channel_is_not_forgotten(kitchen: Device, simpsons: Cast) -> None:
    """The history in it is still the device's."""
    read_key_for(simpsons.marge, kitchen.channel)
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    acknowledge(kitchen)
    rollover_run.carry_on()
    Membership.objects.filter(user=simpsons.marge).delete()
    assert note_known_keys(simpsons.home) == 1
    assert Finding.objects.open().get().number == kitchen.channel.number
    assert note_known_keys(simpsons.home) == 0
    old = Channel.objects.select_related("account").get(pk=kitchen.channel.pk)
    leaving.delete_old(old, device=again(kitchen), by=simpsons.homer)
    note_known_keys(simpsons.home)
    assert not Finding.objects.open().exists()


def test_the_history_as_csv_has_both_channels(kitchen: Device, simpsons: Cast) -> None:
    start = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    measure(kitchen, "20", start)
    rollover.start(kitchen, by=simpsons.homer, keep_old=True)
    measure(again(kitchen), "21", start + timedelta(minutes=1))
    heading, first, second = "".join(csv_of(again(kitchen).channel)).strip().splitlines()
    assert heading.startswith("created_at")
    assert "20" in first
    assert "21" in second
