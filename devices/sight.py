"""Who sees which device, and why: for those who manage it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Exists, Max, OuterRef, Q
from django.utils.translation import gettext as _

from channels.models import ChannelKey, KeyState, ShownKey
from devices.models import Device, DeviceQuerySet
from orgs import access
from orgs.audit import AuditEntry
from orgs.models import Membership, Organization, User
from orgs.natural import natural_key
from orgs.paths import Paths


@dataclass(frozen=True)
class Reason:
    """A place by which somebody sees a device.

    `name`: what the place's organization is called for the viewer; `is_known`: whether they may know it at all;
    `is_above`: whether it is above the device's.
    """

    place: Membership
    name: str
    is_known: bool
    is_above: bool

    def __str__(self) -> str:
        manages = self.place.relation == Membership.Relation.MANAGER
        if not self.is_known:
            return _("manager of an organization above it") if manages else _("member of an organization above it")
        if not self.is_above:
            return self.place.role_in(self.name)
        words = _("manager of {name}, above it") if manages else _("member of {name}, above it")
        return words.format(name=self.name)


@dataclass(frozen=True)
class Held:
    """What somebody has of a device's read keys: a key of their own, or they were shown the one that all share."""

    is_own: bool
    since: datetime
    until: datetime | None = None
    last_used_at: datetime | None = None
    last_shown_at: datetime | None = None


@dataclass(frozen=True)
class Seer:
    """Somebody who sees a device. `has_page`: whether the viewer may open the page about this person."""

    person: User
    reasons: list[Reason]
    key: Held | None
    has_page: bool


@dataclass(frozen=True)
class Seen:
    """A device that somebody sees."""

    device: Device
    reasons: list[Reason]
    key: Held | None


def who_sees(
    device: Device, *, viewer: User, paths: Paths, page: str | None, a_page: int
) -> tuple[Page[User], list[Seer]]:
    """Return a page of the people who see `device`, which `viewer` manages, by name; in nine queries.

    `paths` are the viewer's.
    """
    places = access.people_who_see(device.organization)
    people = User.objects.filter(Exists(places.filter(user=OuterRef("pk")))).order_by(*User.BY_NAME)
    shown = Paginator(people, a_page).get_page(page)
    on_page = list(shown)
    known = set(access.visible_path(viewer, device.organization).values_list("pk", flat=True))
    reasons = defaultdict(list)
    for place in places.filter(user__in=on_page).order_by("-organization__level"):
        is_known, is_above = place.organization_id in known, place.organization_id != device.organization_id
        reasons[place.user_id].append(Reason(place, paths.to(place.organization), is_known, is_above))
    keys = keys_held(on_page, [device])
    managed = access.managed_memberships(viewer).filter(user__in=on_page)
    with_page = set(managed.values_list("user", flat=True))
    seers = [Seer(one, reasons[one.pk], keys.get((one.pk, device.pk)), one.pk in with_page) for one in on_page]
    return shown, seers


def outsiders_who_know_a_key(device: Device) -> list[str]:
    """Return the names of those who were shown a shared read key that is still good, and see the device no more."""
    showings = ShownKey.objects.of_good_keys().filter(key__channel=device.channel_id, key__channel__isnull=False)
    outside = showings.exclude(access.sees(user="user", organization="key__channel__device__organization"))
    return sorted(outside.order_by().values_list("name", flat=True).distinct(), key=natural_key)


def devices_seen_by(person: User, *, viewer: User) -> DeviceQuerySet:
    """Return the devices that `person` sees, of those that `viewer` manages."""
    return Device.objects.managed_by(viewer).filter(organization__in=access.visible_organizations(person))


def what_is_seen(
    devices: Collection[Device], person: User, places: Iterable[Membership], known: set[int], paths: Paths
) -> list[Seen]:
    """Return why `person` sees each of `devices`, by which of these `places`, and with which key; in three queries.

    `known` are the organizations that the viewer may know, and `paths` the viewer's.
    """
    current = [place for place in places if place.is_current]
    keys = keys_held([person], devices)
    return [
        Seen(device, list(_reasons(device.organization, current, known, paths)), keys.get((person.pk, device.pk)))
        for device in devices
    ]


def _reasons(
    organization: Organization, places: Iterable[Membership], known: set[int], paths: Paths
) -> Iterable[Reason]:
    for place in places:
        if place.organization.contains(organization):
            is_known, is_above = place.organization_id in known, place.organization_id != organization.pk
            yield Reason(place, paths.to(place.organization), is_known, is_above)


def keys_held(people: Collection[User], devices: Collection[Device]) -> dict[tuple[int, int], Held]:
    """Return by (person, device) what these people have of the devices' read keys, in three queries."""
    held: dict[tuple[int, int], dict[str, Any]] = {}
    shared = ShownKey.objects.of_good_keys().filter(user__in=people, key__channel__device__in=devices)
    for who, device, at in shared.values_list("user", "key__channel__device", "at"):
        held[who or 0, device] = {"is_own": False, "since": at, "last_shown_at": at}
    # One that was taken away may still wait for the platform to hear of it: it has no end then.
    good = Q(state=KeyState.CURRENT) | Q(state=KeyState.RETIRING, valid_until__isnull=False)
    own = ChannelKey.objects.reading().filter(good, holder__in=people, channel__device__in=devices).order_by("pk")
    fields = ("holder", "channel__device", "created_at", "valid_until", "last_used_at")
    for who, device, since, until, used in own.values_list(*fields):
        held[who or 0, device] = {"is_own": True, "since": since, "until": until, "last_used_at": used}
    for entry in _showings(people, devices):
        if key := held.get((entry["actor"], int(entry["object_id"]))):
            key["last_shown_at"] = entry["last"]
    return {pair: Held(**key) for pair, key in held.items()}


def _showings(people: Collection[User], devices: Collection[Device]) -> Iterable[Mapping[str, Any]]:
    numbers = [str(device.pk) for device in devices]
    shown = AuditEntry.objects.filter(object_type=Device._meta.label_lower, object_id__in=numbers)
    mine = shown.filter(action="read_key.shown", actor__in=people).order_by()
    return mine.values("actor", "object_id").annotate(last=Max("created_at"))
