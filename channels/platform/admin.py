"""The built-in platform for operators: to be looked at. Keys are never loaded here.

`Entry` has no list of its own: Django's administration cannot register a model with a composite primary key, and
counting millions of rows for a page would help nobody. A channel's page shows its newest ones.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from channels.platform.models import FIELDS, Account, ApiKey, Channel
from channels.platform.writing import has_quota
from orgs.operator_links import MASK, NOTHING, link, link_to_list, when
from orgs.operators import ReadOnlyAdmin, count

NEWEST = 20


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin[Account]):
    """Who owns channels."""

    list_display = ("login", "plan_shown", "channel_count", "counted", "counted_since", "created_at")
    list_filter = ("created_at",)
    search_fields = ("login", "channels__number__exact")
    search_help_text = _("Login or exact channel number.")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    secret_fields = ("key", "key_hash")
    fields = ("login", "account_key", "plan_shown", "channel_count", "counted", "counted_since", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        channels = Channel.objects.filter(account=OuterRef("pk"))
        return super().get_queryset(request).annotate(channel_count=count(channels))

    @admin.display(description=_("plan"), ordering="plan_name")
    def plan_shown(self, account: Account) -> str:
        return account.plan_name or gettext("default")

    @admin.display(description=_("messages"), ordering="messages")
    def counted(self, account: Account) -> str:
        return str(account.messages) if has_quota() else NOTHING

    @admin.display(description=_("messages counted since"), ordering="messages_since")
    def counted_since(self, account: Account) -> str:
        return when(account.messages_since if has_quota() else None)

    @admin.display(description=_("account API key"))
    def account_key(self, account: Account) -> str:
        return MASK

    @admin.display(description=_("channels"))
    def channel_count(self, account: Any) -> SafeString | str:
        return link_to_list(Channel, account.channel_count, account__id__exact=account.pk)


@admin.register(Channel)
class ChannelAdmin(ReadOnlyAdmin[Channel]):
    """Time series, with what was written last."""

    list_display = ("number", "name", "account_link", "public", "last_entry", "written_at", "created_at")
    list_filter = ("public", "created_at", "latest__written_at")
    search_fields = ("number__exact", "name", "marker", "account__login")
    search_help_text = _("Exact number, name, marker of the device, or login of the account.")
    date_hierarchy = "created_at"
    ordering = ("-number",)
    select_related = ("account", "latest")
    secret_fields = ("account__key", "account__key_hash")
    fields = (
        "number", "name", "description", "account_link", "public", "marker", "key_list", "last_entry", "written_at",
        "newest_entries", "created_at", "updated_at",
    )  # fmt: skip

    @admin.display(description=_("account"), ordering="account__login")
    def account_link(self, channel: Channel) -> SafeString | str:
        return link(channel.account)

    @admin.display(description=_("last entry"), ordering="latest__last_entry_id")
    def last_entry(self, channel: Channel) -> int | str:
        latest = getattr(channel, "latest", None)
        return latest.last_entry_id if latest and latest.last_entry_id else NOTHING

    @admin.display(description=_("last write"), ordering="latest__written_at")
    def written_at(self, channel: Channel) -> str:
        latest = getattr(channel, "latest", None)
        return when(latest.written_at if latest else None)

    @admin.display(description=_("keys"))
    def key_list(self, channel: Channel) -> SafeString:
        return link_to_list(ApiKey, gettext("keys of this channel"), channel__number__exact=channel.pk)

    @admin.display(description=_("newest entries"))
    def newest_entries(self, channel: Channel) -> SafeString | str:
        labels = channel.labels or {n: f"field{n}" for n in FIELDS}
        entries = channel.entries.order_by("-entry_id")[:NEWEST]
        rows = [[str(entry.entry_id), when(entry.created_at), *(_value(entry, n) for n in labels)] for entry in entries]
        if not rows:
            return NOTHING
        head = format_html_join("", "<th>{}</th>", ([text] for text in ("#", gettext("when"), *labels.values())))
        cells = ([format_html_join("", "<td>{}</td>", ([text] for text in row))] for row in rows)
        body = format_html_join("", "<tr>{}</tr>", cells)
        return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


def _value(entry: Any, field: int) -> str:
    value: str | None = getattr(entry, f"field{field}")
    return NOTHING if value is None else value


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin[ApiKey]):
    """Keys of channels: since when, until when, last used when; never what they are."""

    list_display = (
        "masked",
        "channel_link",
        "kind",
        "note",
        "created_at",
        "first_used_at",
        "last_used_at",
        "expires_at",
    )
    list_filter = ("writes", "created_at", "last_used_at", "expires_at")
    search_fields = ("channel__number__exact", "channel__name", "note", "channel__account__login")
    search_help_text = _("Exact channel number, its name, note, or login of the account.")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    select_related = ("channel",)
    secret_fields = ("value", "hash")
    fields = list_display

    @admin.display(description=_("key"))
    def masked(self, key: ApiKey) -> str:
        return MASK

    @admin.display(description=_("channel"), ordering="channel")
    def channel_link(self, key: ApiKey) -> SafeString | str:
        return link(key.channel)

    @admin.display(description=_("kind"), ordering="writes")
    def kind(self, key: ApiKey) -> str:
        return gettext("write key") if key.writes else gettext("read key")
