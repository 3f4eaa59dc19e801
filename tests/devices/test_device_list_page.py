"""The list of devices: searching, filtering, sorting, and moving many at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device
from orgs import tree
from orgs.models import AuditEntry, Membership
from tests.conftest import MANAGER, Cast
from tests.devices.measuring import measure
from tests.factories import DeviceFactory, MembershipFactory


def names(client: Client, query: str = "", address: str = "/devices/list/") -> list[str]:
    answer = client.get(address + query)
    assert answer.status_code == 200
    return [str(reading.device) for reading in answer.context["found"].readings]


@pytest.fixture
def cast(simpsons: Cast, settings) -> Cast:
    """Household has a bedroom at 18 °C that fell silent, a kitchen at 21 °C, and a cellar that has sent nothing."""
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    bedroom = DeviceFactory(organization=simpsons.household, name="bedroom")
    measure(bedroom, "18", timezone.now() - timedelta(hours=3))
    measure(simpsons.kitchen, "21", timezone.now() - timedelta(minutes=1))
    measure(simpsons.reactor, "-4.5", timezone.now() - timedelta(minutes=9))
    DeviceFactory(organization=simpsons.household, name="cellar")
    return simpsons


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["bedroom", "cellar", "kitchen", "reactor"]),
        ("?q=KITCH", ["kitchen"]),
        ("?q=  room ", ["bedroom"]),
        ("?q=nothing", []),
        ("?q=%25", []),
        ("?state=silent", ["bedroom"]),
        ("?state=sending", ["kitchen", "reactor"]),
        ("?state=waiting", ["cellar"]),
        (
            "?state=nonsense&organization=nonsense&order=nonsense&page=nonsense",
            ["bedroom", "cellar", "kitchen", "reactor"],
        ),
        ("?order=name", ["bedroom", "cellar", "kitchen", "reactor"]),
        ("?order=-name", ["reactor", "kitchen", "cellar", "bedroom"]),
        ("?order=value", ["reactor", "bedroom", "kitchen", "cellar"]),
        ("?order=-value", ["kitchen", "bedroom", "reactor", "cellar"]),
        ("?order=measured", ["bedroom", "reactor", "kitchen", "cellar"]),
        ("?order=-measured&q=e", ["kitchen", "reactor", "bedroom", "cellar"]),
    ],
)
@pytest.mark.usefixtures("cast")
def test_homer_finds_what_he_looks_for(as_homer: Client, query: str, found: list[str]) -> None:
    assert names(as_homer, query) == found


def test_a_device_is_found_by_the_house_that_its_flat_is_in(cast: Cast, as_homer: Client, as_marge: Client) -> None:
    floor = tree.create_below(cast.household, "Upper floor")
    bath = tree.create_below(floor, "Bath")
    DeviceFactory(organization=bath, name="boiler")
    DeviceFactory(organization=tree.create_below(cast.power_plant, "Bath"), name="pump")
    assert names(as_homer, "?q=upper bath") == names(as_marge, "?q=upper bath") == ["boiler"]
    assert names(as_homer, "?q=household") == ["bedroom", "cellar", "kitchen", "boiler"]


def test_the_name_of_the_customer_finds_not_all_there_is(cast: Cast, as_homer: Client) -> None:
    DeviceFactory(organization=cast.home, name="gate")
    assert names(as_homer, "?q=simpsons") == ["gate"]


def test_nobody_finds_a_device_by_a_house_that_is_not_theirs_to_know(cast: Cast) -> None:
    flat = tree.create_below(tree.create_below(cast.home, "Elm Street 12"), "Flat 3")
    DeviceFactory(organization=flat, name="boiler")
    tenant = Client()
    tenant.force_login(MembershipFactory(organization=flat).user)
    assert names(tenant, "?q=flat") == ["boiler"]
    assert names(tenant, "?q=elm") == []


def test_an_organization_counts_with_all_below_it(cast: Cast, as_homer: Client) -> None:
    assert names(as_homer, f"?organization={cast.household.pk}") == ["bedroom", "cellar", "kitchen"]
    assert len(names(as_homer, f"?organization={cast.home.pk}")) == 4


def test_a_foreign_organization_filters_nothing_and_reveals_nothing(cast: Cast, as_marge: Client) -> None:
    assert names(as_marge, f"?organization={cast.power_plant.pk}") == ["bedroom", "cellar", "kitchen"]
    html = as_marge.get(f"/devices/list/?organization={cast.power_plant.pk}").content.decode()
    assert "Power plant" not in html


def test_only_managers_find_a_device_by_its_serial_number(cast: Cast, as_homer: Client, as_marge: Client) -> None:
    assert names(as_homer, f"?q={cast.kitchen.serial}") == ["kitchen"]
    assert names(as_marge, f"?q={cast.kitchen.serial}") == []


def test_a_device_is_found_by_the_number_of_its_channel(cast: Cast, as_marge: Client) -> None:
    assert "kitchen" in names(as_marge, f"?q={cast.kitchen.channel.number}")
    assert names(as_marge, "?q=" + "9" * 30) == []


def test_the_same_filters_work_on_the_cards(cast: Cast, as_homer: Client) -> None:
    assert names(as_homer, "?q=kitch", "/devices/") == ["kitchen"]
    html = as_homer.get("/devices/?q=kitch").content.decode()
    assert "/devices/live/?q=kitch" in html
    assert "Show all" in html


def test_sorting_keeps_the_filters(cast: Cast, as_homer: Client) -> None:
    html = as_homer.get("/devices/list/?q=e&order=value&page=1").content.decode()
    assert "?q=e&amp;order=-value" in html
    assert 'aria-sort="ascending"' in html


def test_more_words_than_six_find_no_less(cast: Cast, as_homer: Client) -> None:
    assert names(as_homer, "?q=household kitchen k i t c zebra") == ["kitchen"]
    assert names(as_homer, "?q=kitchen kitchen Kitchen KITCHEN kitchen kitchen kitchen reactor") == []


def test_a_path_pasted_from_a_list_finds_what_is_there(cast: Cast, as_homer: Client) -> None:
    flat = tree.create_below(tree.create_below(cast.home, "Elm Street 12"), "Flat 3")
    DeviceFactory(organization=flat, name="boiler")
    assert names(as_homer, "?q=Elm Street 12 › Flat 3") == ["boiler"]


def test_a_search_is_as_long_as_a_path_and_not_longer(cast: Cast, as_homer: Client) -> None:
    for page in ("/devices/list/", "/people/"):
        assert 'type="search" name="q" maxlength="100"' in " ".join(as_homer.get(page).content.decode().split())


@pytest.mark.parametrize("page", ["/devices/list/", "/devices/", "/people/"])
def test_fifty_words_take_as_many_queries_as_one(cast: Cast, as_homer: Client, page: str) -> None:
    def queries(q: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            as_homer.get(page, {"q": q})
        return len(asked)

    tree.create_below(cast.household, "Attic")
    queries("e")  # What is kept after the first time does not count.
    assert queries(" ".join("e" * 50)) == queries(" ".join("ehousldabcfgijkmnpqrtvwxyz")) == queries("e")


@pytest.mark.parametrize("query", ["", "?state=silent", "?order=value"])
@pytest.mark.parametrize("count", [3, 80])
def test_the_number_of_queries_does_not_grow_with_the_devices(
    simpsons: Cast, as_homer: Client, count: int, query: str, django_assert_max_num_queries
) -> None:
    for _ in range(count):
        DeviceFactory(organization=simpsons.household)
    with django_assert_max_num_queries(11):
        as_homer.get(f"/devices/list/{query}")


# ---- moving many ----


def move(client: Client, devices: list[Device], to: object, **more: str) -> str:
    form = {"devices": [device.pk for device in devices], "organization": to, **more}
    return client.post("/devices/list/move/", form, follow=True).content.decode()


def test_homer_moves_the_chosen_ones(cast: Cast, as_homer: Client) -> None:
    html = move(as_homer, [cast.kitchen, cast.reactor], cast.home.pk)
    assert "2 devices are now in The Simpsons" in html
    assert set(Device.objects.filter(organization=cast.home)) == {cast.kitchen, cast.reactor}


@pytest.mark.parametrize("who", ["marge", "lenny", "carl"])
def test_nobody_moves_what_they_do_not_manage(cast: Cast, who: str) -> None:
    client = Client()
    client.force_login(getattr(cast, who))
    html = move(client, [cast.kitchen], cast.carls.pk)
    assert "is now in" not in html
    assert Device.objects.get(pk=cast.kitchen.pk).organization == cast.household


def test_both_ends_must_be_managed(cast: Cast) -> None:
    client = Client()
    client.force_login(MembershipFactory(organization=cast.household, relation=MANAGER).user)
    move(client, [cast.kitchen], cast.power_plant.pk)
    assert Device.objects.get(pk=cast.kitchen.pk).organization == cast.household


def test_a_device_stays_with_its_customer(cast: Cast, as_homer: Client) -> None:
    Membership.objects.create(user=cast.homer, organization=cast.carls, relation=MANAGER)
    assert "A device stays with its customer" in move(as_homer, [cast.kitchen, cast.garage], cast.carls.pk)
    assert Device.objects.get(pk=cast.kitchen.pk).organization == cast.household


def test_what_is_missing_is_said(cast: Cast, as_homer: Client) -> None:
    assert "Choose at least one device" in move(as_homer, [], cast.home.pk)
    assert "Choose where they should go" in move(as_homer, [cast.kitchen], "")


def test_the_list_comes_back_as_it_was(cast: Cast, as_homer: Client) -> None:
    form = {"devices": [cast.kitchen.pk], "organization": cast.home.pk}
    back = as_homer.post("/devices/list/move/", form | {"next": "/devices/list/?q=e"})
    assert back["Location"] == "/devices/list/?q=e"
    elsewhere = as_homer.post("/devices/list/move/", form | {"next": "https://example.net/devices/list/"})
    assert elsewhere["Location"] == "/devices/list/"


def test_a_device_is_found_by_its_place_and_its_name_together(simpsons: Cast, as_homer: Client) -> None:
    for place in (simpsons.household, simpsons.power_plant):
        DeviceFactory(organization=place, name="Bathroom")
    found = as_homer.get("/devices/list/?q=bath+household").context["found"]
    assert [(str(one.device), str(one.device.organization)) for one in found.readings] == [("Bathroom", "Household")]


def test_values_that_stand_below_each_other_have_as_many_decimals(cast: Cast, as_homer: Client) -> None:
    for address in ("/devices/list/", f"/organizations/{cast.home.pk}/"):
        page = as_homer.get(address).content.decode()
        assert [value for value in ("18.0 °C", "21.0 °C", "−4.5 °C") if value not in page] == [], address
    measure(cast.reactor, "58.651")
    page = as_homer.get("/devices/list/").content.decode()
    assert [value for value in ("18.0 °C", "21.0 °C", "58.7 °C") if value not in page] == []
    alone = as_homer.get(f"/devices/{cast.kitchen.pk}/").context["reading"]
    assert alone.value == "21.0"


def test_who_moves_devices_to_where_they_are_is_told_that_they_are_there(cast: Cast, as_homer: Client) -> None:
    place = str(cast.household.pk)
    answer = as_homer.post("/devices/list/move/", {"devices": [cast.kitchen.pk], "organization": place}, follow=True)
    assert "What you chose is in Household already." in answer.content.decode()
    page = f"/devices/{cast.kitchen.pk}/move/"
    form = as_homer.get(page).context["form"]
    answer = as_homer.post(page, {"organization": place, "seen": form["seen"].value()}, follow=True)
    assert "“kitchen” is in Household already." in answer.content.decode()
    assert not AuditEntry.objects.filter(action="device.moved").exists()
