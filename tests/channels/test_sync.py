"""What somebody changes on the platform itself is noticed here: taken over, or reported with what to do about it.

Everything is played on the built-in platform in process, and on one that is spoken to over HTTP as ThingSpeak is.
"""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from channels import renewal, thingspeak_http
from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, Finding, KeyState, PlatformAccount, ShownKey
from channels.platforms import BadAccountKey, OutOfReach
from channels.reading_keys import read_key_for
from channels.sync import Synced, sync
from channels.sync_run import EVERY, sync_due
from devices.management.commands.worker import enqueue_due
from devices.models import Device
from devices.read_rights import note_known_keys
from orgs.audit import AuditEntry
from orgs.models import Membership
from tests.background import do_background_work
from tests.channels.renewing import current, writes
from tests.conftest import Cast
from tests.factories import DeviceFactory, PlatformAccountFactory
from tests.parallel import all_at_once

IN_PROCESS = pytest.param("in_process", marks=pytest.mark.django_db)
OVER_HTTP = pytest.param("over_http", marks=pytest.mark.django_db(transaction=True))
NOW_GONE = timedelta(0)
Kind = Finding.Kind


@pytest.fixture
def in_process(simpsons: Cast) -> PlatformAccount:
    return PlatformAccount.objects.get(organization=simpsons.home)


@pytest.fixture
def over_http(thingspeak_over_http: PlatformAccount) -> PlatformAccount:
    return thingspeak_over_http


@pytest.fixture(params=[IN_PROCESS, OVER_HTTP])
def account(request: pytest.FixtureRequest) -> PlatformAccount:
    """Of an account of some age: what is a moment old may not be listed yet."""
    found: PlatformAccount = request.getfixturevalue(request.param)
    Channel.objects.update(created_at=timezone.now() - timedelta(days=1))
    return found


@pytest.fixture
def kitchen(account: PlatformAccount, simpsons: Cast) -> Channel:
    return Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel


def open_findings(kind: Finding.Kind) -> list[Finding]:
    return list(Finding.objects.open().filter(kind=kind))


def test_where_nothing_has_changed_nothing_is_done(account: PlatformAccount) -> None:
    before = list(ChannelKey.objects.order_by("pk").values_list("pk", "state"))
    assert sync(account).is_nothing
    account.refresh_from_db()
    assert account.state == PlatformAccount.State.VERIFIED
    assert account.synced_at is not None
    assert list(ChannelKey.objects.order_by("pk").values_list("pk", "state")) == before
    assert not Finding.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_write_key_that_somebody_regenerated_there_is_handed_out(account: PlatformAccount, kitchen: Channel) -> None:
    old = current(kitchen)
    there = Embedded().rotate_write_key(account.key, kitchen.number, overlap=NOW_GONE)
    assert sync(account) == Synced(write_keys=1)
    new = current(kitchen)
    old.refresh_from_db()
    assert (new.value, new.version, new.origin) == (there, 2, ChannelKey.Origin.PLATFORM)
    assert old.state == KeyState.ENDED
    assert not writes(old)
    assert sync(account).is_nothing
    said = " ".join(repr(entry.__dict__) for entry in AuditEntry.objects.all())
    assert "write_key.found_renewed" in said
    assert there not in said


def test_a_renewal_of_our_own_that_is_at_work_is_left_alone(in_process: PlatformAccount, simpsons: Cast) -> None:
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel
    with patch.object(Embedded, "rotate_write_key", side_effect=OutOfReach):
        renewal.renew(kitchen, by=None)
    Embedded().rotate_write_key(in_process.key, kitchen.number, overlap=NOW_GONE)
    assert sync(in_process).write_keys == 0
    assert current(kitchen).version == 1


