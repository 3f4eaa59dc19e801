"""Everything that a device has measured is taken home by whoever sees it; its managers add what is older."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import StreamingHttpResponse
from django.test import Client

from channels.embedded import Embedded
from channels.models import ChannelKey
from channels.platform.models import Entry
from channels.platforms import OutOfReach
from devices import history
from orgs.audit import AuditEntry
from tests.conftest import Cast
from tests.factories import give_channel

OLD = "created_at,field1\n2026-04-01 10:00:00 UTC,20.5\n2026-04-01 10:05:00 UTC,21\n"


@pytest.fixture
def page(simpsons: Cast) -> str:
    return f"/devices/{simpsons.kitchen.pk}/history/"


def send(client: Client, page: str, text: str | bytes):
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(page, {"file": SimpleUploadedFile("old.csv", content, "text/csv")}, follow=True)


def download(client: Client, page: str) -> tuple[str, str]:
    answer = client.get(f"{page.rstrip('/')}.csv")
    assert isinstance(answer, StreamingHttpResponse)
    return answer["Content-Disposition"], b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]


def errors(response) -> str:
    return " ".join(str(error) for errors in response.context["form"].errors.values() for error in errors)


def test_homer_adds_a_file_and_is_told_how_much_it_was(as_homer: Client, page: str, simpsons: Cast) -> None:
    response = send(as_homer, page, OLD)
    assert [str(message) for message in response.context["messages"]] == ["2 measurements were added."]
    assert list(Entry.objects.order_by("created_at").values_list("field1", flat=True)) == ["20.5", "21"]
    noted = AuditEntry.objects.get(action="history.imported")
    assert noted.details["entries"] == 2
    assert noted.actor == simpsons.homer
    assert noted.organization == simpsons.household


def test_marge_downloads_what_was_measured_and_it_can_be_added_elsewhere(
    as_homer: Client, as_marge: Client, page: str, simpsons: Cast
) -> None:
    send(as_homer, page, OLD)
    disposition, text = download(as_marge, page)
    assert disposition == 'attachment; filename="kitchen.csv"'
    assert "2026-04-01 10:00:00 UTC,1,20.5" in text
    send(as_homer, f"/devices/{simpsons.reactor.pk}/history/", text)
    assert Entry.objects.filter(channel=simpsons.reactor.channel.number).count() == 2


@pytest.mark.parametrize(
    ("written", "downloaded"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(1+1)", "'@SUM(1+1)"),
        ("-2+3", "'-2+3"),
        ('=1,"2"', '\'=1,"2"'),
        ("=1\r\n=2", "'=1\r\n=2"),
        ("-3.5", "-3.5"),
        ("+1e3", "+1e3"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_what_a_device_writes_is_no_formula_in_a_spreadsheet(
    as_marge: Client, page: str, simpsons: Cast, written: str, downloaded: str
) -> None:
    key = ChannelKey.objects.writing().get(channel=simpsons.kitchen.channel).value
    sent = {"api_key": key, "field1": written, "status": "-1 °C, ok"}
    assert Client().post("/update", sent).content == b"1"
    _disposition, text = download(as_marge, page)
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["field1"], row["status"]) == (downloaded, "'-1 °C, ok")


def test_marge_is_offered_the_download_alone(as_marge: Client, page: str) -> None:
    html = as_marge.get(page).content.decode()
    assert "history.csv" in html
    assert 'type="file"' not in html
    assert send(as_marge, page, OLD).status_code == 404
    assert not Entry.objects.exists()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("created_at,field1\n2026-04-01,1\nyesterday,2\n", "Line 3: created_at cannot be read."),
        ("created_at,field1\n2026-04-01,1\n2026-04-02," + "x" * 256, "Line 3: field1 is longer than 255 bytes."),
        ("field1\n1\n", "The first line must name the columns"),
        ("created_at,field1\n", "no entries"),
        ("", "empty"),
        (b"created_at,field1\n2026-04-01,\xff\n", "UTF-8"),
        (
            "created_at,field1\n2026-04-02,1\n2026-04-01,2\n2026-04-02,3\n",
            "Lines 2 and 4 are of the same moment, 2026-04-02 00:00:00 UTC.",
        ),
    ],
)
def test_a_bad_file_is_refused_with_the_line_and_nothing_is_stored(
    as_homer: Client, page: str, file: str | bytes, said: str
) -> None:
    response = send(as_homer, page, file)
    assert said in errors(response)
    assert "file" in response.context["form"].errors
    assert not Entry.objects.exists()
    assert not AuditEntry.objects.filter(action="history.imported").exists()


def test_a_moment_that_is_there_already_is_named(as_homer: Client, page: str) -> None:
    send(as_homer, page, OLD)
    response = send(as_homer, page, "created_at,field1\n2026-04-03,1\n2026-04-01 10:05:00,2\n")
    assert "Line 3: the channel already has an entry of 2026-04-01 10:05:00 UTC." in errors(response)
    assert Entry.objects.count() == 2


def test_a_file_that_is_too_large_is_not_even_read(
    as_homer: Client, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 10)
    assert "Split it" in errors(send(as_homer, page, OLD))
    assert not Entry.objects.exists()


def test_with_the_platform_away_both_ways_say_so(as_homer: Client, page: str) -> None:
    with patch.object(Embedded, "import_csv", side_effect=OutOfReach):
        assert "Nothing was stored. Please try again" in errors(send(as_homer, page, OLD))
    with patch.object(Embedded, "export_csv", side_effect=OutOfReach):
        response = as_homer.get(f"{page.rstrip('/')}.csv", follow=True)
    assert response.redirect_chain == [(page, 302)]
    assert "out of reach" in response.content.decode()


def test_where_the_platform_cannot_the_page_says_how_else(
    as_homer: Client, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Embedded, "can_import", False)
    html = as_homer.get(page).content.decode()
    assert "Data Import / Export" in html
    assert 'type="file"' not in html
    assert send(as_homer, page, OLD).status_code == 404


def test_a_device_without_channel_has_no_history_yet(as_homer: Client, page: str, simpsons: Cast) -> None:
    simpsons.kitchen.channel = None
    simpsons.kitchen.save()
    assert "has no channel yet" in as_homer.get(page).content.decode()
    assert as_homer.get(f"{page.rstrip('/')}.csv").status_code == 404


def test_a_time_without_zone_is_read_in_the_zone_that_the_page_names(
    as_homer: Client, page: str, settings: pytest.FixtureRequest
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"  # type: ignore[attr-defined]
    assert "Europe/Berlin" in as_homer.get(page).content.decode()
    send(as_homer, page, "created_at,field1\n2026-04-01 12:00:00,1\n")
    assert Entry.objects.get().created_at == datetime(2026, 4, 1, 10, tzinfo=UTC)


def test_a_device_that_has_changed_its_channel_has_one_history(as_homer: Client, page: str, simpsons: Cast) -> None:
    old = simpsons.kitchen.channel
    send(as_homer, page, OLD)
    simpsons.kitchen.channel = None
    new = give_channel(simpsons.kitchen)
    new.first = old
    new.save()
    old.left_at = datetime(2026, 3, 31, 10, 2, tzinfo=UTC)
    old.save()
    send(as_homer, page, "created_at,field1\n2026-05-01 10:00:00,30\n")
    rows = list(csv.DictReader(download(as_homer, page)[1].splitlines()))
    # What somebody else wrote with the old key, a day after the device had left the channel, is not the device's.
    assert [(row["created_at"], row["field1"], row["channel"]) for row in rows] == [
        ("2026-04-01 10:00:00 UTC", "20.5", str(old.number)),
        ("2026-05-01 10:00:00 UTC", "30", str(new.number)),
    ]
