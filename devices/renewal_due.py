"""Which keys the policies want renewed, and when next."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from channels.models import ChannelKey, Renewal, RenewalPolicy
from channels.renewal_models import RenewalState
from channels.renewal_policy import governed_by
from devices.models import RegistrationKey

DEVICE = "channel__device__organization"
"""The path from a channel's key to where its device is."""
SECRETS = ("value", "channel__account__key")
"""Not loaded with these lists: whether a key is due is not in it, and one that nobody can decrypt stops no other."""
# A renewal that was given up (the channel is gone) is not begun again every minute.
GIVEN_UP_FOR = timedelta(days=1)


def write_keys(policy: RenewalPolicy, *, good_since: datetime) -> QuerySet[ChannelKey]:
    """Return the current write keys under `policy` that are good since then or longer, and not being renewed."""
    renewals = Renewal.objects.filter(channel=OuterRef("channel"))
    keys = ChannelKey.objects.current().writing().filter(valid_from__lte=good_since)
    keys = keys.filter(governed_by(policy, DEVICE), ~Exists(renewals.open()))
    return keys.select_related("channel__account").defer(*SECRETS)


def registration_keys(policy: RenewalPolicy, *, good_since: datetime) -> QuerySet[RegistrationKey]:
    """Return the registration keys under `policy` that were made by then and let new devices in."""
    keys = RegistrationKey.objects.good().filter(successor__isnull=True, created_at__lte=good_since)
    keys = keys.filter(governed_by(policy, "organization")).select_related("organization")
    return keys.defer("secret", "envelope_key_base64")


def read_keys(policy: RenewalPolicy, *, good_since: datetime) -> QuerySet[ChannelKey]:
    """Return the current read keys under `policy` that are good since then or longer."""
    keys = ChannelKey.objects.current().reading().filter(valid_from__lte=good_since)
    keys = keys.exclude(origin=ChannelKey.Origin.FOR_PROGRAM)  # nobody would tell the program
    return keys.filter(governed_by(policy, DEVICE)).select_related("channel__account", "holder").defer(*SECRETS)


def write_key_due_at(policy: RenewalPolicy, key: ChannelKey) -> datetime | None:
    """Return when the key is renewed by itself, None if only by hand."""
    if policy.write_every is None or key.valid_from is None:
        return None
    return policy.due_at(key.valid_from, policy.write_every, f"write {key.channel_id} {key.version}")


def registration_key_due_at(policy: RenewalPolicy, key: RegistrationKey) -> datetime | None:
    """Return when the key is renewed by itself, None if only by hand."""
    if policy.registration_every is None:
        return None
    return policy.due_at(key.created_at, policy.registration_every, f"registration {key.pk}")


def read_key_due_at(policy: RenewalPolicy, key: ChannelKey) -> datetime | None:
    """Return when the key is renewed by itself, None if only by hand."""
    if policy.read_every is None or key.valid_from is None:
        return None
    return policy.due_at(key.valid_from, policy.read_every, f"read {key.pk}")


def due_write_keys(policy: RenewalPolicy, now: datetime) -> list[ChannelKey]:
    """Return the write keys that `policy` wants renewed now."""
    if policy.write_every is None:
        return []
    given_up = Renewal.objects.filter(
        old_key=OuterRef("pk"), state=RenewalState.FAILED, finished_at__gt=now - GIVEN_UP_FOR
    )
    keys = write_keys(policy, good_since=policy.earliest(now, policy.write_every)).exclude(Exists(given_up))
    return [key for key in keys if (due := write_key_due_at(policy, key)) and due <= now]


def due_registration_keys(policy: RenewalPolicy, now: datetime) -> list[RegistrationKey]:
    """Return the registration keys that `policy` wants renewed now."""
    if policy.registration_every is None:
        return []
    keys = registration_keys(policy, good_since=policy.earliest(now, policy.registration_every))
    return [key for key in keys if (due := registration_key_due_at(policy, key)) and due <= now]


def due_read_keys(policy: RenewalPolicy, now: datetime) -> list[ChannelKey]:
    """Return the read keys that `policy` wants renewed now, where people have their own."""
    if policy.read_every is None:
        return []
    keys = read_keys(policy, good_since=policy.earliest(now, policy.read_every))
    return [
        key
        for key in keys
        if (due := read_key_due_at(policy, key)) and due <= now and key.channel.account.on_platform.can_add_read_keys
    ]
