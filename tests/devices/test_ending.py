"""Devices that are deleted, and devices that take the place of broken ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from channels import program_keys, removal
from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, Renewal
from channels.platform.models import Channel as PlatformChannel
from channels.platforms import ChannelLimitReached, OutOfReach
from channels.reading_keys import read_key_for
from devices import blocking, ending, pending, renewal_run
from devices.attention import matters_for
from devices.errors import TryLater
from devices.latest import feed_of
from devices.models import Device, ExpectedDevice, FormerDevice, PendingDevice, RegistrationKey, RegistrationPolicy
from devices.registration import register
from orgs.audit import AuditEntry
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, die_after, writes
from tests.conftest import MANAGER, Cast
from tests.devices.measuring import measure
from tests.devices.test_registration_address import ask, opened
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory, give_channel

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "new-hardware"


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household)


def number_of(device: Device) -> int:
    assert device.channel is not None
    return device.channel.number


def reads(channel: int, key: str) -> bool:
    return Client().get(f"/channels/{channel}/feeds.json?api_key={key}").status_code == 200


# ---- deleting ----


def test_a_deleted_device_takes_its_channel_along(simpsons: Cast) -> None:
    kitchen, number = simpsons.kitchen, number_of(simpsons.kitchen)
    had = current(kitchen.channel)
    assert ending.delete(kitchen, keep_channel=False, by=simpsons.homer)
    assert not Device.objects.filter(pk=kitchen.pk).exists()
    assert not Channel.objects.filter(number=number).exists()
    assert not PlatformChannel.objects.filter(number=number).exists()
    assert not writes(had)


def test_a_channel_that_is_kept_opens_to_nobodys_key_any_more(simpsons: Cast) -> None:
    kitchen, number = simpsons.kitchen, number_of(simpsons.kitchen)
    measure(kitchen, "20")
    had, marges = current(kitchen.channel), read_key_for(simpsons.marge, kitchen.channel)
    program = program_keys.add(kitchen.channel, note="Shed", by=simpsons.homer).value
    assert reads(number, marges)
    assert reads(number, program)

    ending.delete(kitchen, keep_channel=True, by=simpsons.homer)

    channel = Channel.objects.get(number=number)
    assert PlatformChannel.objects.get(number=number).latest.newest_id == 1
    assert not writes(had)
    assert not reads(number, marges)
    assert not reads(number, program)
    assert_books_are_right(channel)
    assert ChannelKey.objects.of_the_portal().filter(channel=channel).exists()


def test_what_happened_stays_to_be_read(simpsons: Cast) -> None:
    pk, serial, number = simpsons.kitchen.pk, simpsons.kitchen.serial, number_of(simpsons.kitchen)
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    blocking.unblock(simpsons.kitchen, by=simpsons.homer)
    ending.delete(simpsons.kitchen, keep_channel=False, by=simpsons.homer)
    about = AuditEntry.objects.filter(object_type="devices.device", object_id=str(pk)).order_by("pk")
    assert list(about.values_list("action", flat=True)) == ["device.blocked", "device.unblocked", "device.deleted"]
    assert about.last().details == {"serial": serial, "channel": number, "channel_kept": False}
    former = FormerDevice.objects.get()
    assert (former.name, former.serial, former.channel_number, former.how) == ("kitchen", serial, number, "deleted")


def test_deleting_twice_is_no_error(simpsons: Cast) -> None:
    kitchen = Device.objects.get(pk=simpsons.kitchen.pk)
    assert ending.delete(simpsons.kitchen, keep_channel=True, by=simpsons.homer)
    assert not ending.delete(kitchen, keep_channel=True, by=simpsons.homer)
    assert FormerDevice.objects.count() == 1


def test_a_platform_that_is_away_is_told_later(simpsons: Cast, time_machine: Any) -> None:
    number = number_of(simpsons.kitchen)
    with patch.object(Embedded, "delete_channel", side_effect=OutOfReach):
        ending.delete(simpsons.kitchen, keep_channel=False, by=simpsons.homer)
    assert not Device.objects.filter(pk=simpsons.kitchen.pk).exists()
    channel = Channel.objects.get(number=number)
    waiting = DBTaskResult.objects.filter(task_path="channels.removal.remove_channel")
    assert [task.args_kwargs["args"] for task in waiting.order_by("run_after")] == [[channel.pk], [channel.pk, 1]]
    assert removal.remove_channel.call(channel.pk, 1)
    assert not PlatformChannel.objects.filter(number=number).exists()
    assert not Channel.objects.filter(number=number).exists()


def test_a_process_that_dies_after_the_platform_did_it_leaves_the_rest_to_the_worker(simpsons: Cast) -> None:
    number = number_of(simpsons.kitchen)
    with die_after("delete_channel"), pytest.raises(ProcessDied):
        ending.delete(simpsons.kitchen, keep_channel=False, by=simpsons.homer)
    channel = Channel.objects.get(number=number)
    assert DBTaskResult.objects.filter(task_path="channels.removal.remove_channel").count() == 1
    assert removal.remove_channel.call(channel.pk)
    assert not Channel.objects.filter(number=number).exists()
    assert removal.remove_channel.call(channel.pk), "once more does no harm"


def test_a_device_that_was_moved_from_channel_to_channel_takes_all_of_them_along(simpsons: Cast) -> None:
    first = simpsons.kitchen.channel
    second = give_channel(simpsons.kitchen)
    Channel.objects.filter(pk=second.pk).update(first=first)
    with patch.object(Embedded, "delete_channel", side_effect=[OutOfReach, None]):
        ending.delete(Device.objects.get(pk=simpsons.kitchen.pk), keep_channel=False, by=simpsons.homer)
    assert set(Channel.objects.filter(number__in=[first.number, second.number])) == {first, second}
    assert removal.remove_channel.call(second.pk, 1)
    assert not Channel.objects.filter(pk__in=[first.pk, second.pk]).exists()


def test_a_channel_that_has_a_device_is_never_removed(simpsons: Cast) -> None:
    assert not removal.remove_channel.call(simpsons.kitchen.channel.pk)
    assert PlatformChannel.objects.filter(number=number_of(simpsons.kitchen)).exists()


def test_it_does_not_come_back_while_its_registration_key_is_revoked(simpsons: Cast, key: RegistrationKey) -> None:
    ending.delete(simpsons.kitchen, keep_channel=False, by=simpsons.homer)
    key.revoke()
    assert ask(simpsons.kitchen.serial, key.lookup).status_code == 403
    assert not Device.objects.filter(serial=simpsons.kitchen.serial).exists()


@pytest.mark.parametrize("keep", [True, False])
def test_with_a_good_key_it_comes_back_as_a_new_device_and_the_manager_is_told(
    simpsons: Cast, key: RegistrationKey, as_homer: Client, keep: bool
) -> None:
    serial, number = simpsons.kitchen.serial, number_of(simpsons.kitchen)
    ending.delete(simpsons.kitchen, keep_channel=keep, by=simpsons.homer)
    payload = opened(ask(serial, key.lookup), key)
    assert payload.channel != number
    device = Device.objects.get(serial=serial)
    assert device.name == ""
    (matter,) = matters_for(simpsons.homer, timezone.now())
    assert "was here before" in matter.sentence
    html = as_homer.get(device.get_absolute_url()).content.decode()
    assert "A device with this serial number was here before: “kitchen” in Household, deleted" in html


def test_with_approval_it_waits_like_any_other(simpsons: Cast, key: RegistrationKey) -> None:
    ending.delete(simpsons.kitchen, keep_channel=False, by=simpsons.homer)
    RegistrationPolicy.of(simpsons.home).change("approved")
    assert ask(simpsons.kitchen.serial, key.lookup).status_code == 202


def test_what_was_blocked_stays_out(simpsons: Cast, key: RegistrationKey) -> None:
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    ending.delete(simpsons.kitchen, keep_channel=False, by=simpsons.homer)
    assert ask(simpsons.kitchen.serial, key.lookup).status_code == 409
    refused = PendingDevice.objects.refused().get()
    assert (refused.serial, refused.organization) == (simpsons.kitchen.serial, simpsons.household)
    assert pending.forget(refused, by=simpsons.homer)
    assert ask(simpsons.kitchen.serial, key.lookup).status_code == 200


# ---- replacing ----


def test_new_hardware_takes_over_channel_name_place_history_and_rights(simpsons: Cast, key: RegistrationKey) -> None:
    kitchen, number, old = simpsons.kitchen, number_of(simpsons.kitchen), simpsons.kitchen.serial
    measure(kitchen, "20")
    had, marges = current(kitchen.channel), read_key_for(simpsons.marge, kitchen.channel)

    replaced = ending.replace(kitchen, serial=NEW, by=simpsons.homer)

    assert (replaced.pk, replaced.name, replaced.organization) == (kitchen.pk, "kitchen", simpsons.household)
    assert not writes(had), "the old hardware cannot write any more"
    payload = opened(ask(NEW, key.lookup), key)
    assert (payload.channel, payload.key_version) == (number, 2)
    assert writes(payload.write_key)
    assert reads(number, marges)
    assert PlatformChannel.objects.get(number=number).latest.newest_id == 1
    assert_books_are_right(kitchen.channel)
    assert AuditEntry.objects.about(kitchen).get(action="device.replaced").details == {"before": old, "serial": NEW}


@pytest.mark.parametrize("keep", [True, False])
def test_hardware_that_has_come_in_by_itself_gives_up_its_own_place(
    simpsons: Cast, key: RegistrationKey, keep: bool
) -> None:
    own = opened(ask(NEW, key.lookup), key)
    newcomer, number = Device.objects.get(serial=NEW), number_of(simpsons.kitchen)

    ending.replace(simpsons.kitchen, serial=NEW, giving_up=newcomer.pk, keep_other_channel=keep, by=simpsons.homer)

    assert not Device.objects.filter(pk=newcomer.pk).exists()
    assert opened(ask(NEW, key.lookup), key).channel == number
    assert not writes(own.write_key), "it notices by the refusal that it has to ask"
    assert PlatformChannel.objects.filter(number=own.channel).exists() is keep
    assert {former.how for former in FormerDevice.objects.all()} == {"replaced", "merged"}


def test_it_may_ask_with_the_key_that_it_came_with_wherever_the_place_is(simpsons: Cast, key: RegistrationKey) -> None:
    ask(NEW, key.lookup)
    newcomer = Device.objects.get(serial=NEW)
    ending.replace(simpsons.reactor, serial=NEW, giving_up=newcomer.pk, by=simpsons.homer)
    assert opened(ask(NEW, key.lookup), key).channel == number_of(simpsons.reactor)


def test_hardware_at_the_door_is_let_in_by_it(simpsons: Cast, key: RegistrationKey) -> None:
    RegistrationPolicy.of(simpsons.home).change("approved")
    assert ask(NEW, key.lookup).status_code == 202
    ending.replace(simpsons.kitchen, serial=NEW, by=simpsons.homer)
    assert opened(ask(NEW, key.lookup), key).channel == number_of(simpsons.kitchen)
    assert not PendingDevice.objects.exists()


def test_a_closed_door_does_not_keep_a_replacement_out(simpsons: Cast, key: RegistrationKey) -> None:
    RegistrationPolicy.of(simpsons.home).change("none")
    ending.replace(simpsons.kitchen, serial=NEW, by=simpsons.homer)
    assert ask(NEW, key.lookup).status_code == 200


def test_the_old_hardware_comes_back_as_a_new_device_and_the_manager_is_told(
    simpsons: Cast, key: RegistrationKey, as_homer: Client
) -> None:
    old, number = simpsons.kitchen.serial, number_of(simpsons.kitchen)
    ending.replace(simpsons.kitchen, serial=NEW, by=simpsons.homer)
    assert opened(ask(old, key.lookup), key).channel != number
    assert any("was here before" in matter.sentence for matter in matters_for(simpsons.homer, timezone.now()))
    assert f"It took the place of {old}" in as_homer.get(simpsons.kitchen.get_absolute_url()).content.decode()


def test_blocked_hardware_stays_out_when_other_takes_its_place(simpsons: Cast, key: RegistrationKey) -> None:
    old = simpsons.kitchen.serial
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    ending.replace(simpsons.kitchen, serial=NEW, by=simpsons.homer)
    assert ask(old, key.lookup).status_code == 409
    assert ask(NEW, key.lookup).status_code == 200
    assert Device.objects.get(pk=simpsons.kitchen.pk).blocked_at is None


def test_a_device_without_channel_is_replaced_too(simpsons: Cast, key: RegistrationKey) -> None:
    device = DeviceFactory(organization=simpsons.household, channel=None)
    ending.replace(device, serial=NEW, by=simpsons.homer)
    assert ask(NEW, key.lookup).status_code == 200
    assert Device.objects.get(pk=device.pk).channel is not None


def test_its_own_serial_number_replaces_nothing(simpsons: Cast) -> None:
    with pytest.raises(ending.CannotReplace, match="has already"):
        ending.replace(simpsons.kitchen, serial=simpsons.kitchen.serial, by=simpsons.homer)
    assert not Renewal.objects.exists()


def test_nobody_takes_a_device_out_of_a_part_that_they_do_not_manage(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    with pytest.raises(ending.CannotReplace, match="do not manage"):
        ending.replace(simpsons.kitchen, serial=simpsons.reactor.serial, by=bart)
    assert Device.objects.filter(pk=simpsons.reactor.pk, channel__isnull=False).exists()
    assert not FormerDevice.objects.exists()


def test_a_serial_number_that_is_expected_in_another_part_is_not_taken_from_there(simpsons: Cast) -> None:
    patty = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    expected = ExpectedDevice.objects.create(customer=simpsons.home, serial=NEW, organization=simpsons.power_plant)
    with pytest.raises(ending.CannotReplace, match="do not manage"):
        ending.replace(simpsons.kitchen, serial=NEW, by=patty)
    ExpectedDevice.objects.filter(pk=expected.pk).update(organization=None)
    assert ending.replace(simpsons.kitchen, serial=NEW, by=patty).serial == NEW


def test_another_customers_serial_number_is_free_here(simpsons: Cast) -> None:
    ending.replace(simpsons.kitchen, serial=simpsons.garage.serial, by=simpsons.homer)
    assert Device.objects.filter(serial=simpsons.garage.serial).count() == 2


def test_a_manager_of_a_part_does_not_learn_where_else_a_device_was(simpsons: Cast) -> None:
    patty = Client()
    patty.force_login(MembershipFactory(organization=simpsons.household, relation=MANAGER).user)
    FormerDevice.objects.create(
        customer=simpsons.home,
        serial=simpsons.kitchen.serial,
        name="Core",
        organization_name="Power plant",
        how="deleted",
        ended_at=simpsons.kitchen.created_at - timedelta(days=1),
    )
    homer = Client()
    homer.force_login(simpsons.homer)
    address = f"/devices/{simpsons.kitchen.pk}/"
    assert "“Core” in Power plant" in homer.get(address).content.decode()
    seen = patty.get(address).content.decode()
    assert f"“{simpsons.kitchen.serial}” in another organization" in seen
    assert "Core" not in seen
    assert "Power plant" not in seen


# ---- pages ----


def test_homer_deletes_on_the_page(simpsons: Cast, as_homer: Client) -> None:
    address = f"/devices/{simpsons.kitchen.pk}/delete/"
    question = as_homer.get(address).content.decode()
    assert f"What becomes of its channel {number_of(simpsons.kitchen)}?" in question
    assert "comes in as a new device, and you are told" in question
    html = as_homer.post(address, {"channel": "delete"}, follow=True).content.decode()
    assert "“kitchen” is deleted." in html
    assert as_homer.get(address).status_code == 404
    assert not PlatformChannel.objects.filter(number=number_of(simpsons.kitchen)).exists()


def test_what_becomes_of_the_channel_has_to_be_said(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(f"/devices/{simpsons.kitchen.pk}/delete/", {"channel": "whatever"})
    assert answer.status_code == 200
    assert Device.objects.filter(pk=simpsons.kitchen.pk).exists()


def test_a_stubborn_platform_is_said_so_before_deleting_and_replacing(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Embedded, "can_rotate_write_keys", False)
    for step in ("delete", "replace"):
        html = as_homer.get(f"/devices/{simpsons.kitchen.pk}/{step}/").content.decode()
        assert "lets no program end a write key" in html
    assert ending.delete(simpsons.kitchen, keep_channel=True, by=simpsons.homer)


def test_where_keys_cannot_be_ended_new_hardware_gets_a_new_channel_and_the_chart_goes_on(
    simpsons: Cast, key: RegistrationKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, number = simpsons.kitchen.channel, number_of(simpsons.kitchen)
    measure(simpsons.kitchen, "20")
    monkeypatch.setattr(Embedded, "can_rotate_write_keys", False)

    ending.replace(simpsons.kitchen, serial=NEW, by=simpsons.homer)

    payload = opened(ask(NEW, key.lookup), key)
    assert payload.channel != number
    replaced = Device.objects.get(pk=simpsons.kitchen.pk)
    assert (number_of(replaced), replaced.channel.first) == (payload.channel, old)
    assert [entry.values[1] for entry in feed_of(replaced.channel, results=5).entries] == ["20"]
    old.refresh_from_db()
    assert old.left_at is not None, "what the old hardware writes there from now on is not the device's"


def test_an_account_without_a_channel_left_is_tried_again(
    simpsons: Cast, monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    number = number_of(simpsons.kitchen)
    monkeypatch.setattr(Embedded, "can_rotate_write_keys", False)
    with patch.object(Embedded, "create_channel", side_effect=ChannelLimitReached):
        ending.replace(simpsons.kitchen, serial=NEW, by=simpsons.homer)
    replaced = Device.objects.get(pk=simpsons.kitchen.pk)
    assert (replaced.serial, number_of(replaced)) == (NEW, number)
    time_machine.shift(timedelta(hours=2))
    renewal_run.run()
    replaced = Device.objects.select_related("channel").get(pk=simpsons.kitchen.pk)
    assert number_of(replaced) != number


def test_a_device_deleted_while_it_waits_for_its_channel_is_told_to_come_back(
    simpsons: Cast, key: RegistrationKey
) -> None:
    device = DeviceFactory(
        organization=simpsons.household, channel=None, provisioning_until=timezone.now() + timedelta(hours=1)
    )

    def somebody_deletes_it(_seconds: float) -> None:
        Device.objects.filter(pk=device.pk).delete()

    with pytest.raises(TryLater, match="deleted"):
        register(lookup=key.lookup, serial=device.serial, wait=somebody_deletes_it)
