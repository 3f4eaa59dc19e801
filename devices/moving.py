"""Moving devices, and organizations with all that is in them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from devices.read_rights import end_lost_read_keys
from orgs import access, tree
from orgs.models import Organization, User


@dataclass(frozen=True)
class Change:
    """Who sees what is in an organization after a move and did not before, and the other way round."""

    gain: list[User]
    lose: list[User]


@transaction.atomic
def move_organization(organization: Organization, *, below: Organization) -> None:
    """Put `organization` under another one of the same customer; whoever loses sight of a device loses the key to it.

    Raises CannotMove as `orgs.tree.move` does, and IntegrityError if there is one of the same name.
    """
    tree.move(organization, below=below)
    end_lost_read_keys(organization)


def change_by_moving(organization: Organization, *, below: Organization) -> Change:
    """Return what moving `organization` below `below` would change, in two queries.

    Those who have a place in it, and so move along, count on neither side.
    """
    now = list(access.people_who_see(organization))
    after = {place.user for place in access.people_who_see(below)}
    before = {place.user for place in now}
    along = {place.user for place in now if place.organization_id == organization.pk}
    return Change(gain=sorted(after - before, key=str), lose=sorted(before - after - along, key=str))
