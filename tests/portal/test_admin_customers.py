"""What operators do to a customer from its page or from the list: each is said with counts, and asked first."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from channels.models import ChannelKey, KeyState, Renewal, RenewalRound
from devices.models import Closure, Device
from orgs.models import AuditEntry, Membership, Organization, User
from orgs.operators import BACK
from tests.conftest import Cast
from tests.factories import UserFactory

ROOMS = ("orgs", "channels")
LIST = reverse("admin:orgs_organization_changelist")


def _act(client: Client, action: str, *chosen: Organization, **more: str) -> Any:
    return client.post(LIST, {"action": action, "_selected_action": [one.pk for one in chosen], **more})


def _said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def _write_keys(state: str) -> int:
    return ChannelKey.objects.writing().filter(state=state, channel__account__organization__name="The Simpsons").count()


def test_all_write_keys_of_a_customer_are_renewed_after_a_question_that_counts_them(
    simpsons: Cast, as_operator: Client
) -> None:
    asked = _act(as_operator, "renew_write_keys", simpsons.home).content.decode()
    assert "The Simpsons: 2 devices with write keys" in asked
    assert not Renewal.objects.exists()
    done = _act(as_operator, "renew_write_keys", simpsons.home, confirmed="yes")
    assert _said(done) == ["The Simpsons: 2 write keys are being renewed."]
    begun = RenewalRound.objects.get()
    assert (begun.organization, begun.by and begun.by.email, begun.urgent) == (
        simpsons.home,
        "operator@example.net",
        False,
    )
    assert AuditEntry.objects.get(action="write_key.all_renewals_started").address == "127.0.0.1"


def test_in_an_emergency_the_old_write_keys_end_at_once(simpsons: Cast, as_operator: Client) -> None:
    assert "Revoke all write keys at once?" in _act(as_operator, "revoke_write_keys", simpsons.home).content.decode()
    old = set(ChannelKey.objects.writing().filter(channel__device__customer=simpsons.home).values_list("pk", flat=True))
    _act(as_operator, "revoke_write_keys", simpsons.home, confirmed="yes")
    assert not ChannelKey.objects.filter(pk__in=old, state__in=(KeyState.CURRENT, KeyState.RETIRING)).exists()
    assert _write_keys(KeyState.CURRENT) == 2
    assert simpsons.garage.channel
    assert simpsons.garage.channel.keys.writing().get().state == KeyState.CURRENT


def test_a_customer_without_devices_has_nothing_to_renew_and_that_is_said(simpsons: Cast, as_operator: Client) -> None:
    Device.objects.filter(customer=simpsons.carls).update(channel=None)
    done = _act(as_operator, "renew_write_keys", simpsons.carls, confirmed="yes")
    assert "No device here has a write key" in _said(done)[0]


def test_a_customer_is_compared_with_the_platform(simpsons: Cast, as_operator: Client) -> None:
    done = _act(as_operator, "sync_with_platform", simpsons.home)
    assert _said(done) == ["The Simpsons: Compared with the platform: nothing new."]
    assert AuditEntry.objects.get(action="platform_account.synced").actor_name
    of_a_part = _act(as_operator, "sync_with_platform", simpsons.household)
    assert _said(of_a_part)[-1] == "There is no platform account to compare with."


def test_a_customer_is_closed_after_a_question_that_says_what_goes(simpsons: Cast, as_operator: Client) -> None:
    asked = _act(as_operator, "close", simpsons.home).content.decode()
    assert "The Simpsons: 2 devices, 3 people" in asked
    assert not Closure.objects.exists()
    done = _act(as_operator, "close", simpsons.home, confirmed="yes")
    assert _said(done) == ["The Simpsons is closed. What it had is being deleted in the background."]
    closure = Closure.objects.get(customer=simpsons.home)
    assert (closure.begun_by, closure.keep_channels) == ("operator@example.net", False)
    assert not Membership.objects.filter(organization__tree_id=simpsons.home.tree_id).exists()
    assert Membership.objects.filter(user=simpsons.carl).exists()
    assert AuditEntry.objects.get(action="customer.closed").details["devices"] == 2
    page = as_operator.get(reverse("admin:orgs_organization_change", args=[simpsons.home.pk])).content.decode()
    assert 'class="deeds"' not in page, "Nothing is to be done to a customer that goes."


@pytest.mark.parametrize("action", ["renew_write_keys", "revoke_write_keys", "close", "suspend"])
def test_what_is_meant_for_customers_does_nothing_to_a_part(action: str, simpsons: Cast, as_operator: Client) -> None:
    done = _act(as_operator, action, simpsons.household, confirmed="yes")
    assert "ustomers" in _said(done)[0]
    assert not Renewal.objects.exists()
    assert not Closure.objects.exists()
    assert not Organization.objects.suspended().exists()


@pytest.mark.parametrize("action", ["sync_with_platform", "renew_write_keys", "revoke_write_keys", "close"])
def test_who_may_change_a_customers_name_may_not_for_that_reason_do_it_to_what_the_customer_has(
    action: str, simpsons: Cast, client: Client
) -> None:
    needed = {"sync_with_platform": "change_platformaccount", "close": "delete_organization"}
    clerk: User = UserFactory(is_staff=True)
    client.force_login(clerk)
    done = []
    for rights in ([], [needed.get(action, "change_channel")]):
        named = ["view_organization", "change_organization", *rights]
        clerk.user_permissions.set(Permission.objects.filter(codename__in=named, content_type__app_label__in=ROOMS))
        page = client.get(reverse("admin:orgs_organization_change", args=[simpsons.home.pk])).content.decode()
        _act(client, action, simpsons.home, confirmed="yes")
        done.append((f'value="{action}"' in page, AuditEntry.objects.filter(actor=clerk).exists()))
    assert done == [(False, False), (True, True)]


def test_of_several_customers_those_are_closed_that_are_not_suspended(simpsons: Cast, as_operator: Client) -> None:
    simpsons.carls.suspend()
    page = as_operator.get(reverse("admin:orgs_organization_change", args=[simpsons.carls.pk])).content.decode()
    assert 'value="close"' not in page
    said = _said(_act(as_operator, "close", simpsons.carls, simpsons.home, confirmed="yes"))
    assert sorted(said) == [
        "Carl's is suspended, so nothing of it is deleted. Resume it first.",
        "The Simpsons is closed. What it had is being deleted in the background.",
    ]
    assert Closure.objects.get().customer == simpsons.home


def test_an_action_on_the_page_of_a_thing_leads_back_to_that_page(simpsons: Cast, as_operator: Client) -> None:
    address = reverse("admin:orgs_organization_change", args=[simpsons.home.pk])
    page = as_operator.get(address).content.decode()
    assert 'name="action" value="suspend"' in page
    assert 'name="action" value="resume"' not in page
    asked = _act(as_operator, "suspend", simpsons.home, **{BACK: str(simpsons.home.pk)}).content.decode()
    assert f'name="{BACK}" value="{simpsons.home.pk}"' in asked
    done = _act(as_operator, "suspend", simpsons.home, confirmed="yes", **{BACK: str(simpsons.home.pk)})
    assert done["Location"] == address
    page = as_operator.get(address).content.decode()
    assert 'name="action" value="resume"' in page
    assert 'name="action" value="suspend"' not in page


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "../../../"])
def test_it_leads_nowhere_else(elsewhere: str, simpsons: Cast, as_operator: Client) -> None:
    done = _act(as_operator, "sync_with_platform", simpsons.home, **{BACK: elsewhere})
    assert done["Location"].startswith("/admin/orgs/organization/")


def test_the_form_of_an_organization_with_people_can_be_sent_back_as_it_came(
    as_operator: Client, simpsons: Cast
) -> None:
    address = reverse("admin:orgs_organization_change", args=[simpsons.household.pk])
    page = as_operator.get(address).content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="(memberships-[^"]+)" value="([^"]*)"', page))
    data = fields | {"name": "House", "description": "", "parent": str(simpsons.home.pk)}
    assert as_operator.post(address, data).status_code == 302
    simpsons.household.refresh_from_db()
    assert simpsons.household.name == "House"
