"""One's own account in a real browser: language, password, second factor, log-ins."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.looking import EMAIL, Person
from tests.browser.walkers import code, recognize_every_finger

Somebody = Callable[..., Person]
PASSWORD, NEW_PASSWORD = "a-yellow-submarine-7", "a-purple-saxophone-8"
_number = count(1)
MAKE = """
from allauth.account.models import EmailAddress
from orgs.models import Membership, Organization, User
user = User.objects.create_user({email!r}, {password!r}, given_name="Lisa", family_name="Simpson")
EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
Membership.objects.create(user=user, organization=Organization.objects.get(name="Household"))
"""


@pytest.fixture
def email(portal: Portal) -> str:
    """Somebody new in Household, whose password this test may change."""
    email = f"lisa{next(_number)}@example.com"
    portal.manage("shell", "--verbosity=0", "-c", MAKE.format(email=email, password=PASSWORD))
    return email


LONG_AGO = """
from importlib import import_module
from django.conf import settings
from portal.log_ins import LogIn
for log_in in LogIn.objects.filter(user__email={email!r}):
    session = import_module(settings.SESSION_ENGINE).SessionStore(log_in.session_id)
    session["log_in"] = session["log_in"] | {{"since": 0}}
    session.save()
"""


@pytest.fixture
def long_after_the_log_in(portal: Portal, email: str) -> Callable[[], object]:
    """Make it so long ago that the person has logged in that they are asked whether it is still them."""
    return lambda: portal.manage("shell", "--verbosity=0", "-c", LONG_AGO.format(email=email))


def confirm(page: Page) -> None:
    """Answer the question whether it is still the same person."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it still you?")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desktop-light", "phone-dark"])
def test_my_account_can_be_used_by_everybody(somebody: Somebody, email: str, phone: bool, dark: bool) -> None:
    lisa = somebody("lisa", phone=phone, dark=dark)
    lisa.log_in(email, PASSWORD)
    shown = lisa.page.locator(".secret-value .secret-value, code.secret-value")
    lisa.page.locator(".secret").first.get_by_role("button", name="Show").click()
    expect(shown.first).to_have_text(re.compile("[A-Z0-9]{16}"))
    page = lisa.open("/account/", "my account")
    expect(page.get_by_text("Still good")).to_be_visible()
    page.get_by_label("Given name").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field-errors")).to_have_count(1)
    lisa.look("my account with a mistake")
    lisa.open("/account/log-ins/", "log-ins")
    lisa.open("/account/shown/", "shown")
    lisa.open("/accounts/email/", "e-mail")


def test_the_time_zone_of_the_browser_is_that_of_the_pages(somebody: Somebody, email: str) -> None:
    lisa = somebody("lisa", time_zone="Africa/Nairobi")
    lisa.log_in(email, PASSWORD)
    page = lisa.open("/account/")
    expect(page.locator(".account-content time").first).to_have_attribute("title", re.compile("EAT$"))
    expect(page.get_by_label("Time zone")).to_contain_text("Like my browser (Africa/Nairobi)")
    page.get_by_label("Time zone").select_option("Europe/Vienna")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".account-content time").first).to_have_attribute("title", re.compile("CES?T$"))


def test_the_language_is_switched_in_the_footer_and_stays(somebody: Somebody, email: str) -> None:
    lisa = somebody("lisa")
    page = lisa.open("/")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("banner").get_by_role("link", name="Anmelden")).to_be_visible()
    lisa.look("start in German")
    page.goto("/accounts/login/")
    page.get_by_label("E-Mail-Adresse").fill(email)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Anmelden", exact=True).click()
    expect(page).to_have_url(re.compile(r"/devices/"))
    page.goto("/account/")
    page.locator("select[name=language]").select_option("de")
    with page.expect_navigation():
        page.locator("main form").first.get_by_role("button").click()
    elsewhere = somebody("lisa")
    elsewhere.page.goto("/accounts/login/")
    elsewhere.page.get_by_label(EMAIL).fill(email)
    elsewhere.page.get_by_label("Password", exact=True).fill(PASSWORD)
    elsewhere.page.get_by_role("button", name="Log in").click()
    expect(elsewhere.page.locator("html")).to_have_attribute("lang", "de")
    elsewhere.look("my devices in German")


