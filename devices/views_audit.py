"""What happened: in an organization and below it, and to one device. For managers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from devices.audit_lines import entries_about, first_line, lines_of
from devices.views_device_keys import managed_device
from devices.views_organization_keys import managed_organization
from orgs.audit import AuditEntry, AuditEntryQuerySet
from orgs.audit_words import KINDS, of_kind
from orgs.http import PersonRequest, breadcrumbs
from orgs.models import Organization

ENTRIES_A_PAGE = 50
LAST_EVENTS = 5
NOBODY = "-"
PEOPLE_OFFERED = 200


class HistoryForm(forms.Form):
    """What of a history to show. Every field can be empty, and what makes no sense is as if it were."""

    kind = forms.ChoiceField(
        label=gettext_lazy("About"),
        required=False,
        choices=[("", gettext_lazy("All")), *((name, label) for name, (label, _things) in KINDS.items())],
    )

    def __init__(self, data: Mapping[str, Any], *, entries: AuditEntryQuerySet) -> None:
        super().__init__(data, auto_id="history_%s")
        names = entries.order_by("actor_name").values_list("actor_name", flat=True).distinct()
        people = [(name, name) for name in names[:PEOPLE_OFFERED] if name]
        self.fields["who"] = forms.ChoiceField(
            label=gettext_lazy("Who"),
            required=False,
            choices=[("", gettext_lazy("All")), (NOBODY, gettext_lazy("The portal itself")), *people],
        )

    def narrow(self, entries: AuditEntryQuerySet) -> AuditEntryQuerySet:
        """Return what is asked for."""
        self.is_valid()
        entries = entries.filter(of_kind(self.cleaned_data.get("kind", "")))
        who = self.cleaned_data.get("who", "")
        return entries.filter(actor_name="" if who == NOBODY else who) if who else entries


@require_safe
def history(request: PersonRequest, pk: int) -> HttpResponse:
    """Who did what, when and from where, here and below."""
    organization = managed_organization(request, pk)
    return render(request, "devices/history_of_organization.html", _shown(request, organization))


def _shown(request: PersonRequest, organization: Organization) -> dict[str, Any]:
    entries = AuditEntry.objects.at_or_below(organization)
    form = HistoryForm(request.GET, entries=entries)
    wanted = form.narrow(entries).select_related("actor", "organization")
    page = Paginator(wanted, ENTRIES_A_PAGE).get_page(request.GET.get("page"))
    return {
        "organization": organization,
        "form": form,
        "page": page,
        "lines": lines_of(page, request.user),
        "is_narrowed": any(form.cleaned_data.values()),
        "breadcrumbs": breadcrumbs(request.user, organization, _("History")),
    }


@require_safe
def device_events(request: PersonRequest, pk: int) -> HttpResponse:
    """What happened to one device; for the device's own page, which fetches it, only the last of it and the first."""
    device = managed_device(request, pk)
    entries = entries_about(device)
    if request.htmx:
        lines = [*lines_of(entries[:LAST_EVENTS], request.user), first_line(device, request.user)]
        return render(request, "devices/_event_lines.html", {"device": device, "lines": lines})
    page = Paginator(entries, ENTRIES_A_PAGE).get_page(request.GET.get("page"))
    lines = lines_of(page, request.user)
    if not page.has_next():
        lines.append(first_line(device, request.user))
    context = {
        "device": device,
        "page": page,
        "lines": lines,
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("What happened")),
    }
    return render(request, "devices/device_events.html", context)
