"""What is wrong with a request, and what the original says to it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.test import RequestFactory

from channels.platform import parameters
from channels.platform.errors import ApiError
from channels.platform.models import Entry, Latest
from tests.channels.platform.conftest import NOON

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


def refused(answer, status: int, code: str) -> None:
    """The answer is the original's error object, in whichever format, and nothing was stored."""
    assert answer.status_code == status
    if answer["Content-Type"].startswith("application/json"):
        assert answer.json()["status"] == str(status)
        assert answer.json()["error"]["error_code"] == code
    elif answer["Content-Type"].startswith("application/xml"):
        assert f"<error-code>{code}</error-code>" in answer.content.decode()
    else:
        assert answer.content.decode() == code
    assert not Entry.objects.exists()
    assert not Latest.objects.filter(last_entry_id__gt=0).exists()


# Wrong keys, and read keys that write, are rows 15 and 16 of the checklist.


@pytest.mark.parametrize("suffix", ["", ".json", ".xml"])
def test_a_field_has_at_most_255_bytes(api, kitchen, suffix):
    for too_long in ("x" * 256, "ä" * 128):
        answer = api.post(f"/update{suffix}", {"api_key": kitchen.write, "field1": too_long})
        refused(answer, 400, "error_bad_request")
    answer = api.post(f"/update{suffix}", {"api_key": kitchen.write, "status": "x" * 256})
    refused(answer, 400, "error_bad_request")
    for just_right in ("x" * 255, "ä" * 127):
        assert api.post("/update", {"api_key": kitchen.write, "field1": just_right}).status_code == 200


@pytest.mark.parametrize("suffix", ["", ".json", ".xml"])
def test_an_account_that_has_used_up_its_year_is_asked_to_pay(api, kitchen, settings, suffix):
    settings.PLATFORM_YEARLY_MESSAGES = 1
    settings.PLATFORM_UPDATE_INTERVAL = 0
    assert api.post("/update", {"api_key": kitchen.write, "field1": "1"}).content == b"1"
    answer = api.post(f"/update{suffix}", {"api_key": kitchen.write, "field1": "2"})
    assert answer.status_code == 402
    assert "error_payment_required" in answer.content.decode()
    assert Entry.objects.count() == 1


@pytest.mark.parametrize("suffix", ["", ".json", ".xml"])
def test_a_message_has_at_most_3000_bytes(api, kitchen, suffix):
    body = f"api_key={kitchen.write}&field1=1&padding="
    answer = api.post(f"/update{suffix}", body + "x" * (3001 - len(body)), content_type=FORM)
    refused(answer, 413, "error_request_too_large")
    answer = api.get(f"/update{suffix}?{body}{'x' * (3001 - len(body))}")
    refused(answer, 413, "error_request_too_large")
    answer = api.post(f"/update{suffix}?{body}{'x' * 1500}", "y=" + "x" * 1500, content_type=FORM)
    refused(answer, 413, "error_request_too_large")
    assert api.post("/update", body + "x" * (3000 - len(body)), content_type=FORM).content == b"1"


@pytest.mark.parametrize(
    "created_at",
    [
        *["yesterday", "2026-13-01", "25:61", "", "99999999999999999999", "2026-05-01T10:00:00+99:00", "x" * 500],
        *["0001-01-01", "9999-12-31T23:59:59Z"],
    ],
)
def test_an_unreadable_created_at_is_ignored(api, kitchen, created_at):
    with time_machine.travel(NOON, tick=False):
        answer = api.get("/update.json", {"api_key": kitchen.write, "field1": "1", "created_at": created_at})
    assert answer.json()["created_at"] == "2026-05-01T12:00:00Z"


def test_a_second_entry_of_one_moment_is_a_conflict(api, kitchen):
    sent = {"api_key": kitchen.write, "field1": "1", "created_at": "2026-05-01 10:00:00"}
    assert api.get("/update", sent).content == b"1"
    for suffix in ("", ".json", ".xml"):
        answer = api.get(f"/update{suffix}", {**sent, "field1": "2"})
        assert answer.status_code == 409
        assert b"error_conflict" in answer.content
    assert list(Entry.objects.values_list("entry_id", "field1")) == [(1, "1")]
    assert api.get("/update", {"api_key": kitchen.write, "field1": "2"}).content == b"2"


