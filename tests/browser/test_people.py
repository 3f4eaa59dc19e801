"""Homer draws his house and invites; Marge, on her phone, comes in; a guest is out at the next click."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from portal.demo import Cast
from tests.browser.looking import Person

pytestmark = pytest.mark.on_every_database
Somebody = Callable[..., Person]


def row(page: Page, name: str) -> Locator:
    """The row of one organization in the tree."""
    link = page.get_by_role("link", name=name, exact=True)
    return page.locator(".tree-row").filter(has=link)


def make(person: Person, parent: str, name: str) -> None:
    """Make an organization by the menu of the row of another one."""
    page = person.open("/organizations/")
    row(page, parent).locator("summary").click()
    row(page, parent).get_by_role("link", name="New below").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#messages")).to_contain_text(f"“{name}” is now in {parent}.")


def invite(person: Person, organization: str, email: str) -> None:
    page = person.open("/organizations/")
    page.get_by_role("link", name=organization, exact=True).click()
    page.get_by_role("link", name="Invite somebody").first.click()
    page.get_by_label(re.compile("E-mail address")).fill(email)
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.locator("#messages")).to_contain_text(f"The invitation is on its way to {email}.")


def newest_link(person: Person) -> str:
    """The address in the newest mail on the demo's page of mails."""
    page = person.open("/outbox/")
    address = page.locator(".mail-body a[href*='/invitations/']").first.get_attribute("href")
    assert address
    return address


def drag(what: Locator, onto: Locator) -> None:
    """Drag as a hand does: in more than one move, without which a browser may tell nobody that it is over something."""
    what.hover()
    what.page.mouse.down()
    onto.hover()
    onto.hover()
    what.page.mouse.up()


