"""Pages of the portal as a whole."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from portal.components import sample_context
from portal.models import OutboxMessage


@login_not_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """What this is, for visitors; whoever is logged in goes on to the devices."""
    if request.user.is_authenticated:
        return redirect("dashboard")
    return render(request, "portal/start.html")


@login_not_required
@require_safe
def outbox(request: HttpRequest) -> HttpResponse:
    """Mail that was not sent but is shown, in development and the demo."""
    if not settings.OUTBOX_IS_SHOWN:
        raise Http404
    return render(request, "portal/outbox.html", {"mails": OutboxMessage.objects.all()[:50]})


@login_not_required
@require_safe
def components(request: HttpRequest) -> HttpResponse:
    """Every component of the pages, for whoever works on them."""
    if not settings.DEBUG:
        raise Http404
    return render(request, "portal/components.html", sample_context())
