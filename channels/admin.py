"""Accounts on the channel platform, channels and keys for operators. Keys themselves are never loaded here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import OuterRef, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from channels import admin_renewal as admin_renewal
from channels import admin_shown as admin_shown
from channels import renewal
from channels.errors import CannotRenew
from channels.findings import Finding
from channels.models import ALIVE, Channel, ChannelKey, PlatformAccount, Renewal
from channels.platforms import PlatformError, platform_named
from channels.sync import sync
from channels.vault import CannotDecrypt
from orgs.audit import address_of
from orgs.models import Organization
from orgs.operator_links import MASK, NOTHING, Neighbour, link, link_to_list, list_of, when
from orgs.operators import OperatorAdmin, ReadOnlyAdmin, count, operator

if TYPE_CHECKING:
    _AccountForm = forms.ModelForm[PlatformAccount]
else:
    _AccountForm = forms.ModelForm

# Each may take the platform's whole patience, and the operator waits for all of them.
AT_ONCE = 10


def say_if_too_many(page: OperatorAdmin[Any], request: HttpRequest, chosen: QuerySet[Any]) -> None:
    """Say that only the first `AT_ONCE` of those `chosen` have had their turn."""
    if chosen.count() > AT_ONCE:
        said = gettext("Only the first {n} were done: choose fewer at once.").format(n=AT_ONCE)
        page.message_user(request, said, messages.WARNING)


class AccountForm(_AccountForm):
    """An account whose key can be set but not read."""

    new_key = forms.CharField(
        label=_("New account API key"),
        max_length=64,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "It is never shown. Empty: the key stays as it is; for a new account on the built-in platform, the "
            "account is created there. What is entered is checked with the platform right after saving."
        ),
    )

    class Meta:
        model = PlatformAccount
        fields = ("organization", "platform")

    def clean_organization(self) -> Organization:
        organization: Organization = self.cleaned_data["organization"]
        if not organization.is_customer:
            raise ValidationError(_("Accounts belong to customers. Choose the one that this organization is in."))
        return organization

    def clean_new_key(self) -> str:
        return str(self.cleaned_data["new_key"]).strip().upper()

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or self.cleaned_data
        needs_key = "platform" in data and not platform_named(data["platform"]).can_create_accounts
        if self.instance.pk is None and needs_key and not data.get("new_key"):
            self.add_error("new_key", _("On this platform people make accounts themselves: enter the key."))
        return data


@admin.register(PlatformAccount)
class PlatformAccountAdmin(OperatorAdmin[PlatformAccount]):
    """Customers' accounts on the channel platform."""

    form = AccountForm
    list_display = ("organization", "platform", "state", "checked_at", "synced_at", "channel_count", "created_at")
    list_display_links = ("organization",)
    list_filter = ("state", "platform", "checked_at")
    search_fields = ("organization__name", "organization__memberships__user__email", "channels__number__exact")
    search_help_text = _("Customer, address of somebody there, or exact channel number.")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    select_related = ("organization",)
    secret_fields = ("key",)
    autocomplete_fields = ("organization",)
    fields = ("organization", "platform", "new_key")
    readonly_fields = ("customer", "account_key", "state", "checked_at", "synced_at", "created_at", "channel_count")
    actions = ("check_with_platform", "sync_with_platform")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlatformAccount]:
        channels = Channel.objects.filter(account=OuterRef("pk"))
        return super().get_queryset(request).annotate(channel_count=count(channels))

    def get_fields(self, request: HttpRequest, obj: PlatformAccount | None = None) -> tuple[str, ...]:
        if obj is None:
            return self.fields
        first, *others = self.readonly_fields
        return (first, "platform", others[0], "new_key", *others[1:])

    def get_readonly_fields(self, request: HttpRequest, obj: PlatformAccount | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "organization", "platform") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: PlatformAccount | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PlatformAccount, form: Any, change: bool) -> None:
        new_key: str = form.cleaned_data["new_key"]
        if new_key:
            obj.replace_key(new_key)
        elif not change:
            obj.replace_key(obj.on_platform.create_account(obj.organization.name))
        else:
            return
        # After the commit: a platform that does not answer must not keep a transaction open.
        transaction.on_commit(lambda: self._check(request, obj))

    def _check(self, request: HttpRequest, account: PlatformAccount) -> None:
        try:
            account.ask_platform()
        except (PlatformError, CannotDecrypt) as error:
            self.message_user(request, f"{account}: {error}", messages.WARNING)
            return
        refused = account.state == PlatformAccount.State.REFUSED
        self.message_user(
            request, f"{account}: {account.get_state_display()}", messages.ERROR if refused else messages.SUCCESS
        )

    @admin.action(description=_("Check the account key with the platform"), permissions=["change"])
    def check_with_platform(self, request: HttpRequest, queryset: QuerySet[PlatformAccount]) -> None:
        for account in queryset[:AT_ONCE]:
            self._check(request, account)
        say_if_too_many(self, request, queryset)

    @admin.action(description=_("Sync with the platform"), permissions=["change"])
    def sync_with_platform(self, request: HttpRequest, queryset: QuerySet[PlatformAccount]) -> None:
        for account in queryset[:AT_ONCE]:
            try:
                done = sync(account, by=operator(request), address=address_of(request))
            except (PlatformError, CannotDecrypt) as refusal:
                self.message_user(request, f"{account}: {refusal}", messages.ERROR)
                continue
            self.message_user(request, f"{account}: {done.sentence}", messages.SUCCESS)
        say_if_too_many(self, request, queryset)

    def neighbours(self, obj: PlatformAccount) -> list[Neighbour]:
        own = {"account__id__exact": obj.pk}
        return [
            list_of(Channel, _("Channels"), **own),
            list_of(Finding, _("Findings"), **own),
            *super().neighbours(obj),
        ]

    @admin.display(description=_("customer"))
    def customer(self, account: PlatformAccount) -> SafeString | str:
        return link(account.organization)

    @admin.display(description=_("account API key"))
    def account_key(self, account: PlatformAccount) -> str:
        return MASK

    @admin.display(description=_("channels"))
    def channel_count(self, account: Any) -> SafeString | str:
        return link_to_list(Channel, account.channel_count, account__id__exact=account.pk)


