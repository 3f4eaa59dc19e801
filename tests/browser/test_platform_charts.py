"""What a browser makes of the platform's chart page and channel page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.looking import Person, Seen
from tests.channels.platform.server import Server, running

NO_ACCESS = "This channel is not public. To see its chart, a read key of the channel is needed."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("platform")) as server:
        yield server


@pytest.fixture
def viewer(chromium: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., Person]]:
    """Somebody in Berlin: `viewer(phone=True, dark=True, javascript=False)`."""
    with ExitStack() as stack:

        def sit_down(
            *, phone: bool = False, dark: bool = False, javascript: bool = True, frame: bool = False
        ) -> Person:
            size = {"width": 450, "height": 260} if frame else {"width": 1280, "height": 800}
            context = chromium.new_context(
                base_url=server.url,
                viewport={"width": 390, "height": 844} if phone else size,
                has_touch=phone,
                color_scheme="dark" if dark else "light",
                java_script_enabled=javascript,
                timezone_id="Europe/Berlin",
                locale="en-GB",
            )
            stack.callback(context.close)
            look = f"{'phone' if phone else 'frame' if frame else 'desktop'}-{'dark' if dark else 'light'}"
            return Person("viewer", context.new_page(), Seen(request.node.name, look))

        yield sit_down


@pytest.fixture
def noon() -> datetime:
    """A noon that has passed, at most a day ago."""
    now = datetime.now(UTC)
    return now.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=now.hour < 13)


@pytest.fixture
def kitchen(server: Server, noon: datetime) -> dict[str, Any]:
    """A private channel with 60 values up to noon, a minute apart, the last one 21.5."""
    made = server.new_channel(name="Kitchen", field1="Temperature, °C", field2="Humidity, %")
    values = [f"{20 + n % 10 / 4}" for n in range(59)] + ["21.5"]
    write(server, made, [(noon + timedelta(minutes=n - 59), {"field1": value}) for n, value in enumerate(values)])
    return made


def write(server: Server, made: dict[str, Any], entries: list[tuple[datetime, dict[str, str]]]) -> None:
    updates = [{"created_at": moment.isoformat(), **values} for moment, values in entries]
    body = {"write_api_key": made["write"], "updates": updates}
    answer = requests.post(f"{server.url}/channels/{made['id']}/bulk_update.json", json=body, timeout=10)
    assert answer.status_code == 202, answer.text


def chart(page: Page, state: str = "ready") -> Any:
    found = page.locator("[data-chart]").first
    expect(found).to_have_attribute("data-chart-state", state)
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("look", ["frame", "phone", "desktop"])
def test_a_chart_is_drawn_on_every_screen(viewer, kitchen, look, dark):
    person = viewer(phone=look == "phone", frame=look == "frame", dark=dark)
    page = person.open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}&dynamic=true&results=60")
    drawn = chart(page)
    expect(drawn).to_have_attribute("data-chart-points", "60")
    expect(drawn.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"^Temperature, °C: 60, 21\.5 – "))
    expect(page.locator(".chart-title")).to_have_text("Kitchen")
    expect(page.locator("noscript")).to_be_hidden()
    person.look("chart")
    box, frame = drawn.locator("canvas").bounding_box(), drawn.bounding_box()
    assert box is not None
    assert frame is not None
    assert box["width"] > frame["width"] * 0.9
    assert box["height"] > frame["height"] * 0.7


@pytest.mark.parametrize("kind", ["line", "spline", "step", "column", "bar"])
def test_every_type_is_drawn(viewer, kitchen, kind):
    person = viewer(frame=True)
    key = f"api_key={kitchen['read']}&results=60&type={kind}"
    page = person.open(f"/channels/{kitchen['id']}/charts/1?{key}{'&average=10' if kind in ('column', 'bar') else ''}")
    expect(chart(page)).to_have_attribute("data-chart-points", "7" if kind in ("column", "bar") else "60")
    person.look(kind)


def test_hovering_shows_the_value_and_the_viewers_time(viewer, kitchen, noon):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}")
    over = chart(page).locator(".u-over")
    box = over.bounding_box()
    assert box is not None
    over.hover(position={"x": box["width"] - 1, "y": box["height"] / 2})
    tip = page.locator(".chart-tip")
    expect(tip.locator("strong")).to_have_text("21.5")
    local = page.evaluate("s => new Date(s * 1000).toLocaleTimeString('en-GB')", noon.timestamp())
    expect(tip.locator("span")).to_have_text(re.compile(re.escape(local)))
    over.hover(position={"x": 1, "y": box["height"] / 2})
    expect(tip.locator("strong")).to_have_text("20.0")


def test_a_finger_and_the_arrow_keys_show_values_too(viewer, kitchen):
    page = viewer(phone=True).open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}")
    over = chart(page).locator(".u-over")
    box = over.bounding_box()
    assert box is not None
    over.tap(position={"x": box["width"] - 1, "y": 20})
    expect(page.locator(".chart-tip strong")).to_have_text("21.5")
    page.get_by_role("img").focus()
    page.keyboard.press("Home")
    expect(page.locator(".chart-tip strong")).to_have_text("20.0")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chart-tip strong")).to_have_text("20.25")
    page.keyboard.press("Escape")
    expect(page.locator(".chart-tip")).to_be_hidden()


def test_times_are_those_of_the_zone_that_is_asked_for(viewer, kitchen, noon):
    path = f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}&timezone=Asia/Kathmandu"
    page = viewer().open(path)
    chart(page).get_by_role("img").focus()
    page.keyboard.press("End")
    expect(page.locator(".chart-tip span")).to_have_text(re.compile("17:45:00"))


def test_a_living_chart_fetches_only_what_is_new(viewer, server, kitchen, noon):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}&dynamic=true&results=60")
    drawn = chart(page)
    write(
        server,
        kitchen,
        [(noon + timedelta(minutes=1), {"field1": "30"}), (noon + timedelta(minutes=2), {"field1": "x"})],
    )
    with page.expect_response(re.compile(r"fields/1\.json")) as answered:
        page.evaluate("keydistChart.refresh(document.querySelector('[data-chart]'))")
    assert "start_entry_id=61" in answered.value.url
    assert len(answered.value.json()["feeds"]) == 2
    expect(drawn.get_by_role("img")).to_have_attribute("aria-label", re.compile(r": 60, 30 – "))
    expect(drawn).to_have_attribute("data-chart-points", "60")  # it keeps as many as its address asks for
    with page.expect_response(re.compile(r"start_entry_id=62")):
        page.evaluate("keydistChart.refresh(document.querySelector('[data-chart]'))")


def test_a_living_chart_looks_by_itself(viewer, kitchen):
    path = f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}&dynamic=true&update=1"
    page = viewer().open(path)
    chart(page)
    with page.expect_response(re.compile(r"start_entry_id=61")) as answered:
        pass
    assert answered.value.ok


def test_a_channel_that_was_cleared_is_drawn_anew(viewer, server, kitchen, noon):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}")
    chart(page)
    requests.delete(f"{server.url}/channels/{kitchen['id']}/feeds.json", data={"api_key": server.account}, timeout=10)
    write(server, kitchen, [(noon, {"field1": "5"})])
    page.evaluate("keydistChart.refresh(document.querySelector('[data-chart]'))")
    expect(chart(page)).to_have_attribute("data-chart-points", "1")


def test_what_is_no_number_is_skipped(viewer, server, noon):
    made = server.new_channel(name="Mixed", field1="x", public_flag="true")
    values = ["1", "warm", "2,5", "NaN", "", "1e3", "0x10", " 7 "]
    write(server, made, [(noon + timedelta(seconds=n), {"field1": value}) for n, value in enumerate(values)])
    page = viewer().open(f"/channels/{made['id']}/charts/1")
    expect(chart(page)).to_have_attribute("data-chart-points", "4")


def test_a_single_value_is_drawn_amid_its_neighbours_and_not_above_nothing(viewer, kitchen):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}")
    chart(page)
    for value in (20.5, -18.0, 0.0, 1013.0):
        low, high = page.evaluate("value => keydistChart.valueRange(value, value, false)", value)
        assert low < value < high
        assert high - low <= max(5, abs(value) * 0.2)
    assert page.evaluate("keydistChart.valueRange(20.5, 20.5, true)")[0] == 0


def test_a_channel_without_values_says_so_and_draws_when_there_are_some(viewer, server, noon):
    made = server.new_channel(name="Empty", field1="x", public_flag="true")
    person = viewer(frame=True)
    page = person.open(f"/channels/{made['id']}/charts/1")
    chart(page, "empty")
    expect(page.get_by_role("status")).to_have_text("No values yet.")
    person.look("empty")
    write(server, made, [(noon, {"field1": "1"})])
    page.evaluate("keydistChart.refresh(document.querySelector('[data-chart]'))")
    expect(chart(page)).to_have_attribute("data-chart-points", "1")
    expect(page.get_by_role("status")).to_have_text("")
    person.look("one value")


def test_without_a_key_the_page_says_what_is_missing(viewer, kitchen):
    person = viewer(frame=True)
    person.open(f"/channels/{kitchen['id']}/charts/1", "refused")
    expect(person.page.get_by_text("This channel is not public.")).to_be_visible()


def test_a_key_that_ends_while_one_looks_is_said(viewer, kitchen):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}")
    chart(page)
    page.route(re.compile(r"fields/1\.json"), lambda route: route.fulfill(status=400, body="-1"))
    page.evaluate("keydistChart.refresh(document.querySelector('[data-chart]'))")
    expect(chart(page, "no-access")).to_have_attribute("data-chart-points", "0")
    expect(page.get_by_role("status")).to_have_text(NO_ACCESS)


@pytest.mark.parametrize("trouble", ["no network", "server error", "nonsense"])
def test_a_chart_outlives_trouble_and_recovers_by_itself(viewer, kitchen, trouble):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}&dynamic=true")
    chart(page)

    def fail(route: Route) -> None:
        if trouble == "no network":
            route.abort("internetdisconnected")
        else:
            route.fulfill(status=503 if trouble == "server error" else 200, body="<html>")

    page.route(re.compile(r"fields/1\.json"), fail)
    page.evaluate("keydistChart.refresh(document.querySelector('[data-chart]'))")
    expect(chart(page, "offline")).to_have_attribute("data-chart-points", "60")
    expect(page.get_by_role("status")).to_have_text("The data cannot be reached right now. Trying again …")
    page.unroute(re.compile(r"fields/1\.json"))
    chart(page, "ready")


def test_without_javascript_there_is_a_table(viewer, kitchen):
    person = viewer(javascript=False)
    page = person.open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}&timezone=Europe/Berlin")
    expect(page.get_by_role("row")).to_have_count(26)
    expect(page.get_by_role("row").nth(1)).to_contain_text("21.5")
    person.picture("table")


def test_a_chart_that_comes_into_the_page_later_is_drawn_and_one_that_leaves_is_forgotten(viewer, kitchen):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}")
    chart(page)
    page.evaluate(
        """url => {
            document.querySelector("[data-chart]").remove();
            document.body.insertAdjacentHTML("beforeend", `<section><div data-chart data-feed-url="${url}"
                data-text-empty="x"><table><tr><td>fallback</td></tr></table></div></section>`);
        }""",
        f"/channels/{kitchen['id']}/fields/1.json?api_key={kitchen['read']}",
    )
    expect(chart(page)).to_have_attribute("data-chart-points", "60")
    expect(page.get_by_text("fallback")).to_be_hidden()


def test_the_colours_follow_the_page_and_the_parameters(viewer, kitchen):
    path = f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}"
    ground = "e => getComputedStyle(e).backgroundColor"
    page = viewer().open(path)
    light = chart(page).evaluate(ground)
    page.emulate_media(color_scheme="dark")
    assert chart(page).evaluate(ground) != light
    page.evaluate("document.documentElement.dataset.bsTheme = 'light'")
    assert chart(page).evaluate(ground) == light
    page.goto(f"{path}&bgcolor=%23123456&color=abc")
    assert chart(page).evaluate(ground) == "rgb(18, 52, 86)"
    assert chart(page).evaluate("e => getComputedStyle(e).getPropertyValue('--chart-line')") == "#abc"


def test_a_chart_has_the_size_that_is_asked_for(viewer, kitchen):
    page = viewer().open(f"/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}&width=500&height=240")
    box = chart(page).bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (500, 240)


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], str]]:
    """Serve a page from another origin; returns its address."""

    class Handler(BaseHTTPRequestHandler):
        html = ""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(self.html.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        Thread(target=web.serve_forever, daemon=True).start()

        def serve(html: str) -> str:
            Handler.html = html
            return f"http://127.0.0.1:{web.server_port}/"

        yield serve
        web.shutdown()


def test_any_page_may_frame_a_chart(viewer, server, kitchen, elsewhere):
    source = f"{server.url}/channels/{kitchen['id']}/charts/1?api_key={kitchen['read']}"
    page = viewer().page
    page.goto(elsewhere(f'<iframe width="450" height="260" src="{source}"></iframe>'))
    framed = page.frame_locator("iframe").locator("[data-chart]")
    expect(framed).to_have_attribute("data-chart-points", "60")


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True), (True, False)])
def test_the_channel_page(viewer, server, noon, phone, dark):
    made = server.new_channel(
        name="Kitchen thermometer", description="On the shelf above the stove", public_flag="true",
        field1="Temperature, °C", field2="Humidity, %", latitude="40.44", longitude="-79.996",
        url="https://example.net/kitchen", tags="warm,kitchen",
    )  # fmt: skip
    write(server, made, [(noon + timedelta(minutes=n), {"field1": f"{20 + n}", "field2": "40"}) for n in range(30)])
    person = viewer(phone=phone, dark=dark)
    page = person.open(f"/channels/{made['id']}")
    expect(page.locator("[data-chart-state=ready]")).to_have_count(2)
    person.look("channel")


def test_the_read_key_opens_a_private_channels_page(viewer, kitchen):
    person = viewer(phone=True)
    page = person.open(f"/channels/{kitchen['id']}", "asks")
    page.get_by_label("Read key").fill("0000000000000000")
    page.get_by_role("button", name="Show the channel").click()
    expect(page.get_by_role("alert")).to_be_visible()
    person.look("wrong key")
    page.get_by_label("Read key").fill(kitchen["read"])
    page.get_by_role("button", name="Show the channel").click()
    expect(page.get_by_role("heading", name="Kitchen")).to_be_visible()
    expect(page.locator("[data-chart-state=ready]")).to_have_count(1)
    person.look("opened")
