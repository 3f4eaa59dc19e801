"""A channel's whole history, out and in as CSV."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import HealthCheck, example, given, settings, strategies

from channels.platform import history
from channels.platform.errors import MomentTaken
from channels.platform.models import Account, Entry, Latest
from tests.channels.platform.conftest import NOON, a_channel

pytestmark = pytest.mark.django_db


def export(api, keys) -> str:
    answer = api.get(f"/stream/channels/{keys.number}/feeds.csv?api_key={keys.read}")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def send(api, keys, text: str | bytes, **parameters: str):
    query = "&".join(f"{name}={value}" for name, value in {"api_key": keys.account, **parameters}.items())
    return api.post(f"/channels/{keys.number}/feeds.csv?{query}", text, content_type="text/csv")


TWO = "created_at,entry_id,field1,status\n2026-04-01 10:00:00 UTC,70,20.5,\n2026-04-01 10:05:00 +0200,71,21,ok\n"


def test_an_export_is_imported_as_it_was(api, homer, kitchen):
    api.get(f"/update?api_key={kitchen.write}&field1=20.5&status=ok&lat=1&long=2&created_at=2026-05-01T10:00:00Z")
    api.get(f'/update?api_key={kitchen.write}&field2=a "b", c&created_at=2026-05-01T10:00:01Z')
    exported = export(api, kitchen)
    assert exported == (
        "created_at,entry_id,field1,field2,latitude,longitude,elevation,status\n"
        "2026-05-01 10:00:00 UTC,1,20.5,,1.0,2.0,,ok\n"
        '2026-05-01 10:00:01 UTC,2,,"a ""b"", c",,,,\n'
    )
    copy = a_channel(homer, name="Copy", field1="Temperature", field2="Humidity")
    answer = send(api, copy, exported)
    assert (answer.status_code, answer.json()) == (202, {"success": True, "stored": 2})
    assert export(api, copy) == exported


def test_an_export_is_streamed_in_pages_by_index(api, kitchen, monkeypatch):
    monkeypatch.setattr(history, "_BATCH", 3)
    Entry.objects.bulk_create(
        Entry(channel=kitchen.channel, entry_id=n, created_at=NOON + timedelta(seconds=n), field1=str(n))
        for n in range(1, 8)
    )
    assert [line.split(",")[2] for line in export(api, kitchen).splitlines()[1:]] == [str(n) for n in range(1, 8)]
    rows = history.everything(kitchen.channel, ["field1"])
    assert next(rows)[2] == "1"


def test_an_export_needs_a_key_or_a_public_channel(api, kitchen, plaza):
    answer = api.get(f"/stream/channels/{kitchen.number}/feeds.csv?api_key={plaza.read}")
    assert (answer.status_code, answer.content) == (400, b"-1")
    assert api.get(f"/stream/channels/{plaza.number}/feeds.csv").status_code == 200


def test_imported_entries_are_numbered_on_in_order_of_time(api, kitchen):
    api.get(f"/update?api_key={kitchen.write}&field1=now")
    send(api, kitchen, "field1,created_at\nlater,2026-04-02\nearlier,2026-04-01\n")
    found = Entry.objects.order_by("entry_id").values_list("entry_id", "field1")
    assert list(found) == [(1, "now"), (2, "earlier"), (3, "later")]
    assert api.get(f"/update?api_key={kitchen.write}&field1=next").content == b"4"


def test_history_is_no_news(api, kitchen):
    """What was measured last stays the last value, whatever is imported."""
    api.get(f"/update?api_key={kitchen.write}&field1=now&status=here")
    send(api, kitchen, "created_at,field1,field2,status\n2026-04-01,then,40,there\n")
    key = f"api_key={kitchen.read}"
    assert api.get(f"/channels/{kitchen.number}/feeds/last.json?{key}&status=true").json()["field1"] == "now"
    assert api.get(f"/channels/{kitchen.number}/feeds/last.json?{key}").json()["entry_id"] == 1
    assert api.get(f"/channels/{kitchen.number}/status/last.txt?{key}").content == b"here"
    assert api.get(f"/channels/{kitchen.number}/fields/1/last?{key}").content == b"now"
    assert api.get(f"/channels/{kitchen.number}/fields/2/last?{key}").content == b"40"


def test_an_empty_channel_gets_its_last_values_from_history(api, kitchen):
    send(api, kitchen, TWO)
    latest = Latest.objects.get()
    assert (latest.last_entry_id, latest.newest_id, latest.field1) == (2, 2, "20.5")
    assert latest.values() == {1: "20.5"}


def test_moments_without_zone_are_read_in_the_zone_that_is_given(api, kitchen):
    send(api, kitchen, "created_at,field1\n2026-05-01 14:00:00,1\n", timezone="Europe/Berlin")
    assert Entry.objects.get().created_at == NOON


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("", "first line"),
        ("field1\n1\n", "created_at"),
        ("created_at,field1\n", "no entries"),
        ("created_at,field1\n2026-04-01,1\nyesterday,2\n", "Line 3"),
        ("created_at,field1\n2026-04-01,1\n2026-04-02," + "x" * 256, "Line 3"),
        ("created_at,latitude\n2026-04-01,north\n", "Line 2"),
        ('created_at,field1\n2026-04-01,"1\n', "Line 2"),
        (b"created_at,field1\n2026-04-01,\xff\n", "UTF-8"),
        ("created_at,field1\n2026-04-01,a\0b\n", "null"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_line(api, kitchen, file, said):
    answer = send(api, kitchen, file)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["details"]
    with pytest.raises(history.CannotRead, match=said):
        history.add(kitchen.channel, file if isinstance(file, bytes) else file.encode(), zone=UTC, now=NOON)
    assert not Entry.objects.exists()


def test_every_line_that_is_wrong_is_named_and_of_very_many_the_rest_is_counted(api, kitchen):
    lines = ["2026-04-01,1", "yesterday,2", "2026-04-02," + "x" * 256, "2026-04-03,4", "2026-04-03,5"]
    said = send(api, kitchen, "\n".join(["created_at,field1", *lines])).json()["error"]["details"]
    assert said == (
        "Line 3: created_at cannot be read. Line 4: field1 is longer than 255 bytes. "
        "Lines 5 and 6 are of the same moment, 2026-04-03 00:00:00 UTC. Nothing was stored."
    )
    said = send(api, kitchen, "\n".join(["created_at,field1", *["never,1"] * 13])).json()["error"]["details"]
    assert "Line 11: " in said
    assert "Line 12: " not in said
    assert said.endswith(" 3 more lines have mistakes. Nothing was stored.")
    assert not Entry.objects.exists()


def test_every_line_of_a_moment_that_is_there_already_is_named(api, kitchen, monkeypatch):
    monkeypatch.setattr(history, "_ASKED_AT_ONCE", 2)
    send(api, kitchen, TWO)
    again = "created_at,field1\n2026-04-01 10:00:00,1\n2026-04-03,2\n2026-04-01 08:05:00,3\n"
    with pytest.raises(MomentTaken) as taken:
        history.add(kitchen.channel, again.encode(), zone=UTC, now=NOON)
    assert str(taken.value) == (
        "Line 2: the channel already has an entry of 2026-04-01 10:00:00 UTC. "
        "Line 4: the channel already has an entry of 2026-04-01 08:05:00 UTC. Nothing was stored."
    )


def test_a_moment_that_is_there_already_refuses_the_whole_file(api, kitchen):
    send(api, kitchen, TWO)
    assert send(api, kitchen, "created_at,field1\n2026-04-03,1\n2026-04-01 10:00:00,2\n").status_code == 409
    assert Entry.objects.count() == 2
    assert Latest.objects.get().last_entry_id == 2


def test_an_import_counts_as_so_many_messages(api, kitchen, settings):
    settings.PLATFORM_YEARLY_MESSAGES = 1
    assert send(api, kitchen, TWO).status_code == 402
    assert not Entry.objects.exists()
    assert Account.objects.get().messages == 0


def test_too_many_entries_are_refused(api, kitchen, monkeypatch):
    monkeypatch.setattr(history, "MOST_ENTRIES", 1)
    assert send(api, kitchen, TWO).status_code == 400


def test_a_file_comes_as_part_of_a_form(api, kitchen):
    file = SimpleUploadedFile("history.csv", ("\ufeff" + TWO).encode())
    answer = api.post(f"/channels/{kitchen.number}/feeds.csv", {"api_key": kitchen.account, "csv": file})
    assert answer.json() == {"success": True, "stored": 2}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=strategies.lists(
        strategies.text(strategies.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
        max_size=6,
    )
)
@example(values=["\r0", "0\r\n1", '"', ",", " ", "\ufeff"])
def test_whatever_is_written_is_read_back(api, kitchen, values):
    """By form, JSON and CSV: every text survives, but for what is documented (line ends at the end, empty ones)."""
    kitchen.channel.clear()
    for n, value in enumerate(values):
        moment = (NOON + timedelta(seconds=n)).isoformat()
        sent = {"api_key": kitchen.write, "field1": value, "created_at": moment}
        if n % 2:
            api.post("/update.json", sent, content_type="application/json")
        else:
            api.post("/update", sent)

    def kept(text: str) -> str | None:
        text = re.sub(r"(\\n|\\r|\n|\r)+$", "", text)
        return text or None

    expected = [kept(value) if value.upper() != "IP_ADDRESS" else "127.0.0.1" for value in values]
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        feed = api.get(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.read}").json()["feeds"]
    assert [entry["field1"] for entry in feed] == expected
    rows = list(csv.DictReader(io.StringIO(export(api, kitchen), newline="")))
    assert [row["field1"] or None for row in rows] == expected
