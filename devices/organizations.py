"""Organizations with what is in them, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from django.db.models import Count

from devices.models import Device
from orgs import access
from orgs.models import Membership, Organization, User
from orgs.natural import natural_key


@dataclass
class Branch:
    """An organization in a tree, as one person sees it. `people` counts those at it and below, for managers alone."""

    organization: Organization
    is_managed: bool
    devices: int = 0
    members: set[int] = field(default_factory=set)
    below: list[Branch] = field(default_factory=list)
    is_found: bool = False
    """Whether it is one of those that were looked for."""

    @property
    def people(self) -> int:
        return len(self.members)

    @property
    def manages_something(self) -> bool:
        """Whether this organization, or one below it, is the person's to manage."""
        return self.is_managed or any(branch.manages_something for branch in self.below)

    @property
    def organizations_below(self) -> int:
        """How many organizations are below this one, at any depth."""
        return sum(1 + branch.organizations_below for branch in self.below)

    @property
    def leads_to_found(self) -> bool:
        """Whether it, or one below it, was looked for."""
        return self.is_found or any(branch.leads_to_found for branch in self.below)

    @property
    def is_closed(self) -> bool:
        """Whether it was looked for and nothing below it was, so that what is below need not be in the way."""
        return self.is_found and not any(branch.leads_to_found for branch in self.below)

    def look_for(self, text: str) -> bool:
        """Keep below it what has `text` in its name or description, with the way there and all below that.

        Return whether there is any, itself included.
        """
        place = self.organization
        self.is_found = text.casefold() in f"{place.name}\n{place.description}".casefold()
        leading = [branch for branch in self.below if branch.look_for(text)]
        if leading or not self.is_found:
            self.below = leading
        return self.is_found or bool(leading)

    def upper_levels(self, *, most: int) -> list[Branch]:
        """Return what is below it: all, or if that is more than `most` organizations those directly below it alone.

        If these are more, too, nothing is returned.
        """
        if self.organizations_below <= most:
            return self.below
        return [replace(branch, below=[]) for branch in self.below] if len(self.below) <= most else []

    def add_up(self) -> None:
        """Add to each branch what is below it, and put the branches below in the order of their names."""
        for branch in self.below:
            branch.add_up()
            self.devices += branch.devices
            self.members |= branch.members
        self.below.sort(key=lambda branch: natural_key(branch.organization.name))


def trees_of(user: User) -> list[Branch]:
    """Return the organizations that `user` sees, as trees with counts, in four queries."""
    visible = access.visible_organizations(user)
    return _trees(user, visible.order_by("tree_id", "lft"))


def tree_below(user: User, organization: Organization) -> Branch:
    """Return the tree of `organization`, which `user` sees, in four queries."""
    at_or_below = Organization.objects.get_queryset().at_or_below(organization)
    return _trees(user, at_or_below.order_by("lft"))[0]


def _trees(user: User, organizations: Iterable[Organization]) -> list[Branch]:
    managed = set(access.managed_organizations(user).values_list("pk", flat=True))
    branches = {one.pk: Branch(one, one.pk in managed) for one in organizations}
    in_each = Device.objects.filter(organization__in=branches).values("organization").order_by()
    for pk, count in in_each.annotate(count=Count("pk")).values_list("organization", "count"):
        branches[pk].devices = count
    people = Membership.objects.current().filter(organization__in=branches.keys() & managed)
    for pk, member in people.values_list("organization", "user"):
        branches[pk].members.add(member)
    roots: list[Branch] = []
    for branch in branches.values():
        parent = branches.get(branch.organization.parent_id or 0)
        (parent.below if parent else roots).append(branch)
    for root in roots:
        root.add_up()
    return sorted(roots, key=lambda branch: natural_key(branch.organization.name))
