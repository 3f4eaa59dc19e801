"""Refusals of this app, named. Their text is a sentence for the person who tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orgs.models import Invitation


class OrganizationError(Exception):
    """Something that cannot be done to an organization."""


class CannotMove(OrganizationError):
    """The organization cannot go there."""


class TooDeep(CannotMove):
    """Neither can a new one: it, or something below it, would be too many levels below the customer."""


class NotEmpty(OrganizationError):
    """The organization still holds something that has to go elsewhere first."""


class LastManager(OrganizationError):
    """The customer would be left without anybody who manages it."""


class AlreadyThere(OrganizationError):
    """The person has a place in that organization already."""


class ChangedMeanwhile(OrganizationError):
    """Somebody else was faster: what this person decided about is not as they saw it any more."""


class Suspended(OrganizationError):
    """An operator has suspended the customer: until that is over everything stays as it is."""


class BeingClosed(OrganizationError):
    """The customer is being deleted, and nothing brings it back."""


class InvitationNotGood(Exception):
    """The invitation is unknown, used, withdrawn or too old: an outsider cannot tell which."""


class TooManyInvitations(Exception):
    """The customer has sent as many invitations within a day as it may."""


class MailNotSent(Exception):
    """The mail server did not take the mails of these invitations. They are stored."""

    def __init__(self, reason: str, invitations: Sequence[Invitation] = ()) -> None:
        super().__init__(reason)
        self.invitations = invitations
