"""What is asked of somebody who closes their account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.models import PlatformAccount
from orgs.models import Organization

KEEP, DELETE = "keep", "delete"


class ClosingForm(forms.Form):
    """For each customer that nobody else manages: its name, typed, and what becomes of channels that are not ours."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, customers: Sequence[Organization]) -> None:
        super().__init__(data)
        self.customers = customers
        elsewhere = {
            account.organization_id
            for account in PlatformAccount.objects.filter(organization__in=customers)
            if not account.on_platform.can_create_accounts
        }
        for customer in customers:
            self.fields[f"name_{customer.pk}"] = forms.CharField(
                label=_("Type “{name}” to close it for everybody").format(name=customer.name),
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            )
            if customer.pk in elsewhere:
                self.fields[f"channels_{customer.pk}"] = forms.ChoiceField(
                    label=_("The channels of {name} on ThingSpeak").format(name=customer.name),
                    choices=[
                        (KEEP, gettext_lazy("Keep them there, with all that was measured")),
                        (DELETE, gettext_lazy("Delete them there, too")),
                    ],
                    widget=forms.RadioSelect,
                )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for customer in self.customers:
            name = f"name_{customer.pk}"
            typed = self.cleaned_data.get(name)
            if typed is not None and typed.strip().casefold() != customer.name.strip().casefold():
                self.add_error(name, _("That is not its name. It is called “{name}”.").format(name=customer.name))
        return cleaned

    @property
    def decisions(self) -> dict[Organization, bool]:
        """The customers to be closed, and whether the channels of each are kept."""
        return {
            customer: self.cleaned_data.get(f"channels_{customer.pk}", DELETE) == KEEP for customer in self.customers
        }