def test_an_entry_from_the_far_future_is_stored_but_hides_nothing(api, kitchen):
    """The original's feeds end now unless asked otherwise."""
    with time_machine.travel(NOON, tick=False) as clock:
        future = {"api_key": kitchen.write, "field1": "99", "created_at": "2099-01-01 00:00:00"}
        assert api.get("/update", future).content == b"1"
        for n in range(3):
            clock.shift(timedelta(seconds=1))
            assert api.get("/update", {"api_key": kitchen.write, "field1": str(n)}).status_code == 200
        path = f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.read}"
        assert [entry["entry_id"] for entry in api.get(path).json()["feeds"]] == [2, 3, 4]
        all_of_them = api.get(f"{path}&end=2100-01-01%2000:00:00").json()["feeds"]
        assert [entry["entry_id"] for entry in all_of_them] == [2, 3, 4, 1]
        assert api.get(f"/channels/{kitchen.number}/feeds/last_data_age.txt?api_key={kitchen.read}").content == b"0"


def test_a_bulk_write_with_one_bad_row_stores_nothing(api, kitchen):
    good = {"created_at": "2026-05-01T10:00:00Z", "field1": "1"}
    bad_rows = [
        {"created_at": "nonsense", "field1": "2"},
        {"field1": "2"},
        {"delta_t": "-1", "field1": "2"},
        {"delta_t": "0", "field1": "2"},
        {"delta_t": "1.5", "field1": "2"},
        {"delta_t": "9" * 30, "field1": "2"},
        {"delta_t": "999999999999", "field1": "2"},
        {"delta_t": "251610000000", "field1": "2"},  # in the year 9999
        {"created_at": "2026-05-01T10:00:01Z", "field1": "x" * 256},
        {"created_at": "2026-05-01T10:00:01Z", "latitude": 91},
        {"created_at": "2026-05-01T10:00:01Z", "latitude": "north"},
        {"created_at": "2026-05-01T10:00:01Z", "latitude": "1e1000000"},
        {"created_at": "2026-05-01T10:00:01Z", "elevation": "-1e1000000"},
        {"created_at": "2026-05-01T10:00:01Z", "field1": "a\0b"},
        {"created_at": "2026-05-01T10:00:01Z", "field1": "\ud800"},
        {"created_at": "2026-05-01T10:00:01Z", "field1": "1", "padding": "x" * 3000},
    ]
    path = f"/channels/{kitchen.number}/bulk_update.json"
    for bad in bad_rows:
        body = json.dumps({"write_api_key": kitchen.write, "updates": [good, bad]})
        answer = api.post(path, body, content_type="application/json")
        refused(answer, 400, "error_bad_request")
        assert "Update 2" in answer.json()["error"]["details"] or "delta_t" in answer.json()["error"]["details"], bad
    duplicate = json.dumps({"write_api_key": kitchen.write, "updates": [good, good]})
    refused(api.post(path, duplicate, content_type="application/json"), 409, "error_conflict")
    for updates in ([], {}, "x", [1], None, [[]]):
        body = json.dumps({"write_api_key": kitchen.write, "updates": updates})
        refused(api.post(path, body, content_type="application/json"), 400, "error_bad_request")


def test_a_bulk_csv_with_one_bad_row_stores_nothing(api, kitchen):
    path = f"/channels/{kitchen.number}/bulk_update.csv"
    for form, updates in (
        ("absolute", "2026-05-01T10:00:00Z,1|nonsense,2"),
        ("relative", "1,1|x,2"),
        ("relative", "1,1|0,2"),
        ("sideways", "1,1"),
        ("absolute", "2026-05-01T10:00:00Z,1,,,,,,,,91,0"),
        ("absolute", ""),
    ):
        sent = {"write_api_key": kitchen.write, "time_format": form, "updates": updates}
        refused(api.post(path, sent), 400, "error_bad_request")


def test_a_bulk_write_of_too_many_entries_is_too_large(api, kitchen, settings):
    settings.PLATFORM_BULK_LIMIT = 2
    updates = [{"delta_t": 1, "field1": n} for n in range(3)]
    body = {"write_api_key": kitchen.write, "updates": updates}
    answer = api.post(f"/channels/{kitchen.number}/bulk_update.json", body, content_type="application/json")
    refused(answer, 413, "error_request_too_large")


