"""Operators set account keys without seeing them, and ask the platform about them."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from channels import vault
from channels.embedded import Embedded
from channels.models import PlatformAccount
from channels.platform.models import Account
from channels.platforms import OutOfReach
from orgs.models import AuditEntry
from tests.conftest import Cast
from tests.factories import OrganizationFactory

State = PlatformAccount.State


def _url(name: str, *args: object) -> str:
    return reverse(f"admin:channels_platformaccount_{name}", args=args)


def _said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def _check(client: Client, *accounts: PlatformAccount) -> str:
    chosen = {"action": "check_with_platform", "_selected_action": [account.pk for account in accounts]}
    return _said(client.post(_url("changelist"), chosen))


@pytest.fixture
def account(simpsons: Cast) -> PlatformAccount:
    return PlatformAccount.objects.get(organization=simpsons.home)


def test_a_key_that_was_set_is_kept_checked_and_not_shown(
    account: PlatformAccount, as_operator: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    new = Account.objects.open("another").key
    with django_capture_on_commit_callbacks(execute=True):
        response = as_operator.post(_url("change", account.pk), {"new_key": f" {new.lower()} "})
    assert response.status_code == 302
    account.refresh_from_db()
    assert (account.key, account.state) == (new, State.VERIFIED)
    assert account.checked_at is not None
    assert "verified" in _said(response)
    assert new not in as_operator.get(_url("change", account.pk)).content.decode()


def test_a_key_that_the_platform_refuses_is_said_to_be_refused(
    account: PlatformAccount, as_operator: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        response = as_operator.post(_url("change", account.pk), {"new_key": "R9TUHWKR8OOQEHWU"})
    account.refresh_from_db()
    assert account.state == State.REFUSED
    assert "refused" in _said(response)
    assert "R9TUHWKR8OOQEHWU" not in _said(response)


def test_a_key_that_could_not_be_checked_is_kept_unverified(
    account: PlatformAccount, as_operator: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with (
        patch.object(Embedded, "validate_account", side_effect=OutOfReach()),
        django_capture_on_commit_callbacks(execute=True),
    ):
        response = as_operator.post(_url("change", account.pk), {"new_key": "R9TUHWKR8OOQEHWU"})
    account.refresh_from_db()
    assert (account.key, account.state, account.checked_at) == ("R9TUHWKR8OOQEHWU", State.UNVERIFIED, None)
    assert "out of reach" in _said(response)


def test_a_form_that_comes_back_does_not_hold_what_was_typed_as_key(as_operator: Client, simpsons: Cast) -> None:
    data = {"organization": simpsons.household.pk, "platform": "embedded", "new_key": "R9TUHWKR8OOQEHWU"}
    response = as_operator.post(_url("add"), data)
    assert response.status_code == 200
    assert "belong to customers" in response.content.decode()
    assert "R9TUHWKR8OOQEHWU" not in response.content.decode()


def test_saving_without_a_key_changes_nothing(account: PlatformAccount, as_operator: Client) -> None:
    as_operator.post(_url("change", account.pk), {"new_key": ""})
    unchanged = PlatformAccount.objects.get(pk=account.pk)
    assert (unchanged.key, unchanged.state) == (account.key, account.state)


def test_the_audit_knows_that_a_key_was_set_but_not_which(account: PlatformAccount, as_operator: Client) -> None:
    as_operator.post(_url("change", account.pk), {"new_key": "R9TUHWKR8OOQEHWU"})
    entry = AuditEntry.objects.about(account).get()
    assert "key" in entry.details["what"].lower()
    assert "R9TUHWKR8OOQEHWU" not in str(entry.details)


def test_an_account_on_the_built_in_platform_is_created_there(
    as_operator: Client, db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    customer = OrganizationFactory(name="Moe's")
    data = {"organization": customer.pk, "platform": "embedded", "new_key": ""}
    with django_capture_on_commit_callbacks(execute=True):
        as_operator.post(_url("add"), data)
    account = PlatformAccount.objects.get(organization=customer)
    assert account.state == State.VERIFIED
    assert Account.objects.with_key(account.key)


def test_an_account_elsewhere_needs_its_key(as_operator: Client, db: None) -> None:
    customer = OrganizationFactory(name="Moe's")
    response = as_operator.post(_url("add"), {"organization": customer.pk, "platform": "thingspeak", "new_key": ""})
    assert "enter the key" in response.content.decode()
    assert not PlatformAccount.objects.exists()


def test_checking_says_what_the_platform_says(account: PlatformAccount, as_operator: Client) -> None:
    account.record_check(State.REFUSED)
    assert "verified" in _check(as_operator, account)
    account.refresh_from_db()
    assert account.state == State.VERIFIED

    Account.objects.all().delete()
    assert "refused" in _check(as_operator, account)
    account.refresh_from_db()
    assert account.state == State.REFUSED


def test_checking_while_the_platform_is_away_changes_nothing_and_says_so(
    account: PlatformAccount, as_operator: Client
) -> None:
    before = account.checked_at
    with patch.object(Embedded, "validate_account", side_effect=OutOfReach()):
        assert "out of reach" in _check(as_operator, account)
    account.refresh_from_db()
    assert (account.state, account.checked_at) == (State.VERIFIED, before)


def test_a_key_that_can_no_longer_be_decrypted_is_said_and_is_no_crash(
    account: PlatformAccount, as_operator: Client
) -> None:
    with patch.object(vault, "decrypt", side_effect=vault.CannotDecrypt("A stored secret cannot be decrypted.")):
        assert as_operator.get(_url("change", account.pk)).status_code == 200
        assert "cannot be decrypted" in _check(as_operator, account)


def test_only_a_few_are_checked_at_once(as_operator: Client, db: None) -> None:
    accounts = [
        PlatformAccount.objects.create(organization=OrganizationFactory(), platform="embedded", key="X")
        for _ in range(12)
    ]
    assert "first 10" in _check(as_operator, *accounts)
    assert PlatformAccount.objects.filter(state=State.REFUSED).count() == 10


def test_accounts_channels_and_keys_are_not_deleted(account: PlatformAccount, as_operator: Client) -> None:
    assert as_operator.get(_url("delete", account.pk)).status_code == 403
    channel = account.channels.get(device__name="kitchen")
    for thing in (channel, channel.keys.all()[0]):
        for name in ("delete", "change"):
            url = reverse(f"admin:channels_{thing._meta.model_name}_{name}", args=[thing.pk])
            assert as_operator.post(url, {"post": "yes"}).status_code == 403


def test_messages_that_are_not_counted_are_not_said_to_be_none(
    simpsons: Cast, as_operator: Client, settings: Settings
) -> None:
    Account.objects.update(messages=1234)
    accounts = reverse("admin:platform_account_changelist")
    assert "1234" not in as_operator.get(accounts).content.decode(), "no plan limits them: that is an old count"
    settings.PLATFORM_YEARLY_MESSAGES = 3000
    assert "1234" in as_operator.get(accounts).content.decode()
