"""Operators change the tree, people, places and invitations by the same rules as everybody else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.core import mail
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from orgs import invitations, tree
from orgs.errors import CannotMove, MailNotSent, NotEmpty
from orgs.models import AuditEntry, Invitation, Membership, Organization, User
from tests.conftest import Cast
from tests.factories import PASSWORD, OrganizationFactory, UserFactory

NO_INLINES = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}


def _url(name: str, *args: object) -> str:
    return reverse(f"admin:orgs_{name}", args=args)


def _change(client: Client, organization: Organization, **fields: object) -> Any:
    data = {"name": organization.name, "description": "", "parent": organization.parent_id or "", **fields}
    return client.post(_url("organization_change", organization.pk), data | NO_INLINES)


def _said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def _act(client: Client, model: str, action: str, *things: Any, **data: str) -> Any:
    chosen = {"action": action, "_selected_action": [thing.pk for thing in things]}
    return client.post(_url(f"{model}_changelist"), chosen | data)


# The tree


def test_a_new_customer_is_a_root_with_a_tree_of_its_own(as_operator: Client, simpsons: Cast) -> None:
    as_operator.post(_url("organization_add"), {"name": "Moe's", "description": "Tavern", "parent": ""})
    moes = Organization.objects.get(name="Moe's")
    assert (moes.is_customer, moes.description, moes.lft, moes.rght) == (True, "Tavern", 1, 2)
    assert Organization.objects.filter(tree_id=moes.tree_id).count() == 1


def test_a_new_organization_is_made_by_the_tree(as_operator: Client, simpsons: Cast) -> None:
    with patch("orgs.admin.tree.create_below", wraps=tree.create_below) as create_below:
        as_operator.post(_url("organization_add"), {"name": "Garage", "description": "", "parent": simpsons.home.pk})
    create_below.assert_called_once()
    garage = Organization.objects.get(name="Garage")
    simpsons.home.refresh_from_db()
    assert simpsons.home.contains(garage)
    assert AuditEntry.objects.about(garage).get().action == "operator.added"


def test_moving_is_done_by_the_tree(as_operator: Client, simpsons: Cast) -> None:
    with patch("orgs.tree.move", wraps=tree.move) as move:
        response = _change(as_operator, simpsons.household, parent=simpsons.power_plant.pk, name="Home")
    assert response.status_code == 302
    move.assert_called_once()
    simpsons.household.refresh_from_db()
    simpsons.power_plant.refresh_from_db()
    assert simpsons.household.name == "Home"
    assert simpsons.power_plant.contains(simpsons.household)


def test_an_old_page_does_not_put_the_tree_back_into_its_old_shape(as_operator: Client, simpsons: Cast) -> None:
    """Renaming writes the name alone: the row's place may have changed since it was loaded."""

    def move_meanwhile(*args: Any, **kwargs: Any) -> Any:
        OrganizationFactory(parent=simpsons.power_plant)
        return real(*args, **kwargs)

    real = Organization.describe
    with patch.object(Organization, "describe", autospec=True, side_effect=move_meanwhile):
        _change(as_operator, simpsons.household, name="Home")
    places = sorted(
        place for o in Organization.objects.filter(tree_id=simpsons.home.tree_id) for place in (o.lft, o.rght)
    )
    assert places == list(range(1, 9))


@pytest.mark.parametrize(
    ("what", "where", "why"),
    [
        ("household", "annex", "below itself"),
        ("household", "household", "below itself"),
        ("household", "carls", "another customer"),
        ("household", None, "stays with its customer"),
    ],
)
def test_a_refused_move_is_said_beside_the_field(
    what: str, where: str | None, why: str, as_operator: Client, simpsons: Cast
) -> None:
    places = {"annex": OrganizationFactory(name="Annex", parent=simpsons.household)}
    target = places.get(where or "") or (getattr(simpsons, where) if where else None)
    response = _change(as_operator, getattr(simpsons, what), parent=target.pk if target else "")
    assert response.status_code == 200
    assert why in str(response.context["adminform"].form.errors["parent"])
    simpsons.household.refresh_from_db()
    assert simpsons.household.parent == simpsons.home


def test_a_customer_has_no_field_to_move_it_by(as_operator: Client, simpsons: Cast) -> None:
    response = _change(as_operator, simpsons.carls, parent=simpsons.home.pk)
    assert response.status_code == 302
    simpsons.carls.refresh_from_db()
    assert simpsons.carls.is_customer


