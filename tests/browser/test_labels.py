"""A landlord prints a label for each flat, and nobody reloads a page for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from portal.demo import Cast
from portal.processes import Portal
from tests.browser.looking import Person
from tests.browser.test_people import make

Somebody = Callable[..., Person]
KEY = re.compile(r"[A-Z0-9]{8}-[A-Z0-9]{8}")
ASK = """
from datetime import timedelta
from django.utils import timezone
from devices.tasks import make_registration_keys
from orgs.models import Organization
house = Organization.objects.get(name="{house}")
tomorrow = timezone.now() + timedelta(days=1)
print(make_registration_keys.using(run_after=tomorrow).enqueue(house.pk, 0, None).id)
"""
FORGET = """
from django_tasks_db.models import DBTaskResult
DBTaskResult.objects.get(pk="{task}").delete()
"""


@contextmanager
def keys_asked_for_tomorrow(portal: Portal, house: str) -> Iterator[None]:
    """Have keys asked for that no worker makes meanwhile: it would be done before anybody has looked."""
    task = portal.manage("shell", "--verbosity=0", "-c", ASK.format(house=house)).strip()
    yield
    portal.manage("shell", "--verbosity=0", "-c", FORGET.format(task=task))


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desktop-light", "phone-dark"])
def test_homer_makes_a_key_for_each_flat_and_prints_them(
    phone: bool, dark: bool, somebody: Somebody, cast: Cast, portal: Portal
) -> None:
    homer = somebody("homer", phone=phone, dark=dark)
    homer.log_in("homer@example.com", cast.password)
    house = "Oak Avenue 4" if phone else "Elm Street 12"
    make(homer, "The Simpsons", house)
    page = homer.page
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Several organizations at once").click()
    page.get_by_label("Names, one a line").fill("Flat 1\nFlat 2\nFlat 10")
    page.get_by_role("button", name="Create them").click()
    expect(page.locator("#messages")).to_contain_text(f"3 organizations are now in {house}.")
    page.get_by_role("link", name="Labels for all below").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Labels for {house}")
    address = page.url
    homer.look("none-has-a-key")
    with keys_asked_for_tomorrow(portal, house):
        homer.open(address, "keys-are-being-made")
        expect(page.get_by_text("Keys so far: 0 of 3.")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Make 3 keys").click()
    expect(page.get_by_text("3 keys can be printed.")).to_be_visible(timeout=30_000)
    homer.look("to-be-printed")
    page.get_by_role("button", name="Show the labels").click()
    labels = page.locator(".sheet-label")
    expect(labels.locator(".label-place")).to_have_text(["Flat 1", "Flat 2", "Flat 10"])
    expect(labels.locator(".label-house")).to_have_text([house] * 3)
    expect(labels.locator(".sheet-key")).to_have_text([KEY] * 3)
    assert len(set(labels.locator(".sheet-key").all_inner_texts())) == 3
    homer.look("labels")
