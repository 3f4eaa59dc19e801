"""Editing without overwriting what somebody else has changed in the meantime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.choices import flatten_choices
from django.utils.formats import localize
from django.utils.translation import gettext as _


class EditForm(forms.Form):
    """A form over values that exist already, given as `current`.

    It carries a digest of each value that its reader has seen. If those are no longer what is stored, the form comes
    back once with a sentence that says so; sending it again then means it.
    """

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, *, current: Mapping[str, Any], **options: Any) -> None:
        self.now = "-".join(digest(value) for value in current.values())
        super().__init__(data, initial={**current, "seen": self.now}, **options)
        self.current = current
        self._seen = str(self.data.get(self.add_prefix("seen"), self.now))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self._seen != self.now:
            self.data = {**self.data.dict(), self.add_prefix("seen"): self.now}  # type: ignore[attr-defined]
            raise ValidationError(self.changed_meanwhile)
        return cleaned

    @property
    def changed_meanwhile(self) -> str:
        """What is said when somebody else was faster."""
        return _(
            "Somebody else has changed this in the meantime: {values}. Save again to replace it by what you typed."
        ).format(
            values=", ".join(
                f"{self.fields[name].label}: {self._in_words(name, value)}" for name, value in self._changed.items()
            )
        )

    @property
    def _changed(self) -> dict[str, Any]:
        """What is other than its reader has seen, as it is now; all of it, if they sent what no form has carried."""
        fields = {name: value for name, value in self.current.items() if name in self.fields}
        seen = self._seen.split("-")
        if len(seen) != len(self.current):
            return fields
        as_seen = dict(zip(self.current, seen, strict=True))
        return {name: value for name, value in fields.items() if digest(value) != as_seen[name]}

    def _in_words(self, name: str, value: Any) -> str:
        """Return a value as this form's reader knows it: a choice by its label, if it is one of theirs."""
        field = self.fields[name]
        if isinstance(field, forms.ModelChoiceField):
            known: Model | None = field.queryset.filter(pk=value).first() if field.queryset is not None else None
            return str(known) if known else "–"
        if isinstance(field, forms.ChoiceField):
            labels: dict[Any, Any] = dict(flatten_choices(field.choices))  # type: ignore[arg-type]
            return str(labels.get(value, "–"))
        if isinstance(field, forms.DateField):  # A moment that is a day to the reader is one in their own time zone.
            value = field.to_python(field.prepare_value(value))
        return str(localize(value)) if value else "–"

    @property
    def values(self) -> dict[str, Any]:
        """The values that were typed, by field name."""
        return {name: value for name, value in self.cleaned_data.items() if name != "seen"}


def digest(values: Any) -> str:
    """Return a short mark of what somebody is shown, to find out later whether it still is so."""
    text = json.dumps(values, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
