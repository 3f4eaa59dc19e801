"""What people log in with, for operators: addresses and second factors, whose secrets are never loaded."""

from __future__ import annotations

from typing import Any, TypeVar

from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.mfa import admin as _mfa_admin  # noqa: F401  Registers what is replaced here.
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orgs.models import User
from orgs.operators import OperatorAdmin, ReadOnlyAdmin, operator

admin.site.unregister([EmailAddress, Authenticator])


L = TypeVar("L", bound=Model)


def others_than_operators(request: HttpRequest) -> QuerySet[User]:
    """Return the people whose ways to log in an operator may change here: all for a superuser, else only customers'.

    Nobody but a superuser has their own here either: those are changed on the pages of one's account.
    """
    people = User.objects.all()
    return people if operator(request).is_superuser else people.filter(is_staff=False, is_superuser=False)


def but_operators(request: HttpRequest, queryset: QuerySet[L]) -> QuerySet[L]:
    """Leave out what operators log in by: who is no superuser could take an operator's account over with it."""
    return queryset.filter(user__in=others_than_operators(request))


@admin.register(EmailAddress)
class AddressAdmin(OperatorAdmin[Any], EmailAddressAdmin):
    """Addresses that people log in by, and whether they have confirmed them."""

    select_related = ("user",)
    secret_fields = ("user__password",)
    autocomplete_fields = ("user",)
    raw_id_fields = ()  # type: ignore[assignment]
    ordering = ("email",)

    @admin.action(description=_("Confirm without a link"), permissions=["change"])
    def make_verified(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """In the place of allauth's, which is not audited and says nothing of what was confirmed before."""
        for address in queryset:
            said = gettext("{email} is confirmed.").format(email=address.email)
            if address.verified:
                said = gettext("{email} was confirmed before.").format(email=address.email)
                self.message_user(request, said, messages.WARNING)
            elif self._confirm(request, address):
                self.message_user(request, said, messages.SUCCESS)
            else:
                said = gettext("{email} belongs to somebody else who has confirmed it.").format(email=address.email)
                self.message_user(request, said, messages.ERROR)

    @transaction.atomic
    def _confirm(self, request: HttpRequest, address: EmailAddress) -> bool:
        if not address.set_verified():
            return False
        email_confirmed.send(sender=EmailAddress, request=request, email_address=address)
        self.log_change(request, address, _("Confirmed."))
        return True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return but_operators(request, super().get_queryset(request))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        # Nor is one given to an operator: a link for a new password is mailed to each confirmed address.
        return super().formfield_for_foreignkey(
            db_field, request, **{"queryset": others_than_operators(request), **options}
        )


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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Authenticator]:
        return but_operators(request, super().get_queryset(request))

    def has_delete_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        return operator(request).has_perm("mfa.delete_authenticator")

    @admin.display(description=_("kind"), ordering="type")
    def kind(self, factor: Authenticator) -> str:
        return str(factor.get_type_display())
