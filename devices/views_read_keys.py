"""A manager renews or revokes the read key of one person; the person finds a new one."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from channels import keys_read
from channels.models import ChannelKey, KeyState
from channels.platforms import PlatformError
from devices.models import Device
from devices.renewal_mail import tell_holders
from devices.renewal_policies import Policies
from devices.spans import day_and_time
from devices.views_device_keys import managed_device
from orgs import audit
from orgs.http import PersonRequest, breadcrumbs


def _own_key(device: Device, key: int) -> ChannelKey:
    own = ChannelKey.objects.reading().filter(channel=device.channel_id, holder__isnull=False)
    return get_object_or_404(own.select_related("channel__account", "holder"), pk=key)


@require_http_methods(["GET", "HEAD", "POST"])
def renew(request: PersonRequest, pk: int, key: int) -> HttpResponse:
    """Let somebody's read key run out: they find a new one when they look, and are told by mail."""
    device = managed_device(request, pk)
    old = _own_key(device, key)
    overlap, now = Policies.of_customer(device.organization).overlap_at(device.organization), timezone.now()
    until = day_and_time(now + overlap)
    if request.method == "POST":
        _renew(request, old, device, overlap)
        return redirect("device_keys", pk)
    context = {
        "heading": _("Renew the read key of {person}?").format(person=old.holder),
        "submit": _("Renew the read key of {person}").format(person=old.holder),
        "submit_icon": "arrow-repeat",
        "consequences": [
            _("{person} finds a new key with the device, and gets a mail that says so.").format(person=old.holder),
            _("The old one goes on reading until {until}.").format(until=until),
        ],
        "cancel_url": reverse("device_keys", args=[pk]),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Renew a read key")),
    }
    return render(request, "devices/confirm_step.html", context)


def _renew(request: PersonRequest, old: ChannelKey, device: Device, overlap: timedelta) -> None:
    now = timezone.now()
    try:
        renewed = old.state == KeyState.CURRENT and keys_read.renew_read_key(
            old, overlap=overlap, now=now, by=request.user, address=audit.address_of(request)
        )
    except PlatformError:
        messages.error(request, _("The channel platform is out of reach. Please try again in a minute."))
        return
    if not renewed:
        messages.info(request, _("This key is not in use any more."))
        return
    tell_holders([old])
    said = _("{person} finds a new key with “{device}”. The old one goes on reading until {until}.")
    messages.success(request, said.format(person=old.holder, device=device, until=day_and_time(now + overlap)))


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: PersonRequest, pk: int, key: int) -> HttpResponse:
    """End somebody's read key at once, after a question."""
    device = managed_device(request, pk)
    old = _own_key(device, key)
    if request.method == "POST":
        if keys_read.revoke_own_read_key(old, by=request.user, address=audit.address_of(request)):
            messages.success(request, _("The read key of {person} reads nothing any more.").format(person=old.holder))
        else:
            messages.info(request, _("This key is not in use any more."))
        return redirect("device_keys", pk)
    context = {
        "heading": _("Revoke the read key of {person} at once?").format(person=old.holder),
        "submit": _("Revoke the read key of {person}").format(person=old.holder),
        "submit_icon": "slash-circle",
        "consequences": [
            _("Programs and addresses that use it show nothing from the next request on."),
            _("Nobody else's key is touched."),
            _(
                "{person} still sees “{device}” and gets a new key when asking for it. To end that, "
                "remove {person} from the organization."
            ).format(person=old.holder, device=device),
        ],
        "cancel_url": reverse("device_keys", args=[pk]),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Revoke a read key")),
    }
    return render(request, "devices/confirm_step.html", context)
