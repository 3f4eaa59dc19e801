"""A program gets a read key of its own, with a note, and loses it without anybody else noticing."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.test import Client

from channels.embedded import Embedded
from channels.models import ChannelKey, KeyState
from channels.platforms import BadAccountKey, CannotDo, NoSuchChannel, NotUnderstood, OutOfReach, PlatformError
from channels.tasks import revoke_read_keys
from orgs.audit import AuditEntry
from tests.conftest import Cast


@pytest.fixture
def page(simpsons: Cast) -> str:
    return f"/devices/{simpsons.kitchen.pk}/program-keys/"


def reads(simpsons: Cast, key: str) -> bool:
    response = Client().get(f"/channels/{simpsons.kitchen.channel.number}/feeds.json", {"api_key": key})
    return response.status_code == 200


def make(client: Client, page: str) -> ChannelKey:
    response = client.post(page, {"note": "Home Assistant"})
    key = ChannelKey.objects.for_programs().latest("pk")
    assert key.value in response.content.decode()
    return key


def test_a_new_key_reads_is_shown_once_and_has_its_note(as_homer: Client, page: str, simpsons: Cast) -> None:
    key = make(as_homer, page)
    assert reads(simpsons, key.value)
    again = as_homer.get(page).content.decode()
    assert "Home Assistant" in again
    assert key.value not in again
    assert key.value not in repr(list(AuditEntry.objects.values()))


def test_a_revoked_key_reads_nothing_any_more_and_the_others_do(as_homer: Client, page: str, simpsons: Cast) -> None:
    first, second = make(as_homer, page), make(as_homer, page)
    as_homer.post(f"{page}{first.pk}/revoke/")
    assert not reads(simpsons, first.value)
    assert reads(simpsons, second.value)
    assert AuditEntry.objects.filter(action="read_key.revoked").count() == 1


def test_with_the_platform_away_the_key_ends_as_soon_as_it_is_back(as_homer: Client, page: str, simpsons: Cast) -> None:
    key = make(as_homer, page)
    with patch.object(Embedded, "revoke_key", side_effect=OutOfReach):
        as_homer.post(f"{page}{key.pk}/revoke/")
    assert not as_homer.get(page).context["keys"]
    assert revoke_read_keys.call([key.pk]) == 0
    key.refresh_from_db()
    assert key.state == KeyState.REVOKED
    assert not reads(simpsons, key.value)


def test_the_portal_never_reads_with_a_programs_key(as_homer: Client, page: str, simpsons: Cast) -> None:
    make(as_homer, page)
    assert ChannelKey.objects.of_the_portal().filter(channel=simpsons.kitchen.channel).count() == 1


def test_a_key_without_a_note_is_not_made(as_homer: Client, page: str) -> None:
    assert "note" in as_homer.post(page, {"note": " "}).context["form"].errors
    assert not ChannelKey.objects.for_programs().exists()


def test_only_managers_of_the_device_come_here(
    as_homer: Client, as_marge: Client, as_lenny: Client, as_carl: Client, page: str
) -> None:
    key = make(as_homer, page)
    for client in (as_marge, as_lenny, as_carl):
        assert client.get(page).status_code == 404
        assert client.post(page, {"note": "x"}).status_code == 404
        assert client.post(f"{page}{key.pk}/revoke/").status_code == 404
    assert ChannelKey.objects.for_programs().get() == key


def test_a_persons_own_key_is_not_revoked_here(as_homer: Client, page: str, simpsons: Cast) -> None:
    portals = ChannelKey.objects.of_the_portal().get(channel=simpsons.kitchen.channel)
    assert as_homer.post(f"{page}{portals.pk}/revoke/").status_code == 404


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (OutOfReach("HTTP 503 from 10.0.0.7"), "Die Kanalplattform ist"),
        (NoSuchChannel("No channel 17."), "wurde auf der Kanalplattform gelöscht"),
        (CannotDo("add_read_key"), "keine eigenen Leseschlüssel für Programme"),
        (BadAccountKey("Unknown key."), "lehnt den Kontoschlüssel ab"),
        (NotUnderstood("Expecting value: line 1"), "eine Antwort gegeben, die keinen Sinn ergibt"),
    ],
)
def test_what_the_platform_refuses_is_said_in_our_words_and_the_readers_language(
    as_homer: Client, page: str, simpsons: Cast, trouble: PlatformError, sentence: str
) -> None:
    simpsons.homer.read_in("de")
    with patch.object(Embedded, "add_read_key", side_effect=trouble):
        html = as_homer.post(page, {"note": "Home Assistant"}).content.decode()
    assert sentence in html
    assert str(trouble) not in html
    assert 'value="Home Assistant"' in html, "what was typed is still there"


def test_before_a_key_is_revoked_there_is_a_question_that_names_it(as_homer: Client, page: str, simpsons: Cast) -> None:
    key = make(as_homer, page)
    assert f'href="{page}{key.pk}/revoke/"' in as_homer.get(page).content.decode()
    html = as_homer.get(f"{page}{key.pk}/revoke/").content.decode()
    assert "Revoke the key “Home Assistant”?" in html
    assert "reads “kitchen” no longer" in html
    assert reads(simpsons, key.value)
