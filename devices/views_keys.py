"""Registration keys: for managers alone, masked until asked for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from devices.forms import EditRegistrationKeyForm, NewRegistrationKeyForm
from devices.labels import LabelsForm, qr_code, qr_symbol
from devices.models import RegistrationKey
from devices.registration_key_story import line_context
from devices.views_registration_renewal import left_behind
from orgs import access
from orgs.http import PersonRequest, breadcrumbs, note, posted

CONSOLE_LINE = "python -m devices.thermometer configure --registration-key {key} --portal {portal}"


def _managed(request: PersonRequest, pk: int) -> RegistrationKey:
    keys = RegistrationKey.objects.managed_by(request.user).select_related("organization", "created_by", "successor")
    return get_object_or_404(keys, pk=pk)


@require_safe
def registration_key(request: PersonRequest, pk: int) -> HttpResponse:
    """One key: what it is for and, masked, what to set into a device."""
    return render(request, "devices/registration_key.html", _about(request, _managed(request, pk)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: PersonRequest, pk: int) -> HttpResponse:
    """The same with the key in clear, as text, as line for the console, and as QR code."""
    key = _managed(request, pk)
    if request.method != "POST":
        return redirect(key)
    note(request, "registration_key.shown", about=key, organization=key.organization)
    template = "devices/_registration_key.html" if request.htmx else "devices/registration_key.html"
    qr = qr_code(key.text).svg_data_uri(scale=8, border=2)
    return render(request, template, {**_about(request, key, key.text), "qr": qr})


def _about(request: PersonRequest, key: RegistrationKey, shown: str = "") -> dict[str, Any]:
    address = reverse("device_registration", args=["SERIAL"]).replace("SERIAL", "<serial>")
    renewing = line_context(key, timezone.now())
    if renewing["moving"]:
        renewing["page"] = left_behind(request, renewing["moving"].old)
    return {
        **renewing,
        "key": key,
        "shown": shown,
        "console_line": CONSOLE_LINE.format(key=shown or key.masked, portal=settings.PUBLIC_URL),
        "device_address": f"{settings.PUBLIC_URL}{address}?key={key.lookup}",
        "breadcrumbs": breadcrumbs(request.user, key.organization, _("Registration key {key}").format(key=key)),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: PersonRequest, pk: int) -> HttpResponse:
    """Make another registration key for an organization."""
    organization = get_object_or_404(access.managed_organizations(request.user), pk=pk)
    form = NewRegistrationKeyForm(posted(request))
    if form.is_valid():
        with transaction.atomic():
            key = RegistrationKey.issue(organization, by=request.user, **form.cleaned_data)
            note(request, "registration_key.issued", about=key, organization=organization)
        messages.success(request, _("The new registration key is ready. Set it into your devices."))
        return redirect(key)
    path = breadcrumbs(request.user, organization, _("New registration key"))
    return render(
        request, "devices/new_registration_key.html", {"form": form, "organization": organization, "breadcrumbs": path}
    )


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    """Change label, last day and limit of a key."""
    key = _managed(request, pk)
    if key.revoked_at or key.successor_id:
        messages.error(request, _("This key is over or has been renewed: its limits do not change any more."))
        return redirect(key)
    form = EditRegistrationKeyForm(posted(request), key=key)
    if form.is_valid():
        try:
            with transaction.atomic():
                changed = key.change(**form.values)
                if changed:
                    note(request, "registration_key.changed", about=key, organization=key.organization, **form.values)
        except IntegrityError:  # One more device came in while the limit was lowered.
            form.add_error("use_limit", form.too_few)
        else:
            if changed:
                messages.success(request, _("Saved."))
            return redirect("registration_key_edit" if not changed else "registration_key", pk)
    path = breadcrumbs(request.user, key.organization, key, _("Label and limits"))
    return render(request, "devices/edit_registration_key.html", {"form": form, "key": key, "breadcrumbs": path})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def labels(request: PersonRequest, pk: int) -> HttpResponse:
    """Labels with the key, to be printed: what is shown with them is in the audit."""
    key = _managed(request, pk)
    if not key.is_good:
        messages.error(request, _("This key lets no device in. Print labels of a good one."))
        return redirect(key)
    form = LabelsForm(posted(request))
    context: dict[str, Any] = {
        "form": form,
        "key": key,
        "breadcrumbs": breadcrumbs(request.user, key.organization, key, _("Labels")),
    }
    if form.is_valid():
        wanted = form.cleaned_data
        note(request, "registration_key.shown", about=key, organization=key.organization, labels=wanted["count"])
        context |= {
            "pages": form.pages(),
            "sheet": wanted["sheet"],
            "text": key.text if wanted["readable"] else key.masked,
            "qr": qr_symbol(key.text),
        }
    return render(request, "devices/labels.html", context)
