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
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from devices.registration_key_text import without_secret
from orgs.audit import AuditEntry
from orgs.audit_spoken import details_of, thing_of
from orgs.audit_words import in_words, of_kind
from orgs.operators import operator
from portal.admin_media import light
from portal.attention import matters
from portal.find_everything import find
from portal.health import worker_is_missing_for

ORDER = ("orgs", "devices", "channels", "platform", "account", "portal")


TOGETHER = {
    "account": (_("Logging in and rights"), ("mfa", "auth")),
    "portal": (_("Mail and background work"), ("django_tasks_database",)),
}
"""Rooms with a list or two, which libraries have made, under a name that says what they are for."""


def _together(rooms: list[Any]) -> list[Any]:
    """Put what is in small rooms into one."""
    by_label = {room["app_label"]: room for room in rooms}
    for label, (name, others) in TOGETHER.items():
        present = [by_label.pop(one) for one in (label, *others) if one in by_label]
        if present:
            models = [model for room in present for model in room["models"]]
            by_label[label] = present[0] | {"app_label": label, "name": name, "models": models}
    return list(by_label.values())


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

    def register(
        self, model_or_iterable: Any, admin_class: type[admin.ModelAdmin[Any]] | None = None, **options: Any
    ) -> None:
        """Register as Django does, with pages that load less."""
        super().register(model_or_iterable, light(admin_class or admin.ModelAdmin), **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return what is asked for most first."""
        rooms = super().get_app_list(request, app_label)
        if app_label is None:
            rooms = _together(rooms)
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

        def may_see(model: type[models.Model]) -> bool:
            return bool(self.get_model_admin(model).has_view_permission(request))

        context: dict[str, Any] = {"matters": matters(may_see=may_see), "sees_audit": may_see(AuditEntry)}
        if context["sees_audit"]:
            entries = AuditEntry.objects.filter(of_kind("operators"))[:10]
            context["done_last"] = [
                (entry, in_words(entry.action, thing_of(entry), details_of(entry))) for entry in entries
            ]
        return super().index(request, context | (extra_context or {}))

    def get_urls(self) -> list[Any]:
        return [path("find/", self.admin_view(self.find), name="find"), *super().get_urls()]

    def find(self, request: HttpRequest) -> HttpResponse:
        """Show what all lists have of what is sought."""
        # Without NUL, at which PostgreSQL breaks off; the forms of the lists refuse it.
        sought = " ".join(request.GET.get("q", "").replace("\0", " ").split())
        kept = without_secret(sought)
        if kept != sought:
            return HttpResponseRedirect(f"?{urlencode({'q': kept})}")
        context = {
            **self.each_context(request),
            "title": gettext("What has “{sought}” in it").format(sought=sought) if sought else gettext("Find"),
            "sought": sought,
            "found": find(self, request, sought) if sought else [],
        }
        return TemplateResponse(request, "admin/find.html", context)

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
