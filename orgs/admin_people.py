"""People, their places and invitations, and the audit, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.admin import UserAdmin as DjangosUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orgs import invitations, people
from orgs.errors import InvitationNotGood, MailNotSent, OrganizationError, TooManyInvitations
from orgs.models import Invitation, Membership, User
from orgs.operators import (
    NOTHING,
    AtOrBelowFilter,
    CustomerColumn,
    OperatorAdmin,
    customer_columns,
    link,
    operator,
)

if TYPE_CHECKING:
    _MembershipInline = admin.TabularInline[Membership, Any]
    _UserAdmin = DjangosUserAdmin[User]
    _UserForm = forms.ModelForm[User]
    _NewUserForm = AdminUserCreationForm[User]
else:
    _MembershipInline = admin.TabularInline
    _UserAdmin, _UserForm, _NewUserForm = DjangosUserAdmin, forms.ModelForm, AdminUserCreationForm


class MembershipInline(_MembershipInline):
    """Places, to be looked at; they are changed on their own pages, by the rules for each."""

    model = Membership
    extra = 0
    can_delete = False
    show_change_link = True
    fields = readonly_fields = ("person", "place", "relation", "valid_until", "created_at", "created_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        related = super().get_queryset(request).select_related("user", "organization", "created_by")
        return related.defer("user__password", "created_by__password")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("user"))
    def person(self, membership: Membership) -> SafeString | str:
        return link(membership.user, membership.user.email)

    @admin.display(description=_("organization"))
    def place(self, membership: Membership) -> SafeString | str:
        return link(membership.organization)


class PlacesInline(MembershipInline):
    """The places of one person."""

    fk_name = "user"


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
    readonly_fields = ("last_login", "date_joined", "password_state", "second_factor", "address_confirmed")
    filter_horizontal = ()
    autocomplete_fields = ("groups",)
    inlines = (PlacesInline,)
    fieldsets = (
        (None, {"fields": ("email", "address_confirmed", "given_name", "family_name")}),
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

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:
            _make_primary(obj)

    @admin.display(description=_("name"), ordering="family_name")
    def name(self, user: User) -> str:
        return user.get_full_name() or NOTHING

    @admin.display(description=_("organizations"))
    def places(self, user: User) -> SafeString | str:
        places = ((link(place.organization), place.get_relation_display()) for place in user.memberships.all())
        return format_html_join(", ", "{} ({})", places) or NOTHING

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


@admin.register(Membership)
class MembershipAdmin(CustomerColumn, OperatorAdmin[Membership]):
    """Who is where, and as what, by the rules of `orgs.people`."""

    list_display = ("user", "organization", "customer", "relation", "valid_until", "created_at", "created_by")
    list_filter = (AtOrBelowFilter, "relation", "valid_until", "created_at")
    search_fields = ("user__email", "user__given_name", "user__family_name", "organization__name", "customer_name")
    search_help_text = _("Address or name of a person, organization or customer.")
    select_related = ("user", "organization", "created_by")
    secret_fields = ("user__password", "created_by__password")
    autocomplete_fields = ("user", "organization")
    readonly_fields = ("customer", "created_at", "created_by")
    fields = ("user", "organization", "customer", "relation", "valid_until", "created_at", "created_by")
    ordering = ("-created_at", "-pk")
    actions = None
    refusals = (OrganizationError,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).annotate(**customer_columns("organization"))

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return self.fields if obj else ("user", "organization", "relation", "valid_until")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("user", "organization", *self.readonly_fields) if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if change:
            people.change(obj, relation=obj.relation, valid_until=obj.valid_until)
            return
        obj.created_by = operator(request)
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        people.remove(obj)


class InvitationStateFilter(admin.SimpleListFilter):
    """Where an invitation stands."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("open")),
            ("expired", _("expired")),
            ("accepted", _("accepted")),
            ("withdrawn", _("withdrawn")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "open":
                return queryset.open()
            case "expired":
                return queryset.pending().filter(expires_at__lte=timezone.now())
            case "accepted":
                return queryset.filter(accepted_at__isnull=False)
            case "withdrawn":
                return queryset.filter(revoked_at__isnull=False)
        return queryset


@admin.register(Invitation)
class InvitationAdmin(CustomerColumn, OperatorAdmin[Invitation]):
    """Offered places. The link is in the mail alone, so an operator can send a new one but never see one."""

    list_display = ("email", "organization", "customer", "relation", "state", "created_at", "expires_at", "invited_by")
    list_filter = (AtOrBelowFilter, InvitationStateFilter, "relation", "created_at")
    search_fields = ("email", "given_name", "family_name", "organization__name", "customer_name", "invited_by__email")
    search_help_text = _("Address, name, organization, customer, or address of whoever invited.")
    select_related = ("organization", "invited_by")
    secret_fields = ("token_hash", "invited_by__password")
    autocomplete_fields = ("organization",)
    fields = ("organization", "email", "given_name", "family_name", "relation", "membership_until", "expires_at")
    readonly_fields = ("customer", "state", "created_at", "asked_at", "accepted_at", "revoked_at", "invited_by")
    ordering = ("-created_at", "-pk")
    actions = ("resend", "withdraw")
    refusals = (IntegrityError,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        return super().get_queryset(request).annotate(**customer_columns("organization"))

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return (*self.fields, *self.readonly_fields) if obj else self.fields

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        # What was mailed cannot be changed afterwards; the actions of the list need the right as such.
        return obj is None and super().has_change_permission(request)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except (MailNotSent, TooManyInvitations) as trouble:
            # Of a mail that was not sent the invitation is stored by then, so the form would invite once more.
            self.message_user(request, str(trouble), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:orgs_invitation_changelist"))

    def why_not(self, refusal: Exception) -> str:
        return gettext("The same person has just been invited by somebody else.")

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        sent = invitations.invite(**form.cleaned_data, by=operator(request))
        obj.pk = sent.pk
        obj.refresh_from_db()

    @admin.display(description=_("state"))
    def state(self, invitation: Invitation) -> str:
        if invitation.accepted_at:
            return gettext("accepted")
        if invitation.revoked_at:
            return gettext("withdrawn")
        return gettext("expired") if invitation.is_expired else gettext("open")

    @admin.action(description=_("Send a new link"), permissions=["change"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._each(
            request, queryset, invitations.resend, gettext("A new link was sent to {email}; the old one has ended.")
        )

    @admin.action(description=_("Withdraw"), permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._each(request, queryset, invitations.withdraw, gettext("The invitation of {email} was withdrawn."))

    def _each(self, request: HttpRequest, queryset: QuerySet[Invitation], operation: Any, words: str) -> None:
        for invitation in queryset:
            try:
                operation(invitation)
            except (InvitationNotGood, MailNotSent, TooManyInvitations) as refusal:
                self.message_user(request, f"{invitation.email}: {refusal}", messages.ERROR)
            else:
                said = words.format(email=invitation.email)
                self.log_change(request, invitation, said)
                self.message_user(request, said, messages.SUCCESS)
