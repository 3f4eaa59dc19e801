"""Changing people's places in organizations, with what that does to their view of devices.

Whoever loses sight of a device loses the read key to it in the same transaction. Each operation is about a place as its
caller has read it: should somebody else have changed it since, ChangedMeanwhile is raised and nothing is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from channels.models import ChannelKey, KeyState, ShownKey
from devices.models import Device, DeviceQuerySet
from devices.read_rights import end_lost_read_keys
from orgs import access, people
from orgs.models import Membership, Organization
from orgs.tree import lock_tree_of


@transaction.atomic
def change_place(membership: Membership, *, relation: str, valid_until: datetime | None) -> None:
    """Make somebody a member or a manager, for good or until a moment. Raises LastManager and ChangedMeanwhile."""
    lock_tree_of(membership.organization)
    people.require_unchanged(membership)
    people.change(membership, relation=relation, valid_until=valid_until)


@transaction.atomic
def move_place(membership: Membership, *, to: Organization) -> None:
    """Place somebody in another organization of the same customer.

    Raises LastManager, CannotMove, AlreadyThere and ChangedMeanwhile.
    """
    lock_tree_of(membership.organization)
    people.require_unchanged(membership)
    people.move(membership, to=to)
    end_lost_read_keys(to)


@transaction.atomic
def remove_place(membership: Membership) -> None:
    """End somebody's place. Raises LastManager and ChangedMeanwhile."""
    lock_tree_of(membership.organization)
    people.require_unchanged(membership)
    people.remove(membership)
    end_lost_read_keys(membership.organization)


@transaction.atomic
def restore_place(membership: Membership) -> None:
    """Undo `remove_place`; read keys that have ended stay ended. Raises AlreadyThere and CannotMove."""
    people.restore(membership)
    # Reports that a shared key is known to somebody who has left settle themselves.
    end_lost_read_keys(membership.organization)


@dataclass(frozen=True)
class Loss:
    """What somebody no longer has without a place: how many devices, own read keys, and shared keys that they know.

    And the invitations that they have sent, which nobody has answered and nobody would stand behind any more.
    """

    devices: int
    read_keys: int
    known_keys: int
    invitations: int


def loss_without(membership: Membership, *, but_with: Organization | None = None) -> Loss:
    """Return what the person loses if this place ends, or if it is moved to `but_with`."""
    lost = _lost_devices(membership, but_with)
    keys = ChannelKey.objects.reading().filter(
        holder=membership.user_id, state__in=(KeyState.CURRENT, KeyState.RETIRING), channel__device__in=lost
    )
    known = ShownKey.objects.of_good_keys().filter(user=membership.user_id, key__channel__device__in=lost)
    return Loss(
        devices=lost.count(),
        read_keys=keys.values("channel").distinct().count(),
        known_keys=known.values("key__channel").distinct().count(),
        invitations=access.invitations_resting_on(membership, but_with=but_with).count(),
    )


def _lost_devices(membership: Membership, but_with: Organization | None) -> DeviceQuerySet:
    if not membership.is_current:
        return Device.objects.none()
    lost = Device.objects.at_or_below(membership.organization)
    lost = lost.exclude(organization__in=access.visible_without(membership))
    if but_with is not None:
        lost = lost.exclude(organization__in=Organization.objects.get_queryset().at_or_below(but_with))
    return lost
