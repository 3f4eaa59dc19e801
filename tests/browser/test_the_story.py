"""The whole story with mouse and keyboard: Homer at his desk, Marge on her phone, a thermometer in between."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from devices.readings import as_people_read_it
from portal.processes import Portal
from tests.browser.looking import EMAIL, Person

pytestmark = pytest.mark.on_every_database
PASSWORD = "donuts-and-duff-42"
KEY = re.compile(r"[A-Z0-9]{8}-[A-Z0-9]{8}")
STORED = re.compile(r"(-?[0-9.]+) °C stored in channel ([0-9]+)")


def thermometer(*arguments: str, typed: str = "") -> str:
    """Run the real software thermometer and return what it says."""
    command = [sys.executable, "-m", "devices.thermometer", *arguments]
    done = subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def link_in_the_mail_to(page: Page, address: str) -> None:
    """Open the outbox and click the link in the newest mail to that address."""
    page.goto("/outbox/")
    mail = page.get_by_role("article").filter(has_text=address).first
    mail.get_by_role("link").first.click()


def sign_up(homer: Person, address: str) -> None:
    page = homer.open("/", "start")
    page.get_by_role("main").get_by_role("link", name="Sign up").click()
    homer.look("sign-up")
    page.get_by_label("Given name").fill("Homer")
    page.keyboard.press("Tab")
    page.keyboard.type("Simpson")
    page.get_by_label(EMAIL).fill(address)
    page.get_by_label("Name of your organization").fill("The Simpsons")
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill("something else 17")
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.locator(".field-errors")).to_have_count(1)
    homer.look("sign-up-with-a-mistake")
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")
    homer.look("look-into-your-mailbox")


def confirm_and_log_in(homer: Person, address: str) -> None:
    page = homer.open("/outbox/", "outbox")
    link_in_the_mail_to(page, address)
    homer.look("confirm")
    page.get_by_role("button", name="Yes, this is mine").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.get_by_label(EMAIL).fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/devices/$"))
    homer.look("no-devices-yet")


def find_the_registration_key(homer: Person) -> str:
    """Show the key, copy it, hide it again, and return it."""
    page = homer.page
    page.get_by_role("link", name="Go to the registration key").click()
    homer.look("the-simpsons-at-the-beginning")
    page.get_by_role("link", name="••••••••").click()
    homer.look("registration-key-hidden")
    expect(page.get_by_role("img", name="QR code")).to_have_count(0)
    assert not KEY.search(page.inner_text("main"))
    page.get_by_role("button", name="Show").click()
    shown = page.locator("#registration-key-value")
    expect(shown).to_have_text(KEY)
    homer.look("registration-key-shown")
    page.locator("[data-copy='#registration-key-value']").click()
    expect(page.locator("[data-copy='#registration-key-value']")).to_have_text(re.compile("Copied"))
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == shown.inner_text()
    page.get_by_role("link", name="Hide").click()
    expect(shown).to_have_count(0)
    return str(copied)


def create_organization(homer: Person, name: str) -> None:
    page = homer.open("/organizations/")
    page.get_by_role("link", name="The Simpsons").click()
    page.get_by_role("link", name="New organization").click()
    page.get_by_label("Name").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def invite_marge(homer: Person, address: str) -> None:
    page = homer.open("/organizations/", "organizations")
    page.get_by_role("link", name="Household").click()
    page.get_by_role("link", name="Invite somebody").first.click()
    page.get_by_label(EMAIL).fill(address)
    page.get_by_label("Given name").fill("Marge")
    page.get_by_label("Family name").fill("Simpson")
    homer.look("invite")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text(f"The invitation is on its way to {address}.")).to_be_visible()
    homer.look("household-with-an-invitation")


def move(homer: Person, device: str, place: str, *, name: str = "") -> None:
    """Name a device and move it, from My devices."""
    page = homer.open("/devices/")
    page.get_by_role("link", name=device, exact=True).click()
    if name:
        page.get_by_role("link", name="Rename").click()
        page.get_by_label("Name").fill(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("link", name="Move").click()
    choice = page.get_by_label("Put it into")
    expect(choice).to_be_visible()
    choice.select_option(label=next(text for text in choice.locator("option").all_text_contents() if place in text))
    page.get_by_role("button", name="Move").click()
    expect(page.locator("main .lead")).to_contain_text(place)


def accept(marge: Person, address: str) -> None:
    link_in_the_mail_to(marge.page, address)
    page = marge.page
    marge.look("invited")
    expect(page.get_by_label("Given name")).to_have_value("Marge")
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    page.get_by_role("button", name="Accept and go to my devices").click()
    expect(page.get_by_text("Welcome. You now see the devices of Household.")).to_be_visible()


def see_the_kitchen(marge: Person, values: list[str]) -> None:
    page = marge.page
    expect(page.locator("[data-chart-state='ready']")).to_have_count(1)
    marge.look("my-devices")
    page.get_by_role("link", name="Kitchen", exact=True).click()
    chart = page.locator("[data-chart]")
    expect(chart).to_have_attribute("data-chart-state", "ready")
    expect(chart).to_have_attribute("data-chart-points", str(len(values)))
    expect(page.locator(".device-value")).to_contain_text(as_people_read_it(values[-1]))  # 19.30 is shown as 19.3
    marge.look("kitchen")


def open_the_graph(marge: Person) -> str:
    """Reveal the read key, open the graph with it in a new window, and return the graph's address."""
    page = marge.page
    # The lines for programs show where the key goes, with a word in its place.
    assert "api_key" not in page.content().replace("api_key=YOUR_READ_KEY", "")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".secret-value").first).to_have_text(re.compile("[A-Z0-9]{16}"))
    marge.look("kitchen-with-read-key")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open graph").click()
    graph = opened.value
    expect(graph.locator("[data-chart-state='ready']")).to_have_count(1)
    Person.sitting_before(graph, marge).look("graph")
    address = graph.url
    graph.close()
    return address


