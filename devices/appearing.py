"""Which devices somebody sees only of late: moved to where they see them, or theirs to see since then."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import CharField, Exists, OuterRef, Q
from django.db.models.functions import Cast

from devices.models import Device
from orgs import access
from orgs.audit import AuditEntry
from orgs.models import Membership, Organization, User

_MOVES = ("device.moved", "organization.moved", "membership.moved", "membership.restored", "operator.changed")


def appeared_since(moment: datetime, *, among: Collection[int], to: User) -> set[int]:
    """Return which of these devices came into the sight of `to` since `moment`; one query.

    By what the audit tells of the device, of what it is in and of the places of `to`, and by how old these are.
    """
    device, organization, place = (model._meta.label_lower for model in (Device, Organization, Membership))
    own_places = access.own_memberships(to).annotate(text=Cast("pk", CharField())).values("text")
    moved = AuditEntry.objects.filter(
        Q(object_type=device, object_id=Cast(OuterRef("pk"), CharField()))
        | Q(object_type=organization)
        | Q(object_type=place, object_id__in=own_places),
        created_at__gte=moment,
        action__in=_MOVES,
        organization__tree_id=OuterRef("organization__tree_id"),
        organization__lft__lte=OuterRef("organization__lft"),
        organization__rght__gte=OuterRef("organization__rght"),
    )
    saw = Q(organization__in=access.organizations_seen_since(moment, by=to))
    appeared = Device.objects.filter(Q(Exists(moved)) | ~saw, pk__in=among)
    return set(appeared.values_list("pk", flat=True))
