"""What pages of the administration load: all that Django wants, but for what makes slugs out of titles."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Model

_SCRIPTS = ("vendor/jquery/jquery{min}.js", "jquery.init.js", "core.js", "admin/RelatedObjectLookups.js", "actions.js")


class Light:
    """Goes before a ModelAdmin. Django's own list has a library of 46 KB for slugs, which nothing here has."""

    prepopulated_fields: dict[str, Any]

    @property
    def media(self) -> forms.Media:
        wanted: forms.Media = super().media  # type: ignore[misc]
        if self.prepopulated_fields:
            return wanted
        minified = "" if settings.DEBUG else ".min"
        return forms.Media(js=[f"admin/js/{name.format(min=minified)}" for name in _SCRIPTS])


def light(admin_class: type[admin.ModelAdmin[Model]]) -> type[admin.ModelAdmin[Model]]:
    """Return the same administration of a model, with light pages."""
    return type(admin_class.__name__, (Light, admin_class), {"__module__": admin_class.__module__})
