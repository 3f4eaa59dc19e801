"""Devices come, move, are blocked and replaced, and everybody's pages say so."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.devices import ask, envelope
from tests.browser.looking import Person

pytestmark = pytest.mark.on_every_database
Somebody = Callable[..., Person]
LIVING_ROOM, CELLAR, TOWER = "74743827343", "74743827344", "74743827346"
NEW, SPARE = "90000000001", "90000000002"


def choose_policy(homer: Person, rule: str) -> None:
    homer.page.get_by_label(rule).check()
    homer.page.get_by_role("button", name="Save").click()
    expect(homer.page.locator("#messages")).to_contain_text("Saved.")


def test_homer_lets_a_device_in_that_waits_at_the_door(somebody: Somebody, cast: Cast, portal: Portal) -> None:
    homer = somebody("homer", phone=True)
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/organizations/")
    page.get_by_role("link", name="The Simpsons").first.click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="New devices").click()
    homer.look("the-door")
    choose_policy(homer, "Those that a manager lets in")
    try:
        assert ask(portal.url, NEW).status_code == 202
        assert ask(portal.url, SPARE).status_code == 202
        homer.open("/devices/", "somebody-at-the-door")
        page.locator(".attention li").filter(has_text=NEW).get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Devices at the door")
        homer.look("at-the-door")
        page.get_by_label(f"Choose {NEW}").check()
        page.get_by_label("Put those that come in into").select_option(label="The Simpsons › Household")
        page.get_by_role("button", name="Let the chosen ones in").click()
        expect(page.locator("#messages")).to_contain_text(f"“{NEW}” may come in")
        page.get_by_label(f"Choose {SPARE}").check()
        page.get_by_role("button", name="Refuse them").click()
        expect(page.locator("#messages")).to_contain_text(f"“{SPARE}” is refused")
        homer.look("nobody-left-at-the-door")
        assert envelope(portal.url, NEW).serial == NEW
        assert ask(portal.url, SPARE).status_code == 409
        page.goto(f"/devices/list/?q={NEW}")
        expect(page.get_by_role("row").filter(has_text=NEW)).to_contain_text("Household")
        page.goto("/devices/pending/")
        page.get_by_label(f"Choose {SPARE}").check()
        page.get_by_role("button", name="Forget that they asked").click()
    finally:
        page.goto("/organizations/1/registration-policy/")
        choose_policy(homer, "Every device that has a good registration key")


def test_a_device_that_moves_leaves_marges_page(somebody: Somebody, cast: Cast, portal: Portal) -> None:
    marge, homer = somebody("marge", phone=True), somebody("homer")
    marge.log_in("marge@example.com", cast.password)
    card = marge.page.get_by_role("link", name="Living room", exact=True)
    card.click()
    address = marge.page.url
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/?q=Living")
    page.get_by_label("Choose Living room").check()
    page.get_by_label("Put the chosen ones into").select_option(label="The Simpsons › Power plant")
    page.get_by_role("button", name="Move").click()
    expect(page.locator("#messages")).to_contain_text("1 device is now in Power plant")

    marge.page.reload()
    expect(marge.page.get_by_role("heading", level=1)).to_contain_text("not")
    marge.picture("a-device-that-has-moved-away")
    marge.page.goto("/devices/")
    expect(card).to_have_count(0)

    page.get_by_label("Choose Living room").check()
    page.get_by_label("Put the chosen ones into").select_option(label="The Simpsons › Household")
    page.get_by_role("button", name="Move").click()
    marge.page.goto(address)
    expect(marge.page.get_by_role("heading", level=1)).to_have_text("Living room")


def test_a_blocked_device_is_shut_out_until_homer_lets_it_in_again(
    somebody: Somebody, cast: Cast, portal: Portal
) -> None:
    payload = envelope(portal.url, CELLAR)
    measurement = {"api_key": payload.write_key, "field1": "13"}
    assert requests.post(payload.update_url, data=measurement, timeout=30).text != "0"
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/")
    page.get_by_role("link", name="Cellar", exact=True).click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Block …").click()
    homer.look("block")
    page.get_by_role("button", name="Block “Cellar”").click()
    expect(page.locator("#messages")).to_contain_text("“Cellar” is blocked.")
    homer.look("blocked")
    assert ask(portal.url, CELLAR).status_code == 409
    assert requests.post(payload.update_url, data=measurement, timeout=30).text == "0"

    page.get_by_role("button", name="Unblock").click()
    expect(page.locator("#messages")).to_contain_text("“Cellar” is not blocked any more.")
    again = envelope(portal.url, CELLAR)
    assert (again.channel, again.key_version) == (payload.channel, payload.key_version + 1)


def test_broken_hardware_is_replaced_on_a_phone_and_the_old_one_deleted_when_it_comes_back(
    somebody: Somebody, cast: Cast, portal: Portal
) -> None:
    before = envelope(portal.url, TOWER)
    homer = somebody("homer", phone=True, dark=True)
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/?q=Cooling")
    page.get_by_role("link", name="Cooling tower", exact=True).click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Replace broken hardware").click()
    homer.look("replace")
    page.get_by_label("Serial number of the new one").fill("no serial")
    page.get_by_role("button", name=f"Replace {TOWER}").click()
    expect(page.locator(".field-errors")).to_have_count(1)
    homer.look("replace-with-a-mistake")
    page.get_by_label("Serial number of the new one").fill(LIVING_ROOM)
    page.get_by_role("button", name=f"Replace {TOWER}").click()
    expect(page.get_by_role("main")).to_contain_text(f"{LIVING_ROOM} is “Living room” in Household")
    homer.look("replace-with-the-serial-number-of-another")
    page.get_by_role("link", name="Enter another serial number").click()
    page.get_by_label("Serial number of the new one").fill(SPARE)
    page.get_by_role("button", name=f"Replace {TOWER}").click()
    expect(page.locator("#messages")).to_contain_text(f"{SPARE} is “Cooling tower” now.")
    homer.look("replaced")
    assert envelope(portal.url, SPARE).channel == before.channel

    assert envelope(portal.url, TOWER).channel != before.channel
    homer.open("/devices/", "somebody-is-back")
    page.locator(".attention li").filter(has_text=TOWER).get_by_role("link").click()
    expect(page.get_by_role("main")).to_contain_text("A device with this serial number was here before")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Delete …").click()
    homer.look("delete")
    page.get_by_label(re.compile("It is deleted with all")).check()
    page.get_by_role("button", name=f"Delete “{TOWER}”").click()
    expect(page.locator("#messages")).to_contain_text(f"“{TOWER}” is deleted.")


def test_homer_changes_a_key_and_prints_labels(somebody: Somebody, cast: Cast, portal: Portal) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/organizations/2/")
    page.get_by_role("button", name="New key").click()
    page.get_by_role("link", name="Label and limits").click()
    homer.look("label-and-limits")
    page.get_by_label("Label", exact=False).first.fill("Second floor")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Labels").click()
    homer.look("labels-wanted")
    page.get_by_label("Paper").select_option("letter-30")
    page.get_by_label("How many labels").fill("31")
    page.get_by_role("button", name="Show the labels").click()
    expect(page.get_by_text("Household, Second floor").first).to_be_visible()
    homer.look("labels")
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2
    sizes = {tuple(map(round, map(float, size.split()))) for size in re.findall(rb"/MediaBox \[([^\]]*)\]", pdf)}
    assert sizes == {(0, 0, 612, 792)}, "two sheets of Letter"


def test_what_marge_copies_has_her_key_in_it_while_she_looks_at_it(somebody: Somebody, cast: Cast) -> None:
    marge = somebody("marge", phone=True)
    marge.log_in("marge@example.com", cast.password)
    page = marge.page
    page.get_by_role("link", name="Kitchen", exact=True).click()
    page.get_by_text("For your own programs").click()
    marge.look("snippets-without-a-key")
    expect(page.get_by_text("YOUR_READ_KEY").first).to_be_visible()
    page.get_by_role("button", name="Show Read key").click()
    shown = page.locator(".secret-value").first
    expect(shown).to_have_text(re.compile("[A-Z0-9]{16}"))
    key = shown.inner_text()
    page.get_by_text("For your own programs").locator("visible=true").click()
    marge.look("snippets-with-a-key")
    page.get_by_role("button", name="Copy curl").locator("visible=true").click()
    assert f"api_key={key}" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("link", name="Hide Read key").click()
    expect(page.get_by_text(key)).to_have_count(0)


def test_homer_chooses_all_devices_of_a_page_at_once(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/")
    boxes = page.get_by_role("checkbox", name=re.compile("^Choose (?!all)"))
    every = page.get_by_label("Choose all on this page")
    every.check()
    expect(page.locator("input[name=devices]:not(:checked)")).to_have_count(0)
    expect(page.locator("[data-chosen]")).to_have_text(str(boxes.count()))
    homer.look("all-are-chosen")
    boxes.first.uncheck()
    expect(every).not_to_be_checked()
    expect(page.locator("[data-chosen]")).to_have_text(str(boxes.count() - 1))
    every.check()
    every.uncheck()
    expect(page.locator("input[name=devices]:checked")).to_have_count(0)
    expect(page.locator("[data-chosen]")).to_be_hidden()


def test_homer_chooses_all_devices_of_a_page_on_a_phone(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer", phone=True)
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/")
    page.get_by_text("Choose all on this page").locator("visible=true").tap()
    expect(page.locator("input[name=devices]:not(:checked)")).to_have_count(0)
    expect(page.locator("[data-chosen]")).to_have_text(str(page.locator("input[name=devices]").count()))
    homer.look("all-are-chosen-on-a-phone")
    expect(page.get_by_role("columnheader", name="State")).to_have_count(0)
