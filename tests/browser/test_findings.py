"""Homer hears of a channel that belongs to nobody, and of what else was noticed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.looking import Person


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desktop", "phone"])
def test_a_channel_that_nobody_owns_is_noticed_and_deleted(
    somebody: Callable[..., Person], portal: Portal, cast: Cast, phone: bool, dark: bool
) -> None:
    homer = somebody("homer", phone=phone, dark=dark)
    homer.log_in("homer@example.com", cast.password)
    experiment = "Experiment in the dark" if dark else "Experiment by day"
    page = homer.page
    page.goto("/organizations/")
    page.get_by_role("link", name="The Simpsons").first.click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Platform account").click()
    page.get_by_role("button", name=re.compile("^Show")).click()
    key = page.locator("#account-key-value").inner_text().strip()
    requests.post(f"{portal.url}/channels.json", data={"api_key": key, "name": experiment}, timeout=10)
    homer.look("account")

    page.goto("/organizations/")
    page.get_by_role("link", name="The Simpsons").first.click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="What was noticed").click()
    page.get_by_role("button", name="Look now").click()
    found = page.get_by_role("region", name=experiment)
    expect(found).to_contain_text("belongs to no device")
    homer.look("noticed")
    homer.open("/devices/")
    expect(page.locator(".attention")).to_contain_text(f"belongs to no device: “{experiment}”")
    page.go_back()

    found.get_by_role("link", name="Delete it there").click()
    homer.look("question")
    page.get_by_role("button", name="Delete channel").click()
    expect(page.get_by_text("is deleted")).to_be_visible()
    expect(page.get_by_role("link", name="Delete it there")).to_have_count(0)
    homer.look("settled")
