"""One device has one channel: under parallel calls, after a crash at any point, and while the platform is away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from unittest.mock import patch
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from channels.embedded import Embedded
from channels.models import Channel, PlatformAccount
from channels.platform.models import Channel as PlatformChannel
from channels.platforms import BadAccountKey, ChannelLimitReached, NotUnderstood, OutOfReach, RemoteChannel
from devices import registration
from devices.errors import TryLater
from devices.models import Device, RegistrationKey
from tests.factories import OrganizationFactory, PlatformAccountFactory, RegistrationKeyFactory
from tests.parallel import all_at_once

SERIAL = "74743827342"


class ProcessDied(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


@pytest.fixture
def key(db: None) -> RegistrationKey:
    account = PlatformAccountFactory(organization=OrganizationFactory(name="The Simpsons"))
    return RegistrationKeyFactory(organization=account.organization)


def ask(key: RegistrationKey, serial: str = SERIAL):
    return Client(raise_request_exception=True).get(f"/midpoint/ws/iot/devices/{serial}", {"key": key.lookup})


def assert_one_of_everything() -> None:
    device = Device.objects.get(serial=SERIAL)
    assert PlatformChannel.objects.count() == 1
    assert Channel.objects.get() == device.channel
    assert device.channel.keys.writing().count() == 1
    assert device.provisioning_lease is None


@pytest.mark.django_db(transaction=True)
def test_eight_calls_at_once_make_one_device_with_one_channel(key: RegistrationKey) -> None:
    answers = all_at_once(lambda _n: registration.register(lookup=key.lookup, serial=SERIAL), 8)
    assert len({answer.channel_number for answer in answers}) == 1
    assert len({answer.etag for answer in answers}) == 1
    assert_one_of_everything()
    key.refresh_from_db()
    assert key.uses == 1


@pytest.mark.django_db(transaction=True)
def test_twelve_different_devices_at_once_stay_within_a_limit_of_ten(key: RegistrationKey) -> None:
    RegistrationKey.objects.filter(pk=key.pk).update(use_limit=10)

    def come(n: int) -> bool:
        try:
            registration.register(lookup=key.lookup, serial=f"serial-{n}")
        except registration.PolicyRefuses:
            return False
        return True

    assert sum(all_at_once(come, 12)) == 10
    assert Device.objects.count() == PlatformChannel.objects.count() == 10


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the platform be one that is not in our database, as ThingSpeak is not."""
    monkeypatch.setattr(Embedded, "is_in_our_database", False)


MOMENTS = ("before the channel is made", "after the channel is made", "while it is stored")


