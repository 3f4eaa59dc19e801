"""My devices: what Marge finds there, and what she never finds there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from channels.embedded import Embedded
from channels.models import ChannelKey
from channels.platforms import OutOfReach
from devices.models import RegistrationKey
from orgs.models import Membership, Organization, User
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.factories import DeviceFactory, RegistrationKeyFactory, UserFactory


def page(client: Client, address: str = "/devices/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_marge_finds_her_devices_and_no_others(simpsons: Cast, as_marge: Client) -> None:
    html = page(as_marge)
    assert "kitchen" in html
    assert f"Channel {simpsons.kitchen.channel.number}" in html
    assert "reactor" not in html
    assert "garage" not in html


def test_there_is_no_trace_of_what_she_may_not_see(simpsons: Cast, as_marge: Client) -> None:
    RegistrationKeyFactory(organization=simpsons.household)
    addresses = [
        "/devices/",
        "/organizations/",
        f"/devices/{simpsons.kitchen.pk}/",
        f"/organizations/{simpsons.household.pk}/",
    ]
    for address in [*addresses, f"/devices/{simpsons.kitchen.pk}/values/"]:
        html = page(as_marge, address)
        for hidden in ("Power plant", "The Simpsons", "reactor", RegistrationKey.objects.get().lookup):
            assert hidden not in html, address


def test_no_page_of_hers_shows_a_write_key(simpsons: Cast, as_marge: Client, as_homer: Client) -> None:
    write_key = ChannelKey.objects.writing().get(channel=simpsons.kitchen.channel).value
    device = f"/devices/{simpsons.kitchen.pk}/"
    for client in (as_marge, as_homer):
        for address in ("/devices/", device, f"{device}feed.json", f"{device}values/"):
            assert write_key not in page(client, address)
        assert write_key not in client.post(f"{device}read-key/").content.decode()


def test_keys_are_masked_until_asked_for(simpsons: Cast, as_marge: Client) -> None:
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    key = ChannelKey.objects.get(holder=simpsons.marge).value
    for address in ("/devices/", f"/devices/{simpsons.kitchen.pk}/"):
        assert key not in page(as_marge, address)


def test_opening_the_page_makes_no_key(simpsons: Cast, as_marge: Client) -> None:
    page(as_marge)
    assert not ChannelKey.objects.filter(holder__isnull=False).exists()


def test_the_last_value_and_its_age_are_there(simpsons: Cast, as_marge: Client) -> None:
    measure(simpsons.kitchen, "21.50", timezone.now() - timedelta(minutes=5))
    html = page(as_marge)
    assert "21.5 " in html
    assert "5\xa0minutes ago" in html
    assert "Sending" in html


@pytest.mark.parametrize(
    ("moment", "zone"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "America/New_York"),
        (datetime(9999, 12, 31, 23, tzinfo=UTC), "Asia/Tokyo"),
    ],
)
def test_a_device_whose_clock_is_at_an_end_of_the_calendar_takes_the_page_from_nobody(
    simpsons: Cast, as_marge: Client, moment: datetime, zone: str
) -> None:
    User.objects.filter(pk=simpsons.marge.pk).update(time_zone=zone)
    measure(simpsons.kitchen, "21.50", moment)
    assert "21.5 " in page(as_marge)
    assert "21.5 " in page(as_marge, f"/devices/{simpsons.kitchen.pk}/")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("-4.20", "−4.2"),
        ("21", "21.0"),
        ("1e1", "10.0"),
        ("20.96", "21.0"),
        ("20.25", "20.3"),
        ("-0.04", "0.0"),
        ("on", "on"),
    ],
)
def test_values_are_written_for_people(simpsons: Cast, as_marge: Client, sent: str, shown: str) -> None:
    measure(simpsons.kitchen, sent)
    assert f'<div class="device-value">{shown} <span' in page(as_marge)


def test_a_device_that_fell_silent_says_so(simpsons: Cast, as_marge: Client) -> None:
    measure(simpsons.kitchen, "20", timezone.now() - timedelta(hours=2))
    html = page(as_marge)
    assert "Silent" in html
    assert "Sending" not in html


def test_a_device_that_has_sent_nothing_says_so(simpsons: Cast, as_marge: Client) -> None:
    assert "Nothing sent yet" in page(as_marge)


def test_a_device_without_a_channel_has_neither_chart_nor_key(simpsons: Cast, as_lenny: Client) -> None:
    DeviceFactory(organization=simpsons.power_plant, name="boiler", channel=None)
    html = page(as_lenny)
    assert "Not ready yet" in html
    assert html.count("data-chart ") == html.count("read-key/") / 2 == 1


def test_the_chart_has_no_key_in_its_address(simpsons: Cast, as_marge: Client) -> None:
    html = page(as_marge)
    assert f'data-feed-url="/devices/{simpsons.kitchen.pk}/feed.json?results=60"' in html
    assert "api_key" not in html


def test_without_javascript_a_table_of_values_stands_in_for_the_chart(simpsons: Cast, as_marge: Client) -> None:
    measure(simpsons.kitchen, "21.5")
    address = f"/devices/{simpsons.kitchen.pk}/values/?framed"
    assert f'<noscript><iframe src="{address}"' in page(as_marge)
    answer = as_marge.get(address)
    assert "21.5" in answer.content.decode()
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in answer["Content-Security-Policy"]


def test_the_page_itself_cannot_be_framed(as_marge: Client) -> None:
    answer = as_marge.get("/devices/")
    assert answer["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_what_the_chart_fetches_loads_nothing_and_cannot_be_framed(simpsons: Cast, as_marge: Client) -> None:
    answer = as_marge.get(f"/devices/{simpsons.kitchen.pk}/feed.json")
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_platform_out_of_reach_is_said_and_the_page_still_works(simpsons: Cast, as_marge: Client) -> None:
    with patch.object(Embedded, "last_entries", side_effect=OutOfReach):
        html = page(as_marge)
    assert "The channel platform is out of reach" in html
    assert "kitchen" in html
    assert "Not known now" in html


def test_live_values_come_as_pieces_of_the_page(simpsons: Cast, as_marge: Client) -> None:
    measure(simpsons.kitchen, "23.25")
    html = page(as_marge, "/devices/live/")
    assert f'id="reading-{simpsons.kitchen.pk}" hx-swap-oob="true"' in html
    assert "23.3" in html
    assert "<html" not in html


def test_values_below_each_other_have_as_many_decimals(simpsons: Cast, as_marge: Client) -> None:
    now = timezone.now()
    for minute, value in enumerate(("20", "20.5", "-19.625")):
        with time_machine.travel(now - timedelta(minutes=9 - minute)):
            measure(simpsons.kitchen, value)
    html = page(as_marge, f"/devices/{simpsons.kitchen.pk}/values/")
    assert re.findall(r'<td class="number">(.*?)</td>', html) == ["−19.63", "20.50", "20.00"]


@pytest.mark.parametrize("count", [1, 12, 30])
def test_the_number_of_queries_does_not_grow_with_the_devices(
    simpsons: Cast, as_marge: Client, count: int, django_assert_num_queries
) -> None:
    for _ in range(count - 1):
        DeviceFactory(organization=simpsons.household)
    # One more with the bar for finding devices, which a handful of them does without.
    with django_assert_num_queries(11 if count < 7 else 12):
        as_marge.get("/devices/")


def test_a_page_shows_twelve_devices_and_the_way_to_the_others(simpsons: Cast, as_marge: Client) -> None:
    for _ in range(14):
        DeviceFactory(organization=simpsons.household)
    first, second = page(as_marge), page(as_marge, "/devices/?page=2")
    assert (first.count("<article"), second.count("<article")) == (12, 3)
    assert "page=2" in first
    assert "/devices/live/?page=2" in second


def test_a_manager_without_devices_is_shown_the_way_to_the_registration_key(as_carl: Client, simpsons: Cast) -> None:
    simpsons.garage.delete()
    html = page(as_carl)
    assert "No thermometer yet" in html
    assert f"/organizations/{simpsons.carls.pk}/#keys" in html


def test_a_member_without_devices_is_told_to_wait(as_marge: Client, simpsons: Cast) -> None:
    simpsons.kitchen.delete()
    html = page(as_marge)
    assert "No thermometer here yet" in html
    assert "registration" not in html


def test_somebody_without_an_organization_is_told_to_ask_for_an_invitation(db: None) -> None:
    client = Client()
    client.force_login(UserFactory())
    assert "You do not belong to any organization" in page(client)


def test_people_of_a_suspended_customer_are_told_why_nothing_is_there(simpsons: Cast, as_marge: Client) -> None:
    simpsons.home.suspend()
    html = page(as_marge)
    assert "The service for The Simpsons is paused" in html
    assert "kitchen" not in html


def test_a_guest_whose_time_has_run_out_sees_nothing(simpsons: Cast, as_marge: Client) -> None:
    Membership.objects.filter(user=simpsons.marge).update(valid_until=timezone.now())
    html = page(as_marge)
    assert "kitchen" not in html
    assert simpsons.household.name not in html
    assert "Your time as a guest is over" in html
    assert re.search(rf"It ended on <time [^>]*>{date_format(timezone.localtime())} <span", html)
    assert as_marge.get(f"/devices/{simpsons.kitchen.pk}/").status_code == 404


def test_somebody_in_two_customers_sees_the_devices_of_both(simpsons: Cast, as_marge: Client) -> None:
    Membership.objects.create(user=simpsons.marge, organization=simpsons.carls)
    html = page(as_marge)
    assert "kitchen" in html
    assert "garage" in html


def test_names_are_shown_as_text(simpsons: Cast, as_marge: Client) -> None:
    simpsons.kitchen.describe(name="<script>alert(1)</script>", description="")
    Organization.objects.filter(pk=simpsons.household.pk).update(name="<b>House</b>")
    User.objects.filter(pk=simpsons.marge.pk).update(given_name="<i>Marge</i>")
    html = page(as_marge)
    assert "<script>alert" not in html
    assert "<b>House" not in html
    assert "<i>Marge" not in html
