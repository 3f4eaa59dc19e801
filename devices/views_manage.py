"""Pages on which a manager changes a device."""

from __future__ import annotations

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
from orgs.http import PersonRequest, breadcrumbs, note, posted


def _managed(request: PersonRequest, pk: int) -> Device:
    return get_object_or_404(Device.objects.managed_by(request.user).select_related("organization"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    """Call a device something else, and describe it."""
    device = _managed(request, pk)
    form = EditDeviceForm(posted(request), device=device)
    if form.is_valid():
        with transaction.atomic():
            before = device.name
            device.describe(**form.values)
            done = "device.described" if device.name == before else "device.renamed"
            note(request, done, about=device, organization=device.organization, before=before)
        messages.success(request, _("The device is now called “{name}”.").format(name=device))
        return redirect(device)
    path = breadcrumbs(request.user, device.organization, device, _("Rename"))
    return render(request, "devices/edit.html", {"form": form, "device": device, "breadcrumbs": path})


@require_http_methods(["GET", "HEAD", "POST"])
def move_many(request: PersonRequest) -> HttpResponse:
    """Put several devices into another organization; the list that they were chosen in has the form."""
    form = MoveManyForm(posted(request), user=request.user)
    if form.is_valid():
        moved, place = form.cleaned_data["devices"], form.cleaned_data["organization"]
        with transaction.atomic():
            for device in moved:
                before = device.organization.name
                device.move(place)
                note(request, "device.moved", about=device, organization=place, before=before)
        said = ngettext("{count} device is now in {place}.", "{count} devices are now in {place}.", len(moved))
        messages.success(request, said.format(count=len(moved), place=place.name))
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    back = request.POST.get("next", "")
    return redirect(back if back.startswith(reverse("device_list")) else "device_list")


@require_http_methods(["GET", "HEAD", "POST"])
def move(request: PersonRequest, pk: int) -> HttpResponse:
    """Put a device into another organization."""
    device = _managed(request, pk)
    form = MoveDeviceForm(posted(request), device=device, user=request.user)
    if form.is_valid():
        with transaction.atomic():
            before = device.organization.name
            device.move(form.cleaned_data["organization"])
            note(request, "device.moved", about=device, organization=device.organization, before=before)
        said = _("“{device}” is now in {organization}. Those who do not see it there have lost their read keys to it.")
        messages.success(request, said.format(device=device, organization=device.organization))
        return redirect(device)
    path = breadcrumbs(request.user, device.organization, device, _("Move"))
    return render(request, "devices/move.html", {"form": form, "device": device, "breadcrumbs": path})