def test_the_whole_story(somebody: Callable[..., Person], portal: Portal, tmp_path: Path) -> None:
    run = secrets.token_hex(4)
    homers_address, marges_address = f"homer-{run}@example.com", f"marge-{run}@example.com"
    homer = somebody("homer")
    sign_up(homer, homers_address)
    confirm_and_log_in(homer, homers_address)
    key = find_the_registration_key(homer)
    create_organization(homer, "Household")
    create_organization(homer, "Power plant")
    invite_marge(homer, marges_address)

    # Two thermometers: the key is typed on the console of one, the other one gets it by flags.
    kitchen, reactor = str(tmp_path / "kitchen.json"), str(tmp_path / "reactor.json")
    typed = f"{key.lower()}\n{portal.url}\n1\nKitchen\n"
    thermometer("configure", "--state", kitchen, "--serial", "74743827342", typed=typed)
    flags = ("--registration-key", key, "--portal", portal.url, "--period", "1", "--yes")
    thermometer("configure", "--state", reactor, "--serial", "74743827345", *flags)
    values = [value for value, _ in STORED.findall(thermometer("run", "--state", kitchen, "--count", "3"))]
    assert len(values) == 3
    thermometer("run", "--state", reactor, "--count", "1")
    homer.open("/devices/", "two-new-devices")
    move(homer, "74743827342", "Household", name="Kitchen")
    homer.look("kitchen-moved")
    move(homer, "74743827345", "Power plant", name="Reactor")

    marge = somebody("marge", phone=True)
    accept(marge, marges_address)
    see_the_kitchen(marge, values)
    graph = open_the_graph(marge)
    for address in ("/devices/", "/organizations/"):
        page = marge.open(address, f"marges-{address.strip('/')}")
        for trace in ("Power plant", "Reactor", "74743827345", key[:8]):
            assert trace not in page.content()

    stranger = somebody("stranger", dark=True)
    stranger.page.goto(graph)
    expect(stranger.page.locator("[data-chart-state='ready']")).to_have_count(1)
    stranger.look("graph")
    stranger.page.goto(re.sub("api_key=[A-Z0-9]+", "api_key=", graph))
    expect(stranger.page.get_by_text("not public")).to_be_visible()
    stranger.picture("graph-without-key")
    assert values[-1] not in stranger.page.content()

    # Homer moves the reactor's thermometer home, and the kitchen's away: Marge's page follows.
    move(homer, "Reactor", "Household")
    move(homer, "Kitchen", "Power plant")
    page = marge.open("/devices/")
    expect(page.get_by_role("link", name="Reactor", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Kitchen", exact=True)).to_have_count(0)
    marge.look("after-the-move")
    stranger.page.goto(graph)
    expect(stranger.page.get_by_text("not public")).to_be_visible()
