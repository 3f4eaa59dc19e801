"""A blocked device gets no key, and what it has ends; unblocked, it gets a new one by itself and has lost nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from channels.embedded import Embedded
from channels.models import Renewal
from channels.platform.models import Entry
from channels.platforms import OutOfReach
from devices import blocking, renewal_run
from devices.attention import matters_for
from devices.models import Device, RegistrationKey
from orgs.audit import AuditEntry
from tests.channels.renewing import ProcessDied as Died
from tests.channels.renewing import assert_books_are_right, current, die_before, writes
from tests.conftest import Cast
from tests.devices import in_process
from tests.devices.measuring import measure
from tests.devices.test_registration_address import ask, opened
from tests.factories import DeviceFactory, RegistrationKeyFactory


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.home)


def test_a_blocked_device_is_refused_in_words_and_its_key_ends_at_once(simpsons: Cast, key: RegistrationKey) -> None:
    kitchen = simpsons.kitchen
    had = current(kitchen.channel)
    assert blocking.block(kitchen, by=simpsons.homer)

    answer = ask(kitchen.serial, key.lookup, accept="text/plain")
    assert answer.status_code == 409
    assert answer.content.decode().startswith("error=policy_refuses This device is blocked.")
    assert not writes(had)
    assert_books_are_right(kitchen.channel)
    assert AuditEntry.objects.about(kitchen).get(action="device.blocked").actor == simpsons.homer
    # Nobody else is touched.
    assert ask(simpsons.reactor.serial, key.lookup).status_code == 200


def test_also_a_device_that_says_it_has_the_current_key_is_refused(simpsons: Cast, key: RegistrationKey) -> None:
    etag = ask(simpsons.kitchen.serial, key.lookup)["ETag"]
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    assert ask(simpsons.kitchen.serial, key.lookup, **{"if-none-match": etag}).status_code == 409


def test_an_unblocked_device_gets_a_new_key_for_the_same_channel(simpsons: Cast, key: RegistrationKey) -> None:
    before = opened(ask(simpsons.kitchen.serial, key.lookup), key)
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    assert blocking.unblock(simpsons.kitchen, by=simpsons.homer)
    after = opened(ask(simpsons.kitchen.serial, key.lookup), key)
    assert (after.channel, after.key_version) == (before.channel, before.key_version + 1)
    assert after.write_key != before.write_key
    assert writes(after.write_key)


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_a_key_that_ends_by_it_says_when_it_was_used(simpsons: Cast, several: bool) -> None:
    had = current(simpsons.kitchen.channel)
    measure(simpsons.kitchen, "20")
    blocking.block_all([simpsons.kitchen, simpsons.reactor][: 1 + several], by=simpsons.homer)
    had.refresh_from_db()
    assert had.state == "revoked"
    assert had.first_used_at is not None
    assert had.last_used_at is not None


def test_nobody_is_told_that_a_blocked_device_has_not_fetched_its_key(simpsons: Cast) -> None:
    measure(simpsons.kitchen, "20")
    measure(simpsons.reactor, "20")
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    assert [matter.sentence for matter in matters_for(simpsons.homer, timezone.now())] == []
    blocking.unblock(simpsons.kitchen, by=simpsons.homer)
    (matter,) = matters_for(simpsons.homer, timezone.now())
    assert "has not fetched its new key" in matter.sentence


def test_blocking_twice_or_unblocking_what_is_not_blocked_does_nothing(simpsons: Cast) -> None:
    assert blocking.block(simpsons.kitchen, by=simpsons.homer)
    assert not blocking.block(simpsons.kitchen, by=simpsons.homer)
    assert blocking.unblock(simpsons.kitchen, by=simpsons.homer)
    assert not blocking.unblock(simpsons.kitchen, by=simpsons.homer)
    assert Renewal.objects.count() == 1


def test_a_device_without_channel_is_blocked_too(simpsons: Cast, key: RegistrationKey) -> None:
    device = DeviceFactory(organization=simpsons.household, channel=None)
    blocking.block(device, by=simpsons.homer)
    assert ask(device.serial, key.lookup).status_code == 409
    blocking.unblock(device, by=simpsons.homer)
    assert ask(device.serial, key.lookup).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_before_the_key_has_ended_leaves_that_to_the_worker(
    simpsons: Cast, key: RegistrationKey, time_machine: Any
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    had = current(simpsons.kitchen.channel)
    with die_before("get_channel"), pytest.raises(Died):
        blocking.block(simpsons.kitchen, by=simpsons.homer)
    assert ask(simpsons.kitchen.serial, key.lookup).status_code == 409
    time_machine.shift(timedelta(minutes=2))
    renewal_run.run()
    assert not writes(had)
    assert_books_are_right(simpsons.kitchen.channel)


def test_a_platform_that_is_away_ends_the_key_as_soon_as_it_is_back(simpsons: Cast, time_machine: Any) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    had = current(simpsons.kitchen.channel)
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach):
        blocking.block(simpsons.kitchen, by=simpsons.homer)
    assert writes(had)
    time_machine.shift(timedelta(minutes=2))
    renewal_run.run()
    assert not writes(had)


def test_a_platform_that_cannot_end_keys_is_said_so_in_words(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Embedded, "can_rotate_write_keys", False)
    had = current(simpsons.kitchen.channel)
    html = as_homer.get(f"/devices/{simpsons.kitchen.pk}/block/").content.decode()
    assert "lets no program end a write key, so “kitchen” can go on writing" in html
    assert f"open channel {simpsons.kitchen.channel.number} there" in html
    assert "nothing it measures is stored any more" not in html
    as_homer.post(f"/devices/{simpsons.kitchen.pk}/block/")
    assert Device.objects.get(pk=simpsons.kitchen.pk).blocked_at is not None
    assert writes(had)


def test_a_real_thermometer_says_why_and_delivers_everything_once_it_is_unblocked(
    simpsons: Cast, tmp_path: Path, time_machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    time_machine.move_to(datetime(2026, 6, 1, 12, tzinfo=UTC), tick=False)
    with in_process.quick_derivation(), in_process.quick_disk():
        text = RegistrationKey.issue(simpsons.household).text
        device = in_process.Device(tmp_path, serial="1", registration_key=text, period=300.0)
        device.run(timedelta(hours=1), time_machine)
        known = Device.objects.get(serial="1")
        assert known.channel is not None
        blocking.block(known, by=simpsons.homer)
        stored = Entry.objects.filter(channel=known.channel.number)
        until_now = stored.count()
        device.run(timedelta(hours=5), time_machine)
        assert "This device is blocked. A manager can unblock it" in caplog.text
        assert stored.count() == until_now

        blocking.unblock(known, by=simpsons.homer)
        device.run(timedelta(hours=2), time_machine)
    assert Counter(stored.values_list("field1", flat=True)) == Counter(device.sensor.taken)


# ---- pages ----


def test_the_page_asks_first_and_says_what_has_happened(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    address = f"/devices/{simpsons.kitchen.pk}/"
    measure(simpsons.kitchen, "20")
    assert "Block “kitchen”?" in as_homer.get(f"{address}block/").content.decode()
    assert Device.objects.get(pk=simpsons.kitchen.pk).blocked_at is None
    html = as_homer.post(f"{address}block/", follow=True).content.decode()
    assert "“kitchen” is blocked." in html
    assert "the portal gives it no key" in html
    marges = as_marge.get(address).content.decode()
    assert "Blocked" in marges
    assert "Unblock" not in marges
    html = as_homer.post(f"{address}unblock/", follow=True).content.decode()
    assert "“kitchen” is not blocked any more." in html
    assert "the portal gives it no key" not in html


def test_a_member_learns_who_can_unblock_and_that_nothing_new_comes_until_then(
    simpsons: Cast, as_homer: Client, as_marge: Client
) -> None:
    address = f"/devices/{simpsons.kitchen.pk}/"
    said = "Blocked by a manager since"
    assert said not in as_marge.get(address).content.decode()
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    marges = as_marge.get(address).content.decode()
    assert said in marges
    assert "No new values come until it is unblocked." in marges
    assert "ask somebody who manages it" in marges
    assert said not in as_homer.get(address).content.decode(), "he has blocked it himself, and has the button"


def test_a_member_is_not_told_that_nothing_comes_where_a_blocked_device_can_go_on_writing(
    simpsons: Cast, as_marge: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Embedded, "can_rotate_write_keys", False)
    Device.objects.filter(pk=simpsons.kitchen.pk).update(blocked_at=timezone.now())
    marges = as_marge.get(f"/devices/{simpsons.kitchen.pk}/").content.decode()
    assert "Blocked by a manager since" in marges
    assert "No new values come" not in marges


def test_blocked_devices_are_found_in_the_list(simpsons: Cast, as_homer: Client) -> None:
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    found = as_homer.get("/devices/list/?state=blocked").context["found"]
    assert [str(reading.device) for reading in found.readings] == ["kitchen"]


def test_many_are_blocked_after_a_question_and_unblocked_at_once(simpsons: Cast, as_homer: Client) -> None:
    chosen = {"devices": [simpsons.kitchen.pk, simpsons.reactor.pk], "next": "/devices/list/?q=e"}
    question = as_homer.post("/devices/list/block/", chosen).content.decode()
    assert "Block 2 devices?" in question
    assert "kitchen (Household), reactor (Power plant)" in question
    assert not Device.objects.filter(blocked_at__isnull=False).exists()

    answer = as_homer.post("/devices/list/block/", {**chosen, "confirmed": "yes"})
    assert answer["Location"] == "/devices/list/?q=e"
    assert Device.objects.filter(blocked_at__isnull=False).count() == 2
    html = as_homer.post("/devices/list/unblock/", chosen, follow=True).content.decode()
    assert "2 devices are not blocked any more." in html
    assert "None of these was blocked." in as_homer.post("/devices/list/unblock/", chosen, follow=True).content.decode()
    assert "Choose at least one" in as_homer.post("/devices/list/block/", follow=True).content.decode()


@pytest.mark.parametrize("who", ["marge", "lenny", "carl"])
def test_nobody_blocks_what_they_do_not_manage(simpsons: Cast, who: str) -> None:
    client = Client()
    client.force_login(getattr(simpsons, who))
    client.post("/devices/list/block/", {"devices": [simpsons.kitchen.pk], "confirmed": "yes"})
    assert Device.objects.get(pk=simpsons.kitchen.pk).blocked_at is None
