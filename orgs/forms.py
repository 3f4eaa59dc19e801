"""Forms about organizations, people and invitations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs import access
from orgs.editing import EditForm
from orgs.fields import EndOfDayField, OrganizationField
from orgs.forms_places import MAY_DO, until_field
from orgs.models import Invitation, Membership, Organization, User

UNTIL_A_DAY = "day"
LONGEST = timedelta(days=90)


class OrganizationForm(forms.Form):
    """Name and description of an organization that is, or is to be, in `parent`."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("As you call it: “Household”, “Second floor”, “Flat 12”."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=255,
        required=False,
        help_text=gettext_lazy("A few words for those who manage it."),
    )
    organization: Organization | None = None
    """The one that is edited."""

    def __init__(self, *args: Any, parent: Organization | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parent = parent

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        siblings = Organization.objects.filter(parent=self.parent, name=name)
        if self.organization is not None:
            siblings = siblings.exclude(pk=self.organization.pk)
        if self.parent is not None and siblings.exists():
            raise forms.ValidationError(self.name_taken)
        return name

    @property
    def name_taken(self) -> str:
        # Without the name of the parent: who manages this one alone does not know it.
        return _("There is already an organization of that name in the same place.")


class EditOrganizationForm(EditForm, OrganizationForm):
    """The same for one that exists."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, organization: Organization) -> None:
        super().__init__(
            data,
            current={"name": organization.name, "description": organization.description},
            parent=organization.parent,
        )
        self.organization = organization


class MoveOrganizationForm(EditForm):
    """Where an organization goes: any place of the same customer that the person manages."""

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, organization: Organization, user: User, **kwargs: Any
    ) -> None:
        super().__init__(data, current={"parent": organization.parent_id}, **kwargs)
        self.organization = organization
        self.fields["parent"] = OrganizationField(
            access.managed_organizations(user).filter(tree_id=organization.tree_id),
            left_out=organization,
            label=gettext_lazy("Put it into"),
            empty_label=None,
        )

    def dropped_on(self, value: str) -> Organization | None:
        """Return where the organization was dragged to, if it can go there; the form then means that place."""
        try:
            target: Organization | None = self.fields["parent"].clean(value or None)
        except forms.ValidationError:
            return None
        if target is None or target.pk == self.organization.parent_id or self.organization.contains(target):
            return None
        self.initial["parent"] = target.pk
        self.fields["parent"].widget = forms.HiddenInput()
        return target


class _WithDefault(forms.ChoiceField):
    """A choice that is as it was initially if nothing is sent for it."""

    def clean(self, value: Any) -> Any:
        return super().clean(value or self.initial)


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Whom to invite, and as what. Says nothing about whether the address has an account."""

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
    expires_at = EndOfDayField(label=gettext_lazy("The link is good until the end of"), required=False)

    class Meta:
        model = Invitation
        fields = ("email", "given_name", "family_name", "relation", "membership_until")
        help_texts = {"email": gettext_lazy("The invitation goes there. Nobody else can use it.")}
        widgets = {"email": forms.EmailInput(attrs={"autocomplete": "off"})}

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        # Told only of those whom the inviter sees on the page of the organization anyway.
        places = Membership.objects.current().filter(organization=self.organization, user__email__iexact=email)
        here = places.select_related("user").first()
        if here is not None:
            raise forms.ValidationError(
                _("{who} is in {name} already.").format(who=here.user, name=self.organization.name)
            )
        return email

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


class AcceptForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]
    """Name and own password of somebody who has no account yet."""

    given_name = forms.CharField(
        label=gettext_lazy("Given name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    family_name = forms.CharField(
        label=gettext_lazy("Family name"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    password1, password2 = SetPasswordMixin.create_password_fields(
        label1=gettext_lazy("Your own password"), label2=gettext_lazy("The same password again")
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any] | None:
        self.validate_passwords()
        future_self = User(
            email=self.email,
            given_name=self.cleaned_data.get("given_name", ""),
            family_name=self.cleaned_data.get("family_name", ""),
        )
        self.validate_password_for_user(future_self, "password1")
        return super().clean()
