"""Links between the administration's pages, and how they say "a secret", "nothing" and "when"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

MASK = "••••••••"
NOTHING = "–"


@dataclass(frozen=True)
class Neighbour:
    """What an object's page leads to."""

    words: str | Promise
    url: str


def when(moment: datetime | None) -> str:
    """Return a moment as Django's own columns show it, or a dash for never."""
    return localize(timezone.localtime(moment)) if moment else NOTHING


def link(thing: models.Model | None, text: object = None) -> SafeString | str:
    """Return a link to the administration's page of `thing`, or a dash for nothing."""
    return link_to(type(thing), thing.pk, text or thing) if thing is not None else NOTHING


def link_to(model: type[models.Model], pk: object, text: object) -> SafeString | str:
    """Return a link to the page of the `model` with that primary key, which need not be loaded."""
    if pk is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{named(model)}_change", args=[pk]), text)


def link_to_list(model: type[models.Model], text: object, **filters: str | int) -> SafeString:
    """Return a link to the administration's list of those of `model` that the filters leave."""
    return format_html('<a href="{}">{}</a>', _list_url(model, filters), text)


def list_of(model: type[models.Model], words: str | Promise, **filters: str | int) -> Neighbour:
    """Return the list of those of `model` that the filters leave, as something that a page leads to."""
    return Neighbour(words, _list_url(model, filters))


def _list_url(model: type[models.Model], filters: Mapping[str, str | int]) -> str:
    return f"{reverse(f'admin:{named(model)}_changelist')}?{urlencode(filters)}"


def named(model: type[models.Model]) -> str:
    """Return by what the names of the addresses of a model begin."""
    return f"{model._meta.app_label}_{model._meta.model_name}"
