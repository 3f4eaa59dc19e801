"""Who can see this device, and why; what can this person see, and why."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from channels.models import ChannelKey
from devices.models import Device
from devices.sight import devices_seen_by, outsiders_who_know_a_key, what_is_seen, who_sees
from orgs import access
from orgs.http import PersonRequest, breadcrumbs
from orgs.models import User
from orgs.paths import Paths
from orgs.views_people import under_people

PEOPLE_A_PAGE = 50
DEVICES_A_PAGE = 25


@require_safe
def device_people(request: PersonRequest, pk: int) -> HttpResponse:
    """Everybody who sees a device: by which place, until when, and with which key."""
    devices = Device.objects.managed_by(request.user).select_related("organization", "channel__account")
    device = get_object_or_404(devices, pk=pk)
    page, seers = who_sees(
        device,
        viewer=request.user,
        paths=Paths.of(request),
        page=request.GET.get("page"),
        a_page=PEOPLE_A_PAGE,
    )
    context = {
        "device": device,
        "page": page,
        "seers": seers,
        "outsiders": outsiders_who_know_a_key(device),
        "programs": ChannelKey.objects.for_programs().filter(channel=device.channel_id).count(),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Who sees it")),
    }
    return render(request, "devices/device_people.html", context)


@require_safe
def person(request: PersonRequest, pk: int) -> HttpResponse:
    """Somebody's places in what I manage, and what they see by them."""
    somebody = get_object_or_404(User.objects.all(), pk=pk)
    managed = access.managed_memberships(request.user).filter(user=somebody)
    places = list(managed.select_related("organization", "created_by").order_by("organization__lft"))
    if not places:
        raise Http404
    all_places = access.known_memberships(request.user).filter(user=somebody).select_related("organization")
    page = Paginator(
        devices_seen_by(somebody, viewer=request.user)
        .select_related("organization")
        .order_by("organization__tree_id", "organization__lft", *Device.BY_NAME),
        DEVICES_A_PAGE,
    ).get_page(request.GET.get("page"))
    reasons = list(all_places.order_by("-organization__level"))
    known = access.visible_organizations(request.user).filter(memberships__in=[place.pk for place in reasons])
    may_know = set(known.values_list("pk", flat=True))
    seen = what_is_seen(list(page), somebody, reasons, may_know, Paths.of(request))
    context = {
        "person": somebody,
        "places": places,
        "page": page,
        "seen": seen,
        "breadcrumbs": under_people(str(somebody)),
    }
    return render(request, "devices/person.html", context)
