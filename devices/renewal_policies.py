"""The renewal policies of one customer, read once: which of them holds where."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Self

from channels.models import RenewalPolicy
from channels.renewal import DEFAULT_OVERLAP
from orgs.models import Organization


class Policies:
    """All policies of a customer, so that a page with many keys asks for them in one query."""

    def __init__(self, policies: Iterable[RenewalPolicy]) -> None:
        self._nearest_first = sorted(policies, key=lambda policy: -policy.organization.level)

    @classmethod
    def of_customer(cls, organization: Organization) -> Self:
        """Return those of the customer that `organization` belongs to, in one query."""
        there = RenewalPolicy.objects.filter(organization__tree_id=organization.tree_id)
        return cls(there.select_related("organization", "changed_by"))

    def with_own(self, tried: RenewalPolicy) -> Policies:
        """Return the same with another policy for its organization, which somebody tries out."""
        others = [one for one in self._nearest_first if one.organization_id != tried.organization_id]
        return Policies([*others, tried])

    def at(self, organization: Organization) -> RenewalPolicy | None:
        """Return the policy that holds at `organization`: its own, or the nearest above it."""
        return next((one for one in self._nearest_first if one.organization.contains(organization)), None)

    def own(self, organization: Organization) -> RenewalPolicy | None:
        """Return the organization's own policy."""
        return next((one for one in self._nearest_first if one.organization_id == organization.pk), None)

    def above(self, organization: Organization) -> RenewalPolicy | None:
        """Return the policy that the organization inherits, or would if it had none of its own."""
        others = [one for one in self._nearest_first if one.organization_id != organization.pk]
        return next((one for one in others if one.organization.contains(organization)), None)

    def pause_above(self, organization: Organization) -> RenewalPolicy | None:
        """Return the policy above the organization whose pause stops renewals there, whatever its own one says."""
        stopping = self.pause_at(organization)
        return stopping if stopping and stopping.organization_id != organization.pk else None

    def pause_at(self, organization: Organization) -> RenewalPolicy | None:
        """Return the policy whose pause stops renewals at `organization`, the topmost if there are several."""
        paused = [one for one in self._nearest_first if one.paused and one.organization.contains(organization)]
        return paused[-1] if paused else None

    def overlap_at(self, organization: Organization) -> timedelta:
        """Return how long an old key stays good at most when somebody renews one by hand and says nothing else."""
        policy = self.at(organization)
        return policy.overlap if policy else DEFAULT_OVERLAP
