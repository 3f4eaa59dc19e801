"""Pages on which a manager changes a device."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from devices.forms import EditDeviceForm, MoveDeviceForm, MoveManyForm
from devices.models import Device
from orgs import access, tree
from orgs.alone import alone_with, lock_row
from orgs.http import PersonRequest, breadcrumbs, button_on, note, posted
from orgs.models import Organization
from orgs.paths import Paths
from orgs.undo import offer_undo, undone


def _managed(request: PersonRequest, pk: int) -> Device:
    return get_object_or_404(Device.objects.managed_by(request.user).select_related("organization"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    """Call a device something else, and describe it."""
    with alone_with(request, lambda: _managed(request, pk)) as device:
        form = EditDeviceForm(posted(request), device=device)
        if form.is_valid():
            before, is_renamed = str(device), form.values["name"] != device.name
            device.describe(**form.values)
            action = "device.renamed" if is_renamed else "device.described"
            note(request, action, about=device, organization=device.organization, before=before)
            said = (
                _("The device is now called “{name}”.") if is_renamed else _("What you wrote about “{name}” is saved.")
            )
            messages.success(request, said.format(name=device))
            return redirect(device)
    path = breadcrumbs(request.user, device.organization, device, _("Rename"))
    return render(request, "devices/edit.html", {"form": form, "device": device, "breadcrumbs": path})


@require_http_methods(["GET", "HEAD", "POST"])
def move(request: PersonRequest, pk: int) -> HttpResponse:
    """Put a device into another organization."""
    with alone_with(request, lambda: _managed(request, pk), lock=_lock_in_its_tree) as device:
        form = MoveDeviceForm(posted(request), device=device, user=request.user)
        if form.is_valid() and form.cleaned_data["organization"] == device.organization:
            said = _("“{device}” is in {organization} already.")
            messages.info(request, said.format(device=device, organization=Paths.of(request).to(device.organization)))
            return redirect(device)
        if form.is_valid():
            moved = [_move(request, device, form.cleaned_data["organization"])]
            said = _(
                "“{device}” is now in {organization}. Those who do not see it there have lost their read keys to it."
            ).format(device=device, organization=Paths.of(request).to(device.organization))
            offer_undo(request, said, address=reverse("devices_move_back"), moved=moved, to=device.organization_id)
            return redirect(device)
    path = breadcrumbs(request.user, device.organization, device, _("Move"))
    return render(request, "devices/move.html", {"form": form, "device": device, "breadcrumbs": path})


@require_http_methods(["GET", "HEAD", "POST"])
def move_many(request: PersonRequest) -> HttpResponse:
    """Put several devices into another organization; the list that they were chosen in has the form."""
    form = MoveManyForm(posted(request), user=request.user)
    back = request.POST.get("next", "")
    if form.is_valid():
        place, seen = form.cleaned_data["organization"], form.cleaned_data["places"]
        chosen = [device for device in form.cleaned_data["devices"] if device.organization_id != place.pk]
        with transaction.atomic():
            tree.lock_tree_of(place)
            _lock([device.pk for device in chosen])
            if not access.managed_organizations(request.user).filter(pk=place.pk).exists():
                form.add_error("organization", form.fields["organization"].error_messages["invalid_choice"])
            still = (_as_seen(request, device, seen.get(device.pk, device.organization_id)) for device in chosen)
            moved = [_move(request, device, place) for device in still if device is not None and form.is_valid()]
        if moved:
            said = ngettext("{count} device is now in {place}.", "{count} devices are now in {place}.", len(moved))
            said = said.format(count=len(moved), place=Paths.of(request).to(place))
            offer_undo(request, said, address=reverse("devices_move_back"), moved=moved, to=place.pk, back=back)
        elif not chosen:
            messages.info(request, _("What you chose is in {place} already.").format(place=Paths.of(request).to(place)))
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    return _to_list(back)


@button_on("device_list")
def move_back(request: PersonRequest) -> HttpResponse:
    """Undo `move` and `move_many`, but for devices that somebody has moved once more since."""
    what = undone(request)
    if what is None:
        messages.error(request, _("This can no longer be undone. Move them instead."))
        return redirect("device_list")
    home = dict(what["moved"])
    managed = access.managed_organizations(request.user)
    with transaction.atomic():
        for out_of in managed.filter(pk=what["to"]):
            tree.lock_tree_of(out_of)
        places = {place.pk: place for place in managed.filter(pk__in=home.values())}
        _lock(home)
        devices = Device.objects.managed_by(request.user).filter(pk__in=home, organization=what["to"])
        found = [device for device in devices.select_related("organization") if home[device.pk] in places]
        for device in found:
            _move(request, device, places[home[device.pk]])
    if found:
        said = ngettext(
            "{count} device is where it was before. Read keys that ended stay ended: new ones are made when asked for.",
            "{count} devices are where they were before. Read keys that ended stay ended: new ones are made when asked "
            "for.",
            len(found),
        )
        messages.success(request, said.format(count=len(found)))
    if others := len(home) - len(found):
        said = ngettext(
            "{count} device stays where it is: it has been moved once more since, or its old place is not yours to "
            "manage.",
            "{count} devices stay where they are: they have been moved once more since, or their old places are not "
            "yours to manage.",
            others,
        )
        messages.error(request, said.format(count=others))
    return redirect(found[0]) if found and "back" not in what else _to_list(what.get("back", ""))


def _move(request: PersonRequest, device: Device, place: Organization) -> tuple[int, int]:
    """Move a device that is locked; return which it was, and where it has been."""
    before = device.organization
    device.move(place)
    note(request, "device.moved", about=device, organization=place, before=before.name, before_number=before.pk)
    return device.pk, before.pk


def _lock_in_its_tree(device: Device) -> None:
    """Lock the tree, for its new place could be deleted in this moment, and then the device: as everybody does."""
    tree.lock_tree_of(device.organization)
    lock_row(device)


def _lock(devices: Iterable[int]) -> None:
    """Lock the devices of these primary keys, all before the first is moved: of two lists that overlap one waits.

    Whoever moved some first would hold read keys that another one ends, who holds a device that is to come next.
    """
    locked = Device.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=list(devices))
    list(locked.order_by("pk").values_list("pk"))


def _as_seen(request: PersonRequest, device: Device, place: int) -> Device | None:
    """Return a device that is locked as it is now; if it is not in the place that the person saw it in, say so.

    The place is what was sent, so it is asked anew whether they manage what is there.
    """
    found = Device.objects.managed_by(request.user).filter(pk=device.pk, organization=place)
    now = found.select_related("organization").first()
    if now is None:
        messages.error(request, _("Somebody else has just changed “{device}”. Look again.").format(device=device))
    return now


def _to_list(address: str) -> HttpResponse:
    return redirect(address if address.startswith(reverse("device_list")) else "device_list")
