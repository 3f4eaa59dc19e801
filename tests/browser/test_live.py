"""Pages that keep themselves up to date while somebody looks at them: nobody reloads here."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Locator, Page, expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.devices import envelope
from tests.browser.looking import Person

Somebody = Callable[..., Person]
A_LOOK = 21_000
A_RARE_LOOK = 61_000
"""Milliseconds after which a page has looked for what is other."""
FIRST = "90000000011"


def move(homer: Person, device: str, to: str) -> None:
    page = homer.open(f"/devices/list/?q={device.replace(' ', '+')}")
    page.get_by_label(f"Choose {device}").check()
    page.get_by_label("Put the chosen ones into").select_option(label=f"The Simpsons › {to}")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator("#messages")).to_contain_text(f"1 device is now in {to}")


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def test_what_homer_moves_goes_from_marges_page_and_comes_back(somebody: Somebody, cast: Cast, portal: Portal) -> None:
    envelope(portal.url, "74743827343")
    marge, homer = somebody("marge", phone=True), somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    marge.page.clock.install()
    marge.log_in("marge@example.com", cast.password)
    page = marge.page
    kitchen, living_room = card(page, "Kitchen"), card(page, "Living room")
    expect(living_room).to_be_visible()
    kitchen.get_by_role("button", name="Show").click()
    expect(kitchen.locator(".secret-value").first).to_have_text(re.compile("[A-Z0-9]{16}"))
    expect(kitchen.locator(".secret-value").first).to_be_focused()  # So it is told to those who do not see it.
    kitchen.get_by_role("button", name=re.compile("Copy.*Read key")).first.focus()
    focused = "document.activeElement.outerHTML"
    before, chart = page.evaluate(focused), kitchen.locator(".chart-frame").element_handle()

    move(homer, "Living room", "Power plant")
    page.clock.fast_forward(A_LOOK)
    expect(living_room).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="1 device is no longer here.")).to_be_visible()
    # Its chart may have asked in between.
    marge.complaints = [complaint for complaint in marge.complaints if "feed.json" not in complaint]
    marge.look("a-device-went-by-itself")
    # axe leaves empty styles on hidden fields, and htmx takes over what an element had that it replaces.
    page.evaluate("document.querySelectorAll('[style=\"\"]').forEach((one) => one.removeAttribute('style'))")

    move(homer, "Living room", "Household")
    page.clock.fast_forward(A_LOOK)
    expect(living_room).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="“Living room” is new here.")).to_be_visible()
    expect(living_room.locator("[data-chart]")).to_have_attribute("data-chart-state", re.compile("ready|empty"))
    marge.look("a-device-came-by-itself")

    assert page.evaluate(focused) == before
    expect(kitchen.locator(".secret-value").first).to_have_text(re.compile("[A-Z0-9]{16}"))
    assert chart is not None
    assert page.evaluate("(chart) => chart.isConnected", chart)
    names = page.locator(".device-name").all_inner_texts()
    assert names.index("Kitchen") < names.index("Living room")
    living_room.get_by_role("button", name="Show").click()
    expect(living_room.locator(".secret-value").first).to_have_text(re.compile("[A-Z0-9]{16}"))


def test_the_focus_in_what_goes_is_not_sent_to_the_top(somebody: Somebody, cast: Cast, portal: Portal) -> None:
    envelope(portal.url, "74743827343")
    marge, homer = somebody("marge"), somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    marge.page.clock.install()
    marge.log_in("marge@example.com", cast.password)
    page = marge.page
    card(page, "Living room").get_by_role("link", name="Living room", exact=True).focus()
    try:
        move(homer, "Living room", "Power plant")
        page.clock.fast_forward(A_LOOK)
        expect(card(page, "Living room")).to_have_count(0)
        expect(page.locator("#main")).to_be_focused()
    finally:
        move(homer, "Living room", "Household")


def test_a_device_appears_on_the_page_of_its_organization_by_itself(
    somebody: Somebody, cast: Cast, portal: Portal
) -> None:
    homer = somebody("homer")
    homer.page.clock.install()
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/organizations/")
    page.get_by_role("link", name="The Simpsons").first.click()
    devices = page.get_by_role("region", name="Devices")
    expect(devices.get_by_role("row", name="Kitchen")).to_be_visible()
    page.wait_for_load_state("load")  # Only then it begins to look what is other.
    devices.get_by_role("link", name="Kitchen", exact=True).focus()
    try:
        envelope(portal.url, FIRST)
        page.clock.fast_forward(A_LOOK)
        expect(devices.get_by_role("row").filter(has_text=FIRST)).to_be_visible()
        expect(devices.get_by_role("link", name="Kitchen", exact=True)).to_be_focused()
        homer.look("a-device-came-to-the-organization")
    finally:
        page.get_by_role("link", name=FIRST, exact=True).click()
        page.get_by_text("More", exact=True).click()
        page.get_by_role("link", name="Delete …").click()
        page.get_by_label(re.compile("It is deleted with all")).check()
        page.get_by_role("button", name=f"Delete “{FIRST}”").click()
        expect(page.locator("#messages")).to_contain_text("is deleted.")


def test_what_needs_attention_comes_by_itself_and_leaves_the_focus_where_it_is(
    somebody: Somebody, cast: Cast, portal: Portal
) -> None:
    homer, elsewhere = somebody("homer"), somebody("homer-elsewhere")
    elsewhere.log_in("homer@example.com", cast.password)
    homer.page.clock.install()
    homer.log_in("homer@example.com", cast.password)
    page, attention = homer.page, homer.page.locator("#attention-here")

    def make_a_key_that_expires_soon(label: str) -> None:
        elsewhere.open("/organizations/2/registration-keys/new/")
        elsewhere.page.get_by_label("Label").fill(label)
        elsewhere.page.get_by_label("Good until the end of").fill(f"{datetime.now(UTC).date() + timedelta(days=3)}")
        elsewhere.page.get_by_role("button", name="Make the key").click()
        expect(elsewhere.page.locator("#messages")).to_contain_text("The new registration key is ready.")

    make_a_key_that_expires_soon("Attic")
    page.clock.fast_forward(A_RARE_LOOK)
    expect(attention.get_by_role("listitem").filter(has_text="(Attic)")).to_be_visible()
    homer.look("something-needs-attention-by-itself")
    link = attention.get_by_role("link").filter(has_text="(Attic)")
    link.focus()
    make_a_key_that_expires_soon("Boiler room")
    page.clock.fast_forward(A_RARE_LOOK)
    expect(attention.get_by_role("listitem").filter(has_text="(Boiler room)")).to_be_visible()
    expect(link).to_be_focused()
    for _ in range(2):
        homer.open("/devices/")
        attention.get_by_role("link").filter(has_text=re.compile("Attic|Boiler room")).first.click()
        page.get_by_role("link", name="Revoke …").click()
        page.get_by_role("button", name="Revoke").click()
        expect(page.locator("#messages")).to_contain_text("any more")


def test_a_new_name_comes_to_the_page_of_a_device_by_itself_and_its_menu_stays_open(
    somebody: Somebody, cast: Cast, portal: Portal
) -> None:
    envelope(portal.url, "74743827343")
    homer, elsewhere = somebody("homer"), somebody("homer-elsewhere")
    elsewhere.log_in("homer@example.com", cast.password)
    homer.page.clock.install()
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/?q=Living")
    page.get_by_role("link", name="Living room", exact=True).click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Block …").focus()

    def rename(name: str, description: str) -> None:
        elsewhere.page.goto(f"{page.url}edit/")
        elsewhere.page.get_by_label("Name").fill(name)
        elsewhere.page.get_by_label("Description").fill(description)
        elsewhere.page.get_by_role("button", name="Save").click()
        expect(elsewhere.page.get_by_role("heading", level=1)).to_have_text(name)

    rename("Parlour", "Beside the piano")
    try:
        page.clock.fast_forward(A_LOOK)
        expect(page.get_by_role("heading", level=1)).to_have_text("Parlour")
        expect(page.get_by_text("Beside the piano")).to_be_visible()
        expect(page.get_by_role("link", name="Block …")).to_be_focused()
        homer.look("renamed-by-itself")
    finally:
        rename("Living room", "")
