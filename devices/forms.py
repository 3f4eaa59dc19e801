"""Forms about devices, registration keys, and what an organization holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device, RegistrationKey
from orgs import access
from orgs.editing import EditForm
from orgs.fields import ManyField, OrganizationField, end_of_day, numbers
from orgs.forms_places import refuse_further_up
from orgs.models import Organization, User


class EditDeviceForm(EditForm):
    """What a device is called, and what else is worth knowing about it."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("As you call it: “Kitchen”. Without a name its serial number is shown."),
    )

    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=255,
        required=False,
        help_text=gettext_lazy("Everybody who sees the device reads it: “Behind the fridge, new battery in May”."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, device: Device) -> None:
        super().__init__(data, current={"name": device.name, "description": device.description})


class MoveDeviceForm(EditForm):
    """Where a device goes: any organization of the same customer that the person manages."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, device: Device, user: User) -> None:
        super().__init__(data, current={"organization": device.organization_id})
        self.fields["organization"] = OrganizationField(
            access.managed_organizations(user).filter(tree_id=device.organization.tree_id),
            label=gettext_lazy("Put it into"),
            empty_label=None,
        )


class _PlacesField(forms.Field):
    """Where each device stood in the list that its reader had: "12:3" is device 12 in organization 3."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> dict[int, int]:
        pairs = [numbers(str(pair).split(":")) for pair in value or ()]
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


class MoveManyForm(forms.Form):
    """Which devices go where: all of them, and the place, are the person's to manage."""

    places = _PlacesField(required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["devices"] = ManyField(
            Device.objects.managed_by(user).select_related("organization"),
            error_messages={"required": gettext_lazy("Choose at least one device.")},
        )
        self.fields["organization"] = OrganizationField(
            access.managed_organizations(user),
            label=gettext_lazy("Put the chosen ones into"),
            empty_label=gettext_lazy("Please choose"),
            error_messages={"required": gettext_lazy("Choose where they should go.")},
        )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        place = self.cleaned_data.get("organization")
        if place and any(one.organization.tree_id != place.tree_id for one in self.cleaned_data.get("devices", ())):
            raise forms.ValidationError(_("A device stays with its customer."))
        return cleaned


class NewRegistrationKeyForm(forms.Form):
    """A registration key and, if wanted, its limits."""

    label = forms.CharField(
        label=gettext_lazy("Label"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("To tell keys apart: “Second floor, spring 2027”."),
    )
    expires_at = forms.DateField(
        label=gettext_lazy("Good until the end of"),
        required=False,
        help_text=gettext_lazy("Afterwards it lets no device in. Empty: it does not expire."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    use_limit = forms.IntegerField(
        label=gettext_lazy("For how many devices at most"),
        required=False,
        min_value=1,
        error_messages={"min_value": gettext_lazy("At least one device, or leave it empty.")},
        max_value=1_000_000,
        help_text=gettext_lazy("Empty: for as many as you like."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def clean_expires_at(self) -> datetime | None:
        day = self.cleaned_data["expires_at"]
        return None if day is None else end_of_day(day)


class EditRegistrationKeyForm(EditForm, NewRegistrationKeyForm):
    """Label and limits of a key that exists."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, key: RegistrationKey) -> None:
        day = timezone.localtime(key.expires_at).date().isoformat() if key.expires_at else ""
        super().__init__(data, current={"label": key.label, "expires_at": day, "use_limit": key.use_limit})
        self.key = key

    def clean_expires_at(self) -> datetime | None:
        # The day that stands there already keeps its hour, also when it has passed.
        if self.key.expires_at and self.cleaned_data["expires_at"] == timezone.localtime(self.key.expires_at).date():
            return self.key.expires_at
        return super().clean_expires_at()

    def clean_use_limit(self) -> int | None:
        limit: int | None = self.cleaned_data["use_limit"]
        if limit is not None and limit < self.key.uses:
            raise forms.ValidationError(self.too_few)
        return limit

    @property
    def too_few(self) -> str:
        return _("More devices than that have come in with the key already.")


class DeleteOrganizationForm(EditForm):
    """Where everything in an organization goes before it is deleted. Asks for what there is alone.

    `holds` is what is in it, by kind: should that have changed since the question was read, it is asked once more.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        organization: Organization,
        user: User,
        holds: Mapping[str, Collection[int]],
        has_things: bool,
        has_people: bool,
    ) -> None:
        super().__init__(data, current=holds)
        self._organization, self._user = organization, user
        places = access.managed_organizations(user).filter(tree_id=organization.tree_id)
        if has_things:
            self.fields["things_to"] = OrganizationField(
                places,
                left_out=organization,
                label=gettext_lazy("Where do its devices, registration keys and organizations go?"),
                empty_label=gettext_lazy("Please choose"),
            )
        if has_people:
            self.fields["people_to"] = OrganizationField(
                places,
                left_out=organization,
                required=False,
                label=gettext_lazy("Where do its people go?"),
                help_text=gettext_lazy("They will see the devices of that organization and of all below it."),
                empty_label=gettext_lazy("Nowhere: they no longer see its devices"),
            )

    def clean_people_to(self) -> Organization | None:
        target: Organization | None = self.cleaned_data["people_to"]
        if target is not None:
            ends = self._organization.memberships.values_list("valid_until", flat=True)
            refuse_further_up(target, ends, own_end=access.manages_until(self._user, target))
        return target

    @property
    def changed_meanwhile(self) -> str:
        return _("What is in it has changed in the meantime. Read again what would happen, and decide then.")
