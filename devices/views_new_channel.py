"""Moving a device to a new channel, and what becomes of the one that it leaves: for managers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from channels.errors import CannotRenew
from channels.models import Channel, ChannelKey, Finding, OwnChannelQuerySet
from channels.platforms import OutOfReach, PlatformError
from channels.renewal import DEFAULT_OVERLAP
from devices import leaving, rollover
from devices.models import Device, RollOver
from devices.rollover_models import RollOverState
from orgs import audit
from orgs.http import PersonRequest, breadcrumbs, posted


class NewChannelForm(forms.Form):
    """What becomes of the channel that the device leaves."""

    old = forms.ChoiceField(
        label=gettext_lazy("What becomes of the old channel?"),
        choices=[
            ("keep", gettext_lazy("Keep it: what was measured stays on the chart. It still takes up a place.")),
            ("delete", gettext_lazy("Delete it with its measurements, once the device has the new one.")),
            ("now", gettext_lazy("Delete it with its measurements at once: somebody knows its key who should not.")),
        ],
        initial="keep",
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose what becomes of the old channel.")},
    )


def _managed(request: PersonRequest, pk: int) -> Device:
    devices = Device.objects.managed_by(request.user).filter(channel__isnull=False)
    return get_object_or_404(devices.select_related("organization", "channel__account"), pk=pk)


def _old_channels(device: Device) -> OwnChannelQuerySet:
    """The channels that the device has left, the newest first."""
    if device.channel is None:
        return Channel.objects.none()
    line = Channel.objects.of_lines([device.channel.line]).exclude(pk=device.channel.pk)
    return line.filter(left_at__isnull=False).order_by("-pk")


@require_http_methods(["GET", "HEAD", "POST"])
def new_channel(request: PersonRequest, pk: int) -> HttpResponse:
    """Move the device to a new channel after a question; while that goes on, how far it is."""
    device = _managed(request, pk)
    is_missing = Finding.objects.open().filter(kind=Finding.Kind.CHANNEL_MISSING, channel=device.channel).exists()
    form = NewChannelForm({"old": "keep"} if request.method == "POST" and is_missing else posted(request))
    if form.is_valid() and _started(request, device, form):
        return redirect("device_new_channel", pk)
    context = {
        "form": form,
        "is_missing": is_missing,
        "may_move": device.channel is not None and rollover.may_move(device.channel),
        **_about(request, device, is_missing=is_missing),
    }
    return render(request, "devices/new_channel.html", context)


def _started(request: PersonRequest, device: Device, form: NewChannelForm) -> bool:
    old = form.cleaned_data["old"]
    try:
        begun = rollover.start(
            device,
            by=request.user,
            keep_old=old == "keep",
            overlap=timedelta(0) if old == "now" else DEFAULT_OVERLAP,
            address=audit.address_of(request),
        )
    except CannotRenew as refusal:
        form.add_error(None, str(refusal))
        return False
    if begun.state in (RollOverState.MOVED, RollOverState.DONE) and begun.new_channel is not None:
        said = _("“{device}” has a new channel, {number}. It learns of it when it asks the next time.")
        messages.success(request, said.format(device=device, number=begun.new_channel.number))
    return True


def _about(request: PersonRequest, device: Device, *, is_missing: bool) -> dict[str, Any]:
    going = device.rollovers.open().select_related("old_channel", "new_channel").first()
    if going is not None and going.state == RollOverState.MOVED and is_missing:
        going = None  # The new channel is gone, too: the question is for another one.
    key = ChannelKey.objects.writing().current().filter(channel=device.channel).defer("value").first()
    account = device.channel.account if device.channel else None
    return {
        "device": device,
        "account": account,
        "going": going,
        "key": key,
        "old_channels": _old_channels(device),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("New channel")),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: PersonRequest, pk: int) -> HttpResponse:
    """Call off a move whose new channel is not there yet."""
    device = _managed(request, pk)
    if request.method == "POST":
        going = RollOver.objects.open().filter(device=device).select_related("device__organization").first()
        if going is not None and rollover.cancel(going, by=request.user, address=audit.address_of(request)):
            messages.success(request, _("The move is called off. The device stays in its channel."))
        else:
            messages.error(request, _("It is too late to call it off: the new channel is there, or just being made."))
    return redirect("device_new_channel", pk)


@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: PersonRequest, pk: int) -> HttpResponse:
    """Leave the old channel now, without waiting for the device, after a question."""
    device = _managed(request, pk)
    moved = device.rollovers.moved().select_related("device__organization", "old_channel__account").first()
    if moved is None:
        messages.info(request, _("The old channel has been left already."))
        return redirect("device_new_channel", pk)
    if request.method == "POST":
        if leaving.finish(moved, by=request.user, address=audit.address_of(request)):
            messages.success(request, _("Channel {number} is left.").format(number=moved.old_channel.number))
        else:
            said = _("Channel {number} is not left yet. {trouble}")
            messages.error(request, said.format(number=moved.old_channel.number, trouble=moved.get_trouble_display()))
        return redirect("device_new_channel", pk)
    context = {
        "device": device,
        "old": moved.old_channel,
        "consequences": _what_leaving_means(moved),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Leave the old channel")),
    }
    return render(request, "devices/leave_old_channel.html", context)


def _what_leaving_means(moved: RollOver) -> list[str]:
    names = {"number": moved.old_channel.number, "device": moved.device}
    if moved.keep_old:
        said = [
            _("Channel {number} is kept, with what was measured in it."),
            _("What “{device}” still writes to it is shown for one more day. It learns of the new one when it asks."),
        ]
    else:
        said = [
            _("Channel {number} is deleted with all that was measured in it. This cannot be undone."),
            _("If “{device}” still writes to it, it is refused, asks the portal, and goes on in the new channel."),
        ]
    return [sentence.format(**names) for sentence in said]


@require_http_methods(["GET", "HEAD", "POST"])
def delete_old(request: PersonRequest, pk: int, channel: int) -> HttpResponse:
    """Delete a channel that the device has left and that was kept, after a question."""
    device = _managed(request, pk)
    old = get_object_or_404(_old_channels(device).still_there().select_related("account"), number=channel)
    if request.method == "POST":
        try:
            leaving.delete_old(old, device=device, by=request.user, address=audit.address_of(request))
        except CannotRenew as refusal:
            messages.error(request, str(refusal))
        except OutOfReach:
            messages.error(request, _("The channel platform is out of reach at the moment. Nothing was deleted."))
        except PlatformError:
            messages.error(request, _("The channel platform does not delete it at the moment. Nothing was deleted."))
        else:
            messages.success(request, _("Channel {number} is deleted.").format(number=old.number))
        return redirect("device_new_channel", pk)
    consequences = [
        _("Channel {number} is deleted on the channel platform.").format(number=old.number),
        _("What “{device}” measured in it disappears from the chart. This cannot be undone.").format(device=device),
        _("Its write key, and read keys that people have noted, open nothing any more."),
        _("The account has one more place for a channel."),
    ]
    path = breadcrumbs(request.user, device.organization, device, _("Delete the old channel"))
    context = {"device": device, "old": old, "consequences": consequences, "breadcrumbs": path}
    return render(request, "devices/delete_old_channel.html", context)
