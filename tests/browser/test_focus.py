"""With the Tab key one always sees where one is, however narrow the screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.demo import Cast
from tests.browser.focus import unseen_focus_stops
from tests.browser.looking import Person

Somebody = Callable[..., Person]


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_all_that_takes_the_focus_on_the_list_is_seen(somebody: Somebody, cast: Cast, width: int) -> None:
    homer = somebody("homer")
    homer.page.set_viewport_size({"width": width, "height": 800})
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/")
    assert unseen_focus_stops(page) == []


def test_what_cannot_be_seen_is_found(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer")
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/")
    page.evaluate(
        """() => {
          const main = document.querySelector("main");
          const clipped = document.createElement("div");
          clipped.style.cssText = "position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden";
          clipped.innerHTML = '<a href="/clipped">x</a>';
          main.prepend(clipped);
          const covered = document.createElement("a");
          covered.href = "/unmarked";
          covered.textContent = "x";
          covered.style.outline = "none";
          main.prepend(covered);
        }"""
    )
    unseen = unseen_focus_stops(page)
    assert len(unseen) == 2
    assert "/unmarked" in unseen[0]
    assert "/clipped" in unseen[1]


def test_on_a_phone_the_list_is_put_in_order_by_a_choice(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer", phone=True)
    homer.log_in("homer@example.com", cast.password)
    page = homer.open("/devices/list/")
    page.get_by_label("Order").select_option(label="Name, Z to A")
    homer.look("the-order-of-the-list")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**order=-name**")
    names = page.locator("tbody th").all_inner_texts()
    assert len(names) > 1
    assert names == sorted(names, reverse=True)
    homer.look("the-list-in-another-order")
