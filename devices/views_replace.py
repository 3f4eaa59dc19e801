"""The page on which a manager gives the place of a broken device to other hardware."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from devices import ending
from devices.forms_lifecycle import GiveUpDeviceForm, ReplaceDeviceForm
from devices.models import Device
from devices.readings import readings_of
from devices.views_lifecycle import done_by, managed
from orgs.http import PersonRequest, breadcrumbs, posted
from orgs.paths import Paths


@require_http_methods(["GET", "HEAD", "POST"])
def replace(request: PersonRequest, pk: int) -> HttpResponse:
    """Give the place of a broken device to another one, after a question if that one is a device here already."""
    device = managed(request, pk)
    form = ReplaceDeviceForm(posted(request))
    if form.is_valid():
        try:
            replaced = ending.replace(
                device,
                serial=form.cleaned_data["serial"],
                giving_up=form.cleaned_data["giving_up"],
                keep_other_channel=form.keeps_other_channel,
                **done_by(request),
            )
        except ending.CannotReplace as problem:
            form.add_error("serial", str(problem))
        except ending.WouldEnd as found:
            return _ask_to_give_up(request, found.other, device)
        else:
            said = _("{serial} is “{device}” now. It gets its key when it asks next: switch it on, or off and on.")
            messages.success(request, said.format(serial=replaced.serial, device=replaced))
            messages.info(request, _what_old_does(device))
            return redirect(replaced)
    context = {
        "device": device,
        "form": form,
        "consequences": _consequences(device),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Replace")),
    }
    return render(request, "devices/replace.html", context)


def _consequences(device: Device) -> list[str]:
    told = [
        _("The new one takes over the name, the place, the channel and everything measured so far."),
        _("Everybody who sees “{device}” goes on seeing it, with the same read keys.").format(device=device),
    ]
    if device.channel and not device.channel.account.on_platform.can_rotate_write_keys:
        told.append(
            _(
                "{platform} lets no program end a write key, so the device moves to a new channel there: the account "
                "must have one left. What was measured stays on the chart."
            ).format(platform=device.channel.account.get_platform_display())
        )
    elif device.channel:
        told.append(_("The write key is renewed, so that the old hardware cannot write any more."))
    if device.blocked_at is None:
        told.append(_("The serial number {serial} is free again.").format(serial=device.serial))
    told.append(_what_old_does(device))
    return told


def _what_old_does(device: Device) -> str:
    if device.blocked_at:
        return _("The old one is blocked and stays out. The new one is not blocked.")
    return _("If the old one asks again with a good registration key, it comes in as a new device, and you are told.")


def _ask_to_give_up(request: PersonRequest, other: Device, device: Device) -> HttpResponse:
    context = {
        "device": device,
        "other": other,
        "form": GiveUpDeviceForm(device=other),
        "sent_along": {"serial": other.serial, "giving_up": other.pk},
        "consequences": [_which_one(other, Paths.of(request)), *_what_becomes_of(other, device)],
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Replace")),
    }
    return render(request, "devices/replace_other.html", context)


def _which_one(other: Device, paths: Paths) -> str:
    """Say which device has the serial number, so that whoever mistyped one recognizes a stranger."""
    (reading,) = readings_of([other], timezone.now()).all
    said = (
        _("{serial} is “{device}” in {place} ({state}, channel {number}).")
        if other.channel
        else _("{serial} is “{device}” in {place} ({state}).")
    )
    number = other.channel.number if other.channel else None
    place, state = paths.to(other.organization), reading.state.text
    return said.format(serial=other.serial, device=other, place=place, state=state, number=number)


def _what_becomes_of(other: Device, device: Device) -> list[str]:
    told = [
        _("“{device}” with the serial number {serial} is deleted here for good.").format(
            device=other, serial=other.serial
        ),
        _("Nobody sees it any more, and the read keys that people and programs have for it end."),
        _("Its hardware is “{device}” from then on: it gets that one’s key when it asks next.").format(device=device),
    ]
    if other.blocked_at:
        told.append(_("It is blocked now; as “{device}” it is let in again.").format(device=device))
    return told
