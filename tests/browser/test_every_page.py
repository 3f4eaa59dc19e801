"""Every page that the url conf has: readable in light and dark, at 320 pixels, and with all that a page needs.

Pages that are added later are found by themselves: see `walking`. Pages that only visitors see, and those that need
something to have happened before, are looked at in the tests of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from portal.demo import Cast
from portal.processes import Portal
from tests.browser import devices, walking
from tests.browser.looking import axe, overflow

NARROW = {"width": 320, "height": 640}
VISITORS = ("", "signup/", "accounts/login/", "accounts/signup/", "accounts/password/reset/")
AT_THE_TOP = "main .entrance, .account-page, .start, .mail-body, .lost"
"""What marks pages that lie below nothing."""

NEEDS = """(atTheTop) => {
  const is = (selector) => Boolean(document.querySelector(selector));
  const isSection = [...document.querySelectorAll(".main-nav a")].some((link) => link.pathname === location.pathname);
  const ownStyle = [...document.querySelectorAll("[style]")].filter((one) => !one.closest("[data-chart]"));
  const needs = {
    "one h1": document.querySelectorAll("h1").length === 1,
    "words in the h1": document.querySelector("h1")?.innerText.trim(),
    "a title of its own": document.title.split(" – ")[0].trim(),
    "a language": document.documentElement.lang,
    "the path to it": isSection || is(".breadcrumbs") || is(atTheTop),
    "styles from files alone": !is("style") && !ownStyle.length,
    "scripts from files alone": [...document.scripts].every((one) => one.src || one.type === "application/json"),
  };
  return Object.keys(needs).filter((need) => !needs[need]);
}"""


@pytest.fixture(scope="module")
def narrow(chromium: Browser, portal: Portal) -> Iterator[dict[str, Page]]:
    """Homer's and a visitor's narrow screen; Homer is logged in, and has all that can be linked to."""
    cast = Cast.read()
    homer = cast.customers[0].manager
    pages = {}
    contexts = []
    for who in ("homer", "visitor"):
        # Without motion, for colours are measured right after the theme has changed.
        context = chromium.new_context(base_url=portal.url, viewport=NARROW, reduced_motion="reduce")
        contexts.append(context)
        pages[who] = context.new_page()
    devices.write(portal.url, devices.KITCHEN, [20, 21, 22])
    page = pages["homer"]
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill(homer.email)
    page.locator("[name=password]").fill(cast.password)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/devices/")
    page.locator(".device-name a", has_text="Kitchen").click()
    kitchen = page.url
    page.locator("form[action$='/read-key/'] button").click()
    page.locator(".secret-more").wait_for()
    page.goto(f"{kitchen}program-keys/")
    page.locator("[name=note]").fill("Home Assistant")
    page.locator("main .form button[type=submit]").click()
    page.locator("#made").wait_for()
    _let_something_be_noticed(page)
    page.goto(f"{kitchen}program-keys/")
    yield pages
    for context in contexts:
        context.close()


def _let_something_be_noticed(page: Page) -> None:
    """A channel that belongs to no device."""
    page.goto("/organizations/")
    page.locator("main a", has_text="The Simpsons").first.click()
    organization = page.url
    page.goto(f"{organization}platform-account/")
    page.locator("form[action$='/show/'] button").click()
    key = page.locator("#account-key-value").inner_text().strip()
    page.request.post("/channels.json", form={"api_key": key, "name": "Experiment"})
    page.goto(f"{organization}findings/")
    page.locator("form[action$='/look/'] button").first.click()
    page.locator("a[href$='/delete-channel/']").wait_for()


@pytest.fixture(scope="module")
def examples(narrow: dict[str, Page], portal: Portal) -> dict[str, walking.Example]:
    homer = narrow["homer"]
    kitchen = urlsplit(homer.url).path.removesuffix("program-keys/")
    starts = [kitchen, f"{kitchen}keys/", "/devices/", "/organizations/", "/account/"]
    return walking.examples(homer.request, portal.url, starts)


@pytest.mark.parametrize("route", walking.routes())
def test_a_page_can_be_used_by_everybody(
    route: str, narrow: dict[str, Page], examples: dict[str, walking.Example], portal: Portal
) -> None:
    page = narrow["visitor" if route in VISITORS else "homer"]
    address, is_page = examples[route].address, examples[route].is_page
    if is_page is None or page is narrow["visitor"]:
        answer = page.request.get(portal.url + address, max_redirects=0)
        assert answer.status != 404, "No page leads here, and no number was guessed right: link to it."
        assert answer.status < 500
        is_page = walking.is_page(answer)
    if not is_page:
        return
    heard: list[str] = []
    page.emulate_media(color_scheme="light")

    def hear(message):
        if message.type == "error":
            heard.append(message.text)

    page.on("console", hear)
    try:
        shown = page.goto(address, wait_until="load")
        policy = shown.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert missing(page) == []
        assert overflow(page) <= 0, "wider than 320 pixels"
        assert violations(page) == []
        page.emulate_media(color_scheme="dark")
        page.locator("html[data-bs-theme=dark]").wait_for()
        assert violations(page, "color-contrast") == []
        assert heard == []
    finally:
        page.remove_listener("console", hear)


def missing(page: Page) -> list[str]:
    """Return what a page needs and this one does not have."""
    return list(page.evaluate(f"({NEEDS})('{AT_THE_TOP}')"))


def violations(page: Page, *rules: str) -> list[str]:
    """Return what axe finds; with `rules`, by these alone."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(axe())  # from outside, and so past the page's content security policy
    options = {"runOnly": list(rules)} if rules else {}
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes']]}" for one in found]
