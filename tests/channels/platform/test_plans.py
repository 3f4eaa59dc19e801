from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels.markers import marker_in, with_marker
from channels.platform.plans import plan_named, plans


def test_a_plan_differs_from_the_default_in_what_it_names(settings):
    settings.PLATFORM_BULK_LIMIT = 77
    settings.PLATFORM_PLANS = {"hobby": {"update_interval": 15, "channels": 4}}
    hobby = plan_named("hobby")
    assert (hobby.update_interval, hobby.channels, hobby.bulk_limit) == (15, 4, 77)
    assert plan_named("") == plan_named("unheard of") == plans()[""]
    assert plan_named("").channels == 0


@pytest.mark.parametrize("wrong", [{"x": 1}, {"channels": "4"}, {"channels": -1}, {"channels": True}, 4, [1]])
def test_a_malformed_plan_is_named(settings, wrong):
    settings.PLATFORM_PLANS = {"hobby": wrong}
    with pytest.raises(ImproperlyConfigured, match="hobby"):
        plans()


@pytest.mark.parametrize("wrong", [[], "hobby", 4])
def test_plans_must_have_names(settings, wrong):
    settings.PLATFORM_PLANS = wrong
    with pytest.raises(ImproperlyConfigured, match="PLATFORM_PLANS"):
        plans()


@pytest.mark.parametrize("marker", ["kitchen-1", "keydist:x", "7f3c.a_b:c", "x" * 200])
@pytest.mark.parametrize("before", ["", "about the fridge", "keydist:old", "a keydist:old b", "notkeydist:x"])
def test_a_marker_is_found_in_what_it_was_put_into(marker, before):
    text = with_marker(before, marker)
    assert marker_in(text) == marker
    assert marker_in(with_marker(text, "")) == ""


def test_a_marker_has_no_blanks():
    for marker in ("a b", "a\n", "x" * 201):
        with pytest.raises(ValueError, match="marker"):
            with_marker("", marker)
    assert marker_in(None) == marker_in("nokeydist:x") == marker_in("keydist:") == ""
