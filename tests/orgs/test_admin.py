"""Operators change the tree by the same rules as everybody else, and the audit says so."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError
from django.test import Client

from orgs import tree
from orgs.errors import CannotMove, NotEmpty
from orgs.models import AuditEntry, Organization
from tests.conftest import Cast
from tests.factories import OrganizationFactory
from tests.orgs.operating import act, change, said, url


def test_a_new_customer_is_a_root_with_a_tree_of_its_own(as_operator: Client, simpsons: Cast) -> None:
    as_operator.post(url("organization_add"), {"name": "Moe's", "description": "Tavern", "parent": ""})
    moes = Organization.objects.get(name="Moe's")
    assert (moes.is_customer, moes.description, moes.lft, moes.rght) == (True, "Tavern", 1, 2)
    assert Organization.objects.filter(tree_id=moes.tree_id).count() == 1


def test_a_new_organization_is_made_by_the_tree(as_operator: Client, simpsons: Cast) -> None:
    with patch("orgs.admin.tree.create_below", wraps=tree.create_below) as create_below:
        as_operator.post(url("organization_add"), {"name": "Garage", "description": "", "parent": simpsons.home.pk})
    create_below.assert_called_once()
    garage = Organization.objects.get(name="Garage")
    simpsons.home.refresh_from_db()
    assert simpsons.home.contains(garage)
    assert AuditEntry.objects.about(garage).get().action == "operator.added"


def test_moving_is_done_by_the_tree(as_operator: Client, simpsons: Cast) -> None:
    with patch("orgs.tree.move", wraps=tree.move) as move:
        response = change(as_operator, simpsons.household, parent=simpsons.power_plant.pk, name="Home")
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
        change(as_operator, simpsons.household, name="Home")
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
    response = change(as_operator, getattr(simpsons, what), parent=target.pk if target else "")
    assert response.status_code == 200
    assert why in str(response.context["adminform"].form.errors["parent"])
    simpsons.household.refresh_from_db()
    assert simpsons.household.parent == simpsons.home


def test_a_customer_has_no_field_to_move_it_by(as_operator: Client, simpsons: Cast) -> None:
    response = change(as_operator, simpsons.carls, parent=simpsons.home.pk)
    assert response.status_code == 302
    simpsons.carls.refresh_from_db()
    assert simpsons.carls.is_customer


def test_a_name_that_a_sibling_has_is_refused_in_the_form(as_operator: Client, simpsons: Cast) -> None:
    response = change(as_operator, simpsons.household, name="Power plant")
    assert "already an organization of that name" in response.content.decode()


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [(CannotMove("No way."), "No way."), (IntegrityError("unique"), "already an organization of that name")],
)
def test_what_somebody_else_made_impossible_meanwhile_is_said_and_nothing_is_half_done(
    refusal: Exception, sentence: str, as_operator: Client, simpsons: Cast
) -> None:
    with patch("orgs.tree.move", side_effect=refusal):
        response = change(as_operator, simpsons.household, name="Home", parent=simpsons.power_plant.pk)
    assert response.status_code == 302
    assert sentence in said(response)
    simpsons.household.refresh_from_db()
    assert simpsons.household.name == "Household"
    assert not AuditEntry.objects.exists()


def test_an_empty_organization_is_deleted_by_the_tree(as_operator: Client, simpsons: Cast) -> None:
    annex = OrganizationFactory(name="Annex", parent=simpsons.household)
    with patch("orgs.admin.tree.delete", wraps=tree.delete) as delete:
        as_operator.post(url("organization_delete", annex.pk), {"post": "yes"})
    delete.assert_called_once()
    assert not Organization.objects.filter(pk=annex.pk).exists()
    simpsons.household.refresh_from_db()
    assert simpsons.household.rght == simpsons.household.lft + 1


def test_an_organization_that_holds_something_is_not_deleted(as_operator: Client, simpsons: Cast) -> None:
    response = as_operator.post(url("organization_delete", simpsons.household.pk), {"post": "yes"})
    assert response.status_code == 200
    page = response.content.decode()
    assert "kitchen" in page
    assert "Marge" in page
    assert Organization.objects.filter(pk=simpsons.household.pk).exists()


def test_a_deletion_that_the_tree_refuses_is_said(as_operator: Client, simpsons: Cast) -> None:
    annex = OrganizationFactory(name="Annex", parent=simpsons.household)
    with patch("orgs.admin.tree.delete", side_effect=NotEmpty("Somebody just moved in.")):
        response = as_operator.post(url("organization_delete", annex.pk), {"post": "yes"})
    assert "Somebody just moved in." in said(response)
    assert Organization.objects.filter(pk=annex.pk).exists()


def test_customers_are_not_deleted_and_nothing_in_bulk(as_operator: Client, simpsons: Cast) -> None:
    assert as_operator.get(url("organization_delete", simpsons.carls.pk)).status_code == 403
    annex = OrganizationFactory(name="Annex", parent=simpsons.household)
    act(as_operator, "organization", "delete_selected", annex, post="yes")
    assert Organization.objects.filter(pk=annex.pk).exists()
    page = as_operator.get(url("organization_changelist")).content.decode()
    assert "delete_selected" not in page


def test_suspending_asks_first_and_resuming_does_not(as_operator: Client, simpsons: Cast) -> None:
    page = act(as_operator, "organization", "suspend", simpsons.home, simpsons.household)
    assert "The Simpsons" in page.content.decode()
    simpsons.home.refresh_from_db()
    assert simpsons.home.suspended_at is None

    answer = act(as_operator, "organization", "suspend", simpsons.home, simpsons.household, confirmed="yes")
    assert "The Simpsons" in said(answer)
    assert "Household" not in said(answer)
    simpsons.home.refresh_from_db()
    assert simpsons.home.suspended_at is not None

    act(as_operator, "organization", "resume", simpsons.home)
    simpsons.home.refresh_from_db()
    assert simpsons.home.suspended_at is None
    done = AuditEntry.objects.about(simpsons.home).values_list("details__what", flat=True)
    assert list(done) == ["Resumed.", "Suspended."]


def test_only_customers_are_suspended(as_operator: Client, simpsons: Cast) -> None:
    response = act(as_operator, "organization", "suspend", simpsons.household)
    assert "Only customers" in said(response)


def test_what_an_operator_changes_is_audited_with_names_of_fields_and_no_values(
    as_operator: Client, simpsons: Cast
) -> None:
    change(as_operator, simpsons.household, description="A hidden cellar")
    entry = AuditEntry.objects.about(simpsons.household).get()
    assert (entry.actor_name, entry.action, entry.address) == ("operator@example.net", "operator.changed", "127.0.0.1")
    assert entry.organization == simpsons.household
    assert "Description" in entry.details["what"]
    assert "cellar" not in str(entry.details)


def test_audit_entries_are_only_looked_at(as_operator: Client, simpsons: Cast) -> None:
    change(as_operator, simpsons.household, name="Home")
    entry = AuditEntry.objects.get()
    page = url("auditentry_change", entry.pk)
    assert as_operator.get(page).status_code == 200
    assert as_operator.post(page, {"action": "nothing"}).status_code == 403
    assert as_operator.get(url("auditentry_add")).status_code == 403
    assert as_operator.post(url("auditentry_delete", entry.pk), {"post": "yes"}).status_code == 403
    act(as_operator, "auditentry", "delete_selected", entry, post="yes")
    assert AuditEntry.objects.filter(pk=entry.pk).exists()
