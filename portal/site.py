"""The operators' site: Django's administration, behind a second factor, with choices that can be told apart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from orgs.operators import operator
from portal.health import worker_is_missing_for

ORDER = ("orgs", "devices", "channels", "platform", "account", "auth")


def lacks_second_factor(request: HttpRequest) -> bool:
    """Whether somebody who is logged in has to set up a second factor before they may go on.

    Who has one cannot have logged in without it: allauth asks for it at every way in.
    """
    if not settings.STAFF_NEED_SECOND_FACTOR:
        return False
    if not hasattr(request, "_lacks_second_factor"):
        kinds = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
        request._lacks_second_factor = not is_mfa_enabled(operator(request), types=kinds)  # type: ignore[attr-defined]
    return bool(request._lacks_second_factor)  # type: ignore[attr-defined]


class Choices(AutocompleteJsonView):
    """What a field that completes itself offers."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        """Name an object as its page says: every second customer has a "Household"."""
        label = getattr(self.model_admin, "label_in_choices", str)
        return {"id": str(getattr(obj, to_field_name)), "text": label(obj)}


class OperatorsSite(admin.AdminSite):
    """The administration for operators."""

    site_header = site_title = _("Key distribution: operators")
    index_title = _("What operators look after")
    # Lists are wide, and a laptop is not.
    enable_nav_sidebar = False

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return what is asked for most first."""
        rooms = super().get_app_list(request, app_label)
        return sorted(
            rooms, key=lambda room: ORDER.index(room["app_label"]) if room["app_label"] in ORDER else len(ORDER)
        )

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the first page, with a warning if nobody does the background work: without it nothing is renewed."""
        if (missing := worker_is_missing_for()) is not None:
            said = gettext("The background worker does not run: no key is renewed and no mail is sent. Start it.")
            if missing:
                said = ngettext(
                    "The background worker has not been heard of for {count} minute: no key is renewed and no mail "
                    "is sent. Start it.",
                    "The background worker has not been heard of for {count} minutes: no key is renewed and no mail "
                    "is sent. Start it.",
                    missing // timedelta(minutes=1),
                ).format(count=missing // timedelta(minutes=1))
            messages.warning(request, said)
        return super().index(request, extra_context)

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and not lacks_second_factor(request)

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Let everybody log in at the one place that counts tries and asks for the second factor."""
        wanted = request.GET.get(REDIRECT_FIELD_NAME, "")
        if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
            wanted = reverse("admin:index", current_app=self.name)
        if not request.user.is_authenticated:
            return redirect_to_login(wanted)
        if not (request.user.is_active and request.user.is_staff):
            raise Http404
        if lacks_second_factor(request):
            said = _(
                "Operators need a second factor. Set one up here, keep the recovery codes, then open the "
                "administration again."
            )
            messages.warning(request, said)
            return redirect("mfa_index")
        return redirect(wanted)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return Choices.as_view(admin_site=self)(request)  # type: ignore[return-value]  # Django's own line.
