"""Which new devices a customer lets in: the policy, who waits for approval, who is expected, who was here before.

Devices that are known already are no matter of any of these: they keep working under each policy.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from devices.serials import MAX_LENGTH
from orgs import access
from orgs.errors import ChangedMeanwhile
from orgs.models import Organization
from orgs.tree import lock_tree_of

if TYPE_CHECKING:
    from devices.models import Device
    from orgs.models import User

SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)


class RegistrationPolicy(models.Model):
    """What happens to a device that is new. A customer without a row is open."""

    class Admits(models.TextChoices):
        ALL = "all", _("open: every device with a good registration key")
        APPROVED = "approved", _("with approval: those that a manager lets in")
        EXPECTED = "expected", _("by list: those whose serial number was entered beforehand")
        NONE = "none", _("closed: no new device")

    customer = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="registration_policy", verbose_name=_("customer")
    )
    admits = models.CharField(_("lets in"), max_length=8, choices=Admits.choices, default=Admits.ALL)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("registration policy")
        verbose_name_plural = _("registration policies")

    def __str__(self) -> str:
        return f"{self.customer}: {self.get_admits_display()}"

    @classmethod
    def of(cls, customer: Organization) -> RegistrationPolicy:
        """Return the policy of that customer; one that is not stored yet if nobody has ever changed it."""
        return cls.objects.filter(customer=customer).first() or cls(customer=customer)

    @transaction.atomic
    def change(self, admits: str) -> None:
        """Let in others from now on. Raises ChangedMeanwhile unless the policy is as it was when this was read."""
        lock_tree_of(self.customer)
        if RegistrationPolicy.of(self.customer).admits != self.admits:
            raise ChangedMeanwhile(gettext("Somebody else has just changed which devices come in. Look again."))
        stored, _is_new = RegistrationPolicy.objects.update_or_create(
            customer=self.customer, defaults={"admits": admits, "changed_at": timezone.now()}
        )
        self.pk, self.admits, self.changed_at = stored.pk, stored.admits, stored.changed_at


class PendingDeviceQuerySet(models.QuerySet["PendingDevice"]):
    """Devices at the door, narrowed."""

    def managed_by(self, user: User | AnonymousUser) -> Self:
        """Return those that `user` may let in: they would land in an organization of theirs."""
        return self.filter(organization__in=access.managed_organizations(user))

    def waiting(self) -> Self:
        """Return those about which nobody has decided."""
        return self.filter(refused_at__isnull=True)

    def refused(self) -> Self:
        """Return those that were refused, and stay so until a manager says otherwise."""
        return self.filter(refused_at__isnull=False)


class PendingDevice(models.Model):
    """A device that asked to be let in and is not (yet): it waits for a manager, or was refused by one.

    It is no `Device`: it has no channel, and nobody but managers learns of it.
    """

    customer = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="pending_devices", verbose_name=_("customer")
    )
    # Where the registration key puts it.
    organization = models.ForeignKey(
        Organization, on_delete=models.RESTRICT, related_name="+", verbose_name=_("organization")
    )
    serial = models.CharField(_("serial number"), max_length=MAX_LENGTH)
    asked_with = models.ForeignKey(
        "devices.RegistrationKey",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("with the registration key"),
    )
    address = models.GenericIPAddressField(_("from where"), null=True)
    first_asked_at = models.DateTimeField(_("first asked"), default=timezone.now)
    last_asked_at = models.DateTimeField(_("last asked"), default=timezone.now)
    times = models.PositiveIntegerField(_("times asked"), default=1)
    refused_at = models.DateTimeField(_("refused"), null=True, blank=True)
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("refused by"),
    )

    objects = PendingDeviceQuerySet.as_manager()

    # What is known of an earlier device with that serial number; filled in for lists, see `with_former`.
    former: FormerDevice | None = None

    class Meta:
        verbose_name = _("device at the door")
        verbose_name_plural = _("devices at the door")
        ordering = ("-last_asked_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["customer", "serial"], name="pendingdevice_serial_unique_in_customer"),
        ]

    def __str__(self) -> str:
        return self.serial

    def ask_again_after(self, now: datetime) -> timedelta:
        """Return how long the device shall wait before it asks again: the longer, the longer it has waited."""
        return min(max((now - self.first_asked_at) / 10, SHORTEST_WAIT), LONGEST_WAIT)

    def note_request(self, key: int, organization: int, address: str | None, now: datetime) -> None:
        """Remember that it has asked once more, with the registration key of this primary key."""
        PendingDevice.objects.filter(pk=self.pk).update(
            asked_with=key, organization=organization, address=address, last_asked_at=now, times=F("times") + 1
        )


class DoorMail(models.Model):
    """When a manager was last told by mail that devices wait."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("user")
    )
    sent_at = models.DateTimeField(_("sent"))

    class Meta:
        verbose_name = _("mail about devices at the door")
        verbose_name_plural = _("mails about devices at the door")

    def __str__(self) -> str:
        return f"{self.person}: {self.sent_at:%Y-%m-%d %H:%M:%S}"