@admin.register(Channel)
class ChannelAdmin(ReadOnlyAdmin[Channel]):
    """Channels as the portal knows them; the platform's own rooms are elsewhere."""

    list_display: tuple[str, ...] = ("number", "customer", "account_state", "keys", "created_at")
    list_filter = ("account__platform", "account__state", "created_at")
    search_fields: ClassVar[tuple[str, ...]] = (
        "number__exact",
        "account__organization__name",
        "account__organization__memberships__user__email",
    )
    search_help_text = _("Exact number, customer, or address of somebody there.")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    select_related: ClassVar[tuple[str, ...]] = ("account__organization",)
    secret_fields = ("account__key",)
    fields: ClassVar[tuple[str, ...]] = (
        "number", "customer", "account_link", "account_state", "keys", "created_at",
    )  # fmt: skip
    actions = ("renew_write_keys", "take_over_write_keys")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        alive = ChannelKey.objects.filter(state__in=ALIVE).order_by("-kind", "-version", "pk")
        unread = Prefetch("keys", alive.defer("value", "value_hash"))
        return super().get_queryset(request).prefetch_related(unread)

    @admin.display(description=_("customer"), ordering="account__organization__name")
    def customer(self, channel: Channel) -> SafeString | str:
        return link(channel.account.organization)

    @admin.display(description=_("account"))
    def account_link(self, channel: Channel) -> SafeString | str:
        return link(channel.account)

    @admin.display(description=_("account state"), ordering="account__state")
    def account_state(self, channel: Channel) -> str:
        return channel.account.get_state_display()

    @admin.display(description=_("keys in use"))
    def keys(self, channel: Channel) -> SafeString | str:
        keys = (
            (link(key, f"{key.get_kind_display()} {key.version}"), key.get_state_display())
            for key in channel.keys.all()
        )
        return format_html_join(", ", "{} ({})", keys) or NOTHING

    def neighbours(self, obj: Channel) -> list[Neighbour]:
        own = {"channel__id__exact": obj.pk}
        return [
            list_of(ChannelKey, _("Keys and who holds them"), **own),
            list_of(Renewal, _("Renewals"), **own),
            list_of(Finding, _("Findings"), **own),
            *super().neighbours(obj),
        ]

    def has_renew_permission(self, request: HttpRequest) -> bool:
        """Whether the actions are there, though nothing of a channel is edited here."""
        return operator(request).has_perm("channels.change_channel")

    @admin.action(description=_("Renew write keys"), permissions=["renew"])
    def renew_write_keys(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        def renew(channel: Channel) -> str:
            begun = renewal.renew(channel, by=operator(request), address=address_of(request))
            done = gettext("The key is renewed. The old one is good until {when}.").format(when=when(begun.deadline))
            return begun.get_trouble_display() or done

        self._each(request, queryset, renew)

    @admin.action(description=_("Take over write keys that were renewed on the platform"), permissions=["renew"])
    def take_over_write_keys(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        def take_over(channel: Channel) -> str:
            was_new = renewal.adopt_change(channel)
            return (
                gettext("There was a new key there.") if was_new else gettext("The platform has the key that we have.")
            )

        self._each(request, queryset, take_over)

    def _each(self, request: HttpRequest, queryset: QuerySet[Channel], operation: Callable[[Channel], str]) -> None:
        for channel in queryset[:AT_ONCE]:
            try:
                said, level = operation(channel), messages.SUCCESS
            except (CannotRenew, PlatformError, CannotDecrypt) as refusal:
                said, level = str(refusal), messages.ERROR
            self.message_user(request, f"{channel}: {said}", level)
        say_if_too_many(self, request, queryset)


@admin.register(ChannelKey)
class ChannelKeyAdmin(ReadOnlyAdmin[ChannelKey]):
    """Keys of channels: whose, of what state, since when; never what they are."""

    list_display = (
        "masked", "kind", "version", "state", "channel_link", "customer", "holder", "created_at", "valid_until",
    )  # fmt: skip
    list_filter = ("kind", "state", "created_at", "valid_until")
    search_fields = ("channel__number__exact", "channel__account__organization__name", "holder__email")
    search_help_text = _("Exact channel number, customer, or address of the person whose key it is.")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    select_related = ("channel__account__organization", "holder")
    secret_fields = ("value", "value_hash", "channel__account__key", "holder__password")
    fields = (
        *list_display, "ended_at", "origin", "told_at", "acknowledged_at", "first_used_at", "last_used_at",
    )  # fmt: skip

    @admin.display(description=_("key"))
    def masked(self, key: ChannelKey) -> str:
        return MASK

    @admin.display(description=_("channel"), ordering="channel__number")
    def channel_link(self, key: ChannelKey) -> SafeString | str:
        return link(key.channel)

    @admin.display(description=_("customer"))
    def customer(self, key: ChannelKey) -> SafeString | str:
        return link(key.channel.account.organization)
