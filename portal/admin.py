"""Pages for operators with what spans the apps: customers with devices and account, channels with their device."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_tasks_db import admin as _tasks_admin  # noqa: F401  Registers what is replaced here.
from django_tasks_db.models import DBTaskResult

from channels.admin import ChannelAdmin
from channels.models import Channel, PlatformAccount
from devices.models import Device, DeviceContact, RegistrationKey
from devices.moving import move_organization
from devices.read_rights import end_lost_read_keys
from orgs.admin import OrganizationAdmin
from orgs.admin_people import MembershipAdmin, UserAdmin
from orgs.models import Membership, Organization, User
from orgs.operators import (
    NOTHING,
    AtOrBelowFilter,
    ReadOnlyAdmin,
    at_or_below_outer,
    count,
    link,
    link_to,
    link_to_list,
    when,
)
from portal.letters import Letter

admin.site.unregister([Organization, Membership, User, Channel, DBTaskResult])


class AccountStateFilter(admin.SimpleListFilter):
    """What the platform says of the customer's account key."""

    title = _("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*PlatformAccount.State.choices, ("none", _("none at all"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "none":
            return queryset.customers().filter(platform_account__isnull=True)
        return queryset.filter(platform_account__state=self.value()) if self.value() else queryset


@admin.register(Organization)
class CustomerAdmin(OrganizationAdmin):
    """The tree with what operators are asked for: devices, when they were last seen, the state of the account."""

    list_display = (
        "indented", "customer", "people", "devices", "last_asked", "account", "created_at", "suspended_at",
    )  # fmt: skip
    list_filter = (*OrganizationAdmin.list_filter, AccountStateFilter)
    readonly_fields = (
        "customer", "account", "devices", "last_asked", "registration_keys", "created_at", "suspended_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        contacts = DeviceContact.objects.filter(at_or_below_outer("device__organization")).order_by("-asked_at")
        accounts = PlatformAccount.objects.filter(organization=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                device_count=count(Device.objects.filter(at_or_below_outer("organization"))),
                last_asked_at=Subquery(contacts.values("asked_at")[:1]),
                account_pk=Subquery(accounts.values("pk")),
                account_state=Subquery(accounts.values("state")),
            )
        )

    def move(self, organization: Organization, *, below: Organization) -> None:
        move_organization(organization, below=below)

    @admin.display(description=_("devices"))
    def devices(self, organization: Any) -> SafeString | str:
        return link_to_list(Device, organization.device_count, **{AtOrBelowFilter.parameter_name: organization.pk})

    @admin.display(description=_("last asked"))
    def last_asked(self, organization: Any) -> str:
        return when(organization.last_asked_at)

    @admin.display(description=_("account"))
    def account(self, organization: Any) -> SafeString | str:
        if not organization.is_customer:
            return NOTHING
        if organization.account_pk is None:
            return gettext("none")
        return link_to(
            PlatformAccount, organization.account_pk, PlatformAccount.State(organization.account_state).label
        )  # fmt: skip

    @admin.display(description=_("registration keys"))
    def registration_keys(self, organization: Organization) -> SafeString:
        here = {AtOrBelowFilter.parameter_name: organization.pk}
        return link_to_list(RegistrationKey, gettext("keys whose devices land here or below"), **here)


@admin.register(Membership)
class PlaceAdmin(MembershipAdmin):
    """Places; whoever loses one loses the read keys to what they no longer see."""

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        end_lost_read_keys(obj.organization)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        super().delete_model(request, obj)
        end_lost_read_keys(obj.organization)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People; whoever is locked out loses their read keys."""

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and not obj.is_active:
            for place in obj.memberships.select_related("organization"):
                end_lost_read_keys(place.organization)


@admin.register(Channel)
class ChannelWithDeviceAdmin(ChannelAdmin):
    """Channels with the device that writes to each."""

    list_display = ("number", "device_link", *ChannelAdmin.list_display[1:])
    search_fields = (*ChannelAdmin.search_fields, "device__serial", "device__name")
    search_help_text = _("Exact number, customer, serial number or name of the device, or address of somebody there.")
    select_related = (*ChannelAdmin.select_related, "device")
    fields = ("number", "device_link", *ChannelAdmin.fields[1:], "on_platform")

    @admin.display(description=_("device"), ordering="device__serial")
    def device_link(self, channel: Channel) -> SafeString | str:
        device: Device | None = getattr(channel, "device", None)
        return link(device, f"{device.serial} {device.name}".strip()) if device else NOTHING

    @admin.display(description=_("on the platform"))
    def on_platform(self, channel: Channel) -> SafeString | str:
        if channel.account.platform != "embedded":
            return channel.account.get_platform_display()
        # By the address: the platform's models are its own affair.
        there = reverse("admin:platform_channel_change", args=[channel.number])
        return format_html('<a href="{}">{}</a>', there, gettext("entries and keys there"))


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin[Letter]):
    """Mail that the mail server has not taken yet, without its text: that may have a link in it."""

    list_display = ("to", "created_at", "tries", "next_at", "trouble")
    search_fields = ("to",)
    search_help_text = _("Part of the address.")
    secret_fields = ("content",)
    fields = list_display


@admin.register(DBTaskResult)
class TaskAdmin(ReadOnlyAdmin["DBTaskResult[Any, Any]"]):
    """Work in the background, without what it was given: that may be a mail with a link."""

    list_display = ("task_path", "status", "priority", "enqueued_at", "run_after", "started_at", "finished_at")
    list_filter = ("status", "enqueued_at")
    search_fields = ("task_path", "=id")
    search_help_text = _("Name of the task, or its exact number.")
    date_hierarchy = "enqueued_at"
    ordering = ("-enqueued_at",)
    secret_fields = ("args_kwargs", "return_value", "traceback")
    fields = ("id", *list_display, "exception_class_path")
