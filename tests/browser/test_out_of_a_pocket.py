"""My devices without a network, and out of a pocket."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.devices import KITCHEN, write_one
from tests.browser.looking import Person

Somebody = Callable[..., Person]
BEFORE_IT_ASKS_BY_ITSELF = 10_000


@pytest.fixture(scope="module", autouse=True)
def measured(portal: Portal) -> None:
    write_one(portal.url, KITCHEN, 21.5)


@pytest.fixture
def marge(somebody: Somebody, cast: Cast) -> Person:
    marge = somebody("marge", phone=True)
    marge.log_in("marge@example.com", cast.password)
    return marge


@pytest.mark.parametrize("address", ["/devices/", "/devices/1/"])
def test_without_a_network_the_page_says_from_when_it_is_and_goes_on_by_itself(marge: Person, address: str) -> None:
    page = marge.page
    page.goto(address)
    notice = page.locator("main").get_by_text(re.compile(r"What you see is from \d\d:\d\d"))
    expect(notice).to_have_count(0)
    page.context.set_offline(True)
    expect(notice).to_be_visible()
    page.mouse.wheel(0, 700)
    expect(notice).to_be_in_viewport()
    marge.picture("without-a-network")
    page.context.set_offline(False)
    expect(notice).to_have_count(0, timeout=BEFORE_IT_ASKS_BY_ITSELF)


def test_a_phone_out_of_a_pocket_shows_at_once_what_is_true_now(marge: Person, portal: Portal) -> None:
    page = marge.page
    value = page.get_by_role("article", name="Kitchen").locator(".device-value")
    expect(value).to_contain_text("21.5")
    write_one(portal.url, KITCHEN, 23.4)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(value).to_contain_text("23.4", timeout=BEFORE_IT_ASKS_BY_ITSELF)
