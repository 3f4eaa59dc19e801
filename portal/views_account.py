"""Pages about one's own account."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views import i18n
from django.views.decorators.http import require_http_methods, require_safe

from orgs.alone import alone_with
from orgs.http import PersonRequest, note_own, posted
from orgs.models import Membership, User
from orgs.readers import as_read_by, spoken
from portal.account_forms import ProfileForm
from portal.log_ins import LogIn
from portal.shown import shown_to

SHOWN_HERE = 5
ROWS_A_PAGE = 50


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Choose a language: for this browser, and for the person who is logged in."""
    if request.method == "POST" and request.user.is_authenticated and (code := spoken(request.POST.get("language"))):
        request.user.read_in(code)
    return i18n.set_language(request)


@require_http_methods(["GET", "HEAD", "POST"])
def my_account(request: PersonRequest) -> HttpResponse:
    """Everything about oneself: name and language, ways to log in, places, keys that were shown, the way out."""
    with alone_with(request, lambda: _myself(request)) as person:
        form = ProfileForm(posted(request), user=person)
        if form.is_valid():
            return _saved(request, person, form)
    shown = shown_to(request.user)
    places = Membership.objects.current().filter(user=request.user).select_related("organization", "created_by")
    context = {
        "form": form,
        "log_ins": _log_ins(request),
        "second_factors": set(Authenticator.objects.filter(user=request.user).values_list("type", flat=True)),
        "places": places.order_by("created_at", "pk"),
        "shown": shown[:SHOWN_HERE],
        "shown_count": len(shown),
    }
    return render(request, "portal/account.html", context)


def _myself(request: PersonRequest) -> User:
    # What the request has read at its beginning may have changed until a form is looked at.
    return User.objects.get(pk=request.user.pk) if request.method == "POST" else request.user


def _saved(request: PersonRequest, person: User, form: ProfileForm) -> HttpResponse:
    person.introduce(**form.values)
    if form.changed:
        note_own(request, "account.changed", fields=form.changed)
    with as_read_by(person):
        messages.success(request, _("Your account is saved."))
    response = redirect("my_account")
    if "language" in form.changed and not person.language:
        # Otherwise what was once chosen in this browser would go on being its language.
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
    return response


def _log_ins(request: PersonRequest) -> list[LogIn]:
    found = list(LogIn.objects.good().filter(user=request.user))
    return sorted(found, key=lambda one: one.session_id != request.session.session_key)  # This one first.


@require_safe
def shown(request: PersonRequest) -> HttpResponse:
    """All keys that this person has been shown."""
    page = Paginator(shown_to(request.user), ROWS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portal/account_shown.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def log_ins(request: PersonRequest) -> HttpResponse:
    """Where this person is logged in; all others are ended by one button."""
    if request.method == "POST":
        others = LogIn.objects.filter(user=request.user).exclude(session=request.session.session_key)
        with transaction.atomic():
            count = others.end()
            if count:
                note_own(request, "log_in.ended", count=count)
        said = ngettext("{count} other log-in has ended.", "{count} other log-ins have ended.", count)
        messages.success(request, said.format(count=count) if count else _("You are logged in nowhere else."))
        return redirect("log_ins")
    return render(request, "portal/log_ins.html", {"log_ins": _log_ins(request)})


@require_http_methods(["GET", "HEAD", "POST"])
def log_in_end(request: PersonRequest, pk: int) -> HttpResponse:
    """End one log-in of this person's."""
    ended = get_object_or_404(LogIn, pk=pk, user=request.user)
    if request.method == "POST":
        with transaction.atomic():
            LogIn.objects.filter(pk=ended.pk).end()
            note_own(request, "log_in.ended", count=1, browser=ended.user_agent)
        messages.success(request, _("That log-in has ended: its next click asks for the password."))
    return redirect("log_ins")
