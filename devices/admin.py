"""Registration keys and devices for operators. Secret halves and envelope keys are never loaded here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import ValidationError
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from channels.errors import CannotRenew
from channels.models import ChannelKey
from devices import admin_admission as admin_admission  # Registered by being imported, these three.
from devices import admin_closures as admin_closures
from devices import admin_rollover as admin_rollover
from devices import renewal
from devices.envelope import NotARegistrationKey, RegistrationKeyText
from devices.models import Device, DeviceContact, RegistrationKey
from orgs.audit import address_of
from orgs.models import Organization
from orgs.operators import (
    AtOrBelowFilter,
    OperatorAdmin,
    ReadOnlyAdmin,
    ask_first,
    link,
    link_to,
    link_to_list,
    operator,
    when,
)

if TYPE_CHECKING:
    _DeviceForm = forms.ModelForm[Device]
    _RegistrationKeyForm = forms.ModelForm[RegistrationKey]
else:
    _DeviceForm = _RegistrationKeyForm = forms.ModelForm


class KeyStateFilter(admin.SimpleListFilter):
    """Whether a registration key lets devices in, and if not, why."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("good", _("good")), ("used_up", _("used up")), ("expired", _("expired")), ("revoked", _("revoked")),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        used_up = Q(use_limit__isnull=False, uses__gte=F("use_limit"))
        match self.value():
            case "good":
                return queryset.good().exclude(used_up)
            case "used_up":
                return queryset.good().filter(used_up)
            case "expired":
                return queryset.filter(revoked_at__isnull=True, expires_at__lte=timezone.now())
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
        return queryset


class RegistrationKeyForm(_RegistrationKeyForm):
    """What may be set of a registration key."""

    def clean_use_limit(self) -> int | None:
        limit: int | None = self.cleaned_data["use_limit"]
        if limit is not None and limit < self.instance.uses:
            raise ValidationError(_("More devices than that have used the key already."))
        return limit