class ExpectedDevice(models.Model):
    """A serial number that was entered before the device came, with what it shall be called and where it belongs."""

    customer = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="expected_devices", verbose_name=_("customer")
    )
    serial = models.CharField(_("serial number"), max_length=MAX_LENGTH)
    name = models.CharField(_("name"), max_length=100, blank=True)
    organization = models.ForeignKey(
        Organization,
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("organization"),
        help_text=_("Empty: where its registration key puts it."),
    )
    created_at = models.DateTimeField(_("entered"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("expected device")
        verbose_name_plural = _("expected devices")
        ordering = ("serial",)
        constraints = [
            models.UniqueConstraint(fields=["customer", "serial"], name="expecteddevice_serial_unique_in_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.serial})" if self.name else self.serial


class FormerDeviceQuerySet(models.QuerySet["FormerDevice"]):
    """Devices that were here before, narrowed."""

    def known_to(self, device: Device) -> Self:
        """Return those that had the device's serial number before it, or its place; the latest first."""
        same_number = Q(customer=device.customer_id, serial=device.serial, ended_at__lt=device.created_at)
        return self.filter(same_number | Q(successor=device)).order_by("-ended_at", "-pk")

    def before(self) -> Exists:
        """Return whether the outer query's device was here before it registered."""
        return Exists(
            self.filter(customer=OuterRef("customer"), serial=OuterRef("serial"), ended_at__lt=OuterRef("created_at"))
        )


class FormerDevice(models.Model):
    """What stays of a device that was deleted, or whose place another one has taken."""

    class Ended(models.TextChoices):
        DELETED = "deleted", _("deleted")
        REPLACED = "replaced", _("replaced by another one")
        MERGED = "merged", _("took the place of another one")

    customer = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="former_devices", verbose_name=_("customer")
    )
    serial = models.CharField(_("serial number"), max_length=MAX_LENGTH)
    name = models.CharField(_("name"), max_length=100, blank=True)
    organization_name = models.CharField(_("organization"), max_length=100)
    # Not a foreign key: who may know the name is told by the number after the organization is gone, too.
    organization_number = models.BigIntegerField(null=True, editable=False)
    channel_number = models.BigIntegerField(_("channel"), null=True)
    channel_kept = models.BooleanField(_("channel kept"), default=True)
    how = models.CharField(_("how it ended"), max_length=8, choices=Ended.choices)
    # The device that has its place now.
    successor = models.ForeignKey(
        "devices.Device",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="predecessors",
        verbose_name=_("replaced by"),
    )
    ended_at = models.DateTimeField(_("ended"), default=timezone.now)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("by"),
    )

    objects = FormerDeviceQuerySet.as_manager()

    class Meta:
        verbose_name = _("former device")
        verbose_name_plural = _("former devices")
        ordering = ("-ended_at", "-pk")
        indexes = [models.Index(fields=["customer", "serial", "-ended_at"], name="formerdevice_by_serial")]

    def __str__(self) -> str:
        return self.name or self.serial
