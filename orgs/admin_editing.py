"""Operators beside managers: the administration's forms replace nothing that somebody else has changed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import display_for_field
from django.db import connection, models
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from orgs.alone import lock_row
from orgs.models import Organization
from orgs.tree import lock_tree_of

M = TypeVar("M", bound=models.Model)

if TYPE_CHECKING:

    class _ModelAdmin(admin.ModelAdmin[M]): ...

    _ModelForm = forms.ModelForm[Any]
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]): ...

    _ModelForm = forms.ModelForm


class MindsOthers(_ModelForm):
    """A form that carries what its reader has seen, field by field, as Django's hidden initial values.

    A field that its reader left alone is what it is now. One that somebody else has changed in the meantime, and its
    reader too, comes back once with what it is now; sending it again means it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A form that carries nothing was made by a program, which has seen nothing.
        if not self.is_bound or any(name.startswith(self.add_initial_prefix("")) for name in self.data):
            for name in self.initial:
                if name in self.fields:
                    self.fields[name].show_hidden_initial = True

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        typed = set(self.changed_data)
        for name in [name for name, field in self.fields.items() if field.show_hidden_initial]:
            bound = self[name]
            seen = bound.field.hidden_widget().value_from_datadict(self.data, self.files, bound.html_initial_name)
            if not bound.field.has_changed(bound.initial, seen):
                continue
            if name not in typed:
                self.cleaned_data[name] = self._now(name)
            elif bound.field.has_changed(bound.initial, bound.data):
                said = _("Somebody else has changed this: it is “{value}” now. Save again to replace it.")
                self.add_error(name, said.format(value=self._in_words(name)))
                self._has_seen(bound)
        return cleaned

    def _now(self, name: str) -> Any:
        value = getattr(self.instance, name)
        return list(value.all()) if isinstance(value, models.Manager) else value

    def _in_words(self, name: str) -> str:
        value, field = self._now(name), self.instance._meta.get_field(name)
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, list):
            return ", ".join(map(str, value)) or "–"
        assert isinstance(field, models.Field)  # noqa: S101  For the type checker: the form has a field for it.
        return str(display_for_field(value, field, "–"))

    def _has_seen(self, bound: forms.BoundField) -> None:
        """Carry the present value from now on: the reader is told of it."""
        value = bound.field.prepare_value(bound.initial)
        widget = bound.field.hidden_widget().get_context(bound.html_initial_name, value, {})["widget"]
        sent: dict[str, list[Any]] = {}
        for part in widget.get("subwidgets", [widget]):
            sent.setdefault(part["name"], []).append("" if part["value"] is None else part["value"])
        data = QueryDict(mutable=True)
        data.update(self.data)
        for name, values in sent.items():
            data.setlist(name, values)
        self.data = data


class MindsOthersAdmin(_ModelAdmin[M]):
    """Gives its pages such forms, and compares while nobody else can change the thing."""

    def get_form(self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (MindsOthers, form), {}) if change else form

    def organization_of(self, obj: M) -> Organization | None:
        """Return the organization in whose tree `obj` is, and under which the audit keeps what is done to it."""
        return getattr(obj, "organization", None)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M | None:
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST" or not connection.in_atomic_block:
            return found
        # In the order of everybody else: the tree, then what is in it.
        place = self.organization_of(found)
        if place is not None:
            lock_tree_of(place)
        lock_row(found)
        return super().get_object(request, object_id, from_field)