def test_a_new_password_and_the_other_browser_is_out(somebody: Somebody, email: str) -> None:
    desk, phone = somebody("lisa"), somebody("lisa", phone=True)
    desk.log_in(email, PASSWORD)
    phone.log_in(email, PASSWORD)
    page = desk.open("/account/")
    page.get_by_role("link", name="Change the password").click()
    desk.look("password")
    page.locator("[name=oldpassword]").fill(PASSWORD)
    page.locator("[name=password1]").fill(NEW_PASSWORD)
    page.locator("[name=password2]").fill(NEW_PASSWORD)
    page.get_by_role("main").get_by_role("button", name=re.compile("password")).last.click()
    if page.get_by_role("heading", name="Is it still you?").is_visible():
        confirm(page)
    expect(page.locator("#messages")).to_contain_text("password")
    expect(phone.open("/devices/")).to_have_url(re.compile("/accounts/login/"))
    somebody("lisa").log_in(email, NEW_PASSWORD)


def test_an_authenticator_app_is_set_up_and_asked_for(
    somebody: Somebody, email: str, long_after_the_log_in: Callable[[], object]
) -> None:
    lisa = somebody("lisa")
    lisa.log_in(email, PASSWORD)
    long_after_the_log_in()
    page = lisa.open("/account/")
    page.get_by_role("link", name="Set one up").click()
    page.get_by_role("link", name="Set up the app").click()
    lisa.look("is it still you")
    confirm(page)
    lisa.look("set up the app")
    secret = page.locator("#authenticator_secret, [name=secret], code").first.text_content() or ""
    page.locator("[name=code]").fill(code(secret))
    page.get_by_role("main").locator("form button[type=submit]").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Recovery codes"))
    lisa.look("recovery codes")
    elsewhere = somebody("lisa", phone=True)
    elsewhere.page.goto("/accounts/login/")
    elsewhere.page.get_by_label(EMAIL).fill(email)
    elsewhere.page.get_by_label("Password", exact=True).fill(PASSWORD)
    elsewhere.page.get_by_role("button", name="Log in").click()
    expect(elsewhere.page.locator("[name=code]")).to_be_visible()
    elsewhere.look("second factor")


def test_a_log_in_ended_from_another_browser_is_out_at_its_next_click(somebody: Somebody, email: str) -> None:
    desk, phone = somebody("lisa"), somebody("lisa", phone=True)
    desk.log_in(email, PASSWORD)
    phone.log_in(email, PASSWORD)
    page = desk.open("/account/log-ins/", "two log-ins")
    page.get_by_role("button", name="End it").click()
    expect(page.locator("#messages")).to_contain_text("That log-in has ended")
    phone.page.get_by_role("link", name=re.compile("Kitchen")).first.click()
    expect(phone.page).to_have_url(re.compile("/accounts/login/"))


def test_the_address_is_changed_when_the_new_one_is_confirmed(somebody: Somebody, email: str, cast: Cast) -> None:
    lisa = somebody("lisa")
    lisa.log_in(email, PASSWORD)
    page = lisa.open("/account/")
    page.get_by_role("link", name="Change the address").click()
    new = f"new-{email}"
    page.get_by_label("New e-mail address").fill(new)
    page.get_by_role("button", name="Change to this address").click()
    expect(page.get_by_role("main")).to_contain_text(f"We wait for you to confirm {new}")
    lisa.look("waiting for the new address")
    page.goto("/outbox/")
    page.get_by_role("article").filter(has_text=new).first.get_by_role("link").first.click()
    page.get_by_role("button", name="Yes, this is mine").click()
    page.goto("/outbox/")
    told = page.get_by_role("article").filter(has_text=re.compile(rf"(?<!new-){re.escape(email)}")).first
    expect(told).to_contain_text(new)
    lisa.picture("the old address is told")
    somebody("lisa").log_in(new, PASSWORD)


