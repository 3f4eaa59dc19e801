"""What a first visit to each page transfers, with the settings of production: less than 100 KB without the charts."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, Response

from portal.demo import Cast
from portal.processes import Children, Portal, free_port
from tests.browser import devices
from tests.database import own_database

MOST = 100_000
CHART_LIBRARY = "uPlot"
PAGES = {
    "visitor": ("/", "/signup/", "/accounts/login/"),
    "homer": (
        "/devices/", "/devices/list/", "/devices/1/", "/devices/1/history/", "/organizations/", "/organizations/1/",
        "/registration-keys/1/", "/accounts/email/", "/accounts/2fa/",
    ),
    "marge": ("/devices/", "/devices/1/"),
}  # fmt: skip


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
        }
        Portal(children, port=free_port(), **settings).manage("migrate", "--verbosity=0")
        Portal(children, port=free_port(), **settings).manage("simpsons")
        portal = Portal(children, port=free_port(), **settings, DEBUG="false", EMAIL_URL="console:")
        portal.manage("collectstatic", "--noinput", "--verbosity=0")
        portal.start()
        devices.write(portal.url, devices.KITCHEN, [20.0 + n / 100 for n in range(300)])
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
        page.wait_for_url("**/devices/")
        state = context.storage_state()
        context.close()
    weights = {}
    for address in PAGES[who]:
        context = chromium.new_context(base_url=in_production.url, storage_state=state)  # with an empty cache
        weights[address] = weigh(context.new_page(), address)
        context.close()
    assert {address: parts for address, parts in weights.items() if sum(parts.values()) > MOST} == {}


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
