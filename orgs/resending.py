"""Sending several invitations again at once: each by itself, as its own button does, and told together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import ngettext

from orgs import invitations
from orgs.errors import InvitationNotGood, MailNotSent, TooManyInvitations
from orgs.models import Invitation, User

NAMED = 5
"""So many addresses are named of those to which nothing was sent for one reason."""


@dataclass
class Resent:
    """What became of them: which were sent, which of those had been on hold, and by reason which were not sent."""

    sent: list[Invitation] = field(default_factory=list)
    taken_over: list[Invitation] = field(default_factory=list)
    refused: dict[str, list[Invitation]] = field(default_factory=dict)

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


def resend_many(chosen: Iterable[Invitation], *, by: User, note: Callable[[Invitation], None]) -> Resent:
    """Send each of these with a new link, or say why it was not; nothing is raised for one of them.

    They come from `access.managed_invitations`, with their organizations. `note` writes down that one was sent, in the
    transaction in which it is: the limit of a day counts what is written down.
    """
    done = Resent()
    for invitation in chosen:
        try:
            with transaction.atomic():
                invitations.resend(invitation, by=by)
                note(invitation)
        except (InvitationNotGood, TooManyInvitations, MailNotSent) as error:
            done.refused.setdefault(str(error), []).append(invitation)
            continue
        done.sent.append(invitation)
        if not invitation.stands:
            done.taken_over.append(invitation)
    return done


def _emails(those: Sequence[Invitation]) -> str:
    return ", ".join(one.email for one in those[:NAMED]) + (" …" if len(those) > NAMED else "")
