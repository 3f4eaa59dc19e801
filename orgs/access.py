"""Who may see and do what. Nothing else in the project compares organizations to decide that.

A *member* sees the devices of the organization and of all below it; a *manager* also manages that subtree. Every
lookup starts from one of these querysets and only narrows it: what is not in it does not exist for that person (404).
While a customer is suspended, nobody sees or manages anything of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from orgs.models import Invitation, Membership, Organization, OrganizationQuerySet

if TYPE_CHECKING:
    from orgs.models import InvitationQuerySet, MembershipQuerySet, User


def _at_or_below(memberships: MembershipQuerySet) -> OrganizationQuerySet:
    """The organizations of these memberships and all below them: one subquery at any depth."""
    above = memberships.filter(
        organization__tree_id=OuterRef("tree_id"),
        organization__lft__lte=OuterRef("lft"),
        organization__rght__gte=OuterRef("rght"),
    )
    return Organization.objects.get_queryset().filter(Exists(above), ~_is_suspended("tree_id"))


def _is_suspended(tree_id: str) -> Exists:
    """Whether the customer with the tree that the outer query's `tree_id` names is suspended."""
    return Exists(Organization.objects.get_queryset().suspended().filter(tree_id=OuterRef(tree_id)))


def _memberships_of(user: User | AnonymousUser) -> MembershipQuerySet:
    if user.is_anonymous or not user.is_active:
        return Membership.objects.none()
    return Membership.objects.current().filter(user=user)


def visible_organizations(user: User | AnonymousUser) -> OrganizationQuerySet:
    """Return the organizations whose devices `user` may see."""
    return _at_or_below(_memberships_of(user))


def managed_organizations(user: User | AnonymousUser) -> OrganizationQuerySet:
    """Return the organizations that `user` manages."""
    return _at_or_below(_memberships_of(user).filter(relation=Membership.Relation.MANAGER))


def visible_path(user: User | AnonymousUser, organization: Organization) -> OrganizationQuerySet:
    """Return what `organization` is in, the topmost first, as far as `user` may know of it; itself included."""
    return visible_organizations(user).at_or_above(organization)


def managed_memberships(user: User | AnonymousUser) -> MembershipQuerySet:
    """Return the places in organizations that `user` manages, those that have run out included."""
    return Membership.objects.filter(organization__in=managed_organizations(user))


def own_memberships(user: User | AnonymousUser) -> MembershipQuerySet:
    """Return the places that `user` has themselves and may leave, also those of suspended customers."""
    return _memberships_of(user)


def known_memberships(user: User | AnonymousUser) -> MembershipQuerySet:
    """Return the places that matter to what `user` manages: those in it, and the current ones above it.

    The latter are not for `user` to change, and the organizations that they are in not always for `user` to know.
    """
    managed = managed_organizations(user)
    below = managed.filter(
        tree_id=OuterRef("organization__tree_id"),
        lft__gte=OuterRef("organization__lft"),
        rght__lte=OuterRef("organization__rght"),
    )
    above = Membership.objects.current().filter(Exists(below)).values("pk")
    return Membership.objects.filter(Q(organization__in=managed) | Q(pk__in=above))


def visible_without(membership: Membership) -> OrganizationQuerySet:
    """Return the organizations whose devices the person would still see if this place of theirs ended."""
    return _at_or_below(Membership.objects.current().filter(user=membership.user_id).exclude(pk=membership.pk))


def managed_invitations(user: User | AnonymousUser) -> InvitationQuerySet:
    """Return the invitations into organizations that `user` manages."""
    return Invitation.objects.filter(organization__in=managed_organizations(user))


def suspended_customers_of(user: User | AnonymousUser) -> OrganizationQuerySet:
    """Return the suspended customers that `user` belongs to, to be told why their devices are not there."""
    theirs = _memberships_of(user).filter(organization__tree_id=OuterRef("tree_id"))
    return Organization.objects.get_queryset().suspended().filter(Exists(theirs))


def with_whether_they_manage(users: QuerySet[User]) -> QuerySet[User]:
    """Return the users with `manages`: whether there is anything that they manage. For what to offer, not to allow."""
    manager = Membership.objects.current().filter(user=OuterRef("pk"), relation=Membership.Relation.MANAGER)
    return users.annotate(manages=Exists(manager))


def may_see(user: User | AnonymousUser, organization: Organization) -> bool:
    """The rule of `visible_organizations`, asked of one."""
    return visible_organizations(user).filter(pk=organization.pk).exists()


def may_manage(user: User | AnonymousUser, organization: Organization) -> bool:
    """The rule of `managed_organizations`, asked of one."""
    return managed_organizations(user).filter(pk=organization.pk).exists()


def sees(*, user: str, organization: str) -> Exists:
    """Return the rule as a condition on rows that hold both: paths to the person's id and to the organization.

    A suspension is not looked at: it hides everything for a while and takes nobody's right away.
    """
    return Exists(
        Membership.objects.current().filter(
            user=OuterRef(user),
            user__is_active=True,
            organization__tree_id=OuterRef(f"{organization}__tree_id"),
            organization__lft__lte=OuterRef(f"{organization}__lft"),
            organization__rght__gte=OuterRef(f"{organization}__rght"),
        )
    )


def people_who_see(organization: Organization) -> QuerySet[Membership]:
    """Return the current memberships that let somebody see the devices of `organization`: at it or above it."""
    return (
        Membership.objects.current()
        .filter(
            ~_is_suspended("organization__tree_id"),
            organization__in=Organization.objects.get_queryset().at_or_above(organization),
            user__is_active=True,
        )
        .select_related("user", "organization")
    )
