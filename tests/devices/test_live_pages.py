"""Pages that keep themselves up to date: what is sent to a page that stands, and what is not."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import views_organizations
from devices.models import Device, DeviceContact
from orgs.models import Membership
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory


def opened(client: Client, address: str) -> str:
    """Open a page and return the address at which it looks for what is other, with what it shows."""
    html = client.get(address).content.decode()
    looks = re.search(r'data-live hx-get="([^"]+[?][^"]*)"', html)
    shown = re.search(r'id="live-shown" name="shown" value="([^"]*)"', html)
    assert looks, f"{address} does not look again"
    assert shown
    return f"{unescape(looks[1])}&shown={shown[1]}"


def attention_of(client: Client, address: str = "/devices/") -> str | None:
    """Open a page and return the address at which it looks for what needs attention, with what it shows of that."""
    html = client.get(address).content.decode()
    looks = re.search(r'data-live hx-get="(/devices/live/attention/)"', html)
    shown = re.search(r'id="live-attention" name="attention" value="([^"]*)"', html)
    return f"{looks[1]}?attention={shown[1]}" if looks and shown else None


def look(client: Client, address: str) -> str:
    answer = client.get(address, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert b"<html" not in answer.content
    return answer.content.decode()


def card(device: Device) -> str:
    return f'<article class="card device-card" id="card-{device.pk}"'


def test_a_card_that_stays_is_not_touched_but_for_its_values(simpsons: Cast, as_marge: Client) -> None:
    address = opened(as_marge, "/devices/")
    measure(simpsons.kitchen, "23.25")
    html = look(as_marge, address)
    assert f'id="reading-{simpsons.kitchen.pk}" hx-swap-oob="true"' in html
    for whole in (card(simpsons.kitchen), "live-notice", 'id="live-shown"', "read-key", "data-chart"):
        assert whole not in html


def test_a_device_that_was_moved_away_goes_from_the_page(simpsons: Cast, as_marge: Client) -> None:
    DeviceFactory(organization=simpsons.household, name="cellar")
    address = opened(as_marge, "/devices/")
    Device.objects.filter(pk=simpsons.kitchen.pk).update(organization=simpsons.power_plant)
    html = look(as_marge, address)
    assert f'hx-swap-oob="delete:#card-{simpsons.kitchen.pk}"' in html
    assert "1 device is no longer here." in html
    assert "kitchen" not in html
    assert "Power plant" not in html


def test_a_device_that_comes_stands_where_it_belongs(simpsons: Cast, as_marge: Client) -> None:
    address = opened(as_marge, "/devices/")
    attic = DeviceFactory(organization=simpsons.household, name="attic")
    roof = DeviceFactory(organization=simpsons.household, name="roof")
    html = look(as_marge, address)
    assert f'<div hx-swap-oob="afterbegin:#cards">{card(attic)}' in html
    assert f'<div hx-swap-oob="afterend:#card-{simpsons.kitchen.pk}">{card(roof)}' in html
    assert card(simpsons.kitchen) not in html
    assert "“attic” is new here." in html


def test_a_page_that_was_told_of_a_change_is_not_told_again(simpsons: Cast, as_marge: Client) -> None:
    address = opened(as_marge, "/devices/")
    roof = DeviceFactory(organization=simpsons.household, name="roof")
    shown = re.search(r'id="live-shown" name="shown" value="([^"]*)" hx-swap-oob', look(as_marge, address))
    assert shown
    html = look(as_marge, f"/devices/live/?shown={shown[1]}")
    assert card(roof) not in html
    assert "live-notice" not in html


def test_what_only_went_to_the_next_page_is_not_said_to_be_gone(simpsons: Cast, as_marge: Client) -> None:
    for number in range(11):
        DeviceFactory(organization=simpsons.household, name=f"room {number}")
    address = opened(as_marge, "/devices/")
    DeviceFactory(organization=simpsons.household, name="attic")
    html = look(as_marge, address)
    assert 'hx-swap-oob="delete:' in html
    assert "no longer here" not in html
    assert 'href="?page=2"' in html


@pytest.fixture
def long_there(simpsons: Cast) -> Cast:
    """Marge sees thirteen devices, one more than fit on a page, and has seen them for a day; what comes now is new."""
    for number in range(12):
        DeviceFactory(organization=simpsons.household, name=f"room {number}")
    yesterday = timezone.now() - timedelta(days=1)
    Device.objects.update(created_at=yesterday)
    Membership.objects.update(created_at=yesterday)
    return simpsons


def test_a_device_that_only_changed_pages_is_not_said_to_be_new(long_there: Cast, as_marge: Client) -> None:
    address = opened(as_marge, "/devices/?order=-value")
    last = Device.objects.get(name="room 11")
    assert f"-{last.pk}." not in address
    measure(last, "30")
    html = look(as_marge, address)
    assert card(last) in html
    assert "live-notice" not in html


@pytest.mark.parametrize("page", ["/devices/", "/organizations/{household}/"])
def test_what_comes_up_for_a_device_that_went_is_not_said_to_be_new(
    long_there: Cast, as_marge: Client, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_organizations, "DEVICES_A_PAGE", 12)
    address = opened(as_marge, page.format(household=long_there.household.pk))
    long_there.kitchen.delete()
    html = look(as_marge, address)
    assert "room 11" in html
    assert "1 device is no longer here." in html
    assert "is new here" not in html


def test_a_device_in_another_state_is_not_said_to_be_new(long_there: Cast, as_marge: Client) -> None:
    address = opened(as_marge, "/devices/?state=blocked")
    Device.objects.filter(name="room 3").update(blocked_at=timezone.now())
    html = look(as_marge, address)
    assert "room 3" in html
    assert "is new here" not in html


def test_a_device_that_was_moved_to_where_somebody_sees_it_is_new_there(
    long_there: Cast, as_marge: Client, as_homer: Client
) -> None:
    address = opened(as_marge, "/devices/")
    as_homer.post("/devices/list/move/", {"devices": [long_there.reactor.pk], "organization": long_there.household.pk})
    assert "“reactor” is new here." in look(as_marge, address)


def test_a_device_that_came_with_the_organization_that_it_is_in_is_new(
    long_there: Cast, as_marge: Client, as_homer: Client
) -> None:
    address = opened(as_marge, "/devices/?q=reactor")
    page = f"/organizations/{long_there.power_plant.pk}/move/"
    seen = as_homer.get(page).context["form"]["seen"].value()
    as_homer.post(page, {"parent": long_there.household.pk, "seen": seen})
    assert "“reactor” is new here." in look(as_marge, address)


@pytest.mark.parametrize("given", ["another place", "the place moved"])
def test_a_device_that_is_somebodys_to_see_since_the_last_look_is_new(
    long_there: Cast, as_marge: Client, as_homer: Client, given: str
) -> None:
    address = opened(as_marge, "/devices/?q=reactor")
    if given == "another place":
        MembershipFactory(user=long_there.marge, organization=long_there.power_plant)
    else:
        place = long_there.marge.memberships.get()
        page = f"/memberships/{place.pk}/move/"
        seen = as_homer.get(page).context["form"]["seen"].value()
        as_homer.post(page, {"organization": long_there.power_plant.pk, "seen": seen})
    assert "“reactor” is new here." in look(as_marge, address)


def test_a_device_with_another_channel_gets_its_card_anew(simpsons: Cast, as_marge: Client) -> None:
    channel = simpsons.kitchen.channel
    Device.objects.filter(pk=simpsons.kitchen.pk).update(channel=None)
    address = opened(as_marge, "/devices/")
    Device.objects.filter(pk=simpsons.kitchen.pk).update(channel=channel)
    html = look(as_marge, address)
    assert f'{card(simpsons.kitchen)} aria-labelledby="device-{simpsons.kitchen.pk}" hx-swap-oob="true">' in html
    assert "data-chart" in html


def test_a_device_that_is_renamed_keeps_its_card(simpsons: Cast, as_marge: Client) -> None:
    address = opened(as_marge, "/devices/")
    simpsons.kitchen.describe(name="pantry", description="")
    html = look(as_marge, address)
    assert f'<span id="name-{simpsons.kitchen.pk}" hx-swap-oob="true">pantry</span>' in html
    assert card(simpsons.kitchen) not in html


def test_the_first_device_appears_by_itself(simpsons: Cast, as_carl: Client) -> None:
    simpsons.garage.delete()
    pages = [f"/organizations/{simpsons.carls.pk}/", "/devices/"]
    looks = [opened(as_carl, page) for page in pages]
    DeviceFactory(organization=simpsons.carls, name="shed")
    row, found = (look(as_carl, address) for address in looks)
    assert 'id="devices-here" hx-swap-oob="innerHTML"' in row
    assert '<div id="found" hx-swap-oob="innerHTML">' in found
    for html in (row, found):
        assert "“shed” is new here." in html
        assert "No device yet" not in html


def test_where_the_last_device_went_stands_what_to_do_next(simpsons: Cast, as_marge: Client) -> None:
    address = opened(as_marge, "/devices/")
    Membership.objects.filter(user=simpsons.marge).delete()
    html = look(as_marge, address)
    assert '<div id="found" hx-swap-oob="innerHTML">' in html
    assert "You do not belong to any organization" in html
    assert "1 device is no longer here." in html


def test_the_page_of_an_organization_shows_new_values_and_new_devices(simpsons: Cast, as_homer: Client) -> None:
    address = opened(as_homer, f"/organizations/{simpsons.home.pk}/")
    measure(simpsons.kitchen, "23")
    html = look(as_homer, address)
    assert f'<span id="value-{simpsons.kitchen.pk}" hx-swap-oob="true">23' in html
    assert "<table" not in html
    simpsons.reactor.delete()
    html = look(as_homer, address)
    assert "<table" in html
    assert '<span class="count" id="devices-count" hx-swap-oob="true">1</span>' in html


def test_what_changes_on_the_page_of_a_device_has_a_place_there(simpsons: Cast, as_marge: Client) -> None:
    page = f"/devices/{simpsons.kitchen.pk}/"
    stands = as_marge.get(page).content.decode()
    places = re.findall(r'id="([^"]+)" ?(?:hidden )?hx-swap-oob="true"', look(as_marge, f"{page}live/"))
    assert len(places) == 6
    assert [place for place in places if stands.count(f'id="{place}"') != 1] == []


def test_the_facts_of_a_device_follow_its_headline(simpsons: Cast, as_marge: Client, time_machine: Any) -> None:
    kitchen, page = simpsons.kitchen, f"/devices/{simpsons.kitchen.pk}/"
    as_marge.get(page)
    time_machine.move_to(timezone.now(), tick=False)
    measure(kitchen, "23.25")
    DeviceContact.objects.update(asked_at=timezone.now())
    kitchen.describe(name="pantry", description="Beside the stove")
    time_machine.shift(timedelta(seconds=5))
    html = look(as_marge, f"{page}live/")
    for fact in ("measured", "asked"):
        assert re.search(rf'<span id="{fact}-{kitchen.pk}" hx-swap-oob="true"><time [^>]*>5\sseconds ago</time>', html)
    assert f'<span id="name-{kitchen.pk}" hx-swap-oob="true">pantry</span>' in html
    assert f'<p id="description-{kitchen.pk}" hx-swap-oob="true">Beside the stove</p>' in html


def test_a_look_at_a_device_leaves_keys_chart_and_menus_alone(simpsons: Cast, as_homer: Client) -> None:
    html = look(as_homer, f"/devices/{simpsons.kitchen.pk}/live/")
    assert "description-" in html
    for whole in ("data-chart", "read-key", "<details", "<form", "<button", "<a "):
        assert whole not in html


def test_whose_organization_it_is_no_longer_is_told_nothing_of_it(simpsons: Cast, as_marge: Client) -> None:
    address = opened(as_marge, f"/organizations/{simpsons.household.pk}/")
    Membership.objects.filter(user=simpsons.marge).delete()
    assert as_marge.get(address).status_code == 404


def test_what_needs_attention_follows_on_a_page_that_stands(simpsons: Cast, as_homer: Client) -> None:
    address = attention_of(as_homer)
    assert as_homer.get(address).status_code == 204, "what is the same is not drawn anew"
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    html = look(as_homer, address)
    assert '<div id="attention-here" hx-swap-oob="innerHTML">' in html
    assert "“kitchen” (Household) has not sent anything for more than an hour." in html
    stands = attention_of(as_homer)
    assert as_homer.get(stands).status_code == 204
    Device.objects.filter(pk=simpsons.kitchen.pk).update(blocked_at=timezone.now())
    html = look(as_homer, stands)
    assert '<div id="attention-here" hx-swap-oob="innerHTML">' in html
    assert "Needs attention" not in html


def test_the_focus_on_a_matter_finds_it_again_when_another_comes_before_it(simpsons: Cast, as_homer: Client) -> None:
    RegistrationKeyFactory(organization=simpsons.home, uses=1, use_limit=1)

    def link(html: str, label: str) -> str:
        return re.search(rf'</svg> {label}</span>.*?<a [^>]*id="(attention-[^"]+)"', html, re.DOTALL)[1]  # type: ignore[index]

    before = as_homer.get("/devices/").content.decode()
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    after = as_homer.get("/devices/").content.decode()
    assert link(before, "Used up") == link(after, "Used up") != link(after, "Silent")


def test_members_and_further_pages_look_for_nothing_that_needs_attention(
    simpsons: Cast, as_marge: Client, as_homer: Client
) -> None:
    assert attention_of(as_marge) is None
    assert attention_of(as_homer, "/devices/?q=kitchen") is None
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    assert "Needs attention" not in look(as_marge, "/devices/live/attention/")


@pytest.mark.parametrize("said", ["", "1", "x-y", "1-9.", "1-٣.٣", "1-" + "9" * 40 + ".1", "-.-", "\0"])
def test_nonsense_about_what_is_shown_does_no_harm(simpsons: Cast, as_marge: Client, said: str) -> None:
    assert as_marge.get("/devices/live/", {"shown": said}).status_code == 200
    assert as_marge.get(f"/organizations/{simpsons.household.pk}/live/", {"shown": said}).status_code == 200


@pytest.mark.parametrize(
    ("who", "page"),
    [("marge", "/devices/"), ("homer", "/devices/"), ("marge", "/organizations/{household}/")],
)
def test_a_look_takes_as_many_queries_whatever_has_changed(
    simpsons: Cast, as_marge: Client, as_homer: Client, who: str, page: str
) -> None:
    client = as_homer if who == "homer" else as_marge
    address = opened(client, page.format(household=simpsons.household.pk))

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            look(client, address)
        return len(asked)

    before = queries()
    for _ in range(8):
        DeviceFactory(organization=simpsons.household)
    assert queries() == before
