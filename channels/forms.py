"""Forms about the account on the channel platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class AccountKeyForm(forms.Form):
    """The account key as the platform's own page shows it."""

    key = forms.CharField(
        label=_("New account key"),
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, is_thingspeak: bool) -> None:
        super().__init__(data)
        if is_thingspeak:
            self.fields["key"].help_text = _("On thingspeak.com under My Profile: “User API Key”.")

    def clean_key(self) -> str:
        return str(self.cleaned_data["key"]).strip().upper()
