"""Finding devices among many: search, filters, order, pages. What a person may not see is not found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from devices.latest import FIELD
from devices.models import Device, DeviceQuerySet
from devices.readings import DeviceState, Reading, readings_of
from orgs import access
from orgs.fields import OrganizationField
from orgs.models import User
from orgs.sought import words_of

_PLACE = ("organization__tree_id", "organization__lft", *Device.BY_NAME)
_IN_THE_DATABASE: dict[str, Sequence[Any]] = {
    "place": _PLACE,
    "name": Device.BY_NAME,
    "-name": Device.BY_NAME_BACKWARDS,
}
PENDING = ("pending", _("At the door"))
"""A choice for managers: what waits for approval is no device yet, and has a page of its own."""
_STATES_IN_THE_DATABASE = {
    DeviceState.BLOCKED: Q(blocked_at__isnull=False),
    DeviceState.NO_CHANNEL: Q(channel__isnull=True, blocked_at__isnull=True),
    DeviceState.AWAITED: Q(channel__isnull=False, blocked_at__isnull=True, contact__isnull=True),
}
"""Those that are known without asking the platform."""
STATES = {state.name.lower(): state for state in DeviceState}


class FindForm(forms.Form):
    """What is looked for. Every field can be empty, and what makes no sense is as if it were."""

    q = forms.CharField(
        label=_("Search"), required=False, max_length=100, widget=forms.TextInput(attrs={"type": "search"})
    )
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("All")), *((name, state.text) for name, state in STATES.items())],
    )

    def __init__(self, data: Mapping[str, Any], *, user: User, is_manager: bool) -> None:
        super().__init__(data, auto_id="find_%s")
        if is_manager:
            self.fields["state"].choices += [PENDING]  # type: ignore[attr-defined]
        self.fields["organization"] = OrganizationField(
            access.visible_organizations(user), label=_("Organization"), required=False, empty_label=_("All")
        )


@dataclass(frozen=True)
class Found:
    """One page of what was found, with the readings of its devices."""

    form: FindForm
    page: Page[Any]
    readings: list[Reading]
    order: str
    is_narrowed: bool
    out_of_reach: bool


def find(user: User, parameters: Mapping[str, Any], *, a_page: int, now: datetime, is_manager: bool = False) -> Found:
    """Return the page of `user`'s devices that the address's parameters name; `a_page` devices make a page.

    By name or place, the platform is asked for the devices of the page alone; by state or value, for all that match.
    """
    form = FindForm(parameters, user=user, is_manager=is_manager)
    form.is_valid()
    wanted = form.cleaned_data
    order = parameters.get("order", "")
    # The account's key would be decrypted for each device.
    devices = _matching(user, wanted).select_related("organization", "channel__account", "contact")
    devices = devices.defer("channel__account__key")
    devices = devices.order_by(*_IN_THE_DATABASE.get(order, _PLACE))
    state, key = STATES.get(wanted.get("state", "")), _BY_READING.get(order.removeprefix("-"))
    if state in _STATES_IN_THE_DATABASE:
        devices, state = devices.filter(_STATES_IN_THE_DATABASE[state]), None
    page: Page[Any]
    if state is None and key is None:
        page = Paginator(devices, a_page).get_page(parameters.get("page"))
        found = readings_of(list(page), now)
        shown = list(found.all)
    else:
        found = readings_of(list(devices), now)
        matching = [reading for reading in found.all if state is None or reading.state is state]
        if key is not None:
            matching = _in_order(matching, key, reverse=order.startswith("-"))
        page = Paginator(matching, a_page).get_page(parameters.get("page"))
        shown = list(page)
    return Found(form, page, shown, order, any(wanted.values()), found.out_of_reach)


def _in_order(readings: list[Reading], key: Callable[[Reading], Any], *, reverse: bool) -> list[Reading]:
    """Return them by what `key` says, and those of which it says nothing last, whatever the direction."""
    telling = sorted((one for one in readings if key(one) is not None), key=key, reverse=reverse)
    return telling + [one for one in readings if key(one) is None]


def _number(reading: Reading) -> Decimal | None:
    try:
        value = Decimal(reading.entry.values.get(FIELD, "") if reading.entry else "")
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


_BY_READING: dict[str, Callable[[Reading], Any]] = {
    "value": _number,
    "measured": lambda reading: reading.measured_at,
}


def _matching(user: User, wanted: Mapping[str, Any]) -> DeviceQuerySet:
    devices = Device.objects.visible_to(user)
    if organization := wanted.get("organization"):
        devices = devices.at_or_below(organization)
    words = words_of(wanted.get("q", ""))
    below = access.below_what_is_called(words, user)
    for word in words:
        # Serial numbers are the managers' business: nobody else finds a device by one.
        by_serial = Q(serial__icontains=word, organization__in=access.managed_organizations(user))
        by_number = Q(channel__number=int(word)) if word.isascii() and word.isdigit() and len(word) < 18 else Q()
        # "Elm 217 bathroom": three hundred flats have a bathroom each.
        by_name = Q(name__icontains=word) | Q(organization__name__icontains=word)
        by_house = Q(organization__in=below[word])
        devices = devices.filter(by_name | by_house | by_serial | by_number)
    return devices
