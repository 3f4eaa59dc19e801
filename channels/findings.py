"""What was noticed about channels and keys that somebody should look at, with what can be done about it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from channels.models import Channel, ChannelKey, PlatformAccount
    from orgs.models import User


class FindingQuerySet(models.QuerySet["Finding"]):
    """Findings, narrowed."""

    def open(self) -> Self:
        """Return those that nobody has settled and that have not settled themselves."""
        return self.filter(settled_at__isnull=True)


class Finding(models.Model):
    """Something noticed. There is one open row for each thing, however often it is noticed again."""

    class Kind(models.TextChoices):
        CHANNEL_MISSING = "channel_missing", _("channel is gone")
        FOREIGN_CHANNEL = "foreign_channel", _("channel without a device")
        KEY_KNOWN = "key_known", _("key known to a former member")
        CLONED = "cloned", _("two devices with one serial number")
        NO_READ_KEY = "no_read_key", _("channel without a read key")

    account = models.ForeignKey(
        "channels.PlatformAccount", on_delete=models.CASCADE, related_name="findings", verbose_name=_("account")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    number = models.BigIntegerField(_("channel number"))
    channel = models.ForeignKey(
        "channels.Channel", on_delete=models.CASCADE, null=True, related_name="findings", verbose_name=_("channel")
    )
    key = models.ForeignKey(
        "channels.ChannelKey", on_delete=models.CASCADE, null=True, related_name="findings", verbose_name=_("key")
    )
    label = models.CharField(_("name"), max_length=255, blank=True)
    found_at = models.DateTimeField(_("first noticed"), default=timezone.now)
    seen_at = models.DateTimeField(_("last noticed"), default=timezone.now)
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("settled by"),
    )
    is_dismissed = models.BooleanField(
        _("left alone"), default=False, help_text=_("Somebody knows of it and does not want to be told again.")
    )

    objects = FindingQuerySet.as_manager()

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering = ("-found_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "number"],
                condition=Q(settled_at__isnull=True),
                name="finding_one_open_a_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.number}"

    @property
    def remedy(self) -> str | Promise:
        """What the manager can do about it, as a sentence."""
        return REMEDIES[Finding.Kind(self.kind)]


REMEDIES: dict[Finding.Kind, str | Promise] = {
    Finding.Kind.CHANNEL_MISSING: _(
        "Somebody has deleted the channel on the platform, and its measurements with it. Give the device a new "
        "channel: it goes on there by itself, with what it has kept since."
    ),
    Finding.Kind.FOREIGN_CHANNEL: _(
        "The account has a channel that belongs to no device here. If nobody needs it, delete it on the platform: it "
        "takes up one of the account's places."
    ),
    Finding.Kind.KEY_KNOWN: _(
        "Somebody who may no longer see the device has been shown this key. Log in to the platform, open the channel's "
        "“API Keys”, delete the read key and add a new one. The portal notices the new one within minutes."
    ),
    Finding.Kind.CLONED: _(
        "A device asked with a state that it had left behind: either two devices have this serial number, or one was "
        "set back to an older copy. Give each device its own serial number and renew the write key."
    ),
    Finding.Kind.NO_READ_KEY: _(
        "Somebody has deleted every read key of the channel, so that nobody sees its measurements here. Log in to the "
        "platform, open the channel's “API Keys” and add a read key. The portal notices it within minutes."
    ),
}


def notice(
    kind: Finding.Kind,
    *,
    account: PlatformAccount,
    number: int,
    channel: Channel | None = None,
    key: ChannelKey | None = None,
    label: str = "",
    at: datetime | None = None,
) -> bool:
    """Write down what was noticed; return whether it is new. Safe to call again, and by several at once."""
    at = at or timezone.now()
    known = Finding.objects.open().filter(account=account, kind=kind, number=number)
    if known.update(seen_at=at):
        return False
    try:
        with transaction.atomic():
            Finding.objects.create(
                account=account,
                kind=kind,
                number=number,
                channel=channel,
                key=key,
                label=label[:255],
                found_at=at,
                seen_at=at,
            )
    except IntegrityError:
        return False  # another process has just noticed it, too
    return True


def settle(findings: FindingQuerySet, *, by: User | None = None, dismiss: bool = False) -> int:
    """Close open findings, because somebody (`by`) did something or because they are no longer true.

    `dismiss`: it is still true, and shall not be reported again.
    """
    return findings.open().update(settled_at=timezone.now(), settled_by=by, is_dismissed=dismiss)
