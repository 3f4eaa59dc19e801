"""The list of people, for those who manage them."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from orgs import access
from orgs.finding_people import find_people
from orgs.http import Breadcrumb, PersonRequest

PEOPLE_A_PAGE = 50


def under_people(*further: str) -> list[Breadcrumb]:
    """Return the path to a page that is below the list of people, itself last."""
    everybody: Breadcrumb = {"label": _("People"), "url": reverse("people")}
    return [everybody, *(Breadcrumb(label=step) for step in further)]


@require_safe
def people(request: PersonRequest) -> HttpResponse:
    """Everybody who has a place in something that I manage; for others the page says whom to ask."""
    found = find_people(request.user, request.GET, a_page=PEOPLE_A_PAGE)
    invited = access.managed_invitations(request.user).pending().count()
    context = {"found": found, "invited": invited, "breadcrumbs": under_people()}
    return render(request, "orgs/people.html", context)
