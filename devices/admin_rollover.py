"""Moves of devices to new channels, for operators: to be looked at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from devices.rollover_models import RollOver
from orgs.operator_links import link
from orgs.operators import InTheWayFilter, ReadOnlyAdmin


@admin.register(RollOver)
class RollOverAdmin(ReadOnlyAdmin[RollOver]):
    """How far moves to new channels are and what is in the way."""

    list_display = (
        "started_at", "device_link", "customer", "state", "keep_old", "by", "deadline", "trouble", "finished_at",
    )  # fmt: skip
    list_filter = (InTheWayFilter, "state", "trouble", "keep_old", "started_at")
    search_fields = ("device__serial__exact", "device__name", "device__customer__name", "old_channel__number__exact")
    search_help_text = _("Exact serial or old channel number, name of the device, or customer.")
    date_hierarchy = "started_at"
    ordering = ("-started_at", "-pk")
    select_related = ("device__customer", "old_channel", "new_channel", "by")
    secret_fields = ("by__password",)
    fields = (*list_display, "old_link", "new_link", "overlap", "tries", "next_try_at")

    @admin.display(description=_("device"))
    def device_link(self, rollover: RollOver) -> SafeString | str:
        return link(rollover.device)

    @admin.display(description=_("customer"))
    def customer(self, rollover: RollOver) -> SafeString | str:
        return link(rollover.device.customer)

    @admin.display(description=_("old channel"))
    def old_link(self, rollover: RollOver) -> SafeString | str:
        return link(rollover.old_channel)

    @admin.display(description=_("new channel"))
    def new_link(self, rollover: RollOver) -> SafeString | str:
        return link(rollover.new_channel)
