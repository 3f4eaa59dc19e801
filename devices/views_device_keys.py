"""The keys of a device, for its managers: which is good until when, and renewing, ending and revoking them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from channels import renewal
from channels.errors import CannotRenew, IllegalMove
from channels.keys_used import note_all_uses_of
from channels.models import Channel, ChannelKey, Renewal, ShownKey
from channels.renewal_models import RenewalState
from devices.forms_keys import OverlapForm
from devices.models import Device
from devices.renewal_policies import Policies
from devices.spans import day_and_time
from devices.write_key_story import has_moved, lines_of, story_of
from orgs import audit
from orgs.discretion import nameable
from orgs.http import PersonRequest, breadcrumbs, posted

KEYS_A_PAGE = 10
READ_KEYS_SHOWN = 200


def managed_device(request: PersonRequest, pk: int) -> Device:
    """Return a device that the person manages, with what pages about its keys need, or answer 404."""
    devices = Device.objects.managed_by(request.user)
    return get_object_or_404(devices.select_related("organization", "channel__account", "contact"), pk=pk)


@require_safe
def keys(request: PersonRequest, pk: int) -> HttpResponse:
    """All keys of a device as a timeline, and what happens next."""
    device = managed_device(request, pk)
    context: dict[str, Any] = {
        "device": device,
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Keys")),
    }
    if device.channel is not None:
        note_all_uses_of(device.channel)
        context |= _write_keys(request, device, device.channel) | _read_keys(device)
    return render(request, "devices/device_keys.html", context)


def _write_keys(request: PersonRequest, device: Device, channel: Channel) -> dict[str, Any]:
    now = timezone.now()
    policies = Policies.of_customer(device.organization)
    # Also those of the channels that it had before: their versions count on.
    line = Channel.objects.of_lines([channel.line])
    all_keys = ChannelKey.objects.writing().filter(channel__in=line).select_related("created_by", "channel")
    all_keys = all_keys.defer("value")
    page = Paginator(all_keys.order_by("-version", "-pk"), KEYS_A_PAGE).get_page(request.GET.get("page"))
    renewals = Renewal.objects.filter(channel__in=line).select_related("new_key", "by")
    renewals = renewals.defer("new_key__value").order_by("-started_at", "-pk")
    of_these = list(renewals.filter(old_key__in=[key.pk for key in page]))
    newest = list(renewals[:3])
    good = [key for key in (page if page.number == 1 else all_keys.order_by("-version")[:KEYS_A_PAGE]) if is_good(key)]
    return {
        "page": page,
        "lines": lines_of(
            page,
            {one.old_key_id: one for one in reversed(of_these)},
            nameable([key.created_by for key in page], reader=request.user, customer=device.customer_id),
        ),
        "story": story_of(device, good, newest, device.rollovers.open().first(), policies, now),
        "policy": policies.at(device.organization),
        "can_rotate": channel.account.on_platform.can_rotate_write_keys,
        "may_renew": not any(one.state in (RenewalState.STARTED, RenewalState.OVERLAP) for one in newest),
        "overlapping": next((one for one in newest if one.state == RenewalState.OVERLAP), None),
    }


def is_good(key: ChannelKey) -> bool:
    return key.ended_at is None


def _read_keys(device: Device) -> dict[str, Any]:
    reading = ChannelKey.objects.reading().filter(channel=device.channel_id, ended_at__isnull=True)
    reading = reading.select_related("holder", "created_by").defer("value")
    shown = ShownKey.objects.of_good_keys().filter(key__channel=device.channel_id).select_related("user")
    return {
        "read_keys": reading.order_by("holder__given_name", "holder__email", "note", "pk")[:READ_KEYS_SHOWN],
        "showings": shown.order_by("-at")[:READ_KEYS_SHOWN],
        "can_add_read_keys": device.channel is not None and device.channel.account.on_platform.can_add_read_keys,
    }


@require_http_methods(["GET", "HEAD", "POST"])
def renew(request: PersonRequest, pk: int) -> HttpResponse:
    """Renew the write key, after asking how long both keys shall be good."""
    device = managed_device(request, pk)
    if device.channel is None or not device.channel.account.on_platform.can_rotate_write_keys:
        return redirect("device_keys", pk)
    wanted = Policies.of_customer(device.organization).overlap_at(device.organization)
    form = OverlapForm(posted(request), wanted=wanted)
    if form.is_valid():
        try:
            begun = renewal.renew(
                device.channel,
                by=request.user,
                overlap=form.cleaned_data["overlap"],
                address=audit.address_of(request),
            )
        except CannotRenew as refusal:
            form.add_error(None, str(refusal))
        else:
            _say(request, begun, device)
            return redirect("device_keys", pk)
    path = breadcrumbs(request.user, device.organization, device, _("Renew the write key"))
    return render(request, "devices/renew_write_key.html", {"form": form, "device": device, "breadcrumbs": path})


def _say(request: PersonRequest, begun: Renewal, device: Device) -> None:
    """Say what has become of a renewal so far."""
    if begun.state == RenewalState.STARTED:
        said = _("A new key is asked for, but: {trouble} The old key stays good until then.")
        messages.warning(request, said.format(trouble=begun.get_trouble_display()))
    elif begun.state == RenewalState.FAILED:
        messages.error(request, _("The key was not renewed: {trouble}").format(trouble=begun.get_trouble_display()))
    elif begun.deadline and begun.state == RenewalState.OVERLAP:
        said = _("“{device}” has a new write key. Both are good until it uses the new one, until {until} at most.")
        messages.success(request, said.format(device=device, until=day_and_time(begun.deadline)))
    else:
        messages.success(request, _("“{device}” has a new write key.").format(device=device))


@require_http_methods(["GET", "HEAD", "POST"])
def end(request: PersonRequest, pk: int) -> HttpResponse:
    """End the old write key of a renewal that is under way, after a question."""
    device = managed_device(request, pk)
    overlapping = Renewal.objects.overlapping().filter(channel=device.channel_id)
    running = overlapping.select_related("channel__account", "old_key", "new_key").first()
    seen = request.POST.get("renewal", "")
    if running is None or running.new_key is None or (seen and seen != str(running.pk)):
        # Between the question and the answer the device, the worker or another manager may have been faster.
        messages.info(request, _("The old key has ended already."))
        return redirect("device_keys", pk)
    if request.method == "POST":
        _end(request, running, device)
        return redirect("device_keys", pk)
    context = {
        "heading": _("End the old write key of “{device}” now?").format(device=device),
        "submit": _("End the old key"),
        "submit_icon": "hourglass-bottom",
        "consequences": _what_ending_means(device, running.new_key),
        "hidden": {"renewal": running.pk},
        "cancel_url": _keys_of(device),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("End the old key")),
    }
    return render(request, "devices/confirm_step.html", context)


def _end(request: PersonRequest, running: Renewal, device: Device) -> None:
    try:
        ended = renewal.finish(running, by=request.user, address=audit.address_of(request))
    except IllegalMove:
        ended = True  # somebody else was faster
    if ended or not running.trouble:
        messages.success(request, _("The old key of “{device}” has ended.").format(device=device))
        return
    said = _("The old key has not ended: {trouble} It ends on {until} at the latest.")
    until = day_and_time(running.deadline) if running.deadline else ""
    messages.error(request, said.format(trouble=running.get_trouble_display(), until=until))


def _what_ending_means(device: Device, new: ChannelKey) -> list[str]:
    if has_moved(new):
        return [
            _("“{device}” uses its new key and notices nothing.").format(device=device),
            _("Whatever else writes with the old key is refused from now on."),
        ]
    return [
        _("“{device}” has not used its new key yet, so its next measurement is refused.").format(device=device),
        _("It then fetches the new key by itself and sends what it has kept: nothing is lost."),
        _("A device that cannot reach the portal at the moment keeps its measurements until it can."),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: PersonRequest, pk: int) -> HttpResponse:
    """End all write keys of a device at once, in an emergency, after a question."""
    device = managed_device(request, pk)
    if device.channel is None or not device.channel.account.on_platform.can_rotate_write_keys:
        return redirect("device_keys", pk)
    if request.method == "POST":
        _revoke(request, device)
        return redirect("device_keys", pk)
    context = {
        "heading": _("Revoke the write keys of “{device}” at once?").format(device=device),
        "submit": _("Revoke the write keys of “{device}”").format(device=device),
        "submit_icon": "slash-circle",
        "consequences": [
            _("From the next request on nobody writes to this channel with any key that there has been so far."),
            _("“{device}” is refused, fetches a new key with its registration key and goes on.").format(device=device),
            _("What it measures meanwhile it keeps and sends afterwards."),
            _("If its registration key is known to somebody, too, revoke that one first: it fetches write keys."),
        ],
        "cancel_url": _keys_of(device),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Revoke the write keys")),
    }
    return render(request, "devices/confirm_step.html", context)


def _revoke(request: PersonRequest, device: Device) -> None:
    if device.channel is None:
        return
    try:
        done = renewal.revoke(device.channel, by=request.user, address=audit.address_of(request))
    except CannotRenew as refusal:
        messages.error(request, str(refusal))
        return
    if done.state == RenewalState.DONE:
        said = _("No key that “{device}” has had writes any more. It fetches a new one by itself.")
        messages.success(request, said.format(device=device))
    else:
        said = _("The keys of “{device}” could not be revoked yet: {trouble} The old ones still write.")
        messages.error(request, said.format(device=device, trouble=done.get_trouble_display()))


def _keys_of(device: Device) -> str:
    return f"{device.get_absolute_url()}keys/"
