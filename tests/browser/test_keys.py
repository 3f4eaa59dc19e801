"""Homer renews keys in the browser while a real thermometer runs, and sees which key is good until when."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from devices.thermometer.sensor import InventedRoom
from devices.thermometer.state import Registration, State, StateStore
from devices.thermometer.thermometer import Thermometer
from portal.demo import Cast
from portal.processes import Portal
from tests.browser.conftest import PATIENCE_IN_MS
from tests.browser.devices import KITCHEN
from tests.browser.looking import Person

Somebody = Callable[..., Person]


class Hung:
    """A software thermometer with a power switch; what it knows after a power cut is what its file holds."""

    def __init__(self, path: Path, portal: Portal, cast: Cast) -> None:
        key = cast.customers[0].registration_key
        assert key is not None
        self.path = path
        registration = Registration.from_text(key)
        state = State(
            serial=KITCHEN, portal=portal.url, registration=registration, period=1.0, place="", set_by_hand=""
        )
        StateStore.create(path, state)

    @contextmanager
    def switched_on(self) -> Iterator[Thermometer]:
        session = requests.Session()
        session.trust_env = False
        thermometer = Thermometer(
            StateStore.load(self.path), sensor=InventedRoom(KITCHEN), session=session, rng=random.Random(7)
        )
        off = threading.Event()
        runs = threading.Thread(target=thermometer.run, args=(off.wait,))
        runs.start()
        try:
            yield thermometer
        finally:
            off.set()
            runs.join()


@pytest.fixture
def kitchen(portal: Portal, cast: Cast, tmp_path: Path) -> Hung:
    return Hung(tmp_path / "kitchen.json", portal, cast)


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desktop-light", "phone-dark"])
def test_homer_renews_the_kitchens_key_and_sees_at_each_moment_which_is_good(
    phone: bool, dark: bool, somebody: Somebody, cast: Cast, portal: Portal, kitchen: Hung
) -> None:
    homer = somebody("homer", phone=phone, dark=dark)
    homer.log_in(cast.customers[0].manager.email, cast.password)
    page = homer.open("/devices/")
    page.get_by_role("link", name="Kitchen", exact=True).click()
    page.get_by_role("link", name="All keys of the device").click()
    homer.look("keys")
    address = page.url
    now = page.locator("[aria-labelledby=write-key-now]")
    keys = page.locator(".timeline > li")
    before = int(re.findall(r"\d+", keys.first.inner_text())[0])

    used = keys.first.locator("dd").last
    with kitchen.switched_on():
        until = time.monotonic() + PATIENCE_IN_MS / 1000
        while "not yet" in used.inner_text() and time.monotonic() < until:
            page.reload()
    expect(used).not_to_contain_text("not yet")
    page.get_by_role("link", name="Renew the write key").click()
    homer.look("renew")
    page.get_by_label("How long shall both keys be good at most?").select_option(label="3 days")
    page.get_by_role("button", name="Renew the write key").click()
    expect(page.locator("#messages")).to_contain_text("Both are good until it uses the new one")
    expect(now).to_contain_text("has not been told its new key yet")
    expect(now).to_contain_text("at the latest")
    expect(keys.nth(0)).to_contain_text(f"Write key {before + 1}")
    expect(keys.nth(1)).to_contain_text("Good for a while")
    homer.look("both-are-good")

    with kitchen.switched_on():
        # The page fetches itself anew: nobody reloads it.
        expect(now).to_contain_text("uses the new key", timeout=30_000)
    portal.manage("renew")
    expect(now).to_contain_text("There is one write key", timeout=15_000)
    expect(keys.nth(1)).to_contain_text("the device uses the new key")
    expect(keys.nth(1)).to_contain_text("Ended")
    assert page.url == address
    homer.look("the-old-one-has-ended")


def test_homer_renews_all_keys_and_watches_without_reloading(
    somebody: Somebody, cast: Cast, portal: Portal, kitchen: Hung
) -> None:
    homer = somebody("homer")
    homer.log_in(cast.customers[0].manager.email, cast.password)
    page = homer.open("/organizations/")
    page.get_by_role("link", name="The Simpsons", exact=True).first.click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Keys and renewals").click()
    homer.look("all-keys")
    page.get_by_role("link", name="Renew all write keys").click()
    homer.look("renew-all")
    page.get_by_role("button", name="Renew all write keys").click()
    progress = page.locator("#renewal-progress")
    expect(progress).to_contain_text("have not been told yet", timeout=30_000)
    homer.look("progress")
    with kitchen.switched_on():
        expect(progress).to_contain_text(re.compile(r"1 of \d+ devices use their new keys"), timeout=30_000)
    expect(page.locator("[aria-labelledby=left]")).not_to_contain_text("Kitchen")
    homer.look("one-has-moved")


def test_without_javascript_the_progress_is_there_after_a_reload(somebody: Somebody, cast: Cast) -> None:
    homer = somebody("homer", javascript=False)
    homer.log_in(cast.customers[0].manager.email, cast.password)
    page = homer.open("/organizations/1/keys/renew/")
    page.get_by_role("button", name="Renew all write keys").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Renewal of all write keys")
    page.reload()
    expect(page.locator("#how-far")).to_have_text(re.compile("How far it is|It is over"))
