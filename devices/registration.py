"""Find or register a device, with exactly one channel whatever happens in between.

The device's row is written first, with a lease for whoever creates the channel; the platform is asked outside of any
transaction; then channel and keys are stored. Two requests at once: one has the lease, the other waits for its
result. A process that dies in between leaves a lease that runs out, and the channel is found again by its marker.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from channels.models import Channel, ChannelKey, PlatformAccount
from channels.platforms import BadAccountKey, ChannelLimitReached, OutOfReach, Platform, PlatformError, RemoteChannel
from devices import known
from devices.errors import KeyNotGood, PolicyRefuses, TryLater
from devices.known import KnownDevice
from devices.models import Device, DeviceContact, RegistrationKey

LABELS = {1: "Temperature"}
# How long a second request waits for the first one to finish before it tells the device to come back.
WAITS = 20
WAIT_SECONDS = 0.1
# On top of the platform's slowest answers: the time to store what it said.
LEASE_MARGIN = timedelta(seconds=5)


def register(*, lookup: str, serial: str, wait: Callable[[float], None] = time.sleep) -> KnownDevice:
    """Return the device of the registration key's customer with that serial; make it and its channel if need be.

    `lookup` is the first half of the registration key, in capitals; `serial` is well formed. Safe to call again after
    any failure. Raises KeyNotGood, PolicyRefuses, or TryLater when the platform is out of reach.
    """
    if device := known.find(lookup=lookup, serial=serial):
        return device
    key = (
        RegistrationKey.objects.good()
        .filter(lookup=lookup)
        .select_related("organization", "customer__platform_account")
        .first()
    )
    if key is None:
        raise KeyNotGood
    if key.customer.suspended_at is not None:
        raise PolicyRefuses.suspended()
    account = _account(key)
    platform = account.on_platform
    lease = uuid.uuid4()
    claimed = _claim(key, serial, lease, _lease_length(platform))
    for _attempt in range(WAITS):
        if claimed.channel_id is not None:
            break
        if claimed.provisioning_lease == lease or _take_lease(claimed, lease, _lease_length(platform)):
            _provision(claimed, account, platform, lease)
            break
        wait(WAIT_SECONDS)
        claimed.refresh_from_db(fields=["channel", "provisioning_lease", "provisioning_until"])
    if device := known.find(lookup=lookup, serial=serial):
        return device
    raise TryLater("The device is being registered by another request at the moment.", retry_after=2)


def _account(key: RegistrationKey) -> PlatformAccount:
    try:
        return key.customer.platform_account
    except PlatformAccount.DoesNotExist:
        raise PolicyRefuses("The organization has no account on the channel platform yet. Ask its manager.") from None


def _lease_length(platform: Platform) -> timedelta:
    # Looking for the channel and creating it are two calls.
    return 2 * platform.answers_within + LEASE_MARGIN


def _claim(key: RegistrationKey, serial: str, lease: uuid.UUID, length: timedelta) -> Device:
    """Return the customer's device of that serial; a new one is counted on the key and comes with the lease."""
    known_device = Device.objects.filter(customer=key.customer, serial=serial).first()
    if known_device is not None:
        return known_device
    if key.successor_id is not None:
        raise KeyNotGood  # the new one is in the portal, for whoever has the device in hand
    with transaction.atomic():
        # The UPDATE makes registrations with one key wait for each other: the limit holds when many come at once.
        if not RegistrationKey.objects.take_use(key):
            raise PolicyRefuses(
                "This registration key has let in as many devices as it may. Ask a manager for another."
            )
        now = timezone.now()
        device, is_new = Device.objects.get_or_create(
            customer=key.customer,
            serial=serial,
            defaults={
                "organization": key.organization,
                "registered_with": key,
                "provisioning_lease": lease,
                "provisioning_until": now + length,
            },
        )
        if is_new:
            DeviceContact.objects.create(device=device, asked_at=now, asked_with=key)
        else:
            RegistrationKey.objects.give_back_use(key)
    return device


def _take_lease(device: Device, lease: uuid.UUID, length: timedelta) -> bool:
    now = timezone.now()
    return bool(
        Device.objects.filter(Q(provisioning_until__isnull=True) | Q(provisioning_until__lte=now), pk=device.pk)
        .filter(channel__isnull=True)
        .update(provisioning_lease=lease, provisioning_until=now + length)
    )


def _provision(device: Device, account: PlatformAccount, platform: Platform, lease: uuid.UUID) -> None:
    """Find or create the device's channel on the platform and store it with its keys."""
    try:
        remote = platform.find_channel(account.key, device.marker) or platform.create_channel(
            account.key, name=str(device), marker=device.marker, labels=LABELS
        )
    except PlatformError as error:
        _give_up_lease(device, lease)
        raise _refusal(error, account) from error
    _store(device, account, remote, lease)
    if account.state != PlatformAccount.State.VERIFIED:
        account.record_check(PlatformAccount.State.VERIFIED)


def _refusal(error: PlatformError, account: PlatformAccount) -> TryLater | PolicyRefuses:
    """Say it in the device's words, and remember what the manager has to know."""
    if isinstance(error, OutOfReach):
        return TryLater("The channel platform is out of reach. Nothing is lost: try again.", error.retry_after)
    if isinstance(error, ChannelLimitReached):
        return PolicyRefuses(
            "The organization's account on the channel platform has no channel left. "
            "Its manager must delete one there or get a larger account."
        )
    if isinstance(error, BadAccountKey):
        account.record_check(PlatformAccount.State.REFUSED)
        return TryLater("The channel platform refuses the organization's account key. Its manager must renew it.", 3600)
    return TryLater("The channel platform gave an answer that makes no sense. Nothing is lost: try again.", 300)


def _give_up_lease(device: Device, lease: uuid.UUID) -> None:
    Device.objects.filter(pk=device.pk, provisioning_lease=lease).update(
        provisioning_lease=None, provisioning_until=None
    )


@transaction.atomic
def _store(device: Device, account: PlatformAccount, remote: RemoteChannel, lease: uuid.UUID) -> None:
    mine = Device.objects.select_for_update().filter(pk=device.pk, provisioning_lease=lease, channel__isnull=True)
    if not mine.exists():
        return  # The lease ran out and another request has adopted the channel.
    channel = Channel.objects.create(account=account, number=remote.number)
    ChannelKey.objects.bulk_create(
        [
            ChannelKey.holding(remote.write_key, channel=channel, kind=ChannelKey.Kind.WRITE),
            *(ChannelKey.holding(key, channel=channel, kind=ChannelKey.Kind.READ) for key in remote.read_keys),
        ]
    )
    mine.update(channel=channel, provisioning_lease=None, provisioning_until=None)
