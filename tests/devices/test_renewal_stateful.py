"""Whatever happens in whatever order: a device that follows the protocol has a working key or gets one by asking,
an ended key never writes, and every measurement arrives once."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from channels import renewal
from channels.embedded import Embedded
from channels.errors import CannotRenew
from channels.models import OVER, Channel, ChannelKey, Renewal
from channels.platform.models import Entry
from channels.platforms import OutOfReach
from devices import renewal as registration_keys
from devices import renewal_run
from devices.models import Device as DeviceRow
from devices.models import RegistrationKey
from orgs import tree
from orgs.models import Membership, User
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, writes
from tests.devices.in_process import Device, quick_derivation, quick_disk
from tests.factories import PlatformAccountFactory

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
SERIAL = "74743827342"
CALLS = ("get_channel", "rotate_write_key", "revoke_key")
MOMENTS = [(call, when) for call in CALLS for when in ("before", "after")] + [("_successor", "before")]
# `make soak` asks for more.
EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "12"))


class World(RuleBasedStateMachine):
    """Homer, one thermometer, a portal whose processes die, and a platform that is sometimes away."""

    @initialize()
    def begin(self) -> None:
        self.tidy = ExitStack()
        self.time = self.tidy.enter_context(time_machine.travel(START, tick=False))
        self.tidy.enter_context(quick_derivation())
        self.tidy.enter_context(quick_disk())
        folder = Path(self.tidy.enter_context(tempfile.TemporaryDirectory()))
        atomic = transaction.atomic()
        atomic.__enter__()
        self.tidy.callback(lambda: (transaction.set_rollback(True), atomic.__exit__(None, None, None)))
        customer = tree.create_customer("The Simpsons")
        self.homer = User.objects.create(email="homer@example.net")
        Membership.objects.create(user=self.homer, organization=customer, relation="manager")
        PlatformAccountFactory(organization=customer)
        self.registration_key = RegistrationKey.issue(customer, by=self.homer)
        self.device = Device(folder, serial=SERIAL, registration_key=self.registration_key.text)
        self.is_on = True
        self.platform_is_away = False
        self.device.run(timedelta(minutes=1), self.time)

    def teardown(self) -> None:
        if hasattr(self, "tidy"):
            with self.tidy:
                self.calm_down()

    @property
    def channel(self) -> Channel:
        return Channel.objects.select_related("account").get(device__serial=SERIAL)

    def portal(self, work: Any, dies: tuple[str, str] | None = None) -> None:
        """Let a process of the portal do something, in which it may die, or find the platform away."""
        with ExitStack() as stack:
            if self.platform_is_away:
                for call in CALLS:
                    stack.enter_context(patch.object(Embedded, call, side_effect=OutOfReach(retry_after=1)))
            elif dies == ("_successor", "before"):
                stack.enter_context(patch.object(renewal, "_successor", side_effect=ProcessDied))
            elif dies is not None:
                stack.enter_context(_dying(*dies))
            with suppress(CannotRenew, ProcessDied):
                work()

    # What people and the worker do

    @rule(hours=st.sampled_from([1, 24, 168]), dies=st.none() | st.sampled_from(MOMENTS))
    def homer_renews_the_write_key(self, hours: int, dies: tuple[str, str] | None) -> None:
        overlap = timedelta(hours=hours)
        self.portal(lambda: renewal.renew(self.channel, by=self.homer, overlap=overlap), dies)

    @rule(dies=st.none() | st.sampled_from(MOMENTS))
    def homer_revokes_the_write_key(self, dies: tuple[str, str] | None) -> None:
        self.portal(lambda: renewal.revoke(self.channel, by=self.homer), dies)

    @rule(dies=st.none() | st.sampled_from(MOMENTS))
    def the_worker_runs(self, dies: tuple[str, str] | None) -> None:
        self.portal(renewal_run.run, dies)

    @rule()
    def homer_ends_the_old_key(self) -> None:
        for going in Renewal.objects.overlapping():
            self.portal(lambda going=going: renewal.finish(going, by=self.homer))

    @precondition(lambda self: not self.platform_is_away)
    @rule(hours=st.sampled_from([0, 24]))
    def somebody_rotates_the_key_on_the_platform_and_the_portal_notices(self, hours: int) -> None:
        account, number = self.channel.account, self.channel.number
        Embedded().rotate_write_key(account.key, number, overlap=timedelta(hours=hours))
        self.time.shift(timedelta(minutes=2))  # what a dead process had leased is free
        self.portal(renewal_run.run)
        self.portal(lambda: renewal.adopt_change(self.channel))

    @rule()
    def homer_renews_the_registration_key(self) -> None:
        newest = RegistrationKey.objects.good().get(successor__isnull=True)
        self.portal(lambda: registration_keys.renew(newest, by=self.homer))

    # What the device and the world do

    @precondition(lambda self: self.is_on)
    @rule(minutes=st.sampled_from([1, 40, 240]))
    def the_device_runs(self, minutes: int) -> None:
        self.device.run(timedelta(minutes=minutes), self.time)

    @precondition(lambda self: self.is_on)
    @rule()
    def the_device_polls(self) -> None:
        self.device.poll()

    @rule()
    def the_power_of_the_device_fails_for_a_moment(self) -> None:
        self.device.switch_on()
        self.is_on = True

    @rule(days=st.sampled_from([1, 8, 30]))
    def the_device_is_off_for_days(self, days: int) -> None:
        self.is_on = False
        self.time.shift(timedelta(days=days))

    @rule(hours=st.sampled_from([-3000, 0, 5]))
    def somebody_sets_the_clock_of_the_device(self, hours: int) -> None:
        self.device.clock.wrong_by = timedelta(hours=hours)
        self.device.poll()

    @rule(count=st.integers(1, 3))
    def answers_get_lost(self, count: int) -> None:
        self.device.wire.answers_to_lose = count

    @rule(away=st.booleans())
    def the_portal_goes_or_comes(self, away: bool) -> None:
        self.device.wire.portal_is_away = away

    @rule(away=st.booleans())
    def the_platform_goes_or_comes(self, away: bool) -> None:
        self.platform_is_away = self.device.wire.platform_is_away = away

    @rule(minutes=st.sampled_from([2, 60]))
    def time_passes(self, minutes: int) -> None:
        self.time.shift(timedelta(minutes=minutes))

    # What always holds

    @invariant()
    def an_ended_key_never_writes(self) -> None:
        for key in ChannelKey.objects.writing().filter(state__in=OVER):
            assert not writes(key), key

    @invariant()
    def what_the_portal_hands_out_works(self) -> None:
        if not DeviceRow.objects.filter(serial=SERIAL, channel__isnull=False).exists():
            return
        urgent = Renewal.objects.open().filter(urgent=True)
        # Only between the death of a process that revoked a key and the next run the portal may not know the new one.
        assert writes(current(self.channel)) or urgent.filter(deadline__isnull=False).exists()

    @invariant()
    def what_the_portal_promises_of_the_old_key_holds(self) -> None:
        """It works until the moment that the device was told, unless the device has the new one."""
        now = timezone.now()
        needed = Renewal.objects.overlapping().exclude(pk__in=Renewal.objects.to_finish(now))
        for going in needed.select_related("old_key"):
            assert writes(going.old_key), going

    def calm_down(self) -> None:
        """Let everything be there again, and time pass: then all is as if nothing had happened."""
        wire = self.device.wire
        wire.portal_is_away = wire.platform_is_away = self.platform_is_away = False
        wire.answers_to_lose = 0
        self.device.clock.wrong_by = timedelta(0)
        self.device.switch_on()
        for _round in range(3):
            self.time.shift(timedelta(hours=2))  # leases and waiting times are over
            self.portal(renewal_run.run)
            self.device.run(timedelta(hours=26), self.time)  # asks at least once
        self.portal(renewal_run.run)

        channel = self.channel
        assert self.device.keys[0] == current(channel).value
        assert writes(self.device.keys[0])
        assert_books_are_right(channel)
        newest = RegistrationKey.objects.good().get(successor__isnull=True)
        assert self.device.state.registration.lookup == newest.lookup
        assert not RegistrationKey.objects.renewed().exists(), "every old registration key has ended"
        assert not Renewal.objects.open().exists()
        stored = Counter(Entry.objects.filter(channel=channel.number).values_list("field1", flat=True))
        assert stored == Counter(self.device.sensor.taken)


def _dying(call: str, when: str) -> Any:
    original = getattr(Embedded, call)

    def die(self: Embedded, *args: Any, **kwargs: Any) -> None:
        if when == "after":
            original(self, *args, **kwargs)
        raise ProcessDied

    return patch.object(Embedded, call, die)


@pytest.mark.django_db
def test_no_sequence_of_events_leaves_a_device_without_a_key(settings_of_time: None) -> None:
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.fixture
def settings_of_time(settings: Any) -> None:
    settings.PLATFORM_UPDATE_INTERVAL = 1
