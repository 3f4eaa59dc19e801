"""What a manager should look at about keys: renewals in trouble, devices that stay behind, keys that are overdue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from channels.models import ChannelKey, KeyState, Renewal, RenewalPolicy
from channels.renewal_models import RenewalState
from channels.renewal_policy import SPREAD
from devices.attention_overdue import LATE_AFTER, overdue_matters
from devices.matters import Matter, names_of
from devices.models import Device
from devices.renewal_all import HAS_MOVED
from devices.renewal_due import write_key_due_at
from devices.renewal_policies import Policies
from devices.spans import DAY, day
from orgs import access
from orgs.models import Organization, User
from orgs.paths import Paths

ENDS_SOON = timedelta(days=2)
"""How long before its old key ends a device that has not moved is named."""
BY_HAND_SOON = timedelta(days=7)
"""How long before it is due a key is named that only a person can renew."""
USED_WITHIN = timedelta(minutes=15)
"""How long a device that was told its key may take to use it, and the portal to hear of that, before it is named."""
LOOKED_AT = 300
"""Keys that are looked at, the oldest first, so that the page of a large customer opens in time."""


def key_matters(user: User, now: datetime, paths: Paths | None = None) -> Iterator[Matter]:
    """Yield what needs attention about keys: four queries and one for each kind that a policy renews.

    For somebody who manages nothing it is one.
    """
    top = access.managed_organizations(user).order_by("tree_id", "lft").first()
    if top is None:
        return
    paths = paths or Paths(user)
    devices = Device.objects.managed_by(user)
    renewals = Renewal.objects.filter(channel__device__in=devices).select_related(
        "channel__device__organization", "new_key"
    )
    renewals = renewals.defer("new_key__value").order_by("deadline", "pk")
    yield from _in_trouble(renewals.filter(state=RenewalState.STARTED).exclude(trouble=""), top, paths)
    about_to_end = Q(state=RenewalState.OVERLAP, deadline__lte=now + ENDS_SOON)
    # The newest key of the device is still the one that it has not fetched, or fetched and not used for long.
    not_told = Q(new_key__told_at=None) | Q(new_key__told_at__lte=now - USED_WITHIN)
    missed = Q(not_told, state=RenewalState.DONE, new_key__state=KeyState.CURRENT)
    behind = renewals.filter(about_to_end | missed).exclude(HAS_MOVED)
    # One that is blocked is not to have its key.
    yield from _left_behind(behind.filter(channel__device__blocked_at__isnull=True), top, paths, now)
    yield from _overdue(user, top, paths, now)


def _in_trouble(renewals: Iterable[Renewal], top: Organization, paths: Paths) -> Iterator[Matter]:
    by_trouble: dict[str, list[Renewal]] = defaultdict(list)
    for renewal in renewals:
        by_trouble[renewal.trouble].append(renewal)
    for found in by_trouble.values():
        waiting = [renewal.channel.device for renewal in found]
        still_good = any(renewal.urgent and renewal.ended_there_at is None for renewal in found)
        if still_good:
            said = _("The write keys of {names} are to be revoked and are still good: {trouble}")
        else:
            said = _("The write keys of {names} are to be renewed, but: {trouble}")
        yield Matter(
            "bad" if still_good else "warn",
            gettext_lazy("Not renewed"),
            said.format(names=names_of(waiting, paths), trouble=found[0].get_trouble_display()),
            _keys_of(waiting, top),
        )


def _left_behind(renewals: Iterable[Renewal], top: Organization, paths: Paths, now: datetime) -> Iterator[Matter]:
    by_end: dict[str, list[Device]] = defaultdict(list)
    missed: list[Device] = []
    for renewal in renewals:
        if renewal.state == RenewalState.DONE or not renewal.deadline or renewal.deadline <= now:
            missed.append(renewal.channel.device)
        else:
            by_end[_when(renewal.deadline, now)].append(renewal.channel.device)
    if missed:
        said = ngettext(
            "{names} has not fetched its new key, and its old one has ended. Is it switched on?",
            "{names} have not fetched their new keys, and their old ones have ended. Are they switched on?",
            len(missed),
        )
        sentence = said.format(names=names_of(missed, paths))
        yield Matter("bad", gettext_lazy("No good key"), sentence, _keys_of(missed, top))
    for when, behind in by_end.items():
        said = ngettext(
            "{names} has not fetched its new key; its old one ends {when}.",
            "{names} have not fetched their new keys; their old ones end {when}.",
            len(behind),
        )
        sentence = said.format(names=names_of(behind, paths), when=when)
        yield Matter("warn", gettext_lazy("Old key ends"), sentence, _keys_of(behind, top))


def _when(moment: datetime, now: datetime) -> str:
    days = (timezone.localtime(moment).date() - timezone.localtime(now).date()).days
    if days <= 0:
        return _("today")
    return _("tomorrow") if days == 1 else _("on {day}").format(day=day(moment))


def _overdue(user: User, top: Organization, paths: Paths, now: datetime) -> Iterator[Matter]:
    managed = access.managed_organizations(user)
    policies = list(
        RenewalPolicy.objects.filter(organization__tree_id__in=managed.values("tree_id")).select_related("organization")
    )
    held = Policies(policies)
    yield from overdue_matters(managed, policies, top, paths, now)
    shortest = min((policy.write_every for policy in policies if policy.write_every), default=None)
    if shortest is None:
        return
    keys = ChannelKey.objects.current().writing().filter(channel__device__organization__in=managed)
    keys = keys.filter(valid_from__lte=now + BY_HAND_SOON - shortest * DAY * (1 - SPREAD)).order_by("valid_from", "pk")
    by_hand: list[Device] = []
    late: list[Device] = []
    keys = keys.select_related("channel__device__organization", "channel__account")
    for key in keys.defer("value", "channel__account__key")[:LOOKED_AT]:
        device = key.channel.device
        policy = held.at(device.organization)
        due = write_key_due_at(policy, key) if policy else None
        if due is None:
            continue
        is_moved = policy is not None and policy.instead == RenewalPolicy.Instead.REPLACE
        if not is_moved and not key.channel.account.on_platform.can_rotate_write_keys:
            by_hand += [device] if due <= now + BY_HAND_SOON else []
        elif due <= now - LATE_AFTER:
            late.append(device)
    if by_hand:
        said = ngettext(
            "The write key of {names} is due: renew it on ThingSpeak.",
            "The write keys of {names} are due: renew them on ThingSpeak.",
            len(by_hand),
        )
        sentence = said.format(names=names_of(by_hand, paths))
        yield Matter("warn", gettext_lazy("Key due"), sentence, _keys_of(by_hand, top))
    if late:
        said = ngettext(
            "The write key of {names} is overdue. Are renewals paused?",
            "The write keys of {names} are overdue. Are renewals paused?",
            len(late),
        )
        yield Matter("warn", gettext_lazy("Key overdue"), said.format(names=names_of(late, paths)), _keys_of(late, top))


def _keys_of(devices: list[Device], top: Organization) -> str:
    """The page of the device's keys; for several that of all keys that the person manages."""
    if len(devices) == 1:
        return reverse("device_keys", args=[devices[0].pk])
    return reverse("organization_keys", args=[top.pk])
