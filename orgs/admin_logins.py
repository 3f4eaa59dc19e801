"""What people log in with, for operators: addresses and second factors, whose secrets are never loaded."""

from __future__ import annotations

from typing import Any

from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa import admin as _mfa_admin  # noqa: F401  Registers what is replaced here.
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from orgs.operators import OperatorAdmin, ReadOnlyAdmin, operator

admin.site.unregister([EmailAddress, Authenticator])


@admin.register(EmailAddress)
class AddressAdmin(OperatorAdmin[Any], EmailAddressAdmin):
    """Addresses that people log in by, and whether they have confirmed them."""

    select_related = ("user",)
    secret_fields = ("user__password",)
    autocomplete_fields = ("user",)
    raw_id_fields = ()  # type: ignore[assignment]
    ordering = ("email",)


@admin.register(Authenticator)
class SecondFactorAdmin(ReadOnlyAdmin[Authenticator]):
    """Second factors. Removing all of somebody's helps when the phone is lost and the recovery codes are, too."""

    list_display = ("kind", "user", "created_at", "last_used_at")
    list_filter = ("type", "created_at", "last_used_at")
    search_fields = ("user__email", "user__given_name", "user__family_name")
    search_help_text = _("Address or name of a person.")
    ordering = ("-created_at", "-pk")
    select_related = ("user",)
    secret_fields = ("data", "user__password")
    fields = list_display

    def has_delete_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        return operator(request).has_perm("mfa.delete_authenticator")

    @admin.display(description=_("kind"), ordering="type")
    def kind(self, factor: Authenticator) -> str:
        return str(factor.get_type_display())
