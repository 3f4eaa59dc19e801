"""What views of every app share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Protocol, TypedDict, TypeVar, cast

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
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
    path = [_breadcrumb(step) for step in (*access.visible_path(user, organization), *further)]
    # One step alone would only say the heading twice.
    return path if len(path) > 1 else [{"label": _("Organizations"), "url": reverse("organizations")}, *path]


def below_my_devices(page: str) -> list[Breadcrumb]:
    """Return the path to a page of devices that lie in several organizations."""
    return [{"label": _("My devices"), "url": reverse("dashboard")}, {"label": page}]


def _breadcrumb(step: HasPage | Breadcrumb | str) -> Breadcrumb:
    if isinstance(step, str):
        return {"label": step}
    return step if isinstance(step, dict) else {"label": str(step), "url": step.get_absolute_url()}


View = TypeVar("View", bound=Callable[..., HttpResponse])


def button_on(page: str) -> Callable[[View], View]:
    """Let a view be called by a button on the page of that name alone, and send whoever just opens its address there.

    People do: a log-in that comes in between leads to where they were going. The page's route takes the first of the
    view's arguments, as many as it has.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST":
                return view(request, *args, **kwargs)
            messages.info(
                request, _("Nothing was done. If you still want it, press the button on this page once more.")
            )
            return redirect(_address(page, kwargs))

        return cast("View", require_http_methods(["GET", "HEAD", "POST"])(handle))

    return decorate


def _address(page: str, kwargs: dict[str, Any]) -> str:
    """Return the address of a page that is about the same thing as these arguments."""
    for count in range(len(kwargs), 0, -1):
        try:
            return reverse(page, kwargs=dict(list(kwargs.items())[:count]))
        except NoReverseMatch:
            continue
    return reverse(page)


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what a form was sent with, or None if the page is just opened; an empty form is sent, too."""
    return request.POST if request.method == "POST" else None


def note(
    request: HttpRequest, action: str, *, about: Model, organization: Organization, **details: audit.Plain
) -> None:
    """Store in the audit that the person of this request did `action` to `about`; see `orgs.audit.record`."""
    address = audit.address_of(request)
    audit.record(action, by=request.user, about=about, organization=organization, address=address, **details)


def note_each(
    request: HttpRequest, action: str, things: Iterable[tuple[Model, Organization]], **details: audit.Plain
) -> None:
    """Store the same of each of these things, given with its organization; see `orgs.audit.record_of_each`."""
    audit.record_of_each(action, things, by=request.user, address=audit.address_of(request), **details)


def note_own(request: PersonRequest, action: str, **details: audit.Plain | Sequence[audit.Plain]) -> None:
    """Store in the audit that the person of this request did `action` to their own account."""
    address = audit.address_of(request)
    audit.record(action, by=request.user, about=request.user, organization=None, address=address, **details)
