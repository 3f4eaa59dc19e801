"""Mailing the links of invitations once they are stored: each by itself, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from orgs.errors import MailNotSent
from orgs.models import Invitation, User
from orgs.readers import as_read_by, one_line


def mail_when_stored(links: Iterable[tuple[Invitation, str]]) -> None:
    """Mail each its link, by the token in it, after the commit; then MailNotSent is raised if some were not sent."""
    not_sent: list[Invitation] = []
    for invitation, token in links:
        _try_when_stored(invitation, token, not_sent)
    transaction.on_commit(lambda: _tell(not_sent))


def _try_when_stored(invitation: Invitation, token: str, not_sent: list[Invitation]) -> None:
    # Robust: also what nobody expects to go wrong with one, and is logged, keeps no other from going out. The log
    # wants the name of a function, which a `partial` does not have.
    transaction.on_commit(lambda: _try_to_mail(invitation, token, not_sent), robust=True)


def _try_to_mail(invitation: Invitation, token: str, not_sent: list[Invitation]) -> None:
    not_sent.append(invitation)
    # SMTPException is an OSError; a domain that is longer than a domain can be, once it is encoded, a UnicodeError.
    with suppress(OSError, UnicodeError):
        _mail(invitation, token)
        not_sent.remove(invitation)


def _tell(not_sent: list[Invitation]) -> None:
    if not_sent:
        raise MailNotSent(_("The mail could not be sent at the moment. Send the invitation again later."), not_sent)


def _mail(invitation: Invitation, token: str) -> None:
    context = {
        "invitation": invitation,
        "link": settings.PUBLIC_URL + reverse("invitation", args=[token]),
    }
    # Whoever has no account yet is written to in the language of the inviter, who knows them.
    with as_read_by(account_of(invitation) or invitation.invited_by):
        send_mail(
            subject=one_line(
                _("{who} invites you to {organization}").format(
                    who=invitation.invited_by, organization=invitation.organization
                )
            ),
            message=render_to_string("orgs/mail/invitation.txt", context),
            from_email=None,
            recipient_list=[invitation.email],
        )


def account_of(invitation: Invitation) -> User | None:
    """Return the account that the invited address has already."""
    address = EmailAddress.objects.filter(email__iexact=invitation.email, verified=True).select_related("user").first()
    if address is not None:
        return address.user
    return User.objects.filter(email__iexact=invitation.email).first()
