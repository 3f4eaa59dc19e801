"""What is open among the moves to new channels, carried on by one step. Safe to run twice, at once, after a crash."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from devices.leaving import can_be_left, finish
from devices.models import RollOver
from devices.rollover import carry_out

SECRETS = ("old_channel__account__key",)
"""Decrypted when one roll-over needs them: a key that nobody can decrypt must not hold up the rest."""


@dataclass(frozen=True)
class CarriedOn:
    """How many devices have got a new channel, and how many old channels have been left."""

    moved: int = 0
    left: int = 0


def carry_on() -> CarriedOn:
    """Carry out what waits for a platform, then leave the old channels whose time has come.

    An account whose platform is out of reach is asked once.
    """
    away: set[int] = set()
    moved = left = 0
    needed = ("device__organization", "old_channel__account", "by")
    waiting = RollOver.objects.to_carry_out(timezone.now()).select_related(*needed).order_by("started_at")
    for rollover in waiting.defer(*SECRETS):
        if rollover.old_channel.account_id not in away:
            moved += carry_out(rollover)
            if rollover.trouble == RollOver.Trouble.OUT_OF_REACH:
                away.add(rollover.old_channel.account_id)
    on_their_way = RollOver.objects.moved().select_related(*needed, "new_channel__account").order_by("deadline")
    for rollover in on_their_way.defer(*SECRETS, "new_channel__account__key"):
        if rollover.old_channel.account_id not in away and can_be_left(rollover):
            left += finish(rollover)
            if rollover.trouble == RollOver.Trouble.OUT_OF_REACH:
                away.add(rollover.old_channel.account_id)
    return CarriedOn(moved, left)
