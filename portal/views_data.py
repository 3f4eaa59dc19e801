"""One's own data: all of it in one file."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.db import transaction
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from orgs.http import PersonRequest, note_own
from portal import take_outs
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
