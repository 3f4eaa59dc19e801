"""Whatever is sent, the platform answers in the API's own way and never falls over."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.channels.platform.conftest import Keys

pytestmark = pytest.mark.django_db
STATUSES = {200, 202, 400, 401, 402, 403, 404, 405, 409, 413, 422, 429}
freely = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

NAMES = [
    "results",
    "days",
    "hours",
    "minutes",
    "start",
    "end",
    "timezone",
    "offset",
    "status",
    "location",
    "metadata",
    "min",
    "max",
    "round",
    "timescale",
    "sum",
    "average",
    "median",
    "prepend",
    "append",
    "callback",
    "start_entry_id",
    "end_entry_id",
    "page",
    "tag",
    "username",
    "channel_ids",
    "latitude",
    "longitude",
    "distance",
    "headers",
    "title",
    "color",
    "type",
    "yaxismin",
    "width",
    "dynamic",
    "field1",
    "created_at",
    "lat",
    "elevation",
    "name",
    "tags",
    "url",
    "public_flag",
    "note",
    "overlap",
    "write",
    "updates",
    "time_format",
]
ODD = [
    *["", "0", "-1", "1", "10", "1e9", "1e999", "-1e999", "nan", "inf", "9" * 50, "true", "daily", "\u0660", "½", "²"],
    *["2026-05-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "Europe/Berlin", "America"],
    *["..", "%", "\x00", "\ud800", "\u2028", "a,b,,c", "NULL", "'", '"', "<x>", "\\n"],
]
PATHS = [
    "feeds",
    "feed",
    "fields/1",
    "fields/field2",
    "feeds/last",
    "fields/1/last",
    "feeds/last_data_age",
    "status",
    "status/last",
    "feeds/1",
    "fields/1/last_average",
    "feeds/last_sum",
    "fields/2/last_median",
    "charts/1",
    "api_keys",
    "bulk_update",
]
CONTENT_TYPES = [
    "application/x-www-form-urlencoded",
    "application/json",
    "text/csv",
    "",
    "multipart/form-data; boundary=x",
]
values = st.one_of(st.sampled_from(ODD), st.text(max_size=30), st.integers().map(str), st.floats().map(str))
paths = st.sampled_from(["", *PATHS])
content_types = st.sampled_from(CONTENT_TYPES)
suffixes = st.sampled_from(["", ".json", ".xml", ".csv", ".txt", "/", ".json/", ".pdf"])


def check(answer) -> None:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert answer.status_code in STATUSES, body
    if answer["Content-Type"].startswith("application/json"):
        json.loads(body)
    if not answer.streaming:
        assert answer["Content-Length"] == str(len(body))


@pytest.fixture
def used(api, kitchen: Keys) -> Keys:
    for n in range(3):
        api.get(f"/update?api_key={kitchen.write}&field1={n}.5&field2=x&status=s&created_at=2026-05-01T1{n}:00:00Z")
    return kitchen


@freely
@given(path=paths, suffix=suffixes, asked=st.dictionaries(st.sampled_from(NAMES), values, max_size=5))
@example(path="feeds", suffix=".json", asked={"start": "0001-01-01T00:00:00+14:00", "days": "1e999"})
@example(path="feeds", suffix=".json", asked={"start": "0001-01-01", "sum": "10", "timezone": "America/New_York"})
@example(path="feeds", suffix=".csv", asked={"end": "9999-12-31T23:59:59", "median": "10", "offset": "-12"})
def test_reading(api, used, path, suffix, asked):
    address = f"/channels/{used.number}/{path}".rstrip("/") + suffix
    check(api.get(address, {"api_key": used.read, **{name: _sendable(value) for name, value in asked.items()}}))


WRITTEN_TO = [
    "/update",
    "/update.json",
    "/update.xml",
    "/channels.json",
    "/channels/{}/bulk_update.json",
    "/channels/{}/bulk_update.csv",
    "/channels/{}.json",
    "/channels/{}/api_keys.json",
    "/channels/{}/feeds.csv",
]


@freely
@given(
    path=st.sampled_from(WRITTEN_TO),
    sent=st.dictionaries(st.sampled_from(NAMES), values, max_size=5),
    content_type=content_types,
)
def test_writing(api, used, path, sent, content_type):
    key = used.write if "update" in path else used.account
    sent = {"api_key": key, "write_api_key": key, **sent}
    body = (
        json.dumps(sent) if "json" in content_type else "&".join(f"{name}={_sendable(v)}" for name, v in sent.items())
    )
    method = api.put if path == "/channels/{}.json" else api.post
    check(method(path.format(used.number), body.encode("utf-8", "surrogatepass"), content_type=content_type))


@freely
@given(body=st.binary(max_size=300), content_type=content_types)
def test_noise(api, used, body, content_type):
    for path in ("/update", f"/channels/{used.number}/bulk_update.json", f"/channels/{used.number}/feeds.csv"):
        check(api.post(f"{path}?api_key={used.account}", body, content_type=content_type))


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | values,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "delta_t"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@freely
@given(updates=documents)
def test_bulk_documents(api, used, updates):
    body = json.dumps({"write_api_key": used.write, "updates": updates})
    check(api.post(f"/channels/{used.number}/bulk_update.json", body, content_type="application/json"))


@freely
@given(query=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60))
def test_raw_queries(api, used, query):
    check(api.get("/update", QUERY_STRING=f"api_key={used.write}&{query}"))
    check(api.get(f"/channels/{used.number}/feeds.json", QUERY_STRING=f"api_key={used.read}&{query}"))


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
