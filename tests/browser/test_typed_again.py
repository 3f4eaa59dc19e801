"""What was typed while the log-in had run out is there again after the next one; nobody else ever sees it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.looking import EMAIL, Person

Somebody = Callable[..., Person]
HOMER, MARGE = "homer@example.com", "marge@example.com"
AGAIN = "This is what you had typed when your log-in ran out."
DESCRIBE = """
from orgs.models import Organization
Organization.objects.filter(name="Household").update(description={text!r})
"""


def open_household(page: Page) -> None:
    page.goto("/organizations/")
    page.get_by_role("link", name="Household", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Household")
    page.goto(f"{page.url.split('?')[0]}edit/")


def save_after_the_log_in_has_run_out(page: Page) -> None:
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label(EMAIL)).to_be_visible()


def log_in_again(page: Page, email: str, password: str) -> None:
    page.get_by_label(EMAIL).fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def test_the_form_is_filled_again_and_what_others_did_meanwhile_is_told(
    somebody: Somebody, cast: Cast, portal: Portal
) -> None:
    homer = somebody("homer", phone=True, dark=True)
    homer.log_in(HOMER, cast.password)
    page = homer.page
    open_household(page)
    address = page.url
    page.get_by_label("Description").fill("Behind the fridge")
    save_after_the_log_in_has_run_out(page)
    portal.manage("shell", "--verbosity=0", "-c", DESCRIBE.format(text="Upstairs and downstairs"))
    log_in_again(page, HOMER, "a wrong one")
    expect(page.get_by_role("alert")).to_be_visible()
    log_in_again(page, HOMER, cast.password)
    expect(page.get_by_text(AGAIN)).to_be_visible()
    expect(page.locator(".notice-info")).to_be_focused()
    expect(page.get_by_label("Description")).to_have_value("Behind the fridge")
    homer.look("typed again")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Upstairs and downstairs")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("Behind the fridge")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("“Household” is saved.")).to_be_visible()
    page.goto(address)
    expect(page.get_by_text(AGAIN)).to_have_count(0)


def test_somebody_else_who_logs_in_at_the_same_browser_finds_nothing_of_it(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in(HOMER, cast.password)
    page = homer.page
    page.goto("/account/")
    page.get_by_label("Given name").fill("Max")
    save_after_the_log_in_has_run_out(page)
    log_in_again(page, MARGE, cast.password)
    expect(page.get_by_label("Given name")).to_have_value("Marge")
    page.wait_for_load_state("load")  # with the script that would fill it in
    expect(page.get_by_text(AGAIN)).to_have_count(0)
    assert page.evaluate("window.sessionStorage.getItem('typed')") is None