def dying(moment: str):
    """Let the process die at that moment."""
    create = Embedded.create_channel

    def create_and_die(self: Embedded, *args: object, **kwargs: object) -> RemoteChannel:
        create(self, *args, **kwargs)
        raise ProcessDied

    return {
        "before the channel is made": patch.object(Embedded, "create_channel", side_effect=ProcessDied),
        "after the channel is made": patch.object(Embedded, "create_channel", create_and_die),
        "while it is stored": patch("devices.registration.ChannelKey.holding", side_effect=ProcessDied),
    }[moment]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_dies_leaves_nothing_that_the_next_try_does_not_complete(
    key: RegistrationKey, moment: str, elsewhere: None, time_machine
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    with dying(moment), pytest.raises(ProcessDied):
        registration.register(lookup=key.lookup, serial=SERIAL)
    assert Device.objects.get(serial=SERIAL).channel is None

    # The lease of the dead process is respected first …
    with pytest.raises(TryLater):
        registration.register(lookup=key.lookup, serial=SERIAL, wait=lambda _seconds: None)
    # … and then runs out.
    time_machine.shift(timedelta(minutes=1))
    assert ask(key).status_code == 200
    assert_one_of_everything()
    key.refresh_from_db()
    assert key.uses == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_dies_leaves_nothing_at_all_where_the_platform_is_in_our_database(
    key: RegistrationKey, moment: str
) -> None:
    with dying(moment), pytest.raises(ProcessDied):
        registration.register(lookup=key.lookup, serial=SERIAL)
    key.refresh_from_db()
    assert (Device.objects.count(), PlatformChannel.objects.count(), Channel.objects.count(), key.uses) == (0, 0, 0, 0)

    assert ask(key).status_code == 200
    assert_one_of_everything()
    key.refresh_from_db()
    assert key.uses == 1


@pytest.mark.django_db(transaction=True)
def test_eight_calls_at_once_make_one_channel_on_a_platform_elsewhere(key: RegistrationKey, elsewhere: None) -> None:
    answers = all_at_once(lambda _n: registration.register(lookup=key.lookup, serial=SERIAL), 8)
    assert len({answer.channel_number for answer in answers}) == 1
    assert_one_of_everything()
    key.refresh_from_db()
    assert key.uses == 1


def test_a_new_device_costs_the_platform_one_call(key: RegistrationKey, elsewhere: None) -> None:
    """Its marker is a moment old: no channel can carry it, and looking for one would double the time on ThingSpeak."""
    with patch.object(Embedded, "find_channel", side_effect=AssertionError):
        assert ask(key).status_code == 200


def test_a_new_device_takes_a_fixed_number_of_statements(key: RegistrationKey, django_assert_max_num_queries) -> None:
    with django_assert_max_num_queries(22):  # savepoints among them
        assert ask(key).status_code == 200


def test_a_lost_answer_of_the_platform_is_adopted_not_doubled(key: RegistrationKey) -> None:
    create = Embedded.create_channel

    def create_and_lose_the_answer(self: Embedded, *args: object, **kwargs: Mapping[int, str]) -> RemoteChannel:
        create(self, *args, **kwargs)
        raise OutOfReach

    with patch.object(Embedded, "create_channel", create_and_lose_the_answer):
        assert ask(key).status_code == 503
    assert PlatformChannel.objects.count() == 1
    assert ask(key).status_code == 200
    assert_one_of_everything()


def test_while_the_platform_is_away_the_device_is_told_when_to_come_back(key: RegistrationKey) -> None:
    with patch.object(Embedded, "create_channel", side_effect=OutOfReach(retry_after=17)):
        response = ask(key)
    assert response.status_code == 503
    assert response["Retry-After"] == "17"
    assert response.json()["code"] == "try_later"
    assert ask(key).status_code == 200
    assert_one_of_everything()


def test_what_an_earlier_try_left_on_the_platform_is_looked_for(key: RegistrationKey) -> None:
    with patch.object(Embedded, "create_channel", side_effect=OutOfReach):
        assert ask(key).status_code == 503
    with patch.object(Embedded, "find_channel", side_effect=OutOfReach(retry_after=17)):
        response = ask(key)
    assert (response.status_code, response["Retry-After"]) == (503, "17")
    assert ask(key).status_code == 200
    assert_one_of_everything()


def test_an_account_without_a_free_channel_is_said_in_words(key: RegistrationKey) -> None:
    with patch.object(Embedded, "create_channel", side_effect=ChannelLimitReached):
        response = ask(key)
    assert response.status_code == 409
    assert "no channel left" in response.json()["detail"]
    assert PlatformAccount.objects.get().state == PlatformAccount.State.FULL
    assert ask(key).status_code == 200
    assert PlatformAccount.objects.get().state == PlatformAccount.State.VERIFIED


def test_a_refused_account_key_is_remembered_for_the_manager_and_mended_by_the_next_try(key: RegistrationKey) -> None:
    with patch.object(Embedded, "create_channel", side_effect=BadAccountKey):
        assert ask(key).status_code == 503
    assert PlatformAccount.objects.get().state == PlatformAccount.State.REFUSED
    assert ask(key).status_code == 200
    assert PlatformAccount.objects.get().state == PlatformAccount.State.VERIFIED


def test_an_answer_that_makes_no_sense_is_503_and_not_500(key: RegistrationKey) -> None:
    with patch.object(Embedded, "create_channel", side_effect=NotUnderstood):
        assert ask(key).status_code == 503
    assert ask(key).status_code == 200


def test_a_request_that_comes_during_another_waits_for_its_channel(key: RegistrationKey) -> None:
    account = PlatformAccount.objects.get()
    busy = Device.objects.create(
        customer=key.customer,
        organization=key.organization,
        serial=SERIAL,
        registered_with=key,
        provisioning_lease=UUID("6f1c4a3e-9d5f-4c8b-8a53-0d5a5a0f3c11"),
        provisioning_until=timezone.now() + timedelta(seconds=30),
    )

    def the_other_one_finishes(_seconds: float) -> None:
        if not Channel.objects.exists():
            remote = Embedded().create_channel(account.key, name="x", marker=busy.marker, labels={1: "Temperature"})
            registration._store(busy, account, remote, busy.provisioning_lease)  # type: ignore[arg-type]

    known = registration.register(lookup=key.lookup, serial=SERIAL, wait=the_other_one_finishes)
    assert known.channel_number == PlatformChannel.objects.get().number
