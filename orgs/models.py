"""People and the organizations that they belong to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Lower, NullIf
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from mptt.managers import TreeManager
from mptt.models import MPTTModel, TreeForeignKey

from orgs.audit import AuditEntry as AuditEntry  # Also a model of this app.
from orgs.errors import ChangedMeanwhile
from orgs.place_models import Invitation as Invitation  # These, too, are models of this app.
from orgs.place_models import InvitationQuerySet as InvitationQuerySet
from orgs.place_models import Membership as Membership
from orgs.place_models import MembershipQuerySet as MembershipQuerySet
from orgs.place_models import _in_two_weeks as _in_two_weeks  # The first migration knows it by this name.
from orgs.readers import Reader

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


class UserManager(BaseUserManager["User"]):
    """Makes users, whose name for logging in is the e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(Reader, AbstractBaseUser, PermissionsMixin):
    """Somebody who can log in. What they may see and do follows from their memberships alone."""

    email = models.EmailField(_("e-mail address"), unique=True, error_messages={"unique": _("Already taken.")})
    given_name = models.CharField(_("given name"), max_length=100, blank=True)
    family_name = models.CharField(_("family name"), max_length=100, blank=True)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Switch off to lock a person out without deleting anything.")
    )
    is_staff = models.BooleanField(_("operator"), default=False, help_text=_("May use the administration."))
    date_joined = models.DateTimeField(_("joined"), default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()
    memberships: RelatedManager[Membership]

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),
        ]

    BY_NAME = (
        Lower(NullIf("given_name", Value(""))).asc(nulls_last=True),
        Lower("family_name"),
        "email",
        "pk",
    )
    """The order of a list: those without a name, who are shown by their address, last."""

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()

    def introduce(self, *, given_name: str, family_name: str, language: str, time_zone: str) -> None:
        """Change what the portal calls the person, and how they read."""
        self.given_name, self.family_name = given_name, family_name
        self.language, self.time_zone = language, time_zone
        self.save(update_fields=["given_name", "family_name", "language", "time_zone"])

    def get_full_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    def get_short_name(self) -> str:
        return self.given_name or self.email


class TreeNumber(models.Model):
    """Hands out `tree_id`s: the database's auto-increment never gives one number to two transactions."""

    class Meta:
        verbose_name = _("tree number")
        verbose_name_plural = _("tree numbers")

    def __str__(self) -> str:
        return str(self.pk)


class OrganizationQuerySet(models.QuerySet["Organization"]):
    """Organizations, narrowed."""

    def customers(self) -> Self:
        """Return the roots."""
        return self.filter(parent__isnull=True)

    def suspended(self) -> Self:
        """Return the customers that an operator has suspended."""
        return self.customers().filter(suspended_at__isnull=False)

    def at_or_below(self, organization: Organization) -> Self:
        """Return the organization and all that is below it."""
        return self.filter(tree_id=organization.tree_id, lft__gte=organization.lft, rght__lte=organization.rght)

    def lowest_below(self, organization: Organization) -> Self:
        """Return those below the organization that nothing is below of: the flats of a house."""
        below = self.filter(tree_id=organization.tree_id, lft__gt=organization.lft, rght__lt=organization.rght)
        return below.filter(rght=F("lft") + 1).order_by("lft")

    def at_or_above(self, organization: Organization) -> Self:
        """Return the organization and all that it is in, the customer first."""
        return self.filter(
            tree_id=organization.tree_id, lft__lte=organization.lft, rght__gte=organization.rght
        ).order_by("lft")


class OrganizationManager(TreeManager.from_queryset(OrganizationQuerySet)):  # type: ignore[misc]
    """mptt's manager; see `orgs.tree` for every change of shape."""

    def get_queryset(self) -> OrganizationQuerySet:
        queryset: OrganizationQuerySet = super().get_queryset()
        return queryset

    def _get_next_tree_id(self) -> int:
        # mptt's own answer is max + 1, which two sign-ups at once would both get.
        return TreeNumber.objects.create().pk


class Organization(MPTTModel):
    """A customer (a root) or a part of one ("Household"). Members see the devices in it and below it."""

    id: int
    tree_id: int
    lft: int
    rght: int
    level: int

    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=255, blank=True)
    parent = TreeForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("in")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True, editable=False)

    parent_id: int | None
    children: RelatedManager[Organization]
    memberships: RelatedManager[Membership]
    invitations: RelatedManager[Invitation]
    objects: ClassVar[OrganizationManager] = OrganizationManager()

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        constraints = [
            models.UniqueConstraint(
                fields=["tree_id"], condition=Q(parent__isnull=True), name="organization_one_root_a_tree"
            ),
            models.UniqueConstraint(
                fields=["parent", "name"],
                name="organization_name_unique_among_siblings",
                violation_error_message=_("There is already an organization of that name here."),
            ),
            models.CheckConstraint(condition=Q(lft__lt=models.F("rght")), name="organization_left_before_right"),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | Q(suspended_at__isnull=True),
                name="organization_only_customers_are_suspended",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("organization", args=[self.pk])

    @property
    def is_customer(self) -> bool:
        return self.parent_id is None

    @property
    def has_parts(self) -> bool:
        """Whether there are organizations below; costs no query."""
        return bool(self.rght - self.lft > 1)

    @property
    def customer(self) -> Organization:
        """The root of the tree that this organization is in."""
        return self if self.is_customer else Organization.objects.customers().get(tree_id=self.tree_id)

    def describe(self, *, name: str, description: str) -> None:
        """Rename and describe. Raises IntegrityError if a sibling has that name."""
        # Never save() the whole row: this copy's place in the tree may be old by now.
        Organization.objects.filter(pk=self.pk).update(name=name, description=description)
        self.name, self.description = name, description

    def require_unchanged(self) -> None:
        """Raise ChangedMeanwhile unless name, description and place are as they were when this was read.

        To be called inside the transaction that changes them, after `orgs.tree.lock_tree_of`.
        """
        as_it_was = Organization.objects.filter(
            pk=self.pk, name=self.name, description=self.description, parent=self.parent_id
        )
        if not as_it_was.exists():
            raise ChangedMeanwhile(gettext("Somebody else has just changed {name}. Look again.").format(name=self.name))

    def suspend(self) -> None:
        """Stop the customer's service: its people see nothing, and its devices get no keys, until `resume`.

        Nothing is lost: keys that devices have stay good, so measurements keep coming in.
        """
        self._set_suspended_at(timezone.now())

    def resume(self) -> None:
        """Undo `suspend`."""
        self._set_suspended_at(None)

    def _set_suspended_at(self, moment: datetime | None) -> None:
        if not self.is_customer:
            raise ValueError("Only a customer is suspended, with all that it has.")
        Organization.objects.filter(pk=self.pk).update(suspended_at=moment)
        self.suspended_at = moment

    def contains(self, other: Organization) -> bool:
        """Whether `other` is this organization or below it."""
        return self.tree_id == other.tree_id and self.lft <= other.lft and other.rght <= self.rght
