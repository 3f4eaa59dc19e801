"""Feeds, fields and statuses: which entries, which members, which format."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from xml.etree import ElementTree

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from channels.platform import reading, times
from channels.platform.models import Entry, Latest
from tests.channels.platform.conftest import NOON, Keys, a_channel

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def at_noon():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def fill(keys: Keys, *moments_and_values, status=None) -> None:
    """Entries with field1 (and field2) at hours before noon."""
    entries = [
        Entry(
            channel=keys.channel,
            entry_id=n,
            created_at=NOON - hours * HOUR,
            field1=field1,
            field2=f"h{n}",
            status=status,
        )
        for n, (hours, field1) in enumerate(moments_and_values, 1)
    ]
    Entry.objects.bulk_create(entries)
    newest = entries[-1]
    Latest.objects.filter(channel=keys.channel).update(
        last_entry_id=newest.entry_id, newest_id=newest.entry_id, last_entry_at=newest.created_at,
        field1=newest.field1, field1_id=newest.entry_id, field1_at=newest.created_at,
    )  # fmt: skip


@pytest.fixture
def days(kitchen: Keys, at_noon) -> Keys:
    """Entries 72, 48, 24, 3, 2, 1 and 0 hours before noon."""
    fill(kitchen, *[(hours, str(hours)) for hours in (72, 48, 24, 3, 2, 1, 0)])
    return kitchen


def field1(api, keys: Keys, **asked: object) -> list[str]:
    answer = api.get(f"/channels/{keys.number}/feeds.json", {"api_key": keys.read, **asked})
    assert answer.status_code == 200
    return [entry["field1"] for entry in answer.json()["feeds"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "72 48 24 3 2 1 0"),
        ({"results": 2}, "1 0"),
        ({"days": 1}, "24 3 2 1 0"),
        ({"days": 2, "results": 3}, "2 1 0"),
        ({"hours": 2}, "2 1 0"),
        ({"minutes": 60}, "1 0"),
        ({"start": "2026-04-30 12:00:00"}, "24 3 2 1 0"),
        ({"end": "2026-04-30 12:00:00"}, "72 48 24"),
        ({"start": "2026-04-29T12:00:00Z", "end": "2026-04-30T12:00:00Z"}, "48 24"),
        ({"start": "2026-05-01 13:00:00", "timezone": "Europe/Berlin"}, "1 0"),
        ({"start": "2026-05-01 06:00:00", "offset": "-5"}, "1 0"),
        ({"start": "nonsense"}, "72 48 24 3 2 1 0"),
        ({"start_entry_id": 6}, "1 0"),
        ({"start_entry_id": 2, "end_entry_id": 3}, "48 24"),
        ({"days": "1e300"}, "72 48 24 3 2 1 0"),
        ({"days": "-1"}, ""),
        ({"min": 2}, "72 48 24 3 2"),
        ({"max": 2}, "2 1 0"),
        ({"min": 1, "max": 3}, "3 2 1"),
    ],
)
def test_the_window(api, days, asked, found):
    assert field1(api, days, **asked) == found.split()


def test_a_bare_request_has_100_entries_and_a_range_8000(api, kitchen, at_noon):
    fill(kitchen, *[(hours / 60, str(n)) for n, hours in enumerate(range(9000, 0, -1))])
    assert len(field1(api, kitchen)) == 100
    assert len(field1(api, kitchen, minutes=600)) == 100
    for asked in ({"days": 30}, {"start": "2020-01-01"}, {"end": "2030-01-01"}, {"results": 8000}, {"results": 9000}):
        found = field1(api, kitchen, **asked)
        assert len(found) == 8000
        assert found[-1] == "8999"


def test_members_of_the_channel_are_those_that_are_not_empty(api, homer, at_noon):
    bare = a_channel(homer, name="Bare")
    assert api.get(f"/channels/{bare.number}/feeds.json?api_key={bare.read}").content.decode() == (
        f'{{"channel":{{"id":{bare.number},"name":"Bare","created_at":"2026-05-01T12:00:00Z",'
        f'"updated_at":"2026-05-01T12:00:00Z","last_entry_id":null}},"feeds":[]}}'
    )
    full = a_channel(
        homer, name="Full", description="d", latitude="40.44", longitude="-79.996", elevation="12",
        field1="Light", field3="Temp", metadata="m",
    )  # fmt: skip
    path = f"/channels/{full.number}/fields/3.json?api_key={full.read}"
    assert list(api.get(path).json()["channel"]) == [
        "id", "name", "description", "latitude", "longitude", "field1", "field3", "created_at", "updated_at",
        "elevation", "last_entry_id",
    ]  # fmt: skip
    assert api.get(f"{path}&metadata=true").json()["channel"]["metadata"] == "m"
    assert api.get(path).json()["channel"]["latitude"] == "40.44"


def test_entries_hold_the_labelled_fields_and_what_is_asked_for(api, days):
    def members(path: str) -> list[str]:
        return list(api.get(f"/channels/{days.number}/{path}api_key={days.read}").json()["feeds"][0])

    assert members("feeds.json?") == ["created_at", "entry_id", "field1", "field2"]
    assert members("fields/2.json?") == ["created_at", "entry_id", "field2"]
    assert members("fields/7.json?") == ["created_at", "entry_id"]
    assert members("fields/1.json?status=TRUE&location=true&") == [
        "created_at", "entry_id", "field1", "latitude", "longitude", "elevation", "status",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "places", "written"),
    [
        ("21.456", "1", "21.5"),
        ("21", "2", "21.00"),
        ("21,456", "2", "21,46"),
        ("warm", "1", "warm"),
        ("2.5e1", "0", "25"),
        ("21.456", "-3", "21"),
        ("21.456", "999", "21.456000000000000"),
        ("21.456", "x", "21.456"),
        ("NaN", "1", "NaN"),
    ],
)
def test_rounding(api, kitchen, at_noon, value, places, written):
    fill(kitchen, (0, value))
    assert field1(api, kitchen, round=places) == [written]
    last = api.get(f"/channels/{kitchen.number}/fields/1/last.txt", {"api_key": kitchen.read, "round": places})
    assert last.content.decode() == written


def test_csv(api, kitchen, at_noon):
    fill(kitchen, (1, 'a "quoted", value'), (0, "two\nlines"))
    answer = api.get(f"/channels/{kitchen.number}/feeds.csv?api_key={kitchen.read}")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.content.decode()))) == [
        ["created_at", "entry_id", "field1", "field2"],
        ["2026-05-01 11:00:00 UTC", "1", 'a "quoted", value', "h1"],
        ["2026-05-01 12:00:00 UTC", "2", "two\nlines", "h2"],
    ]
    zoned = api.get(f"/channels/{kitchen.number}/fields/1.csv?api_key={kitchen.read}&timezone=America/New_York")
    assert "2026-05-01 07:00:00 -0400,1," in zoned.content.decode()


def test_xml(api, kitchen, at_noon):
    fill(kitchen, (0, "<&\x01>"))
    root = ElementTree.fromstring(
        api.get(f"/channels/{kitchen.number}/feeds.xml?api_key={kitchen.read}&location=1").content
    )
    assert (root.tag, root.find("id").text, root.find("id").get("type")) == ("channel", str(kitchen.number), "integer")
    assert root.find("feeds").get("type") == "array"
    feed = root.find("feeds/feed")
    assert feed.find("field1").text == "<&\ufffd>"
    assert (feed.find("created-at").text, feed.find("created-at").get("type")) == ("2026-05-01T12:00:00Z", "dateTime")
    assert (feed.find("entry-id").text, feed.find("entry-id").get("type")) == ("1", "integer")
    assert feed.find("latitude").attrib == {"type": "decimal", "nil": "true"}
    assert feed.find("id").attrib == {"type": "integer", "nil": "true"}


def test_without_suffix_a_feed_is_json_as_text(api, days):
    answer = api.get(f"/channels/{days.number}/feeds?api_key={days.read}")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content == api.get(f"/channels/{days.number}/feeds.json?api_key={days.read}").content
    accepting = api.get(f"/channels/{days.number}/feeds?api_key={days.read}", headers={"Accept": "application/json"})
    assert accepting["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("path", ["feeds/2", "feeds/entry/2"])
def test_an_entry_by_its_number(api, days, path):
    for suffix in ("", ".json", ".txt"):
        answer = api.get(f"/channels/{days.number}/{path}{suffix}?api_key={days.read}")
        assert answer.content == b'{"created_at":"2026-04-29T12:00:00Z","entry_id":2,"field1":"48","field2":"h2"}'
    assert api.get(f"/channels/{days.number}/fields/2/2?api_key={days.read}").content == b"h2"
    assert api.get(f"/channels/{days.number}/feeds/99.json?api_key={days.read}").content == b"-1"


def test_the_last_value_of_a_field_is_the_newest_that_is_one(api, kitchen):
    for sent in ("field1=20&field2=40&status=a&lat=1", "field1=21", "status=b"):
        api.get(f"/update?api_key={kitchen.write}&{sent}")
    key = f"api_key={kitchen.read}"
    assert api.get(f"/channels/{kitchen.number}/fields/1/last?{key}").content == b"21"
    assert api.get(f"/channels/{kitchen.number}/fields/2/last.json?{key}").json()["entry_id"] == 1
    assert api.get(f"/channels/{kitchen.number}/fields/2/last.json?{key}&status=true").json()["status"] == "a"
    assert api.get(f"/channels/{kitchen.number}/feeds/last.json?{key}").json()["field1"] is None
    assert api.get(f"/channels/{kitchen.number}/status/last.txt?{key}").content == b"b"
    wrapped = api.get(f"/channels/{kitchen.number}/fields/1/last.txt?{key}&prepend=(&append=)").content
    assert wrapped == b"(21)"


def test_where_there_is_nothing_the_answer_is_minus_1(api, kitchen):
    for path in ("feeds/last.json", "fields/1/last", "feeds/last_data_age.json", "status/last.txt", "feeds/1.json",
                 "feeds/last_average.json?average=10"):  # fmt: skip
        join = "&" if "?" in path else "?"
        answer = api.get(f"/channels/{kitchen.number}/{path}{join}api_key={kitchen.read}")
        assert (answer.status_code, answer.content) == (400, b"-1"), path


def test_the_age_of_the_last_entry(api, kitchen, at_noon):
    fill(kitchen, (0, "1"))
    at_noon.shift(timedelta(seconds=174.9))
    path = f"/channels/{kitchen.number}/fields/1/last_data_age"
    expected = {"": "174", ".txt": "174", ".json": '{"last_data_age":"174","last_data_age_units":"s"}',
                ".csv": "last_data_age,last_data_age_units\n174,s\n"}  # fmt: skip
    for suffix, body in expected.items():
        assert api.get(f"{path}{suffix}?api_key={kitchen.read}").content.decode() == body
    xml = ElementTree.fromstring(api.get(f"{path}.xml?api_key={kitchen.read}").content)
    assert xml.find("last-data-age").text == "174"


def test_statuses_of_the_last_day(api, kitchen, at_noon):
    fill(kitchen, (48, "1"), (2, "2"), (1, "3"), status="ok")
    path = f"/channels/{kitchen.number}/status.json?api_key={kitchen.read}"
    feed = api.get(path).json()
    assert feed["channel"] == {"name": "Kitchen"}
    assert feed["feeds"] == [
        {"created_at": "2026-05-01T10:00:00Z", "entry_id": 2, "status": "ok"},
        {"created_at": "2026-05-01T11:00:00Z", "entry_id": 3, "status": "ok"},
    ]
    assert len(api.get(f"{path}&results=8000").json()["feeds"]) == 2
    assert len(api.get(f"{path}&results=1").json()["feeds"]) == 1
    assert len(api.get(f"{path}&days=3").json()["feeds"]) == 3


def test_a_feed_takes_the_same_statements_for_many_entries(api, kitchen, at_noon):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            api.get(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.read}&results=8000")
        return len(queries)

    fill(kitchen, (0, "1"))
    statements()  # the key's use is noted
    few = statements()
    Entry.objects.all().delete()
    fill(kitchen, *[(n / 10, str(n)) for n in range(500, 0, -1)])
    assert statements() == few == 3


def test_a_feed_is_read_by_index(kitchen):
    if connection.vendor == "postgresql":  # which scans and sorts a table of a few rows
        connection.cursor().execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    plan = reading.newest(kitchen.channel, reading.Window(8000, NOON - HOUR, NOON)).values_list("field1").explain()
    assert "one_entry_a_moment" in plan or "autoindex_platform_entry" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2014-12-31 23:59:59", "2014-12-31T23:59:59Z"),
        ("2014-12-31T23:59:59Z", "2014-12-31T23:59:59Z"),
        ("2014-12-31T23:59:59.25+02:00", "2014-12-31T21:59:59Z"),
        ("2014-12-31 23:59:59 +0000", "2014-12-31T23:59:59Z"),
        ("2014-12-31 23:59:59 -05:00", "2015-01-01T04:59:59Z"),
        ("2014-12-31 23:59:59 UTC", "2014-12-31T23:59:59Z"),
        ("1420070399", "2014-12-31T23:59:59Z"),
        ("1420070399.5", "2014-12-31T23:59:59Z"),
        ("1420070399000", "2014-12-31T23:59:59Z"),
        ("Wed, 31 Dec 2014 23:59:59 GMT", "2014-12-31T23:59:59Z"),
        ("2014-12-31", "2014-12-31T00:00:00Z"),
        ("31.12.2014", None),
        ("0000-00-00 00:00:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("9999-01-01", None),
        ("0001-12-31", None),
    ],
)
def test_moments_are_understood_as_devices_write_them(text, found):
    moment = times.parse(text)
    assert (times.iso(moment) if moment else None) == found
