"""The keys of an organization and of all below it: what goes on, what comes next, all renewed or revoked at once."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from channels.errors import CannotRenew
from channels.keys_used import note_uses
from channels.models import RenewalRound
from channels.renewal_many import can_be_renewed
from devices.forms_keys import OverlapForm, TypedNameForm
from devices.organization_keys import outlook
from devices.policy_words import in_words
from devices.renewal_all import channels_of, not_moved, progress_of, renew_all, revoke_all, standing_of
from devices.renewal_policies import Policies
from orgs import access, audit
from orgs.http import PersonRequest, breadcrumbs, posted
from orgs.models import Organization
from orgs.paths import Paths

EVENTS_A_PAGE = 25
DEVICES_A_PAGE = 50


def managed_organization(request: PersonRequest, pk: int) -> Organization:
    """Return an organization that the person manages, or answer 404."""
    return get_object_or_404(access.managed_organizations(request.user), pk=pk)


@require_safe
def keys(request: PersonRequest, pk: int) -> HttpResponse:
    """What goes on with the keys here and below, and what comes next, as a timeline."""
    organization = managed_organization(request, pk)
    policies = Policies.of_customer(organization)
    policy = policies.at(organization)
    found = outlook(organization, policies, Paths.of(request), timezone.now())
    context = {
        "organization": organization,
        "outlook": found,
        "page": Paginator(found.events, EVENTS_A_PAGE).get_page(request.GET.get("page")),
        "policy_words": in_words(policy) if policy else [],
        "paused": policies.pause_at(organization),
        "round": RenewalRound.objects.filter(organization=organization).order_by("-started_at").first(),
        "breadcrumbs": breadcrumbs(request.user, organization, _("Keys")),
    }
    return render(request, "devices/organization_keys.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def renew(request: PersonRequest, pk: int) -> HttpResponse:
    """Renew the write keys of all devices here and below, after asking how long both shall be good."""
    organization = managed_organization(request, pk)
    form = OverlapForm(posted(request), wanted=Policies.of_customer(organization).overlap_at(organization))
    if form.is_valid():
        try:
            renew_all(
                organization,
                by=request.user,
                overlap=form.cleaned_data["overlap"],
                address=audit.address_of(request),
            )
        except CannotRenew as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("organization_renewal", pk)
    channels = channels_of(organization)
    count, able = channels.count(), can_be_renewed(channels).count()
    context = {
        "form": form,
        "organization": organization,
        "count": able,
        "others": count - able,
        "breadcrumbs": breadcrumbs(request.user, organization, _("Renew all write keys")),
    }
    return render(request, "devices/renew_all_write_keys.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: PersonRequest, pk: int) -> HttpResponse:
    """End all write keys of the devices here and below at once; confirmed by typing the organization's name."""
    organization = managed_organization(request, pk)
    form = TypedNameForm(posted(request), expected=organization.name)
    if form.is_valid():
        try:
            revoke_all(organization, by=request.user, address=audit.address_of(request))
        except CannotRenew as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("organization_renewal", pk)
    channels = channels_of(organization)
    count, able = channels.count(), can_be_renewed(channels).count()
    context = {
        "form": form,
        "heading": _("Revoke all keys of the devices in {name} at once?").format(name=organization.name),
        "submit": _("Revoke all write keys in {name}").format(name=organization.name),
        "submit_icon": "slash-circle",
        "consequences": _what_revoking_means(able, count - able),
        "cancel_url": reverse("organization_keys", args=[pk]),
        "breadcrumbs": breadcrumbs(request.user, organization, _("Revoke all keys")),
    }
    return render(request, "devices/confirm_step.html", context)


def _what_revoking_means(able: int, others: int) -> list[str]:
    told = [
        ngettext(
            "{count} device here and below is refused from its next request on, with every key that it has had.",
            "{count} devices here and below are refused from their next request on, with every key that they have had.",
            able,
        ).format(count=able),
        _("Each fetches a new key with its registration key by itself, and sends what it has kept meanwhile."),
        _("If a registration key is known to somebody, too, revoke that one first: it fetches write keys."),
    ]
    if others:
        told.append(
            ngettext(
                "{count} more has its channel on ThingSpeak: renew its key there, on the page of the channel.",
                "{count} more have their channels on ThingSpeak: renew their keys there, on the page of each channel.",
                others,
            ).format(count=others)
        )
    return told


@require_safe
def renewal(request: PersonRequest, pk: int) -> HttpResponse:
    """How far the newest round of renewals is; the page fetches itself anew until it is over."""
    organization = managed_organization(request, pk)
    newest = RenewalRound.objects.filter(organization=organization).select_related("by").order_by("-started_at").first()
    if newest is None:
        messages.info(request, _("The keys here have not been renewed together yet."))
        return redirect("organization_keys", pk)
    # The worker hears of it within a minute, but whoever looks wants to see devices move.
    note_uses([one.channel for one in not_moved(newest)[:DEVICES_A_PAGE]])
    page = Paginator(not_moved(newest), DEVICES_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "organization": organization,
        "round": newest,
        "progress": progress_of(newest),
        "page": page,
        "rows": [(one, standing_of(one)) for one in page],
        "breadcrumbs": breadcrumbs(request.user, organization, _("Renewal")),
    }
    return render(request, "devices/organization_renewal.html", context)
