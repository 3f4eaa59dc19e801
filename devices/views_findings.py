"""What was noticed about channels and keys, and what a manager does about it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from channels import findings, renewal, sync
from channels.errors import CannotRenew
from channels.models import Finding, PlatformAccount
from channels.platforms import BadAccountKey, NoSuchChannel, OutOfReach, PlatformError
from channels.vault import CannotDecrypt
from devices.noticed import findings_at, findings_managed_by, noticed
from devices.read_rights import note_known_keys
from orgs import access, audit
from orgs.discretion import nameable
from orgs.http import PersonRequest, breadcrumbs, note
from orgs.models import Organization

A_PAGE = 25
NEEDED = ("account__organization", "channel__device__organization", "settled_by")


def _managed(request: PersonRequest, pk: int) -> Organization:
    return get_object_or_404(access.managed_organizations(request.user), pk=pk)


def _finding(request: PersonRequest, pk: int, *kinds: Finding.Kind) -> Finding:
    """Return one that is still open; one that has just settled itself is gone like one that never was."""
    mine = findings_managed_by(request.user).open().filter(kind__in=kinds)
    return get_object_or_404(mine.select_related(*NEEDED).defer("account__key"), pk=pk)


@require_safe
def findings_of(request: PersonRequest, pk: int) -> HttpResponse:
    """All that was noticed in an organization and below it: what is open first, then the newest."""
    organization = _managed(request, pk)
    found = findings_at(organization).select_related(*NEEDED).defer("account__key")
    page = Paginator(found.order_by(F("settled_at").desc(nulls_first=True), "-found_at", "-pk"), A_PAGE).get_page(
        request.GET.get("page")
    )
    account = PlatformAccount.objects.filter(organization__tree_id=organization.tree_id).defer("key").first()
    settled_by = [finding.settled_by for finding in page]
    context = {
        "organization": organization,
        "page": page,
        "noticed": [noticed(finding) for finding in page],
        "account": account,
        "nameable": nameable(settled_by, reader=request.user, customer=account.organization_id) if account else (),
        "breadcrumbs": breadcrumbs(request.user, organization, _("What was noticed")),
    }
    return render(request, "devices/findings.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def look(request: PersonRequest, pk: int) -> HttpResponse:
    """Compare the customer's account with the platform now, and say what came of it."""
    organization = _managed(request, pk)
    account = PlatformAccount.objects.filter(organization__tree_id=organization.tree_id).first()
    if request.method == "POST" and account is not None:
        # The account is the customer's: who manages a part of it is told of that part.
        is_all_theirs = access.managed_organizations(request.user).filter(pk=account.organization_id).exists()
        try:
            done = sync.sync(account, by=request.user, address=audit.address_of(request))
        except (PlatformError, CannotDecrypt) as refusal:
            messages.error(request, _why_not(refusal))
        else:
            note_known_keys(organization)
            messages.success(request, done.sentence if is_all_theirs else _left_to_look_at(organization))
    return redirect("findings", pk)


def _left_to_look_at(organization: Organization) -> str:
    count = findings_at(organization).open().count()
    if not count:
        return _("Compared with the platform: nothing here needs you.")
    return ngettext(
        "Compared with the platform: {count} thing here to look at.",
        "Compared with the platform: {count} things here to look at.",
        count,
    ).format(count=count)


def _why_not(refusal: Exception) -> str:
    if isinstance(refusal, BadAccountKey):
        return _("The channel platform refuses the account key, so nothing can be seen there. Enter the new key first.")
    if isinstance(refusal, OutOfReach):
        return _("The channel platform is out of reach at the moment. It is tried again by itself.")
    return _("The channel platform gave an answer that makes no sense. It is tried again by itself.")


@require_http_methods(["GET", "HEAD", "POST"])
def dismiss(request: PersonRequest, pk: int) -> HttpResponse:
    """Leave it alone: it is known, and not to be told again."""
    found = _finding(request, pk, Finding.Kind.FOREIGN_CHANNEL, Finding.Kind.CLONED)
    shown = noticed(found)
    if request.method != "POST":
        return redirect(shown.page)
    with transaction.atomic():
        findings.settle(Finding.objects.filter(pk=found.pk), by=request.user, dismiss=True)
        note(request, "finding.dismissed", about=found, organization=_place(found), kind=found.kind)
    messages.success(request, _("Left alone. You are not told of it again."))
    return redirect(shown.page)


@require_http_methods(["GET", "HEAD", "POST"])
def renew_key(request: PersonRequest, pk: int) -> HttpResponse:
    """Renew the write key of a device that was cloned; the report is settled by it."""
    found = _finding(request, pk, Finding.Kind.CLONED)
    shown = noticed(found)
    if request.method != "POST":
        return redirect(shown.page)
    if found.channel is not None:
        found.channel.account = PlatformAccount.objects.get(pk=found.account_id)
        try:
            begun = renewal.renew(found.channel, by=request.user, address=audit.address_of(request))
        except CannotRenew as refusal:
            messages.error(request, str(refusal))
        else:
            findings.settle(Finding.objects.filter(pk=found.pk), by=request.user)
            done = _("The key is being renewed. The old one ends when the device has the new one.")
            messages.success(request, begun.get_trouble_display() or done)
    return redirect(shown.page)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_channel(request: PersonRequest, pk: int) -> HttpResponse:
    """Delete a channel that belongs to no device from the platform, after a question."""
    found = _finding(request, pk, Finding.Kind.FOREIGN_CHANNEL)
    page = noticed(found).page
    if request.method == "POST":
        if _deleted(request, found):
            messages.success(request, _("Channel {number} is deleted.").format(number=found.number))
        return redirect(page)
    name = found.label or str(found.number)
    consequences = [
        _("Channel {number}, “{name}”, is deleted on the channel platform.").format(number=found.number, name=name),
        _("Everything that was ever written to it is deleted with it. This cannot be undone."),
        _("If a device or a program outside of this portal uses it, it can write and read no more."),
        _("The account has one more place for a channel."),
    ]
    context = {
        "finding": found,
        "consequences": consequences,
        "cancel_url": page,
        "breadcrumbs": breadcrumbs(request.user, found.account.organization, _("Delete a channel")),
    }
    return render(request, "devices/finding_delete_channel.html", context)


def _deleted(request: PersonRequest, found: Finding) -> bool:
    """Delete it if it still belongs to nobody; else say why not."""
    account = PlatformAccount.objects.select_related("organization").get(pk=found.account_id)
    try:
        there = account.on_platform.list_channels(account.key)
        if found.number in {channel.number for channel in sync.foreign_channels(account, there)}:
            account.on_platform.delete_channel(account.key, found.number)
        elif found.number in {channel.number for channel in there}:
            messages.error(request, _("This channel belongs to a device by now. It was not deleted."))
            return False
    except NoSuchChannel:
        pass  # somebody has deleted it there
    except (PlatformError, CannotDecrypt) as refusal:
        messages.error(request, _why_not(refusal))
        return False
    with transaction.atomic():
        findings.settle(Finding.objects.filter(pk=found.pk), by=request.user)
        note(
            request, "channel.deleted", about=found, organization=_place(found), channel=found.number, name=found.label
        )
    return True


def _place(finding: Finding) -> Organization:
    device = getattr(finding.channel, "device", None)
    place: Organization = device.organization if device else finding.account.organization
    return place
