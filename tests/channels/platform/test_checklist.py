"""What existing clients depend on: each test names its row in the compatibility checklist of docs/platform.md."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine

from channels.platform.models import Channel
from tests.channels.platform.conftest import NOON, Keys, a_channel
from tests.channels.platform.server import Server

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


def text(response) -> str:
    return response.content.decode()


# ---- against a real server: what only the wire shows ----


@pytest.fixture
def made(server: Server) -> dict:
    return server.new_channel(name="Kitchen", field1="Temperature")


@pytest.fixture
def wire(server: Server):
    """Send bytes, get all the bytes that come back."""

    def send(request: str) -> bytes:
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(request.replace("\n", "\r\n").encode())
            received = b""
            while part := connection.recv(65536):
                received += part
        return received

    return send


def test_the_arduino_library_is_answered_under_thingspeaks_name(wire, made):
    """Row 1: the library sends the compiled-in Host; an operator who redirects it by DNS is not refused."""
    answer = wire(
        f"GET /update?api_key={made['write']}&field1=1 HTTP/1.1\nHost: api.thingspeak.com\nConnection: close\n\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n1")


def test_the_status_line_is_http_1_1_200_ok(wire, made):
    """Row 2."""
    answer = wire(
        f"GET /channels/{made['id']}/feeds.json?api_key={made['read']} HTTP/1.1\nHost: x\nConnection: close\n\n"
    )
    assert answer.split(b"\r\n")[0] == b"HTTP/1.1 200 OK"


def test_content_length_is_spelt_so_and_nothing_is_chunked(wire, made):
    """Row 3: the library looks for the header letter by letter and cannot read chunks."""
    key = f"api_key={made['write']}"
    paths = [f"/update?{key}&field1=1"] + [
        f"/channels/{made['id']}/{path}?{key}"
        for path in ("fields/1/last", "feeds/last", "feeds/last.txt", "fields/1/last.txt", "feeds.json", "feeds.csv")
    ]
    for path in paths:
        answer = wire(f"GET {path} HTTP/1.1\nHost: x\nConnection: close\n\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert re.search(rb"\r\nContent-Length: (\d+)\r\n", head)[1] == str(len(body)).encode(), path
        assert b"chunked" not in head.lower()
        assert body


def test_a_connection_is_kept_for_the_next_answer(server, made):
    """Row 4 (full answers at once): a body of exactly Content-Length ends the answer, the connection stays usable."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
    for expected in (b"1", b"2"):
        connection.request("POST", "/update", f"api_key={made['write']}&field1=1", {"Content-Type": FORM})
        assert connection.getresponse().read() == expected
    connection.close()


# ---- requests as clients make them ----


@pytest.mark.parametrize(
    "path", ["update", "update/", "channels", "channels/1", "channels/1/feeds", "channels/1/feeds/"]
)
def test_no_api_path_redirects(api, kitchen, path):
    """Row 5."""
    for method in (api.get, api.post):
        assert method(f"/{path}?api_key={kitchen.account}").status_code not in (301, 302, 303, 307, 308)


def test_no_csrf_token_no_cookie_no_session_is_needed_or_set(api, kitchen):
    """Row 6: the client of these tests enforces CSRF."""
    response = api.post("/update", {"api_key": kitchen.write, "field1": "1"})
    assert response.status_code == 200
    assert not response.cookies


@pytest.mark.parametrize("header", ["X-THINGSPEAKAPIKEY", "THINGSPEAKAPIKEY"])
def test_the_key_in_a_header_and_the_fields_in_the_body(api, kitchen, header):
    """Row 7."""
    answer = api.post("/update", "field1=21.5&field2=40", content_type=FORM, headers={header: kitchen.write})
    assert text(answer) == "1"
    assert api.get(f"/channels/{kitchen.number}/fields/1/last", headers={header: kitchen.read}).content == b"21.5"


def test_the_key_in_the_body(api, kitchen):
    """Row 8."""
    assert text(api.post("/update", f"api_key={kitchen.write}&field1=1", content_type=FORM)) == "1"


def test_a_post_with_everything_in_the_query_and_an_empty_body(api, kitchen):
    """Row 9."""
    answer = api.post(f"/update.json?api_key={kitchen.write}&field1=21.5", content_type="application/json")
    assert answer.json()["field1"] == "21.5"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream", "x", FORM + "; charset=UTF-8"])
def test_a_form_is_read_whatever_its_content_type_says(api, kitchen, content_type):
    """Row 10."""
    answer = api.post("/update", f"api_key={kitchen.write}&field1=21.5", content_type=content_type)
    assert text(answer) == "1"
    assert text(api.get(f"/channels/{kitchen.number}/fields/1/last?api_key={kitchen.read}")) == "21.5"


