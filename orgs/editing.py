"""Editing without overwriting what somebody else has changed in the meantime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.formats import localize
from django.utils.translation import gettext as _


class EditForm(forms.Form):
    """A form over values that exist already, given as `current`.

    It carries a digest of what its reader has seen. If that is no longer what is stored, the form comes back once with
    a sentence that says so; sending it again then means it.
    """

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, *, current: Mapping[str, Any], **options: Any) -> None:
        self.now = digest(current)
        super().__init__(data, initial={**current, "seen": self.now}, **options)
        self.current = current

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.data.get(self.add_prefix("seen"), self.now) != self.now:
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
                f"{self.fields[name].label}: {self._in_words(name, value)}"
                for name, value in self.current.items()
                if name in self.fields
            )
        )

    def _in_words(self, name: str, value: Any) -> str:
        """Return a value as this form's reader knows it: a choice by its label, if it is one of theirs."""
        field = self.fields[name]
        if isinstance(field, forms.ModelChoiceField):
            known: Model | None = field.queryset.filter(pk=value).first() if field.queryset is not None else None
            return str(known) if known else "–"
        if isinstance(field, forms.ChoiceField):
            return next((str(label) for choice, label in self[name].field.widget.choices if choice == value), "–")
        return str(localize(value)) if value else "–"

    @property
    def values(self) -> dict[str, Any]:
        """The values that were typed, by field name."""
        return {name: value for name, value in self.cleaned_data.items() if name != "seen"}


def digest(values: Any) -> str:
    """Return a short mark of what somebody is shown, to find out later whether it still is so."""
    text = json.dumps(values, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
