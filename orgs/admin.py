"""The organization tree and the audit for operators; people, places and invitations are in `orgs.admin_…`.

Every change of the tree's shape goes through `orgs.tree`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from mptt.admin import MPTTModelAdmin

from orgs import admin_audit as admin_audit
from orgs import admin_invitations as admin_invitations
from orgs import admin_logins as admin_logins
from orgs import admin_rights as admin_rights
from orgs import tree
from orgs.admin_places import MembershipInline
from orgs.audit import AuditEntry
from orgs.errors import CannotMove, OrganizationError
from orgs.models import Invitation, Membership, Organization
from orgs.operator_links import Neighbour, link_to_list, list_of
from orgs.operators import (
    AtOrBelowFilter,
    CustomerColumn,
    OperatorAdmin,
    ask_first,
    at_or_below_outer,
    count,
    customer_columns,
)

if TYPE_CHECKING:
    _OrganizationForm = forms.ModelForm[Organization]
else:
    _OrganizationForm = forms.ModelForm

EM_SPACE = "\u2003"


class KindFilter(admin.SimpleListFilter):
    """Customers, suspended ones, or what is inside of customers."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("customers", _("customers")), ("suspended", _("suspended customers")), ("parts", _("parts of one"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "customers":
                return queryset.customers()
            case "suspended":
                return queryset.suspended()
            case "parts":
                return queryset.filter(parent__isnull=False)
        return queryset


class OrganizationForm(_OrganizationForm):
    """Name, description and place in the tree, with the tree's refusals beside the field."""

    def clean_parent(self) -> Organization | None:
        parent: Organization | None = self.cleaned_data["parent"]
        try:
            self._check_place(parent)
        except CannotMove as refusal:
            raise ValidationError(str(refusal)) from None
        return parent

    def _check_place(self, parent: Organization | None) -> None:
        if self.instance.pk is None:
            if parent is not None:
                tree.check_depth(1, below=parent)
            return
        stored = Organization.objects.get(pk=self.instance.pk)
        if parent is None:
            raise ValidationError(_("An organization stays with its customer: choose what it is in."))
        if parent.pk != stored.parent_id:
            tree.check_move(stored, below=parent)