@pytest.fixture
def five(api, kitchen):
    """The kitchen's channel with five entries, a minute apart, the last one now."""
    with time_machine.travel(NOON, tick=False) as clock:
        for n in range(5):
            api.get(f"/update?api_key={kitchen.write}&field1={n}")
            clock.shift(timedelta(minutes=1))
        clock.shift(timedelta(minutes=-1))
        yield kitchen


@pytest.mark.parametrize(
    ("results", "found"),
    [
        ("0", 0),
        ("-1", 0),
        ("1e9", 5),
        ("1000000000", 5),
        ("9" * 400, 5),
        ("2", 2),
        ("2.9", 2),
        ("", 5),
        ("many", 5),
        ("nan", 5),
    ],
)
def test_results_of_any_size(api, five, results, found):
    answer = api.get(f"/channels/{five.number}/feeds.json", {"api_key": five.read, "results": results})
    assert len(answer.json()["feeds"]) == found


@pytest.mark.parametrize(
    "zone", ["Nowhere/Else", "europe/berlin/", "../../etc/passwd", "America", "x" * 5000, "Europe/Berlin\n", "%00"]
)
def test_an_unknown_zone_is_utc(api, five, zone):
    answer = api.get(f"/channels/{five.number}/feeds.json", {"api_key": five.read, "timezone": zone})
    assert answer.json()["feeds"][0]["created_at"] in ("2026-05-01T12:00:00Z", "2026-05-01T14:00:00+02:00")
    assert (answer.json()["feeds"][0]["created_at"][-1] == "Z") == (zone.strip() != "Europe/Berlin")


@pytest.mark.parametrize(
    "callback",
    [
        "<script>alert(1)</script>",
        "alert(1)//",
        "a;b",
        "a b",
        "a\u2028b",
        "x" * 101,
        "a[b]",
        "'",
        "1a",
        "a..b",
        "a%0ab",
    ],
)
def test_a_callback_with_script_in_it_is_refused(api, kitchen, callback):
    answer = api.get(f"/channels/{kitchen.number}/feeds.json", {"api_key": kitchen.read, "callback": callback})
    refused(answer, 400, "error_bad_request")


@pytest.mark.parametrize("callback", ["cb", "jQuery123_456", "$.x", "a.b[0]", "_"])
def test_a_callback_that_is_a_name_is_called(api, kitchen, callback):
    answer = api.get(f"/channels/{kitchen.number}/feeds.json", {"api_key": kitchen.read, "callback": callback})
    body = answer.content.decode()
    assert body.startswith(f'{callback}({{"channel":')
    assert body.endswith(")")
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_field9_is_ignored_on_writing_and_not_there_on_reading(api, kitchen):
    answer = api.get(f"/update.json?api_key={kitchen.write}&field9=1&field0=2&field1=3&field01=4&9=5")
    assert {name for name in answer.json() if name.startswith("field")} == {f"field{n}" for n in range(1, 9)}
    assert answer.json()["field1"] == "3"
    for field in ("9", "0", "field9", "9" * 30):
        for path in ("", "/last", "/last_data_age", "/1"):
            assert (
                api.get(f"/channels/{kitchen.number}/fields/{field}{path}.json?api_key={kitchen.read}").status_code
                == 404
            )


@pytest.mark.parametrize("number", ["9" * 18, "9" * 19, "9" * 30, "9" * 5000, "0", "00"])
def test_a_channel_number_of_any_length_is_just_unknown(api, kitchen, number):
    for path in (".json", "/feeds.json", "/fields/1/last", "/charts/1", "/api_keys.json", "/bulk_update.json"):
        method = api.post if "bulk" in path else api.get
        assert method(f"/channels/{number}{path}?api_key={kitchen.account}").status_code in (404, 400), path
        assert method(f"/channels/{number}{path}?api_key={kitchen.account}").status_code == 404
    assert api.get(f"/channels/{kitchen.number}/feeds/{number}.json?api_key={kitchen.read}").content == b"-1"


@pytest.mark.parametrize("value", ["%ff", "%00", "%ed%a0%80", "%c3"])
def test_invalid_utf8_is_an_invalid_byte_sequence(api, kitchen, value):
    refused(api.get(f"/update.json?api_key={kitchen.write}&field1={value}"), 422, "error_invalid_byte_sequence")
    body = f"api_key={kitchen.write}&field1={value}"
    refused(api.post("/update", body, content_type=FORM), 422, "error_invalid_byte_sequence")


