"""The embedded platform's addresses: ThingSpeak's, at the site's root."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
