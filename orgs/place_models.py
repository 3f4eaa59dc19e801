"""Places in organizations: memberships, and the invitations that offer one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orgs.tokens import new_token, token_hash

if TYPE_CHECKING:
    from orgs.models import Organization


def _in_two_weeks() -> datetime:
    """Return the moment until which an invitation is good if nothing else is said, and before which "soon" ends."""
    return timezone.now() + timedelta(days=14)


def earliest(*ends: datetime | None) -> datetime | None:
    """Return the first of the ends of places that are held or given; None is none."""
    return min((end for end in ends if end is not None), default=None)


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Memberships, narrowed."""

    def current(self, at: datetime | None = None) -> Self:
        """Return those that have not run out."""
        return self.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=at or timezone.now()))

    def over(self, at: datetime | None = None) -> Self:
        """Return those that have run out."""
        return self.filter(valid_until__lte=at or timezone.now())

    def ending_soon(self) -> Self:
        """Return those of guests that run out within two weeks."""
        return self.current().filter(valid_until__lte=_in_two_weeks())

    def at_or_below(self, organization: Organization) -> Self:
        """Return the places in the organization and in all below it."""
        return self.filter(
            organization__tree_id=organization.tree_id,
            organization__lft__gte=organization.lft,
            organization__rght__lte=organization.rght,
        )


class Membership(models.Model):
    """A person's place in an organization."""

    class Relation(models.TextChoices):
        MEMBER = "member", _("member")
        MANAGER = "manager", _("manager")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, related_name="memberships", verbose_name=_("organization")
    )
    relation = models.CharField(_("relation"), max_length=10, choices=Relation.choices, default=Relation.MEMBER)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    valid_until = models.DateTimeField(_("until"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("placed by"),
    )

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "organization"],
                name="membership_one_per_user_and_organization",
                violation_error_message=_("This person is already in this organization."),
            ),
            models.CheckConstraint(condition=Q(relation__in=["member", "manager"]), name="membership_relation_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} – {self.organization} ({self.get_relation_display()})"

    @property
    def is_current(self) -> bool:
        return self.valid_until is None or self.valid_until > timezone.now()

    @property
    def ends_soon(self) -> bool:
        """Whether it is a guest's place that runs out within two weeks."""
        return self.valid_until is not None and self.is_current and self.valid_until <= _in_two_weeks()

    @property
    def role(self) -> str:
        """The place in words: "member of Household"."""
        return self.role_in(self.organization.name)

    def role_in(self, name: str) -> str:
        """The place in words, where its organization is called `name`."""
        if self.relation == self.Relation.MANAGER:
            return gettext("manager of {name}").format(name=name)
        return gettext("member of {name}").format(name=name)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Invitations, narrowed."""

    def pending(self) -> Self:
        """Return those that are neither accepted nor withdrawn, too old ones included."""
        return self.filter(accepted_at__isnull=True, revoked_at__isnull=True)

    def open(self, at: datetime | None = None) -> Self:
        """Return those that can still be accepted."""
        return self.pending().filter(expires_at__gt=at or timezone.now())

    def with_token(self, token: str) -> Self:
        return self.filter(token_hash=token_hash(token))


class Invitation(models.Model):
    """A place in an organization, offered to an e-mail address. The link in the mail is the only key to it."""

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="invitations", verbose_name=_("organization")
    )
    email = models.EmailField(_("e-mail address"))
    given_name = models.CharField(_("given name"), max_length=100, blank=True)
    family_name = models.CharField(_("family name"), max_length=100, blank=True)
    relation = models.CharField(
        _("relation"), max_length=10, choices=Membership.Relation.choices, default=Membership.Relation.MEMBER
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("invited by"),
    )
    created_at = models.DateTimeField(_("sent"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("good until"), default=_in_two_weeks)
    membership_until = models.DateTimeField(
        _("place until"),
        null=True,
        blank=True,
        help_text=_("For guests: when their place ends."),
    )
    asked_at = models.DateTimeField(_("asked for a new link"), null=True, blank=True, editable=False)
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("withdrawn"), null=True, blank=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    # Whether whoever sent it still manages what it leads into; filled in by `access.managed_invitations`.
    stands: bool

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_one_pending_per_address_and_organization",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} → {self.organization}"

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()
        for name in ("expires_at", "membership_until"):
            moment = getattr(self, name)
            if moment and moment <= timezone.now():
                raise ValidationError({name: _("This moment has passed.")})

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    def renew_token(self) -> str:
        """Give the invitation a new secret, for a new mail; return it. The old link ends. Not saved."""
        token = new_token()
        self.token_hash = token_hash(token)
        return token

    def prolong(self) -> None:
        """Make the invitation good once more for as long as it was when it was sent, at least for a day. Not saved."""
        lifetime = max(self.expires_at - self.created_at, timedelta(days=1))
        self.created_at = timezone.now()
        self.expires_at = self.created_at + lifetime
        self.end_with_the_place()

    def end_with_the_place(self) -> None:
        """Let the link end no later than the place that it leads to. Not saved."""
        if self.membership_until is not None:
            self.expires_at = min(self.expires_at, self.membership_until)
