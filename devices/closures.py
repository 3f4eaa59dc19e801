"""A customer that is being closed, and how far that is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.models import Organization

LEASE = timedelta(minutes=15)
"""No step takes that long: whoever was at work has died."""


class ClosureQuerySet(models.QuerySet["Closure"]):
    """Closures, narrowed."""

    def due(self, at: datetime) -> Self:
        """Return those at which nobody is at work, or that are to be tried again by now."""
        return self.filter(next_at__lte=at)


class Closure(models.Model):
    """The order to delete all that a customer has. Goes when the customer has gone."""

    customer = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="closure", verbose_name=_("customer")
    )
    keep_channels = models.BooleanField(_("channels kept"), default=False)
    begun_at = models.DateTimeField(_("begun"), default=timezone.now)
    begun_by = models.CharField(_("by"), max_length=254)
    next_at = models.DateTimeField(_("next step"), default=timezone.now, db_index=True)
    attempts = models.PositiveIntegerField(_("attempts in vain"), default=0)
    trouble = models.CharField(_("trouble"), max_length=255, blank=True)

    objects = ClosureQuerySet.as_manager()

    class Meta:
        verbose_name = _("closure")
        verbose_name_plural = _("closures")
        ordering = ("begun_at",)

    def __str__(self) -> str:
        return str(self.customer)

    def take(self, now: datetime) -> bool:
        """Whether this process is the one that works at it for a while."""
        return bool(Closure.objects.due(now).filter(pk=self.pk).update(next_at=now + LEASE))

    def put_off(self, until: datetime, trouble: str) -> None:
        """Let it be tried again later."""
        self.attempts += 1
        self.trouble, self.next_at = trouble[:255], until
        self.save(update_fields=["attempts", "trouble", "next_at"])

    def hand_on(self, now: datetime) -> None:
        """Let whoever comes next go on."""
        self.attempts, self.trouble, self.next_at = 0, "", now
        self.save(update_fields=["attempts", "trouble", "next_at"])
