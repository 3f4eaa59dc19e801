"""What a first visit to each page transfers in production: less than 100 KB, without the chart library.

What was measured counts: a full page of My devices fetches the feeds of the cards that are on the screen or next to it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from portal.demo import Cast
from portal.processes import Children, Portal, free_port
from tests.browser import devices
from tests.database import own_database

MOST = 100_000
CHART_LIBRARY = "uPlot"
MEASURED = "/feed.json"
PAGES = {
    "visitor": ("/", "/signup/", "/accounts/login/"),
    "homer": (
        "/devices/", "/devices/list/", "/devices/1/", "/devices/1/history/", "/devices/1/keys/", "/devices/1/people/",
        "/devices/1/program-keys/", "/devices/1/values/", "/devices/pending/", "/organizations/", "/organizations/1/",
        "/organizations/1/keys/", "/organizations/1/history/", "/organizations/1/renewal-policy/",
        "/organizations/1/registration-policy/", "/organizations/1/platform-account/", "/registration-keys/1/",
        "/registration-keys/1/labels/", "/people/", "/people/2/", "/people/invited/", "/account/", "/account/data/",
        "/accounts/email/", "/accounts/2fa/",
    ),
    "marge": ("/devices/", "/devices/1/", "/organizations/", "/account/", "/account/shown/"),
    "operator": (
        "/admin/", "/admin/orgs/organization/", "/admin/orgs/organization/1/change/", "/admin/orgs/user/",
        "/admin/devices/device/", "/admin/devices/device/1/change/", "/admin/channels/platformaccount/",
        "/admin/orgs/auditentry/",
    ),
}  # fmt: skip
CARDS = 12
"""So many thermometers measure, for a page of My devices that is full."""


@pytest.fixture(scope="module")
def in_production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The Simpsons' portal after it was set up for development, when it is served as in production."""
    folder = tmp_path_factory.mktemp("production")
    with ExitStack() as stack:
        url = stack.enter_context(own_database(folder))
        children = stack.enter_context(Children(folder))
        settings = {
            "DATABASE_URL": url,
            "CACHE_URL": "locmem://",
            "CHANNEL_PLATFORM": "embedded",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "LOOKUP_HASH_KEY": secrets.token_urlsafe(50),
            "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "STATIC_ROOT": str(folder / "static"),
            "STAFF_NEED_SECOND_FACTOR": "no",
        }
        Portal(children, port=free_port(), **settings).manage("migrate", "--verbosity=0")
        Portal(children, port=free_port(), **settings).manage("simpsons")
        portal = Portal(children, port=free_port(), **settings, DEBUG="false", EMAIL_URL="console:")
        portal.manage("collectstatic", "--noinput", "--verbosity=0")
        portal.start()
        devices.write(portal.url, devices.KITCHEN, [20.0 + n / 100 for n in range(300)])
        for number in range(CARDS):
            devices.write(portal.url, f"9000000100{number:02}", [20.0 + n / 100 for n in range(60)])
        yield portal


@pytest.mark.parametrize("who", PAGES)
def test_a_first_visit_is_light(who: str, chromium: Browser, in_production: Portal) -> None:
    cast = Cast.read()
    state = None
    if who != "visitor":
        context = chromium.new_context(base_url=in_production.url)
        page = context.new_page()
        page.goto("/accounts/login/")
        page.locator("[name=login]").fill(f"{who}@example.com")
        page.locator("[name=password]").fill(cast.password)
        page.locator("main button[type=submit]").click()
        page.wait_for_url("**/devices/**")
        state = context.storage_state()
        context.close()
    weights = {}
    for address in PAGES[who]:
        context = chromium.new_context(base_url=in_production.url, storage_state=state)  # with an empty cache
        weights[address] = weigh(context.new_page(), address)
        context.close()
    if who == "homer":
        context = chromium.new_context(base_url=in_production.url, storage_state=state)
        page = context.new_page()
        page.goto("/devices/")
        assert page.locator("[data-chart]").count() == CARDS, "the page that was weighed is full"
        context.close()
    pages = {address: sum(parts.values()) for address, parts in weights.items()}
    assert {address: size for address, size in pages.items() if size > MOST} == {}


def test_a_card_further_down_is_drawn_when_somebody_comes_near(chromium: Browser, in_production: Portal) -> None:
    context = chromium.new_context(base_url=in_production.url)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if MEASURED in request.url else None)
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill("homer@example.com")
    page.locator("[name=password]").fill(Cast.read().password)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/devices/**")
    charts = page.locator("[data-chart]")
    expect(charts.first).to_have_attribute("data-chart-state", "ready")
    page.wait_for_load_state("networkidle")
    assert 0 < len(asked) < CARDS
    expect(charts.last).to_have_attribute("data-chart-state", "loading")
    page.emulate_media(media="print")
    expect(charts.first).to_be_visible()
    expect(charts.last).to_be_hidden()  # On paper nothing is loading.
    page.emulate_media(media="screen")
    charts.last.scroll_into_view_if_needed()
    expect(charts.last).to_have_attribute("data-chart-state", "ready")
    context.close()


def weigh(page: Page, address: str) -> dict[str, int]:
    """Return what each answer of a visit weighs on the wire, without that of the chart library."""
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address, wait_until="networkidle")
    assert [answer.url for answer in answers if answer.status >= 400] == []
    sizes = [(answer.url, answer.request.sizes()) for answer in answers]
    return {
        url: size["responseHeadersSize"] + size["responseBodySize"] for url, size in sizes if CHART_LIBRARY not in url
    }
