"""What is carried out with a platform's help and can fail on the way: whose turn it is, and when it is tried again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.errors import IllegalMove

# How long to wait after each failed try; the last one from then on.
AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
STARTED, FAILED = "started", "failed"
"""The states that every kind of attempt has; between and beside them each has its own."""

_Kind = TypeVar("_Kind", bound="Attempt")


class AttemptQuerySet(models.QuerySet[_Kind]):
    """Attempts of one kind, narrowed."""

    def open(self) -> Self:
        """Return those that are not over."""
        return self.filter(state__in=self.model.OPEN)

    def over(self) -> Self:
        """Return those that are done or given up."""
        return self.exclude(state__in=self.model.OPEN)

    def waiting(self) -> Self:
        """Return those that wait for the platform."""
        return self.filter(state=STARTED)

    def to_carry_out(self, at: datetime) -> Self:
        """Return those that wait for the platform and may be tried now."""
        return self.waiting().filter(
            Q(next_try_at__isnull=True) | Q(next_try_at__lte=at), Q(leased_until__isnull=True) | Q(leased_until__lte=at)
        )


class Attempt(models.Model):
    """A row that is there before the platform is asked, so that after a crash it is known what may have happened.

    A subclass has a `state` and the moves between its states. In each there is a moment from which on what was before,
    a key or a channel, is given up at the latest: `overlap` after the platform has done its part.
    """

    class Trouble(models.TextChoices):
        OUT_OF_REACH = "out_of_reach", _("The channel platform is out of reach. It is tried again.")
        BAD_ACCOUNT_KEY = "bad_account_key", _("The channel platform refuses the account key. Enter the new one.")
        NO_SUCH_CHANNEL = "no_such_channel", _("The channel is no longer on the platform.")
        CHANNEL_LIMIT = "channel_limit", _("The account has no channel left. It is tried again.")
        CANNOT = "cannot", _("The channel platform cannot do that.")
        UNREADABLE = "unreadable", _("A stored key cannot be decrypted. The operator has to look. It is tried again.")
        UNCLEAR = "unclear", _("The channel platform gave an answer that makes no sense. It is tried again.")

    MOVES: ClassVar[Mapping[Any, frozenset[Any]]]
    OPEN: ClassVar[Sequence[Any]]

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("started by"),
        help_text=_("Nobody: the policy."),
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    overlap = models.DurationField(_("transitional period"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    reported_at = models.DateTimeField(_("reported to the managers"), null=True, blank=True)
    trouble = models.CharField(_("trouble"), max_length=15, choices=Trouble.choices, blank=True)
    tries = models.PositiveIntegerField(_("tries"), default=0, editable=False)
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True)
    # Who is asking the platform at the moment, until when nobody else may.
    lease = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)

    state: Any

    class Meta:
        abstract = True

    @property
    def is_urgent(self) -> bool:
        """Whether it is tried again every minute, however often it has failed."""
        return False

    def take_lease(self, length: timedelta) -> bool:
        """Become the one who asks the platform, for `length`. Return False if somebody else is."""
        now = timezone.now()
        mine = uuid.uuid4()
        taken = (
            self._rows.filter(Q(leased_until__isnull=True) | Q(leased_until__lte=now), pk=self.pk)
            .filter(state=STARTED)
            .update(lease=mine, leased_until=now + length, tries=F("tries") + 1)
        )
        if taken:
            self.refresh_from_db()
        # An emergency may have given it up, or taken it over, between the two statements.
        return bool(taken) and self.lease == mine

    def move_to(self, state: Any, *, at: datetime | None = None, **changes: object) -> bool:
        """Change the state in the database, with `changes` to other columns; the lease ends.

        Return False if somebody else was faster, or has taken over the lease. Raises IllegalMove for a transition that
        is not in `MOVES`.
        """
        if state not in self.MOVES[type(state)(self.state)]:
            raise IllegalMove(self.state, state)
        changes |= {"state": state, "lease": None, "leased_until": None, "next_try_at": None}
        if state not in self.OPEN:
            changes["finished_at"] = at or timezone.now()
        moved = self._rows.filter(pk=self.pk, state=self.state, lease=self.lease).update(**changes)
        if moved:
            self.refresh_from_db()
        return bool(moved)

    def give_up(self, **changes: object) -> None:
        """End an attempt that is STARTED, whoever has the lease."""
        self._rows.filter(pk=self.pk, state=STARTED).update(
            state=FAILED,
            finished_at=timezone.now(),
            lease=None,
            leased_until=None,
            next_try_at=None,
            **changes,
        )
        self.refresh_from_db()

    def put_off(self, trouble: Attempt.Trouble, *, at_least: timedelta = timedelta(0)) -> None:
        """Give the lease back and try again later, after the platform has had at least that time."""
        wait = max(AGAIN[0 if self.is_urgent else min(self.tries, len(AGAIN)) - 1], at_least)
        self._rows.filter(pk=self.pk, state=STARTED, lease=self.lease).update(
            lease=None, leased_until=None, next_try_at=timezone.now() + wait, trouble=trouble
        )
        self.refresh_from_db()

    @property
    def _rows(self) -> models.QuerySet[Any]:
        return type(self)._default_manager.get_queryset()
