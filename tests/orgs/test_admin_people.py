"""Operators change people and places by the same rules as everybody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orgs.models import AuditEntry, Membership, User
from tests.conftest import Cast
from tests.factories import PASSWORD, UserFactory
from tests.orgs.operating import NO_INLINES, said, url


def test_an_operator_makes_an_account_whose_address_is_still_to_be_confirmed(as_operator: Client) -> None:
    data = {"email": "Moe@Example.net", "given_name": "Moe", "family_name": "", "usable_password": "true"}
    as_operator.post(url("user_add"), data | {"password1": PASSWORD, "password2": PASSWORD})
    moe = User.objects.get(email="moe@example.net")
    assert moe.check_password(PASSWORD)
    address = EmailAddress.objects.get(user=moe)
    assert (address.email, address.primary, address.verified) == ("moe@example.net", True, False)


def test_an_account_with_an_address_that_is_taken_in_other_letters_is_refused(
    as_operator: Client, simpsons: Cast
) -> None:
    data = {"email": "MARGE@example.net", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    response = as_operator.post(url("user_add"), data)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors


def _change_user(client: Client, user: User, **fields: str) -> Any:
    data = {"email": user.email, "given_name": user.given_name, "family_name": user.family_name, "is_active": "on"}
    return client.post(url("user_change", user.pk), data | fields | NO_INLINES)


def test_a_changed_address_replaces_the_old_one_and_has_to_be_confirmed(as_operator: Client, simpsons: Cast) -> None:
    response = _change_user(as_operator, simpsons.marge, email="bouvier@example.net")
    assert response.status_code == 302
    address = EmailAddress.objects.get(user=simpsons.marge)
    assert (address.email, address.primary, address.verified) == ("bouvier@example.net", True, False)


def test_a_changed_name_leaves_address_and_password_alone(as_operator: Client, simpsons: Cast) -> None:
    _change_user(as_operator, simpsons.marge, given_name="Marjorie")
    simpsons.marge.refresh_from_db()
    assert simpsons.marge.given_name == "Marjorie"
    assert simpsons.marge.check_password(PASSWORD)
    assert EmailAddress.objects.get(user=simpsons.marge).verified


def test_a_password_is_set_and_not_seen(as_operator: Client, simpsons: Cast) -> None:
    url = reverse("admin:auth_user_password_change", args=[simpsons.marge.pk])
    new = "springfield-elementary-7"
    as_operator.post(url, {"password1": new, "password2": new, "usable_password": "true"})
    simpsons.marge.refresh_from_db()
    assert simpsons.marge.check_password(new)


def test_people_are_locked_out_and_not_deleted(as_operator: Client, simpsons: Cast) -> None:
    assert as_operator.get(url("user_delete", simpsons.marge.pk)).status_code == 403


def test_an_operator_without_all_rights_cannot_give_rights(client: Client, simpsons: Cast) -> None:
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(clerk)
    _change_user(client, clerk, given_name="Smithers", is_superuser="on", is_staff="on")
    clerk.refresh_from_db()
    assert (clerk.given_name, clerk.is_superuser) == ("Smithers", False)


def test_a_page_of_a_person_says_where_they_are(as_operator: Client, simpsons: Cast) -> None:
    page = as_operator.get(url("user_change", simpsons.marge.pk)).content.decode()
    assert url("organization_change", simpsons.household.pk) in page


# Places


def test_an_operator_places_somebody_and_is_remembered_for_it(as_operator: Client, simpsons: Cast) -> None:
    data = {"user": simpsons.marge.pk, "organization": simpsons.carls.pk, "relation": "member"}
    as_operator.post(url("membership_add"), data)
    placed = Membership.objects.get(user=simpsons.marge, organization=simpsons.carls)
    assert placed.created_by == User.objects.get(email="operator@example.net")
    assert AuditEntry.objects.about(placed).get().organization == simpsons.carls


def test_somebody_who_is_there_already_is_not_placed_twice(as_operator: Client, simpsons: Cast) -> None:
    data = {"user": simpsons.marge.pk, "organization": simpsons.household.pk, "relation": "manager"}
    response = as_operator.post(url("membership_add"), data)
    assert "already in this organization" in response.content.decode()


@pytest.mark.parametrize("how", ["demote", "end", "remove"])
def test_the_last_manager_of_a_customer_stays(how: str, as_operator: Client, simpsons: Cast) -> None:
    place = simpsons.homer.memberships.get()
    tomorrow = timezone.localtime(timezone.now() + timedelta(days=1))
    if how == "remove":
        response = as_operator.post(url("membership_delete", place.pk), {"post": "yes"})
    else:
        until = {"valid_until_0": f"{tomorrow:%F}", "valid_until_1": "00:00"}
        data = {"relation": "member"} if how == "demote" else {"relation": "manager", **until}
        response = as_operator.post(url("membership_change", place.pk), data)
    assert "no manager left" in said(response)
    assert simpsons.homer.memberships.get().relation == Membership.Relation.MANAGER


def test_a_place_is_ended_and_that_is_audited(as_operator: Client, simpsons: Cast) -> None:
    place = simpsons.marge.memberships.get()
    as_operator.post(url("membership_delete", place.pk), {"post": "yes"})
    assert not simpsons.marge.memberships.exists()
    assert AuditEntry.objects.get(action="operator.deleted").object_id == str(place.pk)
