"""Somebody who uses the keyboard alone. Every stop of the tab key on the way must be seen."""

from __future__ import annotations

import re

from playwright.sync_api import Page

_MOST_STOPS = 80
_FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  const labels = [...(at.labels || [])].map((label) => label.innerText).join(" ");
  const words = at.getAttribute("aria-label") || labels || at.innerText || at.value || "";
  return {
    name: words.replace(/\\s+/g, " ").trim(),
    html: at.outerHTML.slice(0, 160),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    inView: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}"""


class Keyboard:
    """The keys of somebody who has no mouse, before a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.emulate_media(reduced_motion="reduce")  # Scrolling to the next stop would take its time.

    def tab_to(self, name: str) -> None:
        """Press Tab until what is called `name` (a pattern for all of its name) has the focus; begins again once."""
        wanted = re.compile(name, re.IGNORECASE)
        passed = []
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate(_FOCUS)
            if at is None:
                continue
            assert at["outlined"], f"One cannot see where one is: {at['html']}"
            assert at["inView"], f"The focus is out of sight: {at['html']}"
            if wanted.fullmatch(at["name"]):
                return
            passed.append(at["name"])
        raise AssertionError(f"The tab key does not lead to {name!r}, but to {passed}")

    def press(self, name: str, key: str = "Enter") -> None:
        """Go to something and press a key on it."""
        self.tab_to(name)
        self.page.keyboard.press(key)

    def follow(self, name: str) -> None:
        """Go to a link or a button that leads to another page, and press Enter on it."""
        self.tab_to(name)
        self.enter()

    def enter(self) -> None:
        """Press Enter where one is, and come to another page."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def type(self, name: str, text: str) -> None:
        """Go to a field and type into it, over what is there."""
        self.tab_to(name)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def choose(self, name: str, option: str) -> None:
        """Go to a list of choices and press the down arrow until that one is chosen."""
        self.tab_to(name)
        self.page.keyboard.press("Home")
        chosen = "() => document.activeElement.selectedOptions[0].text"
        while option not in (now := self.page.evaluate(chosen)):
            self.page.keyboard.press("ArrowDown")
            assert self.page.evaluate(chosen) != now, f"There is no {option!r} to choose"
