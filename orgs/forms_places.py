"""Forms about somebody's place in an organization."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs import access
from orgs.editing import EditForm
from orgs.fields import EndOfDayField, OrganizationField
from orgs.models import Membership, User

MAY_DO = (
    (Membership.Relation.MEMBER, gettext_lazy("See the devices here and below")),
    (Membership.Relation.MANAGER, gettext_lazy("See and manage everything here and below")),
)


def until_field() -> EndOfDayField:
    """Return the field for the end of a guest's place."""
    return EndOfDayField(
        label=gettext_lazy("A guest until the end of"),
        required=False,
        help_text=gettext_lazy("Afterwards they see nothing here any more. Empty: they stay for good."),
    )


class PlaceForm(EditForm):
    """What somebody may do at their place, and until when."""

    relation = forms.ChoiceField(
        label=gettext_lazy("What may this person do?"), choices=MAY_DO, widget=forms.RadioSelect
    )
    valid_until = until_field()

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership) -> None:
        super().__init__(data, current={"relation": membership.relation, "valid_until": membership.valid_until})

    def clean_valid_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["valid_until"]
        before: datetime | None = self.current["valid_until"]
        same_day = until and before and timezone.localtime(before).date() == timezone.localtime(until).date()
        # An end at noon, as operators can set it, is not put off to midnight by saving something else.
        return before if same_day else until


class MovePlaceForm(EditForm):
    """Where somebody goes: any organization of the same customer that the person who asks manages."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership, user: User) -> None:
        super().__init__(data, current={"organization": membership.organization_id})
        self.fields["organization"] = OrganizationField(
            access.managed_organizations(user).filter(tree_id=membership.organization.tree_id),
            label=gettext_lazy("Put this person into"),
            empty_label=None,
        )


class ChoosePlaceForm(forms.Form):
    """In which of the organizations that the person manages."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["organization"] = OrganizationField(
            access.managed_organizations(user),
            label=gettext_lazy("Into which organization?"),
            help_text=gettext_lazy("They will see the devices of that organization and of all below it."),
            empty_label=gettext_lazy("Please choose"),
        )


class EndPlaceForm(EditForm):
    """Asks nothing. Sees to it that the place which ends is the one that was read about."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership) -> None:
        place = {"place": membership.organization_id, "as": membership.relation, "until": membership.valid_until}
        super().__init__(data, current=place)

    @property
    def changed_meanwhile(self) -> str:
        return _("Somebody else has changed this place in the meantime. Read again what would happen, and decide then.")
