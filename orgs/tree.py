"""The one place that changes the shape of the organization tree.

django-mptt computes and shifts `lft`/`rght` without a lock, so two writers in one tree corrupt it. Every structural
write therefore locks the customer's root row first and re-reads the nodes inside the lock. A new root takes its
`tree_id` from an auto-increment column, which two transactions cannot both win and which costs the same for the
first customer and the millionth.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import ProtectedError, RestrictedError
from django.utils.translation import gettext as _

from orgs.errors import CannotMove, NotEmpty
from orgs.models import Organization, TreeNumber


@transaction.atomic
def create_customer(name: str, *, description: str = "") -> Organization:
    """Return a new customer: a root organization in a tree of its own."""
    root = Organization(
        name=name, description=description, tree_id=TreeNumber.objects.create().pk, lft=1, rght=2, level=0
    )
    root.save(force_insert=True)
    return root


@transaction.atomic
def create_below(parent: Organization, name: str, *, description: str = "") -> Organization:
    """Return a new organization below `parent`. Raises IntegrityError if a sibling has that name."""
    lock_tree_of(parent)
    fresh_parent = Organization.objects.get(pk=parent.pk)
    organization = Organization(name=name, description=description, parent=fresh_parent)
    organization.save()
    return organization


@transaction.atomic
def move(organization: Organization, *, below: Organization) -> None:
    """Put `organization` with all that is below it under another one of the same customer.

    Raises CannotMove for a customer itself, another customer's organization, and a cycle.
    """
    lock_tree_of(organization)
    moved = Organization.objects.get(pk=organization.pk)
    target = Organization.objects.get(pk=below.pk)
    check_move(moved, below=target)
    moved.parent = target
    moved.save()
    organization.refresh_from_db()


def check_move(organization: Organization, *, below: Organization) -> None:
    """Raise CannotMove where `move` would, so that a form can say so beside the field; both as they are just loaded."""
    if organization.is_customer:
        raise CannotMove(_("The customer itself cannot be moved."))
    if organization.tree_id != below.tree_id:
        raise CannotMove(_("An organization cannot be moved to another customer."))
    if organization.contains(below):
        raise CannotMove(_("An organization cannot be moved into itself or below itself."))


@transaction.atomic
def delete(organization: Organization) -> None:
    """Delete an organization that nobody and nothing is in any more.

    What it holds is moved by the caller, which knows what the user chose. Raises NotEmpty when there are still
    organizations, people or (through the database's own protection) devices in it, CannotMove for a customer.
    """
    lock_tree_of(organization)
    doomed = Organization.objects.get(pk=organization.pk)
    if doomed.parent_id is None:
        raise CannotMove(_("A customer is not deleted as an organization but by closing the account."))
    if not doomed.is_leaf_node() or doomed.memberships.exists():
        raise NotEmpty(_("There are still organizations or people in {name}.").format(name=doomed.name))
    doomed.delete()


@transaction.atomic
def delete_customer(customer: Organization) -> None:
    """Delete a customer with all its organizations, which nobody and nothing is in any more. Raises NotEmpty."""
    lock_tree_of(customer)
    whole = Organization.objects.filter(tree_id=customer.tree_id)
    try:
        for level in sorted(set(whole.values_list("level", flat=True)), reverse=True):
            whole.filter(level=level).delete()
    except (ProtectedError, RestrictedError):
        raise NotEmpty(_("There is still something in {name}.").format(name=customer.name)) from None


def lock_tree_of(organization: Organization) -> None:
    """Make every other change of this customer's shape wait until the running transaction ends."""
    # SQLite has no row locks; there BEGIN IMMEDIATE (see DATABASES) makes the whole transaction the only writer.
    list(
        Organization.objects.select_for_update()
        .filter(tree_id=organization.tree_id, parent__isnull=True)
        .order_by()
        .values_list("pk")
    )
