"""A landlord: as many flats, tenants and thermometers as a test wants, stored by the hundred."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from django.utils import timezone

from channels.models import Channel, ChannelKey, PlatformAccount
from channels.platform import models as platform
from channels.vault import keyed_hash
from devices.models import Device, DeviceContact
from orgs import audit, tree
from orgs.models import Membership, Organization, User
from tests.conftest import Cast

_number = count(1)


def grow(cast: Cast, *, devices: int, flats: int) -> None:
    """Give Homer's household so many more flats with a tenant each, and devices that have measured something."""
    places = [
        tree.create_below(Organization.objects.get(pk=cast.household.pk), name=f"Flat {next(_number)}")
        for _ in range(flats)
    ]
    _fill_with_people(cast, places)
    _fill_with_devices(cast, places, devices)
    for place in places:
        audit.record("organization.created", by=cast.homer, organization=place, about=place)


def _fill_with_people(cast: Cast, places: list[Organization]) -> None:
    people = User.objects.bulk_create(
        User(email=f"tenant{next(_number)}@example.net", given_name="Tenant", family_name=str(n))
        for n, _place in enumerate(places)
    )
    Membership.objects.bulk_create(
        Membership(user=person, organization=place) for person, place in zip(people, places, strict=True)
    )


def _fill_with_devices(cast: Cast, places: list[Organization], devices: int) -> None:
    account = PlatformAccount.objects.get(organization=cast.home)
    theirs = platform.Account.objects.with_key(account.key)
    assert theirs is not None
    now = timezone.now()
    there = platform.Channel.objects.bulk_create(
        platform.Channel(account=theirs, name=f"Room {n}", field1="Temperature") for n in range(devices)
    )
    platform.Latest.objects.bulk_create(
        platform.Latest(
            channel=channel, last_entry_id=1, newest_id=1, last_entry_at=now - timedelta(minutes=n * 7),
            field1="20.5", field1_id=1, field1_at=now - timedelta(minutes=n * 7),
        )
        for n, channel in enumerate(there)
    )  # fmt: skip
    keys = [platform.new_key() for _ in there]
    platform.ApiKey.objects.bulk_create(
        platform.ApiKey(channel=channel, value=key, hash=keyed_hash(key), writes=False, created_at=now)
        for channel, key in zip(there, keys, strict=True)
    )
    here = Channel.objects.bulk_create(Channel(account=account, number=channel.number) for channel in there)
    ChannelKey.objects.bulk_create(
        ChannelKey.holding(key, channel=channel, kind=ChannelKey.Kind.READ)
        for channel, key in zip(here, keys, strict=True)
    )
    made = Device.objects.bulk_create(
        Device(
            customer=cast.home, organization=places[n % len(places)], serial=f"9{next(_number):09}",
            name=f"Room {n}", channel=channel,
        )
        for n, channel in enumerate(here)
    )  # fmt: skip
    DeviceContact.objects.bulk_create(DeviceContact(device=device, asked_at=now) for device in made)
