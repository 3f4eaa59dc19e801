"""Forms about the account on the channel platform."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class AccountKeyForm(forms.Form):
    """The account key as the platform's own page shows it."""

    key = forms.CharField(
        label=_("New account API key"),
        max_length=64,
        help_text=_("On thingspeak.com under My Profile: “User API Key”."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_key(self) -> str:
        return str(self.cleaned_data["key"]).strip().upper()
