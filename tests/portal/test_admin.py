"""Every page of the administration: it opens, it shows no secret, and it costs the same for 3 rows and for 30."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_tasks_db.models import DBTaskResult

from channels import vault
from channels.findings import Finding
from channels.keys_shown import ShownKey
from channels.models import Channel, ChannelKey, Chore, PlatformAccount, Renewal, RenewalPolicy
from channels.platform.models import Account, ApiKey, Entry, Latest, Tag
from channels.platform.models import Channel as PlatformChannel
from channels.renewal_rounds import RenewalRound
from devices.models import (
    Closure,
    Device,
    DeviceContact,
    DoorMail,
    ExpectedDevice,
    FormerDevice,
    PendingDevice,
    RegistrationKey,
    RegistrationPolicy,
    RollOver,
)
from orgs.models import AuditEntry, Invitation, Membership, Organization, TreeNumber, User
from portal.log_ins import LogIn
from portal.models import Letter, OutboxMessage, TakeOut
from portal.tasks import send_letter
from tests.conftest import Cast
from tests.factories import NOON, MembershipFactory, OrganizationFactory
from tests.one_of_each import MAILED_LINK, TOTP_SECRET, household, registration_key

SHOWN = [
    AuditEntry, Invitation, Membership, Organization, User, EmailAddress, Authenticator, Group, DBTaskResult,
    PlatformAccount, Channel, ChannelKey, Finding, Renewal, RenewalRound, RenewalPolicy, Chore, RegistrationKey, Device,
    DeviceContact, RegistrationPolicy, PendingDevice, ExpectedDevice, FormerDevice, RollOver, Closure,
    Account, PlatformChannel, ApiKey, Letter, ShownKey,
]  # fmt: skip
# Mails hold links that log in; the others mean nothing by themselves, or cannot be registered.
NOT_SHOWN = [OutboxMessage, TreeNumber, Entry, Latest, Tag, LogIn, TakeOut, DoorMail]


@pytest.fixture
def everything(simpsons: Cast) -> Cast:
    household(simpsons.home)
    registration_key(simpsons.carls, simpsons.carl).revoke()
    return simpsons


def _plain_secrets() -> Iterator[str]:
    yield MAILED_LINK
    for key in RegistrationKey.objects.all():
        yield from (key.secret, key.text, key.envelope_key_base64)
    for account in PlatformAccount.objects.all():
        yield account.key
    for channel_key in ChannelKey.objects.all():
        yield from (channel_key.value, channel_key.value_hash)
    for platform_account in Account.objects.all():
        yield from (platform_account.key, platform_account.key_hash)
    for api_key in ApiKey.objects.all():
        yield from (api_key.value, api_key.hash)
    for invitation in Invitation.objects.all():
        yield invitation.token_hash
    for user in User.objects.all():
        yield user.password
    yield TOTP_SECRET
    for factor in Authenticator.objects.filter(type=Authenticator.Type.RECOVERY_CODES):
        yield from RecoveryCodes(factor).get_unused_codes()
    for factor in Authenticator.objects.all():
        yield next(value for value in factor.data.values() if isinstance(value, str))


def _page(model: type[models.Model], name: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def _pages(model: type[models.Model]) -> Iterator[str]:
    """The list, the page for adding, and of each object its page, its history and the question before deleting."""
    yield _page(model, "changelist")
    yield _page(model, "add")
    for n, pk in enumerate(model._default_manager.values_list("pk", flat=True)):
        yield _page(model, "change", pk)
        if n < 2:
            yield from (_page(model, name, pk) for name in ("history", "delete"))
    if model is User:
        yield from (reverse("admin:auth_user_password_change", args=[user.pk]) for user in User.objects.all())


def _reads(model: type[models.Model], url: str) -> bool:
    """Whether the page is there for a superuser at all: not all things are added or deleted by operators."""
    return url.endswith(("/change/", "/history/", "/password/")) or url == _page(model, "changelist")


def test_every_model_of_ours_is_shown_or_left_out_on_purpose() -> None:
    assert set(admin.site._registry) == set(SHOWN)
    rooms = ("orgs", "channels", "platform", "devices", "portal")
    ours = {model for room in rooms for model in apps.get_app_config(room).get_models()}
    assert ours - set(SHOWN) == set(NOT_SHOWN)


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model._meta.label)
def test_every_page_opens_and_shows_no_secret(
    model: type[models.Model], everything: Cast, as_operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = set(_plain_secrets())
    assert len(plain) > 30

    def never(_stored: str) -> str:
        raise AssertionError("The administration decrypted a secret.")

    monkeypatch.setattr(vault, "decrypt", never)
    for url in _pages(model):
        response = as_operator.get(url)
        assert response.status_code == 200 if _reads(model, url) else response.status_code in (200, 403), url
        html = response.content.decode()
        assert not [secret for secret in plain if secret in html], url
        assert not re.search(r"<a [^>]*>\s*<a ", html), f"a link inside a link: {url}"


def test_the_first_page_opens(as_operator: Client, everything: Cast) -> None:
    assert as_operator.get(reverse("admin:index")).status_code == 200


def test_a_list_costs_the_same_for_3_rows_and_for_30(simpsons: Cast, as_operator: Client) -> None:
    def queries(model: type[models.Model]) -> int:
        with CaptureQueriesContext(connection) as captured:
            response = as_operator.get(_page(model, "changelist"), {"all": ""})
        assert len(response.context["cl"].result_list) == model._default_manager.count()
        return len(captured)

    def everywhere() -> dict[str, int]:
        return {model._meta.label: queries(model) for model in SHOWN}

    for _ in range(3):
        household(simpsons.home)
    everywhere()  # Content types are looked up once in a process.
    few = everywhere()
    for n in range(27):
        household(OrganizationFactory(name=f"Customer {n}") if n % 2 else simpsons.home)
    assert everywhere() == few
    assert max(few.values()) <= 16


@pytest.mark.parametrize(
    ("model", "sought"),
    [
        (Organization, "homer@example.net"), (Organization, "Simpsons"), (User, "marge@example.net"),
        (User, "Household"), (Membership, "Simpsons"), (Membership, "marge@example.net"),
        (Device, "homer@example.net"), (Device, "kitchen"), (Device, "Household"), (Device, "Simpsons"),
        (RegistrationKey, "homer@example.net"), (RegistrationKey, "Simpsons"),
        (PlatformAccount, "homer@example.net"), (Channel, "homer@example.net"), (Channel, "kitchen"),
        (Invitation, "Simpsons"), (AuditEntry, "192.0.2.7"), (ChannelKey, "Simpsons"), (PlatformChannel, "kitchen"),
        (Account, "simpsons"), (EmailAddress, "marge@example.net"), (DeviceContact, "Simpsons"), (ApiKey, "Marge"),
    ],
)  # fmt: skip
def test_what_people_tell_support_finds_the_thing_once(
    model: type[models.Model], sought: str, everything: Cast, as_operator: Client
) -> None:
    found = _found(as_operator, model, sought)
    assert found
    assert len(found) == len({row.pk for row in found})
    if model in (Organization, Device, Channel, RegistrationKey, PlatformAccount):
        assert everything.carls not in [getattr(row, "customer", row) for row in found]


def test_a_device_is_found_by_serial_channel_number_and_lookup_half(everything: Cast, as_operator: Client) -> None:
    device = Device.objects.exclude(registered_with=None).select_related("channel", "registered_with").first()
    assert device
    assert device.channel
    assert device.registered_with
    for sought in (device.serial, str(device.channel.number), device.registered_with.lookup):
        assert device in _found(as_operator, Device, sought)


def _found(as_operator: Client, model: type[models.Model], sought: str) -> list[Any]:
    response = as_operator.get(_page(model, "changelist"), {"q": sought})
    assert response.status_code == 200
    assert response.context["cl"].search_fields
    return list(response.context["cl"].result_list)


def test_an_organization_leads_to_its_devices_those_below_included(everything: Cast, as_operator: Client) -> None:
    page = as_operator.get(_page(Organization, "change", everything.home.pk)).content.decode()
    link = re.search(r'href="([^"]*devices/device/[^"]*)">(\d+)<', page)
    assert link
    response = as_operator.get(link[1].replace("&amp;", "&"))
    devices = set(response.context["cl"].result_list)
    assert {everything.kitchen, everything.reactor} <= devices
    assert everything.garage not in devices
    assert len(devices) == int(link[2])


def test_a_link_to_an_organization_that_is_gone_shows_nothing_of_others(everything: Cast, as_operator: Client) -> None:
    response = as_operator.get(_page(Device, "changelist"), {"in": "99999999"})
    assert response.status_code == 200
    assert list(response.context["cl"].result_list) == []
    assert "an organization that is gone" in response.content.decode()


@pytest.mark.parametrize("wrong", ["abc", "", "²"])
def test_a_link_to_what_is_no_organization_shows_the_whole_list(
    wrong: str, everything: Cast, as_operator: Client
) -> None:
    response = as_operator.get(_page(Device, "changelist"), {"in": wrong})
    assert response.status_code == 200
    assert set(response.context["cl"].result_list) == set(Device.objects.all())


def test_somebody_with_two_places_is_one_of_the_people(everything: Cast, as_operator: Client) -> None:
    def people() -> list[int]:
        rows = {row.pk: row for row in as_operator.get(_page(Organization, "changelist")).context["cl"].result_list}
        return [rows[one.pk].people for one in (everything.home, everything.household, everything.power_plant)]

    before = people()
    MembershipFactory(user=everything.lenny, organization=everything.household)
    assert people() == [before[0], before[1] + 1, before[2]]


def test_work_that_waits_for_no_moment_names_none(as_operator: Client) -> None:
    at_once, later = send_letter.enqueue(1), send_letter.using(run_after=NOON + timedelta(days=3650)).enqueue(2)
    html = as_operator.get(_page(DBTaskResult, "changelist")).content.decode()
    shown = set(re.findall(r'<td class="field-not_before[^"]*">([^<]*)</td>', html))
    assert shown == {"29 May 2036, 12:00", "–"}
    for task in (at_once, later):
        page = as_operator.get(_page(DBTaskResult, "change", task.id)).content.decode()
        assert "9999" not in page


def test_a_browser_need_not_guess_where_the_icon_is(as_operator: Client) -> None:
    for page in ("/admin/", _page(Device, "changelist")):
        assert 'rel="icon"' in as_operator.get(page).content.decode()


def test_the_tree_shows_a_customer_with_devices_last_seen_and_account(everything: Cast, as_operator: Client) -> None:
    rows = {row.pk: row for row in as_operator.get(_page(Organization, "changelist")).context["cl"].result_list}
    home, household = rows[everything.home.pk], rows[everything.household.pk]
    assert (home.device_count, household.device_count, home.people) == (3, 1, 4)
    assert home.account_state == PlatformAccount.State.VERIFIED
    assert home.last_asked_at == DeviceContact.objects.latest("asked_at").asked_at
    assert household.last_asked_at == DeviceContact.objects.get(device=everything.kitchen).asked_at
    assert household.last_asked_at != home.last_asked_at
    assert household.customer_name == "The Simpsons"


@pytest.mark.parametrize("probe", ["token_hash__startswith", "secret", "invited_by__password__startswith"])
def test_a_secret_column_cannot_be_probed_by_address(probe: str, everything: Cast, as_operator: Client) -> None:
    model = RegistrationKey if probe == "secret" else Invitation
    assert as_operator.get(_page(model, "changelist"), {probe: "a"}).status_code == 400


def test_a_whole_registration_key_is_sought_by_its_lookup_half_alone(everything: Cast, as_operator: Client) -> None:
    key = RegistrationKey.objects.filter(customer=everything.home).first()
    assert key
    response = as_operator.get(_page(RegistrationKey, "changelist"), {"q": f" {key.text.lower()} "}, follow=True)
    assert list(response.context["cl"].result_list) == [key]
    assert key.secret not in response.content.decode()
    assert response.redirect_chain == [(f"?q={key.lookup}", 302)]


def test_choices_name_the_customer(simpsons: Cast, as_operator: Client) -> None:
    response = as_operator.get(
        reverse("admin:autocomplete"),
        {"app_label": "devices", "model_name": "device", "field_name": "organization", "term": "house"},
    )
    assert response.json()["results"] == [{"id": str(simpsons.household.pk), "text": "Household – The Simpsons"}]


@pytest.mark.parametrize("who", ["homer", "marge"])
def test_customers_do_not_get_in(who: str, simpsons: Cast, client: Client) -> None:
    client.force_login(getattr(simpsons, who))
    for model in SHOWN:
        response = client.get(_page(model, "changelist"), follow=True)
        assert response.status_code == 404
