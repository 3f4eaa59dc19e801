"""A registration key and its renewals in words: who has moved to the new one, and what happens next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from devices import renewal
from devices.models import Device, RegistrationKey
from devices.renewal_due import registration_key_due_at
from devices.renewal_policies import Policies
from devices.spans import day, day_and_time


@dataclass(frozen=True)
class RegistrationKeyLine:
    """One registration key of a timeline."""

    key: RegistrationKey
    until: str
    devices: int

    @property
    def is_good(self) -> bool:
        return self.key.is_good


@dataclass(frozen=True)
class Moving:
    """How far a renewal is: `old` still serves those who have not moved."""

    old: RegistrationKey
    devices: int
    moved: int

    @property
    def left_behind(self) -> int:
        return self.devices - self.moved

    @property
    def is_complete(self) -> bool:
        return self.left_behind == 0

    @property
    def sentence(self) -> str:
        said = ngettext(
            "{moved} of {count} device has moved.", "{moved} of {count} devices have moved.", self.devices
        ).format(moved=self.moved, count=self.devices)
        if not self.devices:
            return _("No device uses the old key; it can end now.")
        if self.is_complete:
            return _("{progress} The old key can end now.").format(progress=said)
        return said

    @property
    def ends(self) -> str:
        """When the old key ends, in a sentence."""
        if self.old.ends_when_moved and self.old.expires_at:
            said = _("The old key ends by itself when all have moved, on {until} at the latest.")
            return said.format(until=day_and_time(self.old.expires_at))
        if self.old.ends_when_moved:
            return _("The old key ends by itself when all have moved, or when you end it.")
        if self.old.expires_at:
            return _("The old key ends on {until}.").format(until=day_and_time(self.old.expires_at))
        return _("The old key ends when you end it.")


def line_of(key: RegistrationKey) -> list[RegistrationKeyLine]:
    """Return the key with all that it is a renewal of and that are renewals of it, the newest first; two queries."""
    line = RegistrationKey.objects.filter(Q(pk=key.line) | Q(first=key.line)).select_related("created_by")
    line = line.defer(*RegistrationKey.SECRETS).order_by("-created_at", "-pk")
    used = Device.objects.that_use_line_of(key).values_list("contact__asked_with", "registered_with")
    counts: dict[int, int] = {}
    for asked_with, registered_with, count in used.annotate(count=Count("pk")).order_by():
        by = asked_with or registered_with
        counts[by] = counts.get(by, 0) + count
    return [_line(one, counts.get(one.pk, 0)) for one in line]


def _line(key: RegistrationKey, devices: int) -> RegistrationKeyLine:
    if key.revoked_at:
        return RegistrationKeyLine(key, _("revoked {day}").format(day=day(key.revoked_at)), devices)
    if not key.is_good and key.expires_at:
        return RegistrationKeyLine(key, _("ended {day}").format(day=day(key.expires_at)), devices)
    return RegistrationKeyLine(key, good_until(key), devices)


def good_until(key: RegistrationKey) -> str:
    """Return until when a good key is good, in words."""
    if key.successor_id and key.ends_when_moved:
        return _("all devices have the new one")
    if key.expires_at:
        return day_and_time(key.expires_at)
    return _("it is renewed and ended") if key.successor_id else _("it is revoked")


def moving_of(key: RegistrationKey) -> Moving | None:
    """Return how far the renewal is that `key` is the old or the new key of, if it still goes on."""
    if key.successor_id is not None:
        old = key if key.is_good else None
    else:
        before = RegistrationKey.objects.renewed().filter(successor=key).defer(*RegistrationKey.SECRETS)
        old = before.order_by("-created_at").first()
    if old is None:
        return None
    told = renewal.progress(old)
    return Moving(old, told.devices.count(), told.moved.count())


def next_renewal(key: RegistrationKey, policies: Policies, now: datetime) -> str:
    """Return in a sentence when a key that lets devices in is renewed next."""
    policy = policies.at(key.organization)
    due = registration_key_due_at(policy, key) if policy else None
    if due is None:
        return _("Nothing renews it by itself: no policy says so.")
    if policies.pause_at(key.organization):
        return _("It was to be renewed about {day}, but renewals are paused.").format(day=day(due))
    if due <= now:
        return _("It is due now and is renewed by itself, outside of the policy's quiet hours.")
    return _("It is renewed by itself about {day}, as the policy says.").format(day=day(due))


def line_context(key: RegistrationKey, now: datetime) -> dict[str, Any]:
    """Return what the page of a key says about its renewal."""
    is_newest = key.is_good and key.successor_id is None
    policies = Policies.of_customer(key.organization) if is_newest else None
    return {
        "line": line_of(key),
        "moving": moving_of(key),
        "next": next_renewal(key, policies, now) if policies else "",
        "good_until": good_until(key),
    }
