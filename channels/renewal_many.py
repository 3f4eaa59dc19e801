"""Renewing or revoking the write keys of many channels at once. Their intents are stored together, or none of them."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from channels.errors import CannotRenew
from channels.models import Channel, ChannelKey, Renewal, RenewalRound
from channels.platforms import PLATFORMS, platform_named
from channels.renewal import carry_out
from orgs import audit
from orgs.models import Organization, User


@transaction.atomic
def start_all(
    organization: Organization,
    channels: QuerySet[Channel],
    *,
    by: User,
    overlap: timedelta = timedelta(0),
    urgent: bool = False,
    address: str | None = None,
) -> RenewalRound:
    """Store the intent to renew the write keys of all these channels; with `urgent` to revoke them.

    A channel whose key is being renewed already becomes part of the round as it is. Raises CannotRenew if there is
    nothing that can be renewed from here.
    """
    begun = RenewalRound.objects.create(organization=organization, by=by, overlap=overlap, urgent=urgent)
    open_there = Renewal.objects.open().filter(channel=OuterRef("channel"))
    if urgent:
        open_there = open_there.filter(urgent=True)
    keys = ChannelKey.objects.current().writing().filter(channel__in=can_be_renewed(channels))
    new = [
        Renewal(channel_id=channel, old_key_id=key, by=by, overlap=overlap, urgent=urgent)
        for key, channel in keys.filter(~Exists(open_there)).values_list("pk", "channel")
    ]
    # Somebody who does the same at this moment has stored theirs first, then: all become part of the newest round.
    Renewal.objects.bulk_create(new, batch_size=500, ignore_conflicts=True)
    count = Renewal.objects.open().filter(channel__in=can_be_renewed(channels), urgent=urgent).update(round=begun)
    if urgent:
        keys.update(valid_until=timezone.now())  # in doubt: a device that asks first has its own revoked there and then
    if not count:
        raise CannotRenew(_("No device here has a write key that can be renewed from here."))
    audit.record(
        "write_key.all_revocations_started" if urgent else "write_key.all_renewals_started",
        by=by,
        organization=organization,
        about=organization,
        address=address,
        count=count,
    )
    return begun


def can_be_renewed(channels: QuerySet[Channel]) -> QuerySet[Channel]:
    """Return those on platforms that can rotate write keys."""
    return channels.filter(
        account__platform__in=[one for one in PLATFORMS if platform_named(one).can_rotate_write_keys]
    )


def carry_out_within(seconds: float, begun: RenewalRound) -> bool:
    """Carry out what waits in the round, for so long at most. Return whether none is left.

    An account whose platform is out of reach is asked once: each try may take as long as the platform's time-outs.
    """
    until = time.monotonic() + seconds
    away: set[int] = set()
    ours = Renewal.objects.filter(round=begun)
    waiting = ours.to_carry_out(timezone.now()).order_by("pk")
    for renewal in waiting.select_related("channel__account", "by"):
        if time.monotonic() >= until:
            break
        if renewal.channel.account_id not in away:
            carry_out(renewal)
        if renewal.trouble == Renewal.Trouble.OUT_OF_REACH:
            away.add(renewal.channel.account_id)
    return not ours.waiting().exists()
