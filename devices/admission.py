"""Whether a device that is new comes in. Devices that are known have been let in before, and are not asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import FilteredRelation, Q
from django.utils import timezone

from devices.errors import KeyNotGood, PolicyRefuses, TryLater, WaitsForApproval
from devices.models import ExpectedDevice, PendingDevice, RegistrationKey, RegistrationPolicy
from orgs.models import Organization

MOST_WAITING = 1000
"""Devices of one customer that may wait at a time: whoever has learnt a lookup half could invent serial numbers."""
TOO_MANY_RETRY_AFTER = 3600
Admits = RegistrationPolicy.Admits


@dataclass(frozen=True)
class Welcome:
    """How a device that comes in is taken in: where it lands, and what it is called if that was entered beforehand."""

    organization: int
    name: str = ""


@contextmanager
def place_still_there(welcome: Welcome) -> Iterator[None]:
    """Have a device come back whose place was deleted while it came in: its key leads elsewhere by then.

    Raises TryLater.
    """
    try:
        yield
    except IntegrityError:
        if Organization.objects.filter(pk=welcome.organization).exists():
            raise
        raise TryLater("The device's place has just been deleted. Nothing is lost: try again.", retry_after=2) from None


@dataclass(frozen=True)
class Visitor:
    """What is known about a device that is new, from the same query as its registration key: `COLUMNS` in order."""

    admits: str | None
    key_lft: int
    key_rght: int
    pending: int | None
    refused_at: datetime | None
    first_asked_at: datetime | None
    expected: int | None
    expected_name: str | None
    expected_organization: int | None
    expected_lft: int | None
    expected_rght: int | None

    @property
    def lands_below_the_key(self) -> bool:
        """Whether the place that was chosen beforehand is one that the registration key serves."""
        if self.expected_lft is None or self.expected_rght is None:
            return True
        return self.key_lft <= self.expected_lft and self.expected_rght <= self.key_rght


COLUMNS = (
    "customer__registration_policy__admits",
    "organization__lft",
    "organization__rght",
    "pending__pk",
    "pending__refused_at",
    "pending__first_asked_at",
    "expected__pk",
    "expected__name",
    "expected__organization",
    "expected__organization__lft",
    "expected__organization__rght",
)


def relations(serial: str) -> dict[str, Any]:
    """Return what a query of registration keys is to be annotated with for `COLUMNS`."""
    return {
        "pending": _of_that_serial("customer__pending_devices", serial),
        "expected": _of_that_serial("customer__expected_devices", serial),
    }


def _of_that_serial(path: str, serial: str) -> FilteredRelation:
    return FilteredRelation(path, condition=Q(**{f"{path}__serial": serial}))


def admit(visitor: Visitor, key: RegistrationKey, serial: str, *, whence: Callable[[], str | None]) -> Welcome:
    """Return how the new device with that serial is taken in by the policy of the key's customer.

    `whence` tells the IP address that it asks from. Raises KeyNotGood, PolicyRefuses, WaitsForApproval, and TryLater
    when so many devices wait already that no more can.
    """
    if key.successor_id is not None:
        raise KeyNotGood  # The new one is in the portal, for whoever has the device in hand.
    if visitor.refused_at is not None:
        raise PolicyRefuses("A manager has refused this device. The portal lists it at “Devices at the door”.")
    if visitor.admits == Admits.NONE:
        raise PolicyRefuses("The organization lets no new device in at the moment. A manager can change that.")
    if visitor.expected is not None:
        if not visitor.lands_below_the_key:
            raise PolicyRefuses(
                "This device is expected in another part of the organization. Use that part's registration key."
            )
        return Welcome(visitor.expected_organization or key.organization_id, visitor.expected_name or "")
    if visitor.admits == Admits.EXPECTED:
        raise PolicyRefuses(
            "This serial number is not on the organization's list. A manager can add it to the expected devices."
        )
    if visitor.admits == Admits.APPROVED:
        if key.is_used_up:
            raise used_up()
        _wait(visitor, key, serial, whence())
    return Welcome(key.organization_id)


def used_up() -> PolicyRefuses:
    """Return the refusal for a device that comes with a key that has let in as many as it may."""
    return PolicyRefuses("This registration key has let in as many devices as it may. Ask a manager for another.")


def _wait(visitor: Visitor, key: RegistrationKey, serial: str, address: str | None) -> None:
    """Put the device on the list of those that wait, and tell it when to ask again. Raises whatever happens."""
    now = timezone.now()
    if visitor.pending is None or visitor.first_asked_at is None:
        waiting = PendingDevice(
            customer_id=key.customer_id,
            organization_id=key.organization_id,
            serial=serial,
            asked_with_id=key.pk,
            address=address,
            first_asked_at=now,
            last_asked_at=now,
        )
        if PendingDevice.objects.waiting().filter(customer=key.customer_id).count() >= MOST_WAITING:
            raise TryLater("Too many devices wait for approval. A manager must look at them.", TOO_MANY_RETRY_AFTER)
        try:
            with transaction.atomic():
                waiting.save(force_insert=True)
        except IntegrityError:
            pass  # Another request of the same device was faster.
    else:
        waiting = PendingDevice(pk=visitor.pending, first_asked_at=visitor.first_asked_at)
        waiting.note_request(key.pk, key.organization_id, address, now)
    raise WaitsForApproval(int(waiting.ask_again_after(now).total_seconds()))


def forget_visitor(visitor: Visitor) -> None:
    """Take a device that has just been let in off the lists. In the transaction that makes its row."""
    if visitor.expected is not None:
        ExpectedDevice.objects.filter(pk=visitor.expected).delete()
    if visitor.pending is not None:
        PendingDevice.objects.filter(pk=visitor.pending).delete()
