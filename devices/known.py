"""The hot path: a device that is known asks for its key.

After a power failure all devices ask at once, so this is one SELECT, whatever the depth of the tree and the number of
keys, and at most one UPDATE a minute and device; a second one when the device is given, or confirms, a key for the
first time. Nothing is decrypted before it is known that an envelope is wanted.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import ExpressionWrapper, F, FilteredRelation, Q, QuerySet, TextField
from django.utils import timezone

from channels import vault
from channels.models import ChannelKey, KeyState
from channels.platforms import platform_named
from devices.compiled import CompiledQuery
from devices.envelope import Payload, seal
from devices.errors import KeyNotGood, PolicyRefuses
from devices.models import Device, DeviceContact

CONTACT_EVERY = timedelta(minutes=1)


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
    valid_until: datetime | None
    """When the key before this one ends, while there is one."""
    asked_at: datetime | None
    told_at: datetime | None
    acknowledged_at: datetime | None

    @property
    def etag(self) -> str:
        """Names the versions of what an envelope would carry, never the keys themselves."""
        return f'{self._etag_start}{self.registration_key_id}"'

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
        )
        envelope_key = base64.b64decode(vault.decrypt(self.encrypted_envelope_key))
        return seal(payload, key=envelope_key, lookup=self.lookup)

    def note_request(self, etags: Collection[str], *, is_answered: bool) -> None:
        """Remember that the device has asked, sending these ETags, and whether it gets an envelope (else a 304).

        An ETag of the current key's version is the device's word that it has the key, whatever else has changed.
        """
        now = timezone.now()
        if self.asked_at is None or self.asked_at <= now - CONTACT_EVERY:
            _record_contact(self.pk, now, first=self.asked_at is None)
        changes = {}
        if is_answered and self.told_at is None:
            changes["told_at"] = now
        if self.acknowledged_at is None and any(tag.startswith(self._etag_start) for tag in etags):
            changes["acknowledged_at"] = now
        if changes:
            ChannelKey.objects.filter(pk=self.write_key_id).update(**changes)

    @property
    def _etag_start(self) -> str:
        return f'"{self.pk}-{self.key_version}-'


def find(*, lookup: str, serial: str) -> KnownDevice | None:
    """Return the device if the key's customer has it and it has a channel, else None.

    Raises KeyNotGood for a key that is expired or revoked, and PolicyRefuses for a good key of a customer that is
    suspended, or of another part of the customer than the one that the device is in.
    """
    row = _KNOWN.first(serial=serial, lookup=lookup)
    if row is None:
        return None
    (pk, number, platform, version, write_key, key_pk, envelope_key, expires_at, revoked_at, *where) = row
    key_lft, key_rght, device_lft, device_rght, registered_with, asked_at, suspended_at, *renewal = where
    now = timezone.now()
    if revoked_at is not None or (expires_at is not None and expires_at <= now):
        raise KeyNotGood
    if suspended_at is not None:
        raise PolicyRefuses.suspended()
    if registered_with != key_pk and not (key_lft <= device_lft and device_rght <= key_rght):
        raise PolicyRefuses(
            "A device with this serial number is in another part of the organization. "
            "Ask a manager to move it, or use that part's registration key."
        )
    if number is None or version is None:
        return None
    write_key_id, told_at, acknowledged_at, valid_until = renewal
    return KnownDevice(
        pk=pk,
        serial=serial,
        channel_number=number,
        platform=platform,
        key_version=version,
        registration_key_id=key_pk,
        lookup=lookup,
        encrypted_write_key=write_key,
        encrypted_envelope_key=envelope_key,
        write_key_id=write_key_id,
        valid_until=valid_until if valid_until and valid_until > now else None,
        asked_at=asked_at,
        told_at=told_at,
        acknowledged_at=acknowledged_at,
    )


def _known(serial: str, lookup: str) -> QuerySet[Device, tuple[Any, ...]]:
    return (
        Device.objects.filter(serial=serial, customer__all_registration_keys__lookup=lookup)
        .annotate(
            write_key=FilteredRelation(
                "channel__keys",
                condition=Q(channel__keys__kind=ChannelKey.Kind.WRITE, channel__keys__state=KeyState.CURRENT),
            ),
            retiring=FilteredRelation(
                "channel__keys",
                condition=Q(channel__keys__kind=ChannelKey.Kind.WRITE, channel__keys__state=KeyState.RETIRING),
            ),
        )
        .values_list(
            "pk",
            "channel__number",
            "channel__account__platform",
            "write_key__version",
            _still_encrypted("write_key__value"),
            "customer__all_registration_keys__pk",
            _still_encrypted("customer__all_registration_keys__envelope_key_base64"),
            "customer__all_registration_keys__expires_at",
            "customer__all_registration_keys__revoked_at",
            "customer__all_registration_keys__organization__lft",
            "customer__all_registration_keys__organization__rght",
            "organization__lft",
            "organization__rght",
            "registered_with",
            "contact__asked_at",
            "customer__suspended_at",
            "write_key__pk",
            "write_key__told_at",
            "write_key__acknowledged_at",
            "retiring__valid_until",
        )
    )


_KNOWN = CompiledQuery(_known, "serial", "lookup")


def _still_encrypted(column: str) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(F(column), output_field=TextField())


def _record_contact(device: int, at: datetime, *, first: bool) -> None:
    if first:
        DeviceContact.objects.update_or_create(device_id=device, defaults={"asked_at": at})
    else:
        DeviceContact.objects.filter(device_id=device).update(asked_at=at)
