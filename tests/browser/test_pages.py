"""The pages, as people find them: all of them usable, on any screen, with any way to see and to point."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.devices import KITCHEN, REACTOR, write, write_one
from tests.browser.looking import Person

Somebody = Callable[..., Person]


@pytest.fixture(scope="module", autouse=True)
def measured(portal: Portal) -> None:
    """Two hours of an ordinary kitchen, and of a reactor."""
    write(portal.url, KITCHEN, [21.5 + 1.5 * math.sin(minute / 20) for minute in range(120)])
    write(portal.url, REACTOR, [31 + 4 * math.sin(minute / 35) for minute in range(120)])


def pages_from(person: Person, *beginnings: str) -> set[str]:
    """Look at every page that links lead to from there, one of each kind: `/devices/N/`. Return the kinds."""
    found, kinds, waiting = set(), set(), list(beginnings)
    while waiting:
        address = waiting.pop(0)
        kind = re.sub(r"/[^/]{24,}/", "/TOKEN/", re.sub(r"/\d+/", "/N/", urlsplit(address).path))
        if kind in kinds or kind.startswith(("/admin/", "/accounts/logout/")) or re.search(r"\.\w+$", kind):
            continue
        kinds.add(kind)
        response = person.page.goto(address)
        assert response is not None
        assert response.status == 200, f"{address} answers {response.status}"
        person.look(kind)
        found.add(kind)
        here = urlsplit(person.page.url).netloc
        for link in person.page.locator("a[href]").all():
            there = urljoin(person.page.url, link.get_attribute("href") or "").partition("#")[0]
            if urlsplit(there).netloc == here and urlsplit(there).scheme.startswith("http"):
                waiting.append(urlsplit(there)._replace(scheme="", netloc="").geturl())
    return found


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desktop-light", "phone-dark"])
@pytest.mark.parametrize(
    ("who", "at_least"),
    [
        ("visitor", {"/", "/accounts/signup/", "/accounts/login/", "/outbox/"}),
        ("marge", {"/devices/", "/devices/N/", "/devices/N/values/", "/organizations/"}),
        ("homer", {"/devices/", "/devices/N/", "/devices/N/edit/", "/devices/N/move/", "/organizations/N/invite/"}),
    ],
)
def test_every_page_can_be_used_by_everybody(
    who: str, at_least: set[str], phone: bool, dark: bool, somebody: Somebody, cast: Cast
) -> None:
    """Nothing that axe-core, the console or the width of the screen has to complain about, on any page."""
    person = somebody(who, phone=phone, dark=dark)
    if who == "visitor":
        found = pages_from(person, "/", "/outbox/", "/accounts/password/reset/")
    else:
        person.log_in(f"{who}@example.com", cast.password)
        found = pages_from(person, "/devices/", "/organizations/")
    assert at_least <= found


def test_a_chart_fits_its_place(somebody: Somebody, cast: Cast) -> None:
    for phone in (False, True):
        marge = somebody("marge", phone=phone)
        marge.log_in("marge@example.com", cast.password)
        for address in ("/devices/", "/devices/1/"):
            page = marge.open(address)
            chart = page.locator("[data-chart][data-chart-state='ready']").first
            canvas = chart.locator("canvas").first
            place, drawn = chart.bounding_box(), canvas.bounding_box()
            assert place is not None
            assert drawn is not None
            assert place["x"] <= drawn["x"]
            assert drawn["x"] + drawn["width"] <= place["x"] + place["width"] + 1
            assert drawn["width"] > 0.7 * place["width"]
            assert drawn["height"] <= place["height"] + 1


def test_a_chart_says_the_value_under_the_pointer(somebody: Somebody, cast: Cast) -> None:
    marge = somebody("marge")
    marge.log_in("marge@example.com", cast.password)
    page = marge.open("/devices/1/")
    expect(page.locator("[data-chart-state='ready']")).to_have_count(1)
    page.locator("[data-chart] .u-over").hover()
    marge.picture("pointing-at-the-chart")
    expect(page.locator("[data-chart]")).to_contain_text(re.compile(r"\d\d\.\d"))


def test_a_chart_draws_what_comes_in_while_one_looks(somebody: Somebody, cast: Cast, portal: Portal) -> None:
    marge = somebody("marge")
    marge.page.clock.install()
    marge.log_in("marge@example.com", cast.password)
    page = marge.open("/devices/1/")
    chart = page.locator("[data-chart]")
    expect(chart).to_have_attribute("data-chart-state", "ready")
    before = int(chart.get_attribute("data-chart-points") or 0)
    write_one(portal.url, KITCHEN, 19.75)
    page.clock.fast_forward(30_000)
    expect(chart).to_have_attribute("data-chart-points", str(before + 1))
    expect(page.locator(".device-value")).to_contain_text("19.8")


def test_without_javascript_the_newest_values_are_a_table(somebody: Somebody, cast: Cast) -> None:
    marge = somebody("marge", phone=True, javascript=False)
    marge.log_in("marge@example.com", cast.password)
    page = marge.open("/devices/")
    marge.picture("my-devices-without-javascript")
    page.get_by_role("link", name="Kitchen", exact=True).click()
    table = page.frame_locator("[data-chart] iframe").get_by_role("table")
    expect(table.get_by_role("row").nth(1)).to_contain_text(re.compile(r"\d\d\.\d"))
    assert table.get_by_role("row").count() > 10
    marge.picture("kitchen-without-javascript")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".secret-value").first).to_have_text(re.compile("[A-Z0-9]{16}"))
    marge.picture("read-key-without-javascript")
    page.get_by_role("link", name="Hide").click()
    expect(page.locator(".secret-value").first).not_to_have_text(re.compile("[A-Z0-9]{16}"))


def press_until(person: Person, name: str, *, most: int = 40) -> None:
    """Press Tab until the focus is on the link, button or field of that name, and can be seen there."""
    focused = "document.activeElement"
    person.page.wait_for_load_state("load")  # with its scripts, which say what a key does
    for _ in range(most):
        person.page.keyboard.press("Tab")
        words = person.page.evaluate(
            f"[{focused}.innerText, {focused}.ariaLabel, ...[...({focused}.labels || [])].map((l) => l.innerText)]"
            ".filter(Boolean).join(' ').trim()"
        )
        if re.search(rf"\b{name}\b", words, re.IGNORECASE):
            outline = person.page.evaluate(
                f"(() => {{ const s = getComputedStyle({focused}); "
                "return s.outlineStyle !== 'none' && s.outlineWidth !== '0px' || s.boxShadow !== 'none'; })()"
            )
            assert outline, f"the focus on “{name}” cannot be seen"
            return
    raise AssertionError(f"Tab does not lead to “{name}” on {person.page.url}")


def test_everything_can_be_done_with_the_keyboard_alone(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    page = homer.open("/")
    press_until(homer, "Log in")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    press_until(homer, "e-?mail")
    page.keyboard.type("homer@example.com")
    press_until(homer, "Password")
    page.keyboard.type(cast.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My devices")
    page.wait_for_load_state("load")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    homer.picture("skip-link")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    press_until(homer, "Kitchen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Kitchen")
    press_until(homer, "Show")
    page.keyboard.press("Enter")
    shown = page.locator(".secret-value").first
    expect(shown).to_have_text(re.compile("[A-Z0-9]{16}"))
    press_until(homer, "Hide")
    page.keyboard.press("Enter")
    expect(shown).not_to_have_text(re.compile("[A-Z0-9]{16}"))
    page.goto("/devices/")
    press_until(homer, "Homer")
    page.keyboard.press("Enter")
    press_until(homer, "Log out")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"localhost:\d+/$"))
    page.goto("/devices/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
