"""Renewals, the policies behind them, and when the chores are due, for operators: to be looked at."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from channels.models import ChannelKey, Chore, Renewal, RenewalPolicy
from orgs.operators import MASK, AtOrBelowFilter, CustomerColumn, ReadOnlyAdmin, customer_columns, link, link_to


@admin.register(Renewal)
class RenewalAdmin(ReadOnlyAdmin[Renewal]):
    """Renewals of write keys: how far they are and what is in the way."""

    list_display = (
        "started_at", "channel_link", "customer", "state", "urgent", "by", "deadline", "outcome", "trouble",
        "finished_at",
    )  # fmt: skip
    list_filter = ("state", "urgent", "outcome", "trouble", "started_at")
    search_fields = ("channel__number__exact", "channel__account__organization__name", "by__email")
    search_help_text = _("Exact channel number, customer, or address of whoever started it.")
    date_hierarchy = "started_at"
    ordering = ("-started_at", "-pk")
    select_related = ("channel__account__organization", "by")
    secret_fields = ("channel__account__key", "by__password")
    fields = (*list_display, "overlap", "tries", "next_try_at", "old", "new")

    @admin.display(description=_("channel"), ordering="channel__number")
    def channel_link(self, renewal: Renewal) -> SafeString | str:
        return link(renewal.channel)

    @admin.display(description=_("customer"))
    def customer(self, renewal: Renewal) -> SafeString | str:
        return link(renewal.channel.account.organization)

    # By their numbers: the keys themselves are not to be loaded.
    @admin.display(description=_("old key"))
    def old(self, renewal: Renewal) -> SafeString | str:
        return link_to(ChannelKey, renewal.old_key_id, MASK)

    @admin.display(description=_("new key"))
    def new(self, renewal: Renewal) -> SafeString | str:
        return link_to(ChannelKey, renewal.new_key_id, MASK)


@admin.register(RenewalPolicy)
class RenewalPolicyAdmin(CustomerColumn, ReadOnlyAdmin[RenewalPolicy]):
    """When keys are renewed by themselves, where."""

    list_display = (
        "organization", "customer", "write_every", "registration_every", "read_every", "overlap", "paused",
        "changed_at",
    )  # fmt: skip
    list_filter = (AtOrBelowFilter, "paused", "instead")
    search_fields = ("organization__name", "customer_name")
    search_help_text = _("Organization or customer.")
    ordering = ("-changed_at", "-pk")
    select_related = ("organization", "changed_by")
    secret_fields = ("changed_by__password",)
    fields = (
        *list_display, "instead", "quiet_from", "quiet_until", "time_zone", "remind_before", "report_after",
        "changed_by", "created_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[RenewalPolicy]:
        return super().get_queryset(request).annotate(**customer_columns("organization"))


@admin.register(Chore)
class ChoreAdmin(ReadOnlyAdmin[Chore]):
    """What is done again and again. One that is long overdue says that no worker is running."""

    list_display = ("name", "next_at")
    ordering = ("next_at",)