@pytest.mark.parametrize("content_type", [FORM, "application/json", "multipart/form-data; boundary=b"])
def test_bodies_of_put_and_delete_are_read(api, kitchen, content_type):
    """Row 11."""

    def body(**sent: str) -> str:
        if "json" in content_type:
            return json.dumps(sent)
        if "multipart" in content_type:
            parts = (
                f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in sent.items()
            )
            return "".join(parts) + "--b--\r\n"
        return urlencode(sent)

    path = f"/channels/{kitchen.number}.json"
    renamed = api.put(path, body(api_key=kitchen.account, name="Pantry"), content_type=content_type)
    assert renamed.json()["name"] == "Pantry"
    assert api.delete(path, body(api_key=kitchen.account), content_type=content_type).status_code == 200
    assert not Channel.objects.filter(number=kitchen.number).exists()


def test_what_firmware_does_not_escape_arrives_all_the_same(api, kitchen):
    """Row 12."""
    body = f"api_key={kitchen.write}&field1=zu warm für 20 °C&field2=100%&headers=false".encode()
    assert text(api.post("/update", body, content_type=FORM)) == "1"
    last = api.get(f"/channels/{kitchen.number}/feeds/last.json?api_key={kitchen.read}").json()
    assert (last["field1"], last["field2"]) == ("zu warm für 20 °C", "100%")


def test_success_is_the_entry_id_and_nothing_else(api, kitchen):
    """Row 13."""
    assert [api.get(f"/update?api_key={kitchen.write}&field1=1").content for _ in range(2)] == [b"1", b"2"]


def test_too_early_is_200_and_0(api, kitchen, settings):
    """Row 14."""
    settings.PLATFORM_UPDATE_INTERVAL = 15.0
    with time_machine.travel(NOON, tick=False) as clock:
        assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"1"
        clock.shift(timedelta(seconds=14.9))
        for suffix in ("", ".json", ".xml"):
            early = api.get(f"/update{suffix}?api_key={kitchen.write}&field1=2")
            assert (early.status_code, early.content) == (200, b"0")
        clock.shift(timedelta(seconds=0.1))
        assert api.get(f"/update?api_key={kitchen.write}&field1=3").content == b"2"


@pytest.mark.parametrize("suffix", ["", ".json", ".xml"])
def test_a_bad_write_key_is_400_and_0(api, kitchen, plaza, suffix):
    """Row 15: unknown, missing, a read key, an account key."""
    for query in ("api_key=0000000000000000", "", f"api_key={kitchen.read}", f"api_key={kitchen.account}", "api_key="):
        answer = api.post(f"/update{suffix}?{query}&field1=1")
        assert (answer.status_code, answer.content) == (400, b"0"), query


@pytest.mark.parametrize("suffix", ["", ".json", ".xml", ".csv"])
@pytest.mark.parametrize("path", ["feeds", "fields/1", "feeds/last", "fields/1/last", "status", "feeds/last_data_age"])
def test_a_private_feed_without_a_good_key_is_400_and_minus_1(api, kitchen, plaza, path, suffix):
    """Row 16: with no key, an unknown one, another channel's, the account's."""
    api.get(f"/update?api_key={kitchen.write}&field1=1&status=x")
    for query in ("", "api_key=0000000000000000", f"api_key={plaza.read}", f"api_key={kitchen.account}"):
        answer = api.get(f"/channels/{kitchen.number}/{path}{suffix}?{query}")
        assert (answer.status_code, answer.content) == (400, b"-1"), query
    assert api.get(f"/channels/{kitchen.number}/{path}{suffix}?api_key={kitchen.read}").status_code == 200


@pytest.mark.parametrize("path", ["feeds.json", "fields/1/last", "feeds/last.txt", "status.json", "feeds.csv"])
def test_an_unknown_channel_is_404(api, kitchen, path):
    """Row 17."""
    assert api.get(f"/channels/999999/{path}?api_key={kitchen.read}").status_code == 404


def test_the_last_value_of_a_field_is_bare_text(api, kitchen):
    """Row 18: no suffix, no Accept header."""
    api.get(f"/update?api_key={kitchen.write}&field1=21.5")
    answer = api.get(f"/channels/{kitchen.number}/fields/1/last?api_key={kitchen.read}")
    assert answer.content == b"21.5"
    assert answer["Content-Type"].startswith("text/")


