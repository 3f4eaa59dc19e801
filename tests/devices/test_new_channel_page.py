"""Homer moves a device to a new channel, and decides what becomes of the old one."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, PlatformAccount
from channels.platform.models import Account
from channels.platforms import OutOfReach
from channels.sync import sync
from channels.thingspeak import ThingSpeak
from devices import rollover_run
from devices.models import Device, RollOver
from tests.background import do_background_work
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.devices.measuring import measure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kitchen(thingspeak_over_http: PlatformAccount, simpsons: Cast) -> Device:
    return again(simpsons.kitchen)


@pytest.fixture
def page(kitchen: Device) -> str:
    return f"/devices/{kitchen.pk}/new-channel/"


def again(device: Device) -> Device:
    return Device.objects.select_related("organization", "channel__account").get(pk=device.pk)


def numbers_there(device: Device) -> set[int]:
    return {channel.number for channel in Embedded().list_channels(device.channel.account.key)}


def test_the_page_asks_first_and_then_tells_how_far_it_is(as_homer: Client, kitchen: Device, page: str) -> None:
    assert "A free ThingSpeak account may have 4" not in as_homer.get(page).content.decode(), "not compared yet"
    kitchen.channel.account.channels_there = 3
    kitchen.channel.account.save()
    said = as_homer.get(page).content.decode()
    assert "3 channels now" in said
    assert not RollOver.objects.exists()
    assert as_homer.post(page, {"old": "keep"}).status_code == 302
    said = as_homer.get(page).content.decode()
    assert str(again(kitchen).channel.number) in said
    assert "within a day" in said
    ChannelKey.objects.filter(channel=again(kitchen).channel).update(told_at=timezone.now())
    assert "has been told" in as_homer.get(page).content.decode()


def test_a_choice_is_needed(as_homer: Client, kitchen: Device, page: str) -> None:
    said = as_homer.post(page, {}).content.decode()
    assert "Choose what becomes of the old channel" in said
    assert not RollOver.objects.exists()


def test_at_once_means_now(as_homer: Client, kitchen: Device, page: str) -> None:
    old = kitchen.channel.number
    as_homer.post(page, {"old": "now"})
    assert old not in numbers_there(kitchen)
    assert again(kitchen).channel.number in numbers_there(kitchen)


def test_a_full_account_is_explained_and_the_move_can_be_called_off(
    as_homer: Client, kitchen: Device, page: str, settings
) -> None:
    settings.PLATFORM_PLANS = {"full": {"channels": 2}}
    Account.objects.update(plan_name="full")
    as_homer.post(page, {"old": "keep"})
    said = as_homer.get(page).content.decode()
    assert "no channel left" in said
    assert "Nothing has changed so far" in said
    assert "waits for its new channel" in as_homer.get("/devices/").content.decode()
    as_homer.post(f"{page}cancel/")
    assert not RollOver.objects.open().exists()
    assert again(kitchen).channel == kitchen.channel


def test_a_second_manager_finds_it_under_way(as_homer: Client, kitchen: Device, page: str) -> None:
    with patch.object(ThingSpeak, "find_channel", side_effect=OutOfReach):
        as_homer.post(page, {"old": "keep"})
    said = as_homer.post(page, {"old": "now"}).content.decode()
    assert "being moved to a new channel already" in said or "The move is under way" in said
    assert RollOver.objects.get().keep_old


def test_the_kept_channel_is_deleted_later_after_a_question(as_homer: Client, kitchen: Device, page: str) -> None:
    old = kitchen.channel.number
    as_homer.post(page, {"old": "keep"})
    step = f"/devices/{kitchen.pk}/old-channels/{old}/delete/"
    assert as_homer.get(step).status_code == 404, "the device may still write to it"
    measure(again(kitchen), "21")
    ChannelKey.objects.writing().current().filter(channel=again(kitchen).channel).update(acknowledged_at=timezone.now())
    rollover_run.carry_on()
    assert step in as_homer.get(page).content.decode()
    assert "disappears from the chart" in as_homer.get(step).content.decode()
    with patch.object(ThingSpeak, "delete_channel", side_effect=OutOfReach):
        assert "Nothing was deleted" in as_homer.post(step, follow=True).content.decode()
    assert old in numbers_there(kitchen)
    as_homer.post(step)
    assert old not in numbers_there(kitchen)
    assert "deleted" in as_homer.get(page).content.decode()
    assert as_homer.get(step).status_code == 404


@pytest.mark.parametrize("old", ["keep", "delete"])
def test_the_old_channel_can_be_left_without_waiting(as_homer: Client, kitchen: Device, page: str, old: str) -> None:
    number = kitchen.channel.number
    as_homer.post(page, {"old": old})
    assert number in numbers_there(kitchen)
    question = as_homer.get(f"{page}leave/").content.decode()
    assert ("cannot be undone" in question) == (old == "delete")
    with patch.object(ThingSpeak, "delete_channel", side_effect=OutOfReach):
        said = as_homer.post(f"{page}leave/", follow=True).content.decode()
    assert ("out of reach" in said) == (old == "delete")
    as_homer.post(f"{page}leave/")
    assert (number in numbers_there(kitchen)) == (old == "keep")
    assert not RollOver.objects.open().exists()


def test_a_new_channel_that_is_deleted_too_leads_to_another(
    as_homer: Client, kitchen: Device, page: str, simpsons: Cast
) -> None:
    as_homer.post(page, {"old": "keep"})
    second = again(kitchen).channel
    Embedded().delete_channel(second.account.key, second.number)
    Channel.objects.update(created_at=timezone.now() - timedelta(days=1))
    sync(second.account)
    assert "Its channel is gone" in as_homer.get(page).content.decode()
    as_homer.post(page)
    third = again(kitchen).channel
    assert third.number not in (kitchen.channel.number, second.number)
    assert current(third).version == 3
    assert not RollOver.objects.open().exists()
    measure(again(kitchen), "21")


def test_on_the_built_in_platform_there_is_no_need(as_homer: Client, simpsons: Cast) -> None:
    page = f"/devices/{simpsons.kitchen.pk}/new-channel/"
    assert "no need of another one" in " ".join(as_homer.get(page).content.decode().split())
    as_homer.post(page, {"old": "keep"})
    assert not RollOver.objects.exists()


def test_a_device_that_is_renamed_renames_its_channel(as_homer: Client, kitchen: Device) -> None:
    as_homer.post(f"/devices/{kitchen.pk}/edit/", {"name": "Pantry"})
    do_background_work()
    there = Embedded().get_channel(kitchen.channel.account.key, kitchen.channel.number)
    assert (there.name, there.marker) == ("Pantry", kitchen.marker)


def test_a_channel_is_renamed_later_if_the_platform_is_away(as_homer: Client, kitchen: Device, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    as_homer.post(f"/devices/{kitchen.pk}/edit/", {"name": "Pantry"})
    with patch.object(ThingSpeak, "update_channel", side_effect=OutOfReach):
        do_background_work()
    time_machine.shift(60)
    again(kitchen).describe(name="Larder", description="")
    do_background_work()
    assert Embedded().get_channel(kitchen.channel.account.key, kitchen.channel.number).name == "Larder"
