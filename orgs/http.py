"""What views of every app share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict

from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from orgs import access, audit
from orgs.models import Organization, User


class PersonRequest(HttpRequest):
    """A request behind the log-in, which the middleware requires of every page that does not say it is public."""

    user: User
    htmx: HtmxDetails


class Breadcrumb(TypedDict, total=False):
    """One step of the path to a page; the last one needs no address."""

    label: str
    url: str


class HasPage(Protocol):
    """Something with a page of its own."""

    def get_absolute_url(self) -> str: ...


def breadcrumbs(user: User, organization: Organization, *further: HasPage | Breadcrumb | str) -> list[Breadcrumb]:
    """Return the path to `organization` as far as `user` may know of it, then what is `further` down, page last."""
    return [_breadcrumb(step) for step in (*access.visible_path(user, organization), *further)]


def below_my_devices(page: str) -> list[Breadcrumb]:
    """Return the path to a page of devices that lie in several organizations."""
    return [{"label": _("My devices"), "url": reverse("dashboard")}, {"label": page}]


def _breadcrumb(step: HasPage | Breadcrumb | str) -> Breadcrumb:
    if isinstance(step, str):
        return {"label": step}
    return step if isinstance(step, dict) else {"label": str(step), "url": step.get_absolute_url()}


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what a form was sent with, or None if the page is just opened; an empty form is sent, too."""
    return request.POST if request.method == "POST" else None


def note(
    request: HttpRequest, action: str, *, about: Model, organization: Organization, **details: audit.Plain
) -> None:
    """Store in the audit that the person of this request did `action` to `about`; see `orgs.audit.record`."""
    address = audit.address_of(request)
    audit.record(action, by=request.user, about=about, organization=organization, address=address, **details)


def note_own(request: PersonRequest, action: str, **details: audit.Plain | Sequence[audit.Plain]) -> None:
    """Store in the audit that the person of this request did `action` to their own account."""
    address = audit.address_of(request)
    audit.record(action, by=request.user, about=request.user, organization=None, address=address, **details)