@admin.register(RegistrationKey)
class RegistrationKeyAdmin(OperatorAdmin[RegistrationKey]):
    """Registration keys by their lookup half. The customer's managers see the whole of them in the portal."""

    form = RegistrationKeyForm
    list_display = ("masked", "label", "customer_link", "organization", "state", "devices", "expires_at", "created_at")
    list_filter = (AtOrBelowFilter, KeyStateFilter, "created_at", "expires_at")
    search_fields = (
        "=lookup", "label", "customer__name", "organization__name", "customer__memberships__user__email",
    )  # fmt: skip
    search_help_text = _("Lookup half, label, organization or customer, or address of somebody there.")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    select_related = ("customer", "organization", "created_by")
    secret_fields = ("secret", "envelope_key_base64", "created_by__password")
    autocomplete_fields = ("organization",)
    fields = ("organization", "label", "expires_at", "use_limit")
    readonly_fields = (
        "masked", "customer_link", "state", "devices", "created_at", "created_by", "revoked_at", "renewed_at",
        "renewed_by_key",
    )  # fmt: skip
    actions = ("renew", "revoke")

    def get_fields(self, request: HttpRequest, obj: RegistrationKey | None = None) -> tuple[str, ...]:
        return ("masked", "customer_link", *self.fields, *self.readonly_fields[2:]) if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: RegistrationKey | None = None) -> tuple[str, ...]:
        return ("organization", *self.readonly_fields) if obj else self.readonly_fields

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # People send support the whole key, though they should not: it is not to stay in addresses and pages.
        sought = request.GET.get(SEARCH_VAR, "")
        try:
            lookup = RegistrationKeyText.parse(sought).lookup if "-" in sought else None
        except NotARegistrationKey:
            lookup = None
        if lookup:
            return HttpResponseRedirect(f"?{SEARCH_VAR}={lookup}")
        return super().changelist_view(request, extra_context)

    def has_delete_permission(self, request: HttpRequest, obj: RegistrationKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RegistrationKey, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["label", "expires_at", "use_limit"])
            return
        issued = RegistrationKey.issue(by=operator(request), **form.cleaned_data)
        obj.pk = issued.pk
        obj.refresh_from_db(fields=["customer", "lookup", "created_at", "created_by"])
        said = gettext("The managers of {customer} see the whole key in the portal.").format(customer=obj.customer)
        self.message_user(request, said)

    @admin.display(description=_("key"), ordering="lookup")
    def masked(self, key: RegistrationKey) -> str:
        return key.masked

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, key: RegistrationKey) -> SafeString | str:
        return link(key.customer)

    @admin.display(description=_("state"))
    def state(self, key: RegistrationKey) -> str:
        if key.revoked_at:
            return gettext("revoked")
        if not key.is_good:
            return gettext("expired")
        return gettext("used up") if key.use_limit is not None and key.uses >= key.use_limit else gettext("good")

    @admin.display(description=_("devices"), ordering="uses")
    def devices(self, key: RegistrationKey) -> SafeString | str:
        used = f"{key.uses} / {key.use_limit}" if key.use_limit is not None else str(key.uses)
        return link_to_list(Device, used, registered_with__id__exact=key.pk)

    @admin.display(description=_("its successor"))
    def renewed_by_key(self, key: RegistrationKey) -> SafeString | str:
        # By its number: the key itself is not to be loaded.
        return link_to(RegistrationKey, key.successor_id, gettext("the new key"))

    @admin.action(description=_("Renew"), permissions=["change"])
    def renew(self, request: HttpRequest, queryset: QuerySet[RegistrationKey]) -> None:
        for key in queryset:
            try:
                successor = renewal.renew(key, by=operator(request), address=address_of(request))
            except CannotRenew as refusal:
                self.message_user(request, f"{key}: {refusal}", messages.ERROR)
            else:
                said = gettext("{key} is renewed by {successor}: devices switch by themselves when they ask next.")
                self.message_user(request, said.format(key=key, successor=successor), messages.SUCCESS)

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[RegistrationKey]) -> HttpResponse | None:
        keys = queryset.filter(revoked_at__isnull=True)
        page = ask_first(
            self, request, keys, action="revoke", question=gettext("Revoke these registration keys?"),
            consequence=gettext(
                "No new device gets in with them, ever again. Devices that have registered keep their channels and go "
                "on writing, but can no longer ask for their keys until another key is set into them."
            ),
            yes=gettext("Yes, revoke"),
        )  # fmt: skip
        if page is not None and keys:
            return page
        for key in keys:
            key.revoke()
            self.log_change(request, key, gettext("Revoked."))
            self.message_user(request, gettext("{key} is revoked.").format(key=key), messages.SUCCESS)
        return None


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


@admin.register(Device)
class DeviceAdmin(OperatorAdmin[Device]):
    """Devices. They come by registering and are not made or deleted here."""

    form = DeviceForm
    list_display = (
        "serial", "name", "customer_link", "organization", "channel_link", "write_key", "last_asked", "key_link",
        "created_at", "blocked_at",
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
    select_related = ("customer", "organization", "channel", "contact", "registered_with")
    secret_fields = ("registered_with__secret", "registered_with__envelope_key_base64")
    autocomplete_fields = ("organization",)
    fields = (
        "serial", "name", "description", "customer_link", "organization", "channel_link", "write_key", "last_asked",
        "key_link", "created_at", "blocked_at", "uid",
    )  # fmt: skip
    readonly_fields = (
        "serial", "customer_link", "channel_link", "write_key", "last_asked", "key_link", "created_at", "blocked_at",
        "uid",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        current = ChannelKey.objects.writing().current().filter(channel=OuterRef("channel"))
        return super().get_queryset(request).annotate(
            write_key_pk=Subquery(current.values("pk")), write_key_version=Subquery(current.values("version"))
        )  # fmt: skip

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

    @admin.display(description=_("last asked"), ordering="contact__asked_at")
    def last_asked(self, device: Device) -> str:
        contact: DeviceContact | None = getattr(device, "contact", None)
        return when(contact.asked_at if contact else None)

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
