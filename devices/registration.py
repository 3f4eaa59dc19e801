"""Find or register a device, with exactly one channel whatever happens in between.

Where the platform's rows are in our own database, device, channel and keys are one transaction: all or nothing.

Elsewhere the device's row is written first, with a lease for whoever creates the channel; the platform is asked
outside of any transaction; then channel and keys are stored. Two requests at once: one has the lease, the other waits
for its result. A process that dies in between leaves a lease that runs out, and the channel is found by its marker.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import FilteredRelation, Model, Q, QuerySet
from django.utils import timezone

from channels import overdue
from channels.compiled import CompiledQuery, CompiledUpdate, insert, insert_new
from channels.models import Channel, ChannelKey, PlatformAccount
from channels.platforms import BadAccountKey, ChannelLimitReached, OutOfReach, Platform, PlatformError, RemoteChannel
from channels.turns import turn_to_write
from devices import admission, known
from devices.admission import Visitor, Welcome
from devices.errors import KeyNotGood, PolicyRefuses, TryLater
from devices.known import KnownDevice
from devices.models import Device, DeviceContact, RegistrationKey

LABELS = {1: "Temperature"}
# How long a second request waits for the first one to finish before it tells the device to come back.
WAITS = 20
WAIT_SECONDS = 0.1
# On top of the platform's slowest answers: the time to store what it said.
LEASE_MARGIN = timedelta(seconds=5)


def register(
    *,
    lookup: str,
    serial: str,
    whence: Callable[[], str | None] = lambda: None,
    wait: Callable[[float], None] = time.sleep,
) -> KnownDevice:
    """Return the device of the registration key's customer with that serial; make it and its channel if need be.

    `lookup` is the first half of the registration key, in capitals; `serial` is well formed; `whence` tells the IP
    address that the device asks from. Safe to call again after any failure. Raises KeyNotGood, PolicyRefuses,
    WaitsForApproval, or TryLater when the platform is out of reach.
    """
    if found := known.find(lookup=lookup, serial=serial):
        return _with_a_key_that_writes(found, lookup) if found.is_in_doubt else found
    asking = _asking(lookup, serial)
    key, account = asking.key, asking.account
    platform = account.on_platform
    lease = uuid.uuid4()
    if asking.device is None:
        welcome = admission.admit(asking.visitor, key, serial, whence=whence)
        with admission.place_still_there(welcome), _in_one(platform):
            device, is_new = _claim(asking, welcome, serial, lease, _lease_length(platform))
            # There is nothing to be found: the device's marker is a moment old.
            ours = platform.is_in_our_database
            refusal = _create_channel(device, account, platform, lease, is_ours=ours) if is_new else None
    else:
        device, is_new, refusal = _again(asking.device), False, None
    for _attempt in range(0 if is_new else WAITS):
        if device.channel_id is not None:
            break
        if _take_lease(device, lease, _lease_length(platform)):
            refusal = _find_or_create_channel(device, account, platform, lease)
            break
        wait(WAIT_SECONDS)
        device = _again(device.pk)
    if refusal is not None:
        raise refusal
    if found := known.find(lookup=lookup, serial=serial):
        return found
    raise TryLater("The device is being registered by another request at the moment.", retry_after=2)


def _again(pk: int) -> Device:
    device = Device.objects.filter(pk=pk).first()
    if device is None:
        raise TryLater("The device has just been deleted in the portal. It may come in as a new one.", retry_after=2)
    return device


def _with_a_key_that_writes(device: KnownDevice, lookup: str) -> KnownDevice:
    """Return the device as it is after a look at the platform. Raises TryLater, or what `known.find` raises."""
    if overdue.see_to(device.write_key_id) and (found := known.find(lookup=lookup, serial=device.serial)):
        return found
    raise TryLater("The device's key is being replaced at the moment. Nothing is lost: try again.", retry_after=5)


@contextmanager
def _in_one(platform: Platform) -> Iterator[None]:
    """Make one transaction of what follows, where the platform's rows are in our own database."""
    if not platform.is_in_our_database:
        yield
        return
    with turn_to_write(), transaction.atomic():
        yield


