"""A roll-over: the move of a device to another channel, where its write key cannot be renewed in the one that it has.

A table beside `Renewal`, not a kind of it: a renewal replaces a key within a channel, has an old and a new key there,
and a channel has one at a time. A roll-over has two channels, ends with a question about the first of them, and is also
the way out when there is no old key any more, because somebody has deleted the channel.
"""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from channels.attempts import Attempt, AttemptQuerySet
from channels.markers import marker_of


class RollOverState(models.TextChoices):
    """The life of a roll-over. See `ROLLOVER_MOVES` for what may follow what."""

    STARTED = "started", _("the new channel is being made")
    MOVED = "moved", _("the device has a new channel")
    DONE = "done", _("done")
    FAILED = "failed", _("given up")


OPEN = (RollOverState.STARTED, RollOverState.MOVED)
ROLLOVER_MOVES: dict[RollOverState, frozenset[RollOverState]] = {
    RollOverState.STARTED: frozenset({RollOverState.MOVED, RollOverState.FAILED}),
    RollOverState.MOVED: frozenset({RollOverState.DONE}),
    RollOverState.DONE: frozenset(),
    RollOverState.FAILED: frozenset(),
}


class RollOverQuerySet(AttemptQuerySet["RollOver"]):
    """Roll-overs, narrowed."""

    def moved(self) -> Self:
        """Return those whose device has a new channel, and maybe does not know it yet."""
        return self.filter(state=RollOverState.MOVED)


class RollOver(Attempt):
    """One move of a device to a new channel.

    The row is there before the platform is asked, and its `uid` is in the new channel's marker: whoever finds it
    STARTED looks for a channel with that marker first.
    """

    MOVES = ROLLOVER_MOVES
    OPEN = OPEN

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    device = models.ForeignKey(
        "devices.Device", on_delete=models.CASCADE, related_name="rollovers", verbose_name=_("device")
    )
    old_channel = models.ForeignKey(
        "channels.Channel", on_delete=models.CASCADE, related_name="rollovers", verbose_name=_("old channel")
    )
    new_channel = models.OneToOneField(
        "channels.Channel",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="came_by",
        verbose_name=_("new channel"),
    )
    keep_old = models.BooleanField(
        _("keep the old channel"), default=True, help_text=_("Its measurements stay on the device's chart.")
    )
    state = models.CharField(_("state"), max_length=8, choices=RollOverState.choices, default=RollOverState.STARTED)
    deadline = models.DateTimeField(_("the old channel is left at the latest"), null=True, blank=True)

    objects = RollOverQuerySet.as_manager()

    class Meta:
        verbose_name = _("move to a new channel")
        verbose_name_plural = _("moves to new channels")
        constraints = [
            models.UniqueConstraint(
                fields=["device"], condition=Q(state__in=["started", "moved"]), name="rollover_one_open_a_device"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "failed"], finished_at__isnull=False)
                | Q(state__in=["started", "moved"], finished_at__isnull=True),
                name="rollover_finished_at_iff_over",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["moved", "done"]) | Q(new_channel__isnull=False, deadline__isnull=False),
                name="rollover_moved_has_a_new_channel",
            ),
        ]
        indexes = [models.Index(fields=["state", "deadline"], name="rollover_by_state")]

    def __str__(self) -> str:
        return f"{self.device} ({self.get_state_display()})"

    @property
    def marker(self) -> str:
        """The mark in the new channel's metadata by which it is found again."""
        return marker_of(self.uid)
