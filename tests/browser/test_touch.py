"""The tree of organizations under a finger: the grip drags, everything else scrolls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect

from portal.demo import Cast
from tests.browser.looking import Person

Somebody = Callable[..., Person]
Point = tuple[float, float]


@pytest.fixture
def homer(somebody: Somebody, cast: Cast) -> Person:
    homer = somebody("homer", phone=True)
    homer.log_in("homer@example.com", cast.password)
    homer.open("/organizations/")
    return homer


@pytest.fixture
def finger(homer: Person) -> Iterator[CDPSession]:
    session = homer.page.context.new_cdp_session(homer.page)
    yield session
    session.detach()


def row(page: Page, name: str) -> Locator:
    return page.locator(".tree-row", has=page.get_by_role("link", name=name, exact=True))


def grip(page: Page, name: str) -> Locator:
    return row(page, name).locator(".tree-grip")


def centre(of: Locator) -> Point:
    box = of.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def press(finger: CDPSession, at: Point) -> None:
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": at[0], "y": at[1]}]})


def draw(finger: CDPSession, begin: Point, end: Point) -> None:
    for step in range(1, 6):
        x, y = (a + (b - a) * step / 5 for a, b in zip(begin, end, strict=True))
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})


def lift(finger: CDPSession) -> None:
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_an_organization_is_dragged_by_its_grip_and_the_page_asks_whether_it_is_meant(
    homer: Person, finger: CDPSession
) -> None:
    page = homer.page
    begin, end = centre(grip(page, "Power plant")), centre(row(page, "Household"))
    press(finger, begin)
    draw(finger, begin, end)
    expect(row(page, "Household")).to_have_class(re.compile("is-target"))
    homer.picture("under a finger")
    lift(finger)
    expect(page.get_by_role("heading", level=1)).to_have_text("Move “Power plant” into “Household”?")


def test_what_cannot_take_it_does_not_and_the_next_try_is_free(homer: Person, finger: CDPSession) -> None:
    page = homer.page
    begin, parent = centre(grip(page, "Power plant")), centre(row(page, "The Simpsons"))
    press(finger, begin)
    draw(finger, begin, parent)
    expect(page.locator(".tree-ghost")).to_have_text("Power plant")
    lift(finger)
    expect(page.locator(".tree-ghost, .is-target, .is-dragged")).to_have_count(0)
    expect(page).to_have_url(re.compile("/organizations/$"))


def test_a_finger_beside_the_grip_drags_nothing(homer: Person, finger: CDPSession) -> None:
    page = homer.page
    begin, end = centre(row(page, "Power plant")), centre(row(page, "Household"))
    press(finger, begin)
    draw(finger, begin, end)
    expect(page.locator(".tree-ghost, .is-target, .is-dragged")).to_have_count(0)
    lift(finger)
    expect(page).to_have_url(re.compile("/organizations/$"))


def test_a_mouse_needs_no_grip(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/organizations/")
    expect(row(page, "Household")).to_be_visible()
    expect(grip(page, "Household")).to_be_hidden()
