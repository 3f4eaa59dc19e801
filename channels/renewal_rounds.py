"""A round: the write keys of all devices of an organization renewed, or revoked, together because somebody said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.models import Organization

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from channels.renewal_models import Renewal


class RenewalRound(models.Model):
    """What its renewals have in common, so that a page can say how far all of them are."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="renewal_rounds", verbose_name=_("organization")
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("started by")
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    overlap = models.DurationField(_("transitional period"))
    urgent = models.BooleanField(_("urgent"), default=False)

    renewals: RelatedManager[Renewal]

    class Meta:
        verbose_name = _("round of renewals")
        verbose_name_plural = _("rounds of renewals")
        indexes = [models.Index(fields=["organization", "-started_at"], name="renewalround_newest")]

    def __str__(self) -> str:
        return f"{self.organization} {self.started_at:%Y-%m-%d %H:%M}"
