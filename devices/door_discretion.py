"""What somebody who manages a part of a customer is told of devices at the door, and of those that were here before."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import pgettext

from devices.admission_models import FormerDevice, PendingDevice
from orgs import access
from orgs.models import User


def with_former(pending: Sequence[PendingDevice], *, reader: User) -> Sequence[PendingDevice]:
    """Fill in, in two queries, which of these were here before, as far as `reader` may know; return them."""
    former = FormerDevice.objects.filter(
        customer__in={one.customer_id for one in pending}, serial__in={one.serial for one in pending}
    )
    latest = {(one.customer_id, one.serial): one for one in former.order_by("ended_at", "pk")}
    without_what_is_elsewhere(latest.values(), reader=reader)
    for one in pending:
        one.former = latest.get((one.customer_id, one.serial))
    return pending


def without_what_is_elsewhere(former: Collection[FormerDevice], *, reader: User) -> None:
    """Take the names off those that were where `reader` may not look: a manager of a part does not learn of the rest.

    That they were here is said all the same: hardware that comes back is a manager's business. In one query.
    """
    visible = access.visible_organizations(reader).filter(tree_id=OuterRef("customer__tree_id"))
    known = Q(Exists(visible.filter(parent=None))) | Q(Exists(visible.filter(pk=OuterRef("organization_number"))))
    rows = FormerDevice.objects.filter(known, pk__in=[one.pk for one in former])
    shown = set(rows.values_list("pk", flat=True))
    for one in former:
        if one.pk not in shown:
            one.name, one.organization_name = "", pgettext("a device was in …", "another organization")


def without_what_is_above(pending: Sequence[PendingDevice], *, reader: User) -> None:
    """Leave out, for a manager of a part, keys of other organizations, and those by name whom they do not know.

    Hardware that was refused elsewhere can come with a key of theirs, and one that was blocked with a key from above.
    In two queries.
    """
    keys = {one.asked_with.organization_id for one in pending if one.asked_with}
    customers = {one.customer_id for one in pending}
    managed = access.managed_organizations(reader).filter(pk__in=keys | customers)
    mine = set(managed.values_list("pk", flat=True))
    people = {one.refused_by_id for one in pending if one.refused_by_id is not None}
    known = access.people_known_to(reader, of=people)
    for one in pending:
        if one.customer_id in mine:
            continue
        if one.asked_with and one.asked_with.organization_id not in mine:
            one.asked_with = None
        if one.refused_by_id not in known:
            one.refused_by = None
