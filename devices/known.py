"""The hot path: a device that is known asks for its key.

After a power failure all devices ask at once, so this is one SELECT, whatever the depth of the tree and the number of
keys, and at most one UPDATE a minute and device; a second one when the device is given, or confirms, a key for the
first time. Nothing is decrypted before it is known that an envelope is wanted.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import ExpressionWrapper, F, FilteredRelation, Q, QuerySet, TextField
from django.utils import timezone

from channels import vault
from channels.compiled import CompiledQuery, CompiledUpdate
from channels.models import ChannelKey, KeyState
from channels.platforms import platform_named
from devices import clones
from devices.envelope import Payload, seal
from devices.errors import KeyNotGood, PolicyRefuses
from devices.models import Device, DeviceContact
from devices.registration_key_text import RegistrationKeyText

CONTACT_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Successor:
    """The registration key that a device shall use from now on. Its secret half is still encrypted."""

    pk: int
    lookup: str
    encrypted_secret: str = field(repr=False)


@dataclass(frozen=True)
class KnownDevice:
    """A device with its channel and the registration key that it asked with. Secrets are still encrypted."""

    pk: int
    serial: str
    channel_number: int
    platform: str
    key_version: int
    registration_key_id: int
    lookup: str
    encrypted_write_key: str = field(repr=False)
    encrypted_envelope_key: str = field(repr=False)
    write_key_id: int
    is_in_doubt: bool
    """Whether the write key may be over on the platform: see `channels.overdue`."""
    valid_until: datetime | None
    """When the key before this one ends, while there is one."""
    asked_at: datetime | None
    asked_with: int | None
    told_at: datetime | None
    acknowledged_at: datetime | None
    successor: Successor | None
    """What takes the place of the registration key, while that is being renewed."""

    @property
    def etag(self) -> str:
        """Names the versions of what an envelope would carry, never the keys themselves."""
        renewed = f"-{self.successor.pk}" if self.successor else ""
        return f'{self._etag_start}{self.registration_key_id}{renewed}"'

    def envelope(self, *, nonce: str | None = None, at: datetime | None = None) -> str:
        """Return a fresh envelope for the device: a compact JWE."""
        payload = Payload(
            serial=self.serial,
            channel=self.channel_number,
            write_key=vault.decrypt(self.encrypted_write_key),
            key_version=self.key_version,
            update_url=platform_named(self.platform).update_url,
            issued_at=at or timezone.now(),
            nonce=nonce,
            valid_until=self.valid_until,
            registration_key=self._new_registration_key(),
        )
        envelope_key = base64.b64decode(vault.decrypt(self.encrypted_envelope_key))
        return seal(payload, key=envelope_key, lookup=self.lookup)

    def _new_registration_key(self) -> RegistrationKeyText | None:
        if self.successor is None:
            return None
        return RegistrationKeyText(self.successor.lookup, vault.decrypt(self.successor.encrypted_secret))

    def note_request(self, etags: Collection[str], *, is_answered: bool) -> None:
        """Remember that the device has asked, sending these ETags, and whether it gets an envelope (else a 304).

        An ETag of the current key's version is the device's word that it has the key, whatever else has changed.
        """
        now = timezone.now()
        is_stale = self.asked_at is None or self.asked_at <= now - CONTACT_EVERY
        if is_stale or self.asked_with != self.registration_key_id:
            _record_contact(self.pk, now, self.registration_key_id, first=self.asked_at is None)
        changes = {}
        if is_answered and self.told_at is None:
            changes["told_at"] = now
        if self.acknowledged_at is None and any(tag.startswith(self._etag_start) for tag in etags):
            changes["acknowledged_at"] = now
        if changes:
            ChannelKey.objects.filter(pk=self.write_key_id).update(**changes)
        if self.acknowledged_at is not None and any(self._is_older(tag) for tag in etags):
            clones.notice(self.pk)

    def _is_older(self, etag: str) -> bool:
        """Whether the ETag names a write key before the current one."""
        pk, version, *_rest = (*etag.strip('"').split("-"), "", "")
        return pk == str(self.pk) and version.isdecimal() and int(version[:9]) < self.key_version

    @property
    def _etag_start(self) -> str:
        return f'"{self.pk}-{self.key_version}-'


def find(*, lookup: str, serial: str) -> KnownDevice | None:
    """Return the device if the key's customer has it and it has a channel, else None.

    Raises KeyNotGood for a key that is expired or revoked, and PolicyRefuses for a good key if the customer is
    suspended, the device is blocked, or the key is that of another part of the customer than the device is in.
    """
    found = _KNOWN.first(serial=serial, lookup=lookup)
    if found is None:
        return None
    row = _Row(*found)
    now = timezone.now()
    if row.key_revoked_at is not None or (row.key_expires_at is not None and row.key_expires_at <= now):
        raise KeyNotGood
    if row.suspended_at is not None:
        raise PolicyRefuses.suspended()
    if row.blocked_at is not None:
        raise PolicyRefuses.blocked()
    if not row.came_with_this_key and not (row.key_lft <= row.device_lft and row.device_rght <= row.key_rght):
        raise PolicyRefuses(
            "A device with this serial number is in another part of the organization. "
            "Ask a manager to move it, or use that part's registration key."
        )
    if row.channel_number is None or row.key_version is None:
        return None
    return KnownDevice(
        pk=row.pk,
        serial=serial,
        channel_number=row.channel_number,
        platform=row.platform,
        key_version=row.key_version,
        registration_key_id=row.key,
        lookup=lookup,
        encrypted_write_key=row.write_key,
        encrypted_envelope_key=row.envelope_key,
        write_key_id=row.write_key_id,
        is_in_doubt=row.doubted_from is not None and row.doubted_from <= now,
        valid_until=row.valid_until if row.valid_until and row.valid_until > now else None,
        asked_at=row.asked_at,
        asked_with=row.asked_with,
        told_at=row.told_at,
        acknowledged_at=row.acknowledged_at,
        successor=row.good_successor(now),
    )


class _Row(NamedTuple):
    """What the one SELECT returns: `_COLUMNS` in this order. Secrets are still encrypted."""

    pk: int
    channel_number: int | None
    platform: str
    key_version: int | None
    write_key: str
    write_key_id: int
    doubted_from: datetime | None
    told_at: datetime | None
    acknowledged_at: datetime | None
    valid_until: datetime | None
    key: int
    key_first: int | None
    envelope_key: str
    key_expires_at: datetime | None
    key_revoked_at: datetime | None
    key_lft: int
    key_rght: int
    device_lft: int
    device_rght: int
    registered_with: int | None
    registered_with_first: int | None
    asked_at: datetime | None
    asked_with: int | None
    suspended_at: datetime | None
    blocked_at: datetime | None
    successor: int | None
    successor_lookup: str
    successor_secret: str
    successor_expires_at: datetime | None
    successor_revoked_at: datetime | None

    @property
    def came_with_this_key(self) -> bool:
        """Whether the device registered with the key that it asks with, or with one that this is a renewal of."""
        if self.registered_with is None:
            return False
        return (self.key_first or self.key) == (self.registered_with_first or self.registered_with)

    def good_successor(self, now: datetime) -> Successor | None:
        if self.successor is None or self.successor_revoked_at is not None:
            return None
        if self.successor_expires_at is not None and self.successor_expires_at <= now:
            return None
        return Successor(self.successor, self.successor_lookup, self.successor_secret)


def _still_encrypted(column: str) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(F(column), output_field=TextField())


_KEY = "customer__all_registration_keys"
_COLUMNS: dict[str, Any] = {
    "pk": "pk",
    "channel_number": "channel__number",
    "platform": "channel__account__platform",
    "key_version": "write_key__version",
    "write_key": _still_encrypted("write_key__value"),
    "write_key_id": "write_key__pk",
    "doubted_from": "write_key__valid_until",
    "told_at": "write_key__told_at",
    "acknowledged_at": "write_key__acknowledged_at",
    "valid_until": "retiring__valid_until",
    "key": f"{_KEY}__pk",
    "key_first": f"{_KEY}__first",
    "envelope_key": _still_encrypted(f"{_KEY}__envelope_key_base64"),
    "key_expires_at": f"{_KEY}__expires_at",
    "key_revoked_at": f"{_KEY}__revoked_at",
    "key_lft": f"{_KEY}__organization__lft",
    "key_rght": f"{_KEY}__organization__rght",
    "device_lft": "organization__lft",
    "device_rght": "organization__rght",
    "registered_with": "registered_with",
    "registered_with_first": "registered_with__first",
    "asked_at": "contact__asked_at",
    "asked_with": "contact__asked_with",
    "suspended_at": "customer__suspended_at",
    "blocked_at": "blocked_at",
    "successor": f"{_KEY}__successor",
    "successor_lookup": f"{_KEY}__successor__lookup",
    "successor_secret": _still_encrypted(f"{_KEY}__successor__secret"),
    "successor_expires_at": f"{_KEY}__successor__expires_at",
    "successor_revoked_at": f"{_KEY}__successor__revoked_at",
}


def _known(serial: str, lookup: str) -> QuerySet[Device, tuple[Any, ...]]:
    """The device of that serial and the customer's registration key of that lookup half, in one row."""
    return (
        Device.objects.filter(**{"serial": serial, f"{_KEY}__lookup": lookup})
        .annotate(
            write_key=_write_key_that_is(KeyState.CURRENT),
            retiring=_write_key_that_is(KeyState.RETIRING),
        )
        .values_list(*(_COLUMNS[name] for name in _Row._fields))
    )


def _write_key_that_is(state: KeyState) -> FilteredRelation:
    """A channel has at most one write key that is current, and one that is retiring: the database sees to it."""
    kind = ChannelKey.Kind.WRITE
    return FilteredRelation("channel__keys", condition=Q(channel__keys__kind=kind, channel__keys__state=state))


_KNOWN = CompiledQuery(_known, "serial", "lookup")


def _record_contact(device: int, at: datetime, registration_key: int, *, first: bool) -> None:
    if first:
        said = {"asked_at": at, "asked_with_id": registration_key}
        DeviceContact.objects.update_or_create(device_id=device, defaults=said)
    else:
        _CONTACT.run(device=device, at=at, key=registration_key)


# After an outage every device asks for the first time in a while, so this runs with each request, like the SELECT.
_CONTACT = CompiledUpdate(
    lambda device, at, key: (
        DeviceContact.objects.filter(device_id=device),
        {"asked_at": at, "asked_with_id": key},
    ),
    device=-7_777_777,
    at=datetime(2001, 1, 1, tzinfo=UTC),
    key=-8_888_888,
    may_be_lost=True,
)
