"""Clients that other people wrote, against a real server: each writes, reads, and asks for last, age and status."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
import thingspeak

from tests.channels.platform.server import ROOT, Server

NODE_CLIENT = Path(__file__).with_name("thingspeakclient.cjs")


@pytest.fixture
def made(server: Server) -> dict[str, Any]:
    return server.new_channel(name="Kitchen", field1="Temperature", field2="Humidity")


class Curl:
    """The command as the documentation's examples use it."""

    def __init__(self, server: Server) -> None:
        self.url = server.url

    def __call__(self, path: str, *arguments: str) -> str:
        command = ["curl", "--silent", "--show-error", "--max-time", "10", *arguments, f"{self.url}{path}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def curl(server: Server) -> Curl:
    return Curl(server)


# ---- PyPI: thingspeak 1.0.0, which Home Assistant uses too ----


def test_the_python_client_writes_and_reads(server, made):
    # It gives JSON back as the text that it got.
    writer = thingspeak.Channel(made["id"], made["write"], server_url=server.url, timeout=5)
    reader = thingspeak.Channel(made["id"], made["read"], server_url=server.url, timeout=5)
    written = json.loads(writer.update({"field1": 21.5, "field2": 40, "status": "warm"}))
    assert (written["entry_id"], written["field1"], written["status"]) == (1, "21.5", "warm")
    assert json.loads(writer.update({"field1": 22}))["entry_id"] == 2
    feed = json.loads(reader.get({"results": 8000}))
    assert [(entry["entry_id"], entry["field1"], entry["field2"]) for entry in feed["feeds"]] == [
        (1, "21.5", "40"),
        (2, "22", None),
    ]
    assert feed["channel"]["name"] == "Kitchen"
    assert [entry["field2"] for entry in json.loads(reader.get_field(2))["feeds"]] == ["40", None]
    last = json.loads(reader.get_field_last(field="2"))
    assert (last["entry_id"], last["field2"]) == (1, "40")
    age = json.loads(reader.get_last_data_age(field="1"))
    assert age["last_data_age_units"] == "s"
    assert int(age["last_data_age"]) < 60
    assert [entry["status"] for entry in json.loads(reader.get({"status": "true"}))["feeds"]] == ["warm", None]
    assert json.loads(reader.view())["id"] == made["id"]


def test_the_python_client_reads_text_and_xml(server, made):
    writer = thingspeak.Channel(made["id"], made["write"], fmt="txt", server_url=server.url, timeout=5)
    assert writer.update({"field1": "7"}) == "1"
    assert writer.get_field_last(field="1") == "7"
    reader = thingspeak.Channel(made["id"], made["read"], fmt="xml", server_url=server.url, timeout=5)
    assert "<field1>7</field1>" in reader.get()


def test_home_assistant_finds_its_channel_with_the_write_key(server, made):
    """Its integration starts only if a feed can be read with the key that it will write with."""
    probe = thingspeak.Channel(made["id"], made["write"], server_url=server.url, timeout=5).get()
    assert json.loads(probe)["feeds"] == []


def test_the_python_client_raises_for_a_bad_key(server, made):
    for key in ("0000000000000000", made["read"]):
        with pytest.raises(requests.HTTPError) as error:
            thingspeak.Channel(made["id"], key, server_url=server.url, timeout=5).update({"field1": 1})
        assert error.value.response.status_code == 400
        assert error.value.response.text == "0"
    with pytest.raises(requests.HTTPError) as error:
        thingspeak.Channel(made["id"], "0000000000000000", server_url=server.url, timeout=5).get()
    assert (error.value.response.status_code, error.value.response.text) == (400, "-1")


# ---- curl, with the examples of the documentation ----


def test_curl_plays_the_documented_examples(server, curl):
    account = server.account
    made = json.loads(curl("/channels.json", "-X", "POST", "-d", f"api_key={account}&name=My New Channel&field1=Light"))
    number = made["id"]
    write, read = (key["api_key"] for key in made["api_keys"])
    assert curl(f"/update?api_key={write}&field1=73") == "1"
    assert curl("/update", "-H", f"X-THINGSPEAKAPIKEY: {write}", "-d", "field1=74&status=bright") == "2"
    sent = json.dumps({"api_key": write, "field1": 75})
    assert json.loads(curl("/update.json", "-H", "Content-Type: application/json", "-d", sent))["channel_id"] == number
    newest = json.loads(curl(f"/channels/{number}/feeds.json?api_key={read}&results=2"))
    assert [entry["field1"] for entry in newest["feeds"]] == ["74", "75"]
    assert json.loads(curl(f"/channels/{number}/fields/1.json?api_key={read}"))["channel"]["field1"] == "Light"
    assert curl(f"/channels/{number}/fields/1/last?api_key={read}") == "75"
    assert curl(f"/channels/{number}/fields/1/last.txt?api_key={read}&prepend=[&append=]", "-g") == "[75]"
    assert json.loads(curl(f"/channels/{number}/feeds/last.json?api_key={read}"))["entry_id"] == 3
    assert int(curl(f"/channels/{number}/feeds/last_data_age.txt?api_key={read}")) < 60
    statuses = json.loads(curl(f"/channels/{number}/status.json?api_key={read}"))["feeds"]
    assert [entry["status"] for entry in statuses] == [None, "bright", None]
    assert curl(f"/channels/{number}/feeds.csv?api_key={read}").splitlines()[0] == "created_at,entry_id,field1"
    assert number in [channel["id"] for channel in json.loads(curl(f"/channels.json?api_key={account}"))]
    renamed = json.loads(curl(f"/channels/{number}.json", "-X", "PUT", "-d", f"api_key={account}&name=Updated Channel"))
    assert renamed["name"] == "Updated Channel"
    assert json.loads(curl(f"/channels/{number}.json?api_key={account}"))["name"] == "Updated Channel"
    assert curl(f"/channels/{number}/feeds.json", "-X", "DELETE", "-d", f"api_key={account}") == "[]"
    assert json.loads(curl(f"/channels/{number}/feeds.json?api_key={read}"))["feeds"] == []
    assert json.loads(curl(f"/channels/{number}.json", "-X", "DELETE", "-d", f"api_key={account}"))["id"] == number
    assert json.loads(curl(f"/channels/{number}.json?api_key={account}"))["status"] == "404"


def test_curl_writes_in_bulk(curl, made):
    updates = [
        {"created_at": "2026-05-01 10:00:00 +0000", "field1": "1", "status": "ok"},
        {"created_at": "2026-05-01 10:00:15 +0000", "field1": 2, "latitude": 1.5, "longitude": 2.5, "elevation": "3"},
    ]
    body = json.dumps({"write_api_key": made["write"], "updates": updates})
    path = f"/channels/{made['id']}/bulk_update"
    assert curl(f"{path}.json", "-H", "Content-Type: application/json", "-d", body) == '{"success":true}'
    lines = "updates=2026-05-01T10:01:00Z,3,,,,,,,,1.5,2.5,3,ok|2026-05-01T10:02:00Z,4"
    assert curl(f"{path}.csv", "-d", f"write_api_key={made['write']}&time_format=absolute", "-d", lines) \
        == '{"success":true}'  # fmt: skip
    feed = json.loads(curl(f"/channels/{made['id']}/feeds.json?api_key={made['read']}"))
    assert [entry["field1"] for entry in feed["feeds"]] == ["1", "2", "3", "4"]


def test_curl_sends_a_form_with_a_file(curl, made, tmp_path, server):
    file = tmp_path / "history.csv"
    file.write_text("created_at,field1\n2026-05-01 10:00:00 UTC,1\n2026-05-01 10:05:00 UTC,2\n")
    answer = curl(f"/channels/{made['id']}/feeds.csv", "-F", f"api_key={server.account}", "-F", f"csv=@{file}")
    assert json.loads(answer) == {"success": True, "stored": 2}
    exported = curl(f"/stream/channels/{made['id']}/feeds.csv?api_key={made['read']}")
    assert exported.splitlines()[1:] == ["2026-05-01 10:00:00 UTC,1,1,,,,,", "2026-05-01 10:05:00 UTC,2,2,,,,,"]


# ---- npm: thingspeakclient 0.4.0 ----


def test_the_node_client_writes_and_reads(server, made):
    asked = {**made, "server": server.url, "login": server.login}
    run = subprocess.run(
        ["node", str(NODE_CLIENT), json.dumps(asked)], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    said = json.loads(run.stdout)
    assert said["updates"] == ["1", "2"]
    assert [entry["field1"] for entry in said["feed"]["feeds"]] == ["7", "8"]
    assert said["last"]["entry_id"] == 2
    assert [entry["field2"] for entry in said["field"]["feeds"]] == ["6", None]
    assert said["lastField"]["field2"] == "6"
    assert [entry["status"] for entry in said["statuses"]["feeds"]] == ["ok", None]
    assert said["noAccess"] == -1
    assert said["public"]["pagination"]["per_page"] == 15
    assert said["user"]["login"] == server.login
    assert said["userChannels"] == {"channels": []}
