"""Whoever may no longer see a device loses the read key to it."""

from __future__ import annotations

from channels.models import ChannelKey
from channels.reading_keys import end_read_keys
from orgs import access
from orgs.models import Organization


def end_lost_read_keys(customer: Organization | None = None) -> int:
    """End people's own read keys to devices that they do not see any more; return how many.

    Those to devices of `customer`, which may be any organization of its tree: to be called, inside the same
    transaction, after anything that takes somebody's view away. Without one those of all customers: the background
    does that every now and then, for guests whose time has run out and people whom an operator has locked out.
    """
    keys = ChannelKey.objects.filter(holder__isnull=False, channel__device__isnull=False)
    if customer is not None:
        keys = keys.filter(channel__device__customer__tree_id=customer.tree_id)
    return end_read_keys(keys.exclude(access.sees(user="holder", organization="channel__device__organization")))