def test_invalid_utf8_in_raw_bytes_and_in_json(api, kitchen):
    for body in (b"api_key=%s&field1=\xff", b"field1=\x80&api_key=%s", b"api_key=%s&field1=a\x00b"):
        answer = api.post("/update", body % kitchen.write.encode(), content_type=FORM)
        refused(answer, 422, "error_invalid_byte_sequence")
    for body in (
        b'{"api_key":"%s","field1":"\xff"}',
        b'{"api_key":"%s","field1":"\\ud800"}',
        b'{"api_key":"%s","field1":"\\u0000"}',
    ):
        answer = api.post("/update.json", body % kitchen.write.encode(), content_type="application/json")
        refused(answer, 422, "error_invalid_byte_sequence")


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", "{", "", "{'a':1}", "[" * 2000, '{"a":' * 400])
def test_json_that_is_no_object_is_a_bad_request(api, kitchen, body):
    if body == "":
        return_code = api.post("/update.json", body, content_type="application/json")
        assert (return_code.status_code, return_code.content) == (400, b"0")  # an empty body has no key in it
        return
    refused(api.post("/update.json", body, content_type="application/json"), 400, "error_bad_request")


def test_a_position_must_be_on_earth(api, kitchen):
    for sent in (
        {"lat": "91"},
        {"long": "-181"},
        {"lat": "north"},
        {"elevation": "high"},
        {"lat": "NaN"},
        {"elevation": "1e99"},
    ):
        answer = api.get("/update.json", {"api_key": kitchen.write, "field1": "1", **sent})
        refused(answer, 400, "error_bad_request")
    assert (
        api.get("/update", {"api_key": kitchen.write, "lat": "-90", "long": "180", "elevation": "-11034"}).content
        == b"1"
    )


def test_a_wrong_method_is_named(api, kitchen):
    for method, path in (
        (api.put, "/update"),
        (api.delete, "/update"),
        (api.post, f"/channels/{kitchen.number}/fields/1.json"),
    ):
        answer = method(path)
        refused(answer, 405, "error_method_invalid")
        assert "GET" in answer["Allow"]
    assert api.head(f"/update?api_key={kitchen.write}&field1=1").status_code == 405
    assert not Entry.objects.exists()
    assert api.head(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.read}").status_code == 200


def test_an_unknown_format_is_not_found(api, kitchen):
    for path in (
        f"/channels/{kitchen.number}/feeds.pdf",
        "/update.csv",
        "/channels.txt",
        f"/channels/{kitchen.number}/charts/1.json",
    ):
        assert api.get(f"{path}?api_key={kitchen.read}").status_code == 404


def test_thousands_of_parameters_are_refused(api, kitchen):
    body = "&".join(f"x{n}=1" for n in range(500))
    refused(
        api.post("/update.json", f"api_key={kitchen.write}&{body}", content_type=FORM), 413, "error_request_too_large"
    )
    body = "&".join(f"x{n}=1" for n in range(201))
    refused(api.post("/update.json", f"api_key={kitchen.write}&{body}", content_type=FORM), 400, "error_bad_request")


def test_a_broken_form_with_files_is_a_bad_request(api, kitchen):
    refused(api.post("/update.json", "no parts", content_type="multipart/form-data"), 400, "error_bad_request")


def test_no_refusal_says_what_was_sent(caplog, api, kitchen):
    """Keys and values of others' devices stay out of answers and logs."""
    secret = "S3CR3TS3CR3TS3CR"
    for path in (
        f"/update?api_key={secret}",
        f"/channels/{kitchen.number}/api_keys/{secret}.json?api_key={kitchen.account}",
    ):
        answer = api.delete(path) if "api_keys" in path else api.get(path)
        assert answer.status_code >= 400
        assert secret not in answer.content.decode()
    assert secret not in caplog.text


def test_a_sender_that_goes_away_in_the_middle_is_a_bad_request():
    class Broken:
        def read(self, *_: object) -> bytes:
            raise OSError

    request = RequestFactory().post("/update", "field1=1", content_type=FORM)
    request._stream = Broken()
    with pytest.raises(ApiError) as refusal:
        parameters.of(request, most_bytes=3000)
    assert refusal.value.kind.status == 400
