"""What an operator is told on the phone, sought in all lists at once: each as its own search would find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from channels.models import Channel, PlatformAccount
from devices.models import Device, ExpectedDevice, FormerDevice, PendingDevice, RegistrationKey
from orgs.models import Invitation, Organization, User
from portal.letters import Letter

WHERE: tuple[type[models.Model], ...] = (
    User, Organization, Device, PendingDevice, ExpectedDevice, FormerDevice, RegistrationKey, Channel,
    PlatformAccount, Invitation, Letter,
)  # fmt: skip
"""In the order in which they are shown: people and customers first, since most calls are about them."""
MOST = 5


@dataclass(frozen=True)
class Hit:
    """One thing that was found. `about` is what else its list says of it in a few words."""

    text: str
    url: str
    about: str


@dataclass(frozen=True)
class Found:
    """What was found in one list: the first few, and where the whole is."""

    name: str
    url: str
    hits: list[Hit]
    are_all: bool


def find(site: AdminSite, request: HttpRequest, sought: str) -> list[Found]:
    """Return what the operator may see of what is sought, list by list; two queries a list at most."""
    return [found for model in WHERE if (found := _find(site, request, model, sought)) is not None]


def _find(site: AdminSite, request: HttpRequest, model: type[models.Model], sought: str) -> Found | None:
    page = site.get_model_admin(model)
    if not page.has_view_permission(request):
        return None
    queryset, may_have_duplicates = page.get_search_results(request, page.get_queryset(request), sought)
    if may_have_duplicates:
        # As in Django's own lists: a row for each of several matching people would be one too many.
        queryset = page.get_queryset(request).filter(pk__in=queryset.order_by().values("pk"))
    things = list(queryset.order_by(*page.get_ordering(request))[: MOST + 1])
    if not things:
        return None
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    hits = [Hit(str(thing), reverse(f"admin:{name}_change", args=[thing.pk]), _about(thing)) for thing in things[:MOST]]
    whole = f"{reverse(f'admin:{name}_changelist')}?{urlencode({'q': sought})}"
    return Found(str(model._meta.verbose_name_plural), whole, hits, len(things) <= MOST)


def _about(thing: Any) -> str:
    """Return by what a thing is told from another of that name: its customer, its serial number, its address."""
    customer = getattr(thing, "customer_name", None) or getattr(thing, "customer", None)
    account = getattr(thing, "account", None)
    said = [
        getattr(thing, "email", ""),
        getattr(thing, "serial", ""),
        str(customer or getattr(account, "organization", "") or ""),
    ]
    own = str(thing)
    return " · ".join(words for words in said if words and words != own)
