"""Managers hear by mail that devices wait at the door: once, not once a device."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client

from devices import door, pending
from devices.management.commands.worker import enqueue_due
from devices.models import PendingDevice, RegistrationKey, RegistrationPolicy
from tests.background import do_background_work
from tests.conftest import MANAGER, Cast
from tests.factories import NOON, MembershipFactory, RegistrationKeyFactory


@pytest.fixture
def clock(db: None):
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def key(clock: time_machine.Coordinates, simpsons: Cast) -> RegistrationKey:
    RegistrationPolicy.of(simpsons.home).change(RegistrationPolicy.Admits.APPROVED)
    return RegistrationKeyFactory(organization=simpsons.household)


def come(key: RegistrationKey, *serials: str) -> None:
    for serial in serials:
        assert Client().get(f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}").status_code == 202


def run_worker() -> list[str]:
    """Return to whom the worker mails when it looks now."""
    mail.outbox.clear()
    enqueue_due({"door": timedelta(0)})
    do_background_work()
    return sorted(letter.to[0] for letter in mail.outbox)


def test_homer_hears_of_the_first_device_and_marge_does_not(simpsons: Cast, key: RegistrationKey) -> None:
    assert run_worker() == []
    come(key, "T1")
    assert run_worker() == ["homer@example.net"]
    (letter,) = mail.outbox
    assert letter.subject == "A device waits for you to let it in"
    assert "T1, for Household" in letter.body
    assert "/devices/pending/" in letter.body
    assert key.lookup not in letter.body


def test_a_box_full_of_devices_is_one_mail(simpsons: Cast, key: RegistrationKey) -> None:
    come(key, *(f"T{n}" for n in range(door.NAMED + 3)))
    assert run_worker() == ["homer@example.net"]
    (letter,) = mail.outbox
    assert letter.subject == "23 devices wait for you to let them in"
    assert "T0, for Household" in letter.body
    assert "T22" not in letter.body
    assert "and 3 more" in letter.body


def test_more_devices_are_mailed_a_day_later_and_the_same_ones_never(
    simpsons: Cast, key: RegistrationKey, clock: time_machine.Coordinates
) -> None:
    come(key, "T1")
    assert run_worker() == ["homer@example.net"]
    clock.shift(timedelta(hours=2))
    come(key, "T2")
    assert run_worker() == []
    clock.shift(timedelta(hours=22, minutes=1))
    assert run_worker() == ["homer@example.net"]
    clock.shift(timedelta(days=3))
    come(key, "T1", "T2")  # They ask again all the time.
    assert run_worker() == []


def test_devices_about_which_somebody_has_decided_are_not_mailed(
    simpsons: Cast, key: RegistrationKey, clock: time_machine.Coordinates
) -> None:
    come(key, "T1", "T2")
    pending.refuse(PendingDevice.objects.get(serial="T1"), by=simpsons.homer)
    pending.approve(PendingDevice.objects.get(serial="T2"), by=simpsons.homer)
    assert run_worker() == []


def test_only_who_may_let_it_in_hears_of_it_each_in_their_language(simpsons: Cast, key: RegistrationKey) -> None:
    MembershipFactory(user__email="ned@example.org", organization=simpsons.power_plant, relation=MANAGER)
    maude = MembershipFactory(user__email="maude@example.org", organization=simpsons.household, relation=MANAGER).user
    maude.read_in("de")
    come(key, "T1")
    assert run_worker() == ["homer@example.net", "maude@example.org"]
    subjects = {letter.to[0]: letter.subject for letter in mail.outbox}
    assert subjects["maude@example.org"] != subjects["homer@example.net"]


def test_what_has_not_asked_for_a_month_is_forgotten_and_what_was_refused_is_not(
    simpsons: Cast, key: RegistrationKey, clock: time_machine.Coordinates
) -> None:
    come(key, "gone", "refused", "patient")
    pending.refuse(PendingDevice.objects.get(serial="refused"), by=simpsons.homer)
    clock.shift(timedelta(days=29))
    come(key, "patient")
    clock.shift(timedelta(days=2))
    enqueue_due({"prune": timedelta(days=1)})
    assert set(PendingDevice.objects.values_list("serial", flat=True)) == {"refused", "patient"}
