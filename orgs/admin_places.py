"""Places of people in organizations, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orgs import people
from orgs.errors import OrganizationError
from orgs.models import Membership
from orgs.operator_links import link
from orgs.operators import AtOrBelowFilter, CustomerColumn, OperatorAdmin, customer_columns, operator

if TYPE_CHECKING:
    _MembershipInline = admin.TabularInline[Membership, Any]
else:
    _MembershipInline = admin.TabularInline


class MembershipInline(_MembershipInline):
    """Places, to be looked at; they are changed on their own pages, by the rules for each."""

    model = Membership
    extra = 0
    can_delete = False
    template = "admin/places_inline.html"
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