def test_all_data_are_made_into_a_file_while_one_waits_and_then_the_account_is_closed(
    somebody: Somebody, email: str, long_after_the_log_in: Callable[[], object]
) -> None:
    lisa = somebody("lisa", phone=True)
    lisa.log_in(email, PASSWORD)
    long_after_the_log_in()
    page = lisa.open("/account/data/", "my data")
    page.get_by_role("button", name="Make the file").click()
    confirm(page)
    link = page.get_by_role("link", name="Download the file")
    expect(link).to_be_visible(timeout=30_000)  # By itself: nobody reloads.
    lisa.look("the file is ready")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith(".zip")
    page.get_by_role("link", name="Close my account …").click()
    lisa.look("close my account")
    page.get_by_role("button", name="Close my account").click()
    expect(page.locator("#messages")).to_contain_text("Your account is closed.")
    lisa.look("closed")
    page.goto("/accounts/login/")
    page.get_by_label(EMAIL).fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".notice-error")).to_be_visible()


def test_the_only_manager_is_told_what_goes_with_the_account(somebody: Somebody, cast: Cast) -> None:
    for phone, dark in ((False, True), (True, False)):
        homer = somebody("homer", phone=phone, dark=dark)
        homer.log_in("homer@example.com", cast.password)
        page = homer.open("/account/close/", "close the customer too")
        page.get_by_label("Type “The Simpsons”").fill("The Flanders")
        page.get_by_role("button", name="Close my account").click()
        expect(page.locator(".field-errors")).to_have_text(re.compile("That is not its name"))
        homer.look("not its name")


def test_a_passkey_is_added_and_lets_in(somebody: Somebody, email: str, portal: Portal) -> None:
    lisa = somebody("lisa")
    # Browsers make passkeys for names, not for numbers.
    lisa.page.goto(portal.url.replace("127.0.0.1", "localhost") + "/accounts/login/")
    page = lisa.page
    recognize_every_finger(page)
    page.get_by_label(EMAIL).fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/devices/"))
    lisa.open("/accounts/2fa/")
    page.get_by_role("link", name="Add one").click()
    lisa.look("add a passkey")
    page.locator("[name=name]").fill("My laptop")
    page.get_by_role("main").get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Recovery codes"))
    lisa.open("/accounts/2fa/webauthn/", "passkeys")
    expect(page.get_by_role("main")).to_contain_text("My laptop")
    page.context.clear_cookies()
    lisa.open("/accounts/login/")
    page.get_by_label(EMAIL).fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    lisa.look("second factor with a passkey")
    page.get_by_role("button", name=re.compile("passkey|security key", re.IGNORECASE)).first.click()
    expect(page).to_have_url(re.compile(r"/devices/"))


def test_on_a_phone_the_sections_take_one_row_until_they_are_wanted(somebody: Somebody, email: str) -> None:
    lisa = somebody("lisa", phone=True)
    lisa.log_in(email, PASSWORD)
    page = lisa.open("/accounts/password/change/")
    section = page.get_by_role("navigation", name="My account").get_by_role("link", name="Log-ins")
    expect(section).to_be_hidden()
    page.get_by_role("button", name="All settings").click()
    lisa.look("sections of my account")
    section.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log-ins")


def test_without_javascript_the_sections_stand_open(somebody: Somebody, email: str) -> None:
    lisa = somebody("lisa", phone=True, javascript=False)
    lisa.log_in(email, PASSWORD)
    page = lisa.open("/accounts/password/change/")
    expect(page.get_by_role("navigation", name="My account").get_by_role("link", name="Log-ins")).to_be_visible()
    expect(page.get_by_role("button", name="All settings")).to_be_hidden()
