"""The administration in a real browser, under the content security policy that all pages have."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from portal.demo import Cast
from tests.browser.looking import Person

LISTS = (
    "orgs/organization", "orgs/user", "orgs/membership", "orgs/invitation", "orgs/auditentry", "account/emailaddress",
    "auth/group", "channels/platformaccount", "channels/channel", "channels/channelkey", "channels/renewal",
    "devices/device", "devices/registrationkey", "devices/devicecontact", "platform/account", "platform/channel",
    "platform/apikey",
)  # fmt: skip
FORMS = (
    "orgs/organization", "orgs/user", "orgs/membership", "orgs/invitation", "channels/platformaccount",
    "devices/registrationkey", "auth/group", "account/emailaddress",
)  # fmt: skip


@pytest.fixture
def operator(somebody: Callable[..., Person], cast: Cast) -> Person:
    return _at_work(somebody("operator"), cast)


def _at_work(person: Person, cast: Cast) -> Person:
    person.log_in(cast.operator.email, cast.password)
    return person


def _see(operator: Person, name: str) -> None:
    """Find that nothing on the page that is open failed or was refused by the policy, and keep a picture of it."""
    operator.page.wait_for_load_state("load")
    operator.picture(name)
    assert operator.complaints == [], name
    expect(operator.page.locator("#content")).to_be_visible()


def _see_list_and_one(operator: Person, name: str) -> None:
    operator.open(f"/admin/{name}/")
    _see(operator, f"{name}-list")
    first = operator.page.locator("#result_list tbody th a").first
    if first.count():
        first.click()
        expect(operator.page.locator("#content-main form")).to_be_visible()
        _see(operator, f"{name}-one")


def test_every_page_works_under_the_content_security_policy(operator: Person) -> None:
    operator.open("/admin/")
    _see(operator, "index")
    for name in LISTS:
        _see_list_and_one(operator, name)
    for name in FORMS:
        operator.open(f"/admin/{name}/add/")
        _see(operator, f"{name}-add")


def test_the_pages_work_on_a_phone(somebody: Callable[..., Person], cast: Cast) -> None:
    operator = _at_work(somebody("operator", phone=True), cast)
    for name in ("orgs/organization", "orgs/user", "devices/device", "devices/registrationkey"):
        _see_list_and_one(operator, name)


def test_an_operator_moves_an_organization_by_typing_where_it_goes(operator: Person) -> None:
    page = operator.page
    operator.open("/admin/orgs/organization/?q=Household")
    page.get_by_role("link", name="└ Household").click()
    page.locator(".field-parent .select2-selection").click()
    page.locator(".select2-search__field").fill("power simp")
    page.get_by_role("option", name="Power plant – The Simpsons").click()
    operator.picture("choosing")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")
    expect(page.locator(".field-parent .select2-selection")).to_contain_text("Power plant")

    page.locator(".field-parent .select2-selection").click()
    page.locator(".select2-search__field").fill("household")
    page.get_by_role("option", name="Household – The Simpsons").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-parent .errorlist")).to_contain_text("into itself or below itself")

    page.locator(".field-parent .select2-selection").click()
    page.locator(".select2-search__field").fill("simpsons")
    page.get_by_role("option", name="The Simpsons", exact=True).click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(r"/admin/orgs/organization/"))
    assert operator.complaints == []


def test_an_operator_suspends_a_customer_after_a_question_and_resumes_it(operator: Person) -> None:
    page = operator.page

    def act(words: str) -> None:
        operator.open("/admin/orgs/organization/?kind=customers&q=Simpsons")
        page.get_by_role("checkbox", name="Select this object for an action - The Simpsons").check()
        page.get_by_label("Action:").select_option(label=words)
        page.get_by_role("button", name="Go").click()

    act("Suspend customers")
    expect(page.get_by_role("heading", name="Suspend these customers?")).to_be_visible()
    operator.picture("question")
    page.get_by_role("button", name="Yes, suspend").click()
    expect(page.locator(".messagelist")).to_contain_text("Suspended. The Simpsons")
    operator.picture("suspended")
    act("Resume customers")
    expect(page.locator(".messagelist")).to_contain_text("Resumed. The Simpsons")
    assert operator.complaints == []
