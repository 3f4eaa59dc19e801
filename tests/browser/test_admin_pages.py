"""Every page of the administration: readable in light and dark, on a narrow screen and on a wide one.

Each route of the url conf is a page that axe looks at, or is shown to be none. Pages that are added later are found by
themselves: see `admin_walking`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast as typed

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.demo import Cast
from portal.processes import Children, Portal, free_port
from tests.browser import admin_walking as walking
from tests.browser.looking import accessibility_violations, overflow
from tests.database import own_database

SCREENS = ({"width": 320, "height": 640}, {"width": 1280, "height": 900})


@dataclass(frozen=True)
class Desk:
    """An operator's browser, and objects of each model that there are."""

    page: Page
    url: str
    examples: walking.Examples


@pytest.fixture(scope="module")
def desk(chromium: Browser, cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Sit an operator down before a portal that has some of everything, and in which nobody works but them."""
    folder = tmp_path_factory.mktemp("administration")
    with ExitStack() as stack:
        url = stack.enter_context(own_database(folder))
        children = stack.enter_context(Children(folder))
        portal = Portal(
            children, port=free_port(), DATABASE_URL=url, CACHE_URL="locmem://", CHANNEL_PLATFORM="embedded"
        )
        portal.manage("migrate", "--verbosity=0")
        portal.manage("simpsons")
        made = portal.manage("shell", "--no-imports", "-c", "from tests.one_of_each import make; make()")
        portal.start()
        # Without motion, for colours are measured right after the theme has changed.
        context = chromium.new_context(base_url=portal.url, viewport=SCREENS[1], reduced_motion="reduce")
        stack.callback(context.close)
        page = context.new_page()
        page.goto("/accounts/login/")
        page.locator("[name=login]").fill(cast.operator.email)
        page.locator("[name=password]").fill(cast.password)
        page.locator("main button[type=submit]").click()
        page.wait_for_url("**/devices/")
        examples = typed(walking.Examples, json.loads(made.splitlines()[-1]))
        yield Desk(page, portal.url, {label.lower(): pks for label, pks in examples.items()})


def look(page: Page) -> None:
    """Find nothing to complain about on the page that is open, on both screens, in light and dark."""
    found = {}
    page.wait_for_load_state("load")  # A page without its styles cannot be judged.
    for screen in SCREENS:
        page.set_viewport_size(screen)
        page.emulate_media(color_scheme="light")
        found[f"{screen['width']} light"] = accessibility_violations(page)
        found[f"{screen['width']} wider"] = [f"by {overflow(page)}"] if overflow(page) > 0 else []
        page.emulate_media(color_scheme="dark")
        found[f"{screen['width']} dark"] = accessibility_violations(page, "color-contrast")
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("route", walking.routes())
def test_a_page_can_be_used_by_every_operator(route: str, desk: Desk) -> None:
    pages = []
    addresses = walking.addresses(route, desk.examples)
    assert addresses, "There is no example of the model: let one_of_each make one."
    for address in addresses:
        answer = desk.page.request.get(desk.url + address, max_redirects=0)
        if walking.is_page(answer):
            # Pages of different objects differ, their history and the question before deleting do not.
            if not pages or not route.endswith(("/history/", "/delete/")):
                pages.append(address)
        else:
            assert walking.is_no_page(answer), (address, answer.status, answer.headers)
    for address in pages:
        desk.page.goto(address, wait_until="load")
        look(desk.page)


def _actions(page: Page, list_of: str) -> list[str]:
    page.goto(list_of, wait_until="load")
    found: list[str] = page.locator("select[name=action] option").evaluate_all("all => all.map((one) => one.value)")
    return [name for name in found if name]


@pytest.mark.parametrize("model", sorted(walking.lists()))
def test_what_an_action_asks_or_says_can_be_read(model: str, desk: Desk) -> None:
    page, list_of = desk.page, walking.lists()[model]
    page.set_viewport_size(SCREENS[1])
    for action in _actions(page, list_of):
        page.goto(list_of, wait_until="load")
        page.locator("input.action-select").first.check()
        page.locator("select[name=action]").select_option(action)
        with page.expect_navigation():
            page.get_by_role("button", name="Go", exact=True).click()
        expect(page.locator("input[name=confirmed], input[name=post], ul.messagelist").first).to_be_attached()
        look(page)
        page.set_viewport_size(SCREENS[1])


@pytest.mark.parametrize("model", sorted(walking.lists()))
def test_a_form_that_is_sent_empty_says_what_is_missing_so_that_it_can_be_read(model: str, desk: Desk) -> None:
    page, add = desk.page, f"{walking.lists()[model]}add/"
    if page.request.get(desk.url + add, max_redirects=0).status == 403:
        return
    page.goto(add, wait_until="load")
    with page.expect_navigation():
        page.locator("input[name=_save]").click()
    expect(page.locator(".errornote")).to_be_visible()
    look(page)


def test_the_first_page_says_what_waits(desk: Desk) -> None:
    desk.page.goto("/admin/", wait_until="load")
    expect(desk.page.get_by_role("heading", name="Waits for you")).to_be_visible()
    desk.page.get_by_role("link", name="The mail server has not taken").click()
    expect(desk.page.locator("#result_list tbody tr")).not_to_have_count(0)


def test_what_was_found_can_be_read(desk: Desk) -> None:
    for sought in ("", "simpson", "nobody has that"):
        desk.page.goto(f"/admin/find/?q={sought}", wait_until="load")
        look(desk.page)


def test_a_field_that_completes_itself_has_a_name_when_it_is_open_too(desk: Desk) -> None:
    desk.page.goto("/admin/orgs/membership/add/", wait_until="load")
    desk.page.locator(".field-user .select2-selection").click()
    expect(desk.page.locator(".select2-results__option").first).to_be_visible()
    assert accessibility_violations(desk.page) == []


@pytest.mark.parametrize("model", sorted(walking.lists()))
def test_a_list_needs_no_scrolling_sideways_on_a_laptop(model: str, desk: Desk) -> None:
    desk.page.set_viewport_size(SCREENS[1])
    desk.page.goto(walking.lists()[model], wait_until="load")
    hidden = "() => { const all = document.querySelector('.results'); return all.scrollWidth - all.clientWidth; }"
    assert desk.page.evaluate(hidden) <= 0
