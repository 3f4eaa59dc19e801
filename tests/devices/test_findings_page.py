"""What was noticed is told to the managers whom it concerns, with a step that mends it."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from channels import findings
from channels.embedded import Embedded
from channels.models import Channel, Finding, PlatformAccount
from channels.platforms import OutOfReach
from channels.reading_keys import read_key_for
from channels.sync import sync
from devices.models import Device
from devices.read_rights import note_known_keys
from orgs.audit import AuditEntry
from orgs.models import Membership
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.factories import DeviceFactory, MembershipFactory

Kind = Finding.Kind


@pytest.fixture
def account(simpsons: Cast) -> PlatformAccount:
    Channel.objects.update(created_at=timezone.now() - timedelta(days=1))
    return PlatformAccount.objects.get(organization=simpsons.home)


@pytest.fixture
def page(simpsons: Cast) -> str:
    return f"/organizations/{simpsons.home.pk}/findings/"


def text_of(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def foreign(account: PlatformAccount) -> Finding:
    Embedded().create_channel(account.key, name="Old experiment", marker="", labels={})
    sync(account)
    return Finding.objects.open().get(kind=Kind.FOREIGN_CHANNEL)


def test_where_all_is_well_the_page_says_so(as_homer: Client, account: PlatformAccount, page: str) -> None:
    assert "Nothing needs you" in text_of(as_homer, page)


def test_a_channel_that_is_gone_leads_to_a_new_one(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast
) -> None:
    gone = simpsons.kitchen.channel
    Embedded().delete_channel(account.key, gone.number)
    assert "1 new thing to look at" in as_homer.post(f"{page}look/", follow=True).content.decode()
    assert "was deleted" in text_of(as_homer, f"/devices/{simpsons.kitchen.pk}/values/")
    assert as_homer.get(f"/devices/{simpsons.kitchen.pk}/feed.json").status_code == 404
    step = f"/devices/{simpsons.kitchen.pk}/new-channel/"
    assert step in text_of(as_homer, page)
    assert step in text_of(as_homer, step)
    assert "Its channel is gone" in text_of(as_homer, step)
    as_homer.post(step)
    moved = Device.objects.get(pk=simpsons.kitchen.pk)
    assert moved.channel != gone
    assert not Finding.objects.open().exists()
    assert "Settled" in text_of(as_homer, page)


def test_a_channel_that_belongs_to_nobody_is_deleted_after_a_question(
    as_homer: Client, account: PlatformAccount, page: str
) -> None:
    found = foreign(account)
    assert "Old experiment" in text_of(as_homer, page)
    step = f"/findings/{found.pk}/delete-channel/"
    assert "cannot be undone" in text_of(as_homer, step)
    assert found.number in {channel.number for channel in Embedded().list_channels(account.key)}
    as_homer.post(step)
    assert found.number not in {channel.number for channel in Embedded().list_channels(account.key)}
    assert not Finding.objects.open().exists()
    entry = AuditEntry.objects.get(action="channel.deleted")
    assert entry.details == {"channel": found.number, "name": "Old experiment"}


def test_a_channel_that_has_found_its_device_meanwhile_is_not_deleted(
    as_homer: Client, account: PlatformAccount, simpsons: Cast
) -> None:
    found = foreign(account)
    Channel.objects.create(account=account, number=found.number)
    said = as_homer.post(f"/findings/{found.pk}/delete-channel/", follow=True).content.decode()
    assert "belongs to a device by now" in said
    assert found.number in {channel.number for channel in Embedded().list_channels(account.key)}


def test_while_the_platform_is_away_nothing_is_deleted(as_homer: Client, account: PlatformAccount) -> None:
    found = foreign(account)
    with patch.object(Embedded, "list_channels", side_effect=OutOfReach):
        said = as_homer.post(f"/findings/{found.pk}/delete-channel/", follow=True).content.decode()
    assert "out of reach" in said
    assert Finding.objects.open().filter(pk=found.pk).exists()


def test_what_is_left_alone_is_not_told_again(as_homer: Client, account: PlatformAccount, page: str) -> None:
    found = foreign(account)
    as_homer.post(f"/findings/{found.pk}/dismiss/")
    assert sync(account).is_nothing
    assert not Finding.objects.open().exists()
    assert "Left alone" in text_of(as_homer, page)
    found.refresh_from_db()
    assert found.settled_by is not None


def test_what_is_serious_cannot_be_left_alone(as_homer: Client, account: PlatformAccount, simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    findings.notice(Kind.CHANNEL_MISSING, account=account, number=channel.number, channel=channel)
    found = Finding.objects.get()
    assert as_homer.post(f"/findings/{found.pk}/dismiss/").status_code == 404


def test_a_cloned_device_gets_a_new_key(as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    findings.notice(Kind.CLONED, account=account, number=channel.number, channel=channel, label="kitchen")
    found = Finding.objects.get()
    assert "Renew the write key" in text_of(as_homer, page)
    as_homer.post(f"/findings/{found.pk}/renew-key/")
    assert current(channel).version == 2
    found.refresh_from_db()
    assert found.settled_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_known_key_is_settled_by_looking_again(
    thingspeak_over_http: PlatformAccount, as_homer: Client, page: str, simpsons: Cast
) -> None:
    account = thingspeak_over_http
    kitchen = Device.objects.select_related("channel__account").get(pk=simpsons.kitchen.pk)
    known = read_key_for(simpsons.marge, kitchen.channel)
    Membership.objects.filter(user=simpsons.marge).delete()
    note_known_keys(simpsons.home)
    said = text_of(as_homer, page)
    assert "marge@example.net" in said
    assert f"/channels/{kitchen.channel.number}/api_keys" in said
    assert known not in said

    as_homer.post(f"{page}look/")
    assert Finding.objects.open().filter(kind=Kind.KEY_KNOWN).exists(), "nothing was done there yet"
    Embedded().revoke_key(account.key, kitchen.channel.number, known)
    Embedded().add_read_key(account.key, kitchen.channel.number, note="")
    as_homer.post(f"{page}look/")
    assert not Finding.objects.open().exists()
    assert read_key_for(simpsons.homer, kitchen.channel) != known


def test_a_refused_account_key_is_said_and_leads_on(as_homer: Client, account: PlatformAccount, page: str) -> None:
    Embedded().renew_account_key(account.key)
    assert "refuses the account key" in as_homer.post(f"{page}look/", follow=True).content.decode()


def test_everybody_hears_only_of_what_is_theirs(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast
) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation="manager").user
    as_bart = Client()
    as_bart.force_login(bart)
    for device in (simpsons.kitchen, simpsons.reactor):
        findings.notice(
            Kind.CLONED, account=account, number=device.channel.number, channel=device.channel, label=str(device)
        )
    foreign(account)
    said = text_of(as_homer, page)
    assert all(name in said for name in ("kitchen", "reactor", "Old experiment"))
    said = text_of(as_bart, f"/organizations/{simpsons.household.pk}/findings/")
    assert "kitchen" in said
    assert "reactor" not in said
    assert "Old experiment" not in said
    assert "serial number of “kitchen”" in text_of(as_bart, "/devices/")
    assert "Old experiment" not in text_of(as_bart, "/devices/")
    assert "Old experiment" in text_of(as_homer, "/devices/")


def test_the_page_has_a_fixed_number_of_queries(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast, django_assert_max_num_queries
) -> None:
    for _n in range(2):
        for _m in range(12):
            device = DeviceFactory(organization=simpsons.household)
            findings.notice(Kind.CLONED, account=account, number=device.channel.number, channel=device.channel)
        with django_assert_max_num_queries(14):
            assert as_homer.get(page).status_code == 200
