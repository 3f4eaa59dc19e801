"""Forms for inviting people: one, or many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs import access, people
from orgs.fields import EndOfDayField
from orgs.forms_lines import LinesForm
from orgs.forms_places import MAY_DO, until_field, within
from orgs.invitations import Invitee
from orgs.inviting_many import read_invitees
from orgs.lines import first_problems
from orgs.models import Invitation, Membership, Organization, User
from orgs.person_names import PersonNameField, refuse_web_address

UNTIL_A_DAY = "day"
LONGEST = timedelta(days=90)


class _WithDefault(forms.ChoiceField):
    """A choice that is as it was initially if nothing is sent for it."""

    def clean(self, value: Any) -> Any:
        return super().clean(value or self.initial)


class OfferForm(forms.Form):
    """What is offered with an invitation, and how long. `expires_at` is the end of the link, however it was chosen."""

    relation = forms.ChoiceField(
        label=gettext_lazy("What may this person do?"),
        choices=MAY_DO,
        initial=Membership.Relation.MEMBER,
        widget=forms.RadioSelect,
    )
    membership_until = until_field()
    good_for = _WithDefault(
        label=gettext_lazy("How long is the link in the mail good?"),
        choices=[
            ("1", gettext_lazy("1 day")),
            ("3", gettext_lazy("3 days")),
            ("7", gettext_lazy("1 week")),
            ("14", gettext_lazy("2 weeks")),
            ("30", gettext_lazy("30 days")),
            (UNTIL_A_DAY, gettext_lazy("Until a day of my choice")),
        ],
        initial="14",
    )
    expires_at = EndOfDayField(
        label=gettext_lazy("The link is good until the end of"),
        required=False,
        help_text=gettext_lazy("Needed for “Until a day of my choice”; 90 days from now at most."),
    )
    _own_end: datetime | None = None
    _giver: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expires_at"].one_of_several = True  # type: ignore[attr-defined]  # Ways to say how long.

    def know_giver(self, by: User, organization: Organization) -> None:
        """Offer no more than `by` has: whoever manages until a day gives places until that day at the longest."""
        self._giver = by
        self._own_end = access.manages_until(by, organization)
        if self._own_end is not None:
            until = self.fields["membership_until"]
            until.required, until.initial = True, self._own_end
            until.help_text = gettext_lazy("You manage until that day yourself: choose it, or an earlier one.")

    @cached_property
    def own_addresses(self) -> set[str]:
        """The addresses that whoever invites cannot invite: nobody accepts what they have sent, except operators."""
        return set() if self._giver.is_staff else people.addresses_of(self._giver)

    def clean_membership_until(self) -> datetime | None:
        return within(self._own_end, self.cleaned_data["membership_until"])

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        good_for = self.cleaned_data.pop("good_for", None)
        until = self.cleaned_data.get("expires_at")
        if good_for is None:
            return cleaned
        if good_for != UNTIL_A_DAY:
            self.cleaned_data["expires_at"] = timezone.now() + timedelta(days=int(good_for))
        elif until is None and "expires_at" not in self.errors:
            self.add_error("expires_at", _("Choose the day."))
        elif until is not None and until > timezone.now() + LONGEST:
            self.add_error("expires_at", _("A link is good for 90 days at most."))
        return cleaned

    @property
    def offer(self) -> dict[str, Any]:
        """What `orgs.invitations` is to be told beside who is invited."""
        return {name: self.cleaned_data[name] for name in ("relation", "membership_until", "expires_at")}


class InvitationForm(OfferForm, forms.ModelForm):  # type: ignore[type-arg]
    """Whom to invite, and as what. Says nothing about whether the address has an account."""

    field_order = ("email", "given_name", "family_name")

    class Meta:
        model = Invitation
        fields = ("email", "given_name", "family_name", "relation", "membership_until")
        error_messages = {"email": {"required": gettext_lazy("Enter the e-mail address of whom you invite.")}}
        help_texts = {"email": gettext_lazy("The invitation goes there. Nobody else can use it.")}
        field_classes = {"given_name": PersonNameField, "family_name": PersonNameField}
        widgets = {"email": forms.EmailInput(attrs={"autocomplete": "off"})}

    def __init__(self, *args: Any, organization: Organization, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        self.know_giver(by, organization)

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if email in self.own_addresses:
            raise forms.ValidationError(
                _("This is your own address. Enter that of somebody else; for a place of yours, ask another manager.")
            )
        # Told only of those whom the inviter sees on the page of the organization anyway.
        places = Membership.objects.current().filter(organization=self.organization, user__email__iexact=email)
        here = places.select_related("user").first()
        if here is not None:
            raise forms.ValidationError(
                _("{who} is in {name} already.").format(who=here.user, name=self.organization.name)
            )
        return email


class SeveralInvitationsForm(OfferForm, LinesForm):
    """Whom to invite, a line each, and what is offered to all of them."""

    field_order = ("lines", "file")

    def __init__(
        self, data: Mapping[str, Any] | None = None, files: Any = None, *, organization: Organization, by: User
    ) -> None:
        super().__init__(data, files)
        self.know_giver(by, organization)
        self.fields["lines"].label = gettext_lazy("E-mail addresses, one a line")
        self.fields["lines"].help_text = gettext_lazy(
            "If you like, with a name and an organization below this one: marge@example.com, Marge Simpson, Household"
        )
        self.fields["file"].help_text = gettext_lazy(
            "With the columns email, name, organization. Only the first one is needed."
        )
        self.fields["relation"].label = gettext_lazy("What may these people do?")
        self._organization = organization
        self.rows: list[Invitee] = []

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if "lines" in self.errors or "file" in self.errors:
            return cleaned
        found = read_invitees(self.take_in_file(), top=self._organization)
        problems = first_problems([*found.problems, *self._problems_with_people(found.rows)])
        if not found.rows and not problems:
            problems = [_("Enter at least one e-mail address, or choose a file.")]
        for problem in problems:
            self.add_error("lines", problem)
        self.rows = found.rows
        return cleaned

    def _problems_with_people(self, rows: Iterable[Invitee]) -> Iterator[str]:
        own = _("{email} is your own address: leave it out. For a place of yours, ask another manager.")
        for row in rows:
            if row.email in self.own_addresses:
                yield own.format(email=row.email)
            try:
                refuse_web_address(f"{row.given_name} {row.family_name}")
            except forms.ValidationError as problem:
                yield f"{row.email}: {problem.message}"
