"""Deleting an organization: what it holds goes elsewhere first, all in one transaction."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from devices.models import Device, ExpectedDevice, PendingDevice, RegistrationKey
from devices.read_rights import end_lost_read_keys
from orgs import tree
from orgs.errors import CannotMove, NotEmpty
from orgs.models import Membership, Organization


def delete_organization(
    organization: Organization, *, things_to: Organization | None, people_to: Organization | None
) -> None:
    """Delete `organization` after moving what it holds.

    Its devices (also those that wait or are expected), registration keys and the organizations below it go to
    `things_to`, which is needed if there are any; its people to `people_to`, or nowhere: then they lose this place.
    Pending invitations end. Both are organizations of the same customer that are neither `organization` nor below it.
    Raises CannotMove when they are not, for a customer, and when an organization of the same name is there already;
    NotEmpty when something that has no place to go is in it, maybe since a moment ago.
    """
    if organization.is_customer:
        raise CannotMove(_("A customer is not deleted as an organization but by closing the account."))
    for target in (things_to, people_to):
        if target is not None and (target.tree_id != organization.tree_id or organization.contains(target)):
            raise CannotMove(_("What {name} holds cannot go there.").format(name=organization.name))
    try:
        with transaction.atomic():
            tree.lock_tree_of(organization)
            customer = organization.customer
            if things_to is not None:
                _move_below(organization, things_to)
                Device.objects.filter(organization=organization).update(organization=things_to)
                for kind in (RegistrationKey, PendingDevice, ExpectedDevice):
                    kind.objects.filter(organization=organization).update(organization=things_to)
            _move_people(organization, people_to)
            tree.delete(organization)
            end_lost_read_keys(customer)
    except (ProtectedError, IntegrityError):
        raise NotEmpty(
            _("Something has just been put into {name}. Look again.").format(name=organization.name)
        ) from None


def _move_below(organization: Organization, target: Organization) -> None:
    for child in Organization.objects.filter(parent=organization).order_by("lft"):
        try:
            with transaction.atomic():
                tree.move(child, below=target)
        except IntegrityError:
            raise CannotMove(
                _("There is already an organization called {name} in {target}. Rename one of them first.").format(
                    name=child.name, target=target.name
                )
            ) from None


def _move_people(organization: Organization, target: Organization | None) -> None:
    leaving = Membership.objects.filter(organization=organization)
    if target is not None:
        there_already = Membership.objects.filter(organization=target).values("user")
        leaving.exclude(user__in=there_already).update(organization=target)
    # Those who are in the target already keep the place, and the rights, that they have there.
    leaving.delete()
