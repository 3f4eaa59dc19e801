"""What there is to measure on: customers with registration keys, and devices with channels."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from channels.embedded import Embedded
from channels.markers import with_marker
from channels.models import Channel, ChannelKey, PlatformAccount
from channels.platform import models as platform
from devices.models import Device, DeviceContact, RegistrationKey
from orgs import tree

CUSTOMERS = 4
BIG_CHANNEL_STEP = 15  # seconds between entries


@dataclass(frozen=True)
class KnownDevice:
    """A device that has registered, with what it knows."""

    serial: str
    lookup: str
    number: int
    write_key: str


@dataclass(frozen=True)
class BigChannel:
    """A channel with millions of entries."""

    number: int
    read_key: str
    entries: int
    filled_in: float


@transaction.atomic
def customers() -> list[RegistrationKey]:
    """Make customers with an account on the embedded platform, and return a registration key of each."""
    keys = []
    for n in range(CUSTOMERS):
        customer = tree.create_customer(f"Customer {n}")
        account = Embedded().create_account(customer.name)
        PlatformAccount.objects.create(
            organization=customer, platform="embedded", key=account, state=PlatformAccount.State.VERIFIED
        )
        keys.append(RegistrationKey.issue(customer))
    return keys


@transaction.atomic
def devices(keys: list[RegistrationKey], count: int) -> list[KnownDevice]:
    """Make `count` registered devices, spread over the keys' customers. The same rows as registering makes."""
    accounts = {key.pk: PlatformAccount.objects.get(organization=key.customer) for key in keys}
    owners = {pk: platform.Account.objects.with_key(account.key) for pk, account in accounts.items()}
    now = timezone.now()
    chosen = [keys[n % len(keys)] for n in range(count)]
    uids = [uuid.uuid4() for _ in chosen]
    on_platform = platform.Channel.objects.bulk_create(
        [
            platform.Channel(
                account=owners[key.pk],
                name=f"device {n}",
                field1="Temperature",
                metadata=with_marker("", f"keydist:{uid}"),
                marker=f"keydist:{uid}",
            )
            for n, (key, uid) in enumerate(zip(chosen, uids, strict=True))
        ],
        batch_size=500,
    )
    platform.Latest.objects.bulk_create([platform.Latest(channel=channel) for channel in on_platform], batch_size=500)
    write_keys = [platform.new_key() for _ in chosen]
    read_keys = [platform.new_key() for _ in chosen]
    platform.ApiKey.objects.bulk_create(
        [
            platform.ApiKey(
                channel=channel, value=value, hash=platform.keyed_hash(value), writes=writes, created_at=now
            )
            for values, writes in ((write_keys, True), (read_keys, False))
            for channel, value in zip(on_platform, values, strict=True)
        ],
        batch_size=500,
    )
    channels = Channel.objects.bulk_create(
        [
            Channel(account=accounts[key.pk], number=channel.number)
            for key, channel in zip(chosen, on_platform, strict=True)
        ],
        batch_size=500,
    )
    ChannelKey.objects.bulk_create(
        [
            ChannelKey.holding(value, channel=channel, kind=kind, told_at=at, acknowledged_at=at)
            for values, kind, at in (
                (write_keys, ChannelKey.Kind.WRITE, now),
                (read_keys, ChannelKey.Kind.READ, None),
            )
            for channel, value in zip(channels, values, strict=True)
        ],
        batch_size=500,
    )
    made = Device.objects.bulk_create(
        [
            Device(
                uid=uid,
                customer=key.customer,
                organization=key.organization,
                serial=f"known-{n}",
                channel=channel,
                registered_with=key,
            )
            for n, (key, uid, channel) in enumerate(zip(chosen, uids, channels, strict=True))
        ],
        batch_size=500,
    )
    DeviceContact.objects.bulk_create(
        [DeviceContact(device=device, asked_at=now, asked_with=key) for device, key in zip(made, chosen, strict=True)],
        batch_size=500,
    )
    return [
        KnownDevice(device.serial, key.lookup, channel.number, write_key)
        for device, key, channel, write_key in zip(made, chosen, channels, write_keys, strict=True)
    ]


def last_asked(ago: timedelta) -> None:
    """Let all devices have asked for their keys that long ago."""
    DeviceContact.objects.update(asked_at=timezone.now() - ago)


def big_channel(key: RegistrationKey, entries: int) -> BigChannel:
    """Make a channel and fill it by SQL, one entry every 15 seconds up to now."""
    owner = platform.Account.objects.with_key(PlatformAccount.objects.get(organization=key.customer).key)
    channel = platform.Channel.objects.open(owner, name="Big", field1="Temperature", field2="Humidity")
    end = timezone.now().replace(microsecond=0) - timedelta(seconds=BIG_CHANNEL_STEP)
    start = end - timedelta(seconds=BIG_CHANNEL_STEP * (entries - 1))
    if connection.vendor == "postgresql":
        numbers, moment = "SELECT generate_series(1, %s) AS n", "to_timestamp(%s + (n - 1) * %s)"
        first, second = "(20 + n %% 100 / 10.0)::text", "(n %% 100)::text"
    else:
        numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT %s) SELECT n FROM c"
        moment = "strftime('%%Y-%%m-%%d %%H:%%M:%%S', %s + (n - 1) * %s, 'unixepoch')"
        first, second = "CAST(20 + n %% 100 / 10.0 AS TEXT)", "CAST(n %% 100 AS TEXT)"
    began = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO platform_entry (channel_id, entry_id, created_at, field1, field2)
                SELECT {channel.number}, n, {moment}, {first}, {second} FROM ({numbers}) AS numbers""",
            (int(start.timestamp()), BIG_CHANNEL_STEP, entries),
        )
        last = platform.Entry.objects.get(channel=channel, entry_id=entries)
        platform.Latest.objects.filter(channel=channel).update(
            last_entry_id=entries,
            newest_id=entries,
            last_entry_at=last.created_at,
            written_at=last.created_at,
            **{f"field{n}{part}": value for n in (1, 2) for part, value in _newest(last, n).items()},
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    read_key = channel.api_keys.get(writes=False).value
    return BigChannel(channel.number, read_key, entries, time.monotonic() - began)


def _newest(entry: platform.Entry, n: int) -> dict[str, object]:
    return {"": getattr(entry, f"field{n}"), "_id": entry.entry_id, "_at": entry.created_at}
