"""The channels on the platform, and their keys."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.accounts import PlatformAccount as PlatformAccount  # These, too, are models of this app.
from channels.accounts import PlatformAccountQuerySet as PlatformAccountQuerySet
from channels.chores import Chore as Chore
from channels.errors import IllegalMove
from channels.findings import Finding as Finding
from channels.keys_shown import ShownKey as ShownKey
from channels.renewal_models import Renewal as Renewal
from channels.renewal_policy import RenewalPolicy as RenewalPolicy
from channels.renewal_rounds import RenewalRound as RenewalRound
from channels.vault import EncryptedTextField, keyed_hash
from orgs.models import Organization

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


class OwnChannelQuerySet(models.QuerySet["Channel"]):
    """Channels, narrowed. (The platform has channels of its own, with a queryset of that name.)"""

    def still_there(self) -> Self:
        """Return those that are not known to be deleted on the platform."""
        return self.filter(gone_at__isnull=True)

    def of_lines(self, lines: Collection[int]) -> Self:
        """Return the channels of these lines; see `Channel.line`."""
        return self.filter(Q(pk__in=lines) | Q(first__in=lines))


class Channel(models.Model):
    """One device's time series on the platform, or a part of it: see `line`."""

    account = models.ForeignKey(
        PlatformAccount, on_delete=models.PROTECT, related_name="channels", verbose_name=_("account")
    )
    number = models.BigIntegerField(_("number"))
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    # Where write keys cannot be renewed, the device is moved to another channel. All of them know the first.
    first = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+")
    left_at = models.DateTimeField(
        _("left by its device"), null=True, blank=True, help_text=_("What is written there later is not its own.")
    )
    gone_at = models.DateTimeField(_("no longer on the platform"), null=True, blank=True)

    keys: RelatedManager[ChannelKey]

    objects = OwnChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="channel_number_unique_in_account"),
        ]

    def __str__(self) -> str:
        return str(self.number)

    def note_gone(self) -> None:
        """Remember that the channel, which no device uses, is no longer on the platform, and neither are its keys."""
        now = timezone.now()
        with transaction.atomic():
            Channel.objects.still_there().filter(pk=self.pk).update(gone_at=now)
            self.keys.filter(state__in=ALIVE).update(state=KeyState.ENDED, ended_at=now)

    @property
    def line(self) -> int:
        """What all channels that a device has had one after the other have in common: the first's primary key."""
        return self.first_id or self.pk

    @property
    def organization(self) -> Organization:
        """Where the channel's device is; the customer if there is none."""
        return Organization.objects.filter(devices__channel=self).first() or self.account.organization


class KeyState(models.TextChoices):
    """The life of a key. See `MOVES` for what may follow what."""

    PENDING = "pending", _("pending")
    CURRENT = "current", _("current")
    RETIRING = "retiring", _("retiring")
    ENDED = "ended", _("ended")
    REVOKED = "revoked", _("revoked")


ALIVE = (KeyState.PENDING, KeyState.CURRENT, KeyState.RETIRING)
OVER = (KeyState.ENDED, KeyState.REVOKED)
MOVES: dict[KeyState, frozenset[KeyState]] = {
    KeyState.PENDING: frozenset({KeyState.CURRENT, KeyState.REVOKED}),
    KeyState.CURRENT: frozenset({KeyState.RETIRING, KeyState.ENDED, KeyState.REVOKED}),
    KeyState.RETIRING: frozenset({KeyState.ENDED, KeyState.REVOKED}),
    KeyState.ENDED: frozenset(),
    KeyState.REVOKED: frozenset(),
}


class ChannelKeyQuerySet(models.QuerySet["ChannelKey"]):
    """Channel keys, narrowed."""

    def current(self) -> Self:
        return self.filter(state=KeyState.CURRENT)

    def writing(self) -> Self:
        return self.filter(kind=ChannelKey.Kind.WRITE)

    def reading(self) -> Self:
        return self.filter(kind=ChannelKey.Kind.READ)

    def held_by_nobody(self) -> Self:
        """Return the keys that are not one person's own: write keys, and the read key of the portal itself."""
        return self.filter(holder__isnull=True)

    def of_the_portal(self) -> Self:
        """Return the read keys with which the portal itself reads, for charts and last values."""
        return self.current().reading().held_by_nobody().exclude(origin=ChannelKey.Origin.FOR_PROGRAM)

    def for_programs(self) -> Self:
        """Return the read keys that managers made for programs."""
        return self.current().reading().filter(origin=ChannelKey.Origin.FOR_PROGRAM)


