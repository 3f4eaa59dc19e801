"""Renewals, the policies behind them, and when the chores are due, for operators: to be looked at."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from channels.findings import Finding
from channels.models import ChannelKey, Chore, Renewal, RenewalPolicy, RenewalRound
from orgs.operator_links import MASK, link, link_to
from orgs.operators import AtOrBelowFilter, CustomerColumn, InTheWayFilter, ReadOnlyAdmin, customer_columns


@admin.register(Renewal)
class RenewalAdmin(ReadOnlyAdmin[Renewal]):
    """Renewals of write keys: how far they are and what is in the way."""

    list_display = (
        "started_at", "channel_link", "customer", "state", "urgent", "by", "deadline", "outcome", "trouble",
        "finished_at",
    )  # fmt: skip
    list_filter = (InTheWayFilter, "state", "urgent", "outcome", "trouble", "started_at")
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


@admin.register(RenewalRound)
class RenewalRoundAdmin(CustomerColumn, ReadOnlyAdmin[RenewalRound]):
    """All write keys of an organization renewed, or revoked, together: by whom and when."""

    list_display = ("started_at", "organization", "customer", "by", "urgent", "overlap")
    list_filter = (AtOrBelowFilter, "urgent", "started_at")
    search_fields = ("organization__name", "customer_name", "by__email")
    search_help_text = _("Organization, customer, or address of whoever started it.")
    date_hierarchy = "started_at"
    ordering = ("-started_at", "-pk")
    select_related = ("organization", "by")
    secret_fields = ("by__password",)
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[RenewalRound]:
        return super().get_queryset(request).annotate(**customer_columns("organization"))


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


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin[Finding]):
    """What was noticed about channels and keys, whether or not somebody has settled it."""

    list_display = ("found_at", "kind", "number", "label", "customer", "seen_at", "settled_at")
    list_filter = ("kind", "found_at", "settled_at")
    search_fields = ("number__exact", "label", "account__organization__name")
    search_help_text = _("Exact channel number, name, or customer.")
    date_hierarchy = "found_at"
    ordering = ("-found_at", "-pk")
    select_related = ("account__organization", "channel", "settled_by")
    secret_fields = ("account__key", "settled_by__password")
    fields = (*list_display, "remedy", "channel_link", "settled_by")

    @admin.display(description=_("customer"))
    def customer(self, finding: Finding) -> SafeString | str:
        return link(finding.account.organization)

    @admin.display(description=_("channel"))
    def channel_link(self, finding: Finding) -> SafeString | str:
        return link(finding.channel)

    @admin.display(description=_("what to do"))
    def remedy(self, finding: Finding) -> str:
        return str(finding.remedy)
