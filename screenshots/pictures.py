"""What is on the pictures, and from whose browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures" / "simpsons.json"
MOST_BYTES = 200_000
TAKES_THE_NEW_KEY = 15_000
DESK, PHONE = (1280, 860), (390, 844)


@dataclass(frozen=True)
class Picture:
    """A page as `who` sees it after `steps`: at a desk, or with `phone`; light, or `dark`."""

    name: str
    who: str
    address: str
    steps: Callable[[Page], None] = lambda page: None
    phone: bool = False
    dark: bool = False


def _open(*names: str) -> Callable[[Page], None]:
    """Follow the links of these names."""

    def steps(page: Page) -> None:
        for name in names:
            page.get_by_role("main").get_by_role("link", name=name, exact=True).first.click()
            page.wait_for_load_state()

    return steps


def _show_key(page: Page) -> None:
    _open("The Simpsons")(page)
    page.get_by_role("main").get_by_role("link", name=re.compile("••••")).first.click()
    page.get_by_role("button", name="Show").first.click()
    page.get_by_role("img", name="QR code").wait_for()


def _renew(page: Page) -> None:
    """Renew the kitchen's write key, and wait until its thermometer has taken the new one."""
    _open("Kitchen", "All keys of the device", "Renew the write key")(page)
    page.get_by_role("main").get_by_role("button", name="Renew").click()
    page.wait_for_load_state()
    page.wait_for_timeout(TAKES_THE_NEW_KEY)
    page.reload()


PICTURES = (
    Picture("start", "", "/"),
    Picture("my-devices", "homer", "/devices/"),
    Picture("my-devices-phone", "marge", "/devices/", phone=True),
    Picture("my-devices-phone-dark", "marge", "/devices/", phone=True, dark=True),
    Picture("device", "homer", "/devices/", _open("Kitchen")),
    Picture("device-dark", "homer", "/devices/", _open("Kitchen"), dark=True),
    Picture("keys", "homer", "/devices/", _renew),
    Picture("who-sees-it", "homer", "/devices/", _open("Kitchen", "Who sees it")),
    Picture("my-account", "marge", "/account/", phone=True),
    Picture("organizations", "homer", "/organizations/"),
    Picture("organization", "homer", "/organizations/", _open("Household")),
    Picture("registration-key", "homer", "/organizations/", _show_key),
)


def take_all(browser: Browser, url: str, folder: Path) -> Iterator[Path]:
    """Take all of them into `folder`, and yield the files. Raises ValueError if one is too large for a repository."""
    for picture in PICTURES:
        width, height = PHONE if picture.phone else DESK
        context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if picture.dark else "light",
            reduced_motion="reduce",
            locale="en-GB",
        )
        page = context.new_page()
        if picture.who:
            _log_in(page, picture.who)
        page.goto(picture.address)
        picture.steps(page)
        page.wait_for_load_state("networkidle")
        for chart in page.locator("[data-chart]").all():
            chart.and_(page.locator("[data-chart-state=ready]")).wait_for()
        file = folder / f"{picture.name}.png"
        page.screenshot(path=file)
        context.close()
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"{file.name} has more than {MOST_BYTES} bytes.")
        yield file


def _log_in(page: Page, who: str) -> None:
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill(f"{who}@example.com")
    page.locator("[name=password]").fill(json.loads(FIXTURE.read_text(encoding="utf-8"))["password"])
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.wait_for_url("**/devices/")
