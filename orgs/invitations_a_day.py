"""How many invitations a customer may send within a day: nobody shall write to strangers through the portal."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orgs.audit import INVITATIONS_SENT, AuditEntry, AuditEntryQuerySet
from orgs.errors import TooManyInvitations
from orgs.models import Organization
from orgs.tree import lock_tree_of


def sent_since(moment: datetime, *, organization: Organization) -> AuditEntryQuerySet:
    """Return the entries that tell of invitations of the customer mailed after `moment`. They have an index."""
    return AuditEntry.objects.filter(
        INVITATIONS_SENT, organization__tree_id=organization.tree_id, created_at__gt=moment
    )


def mails_left(organization: Organization) -> int:
    """Return how many more invitations the customer may send within this day: what was sent is what is written down.

    Until the running transaction ends nobody else of the customer sends one: two at once would both see room for the
    last.
    """
    lock_tree_of(organization)
    sent = sent_since(timezone.now() - timedelta(days=1), organization=organization).count()
    return max(settings.INVITATIONS_A_DAY - sent, 0)


def none_left() -> TooManyInvitations:
    """Return the refusal of one that is too many for this day."""
    return TooManyInvitations(
        _("No more than {count} invitations can be sent within a day. Please go on tomorrow.").format(
            count=settings.INVITATIONS_A_DAY
        )
    )


def require_mails_left(organization: Organization, *, count: int = 1) -> None:
    """Keep a customer from writing to strangers without end. Locks as `mails_left` does.

    Raises TooManyInvitations if `count` more are too many for this day.
    """
    left = mails_left(organization)
    if not left:
        raise none_left()
    if count > left:
        raise TooManyInvitations(
            ngettext(
                "Only {left} more invitation can be sent within this day, and here are {count}. Nobody was invited.",
                "Only {left} more invitations can be sent within this day, and here are {count}. Nobody was invited.",
                left,
            ).format(left=left, count=count)
        )
