"""What everybody meets: the component page and the pages of visitors, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, Page, expect

AXE = (django_settings.BASE_DIR / "node_modules" / "axe-core" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE, SMALLEST, DESK = (360, 740), (320, 640), (1280, 800)
WINDOWS = [(SMALLEST, "dark"), (PHONE, "light"), (DESK, "dark")]
VISITORS = [
    "/",
    "/signup/",
    "/accounts/login/",
    "/accounts/password/reset/",
    "/accounts/confirm-email/",
    "/no-such-page/",
]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module", autouse=True)
def _queries_beside_playwright() -> Iterator[None]:
    # Playwright's event loop lives in this thread; Django would take every query here for one from async code.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def visit(chromium: Browser, live_server, settings):
    """Open an address of the portal in a window of `size`; what the browser complains about fails the test."""
    settings.DEBUG = False
    contexts, complaints = [], []

    def open_page(address: str, size: tuple[int, int] = DESK, **options: object) -> Page:
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None
        )
        page.goto(live_server.url + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def components(visit, settings):
    """Open the page that shows every component."""

    def open_page(size: tuple[int, int] = DESK, **options: object) -> Page:
        settings.DEBUG = True
        return visit("/components/", size, **options)

    return open_page


def violations(page: Page) -> list[str]:
    """Return what axe finds against WCAG 2.2 AA, one line each."""
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)["violations"]
    return [f"{broken['id']}: {node['target']}" for broken in found for node in broken["nodes"]]


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def small_targets(page: Page) -> list[str]:
    """Return the controls that a thumb would miss: less than 44 pixels high or wide."""
    return page.evaluate(
        """() => [...document.querySelectorAll('button, a.btn, input:not([type=hidden]), select, summary')]
            .filter(e => e.offsetParent && !e.closest('.choice'))
            .filter(e => { const r = e.getBoundingClientRect(); return r.height < 43.5 || r.width < 43.5 })
            .map(e => e.outerHTML.slice(0, 100))"""
    )


@pytest.mark.parametrize(("size", "theme"), WINDOWS)
@pytest.mark.parametrize("address", VISITORS)
def test_a_visitor_can_read_and_reach_everything(address: str, size: tuple[int, int], theme: str, visit) -> None:
    page = visit(address, size, color_scheme=theme)
    assert (violations(page), overflow(page), small_targets(page)) == ([], 0, [])


@pytest.mark.parametrize(("size", "theme"), WINDOWS)
def test_every_component_can_be_read_and_reached(size: tuple[int, int], theme: str, components) -> None:
    page = components(size, color_scheme=theme)
    assert (violations(page), overflow(page), small_targets(page)) == ([], 0, [])


def test_the_theme_follows_the_system_until_somebody_chooses(visit) -> None:
    page = visit("/", color_scheme="dark")
    page.locator("html[data-bs-theme=dark]").wait_for()
    page.emulate_media(color_scheme="light")
    page.locator("html[data-bs-theme=light]").wait_for()
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Dark").click()
    page.locator("html[data-bs-theme=dark]").wait_for()
    page.reload()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"


def test_the_first_stop_of_the_tab_key_skips_to_the_content(visit) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    assert skip.evaluate("link => link === document.activeElement && link.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_menu_of_a_phone_opens_by_keyboard(visit) -> None:
    page = visit("/", PHONE)
    menu = page.get_by_role("button", name="Menu")
    menu.press("Enter")
    page.locator("#topbar-menu.show").wait_for()
    assert menu.get_attribute("aria-expanded") == "true"
    assert violations(page) == []


def test_a_shown_key_is_copied_and_hidden_without_asking_the_server(components) -> None:
    page = components(permissions=["clipboard-read", "clipboard-write"])
    secret = page.locator("#read-key-2")
    secret.get_by_role("button", name="Copy").click()
    secret.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "C0FPQ9W3ET7A4S2S"
    secret.get_by_role("link", name="Hide").click()
    assert "C0FPQ9W3ET7A4S2S" not in secret.inner_html()
    assert secret.get_by_role("button", name="Show").evaluate("button => button === document.activeElement")


def test_a_branch_of_the_tree_closes_and_opens(components) -> None:
    page = components()
    toggle = page.get_by_role("button", name="Below Household")
    toggle.press("Enter")
    assert toggle.get_attribute("aria-expanded") == "false"
    assert page.locator("#branch-2").is_hidden()
    toggle.press("Enter")
    assert page.locator("#branch-2").is_visible()


def test_a_password_can_be_looked_at_and_is_sent_as_a_password(visit) -> None:
    page = visit("/accounts/login/")
    password = page.get_by_label("Password", exact=True)
    password.fill("doh")
    page.get_by_role("button", name="Show the password").click()
    assert password.get_attribute("type") == "text"
    page.get_by_role("button", name="Hide the password").click()
    assert password.get_attribute("type") == "password"


def test_a_refused_form_begins_at_the_first_field_with_an_error(visit) -> None:
    page = visit("/signup/", PHONE)
    page.get_by_label("Given name").fill("Homer")
    page.locator("main").get_by_role("button", name="Sign up").click()
    expect(page.locator("[name=family_name]")).to_be_focused()
    assert page.get_by_label("Given name").input_value() == "Homer"
    assert violations(page) == []


def test_without_javascript_one_still_gets_in(visit) -> None:
    page = visit("/accounts/login/", PHONE, java_script_enabled=False)
    assert page.get_by_role("link", name="Sign up").first.is_visible()
    assert page.get_by_role("button", name="Menu").is_hidden()
    assert page.get_by_label("Password", exact=True).is_visible()
