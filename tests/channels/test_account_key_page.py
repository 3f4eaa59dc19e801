"""Homer finds the key of his platform account, renews it, and nobody else comes near it."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from channels import findings, thingspeak_http
from channels.embedded import Embedded
from channels.models import Channel, Finding, PlatformAccount
from channels.platforms import BadAccountKey, OutOfReach, RemoteChannel
from channels.thingspeak import ThingSpeak
from orgs.audit import AuditEntry
from tests.conftest import Cast
from tests.devices.test_registration_address import ask
from tests.factories import RegistrationKeyFactory

NEW = "NEWKEYNEWKEY0000"


@pytest.fixture
def account(simpsons: Cast) -> PlatformAccount:
    return PlatformAccount.objects.get(organization=simpsons.home)


@pytest.fixture
def page(account: PlatformAccount) -> str:
    return f"/organizations/{account.organization_id}/platform-account/"


@pytest.fixture
def on_thingspeak(account: PlatformAccount) -> Iterator[None]:
    account.platform = "thingspeak"
    account.save()
    return


def channels(*numbers: int) -> list[RemoteChannel]:
    return [RemoteChannel(number, "x", "", "W" * 16) for number in numbers]


def test_the_key_is_masked_until_asked_for_and_each_showing_is_audited(
    as_homer: Client, account: PlatformAccount, page: str
) -> None:
    assert account.key not in as_homer.get(page).content.decode()
    assert not AuditEntry.objects.filter(action="platform_account.shown").exists()
    response = as_homer.post(f"{page}show/")
    assert account.key in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    entry = AuditEntry.objects.get(action="platform_account.shown")
    assert entry.actor is not None
    assert account.key not in repr(entry.__dict__)


def test_where_the_platform_does_not_tell_its_limits_the_page_says_so(
    as_homer: Client, account: PlatformAccount, page: str, on_thingspeak: None
) -> None:
    html = as_homer.get(page).content.decode()
    assert "ThingSpeak tells no program how many channels your licence allows" in html
    assert "<dd>2 – a free licence allows 4</dd>" in html
    for number in (11, 12):
        Channel.objects.create(account=account, number=number)
    assert "All taken, if yours is free" in as_homer.get(page).content.decode()


def test_where_it_tells_them_the_page_says_what_is_left(as_homer: Client, page: str, settings: Settings) -> None:
    assert "ThingSpeak" not in as_homer.get(page).content.decode()
    settings.PLATFORM_CHANNELS_PER_ACCOUNT = 3
    assert "<dd>2 – room for 1 more</dd>" in as_homer.get(page).content.decode()


@pytest.mark.parametrize("way", ["", "show/", "renew/", "enter/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_for_everybody_else_the_page_does_not_exist(
    simpsons: Cast, page: str, way: str, method: str, as_marge: Client, as_carl: Client
) -> None:
    for client in (as_marge, as_carl):
        assert getattr(client, method)(page + way).status_code == (405 if (way, method) == ("", "post") else 404)
    assert Client().get(page + way).status_code == 302


def test_a_renewed_key_works_at_once_the_old_one_is_dead_and_devices_notice_nothing(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast
) -> None:
    write_key = simpsons.kitchen.channel.keys.writing().get().value
    old = account.key
    assert "Scripts and tools" in as_homer.get(f"{page}renew/").content.decode()
    assert PlatformAccount.objects.get(pk=account.pk).key == old
    as_homer.post(f"{page}renew/")
    account.refresh_from_db()
    assert account.key != old
    assert account.state == PlatformAccount.State.VERIFIED
    assert Client().get("/channels.json", {"api_key": old}).status_code == 401
    assert len(Client().get("/channels.json", {"api_key": account.key}).json()) == 2
    assert Client().get("/update", {"api_key": write_key, "field1": "21"}).content == b"1"


@pytest.mark.usefixtures("on_thingspeak")
def test_a_key_of_the_same_thingspeak_account_is_taken(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast
) -> None:
    theirs = channels(simpsons.kitchen.channel.number, simpsons.reactor.channel.number, 99999)
    with patch.object(ThingSpeak, "list_channels", return_value=theirs):
        response = as_homer.post(f"{page}renew/", {"key": f" {NEW.lower()}"})
    assert response.status_code == 302
    account.refresh_from_db()
    assert (account.key, account.state) == (NEW, PlatformAccount.State.VERIFIED)


@pytest.mark.usefixtures("on_thingspeak")
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"return_value": []}, "belongs to another account"),
        ({"side_effect": BadAccountKey}, "does not know this key"),
        ({"side_effect": OutOfReach}, "out of reach"),
    ],
)
def test_another_key_is_refused_with_the_reason_and_the_old_one_stays(
    as_homer: Client, account: PlatformAccount, page: str, answer: dict[str, object], sentence: str
) -> None:
    old = account.key
    with patch.object(ThingSpeak, "list_channels", **answer):
        response = as_homer.post(f"{page}renew/", {"key": NEW})
    assert sentence in response.content.decode()
    assert f'value="{NEW}"' in response.content.decode()
    account.refresh_from_db()
    assert account.key == old


@pytest.mark.usefixtures("on_thingspeak")
def test_one_channel_is_enough_to_know_the_account(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast
) -> None:
    """Somebody has deleted the reactor's channel there; that is no reason to leave the portal without a key."""
    with patch.object(ThingSpeak, "list_channels", return_value=channels(simpsons.kitchen.channel.number)):
        assert as_homer.post(f"{page}enter/", {"key": NEW}).status_code == 302
    account.refresh_from_db()
    assert account.key == NEW
    assert account.next_sync_at is None, "what is missing is found soon"


