"""Who may see and do what. Nothing else in the project compares organizations to decide that.

A *member* sees the devices of the organization and of all below it; a *manager* also manages that subtree. Every
lookup starts from one of these querysets and only narrows it: what is not in it does not exist for that person (404).
While a customer is suspended, nobody sees or manages anything of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, When

from orgs.models import Invitation, Membership, Organization, OrganizationQuerySet

if TYPE_CHECKING:
    from orgs.models import InvitationQuerySet, MembershipQuerySet, User


def _at_or_below(memberships: MembershipQuerySet) -> OrganizationQuerySet:
    """The organizations of these memberships and all below them: one subquery at any depth."""
    return Organization.objects.get_queryset().filter(Exists(_that_reach(memberships)), ~_is_suspended("tree_id"))


def _that_reach(memberships: MembershipQuerySet) -> MembershipQuerySet:
    """Those of the memberships that are at or above the organization of the outer query."""
    return memberships.filter(
        organization__tree_id=OuterRef("tree_id"),
        organization__lft__lte=OuterRef("lft"),
        organization__rght__gte=OuterRef("rght"),
    )


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


def organizations_seen_since(moment: datetime, *, by: User) -> OrganizationQuerySet:
    """Return the organizations whose devices `by` may see by a place that they had at `moment`."""
    return _at_or_below(_memberships_of(by).filter(created_at__lt=moment))


def managed_organizations(user: User | AnonymousUser) -> OrganizationQuerySet:
    """Return the organizations that `user` manages."""
    return _at_or_below(_memberships_of(user).filter(relation=Membership.Relation.MANAGER))


def last_place_that_ended(user: User) -> Membership | None:
    """Return the place of `user` whose time has run out most lately."""
    return Membership.objects.over().filter(user=user).order_by("-valid_until").first()


def visible_path(user: User | AnonymousUser, organization: Organization) -> OrganizationQuerySet:
    """Return what `organization` is in, the topmost first, as far as `user` may know of it; itself included."""
    return visible_organizations(user).at_or_above(organization)


def below_what_is_called(words: Sequence[str], user: User | AnonymousUser) -> dict[str, OrganizationQuerySet]:
    """Return for each word what is below those that have it in their name, as far as `user` sees these; one query.

    A customer's own name does not count: everything would be found.
    """
    if not words:
        return {}
    # Asked here, and not inside of a query for a thousand devices: there are few such houses, mostly none.
    has = {f"has_{number}": Q(name__icontains=word) for number, word in enumerate(words)}
    with_parts = visible_organizations(user).filter(parent__isnull=False, rght__gt=F("lft") + 1)
    of_each = {name: Case(When(condition, then=True), default=False) for name, condition in has.items()}
    houses = with_parts.filter(reduce(or_, has.values())).annotate(**of_each).order_by().values_list("pk", *has)
    rows = list(houses)
    return {word: _below({row[0] for row in rows if row[number]}) for number, word in enumerate(words, start=1)}


def _below(houses: Collection[int]) -> OrganizationQuerySet:
    if not houses:
        return Organization.objects.get_queryset().none()
    above = Organization.objects.get_queryset().filter(
        pk__in=houses, tree_id=OuterRef("tree_id"), lft__lt=OuterRef("lft"), rght__gt=OuterRef("rght")
    )
    return Organization.objects.get_queryset().filter(Exists(above))


def what_paths_lead_through(user: User | AnonymousUser) -> list[tuple[int, str, int, int | None]]:
    """Return number, name, tree, and what it is in, of what `user` sees and what can be part of a path (`orgs.paths`).

    Those with organizations below them, and those of which `user` is told by a place alone: the houses of a landlord
    and not the flats.
    """
    with_parts, own = Q(rght__gt=F("lft") + 1), Q(pk__in=_memberships_of(user).values("organization"))
    visible = visible_organizations(user).filter(with_parts | own).order_by()
    return list(visible.values_list("pk", "name", "tree_id", "parent"))


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


def places_as_known_to(user: User, *, of: Collection[int]) -> list[tuple[int, int, bool, bool]]:
    """Return the current places of these people with the customers of which `user` manages something.

    Each as: the person, the customer's tree, whether `user` manages that place, and whether it is above such a one.
    """
    managed = managed_organizations(user)
    same_tree = managed.filter(tree_id=OuterRef("organization__tree_id"))
    below = same_tree.filter(lft__gte=OuterRef("organization__lft"), rght__lte=OuterRef("organization__rght"))
    places = (
        Membership.objects.current()
        .filter(Exists(same_tree), user__in=of)
        .annotate(is_mine=Exists(managed.filter(pk=OuterRef("organization"))), is_above=Exists(below))
    )
    return list(places.values_list("user", "organization__tree_id", "is_mine", "is_above"))


def people_known_to(user: User, *, of: Collection[int]) -> set[int]:
    """Return which of these people have a place in what `user` manages, or above that; and `user`."""
    places = places_as_known_to(user, of=of)
    return {user.pk, *(person for person, _tree, is_mine, is_above in places if is_mine or is_above)}


def with_whether_managed(user: User) -> list[tuple[int, str, int, int | None, bool]]:
    """Return of each organization that `user` sees: number, name, tree, what it is in, and whether they manage it."""
    managed = managed_organizations(user).filter(pk=OuterRef("pk"))
    visible = visible_organizations(user).annotate(is_managed=Exists(managed)).order_by()
    return list(visible.values_list("pk", "name", "tree_id", "parent", "is_managed"))


def visible_without(membership: Membership) -> OrganizationQuerySet:
    """Return the organizations whose devices the person would still see if this place of theirs ended."""
    return _at_or_below(Membership.objects.current().filter(user=membership.user_id).exclude(pk=membership.pk))


def managed_invitations(user: User | AnonymousUser) -> InvitationQuerySet:
    """Return the invitations into organizations that `user` manages, each with whether it `stands`."""
    mine = Invitation.objects.filter(organization__in=managed_organizations(user))
    return mine.annotate(stands=_sender_stands())  # type: ignore[no-redef]  # The model declares it.


def standing_invitations() -> InvitationQuerySet:
    """Return the invitations that somebody stands behind: whoever sent it still manages what it leads into.

    Otherwise a manager who is to go could invite themselves under another address, and be back a week later. A
    suspension is not looked at, as in `sees`. Those that operators have sent stand as long as they are operators.
    """
    return Invitation.objects.filter(_sender_stands())


def _sender_stands() -> Q:
    manages = Membership.objects.current().filter(
        user=OuterRef("invited_by"),
        user__is_active=True,
        relation=Membership.Relation.MANAGER,
        organization__tree_id=OuterRef("organization__tree_id"),
        organization__lft__lte=OuterRef("organization__lft"),
        organization__rght__gte=OuterRef("organization__rght"),
    )
    operators = get_user_model().objects.filter(pk=OuterRef("invited_by"), is_staff=True, is_active=True)
    return Q(Exists(manages) | Exists(operators))


def invitations_resting_on(membership: Membership, *, but_with: Organization | None = None) -> InvitationQuerySet:
    """Return the open invitations that nobody would stand behind if this person managed by this place no longer.

    `but_with`: they get one there instead, and may do there what they may do here.
    """
    if membership.relation != Membership.Relation.MANAGER or not membership.is_current:
        return Invitation.objects.none()
    others = Membership.objects.current().filter(user=membership.user_id, relation=Membership.Relation.MANAGER)
    resting = (
        standing_invitations()
        .open()
        .filter(
            invited_by=membership.user_id,
            invited_by__is_staff=False,
            organization__in=Organization.objects.get_queryset().at_or_below(membership.organization),
        )
    )
    if but_with is not None:
        resting = resting.exclude(organization__in=Organization.objects.get_queryset().at_or_below(but_with))
    return resting.exclude(organization__in=_at_or_below(others.exclude(pk=membership.pk)))


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


def manages_until(user: User, organization: Organization) -> datetime | None:
    """Return when `user`, who manages `organization`, does so no longer; None: they do for good."""
    return manages_until_each(user, [organization.pk]).get(organization.pk)


def manages_until_each(user: User, organizations: Iterable[int]) -> dict[int, datetime | None]:
    """Return the same for each of these numbers of organizations, in one query, with the tree as it is now."""
    managing = _that_reach(_memberships_of(user).filter(relation=Membership.Relation.MANAGER))
    last = managing.order_by(F("valid_until").desc(nulls_first=True)).values("valid_until")[:1]
    them = Organization.objects.get_queryset().filter(pk__in=organizations).order_by()
    return dict(them.annotate(until=Subquery(last)).values_list("pk", "until"))


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
