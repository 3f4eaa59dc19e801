"""The master key is rotated while the portal runs, and nothing is lost or left behind."""

from __future__ import annotations

import threading

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt, encrypt
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from pytest_django import Settings

from channels import vault
from channels.models import ChannelKey, PlatformAccount
from channels.platform.models import Account, ApiKey
from devices.models import RegistrationKey
from portal import reencryption
from portal.reencryption import columns, needing_an_old_key, reencrypt
from tests.conftest import Cast
from tests.factories import DeviceFactory, RegistrationKeyFactory

OLD, NEW, NEWEST = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def secrets(settings: Settings, db: None, request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Everything that is secret, written under the old key."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    simpsons: Cast = request.getfixturevalue("simpsons")
    RegistrationKeyFactory(organization=simpsons.home)
    Authenticator.objects.create(
        user=simpsons.homer, type="totp", data={"secret": encrypt("JBSWY3DPEHPK3PXP"), "name": "gAAA – phone"}
    )
    return all_secrets()


def all_secrets() -> dict[str, list[str]]:
    texts = {
        "channel keys": ChannelKey.objects.order_by("pk").values_list("value", flat=True),
        "account keys": PlatformAccount.objects.order_by("pk").values_list("key", flat=True),
        "registration": RegistrationKey.objects.order_by("pk").values_list("secret", flat=True),
        "envelopes": RegistrationKey.objects.order_by("pk").values_list("envelope_key_base64", flat=True),
        "platform accounts": Account.objects.order_by("pk").values_list("key", flat=True),
        "platform keys": ApiKey.objects.order_by("pk").values_list("value", flat=True),
        "second factors": [decrypt(one.data["secret"]) for one in Authenticator.objects.all()],
    }
    return {name: list(values) for name, values in texts.items()}


def column_of(model: type, name: str) -> reencryption.Column:
    return next(one for one in columns() if one.model is model and one.field.name == name)


def test_every_encrypted_column_of_every_app_is_found(db: None) -> None:
    found = {str(column) for column in columns()}
    assert found >= {
        "channels.PlatformAccount.key",
        "channels.ChannelKey.value",
        "devices.RegistrationKey.secret",
        "devices.RegistrationKey.envelope_key_base64",
        "platform.Account.key",
        "platform.ApiKey.value",
        "mfa.Authenticator.data",
    }


def test_afterwards_the_old_key_can_go(secrets: dict[str, list[str]], settings: Settings, capsys) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    call_command("reencrypt")
    assert "can leave FIELD_ENCRYPTION_KEYS" in capsys.readouterr().out
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert all_secrets() == secrets
    assert Authenticator.objects.get().data["name"] == "gAAA – phone"


def test_nothing_readable_comes_to_the_screen(secrets: dict[str, list[str]], settings: Settings, capsys) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    call_command("reencrypt")
    said = capsys.readouterr().out
    assert not [one for values in secrets.values() for one in values if one in said]


def test_a_second_run_changes_nothing(secrets: dict[str, list[str]], settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert sum(reencrypt(column).done for column in columns()) == sum(map(len, secrets.values()))
    assert sum(reencrypt(column).done for column in columns()) == 0


def test_a_run_that_was_interrupted_is_carried_on_by_the_next(
    secrets: dict[str, list[str]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    monkeypatch.setattr(reencryption, "BATCH", 3)
    column = column_of(ChannelKey, "value")
    told: list[int] = []

    def stop(count: int) -> None:
        told.append(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reencrypt(column, tell=stop)
    assert told == [3]
    assert len(list(needing_an_old_key(column))) == len(secrets["channel keys"]) - 3
    outcome = reencrypt(column)
    assert (outcome.done, outcome.current) == (len(secrets["channel keys"]) - 3, 3)
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert list(ChannelKey.objects.order_by("pk").values_list("value", flat=True)) == secrets["channel keys"]


def test_whoever_writes_at_the_same_moment_is_not_overwritten(
    secrets: dict[str, list[str]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    column = column_of(PlatformAccount, "key")
    renew = column.renew

    def renew_while_homer_enters_another(stored: str) -> str:
        account = PlatformAccount.objects.order_by("pk").first()
        assert account is not None
        account.replace_key("ENTEREDMEANWHILE")
        column.renew = renew
        return renew(stored)

    column.renew = renew_while_homer_enters_another
    outcome = reencrypt(column)
    assert (outcome.overtaken, outcome.done) == (1, len(secrets["account keys"]) - 1)
    keys = list(PlatformAccount.objects.order_by("pk").values_list("key", flat=True))
    assert keys == ["ENTEREDMEANWHILE", *secrets["account keys"][1:]]


def test_what_a_process_with_the_old_list_has_written_is_named(
    secrets: dict[str, list[str]], settings: Settings, capsys
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    call_command("reencrypt")
    settings.FIELD_ENCRYPTION_KEYS = [OLD, NEW]
    account = PlatformAccount.objects.order_by("pk").first()
    assert account is not None
    account.replace_key("WRITTENUNDEROLD0")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match="1 secrets are not under the newest key"):
        call_command("reencrypt", check=True)
    assert f"PlatformAccount.key: 1 still need an old key or cannot be opened: {account.pk}" in capsys.readouterr().err
    call_command("reencrypt")


def test_a_secret_that_no_key_opens_is_named_and_holds_nothing_up(
    secrets: dict[str, list[str]], settings: Settings, capsys
) -> None:
    lost = PlatformAccount.objects.order_by("pk").first()
    assert lost is not None
    foreign = Fernet(NEWEST).encrypt(b"x").decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE channels_platformaccount SET key = %s WHERE id = %s", [foreign, lost.pk])
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    with pytest.raises(CommandError):
        call_command("reencrypt")
    said = capsys.readouterr()
    assert "1 that no key opens" in said.out
    assert f"PlatformAccount.key: 1 still need an old key or cannot be opened: {lost.pk}" in said.err
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert list(ChannelKey.objects.order_by("pk").values_list("value", flat=True)) == secrets["channel keys"]


@pytest.mark.django_db(transaction=True)
def test_the_portal_goes_on_while_it_runs(simpsons: Cast, settings: Settings) -> None:
    """Devices register all the while; each of their keys is under the newest key in the end."""
    newest_first = [NEW, *settings.FIELD_ENCRYPTION_KEYS]
    settings.FIELD_ENCRYPTION_KEYS = newest_first
    made: list[int] = []

    def register() -> None:
        try:
            for _n in range(10):
                made.append(DeviceFactory(organization=simpsons.household).pk)
        finally:
            connection.close()

    registering = threading.Thread(target=register)
    registering.start()
    while registering.is_alive():
        for column in columns():
            reencrypt(column)
    registering.join()
    for column in columns():
        reencrypt(column)
        assert list(needing_an_old_key(column)) == []
    assert len(made) == 10
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert all(len(value) == 16 for value in ChannelKey.objects.values_list("value", flat=True))
    assert vault.decrypt(vault.encrypt("x")) == "x"
