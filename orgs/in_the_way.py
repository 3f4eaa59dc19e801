"""Why somebody cannot log in, or sees nothing when they have, in words for operators."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.utils.translation import gettext as _

from orgs.models import Membership, Organization, User


def in_the_way_of(person: User) -> list[str]:
    """Return what is in the way of a person, each in a sentence; nothing if all is well with them. Four queries."""
    said = []
    if not person.is_active:
        said.append(_("They are locked out: “active” is off."))
    addresses = EmailAddress.objects.filter(user=person, email__iexact=person.email)
    if not addresses.filter(verified=True).exists():
        said.append(_("The address is not confirmed: a link for that is mailed at each try to log in."))
    if not person.has_usable_password():
        said.append(_("There is no password: a link to choose one can be sent from here."))
    places = Membership.objects.filter(user=person)
    current = places.current()
    if not current.exists():
        over = places.exists()
        said.append(
            _("All places have run out: after logging in they see nothing.")
            if over
            else _("They have no place in any organization: after logging in they see nothing.")
        )
    else:
        trees = current.values("organization__tree_id")
        if not Organization.objects.filter(parent=None, suspended_at=None, tree_id__in=trees).exists():
            said.append(_("Each customer where they have a place is suspended: after logging in they see nothing."))
    return said
