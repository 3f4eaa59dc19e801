"""The pages in another language: who gets which, and that the texts fit their places."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.pofile import read_po
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone, translation
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from orgs import invitations
from orgs.models import User
from orgs.readers import as_read_by
from portal.models import OutboxMessage
from portal.translations import catalogs, compile_catalogs
from tests.conftest import Cast

GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-AT,de;q=0.9,en;q=0.5"}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|%[sd]")


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    compile_catalogs()


def speaks(client: Client, address: str = "/devices/", **headers: str) -> str:
    """Return the language of a page, by what it says of itself and by one of its words."""
    answer = client.get(address, **headers)
    page = answer.content.decode()
    language = re.search(r'<html lang="(\w+)"', page)
    assert language
    assert answer["Content-Language"] == language[1]
    return language[1] if ("Abmelden" in page or "Anmelden" in page) == (language[1] == "de") else "a mixture"


@pytest.mark.django_db
def test_a_visitor_is_spoken_to_as_the_browser_asks(client: Client) -> None:
    assert speaks(client, "/", **GERMAN) == "de"
    assert speaks(client, "/", HTTP_ACCEPT_LANGUAGE="en-GB") == "en"
    assert speaks(client, "/", HTTP_ACCEPT_LANGUAGE="ja") == "en"


@pytest.mark.django_db
def test_a_visitor_chooses_a_language_and_stays_on_the_page(client: Client) -> None:
    answer = client.post("/language/", {"language": "de", "next": "/accounts/login/?next=/devices/"})
    assert answer["Location"] == "/accounts/login/?next=/devices/"
    assert speaks(client, "/") == "de"


@pytest.mark.django_db
def test_the_switch_leads_nowhere_else(client: Client) -> None:
    answer = client.post("/language/", {"language": "de", "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_what_somebody_chose_is_kept_for_every_browser(as_marge: Client, simpsons: Cast) -> None:
    as_marge.post("/language/", {"language": "de", "next": "/devices/"})
    elsewhere = Client()
    elsewhere.force_login(simpsons.marge)
    assert speaks(elsewhere, HTTP_ACCEPT_LANGUAGE="en") == "de"


def test_an_unknown_language_changes_nothing(as_marge: Client, simpsons: Cast) -> None:
    as_marge.post("/language/", {"language": "tlh", "next": "/devices/"})
    simpsons.marge.refresh_from_db()
    assert simpsons.marge.language == ""
    assert speaks(as_marge) == "en"


def test_who_chose_nothing_is_spoken_to_as_the_browser_asks(as_marge: Client) -> None:
    assert speaks(as_marge, **GERMAN) == "de"
    assert speaks(as_marge) == "en"


def test_a_device_is_answered_in_english_after_a_german_page(as_marge: Client) -> None:
    assert speaks(as_marge, **GERMAN) == "de"
    assert translation.get_language() == "en"
    as_marge.cookies["time_zone"] = "Europe/Vienna"
    as_marge.get("/devices/")
    assert timezone.get_current_timezone_name() == "UTC"


def test_mail_is_written_in_the_language_of_its_reader(
    simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    simpsons.marge.read_in("de")
    for email in ("marge@example.net", "carl@example.net"):
        with django_capture_on_commit_callbacks(execute=True):
            invitations.invite(organization=simpsons.power_plant, email=email, by=simpsons.homer)
    assert [message.subject for message in mail.outbox] == [
        f"{simpsons.homer} lädt Sie zu Power plant ein",
        f"{simpsons.homer} invites you to Power plant",
    ]


def test_mail_speaks_as_the_browser_did_last_when_nothing_is_chosen(as_marge: Client, simpsons: Cast) -> None:
    as_marge.get("/devices/", **GERMAN)
    simpsons.marge.refresh_from_db()
    with as_read_by(simpsons.marge):
        assert translation.get_language() == "de"
    as_marge.get("/devices/")
    simpsons.marge.refresh_from_db()
    with as_read_by(simpsons.marge):
        assert translation.get_language() == "en"


def test_a_reset_of_the_password_is_mailed_in_the_owners_language(client: Client, simpsons: Cast) -> None:
    simpsons.marge.read_in("de")
    client.post("/accounts/password/reset/", {"email": "marge@example.net"}, HTTP_ACCEPT_LANGUAGE="en")
    assert mail.outbox[0].body.startswith("Guten Tag,")


NOON = datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("chosen", "browser", "exact"),
    [
        ("", "", "1 July 2026, 12:00:05 UTC"),
        ("", "Europe/Vienna", "1 July 2026, 14:00:05 CEST"),
        ("America/New_York", "Europe/Vienna", "1 July 2026, 08:00:05 EDT"),
        ("", "../../etc/passwd", "1 July 2026, 12:00:05 UTC"),
        ("", "Springfield", "1 July 2026, 12:00:05 UTC"),
    ],
)
def test_moments_are_said_in_the_zone_of_the_viewer(
    as_marge: Client, simpsons: Cast, chosen: str, browser: str, exact: str
) -> None:
    User.objects.filter(pk=simpsons.marge.pk).update(time_zone=chosen)
    OutboxMessage.objects.create(to="marge@example.net", subject="Donuts", body="", created_at=NOON)
    if browser:
        as_marge.cookies["time_zone"] = browser
    assert f'title="{exact}"' in as_marge.get("/outbox/").content.decode()


def test_a_german_reads_german_dates() -> None:
    with translation.override("de"):
        assert 'title="1. Juli 2026, 12:00:05 UTC"' in render_to_string("_ago.html", {"moment": NOON})


def test_the_browsers_word_is_written_down_only_when_it_is_news(
    as_marge: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    as_marge.cookies["time_zone"] = "Europe/Vienna"
    as_marge.get("/outbox/", **GERMAN)
    with django_assert_num_queries(3) as counted:  # session, user, mails
        as_marge.get("/outbox/", **GERMAN)
    assert not [query for query in counted.captured_queries if "UPDATE" in query["sql"]]


def _read(catalog: Path) -> Catalog:
    with catalog.open("rb") as source:
        return read_po(source, locale=catalog.parent.parent.name)


@pytest.mark.parametrize("catalog", catalogs(), ids=lambda path: path.parent.parent.name)
def test_a_translation_has_the_placeholders_of_its_original(catalog: Path) -> None:
    wrong = []
    for message in _read(catalog):
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        allowed = [set(PLACEHOLDER.findall(original)) for original in originals]
        wrong += [text for text in texts if text and set(PLACEHOLDER.findall(text)) not in allowed]
    assert wrong == []


@pytest.mark.parametrize("catalog", catalogs(), ids=lambda path: path.parent.parent.name)
def test_no_translation_is_a_guess(catalog: Path) -> None:
    assert [message.id for message in _read(catalog) if message.id and message.fuzzy] == []
