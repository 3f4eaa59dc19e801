"""What an operator does in one place has its effect in the others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from channels.embedded import Embedded
from channels.models import ChannelKey, KeyState, Renewal
from channels.platform.models import ApiKey
from channels.platforms import OutOfReach
from channels.reading_keys import read_key_for
from devices.closing import close_customer
from orgs.models import AuditEntry, Organization, User
from tests.conftest import Cast
from tests.factories import UserFactory


@pytest.fixture
def marges_key(simpsons: Cast) -> ChannelKey:
    assert simpsons.kitchen.channel
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    return ChannelKey.objects.get(holder=simpsons.marge)


def _is_good(key: ChannelKey) -> bool:
    return ChannelKey.objects.get(pk=key.pk).state == KeyState.CURRENT


def _said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def test_whose_place_an_operator_ends_loses_the_read_key(
    as_operator: Client, marges_key: ChannelKey, simpsons: Cast
) -> None:
    place = simpsons.marge.memberships.get()
    as_operator.post(reverse("admin:orgs_membership_delete", args=[place.pk]), {"post": "yes"})
    assert not _is_good(marges_key)


def test_whose_place_runs_out_by_an_operators_hand_loses_the_read_key(
    as_operator: Client, marges_key: ChannelKey, simpsons: Cast
) -> None:
    place = simpsons.marge.memberships.get()
    data = {"relation": "member", "valid_until_0": "2020-01-01", "valid_until_1": "00:00"}
    as_operator.post(reverse("admin:orgs_membership_change", args=[place.pk]), data)
    assert not _is_good(marges_key)


@pytest.mark.parametrize(("active", "good"), [({}, False), ({"is_active": "on"}, True)])
def test_whom_an_operator_locks_out_loses_the_read_key(
    active: dict[str, str], good: bool, as_operator: Client, marges_key: ChannelKey, simpsons: Cast
) -> None:
    data = {"email": simpsons.marge.email, "given_name": "Marge", "family_name": "", **active}
    inlines = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    as_operator.post(reverse("admin:orgs_user_change", args=[simpsons.marge.pk]), data | inlines)
    assert User.objects.get(pk=simpsons.marge.pk).is_active is good
    assert _is_good(marges_key) is good


def test_an_organization_that_moves_out_of_sight_takes_the_read_keys_with_it(
    as_operator: Client, marges_key: ChannelKey, simpsons: Cast
) -> None:
    place = simpsons.marge.memberships.get()
    place.organization = simpsons.power_plant
    place.save()
    inlines = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    url = reverse("admin:orgs_organization_change", args=[simpsons.household.pk])
    as_operator.post(url, {"name": "Household", "description": "", "parent": simpsons.power_plant.pk} | inlines)
    assert _is_good(marges_key)  # It moved into Marge's sight.
    as_operator.post(url, {"name": "Household", "description": "", "parent": simpsons.home.pk} | inlines)
    assert not _is_good(marges_key)


def _act(client: Client, action: str, simpsons: Cast) -> str:
    assert simpsons.kitchen.channel
    chosen = {"action": action, "_selected_action": [simpsons.kitchen.channel.pk]}
    return _said(client.post(reverse("admin:channels_channel_changelist"), chosen))


def test_an_operator_renews_a_write_key_with_a_transitional_period(as_operator: Client, simpsons: Cast) -> None:
    assert "The old one is good until" in _act(as_operator, "renew_write_keys", simpsons)
    assert simpsons.kitchen.channel
    assert set(simpsons.kitchen.channel.keys.writing().values_list("state", flat=True)) == {"current", "retiring"}
    renewal = Renewal.objects.get()
    assert renewal.by
    assert renewal.by.email == "operator@example.net"
    assert AuditEntry.objects.get(action="write_key.renewal_started").address == "127.0.0.1"
    assert "being renewed already" in _act(as_operator, "renew_write_keys", simpsons)


def test_a_renewal_that_has_to_wait_for_the_platform_says_so(as_operator: Client, simpsons: Cast) -> None:
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach()):
        assert "out of reach" in _act(as_operator, "renew_write_keys", simpsons)


def test_a_key_that_was_renewed_on_the_platform_is_taken_over(as_operator: Client, simpsons: Cast) -> None:
    assert "the key that we have" in _act(as_operator, "take_over_write_keys", simpsons)
    assert simpsons.kitchen.channel
    there = ApiKey.objects.get(channel=simpsons.kitchen.channel.number, writes=True, expires_at=None).channel
    new = there.rotate_write_key(overlap=timedelta(days=1))
    assert "a new key" in _act(as_operator, "take_over_write_keys", simpsons)
    assert simpsons.kitchen.channel.keys.writing().current().get().value == new.value


def test_who_may_only_look_renews_nothing(client: Client, simpsons: Cast) -> None:
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_channel"))
    client.force_login(clerk)
    _act(client, "renew_write_keys", simpsons)
    assert not Renewal.objects.exists()


def test_a_customer_that_is_being_closed_is_not_resumed(as_operator: Client, simpsons: Cast) -> None:
    simpsons.carls.suspend()
    close_customer(simpsons.home, keep_channels=False, by=simpsons.homer)
    data = {"action": "resume", "_selected_action": [simpsons.home.pk, simpsons.carls.pk]}
    said = _said(as_operator.post(reverse("admin:orgs_organization_changelist"), data))
    assert "“The Simpsons” was closed by homer@example.net and is being deleted. It cannot be resumed." in said
    assert "Resumed. Carl's" in said
    assert list(Organization.objects.get_queryset().suspended()) == [simpsons.home]
    assert not AuditEntry.objects.about(simpsons.home).filter(details__what="Resumed.").exists()
