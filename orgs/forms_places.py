"""Forms about somebody's place in an organization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs import access
from orgs.editing import EditForm
from orgs.fields import EndOfDayField, ManyField, OrganizationField
from orgs.models import Membership, Organization, User

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


def within(own_end: datetime | None, until: datetime | None) -> datetime | None:
    """Return the end of a place that somebody gives who manages until `own_end` (None: for good) themselves.

    Their last day is theirs to give, even if they manage until noon. Raises ValidationError for anything later.
    """
    if own_end is None or (until is not None and until <= own_end):
        return until
    if until is not None and timezone.localdate(until) == timezone.localdate(own_end):
        return own_end
    raise forms.ValidationError(
        _("You manage this until {day} yourself. Choose that day, or an earlier one.").format(
            day=date_format(timezone.localdate(own_end))
        )
    )


def refuse_further_up(target: Organization, ends: Iterable[datetime | None], *, own_end: datetime | None) -> None:
    """Raise ValidationError if one of these ends of places is later than that of whoever puts them into `target`."""
    if own_end is not None and any(end is None or end > own_end for end in ends):
        raise forms.ValidationError(
            _(
                "You manage {name} until {day} yourself: nobody can be put there for longer. Give the place an earlier "
                "end first, or ask another manager."
            ).format(name=target.name, day=date_format(timezone.localdate(own_end)))
        )


class PlaceForm(EditForm):
    """What somebody may do at their place, and until when."""

    relation = forms.ChoiceField(
        label=gettext_lazy("What may this person do?"), choices=MAY_DO, widget=forms.RadioSelect
    )
    valid_until = until_field()

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership, user: User) -> None:
        super().__init__(data, current={"relation": membership.relation, "valid_until": membership.valid_until})
        self._own_end = access.manages_until(user, membership.organization)
        self._is_own = membership.user_id == user.pk

    def clean_valid_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["valid_until"]
        before: datetime | None = self.current["valid_until"]
        same_day = until and before and timezone.localtime(before).date() == timezone.localtime(until).date()
        # An end at noon, as operators can set it, is not put off to midnight by saving something else.
        end = before if same_day else until
        if self._is_own and self._own_end is not None and (end is None or end > self._own_end):
            raise forms.ValidationError(_("Nobody prolongs their own place. Ask another manager to do it."))
        return end

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors and self._gives_more():
            try:
                self.cleaned_data["valid_until"] = within(self._own_end, self.cleaned_data["valid_until"])
            except forms.ValidationError as error:
                self.add_error("valid_until", error)
        return cleaned

    def _gives_more(self) -> bool:
        """Whether the person would stay longer, or manage what they have only seen so far."""
        end, before = self.cleaned_data["valid_until"], self.current["valid_until"]
        stays_longer = before is not None and (end is None or end > before)
        return stays_longer or self.cleaned_data["relation"] != self.current["relation"] == Membership.Relation.MEMBER


class MovePlaceForm(EditForm):
    """Where somebody goes: any organization of the same customer that the person who asks manages."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership, user: User) -> None:
        super().__init__(data, current={"organization": membership.organization_id})
        self._place, self._user = membership, user
        self.fields["organization"] = OrganizationField(
            access.managed_organizations(user).filter(tree_id=membership.organization.tree_id),
            label=gettext_lazy("Put this person into"),
            empty_label=None,
        )

    def clean_organization(self) -> Organization:
        """Let nobody who manages until a day put somebody for longer where they see more than before."""
        target: Organization = self.cleaned_data["organization"]
        if not self._place.organization.contains(target):
            own_end = access.manages_until(self._user, target)
            refuse_further_up(target, [self._place.valid_until], own_end=own_end)
        return target


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


class ChooseInvitationsForm(forms.Form):
    """Which invitations are sent again: all lead into what the person manages; some may have been answered."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["invitations"] = ManyField(
            access.managed_invitations(user).select_related("organization").order_by("expires_at", "pk"),
            error_messages={"required": gettext_lazy("Choose at least one invitation.")},
        )


class EndPlaceForm(EditForm):
    """Asks nothing. Sees to it that the place which ends is the one that was read about."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership) -> None:
        place = {"place": membership.organization_id, "as": membership.relation, "until": membership.valid_until}
        super().__init__(data, current=place)

    @property
    def changed_meanwhile(self) -> str:
        return _("Somebody else has changed this place in the meantime. Read again what would happen, and decide then.")