def test_a_renewal_that_happens_while_the_platform_answers_keeps_its_transitional_period(
    in_process: PlatformAccount, simpsons: Cast
) -> None:
    """The listing has the new key, and what was read before it the old one."""
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel
    old = current(kitchen)
    listing = Embedded.list_channels

    def renew_meanwhile(self: Embedded, account_key: str) -> object:
        renewal.renew(kitchen, by=None)
        return listing(self, account_key)

    with patch.object(Embedded, "list_channels", renew_meanwhile):
        assert sync(in_process).is_nothing
    assert writes(old)
    assert writes(current(kitchen))


def test_a_missing_channel_is_reported_once_and_settles_when_it_is_back(
    account: PlatformAccount, kitchen: Channel
) -> None:
    Embedded().delete_channel(account.key, kitchen.number)
    assert sync(account) == Synced(missing=1)
    assert sync(account).is_nothing
    (finding,) = open_findings(Kind.CHANNEL_MISSING)
    assert (finding.channel, finding.number) == (kitchen, kitchen.number)

    Device.objects.filter(channel=kitchen).update(channel=None)
    assert sync(account).settled == 1
    assert not open_findings(Kind.CHANNEL_MISSING)


def test_a_channel_that_is_a_moment_old_is_not_missed_yet(account: PlatformAccount, kitchen: Channel) -> None:
    Channel.objects.filter(pk=kitchen.pk).update(created_at=timezone.now())
    Embedded().delete_channel(account.key, kitchen.number)
    assert sync(account).is_nothing


def test_a_channel_that_nobody_owns_is_reported_and_settles_when_it_is_deleted(account: PlatformAccount) -> None:
    made = Embedded().create_channel(account.key, name="Homer's own", marker="", labels={})
    assert sync(account) == Synced(foreign=1)
    assert sync(account).is_nothing
    (finding,) = open_findings(Kind.FOREIGN_CHANNEL)
    assert (finding.number, finding.label, finding.channel) == (made.number, "Homer's own", None)
    Embedded().delete_channel(account.key, made.number)
    assert sync(account) == Synced(settled=1)


def test_a_channel_whose_device_waits_for_the_answer_is_not_foreign(account: PlatformAccount, simpsons: Cast) -> None:
    """The process died between the platform's answer and its next line; the device's next try adopts the channel."""
    waiting = DeviceFactory(organization=simpsons.household, channel=None)
    Embedded().create_channel(account.key, name="hall", marker=waiting.marker, labels={})
    assert sync(account).is_nothing


def test_a_channel_that_comes_into_being_while_the_platform_answers_is_neither_missing_nor_foreign(
    in_process: PlatformAccount, simpsons: Cast
) -> None:
    listing = Embedded.list_channels

    def before(self: Embedded, account_key: str) -> object:
        DeviceFactory(organization=simpsons.household)
        return listing(self, account_key)

    def after(self: Embedded, account_key: str) -> object:
        listed = listing(self, account_key)
        DeviceFactory(organization=simpsons.household)
        return listed

    for moment in (before, after):
        with patch.object(Embedded, "list_channels", moment):
            assert sync(in_process).is_nothing
    assert not Finding.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_on_a_platform_with_shared_read_keys_a_new_one_is_shown_from_now_on(
    over_http: PlatformAccount, simpsons: Cast
) -> None:
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel
    old = read_key_for(simpsons.marge, kitchen)
    new = Embedded().add_read_key(over_http.key, kitchen.number, note="")
    assert sync(over_http) == Synced(read_keys_added=1)
    assert read_key_for(simpsons.marge, kitchen) == new
    Embedded().revoke_key(over_http.key, kitchen.number, old)
    assert sync(over_http) == Synced(read_keys_ended=1)
    assert sync(over_http).is_nothing
    assert read_key_for(simpsons.marge, kitchen) == new


