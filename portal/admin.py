"""Channels with their device, mail and background work, for operators; customers and people have files of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django_tasks_db import admin as _tasks_admin  # noqa: F401  Registers what is replaced here.
from django_tasks_db.models import DBTaskResult, get_date_max

from channels.admin import ChannelAdmin
from channels.models import Channel
from devices.models import Device
from orgs.operator_links import NOTHING, link
from orgs.operators import InTheWayFilter, ReadOnlyAdmin, operator
from portal import admin_customers as admin_customers  # Registered by being imported, these two.
from portal import admin_people as admin_people
from portal.letters import Letter
from portal.tasks import send_letter

admin.site.unregister([Channel, DBTaskResult])


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
    list_filter = (InTheWayFilter, "created_at")
    actions = ("try_now",)
    search_fields = ("to",)
    search_help_text = _("Part of the address.")
    secret_fields = ("content",)
    fields = list_display

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the action is there, though nothing of a letter is edited here."""
        return operator(request).has_perm("portal.change_letter")

    @admin.action(description=_("Try again now"), permissions=["send"])
    def try_now(self, request: HttpRequest, queryset: QuerySet[Letter]) -> None:
        n = 0
        for letter in queryset:
            n += Letter.objects.filter(pk=letter.pk).update(next_at=timezone.now())
            send_letter.enqueue(letter.pk)
        said = ngettext(
            "{n} mail is tried again now: look again in a minute.",
            "{n} mails are tried again now: look again in a minute.",
            n,
        )
        self.message_user(request, said.format(n=n), messages.SUCCESS)


@admin.register(DBTaskResult)
class TaskAdmin(ReadOnlyAdmin["DBTaskResult[Any, Any]"]):
    """Work in the background, without what it was given: that may be the name of a file for one person alone."""

    list_display = ("task_path", "status", "priority", "enqueued_at", "not_before", "started_at", "finished_at")
    list_filter = ("status", "enqueued_at")
    search_fields = ("task_path", "=id")
    search_help_text = _("Name of the task, or its exact number.")
    date_hierarchy = "enqueued_at"
    ordering = ("-enqueued_at",)
    secret_fields = ("args_kwargs", "return_value", "traceback")
    fields = ("id", *list_display, "exception_class_path")

    @admin.display(description=_("not before"), ordering="run_after")
    def not_before(self, task: DBTaskResult[Any, Any]) -> datetime | str:
        return NOTHING if task.run_after == get_date_max() else task.run_after
