"""Pages on which managers say which new devices come in, and decide about those that wait at the door."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from devices import pending
from devices.admission_models import with_former
from devices.expected import enter
from devices.forms_admission import DecideForm, ExpectedForm, PolicyForm
from devices.matters import quoted
from devices.models import Device, ExpectedDevice, PendingDevice, RegistrationPolicy
from orgs import access
from orgs.audit import address_of
from orgs.fields import numbers
from orgs.http import PersonRequest, below_my_devices, breadcrumbs, note, posted
from orgs.models import Organization

ROWS_A_PAGE = 50


def _customer(request: PersonRequest, pk: int) -> Organization:
    return get_object_or_404(access.managed_organizations(request.user).customers(), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def policy(request: PersonRequest, pk: int) -> HttpResponse:
    """Which new devices come in."""
    customer = _customer(request, pk)
    form = PolicyForm(posted(request), policy=RegistrationPolicy.of(customer))
    if form.is_valid():
        with transaction.atomic():
            stored = RegistrationPolicy.of(customer)
            before = stored.get_admits_display()
            stored.change(**form.values)
            to = stored.get_admits_display()
            note(request, "registration_policy.changed", about=stored, organization=customer, before=before, to=to)
        messages.success(request, _("Saved. It holds for the next device that asks."))
        return redirect("registration_policy", pk)
    waiting = PendingDevice.objects.filter(customer=customer).waiting().count()
    context = {
        "form": form,
        "customer": customer,
        "waiting": waiting,
        "expected": ExpectedDevice.objects.filter(customer=customer).count(),
        "breadcrumbs": breadcrumbs(request.user, customer, _("New devices")),
    }
    return render(request, "devices/registration_policy.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def expected_devices(request: PersonRequest, pk: int) -> HttpResponse:
    """The serial numbers that were entered beforehand, and a form for more."""
    customer = _customer(request, pk)
    form = ExpectedForm(posted(request), request.FILES or None, customer=customer)
    if form.is_valid():
        with transaction.atomic():
            entered = enter(form.rows, customer=customer)
            note(
                request,
                "expected_devices.entered",
                about=customer,
                organization=customer,
                new=entered.new,
                changed=entered.changed,
            )
        for sentence in _said(entered.new, entered.changed, entered.known):
            messages.success(request, sentence)
        return redirect("expected_devices", pk)
    rows = ExpectedDevice.objects.filter(customer=customer).select_related("organization")
    context = {
        "form": form,
        "customer": customer,
        "page": Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page")),
        "policy": RegistrationPolicy.of(customer),
        "breadcrumbs": breadcrumbs(request.user, customer, _("Expected devices")),
    }
    return render(request, "devices/expected_devices.html", context)


def _said(new: int, changed: int, known: int) -> list[str]:
    told = []
    if new:
        told.append(ngettext("{count} device is expected.", "{count} devices are expected.", new).format(count=new))
    if changed:
        told.append(
            ngettext(
                "{count} was on the list already and has what you entered now.",
                "{count} were on the list already and have what you entered now.",
                changed,
            ).format(count=changed)
        )
    if known:
        told.append(
            ngettext(
                "{count} has registered already and stays as it is.",
                "{count} have registered already and stay as they are.",
                known,
            ).format(count=known)
        )
    return told


@require_POST
def forget_expected(request: PersonRequest, pk: int) -> HttpResponse:
    """Take serial numbers off the list: the chosen ones."""
    customer = _customer(request, pk)
    chosen = numbers(request.POST.getlist("expected"))
    with transaction.atomic():
        gone, _details = ExpectedDevice.objects.filter(customer=customer, pk__in=chosen).delete()
        if gone:
            note(request, "expected_devices.removed", about=customer, organization=customer, count=gone)
    if gone:
        said = ngettext("{count} device is no longer expected.", "{count} devices are no longer expected.", gone)
        messages.success(request, said.format(count=gone))
    else:
        messages.error(request, _("Choose at least one serial number."))
    return redirect("expected_devices", pk)


@require_safe
def pending_devices(request: PersonRequest) -> HttpResponse:
    """The devices that wait at the door, and those that were refused."""
    mine = PendingDevice.objects.managed_by(request.user).select_related("organization", "asked_with", "refused_by")
    waiting = Paginator(mine.waiting(), ROWS_A_PAGE).get_page(request.GET.get("page"))
    refused = Paginator(mine.refused(), ROWS_A_PAGE).get_page(request.GET.get("refused"))
    with_former([*waiting, *refused])
    context = {
        "page": waiting,
        "refused": refused,
        "form": DecideForm(user=request.user),
        "customers": access.managed_organizations(request.user).customers().order_by("name"),
        "breadcrumbs": below_my_devices(_("At the door")),
    }
    return render(request, "devices/pending_devices.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: PersonRequest) -> HttpResponse:
    """Let the chosen ones in, refuse them, or forget that they have asked; the list has the form."""
    form = DecideForm(posted(request), user=request.user)
    if form.is_valid():
        chosen, step = list(form.cleaned_data["pending"]), form.cleaned_data["step"]
        if step == DecideForm.APPROVE:
            _approve(request, chosen, form.cleaned_data["organization"])
        else:
            _turn_away(request, chosen, step)
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    return redirect("pending_devices")


def _approve(request: PersonRequest, chosen: list[PendingDevice], into: Organization | None) -> None:
    approved: list[Device] = []
    for one in chosen:
        try:
            device = pending.approve(one, by=request.user, into=into, address=address_of(request))
        except pending.CannotApprove as problem:
            messages.error(request, str(problem))
        else:
            approved += [device] if device else []
    if approved:
        said = ngettext(
            "{names} may come in, and gets its key when it asks next: within 15 minutes, or at once if you switch it "
            "off and on.",
            "{names} may come in, and get their keys when they ask next: within 15 minutes, or at once if you switch "
            "them off and on.",
            len(approved),
        )
        messages.success(request, said.format(names=_names(approved)))


def _turn_away(request: PersonRequest, chosen: list[PendingDevice], step: str) -> None:
    act = pending.refuse if step == DecideForm.REFUSE else pending.forget
    done = [one for one in chosen if act(one, by=request.user, address=address_of(request))]
    if not done:
        return
    if step == DecideForm.REFUSE:
        said = ngettext(
            "{names} is refused, and stays so until you let it in.",
            "{names} are refused, and stay so until you let them in.",
            len(done),
        )
    else:
        said = ngettext("{names} is off the list.", "{names} are off the list.", len(done))
    messages.success(request, said.format(names=_names(done)))


def _names(devices: list[Any]) -> str:
    return quoted(devices[:5]) + (" …" if len(devices) > 5 else "")
