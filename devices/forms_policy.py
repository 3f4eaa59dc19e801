"""The form of an organization's renewal policy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.models import RenewalPolicy
from devices.policy_words import in_words
from devices.spans import DAY
from orgs.editing import EditForm
from orgs.models import Organization

FIELDS = (
    "write_every",
    "registration_every",
    "read_every",
    "overlap",
    "instead",
    "keep_replaced",
    "quiet_from",
    "quiet_until",
    "time_zone",
    "remind_before",
    "report_after",
    "paused",
)


def _zones() -> list[str]:
    """The time zones by place, without those that are only other names of them."""
    areas = (
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
    )
    return ["UTC", *sorted(zone for zone in available_timezones() if zone.partition("/")[0] in areas)]


def _days(label: Any, help_text: Any, most: int = 3650) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"inputmode": "numeric"})
    return forms.IntegerField(
        label=label, help_text=help_text, required=False, min_value=1, max_value=most, widget=widget
    )


class RenewalPolicyForm(EditForm):
    """What a policy says. Whoever has not seen its present state is told, and nothing is overwritten silently."""

    write_every = _days(
        gettext_lazy("Renew write keys every how many days?"),
        gettext_lazy("Empty: only by hand. Devices fetch the new ones by themselves."),
    )
    registration_every = _days(
        gettext_lazy("Renew registration keys every how many days?"),
        gettext_lazy("Empty: only by hand. Each old one ends when all devices have the new one."),
    )
    read_every = _days(
        gettext_lazy("Renew people’s read keys every how many days?"),
        gettext_lazy("Empty: only by hand. People find the new one in the portal and get a mail."),
    )
    overlap = forms.IntegerField(
        label=gettext_lazy("For how many days are old and new key both good at most?"),
        min_value=1,
        max_value=365,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        help_text=gettext_lazy(
            "A device asks once a day while it is switched on; one that is off for longer catches up."
        ),
    )
    instead = forms.ChoiceField(
        label=gettext_lazy("Where a write key cannot be renewed from here"),
        choices=RenewalPolicy.Instead.choices,
        widget=forms.RadioSelect,
        help_text=gettext_lazy("ThingSpeak renews write keys on its own pages alone."),
    )
    keep_replaced = forms.BooleanField(
        label=gettext_lazy("Keep the channels that devices have left"),
        required=False,
        help_text=gettext_lazy(
            "Where devices are moved: what was measured stays on their charts, but each channel takes up one of the "
            "account’s places until somebody deletes it. A free ThingSpeak account has four."
        ),
    )
    quiet_from = forms.TimeField(
        label=gettext_lazy("No renewals from"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=gettext_lazy("Quiet hours: nothing begins in them. They may go on past midnight."),
    )
    quiet_until = forms.TimeField(
        label=gettext_lazy("until"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone of the quiet hours"), choices=lambda: [(zone, zone) for zone in _zones()]
    )
    remind_before = forms.IntegerField(
        label=gettext_lazy("Mail managers how many days before?"),
        required=False,
        min_value=0,
        max_value=60,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        help_text=gettext_lazy("Empty: no mail before."),
    )
    report_after = forms.BooleanField(label=gettext_lazy("Mail managers what became of it"), required=False)
    paused = forms.BooleanField(
        label=gettext_lazy("Pause"),
        required=False,
        help_text=gettext_lazy("Nothing is renewed by itself here and below until this is switched off."),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        organization: Organization,
        own: RenewalPolicy | None,
        inherited: RenewalPolicy | None,
        can_rotate: bool = False,
    ) -> None:
        self.organization, self.own = organization, own
        # A new policy begins as what held before, so that nothing changes but what is typed; a pause stays above.
        here = timezone.get_current_timezone_name()
        begins_as = own or inherited or RenewalPolicy(time_zone=here if here in _zones() else "UTC")
        current = {name: getattr(begins_as, name) for name in FIELDS}
        current["overlap"] = max(1, math.ceil(begins_as.overlap / DAY))
        current["paused"] = own is not None and own.paused
        super().__init__(data, current=current)
        if can_rotate:
            # What to do where the platform cannot is kept as it is, and need not be understood.
            for name in ("instead", "keep_replaced"):
                self.fields[name].widget = forms.HiddenInput()
        if begins_as.time_zone not in _zones():
            self.fields["time_zone"].choices = [  # type: ignore[attr-defined]
                (begins_as.time_zone, begins_as.time_zone),
                *self.fields["time_zone"].choices,  # type: ignore[attr-defined]
            ]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors:
            try:
                self.typed().full_clean(exclude=("organization", "changed_by"), validate_constraints=False)
            except ValidationError as refusal:
                self.add_error(None, refusal)
        if bool(self.cleaned_data.get("quiet_from")) != bool(self.cleaned_data.get("quiet_until")):
            missing = "quiet_until" if self.cleaned_data.get("quiet_from") else "quiet_from"
            if missing not in self.errors:
                self.add_error(missing, _("Quiet hours need a beginning and an end."))
        return cleaned

    def typed(self) -> RenewalPolicy:
        """Return the policy as it was typed, unsaved."""
        return RenewalPolicy(organization=self.organization, **self.values)

    @property
    def values(self) -> dict[str, Any]:
        """The values that were typed, by the policy's field names."""
        values = {name: self.cleaned_data.get(name) for name in FIELDS}
        return values | {"overlap": timedelta(days=self.cleaned_data.get("overlap") or 1)}

    @property
    def changed_meanwhile(self) -> str:
        if self.own is None:
            return _(
                "Somebody else has removed this policy in the meantime. Save again to make it anew as you typed it."
            )
        said = _(
            "{who} has changed this policy in the meantime. It says now: {policy} Save again to replace it by what you "
            "typed."
        )
        return said.format(who=self.own.changed_by or _("Somebody else"), policy=" ".join(in_words(self.own)))
