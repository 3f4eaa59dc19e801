"""Somebody before a browser, and what is looked at on every page: accessibility, errors, a picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import ConsoleMessage, Page, Response, expect

ROOT = Path(__file__).resolve().parent.parent.parent
EMAIL = re.compile("e-?mail", re.IGNORECASE)
SOURCE = re.compile(r"<[a-z]+ [a-z-]+=|</[a-z]+>|\{[{%#]")
"""What people read when HTML or a template shows through."""
STICKING_OUT = """() => [...document.querySelectorAll('.card *')].filter((one) => {
  if (!one.checkVisibility({ visibilityProperty: true })) return false;
  if (one.closest('svg, [data-chart], .visually-hidden')) return false;
  const card = one.closest('.card');
  for (let around = one; around !== card; around = around.parentElement) {
    const style = getComputedStyle(around);
    if (['absolute', 'fixed'].includes(style.position)) return false;
    if (around !== one && style.overflowX !== 'visible') return false;
  }
  const [its, cards] = [one.getBoundingClientRect(), card.getBoundingClientRect()];
  return its.width && (its.right > cards.right + 1 || its.left < cards.left - 1);
}).map((one) => one.outerHTML.replace(/\\s+/g, ' ').slice(0, 120))"""
"""Finds what reaches over the edge of its card: no menu, and nothing that can be scrolled."""
SHOTS = Path(__file__).parent / "shots"


@cache
def axe() -> str:
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@dataclass
class Seen:
    """Where the pictures of one person in one test go, and how the person sees: desktop or phone, light or dark."""

    name: str
    look: str
    number: count[int] = field(default_factory=lambda: count(1))


class Person:
    """Somebody with a browser. `page` is Playwright's; use `look` on every page that is new."""

    def __init__(self, name: str, page: Page, seen: Seen) -> None:
        self.name = name
        self.page = page
        self.complaints: list[str] = []
        self._seen = seen
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("response", self._notice)

    @classmethod
    def sitting_before(cls, page: Page, person: Person) -> Person:
        """Return the same person, before another window of theirs."""
        return cls(person.name, page, person._seen)

    def _hear(self, message: ConsoleMessage) -> None:
        # What a page says it refused to load or run (its content security policy) is an error on the console, too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _notice(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.complaints.append(f"{response.status} for {response.url}")

    def open(self, address: str, name: str = "") -> Page:
        """Go to an address, and look at the page if it is given a name."""
        self.page.goto(urljoin(self.page.url, address) if self.page.url.startswith("http") else address)
        if name:
            self.look(name)
        return self.page

    def look(self, name: str) -> None:
        """Find nothing to complain about on the page that is open, and keep a picture of it."""
        self.page.wait_for_load_state("networkidle")
        self.picture(name)
        assert self.complaints == []
        assert accessibility_violations(self.page) == []
        # Snippets to copy show source on purpose.
        shown = self.page.evaluate(
            "() => { const page = document.body.cloneNode(true);"
            " page.querySelectorAll('pre, code, textarea').forEach((snippet) => snippet.remove());"
            " document.body.after(page); const text = page.innerText; page.remove(); return text; }"
        )
        assert SOURCE.findall(shown) == []
        assert overflow(self.page) <= 0, f"{name} is wider than the screen"
        assert sticking_out(self.page) == []

    def picture(self, name: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        words = f"{self._seen.name}-{next(self._seen.number):02}-{name}-{self._seen.look}"
        self.page.screenshot(path=SHOTS / (re.sub(r"[^A-Za-z0-9]+", "-", words) + ".png"), full_page=True)

    def log_in(self, email: str, password: str) -> None:
        self.page.goto("/accounts/login/")
        self.page.get_by_label(EMAIL).fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page).to_have_url(re.compile(r"/devices/"))
        self.page.wait_for_load_state("load")  # with its scripts


def accessibility_violations(page: Page, *rules: str) -> list[str]:
    """Return what axe-core finds on the page: the rule and the elements that break it; with `rules`, by these alone."""
    page.wait_for_load_state("load")  # A page without its styles cannot be judged.
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(axe())  # from outside, and so past the page's content security policy
    options = {"runOnly": list(rules)} if rules else {}
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    return [
        f"{violation['id']}: {violation['help']} – {[node['html'][:200] for node in violation['nodes']]}"
        for violation in found
    ]


def overflow(page: Page) -> int:
    """Return by how many pixels the page can be scrolled sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def sticking_out(page: Page) -> list[str]:
    """Return the beginnings of what reaches over the edge of its card, which the page need not be wider for."""
    return list(page.evaluate(STICKING_OUT))
