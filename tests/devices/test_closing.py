"""Closing a customer: the service ends at once, and in the end nothing of it is left."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
import time_machine
from django.apps import apps
from django.core import mail
from django.db import models
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, PlatformAccount
from channels.platform.models import Account, Entry
from channels.platforms import OutOfReach
from devices import closing
from devices.closing import carry_on, close_customer
from devices.management.commands.worker import enqueue_due
from devices.models import Closure, Device, ExpectedDevice, PendingDevice, RegistrationKey
from orgs import invitations
from orgs.models import AuditEntry, Invitation, Membership, Organization
from tests.background import do_background_work
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.factories import MembershipFactory, RegistrationKeyFactory


@pytest.fixture
def closed(simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Cast:
    """The Simpsons, closed by Homer a moment ago; the worker has not begun."""
    RegistrationKeyFactory(organization=simpsons.household)
    invitations.invite(organization=simpsons.household, email="ned@example.net", by=simpsons.homer)
    measure(simpsons.kitchen, "20.5")
    measure(simpsons.garage, "8.5")
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        close_customer(simpsons.home, keep_channels=False, by=simpsons.homer)
    return simpsons


def test_nobody_sees_anything_of_it_from_that_moment_on(closed: Cast) -> None:
    for who in (closed.homer, closed.marge, closed.lenny):
        client = Client()
        client.force_login(who)
        assert client.get(f"/devices/{closed.kitchen.pk}/").status_code == 404
    assert not Invitation.objects.exists()


def test_its_registration_key_is_dead_at_once(closed: Cast) -> None:
    key = RegistrationKey.objects.get()
    assert not key.is_good
    asked = Client().get(f"/midpoint/ws/iot/devices/99887766?key={key.lookup}")
    assert asked.status_code == 403


def test_everything_of_it_goes_and_nothing_of_others(closed: Cast) -> None:
    PendingDevice.objects.create(customer=closed.home, organization=closed.household, serial="1")
    ExpectedDevice.objects.create(customer=closed.home, organization=closed.household, serial="2")
    do_background_work()
    assert list(Organization.objects.values_list("name", flat=True)) == ["Carl's"]
    assert list(Device.objects.values_list("name", flat=True)) == ["garage"]
    assert list(Channel.objects.all()) == [closed.garage.channel]
    assert set(ChannelKey.objects.values_list("channel", flat=True)) == {closed.garage.channel_id}
    assert PlatformAccount.objects.get().organization == closed.carls
    assert Account.objects.count() == 1
    assert list(Entry.objects.values_list("field1", flat=True)) == ["8.5"]
    assert not RegistrationKey.objects.exists()
    assert not Closure.objects.exists()
    assert Membership.objects.get().user == closed.carl


def test_people_keep_their_accounts_and_are_told_in_their_language(
    simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    simpsons.marge.read_in("de")
    with django_capture_on_commit_callbacks(execute=True):
        close_customer(simpsons.home, keep_channels=False, by=simpsons.homer)
    do_background_work()
    assert sorted(message.to[0] for message in mail.outbox) == ["lenny@example.net", "marge@example.net"]
    assert "has closed “The Simpsons”" in next(m for m in mail.outbox if "lenny" in m.to[0]).body
    assert type(simpsons.marge).objects.filter(pk=simpsons.marge.pk, is_active=True).exists()


def test_the_audit_keeps_the_name(closed: Cast) -> None:
    do_background_work()
    noted = AuditEntry.objects.get(action="customer.closed")
    assert (noted.organization, noted.organization_name) == (None, "The Simpsons")
    assert noted.details == {"devices": 2, "people": 3, "channels_kept": False}
    assert noted.actor == closed.homer


def test_who_came_in_at_that_moment_keeps_nothing_from_going(closed: Cast) -> None:
    MembershipFactory(organization=closed.household)
    do_background_work()
    assert not Organization.objects.filter(tree_id=closed.home.tree_id).exists()


def test_what_the_platform_does_not_hear_is_told_it_later(closed: Cast) -> None:
    with patch.object(Embedded, "delete_channel", side_effect=OutOfReach):
        do_background_work()
    closure = Closure.objects.get()
    assert closure.trouble == "The channel platform is out of reach."
    assert closure.next_at > timezone.now()
    assert Device.objects.filter(customer=closed.home).exists()
    with time_machine.travel(closure.next_at + timedelta(seconds=1)):
        enqueue_due({"close": timedelta(0)})
        do_background_work()
    assert not Organization.objects.filter(pk=closed.home.pk).exists()


def test_a_process_that_died_is_followed_by_another(closed: Cast) -> None:
    """After the platform has deleted a channel, and before the portal has."""
    account = PlatformAccount.objects.get(organization=closed.home)
    account.on_platform.delete_channel(account.key, closed.kitchen.channel.number)
    closure = Closure.objects.get()
    assert closure.take(timezone.now())
    assert carry_on.call(closure.pk) == "somebody else is at work"
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        enqueue_due({"close": timedelta(0)})
        do_background_work()
    assert not Organization.objects.filter(pk=closed.home.pk).exists()


def test_much_is_done_in_steps(closed: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "STEP", -1.0)
    closure = Closure.objects.get()
    outcomes = []
    while (outcome := carry_on.call(closure.pk)) != "gone":
        outcomes.append(outcome)
    assert outcomes == ["more to do", "more to do"]


def test_two_clicks_close_once(closed: Cast) -> None:
    close_customer(closed.home, keep_channels=False, by=closed.homer)
    assert Closure.objects.count() == 1
    assert AuditEntry.objects.filter(action="customer.closed").count() == 1


def test_channels_on_an_account_of_ones_own_are_kept_if_that_is_chosen(
    simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with patch.object(Embedded, "can_create_accounts", False), patch.object(Embedded, "is_in_our_database", False):
        with django_capture_on_commit_callbacks(execute=True):
            close_customer(simpsons.home, keep_channels=True, by=simpsons.homer)
        do_background_work()
    assert not Organization.objects.filter(pk=simpsons.home.pk).exists()
    account = Account.objects.exclude(channels=simpsons.garage.channel.number).get()
    assert account.channels.count() == 2


# What keeps one of these from being deleted, and what `devices.closing` deletes before it.
GUARDED = {
    "orgs.Organization": {
        "channels.PlatformAccount", "devices.RegistrationKey", "devices.Device", "devices.PendingDevice",
        "devices.ExpectedDevice", "orgs.Organization", "orgs.Membership",
    },
    "channels.PlatformAccount": {"channels.Channel"},
    "channels.Channel": {"devices.Device", "channels.Channel"},
    "devices.RegistrationKey": {"devices.RegistrationKey"},
}  # fmt: skip


OURS = [model for app in ("orgs", "channels", "devices", "portal") for model in apps.get_app_config(app).get_models()]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_nothing_new_keeps_a_customer_from_being_closed(model: type[models.Model]) -> None:
    found = {
        relation.related_model._meta.label
        for relation in model._meta.get_fields(include_hidden=True)
        if getattr(relation, "on_delete", None) in (models.PROTECT, models.RESTRICT) and relation.auto_created
    }
    # Otherwise the new model has to be deleted in `devices.closing._step`.
    assert found == GUARDED.get(model._meta.label, set())
