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

from channels.vault import CannotDecrypt
from devices.forms import EditRegistrationKeyForm, NewRegistrationKeyForm
from devices.labels import qr_code
from devices.managed_key import UNREADABLE, managed_key
from devices.models import RegistrationKey
from devices.registration_key_story import line_context
from devices.views_registration_renewal import left_behind
from orgs import access
from orgs.alone import alone_with
from orgs.http import PersonRequest, breadcrumbs, note, posted

CONSOLE_LINE = "python -m devices.thermometer configure --registration-key {key} --portal {portal}"


@require_safe
def registration_key(request: PersonRequest, pk: int) -> HttpResponse:
    """One key: what it is for and, masked, what to set into a device."""
    return render(request, "devices/registration_key.html", _about(request, managed_key(request, pk)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: PersonRequest, pk: int) -> HttpResponse:
    """The same with the key in clear, as text, as line for the console, and as QR code."""
    key = managed_key(request, pk)
    if request.method != "POST":
        return redirect(key)
    try:
        text = key.text
    except CannotDecrypt:
        messages.error(request, UNREADABLE)
        return redirect(key)
    note(request, "registration_key.shown", about=key, organization=key.organization)
    template = "devices/_registration_key.html" if request.htmx else "devices/registration_key.html"
    qr = qr_code(text).svg_data_uri(scale=8, border=2)
    return render(request, template, {**_about(request, key, text), "qr": qr})


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
    with alone_with(request, lambda: managed_key(request, pk)) as key:
        if key.revoked_at or key.successor_id:
            messages.error(request, _("This key is over or has been renewed: its limits do not change any more."))
            return redirect(key)
        form = EditRegistrationKeyForm(posted(request), key=key)
        if form.is_valid():
            try:
                with transaction.atomic():
                    key.change(**form.values)
            except IntegrityError:  # By the database's own rule.
                form.add_error("use_limit", form.too_few)
            else:
                note(request, "registration_key.changed", about=key, organization=key.organization, **form.values)
                messages.success(request, _("Saved."))
                return redirect(key)
    path = breadcrumbs(request.user, key.organization, key, _("Label and limits"))
    return render(request, "devices/edit_registration_key.html", {"form": form, "key": key, "breadcrumbs": path})
