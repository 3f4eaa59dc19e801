"""Renewing or revoking the write keys of all devices in an organization and below it, and how far that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels import emergency, renewal_many
from channels.models import Channel, Renewal, RenewalRound
from channels.renewal_models import OPEN, RenewalQuerySet, RenewalState
from devices import renewal_tasks
from devices.models import Device
from devices.spans import day_and_time
from orgs.models import Organization, User

AT_ONCE_WITHIN = 8.0
"""Seconds that somebody who revokes all keys waits for the new ones at most; the old ones have ended before."""
IS_DEAD = Q(state=RenewalState.DONE, outcome=Renewal.Outcome.REVOKED) | Q(ended_there_at__isnull=False)
HAS_MOVED = Q(new_key__acknowledged_at__isnull=False) | Q(new_key__first_used_at__isnull=False)
HAS_NO_GOOD_KEY = Q(state=RenewalState.DONE) & ~HAS_MOVED | Q(state=RenewalState.STARTED, ended_there_at__isnull=False)


def channels_of(organization: Organization) -> QuerySet[Channel]:
    """Return the channels of the devices in an organization and below it."""
    return Channel.objects.filter(device__in=Device.objects.at_or_below(organization))


def renew_all(organization: Organization, *, by: User, overlap: timedelta, address: str | None = None) -> RenewalRound:
    """Start to renew the write keys of all devices there; the background worker goes on at once. Raises CannotRenew."""
    begun = renewal_many.start_all(organization, channels_of(organization), by=by, overlap=overlap, address=address)
    renewal_tasks.renew.enqueue()
    return begun


def revoke_all(organization: Organization, *, by: User, address: str | None = None) -> RenewalRound:
    """End all write keys of all devices there now, without a transitional period. Raises CannotRenew.

    They end together; then each device's new key is stored. What of that takes longer than a person waits, and what
    the platform cannot do now, the worker does; see `progress_of`.
    """
    begun = renewal_many.start_all(organization, channels_of(organization), by=by, urgent=True, address=address)
    emergency.end_at_once(Renewal.objects.filter(round=begun))
    renewal_tasks.renew.enqueue()  # the worker begins at the same time; of the two, one is at each renewal
    renewal_many.carry_out_within(AT_ONCE_WITHIN, begun)
    return begun


@dataclass(frozen=True)
class Share:
    """How many renewals of a round are in one state; `kind` and `label` as in `_state.html`."""

    kind: str
    label: str | Promise
    count: int


@dataclass(frozen=True)
class RoundProgress:
    """How far a round is."""

    total: int
    moved: int
    revoked: int
    shares: list[Share]
    is_over: bool

    @property
    def left(self) -> int:
        return self.total - self.moved


def progress_of(begun: RenewalRound) -> RoundProgress:
    """Return how far the renewals of a round are, counted by what the device has done; one query."""
    running = Q(state=RenewalState.OVERLAP) & ~HAS_MOVED
    counts: dict[str, int] = begun.renewals.aggregate(
        total=Count("pk"),
        open=Count("pk", filter=Q(state__in=OPEN)),
        waiting=Count("pk", filter=Q(state=RenewalState.STARTED, ended_there_at__isnull=True)),
        untold=Count("pk", filter=running & Q(new_key__told_at__isnull=True)),
        told=Count("pk", filter=running & Q(new_key__told_at__isnull=False)),
        moved=Count("pk", filter=HAS_MOVED),
        absent=Count("pk", filter=HAS_NO_GOOD_KEY),
        failed=Count("pk", filter=Q(state=RenewalState.FAILED)),
        revoked=Count("pk", filter=IS_DEAD),
    )
    shares = [Share(kind, label, counts[name]) for name, kind, label in _SHARES if counts[name]]
    return RoundProgress(counts["total"], counts["moved"], counts["revoked"], shares, is_over=not counts["open"])


_SHARES = (
    ("waiting", "wait", gettext_lazy("wait for the channel platform")),
    ("untold", "wait", gettext_lazy("have not been told yet")),
    ("told", "wait", gettext_lazy("have been told and still use the old key")),
    ("moved", "good", gettext_lazy("use their new key")),
    ("absent", "warn", gettext_lazy("have no good key until they fetch the new one")),
    ("failed", "bad", gettext_lazy("were given up")),
)


def not_moved(begun: RenewalRound) -> RenewalQuerySet:
    """Return the renewals of a round whose device does not use its new key yet, those in trouble first."""
    return (
        Renewal.objects.filter(round=begun)
        .exclude(HAS_MOVED)
        .select_related("channel__device__contact", "channel__device__organization", "new_key", "channel__account")
        .defer("new_key__value")
        .order_by("-trouble", "state", "pk")
    )


@dataclass(frozen=True)
class Standing:
    """How it stands with one renewal; `kind` and `label` as in `_state.html`, and a sentence."""

    kind: str
    label: str | Promise
    sentence: str


def standing_of(renewal: Renewal) -> Standing:
    """Return how it stands with a renewal whose device does not use the new key yet."""
    trouble = str(renewal.get_trouble_display())
    if renewal.state == RenewalState.FAILED:
        reason = trouble or str(renewal.get_outcome_display())
        return Standing("bad", gettext_lazy("Given up"), reason)
    if renewal.state == RenewalState.STARTED and (trouble or renewal.ended_there_at is None):
        again = ""
        if renewal.next_try_at:
            again = _("The next try is at {moment}.").format(moment=day_and_time(renewal.next_try_at))
        said = " ".join(filter(None, (trouble, again))) or _("The channel platform is asked for a new key.")
        return Standing("warn" if trouble else "wait", gettext_lazy("Waits"), said)
    if renewal.state != RenewalState.OVERLAP:
        return Standing(
            "warn", gettext_lazy("Not fetched"), _("Its old key has ended. It fetches the new one when it is back.")
        )
    told = renewal.new_key is not None and renewal.new_key.told_at is not None
    said = _("It has been told.") if told else _("It has not been told yet.")
    if renewal.deadline:
        said = _("{told} Its old key is good until {until} at most.").format(
            told=said, until=day_and_time(renewal.deadline)
        )
    return Standing("wait", gettext_lazy("Both keys are good"), " ".join(filter(None, (said, trouble))))
