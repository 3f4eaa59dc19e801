"""What the administration's pages share: no secret on any of them, links between them, an audit of what is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import lookup_spawns_duplicates, quote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import F, Func, IntegerField, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.text import smart_split
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from orgs.admin_editing import MindsOthersAdmin
from orgs.audit import AuditEntry, address_of, record
from orgs.fields import numbers, require_every_zone
from orgs.models import Organization, User
from orgs.operator_fields import DayAndTime
from orgs.operator_links import Neighbour, link_to, list_of, named
from orgs.sought import few_of

M = TypeVar("M", bound=models.Model)


BACK = "back_to"
"""Names in a form the object from whose page an action was chosen: afterwards that page is shown again."""


@dataclass(frozen=True)
class Deed:
    """An action that can be done to one object from its page; `name` is that of the action."""

    name: str
    words: str
    is_dangerous: bool


class OperatorAdmin(MindsOthersAdmin[M]):
    """An administration page. `secret_fields` are never loaded, so they can be neither shown nor edited nor searched.

    What an operator adds, changes or deletes here goes into the audit besides Django's own log.
    """

    view_on_site = False
    show_full_result_count = False
    list_per_page = 50
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        models.DateTimeField: {"widget": DayAndTime, "validators": [require_every_zone]}
    }
    secret_fields: ClassVar[Sequence[str]] = ()
    # What saving or deleting may raise by the rules of the model; said as a message.
    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    # Actions that end something; their buttons look like it. What cannot be undone asks first besides.
    dangerous: ClassVar[Collection[str]] = ()
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
        if "\0" in value:  # PostgreSQL breaks off at it.
            return False
        # Otherwise `?token_hash__startswith=a` in the address would tell a hash letter by letter.
        return not lookup.startswith(tuple(self.secret_fields)) and super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[M], bool]:
        few = " ".join(few_of(smart_split(search_term)))
        found, may_have_duplicates = super().get_search_results(request, queryset, few)
        # Django does not see this for `…__exact` of a number, which it renames.
        paths = [path.lstrip("^=@") for path in self.get_search_fields(request)]
        return found, may_have_duplicates or any(lookup_spawns_duplicates(self.opts, path) for path in paths)

    def neighbours(self, obj: M) -> list[Neighbour]:
        """Return what the page of `obj` leads to, besides what its fields link to."""
        about = f"{obj._meta.label_lower}:{obj.pk}"
        return [list_of(AuditEntry, _("Audit"), about=about)]

    def deeds_for(self, obj: M) -> Collection[str] | None:
        """Return the names of the actions that make sense for `obj`; None: all of them."""
        return None

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        if obj is not None:
            offered = self.get_actions(request)
            offered.pop("delete_selected", None)
            sensible = self.deeds_for(obj)
            context |= {
                "neighbours": self.neighbours(obj),
                "deeds": [
                    Deed(name, str(action[2]), name in self.dangerous)
                    for name, action in offered.items()
                    if action and (sensible is None or name in sensible)
                ],
                "checkbox": ACTION_CHECKBOX_NAME,
                "back": BACK,
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def response_action(
        self, request: HttpRequest, queryset: models.QuerySet[M], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        answer = super().response_action(request, queryset, *args, **kwargs)
        if isinstance(answer, HttpResponseRedirect) and (back_to := request.POST.get(BACK)):
            return HttpResponseRedirect(reverse(f"admin:{named(self.model)}_change", args=[quote(back_to)]))
        return answer

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

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        self._record(request, obj, "operator.added", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        self._record(request, obj, "operator.changed", message)
        return super().log_change(request, obj, str(message) if isinstance(message, Promise) else message)

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


def may_change(who: User, person: User) -> bool:
    """Whether an operator may change how somebody logs in: only superusers may that of another operator."""
    return who.is_superuser or who == person or not (person.is_staff or person.is_superuser)


def _in_words(message: Any) -> str:
    """The names of changed fields, out of what Django's forms say; never their values. Or a sentence, untranslated."""
    if isinstance(message, Promise):
        # `orgs.audit_spoken` translates it for whoever reads it, which needs it without names and numbers in it.
        with override("en"):
            return str(message)
    if isinstance(message, str):
        return message
    changes = [change for part in message for change in part.values()]
    return ", ".join(str(field) for change in changes for field in change.get("fields", ()))


def count(queryset: models.QuerySet[Any], *, of_different: str = "pk") -> Subquery:
    """Return how many of something the rows of `queryset`, which refers to the outer row, name, as a column."""
    # Not Count: that would group by the outer reference.
    counted = Func(F(of_different), template="COUNT(DISTINCT %(expressions)s)", output_field=IntegerField())
    return Subquery(queryset.order_by().annotate(counted=counted).values("counted"))


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

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        wanted = self._wanted()
        if not wanted:
            return []
        chosen = self._chosen()
        # Django leaves a filter out that has nothing to choose, and the list would be that of everybody.
        return [(str(wanted[0]), chosen.name if chosen else _("an organization that is gone"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self._wanted():
            return queryset
        chosen = self._chosen()
        if chosen is None:
            return queryset.none()
        return queryset.filter(organization__in=Organization.objects.get_queryset().at_or_below(chosen))

    def _wanted(self) -> list[int]:
        return numbers([self.value() or ""])

    def _chosen(self) -> Organization | None:
        found: Organization | None = Organization.objects.filter(pk__in=self._wanted()).first()
        return found


class InTheWayFilter(admin.SimpleListFilter):
    """Whether something is in the way of what is to be done: a column `trouble` says what."""

    title = _("something in the way")
    parameter_name = "in_the_way"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("yes")), ("no", _("no"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "yes":
                stuck = queryset.exclude(trouble="")
                # What is over keeps what had been in its way.
                return stuck.open() if hasattr(stuck, "open") else stuck
            case "no":
                return queryset.filter(trouble="")
        return queryset


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
    details: Callable[[M], str] | None = None,
) -> TemplateResponse | None:
    """Return a page that names what `action` is about to be done to, or None when that has been answered with yes.

    `details` says of each thing what it comes to.
    """
    if "confirmed" in request.POST:
        return None
    context = {
        **page.admin_site.each_context(request),
        "title": question,
        "consequence": consequence,
        "yes": yes,
        "opts": page.opts,
        "things": [
            {"pk": thing.pk, "name": str(thing), "details": details(thing) if details else ""} for thing in queryset
        ],
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": BACK,
        "back_to": request.POST.get(BACK, ""),
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
