"""Pages on which managers say which new devices come in, and decide about those that wait at the door."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from devices import pending
from devices.door_discretion import with_former, without_what_is_above
from devices.expected import Entered, Expected, enter, put_back
from devices.forms_admission import DecideForm, ExpectedForm, PolicyForm
from devices.matters import quoted
from devices.models import Device, ExpectedDevice, PendingDevice, RegistrationPolicy
from orgs import access, tree
from orgs.alone import alone_with
from orgs.audit import address_of
from orgs.errors import ChangedMeanwhile
from orgs.fields import numbers
from orgs.http import PersonRequest, below_my_devices, breadcrumbs, button_on, note, posted
from orgs.models import Organization
from orgs.paths import Paths
from orgs.undo import offer_undo, undone

ROWS_A_PAGE = 50


def _customer(request: PersonRequest, pk: int) -> Organization:
    return get_object_or_404(access.managed_organizations(request.user).customers(), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def policy(request: PersonRequest, pk: int) -> HttpResponse:
    """Which new devices come in."""
    customer = _customer(request, pk)
    stored = RegistrationPolicy.of(customer)
    form = PolicyForm(posted(request), policy=stored)
    if form.is_valid():
        before = stored.admits
        try:
            with transaction.atomic():
                stored.change(**form.values)
                to = stored.admits
                note(request, "registration_policy.changed", about=stored, organization=customer, before=before, to=to)
        except ChangedMeanwhile as error:
            messages.error(request, str(error))
        else:
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
    # Thousands of lines take their time to read, and with SQLite nobody at all writes while we hold the lock.
    form = ExpectedForm(posted(request), request.FILES or None, customer=customer, paths=Paths.of(request))
    if form.is_valid():
        with alone_with(request, lambda: _customer(request, pk), lock=tree.lock_tree_of) as customer:
            if form.agrees_with_what_is_stored():
                entered = enter(form.rows, customer=customer)
                counts = {"new": entered.new, "changed": entered.changed}
                note(request, "expected_devices.entered", about=customer, organization=customer, **counts)
                for sentence in _said(entered):
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


def _said(entered: Entered) -> list[str]:
    told, new, changed, known, refused = [], entered.new, entered.changed, entered.known, entered.refused
    if new:
        told.append(ngettext("{count} device is expected.", "{count} devices are expected.", new).format(count=new))
    if refused:
        told.append(
            ngettext(
                "{count} had been refused, and is let in now when it asks again.",
                "{count} had been refused, and are let in now when they ask again.",
                refused,
            ).format(count=refused)
        )
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


@button_on("expected_devices")
def forget_expected(request: PersonRequest, pk: int) -> HttpResponse:
    """Take serial numbers off the list: the chosen ones."""
    customer = _customer(request, pk)
    chosen = numbers(request.POST.getlist("expected"))
    with transaction.atomic():
        doomed = ExpectedDevice.objects.filter(customer=customer, pk__in=chosen)
        rows = list(doomed.values_list("serial", "name", "organization"))
        gone, _details = doomed.delete()
        if gone:
            note(request, "expected_devices.removed", about=customer, organization=customer, count=gone)
    if gone:
        said = ngettext("{count} device is no longer expected.", "{count} devices are no longer expected.", gone)
        offer_undo(request, said.format(count=gone), address=reverse("expected_devices_restore", args=[pk]), rows=rows)
    else:
        messages.error(request, _("Choose at least one serial number."))
    return redirect("expected_devices", pk)


@button_on("expected_devices")
def restore_expected(request: PersonRequest, pk: int) -> HttpResponse:
    """Undo `forget_expected`: the same serial numbers are expected again."""
    customer, what = _customer(request, pk), undone(request)
    if what is None:
        messages.error(request, _("This can no longer be undone. Enter the serial numbers again instead."))
        return redirect("expected_devices", pk)
    with transaction.atomic():
        tree.lock_tree_of(customer)
        places = {place.pk: place for place in Organization.objects.filter(tree_id=customer.tree_id)}
        # Without the place that it was expected in it would be let in by any key.
        kept = [row for row in what["rows"] if row[2] is None or row[2] in places]
        rows = [Expected(serial, name, places.get(place)) for serial, name, place in kept]
        count = put_back(rows, customer=customer)
        if count:
            note(request, "expected_devices.restored", about=customer, organization=customer, count=count)
    if count:
        said = ngettext("{count} device is expected again.", "{count} devices are expected again.", count)
        messages.success(request, said.format(count=count))
    if others := len(what["rows"]) - count:
        said = ngettext(
            "{count} serial number was not put back: something has been decided about it since.",
            "{count} serial numbers were not put back: something has been decided about them since.",
            others,
        )
        messages.error(request, said.format(count=others))
    return redirect("expected_devices", pk)


@require_safe
def pending_devices(request: PersonRequest) -> HttpResponse:
    """The devices that wait at the door, and those that were refused."""
    mine = PendingDevice.objects.managed_by(request.user).select_related("organization", "asked_with", "refused_by")
    waiting = Paginator(mine.waiting(), ROWS_A_PAGE).get_page(request.GET.get("page"))
    refused = Paginator(mine.refused(), ROWS_A_PAGE).get_page(request.GET.get("refused"))
    with_former([*waiting, *refused], reader=request.user)
    without_what_is_above([*waiting, *refused], reader=request.user)
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
        ).format(names=_names(done))
        offer_undo(request, said, address=reverse("pending_devices_restore"), devices=[one.pk for one in done])
    else:
        said = ngettext("{names} is off the list.", "{names} are off the list.", len(done))
        messages.success(request, said.format(names=_names(done)))


@button_on("pending_devices")
def undo_refusal(request: PersonRequest) -> HttpResponse:
    """Let those wait again that this person has just refused."""
    what = undone(request)
    chosen = PendingDevice.objects.managed_by(request.user).filter(pk__in=what["devices"] if what else [])
    address = address_of(request)
    back = [
        one
        for one in chosen.select_related("organization").order_by("serial")
        if pending.undo_refusal(one, by=request.user, address=address)
    ]
    if back:
        said = ngettext("{names} waits at the door again.", "{names} wait at the door again.", len(back))
        messages.success(request, said.format(names=_names(back)))
    else:
        messages.error(request, _("This can no longer be undone. Those that are refused stand below."))
    return redirect("pending_devices")


def _names(devices: list[Any]) -> str:
    return quoted(devices[:5]) + (" …" if len(devices) > 5 else "")
