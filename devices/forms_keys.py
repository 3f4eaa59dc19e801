"""Forms about renewing, ending and revoking keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.renewal import DEFAULT_OVERLAP
from devices.spans import DAY, HOUR, span
from orgs.fields import end_of_day

OVERLAPS = (HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY)


class OverlapForm(forms.Form):
    """How long the old key stays good beside the new one at most."""

    def __init__(self, *args: Any, wanted: timedelta = DEFAULT_OVERLAP, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["overlap"] = forms.TypedChoiceField(
            label=gettext_lazy("How long shall both keys be good at most?"),
            choices=[(seconds(length), span(length)) for length in sorted({*OVERLAPS, wanted})],
            coerce=lambda text: timedelta(seconds=int(text)),
            initial=seconds(wanted),
            help_text=gettext_lazy(
                "A device asks for its key at least once a day while it is switched on. The old key ends earlier, as "
                "soon as the device uses the new one."
            ),
        )


def seconds(length: timedelta) -> int:
    """Return a length of time as the form sends it."""
    return int(length.total_seconds())


class RenewRegistrationKeyForm(forms.Form):
    """When the old registration key ends."""

    WHEN_MOVED, ON_A_DAY = "moved", "day"
    ends = forms.ChoiceField(
        label=gettext_lazy("When shall the old key end?"),
        choices=[
            (WHEN_MOVED, gettext_lazy("When all devices have the new one")),
            (ON_A_DAY, gettext_lazy("At the end of a day, whether all have it or not")),
        ],
        initial=WHEN_MOVED,
        widget=forms.RadioSelect,
    )
    day = forms.DateField(
        label=gettext_lazy("The day"),
        required=False,
        help_text=gettext_lazy("Only for the second choice."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    until: datetime | None = None
    """When the old key ends; None: when all devices have moved."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.cleaned_data.get("ends") == self.ON_A_DAY and "day" not in self.errors:
            if not self.cleaned_data.get("day"):
                self.add_error("day", _("Choose a day."))
                return cleaned
            try:
                self.until = end_of_day(self.cleaned_data["day"])
            except forms.ValidationError as error:
                self.add_error("day", error)
        return cleaned


class RevokeRegistrationKeyForm(forms.Form):
    """Whether the keys that travelled in envelopes of the key go, too."""

    with_successors = forms.BooleanField(
        label=gettext_lazy("Also revoke the keys that have taken its place"),
        required=False,
        help_text=gettext_lazy(
            "Devices got those in answers that were sealed with this one: whoever has this key and listened knows them."
        ),
    )


class TypedNameForm(forms.Form):
    """A step that is confirmed by typing the name of what it is done to."""

    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        self.fields["name"].label = _("Type “{name}” to confirm").format(name=expected)

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"].strip()
        if typed.casefold() != self.expected.casefold():
            raise forms.ValidationError(_("This is not “{name}”.").format(name=self.expected))
        return typed
