"""What every page knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

PAGES = (
    ("dashboard", _("My devices"), "thermometer-half", ()),
    ("organizations", _("Organizations"), "diagram-3", ("/registration-keys/", "/findings/")),
    ("people", _("People"), "people", ("/memberships/", "/invited/")),
)
"""The name of an entry's page, its label, its icon, and where the pages are that belong to it besides those below."""
FOR_MANAGERS = {"people"}
"""The entries that only those see who manage something: for the others their pages are empty."""


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The entries of the main navigation, and whether mail is shown on a page."""
    user = getattr(request, "user", None)  # Not there when a device path failed.
    items = []
    if user is not None and user.is_authenticated:
        for name, label, icon, further in PAGES:
            if name in FOR_MANAGERS and not getattr(user, "manages", False):
                continue
            url = reverse(name)
            items.append(
                {"label": label, "url": url, "icon": icon, "current": request.path.startswith((url, *further))}
            )
    return {"navigation": items, "outbox_is_shown": settings.OUTBOX_IS_SHOWN}
