"""The whole story without a mouse: Tab, Enter, Space and arrows, and one always sees where one is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from portal.processes import Portal
from tests.browser.keyboard import Keyboard
from tests.browser.looking import Person
from tests.browser.test_the_story import KEY, PASSWORD, thermometer


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def sign_up(keys: Keyboard, address: str) -> None:
    page = keys.page
    page.goto("/")
    keys.follow("Sign up")
    for name, text in (("Given name.*", "Homer"), ("Family name.*", "Simpson"), ("E-?mail.*", address)):
        keys.type(name, text)
    keys.type("Name of your organization.*", "The Simpsons")
    keys.type("Password", PASSWORD)
    keys.type("The same password once more", PASSWORD)
    keys.enter()
    heading(page, "Look into your mailbox")
    page.goto("/outbox/")
    keys.follow(".*/confirm-email/.*")
    keys.follow("Yes, this is mine")
    heading(page, "Log in")
    keys.type("E-?mail.*", address)
    keys.type("Password", PASSWORD)
    keys.enter()
    expect(page).to_have_url(re.compile(r"/devices/$"))


def find_the_registration_key(keys: Keyboard) -> str:
    page = keys.page
    keys.follow("Go to the registration key")
    keys.follow(".*••••••••")
    keys.press("Show.*", "Space")
    shown = page.locator("#registration-key-value")
    expect(shown).to_have_text(KEY)
    key = shown.inner_text()
    keys.press("Copy.*", "Space")
    expect(page.locator("[data-copy='#registration-key-value']")).to_have_text(re.compile("Copied"))
    keys.press("Hide.*")
    expect(shown).to_have_count(0)
    return key


def build_the_tree_and_invite(keys: Keyboard, address: str) -> None:
    page = keys.page
    for name in ("Power plant", "Household"):
        keys.follow("Organizations")
        keys.follow("The Simpsons")
        keys.follow("New organization")
        keys.type("Name", name)
        keys.enter()
        heading(page, name)
    keys.follow("Invite somebody")
    keys.type("E-?mail.*", address)
    keys.type("Given name.*", "Marge")
    keys.type("Family name.*", "Simpson")
    keys.follow("Send the invitation")
    expect(page.get_by_text(f"The invitation is on its way to {address}.")).to_be_visible()


def put_the_kitchen_into_the_household(keys: Keyboard, serial: str) -> None:
    page = keys.page
    keys.follow("My devices")
    keys.follow(serial)
    keys.follow("Rename")
    keys.type("Name.*", "Kitchen")
    keys.enter()
    heading(page, "Kitchen")
    keys.follow("Move")
    keys.choose("Put it into", "Household")
    keys.follow("Move.*")
    expect(page.locator("main .lead")).to_contain_text("Household")


def find_her_key_and_open_the_graph(keys: Keyboard) -> None:
    page = keys.page
    keys.follow("Kitchen")
    expect(page.locator("[data-chart-state='ready']")).to_have_count(1)
    keys.tab_to("°C: .*")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chart-tip")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".chart-tip")).to_be_hidden()
    keys.press("Show.*", "Space")
    expect(page.locator(".secret-value").first).to_have_text(re.compile("[A-Z0-9]{16}"))
    keys.tab_to("Open graph.*")
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    expect(opened.value.locator("[data-chart-state='ready']")).to_have_count(1)
    opened.value.close()


def find_another_key(keys: Keyboard) -> None:
    """Marge looks once more: the key that she sees now is not the one that she has seen before."""
    page = keys.page
    before = page.locator(".secret-value").first.inner_text()
    page.goto(page.url)
    keys.press("Show.*", "Space")
    expect(page.locator(".secret-value").first).to_have_text(re.compile("[A-Z0-9]{16}"))
    assert page.locator(".secret-value").first.inner_text() != before


def renew_all_write_keys(keys: Keyboard) -> None:
    page = keys.page
    keys.follow("Organizations")
    keys.follow("The Simpsons")
    keys.press("More")
    keys.follow("Keys and renewals")
    keys.follow("Renew all write keys")
    keys.follow("Renew all write keys")
    expect(page.locator("#renewal-progress")).to_contain_text("0 of 1 device")


def renew_the_registration_key(keys: Keyboard) -> str:
    page = keys.page
    keys.follow("Organizations")
    keys.follow("The Simpsons")
    keys.follow(".*••••••••")
    keys.follow("Renew")
    keys.follow("Renew the registration key")
    expect(page.locator("#messages")).to_contain_text("takes the place of")
    keys.press("Show.*", "Space")
    shown = page.locator("#registration-key-value")
    expect(shown).to_have_text(KEY)
    return shown.inner_text()


def renew_marges_read_key(keys: Keyboard) -> None:
    keys.follow("My devices")
    keys.follow("Kitchen")
    keys.follow("All keys of the device")
    keys.follow("Renew Marge Simpson")
    keys.follow("Renew the read key of Marge Simpson")
    expect(keys.page.locator("#messages")).to_contain_text("Marge Simpson finds a new key with “Kitchen”")


def see_that_the_kitchen_has_moved(keys: Keyboard) -> None:
    page = keys.page
    page.goto(page.url)
    expect(page.locator("[aria-labelledby=write-key-now]")).to_contain_text(
        re.compile("uses the new key|is one write key")
    )


def turn_the_light_off_and_go(keys: Keyboard) -> None:
    """Use the menus of the bar."""
    page = keys.page
    keys.tab_to("Theme")
    for key in ("Enter", "Escape", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Dark")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    keys.press("Account of Marge")
    keys.follow("Log out")
    expect(page.get_by_role("main").get_by_role("link", name="Sign up")).to_be_visible()


def test_the_whole_story_by_keyboard(somebody: Callable[..., Person], tmp_path: Path, portal: Portal) -> None:
    run = secrets.token_hex(4)
    marges_address = f"marge-{run}@example.com"
    homer = Keyboard(somebody("homer").page)
    sign_up(homer, f"homer-{run}@example.com")
    key = find_the_registration_key(homer)
    build_the_tree_and_invite(homer, marges_address)
    kitchen = str(tmp_path / "kitchen.json")
    flags = ("--registration-key", key, "--portal", portal.url, "--period", "1", "--yes")
    thermometer("configure", "--state", kitchen, "--serial", "74743827342", *flags)
    thermometer("run", "--state", kitchen, "--count", "2")
    put_the_kitchen_into_the_household(homer, "74743827342")

    marge = Keyboard(somebody("marge").page)
    marge.page.goto("/outbox/")
    marge.follow(".*/invitation.*")
    marge.type("Your own password", PASSWORD)
    marge.type("The same password once more", PASSWORD)
    marge.follow("Accept and go to my devices")
    expect(marge.page.get_by_text("Welcome. You now see the devices of Household.")).to_be_visible()
    find_her_key_and_open_the_graph(marge)

    renew_all_write_keys(homer)
    assert renew_the_registration_key(homer) != key
    renew_marges_read_key(homer)
    thermometer("run", "--state", kitchen, "--count", "2")
    see_that_the_kitchen_has_moved(homer)
    find_another_key(marge)
    turn_the_light_off_and_go(marge)
