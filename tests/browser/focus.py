"""Whether all that takes the focus can be seen while it has it."""

from __future__ import annotations

from playwright.sync_api import Page

_MOST_STOPS = 400
_AT = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  window.focusStops ??= new WeakSet();
  if (window.focusStops.has(at)) return { again: true };
  window.focusStops.add(at);
  if (at.tagName === "IFRAME") return { html: "", seen: true };
  const box = at.getBoundingClientRect();
  const x = Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1);
  const y = Math.min(Math.max(box.top + box.height / 2, 0), innerHeight - 1);
  const inWidth = box.width > 1 && box.right > 0 && box.left < innerWidth;
  const inView = inWidth && box.height > 1 && box.bottom > 0 && box.top < innerHeight;
  // What a clipped parent hides, or something else covers, is not found at its place.
  const middle = (part) => [part.left + part.width / 2, part.top + part.height / 2];
  const points = [[x, y], ...[...at.getClientRects()].map(middle)];
  const found = points.some(([left, top]) => {
    const on = document.elementFromPoint(left, top);
    return on && (at.contains(on) || on.contains(at));
  });
  const style = getComputedStyle(at);
  const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none";
  const clipped = (() => {
    for (let one = at; one; one = one.parentElement) {
      const how = getComputedStyle(one);
      if (how.clipPath !== "none" || how.opacity === "0" || how.visibility === "hidden") return true;
    }
    return false;
  })();
  return { html: at.outerHTML.slice(0, 160), seen: inView && found && marked && !clipped };
}"""


def unseen_focus_stops(page: Page) -> list[str]:
    """Return what the Tab key leads to and what cannot be seen there, or not that it has the focus; from the top on."""
    # A page that scrolls gently shows the next stop only some moments later.
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("() => { delete window.focusStops; document.activeElement?.blur(); scrollTo(0, 0); }")
    unseen = []
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        at = page.evaluate(_AT)
        if at is None or at.get("again"):
            break
        if not at["seen"]:
            unseen.append(at["html"])
    return unseen
