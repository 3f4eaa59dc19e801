"""The chart page and the channel page, as they leave the server. What the browser makes of them: tests/browser."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from channels.platform.models import Channel
from tests.channels.platform.conftest import NOON, Keys, a_channel

pytestmark = pytest.mark.django_db
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def attributes(page: str) -> dict[str, str]:
    """What the chart's element tells the script, but for the sentences that it shows."""
    tag = re.search(r"<div[^>]* data-chart .*?>", page, re.DOTALL)[0]
    told = re.findall(r'data-([a-z-]+)="([^"]*)"', tag)
    return {name: unescape(value) for name, value in told if not name.startswith("text-")}


def chart(api, keys: Keys, field: str = "1", **asked: str):
    return api.get(f"/channels/{keys.number}/charts/{field}", asked)


def test_a_chart_has_the_originals_defaults(api, kitchen):
    page = chart(api, kitchen, api_key=kitchen.read)
    assert page["Content-Type"] == "text/html; charset=utf-8"
    told = attributes(page.content.decode())
    feed = urlsplit(told.pop("feed-url"))
    assert feed.path == f"/channels/{kitchen.number}/fields/1.json"
    assert parse_qs(feed.query) == {"api_key": [kitchen.read]}
    assert told == {"field": "1", "title": "Kitchen", "xaxis": "Date", "yaxis": "Temperature", "type": "line"}


def test_every_documented_parameter_arrives(api, kitchen):
    asked = {
        "title": "In the kitchen", "xaxis": "When", "yaxis": "°C", "color": "#0f6e66", "bgcolor": "fff",
        "type": "column", "dynamic": "true", "update": "5", "step": "true", "yaxismin": "-5", "yaxismax": "40.5",
        "width": "450", "height": "250",
    }  # fmt: skip
    fed = {
        "api_key": kitchen.read, "results": "60", "days": "2", "start": "2026-05-01 00:00:00",
        "end": "2026-05-02 00:00:00", "timezone": "Europe/Berlin", "offset": "1", "min": "1", "max": "50",
        "round": "1", "timescale": "10", "sum": "20", "average": "30", "median": "60",
    }  # fmt: skip
    told = attributes(chart(api, kitchen, **asked, **fed).content.decode())
    assert {name: values[0] for name, values in parse_qs(urlsplit(told.pop("feed-url")).query).items()} == fed
    assert told == {**asked, "field": "1", "bgcolor": "#fff", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("color", "red;background:url(//x)"),
        ("color", "#ggg"),
        ("bgcolor", "12345"),
        ("type", "pie"),
        ("yaxismin", "low"),
        ("width", "auto"),
        ("height", "100%"),
        ("dynamic", "no"),
        ("update", ""),
    ],
)
def test_what_is_not_well_formed_is_as_good_as_absent(api, kitchen, name, value):
    told = attributes(chart(api, kitchen, api_key=kitchen.read, **{name: value}).content.decode())
    assert told.get(name) == {"type": "line"}.get(name)


def test_nothing_that_people_name_is_taken_for_markup(api, homer):
    evil = '"><script>alert(1)</script>'
    keys = a_channel(homer, name=evil, field1=evil, description=evil, public=True)
    for path, headers in (
        (f"/channels/{keys.number}/charts/1?title={evil}&xaxis={evil}", {}),
        (f"/channels/{keys.number}", BROWSER),
    ):
        page = api.get(path, headers=headers).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("path", ["charts/1", ""])
def test_pages_load_our_files_alone_and_run_nothing_inline(api, plaza, path):
    page = api.get(f"/channels/{plaza.number}/{path}".rstrip("/"), headers=BROWSER)
    policy = dict(part.strip().split(" ", 1) for part in page["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "*"
    assert page["Referrer-Policy"] == "no-referrer"
    text = page.content.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style|\son[a-z]+=| style=", text)
    markup = re.sub(r"<code>.*?</code>", "", text)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', markup)


def test_without_access_the_page_says_what_is_missing(api, kitchen, plaza):
    for key in ("", "0" * 16, plaza.read, kitchen.account):
        page = chart(api, kitchen, api_key=key)
        assert page.status_code == 403
        assert "not public" in page.content.decode()
        assert "read key" in page.content.decode()
        assert "data-chart" not in page.content.decode()
    assert api.get("/channels/99999/charts/1").status_code == 404
    assert chart(api, kitchen, "9", api_key=kitchen.read).status_code == 404
    assert chart(api, kitchen, "field2", api_key=kitchen.read).status_code == 200


def test_without_javascript_the_latest_values_are_a_table(api, kitchen):
    with time_machine.travel(NOON, tick=False) as clock:
        for n in range(30):
            api.get(
                f"/update?api_key={kitchen.write}&field1={n}"
                if n != 10
                else f"/update?api_key={kitchen.write}&field2=x"
            )
            clock.shift(timedelta(minutes=1))
        page = chart(api, kitchen, api_key=kitchen.read, offset="2").content.decode()
    table = re.search(r"<noscript>(.*)</noscript>", page, re.DOTALL)[1]
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", table)
    assert rows[0] == ("2026-05-01 14:29:00 +0200", "29")
    assert [value for _, value in rows] == [str(n) for n in range(29, 4, -1) if n != 10]
    assert "Temperature" in table


def test_a_browser_gets_the_channel_page_and_a_program_json(api, plaza):
    api.get(f"/update?api_key={plaza.write}&field1=60")
    page = api.get(f"/channels/{plaza.number}", headers=BROWSER)
    text = page.content.decode()
    assert page["Content-Type"].startswith("text/html")
    assert "<h1>Plaza</h1>" in text
    assert ">60<" in text
    assert f"/stream/channels/{plaza.number}/feeds" in text
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": "text/html, application/json"}):
        assert api.get(f"/channels/{plaza.number}", headers=headers).json()["id"] == plaza.number
    assert api.get(f"/channels/{plaza.number}.json", headers=BROWSER).json()["id"] == plaza.number


def test_a_private_channel_asks_for_the_read_key(api, kitchen):
    asked = api.get(f"/channels/{kitchen.number}", headers=BROWSER)
    assert asked.status_code == 403
    assert 'name="api_key"' in asked.content.decode()
    assert "Kitchen" not in asked.content.decode()
    wrong = api.get(f"/channels/{kitchen.number}?api_key=WRONG", headers=BROWSER).content.decode()
    assert "does not read this channel" in wrong
    assert "WRONG" not in wrong
    shown = api.get(f"/channels/{kitchen.number}?api_key={kitchen.read}", headers=BROWSER)
    assert shown.status_code == 200
    assert "<h1>Kitchen</h1>" in shown.content.decode()
    assert "no-cache" in shown["Cache-Control"]
    assert "&lt;iframe" not in shown.content.decode()  # a key does not belong on a web page
    assert api.get("/channels/99999", headers=BROWSER).status_code == 404


def test_a_channel_without_fields_has_a_page(api, carl):
    bare = a_channel(carl, name="Bare", public=True)
    Channel.objects.filter(number=bare.number).update(field1="")
    assert "no fields yet" in api.get(f"/channels/{bare.number}", headers=BROWSER).content.decode()


def test_a_page_speaks_the_language_that_the_browser_asks_for(api, kitchen):
    for number in (kitchen.number, kitchen.number + 1):
        address = f"/channels/{number}"
        german = api.get(address, headers=BROWSER | {"Accept-Language": "de-AT, en;q=0.4"})
        assert b'<html lang="de">' in german.content
        assert "Accept-Language" in german["Vary"]
        assert b'<html lang="en">' in api.get(address, headers=BROWSER).content
