"""Finding people among many: those who have a place in what somebody manages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from orgs import access
from orgs.fields import OrganizationField
from orgs.models import Membership, MembershipQuerySet, User
from orgs.sought import words_of


class FindPeopleForm(forms.Form):
    """What is looked for. Every field can be empty, and what makes no sense is as if it were."""

    q = forms.CharField(
        label=_("Search"), required=False, max_length=100, widget=forms.TextInput(attrs={"type": "search"})
    )
    relation = forms.ChoiceField(
        label=_("Relation"), required=False, choices=[("", _("All")), *Membership.Relation.choices]
    )
    ends = forms.ChoiceField(
        label=_("Until when"),
        required=False,
        choices=[
            ("", _("All")),
            ("guests", _("With an end date")),
            ("soon", _("Ends within two weeks")),
            ("over", _("Has ended")),
        ],
    )

    def __init__(self, data: Mapping[str, Any], *, user: User) -> None:
        super().__init__(data, auto_id="find_%s")
        self.fields["organization"] = OrganizationField(
            access.managed_organizations(user), label=_("Organization"), required=False, empty_label=_("All")
        )


@dataclass(frozen=True)
class FoundPerson:
    """Somebody, with all places that they have in what the viewer manages."""

    person: User
    places: list[Membership]


@dataclass(frozen=True)
class FoundPeople:
    """One page of the people who were found."""

    form: FindPeopleForm
    page: Page[User]
    people: list[FoundPerson]
    is_narrowed: bool


def find_people(user: User, parameters: Mapping[str, Any], *, a_page: int) -> FoundPeople:
    """Return the page that the address's parameters name; `a_page` people make a page. In four queries."""
    form = FindPeopleForm(parameters, user=user)
    form.is_valid()
    wanted = form.cleaned_data
    found = User.objects.filter(Exists(_places(user, wanted).filter(user=OuterRef("pk"))))
    words = words_of(wanted.get("q", ""))
    below = access.below_what_is_called(words, user)
    for word in words:
        by_name = Q(given_name__icontains=word) | Q(family_name__icontains=word) | Q(email__icontains=word)
        there = Q(organization__name__icontains=word) | Q(organization__in=below[word])
        found = found.filter(by_name | Exists(_places(user, wanted).filter(there, user=OuterRef("pk"))))
    page = Paginator(found.order_by(*User.BY_NAME), a_page).get_page(parameters.get("page"))
    places = defaultdict(list)
    theirs = access.managed_memberships(user).filter(user__in=list(page)).select_related("organization")
    for place in theirs.order_by("organization__tree_id", "organization__lft"):
        places[place.user_id].append(place)
    people = [FoundPerson(person, places[person.pk]) for person in page]
    return FoundPeople(form, page, people, any(wanted.values()))


def _places(user: User, wanted: Mapping[str, Any]) -> MembershipQuerySet:
    places = access.managed_memberships(user)
    if organization := wanted.get("organization"):
        places = places.at_or_below(organization)
    if relation := wanted.get("relation"):
        places = places.filter(relation=relation)
    match wanted.get("ends"):
        case "guests":
            places = places.filter(valid_until__isnull=False)
        case "soon":
            places = places.ending_soon()
        case "over":
            places = places.over()
    return places
