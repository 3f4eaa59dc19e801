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
from orgs.person_names import PersonNameField

_REGIONS = frozenset(
    ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
Choices = list[tuple[str, Any]]
BROWSER = "browser"
"""The choice that stands for no choice: as the browser says."""


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

    given_name = PersonNameField(
        label=gettext_lazy("Given name"), widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    family_name = PersonNameField(
        label=gettext_lazy("Family name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        help_text=gettext_lazy("For pages and for mail to you."),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("All times are said in it, also those of charts."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: User) -> None:
        names = {"given_name": user.given_name, "family_name": user.family_name}
        reads = {"language": user.language or BROWSER, "time_zone": user.time_zone or BROWSER}
        super().__init__(data, current=names | reads)
        self._offer("language", [(BROWSER, _("Like my browser")), *settings.LANGUAGES])
        browsers = user.seen_time_zone or settings.TIME_ZONE
        self._offer("time_zone", [(BROWSER, _("Like my browser ({zone})").format(zone=browsers)), *zones()])

    def _offer(self, name: str, choices: Choices) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  For the type checker; declared above.
        field.choices = choices

    @property
    def changed(self) -> list[str]:
        """The names of the fields that are to be other than they were."""
        return [name for name, value in super().values.items() if value != self.current[name]]

    @property
    def values(self) -> dict[str, Any]:
        return {name: "" if value == BROWSER else value for name, value in super().values.items()}
