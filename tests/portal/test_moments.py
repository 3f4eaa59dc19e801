"""How pages say when something was or ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import timezone, translation

from orgs import invitations
from portal.templatetags.moments import at_time, exactly, on_day
from tests.conftest import Cast

NOW = datetime(2026, 12, 28, 12, 0, tzinfo=UTC)
END = NOW + timedelta(days=3, hours=11, minutes=30)
TEMPLATES = Path(__file__).resolve().parent.parent.parent / "templates"


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.parametrize(
    ("language", "zone", "day", "from_now", "exact"),
    [
        ("en", "UTC", "31 December 2026", "in 3 days", "31 December 2026, 23:30:00 UTC"),
        ("de", "UTC", "31. Dezember 2026", "in 3 Tagen", "31. Dezember 2026, 23:30:00 UTC"),
        ("de", "Europe/Berlin", "1. Januar 2027", "in 4 Tagen", "1. Januar 2027, 00:30:00 CET"),
    ],
)
def test_an_end_is_said_as_a_day_and_from_now_and_exactly_on_hover(
    language: str, zone: str, day: str, from_now: str, exact: str
) -> None:
    with translation.override(language), timezone.override(ZoneInfo(zone)):
        html = on_day(END)
        assert f">{day} <span" in html
        assert f">({from_now})<" in html
        assert f'title="{exact}"' in html
        assert exactly(END) == exact


def test_what_ends_at_an_hour_is_said_with_it() -> None:
    assert ">31 December 2026, 23:30 <span" in at_time(END)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"seconds": 20}, "in 1 minute"),
        ({"minutes": 90}, "in 90 minutes"),
        ({"hours": 47}, "in 47 hours"),
        ({"days": 14, "seconds": -1}, "in 14 days"),
        ({"days": 59}, "in 59 days"),
        ({"days": 400}, "in 13 months"),
        ({"days": -1}, "1 day ago"),
    ],
)
def test_how_far_it_is_is_said_in_one_unit(left: dict[str, int], said: str) -> None:
    assert f"({said})" in on_day(NOW + timedelta(**left))


def test_what_has_no_end_is_not_said_at_all() -> None:
    assert on_day(None) == at_time(None) == ""


def test_no_page_says_a_day_without_how_far_it_is() -> None:
    """Labels are printed; an event of the keys to come says "about", with the exact moment on hover."""
    bare = {
        path.relative_to(TEMPLATES).as_posix()
        for path in TEMPLATES.rglob("*.html")
        if re.search(r"""\|date:["'](?!c["'])(?!MONTH_DAY|H:i:s)""", path.read_text(encoding="utf-8"))
    }
    assert bare == {"devices/_label_sheets.html", "devices/organization_keys.html", "devices/_audit_table.html"}


def test_an_invitation_says_until_when_it_is_good(simpsons: Cast, as_homer: Client) -> None:
    invitations.invite(organization=simpsons.household, email="lisa@example.net", by=simpsons.homer)
    html = as_homer.get("/people/invited/").content.decode()
    assert 'title="11 January 2027, ' in html
    assert "(in 14 days)" in html
