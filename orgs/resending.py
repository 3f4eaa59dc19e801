"""Sending invitations again: with new links, several at once as each by itself, and told together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orgs import access
from orgs.errors import InvitationNotGood, MailNotSent, TooManyInvitations
from orgs.invitation_mail import mail_when_stored
from orgs.invitations_a_day import mails_left, none_left
from orgs.models import Invitation, User
from orgs.place_models import earliest

Refusal = InvitationNotGood | TooManyInvitations | MailNotSent
RENEWED = ("token_hash", "expires_at", "created_at", "asked_at", "invited_by", "membership_until")
NAMED = 5
"""So many addresses are named of those to which nothing was sent for one reason."""


@dataclass
class Resent:
    """What became of them: which were sent, which of those had been on hold, and which were not sent, and why."""

    sent: list[Invitation] = field(default_factory=list)
    taken_over: list[Invitation] = field(default_factory=list)
    refusals: list[tuple[Invitation, Refusal]] = field(default_factory=list)

    def add(self, more: Resent) -> None:
        self.sent += more.sent
        self.taken_over += more.taken_over
        self.refusals += more.refusals

    def take_back(self, error: MailNotSent) -> None:
        """Count those as not sent that were stored, and then their mails did not go out."""
        self.sent = [one for one in self.sent if one not in error.invitations]
        self.taken_over = [one for one in self.taken_over if one not in error.invitations]
        self.refusals += [(one, error) for one in error.invitations]

    @property
    def refused(self) -> dict[str, list[Invitation]]:
        """Those that were not sent, by the reason."""
        by_reason: dict[str, list[Invitation]] = {}
        for invitation, refusal in self.refusals:
            by_reason.setdefault(str(refusal), []).append(invitation)
        return by_reason

    def said(self) -> str:
        """Return how many were sent, in words; "" if none was."""
        if not self.sent:
            return ""
        said = ngettext(
            "{count} invitation is on its way with a new link. The old one has ended.",
            "{count} invitations are on their way with new links. The old ones have ended.",
            len(self.sent),
        ).format(count=len(self.sent))
        if not self.taken_over:
            return said
        held = ngettext(
            "{count} of them was on hold and is yours now.",
            "{count} of them were on hold and are yours now.",
            len(self.taken_over),
        )
        return f"{said} {held.format(count=len(self.taken_over))}"


def said_not_sent(refused: Mapping[str, Sequence[Invitation]]) -> list[str]:
    """Return for each reason how many were not sent, and to which addresses."""
    return [
        ngettext(
            "{count} invitation was not sent ({emails}). {reason}",
            "{count} invitations were not sent ({emails}). {reason}",
            len(those),
        ).format(count=len(those), emails=_emails(those), reason=reason)
        for reason, those in refused.items()
    ]


def resend_many(chosen: Iterable[Invitation], *, by: User, note: Callable[[Sequence[Invitation]], None]) -> Resent:
    """Send each of these with a new link, or say why it was not; nothing is raised for one of them.

    They come from `access.managed_invitations`, with their organizations. `note` writes down which were sent, in the
    transaction in which they are: the limit of a day counts what is written down, for each customer.
    """
    customers: dict[int, list[Invitation]] = {}
    for invitation in chosen:
        customers.setdefault(invitation.organization.tree_id, []).append(invitation)
    done = Resent()
    for those in customers.values():
        try:
            with transaction.atomic():
                some = resend_each(those, by=by)
                note(some.sent)
        except MailNotSent as error:
            some.take_back(error)
        done.add(some)
    return done


@transaction.atomic
def resend_each(chosen: Sequence[Invitation], *, by: User) -> Resent:
    """Mail each a new link, good for as long as the old one was when it was sent; the old one ends.

    All are of one customer. What nobody stands behind any more is from now on sent by `by`. Raises MailNotSent.
    """
    left = mails_left(chosen[0].organization)
    pending = _locked(chosen)
    standing = set(access.standing_invitations().filter(pk__in=pending).values_list("pk", flat=True))
    ends = access.manages_until_each(by, {one.organization_id for one in pending.values()})
    done, tokens = Resent(), []
    for one in chosen:
        try:
            if len(done.sent) >= left:
                raise none_left()
            invitation = _still_good(pending.get(one.pk))
        except (InvitationNotGood, TooManyInvitations) as refusal:
            done.refusals.append((one, refusal))
            continue
        if invitation.pk not in standing:
            invitation.invited_by = by
            invitation.membership_until = earliest(invitation.membership_until, ends.get(invitation.organization_id))
            done.taken_over.append(invitation)
        invitation.prolong()
        invitation.asked_at = None
        tokens.append(invitation.renew_token())
        done.sent.append(invitation)
    Invitation.objects.bulk_update(done.sent, RENEWED, batch_size=500)
    mail_when_stored(zip(done.sent, tokens, strict=True))
    return done


def _locked(chosen: Sequence[Invitation]) -> dict[int, Invitation]:
    pks = [one.pk for one in chosen]
    pending = Invitation.objects.pending().select_for_update().filter(pk__in=pks).order_by("pk")
    return {one.pk: one for one in pending.prefetch_related("organization", "invited_by")}


def _still_good(pending: Invitation | None) -> Invitation:
    if pending is None:
        raise InvitationNotGood(_("This invitation has been accepted or withdrawn in the meantime."))
    if pending.membership_until is not None and pending.membership_until <= timezone.now():
        raise InvitationNotGood(
            _("The place would have ended by now. Withdraw this invitation and send one with another end date.")
        )
    return pending


def _emails(those: Sequence[Invitation]) -> str:
    return ", ".join(one.email for one in those[:NAMED]) + (" …" if len(those) > NAMED else "")
