"""Editing without overwriting what somebody else has changed in the meantime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class EditForm(forms.Form):
    """A form over values that exist already, given as `current`.

    It carries a digest of what its reader has seen. If that is no longer what is stored, the form comes back once with
    a sentence that says so; sending it again then means it.
    """

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, *, current: Mapping[str, Any], **options: Any) -> None:
        self.now = _digest(current)
        super().__init__(data, initial={**current, "seen": self.now}, **options)
        self.current = current

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.data.get(self.add_prefix("seen"), self.now) != self.now:
            self.data = {**self.data.dict(), self.add_prefix("seen"): self.now}  # type: ignore[attr-defined]
            raise ValidationError(self.changed_meanwhile())
        return cleaned

    def changed_meanwhile(self) -> str:
        """Return the sentence for somebody who has not seen what is stored by now."""
        said = _(
            "Somebody else has changed this in the meantime: {values}. Save again to replace it by what you typed."
        )
        values = ", ".join(f"{self.fields[name].label}: {value or '–'}" for name, value in self.current.items())
        return said.format(values=values)

    @property
    def values(self) -> dict[str, Any]:
        """The values that were typed, by field name."""
        return {name: value for name, value in self.cleaned_data.items() if name != "seen"}


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
