"""Devices, and when they asked last."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Case, Q, When
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.markers import marker_of
from channels.models import Channel
from devices.admission_models import DoorMail as DoorMail  # These, too, are models of this app.
from devices.admission_models import ExpectedDevice as ExpectedDevice
from devices.admission_models import FormerDevice as FormerDevice
from devices.admission_models import PendingDevice as PendingDevice
from devices.admission_models import RegistrationPolicy as RegistrationPolicy
from devices.closures import Closure as Closure  # This, too, is a model of this app.
from devices.read_rights import end_lost_read_keys
from devices.registration_key_models import RegistrationKey as RegistrationKey
from devices.rollover_models import RollOver as RollOver  # This, too, is a model of this app.
from devices.serials import NotASerial, check_serial
from orgs import access
from orgs.models import Organization
from orgs.natural import SortKeyField, natural_key

if TYPE_CHECKING:
    from orgs.models import User


def validate_serial(text: str) -> None:
    """Raise ValidationError unless `text` is a serial number."""
    try:
        check_serial(text)
    except NotASerial as error:
        raise ValidationError(str(error)) from None


class DeviceQuerySet(models.QuerySet["Device"]):
    """Devices, narrowed."""

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Return the devices that `user` may see: those of the organizations of theirs, and below."""
        return self.filter(organization__in=access.visible_organizations(user))

    def managed_by(self, user: User | AnonymousUser) -> Self:
        """Return the devices that `user` may change."""
        return self.filter(organization__in=access.managed_organizations(user))

    def at_or_below(self, organization: Organization) -> Self:
        """Return the devices in `organization` and in all below it."""
        return self.filter(
            organization__tree_id=organization.tree_id,
            organization__lft__gte=organization.lft,
            organization__rght__lte=organization.rght,
        )

    def that_use(self, key: int) -> Self:
        """Return the devices that asked last with the registration key of this primary key, or came with it."""
        return self.filter(Q(contact__asked_with=key) | Q(contact__asked_with__isnull=True, registered_with=key))

    def that_use_line_of(self, key: RegistrationKey) -> Self:
        """Return the devices that asked last with `key` or another renewal of the same one, or came with it."""
        asked_with = Q(contact__asked_with=key.line) | Q(contact__asked_with__first=key.line)
        came_with = Q(registered_with=key.line) | Q(registered_with__first=key.line)
        return self.filter(asked_with | Q(contact__asked_with__isnull=True) & came_with)


def device_sort_key(device: Device) -> str:
    """Return what devices are sorted by in lists: their names, and those without one after them by serial number."""
    return f"0{natural_key(device.name)}" if device.name else f"1{natural_key(device.serial)}"


class Device(models.Model):
    """A physical thing, unique by (customer, serial): another customer's identical serial is another device."""

    uid = models.UUIDField(_("unique number"), default=uuid.uuid4, unique=True, editable=False)
    customer = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="all_devices", verbose_name=_("customer")
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="devices", verbose_name=_("organization")
    )
    serial = models.CharField(_("serial number"), max_length=64, validators=[validate_serial])
    name = models.CharField(_("name"), max_length=100, blank=True)
    # No index: lists are of a subtree, the rows of which are sorted after they were found.
    sort_key = SortKeyField(key_of=device_sort_key)
    description = models.CharField(_("description"), max_length=255, blank=True)
    channel = models.OneToOneField(
        Channel, on_delete=models.PROTECT, null=True, blank=True, related_name="device", verbose_name=_("channel")
    )
    registered_with = models.ForeignKey(
        RegistrationKey,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="devices",
        verbose_name=_("registered with"),
    )
    created_at = models.DateTimeField(_("registered"), default=timezone.now, editable=False)
    blocked_at = models.DateTimeField(
        _("blocked"), null=True, blank=True, editable=False, help_text=_("Since when it gets no key.")
    )
    # Who is creating the channel at the moment, until when nobody else may try; see `devices.registration`.
    provisioning_lease = models.UUIDField(null=True, blank=True, editable=False)
    provisioning_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        constraints = [
            models.UniqueConstraint(fields=["customer", "serial"], name="device_serial_unique_in_customer"),
        ]

    BY_NAME = ("sort_key", "serial")
    """The order of a list: by name, and those without one, which are shown by their serial number, last."""
    BY_NAME_BACKWARDS = (Case(When(name="", then=1), default=0), "-sort_key", "-serial")
    """The same from the end, and those without a name last again."""

    def __str__(self) -> str:
        return self.name or self.serial

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Store the device, and with its name or serial number what it is sorted by."""
        if update_fields is not None and {"name", "serial"}.intersection(update_fields):
            update_fields = {*update_fields, "sort_key"}
        super().save(*args, update_fields=update_fields, **options)

    def get_absolute_url(self) -> str:
        return reverse("device", args=[self.pk])

    @property
    def has_asked(self) -> bool:
        """Whether its hardware has ever asked for its key: what took the place of other hardware may still have to."""
        return hasattr(self, "contact")

    @property
    def marker(self) -> str:
        """The mark in the channel's metadata by which a channel of this device is found again."""
        return marker_of(self.uid)

    @transaction.atomic
    def move(self, to: Organization) -> None:
        """Put the device into another organization of the same customer; channel and write key stay as they are.

        People who do not see it there lose their read keys.
        """
        if to.tree_id != self.organization.tree_id:
            raise ValueError("A device stays with its customer.")
        self.organization = to
        self.save(update_fields=["organization"])
        end_lost_read_keys(to)

    @transaction.atomic
    def describe(self, *, name: str, description: str) -> None:
        """Call the device something else; without a name its serial number stands for it.

        Its channel is called the same a moment later, so that the graph on the platform has the name, too.
        """
        self.name, self.description = name, description
        self.save(update_fields=["name", "description"])
        self.rename_channel()

    def rename_channel(self) -> None:
        """Have the channel called as the device is called, in the background."""
        from devices.tasks import rename_channel  # which needs this module

        rename_channel.enqueue(self.pk)


class DeviceContact(models.Model):
    """When a device last asked for its key. A table of its own, since it is written all the time."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="contact", verbose_name=_("device"))
    asked_at = models.DateTimeField(_("last asked"))
    asked_with = models.ForeignKey(
        RegistrationKey,
        on_delete=models.SET_NULL,
        null=True,
        related_name="contacts",
        verbose_name=_("with the registration key"),
    )

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")

    def __str__(self) -> str:
        return f"{self.device}: {self.asked_at:%Y-%m-%d %H:%M:%S}"
