"""The pages of organizations: the tree, and one of them with all that is in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from devices import live
from devices.from_above import rules_for
from devices.models import Device, RegistrationKey
from devices.organizations import tree_below, trees_of
from devices.readings import Readings, readings_of
from orgs import access
from orgs.http import PersonRequest, breadcrumbs
from orgs.models import Membership, Organization

DEVICES_A_PAGE = 25
PEOPLE_SHOWN = 50
DRAWN_BELOW = 100
FITS_A_SCREEN = 12
"""A tree of so many organizations is looked at; in a larger one somebody looks for something."""
LONGEST_SEARCH = 100


@require_safe
def organizations(request: PersonRequest) -> HttpResponse:
    """All that I belong to, as a tree, or what of it has the words that somebody looks for in its name."""
    trees = trees_of(request.user)
    q = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    context = {
        "manages": any(branch.manages_something for branch in trees),
        "is_large": sum(1 + branch.organizations_below for branch in trees) > FITS_A_SCREEN,
        "belongs_somewhere": bool(trees),
        "q": q,
        "trees": [branch for branch in trees if branch.look_for(q)] if q else trees,
    }
    return render(request, "devices/organizations.html", context)


@require_safe
def organization(request: PersonRequest, pk: int) -> HttpResponse:
    """One organization: its devices and what is below it; for managers also people, invitations and keys."""
    shown = get_object_or_404(access.visible_organizations(request.user), pk=pk)
    now = timezone.now()
    page, readings = _devices_of(request, shown, now)
    branch = tree_below(request.user, shown)
    own = access.own_memberships(request.user)
    context: dict[str, Any] = {
        "organization": shown,
        "branch": branch,
        "drawn_below": branch.upper_levels(most=DRAWN_BELOW),
        "draws_all": branch.organizations_below <= DRAWN_BELOW,
        "page": page,
        "readings": readings.all,
        "shown": live.shown(readings.all, page, now),
        "out_of_reach": readings.out_of_reach,
        "own_place": own.filter(organization=shown).select_related("created_by").first(),
        "breadcrumbs": breadcrumbs(request.user, shown),
    }
    if branch.is_managed:
        context |= _for_managers(request, shown)
    return render(request, "devices/organization.html", context)


def _devices_of(request: PersonRequest, organization: Organization, now: datetime) -> tuple[Page[Any], Readings]:
    devices = Device.objects.at_or_below(organization).select_related("organization", "channel__account", "contact")
    page: Page[Any] = Paginator(devices.order_by("organization__lft", *Device.BY_NAME), DEVICES_A_PAGE).get_page(
        request.GET.get("page")
    )
    return page, readings_of(list(page), now)


@require_safe
def organization_live(request: PersonRequest, pk: int) -> HttpResponse:
    """What is other among the devices of an organization than its page shows, to be put into the page that stands."""
    shown = get_object_or_404(access.visible_organizations(request.user), pk=pk)
    now = timezone.now()
    page, readings = _devices_of(request, shown, now)
    changes = live.changes(request.GET, list(readings.all), page, now)
    context = {
        "organization": shown,
        "changes": changes,
        "appeared": changes.appeared(to=request.user),
        "left": changes.left(Device.objects.at_or_below(shown)),
        "page": page,
        "readings": readings.all,
        "is_managed": access.may_manage(request.user, shown),
    }
    if not readings.all and changes.is_other_page:
        context["has_key"] = RegistrationKey.objects.filter(organization=shown).letting_in().exists()
    return render(request, "devices/_organization_live.html", context)


def _for_managers(request: PersonRequest, shown: Organization) -> dict[str, Any]:
    here = Membership.objects.filter(organization=shown).select_related("user")
    people = list(here.order_by("user__given_name", "user__email")[: PEOPLE_SHOWN + 1])
    above = access.people_who_see(shown).exclude(organization=shown)
    keys = RegistrationKey.objects.filter(organization=shown).defer(*RegistrationKey.SECRETS)
    keys = keys.order_by("revoked_at", "-created_at")
    known = set(access.visible_path(request.user, shown).values_list("pk", flat=True))
    return {
        "people": people[:PEOPLE_SHOWN],
        "more_people": len(people) > PEOPLE_SHOWN,
        # Somebody who manages a part of a customer alone learns who else sees it, but not what is above.
        "people_above": [(place, place.organization_id in known) for place in above],
        "rules": rules_for(shown, known),
        "invitations": access.managed_invitations(request.user)
        .pending()
        .filter(organization=shown)
        .order_by("created_at"),
        "keys": keys,
        "has_key": any(key.lets_in for key in keys),
    }