def test_homer_builds_the_tree_by_menu_and_by_dragging(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    make(homer, "The Simpsons", "Upstairs")
    make(homer, "Upstairs", "Bart’s room")

    page = homer.open("/organizations/", "tree")
    drag(row(page, "Upstairs"), row(page, "Household"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Move “Upstairs” into “Household”?")
    expect(page.locator(".consequences")).to_contain_text("Marge Simpson will see its devices.")
    homer.look("move by dragging")
    page.get_by_role("button", name="Move “Upstairs” into “Household”").click()
    expect(page.locator("#messages")).to_contain_text("“Upstairs” is now in Household.")

    page = homer.open("/organizations/")
    household = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="Household", exact=True)).last
    expect(household.get_by_role("link", name="Bart’s room")).to_be_visible()
    household.get_by_role("button", name="Below Household").click()
    expect(page.get_by_role("link", name="Bart’s room")).to_be_hidden()


def test_what_cannot_take_it_does_not_and_nothing_moves(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    make(homer, "Power plant", "Sector 7-G")
    page = homer.open("/organizations/")
    # Not onto what is in it, and not onto what it is in already.
    drag(row(page, "Power plant"), row(page, "Sector 7-G"))
    drag(row(page, "Sector 7-G"), row(page, "Power plant"))
    expect(page).to_have_url(re.compile(r"/organizations/$"))
    expect(page.locator(".is-dragged, .is-target")).to_have_count(0)


def test_a_name_of_one_long_word_fits_the_narrowest_phone(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer", phone=True)
    homer.log_in("homer@example.com", cast.password)
    long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    make(homer, "Household", long)
    homer.page.set_viewport_size({"width": 320, "height": 700})
    page = homer.open("/organizations/", "tree with a long word")
    page.get_by_role("link", name=long, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(long)
    own = page.url
    for further in ("", "edit/", "invite/", "labels/", "move/", "delete/"):
        homer.open(own + further, f"long word {further}")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#messages")).to_contain_text("is deleted")


def test_the_tree_can_be_changed_with_the_keyboard_alone(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    make(homer, "The Simpsons", "Cellar")
    page = homer.open("/organizations/")
    row(page, "Cellar").locator("summary").focus()
    page.keyboard.press("Enter")
    move = row(page, "Cellar").get_by_role("link", name="Move …")
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(move).to_be_focused()
    homer.look("menu of a row")
    page.keyboard.press("Escape")
    expect(row(page, "Cellar").locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    move.press("Enter")
    page.get_by_label("Put it into").focus()
    page.keyboard.type("The Simpsons › Household")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("“Cellar” is now in Household.")


def test_a_new_guest_comes_in_by_phone_and_is_out_at_the_next_click(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/organizations/")
    page.get_by_role("link", name="Household", exact=True).click()
    page.get_by_role("link", name="Invite somebody").first.click()
    day = page.get_by_label("The link is good until the end of")
    expect(day).to_be_hidden()
    page.get_by_label(re.compile("How long is the link")).select_option("Until a day of my choice")
    expect(day).to_be_visible()
    page.get_by_label(re.compile("How long is the link")).select_option("3 days")
    page.get_by_label(re.compile("E-mail address")).fill("ned@example.org")
    page.get_by_label(re.compile("Given name")).fill("Ned")
    page.get_by_label(re.compile("^A guest until the end of")).fill("2099-12-31")
    homer.look("invite a guest")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_role("region", name="People")).to_contain_text("a guest until")

    ned = somebody("ned", phone=True)
    phone = ned.open(newest_link(ned), "invitation")
    phone.get_by_label("Your own password").fill("hi-diddly-ho-4711")
    phone.get_by_label("The same password once more").fill("hi-diddly-ho-4711")
    phone.get_by_role("button", name="Accept").click()
    expect(phone.locator("#messages")).to_contain_text("You now see the devices of Household")
    ned.look("devices of a guest")

    page = homer.open("/people/")
    page.get_by_label("Search").fill("ned")
    page.get_by_role("button", name="Find").click()
    homer.look("people")
    page.get_by_role("link", name="Ned", exact=True).click()
    homer.look("person")
    page.get_by_role("link", name="Remove …").click()
    expect(page.locator(".consequences")).to_contain_text("Ned will no longer see")
    homer.look("remove")
    page.get_by_role("button", name="Remove Ned").click()
    expect(page.locator("#messages")).to_contain_text("Ned is no longer in Household")

    phone.get_by_role("link", name="Kitchen", exact=True).click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    # A chart may have asked in between.
    ned.complaints = [complaint for complaint in ned.complaints if "feed.json" not in complaint]
    ned.look("refused")

    # It was the wrong one: the button in the message brings Ned back.
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#messages")).to_contain_text("Ned is in Household again.")
    phone.go_back()
    phone.get_by_role("link", name="Kitchen", exact=True).click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("Kitchen")


def test_somebody_with_a_home_of_his_own_is_invited_and_sees_both_on_his_phone(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    invite(homer, "Power plant", "carl@example.com")
    carl = somebody("carl", phone=True, dark=True)
    phone = carl.open(newest_link(carl), "invited with an account")
    phone.get_by_role("link", name="Log in").last.click()
    phone.get_by_label(re.compile("E-mail")).fill("carl@example.com")
    phone.get_by_label("Password", exact=True).fill(cast.password)
    phone.get_by_role("button", name="Log in", exact=True).click()
    phone.get_by_role("button", name="Accept").click()
    expect(phone.locator("#messages")).to_contain_text("You now see the devices of Power plant")
    carl.open("/organizations/", "two customers")
    for name in ("Carl's home", "Power plant"):
        expect(phone.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_who_sees_the_kitchen_and_why(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer", dark=True)
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/")
    page.get_by_role("link", name="Kitchen", exact=True).click()
    page.get_by_role("link", name="Who sees it").click()
    expect(page.get_by_role("row").filter(has_text="Marge Simpson")).to_contain_text("member of Household")
    expect(page.get_by_role("row").filter(has_text="Homer Simpson")).to_contain_text("manager of The Simpsons")
    homer.look("who sees the kitchen")


def test_homer_sends_all_invitations_again_on_his_phone(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer", phone=True, dark=True)
    homer.log_in("homer@example.com", cast.password)
    for email in ("patty@example.org", "selma@example.org"):
        invite(homer, "Household", email)
    page = homer.open("/people/invited/", "invitations to choose from")
    waiting = page.locator("input[name=invitations]").count()
    page.get_by_text("Choose all on this page").tap()
    button = page.get_by_role("button", name="Send the chosen ones again")
    expect(button).to_contain_text(str(waiting))
    homer.look("all invitations are chosen")
    button.tap()
    expect(page.locator("#messages")).to_contain_text(f"{waiting} invitations are on their way with new links.")
    homer.look("all were sent again")