def test_a_name_that_a_sibling_has_is_refused_in_the_form(as_operator: Client, simpsons: Cast) -> None:
    response = _change(as_operator, simpsons.household, name="Power plant")
    assert "already an organization of that name" in response.content.decode()


@pytest.mark.parametrize(
    ("refusal", "said"),
    [(CannotMove("No way."), "No way."), (IntegrityError("unique"), "already an organization of that name")],
)
def test_what_somebody_else_made_impossible_meanwhile_is_said_and_nothing_is_half_done(
    refusal: Exception, said: str, as_operator: Client, simpsons: Cast
) -> None:
    with patch("orgs.tree.move", side_effect=refusal):
        response = _change(as_operator, simpsons.household, name="Home", parent=simpsons.power_plant.pk)
    assert response.status_code == 302
    assert said in _said(response)
    simpsons.household.refresh_from_db()
    assert simpsons.household.name == "Household"
    assert not AuditEntry.objects.exists()


def test_an_empty_organization_is_deleted_by_the_tree(as_operator: Client, simpsons: Cast) -> None:
    annex = OrganizationFactory(name="Annex", parent=simpsons.household)
    with patch("orgs.admin.tree.delete", wraps=tree.delete) as delete:
        as_operator.post(_url("organization_delete", annex.pk), {"post": "yes"})
    delete.assert_called_once()
    assert not Organization.objects.filter(pk=annex.pk).exists()
    simpsons.household.refresh_from_db()
    assert simpsons.household.rght == simpsons.household.lft + 1


def test_an_organization_that_holds_something_is_not_deleted(as_operator: Client, simpsons: Cast) -> None:
    response = as_operator.post(_url("organization_delete", simpsons.household.pk), {"post": "yes"})
    assert response.status_code == 200
    page = response.content.decode()
    assert "kitchen" in page
    assert "Marge" in page
    assert Organization.objects.filter(pk=simpsons.household.pk).exists()


def test_a_deletion_that_the_tree_refuses_is_said(as_operator: Client, simpsons: Cast) -> None:
    annex = OrganizationFactory(name="Annex", parent=simpsons.household)
    with patch("orgs.admin.tree.delete", side_effect=NotEmpty("Somebody just moved in.")):
        response = as_operator.post(_url("organization_delete", annex.pk), {"post": "yes"})
    assert "Somebody just moved in." in _said(response)
    assert Organization.objects.filter(pk=annex.pk).exists()


def test_customers_are_not_deleted_and_nothing_in_bulk(as_operator: Client, simpsons: Cast) -> None:
    assert as_operator.get(_url("organization_delete", simpsons.carls.pk)).status_code == 403
    annex = OrganizationFactory(name="Annex", parent=simpsons.household)
    _act(as_operator, "organization", "delete_selected", annex, post="yes")
    assert Organization.objects.filter(pk=annex.pk).exists()
    page = as_operator.get(_url("organization_changelist")).content.decode()
    assert "delete_selected" not in page


def test_suspending_asks_first_and_resuming_does_not(as_operator: Client, simpsons: Cast) -> None:
    page = _act(as_operator, "organization", "suspend", simpsons.home, simpsons.household)
    assert "The Simpsons" in page.content.decode()
    simpsons.home.refresh_from_db()
    assert simpsons.home.suspended_at is None

    said = _said(_act(as_operator, "organization", "suspend", simpsons.home, simpsons.household, confirmed="yes"))
    assert "The Simpsons" in said
    assert "Household" not in said
    simpsons.home.refresh_from_db()
    assert simpsons.home.suspended_at is not None

    _act(as_operator, "organization", "resume", simpsons.home)
    simpsons.home.refresh_from_db()
    assert simpsons.home.suspended_at is None
    done = AuditEntry.objects.about(simpsons.home).values_list("details__what", flat=True)
    assert list(done) == ["Resumed.", "Suspended."]


def test_only_customers_are_suspended(as_operator: Client, simpsons: Cast) -> None:
    response = _act(as_operator, "organization", "suspend", simpsons.household)
    assert "Only customers" in _said(response)


# People


def test_an_operator_makes_an_account_whose_address_is_still_to_be_confirmed(as_operator: Client) -> None:
    data = {"email": "Moe@Example.net", "given_name": "Moe", "family_name": "", "usable_password": "true"}
    as_operator.post(_url("user_add"), data | {"password1": PASSWORD, "password2": PASSWORD})
    moe = User.objects.get(email="moe@example.net")
    assert moe.check_password(PASSWORD)
    address = EmailAddress.objects.get(user=moe)
    assert (address.email, address.primary, address.verified) == ("moe@example.net", True, False)


