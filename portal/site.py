"""The operators' site: Django's administration, with choices that can be told apart."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

ORDER = ("orgs", "devices", "channels", "platform", "account", "auth")


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

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return Choices.as_view(admin_site=self)(request)  # type: ignore[return-value]  # Django's own line.