def _in_order(model: type[Model], *names: str) -> tuple[str, ...]:
    """Return the columns in the order of the model's fields, which is the one that `from_db` goes by."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in names)


_KEY = _in_order(
    RegistrationKey,
    "id", "customer_id", "organization_id", "expires_at", "use_limit", "uses", "revoked_at", "successor_id",
)  # fmt: skip
_ACCOUNT = _in_order(PlatformAccount, "id", "platform", "key", "state")


def _key_and_device(lookup: str, serial: str) -> QuerySet[RegistrationKey, tuple[Any, ...]]:
    of_that_serial = Q(customer__all_devices__serial=serial)
    return (
        RegistrationKey.objects.filter(lookup=lookup)
        .annotate(
            device=FilteredRelation("customer__all_devices", condition=of_that_serial),
            **admission.relations(serial),
        )
        .values_list(
            *_KEY,
            *(f"customer__platform_account__{name}" for name in _ACCOUNT),
            *admission.COLUMNS,
            "customer__suspended_at",
            "device__pk",
        )
    )


_KEY_AND_DEVICE = CompiledQuery(_key_and_device, "lookup", "serial")


@dataclass(frozen=True)
class _Asking:
    """Who asks, and with what. Key and account have only the columns that are needed here."""

    key: RegistrationKey
    account: PlatformAccount
    visitor: Visitor
    device: int | None
    """The primary key of the customer's device of that serial, if there is one."""


def _asking(lookup: str, serial: str) -> _Asking:
    """Return who asks with that key. Raises KeyNotGood or PolicyRefuses."""
    row = _KEY_AND_DEVICE.first(lookup=lookup, serial=serial)
    if row is None:
        raise KeyNotGood
    *columns, suspended_at, device = row
    of_key, of_account = len(_KEY), len(_KEY) + len(_ACCOUNT)
    key = RegistrationKey.from_db(DEFAULT_DB_ALIAS, _KEY, columns[:of_key])
    account = PlatformAccount.from_db(DEFAULT_DB_ALIAS, _ACCOUNT, columns[of_key:of_account])
    if not key.is_good:
        raise KeyNotGood
    if suspended_at is not None:
        raise PolicyRefuses.suspended()
    if account.pk is None:
        raise PolicyRefuses("The organization has no account on the channel platform yet. Ask its manager.")
    return _Asking(key, account, Visitor(*columns[of_account:]), device)


def _lease_length(platform: Platform) -> timedelta:
    # Looking for the channel and creating it are two calls.
    return 2 * platform.answers_within + LEASE_MARGIN


def _claim(asking: _Asking, welcome: Welcome, serial: str, lease: uuid.UUID, length: timedelta) -> tuple[Device, bool]:
    """Return a new device, counted on the key and with the lease; or False and the one that came in between."""
    key = asking.key
    now = timezone.now()
    device = Device(
        customer_id=key.customer_id,
        organization_id=welcome.organization,
        serial=serial,
        name=welcome.name,
        registered_with_id=key.pk,
        provisioning_lease=lease,
        provisioning_until=now + length,
    )
    with transaction.atomic(savepoint=False):
        # The UPDATE makes registrations with one key wait for each other: the limit holds when many come at once.
        if not RegistrationKey.objects.take_use(key):
            raise admission.used_up()
        if not insert_new(device):
            RegistrationKey.objects.give_back_use(key)
            return Device.objects.get(customer=key.customer_id, serial=serial), False
        insert(DeviceContact(device=device, asked_at=now, asked_with_id=key.pk))
        admission.forget_visitor(asking.visitor)
    return device, True


def _take_lease(device: Device, lease: uuid.UUID, length: timedelta) -> bool:
    now = timezone.now()
    return bool(
        Device.objects.filter(Q(provisioning_until__isnull=True) | Q(provisioning_until__lte=now), pk=device.pk)
        .filter(channel__isnull=True)
        .update(provisioning_lease=lease, provisioning_until=now + length)
    )


