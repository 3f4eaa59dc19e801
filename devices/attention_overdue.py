"""Registration keys and read keys that a policy wanted renewed by now, and that are not: paused, or it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext

from channels.models import ChannelKey, RenewalPolicy
from channels.renewal_policy import SPREAD
from devices.matters import Matter, names_of
from devices.models import Device, RegistrationKey
from devices.renewal_due import read_key_due_at, registration_key_due_at
from devices.renewal_policies import Policies
from devices.spans import DAY
from orgs.models import Organization, OrganizationQuerySet
from orgs.paths import Paths

LOOKED_AT = 300
"""Keys that are looked at, the oldest first, so that the page of a large customer opens in time."""
LATE_AFTER = DAY
"""How long after it was due a key is named that should have been renewed by itself: quiet hours are over by then."""


def overdue_matters(
    managed: OrganizationQuerySet, policies: Sequence[RenewalPolicy], top: Organization, paths: Paths, now: datetime
) -> Iterator[Matter]:
    """Yield one matter for each kind of key, in a query for each kind that some policy renews."""
    held = Policies(policies)
    yield from _registration_keys(managed, held, _shortest(one.registration_every for one in policies), top, paths, now)
    yield from _read_keys(managed, held, _shortest(one.read_every for one in policies), top, paths, now)


def _shortest(lifetimes: Iterator[int | None]) -> timedelta | None:
    """Return how old a key is at least when it is late, None if none is renewed by itself."""
    days = min((every for every in lifetimes if every), default=None)
    return None if days is None else days * DAY * (1 - SPREAD) + LATE_AFTER


def _registration_keys(
    managed: OrganizationQuerySet,
    held: Policies,
    at_least: timedelta | None,
    top: Organization,
    paths: Paths,
    now: datetime,
) -> Iterator[Matter]:
    if at_least is None:
        return
    keys = RegistrationKey.objects.good(now).filter(organization__in=managed, successor__isnull=True)
    keys = keys.filter(created_at__lte=now - at_least).select_related("organization").order_by("created_at", "pk")
    late = []
    for key in keys.defer("secret", "envelope_key_base64")[:LOOKED_AT]:
        policy = held.at(key.organization)
        due = registration_key_due_at(policy, key) if policy else None
        if due and due <= now - LATE_AFTER:
            late.append(key)
    if late:
        said = ngettext(
            "The registration key {names} is overdue. Are renewals paused?",
            "The registration keys {names} are overdue. Are renewals paused?",
            len(late),
        )
        names = names_of([str(key) for key in late], paths)
        url = late[0].get_absolute_url() if len(late) == 1 else _all_keys(top)
        yield Matter("warn", gettext_lazy("Key overdue"), said.format(names=names), url)


def _read_keys(
    managed: OrganizationQuerySet,
    held: Policies,
    at_least: timedelta | None,
    top: Organization,
    paths: Paths,
    now: datetime,
) -> Iterator[Matter]:
    if at_least is None:
        return
    keys = ChannelKey.objects.current().reading().filter(channel__device__organization__in=managed)
    keys = keys.exclude(origin=ChannelKey.Origin.FOR_PROGRAM).filter(valid_from__lte=now - at_least)
    keys = keys.select_related("channel__device__organization", "channel__account").order_by("valid_from", "pk")
    late: dict[int, Device] = {}
    for key in keys.defer("value", "channel__account__key")[:LOOKED_AT]:
        device = key.channel.device
        policy = held.at(device.organization)
        due = read_key_due_at(policy, key) if policy else None
        if due and due <= now - LATE_AFTER and key.channel.account.on_platform.can_add_read_keys:
            late[device.pk] = device
    if late:
        devices = list(late.values())
        said = ngettext(
            "A read key to {names} is overdue. Are renewals paused?",
            "Read keys to {names} are overdue. Are renewals paused?",
            len(devices),
        )
        url = reverse("device_keys", args=[devices[0].pk]) if len(devices) == 1 else _all_keys(top)
        yield Matter("warn", gettext_lazy("Key overdue"), said.format(names=names_of(devices, paths)), url)


def _all_keys(organization: Organization) -> str:
    return reverse("organization_keys", args=[organization.pk])
