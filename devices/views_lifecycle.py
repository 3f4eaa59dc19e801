"""Pages on which a manager blocks, unblocks, replaces or deletes devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from devices import blocking, ending
from devices.forms_lifecycle import DeleteDeviceForm, ManyForm
from devices.models import Device
from orgs.audit import address_of
from orgs.http import Breadcrumb, PersonRequest, breadcrumbs, button_on, posted


def managed(request: PersonRequest, pk: int) -> Device:
    devices = Device.objects.managed_by(request.user).select_related("organization", "channel__account")
    return get_object_or_404(devices, pk=pk)


def done_by(request: PersonRequest) -> dict[str, Any]:
    return {"by": request.user, "address": address_of(request)}


@require_http_methods(["GET", "HEAD", "POST"])
def block(request: PersonRequest, pk: int) -> HttpResponse:
    """Shut a device out, after a question."""
    device = managed(request, pk)
    if request.method == "POST":
        blocking.block(device, **done_by(request))
        messages.success(request, _said_blocked([device]))
        return redirect(device)
    path = breadcrumbs(request.user, device.organization, device, _("Block"))
    return _ask_to_block(request, [device], cancel_url=device.get_absolute_url(), breadcrumbs=path)


@button_on("device")
def unblock(request: PersonRequest, pk: int) -> HttpResponse:
    """Let a device in again."""
    device = managed(request, pk)
    blocking.unblock(device, **done_by(request))
    messages.success(request, _said_unblocked([device]))
    return redirect(device)


@require_http_methods(["GET", "HEAD", "POST"])
def block_many(request: PersonRequest) -> HttpResponse:
    """Shut several devices out: the list has the form, and a question comes first."""
    form = ManyForm(posted(request), user=request.user)
    back = _back(request)
    if not form.is_valid():
        return _or_say_why_not(request, form, back)
    chosen = list(form.cleaned_data["devices"])
    if "confirmed" not in request.POST:
        path: list[Breadcrumb] = [{"label": _("As a list"), "url": back}, {"label": _("Block")}]
        return _ask_to_block(request, chosen, cancel_url=back, next=back, breadcrumbs=path)
    blocking.block_all(chosen, **done_by(request))
    messages.success(request, _said_blocked(chosen))
    return redirect(back)


@require_http_methods(["GET", "HEAD", "POST"])
def unblock_many(request: PersonRequest) -> HttpResponse:
    """Let several devices in again; the list has the form."""
    form = ManyForm(posted(request), user=request.user)
    if form.is_valid():
        done = [device for device in form.cleaned_data["devices"] if blocking.unblock(device, **done_by(request))]
        if done:
            messages.success(request, _said_unblocked(done))
        else:
            messages.info(request, _("None of these was blocked."))
    return _or_say_why_not(request, form, _back(request))


def _or_say_why_not(request: PersonRequest, form: ManyForm, back: str) -> HttpResponse:
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    return redirect(back)


def _back(request: PersonRequest) -> str:
    back = request.POST.get("next", "")
    return back if back.startswith(reverse("device_list")) else reverse("device_list")


def _ask_to_block(request: PersonRequest, devices: Sequence[Device], **context: Any) -> HttpResponse:
    context |= {"devices": devices, "one": devices[0], "count": len(devices), "consequences": _consequences(devices)}
    return render(request, "devices/block.html", context)


def _consequences(devices: Sequence[Device]) -> list[str]:
    told = [_("The portal gives no key to what is blocked, until you unblock it.")]
    here = [device for device in devices if device.channel]
    stubborn = [one for one in here if one.channel and not one.channel.account.on_platform.can_rotate_write_keys]
    if len(here) > len(stubborn):
        told.append(_("The write key ends at once: nothing it measures is stored any more."))
    for device in stubborn[:5]:
        told.append(ending_by_hand(device))
    told.append(_("Everything measured so far stays, and everybody who sees the device goes on seeing it."))
    told.append(_("When you unblock it, it gets a key again by itself, and sends what it has kept meanwhile."))
    return told


def ending_by_hand(device: Device) -> str:
    """Say how to end the write key of a device on a platform that lets nobody do that but people."""
    assert device.channel is not None  # noqa: S101 - the caller has looked
    return _(
        "{platform} lets no program end a write key, so “{device}” can go on writing. To stop that, open channel "
        "{number} there, then “API Keys”, and generate a new write API key."
    ).format(platform=device.channel.account.get_platform_display(), device=device, number=device.channel.number)


def _said_blocked(devices: Sequence[Device]) -> str:
    said = ngettext("“{name}” is blocked.", "{count} devices are blocked.", len(devices))
    return said.format(name=devices[0], count=len(devices))


def _said_unblocked(devices: Sequence[Device]) -> str:
    said = ngettext(
        "“{name}” is not blocked any more. It has its key within the hour, or at once if you switch it off and on.",
        "{count} devices are not blocked any more. They have their keys within the hour, or at once if you switch "
        "them off and on.",
        len(devices),
    )
    return said.format(name=devices[0], count=len(devices))


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    """Delete a device, after asking what becomes of its channel."""
    device = managed(request, pk)
    form = DeleteDeviceForm(posted(request), device=device)
    if form.is_valid():
        ending.delete(device, keep_channel=form.keeps_channel, **done_by(request))
        messages.success(request, _("“{device}” is deleted.").format(device=device))
        return redirect("device_list")
    told = [
        _("“{device}” with the serial number {serial} is deleted here for good.").format(
            device=device, serial=device.serial
        ),
        _("Nobody sees it any more, and the read keys that people and programs have for it end."),
    ]
    if device.blocked_at:
        told.append(_("It is blocked and stays out: you find it among those refused at the door."))
    else:
        told.append(_("If it asks again with a good registration key, it comes in as a new device, and you are told."))
    if device.channel and not device.channel.account.on_platform.can_rotate_write_keys:
        told.append(ending_by_hand(device))
    context = {
        "device": device,
        "form": form,
        "consequences": told,
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Delete")),
    }
    return render(request, "devices/delete.html", context)
