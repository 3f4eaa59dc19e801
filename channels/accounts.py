"""The customer's account on the channel platform."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.platforms import BadAccountKey, Platform, platform_named
from channels.vault import EncryptedTextField
from orgs.models import Organization

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from channels.findings import Finding
    from channels.models import Channel


class PlatformAccountQuerySet(models.QuerySet["PlatformAccount"]):
    """Platform accounts, narrowed."""

    def to_sync(self, at: datetime) -> Self:
        """Return those whose channels are to be compared with the platform's by now, the longest overdue first.

        Customers that are suspended, or being closed, are left alone: nobody could do anything about what is found.
        """
        due = self.filter(Q(next_sync_at__isnull=True) | Q(next_sync_at__lte=at), organization__suspended_at=None)
        return due.order_by(F("next_sync_at").asc(nulls_first=True), "pk")


class PlatformAccount(models.Model):
    """A customer's account on the channel platform; midPoint calls it the resource "ThingSpeak channels for …"."""

    class State(models.TextChoices):
        UNVERIFIED = "unverified", _("not yet verified")
        VERIFIED = "verified", _("verified")
        REFUSED = "refused", _("refused by the platform")
        FULL = "full", _("good, but no channel is left")

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, related_name="platform_account", verbose_name=_("customer")
    )
    platform = models.CharField(
        _("platform"), max_length=20, choices=[("embedded", _("built in")), ("thingspeak", "ThingSpeak")]
    )
    key = EncryptedTextField(_("account API key"))
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.UNVERIFIED)
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    synced_at = models.DateTimeField(_("compared with the platform"), null=True, blank=True, editable=False)
    channels_there = models.PositiveIntegerField(
        _("channels there"), null=True, blank=True, editable=False, help_text=_("All that the account has.")
    )
    next_sync_at = models.DateTimeField(_("next comparison"), null=True, blank=True, editable=False, db_index=True)

    channels: RelatedManager[Channel]
    findings: RelatedManager[Finding]

    objects = PlatformAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("platform account")
        verbose_name_plural = _("platform accounts")

    def __str__(self) -> str:
        return f"{self.get_platform_display()}: {self.organization}"

    @property
    def on_platform(self) -> Platform:
        """The platform that the account is on."""
        return platform_named(self.platform)

    def ask_platform(self) -> None:
        """Ask the platform about the account key and remember what it says.

        Raises OutOfReach or NotUnderstood when it says nothing; the state then stays as it was.
        """
        try:
            self.on_platform.validate_account(self.key)
        except BadAccountKey:
            self.record_check(self.State.REFUSED)
        else:
            self.record_good()

    def replace_key(self, key: str) -> None:
        """Store another account key, which the platform has not been asked about yet. An unsaved account is saved."""
        self.key, self.state, self.checked_at = key, self.State.UNVERIFIED, None
        self.save(update_fields=None if self._state.adding else ["key", "state", "checked_at"])

    def record_good(self, *, has_room: bool = False) -> None:
        """Remember that the key is good. Whether a channel is left only creating one can tell, or a deletion."""
        is_full = self.state == self.State.FULL and not has_room
        self.record_check(self.State.FULL if is_full else self.State.VERIFIED)

    def record_check(self, state: PlatformAccount.State) -> None:
        """Remember what the platform said of the account key just now."""
        self.state, self.checked_at = state, timezone.now()
        self.save(update_fields=["state", "checked_at"])