def test_the_last_entry_as_text_is_the_json_that_the_arduino_library_searches(api, kitchen):
    """Rows 19, 20 and 21: it looks for `"status":"` to the letter, values are quoted, null is allowed."""
    api.get(f'/update?api_key={kitchen.write}&field1=21.5&status=so "warm"&lat=1.5&long=2')
    for path in ("feeds/last.txt", "feeds/last"):
        answer = text(api.get(f"/channels/{kitchen.number}/{path}?status=true&location=true&api_key={kitchen.read}"))
        found = json.loads(answer)
        assert (found["status"], found["field1"], found["field2"]) == ('so "warm"', "21.5", None)
        assert '"status":"so ' in answer
        assert '"field1":"21.5"' in answer
        assert '"latitude":"1.5","longitude":"2.0","elevation":null' in answer
        assert ", " not in answer
        assert ": " not in answer


@pytest.mark.parametrize("key_name", ["key", "api_key", "apikey"])
@pytest.mark.parametrize(
    "path",
    [
        "feed.json", "feed/last.json", "field/1.json", "field/1/last.json",
        "feeds.json", "fields/1.json", "fields/1/last.json", "fields/1/last_data_age.json", "fields/field1/last.json",
        "status.json", "status/last.json", "statuses.json",
    ],
)  # fmt: skip
def test_old_and_new_paths_and_names_of_the_key(api, kitchen, path, key_name):
    """Rows 22, 23 and 24."""
    api.get(f"/update?key={kitchen.write}&field1=1")
    answer = api.get(f"/channels/{kitchen.number}/{path}?{key_name}={kitchen.read}")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    assert isinstance(answer.json(), dict)


def test_public_channels_come_by_pages(api, carl, settings):
    """Row 25."""
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    for n in range(17):
        made = a_channel(carl, name=f"Channel {n}", public=True, field1="x")
        for _ in range(2):
            api.get(f"/update?api_key={made.write}&field1=1")
    first = api.get("/channels/public.json").json()
    assert first["pagination"] == {"current_page": 1, "per_page": 15, "total_entries": 17}
    assert len(first["channels"]) == 15
    second = api.get("/channels/public.json?page=2").json()
    assert len(second["channels"]) == 2
    assert "api_keys" not in second["channels"][0]
    assert api.get("/channels/public.json?tag=none").json()["channels"] == []


def test_users_and_their_channels(api, homer, kitchen, plaza):
    """Row 26."""
    user = api.get(f"/users/{homer.login}.json").json()
    assert (user["id"], user["login"]) == (homer.pk, homer.login)
    assert api.get(f"/users/{homer.login}/channels.json").json() == {"channels": []}
    own = api.get(f"/users/{homer.login}/channels.json?api_key={kitchen.account}").json()
    assert [channel["id"] for channel in own["channels"]] == [kitchen.number]
    theirs = api.get(f"/users/{plaza.channel.account.login}/channels.json").json()
    assert [channel["id"] for channel in theirs["channels"]] == [plaza.number]
    assert api.get("/users/nobody.json").status_code == 404


def test_times_have_no_fraction(api, kitchen):
    """Row 27."""
    with time_machine.travel(NOON + timedelta(milliseconds=123), tick=False):
        api.get(f"/update?api_key={kitchen.write}&field1=1")
        path = f"/channels/{kitchen.number}/feeds/last.json?api_key={kitchen.read}"
        assert api.get(path).json()["created_at"] == "2026-05-01T12:00:00Z"
        assert api.get(f"{path}&timezone=Europe/Berlin").json()["created_at"] == "2026-05-01T14:00:00+02:00"
        assert api.get(f"{path}&offset=-5").json()["created_at"] == "2026-05-01T07:00:00-05:00"


def test_positions_are_numeric_text_or_null(api, kitchen):
    """Row 28."""
    for query in ("lat=40.44&long=-79.996", "lat=&long=", ""):
        api.get(f"/update?api_key={kitchen.write}&field1=1&{query}")
    feed = api.get(f"/channels/{kitchen.number}/feeds.json?location=true&api_key={kitchen.read}").json()["feeds"]
    assert [(entry["latitude"], entry["longitude"]) for entry in feed] == [
        ("40.44", "-79.996"),
        (None, None),
        (None, None),
    ]


def test_no_results_are_legal(api, kitchen):
    """Row 29: the Java library asks so whether a channel is there."""
    api.get(f"/update?api_key={kitchen.write}&field1=1")
    feed = api.get(f"/channels/{kitchen.number}/feeds.json?results=0&api_key={kitchen.read}")
    assert (feed.status_code, feed.json()["feeds"]) == (200, [])


def test_the_write_key_reads(api, kitchen):
    """Row 30."""
    assert api.get(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.write}").status_code == 200


