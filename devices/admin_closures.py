"""Customers that are being closed, for operators: how far it is, and what is in the way."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from devices.models import Closure
from orgs.operator_links import link
from orgs.operators import InTheWayFilter, ReadOnlyAdmin


@admin.register(Closure)
class ClosureAdmin(ReadOnlyAdmin[Closure]):
    """Gone as soon as all that the customer had is gone; the audit keeps who closed it."""

    list_display = ("begun_at", "customer_link", "begun_by", "keep_channels", "next_at", "attempts", "trouble")
    list_filter = (InTheWayFilter, "keep_channels", "begun_at")
    search_fields = ("customer__name", "begun_by")
    search_help_text = _("Customer, or address of whoever closed it.")
    date_hierarchy = "begun_at"
    ordering = ("-begun_at", "-pk")
    select_related = ("customer",)
    fields = list_display

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, closure: Closure) -> SafeString | str:
        return link(closure.customer)
