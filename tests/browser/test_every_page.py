"""Every page that the url conf has: readable in light and dark, at 320 pixels, and with all that a page needs.

Pages that are added later are found by themselves: see `walking` and `walkers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from portal.demo import Cast
from portal.processes import Portal
from tests.browser import walkers, walking
from tests.browser.focus import unseen_focus_stops
from tests.browser.looking import axe, overflow, sticking_out
from tests.browser.walkers import Walker
from tests.browser.walking import Kind

AT_THE_TOP = "main .entrance, .start, .mail-body, .lost, .outbox, .channel-page, .chart-page"
"""What marks pages that lie below nothing, as the sections of the portal do."""
BUTTONS = frozenset({
    "account/log-ins/<int:pk>/end/",
    "devices/<int:pk>/keys/end/",
    "devices/<int:pk>/new-channel/cancel/",
    "devices/<int:pk>/read-key/",
    "devices/<int:pk>/unblock/",
    "devices/list/block/",
    "devices/list/move-back/",
    "devices/list/move/",
    "devices/list/unblock/",
    "devices/pending/decide/",
    "devices/pending/restore/",
    "findings/<int:pk>/dismiss/",
    "findings/<int:pk>/renew-key/",
    "invitations/<str:token>/ask/",
    "invited/<int:pk>/resend/",
    "invited/<int:pk>/restore/",
    "invited/<int:pk>/withdraw/",
    "language/",
    "memberships/<int:pk>/move-back/",
    "memberships/restore/",
    "organizations/<int:pk>/expected-devices/forget/",
    "organizations/<int:pk>/expected-devices/restore/",
    "organizations/<int:pk>/findings/look/",
    "organizations/<int:pk>/labels/keys/",
    "organizations/<int:pk>/move-back/",
    "organizations/<int:pk>/platform-account/show/",
    "organizations/<int:pk>/renewal-policy/pause/",
    "organizations/<int:pk>/renewal-policy/remove/",
    "organizations/<int:pk>/unmake/",
    "people/invited/resend/",
    "registration-keys/<int:pk>/end/",
    "registration-keys/<int:pk>/show/",
    # allauth's, for what we have switched off: log-in by code, and accounts without a password
    "accounts/login/code/confirm/",
    "accounts/password/set/",
})  # fmt: skip
"""Routes that take what a button of another page sends; who opens them is led to that page."""

SCREENS = (320, 390, 600, 768, 992, 1280)
"""Widths in pixels: phones, tablets, and from 992 on tables are tables."""
NEEDS = """(atTheTop) => {
  const is = (selector) => Boolean(document.querySelector(selector));
  const isSection = ["/devices/", "/organizations/", "/people/", "/account/"].includes(location.pathname);
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
def everybody(
    chromium: Browser, portal: Portal, cast: Cast, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Walker]]:
    """Everybody who sees pages that others do not, and what they have come across."""
    with ExitStack() as stack:

        def sit_down(url: str = portal.url) -> Page:
            return stack.enter_context(walkers.on_a_narrow_screen(chromium, url))

        elsewhere, key = stack.enter_context(
            walkers.portal_that_uses_thingspeak(tmp_path_factory.mktemp("with-thingspeak"))
        )
        yield {
            "homer": walkers.homer(sit_down(), portal, cast),
            "homer at ThingSpeak": walkers.homer_at_thingspeak(sit_down(elsewhere.url), elsewhere, cast, key),
            "marge": walkers.marge(sit_down(), portal, cast),
            "lisa": walkers.lisa(sit_down(), portal),
            "lisa at the door": walkers.lisa_at_the_door(sit_down(), portal),
            "visitor": walkers.visitor(sit_down(), portal, cast),
        }


@pytest.mark.parametrize("route", walking.routes())
def test_a_page_can_be_used_by_everybody(route: str, everybody: dict[str, Walker]) -> None:
    found = {who: walker.found[route] for who, walker in everybody.items()}
    kinds = {example.kind for example in found.values()}
    assert kinds != {Kind.NOTHING}, "No page leads here, and no number was guessed right: link to it."
    is_button = not kinds & {Kind.PAGE, Kind.DATA}
    assert is_button == (route in BUTTONS), f"{found}"
    looked = [(who, example.address) for who, example in found.items() if example.kind is Kind.PAGE]
    for who, address in looked:
        assert complaints(everybody[who].page, address) == [], f"{who} at {address}"
    if looked and route not in walking.PAGES_OF_MACHINES:
        who, address = looked[0]
        everybody[who].page.goto(address)
        assert unseen_focus_stops(everybody[who].page) == [], f"{who} at {address}"


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("route", [route for route in walking.routes() if route not in BUTTONS])
def test_nothing_sticks_out_of_its_card_or_of_the_screen(
    route: str, language: str, everybody: dict[str, Walker]
) -> None:
    shown = [walker for walker in everybody.values() if walker.found[route].kind is Kind.PAGE]
    for page, address in [(walker.page, walker.found[route].address) for walker in shown[:1]]:
        page.goto(address)
        page.context.add_cookies([{"name": "django_language", "value": language, "url": page.url}])
        try:
            page.reload(wait_until="load")
            assert page.get_attribute("html", "lang") == language
            for width in SCREENS:
                page.set_viewport_size({"width": width, "height": 800})
                assert sticking_out(page) == [], f"{width} pixels"
                assert overflow(page) <= 0, f"{width} pixels"
        finally:
            page.context.clear_cookies(name="django_language")
            page.set_viewport_size(walkers.NARROW)
            page.reload(wait_until="load")  # Mails are written in the language of the last page.


