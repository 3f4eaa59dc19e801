"""Which new devices come in: open, with approval, by list, closed. Known devices keep working under each."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from channels.platform.models import Channel as PlatformChannel
from devices import admission, pending
from devices.models import Device, ExpectedDevice, PendingDevice, RegistrationKey, RegistrationPolicy
from orgs.audit import AuditEntry
from tests.conftest import Cast
from tests.devices.test_registration_address import ask, opened
from tests.factories import DeviceFactory, OrganizationFactory, PlatformAccountFactory, RegistrationKeyFactory
from tests.parallel import all_at_once

SERIAL = "74743827342"
Admits = RegistrationPolicy.Admits


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household)


def admits(cast: Cast, which: str) -> None:
    RegistrationPolicy.of(cast.home).change(which)


def words(response) -> str:
    return response.content.decode()


def ask_as_text(key: RegistrationKey, serial: str = SERIAL, client: Client | None = None):
    return ask(serial, key.lookup, client, accept="text/plain")


# ---- known devices ----


@pytest.mark.parametrize("which", Admits.values)
def test_a_known_device_keeps_working_under_each_policy(simpsons: Cast, key: RegistrationKey, which: str) -> None:
    admits(simpsons, which)
    assert opened(ask(simpsons.kitchen.serial, key.lookup), key).channel == simpsons.kitchen.channel.number


@pytest.mark.parametrize("which", Admits.values)
def test_a_known_device_without_channel_gets_one_under_each_policy(
    simpsons: Cast, key: RegistrationKey, which: str
) -> None:
    DeviceFactory(organization=simpsons.household, serial=SERIAL, channel=None)
    admits(simpsons, which)
    assert ask(SERIAL, key.lookup).status_code == 200


def test_the_door_of_one_customer_is_not_that_of_another(simpsons: Cast) -> None:
    admits(simpsons, Admits.NONE)
    carls = RegistrationKeyFactory(organization=simpsons.carls)
    assert ask(SERIAL, carls.lookup).status_code == 200


# ---- closed ----


def test_a_closed_door_refuses_with_the_way_out_in_words(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.NONE)
    refusal = ask_as_text(key)
    assert refusal.status_code == 409
    assert words(refusal).startswith("error=policy_refuses The organization lets no new device in at the moment.")
    assert not Device.objects.filter(serial=SERIAL).exists()
    key.refresh_from_db()
    assert key.uses == 0


# ---- with approval ----


def test_a_new_device_waits_without_channel_and_key(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    channels = PlatformChannel.objects.count()

    answer = ask_as_text(key)

    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (202, "60", "no-store")
    assert words(answer).startswith("error=pending This device waits for a manager to let it in")
    assert PlatformChannel.objects.count() == channels
    assert not Device.objects.filter(serial=SERIAL).exists()
    waiting = PendingDevice.objects.get()
    assert (waiting.serial, waiting.organization, waiting.asked_with, waiting.address, waiting.times) == (
        SERIAL, simpsons.household, key, "127.0.0.1", 1,
    )  # fmt: skip


def test_json_says_the_same(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    answer = ask(SERIAL, key.lookup, accept="application/json")
    assert answer.status_code == 202
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["title"]) == ("pending", "Waits for approval")


def test_it_is_counted_how_often_it_asks_and_it_waits_the_longer(
    simpsons: Cast, key: RegistrationKey, time_machine
) -> None:
    admits(simpsons, Admits.APPROVED)
    now = timezone.now()
    time_machine.move_to(now, tick=False)
    ask(SERIAL, key.lookup)
    time_machine.move_to(now + timedelta(minutes=50), tick=False)
    assert ask(SERIAL, key.lookup)["Retry-After"] == "300"
    time_machine.move_to(now + timedelta(days=3), tick=False)
    assert ask(SERIAL, key.lookup)["Retry-After"] == "900"
    waiting = PendingDevice.objects.get()
    assert (waiting.times, waiting.first_asked_at, waiting.last_asked_at) == (3, now, now + timedelta(days=3))


def test_an_approved_device_comes_in_when_it_asks_next(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)

    device = pending.approve(PendingDevice.objects.get(), by=simpsons.homer)

    assert device is not None
    assert (device.organization, device.channel, device.registered_with) == (simpsons.household, None, key)
    key.refresh_from_db()
    assert key.uses == 1
    assert opened(ask(SERIAL, key.lookup), key).serial == SERIAL
    assert not PendingDevice.objects.exists()
    assert AuditEntry.objects.about(device).get(action="device.approved").actor == simpsons.homer


def test_an_approved_device_can_be_put_elsewhere_at_once(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    pending.approve(PendingDevice.objects.get(), by=simpsons.homer, into=simpsons.power_plant)
    assert ask(SERIAL, key.lookup).status_code == 200
    assert Device.objects.get(serial=SERIAL).organization == simpsons.power_plant
    ask("other", key.lookup)
    with pytest.raises(pending.CannotApprove):
        pending.approve(PendingDevice.objects.get(), by=simpsons.homer, into=simpsons.carls)


def test_a_refused_device_stays_refused_under_every_policy_until_a_manager_says_otherwise(
    simpsons: Cast, key: RegistrationKey
) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    refused = PendingDevice.objects.get()
    assert pending.refuse(refused, by=simpsons.homer)
    for which in (Admits.APPROVED, Admits.ALL, Admits.EXPECTED):
        admits(simpsons, which)
        answer = ask_as_text(key)
        assert answer.status_code == 409
        assert "refused" in words(answer)
    assert not Device.objects.filter(serial=SERIAL).exists()

    assert pending.forget(refused, by=simpsons.homer)
    admits(simpsons, Admits.ALL)
    assert ask(SERIAL, key.lookup).status_code == 200


def test_a_refused_device_can_be_let_in_after_all(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    pending.refuse(PendingDevice.objects.get(), by=simpsons.homer)
    assert pending.approve(PendingDevice.objects.get(), by=simpsons.homer)
    assert ask(SERIAL, key.lookup).status_code == 200


def test_a_policy_that_opens_lets_those_in_that_wait(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    admits(simpsons, Admits.ALL)
    assert ask(SERIAL, key.lookup).status_code == 200
    assert not PendingDevice.objects.exists()


def test_a_policy_that_closes_keeps_those_on_the_list_that_wait_and_they_can_still_be_let_in(
    simpsons: Cast, key: RegistrationKey
) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    admits(simpsons, Admits.NONE)
    assert ask(SERIAL, key.lookup).status_code == 409
    assert pending.approve(PendingDevice.objects.get(), by=simpsons.homer)
    assert ask(SERIAL, key.lookup).status_code == 200


def test_approving_twice_or_what_somebody_else_has_decided_does_nothing(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    waiting = PendingDevice.objects.get()
    assert pending.approve(waiting, by=simpsons.homer)
    assert pending.approve(waiting, by=simpsons.homer) is None
    assert not pending.refuse(waiting, by=simpsons.homer)
    assert not pending.forget(waiting, by=simpsons.homer)
    key.refresh_from_db()
    assert key.uses == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"use_limit": 1, "uses": 1}, "as many devices as it may"),
        ({"revoked_at": timezone.now()}, "is over"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "is over"),
    ],
)
def test_a_device_is_not_let_in_past_its_registration_key(
    simpsons: Cast, key: RegistrationKey, fields: dict[str, object], sentence: str
) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    RegistrationKey.objects.filter(pk=key.pk).update(**fields)
    with pytest.raises(pending.CannotApprove, match=sentence):
        pending.approve(PendingDevice.objects.get(), by=simpsons.homer)
    assert PendingDevice.objects.count() == 1


def test_who_asks_for_another_part_meanwhile_is_not_let_in_by_whom_that_is_no_matter(
    simpsons: Cast, key: RegistrationKey
) -> None:
    admits(simpsons, Admits.APPROVED)
    ask(SERIAL, key.lookup)
    as_seen = PendingDevice.objects.get()
    ask(SERIAL, RegistrationKeyFactory(organization=simpsons.power_plant).lookup)
    with pytest.raises(pending.CannotApprove, match="has just asked with the key of another organization"):
        pending.approve(as_seen, by=simpsons.marge)
    assert not pending.refuse(as_seen, by=simpsons.marge)
    assert not pending.forget(as_seen, by=simpsons.marge)
    assert not Device.objects.filter(serial=SERIAL).exists()
    assert PendingDevice.objects.waiting().get().organization == simpsons.power_plant


def test_a_used_up_key_puts_nobody_on_the_list(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    RegistrationKey.objects.filter(pk=key.pk).update(use_limit=1, uses=1)
    assert ask(SERIAL, key.lookup).status_code == 409
    assert not PendingDevice.objects.exists()


def test_invented_serial_numbers_do_not_fill_the_list_without_end(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.APPROVED)
    with patch.object(admission, "MOST_WAITING", 2):
        assert [ask(f"invented-{n}", key.lookup).status_code for n in range(4)] == [202, 202, 503, 503]
    assert PendingDevice.objects.count() == 2


# ---- by list ----


def test_only_serials_that_were_entered_come_in(simpsons: Cast, key: RegistrationKey) -> None:
    admits(simpsons, Admits.EXPECTED)
    upstairs = OrganizationFactory(name="Upstairs", parent=simpsons.household)
    ExpectedDevice.objects.create(customer=simpsons.home, serial=SERIAL, name="Bedroom", organization=upstairs)

    assert ask(SERIAL, key.lookup).status_code == 200
    refusal = ask_as_text(key, "another")
    assert refusal.status_code == 409
    assert "is not on the organization's list" in words(refusal)

    device = Device.objects.get(serial=SERIAL)
    assert (device.name, device.organization) == ("Bedroom", upstairs)
    assert not ExpectedDevice.objects.exists()
    assert ask(SERIAL, key.lookup).status_code == 200  # also now that it is off the list


@pytest.mark.parametrize("which", [Admits.ALL, Admits.APPROVED])
def test_who_is_expected_needs_no_approval(simpsons: Cast, key: RegistrationKey, which: str) -> None:
    admits(simpsons, which)
    ExpectedDevice.objects.create(customer=simpsons.home, serial=SERIAL, name="Bedroom")
    assert ask(SERIAL, key.lookup).status_code == 200
    device = Device.objects.get(serial=SERIAL)
    assert (device.name, device.organization) == ("Bedroom", simpsons.household)


def test_an_expected_place_opens_only_to_a_key_of_that_part(simpsons: Cast, key: RegistrationKey) -> None:
    """Otherwise whoever has the key of the household could take the place that waits for the reactor."""
    ExpectedDevice.objects.create(customer=simpsons.home, serial=SERIAL, organization=simpsons.power_plant)
    refusal = ask_as_text(key)
    assert refusal.status_code == 409
    assert "another part" in words(refusal)
    whole = RegistrationKeyFactory(organization=simpsons.home)
    assert ask(SERIAL, whole.lookup).status_code == 200
    assert Device.objects.get(serial=SERIAL).organization == simpsons.power_plant


# ---- races ----


@pytest.fixture
def racing(db: None) -> RegistrationKey:
    account = PlatformAccountFactory(organization=OrganizationFactory(name="The Simpsons"))
    RegistrationPolicy.of(account.organization).change(Admits.APPROVED)
    return RegistrationKeyFactory(organization=account.organization)


@pytest.mark.django_db(transaction=True)
def test_eight_first_calls_at_once_wait_as_one_device(racing: RegistrationKey) -> None:
    answers = all_at_once(lambda _n: ask(SERIAL, racing.lookup).status_code, 8)
    assert set(answers) == {202}
    assert PendingDevice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_approving_while_the_device_asks_and_somebody_else_approves_makes_one_device(
    racing: RegistrationKey, django_user_model
) -> None:
    ask(SERIAL, racing.lookup)
    waiting, homer = PendingDevice.objects.get(), django_user_model.objects.create_user("homer@example.net")

    def act(n: int) -> object:
        if n % 2:
            return ask(SERIAL, racing.lookup).status_code
        return pending.approve(waiting, by=homer) is not None

    outcomes = all_at_once(act, 8)
    assert sum(outcome is True for outcome in outcomes) == 1
    assert {outcome for outcome in outcomes if not isinstance(outcome, bool)} <= {200, 202}
    assert ask(SERIAL, racing.lookup).status_code == 200
    assert Device.objects.get(serial=SERIAL).channel is not None
    racing.refresh_from_db()
    assert racing.uses == 1


def test_an_ordinary_call_of_a_known_device_still_is_one_select(
    simpsons: Cast, key: RegistrationKey, django_assert_num_queries
) -> None:
    admits(simpsons, Admits.APPROVED)
    etag = ask(simpsons.kitchen.serial, key.lookup)["ETag"]
    ask(simpsons.kitchen.serial, key.lookup, **{"if-none-match": etag})
    with django_assert_num_queries(1):
        assert ask(simpsons.kitchen.serial, key.lookup, **{"if-none-match": etag}).status_code == 304
