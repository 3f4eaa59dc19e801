"""Moving an organization with all that is in it."""

from __future__ import annotations

from django.db import transaction

from devices.read_rights import end_lost_read_keys
from orgs import tree
from orgs.models import Organization


@transaction.atomic
def move_organization(organization: Organization, *, below: Organization) -> None:
    """Put `organization` under another one of the same customer; whoever loses sight of a device loses the key to it.

    Raises CannotMove as `orgs.tree.move` does, and IntegrityError if there is one of the same name.
    """
    tree.move(organization, below=below)
    end_lost_read_keys(organization)
