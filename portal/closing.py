"""Closing an account: the person leaves everything, and then goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_tasks import task

from channels.models import ChannelKey
from channels.tasks import AGAIN, SAFETY_NET
from devices.closing import close_customer
from devices.read_rights import end_lost_read_keys
from orgs import audit, people, tree
from orgs.errors import ChangedMeanwhile
from orgs.models import Membership, Organization, User
from portal import take_outs
from portal.log_ins import LogIn

ALIVE = ("pending", "current", "retiring")


@transaction.atomic
def close_account(user: User, *, with_customers: Mapping[Organization, bool], address: str | None = None) -> None:
    """Let a person leave all organizations, log out everywhere, and be deleted; what the audit says of them stays.

    `with_customers` are the customers that are closed, too, and whether the channels of each are kept. Raises
    LastManager when a customer that is not among them would have no manager left, ChangedMeanwhile when one of them has
    another manager by now, and Suspended when one of them is.
    """
    _lock_trees(user, with_customers)
    if others := set(with_customers).difference(people.customers_left_alone_by(user)):
        said = _("“{name}” has another manager by now, and is not closed with your account. Read again what would go.")
        raise ChangedMeanwhile(said.format(name=min(map(str, others))))
    for customer, keep_channels in with_customers.items():
        close_customer(customer, keep_channels=keep_channels, by=user, address=address)
    for place in Membership.objects.filter(user=user).select_related("organization").order_by("pk"):
        people.remove(place)
        end_lost_read_keys(place.organization)
    audit.record("account.closed", by=user, organization=None, about=user, address=address)
    User.objects.filter(pk=user.pk).update(is_active=False)
    LogIn.objects.filter(user=user).end()
    take_outs.forget(user)
    erase.using(run_after=timezone.now() + SAFETY_NET).enqueue(user.pk)
    transaction.on_commit(lambda: erase.call(user.pk))


def _lock_trees(user: User, customers: Iterable[Organization]) -> None:
    """Lock all trees that are about to change, in the order of everybody who locks several.

    Two people who each belong to what the other closes would otherwise wait for each other.
    """
    places = Membership.objects.filter(user=user).select_related("organization")
    trees = {one.tree_id: one for one in (*customers, *(place.organization for place in places))}
    for _number, organization in sorted(trees.items()):
        tree.lock_tree_of(organization)


@task()
def erase(user: int, attempt: int = 0) -> bool:
    """Delete a person who has closed the account, as soon as the platform has ended their read keys.

    Deleting them takes along what the portal knows of those keys. Returns whether they are gone.
    """
    found = User.objects.filter(pk=user, is_active=False).first()
    if found is None:
        return True
    if ChannelKey.objects.filter(holder=user, state__in=ALIVE).exists():
        wait: timedelta = AGAIN[min(attempt, len(AGAIN) - 1)]
        erase.using(run_after=timezone.now() + wait).enqueue(user, attempt + 1)
        return False
    found.delete()
    return True
