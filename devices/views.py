"""Pages for everybody who sees a device: My devices, one device, its chart, its values, the read key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_safe

from channels.platforms import NoSuchChannel, PlatformError
from channels.reading_keys import read_key_for
from devices import live
from devices.attention import matters_for
from devices.door_discretion import without_what_is_elsewhere
from devices.feeds import FeedQuery, as_json
from devices.finding import find
from devices.forms import MoveManyForm
from devices.latest import FIELD, feed_of
from devices.matters import Attention
from devices.models import Device, FormerDevice
from devices.readings import UNIT, as_people_read_them, readings_of
from devices.snippets import snippets_for
from orgs import access
from orgs.http import PersonRequest, below_my_devices, breadcrumbs, note
from orgs.models import Organization
from orgs.paths import Paths

CARDS_A_PAGE = 12
ROWS_A_PAGE = 50
COLUMNS = (
    ("name", gettext_lazy("Device")),
    ("place", gettext_lazy("Organization")),
    ("value", gettext_lazy("Last value")),
    ("measured", gettext_lazy("Measured")),
)
ORDERS = (
    ("", gettext_lazy("By organization")),
    ("name", gettext_lazy("Name, A to Z")),
    ("-name", gettext_lazy("Name, Z to A")),
    ("-value", gettext_lazy("The warmest first")),
    ("value", gettext_lazy("The coldest first")),
    ("-measured", gettext_lazy("Measured last first")),
    ("measured", gettext_lazy("Silent for longest first")),
)
"""The same to choose from, where a screen is too narrow for headings."""
VALUES_SHOWN = 20
GRAPH = {"results": "60", "dynamic": "true"}
FRAMED = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'"


def _visible(request: PersonRequest, pk: int) -> Device:
    devices = Device.objects.visible_to(request.user).select_related("organization", "channel__account", "contact")
    return get_object_or_404(devices, pk=pk)


@require_safe
def mine(request: PersonRequest) -> HttpResponse:
    """My devices: what needs attention, then a card each, with value, chart and read key."""
    now = timezone.now()
    if request.GET.get("state") == "pending":
        return redirect("pending_devices")
    managed = _first_managed(request)
    found = find(request.user, request.GET, a_page=CARDS_A_PAGE, now=now, is_manager=managed is not None)
    starts = found.page.number == 1 and not found.is_narrowed
    context = _where_there_are_none(request, managed) | {
        "found": found,
        "shown": live.shown(found.readings, found.page, now),
        "places": len({reading.device.organization_id for reading in found.readings}),
        "attention": _attention(request, now) if managed and starts else None,
        "unanswered": access.managed_invitations(request.user).open(now).count() if managed and starts else 0,
    }
    return render(request, "devices/mine.html", context)


def _attention(request: PersonRequest, now: datetime) -> Attention:
    return Attention(matters_for(request.user, now, Paths.of(request)))


def _first_managed(request: PersonRequest) -> Organization | None:
    return access.managed_organizations(request.user).order_by("tree_id", "lft").first()


def _where_there_are_none(request: PersonRequest, managed: Organization | None) -> dict[str, Any]:
    """What to do next for somebody who sees no device depends on this."""
    belongs_somewhere = access.visible_organizations(request.user).exists()
    return {
        "managed": managed,
        "belongs_somewhere": belongs_somewhere,
        "ended": None if belongs_somewhere else access.last_place_that_ended(request.user),
        "suspended": access.suspended_customers_of(request.user),
    }


@require_safe
def mine_live(request: PersonRequest) -> HttpResponse:
    """What is other than one page of My devices shows, to be put into the page that stands."""
    now = timezone.now()
    found = find(request.user, request.GET, a_page=CARDS_A_PAGE, now=now)
    changes = live.changes(request.GET, found.readings, found.page, now)
    context: dict[str, Any] = {
        "found": found,
        "changes": changes,
        "appeared": changes.appeared(to=request.user),
        "left": changes.left(Device.objects.visible_to(request.user)),
    }
    if changes.came_or_went and (changes.was_empty or not found.readings):
        context |= _where_there_are_none(request, _first_managed(request)) | {"redraws_all": True}
    return render(request, "devices/_mine_live.html", context)


@require_safe
def attention_live(request: PersonRequest) -> HttpResponse:
    """What needs attention, if it is other than My devices shows. Asked less often: it costs more than all values."""
    attention = _attention(request, timezone.now())
    if attention.shown == request.GET.get("attention"):
        return HttpResponse(status=204)
    return render(request, "devices/_attention_live.html", {"attention": attention})


@require_safe
def device_list(request: PersonRequest) -> HttpResponse:
    """The same devices as rows, to be searched, sorted, and moved many at once."""
    if request.GET.get("state") == "pending":
        return redirect("pending_devices")
    managed = set(access.managed_organizations(request.user).values_list("pk", flat=True))
    found = find(request.user, request.GET, a_page=ROWS_A_PAGE, now=timezone.now(), is_manager=bool(managed))
    path = below_my_devices(_("As a list"))
    context = {
        "found": found,
        "managed": managed,
        "columns": _columns(request, found.order),
        "orders": ORDERS,
        "breadcrumbs": path,
    }
    if managed:
        context["move_form"] = MoveManyForm(user=request.user)
    return render(request, "devices/list.html", context)


@dataclass(frozen=True)
class Column:
    """A heading of the list, by which it can be sorted; `direction` as in aria-sort."""

    label: Promise
    is_number: bool = False
    url: str = ""
    direction: str = "none"


def _columns(request: PersonRequest, order: str) -> list[Column]:
    """The headings: each leads to the list in its order, the one that it is in to the other direction."""
    columns = []
    for name, label in COLUMNS:
        parameters = request.GET.copy()
        parameters.pop("page", None)
        parameters["order"] = f"-{name}" if order == name else name
        direction = {name: "ascending", f"-{name}": "descending"}.get(order, "none")
        columns.append(Column(label, name == "value", f"?{parameters.urlencode()}", direction))
    return columns


@require_safe
def device(request: PersonRequest, pk: int) -> HttpResponse:
    """Everything about one device that this person may see."""
    return render(request, "devices/device.html", _about(request, _visible(request, pk)))


@require_safe
def device_live(request: PersonRequest, pk: int) -> HttpResponse:
    """What changes on the page of one device, from its value to its name, to be put into the page that stands."""
    (reading,) = readings_of([_visible(request, pk)], timezone.now()).all
    return render(request, "devices/_device_live.html", {"reading": reading})


def _about(request: PersonRequest, device: Device) -> dict[str, Any]:
    readings = readings_of([device], timezone.now())
    may_manage = access.may_manage(request.user, device.organization)
    return {
        "device": device,
        "out_of_reach": readings.out_of_reach,
        "reading": readings.all[0],
        "may_manage": may_manage,
        "breadcrumbs": breadcrumbs(request.user, device.organization, device),
        "masked_snippets": snippets_for(device),
        "former": _former(request, device) if may_manage else [],
    }


def _former(request: PersonRequest, device: Device) -> list[FormerDevice]:
    former = list(FormerDevice.objects.known_to(device))
    without_what_is_elsewhere(former, reader=request.user)
    return former


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def read_key(request: PersonRequest, pk: int) -> HttpResponse:
    """Show this person's read key, and the address that shows the graph with it."""
    device = _visible(request, pk)
    if request.method != "POST" or device.channel is None:
        return redirect(device)
    shown: dict[str, Any] = {"device": device}
    try:
        shown["key"] = read_key_for(request.user, device.channel)
    except PlatformError:
        shown["key_problem"] = _("The channel platform is out of reach at the moment. Please try again in a minute.")
    else:
        note(request, "read_key.shown", about=device, organization=device.organization)
        platform = device.channel.account.on_platform
        shown["snippets"] = snippets_for(device, shown["key"])
        shown["graph"] = platform.chart_url(device.channel.number, FIELD, api_key=shown["key"], **GRAPH)
    if request.htmx:
        return render(request, "devices/_read_key.html", shown)
    status = 503 if "key_problem" in shown else 200
    return render(request, "devices/device.html", {**_about(request, device), **shown}, status=status)