@pytest.mark.usefixtures("on_thingspeak")
def test_channels_that_are_known_to_be_deleted_prove_nothing(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast
) -> None:
    for device in (simpsons.kitchen, simpsons.reactor):
        channel = device.channel
        findings.notice(Finding.Kind.CHANNEL_MISSING, account=account, number=channel.number, channel=channel)
    with patch.object(ThingSpeak, "list_channels", return_value=[]):
        assert as_homer.post(f"{page}enter/", {"key": NEW}).status_code == 302


def test_a_key_that_a_program_renewed_by_the_api_is_entered_here(
    as_homer: Client, account: PlatformAccount, page: str, simpsons: Cast
) -> None:
    new = Embedded().renew_account_key(account.key)
    said = as_homer.post(f"{page}renew/", follow=True).content.decode()
    assert "not good any more" in said
    account.refresh_from_db()
    assert account.state == PlatformAccount.State.REFUSED
    as_homer.post(f"{page}enter/", {"key": new})
    account.refresh_from_db()
    assert (account.key, account.state) == (new, PlatformAccount.State.VERIFIED)
    carls = Embedded().create_account("Carl")
    assert "belongs to another account" in as_homer.post(f"{page}enter/", {"key": carls}).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_same_over_http(
    as_homer: Client,
    account: PlatformAccount,
    page: str,
    simpsons: Cast,
    on_thingspeak: None,
    live_server: LiveServer,
    settings: Settings,
) -> None:
    settings.THINGSPEAK_URL = live_server.url
    old, write_key = account.key, simpsons.kitchen.channel.keys.writing().get().value
    new = Embedded().renew_account_key(old)
    for key, sentence in (
        ("WRONGWRONGWRONG0", "does not know this key"),
        (Embedded().create_account("Carl"), "belongs to another account"),
    ):
        assert sentence in as_homer.post(f"{page}enter/", {"key": key}).content.decode()
        account.refresh_from_db()
        assert account.key == old
    as_homer.post(f"{page}enter/", {"key": new})
    account.refresh_from_db()
    assert (account.key, account.state) == (new, PlatformAccount.State.VERIFIED)
    assert Client().get("/update", {"api_key": write_key, "field1": "21"}).content == b"1"
    thingspeak_http.hang_up()


def test_the_page_tells_when_the_key_was_changed_and_by_whom(
    as_homer: Client, page: str, simpsons: Cast, account: PlatformAccount
) -> None:
    assert "What happened to the key" not in as_homer.get(page).content.decode()
    as_homer.post(f"{page}renew/")
    said = as_homer.get(page).content.decode()
    assert "Renewed from here" in said
    assert simpsons.homer.email in said
    account.refresh_from_db()
    assert account.key not in said


def test_devices_go_on_registering_after_the_account_key_was_renewed(
    as_homer: Client, page: str, simpsons: Cast
) -> None:

    key = RegistrationKeyFactory(organization=simpsons.home)
    as_homer.post(f"{page}renew/")
    assert ask("new-one", key.lookup).status_code == 200