MIDPOINT = {"Accept": "application/json, application/*+json, text/plain"}


def test_midpoints_connector_works_without_suffixes(api, homer, kitchen):
    """Rows 31, 32, 33 and 34."""
    key = f"api_key={kitchen.account}"
    made = api.post(f"/channels?{key}&name=Serial+1&description=d&field1=Temperature", headers=MIDPOINT)
    assert made.status_code == 200
    number = made.json()["id"]
    listed = api.get(f"/channels?{key}", headers=MIDPOINT).json()
    assert [channel["id"] for channel in listed] == [kitchen.number, number]
    assert (listed[1]["name"], listed[1]["description"]) == ("Serial 1", "d")
    assert [(len(each["api_key"]), each["write_flag"]) for each in listed[1]["api_keys"]] == [(16, True), (16, False)]
    assert api.put(f"/channels/{number}?{key}&name=Hall", headers=MIDPOINT).status_code == 200
    assert api.get(f"/channels/{number}?{key}", headers=MIDPOINT).json()["name"] == "Hall"
    assert api.delete(f"/channels/{number}?{key}", headers=MIDPOINT).status_code == 200
    assert [channel["id"] for channel in api.get(f"/channels?{key}").json()] == [kitchen.number]


def test_a_bulk_write_is_answered_with_202_and_true(api, kitchen):
    """Row 35."""
    body = {"write_api_key": kitchen.write, "updates": [{"created_at": "2026-05-01T10:00:00Z", "field1": 1}]}
    answer = api.post(f"/channels/{kitchen.number}/bulk_update.json", body, content_type="application/json")
    assert (answer.status_code, answer.content) == (202, b'{"success":true}')


def test_the_write_key_is_listed_first(api, homer, kitchen):
    """Row 36: also when it was made last, and a retiring one is not listed at all."""
    api.post(f"/channels/{kitchen.number}/api_keys.json?api_key={kitchen.account}&note=Marge")
    rotated = api.post(f"/channels/{kitchen.number}/api_keys.json?api_key={kitchen.account}&write=1&overlap=60").json()
    keys = api.get(f"/channels/{kitchen.number}.json?api_key={kitchen.account}").json()["api_keys"]
    assert [key["write_flag"] for key in keys] == [True, False, False]
    assert keys[0]["api_key"] == rotated["api_key"]


def test_charts_may_be_framed_by_anyone(api, kitchen):
    """Row 37: the address of midPoint's story, as it stands there."""
    answer = api.get(
        f"/channels/{kitchen.number}/charts/1?api_key={kitchen.read}"
        "&bgcolor=%23ffffff&color=%23d62020&dynamic=true&results=60&type=line"
    )
    assert answer.status_code == 200
    assert "X-Frame-Options" not in answer
    assert "frame-ancestors *" in answer["Content-Security-Policy"]


def test_the_channel_that_a_sketch_names_is_ignored(api, kitchen, plaza):
    """Row 38: the key alone decides."""
    api.post("/update", {"api_key": kitchen.write, "field1": "1", "channel_id": plaza.number, "id": plaza.number})
    assert api.get(f"/channels/{plaza.number}/feeds.json").json()["feeds"] == []
    assert len(api.get(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.read}").json()["feeds"]) == 1


def answers(api, keys: Keys) -> Iterator:
    yield api.get(f"/update?api_key={keys.write}&field1=1")
    yield api.get("/update?api_key=bad")
    yield api.get(f"/channels/{keys.number}/feeds.json")
    yield api.get(f"/channels/{keys.number}/feeds.csv?api_key={keys.read}")
    yield api.get("/channels/999999.json")
    yield api.get("/channels.json")
    yield api.delete("/update")
    yield api.get(f"/channels/{keys.number}/charts/1?api_key={keys.read}")


def test_every_answer_carries_the_cors_headers(api, kitchen):
    """Row 39."""
    expected = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET, POST, PUT, OPTIONS, DELETE, PATCH",
        "Access-Control-Allow-Headers": "origin, content-type, X-Requested-With",
        "Access-Control-Max-Age": "1800",
    }
    for path in ("/update", "/channels.json", f"/channels/{kitchen.number}/feeds.json"):
        answer = api.options(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert expected.items() <= dict(answer.items()).items()
    for answer in answers(api, kitchen):
        assert expected.items() <= dict(answer.items()).items()
    bare = api.get(f"/update?api_key={kitchen.write}&field1=1&headers=false")
    assert "Access-Control-Allow-Origin" not in bare


def test_a_get_writes(api, kitchen):
    """Row 40."""
    assert api.get(f"/update?api_key={kitchen.write}&field1=21.5").content == b"1"
