"""Icons, drawn where they stand: a font of all of them would be more than the rest of a page."""

from __future__ import annotations

import re
from functools import cache

from django import template
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return the Bootstrap icon of that name as an SVG that is as large as the text and hidden from screen readers.

    Without the front-end packages there are no icons; words stand beside all of them. Raises LookupError for a name
    that Bootstrap Icons does not have.
    """
    return _drawing(name) if settings.ICONS.is_dir() else SafeString("")


@cache
def _drawing(name: str) -> SafeString:
    try:
        source = (settings.ICONS / f"{name}.svg").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LookupError(f"Bootstrap Icons has no icon called {name!r}.") from None
    shapes = re.sub(r"\s*\n\s*", "", source.partition(">")[2])
    # From a package of ours, pinned by its checksum.
    return mark_safe(f'<svg class="bi" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">{shapes}')  # noqa: S308
