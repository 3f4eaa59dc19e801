"""Forms about organizations, people and invitations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs import access
from orgs.editing import EditForm
from orgs.fields import OrganizationField
from orgs.lines import first_problems
from orgs.models import Organization, User
from orgs.person_names import PersonNameField
from orgs.planting import read_paths


class OrganizationForm(forms.Form):
    """Name and description of an organization that is, or is to be, in `parent`."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        error_messages={"required": gettext_lazy("Enter a name for the organization.")},
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


class SeveralOrganizationsForm(forms.Form):
    """Names of organizations, one a line, each perhaps with the path to it."""

    names = forms.CharField(
        label=gettext_lazy("Names, one a line"),
        max_length=100_000,
        help_text=gettext_lazy(
            "A line can be a path: “Elm Street 12 › Flat 3” or “Elm Street 12 / Flat 3”. What is missing on it is "
            "made, what is there already stays as it is."
        ),
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "autocomplete": "off"}),
    )

    def clean_names(self) -> list[tuple[str, ...]]:
        read = read_paths(self.cleaned_data["names"])
        if read.problems:
            raise forms.ValidationError(first_problems(read.problems))
        return read.paths


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


class AcceptForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]
    """Name and own password of somebody who has no account yet."""

    given_name = PersonNameField(
        label=gettext_lazy("Given name"), widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    family_name = PersonNameField(
        label=gettext_lazy("Family name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    password1, password2 = SetPasswordMixin.create_password_fields(
        label1=gettext_lazy("Your own password"), label2=gettext_lazy("The same password once more")
    )
    password2.help_text = ""  # Says in other words what the label says.

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
