"""A renewal: the replacement of a channel's write key, from the intent to the end of the old key."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.attempts import Attempt, AttemptQuerySet


class RenewalState(models.TextChoices):
    """The life of a renewal. See `RENEWAL_MOVES` for what may follow what."""

    STARTED = "started", _("started")
    OVERLAP = "overlap", _("both keys are good")
    DONE = "done", _("done")
    FAILED = "failed", _("given up")


OPEN = (RenewalState.STARTED, RenewalState.OVERLAP)
RENEWAL_MOVES: dict[RenewalState, frozenset[RenewalState]] = {
    RenewalState.STARTED: frozenset({RenewalState.OVERLAP, RenewalState.DONE, RenewalState.FAILED}),
    RenewalState.OVERLAP: frozenset({RenewalState.DONE}),
    RenewalState.DONE: frozenset(),
    RenewalState.FAILED: frozenset(),
}


class RenewalQuerySet(AttemptQuerySet["Renewal"]):
    """Renewals, narrowed."""

    def overlapping(self) -> Self:
        """Return those whose old and new key are both good."""
        return self.filter(state=RenewalState.OVERLAP)

    def without_sign(self) -> Self:
        """Return those with a new key that the device has neither said it has nor used, as far as is known here."""
        return self.filter(new_key__state="current", new_key__acknowledged_at=None, new_key__first_used_at=None)

    def to_finish(self, at: datetime) -> Self:
        """Return those whose old key can end: the device has the new one, or the deadline has passed."""
        return self.overlapping().filter(
            Q(new_key__acknowledged_at__isnull=False) | Q(new_key__first_used_at__isnull=False) | Q(deadline__lte=at)
        )


class Renewal(Attempt):
    """One replacement of a channel's write key.

    The row is there before the platform is asked: whoever finds it in the state STARTED asks the platform whether it
    was done already. An urgent one (somebody revoked the key) has no transitional period, and overrides another.
    """

    class Outcome(models.TextChoices):
        USED = "used", _("the device uses the new key")
        DEADLINE = "deadline", _("the transitional period was over")
        REVOKED = "revoked", _("the old key was revoked")
        BY_HAND = "by_hand", _("somebody ended the old key")
        FOUND = "found", _("the platform had a new key already")
        OVERRIDDEN = "overridden", _("the key was revoked instead")

    MOVES = RENEWAL_MOVES
    OPEN = OPEN

    channel = models.ForeignKey(
        "channels.Channel", on_delete=models.CASCADE, related_name="renewals", verbose_name=_("channel")
    )
    urgent = models.BooleanField(_("urgent"), default=False, help_text=_("The old key ends at once."))
    state = models.CharField(_("state"), max_length=8, choices=RenewalState.choices, default=RenewalState.STARTED)
    round = models.ForeignKey(
        "channels.RenewalRound",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="renewals",
        verbose_name=_("round"),
        help_text=_("Those that were started together."),
    )
    # Set when the platform is about to be asked, so that it is known after a crash, too.
    deadline = models.DateTimeField(_("the old key ends at the latest"), null=True, blank=True)
    # Of an urgent one whose old keys were ended together with those of others, before its new key is handed on.
    ended_there_at = models.DateTimeField(_("old keys ended on the platform"), null=True, blank=True)
    old_key = models.ForeignKey(
        "channels.ChannelKey", on_delete=models.CASCADE, related_name="+", verbose_name=_("old key")
    )
    new_key = models.OneToOneField(
        "channels.ChannelKey",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="renewal",
        verbose_name=_("new key"),
    )
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, blank=True)

    objects = RenewalQuerySet.as_manager()

    class Meta:
        verbose_name = _("renewal")
        verbose_name_plural = _("renewals")
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "urgent"],
                condition=Q(state__in=["started", "overlap"]),
                name="renewal_one_open_a_channel",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "failed"], finished_at__isnull=False)
                | Q(state__in=["started", "overlap"], finished_at__isnull=True),
                name="renewal_finished_at_iff_over",
            ),
            models.CheckConstraint(
                condition=~Q(state="overlap") | Q(deadline__isnull=False, new_key__isnull=False),
                name="renewal_overlap_has_a_deadline",
            ),
        ]
        indexes = [models.Index(fields=["state", "deadline"], name="renewal_by_state")]

    def __str__(self) -> str:
        return f"{self.channel} ({self.get_state_display()})"

    @property
    def ends_old_key_at_once(self) -> bool:
        """Whether there is no transitional period: in an emergency, and when somebody else rotated the key.

        How long the old one stays good on the platform in that case is not known, so nobody may rely on it.
        """
        return self.urgent or self.deadline is None

    @property
    def origin(self) -> str:
        """How the new key came about, as `ChannelKey.Origin` has it."""
        if self.deadline is None:
            return "platform"
        return "by_hand" if self.by else "by_policy"

    @property
    def is_urgent(self) -> bool:
        """Also where the old key may be over on the platform, and the new one is not known here."""
        return self.urgent or (self.deadline is not None and self.deadline <= timezone.now())