@pytest.mark.django_db(transaction=True)
def test_a_key_known_to_a_former_member_is_settled_when_it_is_gone_there(
    over_http: PlatformAccount, simpsons: Cast
) -> None:
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel
    known = read_key_for(simpsons.marge, kitchen)
    Membership.objects.filter(user=simpsons.marge).delete()
    assert note_known_keys(simpsons.home) == 1
    Embedded().revoke_key(over_http.key, kitchen.number, known)
    Embedded().add_read_key(over_http.key, kitchen.number, note="")
    assert sync(over_http) == Synced(read_keys_added=1, read_keys_ended=1, settled=1)
    assert not Finding.objects.open().exists()
    assert not ShownKey.objects.of_good_keys().exists()
    assert note_known_keys(simpsons.home) == 0


@pytest.mark.django_db(transaction=True)
def test_a_channel_without_any_read_key_is_reported_until_it_has_one(
    over_http: PlatformAccount, simpsons: Cast
) -> None:
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel
    Channel.objects.update(created_at=timezone.now() - timedelta(days=1))
    Embedded().revoke_key(over_http.key, kitchen.number, read_key_for(simpsons.homer, kitchen))
    assert sync(over_http) == Synced(read_keys_ended=1, unreadable=1)
    (finding,) = open_findings(Kind.NO_READ_KEY)
    assert "add a read key" in str(finding.remedy)
    Embedded().add_read_key(over_http.key, kitchen.number, note="")
    assert sync(over_http) == Synced(read_keys_added=1, settled=1)


def test_the_portals_own_read_key_is_replaced_where_it_can_be(in_process: PlatformAccount, simpsons: Cast) -> None:
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel
    marges = read_key_for(simpsons.marge, kitchen)
    (own,) = ChannelKey.objects.of_the_portal().filter(channel=kitchen)
    Embedded().revoke_key(in_process.key, kitchen.number, own.value)
    assert sync(in_process) == Synced(read_keys_added=1, read_keys_ended=1)
    (new,) = ChannelKey.objects.of_the_portal().filter(channel=kitchen)
    Embedded().read_feed(kitchen.number, read_key=new.value)
    assert new.version == own.version + 1
    assert read_key_for(simpsons.marge, kitchen) == marges
    assert sync(in_process).is_nothing


def test_a_persons_key_that_was_ended_there_is_made_anew_when_they_look(
    in_process: PlatformAccount, simpsons: Cast
) -> None:
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk).channel
    dead = read_key_for(simpsons.marge, kitchen)
    Embedded().revoke_key(in_process.key, kitchen.number, dead)
    assert sync(in_process) == Synced(read_keys_ended=1)
    fresh = read_key_for(simpsons.marge, kitchen)
    assert fresh != dead
    Embedded().read_feed(kitchen.number, read_key=fresh)


def test_a_refused_account_key_is_remembered_and_changes_nothing_else(
    account: PlatformAccount, kitchen: Channel
) -> None:
    Embedded().renew_account_key(account.key)
    with pytest.raises(BadAccountKey):
        sync(account)
    account.refresh_from_db()
    assert account.state == PlatformAccount.State.REFUSED
    assert not Finding.objects.exists()
    assert current(kitchen).version == 1


def test_a_key_that_was_replaced_while_the_platform_answered_is_not_called_refused(in_process: PlatformAccount) -> None:
    new = Embedded().renew_account_key(in_process.key)

    def replaced_meanwhile(self: Embedded, account_key: str) -> object:
        PlatformAccount.objects.get(pk=in_process.pk).replace_key(new)
        raise BadAccountKey

    with patch.object(Embedded, "list_channels", replaced_meanwhile), pytest.raises(BadAccountKey):
        sync(in_process)
    in_process.refresh_from_db()
    assert in_process.state == PlatformAccount.State.UNVERIFIED


