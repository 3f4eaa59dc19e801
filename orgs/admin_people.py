"""People for operators: who they are, how they log in, what they may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.admin import UserAdmin as DjangosUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orgs.admin_places import PlacesInline
from orgs.audit import AuditEntry
from orgs.in_the_way import in_the_way_of
from orgs.models import Invitation, Membership, User
from orgs.operator_links import NOTHING, Neighbour, link, list_of
from orgs.operators import OperatorAdmin, may_change, operator

if TYPE_CHECKING:
    _UserAdmin = DjangosUserAdmin[User]
    _UserForm = forms.ModelForm[User]
    _NewUserForm = AdminUserCreationForm[User]
else:
    _UserAdmin, _UserForm, _NewUserForm = DjangosUserAdmin, forms.ModelForm, AdminUserCreationForm


class UserForm(_UserForm):
    """A person as an operator may change them."""

    class Meta:
        model = User
        fields = ("email", "given_name", "family_name", "is_active", "is_staff", "is_superuser", "groups")


class NewUserForm(_NewUserForm):
    """A new person. The address is confirmed by link at the first log-in."""

    class Meta:
        model = User
        fields = ("email", "given_name", "family_name")


@admin.register(User)
class UserAdmin(OperatorAdmin[User], _UserAdmin):
    """People. They are locked out by switching `active` off; deleting them would forget their keys, not end them."""

    form = UserForm
    add_form = NewUserForm
    secret_fields = ("password",)
    list_display = (
        "email", "name", "places", "address_confirmed", "last_login", "is_active", "is_staff", "second_factor",
    )  # fmt: skip
    list_filter = ("is_active", "is_staff", "memberships__relation", "last_login", "groups")
    search_fields = ("email", "given_name", "family_name", "memberships__organization__name")
    search_help_text = _("Address, name or organization.")
    date_hierarchy = "date_joined"
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined", "password_state", "second_factor", "in_the_way")
    filter_horizontal = ()
    autocomplete_fields = ("groups",)
    inlines = (PlacesInline,)
    fieldsets = (
        (None, {"fields": ("email", "in_the_way", "given_name", "family_name")}),
        (_("Logging in"), {"fields": ("password_state", "second_factor", "last_login", "date_joined")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "given_name", "family_name", "usable_password", "password1", "password2")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        confirmed = EmailAddress.objects.filter(user=OuterRef("pk"), email__iexact=OuterRef("email"), verified=True)
        places = Membership.objects.select_related("organization").order_by("pk")
        factors = Authenticator.objects.filter(user=OuterRef("pk")).exclude(type=Authenticator.Type.RECOVERY_CODES)
        annotated = (
            super().get_queryset(request).annotate(is_confirmed=Exists(confirmed), has_second_factor=Exists(factors))
        )
        return annotated.prefetch_related(Prefetch("memberships", places))

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[type[InlineModelAdmin[Any, Any]], ...]:
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fields = (*super().get_readonly_fields(request, obj),)
        # Otherwise whoever may edit people could make themselves all-powerful.
        return fields if request.user.is_superuser else (*fields, "is_staff", "is_superuser", "groups")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # Otherwise a clerk could give a superuser a new address or password, and log in as them.
        return super().has_change_permission(request, obj) and (obj is None or may_change(operator(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:
            _make_primary(obj)

    def neighbours(self, obj: User) -> list[Neighbour]:
        return [
            list_of(Invitation, _("Invitations"), q=obj.email),
            list_of(EmailAddress, _("Addresses"), user__id__exact=obj.pk),
            list_of(Authenticator, _("Second factors"), user__id__exact=obj.pk),
            list_of(AuditEntry, _("What they did"), by=obj.pk),
            list_of(AuditEntry, _("What was done to them"), about=f"orgs.user:{obj.pk}"),
        ]

    @admin.display(description=_("name"), ordering="family_name")
    def name(self, user: User) -> str:
        return user.get_full_name() or NOTHING

    @admin.display(description=_("organizations"))
    def places(self, user: User) -> SafeString | str:
        places = ((link(place.organization), place.get_relation_display()) for place in user.memberships.all())
        return format_html_join(", ", "{} ({})", places) or NOTHING

    @admin.display(description=_("in the way"))
    def in_the_way(self, user: User) -> SafeString | str:
        said = format_html_join("", "<li>{}</li>", ((sentence,) for sentence in in_the_way_of(user)))
        return format_html("<ul>{}</ul>", said) if said else gettext("nothing: they can log in and see something")

    @admin.display(description=_("address confirmed"), boolean=True, ordering="is_confirmed")
    def address_confirmed(self, user: Any) -> bool:
        return bool(user.is_confirmed)

    @admin.display(description=_("second factor"), boolean=True, ordering="has_second_factor")
    def second_factor(self, user: Any) -> bool:
        return bool(user.has_second_factor)

    @admin.display(description=_("password"))
    def password_state(self, user: User) -> SafeString | str:
        if not user.pk:
            return NOTHING
        state = gettext("set") if user.has_usable_password() else gettext("none: cannot log in with a password")
        return format_html(
            '{} – <a href="{}">{}</a>',
            state, reverse("admin:auth_user_password_change", args=[user.pk]), gettext("set a new one"),
        )  # fmt: skip


def _make_primary(user: User) -> None:
    """Let the person log in by the address that an operator has given them, once they have confirmed it by link."""
    addresses = EmailAddress.objects.filter(user=user)
    addresses.filter(primary=True).exclude(email__iexact=user.email).delete()
    if not addresses.filter(email__iexact=user.email).update(primary=True):
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
