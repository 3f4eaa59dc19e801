"""Changing and ending people's places in organizations. A customer always keeps somebody who manages it."""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from orgs.errors import AlreadyThere, CannotMove, ChangedMeanwhile, LastManager
from orgs.models import Membership, MembershipQuerySet, Organization, User
from orgs.natural import natural_key
from orgs.tree import lock_tree_of


@transaction.atomic
def change(membership: Membership, *, relation: str, valid_until: datetime | None) -> None:
    """Make somebody a member or a manager, for good or until a moment. Raises LastManager."""
    lock_tree_of(membership.organization)
    Membership.objects.filter(pk=membership.pk).update(relation=relation, valid_until=valid_until)
    _require_a_manager(membership.organization)
    membership.relation, membership.valid_until = relation, valid_until


@transaction.atomic
def move(membership: Membership, *, to: Organization) -> None:
    """Place somebody in another organization of the same customer.

    Raises LastManager, CannotMove for another customer's organization, and AlreadyThere.
    """
    lock_tree_of(membership.organization)
    if to.tree_id != membership.organization.tree_id:
        raise CannotMove(_("A person cannot be moved to another customer. Invite them there."))
    if Membership.objects.filter(user=membership.user_id, organization=to).exists():  # perhaps by this very place
        raise AlreadyThere(_("{who} is in {name} already.").format(who=membership.user, name=to.name))
    Membership.objects.filter(pk=membership.pk).update(organization=to)
    _require_a_manager(membership.organization)
    membership.organization = to


@transaction.atomic
def remove(membership: Membership) -> None:
    """End somebody's place in an organization. Raises LastManager."""
    lock_tree_of(membership.organization)
    # Where an operator has locked out the only manager, everybody else can still leave.
    is_needed = _lasting_managers().filter(pk=membership.pk).exists()
    Membership.objects.filter(pk=membership.pk).delete()
    if is_needed:
        _require_a_manager(membership.organization)


@transaction.atomic
def restore(membership: Membership) -> None:
    """Give a place back that was removed just now, as it was. Raises AlreadyThere, and CannotMove if it is too late."""
    lock_tree_of(membership.organization)
    if Membership.objects.filter(user=membership.user_id, organization=membership.organization_id).exists():
        raise AlreadyThere(
            _("{who} is in {name} already.").format(who=membership.user, name=membership.organization.name)
        )
    if not membership.is_current:
        raise CannotMove(_("This place has run out in the meantime."))
    membership.save(force_insert=True)


def require_unchanged(membership: Membership) -> None:
    """Raise ChangedMeanwhile unless the place is as it was when `membership` was read.

    To be called inside the transaction that changes it, after `orgs.tree.lock_tree_of`.
    """
    as_it_was = Membership.objects.filter(
        pk=membership.pk,
        organization=membership.organization_id,
        relation=membership.relation,
        valid_until=membership.valid_until,
    )
    if not as_it_was.exists():
        raise ChangedMeanwhile(
            _("Somebody else has just changed the place of {who}. Look at it again.").format(who=membership.user)
        )


def addresses_of(user: User) -> set[str]:
    """Return, in small letters, the addresses under which the person is known: an invitation there reaches them."""
    confirmed = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    return {address.lower() for address in (user.email, *confirmed)}


def customers_left_alone_by(user: User) -> list[Organization]:
    """Return the customers that have a manager in this person, and would have none left if they went.

    Not those whose only manager is somebody else whom an operator has locked out: they are not this person's to close.
    """
    lasting = _lasting_managers().filter(organization=OuterRef("pk"))
    customers = Organization.objects.get_queryset().customers().filter(Exists(lasting.filter(user=user)))
    alone = customers.filter(~Exists(lasting.exclude(user=user)))
    return sorted(alone.order_by("pk"), key=lambda customer: natural_key(customer.name))


def _lasting_managers() -> MembershipQuerySet:
    # One whose place runs out does not count: nobody could prolong it afterwards.
    return Membership.objects.filter(
        relation=Membership.Relation.MANAGER, valid_until__isnull=True, user__is_active=True
    )


def why_needed(membership: Membership) -> str | None:
    """Return why this place cannot end for now, in a sentence, or None if it can."""
    customer = membership.organization
    if membership.relation != Membership.Relation.MANAGER or not customer.is_customer:
        return None
    lasting = _lasting_managers().filter(organization=customer).values_list("pk", flat=True)[:2]
    return _no_manager_left(customer) if list(lasting) == [membership.pk] else None


def _require_a_manager(touched: Organization) -> None:
    if touched.is_customer and not _lasting_managers().filter(organization=touched).exists():
        raise LastManager(_no_manager_left(touched))


def _no_manager_left(customer: Organization) -> str:
    return _("{name} would have no manager left. Make somebody else a manager first.").format(name=customer.name)
