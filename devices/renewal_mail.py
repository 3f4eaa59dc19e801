"""Mail about renewals: to managers before and after, to people about their own read keys. Never with a key in it.

What was mailed is marked in the transaction that mails it, so that two runs never mail it twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from channels.chores import Chore
from channels.models import ChannelKey, Renewal, RenewalPolicy
from channels.renewal_policy import SPREAD, governed_by
from devices import renewal_due
from devices.models import Device, RegistrationKey, RollOver
from orgs import access
from orgs.models import Membership, Organization, User
from orgs.paths import Paths
from orgs.readers import as_read_by, mail_to

DAY = timedelta(days=1)
REMIND_AGAIN = timedelta(days=7)
"""When managers are reminded once more of what only they can do."""
NAMED = 20
"""How many devices or registration keys a mail names; the rest are counted."""


@dataclass(frozen=True)
class Named:
    """What a mail is about: it names some, with their places, for three hundred flats have a "Bathroom" each."""

    some: Sequence[Device] | Sequence[RegistrationKey]
    count: int

    @classmethod
    def devices(cls, channels: Sequence[int]) -> Self:
        """Return the devices that have these channels."""
        devices = Device.objects.filter(channel__in=channels).order_by(*Device.BY_NAME).select_related("organization")
        return cls(list(devices[:NAMED]), len(channels))

    def as_read(self, paths: Paths) -> dict[str, Any]:
        """Return what `_names.txt` shows to the reader of these paths."""
        return {
            "names": [f"{one} – {paths.to(one.organization)}" for one in self.some],
            "count": self.count,
            "more": max(0, self.count - NAMED),
        }


def announce(now: datetime) -> int:
    """Tell managers what will be renewed in the next days, and what they have to renew by hand; return the mails."""
    mails = 0
    with transaction.atomic():
        Chore.have_alone("renewal mail")
        for policy in RenewalPolicy.objects.automatic().select_related("organization"):
            if policy.remind_before is not None:
                mails += _announce(policy, now)
            if policy.instead == RenewalPolicy.Instead.REMIND:
                mails += _remind(policy, now)
    return mails


def _announce(policy: RenewalPolicy, now: datetime) -> int:
    """One mail for all keys of a fleet, though each has its own moment: it goes out when the first comes near."""
    soon = now + timedelta(days=policy.remind_before or 0)
    keys: list[tuple[datetime, ChannelKey]] = []
    if policy.write_every is not None:
        unannounced = _that_are_renewed(
            policy, renewal_due.write_keys(policy, good_since=now).filter(announced_at__isnull=True)
        )
        keys = [(due, key) for key in unannounced if (due := renewal_due.write_key_due_at(policy, key))]
    registration: list[tuple[datetime, RegistrationKey]] = []
    if policy.registration_every is not None:
        unannounced_too = renewal_due.registration_keys(policy, good_since=now).filter(announced_at__isnull=True)
        unannounced_too = unannounced_too.select_related("organization")
        registration = [
            (due, key) for key in unannounced_too if (due := renewal_due.registration_key_due_at(policy, key))
        ]
    if not [due for due, _key in (*keys, *registration) if due <= soon]:
        return 0
    until = soon + DAY * (1 + SPREAD * max(policy.write_every or 0, policy.registration_every or 0))
    keys = [(due, key) for due, key in keys if due <= until]
    registration = [(due, key) for due, key in registration if due <= until]
    ChannelKey.objects.filter(pk__in=[key.pk for _due, key in keys]).update(announced_at=now)
    RegistrationKey.objects.filter(pk__in=[key.pk for _due, key in registration]).update(announced_at=now)
    moments = [due for due, _key in (*keys, *registration)]
    context = {
        "devices": Named.devices([key.channel_id for _due, key in keys]),
        "registration_keys": Named([key for _due, key in registration[:NAMED]], len(registration)),
        "first": max(min(moments), now),
        "last": max(moments),
        "overlap": policy.overlap,
    }
    return _mail(policy.organization, _("Keys of {organization} will be renewed"), "before", context)


def _remind(policy: RenewalPolicy, now: datetime) -> int:
    """Tell managers of the write keys that are due and that the portal cannot renew; once a week."""
    due = [
        key
        for key in renewal_due.due_write_keys(policy, now)
        if not key.channel.account.on_platform.can_rotate_write_keys
        and (key.announced_at is None or key.announced_at <= now - REMIND_AGAIN)
    ]
    if not due:
        return 0
    ChannelKey.objects.filter(pk__in=[key.pk for key in due]).update(announced_at=now)
    context = {"devices": Named.devices([key.channel_id for key in due])}
    return _mail(policy.organization, _("Please renew keys of {organization}"), "by_hand", context)


def _that_are_renewed(policy: RenewalPolicy, keys: Iterable[ChannelKey]) -> list[ChannelKey]:
    """Return those that are renewed by themselves, in their channels or by moving the device to another."""
    moves = policy.instead == RenewalPolicy.Instead.REPLACE
    return [key for key in keys if moves or key.channel.account.on_platform.can_rotate_write_keys]


def report(now: datetime) -> int:
    """Tell managers what became of renewals, in one mail when all are over, or once a day; return the mails."""
    mails = 0
    with transaction.atomic():
        Chore.have_alone("renewal mail")
        for policy in RenewalPolicy.objects.filter(report_after=True).select_related("organization"):
            mails += _report(policy, now) + _report_moves(policy, now)
    return mails


def _report(policy: RenewalPolicy, now: datetime) -> int:
    here = Renewal.objects.filter(governed_by(policy, renewal_due.DEVICE))
    over = list(here.over().filter(reported_at__isnull=True, finished_at__gte=policy.created_at))
    if not over or (here.open().exists() and min(_finished(one) for one in over) > now - DAY):
        return 0
    Renewal.objects.filter(pk__in=[renewal.pk for renewal in over]).update(reported_at=now)
    outcomes: dict[str, list[int]] = defaultdict(list)
    for renewal in over:
        outcomes[renewal.outcome].append(renewal.channel_id)
    ways = Renewal.Outcome
    context = {
        "moved": Named.devices([*outcomes[ways.USED], *outcomes[ways.FOUND], *outcomes[ways.BY_HAND]]),
        "absent": Named.devices(outcomes[ways.DEADLINE]),
        "revoked": Named.devices([*outcomes[ways.REVOKED], *outcomes[ways.OVERRIDDEN]]),
        "failed": Named.devices(outcomes[""]),
    }
    return _mail(policy.organization, _("Keys of {organization} have been renewed"), "after", context)


def _report_moves(policy: RenewalPolicy, now: datetime) -> int:
    """The same about devices that were moved to new channels."""
    here = RollOver.objects.filter(governed_by(policy, "device__organization"))
    over = list(here.over().filter(reported_at__isnull=True, finished_at__gte=policy.created_at))
    if not over or (here.open().exists() and min(_finished(one) for one in over) > now - DAY):
        return 0
    RollOver.objects.filter(pk__in=[move.pk for move in over]).update(reported_at=now)
    moved = [move for move in over if move.new_channel_id is not None]
    context = {
        "kept": Named.devices([move.new_channel_id for move in moved if move.new_channel_id and move.keep_old]),
        "deleted": Named.devices([move.new_channel_id for move in moved if move.new_channel_id and not move.keep_old]),
        "failed": Named.devices([move.old_channel_id for move in over if move.new_channel_id is None]),
    }
    return _mail(policy.organization, _("Devices of {organization} write to new channels"), "moved", context)


def _finished(renewal: Renewal | RollOver) -> datetime:
    return renewal.finished_at or renewal.started_at


def tell_holders(keys: Sequence[ChannelKey]) -> int:
    """Tell people that their own read keys have been renewed; return the mails."""
    by_person: dict[User, list[ChannelKey]] = defaultdict(list)
    for key in keys:
        if key.holder is not None:
            by_person[key.holder].append(key)
    for holder, own in by_person.items():
        context = {
            "name": holder.get_short_name(),
            "devices": Named.devices([key.channel_id for key in own]).as_read(Paths(holder)),
            "until": min(key.valid_until for key in own if key.valid_until),
            "link": settings.PUBLIC_URL,
        }
        with as_read_by(holder):
            subject = ngettext("Your read key is being renewed", "Your read keys are being renewed", len(own))
            mail_to(holder.email, subject, render_to_string("devices/mail/read_key.txt", context))
    return len(by_person)


def _mail(organization: Organization, subject: Promise, template: str, context: dict[str, Any]) -> int:
    managers = access.people_who_see(organization).filter(relation=Membership.Relation.MANAGER)
    to = {membership.user for membership in managers}
    page = reverse("organization_keys", args=[organization.pk])
    context |= {"link": settings.PUBLIC_URL + page}
    for manager in sorted(to, key=lambda person: person.email):
        # One each: they need not know each other's addresses, and each reads in a language of their own.
        paths = Paths(manager)
        read = {name: what.as_read(paths) if isinstance(what, Named) else what for name, what in context.items()}
        path = paths.to(organization)
        with as_read_by(manager):
            body = render_to_string(f"devices/mail/renewal_{template}.txt", {**read, "organization": path})
            mail_to(manager.email, str(subject).format(organization=path), body)
    return len(to)
