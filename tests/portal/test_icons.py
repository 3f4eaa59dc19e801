"""Icons are drawn in the page, from the pinned package."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.template import Context, Template

from portal.templatetags.icons import icon


def test_an_icon_is_drawn_in_the_page_and_hidden_from_screen_readers() -> None:
    drawn = Template('{% icon "key" %}').render(Context())
    assert drawn.startswith('<svg class="bi" ')
    assert 'aria-hidden="true"' in drawn
    assert "<path" in drawn
    assert drawn.count("<svg") == drawn.count("</svg>") == 1


def test_an_icon_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(LookupError, match="no-such-thing"):
        icon("no-such-thing")


def test_every_icon_that_a_template_names_exists() -> None:
    named = {
        name
        for path in (settings.BASE_DIR / "templates").rglob("*.html")
        for name in re.findall(r'{% icon "([^"]+)" %}', path.read_text())
    }
    assert len(named) > 50
    assert all(icon(name) for name in named)


def test_no_icon_font_is_loaded() -> None:
    sources = [path.read_text() for path in (settings.BASE_DIR / "templates").rglob("*.html")]
    assert not [source for source in sources if "bootstrap-icons" in source or '<i class="bi' in source]
