"""The page of one device: its facts, the read key, the data of its chart; renaming and moving it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from channels.embedded import Embedded
from channels.models import ChannelKey
from channels.platforms import OutOfReach
from devices.models import Device
from orgs import tree
from orgs.audit import AuditEntry
from orgs.models import Membership
from tests.conftest import MANAGER, Cast
from tests.devices.measuring import measure
from tests.factories import DeviceFactory, MembershipFactory

HTMX = {"HX-Request": "true"}


@pytest.fixture
def kitchen(simpsons: Cast) -> str:
    return f"/devices/{simpsons.kitchen.pk}/"


def test_the_path_shows_only_organizations_that_the_viewer_may_see(
    simpsons: Cast, as_homer: Client, as_marge: Client, kitchen: str
) -> None:
    def path(client: Client) -> list[str]:
        return [crumb["label"] for crumb in client.get(kitchen).context["breadcrumbs"]]

    assert path(as_homer) == ["The Simpsons", "Household", "kitchen"]
    assert path(as_marge) == ["Household", "kitchen"]


def test_only_a_manager_sees_the_serial_number_and_the_ways_to_change_it(
    simpsons: Cast, as_homer: Client, as_marge: Client, kitchen: str
) -> None:
    homers, marges = as_homer.get(kitchen).content.decode(), as_marge.get(kitchen).content.decode()
    for text in (simpsons.kitchen.serial, f"{kitchen}edit/", f"{kitchen}move/"):
        assert text in homers
        assert text not in marges


# ---- the read key ----


def test_show_gives_the_key_and_the_address_of_the_graph(simpsons: Cast, as_marge: Client, kitchen: str) -> None:
    answer = as_marge.post(f"{kitchen}read-key/")
    html = answer.content.decode()
    key = ChannelKey.objects.get(holder=simpsons.marge).value
    number = simpsons.kitchen.channel.number
    assert key in html
    assert f"/channels/{number}/charts/1?api_key={key}&amp;results=60&amp;dynamic=true" in html
    assert "<html" in html
    assert "no-store" in answer["Cache-Control"]


def test_with_htmx_the_answer_is_the_key_alone(simpsons: Cast, as_marge: Client, kitchen: str) -> None:
    answer = as_marge.post(f"{kitchen}read-key/", headers=HTMX)
    html = answer.content.decode()
    assert ChannelKey.objects.get(holder=simpsons.marge).value in html
    assert html.lstrip().startswith('<div class="secret" id="read-key-')
    assert "<html" not in html
    assert "no-store" in answer["Cache-Control"]


def test_the_graph_opens_with_that_address_and_without_logging_in(
    simpsons: Cast, as_marge: Client, kitchen: str
) -> None:
    graph = as_marge.post(f"{kitchen}read-key/").context["graph"]
    assert Client().get(graph.removeprefix("http://localhost:8080")).status_code == 200


def test_each_showing_is_in_the_audit_without_the_key(simpsons: Cast, as_marge: Client, kitchen: str) -> None:
    as_marge.post(f"{kitchen}read-key/")
    entry = AuditEntry.objects.get(action="read_key.shown")
    assert entry.actor == simpsons.marge
    assert ChannelKey.objects.get(holder=simpsons.marge).value not in str(AuditEntry.objects.values().get())


def test_a_platform_out_of_reach_is_said_where_the_key_would_be(simpsons: Cast, as_marge: Client, kitchen: str) -> None:
    with patch.object(Embedded, "add_read_key", side_effect=OutOfReach):
        whole, piece = as_marge.post(f"{kitchen}read-key/"), as_marge.post(f"{kitchen}read-key/", headers=HTMX)
    assert (whole.status_code, piece.status_code) == (503, 200)
    for answer in (whole, piece):
        assert "out of reach at the moment. Please try again" in answer.content.decode()
        assert f"{kitchen}read-key/" in answer.content.decode()


def test_asking_for_the_key_of_a_device_without_channel_leads_back_to_its_page(
    simpsons: Cast, as_marge: Client
) -> None:
    device = DeviceFactory(organization=simpsons.household, channel=None)
    answer = as_marge.post(f"/devices/{device.pk}/read-key/")
    assert answer["Location"] == f"/devices/{device.pk}/"


# ---- the data of the chart ----


def test_the_feed_is_thingspeaks_json_compact_and_without_any_key(
    simpsons: Cast, as_marge: Client, kitchen: str
) -> None:
    moment = datetime(2026, 6, 1, 12, tzinfo=UTC)
    measure(simpsons.kitchen, "21.50", moment)
    answer = as_marge.get(f"{kitchen}feed.json")
    number = simpsons.kitchen.channel.number
    assert answer.content.decode() == (
        f'{{"channel":{{"id":{number},"name":"kitchen","field1":"Temperature","last_entry_id":1}},'
        '"feeds":[{"created_at":"2026-06-01T12:00:00Z","entry_id":1,"field1":"21.50"}]}'
    )
    assert answer["Cache-Control"] == "private, no-store"


def entries(client: Client, address: str) -> list[int]:
    return [entry["entry_id"] for entry in client.get(address).json()["feeds"]]


@pytest.fixture
def measured(simpsons: Cast, settings) -> None:
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    now = timezone.now()
    for n, days in enumerate((3, 2, 1.5, 0.5, 0.1), start=1):
        measure(simpsons.kitchen, f"{n}", now - timedelta(days=days))


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("?results=2", [4, 5]),
        ("?days=1", [4, 5]),
        ("?start_entry_id=4", [4, 5]),
        ("?days=1&start_entry_id=5", [5]),
        ("?start_entry_id=6", []),
        ("?results=0", [1, 2, 3, 4, 5]),
        ("?results=-1&days=nan", [1, 2, 3, 4, 5]),
        ("?results=" + "9" * 30, [1, 2, 3, 4, 5]),
        ("?results=%D9%A3", [1, 2, 3, 4, 5]),
    ],
)
def test_the_feed_takes_the_parameters_of_a_chart(as_marge: Client, kitchen: str, query: str, found: list[int]) -> None:
    assert entries(as_marge, f"{kitchen}feed.json{query}") == found


def test_a_number_beyond_all_measure_is_shown_as_it_was_sent(simpsons: Cast, as_marge: Client) -> None:
    key = simpsons.kitchen.channel.keys.writing().get().value
    for sent in ("1e1000000", "-1e1000000", "1e-1000000"):
        assert Client().post("/update", {"api_key": key, "field1": sent}).status_code == 200
    for page in ("/devices/", f"/devices/{simpsons.kitchen.pk}/", f"/devices/{simpsons.kitchen.pk}/values/"):
        assert as_marge.get(page).status_code == 200
    assert "1e1000000" in as_marge.get(f"/devices/{simpsons.kitchen.pk}/values/").content.decode()


def test_a_chart_that_was_away_for_long_misses_nothing(
    simpsons: Cast, as_marge: Client, kitchen: str, settings
) -> None:
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    now = timezone.now()
    for n in range(120):
        measure(simpsons.kitchen, "20", now - timedelta(minutes=120 - n))
    assert entries(as_marge, f"{kitchen}feed.json?days=1&start_entry_id=10") == list(range(10, 121))


def test_a_platform_out_of_reach_is_a_503_with_a_sentence(as_marge: Client, kitchen: str) -> None:
    with patch.object(Embedded, "read_feed", side_effect=OutOfReach):
        feed, values = as_marge.get(f"{kitchen}feed.json"), as_marge.get(f"{kitchen}values/")
    assert feed.status_code == 503
    assert feed["Retry-After"] == "30"
    assert "out of reach" in feed.json()["error"]["message"]
    assert values.status_code == 200
    assert "out of reach" in values.content.decode()


def test_a_device_without_channel_has_no_feed_and_a_page(simpsons: Cast, as_marge: Client) -> None:
    device = DeviceFactory(organization=simpsons.household, channel=None)
    assert as_marge.get(f"/devices/{device.pk}/feed.json").status_code == 404
    assert as_marge.get(f"/devices/{device.pk}/").status_code == 200
    assert "There are no values yet" in as_marge.get(f"/devices/{device.pk}/values/").content.decode()


@pytest.mark.parametrize("piece", ["", "live/", "values/"])
def test_pages_of_a_device_take_a_fixed_number_of_queries(
    simpsons: Cast, as_marge: Client, kitchen: str, piece: str, django_assert_max_num_queries, settings
) -> None:
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    for n in range(30):
        measure(simpsons.kitchen, "20", timezone.now() - timedelta(minutes=40 - n))
    with django_assert_max_num_queries(11):
        as_marge.get(f"{kitchen}{piece}")


# ---- renaming and moving ----


def test_homer_calls_it_something_else(simpsons: Cast, as_homer: Client, kitchen: str) -> None:
    answer = as_homer.post(f"{kitchen}edit/", {"name": "  Pantry "}, follow=True)
    simpsons.kitchen.refresh_from_db()
    assert simpsons.kitchen.name == "Pantry"
    assert "is now called “Pantry”" in answer.content.decode()


def test_a_name_that_is_too_long_stays_in_the_form(simpsons: Cast, as_homer: Client, kitchen: str) -> None:
    html = as_homer.post(f"{kitchen}edit/", {"name": "x" * 101}).content.decode()
    assert "x" * 101 in html
    assert "is-invalid" in html
    assert Device.objects.get(pk=simpsons.kitchen.pk).name == "kitchen"


def test_two_managers_do_not_overwrite_each_other_silently(simpsons: Cast, as_homer: Client, kitchen: str) -> None:
    seen = as_homer.get(f"{kitchen}edit/").context["form"]["seen"].value()
    simpsons.kitchen.describe(name="Pantry", description="")
    answer = as_homer.post(f"{kitchen}edit/", {"name": "Cellar", "seen": seen})
    html = answer.content.decode()
    assert "Somebody else has changed this in the meantime: Name: Pantry" in html
    assert 'value="Cellar"' in html
    assert Device.objects.get(pk=simpsons.kitchen.pk).name == "Pantry"

    again = answer.context["form"]["seen"].value()
    assert as_homer.post(f"{kitchen}edit/", {"name": "Cellar", "seen": again}).status_code == 302
    assert Device.objects.get(pk=simpsons.kitchen.pk).name == "Cellar"


def test_moving_it_changes_who_sees_it(
    simpsons: Cast, as_homer: Client, as_marge: Client, as_lenny: Client, kitchen: str
) -> None:
    as_homer.post(f"{kitchen}move/", {"organization": simpsons.power_plant.pk})
    assert as_marge.get(kitchen).status_code == 404
    assert as_lenny.get(kitchen).status_code == 200


def test_both_ends_must_be_managed(simpsons: Cast, kitchen: str) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    client = Client()
    client.force_login(bart)
    for target in (simpsons.power_plant, simpsons.home, simpsons.carls):
        answer = client.post(f"{kitchen}move/", {"organization": target.pk})
        assert "is not yours to choose" in answer.content.decode()
        assert target.name not in answer.content.decode()
    assert Device.objects.get(pk=simpsons.kitchen.pk).organization == simpsons.household


def test_two_managers_who_move_one_device_do_not_overwrite_each_other(
    simpsons: Cast, as_homer: Client, kitchen: str
) -> None:
    seen = as_homer.get(f"{kitchen}move/").context["form"]["seen"].value()
    simpsons.kitchen.move(simpsons.power_plant)
    form = {"organization": simpsons.home.pk, "seen": seen}
    html = as_homer.post(f"{kitchen}move/", form).content.decode()
    assert "Somebody else has changed this in the meantime: Put it into: Power plant." in html
    simpsons.kitchen.refresh_from_db()
    assert simpsons.kitchen.organization == simpsons.power_plant


def test_a_device_never_moves_to_another_customer(simpsons: Cast, as_homer: Client, kitchen: str) -> None:
    Membership.objects.create(user=simpsons.homer, organization=simpsons.carls, relation=MANAGER)
    answer = as_homer.post(f"{kitchen}move/", {"organization": simpsons.carls.pk})
    assert answer.status_code == 200
    assert simpsons.carls.name not in answer.content.decode()
    assert Device.objects.get(pk=simpsons.kitchen.pk).organization == simpsons.household


def test_places_are_offered_with_the_path_to_them(simpsons: Cast, as_homer: Client, kitchen: str) -> None:
    tree.create_below(simpsons.household, "Upstairs")
    html = as_homer.get(f"{kitchen}move/").content.decode()
    assert "The Simpsons › Household › Upstairs" in html
