"""Labels to be printed: of one registration key, or of one for each flat of a house."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from devices.keys_below import KeysBelow, with_secrets
from devices.labels import LabelsForm, LabelsOfEachForm
from devices.managed_key import UNREADABLE, managed_key
from devices.tasks import is_making_registration_keys, make_registration_keys
from devices.views_organization_keys import managed_organization
from orgs import audit
from orgs.http import PersonRequest, breadcrumbs, button_on, note, posted
from orgs.paths import Paths


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def labels(request: PersonRequest, pk: int) -> HttpResponse:
    """Labels with the key, to be printed: what is shown with them is in the audit."""
    key = managed_key(request, pk)
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
        keys, count = with_secrets([key]), form.cleaned_data["count"]
        if not keys:
            messages.error(request, UNREADABLE)
            return redirect(key)
        note(request, "registration_key.shown", about=key, organization=key.organization, labels=count)
        context |= form.printed(keys, copies=count)
    return render(request, "devices/labels.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def below(request: PersonRequest, pk: int) -> HttpResponse:
    """Labels for all flats below an organization. While keys are made for them the page says how far that is."""
    organization = managed_organization(request, pk)
    paths = Paths.of(request)
    found = KeysBelow.of(organization, paths)
    form = LabelsOfEachForm(posted(request), keys=found.keys, paths=paths)
    wants_those_ready = request.method == "POST" or "ready" in request.GET
    context: dict[str, Any] = {
        "organization": organization,
        "found": found,
        "form": form,
        "is_making": not wants_those_ready and found.missing and is_making_registration_keys(organization),
        "breadcrumbs": breadcrumbs(request.user, organization, _("Labels")),
    }
    if found.keys and form.is_valid():
        each, keys = form.cleaned_data["each"], with_secrets(form.keys)
        shown = [(key, key.organization) for key in keys]
        address = audit.address_of(request)
        audit.record_of_each("registration_key.shown", shown, by=request.user, address=address, labels=each)
        context |= form.printed(keys, copies=each)
        context["unreadable"] = [key.organization for key in form.keys if key not in keys]
    return render(request, "devices/labels_below.html", context)


@button_on("organization_labels")
def make_keys(request: PersonRequest, pk: int) -> HttpResponse:
    """Let the worker make a registration key for each flat that has none: each takes some tenths of a second."""
    organization = managed_organization(request, pk)
    if not is_making_registration_keys(organization):
        make_registration_keys.enqueue(organization.pk, request.user.pk, audit.address_of(request))
    return redirect("organization_labels", pk)
