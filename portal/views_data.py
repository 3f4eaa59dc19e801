"""One's own data: all of it in one file, and the way out."""

from __future__ import annotations

from collections.abc import Sequence

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from devices.models import Device
from orgs import audit, people
from orgs.errors import ChangedMeanwhile, LastManager, Suspended
from orgs.http import PersonRequest, note_own, posted
from orgs.models import Membership, Organization
from portal import take_outs
from portal.closing import close_account
from portal.closing_forms import ClosingForm
from portal.take_outs import TakeOut


@require_http_methods(["GET", "HEAD", "POST"])
def my_data(request: PersonRequest) -> HttpResponse:
    """Ask for the file, and see how far it is."""
    if request.method == "POST":
        asked: HttpResponse = _ask(request)
        return asked
    latest = TakeOut.objects.filter(user=request.user).first()
    context = {"take_out": latest if latest and (latest.ends_at is None or latest.ends_at > timezone.now()) else None}
    return render(request, "portal/_take_out.html" if request.htmx else "portal/data.html", context)


@reauthentication_required
def _ask(request: PersonRequest) -> HttpResponse:
    with transaction.atomic():
        take_outs.ask_for(request.user)
        note_own(request, "take_out.asked_for")
    messages.success(request, _("Your file is being made. We write to you when it is ready."))
    return redirect("my_data")


@never_cache
@require_safe
@reauthentication_required
def fetch(request: PersonRequest, pk: int) -> HttpResponseBase:
    """The file, for nobody but the person whose data are in it."""
    take_out = get_object_or_404(TakeOut.objects.ready().select_related("user"), pk=pk, user=request.user)
    if not take_out.rights_stand:
        messages.error(request, _("You do not manage all of that any more. Ask for a new file with what is yours now."))
        return redirect("my_data")
    try:
        content = take_out.path.open("rb")
    except FileNotFoundError:
        messages.error(request, _("The file is not there any more. Please ask for a new one."))
        return redirect("my_data")
    note_own(request, "take_out.fetched")
    name = f"smart-widgets-{take_out.requested_at:%Y-%m-%d}.zip"
    return FileResponse(content, as_attachment=True, filename=name, content_type="application/zip")


@require_http_methods(["GET", "HEAD", "POST"])
def close(request: PersonRequest) -> HttpResponse:
    """Close the account, after saying what goes with it."""
    if request.method == "POST":
        closed: HttpResponse = _close(request)
        return closed
    return _closing_page(request, ClosingForm(customers=people.customers_left_alone_by(request.user)))


@reauthentication_required
def _close(request: PersonRequest) -> HttpResponse:
    form = ClosingForm(posted(request), customers=people.customers_left_alone_by(request.user))
    if any(customer.suspended_at for customer in form.customers) or not form.is_valid():
        return _closing_page(request, form)
    try:
        close_account(request.user, with_customers=form.decisions, address=audit.address_of(request))
    except (ChangedMeanwhile, LastManager, Suspended) as error:  # All was different a moment ago.
        messages.error(request, str(error))
        return redirect("account_close")
    logout(request)
    messages.success(request, _("Your account is closed. Thank you for having been here."))
    return redirect("start")


def _closing_page(request: PersonRequest, form: ClosingForm) -> HttpResponse:
    if suspended := [customer for customer in form.customers if customer.suspended_at]:
        return render(request, "portal/close_not_now.html", {"suspended": suspended})
    context = {
        "form": form if form.customers else None,
        "customers": form.customers,
        "consequences": _consequences(request, form.customers),
    }
    return render(request, "portal/close.html", context)


def _consequences(request: PersonRequest, customers: Sequence[Organization]) -> list[str]:
    told = [_("You are logged out everywhere, and can never log in again with this account.")]
    others = Membership.objects.filter(user=request.user).exclude(organization__in=customers).count()
    if others:
        told.append(
            ngettext(
                "You leave {count} organization. Your read keys there end at once.",
                "You leave {count} organizations. Your read keys there end at once.",
                others,
            ).format(count=others)
        )
    for customer in customers:
        devices = Device.objects.filter(customer=customer).count()
        theirs = Membership.objects.current().filter(organization__tree_id=customer.tree_id)
        told.append(
            ngettext(
                "“{name}” is closed for everybody, as nobody else manages it: {count} device, with all keys.",
                "“{name}” is closed for everybody, as nobody else manages it: {count} devices, with all keys.",
                devices,
            ).format(name=customer.name, count=devices)
        )
        who = theirs.exclude(user=request.user).values("user").distinct().count()
        if who:
            told.append(
                ngettext(
                    "{count} other person in “{name}” loses everything there, and is told by mail.",
                    "{count} other people in “{name}” lose everything there, and are told by mail.",
                    who,
                ).format(name=customer.name, count=who)
            )
    told.append(_("What others can read in the history of their organizations about what you did stays."))
    told.append(_("This cannot be undone."))
    return told
