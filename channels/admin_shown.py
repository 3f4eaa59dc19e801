"""Who has been shown a key that others read with, too, for operators: what somebody knows who has left."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from channels.keys_shown import ShownKey
from orgs.operator_links import MASK, link, link_to
from orgs.operators import ReadOnlyAdmin


@admin.register(ShownKey)
class ShownKeyAdmin(ReadOnlyAdmin[ShownKey]):
    """Showings of shared read keys. What they saw of their own keys is among the channel keys and in the audit."""

    list_display = ("at", "name", "masked", "key_state", "channel", "customer")
    list_display_links = ("at",)
    list_filter = ("key__state", "at")
    search_fields = ("name", "user__email", "key__channel__number__exact", "key__channel__account__organization__name")
    search_help_text = _("Address of a person, exact channel number, or customer.")
    date_hierarchy = "at"
    ordering = ("-at", "-pk")
    select_related = ("user", "key__channel__account__organization")
    secret_fields = ("user__password", "key__value", "key__value_hash", "key__channel__account__key")
    fields = ("at", "name", "user", "masked", "key_state", "channel", "customer")

    @admin.display(description=_("key"))
    def masked(self, showing: ShownKey) -> SafeString | str:
        return link_to(type(showing.key), showing.key_id, MASK)

    @admin.display(description=_("state"), ordering="key__state")
    def key_state(self, showing: ShownKey) -> str:
        return showing.key.get_state_display()

    @admin.display(description=_("channel"), ordering="key__channel__number")
    def channel(self, showing: ShownKey) -> SafeString | str:
        return link(showing.key.channel)

    @admin.display(description=_("customer"), ordering="key__channel__account__organization__name")
    def customer(self, showing: ShownKey) -> SafeString | str:
        return link(showing.key.channel.account.organization)