Refusal = TryLater | PolicyRefuses


def _find_or_create_channel(
    device: Device, account: PlatformAccount, platform: Platform, lease: uuid.UUID
) -> Refusal | None:
    """Store the channel that an earlier try may have left on the platform, or a new one. Returns what went wrong."""
    try:
        remote = platform.find_channel(account.key, device.marker)
    except PlatformError as error:
        return _give_up(device, lease, account, error)
    if remote is None:
        return _create_channel(device, account, platform, lease)
    _store(device, account, remote, lease)
    return None


def _create_channel(
    device: Device, account: PlatformAccount, platform: Platform, lease: uuid.UUID, *, is_ours: bool = False
) -> Refusal | None:
    """Store a new channel. Returns what went wrong. See `_store` for `is_ours`."""
    try:
        remote = platform.create_channel(account.key, name=str(device), marker=device.marker, labels=LABELS)
    except PlatformError as error:
        return _give_up(device, lease, account, error)
    _store(device, account, remote, lease, is_ours=is_ours)
    return None


def _refusal(error: PlatformError, account: PlatformAccount) -> Refusal:
    """Say it in the device's words, and remember what the manager has to know."""
    if isinstance(error, OutOfReach):
        return TryLater("The channel platform is out of reach. Nothing is lost: try again.", error.retry_after)
    if isinstance(error, ChannelLimitReached):
        account.record_check(PlatformAccount.State.FULL)
        return PolicyRefuses(
            "The organization's account on the channel platform has no channel left. "
            "Its manager must delete one there or get a larger account."
        )
    if isinstance(error, BadAccountKey):
        account.record_check(PlatformAccount.State.REFUSED)
        return TryLater("The channel platform refuses the organization's account key. Its manager must renew it.", 3600)
    return TryLater("The channel platform gave an answer that makes no sense. Nothing is lost: try again.", 300)


def _give_up(device: Device, lease: uuid.UUID, account: PlatformAccount, error: PlatformError) -> Refusal:
    """Let the next try begin at once, and say why this one failed."""
    mine = Device.objects.filter(pk=device.pk, provisioning_lease=lease)
    mine.update(provisioning_lease=None, provisioning_until=None)
    return _refusal(error, account)


@transaction.atomic(savepoint=False)
def _store(
    device: Device, account: PlatformAccount, remote: RemoteChannel, lease: uuid.UUID, *, is_ours: bool = False
) -> None:
    """Give the device its channel if that is still ours to do; `is_ours`: nobody else has seen the device yet."""
    if not is_ours and not _STILL_MINE.run(device=device.pk, lease=lease):
        return  # The lease ran out and another request has adopted the channel.
    channel = Channel(account=account, number=remote.number)
    insert(channel)
    # Told, because the answer to this very request carries it.
    told_at = timezone.now()
    insert(
        ChannelKey.holding(remote.write_key, channel=channel, kind=ChannelKey.Kind.WRITE, told_at=told_at),
        *(ChannelKey.holding(key, channel=channel, kind=ChannelKey.Kind.READ) for key in remote.read_keys),
    )
    _HAS_CHANNEL.run(device=device.pk, channel=channel.pk)
    if account.state != PlatformAccount.State.VERIFIED:
        account.record_check(PlatformAccount.State.VERIFIED)


# An UPDATE, because it locks the row on every database.
_STILL_MINE = CompiledUpdate(
    lambda device, lease: (
        Device.objects.filter(pk=device, provisioning_lease=lease, channel__isnull=True),
        {"provisioning_until": None},
    ),
    device=-7_777_777,
    lease=uuid.UUID(int=7_777_777),
)
_HAS_CHANNEL = CompiledUpdate(
    lambda device, channel: (
        Device.objects.filter(pk=device),
        {"channel_id": channel, "provisioning_lease": None, "provisioning_until": None},
    ),
    device=-7_777_777,
    channel=-8_888_888,
)
