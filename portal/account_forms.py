"""Forms about one's own account."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs.editing import EditForm
from orgs.models import User

_REGIONS = frozenset(
    ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
Choices = list[tuple[str, Any]]


@cache
def zones() -> Choices:
    """Return the time zones that places are in, grouped by region, as choices."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(available_timezones()):
        region, _slash, place = name.partition("/")
        if region in _REGIONS and place:
            regions.setdefault(region, []).append((name, place.replace("_", " ").replace("/", " – ")))
    return [*regions.items(), ("UTC", "UTC")]


class ProfileForm(EditForm):
    """What the portal calls somebody, in which language, and what time it is for them."""

    given_name = forms.CharField(
        label=gettext_lazy("Given name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    family_name = forms.CharField(
        label=gettext_lazy("Family name"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        help_text=gettext_lazy("For pages and for mail to you."),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        required=False,
        help_text=gettext_lazy("All times are said in it, also those of charts."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: User) -> None:
        super().__init__(data, current={name: getattr(user, name) for name in self.base_fields if name != "seen"})
        self._offer("language", [("", _("Like my browser")), *settings.LANGUAGES])
        browsers = user.seen_time_zone or settings.TIME_ZONE
        self._offer("time_zone", [("", _("Like my browser ({zone})").format(zone=browsers)), *zones()])

    def _offer(self, name: str, choices: Choices) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  For the type checker; declared above.
        field.choices = choices

    @property
    def changed(self) -> list[str]:
        """The names of the fields that are to be other than they were."""
        return [name for name, value in self.values.items() if value != self.current[name]]
