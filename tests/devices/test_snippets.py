"""What Marge copies works: each snippet is run against a live server."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from html import unescape

import pytest
import requests
import yaml
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from channels.reading_keys import read_key_for
from channels.thingspeak import ThingSpeak
from devices.snippets import PLACEHOLDER, snippets_for
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.factories import DeviceFactory

HOSTILE = 'Bart\'s "room": #1 {{ 7 }} 🌡 \\ %'


@pytest.fixture
def code(transactional_db: None, simpsons: Cast, live_server: LiveServer, settings: Settings) -> dict[str, str]:
    """The snippets with Marge's key, by name, of a kitchen that has measured two values."""
    settings.PUBLIC_URL = live_server.url
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    simpsons.kitchen.describe(name=HOSTILE, description="")
    for value in ("20.5", "21"):
        measure(simpsons.kitchen, value)
    key = read_key_for(simpsons.marge, simpsons.kitchen.channel)
    return {snippet.name: snippet.code for snippet in snippets_for(simpsons.kitchen, key)}


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def test_the_line_for_curl_works(code: dict[str, str]) -> None:
    words = shlex.split(code["curl"])
    assert words[0] == "curl"
    assert '"field1":"21' in run("curl", "--silent", "--fail", *words[1:])


def test_the_program_in_python_works(code: dict[str, str]) -> None:
    lines = run(sys.executable, "-c", code["python"]).splitlines()
    assert [line.split()[1] for line in lines] == ["20.5", "21"]


def test_the_sensor_for_home_assistant_works(code: dict[str, str]) -> None:
    (rest,) = yaml.safe_load(code["home-assistant"])["rest"]
    (sensor,) = rest["sensor"]
    assert sensor["name"] == HOSTILE
    assert (sensor["unit_of_measurement"], sensor["device_class"]) == ("°C", "temperature")
    field = re.fullmatch(r"\{\{ value_json\.(\w+) \}\}", sensor["value_template"])
    assert field
    answer = requests.get(rest["resource"], timeout=10)
    assert answer.json()[field[1]] == "21"


def test_the_key_stands_in_them_only_when_it_was_asked_for(simpsons: Cast, as_marge: Client) -> None:
    address = f"/devices/{simpsons.kitchen.pk}/"
    before = unescape(as_marge.get(address).content.decode())
    assert before.count(f"api_key={PLACEHOLDER}") == 3
    key = read_key_for(simpsons.marge, simpsons.kitchen.channel)
    for answer in (
        as_marge.post(f"{address}read-key/"),
        as_marge.post(f"{address}read-key/", headers={"HX-Request": "true"}),
    ):
        html = unescape(answer.content.decode())
        assert html.count(f"feeds.json?api_key={key}") == 2
        assert html.count(f"feeds/last.json?api_key={key}") == 1
        assert PLACEHOLDER not in html


def test_marges_key_is_not_in_what_homer_is_shown(simpsons: Cast, as_homer: Client) -> None:
    marges = read_key_for(simpsons.marge, simpsons.kitchen.channel)
    html = as_homer.post(f"/devices/{simpsons.kitchen.pk}/read-key/").content.decode()
    assert marges not in html
    assert "feeds.json?api_key=" in html


def test_a_device_without_channel_has_none(simpsons: Cast) -> None:
    assert snippets_for(DeviceFactory(organization=simpsons.household, channel=None)) == []


def test_on_thingspeak_they_name_its_address() -> None:
    platform = ThingSpeak("https://api.thingspeak.com")
    assert platform.feed_url(7, api_key="K", results="10") == (
        "https://api.thingspeak.com/channels/7/feeds.json?api_key=K&results=10"
    )
    assert platform.feed_url(7, last=True) == "https://api.thingspeak.com/channels/7/feeds/last.json"
