"""New and former devices for operators: policies, who waits, who is expected, who was here before."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from devices.admission_models import ExpectedDevice, FormerDevice, PendingDevice, RegistrationPolicy
from orgs.errors import ChangedMeanwhile
from orgs.models import Organization
from orgs.operator_links import link
from orgs.operators import AtOrBelowFilter, OperatorAdmin, ReadOnlyAdmin

_PEOPLE = ("customer__name", "customer__memberships__user__email")
_SEARCH_HELP = _("Serial number, name, customer, or address of somebody there.")


class DecisionFilter(admin.SimpleListFilter):
    """Whether a manager has refused the device."""

    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("waits")), ("refused", _("refused"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "waiting":
                return queryset.waiting()
            case "refused":
                return queryset.refused()
        return queryset


@admin.register(RegistrationPolicy)
class RegistrationPolicyAdmin(OperatorAdmin[RegistrationPolicy]):
    """Who comes in at a customer. Those without a row are open."""

    list_display = ("customer", "admits", "changed_at")
    list_filter = ("admits", "changed_at")
    search_fields = _PEOPLE
    search_help_text = _("Customer, or address of somebody there.")
    ordering = ("-changed_at",)
    select_related = ("customer",)
    fields = ("customer_link", "admits", "changed_at")
    refusals = (ChangedMeanwhile,)
    readonly_fields = ("customer_link", "changed_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: RegistrationPolicy | None = None) -> bool:
        return False

    def organization_of(self, obj: RegistrationPolicy) -> Organization:
        return obj.customer

    def save_model(self, request: HttpRequest, obj: RegistrationPolicy, form: Any, change: bool) -> None:
        obj.admits = form.initial["admits"]
        obj.change(form.cleaned_data["admits"])

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, policy: RegistrationPolicy) -> SafeString | str:
        return link(policy.customer)


@admin.register(PendingDevice)
class PendingDeviceAdmin(ReadOnlyAdmin[PendingDevice]):
    """Devices at the door. The customer's managers decide about them."""

    list_display = (
        "serial", "customer_link", "organization", "first_asked_at", "last_asked_at", "times", "address", "refused_at",
        "refused_by",
    )  # fmt: skip
    list_filter = (AtOrBelowFilter, DecisionFilter, "last_asked_at")
    search_fields = ("serial", "=address", "=asked_with__lookup", *_PEOPLE)
    search_help_text = _("Serial number, exact IP address, lookup half, customer, or address of somebody there.")
    date_hierarchy = "first_asked_at"
    ordering = ("-last_asked_at", "-pk")
    select_related = ("customer", "organization", "asked_with", "refused_by")
    secret_fields = ("asked_with__secret", "asked_with__envelope_key_base64", "refused_by__password")
    fields = (
        "serial", "customer_link", "organization", "key_link", "address", "first_asked_at", "last_asked_at", "times",
        "refused_at", "refused_by",
    )  # fmt: skip

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, pending: PendingDevice) -> SafeString | str:
        return link(pending.customer)

    @admin.display(description=_("with the registration key"))
    def key_link(self, pending: PendingDevice) -> SafeString | str:
        return link(pending.asked_with)


@admin.register(ExpectedDevice)
class ExpectedDeviceAdmin(ReadOnlyAdmin[ExpectedDevice]):
    """Serial numbers that were entered beforehand."""

    list_display = ("serial", "name", "customer_link", "organization", "created_at")
    list_filter = ("created_at",)
    search_fields = ("serial", "name", *_PEOPLE)
    search_help_text = _SEARCH_HELP
    ordering = ("-created_at", "serial")
    select_related = ("customer", "organization")
    fields = ("serial", "name", "customer_link", "organization", "created_at")

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, expected: ExpectedDevice) -> SafeString | str:
        return link(expected.customer)


@admin.register(FormerDevice)
class FormerDeviceAdmin(ReadOnlyAdmin[FormerDevice]):
    """Devices that were deleted, or whose place another one has taken."""

    list_display = (
        "serial", "name", "customer_link", "organization_name", "how", "ended_at", "ended_by", "channel_number",
        "channel_kept", "successor_link",
    )  # fmt: skip
    list_filter = ("how", "ended_at")
    search_fields = ("serial", "name", "channel_number__exact", *_PEOPLE)
    search_help_text = _("Serial number, name, exact channel number, customer, or address of somebody there.")
    date_hierarchy = "ended_at"
    ordering = ("-ended_at", "-pk")
    select_related = ("customer", "ended_by", "successor")
    secret_fields = ("ended_by__password",)
    fields = (
        "serial", "name", "customer_link", "organization_name", "channel_number", "channel_kept", "how",
        "successor_link", "ended_at", "ended_by",
    )  # fmt: skip

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, former: FormerDevice) -> SafeString | str:
        return link(former.customer)

    @admin.display(description=_("replaced by"))
    def successor_link(self, former: FormerDevice) -> SafeString | str:
        return link(former.successor)