SORTS = "input[type=text], input[type=email], textarea"
FORMS = f"""() => [...document.querySelectorAll("main form[method=post]")].findIndex((form) =>
  [...form.elements].some((one) => one.required && one.offsetParent && one.matches("{SORTS}")))"""
"""Finds the number of the first form that has something to type that must not be blank, -1 for none."""
BLANK = f"""(number) => {{
  const form = document.querySelectorAll("main form[method=post]")[number];
  const shown = [...form.elements].filter((one) => one.offsetParent && one.matches("{SORTS}"));
  const blank = shown.find((one) => one.required);
  const typed = {{}};
  for (const one of shown.filter((one) => one !== blank && one.matches("input[type=text], textarea"))) {{
    one.value = typed[one.name] = "As typed";
  }}
  blank.value = "";
  form.noValidate = true;
  return [blank.name, typed];
}}"""
"""Types into all of that form's fields but one, which it leaves blank; returns that one's name, and what was typed."""


@pytest.mark.parametrize("route", [route for route in walking.routes() if route not in {*BUTTONS, "components/"}])
def test_a_form_without_what_it_needs_keeps_what_was_typed_and_marks_the_field(
    route: str, everybody: dict[str, Walker], cast: Cast
) -> None:
    for who in ("homer", "homer at ThingSpeak", "lisa", "visitor"):
        page, example = everybody[who].page, everybody[who].found[route]
        if example.kind is not Kind.PAGE:
            continue
        if route == "account/close/":
            walkers.still_me(page, walkers.PASSWORD if who == "lisa" else cast.password)
        page.goto(example.address)
        number = page.evaluate(FORMS)
        if number < 0:
            continue
        blank, typed = page.evaluate(BLANK, number)
        form = page.locator("main form[method=post]").nth(number)
        form.locator("button[type=submit], button:not([type])").last.click()
        marked = page.locator(f"main [name={blank}][aria-invalid=true]")
        marked.wait_for()
        page.wait_for_load_state("load")  # all of the answer, and what was typed in it
        said = page.locator(f"#{(marked.get_attribute('aria-describedby') or '').split()[-1]}")
        assert said.inner_text().strip(), blank
        for name, value in typed.items():
            assert page.locator(f"main [name={name}]").first.input_value() == value, name
        assert complaints(page) == [], f"{who} at {example.address}"


def test_the_question_before_several_devices_are_blocked_can_be_used_by_everybody(
    everybody: dict[str, Walker],
) -> None:
    page = everybody["homer"].page
    page.goto("/devices/list/")
    page.locator("main [name=devices]").first.check()
    page.locator("button[formaction$='/list/block/']").click()
    page.locator("main form .btn-danger").wait_for()
    assert complaints(page) == []


@pytest.mark.parametrize("route", ["registration-keys/<int:pk>/", "organizations/<int:pk>/platform-account/"])
def test_a_page_that_shows_a_key_can_be_used_by_everybody(route: str, everybody: dict[str, Walker]) -> None:
    homer = everybody["homer"]
    homer.page.goto(homer.found[route].address)
    homer.page.locator("main form[action$='/show/'] button").first.click()
    homer.page.locator("main [data-copy]").first.wait_for()
    assert complaints(homer.page) == []


def complaints(page: Page, address: str = "") -> list[str]:
    """Return what is wrong with a page in light and dark: the one at that address, or the one that is open."""
    heard: list[str] = []
    page.wait_for_load_state("load")  # A page without its styles cannot be judged.
    page.emulate_media(color_scheme="light")

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            heard.append(message.text)

    page.on("console", hear)
    try:
        if address:
            shown = page.goto(address, wait_until="load")
            policy = shown.headers["content-security-policy"] if shown else ""
            if not re.match(r"default-src '(self|none)'", policy) or "unsafe" in policy:
                heard.append(f"content security policy: {policy}")
        heard += missing(page)
        if overflow(page) > 0:
            heard.append("wider than 320 pixels")
        heard += violations(page)
        page.emulate_media(color_scheme="dark")
        page.locator("html[data-bs-theme=dark], body.channel-page, body.chart-page").wait_for()
        return heard + violations(page, "color-contrast")
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
