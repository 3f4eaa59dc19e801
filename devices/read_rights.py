"""Whoever may no longer see a device loses the read key to it."""

from __future__ import annotations

from collections import defaultdict

from django.db.models import QuerySet

from channels import findings
from channels.models import ChannelKey, Finding, ShownKey
from channels.reading_keys import end_read_keys
from orgs import access
from orgs.models import Organization


def end_lost_read_keys(customer: Organization | None = None) -> int:
    """End people's own read keys to devices that they do not see any more; return how many.

    Those to devices of `customer`, which may be any organization of its tree: to be called, inside the same
    transaction, after anything that takes somebody's view away. Without one those of all customers: the background
    does that every now and then, for guests whose time has run out and people whom an operator has locked out.
    """
    note_known_keys(customer)
    keys = ChannelKey.objects.filter(holder__isnull=False, channel__device__isnull=False)
    if customer is not None:
        keys = keys.filter(channel__device__customer__tree_id=customer.tree_id)
    return end_read_keys(keys.exclude(access.sees(user="holder", organization="channel__device__organization")))


def note_known_keys(customer: Organization | None = None) -> int:
    """Report the shared keys that somebody has seen who no longer sees the device; return how many are new.

    Such a key cannot be ended from here, so the managers are told how to do it. A report whose key has been replaced,
    or whose person is back, settles itself.
    """
    reports = Finding.objects.open().filter(kind=Finding.Kind.KEY_KNOWN)
    if customer is not None:
        reports = reports.filter(account__organization__tree_id=customer.tree_id)
    known: dict[int, list[ShownKey]] = defaultdict(list)
    for showing in (*_known_to_outsiders(_DEVICE, customer), *_known_to_outsiders(_FORMER_DEVICE, customer)):
        known[showing.key.channel_id].append(showing)
    findings.settle(reports.exclude(channel__in=known))
    reported = set(reports.filter(channel__in=known).values_list("channel", flat=True))
    new = [showings for channel, showings in known.items() if channel not in reported]
    return sum(
        findings.notice(
            Finding.Kind.KEY_KNOWN,
            account=showings[0].key.channel.account,
            number=showings[0].key.channel.number,
            channel=showings[0].key.channel,
            key=showings[0].key,
            label=", ".join(showing.name for showing in showings),
        )
        for showings in new
    )


_DEVICE = "key__channel__device"
_FORMER_DEVICE = "key__channel__rollovers__device"
"""That of a channel which its device has left and which holds its history: who knows its key still reads that."""


def _known_to_outsiders(device: str, customer: Organization | None) -> QuerySet[ShownKey]:
    """Return the showings of good keys to people who do not see the device, to which that path leads, any more."""
    good = ShownKey.objects.of_good_keys().filter(**{f"{device}__isnull": False})
    if device == _FORMER_DEVICE:
        good = good.filter(key__channel__rollovers__state__in=("moved", "done"))
    if customer is not None:
        good = good.filter(**{f"{device}__customer__tree_id": customer.tree_id})
    outsiders = good.exclude(access.sees(user="user", organization=f"{device}__organization"))
    return outsiders.select_related("key__channel__account").order_by("pk")
