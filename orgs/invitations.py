"""Inviting somebody into an organization, and accepting.

The inviter never learns whether the address has an account, and never learns a password: the link in the mail proves
that the address is theirs, and whoever has no account yet chooses a password there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from orgs import access
from orgs.errors import InvitationNotGood
from orgs.invitation_mail import account_of as account_of  # Views ask for it here.
from orgs.invitation_mail import mail_when_stored
from orgs.invitations_a_day import require_mails_left
from orgs.models import Invitation, Membership, Organization, User
from orgs.paths import Paths
from orgs.place_models import earliest
from orgs.readers import as_read_by, one_line
from orgs.resending import resend_each
from orgs.tree import lock_tree_of

ASKED_AGAIN_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Invitee:
    """Whom to invite, and into which organization."""

    email: str
    given_name: str
    family_name: str
    organization: Organization


def invite(
    *, organization: Organization, email: str, by: User, given_name: str = "", family_name: str = "", **offer: Any
) -> Invitation:
    """Offer a place in `organization` to an address and mail the link: `invite_each` for one."""
    (invitation,) = invite_each([Invitee(email, given_name, family_name, organization)], by=by, **offer)
    return invitation


@transaction.atomic
def invite_each(
    invitees: Sequence[Invitee],
    *,
    by: User,
    relation: str = Membership.Relation.MEMBER,
    expires_at: datetime | None = None,
    membership_until: datetime | None = None,
) -> list[Invitation]:
    """Offer each a place, for good or `membership_until` some moment, and mail the links. All are of one customer.

    Whoever manages until a day offers a place until that day at the longest, whatever they wish.
    A second invitation of the same address into the same organization replaces the first, whose link ends.
    Raises TooManyInvitations before anybody is invited if not all may be; MailNotSent, with the invitations stored;
    IntegrityError if the same was done at the same moment.
    """
    require_mails_left(invitees[0].organization, count=len(invitees))
    _end_earlier_ones(invitees)
    ends = access.manages_until_each(by, {one.organization.pk for one in invitees})
    made = [
        Invitation(
            organization=one.organization,
            email=one.email.lower(),
            given_name=one.given_name,
            family_name=one.family_name,
            relation=relation,
            invited_by=by,
            membership_until=earliest(membership_until, ends.get(one.organization.pk)),
            **({} if expires_at is None else {"expires_at": expires_at}),
        )
        for one in invitees
    ]
    for invitation in made:
        invitation.end_with_the_place()
    tokens = [invitation.renew_token() for invitation in made]
    Invitation.objects.bulk_create(made, batch_size=500)
    mail_when_stored(zip(made, tokens, strict=True))
    return made


def _end_earlier_ones(invitees: Sequence[Invitee]) -> None:
    wanted = {(one.organization.pk, one.email.lower()) for one in invitees}
    pending = Invitation.objects.pending().alias(address=Lower("email"))
    found = pending.filter(
        organization__in={place for place, _email in wanted}, address__in={email for _place, email in wanted}
    ).values_list("pk", "organization", "email")
    # Not every one of these addresses is invited anew into every one of these organizations.
    earlier = [pk for pk, place, email in found if (place, email.lower()) in wanted]
    Invitation.objects.pending().filter(pk__in=earlier).update(revoked_at=timezone.now())


def resend(invitation: Invitation, *, by: User) -> None:
    """Mail a new link; the old one ends: `orgs.resending.resend_each` for one.

    Raises InvitationNotGood if it has been accepted or withdrawn, or if the guest's time is over, TooManyInvitations,
    and MailNotSent.
    """
    for _refused, refusal in resend_each([invitation], by=by).refusals:
        raise refusal


def withdraw(invitation: Invitation) -> None:
    """End the link in the mail. Raises InvitationNotGood if it has been accepted or withdrawn in the meantime."""
    now = timezone.now()
    if not Invitation.objects.pending().filter(pk=invitation.pk).update(revoked_at=now):
        raise InvitationNotGood(_("This invitation has been accepted or withdrawn in the meantime."))
    invitation.revoked_at = now


def restore(invitation: Invitation, *, withdrawn_at: datetime) -> None:
    """Undo the withdrawal of that moment: the link in the mail is good again, for as long as it would have been.

    Raises InvitationNotGood if it is not withdrawn since then any more, or if another one has been sent.
    """
    withdrawn = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, revoked_at=withdrawn_at)
    try:
        with transaction.atomic():
            is_good_again = withdrawn.update(revoked_at=None)
    except IntegrityError:
        raise InvitationNotGood(
            _("Another invitation to {email} has been sent since.").format(email=invitation.email)
        ) from None
    if not is_good_again:
        raise InvitationNotGood(_("This can no longer be undone. Send a new invitation instead."))


def find(token: str) -> Invitation:
    """Return the open invitation of the link. Raises InvitationNotGood.

    That of somebody who does not manage the organization any more is not good either.
    """
    good = access.standing_invitations().open()
    invitation = good.with_token(token).select_related("organization", "invited_by").first()
    if invitation is None:
        raise InvitationNotGood(_("This invitation is no longer good. Ask whoever invited you for a new one."))
    return invitation


def ask_for_new(token: str, *, now: datetime | None = None) -> None:
    """Tell whoever can send a new link that this one was opened in vain; at most once a day for each invitation.

    Either it was too late, or whoever sent it may not invite any more. Does nothing for links that are unknown, used or
    withdrawn: whoever asks is not told which it was.
    """
    now = now or timezone.now()
    stands = access.standing_invitations().filter(pk=OuterRef("pk"))
    expired = Invitation.objects.pending().filter(Q(expires_at__lte=now) | ~Exists(stands)).with_token(token)
    may_ask = Q(asked_at__isnull=True) | Q(asked_at__lte=now - ASKED_AGAIN_AFTER)
    if not expired.filter(may_ask).update(asked_at=now):
        return
    invitation = expired.select_related("organization", "invited_by").first()
    reader = _who_can_send_again(invitation) if invitation else None
    if invitation is None or reader is None:  # The former: a manager has sent a new one in this moment.
        return
    name, email = invitation.full_name, invitation.email
    who = f"{name} ({email})" if name else email
    page = settings.PUBLIC_URL + invitation.organization.get_absolute_url() + "#people"
    path = Paths(reader).to(invitation.organization)
    with as_read_by(reader):
        send_mail(
            subject=one_line(
                _("{who} asks for a new invitation to {organization}").format(who=name or email, organization=path)
            ),
            message=render_to_string(
                "orgs/mail/invitation_asked.txt",
                {"invitation": invitation, "organization": path, "who": who, "link": page},
            ),
            from_email=None,
            recipient_list=[reader.email],
            fail_silently=True,  # The page says the same whatever happens; the list of invitations has it, too.
        )


def _who_can_send_again(invitation: Invitation) -> User | None:
    inviter = invitation.invited_by
    if inviter is not None and access.may_manage(inviter, invitation.organization):
        return inviter
    managers = access.people_who_see(invitation.organization).filter(relation=Membership.Relation.MANAGER)
    nearest = managers.order_by("-organization__level", "pk").first()
    return nearest.user if nearest else None


@transaction.atomic
def accept_with_new_account(token: str, *, given_name: str, family_name: str, password: str) -> User:
    """Make an account for the invited address and place it. Raises InvitationNotGood."""
    invitation = _locked(token)
    if account_of(invitation) is not None:
        raise InvitationNotGood(_("There is an account for this address already. Log in and open the link again."))
    user = User.objects.create_user(invitation.email, password, given_name=given_name, family_name=family_name)
    # Only the owner of the address can have the link: it is confirmed.
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    _place(user, invitation)
    return user


@transaction.atomic
def accept_as(user: User, token: str) -> Membership:
    """Place a person who has an account. Raises InvitationNotGood when it was meant for another address."""
    invitation = _locked(token)
    if account_of(invitation) != user:
        raise InvitationNotGood(_("This invitation was sent to another address than the one you are logged in with."))
    return _place(user, invitation)


def _locked(token: str) -> Invitation:
    """Return the invitation as it is once nobody else can change a place of the customer before we are done."""
    lock_tree_of(find(token).organization)
    return find(token)


def _place(user: User, invitation: Invitation) -> Membership:
    # Nobody prolongs their own place (`PlaceForm`), nor gives themselves one below it for good.
    if invitation.invited_by_id == user.pk and not user.is_staff:
        raise InvitationNotGood(_("You have sent this invitation yourself. Ask another manager for the place."))
    # Conditional, so that a link opened twice at once places once.
    if not Invitation.objects.open().filter(pk=invitation.pk).update(accepted_at=timezone.now()):
        raise InvitationNotGood(_("This invitation has just been used."))
    until = invitation.membership_until
    if invitation.invited_by is not None:
        # By now they may manage for a shorter time than when they wrote.
        until = earliest(until, access.manages_until(invitation.invited_by, invitation.organization))
    membership, is_new = Membership.objects.get_or_create(
        user=user,
        organization=invitation.organization,
        defaults={
            "relation": invitation.relation,
            "valid_until": until,
            "created_by": invitation.invited_by,
        },
    )
    if not is_new:
        _take_in(invitation, membership, until)
    return membership


def _take_in(invitation: Invitation, membership: Membership, until: datetime | None) -> None:
    # An invitation gives and never takes: whoever manages already goes on managing, and no place gets a nearer end.
    # Nor does it give more than was offered: nobody manages for longer than that because they see for longer.
    if membership.is_current:
        is_manager = membership.relation == Membership.Relation.MANAGER
        if is_manager and invitation.relation != membership.relation:
            return
        stays_longer = until is not None and (membership.valid_until is None or membership.valid_until > until)
        if stays_longer and not is_manager and invitation.relation == Membership.Relation.MANAGER:
            raise InvitationNotGood(
                _(
                    "You belong to {organization} for longer than you would manage it. Ask whoever invited you to "
                    "change your place there instead."
                ).format(organization=invitation.organization.name)
            )
        if stays_longer:
            until = membership.valid_until
    membership.relation, membership.valid_until = invitation.relation, until
    membership.save(update_fields=["relation", "valid_until"])
