"""Devices for operators. The secret halves of their registration keys are never loaded here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from channels.findings import Finding
from channels.models import ChannelKey, Renewal
from devices import admin_admission as admin_admission  # Registered by being imported, these four.
from devices import admin_closures as admin_closures
from devices import admin_keys as admin_keys
from devices import admin_rollover as admin_rollover
from devices.in_the_way import in_the_way_of
from devices.latest import last_measured
from devices.models import Device, DeviceContact, FormerDevice, RollOver
from orgs.models import Organization
from orgs.operator_links import Neighbour, link, link_to, list_of, when
from orgs.operators import AtOrBelowFilter, OperatorAdmin, ReadOnlyAdmin

if TYPE_CHECKING:
    _DeviceForm = forms.ModelForm[Device]
else:
    _DeviceForm = forms.ModelForm


class SilentFilter(admin.SimpleListFilter):
    """When a device last asked for its key: that it does at every start and about once a day."""

    title = _("last asked")
    parameter_name = "asked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("day", _("in the last 24 hours")), ("week", _("not for a week")), ("never", _("never"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = timezone.now()
        match self.value():
            case "day":
                return queryset.filter(contact__asked_at__gt=now - timedelta(days=1))
            case "week":
                return queryset.filter(contact__asked_at__lte=now - timedelta(days=7))
            case "never":
                return queryset.filter(contact__isnull=True)
        return queryset


class DeviceForm(_DeviceForm):
    """Name and place of a device."""

    def clean_organization(self) -> Organization:
        organization: Organization = self.cleaned_data["organization"]
        if organization.customer.pk != self.instance.customer_id:
            raise ValidationError(_("A device stays with its customer."))
        return organization


class DevicesShown(ChangeList):
    """A page of devices, with when they measured: the channel platform is asked once for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        _note_last_measured(list(self.result_list))


def _note_last_measured(devices: list[Any]) -> None:
    moments = last_measured(devices)
    for device in devices:
        device.measured = when(moments[device.pk]) if device.pk in moments else gettext("not told by its platform")


@admin.register(Device)
class DeviceAdmin(OperatorAdmin[Device]):
    """Devices. They come by registering and are not made or deleted here."""

    form = DeviceForm
    list_display = (
        "serial", "name", "customer_link", "organization", "channel_link", "write_key", "last_measured", "last_asked",
        "state", "created_at",
    )  # fmt: skip
    list_filter = (
        AtOrBelowFilter, SilentFilter, ("channel", admin.EmptyFieldListFilter),
        ("blocked_at", admin.EmptyFieldListFilter), "created_at",
    )  # fmt: skip
    search_fields = (
        "serial", "name", "channel__number__exact", "=registered_with__lookup", "customer__name", "organization__name",
        "customer__memberships__user__email",
    )  # fmt: skip
    search_help_text = _(
        "Serial number, name, exact channel number, lookup half, organization, customer, or address of somebody there."
    )
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    select_related = (
        "customer", "organization", "channel__account", "contact__asked_with", "registered_with",
    )  # fmt: skip
    secret_fields = (
        "registered_with__secret", "registered_with__envelope_key_base64", "channel__account__key",
        "contact__asked_with__secret", "contact__asked_with__envelope_key_base64",
    )  # fmt: skip
    autocomplete_fields = ("organization",)
    fields = (
        "serial", "state", "name", "description", "customer_link", "organization", "channel_link", "write_key",
        "last_measured", "last_asked", "key_link", "created_at", "blocked_at", "uid",
    )  # fmt: skip
    readonly_fields = (
        "serial", "state", "customer_link", "channel_link", "write_key", "last_measured", "last_asked", "key_link",
        "created_at", "blocked_at", "uid",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        current = ChannelKey.objects.writing().current().filter(channel=OuterRef("channel"))
        return super().get_queryset(request).annotate(
            write_key_pk=Subquery(current.values("pk")), write_key_version=Subquery(current.values("version"))
        )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DevicesShown

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Device | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Device, form: Any, change: bool) -> None:
        if {"name", "description"} & set(form.changed_data):
            obj.describe(name=obj.name, description=obj.description)
        if "organization" in form.changed_data:
            to, obj.organization = obj.organization, Organization.objects.get(pk=form.initial["organization"])
            obj.move(to)

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, device: Device) -> SafeString | str:
        return link(device.customer)

    @admin.display(description=_("channel"), ordering="channel__number")
    def channel_link(self, device: Device) -> SafeString | str:
        return link(device.channel)

    @admin.display(description=_("write key"))
    def write_key(self, device: Any) -> SafeString | str:
        said = gettext("version {n}").format(n=device.write_key_version)
        return link_to(ChannelKey, device.write_key_pk, said)

    @admin.display(description=_("last measured"))
    def last_measured(self, device: Any) -> str:
        """The moment of the last entry. The channel platform knows it, so that no list is sorted by it."""
        if not hasattr(device, "measured"):
            _note_last_measured([device])
        return str(device.measured)

    @admin.display(description=_("last asked"), ordering="contact__asked_at")
    def last_asked(self, device: Device) -> str:
        contact: DeviceContact | None = getattr(device, "contact", None)
        return when(contact.asked_at if contact else None)

    @admin.display(description=_("state"))
    def state(self, device: Device) -> str:
        return in_the_way_of(device) or gettext("in order")

    def neighbours(self, obj: Device) -> list[Neighbour]:
        found = [list_of(FormerDevice, _("Hardware before it"), q=obj.serial)]
        if channel := obj.channel:
            platform = reverse("admin:platform_channel_change", args=[channel.number])
            found = [
                *(
                    [Neighbour(_("Entries on the platform"), platform)]
                    if channel.account.platform == "embedded"
                    else []
                ),
                list_of(ChannelKey, _("Keys and who holds them"), channel__id__exact=channel.pk),
                list_of(Renewal, _("Renewals"), channel__id__exact=channel.pk),
                list_of(RollOver, _("Moves to new channels"), q=obj.serial),
                list_of(Finding, _("Findings"), channel__id__exact=channel.pk),
                *found,
            ]
        return [*found, *super().neighbours(obj)]

    @admin.display(description=_("registered with"), ordering="registered_with__lookup")
    def key_link(self, device: Device) -> SafeString | str:
        return link(device.registered_with)


@admin.register(DeviceContact)
class DeviceContactAdmin(ReadOnlyAdmin[DeviceContact]):
    """When devices last asked."""

    list_display = ("asked_at", "device_link", "customer")
    list_filter = ("asked_at",)
    search_fields = ("device__serial", "device__name", "device__customer__name")
    search_help_text = _("Serial number or name of a device, or customer.")
    date_hierarchy = "asked_at"
    ordering = ("-asked_at",)
    select_related = ("device__customer",)
    fields = ("device_link", "customer", "asked_at")

    @admin.display(description=_("device"))
    def device_link(self, contact: DeviceContact) -> SafeString | str:
        return link(contact.device)

    @admin.display(description=_("customer"), ordering="device__customer__name")
    def customer(self, contact: DeviceContact) -> SafeString | str:
        return link(contact.device.customer)
