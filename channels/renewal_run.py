"""What is open among the renewals of write keys, carried on by one step. Safe to run twice, at once, after a crash."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from channels.keys_used import note_uses
from channels.models import Renewal
from channels.renewal import carry_out, finish

SECRETS = ("channel__account__key",)
"""Decrypted when one renewal needs them, not with the list: a key that nobody can decrypt must not hold up the rest."""


@dataclass(frozen=True)
class CarriedOn:
    """How many renewals got a new key, and how many old keys were ended."""

    renewed: int = 0
    ended: int = 0


def carry_on() -> CarriedOn:
    """Carry out what waits for a platform, then end the old keys whose time has come.

    An account whose platform is out of reach is asked once and left alone for the rest of the run: each try may take
    as long as the platform's time-outs.
    """
    away: set[int] = set()
    renewed = ended = 0
    waiting = Renewal.objects.to_carry_out(timezone.now()).order_by("-urgent", "started_at")
    for renewal in waiting.select_related("channel__account", "by").defer(*SECRETS):
        if renewal.channel.account_id in away:
            continue
        renewed += carry_out(renewal)
        if renewal.trouble == Renewal.Trouble.OUT_OF_REACH:
            away.add(renewal.channel.account_id)
    # Those that are over, too: after an emergency it is by its use alone that a device is known to have its new key.
    silent = Renewal.objects.without_sign().select_related("channel__account").defer(*SECRETS)
    note_uses([renewal.channel for renewal in silent if renewal.channel.account_id not in away])
    over = Renewal.objects.to_finish(timezone.now()).select_related("channel__account", "old_key", "new_key")
    for renewal in over.defer(*SECRETS, "old_key__value", "new_key__value"):
        if renewal.channel.account_id in away:
            continue
        ended += finish(renewal)
        if renewal.trouble == Renewal.Trouble.OUT_OF_REACH:
            away.add(renewal.channel.account_id)
    return CarriedOn(renewed, ended)
