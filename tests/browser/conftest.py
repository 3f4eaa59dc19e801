"""A real Chromium, and a real portal for it: gunicorn with the Simpsons in a database of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from portal.demo import Cast
from portal.processes import Children, Portal, free_port
from tests.browser.looking import Person, Seen
from tests.database import own_database

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# No sandbox: tests run as root in CI. The others keep Chromium from calling home, which is no loopback.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HERE = Path(__file__).parent
PATIENCE_IN_MS = 15_000
"""A machine that is busy may take so long, and who waits for what comes does not wait longer than it takes. It is less
than the 20 seconds after which pages look by themselves: what is there at once does not pass by that."""
expect.set_options(timeout=PATIENCE_IN_MS)
NEVER_WHILE_TESTS_RUN = 24 * 3600
"""Seconds. Tests say themselves when old keys are to end (`manage("renew")`): by the worker's clock an old one would
now and then have ended before anybody has seen that the new one is used."""
NOT_BEFORE_IT_IS_LOADED = """
  const notYet = new CSSStyleSheet();
  notYet.replaceSync("* { pointer-events: none !important; }");
  document.adoptedStyleSheets.push(notYet);
  addEventListener("load", () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== notYet);
  });
"""
"""Nobody clicks before a page has loaded with its scripts. Playwright would, within milliseconds, and so come to what
the page does without scripts: a test of that has no scripts at all."""
left_out = pytest.StashKey[int]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the browser tests out on a machine without a browser; in CI that is an error."""
    mine = [item for item in items if HERE in item.path.parents]
    for item in mine:
        item.add_marker("browser")
    if not mine or CHROMIUM:
        return
    if os.environ.get("CI"):
        raise pytest.UsageError("There is no Chromium for the browser tests, and in CI nothing is left out.")
    items[:] = [item for item in items if item not in mine]
    config.hook.pytest_deselected(items=mine)
    config.stash[left_out] = len(mine)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash.get(left_out, 0):
        terminalreporter.write_line(
            f"left out: {count} browser tests, because there is no Chromium; have it with: apt-get install chromium",
            yellow=True,
        )


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    # Ends with this package: while Playwright runs, its event loop makes Django refuse the database to other tests.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def cast() -> Cast:
    """The people of the fixture, who all have the same password."""
    return Cast.read()


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal with the Simpsons, whose thermometers are registered but switched off."""
    folder = tmp_path_factory.mktemp("portal")
    with ExitStack() as stack:
        url = stack.enter_context(own_database(folder))
        children = stack.enter_context(Children(folder))
        portal = Portal(
            children, port=free_port(), DATABASE_URL=url, CACHE_URL="locmem://", CHANNEL_PLATFORM="embedded"
        )
        portal.manage("migrate", "--verbosity=0")
        portal.manage("simpsons")
        portal.start()
        portal.start_worker("--renew-every", str(NEVER_WHILE_TESTS_RUN))
        yield portal


@pytest.fixture
def somebody(chromium: Browser, portal: Portal, request: pytest.FixtureRequest) -> Iterator[Callable[..., Person]]:
    """Sit somebody down before a browser of their own: `somebody("marge", phone=True)`."""
    test = request.node.originalname.removeprefix("test_")
    with ExitStack() as stack:

        def sit_down(
            name: str, *, phone: bool = False, dark: bool = False, javascript: bool = True, time_zone: str = "UTC"
        ) -> Person:
            context = chromium.new_context(
                base_url=portal.url,
                viewport={"width": 390, "height": 844} if phone else {"width": 1280, "height": 900},
                device_scale_factor=2 if phone else 1,
                is_mobile=phone,
                has_touch=phone,
                color_scheme="dark" if dark else "light",
                java_script_enabled=javascript,
                timezone_id=time_zone,
                permissions=["clipboard-read", "clipboard-write"],
            )
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_IN_MS)
            if javascript:
                context.add_init_script(NOT_BEFORE_IT_IS_LOADED)
            look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
            return Person(name, context.new_page(), Seen(f"{test}-{name}", look))

        yield sit_down