@pytest.mark.django_db(transaction=True)
def test_several_at_once_do_it_once(simpsons: Cast) -> None:
    account = PlatformAccount.objects.get(organization=simpsons.home)
    kitchen, reactor = simpsons.kitchen.channel, simpsons.reactor.channel
    Channel.objects.update(created_at=timezone.now() - timedelta(days=1))
    Embedded().rotate_write_key(account.key, kitchen.number, overlap=NOW_GONE)
    (own,) = ChannelKey.objects.of_the_portal().filter(channel=kitchen)
    Embedded().revoke_key(account.key, kitchen.number, own.value)
    Embedded().delete_channel(account.key, reactor.number)
    Embedded().create_channel(account.key, name="alien", marker="", labels={})

    def one(_n: int) -> Synced:
        return sync(PlatformAccount.objects.get(pk=account.pk))

    total = sum(all_at_once(one, 4), Synced())
    assert total == Synced(write_keys=1, read_keys_added=1, read_keys_ended=1, missing=1, foreign=1)
    assert ChannelKey.objects.of_the_portal().filter(channel=kitchen).count() == 1
    assert Finding.objects.count() == 2


def test_the_number_of_queries_does_not_grow_with_the_channels(in_process: PlatformAccount, simpsons: Cast) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            sync(PlatformAccount.objects.select_related("organization").get(pk=in_process.pk))
        return len(captured)

    few = queries()
    for _n in range(8):
        DeviceFactory(organization=simpsons.household)
    assert queries() == few


def test_each_account_has_its_turn_every_five_minutes_and_once(in_process: PlatformAccount, simpsons: Cast) -> None:
    now = timezone.now()
    assert PlatformAccount.objects.to_sync(now).count() == 2
    sync_due(now)
    assert PlatformAccount.objects.to_sync(now + EVERY - timedelta(seconds=1)).count() == 0
    assert PlatformAccount.objects.to_sync(now + EVERY + timedelta(seconds=30)).count() == 2
    assert None not in PlatformAccount.objects.values_list("synced_at", flat=True)
    simpsons.home.suspend()
    assert PlatformAccount.objects.to_sync(now + timedelta(days=1)).count() == 1


@pytest.mark.django_db
def test_a_platform_that_is_away_is_asked_once_a_run_and_others_go_on(simpsons: Cast, settings: Settings) -> None:
    settings.THINGSPEAK_URL = "http://127.0.0.1:9"  # nobody listens there
    for _n in range(3):
        PlatformAccountFactory(platform="thingspeak")
    now = timezone.now()
    with patch.object(thingspeak_http.Line, "call", side_effect=OutOfReach) as asked:
        sync_due(now)
        sync_due(now)
    assert asked.call_count == 1
    assert PlatformAccount.objects.filter(platform="embedded", synced_at__isnull=False).count() == 2
    # The one that was tried waits for its turn; another one tells soon whether the platform is back.
    assert PlatformAccount.objects.to_sync(now + timedelta(minutes=1)).count() == 2
    assert not PlatformAccount.objects.filter(state=PlatformAccount.State.REFUSED).exists()


def test_the_worker_has_it_done_every_so_often(in_process: PlatformAccount, simpsons: Cast) -> None:
    Embedded().rotate_write_key(in_process.key, simpsons.kitchen.channel.number, overlap=NOW_GONE)
    assert enqueue_due({"sync": timedelta(seconds=30)}) == ["sync"]
    assert enqueue_due({"sync": timedelta(seconds=30)}) == []
    do_background_work()
    assert current(simpsons.kitchen.channel).version == 2


def test_the_command_says_what_it_found_and_takes_one_customer(
    in_process: PlatformAccount, simpsons: Cast, capsys
) -> None:
    Embedded().rotate_write_key(in_process.key, simpsons.kitchen.channel.number, overlap=NOW_GONE)
    call_command("sync", customer="The Simpsons")
    said = capsys.readouterr().out
    assert "write keys: 1" in said
    assert "Carl" not in said
    call_command("sync", customer=str(simpsons.home.pk))
    assert "as we know it" in capsys.readouterr().out
    call_command("sync")
    assert "Carl" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no customer"):
        call_command("sync", customer="Burns")


def test_the_command_fails_when_an_account_could_not_be_compared(in_process: PlatformAccount) -> None:
    Embedded().renew_account_key(in_process.key)
    with pytest.raises(CommandError, match="Not all"):
        call_command("sync")
