"""Sample data for `templates/portal/components.html`, the page that shows every component. Served with DEBUG only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.utils.translation import gettext_lazy as _


class SampleForm(forms.Form):
    """One field of each kind; bound to nothing, so that the page also shows errors."""

    name = forms.CharField(label=_("Name of the device"), help_text=_("As you call it at home: “Kitchen”."))
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 3}))
    organization = forms.ChoiceField(
        label=_("Organization"), choices=[("1", _("The Simpsons")), ("2", _("Household")), ("3", _("Power plant"))]
    )
    role = forms.ChoiceField(
        label=_("What may this person do?"),
        choices=[("member", _("See the devices")), ("manager", _("See and manage everything"))],
        widget=forms.RadioSelect,
        initial="member",
    )
    password = forms.CharField(label=_("Password"), widget=forms.PasswordInput)
    reminder = forms.BooleanField(
        label=_("Tell me when it falls silent"), required=False, help_text=_("One mail, not one every hour.")
    )


def sample_context(now: datetime | None = None) -> dict[str, Any]:
    """Return everything the components page shows; `now` is the moment against which ages are said."""
    now = now or datetime.now(UTC)
    return {
        "breadcrumbs": [
            {"label": _("The Simpsons"), "url": "#"},
            {"label": _("Household"), "url": "#"},
            {"label": _("Components")},
        ],
        "form": SampleForm(auto_id="sample_%s"),
        "form_with_errors": SampleForm(data={"role": "member", "organization": "1"}, auto_id="wrong_%s"),
        "page": Paginator(range(300), 25).page(2),
        "moment": now - timedelta(minutes=3),
        "long_ago": now - timedelta(days=2),
        "steps": [
            {"label": _("Sign up"), "done": True, "text": _("The Simpsons are here.")},
            {"label": _("Draw your house"), "current": True, "text": _("Household, Power plant, …"), "url": "#"},
            {"label": _("Connect the first thermometer"), "text": _("Set the registration key into it.")},
        ],
        "consequences": [
            _("“Kitchen” lets go of its write key at once and cannot store anything any more."),
            _("Its channel 142770 and 4 210 measurements stay on the platform."),
            _("Marge and Bart no longer see it."),
        ],
        "snippet": 'curl "https://keys.example/channels/142770/feeds.json?api_key=C0FPQ9W3ET7A4S2S&results=10"',
    }
