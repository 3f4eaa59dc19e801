"""Operators get into the administration with a second factor only, wherever DEBUG is off."""

from __future__ import annotations

import base64
import hmac
import struct
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from orgs.models import AuditEntry, User
from tests.conftest import Cast
from tests.factories import NOON, PASSWORD, UserFactory
from tests.portal.test_environment import SECRETS, start

INDEX = "/admin/"


@pytest.fixture(autouse=True)
def _needed(settings: Settings) -> None:
    settings.STAFF_NEED_SECOND_FACTOR = True


@pytest.fixture
def otto(db: None) -> User:
    return UserFactory(given_name="Otto", email="otto@example.net", is_staff=True, is_superuser=True)


def _code(secret: str, moment: float) -> str:
    """RFC 6238: six digits out of HMAC-SHA1 over the number of half minutes."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(moment) // 30), "sha1")
    (number,) = struct.unpack(">I", digest[digest[-1] & 0xF :][:4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"


def _log_in(client: Client, to: str = INDEX) -> Any:
    address = f"{reverse('account_login')}?next={to}"
    return client.post(address, {"login": "otto@example.net", "password": PASSWORD}, follow=True)


def _set_up(client: Client) -> str:
    """Set up an authenticator app as the pages say, and return its secret."""
    page = client.get(reverse("mfa_activate_totp"))
    secret: str = page.context["form"].secret
    done = client.post(reverse("mfa_activate_totp"), {"code": _code(secret, NOON.timestamp())})
    assert done.status_code == 302
    return secret


def test_a_visitor_is_sent_to_where_everybody_logs_in(client: Client, db: None) -> None:
    response = client.get("/admin/devices/device/?q=7474", follow=True)
    address, _status = response.redirect_chain[-1]
    assert address == f"{reverse('account_login')}?next=/admin/devices/device/%3Fq%3D7474"
    assert "password" in response.content.decode()


def test_a_password_alone_does_not_open_the_administration_but_the_way_to_a_second_factor(
    client: Client, otto: User
) -> None:
    response = _log_in(client)
    assert response.redirect_chain[-1][0] == reverse("mfa_index")
    assert "Operators need a second factor" in response.content.decode()
    for page in (INDEX, reverse("admin:orgs_user_changelist"), reverse("admin:autocomplete")):
        assert client.get(page).status_code == 302


def test_with_a_second_factor_it_opens(client: Client, otto: User) -> None:
    with time_machine.travel(NOON, tick=False):
        _log_in(client)
        _set_up(client)
        assert client.get(INDEX).status_code == 200
        assert Authenticator.objects.filter(user=otto, type=Authenticator.Type.RECOVERY_CODES).exists()


def test_next_time_the_code_is_asked_for_before_anything_opens(client: Client, otto: User) -> None:
    with time_machine.travel(NOON, tick=False):
        _log_in(client)
        secret = _set_up(client)
    later = NOON + timedelta(days=1)
    with time_machine.travel(later, tick=False):
        other = Client()
        assert _log_in(other).redirect_chain[-1][0] == reverse("mfa_authenticate")
        assert other.get(INDEX, follow=True).redirect_chain[-1][0] == reverse("mfa_authenticate")
        wrong = other.post(reverse("mfa_authenticate"), {"code": _code(secret, NOON.timestamp())})
        assert wrong.status_code == 200
        right = other.post(reverse("mfa_authenticate"), {"code": _code(secret, later.timestamp())})
        assert right["Location"] == INDEX
        assert other.get(INDEX).status_code == 200


def test_who_gives_up_the_second_factor_is_out_at_once(client: Client, otto: User) -> None:
    with time_machine.travel(NOON, tick=False):
        _log_in(client)
        _set_up(client)
        client.post(reverse("mfa_deactivate_totp"))
        assert client.get(INDEX).status_code == 302


def test_its_secret_is_encrypted_in_the_database(client: Client, otto: User) -> None:
    with time_machine.travel(NOON, tick=False):
        _log_in(client)
        secret = _set_up(client)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        stored = str(cursor.fetchall())
    assert len(Authenticator.objects.all()) == 2
    assert secret not in stored


def test_another_operator_frees_somebody_whose_phone_is_lost(client: Client, otto: User, settings: Settings) -> None:
    with time_machine.travel(NOON, tick=False):
        _log_in(client)
        _set_up(client)
    settings.STAFF_NEED_SECOND_FACTOR = False
    colleague = Client()
    colleague.force_login(UserFactory(is_staff=True, is_superuser=True))
    factors = [factor.pk for factor in Authenticator.objects.filter(user=otto)]
    data = {"action": "delete_selected", "_selected_action": factors, "post": "yes"}
    colleague.post(reverse("admin:mfa_authenticator_changelist"), data)
    assert not Authenticator.objects.exists()
    assert AuditEntry.objects.filter(action="operator.deleted").count() == 2


def test_customers_need_none_and_see_nothing_of_the_administration(client: Client, simpsons: Cast) -> None:
    client.force_login(simpsons.homer)
    assert client.get(reverse("dashboard")).status_code == 200
    assert client.get(INDEX, follow=True).status_code == 404


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_logging_in_leads_nowhere_else(elsewhere: str, client: Client, otto: User, settings: Settings) -> None:
    settings.STAFF_NEED_SECOND_FACTOR = False
    client.force_login(otto)
    assert client.get(reverse("admin:login"), {"next": elsewhere})["Location"] == INDEX


def test_it_costs_one_query_a_page(client: Client, otto: User, settings: Settings) -> None:
    Authenticator.objects.create(user=otto, type=Authenticator.Type.TOTP, data={"secret": ""})
    client.force_login(otto)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(INDEX).status_code == 200
        return len(captured)

    queries()  # Content types are looked up once in a process.
    with_it = queries()
    settings.STAFF_NEED_SECOND_FACTOR = False
    assert with_it == queries() + 1


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, False),
        ({"DEBUG": "off", **SECRETS}, True),
        ({"STAFF_NEED_SECOND_FACTOR": "yes"}, True),
        ({"DEBUG": "off", "STAFF_NEED_SECOND_FACTOR": "no", **SECRETS}, False),
    ],
)
def test_it_is_needed_where_debug_is_off_unless_said_otherwise(given: dict[str, str], needed: bool) -> None:
    program = "from django.conf import settings; print(settings.STAFF_NEED_SECOND_FACTOR)"
    result = start("shell", "--no-imports", "-c", program, **given)
    assert result.stdout.strip() == str(needed)
