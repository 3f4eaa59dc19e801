"""Homer revokes the keys of all devices: every old one is refused from the next request on, however many there are."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels import renewal, sync
from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, KeyState, Renewal
from channels.platform.models import Entry
from channels.platforms import OutOfReach
from channels.renewal_models import RenewalState
from devices import blocking, renewal_all, renewal_run
from devices.attention import matters_for
from devices.models import Device, RegistrationKey
from tests.background import do_background_work
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, die_after, die_before, there, writes
from tests.conftest import Cast
from tests.devices.test_registration_address import ask, opened
from tests.factories import DeviceFactory, RegistrationKeyFactory
from tests.parallel import all_at_once

HOUR = timedelta(hours=1)


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.home)


@pytest.fixture
def fleet(simpsons: Cast) -> list[Device]:
    """Sixty thermometers here and below."""
    return [DeviceFactory(organization=simpsons.household) for _n in range(58)] + [simpsons.kitchen, simpsons.reactor]


def channel_of(device: Device) -> Channel:
    assert device.channel
    return device.channel


def update(write_key: str) -> str:
    return Client().post("/update", {"api_key": write_key, "field1": "20"}).content.decode()


def a_minute_passes(time_machine) -> None:
    time_machine.move_to(timezone.now() + timedelta(minutes=1))


def revoke_all(simpsons: Cast) -> None:
    renewal_all.revoke_all(simpsons.home, by=simpsons.homer)


def die_while_revoking_all(simpsons: Cast, moment: str) -> None:
    with MOMENTS[moment](), pytest.raises(ProcessDied):
        revoke_all(simpsons)


MOMENTS = {
    "before the keys end": lambda: die_before("replace_write_keys"),
    "after the keys have ended": lambda: die_after("replace_write_keys"),
    "before the first new key": lambda: die_before("get_channel"),
    "while the first new key is stored": lambda: patch("channels.renewal._successor", side_effect=ProcessDied),
}


def test_when_the_page_is_back_every_old_key_is_refused_and_every_device_gets_a_new_one_by_asking(
    simpsons: Cast, as_homer: Client, key: RegistrationKey, fleet: list[Device]
) -> None:
    olds = [current(channel_of(device)).value for device in fleet]
    foreign = current(channel_of(simpsons.garage)).value
    with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0):  # as if there were thousands
        answer = as_homer.post(f"/organizations/{simpsons.home.pk}/keys/revoke/", {"name": "The Simpsons"})
    assert answer.status_code == 302
    assert Renewal.objects.filter(state=RenewalState.STARTED).count() == 60, "none has a new key yet"

    assert {update(old) for old in olds} == {"0"}
    assert not Entry.objects.exists()
    assert update(foreign) == "1"

    fetched = [opened(ask(device.serial, key.lookup), key) for device in fleet]
    assert {update(payload.write_key) for payload in fetched} == {"1"}
    assert {payload.key_version for payload in fetched} == {2}
    for device in fleet:
        assert_books_are_right(channel_of(device))
    assert not Renewal.objects.open().exists()


def test_ending_sixty_keys_takes_hardly_more_statements_than_ending_one(simpsons: Cast, fleet: list[Device]) -> None:
    counts = []
    for organization in (simpsons.power_plant, simpsons.home):
        with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0), CaptureQueriesContext(connection) as queries:
            renewal_all.revoke_all(organization, by=simpsons.homer)
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 2, "a long INSERT is cut in pieces"


def test_old_and_new_key_of_a_renewal_under_way_end_both(simpsons: Cast) -> None:
    kitchen = channel_of(simpsons.kitchen)
    old = current(kitchen)
    renewal.renew(kitchen, by=None, overlap=HOUR)
    new = current(kitchen)
    with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0):
        revoke_all(simpsons)
    assert [update(one.value) for one in (old, new)] == ["0", "0"]
    do_background_work()
    assert_books_are_right(kitchen)
    assert [key.state for key in kitchen.keys.writing().order_by("version")] == ["revoked", "revoked", "current"]


def test_a_key_that_leaked_out_of_a_renewal_that_died_ends_too(simpsons: Cast, monkeypatch) -> None:
    """On a platform that is not in our database it is good there, and not known here."""
    monkeypatch.setattr(Embedded, "is_in_our_database", False)
    kitchen = channel_of(simpsons.kitchen)
    with die_after("rotate_write_key"), pytest.raises(ProcessDied):
        renewal.renew(kitchen, by=None, overlap=HOUR)
    leaked = there(kitchen)
    with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0):
        revoke_all(simpsons)
    assert not writes(leaked)
    do_background_work()
    assert current(kitchen).value != leaked
    assert_books_are_right(kitchen)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_after_a_death_a_device_that_asks_has_a_key_that_writes(
    simpsons: Cast, key: RegistrationKey, moment: str, place: str, time_machine, monkeypatch
) -> None:
    monkeypatch.setattr(Embedded, "is_in_our_database", place == "here")
    olds = [current(channel_of(device)) for device in (simpsons.kitchen, simpsons.reactor)]
    die_while_revoking_all(simpsons, moment)
    assert any(map(writes, olds)) == (moment == "before the keys end")
    a_minute_passes(time_machine)  # no worker comes, and the lease runs out
    for device in (simpsons.kitchen, simpsons.reactor):
        payload = opened(ask(device.serial, key.lookup), key)
        assert update(payload.write_key) == "1"
    assert not any(map(writes, olds))


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_death_the_worker_does_the_rest(simpsons: Cast, moment: str, time_machine) -> None:
    olds = [current(channel_of(device)) for device in (simpsons.kitchen, simpsons.reactor)]
    die_while_revoking_all(simpsons, moment)
    a_minute_passes(time_machine)
    renewal_run.run()
    assert not any(map(writes, olds))
    for device in (simpsons.kitchen, simpsons.reactor):
        assert current(channel_of(device)).version == 2
        assert_books_are_right(channel_of(device))


def test_the_key_that_the_platform_has_by_then_is_handed_on_and_not_replaced_once_more(
    simpsons: Cast, time_machine
) -> None:
    with die_before("get_channel"), pytest.raises(ProcessDied):
        revoke_all(simpsons)
    made = there(channel_of(simpsons.kitchen))
    a_minute_passes(time_machine)
    renewal_run.run()
    now = current(channel_of(simpsons.kitchen))
    assert (now.value, now.origin, now.created_by) == (made, ChannelKey.Origin.BY_HAND, simpsons.homer)


def test_a_comparison_in_between_takes_nothing_over(simpsons: Cast) -> None:
    kitchen = channel_of(simpsons.kitchen)
    with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0):
        revoke_all(simpsons)
    assert sync.sync(kitchen.account).write_keys == 0
    do_background_work()
    assert current(kitchen).origin == ChannelKey.Origin.BY_HAND
    assert_books_are_right(kitchen)


def test_a_platform_that_is_away_is_told_as_soon_as_it_is_back(simpsons: Cast, time_machine) -> None:
    olds = [current(channel_of(device)) for device in (simpsons.kitchen, simpsons.reactor)]
    with patch.object(Embedded, "replace_write_keys", side_effect=OutOfReach) as asked:
        revoke_all(simpsons)
    assert asked.call_count == 1
    renewals = Renewal.objects.filter(state=RenewalState.STARTED, ended_there_at=None)
    assert set(renewals.values_list("trouble", flat=True)) == {"out_of_reach"}
    assert all(map(writes, olds))
    a_minute_passes(time_machine)
    renewal_run.run()
    assert not any(map(writes, olds))


def test_pages_say_which_keys_have_ended_while_the_new_ones_wait(simpsons: Cast, as_homer: Client) -> None:
    with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0):
        revoke_all(simpsons)
    kitchen = channel_of(simpsons.kitchen)
    of_device = as_homer.get(f"/devices/{simpsons.kitchen.pk}/keys/").content.decode()
    assert "All write keys of “kitchen” have ended. It gets a new one as soon as it asks." in of_device
    of_all = as_homer.get(f"/organizations/{simpsons.home.pk}/renewal/").content.decode()
    assert of_all.count("Its old key has ended. It fetches the new one when it is back.") == 2

    with patch.object(Embedded, "get_channel", side_effect=OutOfReach):
        renewal.carry_out(Renewal.objects.get(channel=kitchen))
    of_all = as_homer.get(f"/organizations/{simpsons.home.pk}/renewal/").content.decode()
    assert of_all.count("The channel platform is out of reach. It is tried again.") == 1
    said = [matter.sentence for matter in matters_for(simpsons.homer, timezone.now())]
    assert any("kitchen" in sentence and "to be renewed, but:" in sentence for sentence in said)
    assert not any("still good" in sentence for sentence in said)


def test_who_says_so_again_does_not_wait_for_the_next_try(simpsons: Cast) -> None:
    olds = [current(channel_of(device)) for device in (simpsons.kitchen, simpsons.reactor)]
    with patch.object(Embedded, "replace_write_keys", side_effect=OutOfReach):
        revoke_all(simpsons)
    revoke_all(simpsons)
    assert not any(map(writes, olds))
    assert [current(channel_of(device)).version for device in (simpsons.kitchen, simpsons.reactor)] == [2, 2]


def test_a_channel_that_is_gone_there_does_not_hold_up_the_others(simpsons: Cast) -> None:
    kitchen, reactor = channel_of(simpsons.kitchen), channel_of(simpsons.reactor)
    old = current(reactor)
    Embedded().delete_channel(kitchen.account.key, kitchen.number)
    revoke_all(simpsons)
    assert not writes(old)
    assert Renewal.objects.get(channel=kitchen).trouble == Renewal.Trouble.NO_SUCH_CHANNEL
    assert_books_are_right(reactor)


def test_many_blocked_devices_are_shut_out_before_the_first_key_is_replaced(simpsons: Cast, time_machine) -> None:
    devices = [simpsons.kitchen, simpsons.reactor]
    olds = [current(channel_of(device)).value for device in devices]
    with die_before("get_channel"), pytest.raises(ProcessDied):
        blocking.block_all(devices, by=simpsons.homer)
    assert [update(old) for old in olds] == ["0", "0"]
    a_minute_passes(time_machine)
    renewal_run.run()
    for device in devices:
        assert_books_are_right(channel_of(device))


@pytest.mark.django_db(transaction=True)
def test_devices_that_ask_and_renewals_at_work_in_that_moment_end_well(
    simpsons: Cast, key: RegistrationKey, time_machine
) -> None:
    devices = [DeviceFactory(organization=simpsons.household) for _n in range(4)]
    olds = [current(channel_of(device)) for device in devices]

    def do(n: int) -> None:
        if n < 2:
            revoke_all(simpsons)
        elif n < 4:
            renewal_run.run()
        else:
            ask(devices[n - 4].serial, key.lookup)

    renewal_all.renew_all(simpsons.home, by=simpsons.homer, overlap=HOUR)
    all_at_once(do, 8)
    a_minute_passes(time_machine)
    renewal_run.run()
    assert not any(map(writes, olds))
    assert not ChannelKey.objects.filter(channel__device__in=devices, state=KeyState.RETIRING).exists()
    for device in devices:
        assert update(opened(ask(device.serial, key.lookup), key).write_key) == "1"
        assert_books_are_right(channel_of(device))
