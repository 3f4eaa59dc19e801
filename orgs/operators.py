"""What the administration's pages share: no secret on any of them, links between them, an audit of what is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import lookup_spawns_duplicates
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import F, Func, IntegerField, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orgs.audit import address_of, record
from orgs.models import Organization, User

MASK = "••••••••"
NOTHING = "–"
M = TypeVar("M", bound=models.Model)

if TYPE_CHECKING:

    class _ModelAdmin(admin.ModelAdmin[M]): ...
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]): ...


class OperatorAdmin(_ModelAdmin[M]):
    """An administration page. `secret_fields` are never loaded, so they can be neither shown nor edited nor searched.

    What an operator adds, changes or deletes here goes into the audit besides Django's own log.
    """

    view_on_site = False
    show_full_result_count = False
    list_per_page = 50
    secret_fields: ClassVar[Sequence[str]] = ()
    # What saving or deleting may raise by the rules of the model; said as a message.
    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    # Fetched with every row and page. Django's own list_select_related is for lists alone.
    select_related: ClassVar[Sequence[str]] = ()

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[M]:
        queryset = super().get_queryset(request)
        if self.select_related:
            queryset = queryset.select_related(*self.select_related)
        return queryset.defer(*self.secret_fields)

    def get_exclude(self, request: HttpRequest, obj: M | None = None) -> tuple[str, ...]:
        return (*(super().get_exclude(request, obj) or ()), *self.secret_fields)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Otherwise `?token_hash__startswith=a` in the address would tell a hash letter by letter.
        return not lookup.startswith(tuple(self.secret_fields)) and super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[M], bool]:
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        # Django does not see this for `…__exact` of a number, which it renames.
        paths = [path.lstrip("^=@") for path in self.get_search_fields(request)]
        return found, may_have_duplicates or any(lookup_spawns_duplicates(self.opts, path) for path in paths)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_say_why_not(super().changeform_view, request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_say_why_not(super().delete_view, request, *args, **kwargs)

    def _or_say_why_not(self, view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Both views are transactions: what is refused in the middle is as if it had never been tried.
        try:
            return view(request, *args, **kwargs)  # type: ignore[no-any-return]
        except self.refusals as refusal:
            self.message_user(request, self.why_not(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def why_not(self, refusal: Exception) -> str:
        """Return the sentence for the operator."""
        return str(refusal)

    def organization_of(self, obj: M) -> Organization | None:
        """Return the organization under which the audit keeps what is done to `obj`."""
        return getattr(obj, "organization", None)

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        self._record(request, obj, "operator.added", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        self._record(request, obj, "operator.changed", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[M]) -> list[LogEntry]:
        for obj in queryset:
            self._record(request, obj, "operator.deleted", "")
        return super().log_deletions(request, queryset)  # type: ignore[arg-type]

    def _record(self, request: HttpRequest, obj: M, action: str, message: Any) -> None:
        record(
            action,
            by=operator(request),
            organization=self.organization_of(obj),
            about=obj,
            address=address_of(request),
            what=_in_words(message),
        )


class ReadOnlyAdmin(OperatorAdmin[M]):
    """A page that is only looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def operator(request: HttpRequest) -> User:
    """Return who is at work; nobody gets to these pages who is not logged in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _in_words(message: Any) -> str:
    """The names of changed fields, out of what Django's forms say; never their values."""
    if isinstance(message, str):
        return message
    changes = [change for part in message for change in part.values()]
    return ", ".join(str(field) for change in changes for field in change.get("fields", ()))


def when(moment: datetime | None) -> str:
    """Return a moment as Django's own columns show it, or a dash for never."""
    return localize(timezone.localtime(moment)) if moment else NOTHING


def link(thing: models.Model | None, text: object = None) -> SafeString | str:
    """Return a link to the administration's page of `thing`, or a dash for nothing."""
    return link_to(type(thing), thing.pk, text or thing) if thing is not None else NOTHING


def link_to(model: type[models.Model], pk: object, text: object) -> SafeString | str:
    """Return a link to the page of the `model` with that primary key, which need not be loaded."""
    if pk is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{_named(model)}_change", args=[pk]), text)


def link_to_list(model: type[models.Model], text: object, **filters: str | int) -> SafeString:
    """Return a link to the administration's list of those of `model` that the filters leave."""
    return format_html('<a href="{}?{}">{}</a>', reverse(f"admin:{_named(model)}_changelist"), urlencode(filters), text)


def _named(model: type[models.Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


def count(queryset: models.QuerySet[Any]) -> Subquery:
    """Return the number of rows of `queryset`, which refers to the outer row, as a column."""
    # Not Count: that would group by the outer reference.
    counted = queryset.order_by().annotate(counted=Func(F("pk"), function="COUNT", output_field=IntegerField()))
    return Subquery(counted.values("counted"))


def at_or_below_outer(path: str) -> Q:
    """Return the condition that the organization at `path` is the outer query's organization, or below that."""
    return Q(
        (f"{path}__tree_id", OuterRef("tree_id")),
        (f"{path}__lft__gte", OuterRef("lft")),
        (f"{path}__rght__lte", OuterRef("rght")),
    )


class AtOrBelowFilter(admin.SimpleListFilter):
    """Leaves what is in one organization or below it. Only links lead to it, as nobody would choose among thousands."""

    title = _("in or below")
    parameter_name = "in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self._chosen()
        return [(str(chosen.pk), chosen.name)] if chosen else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self._chosen()
        if chosen is None:
            return queryset
        return queryset.filter(organization__in=Organization.objects.get_queryset().at_or_below(chosen))

    def _chosen(self) -> Organization | None:
        number = self.value() or ""
        return Organization.objects.filter(pk=number).first() if number.isdecimal() else None


def customer_columns(path: str = "") -> dict[str, Subquery]:
    """Return annotations with the customer's name and primary key for rows whose organization is at `path`."""
    tree = OuterRef(f"{path}__tree_id" if path else "tree_id")
    customer = Organization.objects.get_queryset().customers().filter(tree_id=tree).order_by()
    return {"customer_name": Subquery(customer.values("name")), "customer_pk": Subquery(customer.values("pk"))}


class CustomerColumn:
    """Adds the column `customer` to lists whose queryset has `customer_columns`."""

    @admin.display(description=_("customer"), ordering="customer_name")
    def customer(self, obj: Any) -> SafeString | str:
        return link_to(Organization, obj.customer_pk, obj.customer_name)


def ask_first(
    page: admin.ModelAdmin[M],
    request: HttpRequest,
    queryset: models.QuerySet[M],
    *,
    action: str,
    question: str,
    consequence: str,
    yes: str,
) -> TemplateResponse | None:
    """Return a page that names what `action` is about to be done to, or None when that has been answered with yes."""
    if "confirmed" in request.POST:
        return None
    context = {
        **page.admin_site.each_context(request),
        "title": question,
        "consequence": consequence,
        "yes": yes,
        "opts": page.opts,
        "things": queryset,
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
