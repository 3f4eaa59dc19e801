"""Whoever may no longer see a device loses the read key to it."""

from __future__ import annotations

from channels.models import ChannelKey
from channels.reading_keys import end_read_keys
from orgs import access
from orgs.models import Organization


def end_lost_read_keys(customer: Organization) -> int:
    """End people's own read keys to devices of `customer` that they do not see any more; return how many.

    To be called, inside the same transaction, after anything that takes somebody's view away: a membership that ends
    or moves, a device or an organization that moves.
    """
    return end_read_keys(
        ChannelKey.objects.filter(channel__device__customer__tree_id=customer.tree_id)
        .filter(holder__isnull=False)
        .exclude(access.sees(user="holder", organization="channel__device__organization"))
    )
