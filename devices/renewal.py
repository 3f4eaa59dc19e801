"""Renewing a registration key: the devices switch by themselves, each when it asks next.

The old key stays good for the devices that know it, and its envelopes carry the new one; new devices get in with the
new one alone. Ending the old one locks out whoever has not switched: those need the new key set into them by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from channels.errors import CannotRenew
from devices.models import Device, RegistrationKey
from orgs import audit
from orgs.models import User


def renew(
    key: RegistrationKey, *, by: User | None, until: datetime | None = None, address: str | None = None
) -> RegistrationKey:
    """Issue the successor of `key` and return it. `by` nobody means: the policy says so.

    The old one ends `until` that moment; without one, as soon as all devices have moved. Raises CannotRenew for a key
    that is over or has been renewed already.
    """
    if not key.is_good:
        raise CannotRenew(_("This key is over. Issue a new one instead."))
    if key.successor_id is not None:
        raise CannotRenew(_("This key has been renewed already."))
    # Before the transaction: deriving the envelope key takes its time.
    successor = RegistrationKey.draw(
        key.organization, by=by, label=key.label, expires_at=key.expires_at, use_limit=key.use_limit
    )
    now = timezone.now()
    with transaction.atomic():
        successor.save(force_insert=True)
        ends_at = key.expires_at if until is None else min(until, key.expires_at or until)
        renewed = RegistrationKey.objects.good().filter(pk=key.pk, successor__isnull=True)
        if not renewed.update(successor=successor, renewed_at=now, expires_at=ends_at, ends_when_moved=until is None):
            raise CannotRenew(_("This key has just been renewed by somebody else."))
        RegistrationKey.objects.filter(successor=key).update(successor=successor)
        key.refresh_from_db()
        # How many devices it has let in is counted for the whole line.
        RegistrationKey.objects.filter(pk=successor.pk).update(first=key.line, uses=key.uses)
        successor.refresh_from_db()
        _record("registration_key.renewed", key, by=by, address=address, until=ends_at, successor=str(successor))
    return successor


def end(key: RegistrationKey, *, by: User | None, address: str | None = None) -> None:
    """End a key that has been renewed, now. Devices that have not moved are locked out. Ending twice is no error.

    Raises CannotRenew for a key without a successor: that one is revoked, not ended.
    """
    if key.successor_id is None:
        raise CannotRenew(_("This key has no successor yet. Renew it first, or revoke it."))
    now = timezone.now()
    with transaction.atomic():
        if RegistrationKey.objects.good(now).filter(pk=key.pk).update(expires_at=now):
            _record(
                "registration_key.ended", key, by=by, address=address, left_behind=progress(key).left_behind.count()
            )
    key.refresh_from_db()


def revoke(key: RegistrationKey, *, by: User, address: str | None = None, with_successors: bool = False) -> int:
    """End a key at once, in an emergency; return how many keys that were.

    No device gets anything with it from the next request on; devices keep their channels and go on writing.
    `with_successors`: also those that were sent to devices in envelopes of this key, which whoever has this one could
    open.
    """
    doomed = Q(pk=key.pk)
    if with_successors:
        doomed |= Q(first=key.line, created_at__gt=key.created_at)
    with transaction.atomic():
        keys = list(RegistrationKey.objects.select_for_update().filter(doomed, revoked_at__isnull=True))
        for one in keys:
            one.revoke()
            _record("registration_key.revoked", one, by=by, address=address)
    key.refresh_from_db()
    return len(keys)


@dataclass(frozen=True)
class Progress:
    """How far the devices have come that use a key which has been renewed, or one of its line."""

    devices: QuerySet[Device]
    moved: QuerySet[Device]
    left_behind: QuerySet[Device]
    """Those that have not asked with the new key yet: ending the old one locks them out."""


def progress(key: RegistrationKey) -> Progress:
    """Return who has moved from `key`, or from one before it, to its successor."""
    devices = Device.objects.that_use_line_of(key)
    newest = key.successor_id or key.pk
    return Progress(devices, devices.that_use(newest), devices.exclude(pk__in=Device.objects.that_use(newest)))


def end_moved() -> int:
    """End the renewed keys that no device needs any more, where that was agreed; return how many."""
    ended = 0
    for key in (
        RegistrationKey.objects.renewed()
        .filter(ends_when_moved=True)
        .select_related("organization")
        .defer("secret", "envelope_key_base64")
    ):
        if not Device.objects.that_use(key.pk).exists():
            end(key, by=None)
            ended += 1
    return ended


def _record(
    action: str, key: RegistrationKey, *, by: User | None, address: str | None = None, **details: audit.Plain
) -> None:
    audit.record(action, by=by, organization=key.organization, about=key, address=address, **details)
