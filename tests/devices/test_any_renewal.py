"""Whatever happens in whatever order, a device that follows the protocol gets a key that writes, and no ended key does.

The real thermometer, the real portal, the real platform and the real database, in a time of their own. Processes die at
any step, answers are lost, the platform is away, the device is off or loses its power, workers come, sleep, or do not
come at all. Homer renews, ends and revokes, blocks and unblocks, moves the device to new channels where that is the
only way, and changes his mind about the policy; an operator suspends him and takes it back.

`pytest --hypothesis-profile=thorough tests/devices/test_any_renewal.py` tries six hundred lives instead of twelve.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
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

from channels import renewal, vault
from channels.embedded import Embedded
from channels.errors import CannotRenew
from channels.models import Channel, Renewal, RenewalPolicy
from channels.platform.models import Entry
from channels.platforms import PlatformError
from channels.sync import sync
from devices import blocking, registration, renewal_all, renewal_run, rollover, tries
from devices import renewal as registration_keys
from devices.errors import TryLater
from devices.models import Device as OurDevice
from devices.models import RegistrationKey, RollOver
from devices.registration_key_text import RegistrationKeyText
from devices.thermometer.configure import configured
from devices.thermometer.state import Registration, StateStore
from orgs.models import Organization
from tests.channels.renewing import ProcessDied, assert_books_are_right, current, writes
from tests.devices.any_renewal import METHODS, STEPS, Fate, PowerCut, another_worker, ended_keys
from tests.devices.in_process import Device, quick_derivation, quick_disk
from tests.factories import MembershipFactory, OrganizationFactory, PlatformAccountFactory

SERIAL = "74743827342"
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OVERLAPS = st.sampled_from([MINUTE, HOUR, 7 * DAY])
EVERY = st.sampled_from([None, 1, 30])
WAYS_TO_END = ["dies before", "dies after"]


class KeysChange(RuleBasedStateMachine):
    """One thermometer, one customer, and a portal whose keys change."""

    @initialize(platform=st.sampled_from(["here", "elsewhere", "like ThingSpeak"]))
    def unpack(self, platform: str) -> None:
        self.elsewhere, self.can_rotate = platform != "here", platform != "like ThingSpeak"
        # What is remembered in the process: bad keys that other lives have tried at the same hours.
        cache.clear()
        tries.forget()
        self.fate = Fate()
        self.fate.another_worker = lambda: another_worker(self.time.shift)
        self.is_on = True
        self.rotated_unnoticed = False
        self.world = ExitStack()
        logging.disable()  # a device whose portal is away for nine days has a lot to say, and pytest keeps it all
        self.world.callback(logging.disable, logging.NOTSET)
        self.world.enter_context(quick_derivation())
        self.world.enter_context(quick_disk())
        folder = Path(self.world.enter_context(tempfile.TemporaryDirectory()))
        self.time = self.world.enter_context(time_machine.travel(START, tick=False))
        self.world.enter_context(_undone_afterwards())
        self.world.enter_context(self.fate.in_force(elsewhere=self.elsewhere, can_rotate=self.can_rotate))
        account = PlatformAccountFactory(organization=OrganizationFactory(name="The Simpsons"))
        self.home = account.organization
        self.homer = MembershipFactory(organization=self.home, relation="manager").user
        self.key = RegistrationKey.issue(self.home)
        self.device = Device(folder, serial=SERIAL, registration_key=self.key.text, period=6 * 3600.0)
        self.device_runs(HOUR)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.world:
            self.everything_ends_well()

    @property
    def channel(self) -> Channel:
        return Channel.objects.select_related("account").get(device__serial=SERIAL)

    @property
    def ours(self) -> OurDevice:
        """The device as the portal has it."""
        return OurDevice.objects.select_related("organization", "channel__account").get(serial=SERIAL)

    # The device

    @rule(duration=st.sampled_from([MINUTE, HOUR, DAY, 9 * DAY]))
    def time_passes(self, duration: timedelta) -> None:
        if self.is_on:
            self.device_runs(duration)
        else:
            self.time.shift(duration)

    def device_runs(self, duration: timedelta) -> None:
        until = timezone.now() + duration
        while timezone.now() < until:
            try:
                self.device.run(until - timezone.now(), self.time)
            except PowerCut:
                self.device_loses_power()
                self.time.shift(timedelta(seconds=1))

    @rule()
    def device_loses_power(self) -> None:
        """And has it back. What was measured in the very moment, and is not on the disk, was never measured."""
        while True:
            with suppress(PowerCut):  # it may fail again while the device starts
                self.device.switch_on()
                break
        taken = self.device.sensor.taken
        kept = {measurement.value for measurement in self.device.thermometer.outbox} | set(self.stored())
        if taken and taken[-1] not in kept:
            taken.pop()
        self.is_on = True

    @rule()
    def device_is_switched_off(self) -> None:
        self.is_on = False

    @precondition(lambda self: self.is_on)
    @rule(file=st.sampled_from(["write_atomically", "append"]), when=st.sampled_from(["before", "after"]))
    def power_will_fail_at_a_write_to_the_disk(self, file: str, when: str) -> None:
        self.fate.next_at[file] = f"power fails {when}"

    @rule(portal=st.booleans(), platform=st.booleans(), lost=st.integers(0, 3))
    def network_of_the_device_changes(self, portal: bool, platform: bool, lost: int) -> None:
        self.device.wire.portal_is_away = portal
        self.device.wire.platform_is_away = platform
        self.device.wire.answers_to_lose = lost

    # The portal's processes

    @rule(call=st.sampled_from([*METHODS, *STEPS]), how=st.sampled_from(WAYS_TO_END))
    def a_process_will_die(self, call: str, how: str) -> None:
        self.fate.next_at[call] = how

    @precondition(lambda self: self.elsewhere)
    @rule(call=st.sampled_from(METHODS), how=st.sampled_from(["answer is lost", "sleeps before"]))
    def the_platform_will_be_slow(self, call: str, how: str) -> None:
        self.fate.next_at[call] = how

    @precondition(lambda self: self.elsewhere)
    @rule(away=st.booleans())
    def the_platform_goes_or_comes(self, away: bool) -> None:
        self.fate.platform_is_away = away

    @rule(times=st.integers(1, 2))
    def workers_run(self, times: int) -> None:
        for _ in range(times):
            self.alive(renewal_run.run)

    def alive(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Do it in a process that may die, for somebody who may be told that it cannot be done."""
        with suppress(ProcessDied, CannotRenew):
            do(*args, **kwargs)

    # What Homer does, and what others do to him

    @rule(overlap=OVERLAPS)
    def homer_renews_the_write_key(self, overlap: timedelta) -> None:
        self.alive(renewal.renew, self.channel, by=self.homer, overlap=overlap)

    @rule()
    def homer_ends_the_old_write_key(self) -> None:
        """Only with the device's word that it has the new one; otherwise he would lock it out, and knows it."""
        for going in Renewal.objects.to_finish(timezone.now()):
            self.alive(renewal.finish, going, by=self.homer)

    @rule()
    def homer_revokes_all_write_keys(self) -> None:
        self.alive(renewal_all.revoke_all, self.home, by=self.homer)

    @rule()
    def homer_revokes_the_write_key(self) -> None:
        self.alive(renewal.revoke, self.channel, by=self.homer)

    @rule()
    def homer_blocks_the_device(self) -> None:
        self.alive(blocking.block, self.ours, by=self.homer)

    @rule()
    def homer_unblocks_the_device(self) -> None:
        blocking.unblock(self.ours, by=self.homer)

    @precondition(lambda self: not self.can_rotate)
    @rule(overlap=st.sampled_from([timedelta(0), HOUR, 7 * DAY]))
    def homer_moves_the_device_to_a_new_channel(self, overlap: timedelta) -> None:
        self.alive(rollover.start, self.ours, by=self.homer, keep_old=True, overlap=overlap)

    @rule(suspended=st.booleans())
    def an_operator_suspends_homer_or_takes_it_back(self, suspended: bool) -> None:
        self.home.suspend() if suspended else self.home.resume()

    @rule(overlap=st.sampled_from([timedelta(0), HOUR]))
    def somebody_rotates_it_on_the_platform(self, overlap: timedelta) -> None:
        self.fate.be_kind()
        # A key that is regenerated on ThingSpeak is dead at once.
        overlap = overlap if self.can_rotate else timedelta(0)
        Embedded().rotate_write_key(self.channel.account.key, self.channel.number, overlap=overlap)
        self.rotated_unnoticed = True

    @precondition(lambda self: self.rotated_unnoticed)
    @rule()
    def the_change_is_noticed(self) -> None:
        with suppress(ProcessDied, PlatformError):
            sync(self.channel.account)
            self.rotated_unnoticed = Renewal.objects.open().exists()

    @rule(until=st.sampled_from([None, HOUR, 9 * DAY]))
    def homer_renews_the_registration_key(self, until: timedelta | None) -> None:
        with suppress(CannotRenew):
            self.key = registration_keys.renew(self.key, by=self.homer, until=until and timezone.now() + until)

    @rule(with_successors=st.booleans())
    def homer_revokes_the_registration_key_and_issues_another(self, with_successors: bool) -> None:
        self.key.refresh_from_db()
        registration_keys.revoke(self.key, by=self.homer, with_successors=with_successors)
        self.key = RegistrationKey.issue(self.home)

    @rule(
        every=st.sampled_from([None, 1, 30]), keys=st.sampled_from([None, 30]), overlap=OVERLAPS, paused=st.booleans()
    )
    def homer_changes_the_policy(self, every: int | None, keys: int | None, overlap: timedelta, paused: bool) -> None:
        wanted = {"write_every": every, "registration_every": keys, "overlap": overlap, "paused": paused}
        wanted["instead"] = RenewalPolicy.Instead.REPLACE
        RenewalPolicy.objects.update_or_create(organization=self.home, defaults=wanted)

    # What is always true

    @invariant()
    def no_ended_key_writes(self) -> None:
        assert not [key for key in ended_keys() if writes(key)]

    @invariant()
    def nothing_is_lost_and_nothing_doubled(self) -> None:
        stored = self.stored()
        assert len(stored) == len(set(stored))
        kept = {measurement.value for measurement in self.device.thermometer.outbox}
        assert set(stored) | kept >= set(self.device.sensor.taken)

    @invariant()
    def whoever_asks_the_portal_gets_a_key_that_writes(self) -> None:
        """Or, while somebody is replacing it in this moment, is told when to come back."""
        if self.rotated_unnoticed or self.fate.platform_is_away or self.is_shut_out():
            return
        before, self.fate.next_at = self.fate.next_at, {}
        with _undone_afterwards():
            for lookup in RegistrationKey.objects.good().values_list("lookup", flat=True):
                try:
                    answer = registration.register(lookup=lookup, serial=SERIAL, wait=lambda seconds: None)
                except TryLater:
                    self.time.shift(MINUTE)
                    answer = registration.register(lookup=lookup, serial=SERIAL, wait=lambda seconds: None)
                    self.time.shift(-MINUTE)
                assert writes(vault.decrypt(answer.encrypted_write_key)) or self.is_at_work()
        self.fate.next_at = before

    def is_shut_out(self) -> bool:
        return self.ours.blocked_at is not None or Organization.objects.get(pk=self.home.pk).suspended_at is not None

    def is_at_work(self) -> bool:
        return Renewal.objects.filter(leased_until__gt=timezone.now()).exists()

    def stored(self) -> list[str]:
        return list(Entry.objects.values_list("field1", flat=True))

    # How it ends

    def everything_ends_well(self) -> None:
        self.fate.be_kind()
        self.network_of_the_device_changes(portal=False, platform=False, lost=0)
        RenewalPolicy.objects.all().delete()
        self.home.resume()
        self.homer_unblocks_the_device()
        if self.rotated_unnoticed:
            self.time.shift(HOUR)
            renewal_run.run()
            sync(self.channel.account)
        self.let_the_device_in_again()
        self.device_loses_power()
        self.device_runs(DAY)
        assert any(writes(value) for value in self.device.keys), "without any worker"
        assert not len(self.device.thermometer.outbox)
        for _ in range(3):
            self.device_runs(3 * DAY)
            renewal_run.run()
        assert not Renewal.objects.open().exists()
        assert not RollOver.objects.open().exists()
        assert self.device.keys[0] == current(self.channel).value
        assert self.device.state.registration.lookup == self.newest_of_its_line().lookup
        assert_books_are_right(self.channel)
        self.no_ended_key_writes()
        assert Counter(self.stored()) == Counter(self.device.sensor.taken)

    def let_the_device_in_again(self) -> None:
        """Homer has locked the device out, if none of its registration keys is good: he sets another by hand."""
        known = (self.device.state.registration, self.device.state.previous_registration)
        lookups = [one.lookup for one in known if one]
        if RegistrationKey.objects.good().filter(lookup__in=lookups).exists():
            return
        self.key = RegistrationKey.issue(self.home)
        state = self.device.state
        again = configured(
            state,
            serial=SERIAL,
            portal=state.portal,
            registration=Registration.from_text(RegistrationKeyText.parse(self.key.text)),
            period=state.period,
            place=state.place,
        )
        StateStore.create(self.device.path, again)

    def newest_of_its_line(self) -> RegistrationKey:
        key = RegistrationKey.objects.get(lookup=self.device.state.registration.lookup)
        while key.successor and key.successor.is_good:
            key = key.successor
        return key


class _undone_afterwards:
    """A transaction that never happens."""

    def __enter__(self) -> None:
        self._atomic = transaction.atomic()
        self._atomic.__enter__()

    def __exit__(self, *_how: object) -> None:
        transaction.set_rollback(True)
        self._atomic.__exit__(None, None, None)


@pytest.mark.django_db
def test_a_device_always_gets_a_key_that_writes_and_no_ended_key_does() -> None:
    run_state_machine_as_test(
        KeysChange,
        settings=settings(
            max_examples=max(1, settings.default.max_examples // 8),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
