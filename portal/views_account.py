"""Pages about one's own account."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views import i18n
from django.views.decorators.http import require_http_methods

from orgs.readers import spoken


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Choose a language: for this browser, and for the person who is logged in."""
    if request.method == "POST" and request.user.is_authenticated and (code := spoken(request.POST.get("language"))):
        request.user.read_in(code)
    return i18n.set_language(request)