@admin.register(Organization)
class OrganizationAdmin(CustomerColumn, OperatorAdmin[Organization], MPTTModelAdmin):
    """The tree, newest customers first, with counts of what is here and below.

    mptt's own saving, moving and deleting are not used: they do not lock.
    """

    form = OrganizationForm  # type: ignore[assignment]  # mptt's own would hide a bad choice instead of refusing it.
    change_list_template = "admin/change_list.html"  # mptt's indents with style attributes, which the CSP forbids.
    list_display: tuple[str, ...] = ("indented", "customer", "people", "created_at", "suspended_at")
    list_display_links = ("indented",)
    list_filter: ClassVar[tuple[Any, ...]] = (KindFilter, "created_at")
    search_fields = ("name", "description", "customer_name", "memberships__user__email")
    search_help_text = _("Name of an organization or its customer, or the address of somebody in it.")
    sortable_by = ()
    ordering = ("-tree_id", "lft")
    autocomplete_fields = ("parent",)
    readonly_fields: ClassVar[tuple[str, ...]] = ("customer", "created_at", "suspended_at")
    inlines = (MembershipInline,)
    actions: tuple[str, ...] = ("suspend", "resume")
    customer_deeds: ClassVar[tuple[str, ...]] = ("suspend", "resume")
    refusals = (OrganizationError, ProtectedError, IntegrityError)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        places = Membership.objects.current().filter(at_or_below_outer("organization"))
        people = count(places, of_different="user")
        return super().get_queryset(request).annotate(people=people, **customer_columns())

    def organization_of(self, obj: Organization) -> Organization:
        return obj

    def neighbours(self, obj: Organization) -> list[Neighbour]:
        here = {AtOrBelowFilter.parameter_name: obj.pk}
        return [
            list_of(Membership, _("People"), **here),
            list_of(Invitation, _("Invitations"), **here),
            list_of(AuditEntry, _("Audit"), **here),
        ]

    def deeds_for(self, obj: Organization) -> Collection[str]:
        if not obj.is_customer:
            return ()
        return [name for name in self.customer_deeds if name != ("suspend" if obj.suspended_at else "resume")]

    def label_in_choices(self, organization: Any) -> str:
        """Name the customer, too, since there are many households."""
        own, customer = organization.name, organization.customer_name
        return own if organization.is_customer else f"{own} – {customer}"

    def get_fields(self, request: HttpRequest, obj: Organization | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "description", "parent")
        place = () if obj.is_customer else ("customer", "parent")
        return (*place, "name", "description", *(f for f in self.get_readonly_fields(request, obj) if f != "customer"))

    def get_inlines(self, request: HttpRequest, obj: Organization | None) -> tuple[type[Any], ...]:
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Organization | None = None) -> bool:
        # Never without an object: that is what the action "delete selected" asks, which deletes past `orgs.tree`.
        return obj is not None and not obj.is_customer and super().has_delete_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        to_delete, counts, not_permitted, in_the_way = super().get_deleted_objects(objs, request)
        # Django would only say "no permission to delete devices" instead of which things have to go elsewhere first.
        return to_delete, counts, set() if in_the_way else not_permitted, in_the_way

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        if not change:
            made = (
                tree.create_below(obj.parent, obj.name, description=obj.description)
                if obj.parent
                else tree.create_customer(obj.name, description=obj.description)
            )
            obj.pk = made.pk
            obj.refresh_from_db()
            obj._state.adding = False
            return
        obj.describe(name=obj.name, description=obj.description)
        if "parent" in form.changed_data and obj.parent:
            self.move(obj, below=obj.parent)

    def move(self, organization: Organization, *, below: Organization) -> None:
        """Move by the rules of the tree."""
        tree.move(organization, below=below)

    def delete_model(self, request: HttpRequest, obj: Organization) -> None:
        tree.delete(obj)

    def why_not(self, refusal: Exception) -> str:
        if isinstance(refusal, ProtectedError):
            return gettext("There is still something in this organization.")
        if isinstance(refusal, IntegrityError):
            return gettext("There is already an organization of that name there.")
        return super().why_not(refusal)

    @admin.display(description=_("organization"))
    def indented(self, organization: Organization) -> str:
        depth = organization.level
        return f"{EM_SPACE * (depth - 1)}└ {organization.name}" if depth else organization.name

    @admin.display(description=_("people"))
    def people(self, organization: Any) -> SafeString | str:
        return link_to_list(Membership, organization.people, **{AtOrBelowFilter.parameter_name: organization.pk})

    @admin.action(description=_("Suspend customers"), permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        customers = queryset.customers()
        page = ask_first(
            self, request, customers, action="suspend", question=gettext("Suspend these customers?"),
            consequence=gettext(
                "Their people will see nothing and their devices will get no keys until you resume them. Nothing is "
                "deleted, and devices that have a key go on writing."
            ),
            yes=gettext("Yes, suspend"),
        )  # fmt: skip
        if page is None or not customers:
            self._each_customer(request, customers, Organization.suspend, _("Suspended."))
            return None
        return page

    @admin.action(description=_("Resume customers"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: Any) -> None:
        self._each_customer(request, queryset.customers(), self.resume_customer, _("Resumed."))

    def resume_customer(self, customer: Organization) -> None:
        """Let a suspended customer go on, or raise OrganizationError."""
        customer.resume()

    def _each_customer(
        self, request: HttpRequest, customers: Any, operation: Callable[[Organization], None], words: Promise
    ) -> None:
        done = []
        for customer in customers:
            try:
                operation(customer)
            except OrganizationError as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                self.log_change(request, customer, words)
                done.append(str(customer))
        if done:
            self.message_user(request, f"{words} {', '.join(done)}", messages.SUCCESS)
        elif not customers:
            said = gettext("Only customers can be suspended and resumed, with all they have.")
            self.message_user(request, said, messages.ERROR)
