"""Changing an organization's renewal policy, without undoing what somebody else did at the same moment."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from channels.models import RenewalPolicy
from orgs import audit
from orgs.models import Organization, User


def save_policy(
    organization: Organization, own: RenewalPolicy | None, values: dict[str, Any], *, by: User, address: str | None
) -> bool:
    """Store the organization's own policy. Return False if it is no longer `own`, as whoever typed has seen it.

    Renewals that have begun keep what they were begun with; the next ones go by the new policy.
    """
    try:
        with transaction.atomic():
            if own is None:
                RenewalPolicy.objects.create(organization=organization, changed_by=by, **values)
            else:
                same = RenewalPolicy.objects.filter(pk=own.pk, changed_at=own.changed_at)
                if not same.update(**values, changed_by=by, changed_at=timezone.now()):
                    return False
            _record("renewal_policy.changed" if own else "renewal_policy.made", organization, by=by, address=address)
    except IntegrityError:
        return False  # somebody else has just made one
    return True


def pause(own: RenewalPolicy, *, paused: bool, by: User, address: str | None) -> bool:
    """Switch the pause of a policy on or off; return whether this call did it."""
    with transaction.atomic():
        other = RenewalPolicy.objects.filter(pk=own.pk, paused=not paused)
        if not other.update(paused=paused, changed_by=by, changed_at=timezone.now()):
            return False
        action = "renewal_policy.paused" if paused else "renewal_policy.resumed"
        _record(action, own.organization, by=by, address=address)
    return True


def remove_policy(own: RenewalPolicy, *, by: User, address: str | None) -> bool:
    """Let what is above hold again; return whether this call did it."""
    with transaction.atomic():
        deleted, _by_model = RenewalPolicy.objects.filter(pk=own.pk).delete()
        if deleted:
            _record("renewal_policy.removed", own.organization, by=by, address=address)
    return bool(deleted)


def _record(action: str, organization: Organization, *, by: User, address: str | None) -> None:
    audit.record(action, by=by, organization=organization, about=organization, address=address)