@require_safe
def feed(request: PersonRequest, pk: int) -> HttpResponse:
    """The data of the chart. The session says who asks, so that no key is in the address."""
    device = _visible(request, pk)
    query = FeedQuery.read(request.GET)
    no_store = {"Cache-Control": "private, no-store"}
    if device.channel is None:
        return JsonResponse(_refusal(_("The device has no channel yet.")), status=404, headers=no_store)
    try:
        found = query.ask(device.channel, timezone.now())
    except NoSuchChannel:
        message = _("The device’s channel was deleted on the channel platform.")
        return JsonResponse(_refusal(message), status=404, headers=no_store)
    except PlatformError:
        message = _("The channel platform is out of reach at the moment.")
        return JsonResponse(_refusal(message), status=503, headers=no_store | {"Retry-After": "30"})
    return JsonResponse(as_json(device, found, query), headers=no_store, json_dumps_params={"separators": (",", ":")})


def _refusal(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


@require_safe
@xframe_options_sameorigin
def values(request: PersonRequest, pk: int) -> HttpResponse:
    """The newest values as a table, for those who cannot see the chart; also inside of other pages."""
    device = _visible(request, pk)
    context: dict[str, Any] = {"device": device, "unit": UNIT}
    if device.channel is not None:
        try:
            found = feed_of(device.channel, results=VALUES_SHOWN)
        except NoSuchChannel:
            context["is_gone"] = True
        except PlatformError:
            context["out_of_reach"] = True
        else:
            entries = list(reversed(found.entries))
            read = as_people_read_them([entry.values.get(FIELD, "") for entry in entries])
            context["rows"] = [
                {"at": entry.created_at, "value": value} for entry, value in zip(entries, read, strict=True)
            ]
    framed = "framed" in request.GET
    if not framed:
        context["breadcrumbs"] = breadcrumbs(request.user, device.organization, device, _("Values"))
    response = render(request, "devices/values_framed.html" if framed else "devices/values.html", context)
    if framed:
        response["Content-Security-Policy"] = FRAMED
    return response
