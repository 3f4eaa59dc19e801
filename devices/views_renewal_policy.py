"""The renewal policy of an organization: its own, what it inherits, and what it does."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from channels.models import PlatformAccount, Renewal, RenewalPolicy
from devices.forms_policy import RenewalPolicyForm
from devices.organization_keys import outlook
from devices.policy_words import example, in_words
from devices.renewal_all import channels_of
from devices.renewal_policies import Policies
from devices.renewal_policy_changes import pause, remove_policy, save_policy
from devices.views_organization_keys import managed_organization
from orgs import access, audit
from orgs.http import PersonRequest, breadcrumbs, button_on, posted
from orgs.models import Organization
from orgs.paths import Paths


@require_http_methods(["GET", "HEAD", "POST"])
def policy(request: PersonRequest, pk: int) -> HttpResponse:
    """The policy that holds here, and the form of the organization's own one."""
    organization = managed_organization(request, pk)
    policies = Policies.of_customer(organization)
    form = RenewalPolicyForm(
        posted(request),
        organization=organization,
        own=policies.own(organization),
        inherited=policies.above(organization),
        can_rotate=_can_rotate(organization),
    )
    if form.is_valid() and "preview" not in request.POST:
        if save_policy(organization, form.own, form.values, by=request.user, address=audit.address_of(request)):
            messages.success(request, _("The policy of {name} is saved.").format(name=organization.name))
            return redirect("renewal_policy", pk)
        form.add_error(None, _("Somebody else has changed the policy at this very moment. Look at it and save again."))
    return render(request, "devices/renewal_policy.html", _context(request, organization, policies, form))


def _can_rotate(organization: Organization) -> bool:
    """Whether all write keys here can be renewed from here."""
    account = PlatformAccount.objects.filter(organization__tree_id=organization.tree_id).defer("key").first()
    return account is not None and account.on_platform.can_rotate_write_keys


def _context(
    request: PersonRequest, organization: Organization, policies: Policies, form: RenewalPolicyForm
) -> dict[str, Any]:
    above = policies.above(organization)
    tried = form.typed() if request.method == "POST" and form.is_valid() else None
    return {
        "form": form,
        "organization": organization,
        "own": form.own,
        "above": above,
        "above_words": in_words(above) if above else [],
        # Somebody who manages a part of a customer alone does not learn what is above it.
        "above_is_known": above is not None and access.may_see(request.user, above.organization),
        "own_words": in_words(form.own) if form.own else [],
        "tried": tried,
        "example": _example(organization, policies, tried, Paths.of(request)),
        "running": Renewal.objects.open().filter(channel__in=channels_of(organization)).count(),
        "paused_above": policies.pause_above(organization),
        "breadcrumbs": breadcrumbs(request.user, organization, _("Renewal policy")),
    }


def _example(organization: Organization, policies: Policies, tried: RenewalPolicy | None, paths: Paths) -> list[str]:
    """What the policy in force does with the devices here, or the one that somebody is trying out."""
    shown = tried or policies.at(organization)
    if shown is None:
        return []
    found = outlook(organization, policies.with_own(tried) if tried else policies, paths, timezone.now())
    return example(shown, found.devices, found.next_write_key_at)


@button_on("renewal_policy")
def switch(request: PersonRequest, pk: int) -> HttpResponse:
    """Pause the organization's own policy, or let it go on."""
    organization = managed_organization(request, pk)
    own = Policies.of_customer(organization).own(organization)
    paused = request.POST.get("paused") == "on"
    if own is None:
        messages.error(
            request, _("There is no policy of its own to pause. Make one below; it begins as what holds now.")
        )
    elif pause(own, paused=paused, by=request.user, address=audit.address_of(request)):
        messages.success(
            request,
            _("Renewals are paused. Those that have begun go on to their end.")
            if paused
            else _("Renewals go on. What has become due meanwhile is renewed within minutes."),
        )
    return redirect("renewal_policy", pk)


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: PersonRequest, pk: int) -> HttpResponse:
    """Remove the organization's own policy, after saying what holds then."""
    organization = managed_organization(request, pk)
    policies = Policies.of_customer(organization)
    own = policies.own(organization)
    if own is None:
        messages.info(request, _("There is no policy of its own any more."))
        return redirect("renewal_policy", pk)
    if request.method == "POST":
        remove_policy(own, by=request.user, address=audit.address_of(request))
        messages.success(request, _("The policy of {name} is removed.").format(name=organization.name))
        return redirect("renewal_policy", pk)
    above = policies.above(organization)
    then = (
        [_("What holds above holds here, too:"), *in_words(above)] if above else [_("Keys are renewed by hand alone.")]
    )
    context = {
        "heading": _("Remove the renewal policy of {name}?").format(name=organization.name),
        "submit": _("Remove the policy of {name}").format(name=organization.name),
        "consequences": [*then, _("Renewals that have begun go on to their end.")],
        "cancel_url": reverse("renewal_policy", args=[pk]),
        "breadcrumbs": breadcrumbs(request.user, organization, _("Remove the policy")),
    }
    return render(request, "devices/confirm_step.html", context)
