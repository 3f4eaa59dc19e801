"""When keys are renewed without anybody asking for it: a rule of an organization that holds for all below it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.models import Organization

SPREAD = 0.1
"""By which part of their lifetime keys are renewed earlier, each by another one: a fleet is not renewed at once."""
WEEK = timedelta(days=7)


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is in the IANA time zone database."""
    if name not in available_timezones():
        raise ValidationError(_("There is no time zone of that name. They look like Europe/Bratislava."))


class RenewalPolicyQuerySet(models.QuerySet["RenewalPolicy"]):
    """Policies, narrowed."""

    def automatic(self) -> Self:
        """Return those that have something renewed by themselves."""
        return self.exclude(write_every__isnull=True, registration_every__isnull=True, read_every__isnull=True)

    def at_or_above(self, organization: str) -> Self:
        """Return those that hold at the organization to which that path of the outer query leads, the nearest first."""
        return self.filter(
            organization__tree_id=OuterRef(f"{organization}__tree_id"),
            organization__lft__lte=OuterRef(f"{organization}__lft"),
            organization__rght__gte=OuterRef(f"{organization}__rght"),
        ).order_by("-organization__level")


class RenewalPolicy(models.Model):
    """How the keys of an organization, and of all below it that have no policy of their own, are renewed.

    Without any policy keys are renewed by hand. A pause holds for everything below, whatever policies there are.
    """

    class Instead(models.TextChoices):
        REMIND = "remind", _("remind the managers to renew it there")
        REPLACE = "replace", _("move the device to a new channel")

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="renewal_policy", verbose_name=_("organization")
    )
    write_every = models.PositiveSmallIntegerField(
        _("renew write keys every"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("Days. Empty: only by hand."),
    )
    registration_every = models.PositiveSmallIntegerField(
        _("renew registration keys every"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("Days. Empty: only by hand. The old one ends when all devices have the new one."),
    )
    read_every = models.PositiveSmallIntegerField(
        _("renew people's read keys every"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("Days. Empty: only by hand. Each person finds their new one in the portal."),
    )
    overlap = models.DurationField(
        _("transitional period"),
        default=WEEK,
        help_text=_("How long the old key stays good at most. Devices ask once a day."),
    )
    instead = models.CharField(
        _("where a write key cannot be renewed from here"),
        max_length=7,
        choices=Instead.choices,
        default=Instead.REMIND,
        help_text=_("ThingSpeak renews write keys on its own pages alone."),
    )
    keep_replaced = models.BooleanField(
        _("keep the channels that devices have left"),
        default=True,
        help_text=_("For their history. Each takes up one of the account's places until somebody deletes it."),
    )
    quiet_from = models.TimeField(_("no renewals from"), null=True, blank=True)
    quiet_until = models.TimeField(_("until"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    paused = models.BooleanField(
        _("paused"),
        default=False,
        help_text=_("Nothing is renewed by itself here and below until this is switched off."),
    )
    remind_before = models.PositiveSmallIntegerField(
        _("mail managers before"),
        null=True,
        blank=True,
        default=3,
        validators=[MaxValueValidator(60)],
        help_text=_("Days before a renewal. Empty: no mail."),
    )
    report_after = models.BooleanField(_("mail managers what became of it"), default=True)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("changed by"),
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = RenewalPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("renewal policy")
        verbose_name_plural = _("renewal policies")
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="renewalpolicy_quiet_hours_begin_and_end",
                violation_error_message=_("Quiet hours need a beginning and an end."),
            ),
            models.CheckConstraint(
                condition=Q(overlap__gt=timedelta(0)),
                name="renewalpolicy_overlap_is_positive",
                violation_error_message=_("The transitional period must not be empty."),
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 1}),
                    name=f"renewalpolicy_{name}_is_positive",
                )
                for name in ("write_every", "registration_every", "read_every")
            ),
        ]

    def __str__(self) -> str:
        return str(self.organization)

    def clean(self) -> None:
        super().clean()
        days = [every for every in (self.write_every, self.read_every) if every]
        if days and self.overlap >= timedelta(days=min(days)):
            raise ValidationError(
                {"overlap": _("The transitional period must be shorter than the time between two renewals.")}
            )

    def due_at(self, begun: datetime, every: int, what: str) -> datetime:
        """Return when something that is good since `begun` is to be renewed, `every` so many days.

        `what` names it, and with that decides by how much earlier than the last moment: always the same for the same
        thing, but different among things.
        """
        part = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8]) / 2**64
        return begun + timedelta(days=every) * (1 - SPREAD * part)

    def earliest(self, now: datetime, every: int) -> datetime:
        """Return since when something has to be good to be due at `now` at all."""
        return now - timedelta(days=every) * (1 - SPREAD)

    def is_quiet_at(self, moment: datetime) -> bool:
        """Whether `moment` is in the quiet hours, which may go on past midnight."""
        if self.quiet_from is None or self.quiet_until is None:
            return False
        there = moment.astimezone(ZoneInfo(self.time_zone)).time()
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= there < self.quiet_until
        return there >= self.quiet_from or there < self.quiet_until


def governed_by(policy: RenewalPolicy, organization: str) -> Q:
    """Return the condition on rows that `policy` is the nearest one to them, and that nothing stops their renewal.

    `organization` is the path from a row to the organization that it is in. A customer that is suspended gets no new
    keys, since its devices could not fetch them.
    """
    there = policy.organization
    above = RenewalPolicy.objects.at_or_above(organization)
    suspended = Organization.objects.get_queryset().suspended().filter(tree_id=OuterRef(f"{organization}__tree_id"))
    in_its_part = Q(
        **{
            f"{organization}__tree_id": there.tree_id,
            f"{organization}__lft__gte": there.lft,
            f"{organization}__rght__lte": there.rght,
        }
    )
    is_the_nearest = Exact(Subquery(above.values("pk")[:1]), policy.pk)
    return in_its_part & Q(is_the_nearest) & ~Exists(above.filter(paused=True)) & ~Exists(suspended)
