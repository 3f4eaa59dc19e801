"""What happened, for operators: by whom, to what, from where. Entries are looked at and never touched."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from orgs.audit import AuditEntry
from orgs.audit_spoken import details_of, label_of, thing_of
from orgs.audit_words import KINDS, in_words, of_kind
from orgs.fields import numbers
from orgs.models import User
from orgs.operator_links import Neighbour
from orgs.operators import AtOrBelowFilter, ReadOnlyAdmin


class KindFilter(admin.SimpleListFilter):
    """What the entry is about in general."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, label) for name, (label, _things) in KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(of_kind(self.value() or ""))


class AboutFilter(admin.SimpleListFilter):
    """Leaves what happened to one thing, also to one that is gone. Only links lead to it."""

    title = _("about")
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kind, pk = self._thing()
        return [(f"{kind}:{pk}", f"{kind.partition('.')[2]} {pk}")] if pk else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        kind, pk = self._thing()
        return queryset.filter(object_type=kind, object_id=pk) if pk else queryset

    def _thing(self) -> tuple[str, str]:
        # Without NUL, at which PostgreSQL breaks off.
        kind, _colon, pk = (self.value() or "").replace("\0", "").partition(":")
        return kind, pk


class ByFilter(admin.SimpleListFilter):
    """Leaves what one person did. Only links lead to it, as nobody would choose among thousands."""

    title = _("by")
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        person = self._person()
        return [(str(person.pk), person.email)] if person else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        person = self._person()
        return queryset.filter(actor=person) if person else queryset

    def _person(self) -> User | None:
        return User.objects.filter(pk__in=numbers([self.value() or ""])).first()


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin[AuditEntry]):
    """What happened, in the words in which managers read it, and exactly."""

    list_display = ("created_at", "actor_name", "said", "object_label", "organization_name", "address")
    list_display_links = ("created_at", "said")
    list_filter = (AtOrBelowFilter, AboutFilter, ByFilter, KindFilter, "created_at")
    search_fields = ("actor_name", "action", "object_label", "organization_name", "=address")
    search_help_text = _("Who, what, about what, organization, or the exact address.")
    select_related = ("actor", "organization")
    secret_fields = ("actor__password",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    fields = (
        "created_at", "actor_name", "actor", "said", "action", "object_label", "object_type", "object_id",
        "organization_name", "organization", "more", "address",
    )  # fmt: skip

    def neighbours(self, obj: AuditEntry) -> list[Neighbour]:
        return []

    @admin.display(description=_("what"))
    def said(self, entry: AuditEntry) -> str:
        # Of what operators do here the kind of thing is half of what there is to say.
        is_theirs = entry.action.startswith("operator.")
        about = thing_of(entry) if is_theirs else label_of(entry)
        return in_words(entry.action, about, details_of(entry))

    @admin.display(description=_("details"))
    def more(self, entry: AuditEntry) -> str:
        return "; ".join(f"{name}: {value}" for name, value in entry.details.items() if value) or "–"
