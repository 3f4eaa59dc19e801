"""Read keys for programs, on a page of the device: for managers alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from channels import program_keys
from channels.models import ChannelKey, ChannelKeyQuerySet
from channels.platforms import BadAccountKey, CannotDo, NoSuchChannel, OutOfReach, PlatformError
from devices.models import Device
from orgs import audit
from orgs.discretion import nameable
from orgs.http import Breadcrumb, PersonRequest, breadcrumbs, posted


class ProgramKeyForm(forms.Form):
    """What the key is for."""

    note = forms.CharField(
        label=gettext_lazy("What is it for?"),
        max_length=255,
        help_text=gettext_lazy("So that you know later which program to change: “Home Assistant in the hall”."),
    )


def _managed(request: PersonRequest, pk: int) -> Device:
    devices = Device.objects.managed_by(request.user).filter(channel__isnull=False)
    return get_object_or_404(devices.select_related("organization", "channel__account"), pk=pk)


def _keys(device: Device) -> ChannelKeyQuerySet:
    return ChannelKey.objects.for_programs().filter(channel=device.channel_id)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def program_keys_of(request: PersonRequest, pk: int) -> HttpResponse:
    """The keys that programs have, and a form for one more, which is shown once."""
    device = _managed(request, pk)
    form, made = ProgramKeyForm(posted(request)), None
    if form.is_valid() and device.channel:
        try:
            made = program_keys.add(
                device.channel, note=form.cleaned_data["note"], by=request.user, address=audit.address_of(request)
            )
            form = ProgramKeyForm()
        except PlatformError as trouble:
            form.add_error(None, _why_not(trouble))
    return render(request, "devices/program_keys.html", _context(request, device, form=form, made=made))


def _why_not(trouble: PlatformError) -> str:
    """Return for people what the platform has refused; its own words are for the log."""
    match trouble:
        case OutOfReach():
            return _("The channel platform is out of reach at the moment. Please try again in a minute.")
        case NoSuchChannel():
            return _("The device’s channel was deleted on the channel platform.")
        case CannotDo():
            return _("The channel platform has no read keys for programs of their own.")
        case BadAccountKey():
            return _(
                "The channel platform refuses the account key, so no key can be made there. Whoever manages the "
                "customer has to enter the new account key first."
            )
    return _("The channel platform gave an answer that makes no sense. No key was made.")


def _context(request: PersonRequest, device: Device, **more: Any) -> dict[str, Any]:
    keys = list(_keys(device).select_related("created_by").defer("value").order_by("-created_at"))
    return {
        "device": device,
        "keys": keys,
        "nameable": nameable([key.created_by for key in keys], reader=request.user, customer=device.customer_id),
        "may_add": device.channel is not None and device.channel.account.on_platform.can_add_read_keys,
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("Keys for programs")),
        **more,
    }


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: PersonRequest, pk: int, key: int) -> HttpResponse:
    """End one of them, after a question: it cannot be given back."""
    device = _managed(request, pk)
    found = get_object_or_404(_keys(device).select_related("channel__account"), pk=key)
    if request.method == "POST":
        program_keys.revoke(found, by=request.user, address=audit.address_of(request))
        messages.success(request, _("The key “{note}” reads nothing any more.").format(note=found.note))
        return redirect("device_program_keys", pk)
    page: Breadcrumb = {"label": _("Keys for programs"), "url": reverse("device_program_keys", args=[pk])}
    context = {
        "heading": _("Revoke the key “{note}”?").format(note=found.note),
        "submit": _("Revoke “{note}”").format(note=found.note),
        "submit_icon": "slash-circle",
        "consequences": [
            _("The program that uses it reads “{device}” no longer, at once.").format(device=device),
            _("The key cannot be given back: should the program need one again, make a new one and set it there."),
            _("Other programs and people notice nothing."),
        ],
        "cancel_url": page["url"],
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, page, _("Revoke")),
    }
    return render(request, "devices/confirm_step.html", context)