def test_an_account_with_an_address_that_is_taken_in_other_letters_is_refused(
    as_operator: Client, simpsons: Cast
) -> None:
    data = {"email": "MARGE@example.net", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    response = as_operator.post(_url("user_add"), data)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors


def _change_user(client: Client, user: User, **fields: str) -> Any:
    data = {"email": user.email, "given_name": user.given_name, "family_name": user.family_name, "is_active": "on"}
    return client.post(_url("user_change", user.pk), data | fields | NO_INLINES)


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
    assert as_operator.get(_url("user_delete", simpsons.marge.pk)).status_code == 403


def test_an_operator_without_all_rights_cannot_give_rights(client: Client, simpsons: Cast) -> None:
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(clerk)
    _change_user(client, clerk, given_name="Smithers", is_superuser="on", is_staff="on")
    clerk.refresh_from_db()
    assert (clerk.given_name, clerk.is_superuser) == ("Smithers", False)


def test_a_page_of_a_person_says_where_they_are(as_operator: Client, simpsons: Cast) -> None:
    page = as_operator.get(_url("user_change", simpsons.marge.pk)).content.decode()
    assert _url("organization_change", simpsons.household.pk) in page


# Places


def test_an_operator_places_somebody_and_is_remembered_for_it(as_operator: Client, simpsons: Cast) -> None:
    data = {"user": simpsons.marge.pk, "organization": simpsons.carls.pk, "relation": "member"}
    as_operator.post(_url("membership_add"), data)
    placed = Membership.objects.get(user=simpsons.marge, organization=simpsons.carls)
    assert placed.created_by == User.objects.get(email="operator@example.net")
    assert AuditEntry.objects.about(placed).get().organization == simpsons.carls


def test_somebody_who_is_there_already_is_not_placed_twice(as_operator: Client, simpsons: Cast) -> None:
    data = {"user": simpsons.marge.pk, "organization": simpsons.household.pk, "relation": "manager"}
    response = as_operator.post(_url("membership_add"), data)
    assert "already in this organization" in response.content.decode()


@pytest.mark.parametrize("how", ["demote", "end", "remove"])
def test_the_last_manager_of_a_customer_stays(how: str, as_operator: Client, simpsons: Cast) -> None:
    place = simpsons.homer.memberships.get()
    tomorrow = timezone.localtime(timezone.now() + timedelta(days=1))
    if how == "remove":
        response = as_operator.post(_url("membership_delete", place.pk), {"post": "yes"})
    else:
        until = {"valid_until_0": f"{tomorrow:%F}", "valid_until_1": "00:00"}
        data = {"relation": "member"} if how == "demote" else {"relation": "manager", **until}
        response = as_operator.post(_url("membership_change", place.pk), data)
    assert "no manager left" in _said(response)
    assert simpsons.homer.memberships.get().relation == Membership.Relation.MANAGER


def test_a_place_is_ended_and_that_is_audited(as_operator: Client, simpsons: Cast) -> None:
    place = simpsons.marge.memberships.get()
    as_operator.post(_url("membership_delete", place.pk), {"post": "yes"})
    assert not simpsons.marge.memberships.exists()
    assert AuditEntry.objects.get(action="operator.deleted").object_id == str(place.pk)


# Invitations


def _link_in(message: Any) -> str:
    match = re.search(r"/invitations/(\S+)/", str(message.body))
    assert match
    return match[1]


def test_an_invitation_is_sent_and_its_link_is_not_shown(
    as_operator: Client, simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    until = timezone.localtime(timezone.now() + timedelta(days=3))
    data = {
        "organization": simpsons.household.pk, "email": "Maggie@example.net", "given_name": "Maggie",
        "family_name": "", "relation": "member", "expires_at_0": f"{until:%Y-%m-%d}", "expires_at_1": f"{until:%H:%M}",
    }  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        response = as_operator.post(_url("invitation_add"), data, follow=True)
    (message,) = mail.outbox
    assert message.to == ["maggie@example.net"]
    token = _link_in(message)
    assert invitations.find(token).organization == simpsons.household
    assert token not in response.content.decode()


def test_an_invitation_whose_mail_does_not_go_out_is_kept_and_that_is_said(
    as_operator: Client, simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with patch("orgs.admin_people.invitations.resend", side_effect=MailNotSent("No mail today.")):
        invitation = invitations.invite(organization=simpsons.household, email="bart@example.net", by=simpsons.homer)
        assert "No mail today." in _said(_act(as_operator, "invitation", "resend", invitation))
    # On commit, after the row is there: the form must not come back and invite again.
    with patch("orgs.admin_people.invitations.invite", side_effect=MailNotSent("No mail today.")):
        data = {"organization": simpsons.household.pk, "email": "lisa@example.net", "relation": "member"}
        until = timezone.localtime(timezone.now() + timedelta(days=3))
        data |= {"expires_at_0": f"{until:%F}", "expires_at_1": "12:00"}
        response = as_operator.post(_url("invitation_add"), data)
    assert response["Location"] == _url("invitation_changelist")
    assert "No mail today." in _said(response)


@pytest.fixture
def invitation(simpsons: Cast) -> Invitation:
    return invitations.invite(organization=simpsons.household, email="maggie@example.net", by=simpsons.homer)


def test_a_new_link_is_sent_for_an_invitation_that_has_run_out(
    as_operator: Client, invitation: Invitation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    old = invitation.token_hash
    with django_capture_on_commit_callbacks(execute=True):
        response = _act(as_operator, "invitation", "resend", invitation)
    assert "maggie@example.net" in _said(response)
    assert invitations.find(_link_in(mail.outbox[0])) == invitation
    invitation.refresh_from_db()
    assert invitation.token_hash != old
    assert not invitation.is_expired
    assert AuditEntry.objects.about(invitation).exists()


def test_an_invitation_is_withdrawn(as_operator: Client, invitation: Invitation) -> None:
    _act(as_operator, "invitation", "withdraw", invitation)
    invitation.refresh_from_db()
    assert invitation.revoked_at is not None


@pytest.mark.parametrize("action", ["resend", "withdraw"])
def test_an_invitation_that_was_accepted_is_left_alone(
    action: str, as_operator: Client, invitation: Invitation, mailoutbox: list[Any]
) -> None:
    Invitation.objects.update(accepted_at=timezone.now())
    response = _act(as_operator, "invitation", action, invitation)
    assert "accepted or withdrawn" in _said(response)
    assert not mailoutbox


def test_an_invitation_is_not_edited_after_it_was_sent(as_operator: Client, invitation: Invitation) -> None:
    response = as_operator.post(_url("invitation_change", invitation.pk), {"email": "bart@example.net"})
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("open", {}),
        ("expired", {"expires_at": timezone.now() - timedelta(days=1)}),
        ("accepted", {"accepted_at": timezone.now()}),
        ("withdrawn", {"revoked_at": timezone.now()}),
    ],
)
def test_invitations_are_filtered_by_where_they_stand(
    state: str, change: dict[str, Any], as_operator: Client, invitation: Invitation
) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(**change)
    for asked in ("open", "expired", "accepted", "withdrawn"):
        response = as_operator.get(_url("invitation_changelist"), {"state": asked})
        assert list(response.context["cl"].result_list) == ([invitation] if asked == state else [])


# The audit


def test_what_an_operator_changes_is_audited_with_names_of_fields_and_no_values(
    as_operator: Client, simpsons: Cast
) -> None:
    _change(as_operator, simpsons.household, description="A hidden cellar")
    entry = AuditEntry.objects.about(simpsons.household).get()
    assert (entry.actor_name, entry.action, entry.address) == ("operator@example.net", "operator.changed", "127.0.0.1")
    assert entry.organization == simpsons.household
    assert "Description" in entry.details["what"]
    assert "cellar" not in str(entry.details)


def test_audit_entries_are_only_looked_at(as_operator: Client, simpsons: Cast) -> None:
    _change(as_operator, simpsons.household, name="Home")
    entry = AuditEntry.objects.get()
    page = _url("auditentry_change", entry.pk)
    assert as_operator.get(page).status_code == 200
    assert as_operator.post(page, {"action": "nothing"}).status_code == 403
    assert as_operator.get(_url("auditentry_add")).status_code == 403
    assert as_operator.post(_url("auditentry_delete", entry.pk), {"post": "yes"}).status_code == 403
    _act(as_operator, "auditentry", "delete_selected", entry, post="yes")
    assert AuditEntry.objects.filter(pk=entry.pk).exists()