class ChannelKey(models.Model):
    """A write key, or a read key that belongs to one person, to a program that `note` names, or to the portal."""

    class Kind(models.TextChoices):
        WRITE = "write", _("write key")
        READ = "read", _("read key")

    class Origin(models.TextChoices):
        REGISTRATION = "registration", _("made with the channel")
        BY_HAND = "by_hand", _("renewed by hand")
        BY_POLICY = "by_policy", _("renewed by the policy")
        PLATFORM = "platform", _("renewed on the platform itself")
        SHOWN = "shown", _("made when first shown")
        FOR_PROGRAM = "program", _("made for a program")

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="keys", verbose_name=_("channel"))
    kind = models.CharField(_("kind"), max_length=5, choices=Kind.choices)
    value = EncryptedTextField(_("key"))
    value_hash = models.CharField(max_length=64, editable=False, db_index=True)
    version = models.PositiveIntegerField(
        _("version"), default=1, help_text=_("Counts a device's write keys: a device knows by it that a key is newer.")
    )
    state = models.CharField(_("state"), max_length=8, choices=KeyState.choices, default=KeyState.CURRENT)
    holder = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="read_keys",
        verbose_name=_("belongs to"),
    )
    note = models.CharField(_("note"), max_length=255, blank=True)
    origin = models.CharField(_("origin"), max_length=12, choices=Origin.choices, default=Origin.REGISTRATION)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    valid_from = models.DateTimeField(_("good from"), default=timezone.now, null=True, blank=True)
    # Of a current write key: from then on it may be over on the platform. See `channels.overdue`.
    valid_until = models.DateTimeField(_("good until"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    # As far as the platform tells, and to the minute.
    first_used_at = models.DateTimeField(_("first used"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    told_at = models.DateTimeField(
        _("told to the device"), null=True, blank=True, help_text=_("When an envelope with it was first sent.")
    )
    acknowledged_at = models.DateTimeField(
        _("acknowledged by the device"), null=True, blank=True, help_text=_("When the device first said it has it.")
    )
    announced_at = models.DateTimeField(
        _("managers reminded"), null=True, blank=True, help_text=_("When they were mailed that it will be renewed.")
    )

    objects = ChannelKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel key")
        verbose_name_plural = _("channel keys")
        constraints = [
            models.UniqueConstraint(
                fields=["channel"],
                condition=Q(kind="write", state="current"),
                name="channelkey_one_current_write_key_a_channel",
            ),
            models.UniqueConstraint(
                fields=["channel", "holder"],
                condition=Q(kind="read", state="current", holder__isnull=False),
                name="channelkey_one_current_read_key_a_person",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["ended", "revoked"], ended_at__isnull=False)
                | Q(state__in=["pending", "current", "retiring"], ended_at__isnull=True),
                name="channelkey_ended_at_iff_over",
            ),
            models.UniqueConstraint(
                fields=["channel"],
                condition=Q(kind="write", state="retiring"),
                name="channelkey_one_retiring_write_key_a_channel",
            ),
            models.CheckConstraint(
                condition=Q(kind="read") | Q(holder__isnull=True), name="channelkey_write_keys_are_nobodys"
            ),
        ]
        # A device that asks joins its current and its retiring key. The partial indexes of the constraints above do
        # not serve there: SQLite does not use one for a value that is a parameter.
        indexes = [models.Index(fields=["channel", "kind", "state"], name="channelkey_by_state")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.version} – {self.channel} ({self.get_state_display()})"

    @classmethod
    def holding(cls, value: str, **fields: object) -> ChannelKey:
        """Return an unsaved key with its hash."""
        return cls(value=value, value_hash=keyed_hash(value), **fields)

    def doubt_from(self, moment: datetime | None) -> None:
        """Note from when on the current key may be over on the platform, None: not as far as the portal knows."""
        ChannelKey.objects.current().filter(pk=self.pk).update(valid_until=moment)
        self.valid_until = moment

    def move_to(self, state: KeyState, *, at: datetime | None = None, until: datetime | None = None) -> bool:
        """Change the state in the database. Return False if somebody else was faster.

        `at` is the moment of the change (default: now), `until` the end of a transitional period that begins.
        Raises IllegalMove for a transition that is not in `MOVES`.
        """
        if state not in MOVES[KeyState(self.state)]:
            raise IllegalMove(self.state, state)
        at = at or timezone.now()
        changes: dict[str, datetime | str | None] = {"state": state, "ended_at": at if state in OVER else None}
        if state == KeyState.CURRENT:
            changes["valid_from"] = at
        if until is not None:
            changes["valid_until"] = until
        moved = ChannelKey.objects.filter(pk=self.pk, state=self.state).update(**changes)
        if moved:
            for name, value in changes.items():
                setattr(self, name, value)
        return bool(moved)
